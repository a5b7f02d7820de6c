//! Load scenarios: `cargo bench --bench load -- SCENARIO [options]`. Each starts its own engine on loopback, ends what it
//! started, and leaves a report (JSON and text) in `target/loadtest/`. loadtest/README.md tells what each one measures.

mod agents;
mod calls;
mod frame;
mod import;
mod media;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use frame::report::Report;
use std::future::Future;
use std::path::Path;
use std::process::ExitCode;

/// Loads a Tandem of its own and measures it.
#[derive(Parser)]
#[command(name = "load", arg_required_else_help = true)]
struct Args {
    #[command(subcommand)]
    scenario: Option<Scenario>,
    /// Print the report as one line of JSON
    #[arg(long, global = true)]
    json: bool,
    /// Fail if a goal is missed
    #[arg(long, global = true)]
    strict: bool,
    /// Keep the directory of the run (configuration, store, logs) and say where it is
    #[arg(long, global = true)]
    keep: bool,
    /// Given by `cargo bench`
    #[arg(long, global = true, hide = true)]
    bench: bool,
}

#[derive(Subcommand)]
enum Scenario {
    /// Agents who are ready and get no call: memory and CPU time of each
    Idle(agents::idle::IdleArgs),
    /// Calls that nobody answers: errors, CPU time of each beside SIPp's, memory while they ring
    Invites(calls::invites::InvitesArgs),
    /// Calls that are answered and ended at once: CPU time of each beside SIPp's
    Answered(calls::answered::AnsweredArgs),
    /// Conversations: memory of each, and that it is given back
    Live(calls::live::LiveArgs),
    /// More calls than the machine can dial: how many it dials, and whether it still answers
    Saturate(calls::saturate::SaturateArgs),
    /// Agents who log in one after the other while calls go on: their wait, their cost, and the others' cards
    Ramp(agents::ramp::RampArgs),
    /// The engine is killed and started again: how soon a whole floor is READY again
    Storm(agents::storm::StormArgs),
    /// From the answer to the card at the agent, beside a bare websocket push
    Answers(agents::answers::AnswersArgs),
    /// The server behind the bare push; `answers` starts it
    #[command(hide = true)]
    BarePushServer(agents::bare::BareArgs),
    /// Sound: CPU and memory of a conversation with a browser, beside a bare relay; how late it comes
    Media(media::MediaArgs),
    /// The media plane, or the relay, as a process; `media` starts it
    #[command(hide = true)]
    MediaServer(media::ServerArgs),
    /// A list of a million into the store, alone and behind live calls; the same again; a backup
    Import(import::ImportArgs),
}

fn run(args: &Args) -> Result<()> {
    let Some(scenario) = &args.scenario else {
        println!("Name a scenario: `cargo bench --bench load -- --help` lists them.");
        return Ok(());
    };
    // The working directory's disk: a store on a tmpfs would flatter every commit.
    let mut dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    if args.keep {
        dir.disable_cleanup(true);
        eprintln!("kept: {}", dir.path().display());
    }
    let report = match scenario {
        Scenario::Idle(idle) => until_done(agents::idle::measure(idle, dir.path()))?,
        Scenario::Invites(args) => until_done(calls::invites::measure(args, dir.path()))?,
        Scenario::Answered(args) => until_done(calls::answered::measure(args, dir.path()))?,
        Scenario::Live(args) => until_done(calls::live::measure(args, dir.path()))?,
        Scenario::Saturate(args) => until_done(calls::saturate::measure(args, dir.path()))?,
        Scenario::Ramp(ramp) => until_done(agents::ramp::measure(ramp, dir.path()))?,
        Scenario::Storm(storm) => until_done(agents::storm::measure(storm, dir.path()))?,
        Scenario::Answers(answers) => until_done(agents::answers::measure(answers, dir.path()))?,
        Scenario::BarePushServer(args) => return agents::bare::serve(args),
        Scenario::Media(args) => media::measure(args, dir.path())?,
        Scenario::MediaServer(args) => return media::serve(args),
        Scenario::Import(import) => import::measure(import, dir.path())?,
    };
    report.publish(args.json)?;
    if !report.failures().is_empty() {
        bail!(
            "{} things that must not happen did",
            report.failures().len()
        );
    }
    if args.strict && !report.met_all() {
        bail!("a goal was missed");
    }
    Ok(())
}

/// Runs a scenario to its end or to Ctrl-C. Both drop what it holds: the processes that it started are gone before the
/// directory is.
fn until_done(scenario: impl Future<Output = Result<Report>>) -> Result<Report> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            tokio::select! {
                report = scenario => report,
                _ = tokio::signal::ctrl_c() => bail!("interrupted"),
            }
        })
}

/// Where a process of a scenario logs.
pub fn log_of(dir: &Path, name: &str) -> std::path::PathBuf {
    dir.join(format!("{name}.log"))
}

fn main() -> ExitCode {
    let args = Args::parse();
    if !args.bench {
        // `cargo test --all-targets` runs benches too, unoptimised: a figure of that would mislead.
        println!("not measured: run `cargo bench --bench load -- SCENARIO`");
        return ExitCode::SUCCESS;
    }
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("load: {fault:#}");
            ExitCode::FAILURE
        }
    }
}
