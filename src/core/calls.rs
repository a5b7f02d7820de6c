//! One attempt, from the decision to dial to its single system result. Says what each event means here; carries nothing out.
//!
//! Every living phase carries the instant at which it ends by itself. The table is drawn in docs/states.md.

use crate::core::Map;
use crate::core::input::{LegEvent, LegFailure};
use crate::core::leads::StreamId;
use crate::core::pacing::predict::Line;
use crate::core::results::SystemResult;
use crate::ids::{AgentId, AttemptId, CallInId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use crate::time::{Mono, Now};

/// Where an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The intent is on its way to the disk. Nothing is sent.
    Queued { until: Mono },
    /// The INVITE is out; nobody has said that it rings. `heard`: a 100 came, so the trunk is there and CANCEL is possible.
    Dialing { until: Mono, heard: bool },
    /// It rings.
    Ringing { until: Mono },
    /// CANCEL is out. A 200 may still cross it on the wire (RFC 3261 s.9.1).
    Cancelling { until: Mono, why: CancelWhy },
    /// Something picked up; answer analysis listens. A person is kept waiting by it no longer than `until`.
    Screening { until: Mono },
    /// A person said hello and nobody of ours is there yet. `until` is the abandon limit.
    Answered { since: Mono, until: Mono },
    /// Somebody calls us and hears it ring; nobody of ours is there yet. `until` is the end of our patience, not of a law.
    Arriving { since: Mono, until: Mono },
    /// Nobody of ours was there in time, and a message says so. The result is known. Nobody is joined with the person any more: the
    /// call is counted, and whoever the message has just told that nobody is free would be cut off in the middle of it.
    Announcing { until: Mono, result: SystemResult },
    /// The call is this agent's; the media plane joins the legs.
    Joining { agent: AgentId, until: Mono },
    /// They talk.
    Talking {
        agent: AgentId,
        since: Mono,
        until: Mono,
    },
    /// BYE is out, or the leg is being got rid of; the result is known.
    Ending { until: Mono, result: SystemResult },
}

/// Why a ringing call is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CancelWhy {
    /// It rang for its time.
    RingTimeout,
    /// Dialling was stopped, or nobody will be free.
    Stopped,
    /// A payment, an opt-out: even an answer that crosses is not wanted.
    Rule,
}

impl CancelWhy {
    /// The result if the cancel succeeds.
    pub(crate) const fn result(self) -> SystemResult {
        match self {
            CancelWhy::RingTimeout => SystemResult::NoAnswer,
            CancelWhy::Stopped | CancelWhy::Rule => SystemResult::Cancelled,
        }
    }
}

/// What can happen to an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// From the SIP side.
    Leg(LegEvent),
    /// The legs are joined.
    Joined,
    /// The message is over.
    Announced,
    /// Nothing is heard of the person any more.
    MediaLost,
    /// The phase's own end has come.
    Deadline,
}

/// What an event asks of the floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// The intent was not durable in time: nothing was sent, nothing will be.
    NotSent,
    /// The trunk has the call: wait for the phone as long as it may ring.
    Heard,
    /// It rings: note it, and wait for the ring timeout.
    Rings,
    /// Picked up: wait for what answer analysis finds.
    Screen,
    /// A live person. Match, or wait for an agent until the limit.
    Greet,
    /// A machine: nobody of ours is needed, hang up.
    Machine,
    /// Answered although a rule had cancelled it: hang up at once.
    Unwanted,
    /// The INVITE failed; read why.
    Read(LegFailure),
    /// Nobody said anything for the whole first-answer wait.
    Silent,
    /// Rang long enough, or never rang after a 100: cancel.
    RingOut,
    /// Nobody answered our INVITE before we wished to cancel it: whether it rings there is not known.
    Unknown,
    /// The attempt is over with this result; nothing is left on the wire.
    Close(SystemResult),
    /// Over with this result, but the wire never said so: get rid of the leg.
    GiveUp(SystemResult),
    /// Nobody of ours was there in time.
    Abandon,
    /// The person called us, and nobody of ours was there in time.
    Miss,
    /// The message has been played, or nobody is there to hear it.
    MessageOver,
    /// The person's leg is dead while nobody was with them.
    Vanished,
    /// The person's leg is dead; the agent goes on to wrap-up.
    AudioLost,
    /// The legs are joined: the conversation begins.
    Talk,
    /// The person hung up on the agent.
    PersonLeft,
    /// The legs could not be joined in time.
    JoinFailed,
    /// The longest conversation is over.
    TooLong,
}

