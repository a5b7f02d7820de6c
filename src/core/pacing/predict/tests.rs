//! The traps that dialers fall into, each as a case.

use super::*;

const START: Mono = Mono(10_000_000_000);

fn at(seconds: f64) -> Mono {
    Mono(START.0 + (seconds * 1e6) as u64)
}

fn campaign() -> CampaignNow {
    CampaignNow {
        weight: 1.0,
        abandoned: 0.0,
        denominator: 0.0,
        abandoned_ever: 0,
        answered_ever: 0,
        target: 0.03,
        is_over_cap: false,
        window_left_s: None,
        patience_s: 2.0,
        may_cancel: false,
    }
}

fn free(class: usize, many: usize) -> Vec<AgentNow> {
    let agent = AgentNow {
        class,
        campaign: 0,
        doing: Doing::Free,
    };
    vec![agent; many]
}

fn stream(campaign: usize, able: &[usize]) -> StreamNow {
    StreamNow {
        campaign,
        able: able.to_vec(),
        most: 1_000,
        ..StreamNow::default()
    }
}

/// Lets a stream learn: one line a second for `seconds`, of which every `one_in`-th is picked up by a person after 11 s.
fn teach(predictor: &mut Predictor, stream: usize, one_in: u64, seconds: u64) {
    for second in 0..seconds {
        let dialled = Mono(START.0 - (seconds - second + 60) * 1_000_000);
        let line = predictor.dialled(stream, dialled);
        if second % one_in == 0 {
            let answered = Mono(dialled.0 + 11_000_000);
            predictor.picked_up(line, answered);
            predictor.person(line, Mono(answered.0 + 800_000));
        } else {
            predictor.ended(line, Mono(dialled.0 + 26_000_000));
        }
    }
    grow(&mut predictor.sources, stream + 1);
}

struct Bed {
    predictor: Predictor,
    agents: Vec<AgentNow>,
    classes: usize,
    streams: Vec<StreamNow>,
    campaigns: Vec<CampaignNow>,
}

impl Bed {
    fn new(agents: Vec<AgentNow>, streams: Vec<StreamNow>, one_in: &[u64]) -> Bed {
        let mut predictor = Predictor::default();
        for (stream, one_in) in one_in.iter().enumerate() {
            teach(&mut predictor, stream, *one_in, 3_000);
        }
        let campaigns = streams.iter().map(|stream| stream.campaign).max();
        let classes = agents.iter().map(|agent| agent.class).max();
        Bed {
            predictor,
            agents,
            classes: classes.map_or(0, |class| class + 1),
            campaigns: vec![campaign(); campaigns.map_or(0, |campaign| campaign + 1)],
            streams,
        }
    }

    fn decide(&mut self, seconds: f64) -> Decision {
        self.predictor.decide(&Scene {
            now: at(seconds),
            classes: self.classes,
            agents: &self.agents,
            streams: &self.streams,
            campaigns: &self.campaigns,
        })
    }
}

#[test]
fn more_lines_than_free_agents_are_started_and_the_fewer_answer_the_more() {
    let started = |one_in: u64| {
        let mut bed = Bed::new(free(0, 10), vec![stream(0, &[0])], &[one_in]);
        bed.decide(0.0).start[0]
    };
    let (few, some, many) = (started(12), started(5), started(3));
    assert!(
        many > 10 && some > many && few > some,
        "{few} {some} {many}"
    );
    assert!(
        few < 12 * 10,
        "not so many that most answers find nobody: {few}"
    );
}

#[test]
fn after_a_failure_of_our_own_trunk_only_probes_go_out_and_then_all_is_as_before() {
    let mut bed = Bed::new(free(0, 10), vec![stream(0, &[0])], &[5]);
    let usual = bed.decide(0.0).start[0];
    for line in 0..40 {
        let line = bed.predictor.dialled(0, at(f64::from(line) / 100.0));
        bed.predictor.failed(line, at(0.5), true);
    }
    assert!(bed.decide(1.0).start[0] <= 1);
    let after = bed.decide(4.0).start[0];
    assert!(after.abs_diff(usual) <= 2, "{usual} before, {after} after");
}

#[test]
fn each_segment_is_dialled_by_its_own_rate_and_not_by_the_lists() {
    let mut bed = Bed::new(
        free(0, 10),
        vec![stream(0, &[0]), stream(0, &[0])],
        &[2, 12],
    );
    bed.streams[1].most = 0;
    let good = bed.decide(0.0).start[0];
    bed.streams[0].most = 0;
    bed.streams[1].most = 1_000;
    let poor = bed.decide(0.25).start[1];
    assert!(poor > 3 * good, "{good} {poor}");
}

#[test]
fn where_leads_differ_those_likelier_to_answer_go_first_but_never_before_more_urgent_ones() {
    let mut bed = Bed::new(
        free(0, 10),
        vec![stream(0, &[0]), stream(0, &[0])],
        &[12, 2],
    );
    let start = bed.decide(0.0).start;
    assert!(start[1] > 0 && start[0] <= 3, "{start:?}");
    bed.streams[0].priority = 5;
    let start = bed.decide(0.25).start;
    assert!(start[0] > 10, "{start:?}");
}

