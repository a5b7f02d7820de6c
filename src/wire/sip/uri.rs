//! URIs and the headers made of them: From, To, Contact, Route, Record-Route. Parses and keeps the text as written.
//!
//! Ours because rsip's typed URI refuses IPv6 references and escapes where RFC 3261 s.25.1 and RFC 5118 allow them.
//! Nothing here decides where a request is sent: that is always the trunk's configured address.

use super::scan::{Scan, ScanFault, is_token_octet, unquote};
use memchr::memchr;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

/// Why a URI or a header made of URIs was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UriFault {
    /// No scheme before a colon, or an impossible one.
    #[error("scheme is missing or malformed")]
    Scheme,
    /// Octet outside the grammar in the user part.
    #[error("user part is malformed")]
    User,
    /// Not a host name, IPv4 address or bracketed IPv6 address.
    #[error("host is malformed")]
    Host,
    /// Not 0..=65535.
    #[error("port is malformed")]
    Port,
    /// A parameter is malformed.
    #[error("parameter is malformed")]
    Parameter,
    /// Headers component where none may stand (RFC 3261 s.19.1.1, table 1).
    #[error("headers component is not allowed here")]
    Headers,
    /// `%` without two hexadecimal digits.
    #[error("escape is malformed")]
    Escape,
    /// White space, control octet or delimiter inside a URI.
    #[error("octet not allowed in a URI")]
    Octet,
    /// Display name that is neither tokens nor a quoted string.
    #[error("display name is malformed")]
    DisplayName,
    /// `<` without `>`.
    #[error("angle bracket is not closed")]
    Bracket,
    /// A lexical fault.
    #[error(transparent)]
    Lexical(#[from] ScanFault),
}

/// Host part: a name or an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Host name as written.
    Name(String),
    /// IPv4 or IPv6 address.
    Address(IpAddr),
}

impl Host {
    /// Parses a host name, an IPv4 address, or an IPv6 address in brackets.
    pub fn parse(text: &str) -> Result<Host, UriFault> {
        Ok(match check_host(text)? {
            Some(address) => Host::Address(address),
            None => Host::Name(text.to_owned()),
        })
    }

    /// The address, if it is one.
    pub const fn address(&self) -> Option<IpAddr> {
        match self {
            Host::Address(address) => Some(*address),
            Host::Name(_) => None,
        }
    }
}