/// What `event` asks for in `phase`. `None`: the wire may say this here and it changes nothing; the caller counts it.
pub(crate) fn act(phase: Phase, event: Event) -> Option<Act> {
    use LegEvent as L;
    Some(match (phase, event) {
        (Phase::Queued { .. }, Event::Deadline) => Act::NotSent,

        (Phase::Dialing { heard: false, .. }, Event::Leg(L::Trying)) => Act::Heard,
        (Phase::Dialing { .. }, Event::Leg(L::Ringing)) => Act::Rings,
        (Phase::Dialing { .. }, Event::Leg(L::Silent))
        | (Phase::Dialing { heard: false, .. }, Event::Deadline) => Act::Silent,
        (Phase::Dialing { heard: true, .. }, Event::Deadline) => Act::RingOut,
        (Phase::Ringing { .. }, Event::Deadline) => Act::RingOut,
        (Phase::Dialing { .. } | Phase::Ringing { .. }, Event::Leg(L::Failed(failure))) => {
            Act::Read(failure)
        }
        (Phase::Dialing { .. } | Phase::Ringing { .. }, Event::Leg(L::Ended)) => {
            Act::Close(SystemResult::Interrupted)
        }

        // An answer that crosses our CANCEL is a live person: it counts, and it may be abandoned.
        (
            Phase::Cancelling {
                why: CancelWhy::Rule,
                ..
            },
            Event::Leg(L::Answered | L::PickedUp),
        ) => Act::Unwanted,
        (
            Phase::Dialing { .. } | Phase::Ringing { .. } | Phase::Cancelling { .. },
            Event::Leg(L::PickedUp),
        ) => Act::Screen,
        (
            Phase::Dialing { .. }
            | Phase::Ringing { .. }
            | Phase::Cancelling { .. }
            | Phase::Screening { .. },
            Event::Leg(L::Answered),
        ) => Act::Greet,
        // Analysis that cannot make up its mind keeps nobody waiting: taken for a person.
        (Phase::Screening { .. }, Event::Deadline) => Act::Greet,
        (Phase::Screening { .. }, Event::Leg(L::Ended)) => {
            Act::Close(SystemResult::CustHangupEarly)
        }
        // Also behind the deadline: found late, it still spares an agent the machine.
        (Phase::Screening { .. } | Phase::Answered { .. }, Event::Leg(L::Machine)) => Act::Machine,
        (Phase::Cancelling { why, .. }, Event::Leg(L::Failed(_) | L::Ended)) => {
            Act::Close(why.result())
        }
        (Phase::Cancelling { .. }, Event::Leg(L::Silent)) => Act::Unknown,
        (Phase::Cancelling { why, .. }, Event::Deadline) => Act::GiveUp(why.result()),

        (Phase::Answered { .. }, Event::Leg(L::Ended)) => Act::Close(SystemResult::CustHangupEarly),
        (Phase::Answered { .. }, Event::Deadline) => Act::Abandon,
        (Phase::Screening { .. } | Phase::Answered { .. }, Event::MediaLost) => Act::Vanished,

        // The caller gave up.
        (Phase::Arriving { .. }, Event::Leg(L::Ended | L::Failed(_))) => {
            Act::Close(SystemResult::CustHangupEarly)
        }
        (Phase::Arriving { .. }, Event::Deadline) => Act::Miss,

        (Phase::Announcing { result, .. }, Event::Leg(L::Ended | L::Failed(_))) => {
            Act::Close(result)
        }
        (Phase::Announcing { .. }, Event::Announced | Event::MediaLost | Event::Deadline) => {
            Act::MessageOver
        }

        (Phase::Joining { .. }, Event::Joined) => Act::Talk,
        (Phase::Joining { .. } | Phase::Talking { .. }, Event::Leg(L::Ended)) => Act::PersonLeft,
        (Phase::Joining { .. }, Event::Deadline) => Act::JoinFailed,
        (Phase::Talking { .. }, Event::Deadline) => Act::TooLong,
        (Phase::Joining { .. } | Phase::Talking { .. }, Event::MediaLost) => Act::AudioLost,

        (Phase::Ending { result, .. }, Event::Leg(L::Ended | L::Failed(_))) => Act::Close(result),
        (Phase::Ending { result, .. }, Event::Deadline) => Act::GiveUp(result),

        // No `_` for the phase: a new phase must be thought about here or it does not compile.
        (
            Phase::Queued { .. }
            | Phase::Dialing { .. }
            | Phase::Ringing { .. }
            | Phase::Cancelling { .. }
            | Phase::Screening { .. }
            | Phase::Answered { .. }
            | Phase::Arriving { .. }
            | Phase::Announcing { .. }
            | Phase::Joining { .. }
            | Phase::Talking { .. }
            | Phase::Ending { .. },
            _,
        ) => return None,
    })
}