#[test]
fn a_breach_makes_lines_fewer_and_does_not_stop_them() {
    let usual = Bed::new(free(0, 10), vec![stream(0, &[0])], &[5])
        .decide(0.0)
        .start[0];
    let mut bed = Bed::new(free(0, 10), vec![stream(0, &[0])], &[5]);
    // 4 % of 5,000: a hundred too many, of which the next hours can work off a few.
    bed.campaigns[0].abandoned = 200.0;
    bed.campaigns[0].denominator = 5_000.0;
    let breached = bed.decide(0.0).start[0];
    assert!(breached < usual, "{breached} {usual}");
    assert!(
        breached > 10,
        "more than one line per agent still: {breached}"
    );
}

#[test]
fn two_campaigns_do_not_count_the_same_agents_twice() {
    let one = Bed::new(free(0, 20), vec![stream(0, &[0])], &[5])
        .decide(0.0)
        .start[0];
    let mut bed = Bed::new(free(0, 20), vec![stream(0, &[0]), stream(1, &[0])], &[5, 5]);
    let both: u32 = bed.decide(0.0).start.iter().sum();
    assert!(
        both.abs_diff(one) <= one / 8,
        "{both} for both, {one} for one"
    );
}

#[test]
fn a_campaign_that_others_kept_from_agents_comes_next() {
    let mut bed = Bed::new(free(0, 20), vec![stream(0, &[0]), stream(1, &[0])], &[5, 5]);
    let first = bed.decide(0.0).start;
    let second = bed.decide(0.25).start;
    let turn = |start: &[u32]| start[0] > start[1];
    assert_ne!(turn(&first), turn(&second), "{first:?} {second:?}");
}

#[test]
fn a_rare_skill_is_not_overbooked_and_leaves_the_others_their_agents() {
    // Class 1 can take both streams, class 0 only the first.
    let mut agents = free(0, 18);
    agents.extend(free(1, 2));
    let mut bed = Bed::new(agents, vec![stream(0, &[0, 1]), stream(1, &[1])], &[5, 5]);
    bed.streams[0].most = 0;
    let rare = bed.decide(0.0).start[1];
    assert!(
        (1..=8).contains(&rare),
        "two agents carry few lines: {rare}"
    );
    bed.streams[0].most = 1_000;
    let start = bed.decide(0.25).start;
    assert!(start[0] > 30, "{start:?}");
}

#[test]
fn people_who_wait_and_agents_who_leave_carry_no_lines() {
    let mut bed = Bed::new(free(0, 5), vec![stream(0, &[0])], &[5]);
    let usual = bed.decide(0.0).start[0];
    bed.streams[0].waiting = 4;
    assert!(bed.decide(0.25).start[0] < usual / 2);
    bed.agents.clear();
    assert_eq!(bed.decide(0.5).start[0], 0);
}

#[test]
fn what_was_learned_survives_a_restart() {
    let mut bed = Bed::new(free(0, 10), vec![stream(0, &[0])], &[12]);
    let before = bed.decide(100.0).start[0];
    let (phones, work) = (
        bed.predictor.phones_learned(),
        bed.predictor.work_learned(0),
    );
    let kept = serde_json::to_string(&(&phones, &work, bed.predictor.answers_learned(0))).unwrap();
    let mut again = Bed::new(free(0, 10), vec![stream(0, &[0])], &[]);
    let cold = Bed::new(free(0, 10), vec![stream(0, &[0])], &[])
        .decide(0.0)
        .start[0];
    let (phones_again, work_again, answers): (PhonesLearned, WorkKept, AnswersKept) =
        serde_json::from_str(&kept).unwrap();
    assert_eq!((&phones_again, &work_again), (&phones, &work));
    again.predictor.recall_phones(&phones_again);
    again.predictor.recall_work(0, &work_again);
    again.predictor.recall_answers(0, &answers);
    assert_eq!(
        (
            again.predictor.phones_learned(),
            again.predictor.answers_learned(0)
        ),
        (phones, answers),
        "kept again, it is the same to the last digit"
    );
    let after = again.decide(0.0).start[0];
    assert!(after.abs_diff(before) <= before / 8 + 1, "{before} {after}");
    assert!(
        cold < before * 2 / 3,
        "a cold start is careful: {cold} {before}"
    );
}

#[test]
fn the_same_floor_decides_the_same() {
    let decide = || {
        let mut bed = Bed::new(free(0, 10), vec![stream(0, &[0])], &[5]);
        (0..20)
            .map(|tick| bed.decide(f64::from(tick)).start[0])
            .collect::<Vec<_>>()
    };
    assert_eq!(decide(), decide());
}

#[test]
fn the_largest_allowed_number_is_found_from_any_hint() {
    for most in 1..40 {
        for limit in 0..50 {
            for hint in [0, 1, 3, 17, 60] {
                let found = largest(most, hint, |lines| lines <= limit);
                let exact = most.min(limit + 1);
                let is_near = found <= exact && found + exact / 16 >= exact;
                assert!(is_near, "{most} {limit} {hint}: {found}");
            }
        }
    }
}

#[test]
fn a_mixed_list_tends_to_its_average() {
    assert_eq!(mixed_chance(None, 0.4, 50.0), 0.4);
    let near = mixed_chance(Some((0.5, 0.1)), 0.4, 2.0);
    let far = mixed_chance(Some((0.5, 0.1)), 0.4, 500.0);
    assert!(near > far && (far - 0.1).abs() < 0.01, "{near} {far}");
    assert_eq!(mixed_chance(Some((1.0, 0.1)), 0.4, 500.0), 0.4);
}
