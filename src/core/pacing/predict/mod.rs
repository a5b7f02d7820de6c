//! Predictive pacing: how many lines of each stream to start so that agents are kept busy and the abandon cap is kept. One decision
//! per floor and tick, over all campaigns and skills.
//!
//! It learns how long phones take to be picked up, how likely each stream's leads are, how long agents talk and wrap up. From what
//! is in the air and who is at what, it forecasts answers and free agents for the next half minute, and starts lines as long as one
//! more costs no more than the campaign's abandon budget can pay. Owns what it has learned; dials nobody, reads no clock.
//!
//! Streams that can use the same agents are weighed together: for every set of agents that some stream is confined to (and the
//! unions of such sets), the calls confined to it must find enough of them (Hall's condition), so that no agent is counted twice.

mod kept;
mod learned;
mod outlook;
mod source;
mod spend;
mod twin;
mod work;

use crate::core::Map;
use crate::time::Mono;
pub use kept::{
    AnswersKept, CAMPAIGNS_KEPT, CampaignLearned, Counts, Learned, PhonesLearned, STREAMS_KEPT,
    StreamLearned, WorkKept,
};
use learned::Spread;
use outlook::{AHEAD, Outlook};
pub use source::Line;
use source::{OLD_S, Source};
use spend::Spend;
pub use twin::Twins;
use work::{REACH, TALK_STEPS, WRAP_STEPS, Work, talk_step};

/// Most sets of agents that are weighed.
const SETS_MAX: usize = 24;
/// Steps of elapsed talk and wrap-up.
const STEPS: usize = TALK_STEPS + WRAP_STEPS;
/// A call that rings on is cancelled where one more line would cost so many times what it may.
const CANCEL_AT: f64 = 4.0;
/// After a failure of our own trunk, lines are probes for this long.
const PROBING_S: f64 = 3.0;

/// What an agent at work does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Waits for a call.
    Free,
    /// Talks (or is being joined) since.
    Talk(Mono),
    /// Wraps up since.
    Wrap(Mono),
}

/// An agent at work who will go on working.
#[derive(Clone, Copy, Debug)]
pub struct AgentNow {
    /// His class.
    pub class: usize,
    /// For which campaign.
    pub campaign: usize,
    /// What he does.
    pub doing: Doing,
}

/// A stream of leads.
#[derive(Clone, Debug, Default)]
pub struct StreamNow {
    /// Whose.
    pub campaign: usize,
    /// Classes of agents who can take its calls, ascending.
    pub able: Vec<usize>,
    /// People on the line now, with nobody.
    pub waiting: u32,
    /// Most lines that may be started now; 0: none, or not by prediction.
    pub most: u32,
    /// Priority of its next lead.
    pub priority: i32,
    /// Where the leads of several streams are mixed in one list: the chance that the next lead is of the same stream, and the
    /// answer rate of the list.
    pub mixed: Option<(f64, f64)>,
}

/// A campaign, with its ledger's figures.
#[derive(Clone, Copy, Debug)]
pub struct CampaignNow {
    /// Share of contested agents.
    pub weight: f64,
    /// People lost in the window, and answers of the window.
    pub abandoned: f64,
    /// The same, answers.
    pub denominator: f64,
    /// People lost and answers ever counted.
    pub abandoned_ever: u64,
    /// Answers ever counted.
    pub answered_ever: u64,
    /// What pacing steers at, 0..=1.
    pub target: f64,
    /// Whether the hard cap above the target is passed.
    pub is_over_cap: bool,
    /// Seconds until the window closes; `None`: it rolls.
    pub window_left_s: Option<f64>,
    /// Seconds that a person waits before being lost.
    pub patience_s: f64,
    /// Whether calls that ring on may be cancelled when nobody will be free.
    pub may_cancel: bool,
}

