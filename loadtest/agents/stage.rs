//! A floor that takes calls: the engine, a list of made-up people, the far end that answers for them, and agents' tokens.
//!
//! Nothing of it leaves loopback. Everybody on the list is rung once at most in the life of a stage: a number that is rung twice
//! is a fault, and a card can be told from all others by whom it is about.

use super::crew::{CardSeen, Crew, Seen};
use super::far_end::{Answer, FarEnd, People};
use crate::frame::bed::{Bed, allow_open_files, free, rtp_ports};
use crate::frame::process::{Process, cpu_seconds};
use crate::log_of;
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};
use tandem::demo::borrowers::{BorrowerPlan, Detail, write_json_lines};
use tandem::pii::Pii;
use tandem::shell::api::PictureView;
use tandem::shell::api::client::ApiClient;
use tandem::shell::store::lead_rows::ListRules;
use tokio::time::sleep;

/// The campaign of all stages.
pub const CAMPAIGN: &str = "ANSWERS";
/// Longest wait until no call is left: the talk is under a second, the rest is for a busy machine.
const DRAIN_MAX: Duration = Duration::from_secs(60);
/// What a start and a rush of log-ins leave behind must be gone before anything is measured: the runtime keeps a thread that
/// checked a log-in for ten seconds.
pub const SETTLE: Duration = Duration::from_secs(12);

/// Phones ring shortly and talk is short, so that few agents take many calls: an agent is back after about half a second.
pub const PEOPLE: People = People {
    ring: (Duration::from_millis(10), Duration::from_millis(210)),
    talk: Duration::from_millis(300),
};
/// From one call's dialling to the next one of the same agent, at most, on a machine that is not behind.
pub const CYCLE_S: f64 = 0.6;

/// What a stage is set for.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Agents with a token.
    pub agents: u32,
    /// Answered calls per second while the campaign runs.
    pub per_second: u32,
    /// How long calls will go on in all: so many people are on the list.
    pub calls_for: Duration,
}

/// The stage.
pub struct Stage {
    /// The engine's files.
    pub bed: Bed,
    /// The engine.
    pub engine: Process,
    /// Who answers.
    pub far_end: FarEnd,
    /// Who may log in.
    pub logins: Vec<(String, Pii<String>)>,
    dir: PathBuf,
}

impl Stage {
    /// Builds it and starts the engine; the campaign is paused.
    pub fn open(dir: &Path, setting: Setting) -> Result<Stage> {
        let Setting {
            agents,
            per_second,
            calls_for,
        } = setting;
        // The engine's sockets are its own; ours are the agents' and those of the bare server's clients.
        allow_open_files(agents * 2)?;
        let [far] = free()?;
        let room = (agents * 2).max(4_096);
        let bed = Bed::make_with(
            dir,
            "",
            &format!("sockets_max = {room}"),
            &format!(
                "{rtp}[[trunks]]\nname = \"far\"\naddress = \"{far}\"\nchannels_max = 5000\ncps_max = 1000\nkeep_alive_s = 2\n\
                 [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\nlines_max = 5000\ncps_max = {per_second}\n\
                 wrap_s = 0\nwindow_from = \"00:00\"\nwindow_until = \"24:00\"\nattempt_gap_min = 1440\n",
                rtp = rtp_ports()
            ),
        )?;
        // A third more than should be rung, for what rings before and after a measured span.
        let leads = (f64::from(per_second) * calls_for.as_secs_f64() * 1.34) as u32 + 500;
        import(&bed, leads)?;
        let logins = bed.add_agents(CAMPAIGN, agents)?;
        let far_end = FarEnd::start(far, leads, PEOPLE)?;
        let engine = start_engine(&bed, dir)?;
        Ok(Stage {
            bed,
            engine,
            far_end,
            logins,
            dir: dir.to_owned(),
        })
    }

    /// Kills the engine, as a power cut would, and starts it again on the same files. When it was gone, and when it was ready.
    pub fn kill_and_restart(&mut self) -> Result<(Instant, Instant)> {
        let gone = Instant::now();
        self.engine.kill()?;
        self.engine = start_engine(&self.bed, &self.dir)?;
        Ok((gone, Instant::now()))
    }

    /// What the engine says of itself.
    pub async fn picture(&self) -> Result<PictureView> {
        let client = ApiClient::of(&self.bed.config)?;
        Ok(tokio::task::spawn_blocking(move || client.picture()).await??)
    }

