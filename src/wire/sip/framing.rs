//! Cuts messages out of a stream (RFC 3261 s.18.3, 7.5) before the front door sees them. Owns one connection's octets.
//!
//! On doubt the stream is given up: octets whose boundaries two readers could see differently are an attack (smuggling).

use super::front_door::{
    HEADERS_MAX, LINE_OCTETS_MAX, MESSAGE_OCTETS_MAX, find_blank_line, find_line_end,
    parse_content_length,
};
use super::headers::long_name;

/// What a stream holds next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One message: to be read with [`super::front_door::Framing::Stream`].
    Message(Vec<u8>),
    /// A keep-alive, to be answered with one CRLF (RFC 5626 s.4.4.1).
    Ping,
    /// The stream is out of step. The octets are worth a refusal if they begin a request; then close the connection.
    Broken(Vec<u8>),
}

/// Collects one connection's octets.
#[derive(Debug, Default)]
pub struct StreamFramer {
    buffer: Vec<u8>,
    /// Octets of `buffer` that were handed out already.
    start: usize,
    /// Octets behind `start` that were already searched for the end of the headers.
    searched: usize,
    /// Whole length of the message at the front, once its headers are complete.
    length: Option<usize>,
    is_broken: bool,
}

impl StreamFramer {
    /// An empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds octets from the socket. At most one message and one read are held; a broken stream holds nothing.
    pub fn push(&mut self, octets: &[u8]) {
        if self.is_broken {
            return;
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(octets);
    }

    /// Whether a message has begun and is not complete: such a connection must not stay open for ever.
    pub fn is_midway(&self) -> bool {
        self.buffer.len() > self.start
    }

    /// The next frame, if it is complete.
    pub fn next_frame(&mut self) -> Option<Frame> {
        if self.is_broken {
            return None;
        }
        let length = match self.length {
            Some(length) => length,
            None => {
                let waiting = &self.buffer[self.start..];
                if waiting.starts_with(b"\r\n\r\n") {
                    self.consume(4);
                    return Some(Frame::Ping);
                }
                // One CRLF alone is either half a ping or an empty line before a start line.
                if matches!(waiting, [b'\r'] | [b'\r', b'\n'] | [b'\r', b'\n', b'\r']) {
                    return None;
                }
                if waiting.starts_with(b"\r\n") {
                    self.consume(2);
                }
                let waiting = &self.buffer[self.start..];
                if matches!(waiting.first(), Some(b'\r' | b'\n')) {
                    return Some(self.give_up(waiting.len()));
                }
                let from = self.searched.saturating_sub(3);
                let Some(found) = find_blank_line(&waiting[from..]) else {
                    self.searched = waiting.len();
                    return (waiting.len() > MESSAGE_OCTETS_MAX)
                        .then(|| self.give_up(MESSAGE_OCTETS_MAX));
                };
                let head = from + found + 4;
                match measure(&waiting[..head]) {
                    Some(body) if head + body <= MESSAGE_OCTETS_MAX => head + body,
                    _ => return Some(self.give_up(head)),
                }
            }
        };
        self.length = Some(length);
        let message = self.buffer.get(self.start..self.start + length)?.to_vec();
        self.consume(length);
        Some(Frame::Message(message))
    }

    fn consume(&mut self, octets: usize) {
        self.start += octets;
        self.searched = 0;
        self.length = None;
    }

    fn give_up(&mut self, octets: usize) -> Frame {
        self.is_broken = true;
        let buffer = std::mem::take(&mut self.buffer);
        let end = (self.start + octets).min(buffer.len());
        Frame::Broken(buffer[self.start..end].to_vec())
    }
}

/// The body's length from the header section, or `None` where two readers could disagree about it.
fn measure(head: &[u8]) -> Option<usize> {
    let lines = head.strip_suffix(b"\r\n\r\n")?;
    let mut length: Option<usize> = None;
    let mut value: Option<Vec<u8>> = None;
    let mut count = 0_usize;
    let mut rest = lines;
    let mut is_start_line = true;
    loop {
        let (line, tail) = match find_line_end(rest) {
            Some(end) => (&rest[..end], Some(&rest[end + 2..])),
            None => (rest, None),
        };
        if line.contains(&b'\r') || line.contains(&b'\n') || line.len() > LINE_OCTETS_MAX {
            return None;
        }
        if is_start_line {
            is_start_line = false;
        } else if matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some(folded) = &mut value {
                folded.push(b' ');
                folded.extend_from_slice(line.trim_ascii());
            }
        } else {
            settle(&mut length, value.take())?;
            count += 1;
            if count > HEADERS_MAX {
                return None;
            }
            // A line without a colon is no header: what the next hop makes of it, nobody knows.
            let colon = line.iter().position(|octet| *octet == b':')?;
            let name = line[..colon].trim_ascii_end().to_ascii_lowercase();
            if long_name(&name) == b"content-length" {
                value = Some(line[colon + 1..].trim_ascii().to_vec());
            }
        }
        match tail {
            Some(tail) => rest = tail,
            None => break,
        }
    }
    settle(&mut length, value)?;
    length
}