/// The floor at one instant.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// When.
    pub now: Mono,
    /// How many classes of agents there are.
    pub classes: usize,
    /// Agents at work who will stay.
    pub agents: &'a [AgentNow],
    /// All streams; the same numbers from tick to tick.
    pub streams: &'a [StreamNow],
    /// All campaigns.
    pub campaigns: &'a [CampaignNow],
}

/// What is to be done.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Lines to start, by stream.
    pub start: Vec<u32>,
    /// Streams whose long-ringing calls nobody will be free for.
    pub cancel: Vec<bool>,
    /// What was expected, by stream.
    pub expects: Vec<Expects>,
}

/// The forecast behind a stream's decision, over the mean time to an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expects {
    /// Seconds ahead.
    pub within_s: f64,
    /// Agents free by then who can take its calls.
    pub agents: f64,
    /// Answers by then that need one of them.
    pub answers: f64,
    /// Chance that a line of the stream is answered by a person.
    pub answer_rate: f64,
    /// What one more line would have cost before anything was started: a chance.
    pub cost: f64,
    /// What it was allowed to cost.
    pub price: f64,
}

/// The model.
#[derive(Clone, Debug)]
pub struct Predictor {
    /// From the dial to the pick-up, of those picked up.
    pick_up: Spread,
    /// From the dial to any other end.
    ended: Spread,
    /// From the pick-up to the verdict, of people and of machines.
    person: Spread,
    machine: Spread,
    sources: Vec<Source>,
    work: Vec<Work>,
    spend: Vec<Spend>,
    /// Calls under answer analysis.
    analysed: Vec<(Line, Mono)>,
    /// Answers expected of contested agents so far, by campaign, over its weight.
    given: Vec<f64>,
    latest: Mono,
    refreshed: Option<Mono>,
    probing_until: Mono,
    started_last: u32,
}

impl Default for Predictor {
    fn default() -> Self {
        const PICK_UP: [(f64, f64); 9] = [
            (1.5, 0.0),
            (4.0, 0.03),
            (6.0, 0.1),
            (8.0, 0.22),
            (11.0, 0.47),
            (14.0, 0.66),
            (18.0, 0.83),
            (22.0, 0.94),
            (28.0, 1.0),
        ];
        const ENDED: [(f64, f64); 4] = [(1.0, 0.0), (6.0, 0.15), (25.0, 0.2), (27.5, 1.0)];
        Predictor {
            pick_up: Spread::new(0.25, 160, &PICK_UP, 40.0, 6_000.0),
            ended: Spread::new(0.25, 160, &ENDED, 40.0, 6_000.0),
            person: Spread::new(0.1, 64, &[(0.2, 0.0), (1.5, 1.0)], 20.0, 3_000.0),
            machine: Spread::new(0.1, 64, &[(0.5, 0.0), (4.5, 1.0)], 20.0, 3_000.0),
            sources: Vec::new(),
            work: Vec::new(),
            spend: Vec::new(),
            analysed: Vec::new(),
            given: Vec::new(),
            latest: Mono(0),
            refreshed: None,
            probing_until: Mono(0),
            started_last: 0,
        }
    }
}

fn grow<T: Default>(list: &mut Vec<T>, least: usize) {
    while list.len() < least {
        list.push(T::default());
    }
}

fn seconds(from: Mono, until: Mono) -> f64 {
    until.since(from).as_secs_f64()
}

impl Predictor {
    /// A line of a stream is started.
    pub fn dialled(&mut self, stream: usize, at: Mono) -> Line {
        grow(&mut self.sources, stream + 1);
        self.sources[stream].dialled(stream, at)
    }

    /// Something picked up. Without answer analysis, [`Predictor::person`] follows at the same instant.
    pub fn picked_up(&mut self, line: Line, at: Mono) {
        self.pick_up.add(seconds(line.dialled, at));
        self.sources[line.source].picked_up(line);
        self.analysed.push((line, at));
    }

