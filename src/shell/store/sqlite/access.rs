//! Who may use the API, and what was asked of it: tokens with rights, and the audit. One connection, beside the engine's writer.

use super::line::Line;
use super::orders;
use super::schema::{self, Role, failed};
use crate::shell::store::StoreError;
use crate::time::UnixMs;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::path::Path;

/// Random octets of a token: 256 bits cannot be guessed, so a plain hash without salt will do.
const TOKEN_BYTES: usize = 32;

/// A token as the store knows it. Role and rights are words; the API knows what they mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRow {
    /// Its name: who acts, in the audit.
    pub name: String,
    /// "agent", "supervisor" or "admin".
    pub role: String,
    /// Words, separated by commas.
    pub rights: String,
    /// When it was made.
    pub created: UnixMs,
    /// When it was revoked, if it was.
    pub revoked: Option<UnixMs>,
}

/// An entry of the audit. Names of tokens, ids of recordings, agents and attempts; never a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMs,
    /// Who: a token's name, "admin" (the file), "console", "retention", "link:NAME".
    pub actor: String,
    /// What: "recording.fetch", "ear.whisper" and so on.
    pub act: String,
    /// About what: "recording 0123…", "agent 7", "call 12".
    pub target: String,
    /// Whether it was done.
    pub allowed: bool,
    /// Why not, or how.
    pub detail: String,
}

/// Where the audit's chain breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditBroken {
    /// The row whose digest is not that of its content and of the row before it.
    pub row: i64,
}

/// The book of tokens and the audit.
#[derive(Debug)]
pub struct AccessBook {
    connection: Connection,
    line: Line,
    /// Keeps a restore from replacing the file meanwhile.
    _in_use: File,
}

impl AccessBook {
    /// Opens, or makes, the store's file.
    pub fn open(path: &Path) -> Result<AccessBook, StoreError> {
        Ok(AccessBook {
            _in_use: schema::lock_for_use(path)?,
            connection: schema::open(path, Role::Office)?,
            line: Line::open(path)?,
        })
    }

