//! The engine: opens everything, wires the rooms, waits for signals, drains, closes.
//!
//! Order of opening: configuration, store (with what the last process left behind), media, SIP, desks, floor. Nothing is
//! dialled before all are there; the orphans of a crash are ended first.

use crate::config::{Config, InForce, UnknownZone};
use crate::core::floor::Floor;
use crate::core::input::Input;
use crate::core::picture::Picture;
use crate::core::settings::Edit;
use crate::shell::announcements::{self, AnnouncementFault};
use crate::shell::api::ears::{CallAudio, Ears};
use crate::shell::api::rights::Access;
use crate::shell::api::{
    self, AdminToken, AllowedHosts, ApiFailed, ApiState, LinkKey, Readiness, Recordings, TokenError,
};
use crate::shell::callers::ArrivalBook;
use crate::shell::cards::Cards;
use crate::shell::decisions::Decisions;
use crate::shell::desks::{
    self, AgentDirectory, DeskParts, DeskSettings, DeskTimes, Desks, LoggedIn, LoginRefused,
};
use crate::shell::floor_thread::{FloorShell, wait_for_drain};
use crate::shell::lanes::{CallBook, Clock, FloorLane, LeadBook, SipOrder, floor_lanes};
use crate::shell::learned::{self, Found, Keeper};
use crate::shell::media::{self, MediaError, MediaNews, MediaPlane};
use crate::shell::metrics::{Metrics, TimingName};
use crate::shell::pages::Pages;
use crate::shell::recording::keys::KeyFault;
use crate::shell::recording::recorder::{RecorderFault, RecorderThreads};
use crate::shell::recording::{self, Recorder, RecorderParts, WithRecorder};
use crate::shell::reload::{
    self, Hangups, Hooks, ReloadAct, ReloadParts, Reloader, caller_ids, campaign_ids, zone_learner,
};
use crate::shell::replay::{InputLog, LogFigures, ReplayError};
use crate::shell::router::{Books, OrderedAt, Router, TapSink};
use crate::shell::scrape::Rooms;
use crate::shell::signals::signals;
use crate::shell::sip::{self, OsRandom, PhoneNews, SipHandle, SipLane, SipStartFault, WithPhones};
use crate::shell::sounds;
use crate::shell::store::hopper::Hopper;
use crate::shell::store::sqlite::{BackOffice, SqliteLeads, SqliteStore};
use crate::shell::store::writer::Writer;
use crate::shell::store::{
    Recovery, ReturnedLeads, SharedNames, StoreError, StoreNames, StoreNews,
};
use crate::shell::systemd::Service;
use crate::shell::tls::{TlsDoor, TlsFault};
use crate::wire::desk::audio::RecordingState;
use arc_swap::ArcSwap;
use crossbeam::channel::{Receiver, bounded};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// The urgent lane: eight inputs for every leg of a full floor.
const URGENT_LANE: usize = 65_536;
const BULK_LANE: usize = 1_024;
/// Longest drain after the first signal.
const DRAIN_MAX: Duration = Duration::from_secs(600);

