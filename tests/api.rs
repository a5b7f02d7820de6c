//! The API over real sockets: who may ask, what reaches the floor, what is said when something is wrong.

use arc_swap::ArcSwap;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem::config::{ApiConfig, Config, Loaded};
use tandem::core::effect::{Bound, PacingDecision};
use tandem::core::input::Input;
use tandem::core::picture::{CampaignPicture, Picture, TrunkPicture};
use tandem::core::settings::{CampaignState, DialMode};
use tandem::ids::{AgentId, AttemptId, CampaignId};
use tandem::shell::api::client::{ApiClient, ClientError, campaign_table};
use tandem::shell::api::ears::{CallAudio, EarId, EarMode};
use tandem::shell::api::rights::Access;
use tandem::shell::api::{
    AdminToken, AllowedHosts, ApiState, LinkKey, Readiness, Recordings, bind, serve,
};
use tandem::shell::decisions::Decisions;
use tandem::shell::desks::{AnswerTo, AudioRefused};
use tandem::shell::lanes::{Clock, FloorInbox, floor_lanes};
use tandem::shell::metrics::{Backlogs, Metrics, TimingName};
use tandem::shell::recording::{Recorder, RecorderParts, Tap};
use tandem::shell::reload::{Problem, ReloadRefused};

/// What this API reloads.
const NO_FILE: &str = "no-such-directory/tandem.toml";

/// No call is up.
struct NoCalls;

impl CallAudio for NoCalls {
    fn ear_open(&self, _: EarId, _: AgentId, _: EarMode, _: String, answer: AnswerTo) {
        answer(Err(AudioRefused::Busy));
    }
    fn ear_mode(&self, _: EarId, _: EarMode) {}
    fn ear_close(&self, _: EarId) {}
    fn record(&self, _: AttemptId, _: Box<dyn Tap>) -> bool {
        false
    }
    fn pause_recording(&self, _: AttemptId, _: bool) {}
}

/// A recorder without a campaign: it keeps nothing.
fn recorder(data_dir: &Path, store: &Path, clock: Clock) -> Arc<Recorder> {
    let text = format!(
        "data_dir = {data_dir:?}\n[[trunks]]\nname = \"a\"\naddress = \"127.0.0.1:5080\"\n\
         [[campaigns]]\nname = \"c\"\ncaller_id = \"+842873000000\"\n"
    );
    let config = Config::from_text(&text, Path::new("t.toml")).expect("a configuration");
    let parts = RecorderParts::of(&config, store, Default::default(), clock).expect("a key");
    let (recorder, threads) = Recorder::start(parts).expect("its threads");
    threads.stop();
    recorder
}

