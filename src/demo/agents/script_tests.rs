//! A scripted agent without a socket: the engine's part is played by hand, in virtual time.

use super::*;
use crate::ids::AttemptId;
use crate::wire::desk::card::{CardCampaign, CardCustomer};
use crate::wire::desk::outcome::{ContactClass, OutcomeNeeds, OutcomeRule};
use crate::wire::desk::preview::{OnTimeout, PreviewFrame, preview};
use crate::wire::desk::server::{
    AfterCallNews, AgentCard, CallConnected, CallEnded, CallEndedBy, ErrorNews, Follows, Resumed,
    Saved, UnixMillis, Welcome,
};

const CALL: CallId = CallId(AttemptId(7));

struct Desk {
    script: Script,
    ms: u64,
    sequence: u64,
    wishes: Vec<Wish>,
}

fn desk(habits: Habits) -> Desk {
    let figures = Arc::new(Figures::new());
    let script = Script::new(
        "agent01".to_owned(),
        Pii::new("t".to_owned()),
        habits,
        1,
        figures,
    );
    Desk {
        script,
        ms: 0,
        sequence: 0,
        wishes: Vec::new(),
    }
}

impl Desk {
    fn now(&self) -> Now {
        now(
            Mono::from_millis(self.ms),
            1_795_429_262_318 + self.ms as i64,
        )
    }
    fn say(&mut self, message: ServerMessage) {
        self.sequence += 1;
        let frame = ServerFrame {
            version: 1,
            sequence: self.sequence,
            message,
        };
        let text = serde_json::to_string(&frame).unwrap();
        self.script.hear(self.now(), &text, &mut self.wishes);
    }
    fn state(&mut self, state: DeskState) {
        self.say(ServerMessage::State(StateNews {
            state,
            reason: None,
            since_ms: UnixMillis(0),
            until_ms: None,
            call: None,
            after_call: AfterCallNews {
                to: DeskState::Ready,
                reason: None,
            },
        }));
    }
    fn log_in(&mut self) {
        self.say(ServerMessage::Welcome(Box::new(Welcome {
            session: "s".to_owned(),
            agent: AgentCard {
                id: 1,
                name: "agent01".to_owned(),
            },
            campaigns: vec!["A".to_owned()],
            break_reasons: vec!["login".to_owned(), "lunch".to_owned()],
            skip_reasons: vec!["not_now".to_owned()],
            outcome_set: OutcomeSet {
                id: "X".to_owned(),
                version: 1,
                codes: vec![OutcomeRule {
                    code: "RPC_NO_COMMIT".to_owned(),
                    contact: ContactClass::RightParty,
                    needs: OutcomeNeeds::Nothing,
                    may_promise: false,
                }],
            },
            ping_deadline_ms: 10_000,
            audio: Default::default(),
            now_ms: UnixMillis(0),
        })));
        self.state(DeskState::Break);
    }
    fn connect(&mut self, name: &str) {
        self.say(ServerMessage::CallConnected(Box::new(CallConnected {
            call: CALL,
            answered_at_ms: UnixMillis(self.now().unix.0 - 12),
            pushed_at_ms: UnixMillis(0),
            card: CardBody {
                complete: true,
                campaign: CardCampaign {
                    id: "A".to_owned(),
                    ..Default::default()
                },
                customer: CardCustomer {
                    cif: "1".to_owned(),
                    name: name.to_owned(),
                    phone: "09*****412".to_owned(),
                    ..Default::default()
                },
                loan: None,
                risk: None,
                care: Vec::new(),
                greeting: None,
                promise: None,
                last_contact: None,
                last_payment: None,
                script: None,
                actions: None,
                mood: None,
                more: vec![CardName::Timeline],
                dropped: Vec::new(),
            },
        })));
    }
    fn preview(&mut self, skips_left: u8) {
        self.state(DeskState::Reserved);
        let frame = PreviewFrame {
            call: CALL,
            lead: 7,
            until: UnixMs(self.now().unix.0 + 30_000),
            on_timeout: OnTimeout::Skip,
            skips_left: Some(skips_left),
        };
        let body = r#""complete":true,"campaign":{"id":"A","mode":"auto"},"customer":{"cif":"1","name":"Mai","phone":"09*****412"}}"#;
        self.sequence += 1;
        let text = preview(self.sequence, &frame, body);
        self.script.hear(self.now(), &text, &mut self.wishes);
    }
    fn end(&mut self) {
        self.say(ServerMessage::CallEnded(CallEnded {
            call: CALL,
            by: CallEndedBy::Customer,
            talk_ms: 1,
            wrap_until_ms: UnixMillis(0),
        }));
        self.state(DeskState::Wrap);
    }
    fn save(&mut self, request: Option<u64>) {
        self.say(ServerMessage::Saved(Saved {
            request,
            call: CALL,
        }));
    }
    fn until(&mut self, ms: u64) {
        while let Some(at) = self.script.next_timeout().filter(|at| at.0 / 1_000 <= ms) {
            self.ms = at.0.div_ceil(1_000).max(self.ms);
            self.script.handle_timeout(self.now(), &mut self.wishes);
        }
        self.ms = ms;
    }
    /// What was sent since the last look, by type.
    fn sent(&mut self) -> Vec<String> {
        self.wishes
            .drain(..)
            .map(|wish| match wish {
                Wish::Send(message) => {
                    let value = serde_json::to_value(&message).unwrap();
                    let kind = value["type"].as_str().unwrap().to_owned();
                    value["to"]
                        .as_str()
                        .map_or(kind.clone(), |to| format!("{kind} {to}"))
                }
                other => format!("{other:?}"),
            })
            .collect()
    }
}

