//! What being watched costs: one scrape, as the API makes it, and what the floor's thread pays in each turn for its times.
//!
//! `cargo bench --bench scrape`. A scrape runs on a thread of its own; the floor pays only the second part.

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tandem::core::effect::{AfterCall, AgentNews, AgentState, Effect};
use tandem::core::input::{Input, LegEvent};
use tandem::core::picture::{CampaignPicture, Picture, TrunkPicture};
use tandem::core::settings::{CampaignState, DialMode};
use tandem::ids::{AgentId, AttemptId};
use tandem::shell::metrics::calls::CallTimes;
use tandem::shell::metrics::{Backlogs, Metrics, TimingName, input_kind};
use tandem::time::{Mono, UnixMs};
use tandem::wire::sip::counters::TrunkCounters;

fn picture(campaigns: usize, trunks: usize) -> Picture {
    let campaign = |number: usize| CampaignPicture {
        name: format!("PL-B2-HCM-{number:03}"),
        state: CampaignState::Running,
        mode: DialMode::Progressive,
        shadow: None,
        shadow_line_seconds: (0, 0),
        agents_serving: 30,
        previews: 0,
        in_air: 50,
        ringing: 40,
        waiting: 1,
        talking: 20,
        launched: 10_000,
        results: [1_000; 13],
        outcomes: 900,
        hot_leads: 2_000,
        ledger: Default::default(),
        held: [10; 6],
    };
    let trunk = |number: usize| TrunkPicture {
        name: format!("carrier-{number:02}"),
        closed: false,
        up: true,
        breaker_open: false,
        in_use: 90,
        channels_max: 300,
    };
    Picture {
        agents: [0, 100, 200, 50, 1_300, 300, 50],
        campaigns: (0..campaigns).map(campaign).collect(),
        trunks: (0..trunks).map(trunk).collect(),
        store_ready: true,
        attempts_alive: 3_000,
        ..Picture::default()
    }
}

fn scrapes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scrape");
    for (campaigns, trunks) in [(2, 2), (64, 8), (256, 64)] {
        let metrics = Metrics::new();
        for name in TimingName::ALL {
            for us in (0..200_000).step_by(97) {
                metrics.timing(*name).record(Duration::from_micros(us));
            }
        }
        let picture = picture(campaigns, trunks);
        metrics.observe_trunks(vec![TrunkCounters::default(); trunks]);
        metrics.observe(&picture, Backlogs::default());
        let text = metrics.render();
        let series = text.lines().filter(|line| !line.starts_with('#')).count();
        println!(
            "{campaigns} campaigns, {trunks} trunks: {series} series, {} kB",
            text.len() / 1_000
        );
        group.bench_function(BenchmarkId::from_parameter(campaigns), |bencher| {
            bencher.iter(|| {
                metrics.observe(black_box(&picture), Backlogs::default());
                black_box(metrics.render())
            });
        });
    }
    group.finish();
}

fn turns(criterion: &mut Criterion) {
    let metrics = Arc::new(Metrics::new());
    let mut times = CallTimes::new(Arc::clone(&metrics), Mono(0));
    let answered = Input::Leg {
        attempt: AttemptId(7),
        route_try: 1,
        at: Mono(1_000),
        event: LegEvent::Answered,
    };
    let show = Effect::Show {
        attempt: AttemptId(7),
        agent: AgentId(3),
        answered: Mono(1_000),
    };
    let news = Effect::Agent(AgentNews {
        agent: AgentId(3),
        state: AgentState::Reserved,
        since: UnixMs(0),
        until: None,
        attempt: Some(AttemptId(7)),
        after_call: AfterCall::Ready,
    });
    criterion.bench_function("floor/times of one answer", |bencher| {
        bencher.iter(|| {
            times.heard(Mono(1_040), black_box(&answered));
            times.decided(Mono(1_060), black_box(&show));
            times.decided(Mono(1_060), black_box(&news));
            metrics.floor_turn(input_kind(&answered), Duration::from_micros(60));
        });
    });
}

criterion_group!(benches, scrapes, turns);
criterion_main!(benches);
