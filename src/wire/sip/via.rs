//! Via (RFC 3261 s.20.42, RFC 3581): who sent a message and where its answer goes. Parses; keeps the text as written.

use super::scan::{Scan, ScanFault};
use super::uri::{Host, Parameter, UriFault, parse_ipv6, parse_port, read_parameters};
use std::net::IpAddr;
use std::ops::Range;

/// What a branch of RFC 3261 begins with.
pub const MAGIC_COOKIE: &str = "z9hG4bK";

/// One hop. Keeps the text as written, and where in it the parts stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Via {
    /// Host that the answer was asked to.
    pub host: Host,
    /// Its port, if written.
    pub port: Option<u16>,
    /// As written.
    pub text: String,
    transport: Range<usize>,
    /// Where the parameters begin.
    parameters_at: usize,
    branch: Option<Range<usize>>,
    wants_rport: bool,
}

impl Via {
    /// Transport as written ("UDP").
    pub fn transport(&self) -> &str {
        self.text.get(self.transport.clone()).unwrap_or_default()
    }

    /// The branch, if it identifies a transaction by itself: the cookie and at least one octet more (RFC 3261 s.8.1.1.7).
    pub fn branch(&self) -> Option<&str> {
        self.text
            .get(self.branch.clone()?)
            .filter(|branch| branch.len() > MAGIC_COOKIE.len() && branch.starts_with(MAGIC_COOKIE))
    }

    /// Whether the sender asked for symmetric answers (RFC 3581 s.3).
    pub const fn wants_rport(&self) -> bool {
        self.wants_rport
    }

    /// Port of the answer where `rport` was not asked for; 5060 by default (5061 for TLS).
    pub fn answer_port(&self) -> u16 {
        self.port
            .unwrap_or(if self.transport().eq_ignore_ascii_case("TLS") {
                5061
            } else {
                5060
            })
    }

    /// This hop with `received` and `rport` filled in, as an answer must carry it (RFC 3261 s.18.2.1, RFC 3581 s.4).
    pub fn with_source(&self, source: std::net::SocketAddr) -> String {
        let must_say = self.wants_rport() || self.host.address() != Some(source.ip());
        if !must_say {
            return self.text.clone();
        }
        let mut text = format!("SIP/2.0/{} {}", self.transport(), self.host);
        if let Some(port) = self.port {
            text.push_str(&format!(":{port}"));
        }
        let mut scan = Scan::new(self.text.get(self.parameters_at..).unwrap_or_default());
        // What was read once is read again without a fault.
        let _ = read_parameters(&mut scan, |Parameter { name, value }| {
            if name.eq_ignore_ascii_case("received") || name.eq_ignore_ascii_case("rport") {
                return Ok(());
            }
            text.push(';');
            text.push_str(name);
            if let Some(value) = value.map(|value| value.plain()) {
                text.push('=');
                if super::scan::is_token(&value) || parse_address(&value).is_some() {
                    text.push_str(&value);
                } else {
                    text.push_str(&super::scan::quote(&value));
                }
            }
            Ok(())
        });
        text.push_str(&format!(";received={}", source.ip()));
        if self.wants_rport() {
            text.push_str(&format!(";rport={}", source.port()));
        }
        text
    }

    /// Parses a Via value that may hold several hops, onto `into`.
    pub fn parse_list(text: &str, into: &mut Vec<Via>) -> Result<(), UriFault> {
        let mut scan = Scan::new(text);
        scan.skip_space();
        loop {
            into.push(read_via(&mut scan)?);
            if !scan.eat_loose(b',') {
                break;
            }
        }
        scan.finish()?;
        Ok(())
    }
}