fn steady() -> Habits {
    Habits {
        expand_share: 1.0,
        break_share: 0.0,
        ..Habits::default()
    }
}

#[test]
fn an_agent_works_through_a_call_as_a_person_does() {
    let mut desk = desk(steady());
    desk.log_in();
    assert_eq!(desk.sent(), ["state ready"]);
    desk.state(DeskState::Ready);
    desk.connect("Trần Thị Mai Hương");
    desk.state(DeskState::Talking);
    desk.until(1_000_000);
    assert_eq!(desk.sent(), ["painted", "expand", "hang_up"]);
    desk.end();
    desk.until(2_000_000);
    assert_eq!(desk.sent(), ["outcome"]);
    desk.save(Some(9));
    assert_eq!(desk.sent(), ["state ready"]);
    let figures = desk.script.figures.snapshot();
    assert_eq!(
        (figures.calls, figures.outcomes_sent, figures.outcomes_saved),
        (1, 1, 1)
    );
    assert_eq!(
        (
            figures.cards_invalid,
            figures.sequence_gaps,
            figures.unreadable
        ),
        (0, 0, 0)
    );
    assert_eq!(figures.answer_to_card.count, 1);
    assert!((11_500..12_500).contains(&figures.answer_to_card.p50_us));
}

#[test]
fn a_customer_who_hangs_up_first_is_not_hung_up_on() {
    let mut desk = desk(steady());
    desk.log_in();
    desk.connect("Nam");
    desk.end();
    desk.until(2_000_000);
    assert!(!desk.sent().contains(&"hang_up".to_owned()));
}

#[test]
fn a_card_without_a_name_is_counted_as_invalid() {
    let mut desk = desk(steady());
    desk.log_in();
    desk.connect(" ");
    assert_eq!(desk.script.figures.snapshot().cards_invalid, 1);
}

#[test]
fn a_break_is_taken_after_saved_and_ends() {
    let mut desk = desk(Habits {
        break_share: 1.0,
        ..steady()
    });
    desk.log_in();
    desk.connect("Nam");
    desk.end();
    desk.until(1_000_000);
    desk.sent();
    desk.save(Some(1));
    assert_eq!(desk.sent(), ["state break"]);
    desk.state(DeskState::Break);
    desk.until(2_000_000);
    assert_eq!(desk.sent(), ["state ready"]);
    assert_eq!(desk.script.figures.snapshot().breaks, 1);
}