/// A served API with the test as its floor.
struct House {
    address: SocketAddr,
    inbox: FloorInbox,
    picture: Arc<ArcSwap<Picture>>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    decisions: Decisions,
    clock: Clock,
    token: String,
    data_dir: tempfile::TempDir,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

fn house(urgent: usize) -> House {
    let data_dir = tempfile::tempdir().expect("a temporary directory");
    let token = AdminToken::load_or_create(data_dir.path()).expect("a token");
    let text = std::fs::read_to_string(data_dir.path().join("admin.token")).expect("its file");
    let (floor, inbox) = floor_lanes(urgent, 16);
    let clock = Clock::new();
    let picture = Arc::new(ArcSwap::from_pointee(Picture::default()));
    let metrics = Arc::new(Metrics::new());
    let readiness = Arc::new(Readiness::new(clock));
    let listen = "127.0.0.1:0".parse().expect("an address");
    let names = ["PL-B2-HCM", "CARDS"];
    let decisions = Decisions::default();
    let store = data_dir.path().join("tandem.db");
    let recorder = recorder(data_dir.path(), &store, clock);
    let state = ApiState {
        decisions: decisions.clone(),
        floor,
        picture: picture.clone(),
        campaigns: Arc::new(ArcSwap::from_pointee(
            (0..)
                .zip(names)
                .map(|(id, name)| (name.to_owned(), CampaignId(id)))
                .collect::<BTreeMap<_, _>>(),
        )),
        reload: Arc::new(|asked| match Loaded::read(Path::new(NO_FILE)) {
            Err(faults) if !asked.dry_run => Err(faults.into()),
            _ => Err(ReloadRefused::Draining),
        }),
        metrics: metrics.clone(),
        backlogs: Arc::new(|| Backlogs {
            urgent: 1,
            bulk: 2,
            store: 3,
        }),
        readiness: readiness.clone(),
        token: Arc::new(token),
        access: Arc::new(Access::open(&store, clock).expect("a store")),
        recordings: Arc::new(Recordings {
            recorder,
            audio: Arc::new(NoCalls),
            links: LinkKey::draw(Duration::from_secs(60)).expect("random bits"),
        }),
        ears: Arc::default(),
        hosts: Arc::new(AllowedHosts::new(listen, &["tandem.example".to_owned()])),
        pages: Arc::new(tandem::shell::pages::Pages::new(
            &Default::default(),
            listen,
        )),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, address) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async move {
            let config = ApiConfig {
                listen,
                hosts: Vec::new(),
            };
            let listener = bind(&config).await.expect("a free port");
            ready
                .send(listener.local_addr().expect("its address"))
                .expect("the test waits");
            let until = async move {
                let _ = stopped.await;
            };
            serve(listener, state, until).await.expect("served");
        });
    });
    House {
        address: address.recv().expect("bound"),
        inbox,
        picture,
        metrics,
        readiness,
        decisions,
        clock,
        token: text.trim().to_owned(),
        data_dir,
        stop: Some(stop),
        server: Some(server),
    }
}

impl House {
    /// Status and body of a request that is written letter by letter.
    fn ask(&self, method: &str, path: &str, headers: &[&str], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("connected");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("a limit");
        let mut request = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = answer.split(' ').nth(1).and_then(|s| s.parse().ok());
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body);
        (
            status.unwrap_or_else(|| panic!("no status in {answer}")),
            body.unwrap_or_default().to_owned(),
        )
    }

    /// The same as an authorised client on this machine.
    fn act(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        let token = format!("Authorization: Bearer {}", self.token);
        self.ask(method, path, &["Host: localhost", &token], body)
    }

    fn client(&self) -> ApiClient {
        ApiClient::new(self.address, self.data_dir.path()).expect("a client")
    }

    fn nothing_reached_the_floor(&self) {
        assert!(self.inbox.urgent.is_empty() && self.inbox.bulk.is_empty());
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(server) = self.server.take() {
            let joined = server.join();
            assert!(
                joined.is_ok() || std::thread::panicking(),
                "the server panicked"
            );
        }
    }
}

/// The stable code of an error's body.
fn code(body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"));
    assert!(
        value["message"].as_str().is_some_and(|m| !m.is_empty()),
        "{body}"
    );
    value["code"].as_str().unwrap_or_default().to_owned()
}

