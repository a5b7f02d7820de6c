//! The budget from the answer to the screen, leg by leg, and what stands before a call.

use super::panel::{Dashboard, Form, Panel, Unit, panel};
use super::query::{buckets, own_quantile, quantile, rate, ratio, share_within, sum, times};
use crate::shell::metrics::names::{
    CounterName as C, GaugeName as G, SecondsName as S, TimingName as T,
};

/// 250 ms from the answer to the painted card.
const BUDGET_US: u64 = 250_000;
const BUDGET_S: f64 = BUDGET_US as f64 / 1e6;

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tandem-latency",
        title: "Tandem / Latency",
        about: "From the 200 OK to the painted card, leg by leg; and what stands before a call.",
        choose: None,
        rows: vec![
            ("From the answer to the screen", answer()),
            ("Leg by leg", legs()),
            ("Before the call", before()),
            ("What makes it slow", why()),
        ],
    }
}

fn all_quantiles(title: &'static str, name: T, about: &'static str) -> Panel {
    panel(Form::Lines, title, Unit::Seconds, about)
        .show(quantile(0.5, name, ""), "p50")
        .show(quantile(0.95, name, ""), "p95")
        .show(quantile(0.99, name, ""), "p99")
}

fn answer() -> Vec<Panel> {
    vec![
        panel(
            Form::Figure,
            "Within the budget",
            Unit::Share,
            "Share of cards painted at most 250 ms after the answer.",
        )
        .show(share_within(T::AnswerToPaint, BUDGET_US), "within 250 ms")
        .wide(6),
        panel(
            Form::Figure,
            "p99 since the start",
            Unit::Seconds,
            "The engine's own figure, as in /v1/picture.",
        )
        .show(
            format!("max({})", own_quantile(T::AnswerToPaint, "p99")),
            "p99",
        )
        .bad_from(BUDGET_S)
        .wide(6),
        panel(
            Form::Figure,
            "Cards painted",
            Unit::PerSecond,
            "Per second.",
        )
        .show(sum("", &times(T::AnswerToPaint, "")), "cards")
        .wide(6),
        panel(
            Form::Figure,
            "Cards late",
            Unit::Share,
            "Share of cards whose body was not ready at the push.",
        )
        .show(
            ratio(
                &sum("", &rate(C::DeskLateCards, "")),
                &sum("", &rate(C::DeskPushedCards, "")),
            ),
            "late",
        )
        .warn_from(0.01)
        .bad_from(0.05)
        .wide(6),
        all_quantiles(
            "From the 200 OK to the painted card",
            T::AnswerToPaint,
            "What the agent feels, networks and browser included. Budget 250 ms.",
        )
        .bad_from(BUDGET_S),
        panel(
            Form::Heat,
            "How it is distributed",
            Unit::Seconds,
            "Cards by the time from the answer to the paint.",
        )
        .show(buckets(T::AnswerToPaint), "{{le}}"),
    ]
}

fn legs() -> Vec<Panel> {
    vec![
        panel(
            Form::Lines,
            "All legs, p99",
            Unit::Seconds,
            "Quantiles do not add up; the longest leg is where to look.",
        )
        .show(quantile(0.99, T::AnswerToFloor, ""), "1 socket to floor")
        .show(
            quantile(0.99, T::AnswerToMatch, ""),
            "1-2 socket to agent chosen",
        )
        .show(
            quantile(0.99, T::MatchToPush, ""),
            "3 agent chosen to card sent",
        )
        .show(quantile(0.99, T::PushToPaint, ""), "4 card sent to painted")
        .wide(24),
        all_quantiles(
            "Socket to floor",
            T::AnswerToFloor,
            "The 200 OK read off the socket until the floor's turn on it: parsing and the floor's queue.",
        ),
        all_quantiles(
            "Socket to agent chosen",
            T::AnswerToMatch,
            "With a free agent microseconds; without one, the wait for an agent, up to the answer limit.",
        ),
        all_quantiles(
            "Agent chosen to card sent",
            T::MatchToPush,
            "Until the card's last byte is with the kernel.",
        ),
        all_quantiles(
            "Card sent to painted",
            T::PushToPaint,
            "Network, browser, and the word back. Not ours to shorten, ours to see.",
        ),
        all_quantiles(
            "Answer to card sent",
            T::AnswerToPush,
            "All of our own part.",
        )
        .bad_from(0.1),
        all_quantiles(
            "Turn of the floor on an answer or anything else",
            T::FloorTurn,
            "One turn, all kinds of input.",
        ),
    ]
}

fn before() -> Vec<Panel> {
    vec![
        all_quantiles("Intent durable", T::IntentCommit, "From the order to dial to the promise on disk. Above 250 ms an intent is too old and not sent.")
            .warn_from(0.1)
            .bad_from(0.25),
        all_quantiles("Release to INVITE", T::ReleaseToInvite, "From the floor's release to the kernel."),
        all_quantiles("Ringing", T::Ring, "From the release to the answer or the end."),
        panel(Form::Heat, "How long phones ring", Unit::Seconds, "Attempts by the time until the answer or the end.")
            .show(buckets(T::Ring), "{{le}}"),
    ]
}

fn why() -> Vec<Panel> {
    vec![
        panel(Form::Lines, "Slow turns of the floor", Unit::PerSecond, "Turns above 1 ms, by kind of input.")
            .show(sum("input", &rate(C::FloorSlowTurns, "")), "{{input}}"),
        panel(Form::Lines, "Waiting for a processor", Unit::Amount, "Share of time in which a thread could have run and no core was free.")
            .show(sum("thread", &rate(S::ThreadWait, "thread=~\"floor|sip|shell|store_writer|media\"")), "{{thread}}")
            .warn_from(0.1),
        panel(Form::Lines, "Queues on the way", Unit::Number, "What waits for the floor, for SIP, for the card's worker, and for the slowest agent's socket.")
            .show(
                format!("max by (queue) ({})", super::query::gauge(G::EngineQueueItems, "queue=~\"floor_urgent|sip|card|card_late|desk\"")),
                "{{queue}}",
            ),
        panel(Form::Lines, "Cards that came late or nowhere", Unit::PerSecond, "Bodies not ready at the push, refused by a full queue, or without a session.")
            .show(sum("", &rate(C::DeskLateCards, "")), "late")
            .show(sum("", &rate(C::CardRefusedOrders, "")), "queue full")
            .show(sum("", &rate(C::DeskUndeliverableCards, "")), "nowhere"),
    ]
}