/// Whether a text is a host; its address, if it is not a name.
fn check_host(text: &str) -> Result<Option<IpAddr>, UriFault> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(UriFault::Host)?;
        return parse_ipv6(inner)
            .map(|address| Some(IpAddr::V6(address)))
            .ok_or(UriFault::Host);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Some(IpAddr::V4(address)));
    }
    // Underscores are outside the grammar and common in private names.
    let is_name = !text.is_empty()
        && text.len() <= 255
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_'))
        && !text.contains("..");
    if is_name {
        Ok(None)
    } else {
        Err(UriFault::Host)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Host::Name(name) => f.write_str(name),
            Host::Address(IpAddr::V4(address)) => address.fmt(f),
            Host::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// IPv6 address, also in the three-colon form `2001:db8:::192.0.2.1` that RFC 3261's own grammar makes before an embedded
/// IPv4 address; RFC 5118 s.4.10 wants both tolerated.
pub fn parse_ipv6(text: &str) -> Option<Ipv6Addr> {
    if text.len() > 48 {
        return None;
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (head, tail) = text.split_once(":::")?;
    tail.parse::<Ipv4Addr>().ok()?;
    format!("{head}::{tail}").parse().ok()
}

/// A sip: or sips: URI taken apart. Borrows from its text: few URIs are ever asked for their parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SipUri<'a> {
    /// Whether it is sips:.
    pub secure: bool,
    /// User part as written, without password.
    pub user: Option<&'a str>,
    /// Password as written.
    pub password: Option<&'a str>,
    /// Host as written; [`Host::parse`] takes it.
    pub host: &'a str,
    /// Port, if written.
    pub port: Option<u16>,
    /// URI parameters, without the first semicolon.
    parameters: Option<&'a str>,
    /// Headers component, without its question mark.
    pub headers: Option<&'a str>,
}

impl<'a> SipUri<'a> {
    /// Value of a URI parameter; `Some(None)` if it stands without one. Names match in any case.
    pub fn parameter(&self, name: &str) -> Option<Option<&'a str>> {
        self.parameters?
            .split(';')
            .map(|parameter| match split_at(parameter, b'=') {
                Some((name, value)) => (name, Some(value)),
                None => (parameter, None),
            })
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// A checked URI. Prints as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uri {
    text: String,
    /// Whether the scheme is sip or sips.
    is_sip: bool,
}

impl Uri {
    /// Parses an absolute URI.
    pub fn parse(text: &str) -> Result<Uri, UriFault> {
        let (scheme, rest) = split_at(text, b':').ok_or(UriFault::Scheme)?;
        let mut letters = scheme.bytes();
        let is_scheme = letters
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic())
            && letters
                .all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'-' | b'.'));
        if !is_scheme {
            return Err(UriFault::Scheme);
        }
        let secure = scheme.eq_ignore_ascii_case("sips");
        let is_sip = secure || scheme.eq_ignore_ascii_case("sip");
        if is_sip {
            parse_sip(rest, secure)?;
        } else {
            if rest.is_empty() {
                return Err(UriFault::Octet);
            }
            let fits = |octet: u8| {
                octet.is_ascii_graphic()
                    && !matches!(
                        octet,
                        b'<' | b'>' | b'"' | b'{' | b'}' | b'|' | b'\\' | b'^' | b'`'
                    )
            };
            if !rest.bytes().all(fits) {
                return Err(UriFault::Octet);
            }
            check_escapes(rest)?;
        }
        Ok(Uri {
            text: text.to_owned(),
            is_sip,
        })
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the scheme is sip or sips.
    pub const fn is_sip(&self) -> bool {
        self.is_sip
    }

    /// Taken apart, if the scheme is sip or sips.
    pub fn sip(&self) -> Option<SipUri<'_>> {
        let (scheme, rest) = split_at(&self.text, b':').filter(|_| self.is_sip)?;
        parse_sip(rest, scheme.eq_ignore_ascii_case("sips")).ok()
    }

    /// Scheme as written.
    pub fn scheme(&self) -> &str {
        split_at(&self.text, b':').map_or("", |(scheme, _)| scheme)
    }

    /// The URI as it may stand in a request line: without the headers component (RFC 3261 s.19.1.5).
    pub fn as_request_uri(&self) -> &str {
        // Without a question mark there is no headers component.
        if !self.text.contains('?') || self.sip().is_none_or(|sip| sip.headers.is_none()) {
            return &self.text;
        }
        // '?' may also stand in the user part: cut at the last one after '@'.
        let host_at = self.text.find('@').unwrap_or(0);
        self.text
            .get(host_at..)
            .and_then(|tail| tail.find('?'))
            .and_then(|cut| self.text.get(..host_at + cut))
            .unwrap_or(&self.text)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What stands before and behind the first `octet`, which is ASCII. On short texts twice as fast as `str::split_once`.
fn split_at(text: &str, octet: u8) -> Option<(&str, &str)> {
    let at = memchr(octet, text.as_bytes())?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric()
        || matches!(
            octet,
            b'-' | b'_' | b'.' | b'!' | b'~' | b'*' | b'\'' | b'(' | b')'
        )
}

fn check_escapes(text: &str) -> Result<(), UriFault> {
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet == b'%' {
            let is_pair = octets.next().is_some_and(|high| high.is_ascii_hexdigit())
                && octets.next().is_some_and(|low| low.is_ascii_hexdigit());
            if !is_pair {
                return Err(UriFault::Escape);
            }
        }
    }
    Ok(())
}

