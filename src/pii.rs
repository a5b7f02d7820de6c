//! Personal data that cannot be printed by accident: `Pii<T>` shows `***`, a phone number shows its last two digits.

use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// A personal datum. `Debug` and `Display` never show it; [`Pii::expose`] does, and is easy to find in a review.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Pii<T>(T);

impl<T> Pii<T> {
    /// Wraps a value that must not be printed.
    pub const fn new(value: T) -> Self {
        Pii(value)
    }
    /// The value itself. Say at the call site where it goes.
    pub const fn expose(&self) -> &T {
        &self.0
    }
    /// The value itself, by value.
    pub fn into_exposed(self) -> T {
        self.0
    }
}

impl<T: Zeroize> Zeroize for Pii<T> {
    fn zeroize(&mut self) {
        self.0.zeroize();
    }
}

impl<T> std::fmt::Debug for Pii<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl<T> std::fmt::Display for Pii<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// `+84900000412` as `+84*******12`: enough for an agent to tell two numbers apart, not enough to dial.
pub fn masked_number(e164: &str) -> String {
    let keep_head = 3.min(e164.len());
    let keep_tail = 2.min(e164.len() - keep_head);
    let hidden = e164.len() - keep_head - keep_tail;
    if !e164.is_ascii() {
        return "***".to_owned();
    }
    format!(
        "{}{}{}",
        &e164[..keep_head],
        "*".repeat(hidden),
        &e164[e164.len() - keep_tail..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_personal_datum_prints_as_stars() {
        let name = Pii::new("Trần Thị Mai Hương".to_owned());
        assert_eq!(format!("{name} {name:?}"), "*** ***");
        assert_eq!(name.expose(), "Trần Thị Mai Hương");
    }

    #[test]
    fn a_masked_number_keeps_three_and_two() {
        assert_eq!(masked_number("+84900000412"), "+84*******12");
        assert_eq!(masked_number("+8"), "+8");
        assert_eq!(masked_number("số"), "***");
    }
}