/// Why the engine does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A lead's zone is unknown to this machine.
    #[error("{0} (a lead names it)")]
    Zone(#[from] UnknownZone),
    /// A prompt that is named.
    #[error(transparent)]
    Announcement(#[from] AnnouncementFault),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// RTP.
    #[error(transparent)]
    Media(#[from] MediaError),
    /// SIP.
    #[error(transparent)]
    Sip(#[from] SipStartFault),
    /// HTTP.
    #[error(transparent)]
    Api(#[from] ApiFailed),
    /// The admin token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The site's keys for recordings.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The recorder.
    #[error(transparent)]
    Recorder(#[from] RecorderFault),
    /// The certificate of API and desks.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// The log of inputs.
    #[error(transparent)]
    Log(#[from] ReplayError),
    /// A directory, a thread or the desks' socket.
    #[error("{what}: {source}")]
    Io {
        /// What was to be done.
        what: String,
        /// Why it was not.
        source: std::io::Error,
    },
    /// A thread ended by itself: a defect of ours. A restart ends the legs and goes on.
    #[error(
        "the {0} thread stopped; start again: what was in the air will be ended and kept as INTERRUPTED"
    )]
    ThreadEnded(&'static str),
}

fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> ServeError {
    let what = what.into();
    move |source| ServeError::Io { what, source }
}

/// The store's file of a configuration.
pub fn store_path(config: &Config) -> PathBuf {
    config.data_dir.join("tandem.db")
}

/// Runs the engine until it is told to stop: by a signal or, with `until_stdin_closes`, by the end of its standard input.
/// `file` is where `config` was read, and is read again at each reload. `ready` is called once it serves.
pub fn serve(
    file: &Path,
    config: &Config,
    until_stdin_closes: bool,
    ready: impl FnOnce(&Recovery),
) -> Result<(), ServeError> {
    announcements::check(config)?;
    for missing in config.missing_rules() {
        tracing::warn!("CHECK YOUR RULES: {missing}.");
    }
    std::fs::create_dir_all(&config.data_dir)
        .map_err(io(format!("data_dir {}", config.data_dir.display())))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("shell")
        .enable_all()
        .build()
        .map_err(io("the runtime"))?;
    let stop_signals =
        signals(&runtime, until_stdin_closes).map_err(io("signals and standard input"))?;
    let hangups = reload::hangups(&runtime).map_err(io("SIGHUP"))?;
    let service = Arc::new(Service::from_environment());
    service.opening("Opening store and sockets, settling what the last run left behind.");
    let engine = Engine::open(file, config, &runtime, hangups, &service)?;
    service
        .watch(Arc::clone(&engine.readiness), Arc::clone(&engine.picture))
        .map_err(io("the watchdog's thread"))?;
    ready(&engine.recovery);
    service.ready();
    engine.run(&stop_signals, &runtime, &service)
}

/// The first fact that the floor learns: what earlier runs left in the abandon ledgers, and what pacing knew. Nobody may be dialled
/// before.
fn remember(lane: &FloorLane, recovery: &Recovery, found: &mut Found) -> Result<(), ServeError> {
    let ledgers = recovery.ledgers.iter().cloned();
    let mut edits: Vec<Edit> = ledgers.map(|(id, kept)| Edit::Ledger(id, kept)).collect();
    edits.extend(found.learned.take().map(|it| Edit::Learned(Box::new(it))));
    if edits.is_empty() {
        return Ok(());
    }
    lane.urgent(Input::Edits(edits))
        .map_err(|_| io("the floor's lane")(std::io::ErrorKind::WouldBlock.into()))
}

/// Everything that is open.
struct Engine {
    recovery: Recovery,
    lane: FloorLane,
    picture: Arc<ArcSwap<Picture>>,
    readiness: Arc<Readiness>,
    floor: std::thread::JoinHandle<()>,
    stop_floor: crossbeam::channel::Sender<()>,
    keeper: std::thread::JoinHandle<()>,
    writer: Writer,
    sip: SipHandle,
    media: Arc<MediaPlane>,
    recordings: RecorderThreads,
    stop_tasks: tokio::sync::watch::Sender<bool>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Engine {
    fn open(
        file: &Path,
        config: &Config,
        runtime: &tokio::runtime::Runtime,
        hangups: Hangups,
        service: &Arc<Service>,
    ) -> Result<Engine, ServeError> {
        let in_force = InForce::start(config.clone());
        let clock = Clock::new();
        let metrics = Arc::new(Metrics::new());
        let path = store_path(config);

        let mut zones = BackOffice::open(&path)?.zones()?;
        if !zones.contains(&config.default_zone) {
            zones.push(config.default_zone.clone());
        }
        let names = StoreNames::of(config, zones.clone());
        let (store, recovery) = SqliteStore::open(&path, &names, clock.now().unix)?;
        let settings = config.settings(&zones, recovery.first_attempt)?;
        let kept = learned::path(&config.data_dir);
        let mut found = learned::find(&kept, &names, clock.now().unix);
        let names = SharedNames::new(names);
        let store = store.follow(names.clone());

        let (lane, inbox) = floor_lanes(URGENT_LANE, BULK_LANE);
        remember(&lane, &recovery, &mut found)?;
        let (learned, keeper) = Keeper::start(kept, names.clone(), found)
            .map_err(io("the thread that keeps what pacing learns"))?;
        let calls: CallBook = Arc::default();
        let leads: LeadBook = Arc::default();
        let ordered: OrderedAt = Arc::default();
        let outlets: Arc<OnceLock<(SipLane, Arc<Desks>)>> = Arc::default();
        let returned = ReturnedLeads::default();
        let news = news_sink(
            lane.clone(),
            Arc::clone(&outlets),
            Arc::clone(&ordered),
            clock,
            Arc::clone(&metrics),
        );
        let writer = Writer::start(Box::new(store), &config.store, returned.clone(), news)
            .map_err(io("the store's thread"))?;

        let media = media::spawn(&config.media, &config.trunks, clock, lane.clone())?;
        sounds::start(media.reports(), writer.lane(), Arc::clone(&metrics))
            .map_err(io("the thread that keeps how calls sounded"))?;
        let sip = sip::spawn(config, clock, lane.clone(), writer.lane(), media.clone())?;
        if !recovery.orphans.is_empty()
            && sip
                .try_order(SipOrder::Orphans(recovery.orphans.clone()))
                .is_err()
        {
            tracing::error!(
                orphans = recovery.orphans.len(),
                "Legs of the last run could not be ended."
            );
        }
        let source = SqliteLeads::open(&path, &names.now())?
            .follow(names.clone(), zone_learner(names.clone(), lane.clone()));
        let door = tls_door(config)?;
        let rules = Arc::new(ArcSwap::from_pointee(recording::rules(&in_force)));
        let parts = RecorderParts::of(config, &path, Arc::clone(&rules), clock)?;
        let (recorder, recordings) = Recorder::start(parts)?;
        let arrivals = ArrivalBook::default();
        let hopper = Hopper::start(
            Box::new(source),
            returned,
            Arc::clone(&leads),
            Arc::clone(&arrivals),
            lane.clone(),
            clock,
        )
        .map_err(io("the hopper's thread"))?;
        let board = desks::board(desks::campaign_board(config));
        let cards = Cards::start(Arc::clone(&board), Arc::clone(&calls))
            .map_err(io("the cards' thread"))?;
        let parts = DeskParts {
            clock,
            lane: lane.clone(),
            calls: Arc::clone(&calls),
            cards: Arc::clone(&cards),
            directory: Arc::new(Directory {
                office: Mutex::new(BackOffice::open(&path)?),
                names: names.clone(),
            }),
            times: Arc::new(Times(Arc::clone(&metrics))),
            audio: Arc::new(WithPhones::new(
                Arc::new(WithRecorder::new(
                    media.clone(),
                    media.clone(),
                    Arc::clone(&recorder),
                )),
                sip.lane(),
                phone_news(Arc::clone(&outlets)),
            )),
        };
        let desks = Desks::new(DeskSettings::of(&in_force), parts);
        let _ = outlets.set((sip.lane(), Arc::clone(&desks)));
        let (told, paused) = (Arc::downgrade(&desks), Arc::downgrade(&media));
        recorder.on_resumed(Box::new(move |attempt, agent| {
            if let Some(media) = paused.upgrade() {
                let _ = media.pause_recording(attempt, false);
            }
            if let Some(desks) = told.upgrade() {
                desks.recording(agent, RecordingState::On);
            }
        }));
        let told = Arc::downgrade(&desks);
        let ears = Arc::<Ears>::default();
        let listening = Arc::clone(&ears);
        media.tell(Box::new(move |news| match news {
            MediaNews::Leg {
                agent,
                leg,
                checked,
                checking,
            } => {
                if let Some(desks) = told.upgrade() {
                    desks.audio_leg(agent, leg, checked, checking);
                }
            }
            MediaNews::EarGone(ear) => listening.gone(ear),
        }));

        let recorded = config
            .input_log
            .as_ref()
            .map(|_| Arc::<LogFigures>::default());
        let picture = Arc::new(ArcSwap::from_pointee(Picture::default()));
        let readiness = Arc::new(Readiness::new(clock));
        readiness.set_sip_bound(true);
        let rooms = Rooms {
            lane: lane.clone(),
            store: (writer.lane(), writer.stats()),
            store_file: path.clone(),
            hopper: hopper.stats(),
            sip: sip.lane(),
            media: Arc::clone(&media),
            desks: Arc::clone(&desks),
            cards: Arc::clone(&cards),
            recorder: Arc::clone(&recorder),
            door: door.clone(),
            log: recorded.clone(),
        };
        metrics.config_loaded(clock.now().unix);
        let caller_ids = Arc::new(ArcSwap::from_pointee(caller_ids(&in_force)));
        let campaigns = Arc::new(ArcSwap::from_pointee(campaign_ids(&in_force)));
        let hosts = Arc::new(AllowedHosts::new(config.api.listen, &config.api.hosts));
        // Who calls is looked up, shown and joined from the first turn of the floor on.
        let callers = reload::Callers::new(hopper.look_up(), sip.lane());
        callers.tell(&in_force);
        let parts = ReloadParts {
            floor: lane.clone(),
            names,
            store_file: path.clone(),
            sip: sip.lane(),
            media: Arc::clone(&media),
            desks: Arc::clone(&desks),
            board,
            caller_ids: Arc::clone(&caller_ids),
            recording: rules,
            door: door.clone(),
            campaigns: Arc::clone(&campaigns),
            hosts: Arc::clone(&hosts),
            window: writer.window(),
            readiness: Arc::clone(&readiness),
            callers,
        };
        let reload: ReloadAct = Reloader::new(
            file.to_owned(),
            in_force,
            parts,
            reload_hooks(clock, &metrics, service),
        )
        .act();
        hangups.each(runtime, Arc::clone(&reload));
        let (stop_tasks, stopping) = tokio::sync::watch::channel(false);
        let decisions = Decisions::default();
        let state = ApiState {
            floor: lane.clone(),
            decisions: decisions.clone(),
            picture: Arc::clone(&picture),
            campaigns,
            reload,
            metrics: Arc::clone(&metrics),
            backlogs: rooms.each_scrape(Arc::clone(&metrics)),
            readiness: Arc::clone(&readiness),
            token: Arc::new(AdminToken::load_or_create(&config.data_dir)?),
            access: Arc::new(Access::open(&path, clock)?),
            recordings: Arc::new(Recordings {
                recorder: Arc::clone(&recorder),
                audio: Arc::clone(&media) as Arc<dyn CallAudio>,
                links: LinkKey::draw(config.recording.link_life)?,
            }),
            ears,
            hosts,
            pages: Arc::new(Pages::new(&config.pages, config.desk.listen)),
        };
        let log_of_decisions = decisions
            .clone()
            .log(Arc::clone(&picture), stopping.clone());
        let mut tasks = runtime.block_on(open_sockets(
            config,
            state,
            Arc::clone(&desks),
            door,
            stopping,
        ))?;
        tasks.push(runtime.spawn(log_of_decisions));

        // Only now: a start that fails for a taken port must not put the last run's log away.
        let log = match config.input_log.as_ref().zip(recorded) {
            Some((wanted, figures)) => Some(InputLog::create(wanted, &settings, figures)?),
            None => None,
        };
        let (stop_floor, floor_stops) = bounded(1);
        let shell = FloorShell {
            floor: Floor::new(settings),
            inbox,
            clock,
            route: Router {
                store: writer.lane(),
                sip: sip.lane(),
                media: Arc::clone(&media),
                recorder,
                tapped: tap_sink(&media),
                desks,
                cards,
                hopper,
                floor: lane.clone(),
                calls,
                leads,
                arrivals,
                caller_ids,
                ordered,
                decisions: decisions.decider(),
                random: OsRandom::new()?,
                books: Books::default(),
            },
            log,
            learned: Some(learned),
            metrics: Arc::clone(&metrics),
            picture: Arc::clone(&picture),
            readiness: Arc::clone(&readiness),
            stop: floor_stops,
        };
        let floor = shell.spawn().map_err(io("the floor's thread"))?;
        Ok(Engine {
            recovery,
            lane,
            picture,
            readiness,
            floor,
            stop_floor,
            keeper,
            writer,
            sip,
            media,
            recordings,
            stop_tasks,
            tasks,
        })
    }

    /// A thread that ended although nobody asked it to. Without it calls would be left to themselves.
    fn missing_thread(&self) -> Option<&'static str> {
        [
            ("floor", !self.floor.is_finished()),
            ("SIP", self.sip.is_running()),
            ("store", self.writer.is_running()),
            ("media", self.media.is_running()),
            ("recording", self.recordings.are_running()),
        ]
        .into_iter()
        .find(|(_, runs)| !runs)
        .map(|(thread, _)| thread)
    }

    /// Serves until a signal, drains, closes. A second signal ends the drain.
    fn run(
        self,
        signals: &Receiver<()>,
        runtime: &tokio::runtime::Runtime,
        service: &Service,
    ) -> Result<(), ServeError> {
        let mut outcome = loop {
            service.supervised();
            match signals.recv_timeout(Duration::from_millis(500)) {
                Ok(()) => break Ok(()),
                Err(_) => {
                    if let Some(thread) = self.missing_thread() {
                        break Err(ServeError::ThreadEnded(thread));
                    }
                }
            }
        };
        if outcome.is_ok() {
            tracing::info!(
                "Draining: no new calls, conversations go on. A second signal ends them."
            );
            service.stopping("Draining: no new calls, conversations go on.");
            self.readiness.set_draining();
            // Full: they ring until nobody is there to take them, and are turned away.
            let _ = self.sip.try_order(SipOrder::NoMoreCalls);
            let _ = self.lane.urgent(Input::StopDialling {
                cancel_ringing: false,
            });
            // The picture that says so must be newer than the stop.
            std::thread::sleep(Duration::from_millis(600));
            let goes_on = || {
                service.supervised();
                self.missing_thread().is_none()
            };
            if !wait_for_drain(&self.picture, DRAIN_MAX, signals, goes_on) {
                tracing::warn!("The drain was cut short; the next start ends what is left.");
            }
            if let Some(thread) = self.missing_thread() {
                outcome = Err(ServeError::ThreadEnded(thread));
            }
        }
        service.closing();
        let _ = self.stop_tasks.send(true);
        drop(self.stop_floor);
        self.lane.wake();
        let floor_ended_well = self.floor.join().is_ok();
        let _ = self.keeper.join();
        self.sip.stop(Duration::from_secs(2));
        let lost = self.writer.stop();
        self.media.shutdown();
        // After the media threads: what they heard last is still kept.
        self.recordings.stop();
        runtime.block_on(async {
            for task in self.tasks {
                let _ = tokio::time::timeout(Duration::from_secs(3), task).await;
            }
        });
        if lost > 0 {
            tracing::error!(
                lost,
                "Orders could not be kept; the next start settles what they were about."
            );
        }
        if floor_ended_well {
            outcome
        } else {
            Err(ServeError::ThreadEnded("floor"))
        }
    }
}

/// The door of API and desks; `None`: they are plain, and where strangers can come by it is said.
fn tls_door(config: &Config) -> Result<Option<Arc<TlsDoor>>, TlsFault> {
    if let Some(files) = &config.tls.files {
        return TlsDoor::open(files).map(Some);
    }
    for (room, listen) in [("desk", config.desk.listen), ("api", config.api.listen)] {
        if !listen.ip().is_loopback() {
            tracing::warn!(
                %listen,
                "PLAIN: {room}.listen is open to the network without TLS (tls.allow_plain). Tokens and cards go over it readable, \
                 and browsers give it no microphone."
            );
        }
    }
    Ok(None)
}

/// Puts taps on the calls of a media plane.
fn tap_sink(media: &Arc<MediaPlane>) -> TapSink {
    let media = Arc::clone(media);
    Box::new(move |attempt, tap| {
        // Gone already: the tap closes its recording when it is dropped.
        media.record(attempt, tap);
    })
}

/// How a telephone is, as long as media does not know it: told to the agent's desk.
fn phone_news(outlets: Arc<OnceLock<(SipLane, Arc<Desks>)>>) -> PhoneNews {
    PhoneNews(Arc::new(move |agent, leg| {
        if let Some((_, desks)) = outlets.get() {
            desks.audio_leg(agent, leg, false, false);
        }
    }))
}

/// Where reloads are counted, and whom they are told to.
fn reload_hooks(clock: Clock, metrics: &Arc<Metrics>, service: &Arc<Service>) -> Hooks {
    let (metrics, told, tells) = (
        Arc::clone(metrics),
        Arc::clone(service),
        Arc::clone(service),
    );
    Hooks {
        begun: Box::new(move || told.reloading()),
        ended: Box::new(move |ended| {
            metrics.config_reloaded(ended.taken, clock.now().unix);
            tells.reloaded(&ended.sentence);
        }),
    }
}

/// What the writer says after each commit, to whom it concerns. Runs on the writer's thread: hands over and returns.
fn news_sink(
    lane: FloorLane,
    outlets: Arc<OnceLock<(SipLane, Arc<Desks>)>>,
    ordered: OrderedAt,
    clock: Clock,
    metrics: Arc<Metrics>,
) -> Box<dyn Fn(StoreNews) + Send> {
    Box::new(move |news| {
        // A full lane counts what it does not take; the intent's own deadline then closes the attempt.
        let tell = |input| {
            let _ = lane.urgent(input);
        };
        match news {
            StoreNews::IntentDurable(attempt, route_try) => {
                if let Some((_, at)) = ordered.remove(&attempt) {
                    metrics
                        .timing(TimingName::IntentCommit)
                        .record(clock.mono().since(at));
                }
                tell(Input::IntentDurable(attempt, route_try));
            }
            StoreNews::IntentFailed(attempt, route_try) => {
                tell(Input::IntentFailed(attempt, route_try))
            }
            StoreNews::Ready(ready) => tell(Input::StoreReady(ready)),
            StoreNews::Closed(_) => {}
            StoreNews::DialogDurable(attempt, route_try) => {
                if let Some((sip, _)) = outlets.get() {
                    // Full: the ACK goes after its own bound of 200 ms.
                    let _ = sip.try_order(SipOrder::ConfirmDialog(attempt, route_try));
                }
            }
            StoreNews::OutcomeDurable {
                agent,
                attempt,
                request,
            } => {
                if let Some((_, desks)) = outlets.get() {
                    desks.outcome_saved(agent, attempt, request);
                }
            }
            StoreNews::OutcomeFailed {
                agent,
                attempt,
                request,
            } => {
                if let Some((_, desks)) = outlets.get() {
                    desks.outcome_failed(agent, attempt, request);
                }
            }
        }
    })
}

/// The store's book of agents, as the desks ask it. One connection: log-ins come a few per second.
struct Directory {
    office: Mutex<BackOffice>,
    names: SharedNames,
}

impl AgentDirectory for Directory {
    fn login(&self, name: &str, token: &str) -> Result<LoggedIn, LoginRefused> {
        // A reader that panicked left the connection usable: it holds no transaction between calls.
        let office = self.office.lock().unwrap_or_else(PoisonError::into_inner);
        match office.agent_by_token(name, token) {
            Ok(Some(record)) => {
                let seat = record.seat(&self.names.now());
                let audio = record.audio;
                Ok(LoggedIn {
                    agent: seat.agent,
                    name: record.name,
                    campaigns: seat.campaigns,
                    skills: seat.skills,
                    audio,
                })
            }
            Ok(None) => Err(LoginRefused::Wrong),
            Err(error) => {
                tracing::error!(%error, "The book of agents cannot be read.");
                Err(LoginRefused::Unavailable)
            }
        }
    }
}

/// The desks' times, into the engine's histograms.
struct Times(Arc<Metrics>);

impl DeskTimes for Times {
    fn match_to_push(&self, took: Duration) {
        self.0.timing(TimingName::MatchToPush).record(took);
    }
    fn answer_to_push(&self, took: Duration) {
        self.0.timing(TimingName::AnswerToPush).record(took);
    }
    fn push_to_paint(&self, took: Duration) {
        self.0.timing(TimingName::PushToPaint).record(took);
    }
    fn answer_to_paint(&self, took: Duration) {
        self.0.timing(TimingName::AnswerToPaint).record(took);
    }
}

/// Binds the desks' socket and the API, so that a start fails before the first call and not after it.
async fn open_sockets(
    config: &Config,
    state: ApiState,
    desks: Arc<Desks>,
    door: Option<Arc<TlsDoor>>,
    stopping: tokio::sync::watch::Receiver<bool>,
) -> Result<Vec<tokio::task::JoinHandle<()>>, ServeError> {
    let listen = config.desk.listen;
    let sockets = tokio::net::TcpListener::bind(listen)
        .await
        .map_err(io(format!("desk.listen {listen}")))?;
    let http = api::bind(&config.api).await?;
    let mut api_stops = stopping.clone();
    let mut tasks = Vec::new();
    if let Some(door) = &door {
        tasks.push(tokio::spawn(Arc::clone(door).watch(stopping.clone())));
    }
    let desks = tokio::spawn(desks.serve_behind(door.clone(), sockets, stopping));
    let api = tokio::spawn(async move {
        let stop = async move {
            let _ = api_stops.wait_for(|stop| *stop).await;
        };
        if let Err(error) = api::serve_behind(door, http, state, stop).await {
            tracing::error!(%error, "The API ended.");
        }
    });
    tasks.extend([desks, api]);
    Ok(tasks)
}
