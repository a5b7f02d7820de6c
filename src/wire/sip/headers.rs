//! Header names: compact forms, any case, and the way to and from rsip's header types. Owns the table; checks no value.

use rsip::Header;
use rsip::headers::UntypedHeader;

macro_rules! known_headers {
    ($($variant:ident, $canonical:literal, $lower:literal;)*) => {
        /// The rsip header of a name in any case, long or compact (RFC 3261 s.7.3.3); names that rsip lacks become
        /// `Other` under their name as written, or their long name where it was compact.
        pub fn to_rsip(name: &str, value: String) -> Header {
            let mut buffer = [0_u8; 20];
            let lower: &[u8] = match buffer.get_mut(..name.len()) {
                Some(place) => {
                    place.copy_from_slice(name.as_bytes());
                    place.make_ascii_lowercase();
                    place
                }
                None => &[],
            };
            let lower = long_name(lower);
            $(if lower == $lower.as_bytes() {
                return Header::$variant(rsip::headers::$variant::new(value));
            })*
            match lower {
                b"refer-to" => Header::Other("Refer-To".to_owned(), value),
                b"session-expires" => Header::Other("Session-Expires".to_owned(), value),
                b"referred-by" => Header::Other("Referred-By".to_owned(), value),
                b"accept-contact" => Header::Other("Accept-Contact".to_owned(), value),
                b"reject-contact" => Header::Other("Reject-Contact".to_owned(), value),
                b"request-disposition" => Header::Other("Request-Disposition".to_owned(), value),
                b"identity" => Header::Other("Identity".to_owned(), value),
                _ => Header::Other(name.to_owned(), value),
            }
        }

        /// Name and value of an rsip header.
        pub fn parts(header: &Header) -> (&str, &str) {
            match header {
                $(Header::$variant(inner) => ($canonical, inner.value()),)*
                Header::Other(name, value) => (name, value),
            }
        }
    };
}

known_headers! {
    Via, "Via", "via";
    From, "From", "from";
    To, "To", "to";
    CallId, "Call-ID", "call-id";
    CSeq, "CSeq", "cseq";
    Contact, "Contact", "contact";
    MaxForwards, "Max-Forwards", "max-forwards";
    ContentLength, "Content-Length", "content-length";
    ContentType, "Content-Type", "content-type";
    RecordRoute, "Record-Route", "record-route";
    Route, "Route", "route";
    Allow, "Allow", "allow";
    Supported, "Supported", "supported";
    Require, "Require", "require";
    UserAgent, "User-Agent", "user-agent";
    Server, "Server", "server";
    Accept, "Accept", "accept";
    AcceptEncoding, "Accept-Encoding", "accept-encoding";
    AcceptLanguage, "Accept-Language", "accept-language";
    AlertInfo, "Alert-Info", "alert-info";
    AuthenticationInfo, "Authentication-Info", "authentication-info";
    Authorization, "Authorization", "authorization";
    CallInfo, "Call-Info", "call-info";
    ContentDisposition, "Content-Disposition", "content-disposition";
    ContentEncoding, "Content-Encoding", "content-encoding";
    ContentLanguage, "Content-Language", "content-language";
    Date, "Date", "date";
    ErrorInfo, "Error-Info", "error-info";
    Event, "Event", "event";
    Expires, "Expires", "expires";
    InReplyTo, "In-Reply-To", "in-reply-to";
    MimeVersion, "MIME-Version", "mime-version";
    MinExpires, "Min-Expires", "min-expires";
    Organization, "Organization", "organization";
    Priority, "Priority", "priority";
    ProxyAuthenticate, "Proxy-Authenticate", "proxy-authenticate";
    ProxyAuthorization, "Proxy-Authorization", "proxy-authorization";
    ProxyRequire, "Proxy-Require", "proxy-require";
    ReplyTo, "Reply-To", "reply-to";
    RetryAfter, "Retry-After", "retry-after";
    Subject, "Subject", "subject";
    SubscriptionState, "Subscription-State", "subscription-state";
    Timestamp, "Timestamp", "timestamp";
    Unsupported, "Unsupported", "unsupported";
    Warning, "Warning", "warning";
    WwwAuthenticate, "WWW-Authenticate", "www-authenticate";
}

/// The long name of a compact one, both in lower case (RFC 3261 s.7.3.3, RFC 3515, 3841, 3892, 4028, 8224, 6665).
pub const fn long_name(lower: &[u8]) -> &[u8] {
    match lower {
        b"v" => b"via",
        b"f" => b"from",
        b"t" => b"to",
        b"i" => b"call-id",
        b"m" => b"contact",
        b"l" => b"content-length",
        b"c" => b"content-type",
        b"e" => b"content-encoding",
        b"k" => b"supported",
        b"s" => b"subject",
        b"o" => b"event",
        b"u" => b"allow-events",
        b"r" => b"refer-to",
        b"b" => b"referred-by",
        b"x" => b"session-expires",
        b"a" => b"accept-contact",
        b"j" => b"reject-contact",
        b"d" => b"request-disposition",
        b"y" => b"identity",
        _ => lower,
    }
}

/// First value of the header named `name` (long form, any case).
pub fn first<'a>(headers: &'a rsip::Headers, name: &str) -> Option<&'a str> {
    all(headers, name).next()
}

/// All values of the header named `name` (long form, any case), one for each line.
pub fn all<'a>(headers: &'a rsip::Headers, name: &str) -> impl Iterator<Item = &'a str> {
    headers.iter().filter_map(move |header| {
        let (key, value) = parts(header);
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

/// All entries of a comma-separated list of tokens (Require, Allow, Supported), over all its lines.
pub fn tokens<'a>(headers: &'a rsip::Headers, name: &str) -> impl Iterator<Item = &'a str> {
    all(headers, name)
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_in_any_case_and_in_compact_form() {
        for (name, want) in [
            ("MaX-fOrWaRdS", "Max-Forwards"),
            ("v", "Via"),
            ("L", "Content-Length"),
            ("I", "Call-ID"),
            ("x", "Session-Expires"),
            ("session-expires", "Session-Expires"),
            ("X-Own", "X-Own"),
            (
                "a-name-that-is-longer-than-any-known",
                "a-name-that-is-longer-than-any-known",
            ),
        ] {
            let header = to_rsip(name, "1".to_owned());
            assert_eq!(parts(&header), (want, "1"), "{name}");
        }
    }

    #[test]
    fn token_lists_run_over_all_lines() {
        let headers = rsip::Headers::from(vec![
            to_rsip("Require", "a, b".to_owned()),
            to_rsip("Require", " c ,".to_owned()),
        ]);
        assert_eq!(
            tokens(&headers, "require").collect::<Vec<_>>(),
            ["a", "b", "c"]
        );
    }
}
