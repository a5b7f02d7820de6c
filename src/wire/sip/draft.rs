//! Writes messages: requests, answers to checked requests, and refusals of what the front door turned away.
//!
//! No value can add a line: control octets are dropped on the way out, whoever passed them in.

use super::front_door::Refusal;
use super::message::{Method, Request};
use std::net::SocketAddr;

/// A message under construction: start line, then headers in the order of the calls, then [`Draft::end`].
#[derive(Clone, Debug)]
pub struct Draft {
    bytes: Vec<u8>,
}

impl Draft {
    /// Begins a request.
    pub fn request(method: &Method, uri: &str) -> Draft {
        let mut draft = Draft {
            bytes: Vec::with_capacity(1_024),
        };
        draft.push_text(method.as_str());
        draft.bytes.push(b' ');
        draft.push_text(uri);
        draft.bytes.extend_from_slice(b" SIP/2.0\r\n");
        draft
    }

    /// Begins a response without any header.
    pub fn response(status: u16, reason: &str) -> Draft {
        let mut draft = Draft {
            bytes: Vec::with_capacity(768),
        };
        draft.bytes.extend_from_slice(b"SIP/2.0 ");
        draft.push_number(u64::from(status));
        draft.bytes.push(b' ');
        draft.push_text(reason);
        draft.bytes.extend_from_slice(b"\r\n");
        draft
    }

    /// Begins the answer to a request: Via (with `received` and `rport` of `source`), From, To (with `to_tag` where it
    /// has none), Call-ID and CSeq are copied (RFC 3261 s.8.2.6.2).
    pub fn answer(
        request: &Request,
        source: SocketAddr,
        status: u16,
        reason: &str,
        to_tag: Option<&str>,
    ) -> Draft {
        let mut draft = Draft::response(status, reason);
        let envelope = &request.envelope;
        for (place, via) in envelope.vias.iter().enumerate() {
            if place == 0 {
                draft = draft.header("Via", &via.with_source(source));
            } else {
                draft = draft.header("Via", &via.text);
            }
        }
        draft = draft.header("From", &envelope.from.text);
        draft = match to_tag {
            Some(tag) if envelope.to.tag().is_none() => {
                draft.header_with_tag("To", &envelope.to.text, tag)
            }
            _ => draft.header("To", &envelope.to.text),
        };
        draft
            .header("Call-ID", &envelope.call_id)
            .cseq(envelope.cseq.number, &envelope.cseq.method)
    }

    /// The answer to a request that the front door refused, from what could be read of it.
    pub fn refusal(refusal: &Refusal, source: SocketAddr, to_tag: &str) -> Vec<u8> {
        let mut draft = Draft::response(refusal.status, refusal.reason);
        for (place, via) in refusal.vias.iter().enumerate() {
            match (&refusal.top_via, place) {
                (Some(top), 0) => draft = draft.header("Via", &top.with_source(source)),
                _ => draft = draft.header("Via", via),
            }
        }
        if let Some(from) = &refusal.from {
            draft = draft.header("From", from);
        }
        if let Some(to) = &refusal.to {
            // A tag can be added only to what is well-formed; elsewhere it would change the meaning of a broken value.
            draft = if refusal.to_takes_tag {
                draft.header_with_tag("To", to, to_tag)
            } else {
                draft.header("To", to)
            };
        }
        if let Some(call_id) = &refusal.call_id {
            draft = draft.header("Call-ID", call_id);
        }
        if let Some(cseq) = &refusal.cseq {
            draft = draft.header("CSeq", cseq);
        }
        draft.end(None)
    }

