//! The simulator against what is known in closed form, against itself, and against its own files.

use super::cells::cells;
use super::fate::{Fate, Which};
use super::read;
use super::scenario::{Analysis, Length, Mode, Scenario};
use super::score::Score;
use super::shipped::{SHIPPED, shipped};
use super::world::{RunRules, run};
use std::path::Path;
use std::time::Duration;

fn scenario(text: &str) -> Scenario {
    read::scenario(text, Path::new("test.toml")).unwrap_or_else(|faults| panic!("{faults}"))
}

fn shift(scenario: &Scenario, seed: u64) -> Score {
    let score = run(scenario, seed, RunRules::default(), &mut |_| {});
    assert!(score.faults.is_empty(), "{:#?}", score.faults);
    score
}

/// Share of calls that find `servers` busy, offered `erlangs` (Erlang 1917, by its recursion).
fn erlang_b(servers: u32, erlangs: f64) -> f64 {
    (1..=servers).fold(1.0, |loss, server| {
        erlangs * loss / (f64::from(server) + erlangs * loss)
    })
}

#[test]
fn poisson_arrivals_are_lost_as_erlang_b_says() {
    // Every lead is dialled when it comes, whoever is free, and everybody answers; who finds nobody is lost at once. Ringing moves
    // each arrival by a time of its own, and leaves them Poisson.
    for (erlangs, tolerance) in [(5.0, 0.004), (8.0, 0.008)] {
        let per_hour = erlangs * 3_600.0 / 95.0;
        let scenario = scenario(&format!(
            "hours = 24\nfloor = {{ tick_ms = 1000 }}\nanalysis = {{ listens = false }}
             agents = [{{ count = 10, over_s = 0, pause_share = 0 }}]
             [[campaigns]]\nname = \"arrivals\"\nmode = \"lines_per_agent:100\"\nanswer_rate = 1
             cap = 1\nanswer_limit_s = 0\narrivals_per_hour = {per_hour}"
        ));
        let (mut lost, mut all, mut busy, mut staffed) = (0, 0, 0.0, 0.0);
        for seed in 1..=2 {
            let total = shift(&scenario, seed).total();
            lost += total.abandoned;
            all += total.abandoned + total.connected;
            busy += total.talk_s + total.wrap_s;
            staffed += total.talk_s + total.wrap_s + total.idle_s;
        }
        let (loss, theory) = (f64::from(lost) / f64::from(all), erlang_b(10, erlangs));
        assert!(all > 8_000, "{all}");
        assert!(
            (loss - theory).abs() < tolerance,
            "{erlangs} erlangs: lost {loss:.4}, Erlang B says {theory:.4}"
        );
        let carried = erlangs * (1.0 - theory) / 10.0;
        assert!((busy / staffed - carried).abs() < 0.015, "{carried}");
    }
}

/// Mean of a log-normal time of 11 s, cv 0.5, that is at most 24 s, by integration.
fn mean_ring_s() -> f64 {
    let variance: f64 = (1.0f64 + 0.25).ln();
    let (mu, sigma) = (11f64.ln() - variance / 2.0, variance.sqrt());
    let (mut mass, mut sum) = (0.0, 0.0);
    for slice in 0..24_000 {
        let x = (f64::from(slice) + 0.5) / 1_000.0;
        let z = (x.ln() - mu) / sigma;
        let density = (-z * z / 2.0).exp() / x;
        mass += density;
        sum += density * x;
    }
    sum / mass
}

#[test]
fn progressive_dialling_keeps_agents_as_busy_as_its_closed_form_says() {
    let mut far = Vec::new();
    for rate in [0.08, 0.2, 0.45] {
        let scenario = scenario(&format!(
            "hours = 3\nfloor = {{ tick_ms = 100 }}\nanalysis = {{ person_s = [0.8, 0.8], people_called_machines = 0 }}
             agents = [{{ count = 60, over_s = 0, pause_share = 0 }}]
             [[campaigns]]\nname = \"list\"\nmode = \"progressive\"\nanswer_rate = {rate}
             machines = 0\nfast_failures = 0\ntalk = [{{ mean_s = 75, cv = 0.3 }}]"
        ));
        let score = shift(&scenario, 1);
        // A free agent always has one line out: half a tick until it starts, 2 ms of the store, 2 s of set-up, and then an answer
        // with its analysis, or 24 s in vain (on the ring deadlines' grid) and the end of the CANCEL.
        let vain_s = 24.0 + 0.01 + 0.05;
        let line_s = 0.05 + 0.002 + 2.0 + rate * (mean_ring_s() + 0.8) + (1.0 - rate) * vain_s;
        let closed = 95.0 / (95.0 + line_s / rate);
        let busy = score.utilisation();
        if (busy - closed).abs() > 0.01 {
            far.push(format!("{rate}: busy {busy:.4}, closed form {closed:.4}"));
        }
        assert_eq!(score.abandonment(), 0.0, "progressive abandons nobody");
    }
    assert!(far.is_empty(), "{far:#?}");
}

const SMALL: &str = "hours = 0.5\nagents = [{ count = 12, over_s = 60 }]
    [[campaigns]]\nname = \"list\"\nmode = \"lines_per_free_agent:3\"\nanswer_rate = 0.3\ncap = 1\n";

