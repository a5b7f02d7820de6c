//! Keeps what pacing has learned beside the store, about once a minute and at the end of a run, and gives it back at the next start.
//!
//! A file of its own and no table: it is replaced whole each time, losing it costs some careful minutes and no promise, and so the
//! store's writer never waits for it. It names campaigns and skills, because their numbers change with the order of the
//! configuration. The floor's thread hands a copy over and goes on; writing and the disk are this room's own thread's.

use crate::core::pacing::predict::{
    AnswersKept, CAMPAIGNS_KEPT, CampaignLearned, Learned, PhonesLearned, STREAMS_KEPT,
    StreamLearned, WorkKept,
};
use crate::core::settings::SkillNeed;
use crate::ids::{CampaignId, SkillId};
use crate::shell::store::{SharedNames, StoreNames};
use crate::time::UnixMs;
use crossbeam::channel::{Receiver, Sender, bounded};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time between two keepings: so much is lost to a crash, of counts that fade over thousands of calls.
pub const KEEP_EVERY: Duration = Duration::from_secs(60);
/// Version of the file's form. Keys may be added under the same form: what is missing is learned anew, what is unknown is passed over.
const FORM: u32 = 1;
/// A full file of [`CAMPAIGNS_KEPT`] campaigns is below 10 MB; a longer one is not ours.
const OCTETS_MAX: u64 = 32_000_000;
/// What was learned of a campaign longer ago says nothing about its list of today.
const KEPT_FOR: Duration = Duration::from_secs(30 * 86_400);

/// The file of a data directory.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("learned.json")
}

#[derive(Serialize, Deserialize)]
struct Page {
    form: u32,
    version: String,
    #[serde(default)]
    phones: PhonesLearned,
    #[serde(default)]
    campaigns: Vec<Entry>,
}

/// A campaign, by its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Entry {
    name: String,
    kept_unix_ms: i64,
    #[serde(default)]
    work: WorkKept,
    #[serde(default)]
    streams: Vec<StreamEntry>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StreamEntry {
    #[serde(default)]
    needs: Vec<NeedEntry>,
    #[serde(default)]
    segment: u16,
    answers: AnswersKept,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct NeedEntry {
    skill: String,
    level: u8,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("{0}")]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    #[error("it is longer than {OCTETS_MAX} octets")]
    TooLong,
    #[error("form {0} was written by Tandem {1}, this one reads form {FORM}")]
    Newer(u32, String),
}

/// What a start finds.
#[derive(Debug, Default)]
pub struct Found {
    /// For the floor; `None`: nothing was kept, or nothing that can be used.
    pub learned: Option<Learned>,
    /// Campaigns that are not in the configuration now: they may come back.
    absent: Vec<Entry>,
}

/// Reads what the last run kept. A file that is broken or foreign is passed over, with a warning.
pub fn find(path: &Path, names: &StoreNames, now: UnixMs) -> Found {
    let page = match read(path) {
        Ok(Some(page)) => page,
        Ok(None) => return Found::default(),
        Err(error) => {
            tracing::warn!(
                path = %path.display(),
                %error,
                "What pacing had learned cannot be used: predictive campaigns learn anew, carefully at first."
            );
            return Found::default();
        }
    };
    let oldest = now.0 - KEPT_FOR.as_millis() as i64;
    let mut found = Found::default();
    let mut campaigns = Vec::new();
    for entry in page.campaigns {
        if entry.kept_unix_ms < oldest {
            continue;
        }
        match learned_of(&entry, names) {
            Some(learned) => campaigns.push(learned),
            None => found.absent.push(entry),
        }
    }
    found.absent.truncate(CAMPAIGNS_KEPT);
    if !campaigns.is_empty() {
        tracing::info!(
            campaigns = campaigns.len(),
            "Pacing goes on from what it learned in earlier runs."
        );
        found.learned = Some(Learned {
            phones: page.phones,
            campaigns,
        });
    }
    found
}

fn read(path: &Path) -> Result<Option<Page>, Unusable> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut text = Vec::new();
    file.take(OCTETS_MAX + 1).read_to_end(&mut text)?;
    if text.len() as u64 > OCTETS_MAX {
        return Err(Unusable::TooLong);
    }
    /// The form comes first: another one may hold anything.
    #[derive(Deserialize)]
    struct Head {
        form: u32,
        version: String,
    }
    let Head { form, version } = serde_json::from_slice(&text)?;
    if form != FORM {
        return Err(Unusable::Newer(form, version));
    }
    Ok(Some(serde_json::from_slice(&text)?))
}