    /// Adds a header line.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Draft {
        self.push_text(name);
        self.bytes.extend_from_slice(b": ");
        self.push_text(value);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a header line whose value is made of pieces.
    #[must_use]
    pub fn header_of(mut self, name: &str, pieces: &[&str]) -> Draft {
        self.push_text(name);
        self.bytes.extend_from_slice(b": ");
        for piece in pieces {
            self.push_text(piece);
        }
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds CSeq.
    #[must_use]
    pub fn cseq(mut self, number: u32, method: &Method) -> Draft {
        self.bytes.extend_from_slice(b"CSeq: ");
        self.push_number(u64::from(number));
        self.bytes.push(b' ');
        self.push_text(method.as_str());
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Adds a header line with a tag parameter behind the value.
    #[must_use]
    pub fn header_with_tag(mut self, name: &str, value: &str, tag: &str) -> Draft {
        self.push_text(name);
        self.bytes.extend_from_slice(b": ");
        self.push_text(value);
        self.bytes.extend_from_slice(b";tag=");
        self.push_text(tag);
        self.bytes.extend_from_slice(b"\r\n");
        self
    }

    /// Ends the message with Content-Length and the body, given as (content type, octets).
    pub fn end(mut self, body: Option<(&str, &[u8])>) -> Vec<u8> {
        match body {
            Some((kind, octets)) => {
                self = self.header("Content-Type", kind);
                self.bytes.extend_from_slice(b"Content-Length: ");
                self.push_number(octets.len() as u64);
                self.bytes.extend_from_slice(b"\r\n\r\n");
                self.bytes.extend_from_slice(octets);
            }
            None => self.bytes.extend_from_slice(b"Content-Length: 0\r\n\r\n"),
        }
        self.bytes
    }

    fn push_number(&mut self, number: u64) {
        let mut digits = [0_u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.bytes.extend_from_slice(&digits[at..]);
    }

    fn push_text(&mut self, text: &str) {
        let octets = text.as_bytes();
        // Without a way out of the loop, which makes it a fast one: nearly no text has such an octet.
        if octets
            .iter()
            .fold(false, |any, octet| any | octet.is_ascii_control())
        {
            // An escaped control octet inside a quoted string is lawful (quoted-pair) and harmless; line breaks never are.
            self.bytes.extend(
                octets
                    .iter()
                    .copied()
                    .filter(|octet| !matches!(octet, b'\r' | b'\n')),
            );
        } else {
            self.bytes.extend_from_slice(octets);
        }
    }
}

/// Reason phrases of the statuses that we send.
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        100 => "Trying",
        180 => "Ringing",
        183 => "Session Progress",
        200 => "OK",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        413 => "Request Entity Too Large",
        422 => "Session Interval Too Small",
        415 => "Unsupported Media Type",
        416 => "Unsupported URI Scheme",
        420 => "Bad Extension",
        480 => "Temporarily Unavailable",
        481 => "Call/Transaction Does Not Exist",
        482 => "Loop Detected",
        486 => "Busy Here",
        487 => "Request Terminated",
        488 => "Not Acceptable Here",
        489 => "Bad Event",
        491 => "Request Pending",
        500 => "Server Internal Error",
        501 => "Not Implemented",
        503 => "Service Unavailable",
        505 => "Version Not Supported",
        513 => "Message Too Large",
        603 => "Decline",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_they_are() {
        for number in [0, 7, 10, 486, 2_147_483_647] {
            let bytes = Draft::request(&Method::BYE, "sip:x@h")
                .cseq(number, &Method::BYE)
                .end(None);
            let text = String::from_utf8_lossy(&bytes);
            assert!(
                text.contains(&format!("\r\nCSeq: {number} BYE\r\n")),
                "{text}"
            );
        }
        let bytes = Draft::response(200, "OK").end(Some(("text/plain", &[b'x'; 1_234])));
        let text = String::from_utf8_lossy(&bytes);
        assert!(text.starts_with("SIP/2.0 200 OK\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Length: 1234\r\n\r\nx"), "{text}");
    }

    #[test]
    fn no_value_can_add_a_line() {
        let bytes = Draft::request(&Method::INVITE, "sip:x@h\r\nRoute: <sip:evil>")
            .header_of("Subject", &["a\r\nVia: b\n", "\nc"])
            .end(Some(("text/plain", b"body\r\n")));
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(
            text.split("\r\n\r\n")
                .next()
                .map(|head| head.lines().count()),
            Some(4)
        );
        assert!(text.ends_with("Content-Length: 6\r\n\r\nbody\r\n"));
    }
}