    /// It is a person, who needs an agent now.
    pub fn person(&mut self, line: Line, at: Mono) {
        self.verdict(line, at, true);
    }

    /// It is a machine; the call is gone.
    pub fn machine(&mut self, line: Line, at: Mono) {
        self.verdict(line, at, false);
    }

    fn verdict(&mut self, line: Line, at: Mono, is_person: bool) {
        let Some(place) = self.analysed.iter().position(|(known, _)| *known == line) else {
            return;
        };
        let (_, since) = self.analysed.swap_remove(place);
        let spread = if is_person {
            &mut self.person
        } else {
            &mut self.machine
        };
        spread.add(seconds(since, at));
        self.sources[line.source].verdict(is_person);
    }

    /// A call of a stream went to an agent of this class.
    pub fn matched(&mut self, stream: usize, class: usize) {
        grow(&mut self.sources, stream + 1);
        self.sources[stream].matched(class);
    }

    /// Nobody answered: busy, refused, rang out.
    pub fn ended(&mut self, line: Line, at: Mono) {
        self.ended.add(seconds(line.dialled, at));
        self.sources[line.source].ended(line);
    }

    /// Our own trunk failed, or nothing was sent: this says nothing about the list.
    pub fn failed(&mut self, line: Line, at: Mono, by_trunk: bool) {
        self.sources[line.source].void(line);
        if by_trunk {
            self.probing_until = at + std::time::Duration::from_secs_f64(PROBING_S);
        }
    }

    /// We cancelled it while it rang, or it was cut off under analysis.
    pub fn cut(&mut self, line: Line, at: Mono) {
        if let Some(place) = self.analysed.iter().position(|(known, _)| *known == line) {
            self.analysed.swap_remove(place);
            return;
        }
        let seen = self.pick_up.share(seconds(line.dialled, at));
        self.sources[line.source].cut(line, seen);
    }

    /// A conversation of a campaign lasted so long.
    pub fn talked(&mut self, campaign: usize, seconds: f64) {
        grow(&mut self.work, campaign + 1);
        self.work[campaign].talked(seconds);
    }

    /// A wrap-up lasted so long, and the agent goes on (or leaves).
    pub fn wrapped(&mut self, campaign: usize, seconds: f64, leaves: bool) {
        grow(&mut self.work, campaign + 1);
        self.work[campaign].wrapped(seconds, leaves);
    }

    /// Chance that a line of a stream is answered by a person, as estimated at the last decision.
    pub fn answer_rate(&self, stream: usize) -> f64 {
        self.sources.get(stream).map_or(0.0, Source::answer)
    }

