//! The picture as series: campaigns and trunks, each under its name, a bounded number of them.
//!
//! Labels go to names in the order in which they are first seen, and are never taken back: a configuration that is changed
//! all day cannot grow the monitor without bound. What has no label of its own shares "other".
//!
//! These are nearly all series of a large floor, so they are written here and not by the exporter's registry, which takes
//! 8 us for each (measured: 99 ms for 256 campaigns and 64 trunks, benches/scrape.rs).

use super::names::{CAMPAIGN_LABELS_MAX, CounterName, GaugeName, Label, OTHER, TRUNK_LABELS_MAX};
use super::{Metrics, head};
use crate::core::effect::Bound;
use crate::core::picture::{CampaignPicture, Picture, TrunkPicture};
use crate::core::results::SystemResult;
use crate::core::rules::Gate;
use crate::core::settings::CampaignState;
use crate::wire::sip::counters::{ANSWER_CODES, TrunkCounters};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::sync::atomic::Ordering::Relaxed;

/// Place of a bound in its label.
pub(super) const fn bound_place(bound: Bound) -> usize {
    // Declared in the order of `Bound::ALL`.
    bound as usize
}

/// What the picture shows, kept between scrapes.
#[derive(Default)]
pub(super) struct Shown {
    campaigns: Labelled<CampaignFigures>,
    trunks: Labelled<TrunkFigures>,
    /// Pictures taken in.
    round: u64,
}

/// Figures by name, at most so many, and one sum for the rest.
struct Labelled<F> {
    own: BTreeMap<String, Series<F>>,
    other: Option<Series<F>>,
}

struct Series<F> {
    /// The name as it stands in a label.
    label: String,
    figures: F,
    /// The picture that its counts are of. Several may share a label: the first of a picture starts them anew.
    round: u64,
}

/// Figures that sum up what several of one label have.
trait Sums: Default {
    fn forget_counts(&mut self);
}

impl<F> Default for Labelled<F> {
    fn default() -> Self {
        Labelled {
            own: BTreeMap::new(),
            other: None,
        }
    }
}

impl<F: Sums> Labelled<F> {
    /// The figures of a name, its own or those of the rest, to add to in this round.
    fn of(&mut self, name: &str, most: usize, round: u64) -> &mut F {
        let is_own = self.own.contains_key(name) || (self.own.len() < most && name != OTHER);
        let series = if is_own {
            self.own
                .entry(name.to_owned())
                .or_insert_with(|| Series::of(name))
        } else {
            self.other.get_or_insert_with(|| Series::of(OTHER))
        };
        if series.round != round {
            series.round = round;
            series.figures.forget_counts();
        }
        &mut series.figures
    }

    fn all(&self) -> impl Iterator<Item = &Series<F>> {
        self.own.values().chain(&self.other)
    }

    fn each_mut(&mut self) -> impl Iterator<Item = &mut F> {
        let all = self.own.values_mut().chain(&mut self.other);
        all.map(|series| &mut series.figures)
    }
}

impl<F: Default> Series<F> {
    /// Quotes, backslashes and line ends are escaped as the exposition format wants it.
    fn of(name: &str) -> Self {
        Series {
            label: name
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n"),
            figures: F::default(),
            round: 0,
        }
    }
}

impl Shown {
    /// Takes a picture in.
    pub(super) fn take(&mut self, metrics: &Metrics, picture: &Picture, sip: &[TrunkCounters]) {
        // What is no longer configured shows nothing of now; what it has counted stays, or Prometheus would see a restart.
        self.campaigns
            .each_mut()
            .for_each(CampaignFigures::forget_now);
        self.trunks.each_mut().for_each(TrunkFigures::forget_now);
        self.round += 1;
        for (place, campaign) in picture.campaigns.iter().enumerate() {
            let bound = bound_now(metrics, picture, place, campaign);
            self.campaigns
                .of(&campaign.name, CAMPAIGN_LABELS_MAX, self.round)
                .add(campaign, bound);
        }
        for (place, trunk) in picture.trunks.iter().enumerate() {
            let openings = metrics.breaker_openings.get(place);
            let openings = openings.map_or(0, |openings| openings.load(Relaxed));
            self.trunks
                .of(&trunk.name, TRUNK_LABELS_MAX, self.round)
                .add(trunk, sip.get(place), openings);
        }
    }

