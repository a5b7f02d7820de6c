//! What a shift came to: counts, seconds of agents, waits, minute by minute. Takes notes; judges nothing and drives nothing.

use crate::core::effect::Bound;
use hdrhistogram::Histogram;

/// Longest wait that is told apart, in milliseconds: a day.
const WAIT_MAX_MS: u64 = 86_400_000;
/// Minutes of the rolling window in which the worst abandonment is sought.
pub const WINDOW_MIN: usize = 60;

/// One minute of the whole floor.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Minute {
    /// INVITEs.
    pub dials: u32,
    /// People whom answer analysis found, or who answered without it.
    pub people: u32,
    /// Of them, joined to an agent.
    pub connected: u32,
    /// Of them, nobody was there in time.
    pub abandoned: u32,
    /// Seconds of agents: talking (to machines, too).
    pub talk_s: f64,
    /// In wrap-up.
    pub wrap_s: f64,
    /// Ready, without a call.
    pub idle_s: f64,
    /// On break, but logged in.
    pub away_s: f64,
    /// Lines in the air at its end.
    pub in_air: u32,
}

impl Minute {
    /// Share of the time at work in which agents talked or wrapped up, 0..=1; `None`: nobody was at work.
    pub fn utilisation(&self) -> Option<f64> {
        let busy = self.talk_s + self.wrap_s;
        (busy + self.idle_s > 0.0).then(|| busy / (busy + self.idle_s))
    }

    /// Takes another minute in.
    pub fn add(&mut self, other: &Minute) {
        self.dials += other.dials;
        self.people += other.people;
        self.connected += other.connected;
        self.abandoned += other.abandoned;
        self.talk_s += other.talk_s;
        self.wrap_s += other.wrap_s;
        self.idle_s += other.idle_s;
        self.away_s += other.away_s;
        self.in_air = other.in_air;
    }
}

/// What an agent does, as far as the score tells it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Not logged in.
    Out,
    /// On break.
    Away,
    /// Ready.
    Idle,
    /// In a conversation, or being joined to it.
    Talk,
    /// In wrap-up.
    Wrap,
}

/// One campaign's counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tally {
    /// INVITEs.
    pub dials: u64,
    /// People found.
    pub people: u64,
    /// People joined to an agent.
    pub connected: u64,
    /// People for whom nobody was there in time.
    pub abandoned: u64,
    /// People taken for machines, who heard a click: not in the abandonment, told beside it.
    pub people_lost: u64,
    /// Machines that an agent had to listen to.
    pub machines_passed: u64,
    /// Right parties spoken to.
    pub right_parties: u64,
    /// Connected and abandoned, by minute.
    pub by_minute: Vec<(u32, u32)>,
}

impl Tally {
    /// Abandoned of all people who were connected or abandoned, 0..=1.
    pub fn abandonment(&self) -> f64 {
        share(self.abandoned, self.connected)
    }
    /// The highest abandonment in any rolling hour; of the whole shift if it is shorter.
    pub fn worst_hour(&self) -> f64 {
        worst_window(&self.by_minute)
    }
}

/// Waits of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Waits {
    spread: Histogram<u64>,
    sum_s: f64,
}

impl Default for Waits {
    fn default() -> Self {
        Waits {
            // Three digits between a millisecond and a day always fit.
            spread: Histogram::new_with_bounds(1, WAIT_MAX_MS, 3)
                .expect("the bounds are constants that fit"),
            sum_s: 0.0,
        }
    }
}

impl Waits {
    /// Takes one in.
    pub fn add(&mut self, seconds: f64) {
        self.spread
            .saturating_record(((seconds * 1_000.0) as u64).clamp(1, WAIT_MAX_MS));
        self.sum_s += seconds;
    }
    /// Mean, in seconds; 0 without any.
    pub fn mean_s(&self) -> f64 {
        if self.spread.is_empty() {
            0.0
        } else {
            self.sum_s / self.spread.len() as f64
        }
    }
    /// What this share of the waits is at most, in seconds; 0 without any.
    pub fn quantile_s(&self, share: f64) -> f64 {
        if self.spread.is_empty() {
            0.0
        } else {
            self.spread.value_at_quantile(share) as f64 / 1_000.0
        }
    }
}