    /// One decision.
    pub fn decide(&mut self, scene: &Scene<'_>) -> Decision {
        self.prepare(scene);
        let mut decision = Decision {
            start: vec![0; scene.streams.len()],
            cancel: vec![false; scene.streams.len()],
            expects: vec![Expects::default(); scene.streams.len()],
        };
        let mut sets = self.sets(scene);
        let prices = self.prices(scene, &sets);
        let mut order: Vec<usize> = (0..scene.streams.len())
            .filter(|stream| {
                scene.streams[*stream].most > 0 && !scene.streams[*stream].able.is_empty()
            })
            .collect();
        // Who has had least of the shared agents; then the more urgent leads; then those likelier to answer, who leave less to chance.
        order.sort_by(|a, b| {
            let key = |stream: usize| {
                let now = &scene.streams[stream];
                (
                    self.given[now.campaign],
                    -now.priority,
                    -self.sources[stream].answer(),
                )
            };
            let (a_key, b_key) = (key(*a), key(*b));
            a_key
                .0
                .total_cmp(&b_key.0)
                .then(a_key.1.cmp(&b_key.1))
                .then(a_key.2.total_cmp(&b_key.2))
                .then(a.cmp(b))
        });
        let profile = self.profile();
        let mut started = 0;
        for stream in order {
            let now = &scene.streams[stream];
            let spared = self.spared(scene, stream);
            let of: Vec<usize> = (0..sets.len())
                .filter(|set| {
                    sets[*set].holds(&now.able)
                        || spared
                            .as_ref()
                            .is_some_and(|spared| sets[*set].classes == *spared)
                })
                .collect();
            let own = self.sources[stream].answer();
            let chance = |lines: f64| mixed_chance(now.mixed, own, lines);
            let cost = |lines: f64| {
                of.iter()
                    .map(|set| {
                        sets[*set]
                            .outlook
                            .cost_of_one_more(lines, chance(lines), &profile)
                    })
                    .fold(0.0, f64::max)
            };
            let price = prices[stream];
            let first = cost(0.0);
            decision.expects[stream] = self.expects(stream, &sets, &of, first, price);
            if first > price {
                decision.cancel[stream] =
                    scene.campaigns[now.campaign].may_cancel && first > CANCEL_AT * price;
                continue;
            }
            let mut most = now.most;
            if scene.now < self.probing_until {
                most = most.min(1);
            }
            let lines = largest(most, self.started_last, |lines| {
                cost(f64::from(lines)) <= price
            });
            decision.start[stream] = lines;
            started += lines;
            let (lines, chance) = (f64::from(lines), chance(f64::from(lines)));
            self.given[now.campaign] +=
                lines * chance / scene.campaigns[now.campaign].weight.max(1.0);
            for set in of {
                sets[set].outlook.lines += lines;
                let (mean, variance) = &mut sets[set].outlook.demand;
                for second in 1..=AHEAD {
                    let each = chance * profile[second];
                    mean[second] += lines * each;
                    variance[second] += lines * each * (1.0 - each);
                }
            }
        }
        self.started_last = started;
        decision
    }

    fn prepare(&mut self, scene: &Scene<'_>) {
        grow(&mut self.sources, scene.streams.len());
        grow(&mut self.work, scene.campaigns.len());
        grow(&mut self.spend, scene.campaigns.len());
        grow(&mut self.given, scene.campaigns.len());
        // A campaign that had nothing to dial has no claim on the past: nobody lags more than ten answers behind.
        let most = self.given.iter().copied().fold(0.0, f64::max);
        for given in &mut self.given {
            *given = given.max(most - 10.0) - if most > 1e6 { 1e6 - 10.0 } else { 0.0 };
            *given = given.max(0.0);
        }
        let is_due = self
            .refreshed
            .is_none_or(|last| seconds(last, scene.now) >= 5.0);
        if is_due {
            self.refreshed = Some(scene.now);
            for spread in [
                &mut self.pick_up,
                &mut self.ended,
                &mut self.person,
                &mut self.machine,
            ] {
                spread.refresh();
            }
            self.work.iter_mut().for_each(Work::refresh);
        }
        let passed = seconds(self.latest, scene.now);
        self.latest = scene.now;
        for source in &mut self.sources {
            source.estimate(scene.now, passed, &self.pick_up);
        }
    }

    /// By each second from its dial, the share of people who have answered (verdict included).
    fn profile(&self) -> [f64; AHEAD + 1] {
        let analysis = self.person.mean_s();
        std::array::from_fn(|second| self.pick_up.share(second as f64 - analysis))
    }