#[test]
fn a_lost_socket_resumes_and_repeats_the_outcome_that_was_under_way() {
    let mut desk = desk(Habits {
        lose_socket_share: 1.0,
        ..steady()
    });
    desk.log_in();
    desk.connect("Nam");
    desk.until(1_000_000);
    assert!(desk.sent().contains(&"Drop".to_owned()));
    desk.end();
    desk.until(2_000_000);
    assert_eq!(desk.sent(), ["outcome"]);
    let ClientMessage::Hello(hello) = desk.script.hello() else {
        panic!()
    };
    assert_eq!(
        hello.resume.map(|resume| (resume.session, resume.sequence)),
        Some(("s".to_owned(), desk.sequence))
    );
    let resumed = ServerMessage::Resumed(Resumed {
        session: "s".to_owned(),
        follows: Follows::Missed,
        messages: 0,
        now_ms: UnixMillis(0),
    });
    desk.say(resumed);
    assert_eq!(desk.sent(), ["outcome"]);
    assert_eq!(desk.script.figures.snapshot().outcomes_sent, 1);
}

#[test]
fn a_gap_in_the_sequence_is_noticed() {
    let mut desk = desk(steady());
    desk.log_in();
    desk.sequence += 1;
    desk.state(DeskState::Ready);
    assert_eq!(desk.script.figures.snapshot().sequence_gaps, 1);
}

#[test]
fn an_outcome_that_could_not_be_saved_is_said_again_and_one_that_is_saved_is_not() {
    let mut desk = desk(steady());
    desk.log_in();
    desk.connect("Nam");
    desk.end();
    desk.until(1_000_000);
    desk.sent();
    let request = desk
        .script
        .call
        .as_ref()
        .and_then(|call| call.outcome.as_ref())
        .unwrap()
        .request;
    let error = |code: &str| {
        ServerMessage::Error(ErrorNews {
            request: Some(request),
            code: code.to_owned(),
            message: String::new(),
            field: None,
            rule: None,
            not_before_ms: None,
        })
    };
    desk.say(error("not_saved"));
    desk.until(2_000_000);
    assert_eq!(desk.sent(), ["outcome"]);
    desk.say(error("outcome_already_saved"));
    desk.until(3_000_000);
    assert!(desk.sent().is_empty());
    desk.save(None);
    assert_eq!(desk.script.figures.snapshot().outcomes_by_system, 1);
}

#[test]
fn a_hurried_agent_ends_a_long_conversation_soon() {
    let mut desk = desk(Habits {
        talk_mean_s: 5_000.0,
        talk_cv: 0.1,
        expand_share: 0.0,
        ..steady()
    });
    desk.log_in();
    desk.connect("Nam");
    desk.until(60_000);
    desk.sent();
    desk.script.hurry(desk.now().mono);
    desk.until(120_000);
    assert_eq!(desk.sent(), ["hang_up"]);
}

#[test]
fn leaving_waits_for_the_outcome_and_logs_out() {
    let mut desk = desk(steady());
    desk.log_in();
    desk.connect("Nam");
    desk.sent();
    let now = desk.now().mono;
    desk.script.leave(now, &mut desk.wishes);
    assert_eq!(desk.sent(), ["state offline"]);
    desk.end();
    desk.until(1_000_000);
    desk.sent();
    desk.save(Some(1));
    assert_eq!(desk.sent(), ["state offline"]);
    desk.say(ServerMessage::Closing(crate::wire::desk::server::Closing {
        reason: ClosingReason::LoggedOut,
    }));
    assert_eq!(desk.sent(), ["Leave"]);
}

#[test]
fn a_lead_on_the_screen_is_dialled_or_skipped_after_it_was_read_and_never_skipped_once_too_often() {
    let mut kinds = std::collections::BTreeSet::new();
    for may_skip in [0, 3] {
        for seed in 0..60 {
            let mut desk = desk(steady());
            desk.script.chance = Chance::of(seed, "agent01", 0);
            desk.log_in();
            desk.state(DeskState::Ready);
            desk.sent();
            desk.preview(may_skip);
            assert!(desk.sent().is_empty(), "nobody reads that fast");
            desk.until(600_000);
            let said = desk.sent();
            assert_eq!(said.len(), 1, "{said:?}");
            kinds.insert((may_skip, said[0].clone()));
        }
    }
    let want = [(0, "dial"), (3, "dial"), (3, "skip")].map(|(most, kind)| (most, kind.to_owned()));
    assert_eq!(kinds, want.into_iter().collect());
}
