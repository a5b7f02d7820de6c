//! Log lines: where they go, in which form, and what must never be in them.
//!
//! Owns the subscriber and the panic hook. One record is one line whatever a far end sent ([`record`]); a panic is one record
//! without the data that it was about ([`panic`]). Other people's crates are never told below WARN: their trace lines hold
//! whole frames of agents and whole requests, and no level may put a person into a log.

mod panic;
mod record;

pub use panic::tell_panics;

use record::{Journal, Printable, clean_fields};
use std::io::IsTerminal;
use std::os::linux::fs::MetadataExt;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterFn, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{Format, JsonFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// Form of a log line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A sentence with fields, for people.
    #[default]
    Text,
    /// One JSON object a line, for collectors: `timestamp`, `level`, `message`, `target` and the fields beside them.
    Json,
}

/// Where and how lines are written.
#[derive(Clone, Copy, Debug, Default)]
struct Look {
    format: LogFormat,
    /// Standard error is the journal: it knows the time by itself and takes the level from a prefix (sd-daemon(3)).
    is_journal: bool,
    /// Standard error is a terminal: colours.
    is_terminal: bool,
}

/// The log is there already: somebody else in this process started one.
#[derive(Debug, thiserror::Error)]
#[error("the log cannot be started: {0}")]
pub struct LogFault(String);

/// Starts the log of this process on standard error. What is told is up to `TANDEM_LOG` ("info" without it; "debug",
/// "warn,tandem::shell::sip=debug").
pub fn start(format: LogFormat) -> Result<(), LogFault> {
    let wanted = std::env::var("TANDEM_LOG").unwrap_or_default();
    let (filter, fault) = filter(&wanted);
    let look = Look {
        format,
        is_journal: is_journal(),
        is_terminal: std::io::stderr().is_terminal(),
    };
    lines(look, filter, std::io::stderr)
        .try_init()
        .map_err(|fault| LogFault(fault.to_string()))?;
    if let Some(fault) = fault {
        tracing::warn!(
            fault,
            "TANDEM_LOG cannot be read; the log tells INFO and above."
        );
    }
    Ok(())
}

/// The filter of a text, and what is wrong with the text; then it is that of an empty one.
fn filter(wanted: &str) -> (EnvFilter, Option<String>) {
    let builder = || EnvFilter::builder().with_default_directive(LevelFilter::INFO.into());
    match builder().parse(wanted) {
        Ok(filter) => (filter, None),
        Err(fault) => (builder().parse_lossy(""), Some(fault.to_string())),
    }
}

/// Whether standard error leads to the journal: systemd names its device and inode (systemd.exec(5)).
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    // The descriptor itself: /proc leads to it, whatever it is.
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|here| named == format!("{}:{}", here.st_dev(), here.st_ino()))
}

/// Ours as far as the operator wants; of others what is a warning.
fn ours_or_a_warning() -> FilterFn<impl Fn(&Metadata<'_>) -> bool> {
    filter_fn(|line| {
        let target = line.target();
        let is_ours = target == "tandem" || target.starts_with("tandem::");
        is_ours || *line.level() <= Level::WARN
    })
}

fn lines<W>(look: Look, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::registry()
        .with(filter)
        .with(ours_or_a_warning())
        .with(shape::<_, W>(look, writer))
}

fn shape<S, W>(look: Look, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    match look.format {
        LogFormat::Json => fmt::layer()
            .event_format(Journal {
                inner: Format::default().json().flatten_event(true),
                is_on: look.is_journal,
            })
            .fmt_fields(JsonFields::new())
            .with_ansi(false)
            .with_writer(Printable(writer))
            .boxed(),
        LogFormat::Text if look.is_journal => fmt::layer()
            .event_format(Journal {
                inner: Format::default().without_time(),
                is_on: true,
            })
            .fmt_fields(clean_fields())
            .with_ansi(false)
            .with_writer(writer)
            .boxed(),
        LogFormat::Text => fmt::layer()
            .event_format(Format::default())
            .fmt_fields(clean_fields())
            .with_ansi(look.is_terminal)
            .with_writer(writer)
            .boxed(),
    }
}

#[cfg(test)]
mod tests;