    /// Appends all series as Prometheus text.
    pub(super) fn render(&self, text: &mut String) {
        self.campaigns.render(text);
        self.trunks.render(text);
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
    if campaign.state != CampaignState::Running || !campaign.mode.starts_lines() {
        return None;
    }
    if picture.stopped {
        return Some(bound_place(Bound::Stopped));
    }
    if !picture.store_ready {
        return Some(bound_place(Bound::Store));
    }
    if campaign.agents_serving == 0 {
        return Some(bound_place(Bound::Agents));
    }
    let last = metrics.bounds.get(place)?.load(Relaxed);
    usize::from(last).checked_sub(1)
}

/// Writes families whose first label is a name.
struct Page<'a, F> {
    text: &'a mut String,
    of: &'a Labelled<F>,
    key: &'static str,
}

impl<F: Sums> Page<'_, F> {
    /// One series for each name.
    fn family<V: Display>(&mut self, (name, kind, help): Head, value: impl Fn(&F) -> V) {
        head(self.text, name, kind, help);
        for series in self.of.all() {
            self.line(name, &series.label, None, value(&series.figures));
        }
    }

    /// One series for each name and value of a second label.
    fn families<const N: usize>(
        &mut self,
        (name, kind, help): Head,
        key: Label,
        values: [&str; N],
        counts: impl Fn(&F) -> [u64; N],
    ) {
        head(self.text, name, kind, help);
        for series in self.of.all() {
            for (value, count) in values.iter().zip(counts(&series.figures)) {
                self.line(name, &series.label, Some((key.key(), value)), count);
            }
        }
    }

    fn line(&mut self, name: &str, label: &str, second: Option<(&str, &str)>, value: impl Display) {
        let text = &mut *self.text;
        for part in [name, "{", self.key, "=\"", label, "\""] {
            text.push_str(part);
        }
        if let Some((key, value)) = second {
            for part in [",", key, "=\"", value, "\""] {
                text.push_str(part);
            }
        }
        let _ = writeln!(text, "}} {value}");
    }
}

