//! What the demo came to, from three books that know nothing of each other: the engine's store, the carrier's call records, the
//! agents' own counts. Says which equations hold.

use super::{DemoArgs, DemoError};
use crate::core::dispositions::Disposition;
use crate::core::results::SystemResult;
use crate::demo::agents::figures::AgentFigures;
use crate::demo::carrier::records::{CallRecord, Stats, Totals, read_records};
use crate::shell::api::PictureView;
use crate::shell::metrics::Latency;
use crate::shell::store::sqlite::{BackOffice, ExportFilter, NumbersShown, StoreTotals};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

/// Latencies of interest, in the order of a call's life.
pub const LATENCIES: [&str; 4] = [
    "intent_commit",
    "answer_to_match",
    "match_to_push",
    "push_to_paint",
];

/// Where figures come from.
pub struct Sources<'a> {
    /// The engine's store; the engine has ended.
    pub store: &'a Path,
    /// The carrier's records; the carrier has ended.
    pub records: &'a Path,
    /// Its last statistics.
    pub carrier_stats: &'a Path,
    /// What the scripted agents saw.
    pub agents: AgentFigures,
    /// The engine's last picture.
    pub picture: Option<PictureView>,
    /// Whether engine and carrier ended by themselves, without a fault.
    pub ended_well: bool,
}

/// An equation between two books.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// In words.
    pub what: &'static str,
    /// The left side.
    pub left: u64,
    /// The right side.
    pub right: u64,
    /// Whether they are equal.
    pub holds: bool,
}

/// The summary.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Dialling time, in seconds.
    pub seconds: f64,
    /// Scripted agents.
    pub agents: u32,
    /// Borrowers imported.
    pub leads: u32,
    /// Seed.
    pub seed: u64,
    /// Speed.
    pub speed: f64,
    /// Attempts in the store.
    pub attempts: u64,
    /// By result.
    pub results: BTreeMap<&'static str, u64>,
    /// Outcomes by code.
    pub outcomes: BTreeMap<&'static str, u64>,
    /// Answered people and machines / attempts that were sent; 0 to 1.
    pub answer_ratio: Option<f64>,
    /// Abandoned / (abandoned + connected); 0 to 1.
    pub abandon_ratio: Option<f64>,
    /// Latencies measured by the engine, in microseconds.
    pub latencies: BTreeMap<String, Latency>,
    /// What the carrier counted.
    pub carrier: Totals,
    /// What the agents counted, with latencies by their own clock.
    pub desk: AgentFigures,
    /// Outcomes of people beside the scripted agents (whoever took the seats for guests).
    pub outcomes_of_guests: u64,
    /// The equations.
    pub checks: Vec<Check>,
    /// Whether all of them hold.
    pub adds_up: bool,
}

impl Summary {
    /// Reads the books.
    pub fn gather(sources: Sources<'_>, args: &DemoArgs, seconds: f64) -> Result<Self, DemoError> {
        let mut office = BackOffice::open(sources.store)?;
        let totals = office.store_totals()?;
        let by_agent = outcomes_by_agent(&office)?;
        let failed = |path: &Path, source| DemoError::Files {
            path: path.to_owned(),
            source,
        };
        let records =
            read_records(sources.records).map_err(|source| failed(sources.records, source))?;
        let stats: Stats = std::fs::read(sources.carrier_stats)
            .and_then(|text| serde_json::from_slice(&text).map_err(std::io::Error::from))
            .map_err(|source| failed(sources.carrier_stats, source))?;
        let guests = by_agent
            .iter()
            .filter(|(name, _)| {
                [super::setup::GUEST, super::setup::CLIENT].contains(&name.as_str())
            })
            .map(|(_, count)| count)
            .sum();
        let (faults, latencies) = sources.picture.map_or((0, BTreeMap::new()), |picture| {
            (picture.invariant_faults, picture.latencies)
        });
        let checks = checks(
            &totals,
            &records,
            &stats.totals,
            &sources.agents,
            guests,
            faults,
            sources.ended_well,
        );
        let of = |result| totals.result(result);
        let people = of(SystemResult::Connected) + of(SystemResult::Abandoned);
        let answered = people + of(SystemResult::CustHangupEarly) + of(SystemResult::Machine);
        let sent = totals.attempts - of(SystemResult::NotSent);
        let ratio = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        Ok(Summary {
            seconds,
            agents: args.agents,
            leads: args.leads,
            seed: args.seed,
            speed: args.speed,
            attempts: totals.attempts,
            results: totals
                .results
                .iter()
                .map(|(result, count)| (result.code(), *count))
                .collect(),
            outcomes: totals
                .outcomes
                .iter()
                .map(|(code, count)| (code.code(), *count))
                .collect(),
            answer_ratio: ratio(answered, sent),
            abandon_ratio: ratio(of(SystemResult::Abandoned), people),
            latencies,
            carrier: stats.totals,
            desk: sources.agents,
            outcomes_of_guests: guests,
            adds_up: checks.iter().all(|check| check.holds),
            checks,
        })
    }