#[test]
fn the_same_seed_is_the_same_shift() {
    let scenario = scenario(SMALL);
    let first = shift(&scenario, 7);
    assert_eq!(first, shift(&scenario, 7));
    assert_ne!(first, shift(&scenario, 8));
    assert!(first.total().connected > 50, "{:?}", first.total());
}

#[test]
fn the_scenario_s_cap_binds_the_floor() {
    let mut open = scenario(SMALL);
    open.length = Duration::from_secs(7_200);
    let capped = shift(&open.clone().with_hard_cap(0.03), 7);
    let mut guaranteed = open.clone().with_hard_cap(0.03);
    guaranteed.campaigns[0].is_guarantee = true;
    let guaranteed = shift(&guaranteed, 7);
    let open = shift(&open, 7);
    assert!(open.abandonment() > 0.05, "{}", open.abandonment());
    assert!(capped.abandonment() < 0.04, "{}", capped.abandonment());
    // The click that a person hears who is taken for a machine is not in it, as nowhere else.
    assert!(
        guaranteed.abandonment() <= 0.03,
        "{}",
        guaranteed.abandonment()
    );
    assert!(capped.utilisation() < open.utilisation());
}

#[test]
fn two_ways_to_dial_meet_the_same_list_and_the_same_work() {
    let text = "hours = 4\nfloor = { tick_ms = 200 }\nanalysis = { listens = false }
        agents = [{ count = 20, over_s = 60, pause_share = 0 }]
        [[campaigns]]\nname = \"list\"\nanswer_rate = 0.3\nleads = 1200\nanswer_limit_s = 30\npatience_s = 600
        retry = { no_answer_min = \"never\", busy_min = \"never\", machine_min = \"never\" }\n";
    let scenario = scenario(text);
    let ratio = scenario
        .clone()
        .with_mode(Mode::of("lines_per_free_agent:1.6").unwrap());
    let (progressive, ratio) = (shift(&scenario, 3), shift(&ratio, 3));
    for score in [&progressive, &ratio] {
        assert!(score.finished_s.is_some(), "{} left", score.leads_left);
        assert_eq!((score.leads_left, score.total().abandoned), (0, 0));
        assert_eq!(score.total().dials, 1_200, "each lead once");
    }
    let work = |score: &Score| {
        let (tally, total) = (&score.campaigns[0], score.total());
        let worked_s = (total.talk_s + total.wrap_s).round();
        let met = (tally.connected, tally.machines_passed, tally.right_parties);
        (met, worked_s)
    };
    assert_eq!(work(&progressive), work(&ratio));
    assert!(
        ratio.finished_s < progressive.finished_s,
        "and dials faster"
    );
}

#[test]
fn a_higher_answer_rate_answers_all_that_a_lower_one_does() {
    let scenario = scenario(SMALL);
    let (mut low, mut high, mut misheard) = (0, 0, 0);
    for position in 0..20_000 {
        let which = Which {
            seed: 1,
            campaign: 0,
            position,
            tries: 0,
        };
        let fate = |rate| {
            let analysis = Some(&Analysis::default());
            which
                .fate(rate, &scenario.carrier, analysis, &scenario.campaigns[0])
                .fate
        };
        let is_person = |fate| matches!(fate, Fate::Person { .. });
        low += u32::from(is_person(fate(0.1)));
        high += u32::from(is_person(fate(0.4)));
        misheard += u32::from(matches!(
            fate(0.4),
            Fate::Person {
                is_misheard: true,
                ..
            }
        ));
        assert!(is_person(fate(0.4)) || !is_person(fate(0.1)), "{position}");
    }
    assert!((1_900..2_100).contains(&low), "{low}");
    assert!((7_800..8_200).contains(&high), "{high}");
    assert!((50..110).contains(&misheard), "{misheard}");
}

#[test]
fn agents_go_to_lunch_come_back_and_log_out_for_good() {
    let base = "hours = 2\nfloor = { tick_ms = 200 }\n[[campaigns]]\nname = \"list\"\nanswer_rate = 0.3\nmode = \"lines_per_free_agent:2\"\n";
    let with = |absences: &str| {
        let agents = format!(
            "[[agents]]\ncount = 20\nover_s = 0\npause_share = 0\nabsences = [{absences}]\n"
        );
        let score = shift(&scenario(&format!("{base}{agents}")), 1);
        let at_work = |minute: usize| {
            let minute = &score.minutes[minute];
            (
                (minute.talk_s + minute.wrap_s + minute.idle_s) / 60.0,
                minute.away_s / 60.0,
            )
        };
        [50, 75, 118].map(at_work)
    };
    let close = |(work, away): (f64, f64), want: (f64, f64)| {
        (work - want.0).abs() < 0.6 && (away - want.1).abs() < 0.6
    };
    let lunch = with("{ at_min = 60, share = 0.3, minutes = 30 }");
    assert!(close(lunch[0], (20.0, 0.0)), "{lunch:?}");
    assert!(close(lunch[1], (14.0, 6.0)), "{lunch:?}");
    assert!(close(lunch[2], (20.0, 0.0)), "{lunch:?}");
    let leave = with("{ at_min = 60, over_s = 60, count = 10 }");
    assert!(close(leave[1], (10.0, 0.0)), "{leave:?}");
    assert!(close(leave[2], (10.0, 0.0)), "{leave:?}");
}

#[test]
fn an_outage_fails_calls_and_dialling_goes_on_behind_it() {
    for kind in ["refuses", "silent", "down"] {
        let outage = format!(
            "carrier = {{ outages = [{{ at_min = 20, seconds = 60, kind = \"{kind}\" }}] }}\n"
        );
        let score = shift(&scenario(&format!("{outage}{SMALL}")), 1);
        let dials = |range: std::ops::Range<usize>| {
            let minutes = &score.minutes[range];
            minutes.iter().map(|minute| minute.dials).sum::<u32>()
        };
        assert_eq!(score.trunk_failures > 0, kind == "refuses", "{kind}");
        let (before, behind) = (dials(15..19), dials(22..26));
        assert!(
            behind > before / 2,
            "{kind}: {before} before, {behind} behind"
        );
        // The breaker, or the dead trunk, keeps the list from being burnt.
        assert!(dials(20..21) < before / 2, "{kind}: {}", dials(20..21));
    }
}

#[test]
fn a_campaign_that_may_not_dial_holds_nobody_back() {
    let Some(Ok(mut three)) = shipped("three-campaigns") else {
        panic!("three-campaigns is shipped");
    };
    three.length = Duration::from_secs(3_600);
    let score = shift(&three, 1);
    let dials: Vec<u64> = score.campaigns.iter().map(|tally| tally.dials).collect();
    assert!(dials[0] > 100 && dials[1] > 20, "{dials:?}");
    assert_eq!(dials[2], 0, "closed");
}

#[test]
fn every_shipped_scenario_is_read_and_runs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/scenarios");
    let files = std::fs::read_dir(folder).expect("config/scenarios").count();
    assert_eq!(files, SHIPPED.len(), "each file is shipped, and no other");
    for (name, _) in SHIPPED {
        let scenario = match shipped(name) {
            Some(Ok(scenario)) => scenario,
            Some(Err(faults)) => panic!("{name}: {faults}"),
            None => panic!("{name} is not there"),
        };
        assert!(!scenario.about.is_empty(), "{name} says what it is for");
        let mut first = cells(&scenario).swap_remove(0).scenario;
        first.length = Duration::from_secs(300);
        let score = shift(&first, 1);
        assert!(score.total().connected > 5, "{name}: {:?}", score.total());
    }
}