    /// Adds a token. Its text, which nobody can ask for again.
    pub fn token_add(&self, name: &str, role: &str, rights: &str) -> Result<String, StoreError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@');
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) || name == "admin" {
            return Err(StoreError::Value {
                what: "a token's name",
                expected: "1 to 64 letters, digits, '.', '_', '-' or '@', and not \"admin\": that is the file admin.token"
                    .to_owned(),
            });
        }
        let mut secret = [0_u8; TOKEN_BYTES];
        getrandom::fill(&mut secret).map_err(|fault| StoreError::Failed {
            doing: "draw a token",
            reason: fault.to_string(),
        })?;
        let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        let _standing = self.line.stand();
        let added = self
            .connection
            .execute(
                "INSERT INTO access_token (name, token_hash, role, rights, created_at)
                 VALUES (?1, ?2, ?3, ?4, CAST(unixepoch('subsec') * 1000 AS INTEGER)) ON CONFLICT (name) DO NOTHING",
                (name, hash(&token).as_slice(), role, rights),
            )
            .map_err(failed("add the token"))?;
        if added == 0 {
            return Err(StoreError::Taken {
                what: "token",
                name: name.to_owned(),
            });
        }
        Ok(token)
    }

    /// All tokens, revoked ones too, by name.
    pub fn token_list(&self) -> Result<Vec<TokenRow>, StoreError> {
        self.connection
            .prepare(
                "SELECT name, role, rights, created_at, revoked_at FROM access_token ORDER BY name",
            )
            .and_then(|mut list| list.query_map([], token_of)?.collect())
            .map_err(failed("list the tokens"))
    }

    /// From now on it opens nothing. Its name stays taken: the audit names it.
    pub fn token_revoke(&self, name: &str) -> Result<(), StoreError> {
        let _standing = self.line.stand();
        let revoked = self
            .connection
            .execute(
                "UPDATE access_token SET revoked_at = coalesce(revoked_at, CAST(unixepoch('subsec') * 1000 AS INTEGER))
                 WHERE name = ?1",
                [name],
            )
            .map_err(failed("revoke the token"))?;
        match revoked {
            0 => Err(StoreError::Unknown {
                what: "token",
                name: name.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// The token with this text, unless revoked. Found by its digest: nothing of the secret is compared letter by letter.
    pub fn token(&self, text: &str) -> Result<Option<TokenRow>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT name, role, rights, created_at, revoked_at FROM access_token
                 WHERE token_hash = ?1 AND revoked_at IS NULL",
            )
            .and_then(|mut find| find.query_row([hash(text).as_slice()], token_of).optional())
            .map_err(failed("look a token up"))
    }

    /// The token of this name, unless revoked.
    pub fn token_named(&self, name: &str) -> Result<Option<TokenRow>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT name, role, rights, created_at, revoked_at FROM access_token
                 WHERE name = ?1 AND revoked_at IS NULL",
            )
            .and_then(|mut find| find.query_row([name], token_of).optional())
            .map_err(failed("look a token up"))
    }

    /// The agent's id, by its log-in name.
    pub fn agent_id(&self, name: &str) -> Result<Option<crate::ids::AgentId>, StoreError> {
        self.connection
            .prepare_cached("SELECT id FROM agent WHERE name = ?1")
            .and_then(|mut find| {
                find.query_row([name], |row| row.get(0).map(crate::ids::AgentId))
                    .optional()
            })
            .map_err(failed("look an agent up"))
    }

    /// Puts entries down; they are on the disk when this returns.
    pub fn audit(&mut self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let doing = failed("write the audit");
        let standing = self.line.stand();
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(&doing)?;
        drop(standing);
        let last: Option<(i64, Vec<u8>)> = transaction
            .query_row(
                "SELECT id, chain FROM audit ORDER BY id DESC LIMIT 1",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()
            .map_err(&doing)?;
        let (mut id, mut chain) = last.unwrap_or_default();
        for entry in entries {
            id += 1;
            chain = link(&chain, id, entry).to_vec();
            transaction
                .prepare_cached(
                    "INSERT INTO audit (id, at, actor, act, target, allowed, detail, chain)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                )
                .and_then(|mut add| {
                    add.execute((
                        id,
                        entry.at.0,
                        &entry.actor,
                        &entry.act,
                        &entry.target,
                        entry.allowed,
                        &entry.detail,
                        &chain,
                    ))
                })
                .map_err(&doing)?;
        }
        transaction.commit().map_err(&doing)
    }

    /// The last entries, oldest first.
    pub fn audit_list(
        &self,
        since: Option<UnixMs>,
        most: u32,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        self.connection
            .prepare_cached(
                "SELECT at, actor, act, target, allowed, detail FROM (
                     SELECT * FROM audit WHERE at >= ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id",
            )
            .and_then(|mut list| {
                let since = since.map_or(i64::MIN, |at| at.0);
                list.query_map((since, most), entry_of)?.collect()
            })
            .map_err(failed("read the audit"))
    }

    /// Goes through the whole chain. Rows that hold, or where it breaks. Rows cut off its end are found by comparing the number and
    /// the last digest with those of an earlier check, kept elsewhere.
    pub fn audit_check(&self) -> Result<Result<(u64, String), AuditBroken>, StoreError> {
        let doing = failed("read the audit");
        let mut rows = self
            .connection
            .prepare(
                "SELECT at, actor, act, target, allowed, detail, id, chain FROM audit ORDER BY id",
            )
            .map_err(&doing)?;
        let mut rows = rows.query([]).map_err(&doing)?;
        let (mut chain, mut count): (Vec<u8>, u64) = (Vec::new(), 0);
        while let Some(row) = rows.next().map_err(&doing)? {
            let entry = entry_of(row).map_err(&doing)?;
            let id: i64 = row.get(6).map_err(&doing)?;
            let kept: Vec<u8> = row.get(7).map_err(&doing)?;
            count += 1;
            if id as u64 != count || link(&chain, id, &entry).as_slice() != kept {
                return Ok(Err(AuditBroken { row: id }));
            }
            chain = kept;
        }
        let last = chain.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Ok((count, last)))
    }

    /// The store's own clock, for entries of a command.
    pub fn now(&self) -> Result<UnixMs, StoreError> {
        orders::now(&self.connection).map_err(failed("ask the time"))
    }
}

