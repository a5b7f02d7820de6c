//! What must not happen, whatever the machine is like: the engine's books and the far end's are compared when all calls are over.

use super::engine::Engine;
use super::metrics::Scrape;
use super::sipp::Sipp;
use crate::frame::report::{Goal, Report};
use anyhow::Result;
use std::collections::BTreeMap;

/// Metrics that stay at 0 where nothing goes wrong: name, part of its labels.
const FAULTS: [(&str, &str); 14] = [
    ("tandem_sip_discarded_total", "reason=\"malformed\""),
    (
        "tandem_sip_discarded_total",
        "reason=\"unmatched_response\"",
    ),
    ("tandem_sip_discarded_total", "reason=\"foreign_source\""),
    ("tandem_sip_discarded_total", "reason=\"not_sip\""),
    ("tandem_sip_refused_total", ""),
    ("tandem_sip_sdp_faults_total", ""),
    ("tandem_sip_transaction_timeouts_total", ""),
    ("tandem_sip_silent_invites_total", ""),
    ("tandem_sip_send_failures_total", ""),
    ("tandem_sip_floor_lost_total", ""),
    ("tandem_sip_ports_exhausted_total", ""),
    ("tandem_sip_orders_refused_total", "reason=\"queue_full\""),
    ("tandem_store_failures_total", ""),
    ("tandem_floor_invariant_faults_total", ""),
];

/// Signs of strain: figures, not failures.
const STRAIN: [(&str, &str, &str, &str); 5] = [
    (
        "engine_retransmissions",
        "messages sent again by the engine",
        "tandem_sip_retransmissions_total",
        "",
    ),
    (
        "copies",
        "copies heard by the engine",
        "tandem_sip_copies_total",
        "",
    ),
    (
        "floor_late",
        "facts that waited for the floor",
        "tandem_sip_floor_late_total",
        "",
    ),
    (
        "acks_unconfirmed",
        "ACKs that did not wait for the store",
        "tandem_sip_acks_unconfirmed_total",
        "",
    ),
    (
        "slow_turns",
        "turns of the floor above 1 ms",
        "tandem_floor_slow_turns_total",
        "",
    ),
];

/// Compares all books into the report; `may_end_as`: results that the scenario is made of. Returns the last scrape.
pub async fn compare(
    report: &mut Report,
    engine: &Engine,
    far: &Sipp,
    other_calls: u64,
    may_end_as: &[&str],
) -> Result<Scrape> {
    let mut faults = Vec::new();
    let picture = engine.picture().await?;
    let scrape = engine.scrape().await?;
    let totals = far.totals().await?;
    let launched: u64 = picture.campaigns.iter().map(|all| all.launched).sum();
    let mut results: BTreeMap<&str, u64> = BTreeMap::new();
    for (code, count) in picture.campaigns.iter().flat_map(|all| &all.results) {
        *results.entry(code).or_default() += count;
    }
    results.retain(|_, count| *count > 0);
    let ended: u64 = results.values().sum();
    let not_sent = results.get("NOT_SENT").copied().unwrap_or_default();
    let invites = engine.invites(&scrape) as u64;
    let keep_alives = scrape.get("tandem_sip_messages_out_total", "kind=\"OPTIONS\"") as u64;
    if ended != launched {
        faults.push(format!(
            "{launched} attempts were started and {ended} ended"
        ));
    }
    if invites + not_sent != launched {
        faults.push(format!(
            "{launched} attempts were started, {invites} INVITEs left and {not_sent} were given back"
        ));
    }
    let heard = totals.incoming.saturating_sub(keep_alives + other_calls);
    if heard != invites {
        faults.push(format!("{invites} calls were sent and {heard} heard of"));
    }
    if totals.failed + totals.current > 0 {
        faults.push(format!(
            "at the far end {} calls failed ({} by an unexpected message) and {} stand",
            totals.failed, totals.unexpected, totals.current
        ));
    }
    for (code, count) in &results {
        if !may_end_as.contains(code) {
            faults.push(format!("{count} attempts ended as {code}"));
        }
    }
    for (name, label) in FAULTS {
        let count = scrape.get(name, label);
        if count > 0.0 {
            faults.push(format!("{count} of {name} {label}"));
        }
    }
    if let Some((count, first)) = engine.warnings()? {
        faults.push(format!(
            "{count} warnings in the engine's log, the first: {first}"
        ));
    }
    let crowd = engine.crowd.figures();
    if crowd.logins != u64::from(engine.agents()) || crowd.sockets_lost > 0 {
        faults.push(format!(
            "{} of {} agents logged in, {} sockets were lost",
            crowd.logins,
            engine.agents(),
            crowd.sockets_lost
        ));
    }
    if crowd.sequence_gaps + crowd.unreadable + crowd.cards_invalid > 0 || !crowd.errors.is_empty()
    {
        faults.push(format!("what the agents saw: {crowd:?}"));
    }
    report.figure("attempts", "attempts started", launched as f64, "");
    for (code, count) in &results {
        report.figure(
            &format!("result_{}", code.to_lowercase()),
            &format!("  of them {code}"),
            *count as f64,
            "",
        );
    }
    report.goal(
        "errors",
        "kinds of errors, both sides",
        faults.len() as f64,
        "",
        Goal::AtMost(0.0),
    );
    for (key, words, name, label) in STRAIN {
        report.figure(key, words, scrape.get(name, label), "");
    }
    report.figure(
        "far_retransmissions",
        "messages sent again by the far end",
        totals.retransmissions as f64,
        "",
    );
    for fault in faults {
        report.failure(fault);
    }
    Ok(scrape)
}
