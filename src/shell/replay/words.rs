//! Decisions in words, for people who ask why. Ids and names of campaigns and trunks only; never a person.

use crate::core::effect::{AgentState, DoneWhy, Effect, EndedBy, LeadNext, PreviewEnd};
use crate::core::input::{CallSign, Input, LegEvent, Wanted};
use crate::core::ledger::LedgerNews;
use crate::core::rules::Gate;
use crate::core::settings::{Edit, Settings};
use crate::ids::{AttemptId, CampaignId, TrunkId};
use crate::time::{Now, UnixMs};

/// Names of what the ids stand for.
pub(super) struct Names {
    campaigns: Vec<String>,
    trunks: Vec<String>,
}

/// "17:21:02.318" in UTC, with the seconds since the engine's start.
pub(super) fn time(now: Now) -> String {
    format!("{} +{:.3}s", clock(now.unix), now.mono.0 as f64 / 1e6)
}

fn clock(at: UnixMs) -> String {
    let in_day = at.0.rem_euclid(86_400_000);
    let (hours, minutes) = (in_day / 3_600_000, in_day / 60_000 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}Z",
        in_day / 1_000 % 60,
        in_day % 1_000
    )
}

fn day_and_clock(at: UnixMs) -> String {
    jiff::Timestamp::from_millisecond(at.0).map_or_else(
        |_| "at no time".to_owned(),
        |at| at.strftime("%F %H:%MZ").to_string(),
    )
}

/// A new name has the next place.
fn name(names: &mut Vec<String>, id: u16, name: &str) {
    if usize::from(id) == names.len() {
        names.push(name.to_owned());
    }
}

impl Names {
    pub(super) fn new(settings: &Settings) -> Self {
        Names {
            campaigns: settings
                .campaigns
                .iter()
                .map(|campaign| campaign.name.clone())
                .collect(),
            trunks: settings
                .trunks
                .iter()
                .map(|trunk| trunk.name.clone())
                .collect(),
        }
    }

    fn campaign(&self, id: CampaignId) -> String {
        self.campaigns
            .get(usize::from(id.0))
            .cloned()
            .unwrap_or_else(|| format!("campaign {id}"))
    }

    fn trunk(&self, id: TrunkId) -> String {
        self.trunks
            .get(usize::from(id.0))
            .cloned()
            .unwrap_or_else(|| format!("trunk {id}"))
    }

    fn edit(&self, edit: &Edit) -> String {
        match edit {
            Edit::Floor(_) => "new waits and bounds of the floor".to_owned(),
            Edit::Zone(_, table) => format!("the zone {}", table.name),
            Edit::Trunk(_, settings) => format!("the limits of {}", settings.name),
            Edit::TrunkClosed(id) => format!("{} is closed", self.trunk(*id)),
            Edit::Campaign(_, settings) => format!("the rules of {}", settings.name),
            Edit::CampaignState(id, state) => format!("{} is to be {state:?}", self.campaign(*id)),
            Edit::CampaignMode(id, mode) => {
                format!("{} is to dial {mode}", self.campaign(*id))
            }
            Edit::Ledger(id, _) => format!("the abandon ledger of {}", self.campaign(*id)),
            Edit::Learned(_) => "what pacing learned in earlier runs".to_owned(),
            Edit::Agent(seat) => format!("what agent {} can do", seat.agent),
        }
    }

    /// Learns the names that an input brings.
    pub(super) fn learn(&mut self, input: &Input) {
        let Input::Edits(edits) = input else { return };
        for edit in edits {
            match edit {
                Edit::Campaign(id, settings) => name(&mut self.campaigns, id.0, &settings.name),
                Edit::Trunk(id, settings) => name(&mut self.trunks, id.0, &settings.name),
                _ => {}
            }
        }
    }

