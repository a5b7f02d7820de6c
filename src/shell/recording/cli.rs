//! `tandem recording`, `tandem token` and `tandem audit`: their words and what they print. All of it works beside a running engine.

use super::commands::{Archive, CommandFault, audit_lines, audited_token};
use super::keys;
use crate::config::{Config, Faults};
use crate::ids::{AgentId, AttemptId};
use crate::shell::api::rights::{NoSuchRight, Rights, Role};
use crate::shell::store::StoreError;
use crate::shell::store::sqlite::{AccessBook, RecordingFilter};
use crate::time::UnixMs;
use clap::{Args, Subcommand};
use std::fmt::Write as _;
use std::path::PathBuf;

/// Why one of these commands fails.
#[derive(Debug, thiserror::Error)]
pub enum CliFault {
    /// The configuration.
    #[error("the configuration cannot be used\n{0}")]
    Config(#[from] Faults),
    /// A recording.
    #[error(transparent)]
    Command(#[from] CommandFault),
    /// The site's keys.
    #[error(transparent)]
    Key(#[from] keys::KeyFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Role or rights.
    #[error(transparent)]
    Right(#[from] NoSuchRight),
}

/// The configuration that a command speaks of.
#[derive(Args, Debug)]
pub struct ConfigFile {
    /// The engine's configuration file
    #[arg(
        long,
        short,
        env = "TANDEM_CONFIG",
        default_value = "config/tandem.toml"
    )]
    config: PathBuf,
}

impl ConfigFile {
    fn load(&self) -> Result<(Config, PathBuf), CliFault> {
        let config = Config::load(&self.config)?;
        let store = crate::shell::serve::store_path(&config);
        Ok((config, store))
    }
}

/// `tandem recording`.
#[derive(Subcommand, Debug)]
pub enum RecordingCommand {
    /// List recordings, newest first
    List {
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
        /// Of this campaign only
        #[arg(long)]
        campaign: Option<String>,
        /// Of the agent with this id only
        #[arg(long)]
        agent: Option<u32>,
        /// Of this attempt only
        #[arg(long)]
        attempt: Option<u64>,
        /// How many, 0 for all
        #[arg(long, default_value_t = 50)]
        last: u32,
    },
    /// Write one as an audio file that others read; it is in the audit, and it is no longer sealed
    Export {
        /// The recording: 32 hexadecimal digits
        name: String,
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
        /// As WAV: 8,000 Hz, 16 bits, customer left, agent right
        #[arg(long, required_unless_present = "ogg")]
        wav: Option<PathBuf>,
        /// As it is kept: Ogg Opus once it is converted
        #[arg(long, conflicts_with = "wav")]
        ogg: Option<PathBuf>,
    },
    /// Prove that files are what was written: their digest in the store, and every sealed record
    Verify {
        /// The recording; default: all
        name: Option<String>,
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Destroy one before its time: its key, then its file; its row and the audit stay
    Erase {
        /// The recording
        name: String,
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
    /// Put a new site key before the others; it seals from the next start on, the others still open what they sealed
    RotateKey {
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl RecordingCommand {
    /// Does it. What is to be printed, and whether all is well.
    pub fn run(self) -> Result<(String, bool), CliFault> {
        match self {
            RecordingCommand::List {
                config,
                campaign,
                agent,
                attempt,
                last,
            } => {
                let (config, store) = config.load()?;
                let filter = RecordingFilter {
                    campaign,
                    agent: agent.map(AgentId),
                    attempt: attempt.map(AttemptId),
                    most: last,
                    ..RecordingFilter::default()
                };
                Ok((Archive::open(&config, &store)?.list(&filter)?, true))
            }
            RecordingCommand::Export {
                name,
                config,
                wav,
                ogg,
            } => {
                let (config, store) = config.load()?;
                let mut archive = Archive::open(&config, &store)?;
                let text = match (wav, ogg) {
                    (Some(wav), _) => {
                        let seconds = archive.export_wav(&name, &wav)?;
                        format!("{}: {seconds:.1} s, WAV.\n", wav.display())
                    }
                    (None, Some(ogg)) => {
                        let kind = archive.export_as_is(&name, &ogg)?;
                        format!("{}: {kind}.\n", ogg.display())
                    }
                    (None, None) => String::new(),
                };
                Ok((text + "It is not sealed: it holds a conversation.\n", true))
            }
            RecordingCommand::Verify { name, config } => {
                let (config, store) = config.load()?;
                let checked = Archive::open(&config, &store)?.verify(name.as_deref())?;
                let mut text = String::new();
                for one in &checked {
                    if let Some(fault) = &one.fault {
                        let _ = writeln!(text, "{}: {fault}", one.id);
                    }
                }
                let bad = checked.iter().filter(|one| one.fault.is_some()).count();
                let _ = writeln!(
                    text,
                    "{} checked, {bad} not as they were written.",
                    checked.len()
                );
                Ok((text, bad == 0))
            }
            RecordingCommand::Erase { name, config } => {
                let (config, store) = config.load()?;
                Archive::open(&config, &store)?.erase(&name)?;
                Ok((
                    format!("{name} is erased: its key and its file are gone.\n"),
                    true,
                ))
            }
            RecordingCommand::RotateKey { config } => {
                let (config, _) = config.load()?;
                let path = config.recording_key_file();
                let id = keys::rotate(&path)?;
                Ok((
                    format!(
                        "{}: key {id} seals from the next start on. Keep a copy of the file elsewhere, readable by nobody.\n",
                        path.display()
                    ),
                    true,
                ))
            }
        }
    }
}

/// `tandem token`.
#[derive(Subcommand, Debug)]
pub enum TokenCommand {
    /// Add a token for the API and print it; it is shown this once
    Add {
        /// Its name: who acts, in the audit
        name: String,
        /// agent, supervisor or admin: bounds the rights that it can have
        #[arg(long)]
        role: String,
        /// view, control, reload, recordings, record, listen, whisper, barge, separated by commas; default: view (admin: all)
        #[arg(long, default_value = "")]
        rights: String,
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
    /// List tokens with their rights
    List {
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
    /// From now on it opens nothing
    Revoke {
        /// Its name
        name: String,
        /// The configuration
        #[command(flatten)]
        config: ConfigFile,
    },
}

impl TokenCommand {
    /// Does it. What is to be printed.
    pub fn run(self) -> Result<String, CliFault> {
        match self {
            TokenCommand::Add {
                name,
                role,
                rights,
                config,
            } => {
                let role: Role = role.parse()?;
                let rights = Rights::read(role, &rights)?;
                let mut book = book(&config)?;
                let token = book.token_add(&name, role.word(), &rights.to_string())?;
                audited_token(&mut book, "token.add", &name, rights.to_string())?;
                Ok(format!("{token}\n"))
            }
            TokenCommand::List { config } => {
                let mut text = String::new();
                for token in book(&config)?.token_list()? {
                    let state = if token.revoked.is_some() {
                        "  revoked"
                    } else {
                        ""
                    };
                    let _ = writeln!(
                        text,
                        "{:<24}  {:<10}  {}{state}",
                        token.name, token.role, token.rights
                    );
                }
                Ok(text)
            }
            TokenCommand::Revoke { name, config } => {
                let mut book = book(&config)?;
                book.token_revoke(&name)?;
                audited_token(&mut book, "token.revoke", &name, String::new())?;
                Ok(format!("{name} opens nothing from now on.\n"))
            }
        }
    }
}

fn book(config: &ConfigFile) -> Result<AccessBook, CliFault> {
    let (config, store) = config.load()?;
    std::fs::create_dir_all(&config.data_dir).map_err(|fault| StoreError::Failed {
        doing: "make data_dir",
        reason: fault.to_string(),
    })?;
    Ok(AccessBook::open(&store)?)
}

/// `tandem audit`.
#[derive(Args, Debug)]
pub struct AuditArgs {
    #[command(flatten)]
    config: ConfigFile,
    /// How many entries
    #[arg(long, default_value_t = 100)]
    last: u32,
    /// Of the last so many hours only
    #[arg(long)]
    hours: Option<u32>,
    /// Instead, go through the whole chain: an entry that was altered or removed is found
    #[arg(long)]
    verify: bool,
}

impl AuditArgs {
    /// What is to be printed, and whether all is well.
    pub fn run(self) -> Result<(String, bool), CliFault> {
        let book = book(&self.config)?;
        if self.verify {
            return Ok(match book.audit_check()? {
                Ok((rows, last)) => (
                    format!("{rows} entries, the chain holds; it ends with {last}\n"),
                    true,
                ),
                Err(broken) => (
                    format!(
                        "The chain breaks at entry {}: it, or one before it, was altered or removed.\n",
                        broken.row
                    ),
                    false,
                ),
            });
        }
        let since = match self.hours {
            Some(hours) => Some(UnixMs(book.now()?.0 - i64::from(hours) * 3_600_000)),
            None => None,
        };
        Ok((audit_lines(&book.audit_list(since, self.last)?), true))
    }
}
