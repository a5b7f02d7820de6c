//! One predictive decision over a whole floor: forecast, price, and the search for the number of lines. It runs between inputs of the
//! floor, so what it takes is what it may delay an answer by.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use tandem::core::pacing::predict::{AgentNow, CampaignNow, Doing, Predictor, Scene, StreamNow};
use tandem::time::Mono;

/// A floor of `agents` in the middle of a shift, with one and a half lines per agent in the air.
struct Bench {
    predictor: Predictor,
    agents: Vec<AgentNow>,
    streams: Vec<StreamNow>,
    campaigns: Vec<CampaignNow>,
    now: Mono,
}

impl Bench {
    fn new(agents: usize, campaigns: usize) -> Bench {
        let start = 1_000_000_000u64;
        let now = Mono(start + 25_000_000);
        let mut predictor = Predictor::default();
        let lines = agents * 3 / 2;
        for line in 0..lines {
            let at = Mono(start + (line as u64 * 24_000_000) / lines as u64);
            let line = predictor.dialled(line % campaigns, at);
            if line.age_s(now) > 12.0 && (line.age_s(now) as u64).is_multiple_of(5) {
                predictor.picked_up(line, Mono(at.0 + 11_000_000));
                predictor.person(line, Mono(at.0 + 11_800_000));
            }
        }
        let agents = (0..agents)
            .map(|agent| AgentNow {
                class: 0,
                campaign: agent % campaigns,
                doing: match agent % 100 {
                    0 => Doing::Free,
                    1..20 => Doing::Wrap(Mono(now.0 - (agent as u64 % 30) * 1_000_000)),
                    _ => Doing::Talk(Mono(now.0 - (agent as u64 % 200) * 1_000_000)),
                },
            })
            .collect();
        let streams = (0..campaigns)
            .map(|campaign| StreamNow {
                campaign,
                able: vec![0],
                most: 10_000,
                ..StreamNow::default()
            })
            .collect();
        let campaign = CampaignNow {
            weight: 1.0,
            abandoned: 250.0,
            denominator: 10_000.0,
            abandoned_ever: 250,
            answered_ever: 10_000,
            target: 0.025,
            is_over_cap: false,
            window_left_s: None,
            patience_s: 2.0,
            may_cancel: false,
        };
        Bench {
            predictor,
            agents,
            streams,
            campaigns: vec![campaign; campaigns],
            now,
        }
    }

    fn decide(&mut self) -> u32 {
        let decision = self.predictor.decide(&Scene {
            now: self.now,
            classes: 1,
            agents: &self.agents,
            streams: &self.streams,
            campaigns: &self.campaigns,
        });
        decision.start.iter().sum()
    }
}

fn decisions(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decide");
    for agents in [10, 100, 500, 2_000] {
        let mut bench = Bench::new(agents, 1);
        group.bench_function(
            BenchmarkId::new("one campaign, agents", agents),
            |bencher| {
                bencher.iter(|| black_box(bench.decide()));
            },
        );
    }
    let mut bench = Bench::new(2_000, 4);
    group.bench_function("four campaigns, 2,000 agents", |bencher| {
        bencher.iter(|| black_box(bench.decide()));
    });
    group.finish();
}

criterion_group!(benches, decisions);
criterion_main!(benches);
