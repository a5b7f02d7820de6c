//! Every fact that may enter the floor. With [`super::effect::Effect`] this is the whole contract, and the whole replay log.
//!
//! Serialisable on purpose (docs/adr/0001): the log of inputs is a product feature. No personal datum may enter: ids only.

use crate::core::dispositions::Disposition;
use crate::core::settings::{CampaignState, DialMode, Edit, SkillNeed};
use crate::ids::{
    AgentId, AttemptId, CallInId, CampaignId, LeadId, NumberId, PersonId, SkillId, TrunkId, ZoneId,
};
use crate::time::{Mono, UnixMs};
use serde::{Deserialize, Serialize};

/// A fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A deadline may have come.
    Wake,

    // -- supervisors and configuration
    /// A new configuration: all of its changes, in order, in one turn.
    Edits(Vec<Edit>),
    /// Start or pause a campaign. One that is closed stays so.
    CampaignState(CampaignId, CampaignState),
    /// Another mode or ratio; in force at the next decision.
    CampaignMode(CampaignId, DialMode),
    /// No INVITE leaves from now on. With `cancel_ringing`, what rings is cancelled too.
    StopDialling {
        /// Whether to cancel what rings.
        cancel_ringing: bool,
    },
    /// Dialling may go on.
    ResumeDialling,

    // -- agents
    /// An agent logged in: starts on BREAK ("login").
    AgentSeated(AgentSeat),
    /// The agent asked for another state.
    AgentWants(AgentId, Wanted),
    /// The agent's socket is gone; the grace time starts.
    AgentLost(AgentId),
    /// The agent is back within the grace time.
    AgentBack(AgentId),
    /// The agent's standing audio leg is up and was checked, or nothing was heard on it for 2 s.
    AgentAudio(AgentId, bool),
    /// A sign of life of a call that was just given to an agent.
    CallSign(AttemptId, CallSign),
    /// The agent ended the conversation.
    AgentHangUp(AgentId, AttemptId),
    /// The agent's disposition. Details (amounts, notes) wait in the shell under the attempt's id.
    AgentOutcome {
        /// Who.
        agent: AgentId,
        /// About which call.
        attempt: AttemptId,
        /// The client's own number of this request, for the answer.
        request: u64,
        /// What.
        disposition: Disposition,
        /// Call back at, or promise due at.
        follow_up: Option<UnixMs>,
    },

    /// The agent wants the lead that he looks at dialled.
    AgentAccepts {
        /// Who.
        agent: AgentId,
        /// The preview's id, which will be the call's.
        attempt: AttemptId,
        /// The client's own number of this request.
        request: u64,
    },
    /// The agent does not want it.
    AgentSkips {
        /// Who.
        agent: AgentId,
        /// The preview's id.
        attempt: AttemptId,
        /// The client's own number of this request.
        request: u64,
        /// An index into the configured reasons.
        reason: u8,
    },
    /// The agent dials by hand and asks for a lead to work on.
    AgentNext {
        /// Who.
        agent: AgentId,
        /// The client's own number of this request.
        request: u64,
        /// Only of this campaign; `None`: of any that he serves.
        campaign: Option<CampaignId>,
    },
    /// The agent dials a lead by hand: one that he has found, or the person of the call that just ended.
    AgentDials {
        /// Who.
        agent: AgentId,
        /// The client's own number of this request.
        request: u64,
        /// Whom.
        lead: LeadId,
    },

    // -- leads
    /// A lead for a call by hand, answering an `Effect::FetchLead`; `None`: it is not there, done, or out already.
    LeadFetched {
        /// Who asked.
        agent: AgentId,
        /// The number of his request.
        request: u64,
        /// The lead and its campaign.
        lead: Option<(CampaignId, Box<LeadFacts>)>,
    },
    /// Leads for the hot window, answering an `Effect::Refill`.
    Leads {
        /// Of which campaign.
        campaign: CampaignId,
        /// At most as many as were asked for.
        leads: Vec<LeadFacts>,
        /// No more leads are due before this time; `None` if there are more right now.
        exhausted_until: Option<UnixMs>,
    },
    /// New leads may be there (an import ended): ask again.
    LeadsChanged(CampaignId),
    /// This number must not be dialled again; what rings there is cancelled.
    NumberBlocked(NumberId),
    /// This person must not be dialled before a time, or never again (paid, opted out, died); what rings there is cancelled.
    PersonBlocked(PersonId, Option<UnixMs>),

    // -- the store
    /// The intent of this route try is on disk.
    IntentDurable(AttemptId, u8),
    /// The store could not keep the intent.
    IntentFailed(AttemptId, u8),
    /// Whether the store keeps up; while not, no dialling.
    StoreReady(bool),

    // -- legs
    /// The SIP side noticed something on a leg.
    Leg {
        /// Which attempt.
        attempt: AttemptId,
        /// Which INVITE transaction chain of it, from 1.
        route_try: u8,
        /// When it arrived.
        at: Mono,
        /// What.
        event: LegEvent,
    },
    /// The media plane joined the legs.
    Bridged(AttemptId),
    /// The prompt that was to be played to the person is over.
    Announced(AttemptId),
    /// Nothing was heard of the person for so long that the leg is taken for dead: 30 s unless held, 5 s over a trunk that is
    /// down.
    MediaLost(AttemptId),
    /// Somebody calls us; who it is was looked up.
    CallIn(Box<CallIn>),
    /// A trunk answers OPTIONS, or no longer does.
    TrunkUp(TrunkId, bool),
}

