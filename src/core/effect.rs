//! Every order that may leave the floor. Orders are data: the shells carry them out and report back as inputs.

use crate::core::dispositions::Disposition;
use crate::core::ledger::{Exposure, LedgerNews};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::{DialMode, PreviewTimeout, PromptName};
use crate::ids::{AgentId, AttemptId, CallInId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use crate::time::{Mono, UnixMs};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Make this intent durable, and stage the card meanwhile. Nothing is sent yet.
    Dial(DialOrder),
    /// The intent is durable and was checked again: send the INVITE.
    Release {
        /// The attempt.
        attempt: AttemptId,
        /// Its route try, from 1.
        route_try: u8,
        /// Where to.
        trunk: TrunkId,
    },
    /// Stop a call that is not answered. A 200 that crosses it is reported as an answer.
    Cancel {
        /// The attempt.
        attempt: AttemptId,
    },
    /// End an answered call.
    HangUp {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Forget this leg as soon as the protocol allows: cancel it if it rings, ACK and BYE a late answer. Nothing is reported.
    Abort {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Join the customer's leg to the agent; reported as `Input::Bridged`.
    Bridge {
        /// The attempt.
        attempt: AttemptId,
        /// The agent.
        agent: AgentId,
    },
    /// Play a prompt to the person: at once where nobody is with them, else while they are joined with the agent. Its end is
    /// reported as `Input::Announced`.
    Announce {
        /// The attempt.
        attempt: AttemptId,
        /// Which prompt.
        prompt: PromptName,
    },
    /// A call to us has become an attempt: keep it, and stage its card. It rings until `PickUp` or `Cancel`.
    CallIn(CallInOrder),
    /// Answer a call to us (200).
    PickUp {
        /// The attempt.
        attempt: AttemptId,
    },
    /// Turn a call to us away that has not become an attempt.
    TurnAway {
        /// The SIP side's name of the call.
        call: CallInId,
        /// Whether we are talking with this very person already (486); else nobody can take it (480).
        is_busy: bool,
    },
    /// Push the staged card to the agent.
    Show {
        /// The attempt.
        attempt: AttemptId,
        /// The agent.
        agent: AgentId,
        /// When the person answered.
        answered: Mono,
    },
    /// Push the lead's card to the agent, who says whether it is dialled.
    Preview(PreviewOffer),
    /// The agent does not look at this lead any more, and it was not dialled.
    PreviewOver {
        /// The preview's id.
        attempt: AttemptId,
        /// The agent.
        agent: AgentId,
        /// The lead.
        lead: LeadId,
        /// Why.
        why: PreviewEnd,
    },
    /// How far a call is that was made for one agent.
    Personal(PersonalNews),
    /// Lend this lead for a call by hand; answered by `Input::LeadFetched`.
    FetchLead {
        /// Who asked.
        agent: AgentId,
        /// The number of his request.
        request: u64,
        /// Which.
        lead: LeadId,
    },
    /// The agent's state changed.
    Agent(AgentNews),
    /// The conversation is over; wrap-up begins.
    CallEnded {
        /// The attempt.
        attempt: AttemptId,
        /// The agent.
        agent: AgentId,
        /// Who ended it.
        by: EndedBy,
        /// Length of the conversation in milliseconds.
        talk_ms: u64,
    },
    /// Keep the attempt's single result, and the lead's future unless a disposition will decide it.
    Close(Box<AttemptClosed>),
    /// Keep the disposition, then tell the agent "saved".
    KeepOutcome(OutcomeKept),
    /// A request that cannot be met.
    Refuse {
        /// Who asked.
        agent: AgentId,
        /// The number of the request; 0 for state changes and hang-ups.
        request: u64,
        /// Why not.
        why: Refusal,
    },
    /// The hot window runs low.
    Refill {
        /// Of which campaign.
        campaign: CampaignId,
        /// How many leads at most.
        want: u32,
    },
    /// A lead leaves the hot window without an attempt.
    ReturnLead {
        /// The lead.
        lead: LeadId,
        /// Of which campaign.
        campaign: CampaignId,
        /// What holds it; `None`: an agent laid it down.
        gate: Option<Gate>,
        /// When it may be tried again, with what else it brought; or never. `AwaitsOutcome`: all stays as the store has it.
        next: LeadNext,
    },
    /// What pacing decided, with the figures it saw.
    Decided(PacingDecision),
    /// Alert: five seconds after the bridge the card was not painted, or nothing of the agent was heard. He gets a break after it.
    Unseen {
        /// The attempt.
        attempt: AttemptId,
        /// The agent.
        agent: AgentId,
        /// Whether the card was painted.
        painted: bool,
        /// Whether the agent's audio was there.
        heard: bool,
    },
    /// Keep what became of an answered call, for the ledger of the next run.
    Exposed {
        /// The attempt.
        attempt: AttemptId,
        /// Whose list.
        campaign: CampaignId,
        /// What became of it.
        exposure: Exposure,
        /// When that was clear.
        at: UnixMs,
    },
    /// Something happened in a campaign's abandon ledger.
    Ledger {
        /// The campaign.
        campaign: CampaignId,
        /// What.
        news: LedgerNews,
    },
}

/// An attempt to be made.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DialOrder {
    /// The attempt.
    pub attempt: AttemptId,
    /// Its route try, from 1. Above 1, the attempt itself is durable already.
    pub route_try: u8,
    /// Whose list.
    pub campaign: CampaignId,
    /// Which lead.
    pub lead: LeadId,
    /// Who.
    pub person: PersonId,
    /// Which number.
    pub number: NumberId,
    /// Over which trunk.
    pub trunk: TrunkId,
}

/// A call to us that has become an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallInOrder {
    /// The attempt.
    pub attempt: AttemptId,
    /// The SIP side's name of the call.
    pub call: CallInId,
    /// Whose list the caller's lead is on.
    pub campaign: CampaignId,
    /// Which lead.
    pub lead: LeadId,
    /// Who.
    pub person: PersonId,
    /// Which number called.
    pub number: NumberId,
    /// Over which trunk.
    pub trunk: TrunkId,
}

