//! A new configuration while calls go on: read, compared, refused as a whole or put in force as a whole.
//!
//! Owns what is in force and the order in which the rooms learn of it. Decides nothing about keys (`config::KEYS` does) and
//! nothing about calls (the floor does): calls, conversations and agents' sockets stay.
//!
//! 1. Everything that can fail is done first: the file, its faults, keys that need a restart, new rows in the store, a place in
//!    the SIP thread's queue.
//! 2. Tables that only grow are swapped: names for the store, caller ids, cards. Nobody asks for the new places yet.
//! 3. The floor gets all edits as one input. Its lane full: the tables are swapped back, and nothing has happened.
//! 4. The rest cannot fail: desks, API, commit window, RTP's ranges, SIP.

mod answer;
mod hangup;
mod zones;

pub use answer::{ChangeView, FaultView, Problem, ReloadRefused, ReloadReport, ReloadResult};
pub use hangup::{Hangups, hangups};
pub use zones::zone_learner;

use crate::config::{InForce, KeyChange, Loaded, zone_table};
use crate::core::input::Input;
use crate::core::settings::Edit;
use crate::ids::{CampaignId, ZoneId};
use crate::shell::announcements;
use crate::shell::api::{AllowedHosts, CampaignIds, Readiness};
use crate::shell::callers::{CallsIn, LookUp, TurnAway};
use crate::shell::cards::CampaignBoard;
use crate::shell::desks::{DeskSettings, Desks, campaign_board};
use crate::shell::lanes::{FloorLane, SipOrder};
use crate::shell::media::MediaPlane;
use crate::shell::router::CallerIds;
use crate::shell::sip::SipLane;
use crate::shell::store::sqlite::BackOffice;
use crate::shell::store::writer::CommitWindow;
use crate::shell::store::{SharedNames, StoreNames};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// Inputs in the floor's urgent lane from which on nothing is reloaded: a floor in such distress has other worries.
const BEHIND_FROM: usize = 16_384;

/// Who asked for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asker {
    /// SIGHUP.
    Signal,
    /// `POST /v1/reload`, with the admin token.
    Api,
}

/// A request for a reload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Who.
    pub by: Asker,
    /// Only say what would happen.
    pub dry_run: bool,
}

/// Reads the configuration anew. Waits for files and for the store: not for a thread that serves others.
pub type ReloadAct = Arc<dyn Fn(Asked) -> Result<ReloadReport, ReloadRefused> + Send + Sync>;

/// The end of a reload, for whoever counts or tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Whether the file is in force now.
    pub taken: bool,
    /// What came of it, in one sentence.
    pub sentence: String,
}

/// Called around each reload that is not a dry run. Must return at once.
pub struct Hooks {
    /// Before the file is read.
    pub begun: Box<dyn Fn() + Send + Sync>,
    /// After, also where it was refused.
    pub ended: Box<dyn Fn(&Ended) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Self {
        Hooks {
            begun: Box::new(|| {}),
            ended: Box::new(|_| {}),
        }
    }
}

/// The rooms that learn of another configuration.
pub struct ReloadParts {
    /// The way into the floor.
    pub floor: FloorLane,
    /// What the store knows ids by.
    pub names: SharedNames,
    /// The store's file.
    pub store_file: PathBuf,
    /// The SIP thread.
    pub sip: SipLane,
    /// RTP.
    pub media: Arc<MediaPlane>,
    /// Agents' sockets.
    pub desks: Arc<Desks>,
    /// What campaigns add to cards.
    pub board: CampaignBoard,
    /// What people see on their phones.
    pub caller_ids: CallerIds,
    /// TLS of API and desks; its files are read anew.
    pub door: Option<Arc<crate::shell::tls::TlsDoor>>,
    /// Which campaigns are recorded.
    pub recording: crate::shell::recording::Rules,
    /// The API's names of campaigns.
    pub campaigns: CampaignIds,
    /// The API's host names.
    pub hosts: Arc<AllowedHosts>,
    /// How long a commit waits for company.
    pub window: CommitWindow,
    /// Whether the engine is ending.
    pub readiness: Arc<Readiness>,
    /// Who hears of our numbers.
    pub callers: Callers,
}

