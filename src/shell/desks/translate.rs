//! Words of the floor to words of the socket and back. Decides nothing.

use crate::core::dispositions::{Contact, Disposition, Needs};
use crate::core::effect::{AfterCall, AgentNews, AgentState, BREAK_NO_AUDIO, EndedBy, Refusal};
use crate::core::rules::Gate;
use crate::shell::store::{InstalmentDetail, OutcomeDetail, PaidDetail, PromiseDetail};
use crate::time::UnixMs;
use crate::wire::desk::client::{CallId, Outcome};
use crate::wire::desk::outcome::{ContactClass, OutcomeNeeds, OutcomeRule, OutcomeSet};
use crate::wire::desk::server::{AfterCallNews, CallEndedBy, DeskState, StateNews};

/// The outcome set of this engine (domain.md, `OUT-COLL` v3). `NOT_RECORDED` is the system's own and not in it.
pub fn outcome_set() -> OutcomeSet {
    OutcomeSet {
        id: "OUT-COLL".into(),
        version: 3,
        codes: Disposition::ALL
            .iter()
            .filter(|disposition| **disposition != Disposition::NotRecorded)
            .map(|disposition| OutcomeRule {
                code: disposition.code().into(),
                contact: match disposition.contact() {
                    Contact::RightParty => ContactClass::RightParty,
                    Contact::ThirdParty => ContactClass::ThirdParty,
                    Contact::NoContact => ContactClass::NoContact,
                },
                needs: match disposition.needs() {
                    Needs::Nothing => OutcomeNeeds::Nothing,
                    Needs::Promise => OutcomeNeeds::Promise,
                    Needs::PaidDetails => OutcomeNeeds::Paid,
                    Needs::Amount => OutcomeNeeds::Amount,
                    Needs::Schedule => OutcomeNeeds::Schedule,
                    Needs::Time => OutcomeNeeds::FollowUp,
                    Needs::Reason => OutcomeNeeds::Reason,
                },
                may_promise: *disposition == Disposition::BrokenPromise,
            })
            .collect(),
    }
}

/// What the store keeps beside the code. `follow_up` as the check gave it.
pub(super) fn detail(outcome: Outcome, follow_up: Option<UnixMs>) -> OutcomeDetail {
    OutcomeDetail {
        note: outcome.note,
        promise: outcome.promise.map(|promise| PromiseDetail {
            amount: promise.amount,
            due: promise.due,
            method: promise.method,
        }),
        follow_up,
        // Goes to the store, where records are protected as a whole.
        reason: outcome.reason.map(|reason| reason.into_exposed()),
        amount: outcome.amount,
        paid: outcome.paid.map(|paid| PaidDetail {
            at: paid.at,
            method: paid.method,
        }),
        schedule: outcome
            .schedule
            .unwrap_or_default()
            .into_iter()
            .map(|instalment| InstalmentDetail {
                due: instalment.due,
                amount: instalment.amount,
            })
            .collect(),
        cooperation: outcome.cooperation.map(|word| word.as_str().to_owned()),
    }
}

/// The word for a break that nobody chose.
const NO_AUDIO: &str = "no_audio";

pub(super) fn state_news(news: &AgentNews, break_reasons: &[String]) -> StateNews {
    let (state, reason) = state(news.state);
    let (to, then) = match news.after_call {
        AfterCall::Ready => (DeskState::Ready, None),
        AfterCall::Break(reason) => (DeskState::Break, Some(reason)),
        AfterCall::Manual => (DeskState::Manual, None),
        AfterCall::Offline => (DeskState::Offline, None),
    };
    let word = |index: u8| match index {
        BREAK_NO_AUDIO => Some(NO_AUDIO.to_owned()),
        index => break_reasons.get(usize::from(index)).cloned(),
    };
    StateNews {
        state,
        reason: reason.and_then(word),
        since_ms: news.since.into(),
        until_ms: news.until.map(Into::into),
        call: news.attempt.map(CallId),
        after_call: AfterCallNews {
            to,
            reason: then.and_then(word),
        },
    }
}

fn state(state: AgentState) -> (DeskState, Option<u8>) {
    match state {
        AgentState::Offline => (DeskState::Offline, None),
        AgentState::Break(reason) => (DeskState::Break, Some(reason)),
        AgentState::Ready => (DeskState::Ready, None),
        AgentState::Reserved => (DeskState::Reserved, None),
        AgentState::Talking => (DeskState::Talking, None),
        AgentState::Wrap => (DeskState::Wrap, None),
        AgentState::Manual => (DeskState::Manual, None),
    }
}

/// Whether a call, its card and its facts belong to this state.
pub(super) const fn has_call(state: AgentState) -> bool {
    matches!(
        state,
        AgentState::Reserved | AgentState::Talking | AgentState::Wrap
    )
}

pub(super) const fn ended_by(by: EndedBy) -> CallEndedBy {
    match by {
        EndedBy::Customer => CallEndedBy::Customer,
        EndedBy::Agent => CallEndedBy::Agent,
        EndedBy::System => CallEndedBy::System,
    }
}

pub(super) const fn refusal_sentence(why: Refusal) -> &'static str {
    match why {
        Refusal::NotSeated => "You are not logged in.",
        Refusal::NotYourCall => "This call is not, or no longer, yours.",
        Refusal::OutcomeKept => "An outcome for this call is saved already.",
        Refusal::FollowUpMissing => "This outcome needs a date or a time.",
        Refusal::WrongState => "This is not possible in your present state.",
        Refusal::OutcomeFirst => "Save the outcome of the last call first.",
        Refusal::Held { gate, .. } => match gate {
            Gate::Blocked => "This person or number must not be dialled.",
            Gate::InAir => "A call to this person is in the air, or somebody looks at them.",
            Gate::AttemptsUsed => "All attempts of this lead are used.",
            Gate::Window => "It is outside the calling hours of this person.",
            Gate::DayCap => "This person has had today's attempts.",
            Gate::Gap => "The last attempt at this person is too recent.",
        },
        Refusal::SkipsUsedUp => "No more skips in a row: dial, or take a break.",
        Refusal::NoLead => "No lead is due that you may have.",
        Refusal::NoSuchLead => "This lead is not there, is done, or is in use.",
        Refusal::NotYourLead => {
            "This lead is another agent's, or of a campaign that you do not serve."
        }
        Refusal::NotRunning => "The campaign does not run.",
        Refusal::NoLine(_) => "No line is free now: try again.",
        Refusal::Stopped => "Nothing is dialled now.",
        Refusal::AudioNeeded => {
            "You cannot be heard: connect your audio and check the microphone first."
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_offered_every_code_but_the_systems_own() {
        let set = outcome_set();
        assert_eq!(set.codes.len(), Disposition::ALL.len() - 1);
        assert!(set.codes.iter().all(|rule| rule.code != "NOT_RECORDED"));
        for rule in &set.codes {
            assert!(
                Disposition::from_code(&rule.code).is_some(),
                "{}",
                rule.code
            );
        }
    }

    #[test]
    fn a_break_shows_its_reason_in_words() {
        let news = AgentNews {
            agent: crate::ids::AgentId(1),
            state: AgentState::Break(1),
            since: UnixMs(5),
            until: None,
            attempt: None,
            after_call: AfterCall::Break(9),
        };
        let shown = state_news(&news, &["login".into(), "lunch".into()]);
        assert_eq!(shown.reason.as_deref(), Some("lunch"));
        assert_eq!(
            shown.after_call.reason, None,
            "an index out of range has no word"
        );
    }
}
