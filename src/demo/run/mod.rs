//! `tandem demo`: engine, simulated phone network, borrowers and agents on this machine, with a live view and a summary that
//! adds up.
//!
//! - [`setup`] directory, ports, configuration, borrowers, agents
//! - [`processes`] the engine and the carrier, as processes of their own
//! - [`view`] what is seen meanwhile; [`summary`] what came of it, from the store, the carrier's records and the agents
//!
//! Ends only processes that it started. Every figure is read from where it arose; none is made up here.

pub mod processes;
pub mod setup;
pub mod summary;
pub mod view;

use crate::demo::agents::figures::AgentFigures;
use crate::demo::agents::{Crowd, Habits};
use crate::demo::carrier::records::Stats;
use crate::demo::signals;
use crate::shell::api::PictureView;
use crate::shell::api::client::{ApiClient, ClientError};
use crate::shell::store::StoreError;
use crate::shell::store::import::ImportError;
use processes::{Peer, PeerError};
use setup::{CAMPAIGN, Ports, Workplace};
use std::collections::VecDeque;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};
use summary::Summary;
use view::{Join, LiveView, Screen};

/// Time between two looks at the engine.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Time between two plain lines.
const LINE_EVERY: Duration = Duration::from_secs(5);
/// Longest start of a process.
const START_MAX: Duration = Duration::from_secs(60);
/// Longest wait for calls and conversations at the end.
const DRAIN_MAX: Duration = Duration::from_secs(180);
/// Longest wait for the last outcomes.
const FAREWELL_MAX: Duration = Duration::from_secs(90);
/// Longest wait for a process that was asked to end; then it is asked to end at once.
const END_MAX: Duration = Duration::from_secs(30);
/// Events on the screen.
const EVENTS_SHOWN: usize = 12;

/// Flags of `tandem demo`.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArgs {
    /// Scripted agents.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    pub agents: u32,
    /// Minutes until it ends by itself. Default: until Ctrl-C.
    #[arg(long, value_parser = positive)]
    pub minutes: Option<f64>,
    /// Share of calls that a person answers, 0 to 0.75.
    #[arg(long, default_value_t = 0.3)]
    pub answer_rate: f64,
    /// Lines ringing per free agent; 0: one line per free agent, which abandons nobody.
    #[arg(long, default_value_t = 2.5)]
    pub lines_per_free_agent: f64,
    /// Dial by forecast, within an abandon target of 2.5 %, instead of a ratio; careful in its first minutes.
    #[arg(long, conflicts_with = "lines_per_free_agent")]
    pub predictive: bool,
    /// Made-up borrowers, at most 1,000,000.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub leads: u32,
    /// The same seed makes the same borrowers, fates and agents.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// People live this many times as fast (ringing, talking, wrap-up).
    #[arg(long, default_value_t = 1.0, value_parser = positive)]
    pub speed: f64,
    /// Mean talk time, in seconds, before --speed.
    #[arg(long, default_value_t = 45.0, value_parser = positive)]
    pub talk_s: f64,
    /// Writes the summary as JSON, too.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Keeps everything in this directory, which must be fresh. Default: a temporary one, removed at the end.
    #[arg(long, value_name = "DIRECTORY")]
    pub data_dir: Option<PathBuf>,
    /// Plain lines instead of the live view.
    #[arg(long)]
    pub plain: bool,
}

impl Default for DemoArgs {
    /// What `tandem demo` does without flags.
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: DemoArgs,
        }
        <Line as clap::Parser>::parse_from(["demo"]).args
    }
}

fn positive(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .filter(|value| (0.05..=100_000.0).contains(value))
        .ok_or_else(|| "a number from 0.05 on".to_owned())
}