fn check_part(text: &str, extra: &[u8], fault: UriFault) -> Result<(), UriFault> {
    if !text
        .bytes()
        .all(|octet| is_unreserved(octet) || octet == b'%' || extra.contains(&octet))
    {
        return Err(fault);
    }
    check_escapes(text)
}

fn parse_sip(rest: &str, secure: bool) -> Result<SipUri<'_>, UriFault> {
    // Unescaped, '@' stands in no other place of the grammar.
    let (userinfo, hostpart) = match split_at(rest, b'@') {
        Some((userinfo, hostpart)) => (Some(userinfo), hostpart),
        None => (None, rest),
    };
    let (user, password) = match userinfo {
        None => (None, None),
        Some(userinfo) => {
            let (user, password) = match split_at(userinfo, b':') {
                Some((user, password)) => (user, Some(password)),
                None => (userinfo, None),
            };
            if user.is_empty() {
                return Err(UriFault::User);
            }
            // '#' is outside the grammar, but dial strings carry it.
            check_part(user, b"&=+$,;?/#", UriFault::User)?;
            if let Some(password) = password {
                check_part(password, b"&=+$,", UriFault::User)?;
            }
            (Some(user), password)
        }
    };
    let (before_headers, headers) = match split_at(hostpart, b'?') {
        Some((before, headers)) => (before, Some(headers)),
        None => (hostpart, None),
    };
    if let Some(headers) = headers {
        check_part(headers, b"[]/?:+$&=;", UriFault::Headers)?;
        if headers.is_empty()
            || !headers
                .split('&')
                .all(|header| header.find('=').is_some_and(|at| at > 0))
        {
            return Err(UriFault::Headers);
        }
    }
    let (hostport, parameters) = match split_at(before_headers, b';') {
        Some((hostport, parameters)) => (hostport, Some(parameters)),
        None => (before_headers, None),
    };
    let (host, port) = split_hostport(hostport)?;
    check_host(host)?;
    let port = port.map(parse_port).transpose()?;
    for parameter in parameters.into_iter().flat_map(|all| all.split(';')) {
        let (name, value) = match split_at(parameter, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        if name.is_empty() || value == Some("") {
            return Err(UriFault::Parameter);
        }
        check_part(name, b"[]/:&+$`", UriFault::Parameter)?;
        if let Some(value) = value {
            // A second "=" is outside the grammar; route parameters of some proxies carry base64 all the same.
            check_part(value, b"[]/:&+$`=", UriFault::Parameter)?;
        }
    }
    Ok(SipUri {
        secure,
        user,
        password,
        host,
        port,
        parameters,
        headers,
    })
}

/// Host and port without white space: `example.com`, `192.0.2.1:5060`, `[2001:db8::1]:5060`.
pub fn parse_hostport(text: &str) -> Result<(Host, Option<u16>), UriFault> {
    let (host, port) = split_hostport(text)?;
    Ok((Host::parse(host)?, port.map(parse_port).transpose()?))
}

fn split_hostport(text: &str) -> Result<(&str, Option<&str>), UriFault> {
    Ok(if text.starts_with('[') {
        let close = text.find(']').ok_or(UriFault::Host)?;
        let (host, tail) = text.split_at(close + 1);
        match tail.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if tail.is_empty() => (host, None),
            None => return Err(UriFault::Host),
        }
    } else {
        match split_at(text, b':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        }
    })
}

/// A port, 0..=65535, leading zeros allowed.
pub fn parse_port(text: &str) -> Result<u16, UriFault> {
    if text.is_empty() || text.len() > 10 || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(UriFault::Port);
    }
    text.parse().map_err(|_| UriFault::Port)
}

/// A URI with display name and header parameters: an entry of From, To, Contact, Route, Record-Route. Keeps the text as
/// written, and where in it the parts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameAddr {
    /// The URI.
    pub uri: Uri,
    /// As written, without surrounding white space.
    pub text: String,
    /// The display name as written, quotes included.
    name: Option<Range<usize>>,
    /// Where the header parameters begin (behind the brackets).
    parameters_at: usize,
    tag: Option<Range<usize>>,
}