impl Phase {
    /// When it ends by itself.
    pub(crate) const fn until(self) -> Mono {
        match self {
            Phase::Queued { until }
            | Phase::Dialing { until, .. }
            | Phase::Ringing { until }
            | Phase::Cancelling { until, .. }
            | Phase::Screening { until }
            | Phase::Answered { until, .. }
            | Phase::Arriving { until, .. }
            | Phase::Announcing { until, .. }
            | Phase::Joining { until, .. }
            | Phase::Talking { until, .. }
            | Phase::Ending { until, .. } => until,
        }
    }
    /// Since when a person waits for an agent of ours: one who answered, or one who calls us.
    pub(crate) const fn waits_since(self) -> Option<Mono> {
        match self {
            Phase::Answered { since, .. } | Phase::Arriving { since, .. } => Some(since),
            _ => None,
        }
    }
    /// Whether a line is out for which an agent is needed: from the intent, or a call to us, to the match.
    pub(crate) const fn is_in_air(self) -> bool {
        matches!(
            self,
            Phase::Queued { .. }
                | Phase::Dialing { .. }
                | Phase::Ringing { .. }
                | Phase::Cancelling { .. }
                | Phase::Screening { .. }
                | Phase::Answered { .. }
                | Phase::Arriving { .. }
        )
    }
    /// Whether it is an agent's conversation.
    pub(crate) const fn is_talking(self) -> bool {
        matches!(self, Phase::Joining { .. } | Phase::Talking { .. })
    }
    /// The result, where it is known before the end.
    pub(crate) const fn result(self) -> Option<SystemResult> {
        match self {
            Phase::Announcing { result, .. } | Phase::Ending { result, .. } => Some(result),
            _ => None,
        }
    }
    /// The agent who has it.
    pub(crate) const fn agent(self) -> Option<AgentId> {
        match self {
            Phase::Joining { agent, .. } | Phase::Talking { agent, .. } => Some(agent),
            _ => None,
        }
    }
}

/// One attempt.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) id: AttemptId,
    pub(crate) campaign: CampaignId,
    pub(crate) stream: StreamId,
    pub(crate) lead: LeadId,
    pub(crate) person: PersonId,
    pub(crate) number: NumberId,
    pub(crate) phase: Phase,
    /// Rises with every phase: old deadlines are recognised by it.
    pub(crate) generation: u32,
    pub(crate) trunk: TrunkId,
    /// Route try in force, from 1.
    pub(crate) route_try: u8,
    /// Trunks tried before.
    pub(crate) tried: Vec<TrunkId>,
    /// Whether one of them said "not found" without a cause.
    pub(crate) not_found_once: bool,
    /// Made for this agent, who waits for it.
    pub(crate) made_for: Option<AgentId>,
    /// The person called us.
    pub(crate) call_in: Option<ArrivedCall>,
    /// When a message of ours was ordered because nobody was there.
    pub(crate) announced: Option<Mono>,
    pub(crate) sticky: Option<AgentId>,
    pub(crate) decided: Now,
    pub(crate) released: Option<Mono>,
    pub(crate) rang: Option<Mono>,
    /// When something picked up, if answer analysis listened.
    pub(crate) picked_up: Option<Mono>,
    pub(crate) answered: Option<Mono>,
    pub(crate) matched: Option<Mono>,
    pub(crate) talk_ended: Option<Mono>,
    /// The line as pacing knows it, until somebody answers or nobody will.
    pub(crate) line: Option<Line>,
    /// Whether the ledger knows what became of its answer.
    pub(crate) is_counted: bool,
    /// Who had the conversation.
    pub(crate) agent: Option<AgentId>,
    pub(crate) wire: Option<(u16, Option<u8>)>,
    /// Attempts of the lead before this one.
    pub(crate) lead_attempts: u16,
}

/// A call that came to us.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ArrivedCall {
    /// The SIP side's name of it.
    pub(crate) call: CallInId,
    /// Whether the caller is called back if nobody takes it.
    pub(crate) may_call_back: bool,
}

impl Attempt {
    /// Whether pacing did not start it: no line that others count on, and no promise about answered calls is about it.
    pub(crate) const fn is_apart(&self) -> bool {
        self.made_for.is_some() || self.call_in.is_some()
    }
}

