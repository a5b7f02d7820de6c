//! Leads before they are dialled, and calls made for one agent, as his client sees them.

use crate::harness::{Floor, NAME};
use serde_json::{Value, json};
use tandem::core::effect::{
    AgentState, Effect, PersonalNews, PersonalStage, PreviewEnd, PreviewOffer, Refusal,
};
use tandem::core::input::Input;
use tandem::core::results::SystemResult;
use tandem::core::rules::Gate;
use tandem::core::settings::PreviewTimeout;
use tandem::ids::{AgentId, AttemptId, CampaignId, LeadId};
use tandem::time::UnixMs;

const UNTIL: UnixMs = UnixMs(1_795_429_292_318);

impl Floor {
    fn previews(&self, attempt: u64) {
        self.dials(attempt);
        self.says(7, AgentState::Reserved, Some(attempt));
        self.desks.preview(&PreviewOffer {
            attempt: AttemptId(attempt),
            agent: AgentId(7),
            campaign: CampaignId(0),
            lead: LeadId(attempt),
            until: UNTIL,
            on_timeout: Some(PreviewTimeout::Skip),
            skips_left: Some(2),
        });
    }

    fn progress(&self, attempt: u64, stage: PersonalStage) {
        assert!(self.desks.apply(&Effect::Personal(PersonalNews {
            attempt: AttemptId(attempt),
            agent: AgentId(7),
            stage,
        })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_is_seen_with_its_whole_card_dialled_and_put_through_under_one_name() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.previews(41);
    assert_eq!(minh.next("state").await["state"], "reserved");
    let preview = minh.next("call.preview").await;
    assert_eq!(
        (
            &preview["call"],
            &preview["until_ms"],
            &preview["on_timeout"],
            &preview["skips_left"]
        ),
        (&json!("41"), &json!(UNTIL.0), &json!("skip"), &json!(2))
    );
    assert_eq!(
        (&preview["complete"], &preview["customer"]["name"]),
        (&Value::Null, &json!(NAME))
    );
    minh.say(json!({"type": "expand", "request": 1, "call": "41", "card": "references"}))
        .await;
    assert_eq!(minh.next("card").await["request"], 1);

    minh.say(json!({"type": "dial", "request": 2, "call": "41"}))
        .await;
    let accepted = Input::AgentAccepts {
        agent: AgentId(7),
        attempt: AttemptId(41),
        request: 2,
    };
    assert_eq!(floor.hears(), accepted);
    for (stage, word) in [
        (PersonalStage::Dialling, "dialling"),
        (PersonalStage::Ringing, "ringing"),
    ] {
        floor.progress(41, stage);
        assert_eq!(minh.next("call.progress").await["stage"], word);
    }
    floor.shows(7, 41);
    assert_eq!(minh.next("state").await["state"], "reserved");
    let connected = minh.next("call.connected").await;
    assert_eq!(
        (&connected["call"], &connected["complete"]),
        (&json!("41"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_skip_has_one_of_the_reasons_offered_and_the_screen_is_cleared() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.previews(41);
    minh.next("state").await;
    minh.next("call.preview").await;
    minh.say(json!({"type": "skip", "request": 1, "call": "41", "reason": "bored"}))
        .await;
    let error = minh.next("error").await;
    assert_eq!(
        (&error["code"], &error["field"]),
        (&json!("bad_field"), &json!("reason"))
    );
    floor.hears_nothing();
    // Not offered any more, and still taken from a desk that shows it.
    minh.say(json!({"type": "skip", "request": 2, "call": "41", "reason": "language"}))
        .await;
    let skipped = Input::AgentSkips {
        agent: AgentId(7),
        attempt: AttemptId(41),
        request: 2,
        reason: 1,
    };
    assert_eq!(floor.hears(), skipped);
    floor
        .desks
        .preview_over(AttemptId(41), AgentId(7), PreviewEnd::Skipped(1));
    let over = minh.next("call.over").await;
    assert_eq!(
        (&over["call"], &over["why"]),
        (&json!("41"), &json!("skipped"))
    );
    minh.say(json!({"type": "expand", "request": 3, "call": "41", "card": "references"}))
        .await;
    assert_eq!(minh.next("error").await["code"], "not_your_call");
    minh.say(json!({"type": "dial", "request": 4, "call": "41"}))
        .await;
    assert_eq!(minh.next("error").await["code"], "not_your_call");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_desk_that_comes_back_sees_the_lead_again_and_how_far_the_call_is() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    floor.previews(41);
    minh.next("state").await;
    minh.next("call.preview").await;
    floor.progress(41, PersonalStage::Dialling);
    let session = minh.session.clone();
    drop(minh);
    assert_eq!(floor.hears(), Input::AgentLost(AgentId(7)));
    let mut minh = crate::harness::Client::open(floor.address).await;
    minh.hello_again(&session, 0).await;
    assert_eq!(minh.next("resumed").await["follows"], "snapshot");
    assert_eq!(minh.next("state").await["state"], "reserved");
    assert_eq!(minh.next("call.preview").await["customer"]["name"], NAME);
    assert_eq!(minh.next("call.progress").await["stage"], "dialling");
    floor.progress(41, PersonalStage::Over(SystemResult::Busy));
    let over = minh.next("call.over").await;
    assert_eq!(
        (&over["why"], &over["result"]),
        (&json!("not_connected"), &json!("BUSY"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_refuses_is_named_with_the_next_lawful_instant() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    minh.say(json!({"type": "dial", "request": 5, "lead": "812"}))
        .await;
    let asked = Input::AgentDials {
        agent: AgentId(7),
        request: 5,
        lead: LeadId(812),
    };
    assert_eq!(floor.hears(), asked);
    let next = Some(UnixMs(1_795_482_000_000));
    floor.desks.refuse(
        AgentId(7),
        5,
        Refusal::Held {
            gate: Gate::Window,
            next,
        },
    );
    let error = minh.next("error").await;
    assert_eq!(
        (
            &error["request"],
            &error["code"],
            &error["rule"],
            &error["not_before_ms"]
        ),
        (
            &json!(5),
            &json!("held_by_rule"),
            &json!("WINDOW"),
            &json!(1_795_482_000_000_i64)
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_an_agent_asks_for_a_lead_and_dials_the_last_person_again() {
    let floor = Floor::open().await;
    let mut minh = floor.minh().await;
    minh.say(json!({"type": "next", "request": 1, "campaign": "NO-SUCH"}))
        .await;
    assert_eq!(minh.next("error").await["field"], "campaign");
    minh.say(json!({"type": "next", "request": 2, "campaign": "PL-B2-HCM"}))
        .await;
    let asked = |request, campaign| Input::AgentNext {
        agent: AgentId(7),
        request,
        campaign,
    };
    assert_eq!(floor.hears(), asked(2, Some(CampaignId(0))));
    minh.say(json!({"type": "next", "request": 3})).await;
    assert_eq!(floor.hears(), asked(3, None));

    floor.dials(41);
    floor.stages(41);
    floor.shows(7, 41);
    floor.ends(7, 41);
    for kind in ["state", "call.connected", "state", "state", "call.ended"] {
        minh.next(kind).await;
    }
    minh.say(json!({"type": "dial", "request": 4, "call": "41"}))
        .await;
    let again = Input::AgentDials {
        agent: AgentId(7),
        request: 4,
        lead: LeadId(41),
    };
    assert_eq!(floor.hears(), again);
    let wrong: [Value; 3] = [
        json!({"type": "dial", "request": 5}),
        json!({"type": "dial", "request": 6, "call": "41", "lead": "41"}),
        json!({"type": "dial", "request": 7, "lead": "Mai"}),
    ];
    for message in wrong {
        minh.say(message).await;
        assert_eq!(minh.next("error").await["code"], "bad_field");
    }
    floor.hears_nothing();
}
