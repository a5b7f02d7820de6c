//! Header names: compact forms, any case, and the way to and from rsip's header types. Owns the table; checks no value.

use rsip::Header;
use rsip::headers::UntypedHeader;

macro_rules! known_headers {
    ($($variant:ident, $canonical:literal, $lower:literal;)*) => {
        /// Which header a line is: what is compared where text would cost more.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $(#[doc = $canonical] $variant,)* /** One that rsip lacks. */ Other }

        impl Kind {
            /// Its long name; empty for [`Kind::Other`].
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$variant => $canonical,)* Kind::Other => "" }
            }

            /// The kind of an rsip header.
            pub const fn of(header: &Header) -> Kind {
                match header { $(Header::$variant(_) => Kind::$variant,)* Header::Other(..) => Kind::Other }
            }
        }

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
            match lower {
                $($lower => Header::$variant(rsip::headers::$variant::new(value)),)*
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
    Via, "Via", b"via";
    From, "From", b"from";
    To, "To", b"to";
    CallId, "Call-ID", b"call-id";
    CSeq, "CSeq", b"cseq";
    Contact, "Contact", b"contact";
    MaxForwards, "Max-Forwards", b"max-forwards";
    ContentLength, "Content-Length", b"content-length";
    ContentType, "Content-Type", b"content-type";
    RecordRoute, "Record-Route", b"record-route";
    Route, "Route", b"route";
    Allow, "Allow", b"allow";
    Supported, "Supported", b"supported";
    Require, "Require", b"require";
    UserAgent, "User-Agent", b"user-agent";
    Server, "Server", b"server";
    Accept, "Accept", b"accept";
    AcceptEncoding, "Accept-Encoding", b"accept-encoding";
    AcceptLanguage, "Accept-Language", b"accept-language";
    AlertInfo, "Alert-Info", b"alert-info";
    AuthenticationInfo, "Authentication-Info", b"authentication-info";
    Authorization, "Authorization", b"authorization";
    CallInfo, "Call-Info", b"call-info";
    ContentDisposition, "Content-Disposition", b"content-disposition";
    ContentEncoding, "Content-Encoding", b"content-encoding";
    ContentLanguage, "Content-Language", b"content-language";
    Date, "Date", b"date";
    ErrorInfo, "Error-Info", b"error-info";
    Event, "Event", b"event";
    Expires, "Expires", b"expires";
    InReplyTo, "In-Reply-To", b"in-reply-to";
    MimeVersion, "MIME-Version", b"mime-version";
    MinExpires, "Min-Expires", b"min-expires";
    Organization, "Organization", b"organization";
    Priority, "Priority", b"priority";
    ProxyAuthenticate, "Proxy-Authenticate", b"proxy-authenticate";
    ProxyAuthorization, "Proxy-Authorization", b"proxy-authorization";
    ProxyRequire, "Proxy-Require", b"proxy-require";
    ReplyTo, "Reply-To", b"reply-to";
    RetryAfter, "Retry-After", b"retry-after";
    Subject, "Subject", b"subject";
    SubscriptionState, "Subscription-State", b"subscription-state";
    Timestamp, "Timestamp", b"timestamp";
    Unsupported, "Unsupported", b"unsupported";
    Warning, "Warning", b"warning";
    WwwAuthenticate, "WWW-Authenticate", b"www-authenticate";
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