/// The single end of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AttemptClosed {
    /// The attempt.
    pub attempt: AttemptId,
    /// Whose list.
    pub campaign: CampaignId,
    /// Which lead.
    pub lead: LeadId,
    /// Who.
    pub person: PersonId,
    /// Which number.
    pub number: NumberId,
    /// The last trunk tried.
    pub trunk: TrunkId,
    /// Route tries made.
    pub route_tries: u8,
    /// The result.
    pub result: SystemResult,
    /// Whether it counts against the person's caps.
    pub counts: bool,
    /// What the wire said, if it failed (status, Q.850 cause).
    pub wire: Option<(u16, Option<u8>)>,
    /// The agent, if connected.
    pub agent: Option<AgentId>,
    /// When pacing decided on it.
    pub decided_at: UnixMs,
    /// When the first INVITE was released.
    pub released_at: Option<UnixMs>,
    /// When it rang.
    pub rang_at: Option<UnixMs>,
    /// When it was answered: by a person, where answer analysis listened and found one; else when it was picked up.
    pub answered_at: Option<UnixMs>,
    /// When it was joined to the agent.
    pub matched_at: Option<UnixMs>,
    /// When it ended.
    pub ended_at: UnixMs,
    /// Milliseconds from the INVITE's release to when it was picked up, or to the end.
    pub ring_ms: Option<u64>,
    /// Milliseconds of conversation.
    pub talk_ms: Option<u64>,
    /// Whether the person called us.
    pub is_call_in: bool,
    /// When a message of ours was ordered to be played because nobody could take the call.
    pub announced_at: Option<UnixMs>,
    /// The lead's future.
    pub next: LeadNext,
}

/// A lead on an agent's screen.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PreviewOffer {
    /// The id of the attempt that may come of it.
    pub attempt: AttemptId,
    /// The agent.
    pub agent: AgentId,
    /// Whose list.
    pub campaign: CampaignId,
    /// Which lead.
    pub lead: LeadId,
    /// Until when the agent may look.
    pub until: UnixMs,
    /// What happens then; `None`: he asked for it himself, and it goes back.
    pub on_timeout: Option<PreviewTimeout>,
    /// How many previews he may still skip in a row, this one included; `None`: as many as he likes.
    pub skips_left: Option<u8>,
}