fn token_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<TokenRow> {
    Ok(TokenRow {
        name: row.get(0)?,
        role: row.get(1)?,
        rights: row.get(2)?,
        created: UnixMs(row.get(3)?),
        revoked: row.get::<_, Option<i64>>(4)?.map(UnixMs),
    })
}

fn entry_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<AuditEntry> {
    Ok(AuditEntry {
        at: UnixMs(row.get(0)?),
        actor: row.get(1)?,
        act: row.get(2)?,
        target: row.get(3)?,
        allowed: row.get(4)?,
        detail: row.get(5)?,
    })
}

/// The digest of a row: over the chain before it and every column, each with its length, so that none can borrow from its neighbour.
fn link(before: &[u8], id: i64, entry: &AuditEntry) -> [u8; 32] {
    let mut digest = Sha256::new().chain_update(b"tandem audit");
    let (at, allowed) = (entry.at.0.to_be_bytes(), [u8::from(entry.allowed)]);
    for part in [
        before,
        &id.to_be_bytes(),
        &at,
        entry.actor.as_bytes(),
        entry.act.as_bytes(),
        entry.target.as_bytes(),
        &allowed,
        entry.detail.as_bytes(),
    ] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(act: &str) -> AuditEntry {
        AuditEntry {
            at: UnixMs(5),
            actor: "lan".to_owned(),
            act: act.to_owned(),
            target: "recording 1".to_owned(),
            allowed: true,
            detail: String::new(),
        }
    }

    #[test]
    fn a_token_opens_until_it_is_revoked_and_its_text_is_nowhere() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let book = AccessBook::open(&path).unwrap();
        let token = book
            .token_add("lan", "supervisor", "listen,recordings")
            .unwrap();
        assert!(matches!(
            book.token_add("lan", "admin", ""),
            Err(StoreError::Taken { .. })
        ));
        assert!(book.token_add("admin", "admin", "").is_err());
        let found = book.token(&token).unwrap().expect("it opens");
        assert_eq!(
            (found.name.as_str(), found.role.as_str()),
            ("lan", "supervisor")
        );
        assert!(book.token(&token[1..]).unwrap().is_none());
        book.token_revoke("lan").unwrap();
        assert!(book.token(&token).unwrap().is_none());
        assert!(book.token_revoke("nobody").is_err());
        drop(book);
        for file in ["t.db", "t.db-wal"] {
            let octets = std::fs::read(dir.path().join(file)).unwrap_or_default();
            let found = octets.windows(64).any(|part| part == token.as_bytes());
            assert!(!found, "the token's text is in {file}");
        }
    }

    #[test]
    fn a_row_of_the_audit_that_is_altered_or_removed_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("t.db");
        let mut book = AccessBook::open(&path).unwrap();
        book.audit(&[entry("a"), entry("b")]).unwrap();
        book.audit(&[entry("c")]).unwrap();
        assert_eq!(book.audit_check().unwrap().map(|it| it.0), Ok(3));
        let acts: Vec<String> = book
            .audit_list(None, 2)
            .unwrap()
            .into_iter()
            .map(|it| it.act)
            .collect();
        assert_eq!(acts, ["b", "c"]);
        for change in [
            "UPDATE audit SET actor = 'me' WHERE id = 2",
            "DELETE FROM audit WHERE id = 2",
        ] {
            assert!(
                book.connection.execute(change, []).is_err(),
                "only added to"
            );
            // Whoever owns the file can take the triggers away: then the chain tells.
            book.connection
                .execute_batch(
                    "BEGIN; DROP TRIGGER audit_is_not_changed; DROP TRIGGER audit_is_not_shortened;",
                )
                .unwrap();
            book.connection.execute(change, []).unwrap();
            assert!(book.audit_check().unwrap().is_err(), "{change}");
            book.connection.execute_batch("ROLLBACK").unwrap();
        }
    }
}
