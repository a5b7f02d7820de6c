//! `GET /v1/campaigns/{name}/decisions`: what pacing decided last, on which figures, and why not more. And its table.

use super::ApiState;
use super::client::segment;
use super::control::{Name, campaign};
use super::guard::Refused;
use super::view::CampaignView;
use crate::core::effect::{Forecast, PacingDecision};
use crate::core::settings::DialMode;
use crate::shell::decisions::{Decided, KEPT};
use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Decisions told where nobody says how many.
const DEFAULT_LAST: usize = 20;

/// A pacing decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionView {
    /// When, unix milliseconds.
    pub at_unix_ms: i64,
    /// "manual", "preview", "progressive", "ratio" or "predictive".
    pub mode: String,
    /// Lines started.
    pub lines_started: u32,
    /// Agents free for it.
    pub agents_free: u32,
    /// Agents at work who serve it.
    pub agents_at_work: u32,
    /// Lines in the air before.
    pub lines_in_air: u32,
    /// Lines its mode asked for beyond those.
    pub lines_wanted: u32,
    /// What stopped it from starting more: "nothing", "agents", "budget", "lines", "cps", "trunks", "leads", "window", "store",
    /// "stopped".
    pub bound: String,
    /// What it reckoned with; absent before the campaign has enough calls behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastView>,
    /// What its shadow mode would have done; absent: it has none, or was not asked at this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<ShadowView>,
    /// All of it in one sentence.
    pub sentence: String,
}

/// What a shadow mode would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowView {
    /// "progressive", "ratio" or "predictive".
    pub mode: String,
    /// Lines that it would have started.
    pub lines_started: u32,
}

/// What a decision reckoned with.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastView {
    /// How far ahead it looked, in seconds; 0: the figures of the moment.
    pub within_s: f64,
    /// Agents expected to be free by then.
    pub agents_free: f64,
    /// Answers expected by then.
    pub answers: f64,
    /// Share of calls that a person answers, 0 to 1.
    pub answer_ratio: f64,
    /// Abandoned calls that the campaign may still have in its window; absent: without a cap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub abandon_budget: Option<f64>,
}

impl From<&Decided> for DecisionView {
    fn from((at, decision): &Decided) -> Self {
        let PacingDecision {
            mode,
            launched,
            free_agents,
            at_work,
            in_air,
            wanted,
            bound,
            why,
            shadow,
            ..
        } = decision;
        DecisionView {
            at_unix_ms: at.0,
            mode: mode.word().to_owned(),
            lines_started: *launched,
            agents_free: *free_agents,
            agents_at_work: *at_work,
            lines_in_air: *in_air,
            lines_wanted: *wanted,
            bound: bound.word().to_owned(),
            forecast: why.map(ForecastView::from),
            shadow: shadow.map(|(mode, lines)| ShadowView {
                mode: mode.word().to_owned(),
                lines_started: lines,
            }),
            sentence: format!("{decision}."),
        }
    }
}

