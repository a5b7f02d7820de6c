//! Asks callers for a digest (RFC 3261 s.22.2, RFC 7616): a carrier's calls over addresses that others might share.
//!
//! Keeps nothing: a nonce says when it was made and carries a hash that only we can make. It is good for a minute; whoever sends it
//! again within that minute must come from the trunk's own addresses, like everybody else.

use super::auth::{Algorithm, digest};
use super::failure::split_outside_quotes;
use super::message::Request;
use super::scan::unquote;
use crate::pii::Pii;
use crate::time::Mono;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// How long a nonce is good for.
const NONCE_LASTS: Duration = Duration::from_secs(60);

/// What a request's credentials are worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// They are right.
    Right,
    /// None, or wrong ones.
    Wrong,
    /// Right, for a nonce that is too old: asked again (RFC 7616 s.3.3, stale).
    Stale,
}

fn seal(salt: u64, seconds: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    (salt, "nonce", seconds, salt.rotate_left(17)).hash(&mut hasher);
    hasher.finish()
}

/// The value of WWW-Authenticate.
pub fn challenge(realm: &str, salt: u64, now: Mono, is_stale: bool) -> String {
    let seconds = now.0 / 1_000_000;
    let stale = if is_stale { ", stale=true" } else { "" };
    format!(
        "Digest realm=\"{realm}\", nonce=\"{seconds:x}.{:016x}\", algorithm=MD5, qop=\"auth\"{stale}",
        seal(salt, seconds)
    )
}

/// Judges the Authorization of a request for this realm.
pub fn judge(
    request: &Request,
    (realm, username, password): (&str, &str, &Pii<String>),
    salt: u64,
    now: Mono,
) -> Worth {
    let mut values = request.header_values("Authorization").take(8);
    let worth = values.find_map(|value| {
        let worth = judge_one(value, request, (realm, username, password), salt, now);
        (worth != Worth::Wrong).then_some(worth)
    });
    worth.unwrap_or(Worth::Wrong)
}

fn judge_one(
    value: &str,
    request: &Request,
    (realm, username, password): (&str, &str, &Pii<String>),
    salt: u64,
    now: Mono,
) -> Worth {
    let Some((scheme, rest)) = value.trim().split_once([' ', '\t']) else {
        return Worth::Wrong;
    };
    let parts: Vec<(String, String)> = split_outside_quotes(rest, b',')
        .filter_map(|part| part.split_once('='))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), unquote(value.trim())))
        .collect();
    let of = |name: &str| {
        let found = parts.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let is_ours = scheme.eq_ignore_ascii_case("Digest")
        && of("realm") == realm
        && of("username") == username
        && of("qop") == "auth"
        && matches!(of("algorithm"), "" | "MD5" | "md5");
    let made = of("nonce").split_once('.').and_then(|(seconds, hash)| {
        let seconds = u64::from_str_radix(seconds, 16).ok()?;
        (hash == format!("{:016x}", seal(salt, seconds))).then_some(seconds)
    });
    let (true, Some(made)) = (is_ours, made) else {
        return Worth::Wrong;
    };
    let wanted = digest(
        Algorithm::Md5,
        (username, realm, password.expose()),
        (of("nonce"), of("nc"), of("cnonce")),
        (request.method.as_str(), of("uri")),
    );
    if !is_same(&wanted, of("response")) {
        return Worth::Wrong;
    }
    let age = (now.0 / 1_000_000).saturating_sub(made);
    if age > NONCE_LASTS.as_secs() {
        Worth::Stale
    } else {
        Worth::Right
    }
}

/// Compared in a time that says nothing about where they differ.
fn is_same(one: &str, other: &str) -> bool {
    one.len() == other.len()
        && one
            .bytes()
            .zip(other.bytes())
            .fold(0, |all, (one, other)| all | (one ^ other))
            == 0
}
