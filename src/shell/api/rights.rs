//! Who asks, and what he may: tokens with rights, and the audit of what was asked.
//!
//! The token in `admin.token` may everything and needs no store. Every other one is looked up at each request, so that a revoked one
//! opens nothing from then on. Which right a path needs stands in one table; what stands in none is the admin's alone.

use super::guard::Refused;
use crate::shell::lanes::Clock;
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::{AccessBook, AuditEntry, TokenRow};
use axum::http::{Method, StatusCode};
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a token may be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// See the picture, campaigns and decisions.
    View,
    /// Start and pause campaigns, change modes, stop and resume dialling.
    Control,
    /// Have the configuration read anew.
    Reload,
    /// List and fetch recordings.
    Recordings,
    /// Begin, pause and resume the recording of a call.
    Record,
    /// Listen to an agent's calls; nobody hears of it.
    Listen,
    /// Speak to the agent alone.
    Whisper,
    /// Speak to both.
    Barge,
}

impl Right {
    /// All of them.
    pub const ALL: [Right; 8] = [
        Self::View,
        Self::Control,
        Self::Reload,
        Self::Recordings,
        Self::Record,
        Self::Listen,
        Self::Whisper,
        Self::Barge,
    ];

    /// The word on the command line and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Control => "control",
            Self::Reload => "reload",
            Self::Recordings => "recordings",
            Self::Record => "record",
            Self::Listen => "listen",
            Self::Whisper => "whisper",
            Self::Barge => "barge",
        }
    }
}

/// What kind of person a token is for: bounds what it can be allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Takes calls: a CRM page that acts for an agent.
    Agent,
    /// Looks after agents and campaigns.
    Supervisor,
    /// Everything.
    Admin,
}

impl Role {
    const ALL: [Role; 3] = [Self::Agent, Self::Supervisor, Self::Admin];

    /// The word on the command line and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Supervisor => "supervisor",
            Self::Admin => "admin",
        }
    }

    /// What it may be allowed at most.
    pub const fn most(self) -> &'static [Right] {
        match self {
            Self::Agent => &[Right::View, Right::Record],
            Self::Supervisor => &[
                Right::View,
                Right::Control,
                Right::Recordings,
                Right::Record,
                Right::Listen,
                Right::Whisper,
                Right::Barge,
            ],
            Self::Admin => &Right::ALL,
        }
    }

    /// What it is allowed where nothing is said: the least that the role is of use with.
    pub const fn usual(self) -> &'static [Right] {
        match self {
            Self::Agent | Self::Supervisor => &[Right::View],
            Self::Admin => &Right::ALL,
        }
    }
}

/// The text is no role, or no list of rights for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchRight {
    /// Not a role.
    #[error("\"{0}\" is no role; expected agent, supervisor or admin")]
    Role(String),
    /// Not a right.
    #[error(
        "\"{0}\" is no right; expected some of view, control, reload, recordings, record, listen, whisper, barge"
    )]
    Right(String),
    /// Above its role.
    #[error("a token of role {role} cannot have the right {right}")]
    AboveRole {
        /// The role.
        role: &'static str,
        /// The right.
        right: &'static str,
    },
}

impl FromStr for Role {
    type Err = NoSuchRight;
    fn from_str(text: &str) -> Result<Self, NoSuchRight> {
        Role::ALL
            .into_iter()
            .find(|role| role.word() == text)
            .ok_or_else(|| NoSuchRight::Role(text.to_owned()))
    }
}

impl FromStr for Right {
    type Err = NoSuchRight;
    fn from_str(text: &str) -> Result<Self, NoSuchRight> {
        Right::ALL
            .into_iter()
            .find(|right| right.word() == text)
            .ok_or_else(|| NoSuchRight::Right(text.to_owned()))
    }
}

