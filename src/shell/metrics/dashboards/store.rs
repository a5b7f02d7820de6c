//! What must survive: commits, backlog, failures, files.

use super::panel::{Dashboard, Form, Panel, Unit, panel};
use super::query::{gauge, quantile, rate, ratio, size_count, sizes, sum, total};
use crate::shell::metrics::names::{
    CounterName as C, GaugeName as G, SecondsName as S, SizeName, TimingName as T,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tandem-store",
        title: "Tandem / Store",
        about: "Commits, what waits for them, what failed, and the files.",
        choose: None,
        rows: vec![
            ("Now", now()),
            ("Commits", commits()),
            ("Failures", failures()),
            ("Leads and files", files()),
        ],
    }
}

fn now() -> Vec<Panel> {
    vec![
        panel(
            Form::Flag,
            "Keeps up",
            Unit::Number,
            "While it does not, nothing is dialled.",
        )
        .show(format!("min({})", gauge(G::StoreIsReady, "")), "ready"),
        panel(
            Form::Figure,
            "Backlog",
            Unit::Number,
            "Orders that wait for the writer.",
        )
        .show(
            sum("", &gauge(G::EngineQueueItems, "queue=\"store\"")),
            "orders",
        ),
        panel(
            Form::Figure,
            "Waiting for room",
            Unit::Number,
            "Orders taken that the disk has no room for. They are in memory only.",
        )
        .show(sum("", &gauge(G::StoreWaitingOrders, "")), "orders")
        .bad_from(1.0),
        panel(
            Form::Figure,
            "Outcomes not saved",
            Unit::Number,
            "In this range. The agents were told.",
        )
        .show(sum("", &total(C::DeskUnsavedOutcomes, "")), "outcomes")
        .bad_from(1.0),
        panel(
            Form::Figure,
            "Last backup",
            Unit::Ago,
            "The youngest of the chosen engines.",
        )
        .show(
            format!("max({} * 1000 > 0)", gauge(G::StoreLastBackup, "")),
            "backup",
        ),
        panel(
            Form::Figure,
            "Write-ahead log",
            Unit::Bytes,
            "Starts anew at some tens of megabytes. Growing for hours: a reader holds it.",
        )
        .show(sum("", &gauge(G::StoreWal, "")), "WAL")
        .warn_from(256e6)
        .bad_from(1e9),
    ]
}

fn commits() -> Vec<Panel> {
    vec![
        panel(Form::Lines, "One commit", Unit::Seconds, "A transaction with its fsync: mostly the disk.")
            .show(quantile(0.5, T::StoreCommit, ""), "p50")
            .show(quantile(0.95, T::StoreCommit, ""), "p95")
            .show(quantile(0.99, T::StoreCommit, ""), "p99")
            .warn_from(0.1),
        panel(Form::Lines, "Intent durable", Unit::Seconds, "From the order to dial to the promise on disk: waiting, window and commit. Above 250 ms it is not sent any more.")
            .show(quantile(0.5, T::IntentCommit, ""), "p50")
            .show(quantile(0.99, T::IntentCommit, ""), "p99")
            .warn_from(0.1)
            .bad_from(0.25),
        panel(Form::Lines, "Orders and commits", Unit::PerSecond, "Made durable; one commit serves many orders.")
            .show(sum("", &sizes(SizeName::StoreBatch)), "orders")
            .show(sum("", &size_count(SizeName::StoreBatch)), "commits"),
        panel(Form::Lines, "Orders in one commit", Unit::Amount, "On average. Rising with a steady load: the disk got slower.")
            .show(ratio(&sum("", &sizes(SizeName::StoreBatch)), &sum("", &size_count(SizeName::StoreBatch))), "orders"),
        panel(Form::Lines, "Backlog", Unit::Number, "Orders that wait for the writer, and how many may. At three quarters dialling stops.")
            .show(sum("", &gauge(G::EngineQueueItems, "queue=\"store\"")), "waiting")
            .show(sum("", &gauge(G::EngineQueueCapacity, "queue=\"store\"")), "room"),
        panel(Form::Lines, "The writer's thread", Unit::Amount, "Share of a core in use, and of time in which it waited for one. The rest is the disk.")
            .show(sum("", &rate(S::ThreadCpu, "thread=\"store_writer\"")), "in use")
            .show(sum("", &rate(S::ThreadWait, "thread=\"store_writer\"")), "waiting"),
    ]
}

fn failures() -> Vec<Panel> {
    vec![
        panel(
            Form::Lines,
            "Failures",
            Unit::PerSecond,
            "All of these should be zero.",
        )
        .show(
            sum("", &rate(C::StorePutOffCommits, "")),
            "no room, or held by another process",
        )
        .show(sum("", &rate(C::StoreRefusedOrders, "")), "orders refused")
        .show(sum("", &rate(C::StoreDroppedOrders, "")), "orders dropped")
        .show(sum("", &rate(C::StoreStops, "")), "stopped for good"),
        panel(
            Form::Lines,
            "Late for SIP",
            Unit::PerSecond,
            "ACKs sent before their dialog was durable, and dialogs that found no room.",
        )
        .show(
            sum("", &rate(C::SipAcksUnconfirmed, "")),
            "ACK without the dialog on disk",
        )
        .show(
            sum("", &rate(C::SipDialogsNotStored, "")),
            "dialogs not stored",
        ),
    ]
}

fn files() -> Vec<Panel> {
    vec![
        panel(
            Form::Lines,
            "Files",
            Unit::Bytes,
            "The database and its write-ahead log.",
        )
        .show(gauge(G::StoreFile, ""), "database, {{instance}}")
        .show(gauge(G::StoreWal, ""), "write-ahead log, {{instance}}"),
        panel(
            Form::Lines,
            "Leads lent",
            Unit::Number,
            "Leads that the floor has and has not returned.",
        )
        .show(sum("", &gauge(G::HopperOutLeads, "")), "lent"),
        panel(
            Form::Lines,
            "Reading leads",
            Unit::Seconds,
            "One refill for one campaign.",
        )
        .show(quantile(0.5, T::HopperRefill, ""), "p50")
        .show(quantile(0.99, T::HopperRefill, ""), "p99"),
        panel(
            Form::Lines,
            "Backups",
            Unit::Number,
            "In this range, by how they ended.",
        )
        .show(sum("result", &total(C::StoreBackups, "")), "{{result}}")
        .show(
            sum("", &total(C::HopperFailures, "")),
            "failed reads of leads",
        ),
    ]
}