impl NameAddr {
    /// Display name as written, quotes included.
    pub fn display_name(&self) -> Option<&str> {
        self.text.get(self.name.clone()?)
    }

    /// The tag parameter.
    pub fn tag(&self) -> Option<&str> {
        self.text.get(self.tag.clone()?)
    }

    /// Value of a header parameter; `Some(None)` if it stands without one.
    pub fn parameter(&self, name: &str) -> Option<Option<String>> {
        let mut scan = Scan::new(self.text.get(self.parameters_at..)?);
        let mut found = None;
        // What was read once is read again without a fault.
        let _ = read_parameters(&mut scan, |parameter| {
            if found.is_none() && parameter.name.eq_ignore_ascii_case(name) {
                found = Some(parameter.value.map(|value| value.plain()));
            }
            Ok(())
        });
        found
    }

    /// Parses a value that holds exactly one (From, To).
    pub fn parse(text: &str) -> Result<NameAddr, UriFault> {
        let mut scan = Scan::new(text);
        scan.skip_space();
        let entry = read_name_addr(&mut scan)?;
        scan.finish()?;
        Ok(entry)
    }

    /// Parses a value that holds one or more, separated by commas (Contact, Route, Record-Route), onto `into`.
    pub fn parse_list(text: &str, into: &mut Vec<NameAddr>) -> Result<(), UriFault> {
        let mut scan = Scan::new(text);
        scan.skip_space();
        loop {
            into.push(read_name_addr(&mut scan)?);
            if !scan.eat_loose(b',') {
                break;
            }
        }
        scan.finish()?;
        Ok(())
    }
}

fn read_name_addr(scan: &mut Scan<'_>) -> Result<NameAddr, UriFault> {
    let start = scan.position();
    let (name_length, uri) = if scan.peek() == Some(b'"') {
        let length = scan.quoted()?.len();
        scan.skip_space();
        (Some(length), read_bracketed(scan)?)
    } else if scan.peek() == Some(b'<') {
        (None, read_bracketed(scan)?)
    } else {
        // Tokens and spaces up to '<' are a display name; anything else is a bare URI.
        let mut ahead = *scan;
        ahead.take_while(|octet| is_token_octet(octet) || matches!(octet, b' ' | b'\t'));
        if ahead.peek() == Some(b'<') {
            let length = ahead.since(start).trim_end().len();
            *scan = ahead;
            (Some(length), read_bracketed(scan)?)
        } else {
            let text = scan.take_while(|octet| !matches!(octet, b';' | b',' | b' ' | b'\t'));
            if text.contains(['<', '>', '"']) {
                return Err(UriFault::DisplayName);
            }
            // RFC 3261 s.20: with a comma, question mark or semicolon the URI must stand in brackets.
            if text.contains('?') {
                return Err(UriFault::Headers);
            }
            (None, Uri::parse(text)?)
        }
    };
    let parameters_at = scan.position() - start;
    let mut tag = None;
    read_parameters(scan, |parameter| {
        if tag.is_none()
            && parameter.name.eq_ignore_ascii_case("tag")
            && let Some(value) = parameter.value
        {
            tag = Some(value.at - start..value.at - start + value.text.len());
        }
        Ok(())
    })?;
    Ok(NameAddr {
        uri,
        text: scan.since(start).trim_end().to_owned(),
        name: name_length.map(|length| 0..length),
        parameters_at,
        tag,
    })
}

fn read_bracketed(scan: &mut Scan<'_>) -> Result<Uri, UriFault> {
    if !scan.eat(b'<') {
        return Err(UriFault::DisplayName);
    }
    let text = scan.take_while(|octet| octet != b'>' && octet != b'<');
    if !scan.eat(b'>') {
        return Err(UriFault::Bracket);
    }
    Uri::parse(text)
}