/// A set of rights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// Of these.
    pub fn of(rights: &[Right]) -> Rights {
        Rights(
            rights
                .iter()
                .fold(0, |bits, right| bits | 1 << *right as u16),
        )
    }

    /// Whether this one is among them.
    pub const fn has(self, right: Right) -> bool {
        self.0 >> right as u16 & 1 == 1
    }

    /// Reads a list, "listen,whisper", as far as `role` may have them; empty: what the role usually has.
    pub fn read(role: Role, text: &str) -> Result<Rights, NoSuchRight> {
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        let rights: Vec<Right> = words.map(Right::from_str).collect::<Result<_, _>>()?;
        if rights.is_empty() {
            return Ok(Rights::of(role.usual()));
        }
        match rights.iter().find(|right| !role.most().contains(right)) {
            Some(above) => Err(NoSuchRight::AboveRole {
                role: role.word(),
                right: above.word(),
            }),
            None => Ok(Rights::of(&rights)),
        }
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Right::ALL.iter().filter(|right| self.has(**right));
        let words: Vec<&str> = words.map(|right| right.word()).collect();
        f.write_str(&words.join(","))
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// A token's name, or "admin".
    pub name: String,
    /// What he may.
    pub rights: Rights,
}

impl Caller {
    /// Whoever holds the token of `admin.token`.
    pub(super) fn admin() -> Caller {
        Caller {
            name: "admin".to_owned(),
            rights: Rights::of(&Right::ALL),
        }
    }

    /// A row that says what nobody can mean, written by hand into the store, allows nothing.
    fn of(row: TokenRow) -> Caller {
        let role = row.role.parse::<Role>();
        let rights = match role {
            Ok(role) if row.rights.is_empty() => Rights::of(role.usual()),
            Ok(role) => Rights::read(role, &row.rights).unwrap_or_default(),
            Err(_) => Rights::default(),
        };
        Caller {
            name: row.name,
            rights,
        }
    }
}

/// What a path needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// This right.
    Right(Right),
    /// One of those to hear; the handler asks for the mode's own.
    AnEar,
    /// Not for tokens of the store: nothing is here, or nobody thought of it.
    Admin,
}

/// The whole table. `path` without the `/api` that some put before it.
pub(super) fn need(method: &Method, path: &str) -> Need {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    let mut parts = path.split('/').skip(1);
    let four = (parts.next(), parts.next(), parts.next(), parts.next());
    if parts.next().is_some() {
        return Need::Admin;
    }
    match four {
        (Some("v1"), Some("picture"), None, None) if reads => Need::Right(Right::View),
        (Some("v1"), Some("campaigns"), None, None) if reads => Need::Right(Right::View),
        (Some("v1"), Some("campaigns"), Some(_), Some("decisions")) if reads => {
            Need::Right(Right::View)
        }
        (Some("v1"), Some("campaigns"), Some(_), Some("start" | "pause" | "mode" | "ratio"))
        | (Some("v1"), Some("stop" | "resume"), None, None)
        | (Some("v1"), Some("leads"), Some("changed"), None) => Need::Right(Right::Control),
        (Some("v1"), Some("reload"), None, None) => Need::Right(Right::Reload),
        (Some("v1"), Some("recordings"), _, None | Some("link")) => Need::Right(Right::Recordings),
        (Some("v1"), Some("calls"), Some(_), Some("recording")) => Need::Right(Right::Record),
        (Some("v1"), Some("ears"), _, None) => Need::AnEar,
        _ => Need::Admin,
    }
}

impl Need {
    pub(super) fn is_met_by(self, caller: &Caller) -> bool {
        let rights = caller.rights;
        match self {
            Need::Right(right) => rights.has(right),
            Need::AnEar => [Right::Listen, Right::Whisper, Right::Barge]
                .into_iter()
                .any(|right| rights.has(right)),
            Need::Admin => rights == Rights::of(&Right::ALL),
        }
    }

    pub(super) const fn word(self) -> &'static str {
        match self {
            Need::Right(right) => right.word(),
            Need::AnEar => "listen",
            Need::Admin => "admin",
        }
    }
}

/// Tokens and audit, as the API asks them. One connection: supervisors ask a few times a second.
pub struct Access {
    book: Mutex<AccessBook>,
    clock: Clock,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}

impl Access {
    /// The tokens and the audit of this store.
    pub fn open(store: &Path, clock: Clock) -> Result<Access, StoreError> {
        Ok(Access {
            book: Mutex::new(AccessBook::open(store)?),
            clock,
        })
    }

    fn book(&self) -> MutexGuard<'_, AccessBook> {
        // A transaction that a panic cut off was rolled back when it was dropped.
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who has this token.
    fn caller(&self, token: &str) -> Result<Option<Caller>, StoreError> {
        Ok(self.book().token(token)?.map(Caller::of))
    }

    /// Who has the token of this name.
    pub(super) fn named(&self, name: &str) -> Result<Option<Caller>, StoreError> {
        if name == "admin" {
            return Ok(Some(Caller::admin()));
        }
        Ok(self.book().token_named(name)?.map(Caller::of))
    }

