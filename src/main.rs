//! The `tandem` command: subcommands and their words. Everything that happens lives in the library.

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tandem::config::{Config, check_report};
use tandem::core::settings::DialMode;
use tandem::demo::carrier::CarrierArgs;
use tandem::ids::AttemptId;
use tandem::shell::api::client::{ApiClient, campaign_lines, campaign_table};
use tandem::shell::api::{ModeArg, explained, ratio};
use tandem::shell::doctor::{OPEN_FILES_WANTED, examine};
use tandem::shell::log::LogFormat;
use tandem::shell::progress_line::{ProgressLine, share_and_rest};
use tandem::shell::recording::cli::{AuditArgs, RecordingCommand, TokenCommand};
use tandem::shell::replay::{Telling, replay};
use tandem::shell::serve::{serve, store_path};
use tandem::shell::store::AgentAudio;
use tandem::shell::store::backup::CopyStep;
use tandem::shell::store::import::ImportReport;
use tandem::shell::store::lead_rows::ListRules;
use tandem::shell::store::sqlite::{BackOffice, ExportFilter, NumbersShown};
use tandem::time::UnixMs;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Tandem paces outbound calls, places them over SIP trunks, joins each answer to a free agent, and keeps what came of it.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The configuration that a command speaks of.
#[derive(Args)]
struct ConfigArg {
    /// The engine's configuration file
    #[arg(
        long,
        short,
        env = "TANDEM_CONFIG",
        default_value = "config/tandem.toml"
    )]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// Run the engine until it is told to stop (SIGTERM or Ctrl-C drains; a second one ends at once)
    Serve {
        /// The configuration file
        #[arg(env = "TANDEM_CONFIG", default_value = "config/tandem.toml")]
        config: PathBuf,
        /// Drain when standard input ends: with the process that started it
        #[arg(long)]
        until_stdin_closes: bool,
        /// Form of the log on standard error
        #[arg(long, env = "TANDEM_LOG_FORMAT", value_enum, default_value_t)]
        log_format: LogFormat,
    },
    /// Run the whole thing on this machine: engine, simulated phone network, borrowers, agents, and a live view
    Demo(tandem::demo::run::DemoArgs),
    /// Run a simulated phone network (SIP and RTP on loopback): people, machines, busy lines, failures
    Carrier(CarrierArgs),
    /// Run whole shifts in virtual time on the shipped floor: modes, caps and staffing side by side
    Simulate(tandem::simulate::SimulateArgs),
    /// Pace a simulator that is not ours: the floor's own predictive model on standard input and output (docs/pacer-protocol.md)
    Pacer,
    /// Check a configuration: everything that is wrong with it at once, with its place
    Check {
        /// The configuration file
        file: PathBuf,
    },
    /// Say what would go wrong on this machine with a configuration, and what to change; also beside a running engine
    Doctor {
        /// The configuration file
        #[arg(env = "TANDEM_CONFIG", default_value = "config/tandem.toml")]
        config: PathBuf,
        /// The findings as JSON
        #[arg(long)]
        json: bool,
    },
    /// Import leads (CSV or JSON Lines), or a do-not-call list; works while the engine runs
    Import {
        /// The list; columns and fields are in docs/lead-import.md
        file: PathBuf,
        #[command(flatten)]
        config: ConfigArg,
        /// Campaign of records that name none
        #[arg(long)]
        campaign: Option<String>,
        /// The list holds numbers that must not be dialled
        #[arg(long, conflicts_with = "campaign")]
        do_not_call: bool,
        /// Where records that cannot be read are written, with line and reason
        #[arg(long)]
        rejects: Option<PathBuf>,
        /// Begin at the file's beginning, although an import of it was cut off and could go on where it stood
        #[arg(long, conflicts_with = "do_not_call")]
        restart: bool,
    },
    /// Copy the store while the engine runs, and check the copy; it holds personal data
    Backup {
        /// The copy, a new file; default: backups/tandem-DATE.db in data_dir
        #[arg(long)]
        to: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Put a backup in the store's place, with the engine stopped; the store that is there is kept aside
    Restore {
        /// The backup
        file: PathBuf,
        /// Nobody on the lists is dialled for so many hours: whom the lost store dialled since the backup is not known
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(0..=720))]
        hold_hours: u32,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Agents: add, list, disable
    #[command(subcommand)]
    Agent(AgentCommand),
    /// Campaigns of the running engine: list, start, pause, change mode and ratio
    #[command(subcommand)]
    Campaign(CampaignCommand),
    /// Stop all dialling of the running engine at once; conversations go on
    Stop {
        #[command(flatten)]
        config: ConfigArg,
        /// Also cancel what rings
        #[arg(long)]
        cancel_ringing: bool,
        /// Let dialling go on again
        #[arg(long, conflicts_with = "cancel_ringing")]
        resume: bool,
    },
    /// Say why a campaign of the running engine dials as much as it does: its last pacing decisions, a sentence each
    Explain {
        /// The campaign's name
        campaign: String,
        /// How many decisions, 1 to 600
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=600))]
        last: u16,
        /// As JSON, newest first
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Read the running engine's configuration anew; calls, conversations and sockets stay (SIGHUP does the same)
    Reload {
        #[command(flatten)]
        config: ConfigArg,
        /// Only say what would change
        #[arg(long)]
        dry_run: bool,
    },
    /// What came of the calls
    #[command(subcommand)]
    Outcomes(OutcomesCommand),
    /// Recordings: list, export, verify, erase; the site's keys
    #[command(subcommand)]
    Recording(RecordingCommand),
    /// Tokens for the API, with roles and rights: add, list, revoke
    #[command(subcommand)]
    Token(TokenCommand),
    /// Who did what, about which recording, call or agent, allowed or denied
    Audit(AuditArgs),
    /// Tell a recorded log of inputs in words, and prove that the same decisions come out of it
    Replay {
        /// The log (`input_log` in the configuration), or several: each holds one run of the engine
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Only this attempt
        #[arg(long)]
        attempt: Option<u64>,
        /// Only the summary
        #[arg(long)]
        quiet: bool,
    },
}

