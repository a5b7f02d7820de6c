//! The form of one record: one line, nothing in it that a terminal or a collector would obey. Owns no wording.
//!
//! A carrier's reason phrase or a stranger's User-Agent may hold line breaks and escape sequences: written as they are, one
//! request would forge a second record, or clear the screen of whoever reads (OWASP ASVS 16.4.1).

use std::fmt::{self, Debug, Write};
use std::io;
use tracing::field::Field;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer, debug_fn};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Longest value of one field in characters; a SIP line may have 8,192 octets, and a log wants none of them whole.
const VALUE_MAX: usize = 2_048;

/// Fields as `message name=value name=value`, each value on the record's own line.
pub(super) fn clean_fields() -> impl for<'w> FormatFields<'w> + Send + Sync + 'static {
    debug_fn(
        |writer: &mut Writer<'_>, field: &Field, value: &dyn Debug| match field.name() {
            "message" => write_clean(writer, value),
            // What the bridge from other people's `log` adds; the record's own place says it.
            name if name.starts_with("log.") => Ok(()),
            name => {
                write!(writer, "{name}=")?;
                write_clean(writer, value)
            }
        },
    )
    .delimited(" ")
}

fn write_clean(writer: &mut Writer<'_>, value: &dyn Debug) -> fmt::Result {
    let mut clean = Clean {
        into: writer,
        left: VALUE_MAX,
    };
    write!(clean, "{value:?}")
}

/// Escapes what is no printable text, and ends after so many characters.
struct Clean<'a, 'w> {
    into: &'a mut Writer<'w>,
    left: usize,
}

impl Write for Clean<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            match self.left {
                0 => return Ok(()),
                1 => self.into.write_char('…')?,
                _ if is_harmful(character) => write!(self.into, "{}", character.escape_default())?,
                _ => self.into.write_char(character)?,
            }
            self.left -= 1;
        }
        Ok(())
    }
}

/// Controls of either range, line and paragraph separators, and what turns the direction of writing round.
fn is_harmful(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Puts the level before the record as the journal wants it, `<4>` for a warning (sd-daemon(3)): `journalctl -p err` then
/// finds what should wake somebody.
pub(super) struct Journal<F> {
    pub(super) inner: F,
    pub(super) is_on: bool,
}

impl<S, N, F> FormatEvent<S, N> for Journal<F>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.is_on {
            let severity = match *event.metadata().level() {
                Level::ERROR => 3,
                Level::WARN => 4,
                Level::INFO => 6,
                Level::DEBUG | Level::TRACE => 7,
            };
            write!(writer, "<{severity}>")?;
        }
        self.inner.format_event(context, writer, event)
    }
}

/// JSON escapes the first 32 characters by itself; this escapes the others that a terminal would obey, for whoever reads
/// the file with `less`.
pub(super) struct Printable<W>(pub(super) W);

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Printable<W> {
    type Writer = PrintableRecord<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        PrintableRecord(self.0.make_writer())
    }
}

/// One record on its way out; it comes in one piece.
pub(super) struct PrintableRecord<W>(W);

impl<W: io::Write> io::Write for PrintableRecord<W> {
    fn write(&mut self, record: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(record);
        let body = text.strip_suffix('\n').unwrap_or(&text);
        if body.chars().any(is_harmful) {
            let mut clean = String::with_capacity(text.len() + 32);
            for character in body.chars() {
                if is_harmful(character) {
                    let _ = write!(clean, "\\u{:04x}", u32::from(character));
                } else {
                    clean.push(character);
                }
            }
            clean.push_str(&text[body.len()..]);
            self.0.write_all(clean.as_bytes())?;
        } else {
            self.0.write_all(record)?;
        }
        Ok(record.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
