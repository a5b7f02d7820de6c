//! One campaign, or some: what it does, what comes of it, what holds it.

use super::panel::{Dashboard, Form, Panel, Unit, panel};
use super::query::{gauge, quantile, rate, ratio, recorded, sum, total};
use crate::shell::metrics::names::{CounterName as C, GaugeName as G, TimingName as T};

const OF: &str = "campaign=~\"$campaign\"";

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tandem-campaign",
        title: "Tandem / Campaign",
        about: "What a campaign does, what comes of it, and what holds it back.",
        choose: Some(("campaign", G::CampaignIsRunning)),
        rows: vec![
            ("Now", now()),
            ("Lines and results", lines()),
            ("Abandoned", abandoned()),
            ("Leads and gates", leads()),
        ],
    }
}

fn now() -> Vec<Panel> {
    let of = |name| sum("", &gauge(name, OF));
    vec![
        panel(Form::Figure, "Running", Unit::Number, "Campaigns of the choice that dial.")
            .show(of(G::CampaignIsRunning), "running"),
        panel(Form::Figure, "Agents who serve it", Unit::Number, "Logged in and not on break. An agent of two campaigns counts in both.")
            .show(of(G::CampaignAgents), "agents"),
        panel(Form::Figure, "Talking", Unit::Number, "Conversations.").show(of(G::CampaignTalking), "talking"),
        panel(Form::Figure, "Waiting for an agent", Unit::Number, "People who answered. Each is lost after the answer limit.")
            .show(of(G::CampaignWaiting), "waiting"),
        panel(Form::Figure, "Leads in memory", Unit::Number, "The hot window. 0 while running: the list is at its end, or held by its hours and caps.")
            .show(of(G::CampaignHotLeads), "leads"),
        panel(Form::Figure, "Abandoned, 24 h", Unit::Share, "Of all live answers, of the worst campaign of the choice.")
            .show(format!("max({})", recorded("campaign:tandem_abandon:ratio24h", OF)), "abandoned")
            .warn_from(0.02)
            .bad_from(0.03),
    ]
}

fn lines() -> Vec<Panel> {
    let of = |name| sum("", &gauge(name, OF));
    vec![
        panel(Form::Lines, "Lines", Unit::Number, "On agents' screens, not dialled yet; started and neither answered nor ended; ringing; answered and waiting; talking.")
            .show(of(G::CampaignPreviews), "on screens")
            .show(of(G::CampaignInAir), "in the air")
            .show(of(G::CampaignRinging), "ringing")
            .show(of(G::CampaignWaiting), "waiting")
            .show(of(G::CampaignTalking), "talking"),
        panel(Form::Stacked, "What bounds it", Unit::Number, "What keeps it from starting more lines now: `agents` (nobody free), `leads` (none due, or all held), `lines`, `cps`, `trunks`, `stopped`, `budget` (abandons), `window` (calling hours), `store`.")
            .show(sum("bound", &gauge(G::CampaignIsBound, OF)), "{{bound}}"),
        panel(Form::Lines, "Attempts started", Unit::PerSecond, "By campaign.")
            .show(sum("campaign", &rate(C::CampaignAttempts, OF)), "{{campaign}}"),
        panel(Form::Lines, "Lines, live and in shadow", Unit::Number, "Mean lines in the air of the live mode, and what its shadow mode would have had. Nothing without `shadow_mode`.")
            .show(sum("campaign", &rate(C::CampaignShadowedLineSeconds, OF)), "{{campaign}} live")
            .show(sum("campaign", &rate(C::CampaignShadowLineSeconds, OF)), "{{campaign}} shadow"),
        panel(Form::Stacked, "Attempts ended, by result", Unit::PerSecond, "What the network said.")
            .show(sum("result", &rate(C::CampaignResults, OF)), "{{result}}"),
        panel(Form::Lines, "Connected of ended", Unit::Share, "Share of attempts that brought a person to an agent.")
            .show(
                ratio(
                    &sum("campaign", &rate(C::CampaignResults, "campaign=~\"$campaign\", result=\"CONNECTED\"")),
                    &sum("campaign", &rate(C::CampaignResults, OF)),
                ),
                "{{campaign}}",
            ),
        panel(Form::Lines, "Dispositions", Unit::PerSecond, "What agents said, kept in the store.")
            .show(sum("campaign", &rate(C::CampaignOutcomes, OF)), "{{campaign}}"),
    ]
}

fn abandoned() -> Vec<Panel> {
    let panel_of = |title, name| {
        panel(Form::Lines, title, Unit::Share, "Abandoned of all live answers. Orange: close to it; red: above the 3 % that most laws name.")
            .show(recorded(name, OF), "{{campaign}}")
            .warn_from(0.02)
            .bad_from(0.03)
    };
    vec![
        panel_of("Abandoned, 15 min", "campaign:tandem_abandon:ratio15m").wide(8),
        panel_of("Abandoned, 1 h", "campaign:tandem_abandon:ratio1h").wide(8),
        panel_of("Abandoned, 24 h", "campaign:tandem_abandon:ratio24h").wide(8),
        panel(
            Form::Figure,
            "Abandoned in this range",
            Unit::Number,
            "People who answered and heard nobody.",
        )
        .show(sum("", &total(C::CampaignAbandoned, OF)), "people")
        .wide(6),
    ]
}

fn leads() -> Vec<Panel> {
    vec![
        panel(Form::Lines, "Leads in memory", Unit::Number, "By campaign; refilled from the store below half.")
            .show(sum("campaign", &gauge(G::CampaignHotLeads, OF)), "{{campaign}}"),
        panel(Form::Stacked, "Held by a gate", Unit::PerSecond, "Leads held back: `WINDOW` (hours), `CAPPED` (attempts of the day), `GAP`, `DNC`, `IN_AIR`, `ATTEMPTS_USED`.")
            .show(sum("gate", &rate(C::CampaignHeldLeads, OF)), "{{gate}}"),
        panel(Form::Lines, "Leads lent by the store", Unit::PerSecond, "All campaigns.")
            .show(sum("", &rate(C::HopperLentLeads, "")), "lent")
            .show(sum("", &rate(C::HopperUnusableLeads, "")), "not usable"),
        panel(Form::Lines, "Reading leads", Unit::Seconds, "One refill for one campaign, all campaigns.")
            .show(quantile(0.5, T::HopperRefill, ""), "p50")
            .show(quantile(0.99, T::HopperRefill, ""), "p99")
            .warn_from(0.5),
    ]
}