#[test]
fn the_matrix_crosses_everything_with_everything() {
    let table = shipped("table").unwrap().unwrap();
    assert_eq!(cells(&table).len(), 15);
    let mut wide = table.clone();
    wide.matrix.caps = vec![0.015, 0.03];
    wide.matrix.modes = vec![Mode::PROGRESSIVE, Mode::of("lines_per_agent:1.5").unwrap()];
    let all = cells(&wide);
    assert_eq!(all.len(), 60);
    let last = &all[59];
    assert_eq!((last.agents, last.cap), (2_000, 0.03));
    assert!((last.answer_rate - 0.45).abs() < 1e-9);
    assert_eq!(last.way(), "lines_per_agent:1.5, cap 3.0 %");
    let groups = shipped("three-campaigns").unwrap().unwrap().with_agents(10);
    let counts: Vec<u32> = groups.groups.iter().map(|group| group.count).collect();
    assert_eq!(counts, [8, 2], "proportions are kept");
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_place() {
    let text = "hours = 30\ntitel = \"x\"\n[[agents]]\ncount = 5\ncampaigns = [\"lsit\"]\n[[campaigns]]\nname = \"list\"\n\
        mode = \"predicitve\"\ncap = 3\ntalk = [{ share = 0.4 }]\nleads = 10\narrivals_per_hour = 5\nopens = \"25:00\"\n\
        [carrier]\nsetup_s = [3, 1]\n";
    let faults = read::scenario(text, Path::new("wrong.toml")).expect_err("it is wrong");
    let told: Vec<(usize, &str)> = faults
        .list
        .iter()
        .map(|fault| (fault.line, fault.key.as_str()))
        .collect();
    let wanted = [
        (1, "hours"),
        (2, "titel"),
        (5, "agents[0].campaigns"),
        (8, "campaigns[0].mode"),
        (9, "campaigns[0].cap"),
        (10, "campaigns[0].talk"),
        (12, "campaigns[0].arrivals_per_hour"),
        (13, "campaigns[0].opens"),
        (15, "carrier.setup_s"),
    ];
    assert_eq!(told, wanted, "{faults}");
    let guesses = faults
        .list
        .iter()
        .filter_map(|fault| fault.did_you_mean.as_deref());
    assert_eq!(guesses.collect::<Vec<_>>(), ["title", "list"]);
    assert!(read::scenario("", Path::new("empty.toml")).is_err());
    assert!(matches!(
        scenario(SMALL).campaigns[0].list.length,
        Length::Endless
    ));
}
