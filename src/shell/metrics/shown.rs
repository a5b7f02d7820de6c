//! The picture as series: campaigns and trunks, each under its name, a bounded number of them.
//!
//! Labels go to names in the order in which they are first seen, and are never taken back: a configuration that is changed
//! all day cannot grow the monitor without bound. What has no label of its own shares "other".

use super::names::{CAMPAIGN_LABELS_MAX, CounterName, GaugeName, OTHER, TRUNK_LABELS_MAX};
use super::{Metrics, flag};
use crate::core::effect::Bound;
use crate::core::picture::{CampaignPicture, Picture, TrunkPicture};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::CampaignState;
use crate::wire::sip::counters::{ANSWER_CODES, TrunkCounters};
use metrics::{Counter, Gauge};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// What bounds a decision, in the order of [`bound_place`].
const BOUNDS: [&str; 7] = [
    "nothing", "agents", "leads", "lines", "cps", "trunks", "stopped",
];

/// Place of a bound in its label.
pub(super) const fn bound_place(bound: Bound) -> usize {
    match bound {
        Bound::Nothing => 0,
        Bound::Agents => 1,
        Bound::Leads => 2,
        Bound::Lines => 3,
        Bound::Cps => 4,
        Bound::Trunks => 5,
        Bound::Stopped => 6,
    }
}

/// Handles of what the picture shows, kept between scrapes.
#[derive(Default)]
pub(super) struct Shown {
    campaigns: Labelled<CampaignHandles>,
    trunks: Labelled<TrunkHandles>,
}

/// Handles by name, at most so many, and one set for the rest.
struct Labelled<H> {
    own: BTreeMap<String, H>,
    other: Option<H>,
}

impl<H> Default for Labelled<H> {
    fn default() -> Self {
        Labelled {
            own: BTreeMap::new(),
            other: None,
        }
    }
}

impl<H> Labelled<H> {
    /// Whether this name has a label of its own, now or from now on.
    fn is_own(&mut self, name: &str, most: usize, make: impl FnOnce(&str) -> H) -> bool {
        if self.own.contains_key(name) {
            return true;
        }
        let has_room = self.own.len() < most && name != OTHER;
        if has_room {
            self.own.insert(name.to_owned(), make(name));
        }
        has_room
    }
}

impl Shown {
    pub(super) fn show(&mut self, metrics: &Metrics, picture: &Picture, sip: &[TrunkCounters]) {
        self.show_campaigns(metrics, picture);
        self.show_trunks(metrics, &picture.trunks, sip);
    }

    fn show_campaigns(&mut self, metrics: &Metrics, picture: &Picture) {
        let labels = &mut self.campaigns;
        let mut seen: BTreeMap<&str, CampaignFigures> = BTreeMap::new();
        let mut rest = None;
        for (place, campaign) in picture.campaigns.iter().enumerate() {
            let make = |name: &str| CampaignHandles::new(metrics, name);
            let bound = bound_now(metrics, picture, place, campaign);
            let into = if labels.is_own(&campaign.name, CAMPAIGN_LABELS_MAX, make) {
                seen.entry(&campaign.name).or_default()
            } else {
                rest.get_or_insert_with(CampaignFigures::default)
            };
            into.add(campaign, bound);
        }
        for (name, handles) in &labels.own {
            match seen.get(name.as_str()) {
                Some(figures) => handles.set(figures),
                // No longer configured: its gauges fall, its counters stay where they are.
                None => handles.set(&CampaignFigures::default()),
            }
        }
        if let Some(rest) = rest {
            labels
                .other
                .get_or_insert_with(|| CampaignHandles::new(metrics, OTHER))
                .set(&rest);
        }
    }

