//! Who is recorded. Owns the calls that are joined, the recordings under way and their bound; hands out taps, pauses, tells.
//!
//! Two ways lead to a recording: the campaign's rule at the join, or somebody's word later. Both give a tap that the media plane puts on
//! the call; the pause takes hold here at once, whatever the media plane has to do.

use super::Tap;
use super::chunk::ENCODED;
use super::keeper::{Keeper, Note};
use super::keys::{DataKey, KeyFault, SiteKeys};
use super::live::{About, Live, RecordingId};
use super::shelf::Shelf;
use super::stats::RecordingStats;
use super::tap::CallTap;
use super::writer::{Writer, WriterLane, lane};
use crate::config::{Config, InForce, RecordingConfig, RecordingMode, RecordingRule};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId};
use crate::shell::lanes::Clock;
use crate::shell::metrics::Figure;
use crate::shell::store::StoreError;
use crate::time::Now;
use arc_swap::ArcSwap;
use crossbeam::channel::{Sender, bounded};
use dashmap::DashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;

/// A campaign's name and its rule; a `CampaignId` is an index. Swapped whole by a reload, for the next call.
pub type Rules = Arc<ArcSwap<Vec<(String, RecordingRule)>>>;

/// The rules by campaign.
pub fn rules(in_force: &InForce) -> Vec<(String, RecordingRule)> {
    let campaigns = in_force.tables().campaigns.iter();
    campaigns
        .map(|campaign| (campaign.settings.name.clone(), campaign.recording.clone()))
        .collect()
}

/// What a recorder is made of.
pub struct RecorderParts {
    /// The process's clocks.
    pub clock: Clock,
    /// Where recordings lie.
    pub directory: PathBuf,
    /// The site's keys.
    pub keys: Arc<SiteKeys>,
    /// The store's file.
    pub store: PathBuf,
    /// What campaigns want.
    pub rules: Rules,
    /// Bounds and ways.
    pub config: RecordingConfig,
}

impl RecorderParts {
    /// As a configuration says. The site's key is made where it is missing.
    pub fn of(
        config: &Config,
        store: &Path,
        rules: Rules,
        clock: Clock,
    ) -> Result<RecorderParts, KeyFault> {
        let keys = SiteKeys::load_or_create(&config.recording_key_file())?;
        Ok(RecorderParts {
            clock,
            directory: config.recording_directory(),
            keys: Arc::new(keys),
            store: store.to_owned(),
            rules,
            config: config.recording.clone(),
        })
    }
}

/// Why there is no recorder.
#[derive(Debug, thiserror::Error)]
pub enum RecorderFault {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A thread or the directory.
    #[error("recordings in {directory}: {source}", directory = directory.display())]
    Io {
        /// Where.
        directory: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Why a call is not recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotRecorded {
    /// No such call is joined now.
    #[error("no conversation of this attempt is under way")]
    NoCall,
    /// Its campaign says "never".
    #[error("the campaign is never recorded")]
    Never,
    /// It is recorded already.
    #[error("the conversation is recorded already")]
    Already,
    /// Nothing to pause or resume.
    #[error("the conversation is not recorded")]
    Off,
    /// As many as allowed are under way, or no key could be drawn.
    #[error("there is no room for another recording now")]
    NoRoom,
    /// It is paused for good: it was paused too often.
    #[error("the recording was paused too often and stays paused")]
    TooOften,
}

/// How a call's recording is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingNow {
    /// None.
    Off,
    /// It runs.
    On,
    /// It is paused.
    Paused,
}

/// A call that is joined and could be recorded.
#[derive(Clone, Copy, Debug)]
struct Joined {
    agent: AgentId,
    campaign: CampaignId,
    lead: LeadId,
}

/// Told of a pause that ended by its limit: the attempt, and its agent.
pub type OnResumed = Box<dyn Fn(AttemptId, AgentId) + Send + Sync>;

/// The recorder. Held by the router (joins), the desks and the API (words of people), the metrics.
pub struct Recorder {
    clock: Clock,
    lane: WriterLane,
    rules: Rules,
    config: RecordingConfig,
    joined: DashMap<AttemptId, Joined>,
    live: Arc<DashMap<AttemptId, Arc<Live>>>,
    stats: Arc<RecordingStats>,
    shelf: Arc<Shelf>,
    on_resumed: Arc<ArcSwap<Option<OnResumed>>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

/// The recorder's threads: stopped after the media plane, so that what it heard last is kept.
pub struct RecorderThreads {
    stop_writer: Sender<()>,
    stop_keeper: Sender<()>,
    writer: JoinHandle<()>,
    keeper: Vec<JoinHandle<()>>,
    notes: Sender<Note>,
}

impl std::fmt::Debug for RecorderThreads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RecorderThreads")
    }
}