/// Tells SIP which calls it may take.
pub struct Callers {
    look_up: LookUp,
    sip: SipLane,
}

impl Callers {
    /// `look_up` knows people; `sip` takes the calls.
    pub fn new(look_up: LookUp, sip: SipLane) -> Self {
        Callers { look_up, sip }
    }

    /// The numbers and rules of a configuration, for the next call.
    pub fn tell(&self, in_force: &InForce) {
        let sip = self.sip.clone();
        let turn_away: TurnAway = Arc::new(move |call| {
            // Full: it rings until the caller, or SIP itself, gives up.
            let _ = sip.try_order(SipOrder::TurnAway(call, 480));
        });
        let rules = CallsIn::of(in_force, Arc::clone(&self.look_up), turn_away);
        if self
            .sip
            .try_order(SipOrder::CallsIn(Arc::new(rules)))
            .is_err()
        {
            tracing::error!(
                "The SIP lane is full: calls to us are taken by the numbers of before."
            );
        }
    }
}

/// Reloads one file, one at a time.
pub struct Reloader {
    file: PathBuf,
    parts: ReloadParts,
    hooks: Hooks,
    // Held for the whole of a reload: the second asker waits for the first.
    state: Mutex<State>,
}

struct State {
    in_force: InForce,
    /// Reloads asked for since the start: ties the records of one reload together.
    number: u64,
}

impl Reloader {
    /// `file` was loaded and is in force.
    pub fn new(file: PathBuf, in_force: InForce, parts: ReloadParts, hooks: Hooks) -> Self {
        Reloader {
            file,
            parts,
            hooks,
            state: Mutex::new(State {
                in_force,
                number: 0,
            }),
        }
    }

    /// This, for whoever asks.
    pub fn act(self) -> ReloadAct {
        let this = Arc::new(self);
        Arc::new(move |asked| this.reload(asked))
    }

    fn reload(&self, asked: Asked) -> Result<ReloadReport, ReloadRefused> {
        // Whoever panicked did so before the last statement of `tried`: the state is the one from before.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.number += 1;
        if !asked.dry_run {
            (self.hooks.begun)();
        }
        let outcome = self.tried(&mut state.in_force, asked.dry_run);
        answer::record(state.number, asked, &self.file, &outcome);
        if !asked.dry_run {
            let ended = Ended {
                taken: outcome.is_ok(),
                sentence: match &outcome {
                    Ok(report) => report.sentence(),
                    Err(refused) => refused.sentence(),
                },
            };
            (self.hooks.ended)(&ended);
        }
        outcome
    }