/// Why the demo cannot run, or cannot be trusted.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A flag out of its range.
    #[error("{0}")]
    Flag(&'static str),
    /// A directory that was used before.
    #[error("{} holds an earlier demo: name a fresh directory", .0.display())]
    NotFresh(PathBuf),
    /// A file or directory.
    #[error("{}: {source}", path.display())]
    Files {
        /// Which one.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The configuration that the demo wrote is refused: a defect of the demo.
    #[error("the demo's own configuration is refused: {0}")]
    Config(String),
    /// Not all made-up borrowers were taken.
    #[error("of the made-up borrowers {imported} were imported and {rejected} rejected")]
    Import {
        /// Taken.
        imported: u64,
        /// Refused.
        rejected: u64,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The import.
    #[error(transparent)]
    ImportFailed(#[from] ImportError),
    /// A process.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// The engine's API.
    #[error(transparent)]
    Api(#[from] ClientError),
    /// Terminal, threads, ports.
    #[error("the demo cannot run: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs the demo. Returns the exit code: 0, or 1 if the summary does not add up.
pub fn run(args: DemoArgs) -> Result<u8, DemoError> {
    if !(0.0..=0.75).contains(&args.answer_rate) {
        return Err(DemoError::Flag(
            "--answer-rate: 0 to 0.75, so that there is room for busy lines and machines",
        ));
    }
    if args.lines_per_free_agent != 0.0 && !(0.1..=100.0).contains(&args.lines_per_free_agent) {
        return Err(DemoError::Flag("--lines-per-free-agent: 0, or 0.1 to 100"));
    }
    let asked = Arc::new(AtomicU8::new(0));
    let on_signal = Arc::clone(&asked);
    signals::watch(move || {
        on_signal.fetch_add(1, Ordering::AcqRel);
    })?;
    let place = Workplace::prepare(args.data_dir.as_deref())?;
    println!(
        "Tandem demo: real engine, real SIP, RTP and websockets on this machine; people and phone network are simulated."
    );
    println!(
        "The calling rules are relaxed for the demo (any hour, 100 attempts a day): {}",
        place.file("demo.toml").display()
    );
    let path = place.path.clone();
    let outcome = Demo::start(args, place, asked).and_then(Demo::run);
    if outcome.is_err() {
        eprintln!(
            "Logs, configuration and data of this demo are kept in {}",
            path.display()
        );
    }
    outcome
}

/// The running demo.
struct Demo {
    args: DemoArgs,
    place: Workplace,
    asked: Arc<AtomicU8>,
    began: Instant,
    // Declared, and dropped, in this order: whoever depends on the others goes first.
    crowd: Crowd,
    engine: Peer,
    carrier: Peer,
    api: ApiClient,
    join: Join,
    store: PathBuf,
    events: VecDeque<String>,
    picture: Option<PictureView>,
    carrier_stats: Stats,
}

impl Demo {
    fn start(args: DemoArgs, place: Workplace, asked: Arc<AtomicU8>) -> Result<Self, DemoError> {
        let ports = Ports::find()?;
        let (config_path, config) = setup::write_config(&place, &args, ports)?;
        println!("Making up and importing {} borrowers.", args.leads);
        setup::import_borrowers(&place, &config, &args)?;
        let seats = setup::add_agents(&config, args.agents)?;
        let mut carrier = Peer::start(
            "carrier",
            &carrier_words(&args, &place, ports),
            &place.file("carrier.log"),
        )?;
        carrier.wait_for_line("{\"event\":\"ready\"", START_MAX)?;
        let words = [
            "serve".to_owned(),
            config_path.display().to_string(),
            "--until-stdin-closes".to_owned(),
        ];
        let mut engine = Peer::start("engine", &words, &place.file("engine.log"))?;
        engine.wait_for_line("ready", START_MAX)?;
        let api = ApiClient::of(&config)?;
        let habits = Habits {
            talk_mean_s: args.talk_s,
            speed: args.speed,
            ..Habits::default()
        };
        let url = format!("ws://{}{}", ports.desk, crate::wire::desk::PATH);
        let spread = Duration::from_millis(20) * args.agents;
        let crowd = Crowd::start(
            &url,
            seats.scripted,
            habits,
            args.seed,
            spread.min(Duration::from_secs(10)),
        )?;
        let join = Join {
            page: format!("http://{}/desk/#agent={}", ports.api, setup::GUEST),
            url,
            guest: seats.guest,
            client: seats.client,
            http: format!("http://{}", ports.api),
            config: config_path,
        };
        let mut demo = Demo {
            store: crate::shell::serve::store_path(&config),
            args,
            place,
            asked,
            began: Instant::now(),
            crowd,
            engine,
            carrier,
            api,
            join,
            events: VecDeque::new(),
            picture: None,
            carrier_stats: Stats::default(),
        };
        demo.begin_dialling()?;
        Ok(demo)
    }

    /// Waits for the trunk and the first agents, then starts the campaign.
    fn begin_dialling(&mut self) -> Result<(), DemoError> {
        let until = Instant::now() + START_MAX;
        loop {
            let picture = self.api.picture()?;
            let trunk_up = picture.trunks.iter().all(|trunk| trunk.up);
            let agents = self.crowd.figures().logins;
            if (trunk_up && agents > 0) || self.asked() > 0 {
                break;
            }
            if Instant::now() > until {
                return Err(PeerError::Slow {
                    name: "engine",
                    waited_s: START_MAX.as_secs(),
                    tail: self.engine.tail(),
                }
                .into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        self.api.start(CAMPAIGN)?;
        self.began = Instant::now();
        Ok(())
    }

    fn run(mut self) -> Result<u8, DemoError> {
        let plain = self.args.plain || !std::io::stdout().is_terminal();
        let mut screen = Screen::open(plain, &self.join, LINE_EVERY)?;
        let deadline = self
            .args
            .minutes
            .map(|minutes| self.began + Duration::from_secs_f64(minutes * 60.0));
        let shown = loop {
            self.look();
            screen.show(&self.live(None))?;
            let done = deadline.is_some_and(|deadline| Instant::now() >= deadline);
            if done || self.asked() > 0 || screen.wait(LOOK_EVERY)? {
                break Ok(());
            }
            if let Some(fault) = self.lost_peer() {
                break Err(fault);
            }
        };
        let drained = shown.and_then(|()| self.drain(&mut screen));
        screen.close();
        drained?;
        self.finish()
    }

    fn asked(&self) -> u8 {
        self.asked.load(Ordering::Acquire)
    }

    /// One look at everybody.
    fn look(&mut self) {
        match self.api.picture() {
            Ok(picture) => self.picture = Some(picture),
            Err(error) => self.note(format!("the engine's picture is missing: {error}")),
        }
        if let Some(stats) = std::fs::read(self.place.file("carrier.json"))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
        {
            self.carrier_stats = stats;
        }
        for event in self.crowd.take_events() {
            self.note(event.text);
        }
    }

    fn note(&mut self, text: String) {
        if self.events.len() >= EVENTS_SHOWN {
            self.events.pop_front();
        }
        let at = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        self.events.push_back(format!("{at}  {text}"));
    }

    fn live(&self, ending: Option<&str>) -> LiveView {
        LiveView {
            elapsed: self.began.elapsed(),
            agents_wanted: self.args.agents,
            ending: ending.map(str::to_owned),
            picture: self.picture.clone(),
            carrier: self.carrier_stats.totals,
            agents: self.crowd.figures(),
            events: self.events.iter().cloned().collect(),
            join: self.join.clone(),
        }
    }

    /// The engine or the carrier died: the demo cannot go on.
    fn lost_peer(&mut self) -> Option<DemoError> {
        let ended = |name, peer: &mut Peer| {
            let status = peer.poll_end()?;
            Some(DemoError::from(PeerError::Ended {
                name,
                status: status.to_string(),
                tail: peer.tail(),
            }))
        };
        ended("engine", &mut self.engine).or_else(|| ended("carrier", &mut self.carrier))
    }

    /// Starts no further call, and waits until nobody rings or talks.
    fn drain(&mut self, screen: &mut Screen) -> Result<(), DemoError> {
        let before = self.asked();
        self.api.pause(CAMPAIGN)?;
        self.crowd.hurry();
        let until = Instant::now() + DRAIN_MAX;
        loop {
            self.look();
            screen.show(&self.live(Some(
                "draining: no new calls, conversations go on to their end",
            )))?;
            let alive = self
                .picture
                .as_ref()
                .is_none_or(|picture| picture.attempts_alive > 0);
            let hurried = self.asked() > before.max(1) || screen.wait(LOOK_EVERY)?;
            if !alive || hurried || Instant::now() > until {
                return Ok(());
            }
            if let Some(fault) = self.lost_peer() {
                return Err(fault);
            }
        }
    }

    /// Lets everybody go in their order, reads what they kept, and says what it came to.
    fn finish(self) -> Result<u8, DemoError> {
        let Demo {
            args,
            place,
            began,
            crowd,
            mut engine,
            mut carrier,
            api,
            store,
            picture,
            ..
        } = self;
        let seconds = began.elapsed().as_secs_f64();
        let agents: AgentFigures = crowd.leave(FAREWELL_MAX);
        let picture = api.picture().ok().or(picture);
        let engine_ended = engine.end(END_MAX)?;
        let carrier_ended = carrier.end(END_MAX)?;
        let sources = summary::Sources {
            store: &store,
            records: &place.file("calls.jsonl"),
            carrier_stats: &place.file("carrier.json"),
            agents,
            picture,
            ended_well: engine_ended && carrier_ended,
        };
        let summary = Summary::gather(sources, &args, seconds)?;
        println!("{}", summary.text());
        if let Some(path) = &args.json {
            let json = serde_json::to_vec_pretty(&summary).map_err(std::io::Error::from)?;
            std::fs::write(path, json).map_err(|source| DemoError::Files {
                path: path.clone(),
                source,
            })?;
            println!("The same as JSON: {}", path.display());
        }
        if summary.adds_up {
            place.clear();
            return Ok(0);
        }
        println!(
            "Everything is kept for inspection in {}",
            place.path.display()
        );
        Ok(1)
    }
}

fn carrier_words(args: &DemoArgs, place: &Workplace, ports: Ports) -> Vec<String> {
    let file = |name: &str| place.file(name).display().to_string();
    [
        ("--listen", ports.carrier.to_string()),
        ("--seed", args.seed.to_string()),
        ("--answer-rate", args.answer_rate.to_string()),
        ("--speed", args.speed.to_string()),
        ("--talk-mean-s", args.talk_s.to_string()),
        ("--cdr", file("calls.jsonl")),
        ("--stats", file("carrier.json")),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .fold(
        ["carrier", "--speech", "--until-stdin-closes"]
            .map(str::to_owned)
            .to_vec(),
        |mut words, word| {
            words.push(word);
            words
        },
    )
}
