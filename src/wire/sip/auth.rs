//! Digest answers (RFC 7616, 8760, and 2617 without qop). Owns one trunk's credentials and its last nonce.
//!
//! Answers a challenge only for a realm of the trunk's list, or for the first realm seen; never to the same nonce twice
//! unless the far end says that it went stale.

use super::failure::split_outside_quotes;
use super::message::Response;
use super::scan::{quote, unquote};
use crate::pii::Pii;
use md5::Md5;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;

/// Hash of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// MD5 (RFC 7616), the default where none is named.
    Md5,
    /// SHA-256 (RFC 8760).
    Sha256,
}

impl Algorithm {
    fn hash(self, text: &str) -> String {
        fn hex(octets: &[u8]) -> String {
            let mut text = String::with_capacity(octets.len() * 2);
            for octet in octets {
                // Writing to a String cannot fail.
                let _ = write!(text, "{octet:02x}");
            }
            text
        }
        match self {
            Algorithm::Md5 => hex(&Md5::digest(text.as_bytes())),
            Algorithm::Sha256 => hex(&Sha256::digest(text.as_bytes())),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Algorithm::Md5 => "MD5",
            Algorithm::Sha256 => "SHA-256",
        }
    }
}

/// A challenge that we can answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Whether a proxy asks (407).
    pub is_proxy: bool,
    /// Realm.
    pub realm: String,
    /// Nonce.
    pub nonce: String,
    /// Opaque, to be handed back.
    pub opaque: Option<String>,
    /// Hash.
    pub algorithm: Algorithm,
    /// Whether the algorithm was named (then the answer names it too).
    pub names_algorithm: bool,
    /// Whether `qop=auth` is offered.
    pub has_qop: bool,
    /// Whether only the nonce was too old.
    pub is_stale: bool,
}

impl Challenge {
    /// Parses one WWW-Authenticate or Proxy-Authenticate value; `None`: another scheme, or one that we do not speak.
    pub fn parse(value: &str, is_proxy: bool) -> Option<Challenge> {
        let value = value.trim();
        let (scheme, rest) = value.split_once([' ', '\t'])?;
        if !scheme.eq_ignore_ascii_case("Digest") {
            return None;
        }
        let mut challenge = Challenge {
            is_proxy,
            realm: String::new(),
            nonce: String::new(),
            opaque: None,
            algorithm: Algorithm::Md5,
            names_algorithm: false,
            has_qop: false,
            is_stale: false,
        };
        let (mut has_realm, mut has_nonce, mut offers_qop) = (false, false, false);
        for part in split_outside_quotes(rest, b',') {
            let Some((name, value)) = part.split_once('=') else {
                continue;
            };
            let text = unquote(value.trim());
            match name.trim().to_ascii_lowercase().as_str() {
                "realm" => (challenge.realm, has_realm) = (text, true),
                "nonce" => (challenge.nonce, has_nonce) = (text, true),
                "opaque" => challenge.opaque = Some(text),
                "stale" => challenge.is_stale = text.eq_ignore_ascii_case("true"),
                "algorithm" => {
                    challenge.names_algorithm = true;
                    challenge.algorithm = match text.to_ascii_uppercase().as_str() {
                        "MD5" => Algorithm::Md5,
                        "SHA-256" => Algorithm::Sha256,
                        _ => return None,
                    };
                }
                "qop" => {
                    offers_qop = true;
                    challenge.has_qop = text
                        .split(',')
                        .any(|qop| qop.trim().eq_ignore_ascii_case("auth"));
                }
                _ => {}
            }
        }
        // Only auth-int on offer: not spoken.
        let is_spoken = !offers_qop || challenge.has_qop;
        (has_realm && has_nonce && is_spoken).then_some(challenge)
    }
}

