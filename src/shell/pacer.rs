//! `tandem pacer`: the floor's own predictive model behind a line protocol, for simulators that are not ours (docs/pacer-protocol.md).
//! Owns what the messages mean; decides nothing, reads no clock: all times are the simulator's virtual seconds.

use crate::core::pacing::predict::{
    AgentNow, CampaignNow, Doing, Line, Predictor, Scene, StreamNow,
};
use crate::time::Mono;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};

/// Most agents, list segments and lines that a run may have: what is told is not trusted.
const AGENTS_MAX: usize = 100_000;
const SEGMENTS_MAX: usize = 1_000;
/// Cancelled calls that one answer may name.
const CANCELS_MAX: usize = 1_000;

/// What the simulator says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// Once, at the start.
    Config(Config),
    /// At every tick.
    Tick {
        /// Virtual seconds since the start.
        t: f64,
        /// The floor now.
        view: View,
        /// What happened since the last tick, in order.
        #[serde(default)]
        events: Vec<Told>,
    },
    /// The shift is over.
    End {},
}

/// The shift.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// Version of the protocol: 1.
    pub protocol: u32,
    /// Seats.
    pub agents: usize,
    /// Length in seconds.
    pub shift_s: f64,
    /// Most abandoned of those answered, 0..=1.
    pub abandon_cap: f64,
    /// How long a person waits, in seconds.
    #[serde(default = "two")]
    pub patience_s: f64,
    /// Age from which a ringing call may be cancelled, in seconds; absent: never.
    #[serde(default)]
    pub min_ring_s: Option<f64>,
    /// Segments of the list.
    #[serde(default = "one")]
    pub segments: usize,
}

fn two() -> f64 {
    2.0
}
fn one() -> usize {
    1
}

/// The floor at a tick.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub struct View {
    /// People who wait for an agent.
    #[serde(default)]
    pub queued: u32,
    /// Lines that may still be started; absent: no limit.
    #[serde(default)]
    pub channels_free: Option<u32>,
    /// Segment of the next lead.
    #[serde(default)]
    pub next_seg: usize,
}

/// An event with its time.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Virtual seconds.
    pub t: f64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What happens on the simulator's floor.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum Event {
    /// A launch became a call.
    Dialed {
        /// The call.
        id: u64,
        /// Its segment.
        #[serde(default)]
        seg: usize,
    },
    /// Picked up by something.
    Answered {
        /// The call.
        id: u64,
    },
    /// A person, who needs an agent.
    Human {
        /// The call.
        id: u64,
    },
    /// A machine.
    Machine {
        /// The call.
        id: u64,
    },
    /// Not answered.
    Failed {
        /// The call.
        id: u64,
        /// Why.
        cause: Cause,
    },
    /// Joined to an agent.
    Connected {
        /// The call.
        id: u64,
    },
    /// Nobody was free in time.
    Abandoned {
        /// The call.
        id: u64,
    },
    /// The conversation is over.
    Ended {},
    /// An agent's state.
    Agent {
        /// Seat.
        agent: usize,
        /// State.
        state: AgentIs,
    },
}

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Rang out.
    Noanswer,
    /// Busy, no such number.
    Fail,
    /// Our own outage.
    Trunk,
    /// By the pacer.
    Cancelled,
}

/// An agent's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentIs {
    /// Free.
    Idle,
    /// In conversation.
    Talk,
    /// In wrap-up.
    Wrap,
    /// On a break.
    Pause,
    /// Logged out.
    Out,
}

/// The answer to a tick.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Lines to start.
    pub launch: u32,
    /// Calls to cancel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cancel: Vec<u64>,
}