fn a_picture() -> Picture {
    Picture {
        agents: [0, 1, 2, 3, 4, 5, 6],
        campaigns: vec![CampaignPicture {
            name: "PL-B2-HCM".into(),
            state: CampaignState::Running,
            mode: DialMode::LinesPerAgent { milli: 1_200 },
            shadow: None,
            shadow_line_seconds: (0, 0),
            agents_serving: 14,
            previews: 0,
            in_air: 9,
            ringing: 7,
            waiting: 1,
            talking: 4,
            launched: 1_000,
            results: [97, 3, 0, 700, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            outcomes: 95,
            hot_leads: 1_900,
            ledger: Default::default(),
            held: [1, 0, 2, 0, 0, 0],
        }],
        trunks: vec![TrunkPicture {
            name: "carrier-a".into(),
            up: true,
            closed: false,
            breaker_open: false,
            in_use: 11,
            channels_max: 30,
        }],
        store_ready: true,
        attempts_alive: 13,
        ..Picture::default()
    }
}

#[test]
fn without_the_token_only_health_and_metrics_are_answered() {
    let house = house(8);
    let paths = [
        ("GET", "/v1/picture"),
        ("GET", "/v1/campaigns"),
        ("POST", "/v1/campaigns/CARDS/start"),
        ("POST", "/v1/campaigns/CARDS/pause"),
        ("PUT", "/v1/campaigns/CARDS/ratio"),
        ("POST", "/v1/stop"),
        ("POST", "/v1/resume"),
        ("POST", "/v1/leads/changed"),
        ("GET", "/v1/nowhere"),
        ("GET", "/"),
        ("DELETE", "/v1/stop"),
        ("POST", "//v1/stop"),
        ("GET", "/metrics/"),
    ];
    let shortened = format!("Authorization: Bearer {}", &house.token[..63]);
    let other_scheme = format!("Authorization: Basic {}", house.token);
    let bare = format!("Authorization: {}", house.token);
    for (method, path) in paths {
        for header in [
            "X-None: 1",
            "Authorization: Bearer",
            &shortened,
            &other_scheme,
            &bare,
        ] {
            let (status, body) = house.ask(method, path, &["Host: localhost", header], "{}");
            assert_eq!(
                (status, code(&body).as_str()),
                (401, "no_token"),
                "{method} {path} {header}"
            );
        }
    }
    house.nothing_reached_the_floor();
    for path in ["/healthz", "/metrics"] {
        assert_eq!(
            house.ask("GET", path, &["Host: localhost"], "").0,
            200,
            "{path}"
        );
    }
    assert_eq!(house.ask("GET", "/readyz", &["Host: localhost"], "").0, 503);
}

#[test]
fn the_agents_page_needs_no_token_and_nothing_beside_it_is_opened_by_it() {
    let house = house(8);
    let ours = ["Host: localhost"];
    let (status, page) = house.ask("GET", "/desk/", &ours, "");
    assert_eq!(status, 200);
    assert!(page.contains("page/dist/main.js"), "{page}");
    let (status, settings) = house.ask("GET", "/desk/settings.json", &ours, "");
    assert_eq!(status, 200);
    assert!(settings.contains("\"socket_port\""), "{settings}");
    assert_eq!(house.ask("GET", "/desk", &ours, "").0, 308);
    assert_eq!(house.ask("GET", "/desk/../v1/picture", &ours, "").0, 404);
    assert_eq!(house.ask("GET", "/deskside", &ours, "").0, 401);
    assert_eq!(house.ask("POST", "/desk/", &ours, "").0, 405);
}

#[test]
fn a_request_under_a_foreign_host_name_is_refused_even_with_the_token() {
    let house = house(8);
    let token = format!("Authorization: Bearer {}", house.token);
    for path in [
        "/healthz",
        "/readyz",
        "/metrics",
        "/v1/picture",
        "/desk/",
        "/desk/settings.json",
    ] {
        for host in [
            "Host: attacker.example",
            "Host: localhost.attacker.example",
            "Host: ",
        ] {
            let (status, body) = house.ask("GET", path, &[host, &token], "");
            assert_eq!(
                (status, code(&body).as_str()),
                (421, "wrong_host"),
                "{path} {host}"
            );
        }
        assert_eq!(
            house.ask("GET", path, &[&token], "").0,
            421,
            "no Host at all"
        );
        let twice = ["Host: localhost", "Host: attacker.example", &token];
        assert_eq!(house.ask("GET", path, &twice, "").0, 421, "two Hosts");
        let absolute = format!("http://attacker.example{path}");
        let named = ["Host: localhost", &token];
        assert_eq!(
            house.ask("GET", &absolute, &named, "").0,
            421,
            "a whole URI"
        );
    }
    let ours = ["Host: tandem.example:443"];
    assert_eq!(house.ask("GET", "/healthz", &ours, "").0, 200);
}

#[test]
fn what_a_supervisor_does_reaches_the_floor_in_order() {
    let house = house(16);
    let client = house.client();
    client.start("CARDS").unwrap();
    client.pause("CARDS").unwrap();
    client
        .set_mode("PL-B2-HCM", DialMode::LinesPerAgent { milli: 2_000 })
        .unwrap();
    client
        .set_mode("PL-B2-HCM", DialMode::LinesPerFreeAgent { milli: 7_500 })
        .unwrap();
    client.set_mode("PL-B2-HCM", DialMode::Progressive).unwrap();
    for mode in [DialMode::Predictive, DialMode::Preview, DialMode::Manual] {
        client.set_mode("PL-B2-HCM", mode).unwrap();
    }
    client.stop(true).unwrap();
    client.resume().unwrap();
    client.leads_changed(Some("CARDS")).unwrap();
    client.leads_changed(None).unwrap();
    assert_eq!(
        house.act("POST", "/v1/stop", "").0,
        202,
        "the alarm needs no body"
    );
    let (pl, cards) = (CampaignId(0), CampaignId(1));
    let urgent: Vec<Input> = house.inbox.urgent.try_iter().collect();
    assert_eq!(
        urgent,
        [
            Input::CampaignState(cards, CampaignState::Running),
            Input::CampaignState(cards, CampaignState::Paused),
            Input::CampaignMode(pl, DialMode::LinesPerAgent { milli: 2_000 }),
            Input::CampaignMode(pl, DialMode::LinesPerFreeAgent { milli: 7_500 }),
            Input::CampaignMode(pl, DialMode::Progressive),
            Input::CampaignMode(pl, DialMode::Predictive),
            Input::CampaignMode(pl, DialMode::Preview),
            Input::CampaignMode(pl, DialMode::Manual),
            Input::StopDialling {
                cancel_ringing: true
            },
            Input::ResumeDialling,
            Input::StopDialling {
                cancel_ringing: false
            },
        ]
    );
    let bulk: Vec<Input> = house.inbox.bulk.try_iter().collect();
    assert_eq!(bulk.len(), 3);
    assert_eq!(bulk[0], Input::LeadsChanged(cards));
    assert!(bulk[1..].contains(&Input::LeadsChanged(pl)));
    assert!(bulk[1..].contains(&Input::LeadsChanged(cards)));
}

#[test]
fn a_refused_reload_has_the_form_of_all_errors_and_the_faults_one_by_one() {
    let house = house(8);
    let (status, _) = house.ask("POST", "/v1/reload", &["Host: localhost"], "");
    assert_eq!(status, 401, "not without the token");
    let (status, body) = house.act("POST", "/v1/reload", "");
    assert_eq!(status, 422, "{body}");
    let problem: Problem = serde_json::from_str(&body).unwrap();
    assert_eq!(problem.code, "faults");
    assert_eq!(problem.faults.len(), 1);
    assert!(
        problem.faults[0].message.starts_with("cannot be read"),
        "{problem:?}"
    );
    assert!(problem.message.contains(NO_FILE), "{problem:?}");
    let (status, body) = house.act("POST", "/v1/reload", "{\"dry_run\":true}");
    assert_eq!(status, 503, "{body}");
    assert_eq!(house.act("POST", "/v1/reload", "{\"dry\":true}").0, 400);
    let refused = house.client().reload(true).unwrap_err().to_string();
    assert!(
        refused.ends_with("the next start reads the file (draining)"),
        "{refused}"
    );
}

#[test]
fn a_wrong_request_is_told_why_and_changes_nothing() {
    let house = house(8);
    let ratio = "/v1/campaigns/CARDS/ratio";
    let long = "x".repeat(5_000);
    let both = "{\"lines_per_agent\": 1, \"predictive\": true}";
    let decisions = "/v1/campaigns/CARDS/decisions";
    for (method, path, body, want) in [
        ("PUT", ratio, "", (400, "bad_body")),
        ("PUT", ratio, "{", (400, "bad_body")),
        ("PUT", ratio, "{\"lines\": 2}", (400, "bad_body")),
        (
            "PUT",
            ratio,
            "{\"lines_per_agent\": \"2\"}",
            (400, "bad_body"),
        ),
        ("PUT", ratio, "{}", (422, "bad_ratio")),
        ("PUT", ratio, "{\"progressive\": false}", (422, "bad_ratio")),
        ("PUT", ratio, "{\"lines_per_agent\": 0}", (422, "bad_ratio")),
        (
            "PUT",
            ratio,
            "{\"lines_per_agent\": 1e9}",
            (422, "bad_ratio"),
        ),
        ("PUT", ratio, both, (422, "bad_ratio")),
        (
            "GET",
            &format!("{decisions}?last=0"),
            "",
            (422, "bad_query"),
        ),
        (
            "GET",
            &format!("{decisions}?last=601"),
            "",
            (422, "bad_query"),
        ),
        (
            "GET",
            &format!("{decisions}?first=1"),
            "",
            (422, "bad_query"),
        ),
        (
            "GET",
            "/v1/campaigns/CARD/decisions",
            "",
            (404, "no_such_campaign"),
        ),
        ("PUT", ratio, &long, (413, "body_too_large")),
        ("POST", ratio, "{}", (405, "wrong_method")),
        ("POST", "/v1/stop", "{\"cancel\": true}", (400, "bad_body")),
        (
            "POST",
            "/v1/leads/changed",
            "{\"campaign\": \"X\"}",
            (404, "no_such_campaign"),
        ),
        (
            "POST",
            "/v1/campaigns/CARD/start",
            "",
            (404, "no_such_campaign"),
        ),
        ("POST", "/v1/campaigns/%FF/start", "", (400, "bad_path")),
        ("GET", "/v1/nowhere", "", (404, "not_found")),
    ] {
        let (status, answer) = house.act(method, path, body);
        assert_eq!(
            (status, code(&answer).as_str()),
            want,
            "{method} {path} {body}: {answer}"
        );
    }
    house.nothing_reached_the_floor();
    let error = house.client().start("CARD").unwrap_err();
    assert!(matches!(&error, ClientError::Refused { code, .. } if code == "no_such_campaign"));
    assert!(
        error.to_string().contains("Did you mean `CARDS`?"),
        "{error}"
    );
}

#[test]
fn a_floor_that_is_behind_is_told_and_not_waited_for() {
    let house = house(1);
    house.client().stop(false).unwrap();
    let (status, body) = house.act("POST", "/v1/campaigns/CARDS/start", "");
    assert_eq!((status, code(&body).as_str()), (503, "engine_behind"));
    assert_eq!(house.inbox.urgent.len(), 1);
}

#[test]
fn readiness_names_what_is_missing() {
    let house = house(8);
    let reasons = || {
        let (status, body) = house.ask("GET", "/readyz", &["Host: localhost"], "");
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status == 200, value["ready"] == true, "{body}");
        let list = value["reasons"].as_array().unwrap().iter();
        list.map(|r| r.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        reasons(),
        ["floor_not_turning", "store_not_ready", "sip_not_bound"]
    );
    house.picture.store(Arc::new(a_picture()));
    house.readiness.set_sip_bound(true);
    // The floor turns while we ask, as its thread would.
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        house.readiness.floor_turned(house.clock.mono());
        if reasons().is_empty() {
            break;
        }
        assert!(Instant::now() < deadline, "{:?}", reasons());
    }
    // It stops: silence is noticed without anybody's word.
    let deadline = Instant::now() + Duration::from_secs(20);
    while reasons() != ["floor_not_turning"] {
        assert!(Instant::now() < deadline, "{:?}", reasons());
        std::thread::sleep(Duration::from_millis(50));
    }
    house.readiness.set_draining();
    assert!(reasons().contains(&"draining".to_owned()));
}

