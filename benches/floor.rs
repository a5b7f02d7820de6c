//! Floor events per second at 20, 200, 2,000 and 20,000 agents: whole calls (intent, ring, answer, match, talk, outcome)
//! among agents who are nearly all busy, as on a floor at work; and the same under an abandon guarantee. One element is one input handled.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::Duration;
use tandem::core::dispositions::Disposition;
use tandem::core::effect::{AgentState, Effect};
use tandem::core::floor::Floor;
use tandem::core::input::{AgentSeat, Input, LeadFacts, LegEvent, LegFailure, Wanted};
use tandem::core::settings::{AbandonSettings, AbandonStrength, DialMode};
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId, ZoneId};
use tandem::time::{Mono, Now, UnixMs};

/// Monday 2026-11-23, 09:00 in Ho Chi Minh City.
const START: i64 = 1_795_392_000_000 + 2 * 3_600_000;

/// A floor at work and everybody around it, without any delay but the floor's own.
struct Bench {
    floor: Floor,
    micros: u64,
    next_lead: u64,
    effects: Vec<Effect>,
    ringing: VecDeque<AttemptId>,
    talking: VecDeque<(AgentId, AttemptId)>,
    inputs: u64,
    agents: u32,
}

impl Bench {
    fn new(agents: u32, strength: AbandonStrength) -> Self {
        let mut settings = tandem::sim::world::settings(1);
        settings.floor.hot_leads = 4_000;
        settings.floor.attempts_max = 400_000;
        let campaign = &mut settings.campaigns[0];
        campaign.mode = DialMode::LinesPerFreeAgent { milli: 2_000 };
        campaign.gate.window_from_min = 0;
        campaign.gate.window_until_min = 1_440;
        campaign.lines_max = 100_000;
        campaign.abandon = AbandonSettings {
            strength,
            // Without a guarantee no cap at all: what is measured is the floor, not what a cap makes of the ratio.
            cap_ppm: match strength {
                AbandonStrength::Target => 1_000_000,
                AbandonStrength::Guarantee => 30_000,
            },
            ..AbandonSettings::default()
        };
        campaign.cps_max = 1_000_000;
        for trunk in &mut settings.trunks {
            trunk.channels_max = 100_000;
            trunk.cps_max = 1_000_000;
        }
        let mut bench = Bench {
            floor: Floor::new(settings),
            micros: 0,
            next_lead: 0,
            effects: Vec::new(),
            ringing: VecDeque::new(),
            talking: VecDeque::new(),
            inputs: 0,
            agents,
        };
        bench.feed(Input::TrunkUp(TrunkId(0), true));
        for id in 0..agents {
            let seat = AgentSeat {
                agent: AgentId(id),
                campaigns: vec![(CampaignId(0), 1)],
                skills: Vec::new(),
                needs_audio: false,
            };
            bench.feed(Input::AgentSeated(seat));
            bench.feed(Input::AgentWants(AgentId(id), Wanted::Ready));
        }
        // Until nearly everybody talks.
        for _ in 0..2_000_000 {
            if bench.talking.len() as u32 >= agents - agents.div_ceil(20) {
                break;
            }
            bench.step();
        }
        bench
    }

    fn feed(&mut self, input: Input) {
        // A call is about thirteen inputs and lasts about a hundred seconds; below 2,000 agents time runs as on a floor of 2,000.
        self.micros += 7_700_000 / u64::from(self.agents.max(2_000));
        self.inputs += 1;
        let now = Now {
            mono: Mono(self.micros),
            unix: UnixMs(START + (self.micros / 1_000) as i64),
        };
        let mut effects = std::mem::take(&mut self.effects);
        self.floor.handle(now, black_box(input), &mut effects);
        for effect in effects.drain(..) {
            self.carry_out(effect);
        }
        self.effects = effects;
    }

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Dial(order) => self.feed(Input::IntentDurable(order.attempt, order.route_try)),
            Effect::Release { attempt, .. } => {
                self.leg(attempt, LegEvent::Ringing);
                self.ringing.push_back(attempt);
            }
            Effect::Bridge { attempt, agent } => {
                self.talking.push_back((agent, attempt));
                self.feed(Input::Bridged(attempt));
            }
            Effect::HangUp { attempt } => self.leg(attempt, LegEvent::Ended),
            Effect::Refill { campaign, want } => {
                let leads = (0..want).map(|_| self.lead()).collect();
                self.feed(Input::Leads {
                    campaign,
                    leads,
                    exhausted_until: None,
                });
            }
            Effect::Agent(news) if matches!(news.state, AgentState::Break(_)) => {
                self.feed(Input::AgentWants(news.agent, Wanted::Ready));
            }
            _ => {}
        }
    }

    fn leg(&mut self, attempt: AttemptId, event: LegEvent) {
        self.feed(Input::Leg {
            attempt,
            route_try: 1,
            at: Mono(self.micros),
            event,
        });
    }

    fn lead(&mut self) -> LeadFacts {
        self.next_lead += 1;
        let id = self.next_lead;
        LeadFacts {
            lead: LeadId(id),
            person: PersonId(id),
            number: NumberId(id),
            zone: ZoneId(0),
            callback: false,
            segment: 0,
            priority: (id % 7) as i32,
            not_before: UnixMs(0),
            attempts: 0,
            needs: Vec::new(),
            sticky: None,
            reserved_for: None,
            person_attempts: Vec::new(),
            blocked: false,
        }
    }

    /// One thing happens: a phone answers or does not, an agent finishes, or time passes until the next tick.
    fn step(&mut self) {
        let busy = self.talking.len() as u32;
        if busy >= self.agents - self.agents.div_ceil(20)
            && let Some((agent, attempt)) = self.talking.pop_front()
        {
            self.feed(Input::AgentHangUp(agent, attempt));
            let disposition = Disposition::RpcNoCommit;
            self.feed(Input::AgentOutcome {
                agent,
                attempt,
                request: 1,
                disposition,
                follow_up: None,
            });
            self.feed(Input::AgentWants(agent, Wanted::Ready));
        } else if let Some(attempt) = self.ringing.pop_front() {
            if attempt.0.is_multiple_of(3) {
                self.leg(attempt, LegEvent::Answered);
            } else {
                let failure = LegFailure {
                    status: 480,
                    q850: None,
                    retry_after_s: None,
                };
                self.leg(attempt, LegEvent::Failed(failure));
            }
        } else {
            self.micros += 10_000;
            self.feed(Input::Wake);
        }
    }
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("floor_events");
    group
        .sample_size(10)
        .measurement_time(Duration::from_secs(4));
    let target = AbandonStrength::Target;
    for (agents, strength) in [
        (20, target),
        (200, target),
        (2_000, target),
        (20_000, target),
        (2_000, AbandonStrength::Guarantee),
    ] {
        let mut bench = Bench::new(agents, strength);
        const BATCH: u64 = 100_000;
        group.throughput(Throughput::Elements(BATCH));
        let id = match strength {
            AbandonStrength::Target => BenchmarkId::from_parameter(agents),
            AbandonStrength::Guarantee => BenchmarkId::new("guarantee", agents),
        };
        group.bench_function(id, |bencher| {
            bencher.iter(|| {
                let until = bench.inputs + BATCH;
                while bench.inputs < until {
                    bench.step();
                }
            });
        });
    }
    group.finish();
}

criterion_group!(benches, events);
criterion_main!(benches);