    /// Lets the campaign dial.
    pub async fn start_calls(&self) -> Result<()> {
        let client = ApiClient::of(&self.bed.config)?;
        Ok(tokio::task::spawn_blocking(move || client.start(CAMPAIGN)).await??)
    }

    /// No further call; waits until all are over and every agent is back.
    pub async fn end_calls(&self, seen: &Seen, agents: u32) -> Result<()> {
        let client = ApiClient::of(&self.bed.config)?;
        tokio::task::spawn_blocking(move || client.pause(CAMPAIGN)).await??;
        let until = Instant::now() + DRAIN_MAX;
        loop {
            seen.check()?;
            let picture = self.picture().await?;
            let ready = picture.agents.get("ready").copied().unwrap_or_default();
            let saved = seen.saved.load(Relaxed) >= seen.outcomes.load(Relaxed);
            if picture.attempts_alive == 0 && ready == agents && seen.ready() == agents && saved {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "calls do not end: {} are alive; ready are {ready} of {agents} agents, by their own count {}; outcomes kept {} of {}",
                picture.attempts_alive,
                seen.ready(),
                seen.saved.load(Relaxed),
                seen.outcomes.load(Relaxed),
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// What must hold when no call is left: all agents ready and nowhere else, no invariant broken, no call but connected
    /// ones, nothing strange at the far end.
    pub async fn check_books(&self, agents: u32) -> Result<()> {
        let picture = self.picture().await?;
        let elsewhere: Vec<_> = picture
            .agents
            .iter()
            .filter(|(state, count)| **count > 0 && !matches!(state.as_str(), "ready" | "offline"))
            .collect();
        ensure!(
            elsewhere.is_empty() && picture.agents.get("ready") == Some(&agents),
            "{agents} agents should be ready and are {:?}",
            picture.agents
        );
        ensure!(
            picture.invariant_faults == 0,
            "{} invariants were broken",
            picture.invariant_faults
        );
        let counts = self.far_end.counts();
        for (what, count) in [
            ("strange calls", &counts.strange),
            ("calls without an end", &counts.lost),
        ] {
            ensure!(count.load(Relaxed) == 0, "{} {what}", count.load(Relaxed));
        }
        Ok(())
    }

    /// Fails if a call ended in another way than this stage asks for. How many intents were not sent: while the disk is
    /// behind the engine holds back what has become too old, and rings nobody.
    pub async fn check_results(&self) -> Result<u64> {
        let picture = self.picture().await?;
        let mut not_sent = 0;
        for campaign in &picture.campaigns {
            for (result, count) in &campaign.results {
                match result.as_str() {
                    "CONNECTED" => {}
                    "NOT_SENT" => not_sent += count,
                    _ => ensure!(*count == 0, "{count} calls ended {result}"),
                }
            }
        }
        ensure!(
            picture.wrap_overruns == 0,
            "{} wrap-ups ended without an outcome",
            picture.wrap_overruns
        );
        Ok(not_sent)
    }

    /// CPU time of engine, far end and agents' clients so far, in seconds.
    pub fn cpu(&self) -> Result<Cpu> {
        let far_end = self.far_end.cpu_seconds()?;
        Ok(Cpu {
            engine: self.engine.cpu_seconds_of_threads()?,
            far_end,
            clients: cpu_seconds(std::process::id())? - far_end,
        })
    }
}

/// CPU time in seconds.
#[derive(Clone, Copy, Debug)]
pub struct Cpu {
    /// The engine's process.
    pub engine: f64,
    /// The thread that answers calls.
    pub far_end: f64,
    /// All else of the generator: the agents' clients.
    pub clients: f64,
}

impl Cpu {
    /// Spent since `earlier`.
    pub fn since(self, earlier: Cpu) -> Cpu {
        Cpu {
            engine: self.engine - earlier.engine,
            far_end: self.far_end - earlier.far_end,
            clients: self.clients - earlier.clients,
        }
    }
}

fn start_engine(bed: &Bed, dir: &Path) -> Result<Process> {
    let words = ["serve", bed.path_str()?, "--until-stdin-closes"];
    Process::tandem(&words, "ready:", &log_of(dir, "engine"))
}

fn import(bed: &Bed, leads: u32) -> Result<()> {
    let path = bed.dir.join("people.jsonl");
    let campaigns = [CAMPAIGN.to_owned()];
    let plan = BorrowerPlan {
        seed: 1,
        campaigns: &campaigns,
        today: jiff::Timestamp::now()
            .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)))
            .date(),
        detail: Detail::Full,
    };
    write_json_lines(&plan, leads, BufWriter::new(File::create(&path)?))?;
    let rules = ListRules {
        campaigns: campaigns.to_vec(),
        skills: Vec::new(),
        campaign: None,
        country: bed.config.default_country.clone(),
        zone: bed.config.default_zone.clone(),
    };
    let report = bed
        .office()?
        .import_leads(&path, rules, None, &mut |_| {})?;
    ensure!(
        report.imported == u64::from(leads),
        "{} of {leads} people are on the list",
        report.imported
    );
    Ok(())
}