#[derive(Subcommand)]
enum AgentCommand {
    /// Add an agent and print the token for the first frame; it is shown this once
    Add {
        /// Log-in name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
        /// Campaign to serve, with a weight of 1..=100 after a colon ("PL-B2-HCM:2"); repeatable; default: all
        #[arg(long = "campaign")]
        campaigns: Vec<String>,
        /// Skill with a level of 1..=10 after a colon ("late_stage:7"); repeatable
        #[arg(long = "skill")]
        skills: Vec<String>,
        /// How the agent is heard: browser, phone:sip:1001@192.0.2.5, or none (a scripted agent, whose calls are silent)
        #[arg(long, default_value = "browser")]
        audio: AgentAudio,
    },
    /// List the agents
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Refuse an agent's log-in from now on
    Disable {
        /// Log-in name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
        /// Allow it again
        #[arg(long)]
        enable: bool,
    },
}

#[derive(Subcommand)]
enum CampaignCommand {
    /// List campaigns with their figures
    List {
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Show one campaign's abandon ledger: served, abandoned, cap, window, what is left
    Show {
        /// Its name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Start dialling
    Start {
        /// Its name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Start no further call; conversations go on
    Pause {
        /// Its name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Change how many lines it dials; in force at the next decision
    Ratio {
        /// Its name
        name: String,
        /// Lines per free agent (or, with --per-agent, per agent at work), e.g. 1.5
        #[arg(required_unless_present = "progressive", value_parser = ratio)]
        ratio: Option<u32>,
        #[command(flatten)]
        config: ConfigArg,
        /// Lines per agent at work: ready, talking or in wrap-up
        #[arg(long)]
        per_agent: bool,
        /// One line per free agent
        #[arg(long, conflicts_with_all = ["ratio", "per_agent"])]
        progressive: bool,
    },
    /// Change who starts its calls; in force at the next decision, and no call is dropped
    Mode {
        /// Its name
        name: String,
        #[command(flatten)]
        config: ConfigArg,
        #[command(flatten)]
        mode: ModeArg,
    },
}

#[derive(Subcommand)]
enum OutcomesCommand {
    /// Write attempts and their outcomes as CSV
    Export {
        #[command(flatten)]
        config: ConfigArg,
        /// Where to; default: standard output
        #[arg(long, short)]
        output: Option<PathBuf>,
        /// Attempts from this time on (2026-11-23 or 2026-11-23T08:00:00+07:00)
        #[arg(long, value_parser = instant)]
        since: Option<UnixMs>,
        /// Attempts before this time
        #[arg(long, value_parser = instant)]
        until: Option<UnixMs>,
        /// Of this campaign only
        #[arg(long)]
        campaign: Option<String>,
        /// Numbers in full instead of masked
        #[arg(long)]
        numbers: bool,
    },
    /// Check the books: every attempt has one result, every conversation one outcome
    Totals {
        #[command(flatten)]
        config: ConfigArg,
    },
}

fn main() -> ExitCode {
    // An agent's socket and a call's RTP port are a file descriptor each; the usual soft limit of 1,024 is no floor.
    let _ = rlimit::increase_nofile_limit(OPEN_FILES_WANTED);
    tandem::shell::log::tell_panics();
    let command = Cli::parse().command;
    match run(command) {
        Ok(code) => code,
        // A reader that went away (`tandem replay FILE | head`) is no fault.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tandem: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve {
            config,
            until_stdin_closes,
            log_format,
        } => run_engine(&config, until_stdin_closes, log_format)?,
        Command::Demo(args) => return Ok(ExitCode::from(tandem::demo::run::run(args)?)),
        Command::Carrier(args) => tandem::demo::carrier::run(args)?,
        Command::Pacer => {
            let (input, output) = (std::io::stdin().lock(), std::io::stdout().lock());
            tandem::shell::pacer::converse(input, std::io::BufWriter::new(output))?;
        }
        Command::Simulate(args) => tandem::simulate::simulate(&args)?,
        Command::Check { file } => {
            let (report, is_sound) = check_report(&file);
            print!("{report}");
            return Ok(if is_sound {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Doctor { config, json } => {
            let report = examine(&config);
            let text = if json { report.json() } else { report.text() };
            print!("{text}");
            return Ok(if report.is_sound() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            });
        }
        Command::Import {
            file,
            config,
            campaign,
            do_not_call,
            rejects,
            restart,
        } => {
            let config = load(&config.config)?;
            let list = if do_not_call {
                List::DoNotCall
            } else {
                List::Leads { campaign, restart }
            };
            import(&config, &file, list, rejects.as_deref())?;
        }
        Command::Backup { to, config } => backup(&load(&config.config)?, to)?,
        Command::Restore {
            file,
            hold_hours,
            config,
        } => restore(&load(&config.config)?, &file, hold_hours)?,
        Command::Agent(command) => agent(command)?,
        Command::Campaign(command) => campaign(command)?,
        Command::Explain {
            campaign,
            last,
            json,
            config,
        } => {
            let client = client(&config)?;
            let decisions = client.decisions(&campaign, usize::from(last))?;
            let all = client.campaigns()?;
            let now = all.iter().find(|now| now.name == campaign);
            print!("{}", explained(&decisions, now, json)?);
        }
        Command::Stop {
            config,
            cancel_ringing,
            resume,
        } => {
            let client = client(&config)?;
            if resume {
                client.resume()?;
                println!("Dialling goes on.");
            } else {
                client.stop(cancel_ringing)?;
                let ringing = if cancel_ringing {
                    " What rings is cancelled."
                } else {
                    ""
                };
                println!("Dialling is stopped.{ringing} `tandem stop --resume` lets it go on.");
            }
        }
        Command::Reload { config, dry_run } => {
            let report = client(&config)?.reload(dry_run)?;
            std::io::stdout().write_all(report.text().as_bytes())?;
        }
        Command::Outcomes(command) => outcomes(command)?,
        Command::Recording(command) => return print_checked(command.run()?),
        Command::Token(command) => print!("{}", command.run()?),
        Command::Audit(args) => return print_checked(args.run()?),
        Command::Replay {
            files,
            attempt,
            quiet,
        } => {
            let mut out = std::io::stdout().lock();
            let telling = Telling {
                attempt: attempt.map(AttemptId),
                quiet,
            };
            for file in &files {
                let told = replay(file, telling, &mut out)?;
                if files.len() > 1 {
                    write!(out, "{}: ", file.display())?;
                }
                writeln!(out, "{told}")?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints what a check found; its end says whether all is well.
fn print_checked((text, is_well): (String, bool)) -> anyhow::Result<ExitCode> {
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn load(path: &Path) -> anyhow::Result<Config> {
    Config::load(path)
        .map_err(|faults| anyhow::anyhow!("the configuration cannot be used\n{faults}"))
}

fn client(config: &ConfigArg) -> anyhow::Result<ApiClient> {
    Ok(ApiClient::of(&load(&config.config)?)?)
}

fn office(config: &Config) -> anyhow::Result<BackOffice> {
    let path = store_path(config);
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("data_dir {}", config.data_dir.display()))?;
    Ok(BackOffice::open(&path)?)
}

fn run_engine(path: &Path, until_stdin_closes: bool, format: LogFormat) -> anyhow::Result<()> {
    tandem::shell::log::start(format)?;
    let config = load(path)?;
    serve(path, &config, until_stdin_closes, |recovery| {
        if recovery.interrupted + recovery.connected > 0 {
            tracing::info!(
                interrupted = recovery.interrupted,
                connected = recovery.connected,
                orphans = recovery.orphans.len(),
                took_ms = recovery.took.as_millis() as u64,
                "Settled what the last run left behind."
            );
        }
        let s = if config.tls.files.is_some() { "s" } else { "" };
        // One line that a script can wait for.
        println!(
            "ready: agents ws{s}://{}/agent, http http{s}://{}, sip {}",
            config.desk.listen, config.api.listen, config.sip.listen
        );
        let _ = std::io::stdout().flush();
    })?;
    Ok(())
}

enum List {
    Leads {
        campaign: Option<String>,
        restart: bool,
    },
    DoNotCall,
}

fn import(config: &Config, file: &Path, list: List, rejects: Option<&Path>) -> anyhow::Result<()> {
    let mut line = ProgressLine::new();
    let mut progress = |report: &ImportReport| {
        line.tell(|| {
            let rate = format!("{:.0} records/s", report.rate());
            let elapsed = Duration::from_secs_f64(report.seconds);
            let rest = share_and_rest(report.bytes, report.bytes_total, elapsed, &rate);
            format!(
                "{} records, {} rejected; {rest}",
                report.read, report.rejected
            )
        });
    };
    let mut office = office(config)?;
    let mut named = None;
    let report = match list {
        List::DoNotCall => {
            office.import_dnc(file, &config.default_country, rejects, &mut progress)?
        }
        List::Leads { campaign, restart } => {
            let rules = ListRules {
                campaigns: config
                    .campaigns
                    .iter()
                    .map(|campaign| campaign.settings.name.clone())
                    .collect(),
                skills: config.skills.clone(),
                campaign: campaign.clone(),
                country: config.default_country.clone(),
                zone: config.default_zone.clone(),
            };
            named = campaign;
            if restart {
                office.import_forget(file, &rules)?;
            }
            office.import_leads(file, rules, rejects, &mut progress)?
        }
    };
    line.end();
    if report.resumed > 0 {
        println!(
            "Went on after {} records of an import that was cut off; the figures count them in.",
            report.resumed
        );
    }
    println!(
        "{} read: {} new, {} known already ({} of them brought something new), {} rejected; {:.1} s",
        report.read,
        report.imported,
        report.duplicates,
        report.updated,
        report.rejected,
        report.seconds
    );
    if report.rejected > 0 {
        match rejects {
            Some(path) => println!(
                "Line and reason of each rejected record: {}",
                path.display()
            ),
            None => println!("Name a file with --rejects to see line and reason of each."),
        }
    }
    // A running engine looks for itself once a second; this only saves the second.
    if let Ok(client) = ApiClient::of(config) {
        let _ = client.leads_changed(named.as_deref());
    }
    Ok(())
}

/// Tells how far a backup or a restore is.
fn copy_progress() -> impl FnMut(CopyStep) {
    let (mut line, begun) = (ProgressLine::new(), std::time::Instant::now());
    move |step| {
        line.tell(|| match step {
            CopyStep::Copying(done, all) => {
                let rate = format!("{} MB copied", done >> 20);
                share_and_rest(done, all, begun.elapsed(), &rate)
            }
            CopyStep::Checking => "checking the copy".to_owned(),
            CopyStep::Preparing => "preparing the store".to_owned(),
        });
    }
}

fn backup(config: &Config, to: Option<PathBuf>) -> anyhow::Result<()> {
    let now = unix_now();
    let to = match to {
        Some(to) => to,
        None => tandem::shell::store::backup::default_file(&config.data_dir, now)
            .context("the directory of backups")?,
    };
    let report =
        tandem::shell::store::sqlite::backup(&store_path(config), &to, now, &mut copy_progress())?;
    println!(
        "{}: {} MB, {} leads, {} attempts ({} in the air), checked; {:.1} s",
        report.file.display(),
        report.bytes >> 20,
        report.leads,
        report.attempts,
        report.in_air,
        report.seconds
    );
    println!("It holds personal data and log-ins: encrypt it before it leaves this machine.");
    Ok(())
}

fn restore(config: &Config, file: &Path, hold_hours: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(&config.data_dir)
        .with_context(|| format!("data_dir {}", config.data_dir.display()))?;
    let now = unix_now();
    let hold = Duration::from_secs(u64::from(hold_hours) * 3_600);
    let plan = tandem::shell::store::backup::RestorePlan {
        store: &store_path(config),
        backup: file,
        now,
        quiet_until: now + hold,
    };
    let report = tandem::shell::store::sqlite::restore(&plan, &mut copy_progress())?;
    print!("{}", report.words(&plan));
    Ok(())
}

fn unix_now() -> UnixMs {
    tandem::shell::lanes::Clock::new().now().unix
}

/// "name:7" as name and number; the number is `default` where there is none.
fn name_and_number<T: std::str::FromStr + PartialOrd>(
    text: &str,
    default: T,
    most: T,
) -> anyhow::Result<(String, T)> {
    let Some((name, number)) = text.rsplit_once(':') else {
        return Ok((text.to_owned(), default));
    };
    match number.parse::<T>() {
        Ok(number) if number >= default && number <= most => Ok((name.to_owned(), number)),
        _ => bail!("{text}: expected a whole number in range after the colon"),
    }
}

fn agent(command: AgentCommand) -> anyhow::Result<()> {
    match command {
        AgentCommand::Add {
            name,
            config,
            campaigns,
            skills,
            audio,
        } => {
            let config = load(&config.config)?;
            let mut serves = Vec::new();
            for text in &campaigns {
                serves.push(name_and_number(text, 1u16, 100)?);
            }
            if serves.is_empty() {
                serves = config
                    .campaigns
                    .iter()
                    .map(|campaign| (campaign.settings.name.clone(), 1))
                    .collect();
            }
            if let Some((unknown, _)) = serves.iter().find(|(name, _)| {
                !config
                    .campaigns
                    .iter()
                    .any(|campaign| campaign.settings.name == *name)
            }) {
                bail!("there is no campaign named \"{unknown}\" in the configuration");
            }
            let mut can = Vec::new();
            for text in &skills {
                let (skill, level) = name_and_number(text, 1u8, 10)?;
                if !config.skills.contains(&skill) {
                    bail!("there is no skill named \"{skill}\" in the configuration");
                }
                can.push((skill, level));
            }
            let token = office(&config)?.agent_add(&name, &serves, &can, &audio)?;
            println!("{token}");
            eprintln!(
                "The token of {name}; it is not shown again. Socket: ws://{}/agent",
                config.desk.listen
            );
        }
        AgentCommand::List { config } => {
            let agents = office(&load(&config.config)?)?.agent_list()?;
            println!(
                "{:<20} {:<9} {:<8} {:<40} SKILLS",
                "NAME", "LOG-IN", "AUDIO", "CAMPAIGNS"
            );
            let list = |items: Vec<String>| {
                if items.is_empty() {
                    "-".to_owned()
                } else {
                    items.join(" ")
                }
            };
            for agent in agents {
                let login = if agent.disabled {
                    "disabled"
                } else {
                    "allowed"
                };
                let serves = list(
                    agent
                        .campaigns
                        .iter()
                        .map(|(name, weight)| format!("{name}:{weight}"))
                        .collect(),
                );
                let can = list(
                    agent
                        .skills
                        .iter()
                        .map(|(name, level)| format!("{name}:{level}"))
                        .collect(),
                );
                let audio = agent.audio.kind();
                println!(
                    "{:<20} {login:<9} {audio:<8} {serves:<40} {can}",
                    agent.name
                );
            }
        }
        AgentCommand::Disable {
            name,
            config,
            enable,
        } => {
            office(&load(&config.config)?)?.agent_disable(&name, !enable)?;
            println!(
                "Log-in of {name} is {}.",
                if enable {
                    "allowed again"
                } else {
                    "refused from now on"
                }
            );
        }
    }
    Ok(())
}

fn campaign(command: CampaignCommand) -> anyhow::Result<()> {
    match command {
        CampaignCommand::List { config } => {
            print!("{}", campaign_table(&client(&config)?.campaigns()?))
        }
        CampaignCommand::Show { name, config } => {
            print!("{}", campaign_lines(&client(&config)?.campaigns()?, &name)?)
        }
        CampaignCommand::Start { name, config } => {
            client(&config)?.start(&name)?;
            println!("{name} dials.");
        }
        CampaignCommand::Pause { name, config } => {
            client(&config)?.pause(&name)?;
            println!("{name} starts no further call; conversations go on.");
        }
        CampaignCommand::Ratio {
            name,
            ratio,
            config,
            per_agent,
            progressive,
        } => {
            let mode = match (ratio, progressive) {
                (None, _) | (_, true) => DialMode::Progressive,
                (Some(milli), _) if per_agent => DialMode::LinesPerAgent { milli },
                (Some(milli), _) => DialMode::LinesPerFreeAgent { milli },
            };
            set_mode(&name, &config, mode)?;
        }
        CampaignCommand::Mode { name, config, mode } => {
            set_mode(&name, &config, mode.into())?;
        }
    }
    Ok(())
}

fn set_mode(campaign: &str, config: &ConfigArg, mode: DialMode) -> anyhow::Result<()> {
    client(config)?.set_mode(campaign, mode)?;
    println!("{campaign} dials {mode} from the next decision on.");
    Ok(())
}

fn instant(text: &str) -> Result<UnixMs, String> {
    let expected = "expected 2026-11-23 or 2026-11-23T08:00:00+07:00";
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(UnixMs(at.as_millisecond()));
    }
    let day: jiff::civil::Date = text.parse().map_err(|_| expected.to_owned())?;
    let midnight = day
        .to_zoned(jiff::tz::TimeZone::system())
        .map_err(|_| expected.to_owned())?;
    Ok(UnixMs(midnight.timestamp().as_millisecond()))
}

fn outcomes(command: OutcomesCommand) -> anyhow::Result<()> {
    match command {
        OutcomesCommand::Export {
            config,
            output,
            since,
            until,
            campaign,
            numbers,
        } => {
            let office = office(&load(&config.config)?)?;
            let filter = ExportFilter {
                since,
                until,
                campaign,
            };
            let shown = if numbers {
                NumbersShown::Clear
            } else {
                NumbersShown::Masked
            };
            let rows = match &output {
                Some(path) => {
                    let file =
                        std::fs::File::create(path).with_context(|| path.display().to_string())?;
                    let mut file = std::io::BufWriter::new(file);
                    let rows = office.outcomes_export(&mut file, &filter, shown)?;
                    file.flush()?;
                    rows
                }
                None => office.outcomes_export(&mut std::io::stdout().lock(), &filter, shown)?,
            };
            eprintln!("{rows} attempts");
        }
        OutcomesCommand::Totals { config } => {
            let totals = office(&load(&config.config)?)?.store_totals()?;
            println!(
                "{:>9} attempts, {} of them in the air",
                totals.attempts, totals.in_air
            );
            for (result, count) in &totals.results {
                println!("{count:>9} {}", result.code());
            }
            println!(
                "{:>9} outcomes, {} still to come",
                totals.outcomes.iter().map(|(_, n)| n).sum::<u64>(),
                totals.awaiting_outcome
            );
            for (code, count) in &totals.outcomes {
                println!("{count:>9} {}", code.code());
            }
            println!(
                "{:>9} promises; {} leads open, {} done",
                totals.promises, totals.leads_open, totals.leads_done
            );
            if totals.persons_twice_in_air > 0 {
                bail!(
                    "{} persons have two attempts in the air",
                    totals.persons_twice_in_air
                );
            }
        }
    }
    Ok(())
}