    /// The sets of agents that are weighed, with what is to come for each.
    fn sets(&self, scene: &Scene<'_>) -> Vec<Set> {
        let mut sets: Vec<Set> = Vec::new();
        for stream in scene.streams {
            if !stream.able.is_empty() && !sets.iter().any(|set| set.classes == stream.able) {
                sets.push(Set::new(stream.able.clone()));
            }
        }
        // What is left to a stream when it spares rarer agents for those who need them.
        for stream in scene.streams {
            for rarer in scene.streams {
                let rest = without(&stream.able, &rarer.able);
                let is_new = !sets.iter().any(|set| set.classes == rest);
                if is_rarer(&rarer.able, &stream.able) && is_new && sets.len() < SETS_MAX {
                    sets.push(Set::new(rest));
                }
            }
        }
        let mut at = 0;
        while at < sets.len() && sets.len() < SETS_MAX {
            for other in 0..at {
                let (a, b) = (&sets[at].classes, &sets[other].classes);
                if !a.iter().any(|class| b.binary_search(class).is_ok()) {
                    continue;
                }
                let mut both: Vec<usize> = a.iter().chain(b).copied().collect();
                both.sort_unstable();
                both.dedup();
                if !sets.iter().any(|set| set.classes == both) && sets.len() < SETS_MAX {
                    sets.push(Set::new(both));
                }
            }
            at += 1;
        }
        self.supply(scene, &mut sets);
        self.demand(scene, &mut sets);
        sets
    }

    /// The agents that a stream makes do with while a campaign that can use only some of them has had less than its share: its lines
    /// must find enough of the others, or those who need the rare ones would never see them free.
    fn spared(&self, scene: &Scene<'_>, stream: usize) -> Option<Vec<usize>> {
        let now = &scene.streams[stream];
        let mut able = now.able.clone();
        for other in scene.streams {
            if other.most > 0
                && other.campaign != now.campaign
                && is_rarer(&other.able, &now.able)
                && self.given[other.campaign] < self.given[now.campaign]
            {
                let rest = without(&able, &other.able);
                if !rest.is_empty() {
                    able = rest;
                }
            }
        }
        (able.len() < now.able.len()).then_some(able)
    }

    fn supply(&self, scene: &Scene<'_>, sets: &mut [Set]) {
        // Agents who are at the same for as long are counted, not looked at one by one.
        let mut kinds: Map<(usize, usize), usize> = Map::default();
        let mut busy: Vec<(usize, usize, [u32; STEPS])> = Vec::new();
        let mut free = vec![0i32; scene.classes];
        for agent in scene.agents {
            let step = match agent.doing {
                Doing::Free => {
                    free[agent.class] += 1;
                    continue;
                }
                Doing::Talk(since) => talk_step(seconds(since, scene.now)),
                Doing::Wrap(since) => {
                    let step = seconds(since, scene.now) as usize;
                    TALK_STEPS + step.min(WRAP_STEPS - 1)
                }
            };
            let kind = *kinds
                .entry((agent.class, agent.campaign))
                .or_insert_with(|| {
                    busy.push((agent.class, agent.campaign, [0; STEPS]));
                    busy.len() - 1
                });
            busy[kind].2[step] += 1;
        }
        for (class, free) in free.iter().enumerate() {
            for set in sets.iter_mut().filter(|set| set.has(class)) {
                set.outlook.free += free;
                set.agents += free;
            }
        }
        for (class, campaign, counts) in &busy {
            let work = &self.work[*campaign];
            let (mut mean, mut variance) = ([0.0; REACH + 1], [0.0; REACH + 1]);
            let mut all = 0;
            for (step, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                all += *count as i32;
                let by = match step.checked_sub(TALK_STEPS) {
                    None => work.after_talk(step),
                    Some(wrap) => work.after_wrap(wrap),
                };
                let count = f64::from(*count);
                for second in 0..=REACH {
                    mean[second] += count * by[second];
                    variance[second] += count * by[second] * (1.0 - by[second]);
                }
            }
            for set in sets.iter_mut().filter(|set| set.has(*class)) {
                set.agents += all;
                set.outlook.busy += all as u32;
                for second in 0..=REACH {
                    set.outlook.supply.0[second] += mean[second];
                    set.outlook.supply.1[second] += variance[second];
                }
            }
        }
    }