/// A parameter behind a value, as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter<'a> {
    /// Name as written.
    pub(super) name: &'a str,
    /// Value, if it has one.
    pub(super) value: Option<Value<'a>>,
}

/// A parameter's value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    /// Without its quotes, escapes as they stand.
    pub(super) text: &'a str,
    /// Where it begins in what is scanned.
    pub(super) at: usize,
    is_quoted: bool,
}

impl Value<'_> {
    /// The value with its escapes resolved.
    pub(super) fn plain(&self) -> String {
        if self.is_quoted {
            unquote(&format!("\"{}\"", self.text))
        } else {
            self.text.to_owned()
        }
    }
}

/// Reads the parameters behind a value, `*( SEMI token [ EQUAL gen-value ] )`, and shows each of them to `each`.
pub(super) fn read_parameters<'a>(
    scan: &mut Scan<'a>,
    mut each: impl FnMut(Parameter<'a>) -> Result<(), UriFault>,
) -> Result<(), UriFault> {
    while scan.eat_loose(b';') {
        let name = scan.token()?;
        let value = if scan.eat_loose(b'=') {
            let from = scan.position();
            if scan.peek() == Some(b'"') {
                let quoted = scan.quoted()?;
                Some(Value {
                    text: quoted.get(1..quoted.len() - 1).unwrap_or_default(),
                    at: from + 1,
                    is_quoted: true,
                })
            } else {
                // token, or a host that may be an IPv6 reference
                let text = scan.take_while(|octet| {
                    is_token_octet(octet) || matches!(octet, b'[' | b']' | b':')
                });
                if text.is_empty() {
                    return Err(UriFault::Parameter);
                }
                Some(Value {
                    text,
                    at: from,
                    is_quoted: false,
                })
            }
        } else {
            None
        };
        each(Parameter { name, value })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sip(text: &str) -> SipUri<'_> {
        let uri = Uri::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
        assert!(uri.is_sip() && uri.sip().is_some(), "{text} is no sip URI");
        let (scheme, rest) = text.split_once(':').expect("it has a scheme");
        parse_sip(rest, scheme == "sips").expect("it was read before")
    }

    fn host(text: &str) -> Host {
        Host::parse(sip(text).host).expect("it was checked")
    }

    #[test]
    fn uris_of_the_trade_are_taken_apart() {
        let plain = sip("sip:+84900000412@203.0.113.7:5070;transport=udp");
        assert_eq!(plain.user, Some("+84900000412"));
        assert_eq!(plain.host, "203.0.113.7");
        assert_eq!(plain.port, Some(5070));
        assert_eq!(plain.parameter("Transport"), Some(Some("udp")));
        let v6 = sip("sips:alice:secret@[2001:db8::9:1]:5061;lr?Subject=x");
        assert!(v6.secure);
        assert_eq!(v6.password.as_deref(), Some("secret"));
        assert_eq!((v6.user, v6.password), (Some("alice"), Some("secret")));
        assert_eq!(v6.host, "[2001:db8::9:1]");
        assert_eq!(v6.parameter("lr"), Some(None));
        assert_eq!(v6.headers, Some("Subject=x"));
        assert_eq!(sip("sip:[2001:db8::10:5070]").port, None);
        assert_eq!(
            sip("sip:user;par=u%40example.net@example.com").user,
            Some("user;par=u%40example.net")
        );
        assert_eq!(
            host("sip:user@[2001:db8:::192.0.2.1]").to_string(),
            "[2001:db8::c000:201]"
        );
        assert!(Uri::parse("tel:+1234;phone-context=x").is_ok_and(|uri| uri.sip().is_none()));
    }

    #[test]
    fn malformed_uris_are_refused_for_the_right_reason() {
        for (text, want) in [
            ("sip:2001:db8::10", UriFault::Port),
            ("sip:user@exa mple.com", UriFault::Host),
            ("sip:us er@example.com", UriFault::User),
            ("sip:u%4@example.com", UriFault::Escape),
            ("sip:a@b@c", UriFault::Host),
            ("sip:@example.com", UriFault::User),
            ("sip:x@", UriFault::Host),
            ("sip:x@h:70000", UriFault::Port),
            ("sip:x@h;", UriFault::Parameter),
            ("sip:x@h;;lr", UriFault::Parameter),
            ("sip:x@[::1", UriFault::Host),
            ("sip:x@[2001:db8:::10]", UriFault::Host),
            ("example.com", UriFault::Scheme),
            ("1sip:x", UriFault::Scheme),
            ("tel:", UriFault::Octet),
            ("sip:x@h\r\nRoute: y", UriFault::Host),
        ] {
            assert_eq!(Uri::parse(text), Err(want), "{text:?}");
        }
    }

    #[test]
    fn a_headers_component_never_reaches_a_request_line() {
        let uri = Uri::parse("sip:a?b@h;lr?Route=%3Csip:x%3E");
        assert_eq!(uri.as_ref().map(Uri::as_request_uri), Ok("sip:a?b@h;lr"));
    }

    #[test]
    fn parameters_inside_brackets_belong_to_the_uri() {
        let inside = NameAddr::parse("<sip:+1972@gw.example.net;unknownparam>");
        assert!(inside.is_ok_and(|entry| entry.parameter("unknownparam").is_none()));
        let outside = NameAddr::parse("sip:+1972@gw.example.net;unknownparam");
        assert!(outside.is_ok_and(|entry| entry.parameter("unknownparam") == Some(None)));
    }

    #[test]
    fn lists_names_and_tags_are_read_with_any_white_space() {
        let mut list = Vec::new();
        NameAddr::parse_list(
            "\"Quoted, string \\\"\\\"\" <sip:j@example.com> ; newparam = newvalue ; q = 0.33, tel:4443322, token1~ t2 <sip:x@[::1]>",
            &mut list,
        )
        .unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(list.len(), 3);
        assert_eq!(list[0].parameter("q"), Some(Some("0.33".to_owned())));
        assert_eq!(list[0].display_name(), Some("\"Quoted, string \\\"\\\"\""));
        assert_eq!(list[1].uri.as_str(), "tel:4443322");
        assert_eq!(list[2].display_name(), Some("token1~ t2"));
        let tagged = NameAddr::parse("sip:vivekg@example.com ;   tag    = 1918181833n");
        assert_eq!(tagged.as_ref().map(NameAddr::tag), Ok(Some("1918181833n")));
        assert!(NameAddr::parse("<sip:a@b>;tag=").is_err());
        let mut list = Vec::new();
        NameAddr::parse_list(
            "<sip:a@b>;tag=1, \"B\" <sip:c@d> ;n=\"q\\\"q\";TAG=22",
            &mut list,
        )
        .unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(
            list.iter().map(NameAddr::tag).collect::<Vec<_>>(),
            [Some("1"), Some("22")]
        );
        assert_eq!(list[1].parameter("N"), Some(Some("q\"q".to_owned())));
    }

    #[test]
    fn malformed_entries_are_refused() {
        for (text, want) in [
            (
                "Bell, Alexander <sip:a@example.com>;tag=43",
                UriFault::Scheme,
            ),
            ("\"Watson, Thomas\" < sip:t@example.org >", UriFault::Scheme),
            (
                "\"Mr. J. User <sip:j.user@example.com>",
                UriFault::Lexical(ScanFault::OpenQuote),
            ),
            ("sip:user@example.com?Route=%3Csip:x%3E", UriFault::Headers),
            (
                "\"Joe\" <sip:joe@example.org>;;;;",
                UriFault::Lexical(ScanFault::NoToken),
            ),
            ("<sip:x@h", UriFault::Bracket),
            ("<sip:x@h> trailing", UriFault::Lexical(ScanFault::Trailing)),
            ("", UriFault::Scheme),
        ] {
            assert_eq!(NameAddr::parse(text).map(|_| ()), Err(want), "{text:?}");
        }
    }
}
