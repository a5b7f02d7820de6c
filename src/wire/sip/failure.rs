//! Why an INVITE failed, as the wire said it: status, Reason (RFC 3326), Retry-After. Judges nothing: the floor does.

use super::message::Response;

/// A final failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// SIP status, 300..=699; 0 if the request never left or the transport failed.
    pub status: u16,
    /// First Q.850 cause of the Reason headers, 1..=127.
    pub q850: Option<u8>,
    /// Retry-After, in seconds.
    pub retry_after_s: Option<u32>,
}

impl Failure {
    /// A failure that no far end spoke of.
    pub const fn local(status: u16) -> Failure {
        Failure {
            status,
            q850: None,
            retry_after_s: None,
        }
    }

    /// What a response says.
    pub fn read(response: &Response) -> Failure {
        Failure {
            status: response.status,
            q850: response.header_values("Reason").find_map(q850_cause),
            retry_after_s: response.header("Retry-After").and_then(delta_seconds),
        }
    }
}

/// The first Q.850 cause of one Reason line: `Q.850;cause=16;text="a, b", SIP;cause=200`.
fn q850_cause(line: &str) -> Option<u8> {
    for entry in split_outside_quotes(line, b',') {
        let mut parts = split_outside_quotes(entry, b';').map(str::trim);
        if !parts
            .next()
            .is_some_and(|protocol| protocol.eq_ignore_ascii_case("Q.850"))
        {
            continue;
        }
        for part in parts {
            if let Some((name, value)) = part.split_once('=')
                && name.trim().eq_ignore_ascii_case("cause")
                && let Ok(cause) = value.trim().parse::<u8>()
                && (1..=127).contains(&cause)
            {
                return Some(cause);
            }
        }
    }
    None
}

/// Digits at the front; what follows may be a comment or parameters (RFC 3261 s.20.33). Beyond 2^32 it is 2^32-1.
fn delta_seconds(value: &str) -> Option<u32> {
    let end = value
        .bytes()
        .position(|octet| !octet.is_ascii_digit())
        .unwrap_or(value.len());
    let (digits, rest) = value.split_at(end);
    if digits.is_empty() || !(rest.is_empty() || rest.starts_with([' ', '\t', ';', '('])) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

/// Pieces of a value between separators that stand outside quoted strings.
pub fn split_outside_quotes(text: &str, separator: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut in_quotes = false;
        let mut escaped = false;
        for (at, octet) in text.bytes().enumerate() {
            match octet {
                _ if escaped => escaped = false,
                b'\\' if in_quotes => escaped = true,
                b'"' => in_quotes = !in_quotes,
                _ if octet == separator && !in_quotes => {
                    rest = text.get(at + 1..);
                    return text.get(..at);
                }
                _ => {}
            }
        }
        rest = None;
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_found_among_other_reasons() {
        for (line, want) in [
            ("Q.850;cause=16;text=\"Normal call clearing\"", Some(16)),
            (
                "SIP;cause=200;text=\"Q.850;cause=17, x\", q.850 ; Cause = 21",
                Some(21),
            ),
            ("SIP;cause=480", None),
            ("Q.850;cause=128", None),
            ("Q.850;cause=0", None),
            ("Q.850", None),
            ("Q.850;cause=a, Q.850;cause=1", Some(1)),
        ] {
            assert_eq!(q850_cause(line), want, "{line}");
        }
    }

    #[test]
    fn retry_after_is_a_bounded_number() {
        for (value, want) in [
            ("120", Some(120)),
            ("18000;duration=3600", Some(18_000)),
            ("120 (I'm in a meeting)", Some(120)),
            ("949302838503028349304023988", Some(u32::MAX)),
            ("soon", None),
            ("-1", None),
            ("5x", None),
        ] {
            assert_eq!(delta_seconds(value), want, "{value}");
        }
    }
}