/// A call to us.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallIn {
    /// The SIP side's name of the call.
    pub call: CallInId,
    /// Over which trunk.
    pub trunk: TrunkId,
    /// When it arrived.
    pub at: Mono,
    /// The campaign of the caller's lead.
    pub campaign: CampaignId,
    /// The caller's lead, lent for this call if it was not out already.
    pub facts: LeadFacts,
    /// Whether an agent may have it; else the caller only hears the message.
    pub is_for_agents: bool,
    /// Whether the caller is called back if nobody takes it: not one who is not known, or hides the number.
    pub may_call_back: bool,
}

/// What a leg can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum LegEvent {
    /// The INVITE is on the wire.
    Sent,
    /// 100: somebody heard us.
    Trying,
    /// 180, 181, 182, 183: it rings (183 may carry music or an announcement: never an answer).
    Ringing,
    /// Something picked up, and answer analysis listens whether it is a person. The SIP side does not say this yet: until media
    /// analyses answers, every 200 is [`LegEvent::Answered`] at once.
    PickedUp,
    /// A person is on the line: a 200 to the INVITE, or what answer analysis found after [`LegEvent::PickedUp`]. The answer
    /// limit runs from here.
    Answered,
    /// Answer analysis found a machine. Not said by the SIP side yet, as [`LegEvent::PickedUp`].
    Machine,
    /// A final failure.
    Failed(LegFailure),
    /// The far end ended an answered call, or our BYE or CANCEL was done.
    Ended,
    /// No provisional answer in time.
    Silent,
}

/// Why an INVITE failed, as the wire said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct LegFailure {
    /// SIP status, 300..=699; 0 if the transport failed.
    pub status: u16,
    /// Cause of a Reason header with protocol Q.850 (RFC 3326), 1..=127.
    pub q850: Option<u8>,
    /// Retry-After, in seconds.
    pub retry_after_s: Option<u32>,
}

/// What shows that a call has reached its agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CallSign {
    /// The card is on the screen.
    Painted,
    /// The first audio of the agent after the bridge.
    Heard,
}

/// An agent at log-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSeat {
    /// Who.
    pub agent: AgentId,
    /// Campaigns served and their weights (1..=100) for this agent.
    pub campaigns: Vec<(CampaignId, u16)>,
    /// Skills and levels, 1..=10.
    pub skills: Vec<(SkillId, u8)>,
    /// Whether calls need the agent's standing audio leg: READY is refused without it. `false` for scripted agents, who have none.
    #[serde(default)]
    pub needs_audio: bool,
}

/// What an agent can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Wanted {
    /// Calls, please. Ends wrap-up where the disposition is saved.
    Ready,
    /// A break, now or after the call. The number is an index into the configured reasons.
    Break(u8),
    /// Own dialling: pacing ignores the agent.
    Manual,
    /// Log out, now or after the call.
    Offline,
}

/// What the floor must know of a lead.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeadFacts {
    /// The lead.
    pub lead: LeadId,
    /// Who it is.
    pub person: PersonId,
    /// Which number will be dialled.
    pub number: NumberId,
    /// Where the person is.
    pub zone: ZoneId,
    /// Asked to be called back at `not_before`: goes before leads of any priority.
    pub callback: bool,
    /// Which part of the list it belongs to, for estimates of who answers: leads of one segment answer alike. Default 0.
    #[serde(default)]
    pub segment: u16,
    /// Higher is dialled first.
    pub priority: i32,
    /// Not before this time.
    pub not_before: UnixMs,
    /// Attempts so far that counted, on this lead.
    pub attempts: u16,
    /// Skills needed beyond the campaign's own.
    pub needs: Vec<SkillNeed>,
    /// Preferred agent, if free (same agent after a promise).
    pub sticky: Option<AgentId>,
    /// Only this agent may have the call; it is dialled when this agent is free.
    pub reserved_for: Option<AgentId>,
    /// Last attempts at this person that counted, newest first, over all campaigns; at least those of the last 24 h.
    pub person_attempts: Vec<UnixMs>,
    /// On a do-not-call list.
    pub blocked: bool,
}
