//! The shipped floor in seeded worlds: every promise is held against a judge that keeps its own books.

use tandem::sim::world::{Plan, run};

/// Seeds per test: a handful by default, as many as `TANDEM_SIM_SEEDS` says for a soak.
fn seeds(default: u64) -> u64 {
    std::env::var("TANDEM_SIM_SEEDS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(default)
}

fn plan(mishaps: u64) -> Plan {
    Plan {
        agents: 12,
        leads: 150,
        seconds: 600,
        mishaps,
        check: true,
    }
}

fn check(seed: u64, plan: Plan) {
    let outcome = run(seed, plan);
    assert!(
        outcome.faults.is_empty(),
        "seed {seed}: {:#?}",
        outcome.faults
    );
    let (attempts, results, shown, outcomes) = outcome.totals;
    assert!(
        attempts > 50 && shown > 10,
        "seed {seed} is a floor at work: {:?}",
        outcome.totals
    );
    assert_eq!(
        attempts, results,
        "seed {seed}: every attempt has one result"
    );
    assert_eq!(
        shown, outcomes,
        "seed {seed}: every conversation has one disposition"
    );
}

#[test]
fn a_calm_floor_keeps_every_promise() {
    for seed in 0..seeds(8) {
        check(seed, plan(0));
    }
}

#[test]
fn a_floor_full_of_mishaps_keeps_every_promise() {
    for seed in 100..100 + seeds(30) {
        check(seed, plan(20 + seed % 60));
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let first = run(7, plan(40));
    assert_eq!(first, run(7, plan(40)));
    assert_ne!(first.trace, run(8, plan(40)).trace);
}