impl From<Forecast> for ForecastView {
    fn from(forecast: Forecast) -> Self {
        let thousandths = |milli: u32| f64::from(milli) / 1e3;
        ForecastView {
            within_s: thousandths(forecast.within_ms),
            agents_free: thousandths(forecast.agents_milli),
            answers: thousandths(forecast.answers_milli),
            answer_ratio: f64::from(forecast.answer_rate_ppm) / 1e6,
            abandon_budget: forecast.budget_milli.map(|milli| f64::from(milli) / 1e3),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    last: Option<usize>,
}

/// The last decisions of a campaign, newest first.
pub(super) async fn decisions(
    State(state): State<ApiState>,
    name: Name,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Vec<DecisionView>>, Refused> {
    let (_, id) = campaign(&state, name)?;
    let bad = |()| {
        let sentence = format!("`last` is a number of decisions, 1 to {KEPT}.");
        Refused::new(StatusCode::UNPROCESSABLE_ENTITY, "bad_query", sentence)
    };
    let Query(Wanted { last }) = wanted.map_err(|_| bad(()))?;
    let last = last.unwrap_or(DEFAULT_LAST);
    if !(1..=KEPT).contains(&last) {
        return Err(bad(()));
    }
    let decided = state.decisions.last(id, last);
    Ok(Json(decided.iter().map(DecisionView::from).collect()))
}

/// The path of a campaign's decisions.
pub(super) fn path(campaign: &str, last: usize) -> String {
    format!("/v1/campaigns/{}/decisions?last={last}", segment(campaign))
}

/// Decisions for a terminal, or as JSON. `now` is the campaign as it stands: the last decision may be long ago. Ends with a line
/// break.
pub fn explained(
    decisions: &[DecisionView],
    now: Option<&CampaignView>,
    json: bool,
) -> Result<String, serde_json::Error> {
    if json {
        return serde_json::to_string_pretty(decisions).map(|text| text + "\n");
    }
    let mut text = decision_table(decisions);
    if let Some(now) = now
        && let Some(sentence) = standing(now)
    {
        let _ = writeln!(text, "{} {sentence}", now.name);
    }
    Ok(text)
}

/// Why pacing decides nothing for a campaign now; `None`: it does.
fn standing(campaign: &CampaignView) -> Option<String> {
    if campaign.state != "running" {
        return Some(format!("is {}: it starts no call.", campaign.state));
    }
    match campaign.mode.mode() {
        Some(DialMode::Manual) => {
            Some("is in manual mode: a call is made when an agent asks for it.".to_owned())
        }
        Some(DialMode::Preview) => Some(
            "is in preview mode: a call is made when the agent who is shown the lead says so."
                .to_owned(),
        ),
        _ if campaign.agents_serving == 0 => {
            Some("has nobody at work: nothing is decided until somebody is.".to_owned())
        }
        _ => None,
    }
}

/// A table, oldest first, each with its sentence.
fn decision_table(decisions: &[DecisionView]) -> String {
    let mut text = String::new();
    if decisions.is_empty() {
        return "No decision yet: the campaign does not run, its mode leaves calls to the agents, or nobody is at work.\n"
            .to_owned();
    }
    let _ = writeln!(
        text,
        "{:<12}  {:<11}  {:>7}  {:>4}  {:>4}  {:>6}  {:>6}  {:<8}  why",
        "UTC", "mode", "started", "free", "work", "in air", "wanted", "bound"
    );
    for decision in decisions.iter().rev() {
        let at = jiff::Timestamp::from_millisecond(decision.at_unix_ms).map_or_else(
            |_| "?".to_owned(),
            |at| at.strftime("%H:%M:%S%.3f").to_string(),
        );
        let _ = writeln!(
            text,
            "{at:<12}  {:<11}  {:>7}  {:>4}  {:>4}  {:>6}  {:>6}  {:<8}  {}",
            decision.mode,
            decision.lines_started,
            decision.agents_free,
            decision.agents_at_work,
            decision.lines_in_air,
            decision.lines_wanted,
            decision.bound,
            decision.sentence
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::effect::Bound;
    use crate::ids::CampaignId;
    use crate::time::UnixMs;

    #[test]
    fn a_decision_is_told_with_its_figures_and_its_sentence() {
        let decision = PacingDecision {
            campaign: CampaignId(0),
            mode: DialMode::Predictive,
            launched: 67,
            free_agents: 12,
            at_work: 100,
            in_air: 80,
            wanted: 67,
            bound: Bound::Agents,
            why: Some(Forecast {
                within_ms: 11_000,
                agents_milli: 41_000,
                answers_milli: 21_000,
                answer_rate_ppm: 298_000,
                budget_milli: Some(2_500),
            }),
            shadow: Some((DialMode::Progressive, 4)),
        };
        let view = DecisionView::from(&(UnixMs(1_795_429_262_318), decision));
        let table = decision_table(std::slice::from_ref(&view));
        let row = "10:21:02.318  predictive        67    12   100      80      67  agents    \
                   67 lines started: 41 agents free in 11 s, 21 answers coming, 29.8 % answer; progressive would have started 4.";
        assert_eq!(table.lines().nth(1), Some(row));
        let shadow = view.shadow.as_ref().map(|shadow| shadow.lines_started);
        assert_eq!(shadow, Some(4));
        let forecast = view.forecast.expect("it has one");
        assert_eq!(
            (forecast.answer_ratio, forecast.abandon_budget),
            (0.298, Some(2.5))
        );
        assert!(decision_table(&[]).starts_with("No decision yet"));
    }
}