    /// What came in; `None` for what is not worth a line (deadlines, durable intents), or is about another attempt.
    pub(super) fn input(&self, input: &Input, only: Option<AttemptId>) -> Option<String> {
        let about = match input {
            Input::Leg { attempt, .. }
            | Input::AgentHangUp(_, attempt)
            | Input::CallSign(attempt, _)
            | Input::AgentAccepts { attempt, .. }
            | Input::AgentSkips { attempt, .. }
            | Input::AgentOutcome { attempt, .. }
            | Input::Announced(attempt)
            | Input::MediaLost(attempt) => Some(*attempt),
            _ => None,
        };
        if only.is_some() && about != only {
            return None;
        }
        Some(match input {
            Input::Wake | Input::IntentDurable(..) | Input::Bridged(_) => return None,
            Input::Leg {
                attempt,
                route_try,
                event,
                ..
            } => match event {
                LegEvent::Sent | LegEvent::Trying => return None,
                LegEvent::Ringing => format!("attempt {attempt}: it rings"),
                LegEvent::PickedUp => {
                    format!("attempt {attempt}: picked up, by whom is not known yet")
                }
                LegEvent::Answered => format!("attempt {attempt}: answered"),
                LegEvent::Machine => format!("attempt {attempt}: a machine"),
                LegEvent::Ended => format!("attempt {attempt}: the far end is gone"),
                LegEvent::Silent => {
                    format!("attempt {attempt}: nobody said anything (route try {route_try})")
                }
                LegEvent::Failed(failure) => {
                    let cause = failure
                        .q850
                        .map_or_else(String::new, |cause| format!(", Q.850 cause {cause}"));
                    format!(
                        "attempt {attempt}: failed with {}{cause} (route try {route_try})",
                        failure.status
                    )
                }
            },
            Input::Edits(edits) => edits
                .iter()
                .map(|edit| self.edit(edit))
                .collect::<Vec<_>>()
                .join("; "),
            Input::CampaignState(id, state) => format!("{} is to be {state:?}", self.campaign(*id)),
            Input::CampaignMode(id, mode) => {
                format!("{} is to dial {mode}", self.campaign(*id))
            }
            Input::StopDialling {
                cancel_ringing: true,
            } => "stop all dialling and cancel what rings".to_owned(),
            Input::StopDialling {
                cancel_ringing: false,
            } => "stop all dialling".to_owned(),
            Input::ResumeDialling => "dialling may go on".to_owned(),
            Input::AgentSeated(seat) => format!("agent {} logged in", seat.agent),
            Input::AgentWants(agent, wanted) => {
                format!("agent {agent} asks for {}", wanted_words(*wanted))
            }
            Input::AgentLost(agent) => format!("the socket of agent {agent} is gone"),
            Input::AgentBack(agent) => format!("agent {agent} is back"),
            Input::AgentAudio(agent, true) => format!("agent {agent} can be heard"),
            Input::AgentAudio(agent, false) => format!("the audio of agent {agent} is gone"),
            Input::CallSign(attempt, CallSign::Painted) => {
                format!("attempt {attempt}: its card is on the screen")
            }
            Input::CallSign(attempt, CallSign::Heard) => {
                format!("attempt {attempt}: its agent is heard")
            }
            Input::AgentHangUp(agent, attempt) => {
                format!("agent {agent} hangs up attempt {attempt}")
            }
            Input::AgentOutcome {
                agent,
                attempt,
                disposition,
                ..
            } => {
                format!(
                    "agent {agent} says {} of attempt {attempt}",
                    disposition.code()
                )
            }
            Input::AgentAccepts { agent, attempt, .. } => {
                format!("agent {agent} wants preview {attempt} dialled")
            }
            Input::AgentSkips {
                agent,
                attempt,
                reason,
                ..
            } => format!("agent {agent} skips preview {attempt} (reason {reason})"),
            Input::AgentNext { agent, .. } => format!("agent {agent} asks for a lead"),
            Input::AgentDials { agent, lead, .. } => format!("agent {agent} dials lead {lead}"),
            Input::LeadFetched { agent, lead, .. } => match lead {
                Some((_, facts)) => format!("lead {} for agent {agent}", facts.lead),
                None => format!("no such lead for agent {agent}"),
            },
            Input::Leads {
                campaign, leads, ..
            } => format!("{} leads for {}", leads.len(), self.campaign(*campaign)),
            Input::LeadsChanged(campaign) => {
                format!("there may be new leads for {}", self.campaign(*campaign))
            }
            Input::NumberBlocked(number) => format!("number {number} must not be dialled"),
            Input::PersonBlocked(person, _) => format!("person {person} must not be dialled"),
            Input::IntentFailed(attempt, _) => {
                format!("attempt {attempt}: the store could not keep the intent")
            }
            Input::StoreReady(true) => "the store keeps up".to_owned(),
            Input::StoreReady(false) => "the store does not keep up: no dialling".to_owned(),
            Input::Announced(attempt) => format!("attempt {attempt}: the prompt is over"),
            Input::MediaLost(attempt) => format!("attempt {attempt}: nothing is heard any more"),
            Input::CallIn(call) => format!(
                "call in {} over {}: lead {} of {} calls us",
                call.call,
                self.trunk(call.trunk),
                call.facts.lead,
                self.campaign(call.campaign)
            ),
            Input::TrunkUp(id, true) => format!("{} is up", self.trunk(*id)),
            Input::TrunkUp(id, false) => format!("{} is down", self.trunk(*id)),
        })
    }

