//! CSV cells that no spreadsheet runs as a formula, and that come back unharmed when the file is imported again.

use std::borrow::Cow;

/// Longest number in E.164, digits (ITU-T E.164 s.6).
pub const E164_DIGITS_MAX: usize = 15;

/// Whether a text is a number as we keep it: "+" and 3 to 15 digits.
pub fn is_e164(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (3..=E164_DIGITS_MAX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A cell for a file that people open: begins with `'` if a spreadsheet would compute it (= + - @ TAB CR; OWASP, "CSV
/// Injection"). Phone numbers stay: "+84900000412" computes to itself.
pub fn neutral(cell: &str) -> Cow<'_, str> {
    let computed = cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']);
    let is_plain = is_e164(cell) || is_plain_number(cell);
    if computed && !is_plain {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

/// The cell as it was before [`neutral`].
pub fn original(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) => rest,
        _ => cell,
    }
}

/// "-1500000": an amount, not a formula.
fn is_plain_number(cell: &str) -> bool {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_spreadsheet_would_compute_opens_as_text() {
        for bad in [
            "=cmd|' /C calc'!A0",
            "+1+1",
            "-2+3",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "+84;x",
        ] {
            assert!(neutral(bad).starts_with('\''), "{bad:?}");
        }
    }

    #[test]
    fn numbers_and_names_stay_as_they_are() {
        for good in [
            "+84900000412",
            "-1500000",
            "Trần Thị Mai Hương",
            "",
            "a=b",
            "'quoted",
        ] {
            assert_eq!(neutral(good), good);
        }
    }

    proptest! {
        #[test]
        fn a_cell_comes_back_unharmed(cell in "[=+@'\\t\\r a-z0-9-]{0,8}") {
            // A cell that itself begins with ' and a formula is the one that cannot be told apart.
            prop_assume!(original(&cell) == cell);
            let neutral = neutral(&cell);
            prop_assert_eq!(original(&neutral), cell.as_str());
        }
    }
}