/// Name, type and help of a family.
type Head = (&'static str, &'static str, &'static str);

const fn counter(name: CounterName) -> Head {
    (name.name(), "counter", name.help())
}

const fn gauge(name: GaugeName) -> Head {
    (name.name(), "gauge", name.help())
}

/// What a campaign's label shows; sums where several campaigns share one.
#[derive(Default)]
struct CampaignFigures {
    gauges: [u64; CAMPAIGN_GAUGES.len()],
    excess: f64,
    hard_excess: f64,
    broken: u64,
    bounds: [u64; Bound::ALL.len()],
    launched: u64,
    /// Line-seconds of the live mode, and of its shadow.
    shadowed: [u64; 2],
    outcomes: u64,
    results: [u64; SystemResult::ALL.len()],
    held: [u64; Gate::ALL.len()],
}

const CAMPAIGN_GAUGES: [GaugeName; 13] = [
    GaugeName::CampaignIsRunning,
    GaugeName::CampaignAgents,
    GaugeName::CampaignPreviews,
    GaugeName::CampaignInAir,
    GaugeName::CampaignRinging,
    GaugeName::CampaignWaiting,
    GaugeName::CampaignTalking,
    GaugeName::CampaignHotLeads,
    GaugeName::CampaignWindowAbandoned,
    GaugeName::CampaignWindowServed,
    GaugeName::CampaignWindowExposed,
    GaugeName::CampaignAbandonBudget,
    GaugeName::CampaignIsOverCap,
];

impl Sums for CampaignFigures {
    fn forget_counts(&mut self) {
        (self.launched, self.outcomes, self.broken) = (0, 0, 0);
        self.shadowed = [0; 2];
        self.results = Default::default();
        self.held = Default::default();
    }
}

impl CampaignFigures {
    fn forget_now(&mut self) {
        self.gauges = Default::default();
        (self.excess, self.hard_excess) = (0.0, 0.0);
        self.bounds = Default::default();
    }

    fn add(&mut self, campaign: &CampaignPicture, bound: Option<usize>) {
        let standing = &campaign.ledger.standing;
        let gauges = [
            u64::from(campaign.state == CampaignState::Running),
            u64::from(campaign.agents_serving),
            u64::from(campaign.previews),
            u64::from(campaign.in_air),
            u64::from(campaign.ringing),
            u64::from(campaign.waiting),
            u64::from(campaign.talking),
            u64::from(campaign.hot_leads),
            standing.abandoned,
            standing.served,
            standing.exposed,
            u64::from(standing.budget),
            u64::from(standing.is_over_cap),
        ];
        add(&mut self.gauges, &gauges);
        self.excess += standing.excess;
        self.hard_excess += standing.hard_excess;
        self.broken += campaign.ledger.broken;
        self.launched += campaign.launched;
        let (live, shadow) = campaign.shadow_line_seconds;
        add(&mut self.shadowed, &[live, shadow]);
        self.outcomes += campaign.outcomes;
        add(&mut self.results, &campaign.results);
        add(&mut self.held, &campaign.held);
        if let Some(bound) = bound {
            self.bounds[bound] += 1;
        }
    }

    fn abandoned(&self) -> u64 {
        let place = SystemResult::ALL
            .iter()
            .position(|result| *result == SystemResult::Abandoned);
        place.map_or(0, |place| self.results[place])
    }
}

impl Labelled<CampaignFigures> {
    fn render(&self, text: &mut String) {
        let mut page = Page {
            text,
            of: self,
            key: Label::Campaign.key(),
        };
        for (place, name) in CAMPAIGN_GAUGES.into_iter().enumerate() {
            page.family(gauge(name), |figures| figures.gauges[place]);
        }
        page.families(
            gauge(GaugeName::CampaignIsBound),
            Label::Bound,
            Bound::ALL.map(Bound::word),
            |figures| figures.bounds,
        );
        page.family(gauge(GaugeName::CampaignAbandonExcess), |figures| {
            figures.excess
        });
        page.family(gauge(GaugeName::CampaignCapExcess), |figures| {
            figures.hard_excess
        });
        page.family(counter(CounterName::CampaignBrokenGuarantees), |figures| {
            figures.broken
        });
        page.family(counter(CounterName::CampaignAttempts), |figures| {
            figures.launched
        });
        page.family(counter(CounterName::CampaignShadowLineSeconds), |figures| {
            figures.shadowed[1]
        });
        page.family(
            counter(CounterName::CampaignShadowedLineSeconds),
            |figures| figures.shadowed[0],
        );
        page.family(
            counter(CounterName::CampaignAbandoned),
            CampaignFigures::abandoned,
        );
        page.family(counter(CounterName::CampaignOutcomes), |figures| {
            figures.outcomes
        });
        page.families(
            counter(CounterName::CampaignResults),
            Label::Result,
            SystemResult::ALL.map(SystemResult::code),
            |figures| figures.results,
        );
        page.families(
            counter(CounterName::CampaignHeldLeads),
            Label::Gate,
            Gate::ALL.map(Gate::code),
            |figures| figures.held,
        );
    }
}

/// What a trunk's label shows.
#[derive(Default)]
struct TrunkFigures {
    is_up: bool,
    is_in_configuration: bool,
    breaker_is_open: bool,
    in_use: u64,
    capacity: u64,
    openings: u64,
    sip: TrunkCounters,
}

impl Sums for TrunkFigures {
    fn forget_counts(&mut self) {
        self.openings = 0;
        self.sip = TrunkCounters::default();
    }
}

impl TrunkFigures {
    fn forget_now(&mut self) {
        (self.is_up, self.breaker_is_open) = (false, false);
        (self.in_use, self.capacity) = (0, 0);
    }

    fn add(&mut self, trunk: &TrunkPicture, sip: Option<&TrunkCounters>, openings: u64) {
        self.is_up |= trunk.up;
        self.is_in_configuration |= !trunk.closed;
        self.breaker_is_open |= trunk.breaker_open;
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

impl Labelled<TrunkFigures> {
    fn render(&self, text: &mut String) {
        let mut page = Page {
            text,
            of: self,
            key: Label::Trunk.key(),
        };
        // A trunk that left the configuration may go down without an alarm: no number, and so no comparison, holds.
        page.family(gauge(GaugeName::TrunkIsUp), |trunk| {
            if trunk.is_in_configuration {
                f64::from(u8::from(trunk.is_up))
            } else {
                f64::NAN
            }
        });
        page.family(gauge(GaugeName::TrunkBreakerIsOpen), |trunk| {
            u64::from(trunk.breaker_is_open)
        });
        page.family(gauge(GaugeName::TrunkLegs), |trunk| trunk.in_use);
        page.family(gauge(GaugeName::TrunkCapacity), |trunk| trunk.capacity);
        page.family(counter(CounterName::TrunkBreakerOpenings), |trunk| {
            trunk.openings
        });
        page.family(counter(CounterName::TrunkInvites), |trunk| {
            trunk.sip.invites
        });
        page.family(counter(CounterName::TrunkRefusedChallenges), |trunk| {
            trunk.sip.challenges_refused
        });
        page.families(
            counter(CounterName::TrunkResponses),
            Label::SipCode,
            ANSWER_CODES,
            |trunk| trunk.sip.answers,
        );
    }
}

fn add(into: &mut [u64], from: &[u64]) {
    for (into, from) in into.iter_mut().zip(from) {
        *into += from;
    }
}
