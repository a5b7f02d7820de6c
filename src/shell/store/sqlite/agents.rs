//! Agents: who may log in, for which campaigns, with which skills. A token is shown once; the store keeps its hash.

use super::schema::failed;
use crate::core::input::AgentSeat;
use crate::ids::{AgentId, CampaignId, SkillId};
use crate::shell::store::{AgentAudio, StoreError, StoreNames};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

/// Random bytes of a token: 256 bits cannot be guessed, so a plain hash without salt will do.
const TOKEN_BYTES: usize = 32;

/// An agent as the store knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentRecord {
    /// The id, for ever.
    pub agent: AgentId,
    /// The name used to log in.
    pub name: String,
    /// Campaigns by name, and their weights (1..=100) for this agent.
    pub campaigns: Vec<(String, u16)>,
    /// Skills by name, and levels (1..=10).
    pub skills: Vec<(String, u8)>,
    /// How he is heard.
    pub audio: AgentAudio,
    /// Whether log-in is refused.
    pub disabled: bool,
}

impl AgentRecord {
    /// The seat under the configuration in force; campaigns and skills that are not in it are left out.
    pub fn seat(&self, names: &StoreNames) -> AgentSeat {
        let campaign = |name: &str| {
            names
                .campaigns
                .iter()
                .position(|campaign| campaign.name == name)
                .map(|index| CampaignId(index as u16))
        };
        let skill = |name: &str| {
            names
                .skills
                .iter()
                .position(|skill| skill == name)
                .map(|index| SkillId(index as u16))
        };
        AgentSeat {
            agent: self.agent,
            campaigns: self
                .campaigns
                .iter()
                .filter_map(|(name, weight)| Some((campaign(name)?, *weight)))
                .collect(),
            skills: self
                .skills
                .iter()
                .filter_map(|(name, level)| Some((skill(name)?, *level)))
                .collect(),
            needs_audio: self.audio.is_needed(),
        }
    }
}

/// Adds an agent. The token, which nobody can ask for again.
pub(super) fn add(
    db: &mut Connection,
    name: &str,
    campaigns: &[(String, u16)],
    skills: &[(String, u8)],
    audio: &AgentAudio,
) -> Result<String, StoreError> {
    if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
        return Err(StoreError::Value {
            what: "an agent's name",
            expected: "1 to 64 bytes without control characters".to_owned(),
        });
    }
    if campaigns
        .iter()
        .any(|(_, weight)| !(1..=100).contains(weight))
    {
        return Err(StoreError::Value {
            what: "a campaign's weight",
            expected: "1 to 100".to_owned(),
        });
    }
    if skills.iter().any(|(_, level)| !(1..=10).contains(level)) {
        return Err(StoreError::Value {
            what: "a skill's level",
            expected: "1 to 10".to_owned(),
        });
    }
    let mut secret = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut secret).map_err(|fault| StoreError::Failed {
        doing: "draw a token",
        reason: fault.to_string(),
    })?;
    let token: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    let doing = failed("add the agent");
    let transaction = db
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(&doing)?;
    let added = transaction
        .execute(
            "INSERT INTO agent (name, token_hash, audio, created_at)
             VALUES (?1, ?2, ?3, CAST(unixepoch('subsec') * 1000 AS INTEGER)) ON CONFLICT DO NOTHING",
            (name, hash(&token).as_slice(), audio.to_string()),
        )
        .map_err(&doing)?;
    if added == 0 {
        return Err(StoreError::Taken {
            what: "agent",
            name: name.to_owned(),
        });
    }
    let agent = transaction.last_insert_rowid();
    for (campaign, weight) in campaigns {
        transaction
            .execute(
                "INSERT INTO campaign (name) VALUES (?1) ON CONFLICT DO NOTHING",
                [campaign],
            )
            .map_err(&doing)?;
        transaction
            .execute(
                "INSERT OR REPLACE INTO agent_campaign (agent, campaign, weight)
                 SELECT ?1, id, ?3 FROM campaign WHERE name = ?2",
                (agent, campaign, weight),
            )
            .map_err(&doing)?;
    }
    for (skill, level) in skills {
        transaction
            .execute(
                "INSERT OR REPLACE INTO agent_skill (agent, skill, level) VALUES (?1, ?2, ?3)",
                (agent, skill, level),
            )
            .map_err(&doing)?;
    }
    transaction.commit().map_err(&doing)?;
    Ok(token)
}

/// All agents by id.
pub(super) fn list(db: &Connection) -> Result<Vec<AgentRecord>, StoreError> {
    read(db, "ORDER BY id", &[]).map_err(failed("list the agents"))
}

/// The agent who may log in with this name and token. A wrong name, a wrong token and a disabled agent look alike from outside,
/// in answer and in time.
pub(super) fn by_token(
    db: &Connection,
    name: &str,
    token: &str,
) -> Result<Option<AgentRecord>, StoreError> {
    let doing = failed("look up the agent");
    let kept: Option<Vec<u8>> = db
        .prepare_cached("SELECT token_hash FROM agent WHERE name = ?1 AND disabled = 0")
        .and_then(|mut find| find.query_row([name], |row| row.get(0)).optional())
        .map_err(&doing)?;
    let offered = hash(token);
    let matches = same(&offered, kept.as_deref().unwrap_or(&[0; 32]));
    if kept.is_none() || !matches {
        return Ok(None);
    }
    read(db, "WHERE name = ?1", &[&name])
        .map(|found| found.into_iter().next())
        .map_err(doing)
}

/// Refuses, or allows again, an agent's log-in.
pub(super) fn disable(db: &Connection, name: &str, disabled: bool) -> Result<AgentId, StoreError> {
    db.query_row(
        "UPDATE agent SET disabled = ?2 WHERE name = ?1 RETURNING id",
        (name, disabled),
        |row| row.get(0).map(AgentId),
    )
    .optional()
    .map_err(failed("change the agent"))?
    .ok_or_else(|| StoreError::Unknown {
        what: "agent",
        name: name.to_owned(),
    })
}

fn read(
    db: &Connection,
    which: &str,
    parameters: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<AgentRecord>> {
    let mut campaigns = db.prepare_cached(
        "SELECT campaign.name, weight FROM agent_campaign JOIN campaign ON campaign.id = campaign
         WHERE agent = ?1 ORDER BY campaign.id",
    )?;
    let mut skills =
        db.prepare_cached("SELECT skill, level FROM agent_skill WHERE agent = ?1 ORDER BY skill")?;
    db.prepare_cached(&format!(
        "SELECT id, name, disabled, audio FROM agent {which}"
    ))?
    .query_map(parameters, |row| {
        let agent: u32 = row.get(0)?;
        Ok(AgentRecord {
            agent: AgentId(agent),
            name: row.get(1)?,
            disabled: row.get(2)?,
            // A word that a later version wrote: he is heard as most are.
            audio: row.get::<_, String>(3)?.parse().unwrap_or_default(),
            campaigns: campaigns
                .query_map([agent], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?,
            skills: skills
                .query_map([agent], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<Result<_, _>>()?,
        })
    })?
    .collect()
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

/// Whether two hashes are equal, in a time that does not depend on where they differ.
fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len()
        && std::hint::black_box(
            one.iter()
                .zip(other)
                .fold(0, |difference, (a, b)| difference | (a ^ b)),
        ) == 0
}