    fn tried(&self, in_force: &mut InForce, dry_run: bool) -> Result<ReloadReport, ReloadRefused> {
        let parts = &self.parts;
        if parts.readiness.is_draining() {
            return Err(ReloadRefused::Draining);
        }
        let loaded = Loaded::read(&self.file)?;
        let changes = loaded.changes_since(in_force.file());
        let (restarts, live): (Vec<KeyChange>, Vec<KeyChange>) =
            changes.into_iter().partition(KeyChange::needs_restart);
        if !restarts.is_empty() {
            return Err(ReloadRefused::NeedsRestart {
                file: self.file.clone(),
                changes: restarts,
                live: live.len(),
            });
        }
        announcements::check(&loaded.config)?;
        let next = in_force.next(loaded.config)?;
        let trunks = if in_force.has_other_trunks(&next) {
            Some(
                parts
                    .sip
                    .trunks(next.tables())
                    .map_err(ReloadRefused::Route)?,
            )
        } else {
            None
        };
        // Held to the end: a zone that is learned meanwhile would take the place of ours.
        let names = parts.names.edit();
        let names_before = names.now();
        let mut names_next = StoreNames::of(next.tables(), names_before.zones.clone());
        let mut edits = Vec::new();
        let zone = &next.tables().default_zone;
        if !names_next.zones.contains(zone) {
            let id = ZoneId(names_next.zones.len() as u16);
            edits.push(Edit::Zone(id, zone_table(zone)?));
            names_next.zones.push(zone.clone());
        }
        edits.extend(in_force.edits_to(&next));
        let result = match (dry_run, live.is_empty()) {
            (true, _) => ReloadResult::Checked,
            (false, true) => ReloadResult::Unchanged,
            (false, false) => ReloadResult::Applied,
        };
        let report = ReloadReport::new(&self.file, result, &live);
        if dry_run {
            return Ok(report);
        }
        if let Some(door) = &parts.door {
            // A pair that cannot be used is told and stays out; the rest of the file takes hold.
            let _ = door.reload();
        }

        let (waiting, _) = parts.floor.waiting();
        if waiting >= BEHIND_FROM {
            return Err(ReloadRefused::Behind);
        }
        let place = match trunks {
            Some(trunks) => {
                let place = parts.sip.place().map_err(|_| ReloadRefused::Behind)?;
                Some((place, SipOrder::Trunks(Arc::new(trunks))))
            }
            None => None,
        };
        if *names_before != names_next {
            let mut office = BackOffice::open(&parts.store_file)?;
            office.keep_names(&names_next)?;
            edits.extend(other_seats(&office, &names_before, &names_next)?);
            // A campaign that was here in an earlier run comes with its ledger, in the same turn as its rules.
            let known = names_before.campaigns.len();
            let kept = office.ledgers(&names_next, known)?;
            edits.extend(kept.into_iter().map(|(id, kept)| Edit::Ledger(id, kept)));
        }

        let before = (parts.board.load_full(), parts.caller_ids.load_full());
        names.set(Arc::new(names_next));
        parts.board.store(Arc::new(campaign_board(next.tables())));
        parts.caller_ids.store(Arc::new(caller_ids(&next)));
        if !edits.is_empty() && parts.floor.urgent(Input::Edits(edits)).is_err() {
            names.set(names_before);
            parts.board.store(before.0);
            parts.caller_ids.store(before.1);
            return Err(ReloadRefused::Behind);
        }

        parts.campaigns.store(Arc::new(campaign_ids(&next)));
        parts
            .recording
            .store(Arc::new(crate::shell::recording::rules(&next)));
        parts.desks.set_settings(DeskSettings::of(&next));
        parts.hosts.set_names(&next.tables().api.hosts);
        parts.window.set(next.tables().store.commit_window);
        parts.media.set_trunks(&next.tables().trunks);
        // Last: the floor must know a trunk before SIP says that it is up.
        if let Some((place, order)) = place {
            place.order(order);
        }
        parts.callers.tell(&next);
        *in_force = next;
        Ok(report)
    }
}

/// Agents who serve or can do something else under the new names: those of the store's book that named a campaign or a skill
/// before it was there.
fn other_seats(
    office: &BackOffice,
    before: &StoreNames,
    next: &StoreNames,
) -> Result<Vec<Edit>, ReloadRefused> {
    let agents = office.agent_list()?;
    let seats = agents.iter().filter_map(|agent| {
        let seat = agent.seat(next);
        (agent.seat(before) != seat).then_some(Edit::Agent(seat))
    });
    Ok(seats.collect())
}

/// Caller ids by campaign.
pub fn caller_ids(in_force: &InForce) -> Vec<String> {
    let campaigns = in_force.tables().campaigns.iter();
    campaigns
        .map(|campaign| campaign.caller_id.clone())
        .collect()
}

/// Open campaigns by name.
pub fn campaign_ids(in_force: &InForce) -> BTreeMap<String, CampaignId> {
    in_force
        .open_campaigns()
        .map(|(id, campaign)| (campaign.settings.name.clone(), id))
        .collect()
}