/// Why a preview ended without a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreviewEnd {
    /// The agent skipped it; the number is the reason, an index into the configured ones.
    Skipped(u8),
    /// Its time was over, and it counts as skipped.
    TimedOut,
    /// It must not, or cannot, be dialled any more: a payment, an opt-out, a rule, a campaign that was paused.
    Withdrawn,
    /// The agent left it, or was gone.
    GivenBack,
}

/// News of a call that was made for one agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PersonalNews {
    /// The call.
    pub attempt: AttemptId,
    /// The agent who waits for it.
    pub agent: AgentId,
    /// How far it is.
    pub stage: PersonalStage,
}

/// How far a call is that was made for one agent. An answer is told by `Effect::Show`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersonalStage {
    /// Its INVITE leaves.
    Dialling,
    /// It rings.
    Ringing,
    /// It did not come to a conversation.
    Over(SystemResult),
}

/// What becomes of a lead.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LeadNext {
    /// The disposition will say.
    AwaitsOutcome,
    /// Dial again, not before this time; with `callback` ahead of others, and for this agent if he is free.
    Again {
        /// Not before.
        not_before: UnixMs,
        /// Asked for by the person.
        callback: bool,
        /// Preferred agent.
        sticky: Option<AgentId>,
    },
    /// Never again on this list.
    Done(DoneWhy),
}

/// Why a lead is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DoneWhy {
    /// The disposition ends it.
    Disposition,
    /// All its attempts are used up.
    AttemptsUsed,
    /// The number does not exist.
    Invalid,
    /// Its campaign's rule for this result.
    Rule,
    /// The number or the person must not be dialled.
    Blocked,
}

/// A disposition to be kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutcomeKept {
    /// About which call.
    pub attempt: AttemptId,
    /// Whose list.
    pub campaign: CampaignId,
    /// Which lead.
    pub lead: LeadId,
    /// Who.
    pub person: PersonId,
    /// Who said it.
    pub agent: AgentId,
    /// The client's number of the request; `None` if the system said it (`NOT_RECORDED`).
    pub request: Option<u64>,
    /// What.
    pub disposition: Disposition,
    /// When.
    pub at: UnixMs,
    /// The lead's future.
    pub next: LeadNext,
}

/// An agent's state, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AgentNews {
    /// Who.
    pub agent: AgentId,
    /// The state.
    pub state: AgentState,
    /// When it began.
    pub since: UnixMs,
    /// When it ends by itself (wrap-up).
    pub until: Option<UnixMs>,
    /// The call, if any.
    pub attempt: Option<AttemptId>,
    /// What was asked for after the call.
    pub after_call: AfterCall,
}

/// The reason of a break that nobody chose: there is no audio. No index into the configured reasons reaches it (at most 254).
pub const BREAK_NO_AUDIO: u8 = u8::MAX;

/// The states of an agent (domain.md, "Agent life").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AgentState {
    /// Not logged in.
    Offline,
    /// Logged in, no calls. The number is the reason: an index into the configured reasons; 0 is "login".
    Break(u8),
    /// Waiting for a call.
    Ready,
    /// A lead is on his screen, a call made for him is in the air, or the legs are being joined.
    Reserved,
    /// In a conversation.
    Talking,
    /// After-call work.
    Wrap,
    /// Own dialling.
    Manual,
}

/// What an agent asked for after the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AfterCall {
    /// The next call.
    #[default]
    Ready,
    /// A break, for this reason.
    Break(u8),
    /// Manual mode.
    Manual,
    /// To log out.
    Offline,
}

/// Who ended a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedBy {
    /// The person.
    Customer,
    /// The agent.
    Agent,
    /// A limit, a lost agent, or a failure.
    System,
}

