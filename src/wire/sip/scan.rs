//! Reads a header value from left to right. Owns the lexical rules of RFC 3261 s.25.1; knows no header.
//!
//! Every method moves forward only, so a value of n octets costs O(n). Slices end at ASCII octets, never inside a character.

/// Why a value could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanFault {
    /// A quoted string without its closing quote.
    #[error("quoted string is not closed")]
    OpenQuote,
    /// A token was expected.
    #[error("token is missing")]
    NoToken,
    /// Something else stands where this octet was expected.
    #[error("expected {:?}", *.0 as char)]
    Expected(u8),
    /// Octets after the end of the value.
    #[error("trailing octets")]
    Trailing,
}

/// A place in a header value.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    text: &'a str,
    at: usize,
}

/// `token` of RFC 3261 s.25.1.
pub const fn is_token_octet(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
        )
}

/// Whether the whole of `text` is a token of at least one octet.
pub fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_octet)
}

/// `word` of RFC 3261 s.25.1, the parts of a Call-ID.
pub const fn is_word_octet(octet: u8) -> bool {
    is_token_octet(octet)
        || matches!(
            octet,
            b'(' | b')'
                | b'<'
                | b'>'
                | b':'
                | b'\\'
                | b'"'
                | b'/'
                | b'['
                | b']'
                | b'?'
                | b'{'
                | b'}'
        )
}

impl<'a> Scan<'a> {
    /// At the beginning of `text`.
    pub const fn new(text: &'a str) -> Self {
        Scan { text, at: 0 }
    }

    /// The next octet, without taking it.
    pub fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Whether nothing is left.
    pub fn is_done(&self) -> bool {
        self.at >= self.text.len()
    }

    /// What is left.
    pub fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    /// Position in octets.
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Text between an earlier position and here.
    pub fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or("")
    }

    /// Steps over spaces and tabs (folding was undone before).
    pub fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
    }

    /// Takes `octet` if it is next.
    pub fn eat(&mut self, octet: u8) -> bool {
        let found = self.peek() == Some(octet);
        if found {
            self.at += 1;
        }
        found
    }

    /// Takes `octet` with white space allowed around it (SEMI, EQUAL, COMMA of the grammar).
    pub fn eat_loose(&mut self, octet: u8) -> bool {
        let back = self.at;
        self.skip_space();
        if self.eat(octet) {
            self.skip_space();
            true
        } else {
            self.at = back;
            false
        }
    }

    /// Takes `octet` or says that it is missing.
    pub fn expect(&mut self, octet: u8) -> Result<(), ScanFault> {
        if self.eat(octet) {
            Ok(())
        } else {
            Err(ScanFault::Expected(octet))
        }
    }

    /// Takes octets while `keep` holds.
    pub fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.peek().is_some_and(&keep) {
            self.at += 1;
        }
        self.since(start)
    }

    /// Takes a token of at least one octet.
    pub fn token(&mut self) -> Result<&'a str, ScanFault> {
        let token = self.take_while(is_token_octet);
        if token.is_empty() {
            Err(ScanFault::NoToken)
        } else {
            Ok(token)
        }
    }

    /// Takes a quoted string and returns it with its quotes and escapes as they stand.
    pub fn quoted(&mut self) -> Result<&'a str, ScanFault> {
        let start = self.at;
        self.expect(b'"')?;
        while let Some(octet) = self.peek() {
            match octet {
                b'"' => {
                    self.at += 1;
                    return Ok(self.since(start));
                }
                // The octet after a backslash never closes the string (quoted-pair).
                b'\\' => self.at = (self.at + 2).min(self.text.len()),
                _ => self.at += 1,
            }
        }
        Err(ScanFault::OpenQuote)
    }

    /// Says that nothing but white space may be left.
    pub fn finish(&mut self) -> Result<(), ScanFault> {
        self.skip_space();
        if self.is_done() {
            Ok(())
        } else {
            Err(ScanFault::Trailing)
        }
    }
}

/// The content of a quoted string: quotes off, escapes resolved. A text without quotes is returned as it is.
pub fn unquote(text: &str) -> String {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut plain = String::with_capacity(inner.len());
    let mut escaped = false;
    for letter in inner.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        plain.push(letter);
    }
    plain
}

/// `text` as a quoted string.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_string_ends_at_its_own_quote_only() {
        let mut scan = Scan::new(r#""J \"the\" Rosenberg" <sip:x>"#);
        assert_eq!(scan.quoted(), Ok(r#""J \"the\" Rosenberg""#));
        assert_eq!(scan.rest(), " <sip:x>");
        assert_eq!(Scan::new("\"open \\\"").quoted(), Err(ScanFault::OpenQuote));
        assert_eq!(Scan::new("\"\\é\"x").quoted(), Ok("\"\\é\""));
    }

    #[test]
    fn quoting_and_unquoting_are_inverse() {
        for text in ["", "plain", r#"a"b\c"#, "nợ"] {
            assert_eq!(unquote(&quote(text)), text);
        }
    }

    #[test]
    fn separators_take_the_space_around_them_or_nothing() {
        let mut scan = Scan::new("a  ;\tb");
        assert_eq!(scan.token(), Ok("a"));
        assert!(!scan.eat_loose(b','));
        assert_eq!(scan.rest(), "  ;\tb");
        assert!(scan.eat_loose(b';'));
        assert_eq!(scan.rest(), "b");
    }
}