/// A line that the simulator and the protocol do not agree on.
#[derive(Debug, thiserror::Error)]
pub enum PacerError {
    /// Not a message.
    #[error("line {line}: {why}")]
    Message {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// The pipe broke.
    #[error("the simulator is gone: {0}")]
    Io(#[from] std::io::Error),
}

/// One run.
#[derive(Debug)]
pub struct Session {
    config: Config,
    predictor: Predictor,
    lines: BTreeMap<u64, (Line, f64)>,
    agents: Vec<(AgentIs, f64)>,
    abandoned: u64,
    answered: u64,
    /// How often a lead is of the segment of the one before, and how the list is made up; fading.
    same: (f64, f64),
    last_segment: usize,
    made_of: Vec<f64>,
}

fn mono(seconds: f64) -> Mono {
    Mono((seconds.max(0.0) * 1e6) as u64)
}

impl Session {
    /// A run of this shift.
    pub fn new(config: Config) -> Session {
        let segments = config.segments.clamp(1, SEGMENTS_MAX);
        Session {
            predictor: Predictor::default(),
            lines: BTreeMap::new(),
            agents: vec![(AgentIs::Out, 0.0); config.agents.min(AGENTS_MAX)],
            abandoned: 0,
            answered: 0,
            same: (0.5, 1.0),
            last_segment: 0,
            made_of: vec![1.0; segments],
            config,
        }
    }

    /// Takes an event in.
    pub fn event(&mut self, at_s: f64, event: &Event) {
        let at = mono(at_s);
        match *event {
            Event::Dialed { id, seg } => {
                let seg = seg.min(self.made_of.len() - 1);
                let line = self.predictor.dialled(seg, at);
                self.lines.insert(id, (line, at_s));
                const KEEP: f64 = 0.998;
                let is_same = f64::from(u8::from(seg == self.last_segment));
                self.same = (self.same.0 * KEEP + is_same, self.same.1 * KEEP + 1.0);
                self.last_segment = seg;
                self.made_of.iter_mut().for_each(|share| *share *= KEEP);
                self.made_of[seg] += 1.0;
            }
            Event::Answered { id } => {
                if let Some((line, _)) = self.lines.get(&id) {
                    self.predictor.picked_up(*line, at);
                }
            }
            Event::Human { id } => {
                if let Some((line, _)) = self.lines.remove(&id) {
                    self.predictor.person(line, at);
                }
            }
            Event::Machine { id } => {
                if let Some((line, _)) = self.lines.remove(&id) {
                    self.predictor.machine(line, at);
                }
            }
            Event::Failed { id, cause } => {
                let Some((line, _)) = self.lines.remove(&id) else {
                    return;
                };
                match cause {
                    Cause::Noanswer | Cause::Fail => self.predictor.ended(line, at),
                    Cause::Trunk => self.predictor.failed(line, at, true),
                    Cause::Cancelled => self.predictor.cut(line, at),
                }
            }
            Event::Connected { .. } => self.answered += 1,
            Event::Abandoned { .. } => {
                self.answered += 1;
                self.abandoned += 1;
            }
            Event::Ended {} => {}
            Event::Agent { agent, state } => {
                let Some(seat) = self.agents.get_mut(agent) else {
                    return;
                };
                let (was, since) = std::mem::replace(seat, (state, at_s));
                match was {
                    AgentIs::Talk => self.predictor.talked(0, at_s - since),
                    AgentIs::Wrap => {
                        let leaves = matches!(state, AgentIs::Pause | AgentIs::Out);
                        self.predictor.wrapped(0, at_s - since, leaves);
                    }
                    AgentIs::Idle | AgentIs::Pause | AgentIs::Out => {}
                }
            }
        }
    }

    /// Decides.
    pub fn tick(&mut self, at_s: f64, view: &View) -> Answer {
        let agents: Vec<AgentNow> = self
            .agents
            .iter()
            .filter_map(|(state, since)| {
                let doing = match state {
                    AgentIs::Idle => Doing::Free,
                    AgentIs::Talk => Doing::Talk(mono(*since)),
                    AgentIs::Wrap => Doing::Wrap(mono(*since)),
                    AgentIs::Pause | AgentIs::Out => return None,
                };
                Some(AgentNow {
                    class: 0,
                    campaign: 0,
                    doing,
                })
            })
            .collect();
        let next = view.next_seg.min(self.made_of.len() - 1);
        let all: f64 = self.made_of.iter().sum();
        let average: f64 = self
            .made_of
            .iter()
            .enumerate()
            .map(|(segment, share)| share / all * self.predictor.answer_rate(segment))
            .sum();
        let most = view
            .channels_free
            .unwrap_or(u32::MAX)
            .min(20 * self.agents.len() as u32 + 20);
        let streams: Vec<StreamNow> = (0..self.made_of.len())
            .map(|segment| StreamNow {
                campaign: 0,
                able: vec![0],
                waiting: if segment == next { view.queued } else { 0 },
                most: if segment == next { most } else { 0 },
                priority: 0,
                mixed: (self.made_of.len() > 1).then_some((self.same.0 / self.same.1, average)),
            })
            .collect();
        let campaign = CampaignNow {
            weight: 1.0,
            abandoned: self.abandoned as f64,
            denominator: self.answered as f64,
            abandoned_ever: self.abandoned,
            answered_ever: self.answered,
            target: self.config.abandon_cap,
            is_over_cap: false,
            window_left_s: Some(self.config.shift_s - at_s),
            patience_s: self.config.patience_s,
            may_cancel: self.config.min_ring_s.is_some(),
        };
        let decision = self.predictor.decide(&Scene {
            now: mono(at_s),
            classes: 1,
            agents: &agents,
            streams: &streams,
            campaigns: &[campaign],
        });
        let mut cancel = Vec::new();
        if let (true, Some(least)) = (decision.cancel[next], self.config.min_ring_s) {
            let old = self
                .lines
                .iter()
                .filter(|(_, (_, dialled))| at_s - dialled >= least);
            cancel.extend(old.map(|(id, _)| *id).take(CANCELS_MAX));
        }
        Answer {
            launch: decision.start[next],
            cancel,
        }
    }
}

/// Speaks the protocol until the simulator says that it is over.
pub fn converse(input: impl BufRead, mut output: impl Write) -> Result<(), PacerError> {
    let mut session: Option<Session> = None;
    for (number, text) in input.lines().enumerate() {
        let (line, text) = (number + 1, text?);
        if text.trim().is_empty() {
            continue;
        }
        let wrong = |why: String| PacerError::Message { line, why };
        match serde_json::from_str::<Message>(&text).map_err(|error| wrong(error.to_string()))? {
            Message::Config(config) => {
                check(&config).map_err(wrong)?;
                session = Some(Session::new(config));
                output.write_all(b"{\"type\":\"ready\",\"protocol\":1}\n")?;
            }
            Message::Tick { t, view, events } => {
                let Some(session) = &mut session else {
                    return Err(wrong("a tick before the config".to_owned()));
                };
                for told in &events {
                    session.event(told.t, &told.event);
                }
                let answer = session.tick(t, &view);
                serde_json::to_writer(&mut output, &answer).map_err(std::io::Error::from)?;
                output.write_all(b"\n")?;
            }
            Message::End {} => return Ok(()),
        }
        output.flush()?;
    }
    Ok(())
}

fn check(config: &Config) -> Result<(), String> {
    let Config {
        protocol,
        agents,
        shift_s,
        abandon_cap,
        patience_s,
        segments,
        ..
    } = config;
    if *protocol != 1 {
        return Err(format!("protocol is {protocol}; expected 1"));
    }
    if !(1..=AGENTS_MAX).contains(agents) {
        return Err(format!("agents is {agents}; expected 1 to {AGENTS_MAX}"));
    }
    if !(1..=SEGMENTS_MAX).contains(segments) {
        return Err(format!(
            "segments is {segments}; expected 1 to {SEGMENTS_MAX}"
        ));
    }
    if !(0.0..=1.0).contains(abandon_cap) {
        return Err(format!("abandon_cap is {abandon_cap}; expected 0 to 1"));
    }
    if !(*shift_s > 0.0 && *shift_s <= 1e7 && (0.0..=60.0).contains(patience_s)) {
        return Err("shift_s and patience_s are seconds: above 0, and 0 to 60".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"{"type":"config","protocol":1,"agents":10,"shift_s":14400,"tick_s":0.5,"abandon_cap":0.03,"patience_s":2,"ring_timeout_s":24,"min_ring_s":18,"channels":null,"segments":1,"seed":1}"#;

    fn said(lines: &[&str]) -> Result<Vec<String>, PacerError> {
        let mut output = Vec::new();
        converse(lines.join("\n").as_bytes(), &mut output)?;
        let text = String::from_utf8(output).unwrap();
        Ok(text.lines().map(str::to_owned).collect())
    }

    fn logins(many: usize) -> String {
        let events: Vec<String> = (0..many)
            .map(|agent| format!(r#"{{"ev":"agent","t":1.0,"agent":{agent},"state":"idle"}}"#))
            .collect();
        format!(
            r#"{{"type":"tick","t":1.0,"view":{{"idle":{many},"talk":0,"wrap":0,"paused":0,"inflight":0,"queued":0,"channels_free":null,"next_seg":0}},"events":[{}]}}"#,
            events.join(",")
        )
    }

    #[test]
    fn each_line_is_answered_and_the_end_is_not() {
        let tick = logins(10);
        let answers =
            said(&[CONFIG, &tick, r#"{"type":"end","util":0.9,"abandon":0.02}"#]).unwrap();
        assert_eq!(answers[0], r#"{"type":"ready","protocol":1}"#);
        let launch: Answered = serde_json::from_str(&answers[1]).unwrap();
        assert!(launch.launch > 5, "ten agents wait: {}", launch.launch);
        assert_eq!(answers.len(), 2);
    }

    #[derive(Deserialize)]
    struct Answered {
        launch: u32,
    }

    #[test]
    fn without_agents_nothing_is_launched_and_channels_bound_what_is() {
        let nobody = r#"{"type":"tick","t":0.5,"view":{"next_seg":0},"events":[]}"#;
        let full = logins(10).replace(r#""channels_free":null"#, r#""channels_free":2"#);
        let answers = said(&[CONFIG, nobody, &full]).unwrap();
        assert_eq!(answers[1], r#"{"launch":0}"#);
        assert_eq!(answers[2], r#"{"launch":2}"#);
    }

    #[test]
    fn what_is_not_a_message_is_named_with_its_line() {
        for (lines, expected) in [
            (vec![CONFIG, "{\"type\":\"tock\"}"], "line 2"),
            (
                vec![r#"{"type":"tick","t":1,"view":{}}"#],
                "before the config",
            ),
            (
                vec![&CONFIG.replace("\"protocol\":1", "\"protocol\":2")],
                "expected 1",
            ),
            (
                vec![&CONFIG.replace("\"agents\":10", "\"agents\":0")],
                "agents is 0",
            ),
        ] {
            let error = said(&lines).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn calls_unknown_to_the_run_change_nothing() {
        let odd = r#"{"type":"tick","t":2,"view":{"next_seg":77},"events":[{"ev":"human","t":1,"id":9},{"ev":"failed","t":1,"id":8,"cause":"cancelled"},{"ev":"agent","t":1,"agent":999,"state":"idle"},{"ev":"ended","t":1,"id":3,"agent":1},{"ev":"connected","t":1,"id":3,"agent":1}]}"#;
        assert_eq!(said(&[CONFIG, odd]).unwrap()[1], r#"{"launch":0}"#);
    }
}