    fn show_trunks(&mut self, metrics: &Metrics, trunks: &[TrunkPicture], sip: &[TrunkCounters]) {
        let labels = &mut self.trunks;
        let mut seen: BTreeMap<&str, TrunkFigures> = BTreeMap::new();
        let mut rest = None;
        for (place, trunk) in trunks.iter().enumerate() {
            let make = |name: &str| TrunkHandles::new(metrics, name);
            let into = if labels.is_own(&trunk.name, TRUNK_LABELS_MAX, make) {
                seen.entry(&trunk.name).or_default()
            } else {
                rest.get_or_insert_with(TrunkFigures::default)
            };
            let openings = metrics.breaker_openings.get(place);
            let openings = openings.map_or(0, |openings| openings.load(Relaxed));
            into.add(trunk, sip.get(place), openings);
        }
        for (name, handles) in &labels.own {
            match seen.get(name.as_str()) {
                Some(figures) => handles.set(figures),
                None => handles.set(&TrunkFigures::default()),
            }
        }
        if let Some(rest) = rest {
            labels
                .other
                .get_or_insert_with(|| TrunkHandles::new(metrics, OTHER))
                .set(&rest);
        }
    }
}

/// What keeps a campaign from starting more lines; `None` where it is not meant to dial. A floor that is stopped, or has
/// nobody at work, makes no decisions: the last one would be stale.
fn bound_now(
    metrics: &Metrics,
    picture: &Picture,
    place: usize,
    campaign: &CampaignPicture,
) -> Option<usize> {
    if campaign.state != CampaignState::Running {
        return None;
    }
    if picture.stopped || !picture.store_ready {
        return Some(bound_place(Bound::Stopped));
    }
    if campaign.agents_serving == 0 {
        return Some(bound_place(Bound::Agents));
    }
    let last = metrics.bounds.get(place)?.load(Relaxed);
    usize::from(last).checked_sub(1)
}

/// What a campaign's label shows; sums where several campaigns share one.
#[derive(Default)]
struct CampaignFigures {
    gauges: [u64; CAMPAIGN_GAUGES.len()],
    launched: u64,
    outcomes: u64,
    results: [u64; SystemResult::ALL.len()],
    held: [u64; Gate::ALL.len()],
    bounds: [u64; BOUNDS.len()],
}

const CAMPAIGN_GAUGES: [GaugeName; 7] = [
    GaugeName::CampaignIsRunning,
    GaugeName::CampaignAgents,
    GaugeName::CampaignInAir,
    GaugeName::CampaignRinging,
    GaugeName::CampaignWaiting,
    GaugeName::CampaignTalking,
    GaugeName::CampaignHotLeads,
];

impl CampaignFigures {
    fn add(&mut self, campaign: &CampaignPicture, bound: Option<usize>) {
        let gauges = [
            u32::from(campaign.state == CampaignState::Running),
            campaign.agents_serving,
            campaign.in_air,
            campaign.ringing,
            campaign.waiting,
            campaign.talking,
            campaign.hot_leads,
        ];
        add(&mut self.gauges, &gauges.map(u64::from));
        self.launched += campaign.launched;
        self.outcomes += campaign.outcomes;
        add(&mut self.results, &campaign.results);
        add(&mut self.held, &campaign.held);
        if let Some(bound) = bound {
            self.bounds[bound] += 1;
        }
    }
}

fn add(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}

struct CampaignHandles {
    gauges: [Gauge; CAMPAIGN_GAUGES.len()],
    launched: Counter,
    abandoned: Counter,
    outcomes: Counter,
    results: [Counter; SystemResult::ALL.len()],
    held: [Counter; Gate::ALL.len()],
    bounds: [Gauge; BOUNDS.len()],
}

impl CampaignHandles {
    fn new(metrics: &Metrics, campaign: &str) -> Self {
        CampaignHandles {
            gauges: CAMPAIGN_GAUGES.map(|name| metrics.gauge(name, &[campaign])),
            launched: metrics.counter(CounterName::CampaignAttempts, &[campaign]),
            abandoned: metrics.counter(CounterName::CampaignAbandoned, &[campaign]),
            outcomes: metrics.counter(CounterName::CampaignOutcomes, &[campaign]),
            results: SystemResult::ALL.map(|result| {
                metrics.counter(CounterName::CampaignResults, &[campaign, result.code()])
            }),
            held: Gate::ALL.map(|gate| {
                metrics.counter(CounterName::CampaignHeldLeads, &[campaign, gate.code()])
            }),
            bounds: BOUNDS
                .map(|bound| metrics.gauge(GaugeName::CampaignIsBound, &[campaign, bound])),
        }
    }