/// A header to be added to a request.
pub type AuthHeader = (&'static str, String);

/// One trunk's credentials.
#[derive(Debug)]
pub struct Wallet {
    username: String,
    password: Pii<String>,
    realms: Vec<String>,
    pinned: Option<String>,
    last: Option<(Challenge, u32)>,
}

impl Wallet {
    /// Credentials for the realms of the list; an empty list pins the first realm seen.
    pub const fn new(username: String, password: Pii<String>, realms: Vec<String>) -> Wallet {
        Wallet {
            username,
            password,
            realms,
            pinned: None,
            last: None,
        }
    }

    /// The challenge of a 401 or 407 that we would answer: of those for our realm, the far end's first (RFC 8760 s.2.4).
    pub fn choose(&self, response: &Response) -> Option<Challenge> {
        let (name, is_proxy) = match response.status {
            401 => ("WWW-Authenticate", false),
            407 => ("Proxy-Authenticate", true),
            _ => return None,
        };
        response
            .header_values(name)
            .take(8)
            .filter_map(|value| Challenge::parse(value, is_proxy))
            .find(|challenge| self.knows(&challenge.realm))
    }

    fn knows(&self, realm: &str) -> bool {
        if self.realms.is_empty() {
            self.pinned.as_deref().is_none_or(|pinned| pinned == realm)
        } else {
            self.realms.iter().any(|known| known == realm)
        }
    }

    /// Answers a challenge that [`Wallet::choose`] chose, and remembers its nonce for later requests.
    pub fn answer(
        &mut self,
        challenge: Challenge,
        method: &str,
        uri: &str,
        cnonce: &str,
    ) -> AuthHeader {
        if self.realms.is_empty() {
            self.pinned.get_or_insert_with(|| challenge.realm.clone());
        }
        self.last = Some((challenge, 0));
        self.reuse(method, uri, cnonce)
            .unwrap_or_else(|| ("Authorization", String::new()))
    }

    /// Credentials for a further request under the last nonce, if there is one: saves the round of the challenge.
    pub fn reuse(&mut self, method: &str, uri: &str, cnonce: &str) -> Option<AuthHeader> {
        let (challenge, count) = self.last.as_mut()?;
        *count = count.saturating_add(1);
        let value = credentials(
            challenge,
            *count,
            &self.username,
            self.password.expose(),
            method,
            uri,
            cnonce,
        );
        let name = if challenge.is_proxy {
            "Proxy-Authorization"
        } else {
            "Authorization"
        };
        Some((name, value))
    }
}

fn credentials(
    challenge: &Challenge,
    count: u32,
    username: &str,
    password: &str,
    method: &str,
    uri: &str,
    cnonce: &str,
) -> String {
    let Challenge {
        realm,
        nonce,
        algorithm,
        ..
    } = challenge;
    let secret = algorithm.hash(&format!("{username}:{realm}:{password}"));
    let request = algorithm.hash(&format!("{method}:{uri}"));
    let response = if challenge.has_qop {
        algorithm.hash(&format!(
            "{secret}:{nonce}:{count:08x}:{cnonce}:auth:{request}"
        ))
    } else {
        algorithm.hash(&format!("{secret}:{nonce}:{request}"))
    };
    let mut value = format!(
        "Digest username={}, realm={}, nonce={}, uri={}, response=\"{response}\"",
        quote(username),
        quote(realm),
        quote(nonce),
        quote(uri)
    );
    if challenge.names_algorithm {
        let _ = write!(value, ", algorithm={}", algorithm.name());
    }
    if let Some(opaque) = &challenge.opaque {
        let _ = write!(value, ", opaque={}", quote(opaque));
    }
    if challenge.has_qop {
        let _ = write!(value, ", qop=auth, nc={count:08x}, cnonce=\"{cnonce}\"");
    }
    value
}

/// The digest with `qop=auth` that whoever asked expects: (user, realm, password), (nonce, nc, cnonce) and (method, uri) as written.
pub(super) fn digest(
    algorithm: Algorithm,
    (username, realm, password): (&str, &str, &str),
    (nonce, count, cnonce): (&str, &str, &str),
    (method, uri): (&str, &str),
) -> String {
    let secret = algorithm.hash(&format!("{username}:{realm}:{password}"));
    let request = algorithm.hash(&format!("{method}:{uri}"));
    algorithm.hash(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{request}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(value: &str) -> Challenge {
        Challenge::parse(value, false).unwrap_or_else(|| panic!("{value}"))
    }

    fn response_of(value: &str) -> &str {
        value
            .split_once("response=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map_or("", |(response, _)| response)
    }

    #[test]
    fn the_examples_of_rfc_7616_and_2617_come_out() {
        // RFC 7616 s.3.9.1.
        let base = "Digest realm=\"http-auth@example.org\", qop=\"auth, auth-int\", nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        for (algorithm, want) in [
            ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
            (
                "SHA-256",
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let asked = challenge(&format!("{base}, algorithm={algorithm}"));
            let value = credentials(
                &asked,
                1,
                "Mufasa",
                "Circle of Life",
                "GET",
                "/dir/index.html",
                cnonce,
            );
            assert_eq!(response_of(&value), want);
            assert!(
                value.contains(&format!("algorithm={algorithm}")) && value.contains("nc=00000001")
            );
        }
        // RFC 2617 s.3.5 without qop (as RFC 2069 computes it).
        let old = challenge(
            "Digest realm=\"testrealm@host.com\",nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\",opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"",
        );
        let value = credentials(
            &old,
            1,
            "Mufasa",
            "CircleOfLife",
            "GET",
            "/dir/index.html",
            "",
        );
        assert_eq!(response_of(&value), "1949323746fe6a43ef61f9606e7febea");
        assert!(!value.contains("qop") && !value.contains("algorithm"));
    }

    #[test]
    fn only_what_we_speak_is_a_challenge() {
        for value in [
            "Basic realm=\"x\"",
            "Digest realm=\"x\"",
            "Digest nonce=\"x\"",
            "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"",
            "Digest realm=\"x\", nonce=\"y\", algorithm=AKAv1-MD5",
            "Digest",
        ] {
            assert_eq!(Challenge::parse(value, false), None, "{value}");
        }
        assert!(challenge("digest realm=\"a, b\" , nonce=\"y\", stale=TRUE").is_stale);
    }

    #[test]
    fn only_the_pinned_or_listed_realm_is_answered() {
        let mut open = Wallet::new("u".to_owned(), Pii::new("p".to_owned()), vec![]);
        assert!(open.knows("first"));
        open.answer(
            challenge("Digest realm=\"first\", nonce=\"n\""),
            "INVITE",
            "sip:x",
            "c",
        );
        assert!(open.knows("first") && !open.knows("second"));
        let listed = Wallet::new(
            "u".to_owned(),
            Pii::new("p".to_owned()),
            vec!["a".to_owned()],
        );
        assert!(listed.knows("a") && !listed.knows("first"));
    }

    #[test]
    fn the_nonce_count_rises_while_the_nonce_is_reused() {
        let mut wallet = Wallet::new("u".to_owned(), Pii::new("p".to_owned()), vec![]);
        assert_eq!(wallet.reuse("BYE", "sip:x", "c"), None);
        let first = wallet.answer(
            challenge("Digest realm=\"r\", nonce=\"n\", qop=\"auth\""),
            "INVITE",
            "sip:x",
            "c",
        );
        assert!(first.1.contains("nc=00000001"));
        let second = wallet
            .reuse("BYE", "sip:x", "c")
            .unwrap_or_else(|| panic!("no nonce"));
        assert!(second.1.contains("nc=00000002"));
        let fresh = wallet.answer(
            challenge("Digest realm=\"r\", nonce=\"m\", qop=\"auth\""),
            "INVITE",
            "sip:x",
            "c",
        );
        assert!(fresh.1.contains("nc=00000001"));
    }

    #[test]
    fn names_with_quotes_cannot_break_out() {
        let asked = challenge("Digest realm=\"r\\\"x\", nonce=\"n\"");
        let value = credentials(&asked, 1, "a\"b", "p", "INVITE", "sip:x", "c");
        assert!(value.contains("username=\"a\\\"b\"") && value.contains("realm=\"r\\\"x\""));
    }
}