#[test]
fn the_picture_is_one_instant_with_its_latencies() {
    let house = house(8);
    house.picture.store(Arc::new(a_picture()));
    for us in [100, 200, 300] {
        let timing = house.metrics.timing(TimingName::AnswerToMatch);
        timing.record(Duration::from_micros(us));
    }
    let view = house.client().picture().unwrap();
    assert_eq!(view.agents["talking"], 4);
    assert_eq!(view.attempts_alive, 13);
    assert_eq!(
        (view.lanes.urgent, view.lanes.bulk, view.lanes.store),
        (1, 2, 3)
    );
    assert_eq!(view.trunks[0].in_use, 11);
    assert_eq!(view.latencies["answer_to_match"].count, 3);
    assert_eq!(view.latencies["answer_to_match"].max_us, 300);
    let campaign = &view.campaigns[0];
    assert_eq!(campaign.mode.lines_per_agent, Some(1.2));
    assert_eq!(campaign.results["NO_ANSWER"], 700);
    assert_eq!(campaign.abandon_ratio, Some(0.03));
    assert_eq!(campaign.held["ATTEMPTS_USED"], 2);
    assert!(view.at_unix_ms > 1_700_000_000_000);
    let table = campaign_table(&house.client().campaigns().unwrap());
    assert_eq!(
        table,
        "campaign   state    lines          agents  ringing  talking  attempts  abandoned  leads\n\
         PL-B2-HCM  running  1.2 per agent      14        7        4      1000     0.0300   1900\n"
    );
}