/// All attempts that have no result yet.
pub(crate) type Attempts = Map<AttemptId, Attempt>;

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Mono = Mono(0);

    fn phases() -> Vec<(&'static str, Phase)> {
        let agent = AgentId(1);
        vec![
            ("Queued", Phase::Queued { until: AT }),
            (
                "Dialing",
                Phase::Dialing {
                    until: AT,
                    heard: false,
                },
            ),
            (
                "Dialing, 100 heard",
                Phase::Dialing {
                    until: AT,
                    heard: true,
                },
            ),
            ("Ringing", Phase::Ringing { until: AT }),
            (
                "Cancelling",
                Phase::Cancelling {
                    until: AT,
                    why: CancelWhy::RingTimeout,
                },
            ),
            (
                "Cancelling by a rule",
                Phase::Cancelling {
                    until: AT,
                    why: CancelWhy::Rule,
                },
            ),
            ("Screening", Phase::Screening { until: AT }),
            (
                "Answered",
                Phase::Answered {
                    since: AT,
                    until: AT,
                },
            ),
            (
                "Arriving",
                Phase::Arriving {
                    since: AT,
                    until: AT,
                },
            ),
            (
                "Announcing",
                Phase::Announcing {
                    until: AT,
                    result: SystemResult::Abandoned,
                },
            ),
            ("Joining", Phase::Joining { agent, until: AT }),
            (
                "Talking",
                Phase::Talking {
                    agent,
                    since: AT,
                    until: AT,
                },
            ),
            (
                "Ending",
                Phase::Ending {
                    until: AT,
                    result: SystemResult::Connected,
                },
            ),
        ]
    }

    fn events() -> Vec<(&'static str, Event)> {
        let failure = LegFailure {
            status: 486,
            q850: None,
            retry_after_s: None,
        };
        vec![
            ("Trying", Event::Leg(LegEvent::Trying)),
            ("Ringing", Event::Leg(LegEvent::Ringing)),
            ("PickedUp", Event::Leg(LegEvent::PickedUp)),
            ("Answered", Event::Leg(LegEvent::Answered)),
            ("Machine", Event::Leg(LegEvent::Machine)),
            ("Failed", Event::Leg(LegEvent::Failed(failure))),
            ("Ended", Event::Leg(LegEvent::Ended)),
            ("Silent", Event::Leg(LegEvent::Silent)),
            ("Joined", Event::Joined),
            ("Announced", Event::Announced),
            ("MediaLost", Event::MediaLost),
            ("Deadline", Event::Deadline),
        ]
    }

    /// The table of docs/states.md, made from the code.
    fn table() -> String {
        let mut text = String::from("| phase | ");
        text += &events()
            .iter()
            .map(|(name, _)| *name)
            .collect::<Vec<_>>()
            .join(" | ");
        text += " |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
        for (name, phase) in phases() {
            text += &format!("| {name} |");
            for (_, event) in events() {
                let cell = match act(phase, event) {
                    None => "-".to_owned(),
                    Some(Act::Read(_)) => "Read".to_owned(),
                    Some(Act::Close(result)) => format!("Close {}", result.code()),
                    Some(Act::GiveUp(result)) => format!("GiveUp {}", result.code()),
                    Some(other) => format!("{other:?}"),
                };
                text += &format!(" {cell} |");
            }
            text += "\n";
        }
        text
    }

    #[test]
    fn the_drawing_in_the_docs_is_what_the_code_does() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/states.md");
        let docs = std::fs::read_to_string(path).expect("docs/states.md is there");
        assert!(
            docs.contains(&table()),
            "docs/states.md should contain:\n{}",
            table()
        );
    }

    #[test]
    fn an_answer_that_crosses_our_cancel_is_still_a_live_person() {
        let cancelling = Phase::Cancelling {
            until: AT,
            why: CancelWhy::RingTimeout,
        };
        assert_eq!(
            act(cancelling, Event::Leg(LegEvent::Answered)),
            Some(Act::Greet)
        );
        let by_rule = Phase::Cancelling {
            until: AT,
            why: CancelWhy::Rule,
        };
        assert_eq!(
            act(by_rule, Event::Leg(LegEvent::Answered)),
            Some(Act::Unwanted)
        );
    }

    #[test]
    fn every_phase_has_a_way_out_when_its_time_is_over() {
        for (name, phase) in phases() {
            assert!(
                act(phase, Event::Deadline).is_some(),
                "{name} would last for ever"
            );
        }
    }
}