    /// What was decided; `None` for what only carries a decision out, or is about another attempt.
    pub(super) fn effect(&self, effect: &Effect, only: Option<AttemptId>) -> Option<String> {
        let about = match effect {
            Effect::Dial(order) => Some(order.attempt),
            Effect::Release { attempt, .. }
            | Effect::Cancel { attempt }
            | Effect::HangUp { attempt }
            | Effect::Abort { attempt }
            | Effect::Bridge { attempt, .. }
            | Effect::Show { attempt, .. }
            | Effect::CallEnded { attempt, .. }
            | Effect::Unseen { attempt, .. }
            | Effect::Announce { attempt, .. }
            | Effect::PickUp { attempt }
            | Effect::Exposed { attempt, .. } => Some(*attempt),
            Effect::CallIn(order) => Some(order.attempt),
            Effect::Preview(offer) => Some(offer.attempt),
            Effect::PreviewOver { attempt, .. } => Some(*attempt),
            Effect::Personal(news) => Some(news.attempt),
            Effect::Close(closed) => Some(closed.attempt),
            Effect::KeepOutcome(kept) => Some(kept.attempt),
            Effect::Agent(_)
            | Effect::FetchLead { .. }
            | Effect::Refuse { .. }
            | Effect::Refill { .. }
            | Effect::ReturnLead { .. }
            | Effect::Ledger { .. }
            | Effect::TurnAway { .. }
            | Effect::Decided(_) => None,
        };
        if only.is_some() && about != only {
            return None;
        }
        Some(match effect {
            Effect::Exposed {
                attempt, exposure, ..
            } => format!("attempt {attempt}: counted as {}", exposure.words()),
            Effect::Unseen {
                attempt,
                agent,
                painted,
                heard,
            } => format!(
                "attempt {attempt}: agent {agent} {} the card and {} heard: a break after it",
                if *painted { "sees" } else { "does not see" },
                if *heard { "is" } else { "is not" },
            ),
            Effect::Ledger { campaign, news } => {
                format!("{}: {}", self.campaign(*campaign), ledger_words(*news))
            }
            Effect::Show { .. }
            | Effect::Refill { .. }
            | Effect::Personal(_)
            | Effect::FetchLead { .. } => return None,
            Effect::Preview(offer) => format!(
                "preview {}: lead {} of {} to agent {}",
                offer.attempt,
                offer.lead,
                self.campaign(offer.campaign),
                offer.agent
            ),
            Effect::PreviewOver {
                attempt,
                agent,
                lead,
                why,
            } => {
                let why = match why {
                    PreviewEnd::Skipped(reason) => format!("skipped (reason {reason})"),
                    PreviewEnd::TimedOut => "skipped by its time".to_owned(),
                    PreviewEnd::Withdrawn => "withdrawn by a rule".to_owned(),
                    PreviewEnd::GivenBack => "given back".to_owned(),
                };
                format!("preview {attempt}: lead {lead} of agent {agent} is {why}")
            }
            Effect::Dial(order) => format!(
                "attempt {}: dial lead {} of {} over {} (route try {}), once the intent is on disk",
                order.attempt,
                order.lead,
                self.campaign(order.campaign),
                self.trunk(order.trunk),
                order.route_try
            ),
            Effect::Release { attempt, trunk, .. } => {
                format!(
                    "attempt {attempt}: asked again and still lawful; INVITE over {}",
                    self.trunk(*trunk)
                )
            }
            Effect::Cancel { attempt } => format!("attempt {attempt}: cancel"),
            Effect::HangUp { attempt } => format!("attempt {attempt}: hang up"),
            Effect::Announce { attempt, prompt } => {
                format!("attempt {attempt}: play {prompt}")
            }
            Effect::CallIn(order) => format!(
                "call in {} is attempt {} of lead {} of {}: it rings",
                order.call,
                order.attempt,
                order.lead,
                self.campaign(order.campaign)
            ),
            Effect::PickUp { attempt } => format!("attempt {attempt}: pick up"),
            Effect::TurnAway { call, is_busy } => {
                let why = if *is_busy {
                    "we have another call with this person"
                } else {
                    "nobody can take it"
                };
                format!("call in {call}: turned away, {why}")
            }
            Effect::Abort { attempt } => format!("attempt {attempt}: get rid of the leg"),
            Effect::Bridge { attempt, agent } => {
                format!("attempt {attempt}: to agent {agent}, longest idle of those who can")
            }
            Effect::CallEnded {
                attempt,
                agent,
                by,
                talk_ms,
            } => {
                let by = match by {
                    EndedBy::Customer => "the customer",
                    EndedBy::Agent => "the agent",
                    EndedBy::System => "a limit",
                };
                format!(
                    "attempt {attempt}: {by} ended it after {:.1} s; wrap-up for agent {agent}",
                    *talk_ms as f64 / 1e3
                )
            }
            Effect::Close(closed) => {
                let next = next_words(&closed.next);
                format!(
                    "attempt {}: {}; the lead {next}",
                    closed.attempt,
                    closed.result.code()
                )
            }
            Effect::KeepOutcome(kept) => {
                let by = if kept.request.is_some() {
                    "agent"
                } else {
                    "the system, for agent"
                };
                let next = next_words(&kept.next);
                format!(
                    "attempt {}: {} by {by} {}; the lead {next}",
                    kept.attempt,
                    kept.disposition.code(),
                    kept.agent
                )
            }
            Effect::Agent(news) => format!("agent {} is {}", news.agent, state_words(news.state)),
            Effect::Refuse { agent, why, .. } => {
                format!("agent {agent} is refused: {}", why.code())
            }
            Effect::ReturnLead {
                lead, gate, next, ..
            } => {
                let by = gate.map_or("an agent", Gate::code);
                format!("lead {lead} is held by {by}: it {}", next_words(next))
            }
            Effect::Decided(decision) => {
                format!("{}: {decision}", self.campaign(decision.campaign))
            }
        })
    }
}