/// A whole shift.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// By campaign.
    pub campaigns: Vec<Tally>,
    /// Minute by minute.
    pub minutes: Vec<Minute>,
    /// From ready to the next call.
    pub agent_waits: Waits,
    /// From the answer to the agent, of people who got one.
    pub person_waits: Waits,
    /// Decisions bound by each limit, in the order of [`Bound::ALL`].
    pub bounds: [u64; Bound::ALL.len()],
    /// Calls that the trunk failed.
    pub trunk_failures: u64,
    /// Lists were finished so many seconds into the shift; `None`: not, or they have no end.
    pub finished_s: Option<f64>,
    /// Leads of finite lists that were left over.
    pub leads_left: u64,
    /// Inputs that the floor handled.
    pub inputs: u64,
    /// Truths of the floor that did not hold, and requests that it refused. Anything here is a defect of ours.
    pub faults: Vec<String>,
}

impl Score {
    /// An empty score for so many campaigns and minutes.
    pub fn new(campaigns: usize, minutes: usize) -> Self {
        let tally = Tally {
            by_minute: vec![(0, 0); minutes],
            ..Tally::default()
        };
        Score {
            campaigns: vec![tally; campaigns],
            minutes: vec![Minute::default(); minutes],
            ..Score::default()
        }
    }

    /// An agent did this from `from_s` until `until_s`, in seconds after the start.
    pub fn spend(&mut self, doing: Doing, from_s: f64, until_s: f64) {
        if doing == Doing::Out {
            return;
        }
        let mut from_s = from_s;
        while from_s < until_s {
            let number = (from_s / 60.0) as usize;
            let Some(minute) = self.minutes.get_mut(number) else {
                return;
            };
            let to_s = until_s.min((number + 1) as f64 * 60.0);
            let seconds = to_s - from_s;
            match doing {
                Doing::Out => {}
                Doing::Away => minute.away_s += seconds,
                Doing::Idle => minute.idle_s += seconds,
                Doing::Talk => minute.talk_s += seconds,
                Doing::Wrap => minute.wrap_s += seconds,
            }
            from_s = to_s;
        }
    }

    /// The whole floor and shift as one.
    pub fn total(&self) -> Minute {
        let mut total = Minute::default();
        for minute in &self.minutes {
            total.add(minute);
        }
        total
    }

    /// Share of the time at work in which agents talked or wrapped up, 0..=1.
    pub fn utilisation(&self) -> f64 {
        self.total().utilisation().unwrap_or(0.0)
    }

    /// Abandoned of all people who were connected or abandoned, 0..=1, over all campaigns.
    pub fn abandonment(&self) -> f64 {
        let total = self.total();
        share(u64::from(total.abandoned), u64::from(total.connected))
    }

    /// The highest abandonment of the floor in any rolling hour.
    pub fn worst_hour(&self) -> f64 {
        let minutes = self.minutes.iter();
        let pairs: Vec<(u32, u32)> = minutes
            .map(|minute| (minute.connected, minute.abandoned))
            .collect();
        worst_window(&pairs)
    }

    /// INVITEs per person joined to an agent; 0 without any.
    pub fn dials_per_connect(&self) -> f64 {
        let total = self.total();
        if total.connected == 0 {
            0.0
        } else {
            f64::from(total.dials) / f64::from(total.connected)
        }
    }
}

fn share(abandoned: u64, connected: u64) -> f64 {
    let all = abandoned + connected;
    if all == 0 {
        0.0
    } else {
        abandoned as f64 / all as f64
    }
}

/// Abandonment of each rolling window, by its last minute; shorter ones at the beginning are left out.
pub fn rolling(minutes: &[(u32, u32)]) -> Vec<f64> {
    let window = WINDOW_MIN.min(minutes.len()).max(1);
    minutes
        .windows(window)
        .map(|window| {
            let connected = window.iter().map(|minute| u64::from(minute.0)).sum();
            let abandoned = window.iter().map(|minute| u64::from(minute.1)).sum();
            share(abandoned, connected)
        })
        .collect()
}

fn worst_window(minutes: &[(u32, u32)]) -> f64 {
    rolling(minutes).into_iter().fold(0.0, f64::max)
}
