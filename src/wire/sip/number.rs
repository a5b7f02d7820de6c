//! A telephone number that may stand in a URI. The only way from text to Request-URI: what is no number never becomes one.

use crate::pii::masked_number;
use std::fmt;

/// Why a text is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberFault {
    /// Fewer than 3 or more than 15 digits (ITU-T E.164 s.6.1).
    #[error("3 to 15 digits were expected")]
    Length,
    /// Something other than digits behind an optional plus sign.
    #[error("only digits behind an optional plus sign were expected")]
    Octet,
}

/// A validated number: `+?[0-9]{3,15}`. `Debug` shows it masked; [`E164::digits`] shows it in full.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct E164(String);

impl E164 {
    /// Checks a number. Nothing is stripped or repaired: a number that needs repair was not checked on import.
    pub fn parse(text: &str) -> Result<E164, NumberFault> {
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !digits.bytes().all(|octet| octet.is_ascii_digit()) {
            return Err(NumberFault::Octet);
        }
        if !(3..=15).contains(&digits.len()) {
            return Err(NumberFault::Length);
        }
        Ok(E164(text.to_owned()))
    }

    /// The number as it stands in a URI, with its plus sign if it has one.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

/// The user part of a SIP URI: a number, or the name of an extension. Nothing that would have to be escaped.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UserPart(String);

impl UserPart {
    /// Checks a name of 1 to 64 letters, digits and `-_.+`; a number passes too.
    pub fn parse(text: &str) -> Option<UserPart> {
        let is_plain = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|octet| octet.is_ascii_alphanumeric() || b"-_.+".contains(&octet));
        is_plain.then(|| UserPart(text.to_owned()))
    }

    /// As it stands in a URI.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl From<E164> for UserPart {
    fn from(number: E164) -> UserPart {
        UserPart(number.0)
    }
}

impl fmt::Debug for UserPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_number(&self.0))
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&masked_number(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_plain_numbers_pass() {
        for good in ["+84900000412", "113", "84900000412", "+123456789012345"] {
            assert!(E164::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "+",
            "12",
            "+1234567890123456",
            "+84 900",
            "84;phone-context=x",
            "1?Route=%3Csip:x%3E",
            "113\r\nRoute: <sip:evil>",
            "113@evil.example",
            "++113",
            "113+",
            "１１３",
            "٣٣٣",
        ] {
            assert!(E164::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_prints_masked() {
        let number = E164::parse("+84900000412");
        assert_eq!(format!("{number:?}"), "Ok(+84*******12)");
    }

    proptest! {
        #[test]
        fn whatever_passes_is_a_number(text in "\\PC{0,20}|[+]?[0-9]{0,18}") {
            if let Ok(number) = E164::parse(&text) {
                let digits = number.digits().strip_prefix('+').unwrap_or(number.digits());
                prop_assert!((3..=15).contains(&digits.len()) && digits.bytes().all(|octet| octet.is_ascii_digit()));
            }
        }
    }
}