    fn demand(&self, scene: &Scene<'_>, sets: &mut [Set]) {
        let analysis = self.person.mean_s();
        for (stream, now) in scene.streams.iter().enumerate() {
            let source = &self.sources[stream];
            let (mut mean, mut variance) = ([0.0; AHEAD + 1], [0.0; AHEAD + 1]);
            let (pick_up, person) = (source.pick_up, source.person());
            let mut open = 0.0;
            for cohort in &source.cohorts {
                let age = seconds(cohort.dialled, scene.now);
                if cohort.alive <= 0.0 || age > OLD_S {
                    continue;
                }
                let picked = self.pick_up.share(age);
                let alive =
                    pick_up * (1.0 - picked) + (1.0 - pick_up) * (1.0 - self.ended.share(age));
                if alive < 1e-6 {
                    continue;
                }
                open += cohort.alive;
                let scale = pick_up * person / alive;
                for second in 1..=AHEAD {
                    let by = self.pick_up.share(age + second as f64 - analysis) - picked;
                    let each = (by * scale).clamp(0.0, 1.0);
                    mean[second] += cohort.alive * each;
                    variance[second] += cohort.alive * each * (1.0 - each);
                }
            }
            // That the estimated rate itself may be wrong concerns all lines alike.
            for second in 1..=AHEAD {
                variance[second] += mean[second] * mean[second] * source.doubt;
            }
            for (_, since) in self
                .analysed
                .iter()
                .filter(|(line, _)| line.source == stream)
            {
                let age = seconds(*since, scene.now);
                let told = self.person.share(age);
                let undecided =
                    person * (1.0 - told) + (1.0 - person) * (1.0 - self.machine.share(age));
                if undecided < 1e-9 {
                    continue;
                }
                open += 1.0;
                for second in 1..=AHEAD {
                    let by = self.person.share(age + second as f64) - told;
                    let each = (person * by / undecided).clamp(0.0, 1.0);
                    mean[second] += each;
                    variance[second] += each * (1.0 - each);
                }
            }
            let patience = scene
                .campaigns
                .get(now.campaign)
                .map_or(2.0, |campaign| campaign.patience_s);
            // Calls that others could take as well take their part of rare agents.
            for set in sets.iter_mut().filter(|set| !set.holds(&now.able)) {
                let share = source.share_of(&set.classes);
                for second in 1..=AHEAD {
                    set.outlook.demand.0[second] += share * mean[second];
                    set.outlook.demand.1[second] += share * variance[second];
                }
                set.outlook.lines += open * f64::from(u8::from(share > 0.0));
            }
            for set in sets.iter_mut().filter(|set| set.holds(&now.able)) {
                set.streams.push(stream);
                set.outlook.lines += open;
                set.outlook.free -= now.waiting as i32;
                set.outlook.patience = set.outlook.patience.min(patience as usize);
                for second in 1..=AHEAD {
                    set.outlook.demand.0[second] += mean[second];
                    set.outlook.demand.1[second] += variance[second];
                }
            }
        }
    }

    /// What one more line of each stream may cost. Campaigns that share agents pay the price of the poorest of them: a richer one
    /// would take the agents and leave the other nothing to earn its way back with.
    fn prices(&mut self, scene: &Scene<'_>, sets: &[Set]) -> Vec<f64> {
        let mut own = vec![None; scene.campaigns.len()];
        for (stream, now) in scene.streams.iter().enumerate() {
            if now.most == 0 || own[now.campaign].is_some() {
                continue;
            }
            let widest = sets
                .iter()
                .filter(|set| set.holds(&now.able))
                .max_by_key(|set| set.agents);
            let agents = widest.map_or(0.0, |set| f64::from(set.agents));
            let rate = (agents / self.work[now.campaign].handle_s().max(1.0)).max(0.01);
            let answer = self.sources[stream].answer();
            let price =
                self.spend[now.campaign].price(&scene.campaigns[now.campaign], answer, rate);
            own[now.campaign] = Some(price);
        }
        let price_of = |stream: usize| own[scene.streams[stream].campaign].unwrap_or(1.0);
        (0..scene.streams.len())
            .map(|stream| {
                let shared = sets
                    .iter()
                    .filter(|set| set.streams.contains(&stream))
                    .flat_map(|set| &set.streams)
                    .filter(|other| scene.streams[**other].most > 0);
                shared.fold(price_of(stream), |least, other| least.min(price_of(*other)))
            })
            .collect()
    }