#[test]
fn a_scrape_shows_the_picture_and_the_apis_own_answers() {
    let house = house(8);
    house.picture.store(Arc::new(a_picture()));
    house.ask("GET", "/v1/picture", &["Host: localhost"], "");
    let (status, text) = house.ask("GET", "/metrics", &["Host: localhost"], "");
    assert_eq!(status, 200);
    for line in [
        "tandem_campaign_abandoned_total{campaign=\"PL-B2-HCM\"} 3",
        "tandem_floor_agents{state=\"ready\"} 2",
        "tandem_engine_queue_items{queue=\"store\"} 3",
        "tandem_api_requests_total{code=\"401\"} 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(!text.contains(&house.token));
}

#[test]
fn a_stop_ends_the_server() {
    let mut house = house(8);
    let client = house.client();
    house.stop.take().unwrap().send(()).unwrap();
    house.server.take().unwrap().join().unwrap();
    let error = client.resume().unwrap_err();
    assert!(matches!(error, ClientError::NotRunning { .. }), "{error}");
}

#[test]
fn a_supervisor_asks_why_and_hears_the_last_decisions_newest_first() {
    let house = house(8);
    let client = house.client();
    assert_eq!(client.decisions("CARDS", 5).unwrap(), []);
    let mut decider = house.decisions.decider();
    for launched in [3, 0] {
        let decision = PacingDecision {
            campaign: CampaignId(1),
            mode: DialMode::Progressive,
            launched,
            free_agents: 3,
            at_work: 4,
            in_air: 3 - launched,
            wanted: launched,
            bound: Bound::Agents,
            why: None,
            shadow: None,
        };
        decider.keep(tandem::time::UnixMs(1_000), decision);
    }
    let told = client.decisions("CARDS", 5).unwrap();
    let sentences: Vec<&str> = told.iter().map(|told| told.sentence.as_str()).collect();
    assert_eq!(
        sentences,
        [
            "0 lines started: all 3 free agents have a line in the air.",
            "3 lines started: 3 agents free, 0 lines in the air before."
        ]
    );
    assert_eq!(
        (told[0].bound.as_str(), told[0].agents_at_work),
        ("agents", 4)
    );
    assert_eq!(client.decisions("CARDS", 1).unwrap(), told[..1]);
    assert_eq!(client.decisions("PL-B2-HCM", 5).unwrap(), []);
}
