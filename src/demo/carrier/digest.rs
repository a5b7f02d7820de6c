//! Digest authentication as a carrier demands it (RFC 7616, RFC 8760): makes challenges, checks answers. Keeps no list of nonces:
//! a nonce carries its time and a keyed hash of it.

use crate::pii::Pii;
use crate::wire::sip::message::Request;
use md5::Md5;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// How long a nonce is taken, in milliseconds. After it: a new challenge with stale=true.
const NONCE_MS_MAX: i64 = 300_000;
/// Realm of the simulated network.
const REALM: &str = "carrier.tandem.example";

/// What a caller must know.
#[derive(Clone, Debug)]
pub struct Credentials {
    user: String,
    password: Pii<String>,
    sha256: bool,
    secret: u64,
}

/// What an INVITE's Authorization is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Good.
    Passed,
    /// None, or a wrong one.
    Failed,
    /// Right, but on an old nonce.
    Stale,
}

/// A text that is no "user:password".
#[derive(Debug, thiserror::Error)]
#[error("--digest wants user:password")]
pub struct NoCredentials;

impl Credentials {
    /// Reads "user:password". `secret` keys the nonces.
    pub fn parse(text: &str, sha256: bool, secret: u64) -> Result<Self, NoCredentials> {
        let (user, password) = text.split_once(':').ok_or(NoCredentials)?;
        Ok(Credentials {
            user: user.to_owned(),
            password: Pii::new(password.to_owned()),
            sha256,
            secret,
        })
    }

    /// The value of a WWW-Authenticate header.
    pub fn challenge(&self, now_ms: i64, stale: bool) -> String {
        let algorithm = if self.sha256 { "SHA-256" } else { "MD5" };
        let nonce = self.nonce(now_ms);
        let stale = if stale { ", stale=true" } else { "" };
        format!(
            r#"Digest realm="{REALM}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{stale}"#
        )
    }

    /// Checks a request's Authorization.
    pub fn check(&self, request: &Request, now_ms: i64) -> Check {
        let Some(answer) = request
            .header("Authorization")
            .and_then(|value| value.trim().strip_prefix("Digest "))
        else {
            return Check::Failed;
        };
        let field = |name: &str| parameter(answer, name).unwrap_or_default();
        let nonce = field("nonce");
        let Some(made_at) = nonce
            .split('-')
            .next()
            .and_then(|text| i64::from_str_radix(text, 16).ok())
        else {
            return Check::Failed;
        };
        let known = field("username") == self.user
            && field("realm") == REALM
            && nonce == self.nonce(made_at);
        if !known {
            return Check::Failed;
        }
        let ha1 = self.hash(&format!("{}:{REALM}:{}", self.user, self.password.expose()));
        let ha2 = self.hash(&format!("{}:{}", request.method, field("uri")));
        let want = if field("qop").is_empty() {
            self.hash(&format!("{ha1}:{nonce}:{ha2}"))
        } else {
            let (count, cnonce, qop) = (field("nc"), field("cnonce"), field("qop"));
            self.hash(&format!("{ha1}:{nonce}:{count}:{cnonce}:{qop}:{ha2}"))
        };
        if !field("response").eq_ignore_ascii_case(&want) {
            Check::Failed
        } else if now_ms - made_at > NONCE_MS_MAX {
            Check::Stale
        } else {
            Check::Passed
        }
    }

    fn nonce(&self, made_at: i64) -> String {
        let proof = hex(&Sha256::digest(format!("{}:{made_at}", self.secret)));
        format!("{made_at:x}-{}", &proof[..24])
    }

    fn hash(&self, text: &str) -> String {
        if self.sha256 {
            hex(&Sha256::digest(text))
        } else {
            hex(&Md5::digest(text))
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A parameter of a credentials list, without its quotes. Quoted commas are kept together.
fn parameter<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = list;
    loop {
        let (key, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (
                    &quoted[..end],
                    quoted[end + 1..]
                        .trim_start()
                        .strip_prefix(',')
                        .unwrap_or(""),
                )
            }
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.trim());
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::sip::front_door::{Framing, Verdict, read};
    use crate::wire::sip::message::Message;

    fn invite(authorization: &str) -> Request {
        let text = format!(
            "INVITE sip:+84900000001@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKa\r\n\
             From: <sip:a@127.0.0.1>;tag=1\r\nTo: <sip:+84900000001@127.0.0.1>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContact: <sip:a@127.0.0.1>\r\n{authorization}Content-Length: 0\r\n\r\n"
        );
        match read(text.as_bytes(), Framing::Datagram) {
            Verdict::Accept(message) => match *message {
                Message::Request(request) => request,
                Message::Response(_) => panic!("a response"),
            },
            other => panic!("{other:?}"),
        }
    }

    /// An answer computed apart from `check`, as RFC 7616 s.3.4.1 writes it.
    fn answered(credentials: &Credentials, password: &str, made_at: i64) -> Request {
        let uri = "sip:+84900000001@127.0.0.1";
        let nonce = credentials.nonce(made_at);
        let digest = |text: String| {
            if credentials.sha256 {
                hex(&Sha256::digest(text))
            } else {
                hex(&Md5::digest(text))
            }
        };
        let ha1 = digest(format!("tandem:{REALM}:{password}"));
        let ha2 = digest(format!("INVITE:{uri}"));
        let response = digest(format!("{ha1}:{nonce}:00000001:abc:auth:{ha2}"));
        invite(&format!(
            "Authorization: Digest username=\"tandem\", realm=\"{REALM}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\", cnonce=\"abc\", nc=00000001, qop=auth\r\n"
        ))
    }

    #[test]
    fn the_right_password_passes_and_a_wrong_or_absent_one_does_not() {
        for sha256 in [false, true] {
            let credentials = Credentials::parse("tandem:s3cret:x", sha256, 9).unwrap();
            let check = |request: &Request| credentials.check(request, 1_000);
            assert_eq!(
                check(&answered(&credentials, "s3cret:x", 500)),
                Check::Passed
            );
            assert_eq!(check(&answered(&credentials, "wrong", 500)), Check::Failed);
            assert_eq!(check(&invite("")), Check::Failed);
            assert_eq!(
                check(&invite("Authorization: Digest username=\"tandem\r\n")),
                Check::Failed
            );
        }
    }

    #[test]
    fn an_old_nonce_is_stale_and_a_forged_one_fails() {
        let credentials = Credentials::parse("tandem:p", false, 9).unwrap();
        let other = Credentials::parse("tandem:p", false, 10).unwrap();
        let request = answered(&credentials, "p", 0);
        assert_eq!(credentials.check(&request, NONCE_MS_MAX + 1), Check::Stale);
        assert_eq!(other.check(&request, 1), Check::Failed);
        assert!(credentials.challenge(1, true).contains("stale=true"));
    }

    #[test]
    fn hashes_follow_the_example_of_rfc_7616() {
        // s.3.9.1: Mufasa, both algorithms.
        for (sha256, want) in [
            (false, "8ca523f5e9506fed4657c9700eebdbec"),
            (
                true,
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
            ),
        ] {
            let credentials = Credentials::parse("Mufasa:Circle of Life", sha256, 0).unwrap();
            let ha1 = credentials.hash("Mufasa:http-auth@example.org:Circle of Life");
            let ha2 = credentials.hash("GET:/dir/index.html");
            let nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v";
            let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
            assert_eq!(
                credentials.hash(&format!("{ha1}:{nonce}:00000001:{cnonce}:auth:{ha2}")),
                want
            );
        }
    }
}