impl RecorderThreads {
    /// Whether all are there: they end by themselves only through a defect of ours.
    pub fn are_running(&self) -> bool {
        !self.writer.is_finished() && self.keeper.iter().all(|thread| !thread.is_finished())
    }

    /// Writes what waits, closes what is open, notes it in the store, ends.
    pub fn stop(self) {
        drop(self.stop_writer);
        if self.writer.join().is_err() {
            tracing::error!(
                "The recordings' writer ended by a panic; the next start closes what it left."
            );
        }
        drop(self.stop_keeper);
        drop(self.notes);
        for thread in self.keeper {
            if thread.join().is_err() {
                tracing::error!("A thread that keeps recordings ended by a panic.");
            }
        }
    }
}

impl Recorder {
    /// Starts the threads. Files of an earlier run are closed by the keeper, beside everything else.
    pub fn start(parts: RecorderParts) -> Result<(Arc<Recorder>, RecorderThreads), RecorderFault> {
        let directory = parts.directory.clone();
        let io = |source| RecorderFault::Io {
            directory: directory.clone(),
            source,
        };
        {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&parts.directory)
                .map_err(io)?;
        }
        let stats = Arc::new(RecordingStats::default());
        let (chunks, calls) = (parts.config.queue_chunks, parts.config.calls_max);
        let (lane, inbox) = lane(chunks, calls, Arc::clone(&stats));
        let live: Arc<DashMap<AttemptId, Arc<Live>>> = Arc::default();
        let shelf = Arc::new(Shelf::open(
            &parts.store,
            parts.directory.clone(),
            Arc::clone(&parts.keys),
        )?);
        let (notes, noted) = bounded::<Note>(4 * calls + 64);
        let (stop_keeper, keeper_stops) = bounded(1);
        let keeper = Keeper::start(super::keeper::KeeperParts {
            shelf: Arc::clone(&shelf),
            store: parts.store.clone(),
            rules: Arc::clone(&parts.rules),
            live: Arc::clone(&live),
            stats: Arc::clone(&stats),
            notes: noted,
            clock: parts.clock,
            format: parts.config.format,
            stop: keeper_stops,
        })?;
        let (stop_writer, writer_stops) = bounded(1);
        let on_resumed: Arc<ArcSwap<Option<OnResumed>>> = Arc::new(ArcSwap::from_pointee(None));
        let told = Arc::clone(&on_resumed);
        let (closing, noting) = (Arc::clone(&live), notes.clone());
        let writer = Writer {
            inbox,
            lane: lane.clone(),
            directory: parts.directory,
            keys: parts.keys,
            clock: parts.clock,
            sync_every: parts.config.sync_every,
            stats: Arc::clone(&stats),
            resumed: Box::new(move |live| {
                if let Some(tell) = told.load().as_ref() {
                    tell(live.about.attempt, live.about.agent);
                }
            }),
            tell: Box::new(move |note| {
                if let Note::Closed(closed) = &note {
                    closing.remove_if(&closed.about.attempt, |_, live| live.id == closed.id);
                }
                // The keeper is behind by all of them: it finds the file at the next start.
                if noting.try_send(note).is_err() {
                    tracing::error!(
                        "The store is far behind with recordings: one is noted at the next start."
                    );
                }
            }),
            stop: writer_stops,
        };
        let writer = std::thread::Builder::new()
            .name("recording".to_owned())
            .spawn(move || writer.run())
            .map_err(io)?;
        let recorder = Recorder {
            clock: parts.clock,
            lane,
            rules: parts.rules,
            config: parts.config,
            joined: DashMap::new(),
            live,
            stats,
            shelf,
            on_resumed,
        };
        let threads = RecorderThreads {
            stop_writer,
            stop_keeper,
            writer,
            keeper,
            notes,
        };
        Ok((Arc::new(recorder), threads))
    }

    /// Who is told when a pause ended by its limit.
    pub fn on_resumed(&self, tell: OnResumed) {
        self.on_resumed.store(Arc::new(Some(tell)));
    }

    /// What finished recordings are read from.
    pub fn shelf(&self) -> &Arc<Shelf> {
        &self.shelf
    }

    /// A customer and an agent are joined. A tap where the campaign is always recorded. Runs on the floor's thread: no disk.
    pub fn joined(
        &self,
        attempt: AttemptId,
        agent: AgentId,
        campaign: CampaignId,
        lead: LeadId,
        at: Now,
    ) -> Option<Box<dyn Tap>> {
        let mode = self.rule(campaign)?.1.mode;
        if mode == RecordingMode::Never {
            return None;
        }
        let joined = Joined {
            agent,
            campaign,
            lead,
        };
        self.joined.insert(attempt, joined);
        if mode == RecordingMode::Always {
            self.begin(attempt, agent, campaign, lead, at)
        } else {
            None
        }
    }

    /// The call is over; its tap, if there is one, is finished by the media plane.
    pub fn ended(&self, attempt: AttemptId) {
        self.joined.remove(&attempt);
    }

    /// Begins the recording of a joined call by somebody's word.
    pub fn on_demand(&self, attempt: AttemptId) -> Result<Box<dyn Tap>, NotRecorded> {
        let joined = self.joined.get(&attempt).map(|joined| *joined);
        let joined = joined.ok_or(NotRecorded::NoCall)?;
        let (_, rule) = self.rule(joined.campaign).ok_or(NotRecorded::NoCall)?;
        match rule.mode {
            RecordingMode::Never => Err(NotRecorded::Never),
            _ if self.live.contains_key(&attempt) => Err(NotRecorded::Already),
            RecordingMode::Always | RecordingMode::OnDemand => self
                .begin(
                    attempt,
                    joined.agent,
                    joined.campaign,
                    joined.lead,
                    self.clock.now(),
                )
                .ok_or(NotRecorded::NoRoom),
        }
    }

    fn rule(&self, campaign: CampaignId) -> Option<(String, RecordingRule)> {
        self.rules.load().get(usize::from(campaign.0)).cloned()
    }

    /// Begins a recording. `None`: as many as allowed are under way, or it is recorded already; counted and told.
    pub fn begin(
        &self,
        attempt: AttemptId,
        agent: AgentId,
        campaign: CampaignId,
        lead: LeadId,
        at: Now,
    ) -> Option<Box<dyn Tap>> {
        let (name, rule) = self.rule(campaign)?;
        let refused = |why: &str| {
            if self
                .stats
                .refused
                .fetch_add(1, Ordering::Relaxed)
                .is_multiple_of(100)
            {
                tracing::error!(%attempt, why, "A conversation is not recorded.");
            }
        };
        if self.live.len() >= self.config.calls_max {
            refused("as many recordings as recording.calls_max allows are under way");
            return None;
        }
        let (id, key) = match (RecordingId::draw(), DataKey::draw()) {
            (Ok(id), Ok(key)) => (id, key),
            _ => {
                refused("the operating system gave no random bits");
                return None;
            }
        };
        let about = About {
            attempt,
            agent,
            campaign: name,
            lead,
            began_unix_ms: at.unix.0,
            keep_days: rule.retention_days,
        };
        let live = Arc::new(Live::new(id, about, at, rule.pause_max));
        match self.live.entry(attempt) {
            dashmap::Entry::Occupied(_) => return None,
            dashmap::Entry::Vacant(free) => {
                if !self.lane.try_begin(Arc::clone(&live), key) {
                    refused("the writer is behind");
                    return None;
                }
                free.insert(Arc::clone(&live));
            }
        }
        self.stats.begun.fetch_add(1, Ordering::Relaxed);
        Some(Box::new(CallTap::new(live, self.lane.clone())))
    }

    /// Pauses or resumes. Takes hold before this returns; the media plane is told beside it, for those who listen live.
    pub fn pause(&self, attempt: AttemptId, paused: bool) -> Result<RecordingNow, NotRecorded> {
        let live = self.live.get(&attempt).map(|live| Arc::clone(&live));
        let live = live.ok_or(NotRecorded::Off)?;
        if paused {
            live.gate.pause(|| self.clock.mono());
            return Ok(RecordingNow::Paused);
        }
        live.gate.resume(self.clock.mono());
        match live.gate.paused_since() {
            None => Ok(RecordingNow::On),
            Some(_) => Err(NotRecorded::TooOften),
        }
    }

    /// The person was told that the call is recorded: kept with the recording.
    pub fn announced(&self, attempt: AttemptId) {
        if let Some(live) = self.live.get(&attempt) {
            live.set_announced();
        }
    }

    /// How a call's recording is now.
    pub fn now(&self, attempt: AttemptId) -> RecordingNow {
        match self.live.get(&attempt) {
            None => RecordingNow::Off,
            Some(live) if live.finished().is_some() => RecordingNow::Off,
            Some(live) => match live.gate.paused_since() {
                Some(_) => RecordingNow::Paused,
                None => RecordingNow::On,
            },
        }
    }

    /// The id of a call's recording under way.
    pub fn id_of(&self, attempt: AttemptId) -> Option<RecordingId> {
        self.live.get(&attempt).map(|live| live.id)
    }

    /// The agent of a joined call, and the recording's campaign.
    pub fn parties(&self, attempt: AttemptId) -> Option<(AgentId, CampaignId)> {
        let joined = self.joined.get(&attempt)?;
        Some((joined.agent, joined.campaign))
    }

    /// Figures for a scrape.
    pub fn figures(&self) -> Vec<Figure> {
        self.stats.figures(self.lane.waiting())
    }

    /// Octets that the queue may hold when it is full.
    pub fn queue_octets(&self) -> usize {
        self.config.queue_chunks * ENCODED
    }
}