    /// The summary for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let percent = |ratio: Option<f64>| {
            ratio.map_or("-".to_owned(), |ratio| format!("{:.1} %", ratio * 100.0))
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\n{} attempts in {:.0} s with {} agents: {} answered, {} of the answered people abandoned",
            self.attempts,
            self.seconds,
            self.agents,
            percent(self.answer_ratio),
            percent(self.abandon_ratio)
        );
        let _ = writeln!(text, "\n  results   {}", listed(&self.results));
        let _ = writeln!(text, "  outcomes  {}", listed(&self.outcomes));
        let _ = writeln!(
            text,
            "  RTP       {} packets to the engine, {} from it",
            self.carrier.rtp_sent, self.carrier.rtp_received
        );
        let _ = writeln!(
            text,
            "\n  latency (engine)       p50       p99       max   of"
        );
        for name in LATENCIES {
            if let Some(latency) = self.latencies.get(name) {
                let _ = writeln!(
                    text,
                    "  {name:<18}{:>8}  {:>8}  {:>8}   {}",
                    millis(latency.p50_us),
                    millis(latency.p99_us),
                    millis(latency.max_us),
                    latency.count
                );
            }
        }
        let _ = writeln!(text, "\n  the books");
        for check in &self.checks {
            let sign = if check.holds { "=" } else { "IS NOT" };
            let _ = writeln!(
                text,
                "  {:>8} {sign} {:<8} {}",
                check.left, check.right, check.what
            );
        }
        let verdict = if self.adds_up {
            "It adds up."
        } else {
            "IT DOES NOT ADD UP."
        };
        let _ = write!(text, "\n{verdict}");
        text
    }
}

fn checks(
    totals: &StoreTotals,
    records: &[CallRecord],
    carrier: &Totals,
    agents: &AgentFigures,
    guests: u64,
    invariant_faults: u64,
    ended_well: bool,
) -> Vec<Check> {
    let sum = |pairs: &[(SystemResult, u64)]| pairs.iter().map(|(_, count)| count).sum::<u64>();
    let of = |result| totals.result(result);
    let outcomes: u64 = totals.outcomes.iter().map(|(_, count)| count).sum();
    let not_recorded: u64 = totals
        .outcomes
        .iter()
        .filter(|(code, _)| *code == Disposition::NotRecorded)
        .map(|(_, count)| count)
        .sum();
    let answered = of(SystemResult::Connected)
        + of(SystemResult::Abandoned)
        + of(SystemResult::CustHangupEarly)
        + of(SystemResult::Machine);
    let answered_there = records
        .iter()
        .filter(|record| record.answered_at_ms.is_some())
        .count() as u64;
    let defects = invariant_faults
        + totals.persons_twice_in_air
        + agents.sequence_gaps
        + agents.unreadable
        + agents.cards_invalid;
    [
        ("attempts = results", totals.attempts, sum(&totals.results)),
        (
            "connected = outcomes",
            of(SystemResult::Connected),
            outcomes,
        ),
        (
            "outcomes said by agents = outcomes that agents saw saved",
            outcomes - not_recorded,
            agents.outcomes_saved + guests,
        ),
        (
            "attempts sent = calls at the carrier",
            totals.attempts - of(SystemResult::NotSent),
            carrier.calls,
        ),
        (
            "connected + abandoned + early hang-ups + machines = answered at the carrier",
            answered,
            answered_there,
        ),
        (
            "carrier: calls = records",
            carrier.calls,
            records.len() as u64,
        ),
        ("carrier: calls still up at the end", carrier.up, 0),
        ("carrier: answers without an ACK", carrier.lost, 0),
        (
            "defects seen (invariants, persons called twice, gaps, broken cards)",
            defects,
            0,
        ),
        (
            "engine and carrier that did not end well",
            u64::from(!ended_well),
            0,
        ),
    ]
    .map(|(what, left, right)| Check {
        what,
        left,
        right,
        holds: left == right,
    })
    .to_vec()
}

