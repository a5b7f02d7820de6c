//! HTTP ranges (RFC 9110 s.14): which octets a request means. One range at a time; several are answered with the whole, as allowed.

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it: 200.
    Whole,
    /// From the first to the last octet, both included: 206.
    Part(u64, u64),
    /// There are no such octets: 416.
    Nothing,
}

/// What a `Range` header means for something of `length` octets. One that cannot be read is as if it were not there (s.14.2).
pub(super) fn wanted(header: Option<&str>, length: u64) -> Wanted {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // More digits than a file can have octets are still a number.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let Some((first, last)) = spec.split_once('-').map(|(a, b)| (a.trim(), b.trim())) else {
        return Wanted::Whole;
    };
    match (number(first), number(last)) {
        // The last so many octets.
        (None, Some(count)) if first.is_empty() => match count.min(length) {
            0 => Wanted::Nothing,
            count => Wanted::Part(length - count, length - 1),
        },
        (Some(first), None) if last.is_empty() => from(first, length, u64::MAX),
        (Some(first), Some(last)) if first <= last => from(first, length, last),
        _ => Wanted::Whole,
    }
}

fn from(first: u64, length: u64, last: u64) -> Wanted {
    if first < length {
        Wanted::Part(first, last.min(length - 1))
    } else {
        Wanted::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_rfc_means_them() {
        for (header, want) in [
            (None, Wanted::Whole),
            (Some("bytes=0-"), Wanted::Part(0, 99)),
            (Some("bytes=0-0"), Wanted::Part(0, 0)),
            (Some("bytes=10-19"), Wanted::Part(10, 19)),
            (Some("bytes=90-1000"), Wanted::Part(90, 99)),
            (
                Some("bytes=99-99999999999999999999999"),
                Wanted::Part(99, 99),
            ),
            (Some("bytes=-10"), Wanted::Part(90, 99)),
            (Some("bytes=-1000"), Wanted::Part(0, 99)),
            (Some("bytes=-0"), Wanted::Nothing),
            (Some("bytes=100-"), Wanted::Nothing),
            (Some("bytes=100-200"), Wanted::Nothing),
            (Some("bytes=20-10"), Wanted::Whole),
            (Some("bytes=a-b"), Wanted::Whole),
            (Some("bytes=+1-2"), Wanted::Whole),
            (Some("bytes=0-1,5-6"), Wanted::Whole),
            (Some("bytes=-"), Wanted::Whole),
            (Some("lines=0-1"), Wanted::Whole),
        ] {
            assert_eq!(wanted(header, 100), want, "{header:?}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }
}