fn settle(length: &mut Option<usize>, value: Option<Vec<u8>>) -> Option<()> {
    if let Some(value) = value {
        let said = parse_content_length(std::str::from_utf8(&value).ok()?.trim())?;
        if length.is_some_and(|before| before != said) {
            return None;
        }
        *length = Some(said);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = "OPTIONS sip:x@h SIP/2.0\r\nVia: SIP/2.0/TCP h;branch=z9hG4bKa\r\n";

    fn frames(octets: &[u8], step: usize) -> Vec<Frame> {
        let mut framer = StreamFramer::new();
        let mut frames = Vec::new();
        for piece in octets.chunks(step) {
            framer.push(piece);
            while let Some(frame) = framer.next_frame() {
                frames.push(frame);
            }
        }
        frames
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let one = format!("{OPTIONS}Content-Length: 4\r\n\r\nbody");
        let two = format!("{OPTIONS}l \t:\r\n 002\r\n\r\nhi");
        let stream = format!("\r\n{one}\r\n\r\n{two}{one}");
        for step in [1, 2, 3, 7, 64, 10_000] {
            let got = frames(stream.as_bytes(), step);
            assert_eq!(
                got,
                [
                    Frame::Message(one.clone().into_bytes()),
                    Frame::Ping,
                    Frame::Message(two.clone().into_bytes()),
                    Frame::Message(one.clone().into_bytes()),
                ],
                "step {step}"
            );
        }
    }

    #[test]
    fn a_stream_in_doubt_is_given_up_and_stays_so() {
        for (what, headers) in [
            ("no length", ""),
            ("two lengths", "Content-Length: 3\r\nl: 4\r\n"),
            ("negative", "Content-Length: -1\r\n"),
            ("sign", "Content-Length: +4\r\n"),
            ("hex", "Content-Length: 0x4\r\n"),
            ("list", "Content-Length: 4, 4\r\n"),
            ("huge", "Content-Length: 99999999999999999999\r\n"),
            ("beyond a message", "Content-Length: 70000\r\n"),
            ("empty", "Content-Length:\r\n"),
            ("inner space", "Content-Length: 1 0\r\n"),
            ("bare LF", "Content-Length: 4\nX: y\r\n"),
            ("bare CR", "X: a\rContent-Length: 4\r\n"),
            ("no colon", "Content-Length 4\r\nContent-Length: 4\r\n"),
        ] {
            let stream = format!("{OPTIONS}{headers}\r\nbody{OPTIONS}Content-Length: 0\r\n\r\n");
            let got = frames(stream.as_bytes(), 11);
            assert!(
                matches!(got.as_slice(), [Frame::Broken(_)]),
                "{what}: {got:?}"
            );
        }
    }

    #[test]
    fn endless_headers_are_bounded() {
        let got = frames(&vec![b'a'; MESSAGE_OCTETS_MAX + 2], 4_096);
        assert!(matches!(got.as_slice(), [Frame::Broken(_)]));
    }
}