/// Outcomes by agent, from the export that anybody can make. `NOT_RECORDED` is the system's, not the agent's.
fn outcomes_by_agent(office: &BackOffice) -> Result<BTreeMap<String, u64>, DemoError> {
    let mut export = Vec::new();
    office.outcomes_export(&mut export, &ExportFilter::default(), NumbersShown::Masked)?;
    let mut reader = csv::Reader::from_reader(&export[..]);
    let broken = |error: csv::Error| std::io::Error::other(error);
    let headers = reader.headers().map_err(broken)?.clone();
    let column = |name: &str| {
        headers
            .iter()
            .position(|header| header == name)
            .ok_or_else(|| std::io::Error::other(format!("the export has no column \"{name}\"")))
    };
    let (agent, outcome) = (column("agent")?, column("outcome")?);
    let mut counts = BTreeMap::new();
    for row in reader.records() {
        let row = row.map_err(broken)?;
        let said = row
            .get(outcome)
            .filter(|code| !code.is_empty() && *code != Disposition::NotRecorded.code());
        if let (Some(name), Some(_)) = (row.get(agent), said) {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    Ok(counts)
}

fn listed(counts: &BTreeMap<&str, u64>) -> String {
    let mut pairs: Vec<_> = counts.iter().collect();
    pairs.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), **name));
    pairs
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Microseconds as milliseconds, for people. 0 is "nothing measured yet".
pub fn millis(us: u64) -> String {
    if us == 0 {
        "-".to_owned()
    } else if us < 10_000 {
        format!("{:.2} ms", us as f64 / 1_000.0)
    } else {
        format!("{:.0} ms", us as f64 / 1_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::carrier::call::EndedBy;
    use crate::demo::carrier::fate::Kind;

    fn record(answered: bool) -> CallRecord {
        CallRecord {
            call_id: "c".to_owned(),
            number: "+84900000001".to_owned(),
            earlier_calls: 0,
            kind: Kind::Person,
            invited_at_ms: 1,
            rang_at_ms: None,
            answered_at_ms: answered.then_some(2),
            acknowledged_at_ms: None,
            ended_at_ms: 3,
            status: 200,
            ended_by: EndedBy::Caller,
            rtp_sent: 0,
            rtp_sent_early: 0,
            rtp_received: 0,
            rtp_lost: 0,
            rtp_foreign: 0,
            rtp_jitter_us: 0,
            keys: String::new(),
        }
    }

    /// Five attempts: two connected, one abandoned, one busy, one never sent.
    fn books() -> (StoreTotals, Vec<CallRecord>, Totals, AgentFigures) {
        let totals = StoreTotals {
            attempts: 5,
            results: vec![
                (SystemResult::Connected, 2),
                (SystemResult::Abandoned, 1),
                (SystemResult::Busy, 1),
                (SystemResult::NotSent, 1),
            ],
            outcomes: vec![(Disposition::RpcPtp, 1), (Disposition::NotRecorded, 1)],
            ..StoreTotals::default()
        };
        let records = vec![record(true), record(true), record(true), record(false)];
        let carrier = Totals {
            calls: 4,
            answered: 3,
            ..Totals::default()
        };
        let agents = AgentFigures {
            outcomes_saved: 1,
            ..AgentFigures::default()
        };
        (totals, records, carrier, agents)
    }

    #[test]
    fn books_that_agree_add_up() {
        let (totals, records, carrier, agents) = books();
        let checks = checks(&totals, &records, &carrier, &agents, 0, 0, true);
        assert!(checks.iter().all(|check| check.holds), "{checks:#?}");
    }

    #[test]
    fn every_single_difference_between_the_books_is_found() {
        type Spoil = fn(&mut StoreTotals, &mut Vec<CallRecord>, &mut Totals, &mut AgentFigures);
        let spoils: [(&str, Spoil); 8] = [
            ("attempts", |totals, _, _, _| totals.attempts += 1),
            ("connected", |totals, _, _, _| totals.outcomes[1].1 = 0),
            ("outcomes said", |_, _, _, agents| agents.outcomes_saved = 2),
            ("attempts sent", |_, _, carrier, _| carrier.calls += 1),
            ("early hang-ups", |_, records, _, _| {
                records[3] = record(true)
            }),
            ("calls = records", |_, records, _, _| drop(records.pop())),
            ("still up", |_, _, carrier, _| carrier.up = 1),
            ("defects", |_, _, _, agents| agents.sequence_gaps = 1),
        ];
        for (what, spoil) in spoils {
            let (mut totals, mut records, mut carrier, mut agents) = books();
            spoil(&mut totals, &mut records, &mut carrier, &mut agents);
            let checks = checks(&totals, &records, &carrier, &agents, 0, 0, true);
            let broken: Vec<_> = checks
                .iter()
                .filter(|check| !check.holds)
                .map(|check| check.what)
                .collect();
            assert!(
                broken.iter().any(|check| check.contains(what)),
                "{what}: {broken:?}"
            );
        }
    }
}