fn ledger_words(news: LedgerNews) -> String {
    match news {
        LedgerNews::OverCap => "passed its abandon cap".to_owned(),
        LedgerNews::UnderCap => "keeps its abandon cap again".to_owned(),
        LedgerNews::Named(event) => format!("{} may cost the abandon guarantee", event.code()),
        LedgerNews::Broken { named } => {
            let by = if named {
                "a named event"
            } else {
                "nothing that was named"
            };
            format!("an abandoned call broke the guarantee, by {by}")
        }
        LedgerNews::WindowClosed { counts, kept } => format!(
            "its abandon window closed with {} abandoned and {} served, the cap {}",
            counts.abandoned,
            counts.served,
            if kept { "kept" } else { "passed" }
        ),
    }
}

fn wanted_words(wanted: Wanted) -> String {
    match wanted {
        Wanted::Ready => "the next call".to_owned(),
        Wanted::Break(reason) => format!("a break (reason {reason})"),
        Wanted::Manual => "manual mode".to_owned(),
        Wanted::Offline => "the end of the shift".to_owned(),
    }
}

fn state_words(state: AgentState) -> String {
    match state {
        AgentState::Offline => "offline".to_owned(),
        AgentState::Break(reason) => format!("on break (reason {reason})"),
        AgentState::Ready => "ready".to_owned(),
        AgentState::Reserved => "reserved".to_owned(),
        AgentState::Talking => "talking".to_owned(),
        AgentState::Wrap => "in wrap-up".to_owned(),
        AgentState::Manual => "manual".to_owned(),
    }
}

fn next_words(next: &LeadNext) -> String {
    match next {
        LeadNext::AwaitsOutcome => "waits for its disposition".to_owned(),
        LeadNext::Again { not_before, .. } => {
            format!("returns not before {}", day_and_clock(*not_before))
        }
        LeadNext::Done(why) => match why {
            DoneWhy::Disposition => "is done: its disposition".to_owned(),
            DoneWhy::AttemptsUsed => "is done: all attempts used".to_owned(),
            DoneWhy::Invalid => "is done: the number does not exist".to_owned(),
            DoneWhy::Rule => "is done: its campaign's rule".to_owned(),
            DoneWhy::Blocked => "is done: must not be dialled".to_owned(),
        },
    }
}