/// Milliseconds from each answer to its card. Every answer must have exactly one.
pub fn answer_to_card_ms(answers: &[Answer], cards: &[CardSeen]) -> Result<Vec<f64>> {
    let mut by_lead: HashMap<u32, &CardSeen> = HashMap::with_capacity(cards.len());
    for card in cards {
        ensure!(
            by_lead.insert(card.lead, card).is_none(),
            "two cards for one answer"
        );
    }
    let mut missing = 0;
    let took = answers
        .iter()
        .filter_map(|answer| {
            let card = by_lead.get(&answer.lead);
            missing += u32::from(card.is_none());
            card.map(|card| card.at.saturating_duration_since(answer.at).as_secs_f64() * 1e3)
        })
        .collect();
    ensure!(
        missing == 0,
        "{missing} of {} answers had no card",
        answers.len()
    );
    Ok(took)
}

/// A span of calls: what was answered in it, and how long each card took.
pub struct Span {
    /// Answers in the span.
    pub answers: Vec<Answer>,
    /// From the 200 to the card's frame at the client, in milliseconds.
    pub latencies_ms: Vec<f64>,
    /// Length of the middle one of the cards.
    pub card_bytes: usize,
    /// CPU time in the span.
    pub cpu: Cpu,
    /// Length of the span.
    pub length: Duration,
    begun: Instant,
}

impl Span {
    /// When each answer of the span was, from its beginning.
    pub fn offsets(&self) -> Vec<Duration> {
        self.answers
            .iter()
            .map(|answer| answer.at.saturating_duration_since(self.begun))
            .collect()
    }

    /// Answers per second.
    pub fn rate(&self) -> f64 {
        self.answers.len() as f64 / self.length.as_secs_f64()
    }
}

/// A span under way; [`Running::end`] needs that no call is left.
pub struct Running {
    begun: Instant,
    ended: Instant,
    cpu: Cpu,
}

impl Running {
    /// Counts CPU time over `length` of what goes on now.
    pub async fn over(stage: &Stage, length: Duration) -> Result<Running> {
        let (begun, before) = (Instant::now(), stage.cpu()?);
        sleep(length).await;
        Ok(Running {
            cpu: stage.cpu()?.since(before),
            begun,
            ended: Instant::now(),
        })
    }

    /// The engine's CPU time, in shares of a core.
    pub fn engine_share(&self) -> f64 {
        self.cpu.engine / (self.ended - self.begun).as_secs_f64()
    }

    /// Joins answers and cards. `cards` are all since the last time.
    pub fn end(self, stage: &Stage, cards: &[CardSeen]) -> Result<Span> {
        let answers = stage.far_end.answers(self.begun, self.ended);
        let latencies_ms = answer_to_card_ms(&answers, cards)?;
        let mut bytes: Vec<usize> = cards.iter().map(|card| card.bytes).collect();
        bytes.sort_unstable();
        Ok(Span {
            latencies_ms,
            card_bytes: bytes
                .get(bytes.len() / 2)
                .copied()
                .context("no card came")?,
            answers,
            cpu: self.cpu,
            length: self.ended - self.begun,
            begun: self.begun,
        })
    }
}

/// Sends all agents of a stage in and waits until they are ready and the rush is over.
pub async fn seat_all(stage: &mut Stage, crew: &mut Crew) -> Result<()> {
    let logins = std::mem::take(&mut stage.logins);
    let count = logins.len() as u64;
    crew.enter(logins, Duration::ZERO);
    crew.arrivals(count, Duration::from_secs(120)).await?;
    sleep(SETTLE).await;
    crew.check()
}