    /// The agent of this log-in name.
    pub(super) fn agent(&self, name: &str) -> Result<Option<crate::ids::AgentId>, StoreError> {
        self.book().agent_id(name)
    }

    /// Puts an entry down; it is on the disk when this returns.
    fn note(&self, mut entry: AuditEntry) -> Result<(), StoreError> {
        entry.at = self.clock.now().unix;
        self.book().audit(&[entry])
    }
}

/// An entry without its time.
pub(super) fn entry(
    caller: &str,
    act: impl Into<String>,
    target: impl Into<String>,
    allowed: bool,
    detail: impl Into<String>,
) -> AuditEntry {
    AuditEntry {
        at: crate::time::UnixMs(0),
        actor: caller.to_owned(),
        act: act.into(),
        target: target.into(),
        allowed,
        detail: detail.into(),
    }
}

fn unwell(error: &dyn fmt::Display) -> Refused {
    tracing::error!(%error, "Rights cannot be asked for, or the audit not written: the request was refused.");
    Refused::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "store_not_ready",
        "The store cannot say who may do this; try again.",
    )
}

/// Runs what waits for the store where it holds nobody up.
pub(super) async fn beside<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refused> {
    match tokio::task::spawn_blocking(act).await {
        Ok(done) => done.map_err(|error| unwell(&error)),
        Err(error) => Err(unwell(&error)),
    }
}

/// Puts an entry down before the answer goes: what is not in the audit was not done.
pub(super) async fn audit(access: &Arc<Access>, entry: AuditEntry) -> Result<(), Refused> {
    let access = Arc::clone(access);
    beside(move || access.note(entry)).await
}

/// Who has this token.
pub(super) async fn caller(access: &Arc<Access>, token: String) -> Result<Option<Caller>, Refused> {
    let access = Arc::clone(access);
    beside(move || access.caller(&token)).await
}

/// The refusal of somebody who is known and may not.
pub(super) fn forbidden(need: &str) -> Refused {
    Refused::new(
        StatusCode::FORBIDDEN,
        "no_right",
        format!("This token has not the right \"{need}\"."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_bounds_the_rights_of_its_tokens() {
        let rights = Rights::read(Role::Supervisor, "listen, barge").unwrap();
        assert!(rights.has(Right::Listen) && rights.has(Right::Barge));
        assert!(!rights.has(Right::Whisper) && !rights.has(Right::Recordings));
        assert_eq!(rights.to_string(), "listen,barge");
        assert_eq!(Rights::read(Role::Agent, "").unwrap().to_string(), "view");
        assert_eq!(
            Rights::read(Role::Agent, "listen"),
            Err(NoSuchRight::AboveRole {
                role: "agent",
                right: "listen"
            })
        );
        assert!(Rights::read(Role::Supervisor, "reload").is_err());
        assert!(Rights::read(Role::Admin, "lisen").is_err());
    }

    #[test]
    fn every_path_asks_for_its_right_and_unknown_ones_for_all() {
        let get = Method::GET;
        for (method, path, want) in [
            (&get, "/v1/picture", Need::Right(Right::View)),
            (
                &Method::HEAD,
                "/v1/recordings/0a",
                Need::Right(Right::Recordings),
            ),
            (&get, "/v1/recordings", Need::Right(Right::Recordings)),
            (
                &Method::POST,
                "/v1/recordings/0a/link",
                Need::Right(Right::Recordings),
            ),
            (
                &Method::POST,
                "/v1/calls/7/recording",
                Need::Right(Right::Record),
            ),
            (
                &Method::POST,
                "/v1/campaigns/x/start",
                Need::Right(Right::Control),
            ),
            (&Method::POST, "/v1/stop", Need::Right(Right::Control)),
            (&Method::POST, "/v1/reload", Need::Right(Right::Reload)),
            (&Method::PATCH, "/v1/ears/3", Need::AnEar),
            (&Method::POST, "/v1/picture", Need::Admin),
            (&get, "/v1/recordings/0a/link/more", Need::Admin),
            (&get, "/v1/nowhere", Need::Admin),
            (&get, "//v1/picture", Need::Admin),
            (&get, "/", Need::Admin),
        ] {
            assert_eq!(need(method, path), want, "{method} {path}");
        }
    }
}