/// Why a request cannot be met. [`Refusal::code`] is stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The agent is not logged in.
    NotSeated,
    /// The call is not, or no longer, this agent's.
    NotYourCall,
    /// A disposition for this call is kept already.
    OutcomeKept,
    /// The disposition needs a time (promise or callback).
    FollowUpMissing,
    /// Not possible in this state.
    WrongState,
    /// The disposition comes first.
    OutcomeFirst,
    /// A rule holds the person, until `next` where that is known.
    Held {
        /// Which.
        gate: Gate,
        /// The next lawful instant.
        next: Option<UnixMs>,
    },
    /// So many previews in a row cannot be skipped: dial, or take a break.
    SkipsUsedUp,
    /// No lead is due that the agent may have.
    NoLead,
    /// The lead is not there, is done, or is in use.
    NoSuchLead,
    /// The lead is another agent's, or of a campaign that the agent does not serve.
    NotYourLead,
    /// The campaign does not run.
    NotRunning,
    /// No line is to be had now.
    NoLine(Bound),
    /// Nothing is dialled now.
    Stopped,
    /// Calls need a living audio leg, and the microphone's check.
    AudioNeeded,
}

impl Refusal {
    /// Somebody else's call to this person is in the air.
    pub(crate) const IN_AIR: Refusal = Refusal::Held {
        gate: Gate::InAir,
        next: None,
    };

    /// Stable code for clients.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotSeated => "not_logged_in",
            Self::NotYourCall => "not_your_call",
            Self::OutcomeKept => "outcome_already_saved",
            Self::FollowUpMissing => "follow_up_missing",
            Self::WrongState => "not_possible_in_this_state",
            Self::OutcomeFirst => "outcome_first",
            Self::Held { .. } => "held_by_rule",
            Self::SkipsUsedUp => "skips_used_up",
            Self::NoLead => "no_lead",
            Self::NoSuchLead => "no_such_lead",
            Self::NotYourLead => "not_your_lead",
            Self::NotRunning => "campaign_not_running",
            Self::NoLine(_) => "no_line_free",
            Self::Stopped => "dialling_stopped",
            Self::AudioNeeded => "audio_needed",
        }
    }
}

/// One campaign's share of a pacing decision that started lines, or that was newly bound. Displayed, it is one sentence.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PacingDecision {
    /// The campaign.
    pub campaign: CampaignId,
    /// How it dials.
    pub mode: DialMode,
    /// Lines started.
    pub launched: u32,
    /// Agents free for it at the tick.
    pub free_agents: u32,
    /// Agents at work who serve it: ready, reserved, talking or in wrap-up.
    pub at_work: u32,
    /// Lines in the air before (intents included).
    pub in_air: u32,
    /// Lines its mode asks for beyond those in the air, before limits.
    pub wanted: u32,
    /// What stopped it from starting more.
    pub bound: Bound,
    /// What it reckoned with; `None` before the campaign has enough calls behind it.
    pub why: Option<Forecast>,
    /// The campaign's shadow mode, and the lines that it would have started now; `None`: it has none, or was not asked in this
    /// tick.
    pub shadow: Option<(DialMode, u32)>,
}

/// What a decision reckoned with. Whole numbers, so that a replay says the same everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forecast {
    /// How far ahead it looked, in milliseconds; 0: no forecast, the figures of the moment.
    pub within_ms: u32,
    /// Agents expected to be free by then, in thousandths.
    pub agents_milli: u32,
    /// Answers expected by then of the lines in the air, those just started included, in thousandths.
    pub answers_milli: u32,
    /// Share of calls that a person answers, in millionths.
    pub answer_rate_ppm: u32,
    /// Abandoned calls that the campaign may still have in its window, in thousandths; below 0: overdrawn. `None`: without a cap.
    pub budget_milli: Option<i32>,
}

/// What bounds a decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bound {
    /// Nothing: all wanted lines were started.
    Nothing,
    /// No agent is free whom its leads could use.
    Agents,
    /// No lead is due that the gate lets pass.
    Leads,
    /// The campaign's lines.
    Lines,
    /// Calls per second of campaign or trunk.
    Cps,
    /// No trunk is up with a free channel.
    Trunks,
    /// Dialling is stopped by hand.
    Stopped,
    /// The abandon ledger: no further line without a free agent of its own.
    Budget,
    /// Its calling hours, everywhere.
    Window,
    /// The store does not keep up.
    Store,
}

impl Bound {
    /// All bounds, in the order of their metric label.
    pub const ALL: [Bound; 10] = [
        Self::Nothing,
        Self::Agents,
        Self::Leads,
        Self::Lines,
        Self::Cps,
        Self::Trunks,
        Self::Stopped,
        Self::Budget,
        Self::Window,
        Self::Store,
    ];
}