/// An entry with the numbers of now; `None`: there is no such campaign. Streams that need an unknown skill are left out.
fn learned_of(entry: &Entry, names: &StoreNames) -> Option<CampaignLearned> {
    let mut places = names.campaigns.iter();
    let place = places.position(|campaign| campaign.name == entry.name)?;
    let need = |need: &NeedEntry| {
        let place = names.skills.iter().position(|name| *name == need.skill)?;
        Some(SkillNeed {
            skill: SkillId(place as u16),
            level: need.level,
        })
    };
    let streams = entry.streams.iter().take(STREAMS_KEPT);
    Some(CampaignLearned {
        campaign: CampaignId(place as u16),
        work: entry.work.clone(),
        streams: streams
            .filter_map(|stream| {
                Some(StreamLearned {
                    needs: stream.needs.iter().map(need).collect::<Option<_>>()?,
                    segment: stream.segment,
                    answers: stream.answers,
                })
            })
            .collect(),
    })
}

fn entry_of(learned: CampaignLearned, names: &StoreNames, at: UnixMs) -> Option<Entry> {
    let name = &names.campaigns.get(usize::from(learned.campaign.0))?.name;
    let need = |need: &SkillNeed| {
        Some(NeedEntry {
            skill: names.skills.get(usize::from(need.skill.0))?.clone(),
            level: need.level,
        })
    };
    let streams = learned.streams.into_iter();
    Some(Entry {
        name: name.clone(),
        kept_unix_ms: at.0,
        work: learned.work,
        streams: streams
            .filter_map(|stream| {
                Some(StreamEntry {
                    needs: stream.needs.iter().map(need).collect::<Option<_>>()?,
                    segment: stream.segment,
                    answers: stream.answers,
                })
            })
            .collect(),
    })
}

/// The floor's end: what it has learned, and when.
#[derive(Clone, Debug)]
pub struct LearnedLane(Sender<(UnixMs, Learned)>);

impl LearnedLane {
    /// Hands a copy over. Where the disk still has the one before, this one is dropped: the next is a minute away.
    pub fn keep(&self, at: UnixMs, learned: Learned) {
        let _ = self.0.try_send((at, learned));
    }

    /// The last one of a run; here the floor's thread may wait a little.
    pub fn keep_last(&self, at: UnixMs, learned: Learned) {
        let _ = self.0.send_timeout((at, learned), Duration::from_secs(1));
    }
}

/// The thread that writes.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    names: SharedNames,
    absent: Vec<Entry>,
    has_failed: bool,
}

impl Keeper {
    /// Starts it. It ends when all lanes are dropped, with everything written that was handed over.
    pub fn start(
        path: PathBuf,
        names: SharedNames,
        found: Found,
    ) -> std::io::Result<(LearnedLane, JoinHandle<()>)> {
        let (lane, waiting) = bounded(1);
        let keeper = Keeper {
            path,
            names,
            absent: found.absent,
            has_failed: false,
        };
        let thread = std::thread::Builder::new()
            .name("learned".to_owned())
            .spawn(move || keeper.run(&waiting))?;
        Ok((LearnedLane(lane), thread))
    }

    fn run(mut self, waiting: &Receiver<(UnixMs, Learned)>) {
        while let Ok((at, learned)) = waiting.recv() {
            let page = self.page(at, learned);
            match write(&self.path, &page) {
                Ok(()) => self.has_failed = false,
                // Once for each time that it begins: a full disk says enough elsewhere.
                Err(error) if !std::mem::replace(&mut self.has_failed, true) => tracing::warn!(
                    path = %self.path.display(),
                    %error,
                    "What pacing has learned cannot be kept; the next start may learn anew."
                ),
                Err(_) => {}
            }
        }
    }

    fn page(&mut self, at: UnixMs, learned: Learned) -> Page {
        let names = self.names.now();
        let campaigns = learned.campaigns.into_iter();
        let mut campaigns: Vec<Entry> = campaigns
            .filter_map(|campaign| entry_of(campaign, &names, at))
            .collect();
        // Back under its name since the start: it has learned anew.
        self.absent
            .retain(|old| campaigns.iter().all(|entry| entry.name != old.name));
        let room = CAMPAIGNS_KEPT.saturating_sub(campaigns.len());
        campaigns.extend(self.absent.iter().take(room).cloned());
        Page {
            form: FORM,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            phones: learned.phones,
            campaigns,
        }
    }
}

/// All of it or nothing: a crash in the middle leaves the file of the minute before.
fn write(path: &Path, page: &Page) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let text = serde_json::to_vec(page).map_err(std::io::Error::other)?;
    let beside = path.with_extension("json.new");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&beside)?;
    file.write_all(&text)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    match path.parent() {
        Some(folder) => std::fs::File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
