//! `tandem simulate calibrate`: the attempts of a recorded day, read from the store, as a scenario file. Reads; never writes to a store.

use super::SimulateError;
use crate::config::Config;
use crate::core::dispositions::{Contact, Disposition};
use crate::core::results::SystemResult;
use crate::shell::serve::store_path;
use crate::shell::store::sqlite::{RecordedAttempt, recorded_day};
use crate::sim::shift::day::{Observed, Seen, scenario_text};
use crate::time::UnixMs;
use std::io::Write;
use std::path::PathBuf;

/// Flags of `tandem simulate calibrate`.
#[derive(Debug, clap::Args)]
pub struct CalibrateArgs {
    /// The day, in the configuration's default zone (2026-11-23)
    #[arg(long, value_parser = day)]
    day: jiff::civil::Date,
    /// The engine's configuration file
    #[arg(
        long,
        short,
        env = "TANDEM_CONFIG",
        default_value = "config/tandem.toml"
    )]
    config: PathBuf,
    /// Of this campaign only
    #[arg(long)]
    campaign: Option<String>,
    /// The scenario file; default: standard output
    #[arg(long, short)]
    output: Option<PathBuf>,
}

fn day(text: &str) -> Result<jiff::civil::Date, String> {
    text.parse()
        .map_err(|_| "expected a day as 2026-11-23".to_owned())
}

/// Runs the command.
pub fn calibrate(args: &CalibrateArgs) -> Result<(), SimulateError> {
    let config = Config::load(&args.config).map_err(SimulateError::Config)?;
    let senseless = |error: jiff::Error| {
        SimulateError::Senseless(format!("{} in {}: {error}", args.day, config.default_zone))
    };
    let begins = args.day.in_tz(&config.default_zone).map_err(senseless)?;
    let ends = begins.tomorrow().map_err(senseless)?;
    let midnight = begins.timestamp().as_millisecond();
    let until = UnixMs(ends.timestamp().as_millisecond());
    let mut calls = Vec::new();
    recorded_day(&store_path(&config), UnixMs(midnight), until, |attempt| {
        let is_wanted = |name: &String| *name == attempt.campaign;
        if args.campaign.as_ref().is_none_or(is_wanted) {
            calls.push(observed(attempt, midnight));
        }
    })?;
    let text = scenario_text(&calls, &args.day.to_string())
        .map_err(|error| SimulateError::Senseless(format!("{}: {error}", args.day)))?;
    match &args.output {
        Some(path) => {
            std::fs::write(path, text).map_err(|error| SimulateError::File(path.clone(), error))?;
            println!(
                "{} calls of {} are a scenario in {}: `tandem simulate {}`",
                calls.len(),
                args.day,
                path.display(),
                path.display()
            );
        }
        None => std::io::stdout().lock().write_all(text.as_bytes())?,
    }
    Ok(())
}

/// A recorded attempt as the scenario sees it: seconds, and what was at the other end.
fn observed(attempt: RecordedAttempt, midnight: i64) -> Observed {
    use SystemResult as R;
    let between = |from: Option<UnixMs>, to: Option<UnixMs>| {
        let (from, to) = (from?, to?);
        Some((to.0 - from.0).max(0) as f64 / 1_000.0)
    };
    let said = attempt.outcome.map(|(disposition, _)| disposition);
    let seen = match attempt.result {
        // The agent heard a machine where no analysis did.
        R::Connected if said == Some(Disposition::VoicemailAgent) => Seen::Machine,
        R::Connected | R::Abandoned | R::CustHangupEarly => Seen::Person,
        R::Machine => Seen::Machine,
        R::Busy | R::Rejected | R::Invalid => Seen::FastFailure,
        R::NoAnswer => Seen::NoAnswer,
        R::Cancelled | R::Interrupted | R::NotSent | R::TrunkFail | R::Missed => Seen::Ours,
    };
    let talk_s = attempt.talk_ms.map(|talk| talk as f64 / 1_000.0);
    let talk_ended = attempt
        .matched_at
        .zip(attempt.talk_ms)
        .map(|(matched, talk)| UnixMs(matched.0 + talk as i64));
    let rang_until = attempt.answered_at.or(Some(attempt.ended_at));
    Observed {
        campaign: attempt.campaign,
        segment: attempt.segment,
        at_s: (attempt.released_at.0 - midnight) as f64 / 1_000.0,
        setup_s: between(Some(attempt.released_at), attempt.rang_at),
        ring_s: between(attempt.rang_at, rang_until),
        seen,
        talk_s,
        wrap_s: between(talk_ended, attempt.outcome.map(|(_, at)| at)),
        is_right_party: said.is_some_and(|said| said.contact() == Contact::RightParty),
        agent: attempt.agent,
    }
}