    fn set(&self, figures: &CampaignFigures) {
        for (gauge, value) in self.gauges.iter().zip(figures.gauges) {
            gauge.set(value as f64);
        }
        for (gauge, value) in self.bounds.iter().zip(figures.bounds) {
            gauge.set(value as f64);
        }
        self.launched.absolute(figures.launched);
        self.outcomes.absolute(figures.outcomes);
        for (result, (counter, value)) in SystemResult::ALL
            .iter()
            .zip(self.results.iter().zip(figures.results))
        {
            counter.absolute(value);
            if *result == SystemResult::Abandoned {
                self.abandoned.absolute(value);
            }
        }
        for (counter, value) in self.held.iter().zip(figures.held) {
            counter.absolute(value);
        }
    }
}

/// What a trunk's label shows.
#[derive(Default)]
struct TrunkFigures {
    up: u64,
    in_configuration: u64,
    breaker_open: u64,
    in_use: u64,
    capacity: u64,
    openings: u64,
    sip: TrunkCounters,
}

impl TrunkFigures {
    fn add(&mut self, trunk: &TrunkPicture, sip: Option<&TrunkCounters>, openings: u64) {
        self.up += u64::from(trunk.up);
        self.in_configuration += u64::from(!trunk.closed);
        self.breaker_open += u64::from(trunk.breaker_open);
        self.in_use += u64::from(trunk.in_use);
        self.capacity += u64::from(trunk.channels_max);
        self.openings += openings;
        if let Some(sip) = sip {
            self.sip.invites += sip.invites;
            self.sip.challenges_refused += sip.challenges_refused;
            add(&mut self.sip.answers, &sip.answers);
        }
    }
}

struct TrunkHandles {
    up: Gauge,
    breaker: Gauge,
    in_use: Gauge,
    capacity: Gauge,
    openings: Counter,
    invites: Counter,
    challenges_refused: Counter,
    answers: [Counter; ANSWER_CODES.len()],
}

impl TrunkHandles {
    fn new(metrics: &Metrics, trunk: &str) -> Self {
        TrunkHandles {
            up: metrics.gauge(GaugeName::TrunkIsUp, &[trunk]),
            breaker: metrics.gauge(GaugeName::TrunkBreakerIsOpen, &[trunk]),
            in_use: metrics.gauge(GaugeName::TrunkLegs, &[trunk]),
            capacity: metrics.gauge(GaugeName::TrunkCapacity, &[trunk]),
            openings: metrics.counter(CounterName::TrunkBreakerOpenings, &[trunk]),
            invites: metrics.counter(CounterName::TrunkInvites, &[trunk]),
            challenges_refused: metrics.counter(CounterName::TrunkRefusedChallenges, &[trunk]),
            answers: ANSWER_CODES
                .map(|code| metrics.counter(CounterName::TrunkResponses, &[trunk, code])),
        }
    }

    fn set(&self, figures: &TrunkFigures) {
        // A trunk that left the configuration may go down without an alarm: no number, and so no comparison, holds.
        self.up.set(if figures.in_configuration == 0 {
            f64::NAN
        } else {
            flag(figures.up > 0)
        });
        self.breaker.set(flag(figures.breaker_open > 0));
        self.in_use.set(figures.in_use as f64);
        self.capacity.set(figures.capacity as f64);
        self.openings.absolute(figures.openings);
        self.invites.absolute(figures.sip.invites);
        self.challenges_refused
            .absolute(figures.sip.challenges_refused);
        for (counter, value) in self.answers.iter().zip(figures.sip.answers) {
            counter.absolute(value);
        }
    }
}