fn read_via(scan: &mut Scan<'_>) -> Result<Via, UriFault> {
    let start = scan.position();
    let protocol = scan.token()?;
    if !protocol.eq_ignore_ascii_case("SIP") {
        return Err(UriFault::Scheme);
    }
    slash(scan)?;
    if scan.token()? != "2.0" {
        return Err(UriFault::Scheme);
    }
    slash(scan)?;
    let transport = scan.position() - start;
    let transport = transport..transport + scan.token()?.len();
    if !matches!(scan.peek(), Some(b' ' | b'\t')) {
        return Err(UriFault::Host);
    }
    scan.skip_space();
    let host = if scan.peek() == Some(b'[') {
        let from = scan.position();
        scan.take_while(|octet| octet != b']');
        scan.expect(b']')?;
        Host::parse(scan.since(from))?
    } else {
        Host::parse(scan.take_while(|octet| {
            octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_')
        }))?
    };
    let port = if scan.eat_loose(b':') {
        Some(parse_port(scan.take_while(|octet| octet.is_ascii_digit()))?)
    } else {
        None
    };
    let parameters_at = scan.position() - start;
    let (mut branch, mut wants_rport) = (None, false);
    read_parameters(scan, |Parameter { name, value }| {
        if name.eq_ignore_ascii_case("branch") && branch.is_none() {
            branch = value.map(|value| value.at - start..value.at - start + value.text.len());
        }
        wants_rport |= name.eq_ignore_ascii_case("rport");
        check_parameter(name, value.map(|value| value.text))
    })?;
    Ok(Via {
        host,
        port,
        text: scan.since(start).trim_end().to_owned(),
        transport,
        parameters_at,
        branch,
        wants_rport,
    })
}

fn slash(scan: &mut Scan<'_>) -> Result<(), UriFault> {
    if scan.eat_loose(b'/') {
        Ok(())
    } else {
        Err(UriFault::Lexical(ScanFault::Expected(b'/')))
    }
}

fn check_parameter(name: &str, value: Option<&str>) -> Result<(), UriFault> {
    let is_right = if name.eq_ignore_ascii_case("branch") {
        value.is_some_and(super::scan::is_token)
    } else if name.eq_ignore_ascii_case("received") {
        // RFC 5118 s.4.5: with and without brackets.
        value.is_some_and(|text| parse_address(text).is_some())
    } else if name.eq_ignore_ascii_case("rport") {
        value.is_none_or(|text| parse_port(text).is_ok())
    } else if name.eq_ignore_ascii_case("ttl") {
        value.is_some_and(|text| text.len() <= 3 && text.parse::<u8>().is_ok())
    } else if name.eq_ignore_ascii_case("maddr") {
        value.is_some_and(|text| Host::parse(text).is_ok() || parse_address(text).is_some())
    } else {
        true
    };
    if is_right {
        Ok(())
    } else {
        Err(UriFault::Parameter)
    }
}

fn parse_address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| parse_ipv6(bare).map(IpAddr::V6))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vias(text: &str) -> Result<Vec<Via>, UriFault> {
        let mut list = Vec::new();
        Via::parse_list(text, &mut list).map(|()| list)
    }

    #[test]
    fn hops_are_read_with_any_white_space_and_in_lists() {
        let list = vias("SIP  / 2.0  / TCP     spindle.example.com   ;  branch  =   z9hG4bK9ikj8  , SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239")
            .unwrap_or_else(|fault| panic!("{fault}"));
        assert_eq!(list.len(), 2);
        assert_eq!(list[0].transport(), "TCP");
        assert_eq!(list[0].branch(), Some("z9hG4bK9ikj8"));
        assert_eq!(list[1].host.address(), "192.168.255.111".parse().ok());
    }

    #[test]
    fn ipv6_hops_take_both_forms_of_received() {
        for text in [
            "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9hG4bKas3-111",
            "SIP/2.0/UDP [2001:db8::9:1]:5060;received=2001:db8::9:255;branch=z9hG4bKas3-111",
        ] {
            assert!(vias(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn malformed_hops_are_refused() {
        for text in [
            "SIP/2.0/UDP 192.0.2.15;;,;,,",
            "SIP/2.0/UDP",
            "SIP/2.0 192.0.2.1",
            "HTTP/2.0/UDP 192.0.2.1",
            "SIP/2.0/UDP 192.0.2.1:99999",
            "SIP/2.0/UDP 192.0.2.1;branch",
            "SIP/2.0/UDP 192.0.2.1;received=nobody",
            "SIP/2.0/UDP 192.0.2.1;rport=x",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP h,",
        ] {
            assert!(vias(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_answer_names_the_real_source() {
        let source = "198.51.100.9:40000"
            .parse()
            .unwrap_or_else(|_| panic!("address"));
        let via = vias("SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;rport").unwrap_or_default();
        assert_eq!(
            via[0].with_source(source),
            "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKx;received=198.51.100.9;rport=40000"
        );
        let same = vias("SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx").unwrap_or_default();
        assert_eq!(
            same[0].with_source(source),
            "SIP/2.0/UDP 198.51.100.9;branch=z9hG4bKx"
        );
    }

    #[test]
    fn the_bare_cookie_is_no_branch() {
        let via = vias("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK").unwrap_or_default();
        assert_eq!(via[0].branch(), None);
    }
}