    fn expects(&self, stream: usize, sets: &[Set], of: &[usize], cost: f64, price: f64) -> Expects {
        let within = (self.pick_up.mean_s() as usize).clamp(1, AHEAD);
        let Some(set) = of
            .iter()
            .map(|set| &sets[*set])
            .min_by_key(|set| set.agents)
        else {
            return Expects::default();
        };
        Expects {
            within_s: within as f64,
            agents: f64::from(set.outlook.free.max(0)) + set.outlook.supply.0[within],
            answers: set.outlook.demand.0[within],
            answer_rate: self.sources[stream].answer(),
            cost,
            price,
        }
    }
}

/// A set of classes, and what is to come for it.
#[derive(Debug)]
struct Set {
    /// Ascending.
    classes: Vec<usize>,
    outlook: Outlook,
    /// Streams confined to it.
    streams: Vec<usize>,
    /// Agents at work.
    agents: i32,
}

impl Set {
    fn new(classes: Vec<usize>) -> Set {
        Set {
            classes,
            outlook: Outlook::new(0, usize::MAX),
            streams: Vec::new(),
            agents: 0,
        }
    }

    fn has(&self, class: usize) -> bool {
        self.classes.binary_search(&class).is_ok()
    }

    fn holds(&self, able: &[usize]) -> bool {
        !able.is_empty()
            && able
                .iter()
                .all(|class| self.classes.binary_search(class).is_ok())
    }
}

/// Whether some, but not all, of `all` make up `some`.
fn is_rarer(some: &[usize], all: &[usize]) -> bool {
    !some.is_empty()
        && some.len() < all.len()
        && some.iter().all(|class| all.binary_search(class).is_ok())
}

fn without(all: &[usize], some: &[usize]) -> Vec<usize> {
    let rest = all
        .iter()
        .filter(|class| some.binary_search(class).is_err());
    rest.copied().collect()
}

/// Chance that each of so many next lines is answered, where the list mixes streams.
fn mixed_chance(mixed: Option<(f64, f64)>, own: f64, lines: f64) -> f64 {
    let Some((same, average)) = mixed else {
        return own;
    };
    if lines <= 1.0 || same > 0.999 {
        return own;
    }
    // The n-th is still of this stream with same^n: a geometric sum, by halving.
    let (mut power, mut base, mut left) = (1.0, same, lines as u32);
    while left > 0 {
        if left & 1 == 1 {
            power *= base;
        }
        base *= base;
        left >>= 1;
    }
    let of_this = (1.0 - power) / (1.0 - same) / lines;
    average + (own - average) * of_this
}

/// The largest number of lines up to `most` of which the last is still allowed: `may(n)` says whether one more is, after `n`.
/// `may(0)` is known to hold.
fn largest(most: u32, hint: u32, mut may: impl FnMut(u32) -> bool) -> u32 {
    if most <= 1 {
        return most;
    }
    // `low` more are allowed, `high` are not.
    let (mut low, mut reach) = (0, hint.max(1));
    let mut high = loop {
        if reach >= most {
            if may(most - 1) {
                return most;
            }
            break most - 1;
        }
        if may(reach) {
            low = reach;
            reach = reach.saturating_mul(2);
        } else {
            break reach;
        }
    };
    // To a sixteenth: the next decision comes before any of these lines is answered.
    while high - low > 1 + low / 16 {
        let middle = low + (high - low) / 2;
        if may(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    low + 1
}

#[cfg(test)]
mod tests;
