//! What a card costs: staged while the phone rings, pushed at the answer, and the cards on request.
//!
//! `cargo bench --bench card`. Only `push` and, for a card that is not ready, `minimal` lie on the path that the customer feels.

use criterion::{Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use tandem::ids::AttemptId;
use tandem::time::UnixMs;
use tandem::wire::desk::card::{CardContext, minimal, stage};
use tandem::wire::desk::client::{CallId, CardName};
use tandem::wire::desk::expansion;
use tandem::wire::desk::facts::CustomerFacts;
use tandem::wire::desk::server::connected;

const HUONG: &str = include_str!("../tests/data/desk/huong.json");
const PHONE: &str = "+84900000412";

fn facts() -> CustomerFacts {
    serde_json::from_str(HUONG).expect("a well-formed example")
}

/// As the cards' worker reads it.
fn outline() -> CustomerFacts {
    CustomerFacts::outline(black_box(HUONG)).expect("a well-formed example")
}

fn context() -> CardContext {
    CardContext {
        campaign: "PL-B2-HCM".into(),
        why: None,
        mode: "auto".into(),
        outcome_set: ("OUT-COLL".into(), 3),
        hot: [
            "RPC_PTP",
            "RPC_CB",
            "RPC_REFUSE",
            "WRONG_NO",
            "RPC_HARDSHIP",
            "RPC_DISPUTE",
        ]
        .map(str::to_owned)
        .to_vec(),
        wrap_s: 25,
        home_prefix: "+84".into(),
    }
}

fn cards(criterion: &mut Criterion) {
    let context = context();
    let staged = stage(facts(), PHONE, &context);
    let push = || {
        connected(
            black_box(48_213),
            CallId(AttemptId(7_000_001)),
            UnixMs(1_795_429_262_318),
            UnixMs(1_795_429_262_331),
            black_box(&staged.text),
        )
    };
    let timeline =
        || expansion::body(facts(), PHONE, &context, CardName::Timeline).expect("a known card");
    println!(
        "first card {} bytes, timeline {} bytes",
        push().len(),
        timeline().json.len()
    );

    // From the stored text, as the cards' worker does it.
    criterion.bench_function("card/stage", |bench| {
        bench.iter(|| stage(outline(), PHONE, black_box(&context)));
    });
    // The whole of what happens to the bytes at the answer.
    criterion.bench_function("card/push", |bench| bench.iter(push));
    criterion.bench_function("card/minimal", |bench| {
        bench.iter(|| minimal(outline(), PHONE, black_box(&context)));
    });
    criterion.bench_function("card/expand_timeline", |bench| bench.iter(timeline));
    criterion.bench_function("card/expand_customer", |bench| {
        bench.iter(|| expansion::body(facts(), PHONE, &context, CardName::Customer));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().without_plots();
    targets = cards
}
criterion_main!(benches);
