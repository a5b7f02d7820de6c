//! SIPp as the far end, and the SIP thread as the near one, with test ends for floor, store and media.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tandem::config::{
    ApiConfig, Config, DeskConfig, MediaConfig, RecordingConfig, RecordingFormat, SipConfig,
    StoreConfig, Transport, TrunkConfig,
};
use tandem::core::input::{Input, LegEvent, LegFailure};
use tandem::core::settings::TrunkSettings;
use tandem::ids::{AttemptId, TrunkId};
use tandem::pii::Pii;
use tandem::shell::lanes::{
    Clock, FloorInbox, LegId, MediaPorts, SipOrder, StoreInbox, floor_lanes, store_lane,
};
use tandem::shell::sip::{OsRandom, SipHandle, new_identity, spawn};
use tandem::shell::store::{CallIdentity, DialogRow, StoreOrder};
use tandem::wire::sip::sdp::AudioPath;

/// No step of a scenario takes longer, 64 T1 included.
const PATIENCE: Duration = Duration::from_secs(45);

/// Whether a tool is there. Absent: the test fails, unless `TANDEM_SKIP_PEERS=1` allows to go on without.
pub fn has_tool(tool: &str) -> bool {
    let is_there = Command::new(tool)
        .arg("-v")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        assert_eq!(
            std::env::var("TANDEM_SKIP_PEERS").as_deref(),
            Ok("1"),
            "{tool} is not installed; TANDEM_SKIP_PEERS=1 skips the tests that need it"
        );
        println!("skipped: {tool} is not installed and TANDEM_SKIP_PEERS=1");
    }
    is_there
}

/// Ports for far ends: below the range that the system gives out by itself, different for every process.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = 20_000 + (std::process::id() % 100) as u16 * 100;
    for _ in 0..500 {
        let port = base + NEXT.fetch_add(4, Ordering::Relaxed) % 3_000;
        let is_free = UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
            && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
        if is_free {
            return port;
        }
    }
    panic!("no free port");
}

/// Whether a socket of the kernel's table has this local port. Binding it to find out could take it from SIPp.
fn is_bound(table: &str, port: u16) -> bool {
    let wanted = format!(":{port:04X}");
    std::fs::read_to_string(table)
        .expect("the kernel's table of sockets")
        .lines()
        .any(|line| {
            line.split_whitespace()
                .nth(1)
                .is_some_and(|local| local.ends_with(&wanted))
        })
}

/// SIPp as the far end. Ended when dropped.
pub struct Far {
    child: Child,
    pub address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Far {
    /// Plays `scenario` for `calls` calls and one keep-alive.
    pub fn play(scenario: &str, calls: u32, more: &[&str]) -> Far {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join(format!("tests/data/sipp/{scenario}.xml"));
        let folder = tempfile::tempdir().expect("a folder for SIPp's files");
        let port = free_port();
        let child = Command::new("sipp")
            .current_dir(folder.path())
            .arg("-sf")
            .arg(&file)
            .args(["-i", "127.0.0.1", "-p", &port.to_string(), "-nostdin"])
            .args([
                "-m",
                &(calls + 1).to_string(),
                "-timeout",
                "60s",
                "-timeout_error",
            ])
            .args([
                "-trace_err",
                "-error_file",
                "errors.log",
                "-mp",
                &free_port().to_string(),
            ])
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("SIPp starts");
        let far = Far {
            child,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            _folder: folder,
        };
        let table = if more.contains(&"t1") {
            "/proc/net/tcp"
        } else {
            "/proc/net/udp"
        };
        wait_until("SIPp listens", || is_bound(table, port));
        far
    }

    /// Waits for SIPp to end and takes its word for it.
    #[track_caller]
    pub fn expect_content(mut self) {
        let errors = self._folder.path().join("errors.log");
        wait_until("SIPp ends", || matches!(self.child.try_wait(), Ok(Some(_))));
        let status = self.child.wait().expect("SIPp ended");
        let said = std::fs::read_to_string(errors).unwrap_or_default();
        assert!(status.success(), "SIPp is not content ({status}): {said}");
    }
}

impl Drop for Far {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "waited in vain: {what}");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

/// Real ports, and what was said about the far side's.
#[derive(Default)]
pub struct Ports {
    pub bound: Mutex<HashMap<AttemptId, UdpSocket>>,
    pub remotes: Mutex<Vec<(AttemptId, SocketAddr, u8, bool)>>,
}

impl MediaPorts for Ports {
    fn reserve(&self, leg: LegId) -> Option<u16> {
        let LegId::Call(attempt) = leg else {
            return None;
        };
        let mut bound = self
            .bound
            .lock()
            .expect("no test panicked while holding it");
        let socket = match bound.entry(attempt) {
            Entry::Occupied(taken) => taken.into_mut(),
            Entry::Vacant(free) => free.insert(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?),
        };
        Some(socket.local_addr().ok()?.port())
    }
    fn remote(&self, leg: LegId, _trunk: Option<TrunkId>, path: &AudioPath, answered: bool) {
        let (LegId::Call(attempt), Some(remote)) = (leg, path.remote) else {
            return;
        };
        self.remotes
            .lock()
            .expect("no test panicked while holding it")
            .push((attempt, remote, path.law.payload_type(), answered));
    }
    fn secure(&self, _: LegId, _: tandem::wire::media::srtp::SrtpKeys) {}
    fn trunk_up(&self, _: TrunkId, _: bool) {}
    fn release(&self, leg: LegId) {
        let LegId::Call(attempt) = leg else {
            return;
        };
        self.bound
            .lock()
            .expect("no test panicked while holding it")
            .remove(&attempt);
    }
}

/// The SIP thread with a floor, a store and a media plane made of test ends.
pub struct Near {
    pub sip: SipHandle,
    inbox: FloorInbox,
    store: StoreInbox,
    pub ports: Arc<Ports>,
    pub confirms: bool,
    heard: BTreeMap<AttemptId, Vec<LegEvent>>,
    pub dialogs: Vec<DialogRow>,
    pub is_up: bool,
}

pub fn config(far: SocketAddr, transport: Transport) -> Config {
    let loopback: SocketAddr = (Ipv4Addr::LOCALHOST, 0).into();
    Config {
        data_dir: PathBuf::new(),
        input_log: None,
        default_country: "VN".to_owned(),
        default_zone: "Asia/Ho_Chi_Minh".to_owned(),
        sip: SipConfig {
            listen: loopback,
            advertise_address: None,
            user_agent: "Tandem/test".to_owned(),
        },
        media: MediaConfig {
            listen: Ipv4Addr::LOCALHOST.into(),
            ports: (40_000, 40_100),
            threads: 1,
            agent_port: 0,
            agent_addresses: Vec::new(),
            ice_servers: Vec::new(),
            prompts_dir: None,
        },
        desk: DeskConfig {
            listen: loopback,
            origins: vec![],
            ping_deadline: Duration::from_secs(10),
            queue: 64,
            sockets_max: 4_096,
        },
        api: ApiConfig {
            listen: loopback,
            hosts: vec![],
        },
        pages: Default::default(),
        tls: Default::default(),
        recording: RecordingConfig {
            directory: None,
            site_key_file: None,
            calls_max: 10,
            queue_chunks: 64,
            sync_every: Duration::from_secs(10),
            format: RecordingFormat::Wav,
            link_life: Duration::from_secs(60),
        },
        store: StoreConfig {
            commit_window: Duration::from_millis(2),
            queue: 8_192,
        },
        floor: Default::default(),
        skills: vec![],
        break_reasons: vec![],
        skip_reasons: vec![],
        trunks: vec![TrunkConfig {
            settings: TrunkSettings {
                name: "far".to_owned(),
                channels_max: 100,
                cps_max: 100,
                priority: 1,
                failover_on_silence: false,
            },
            address: far,
            transport,
            domain: Some("carrier.example".to_owned()),
            username: Some("tandem".to_owned()),
            password: Some(Pii::new("secret".to_owned())),
            realms: vec![],
            signalling_ranges: vec![],
            media_ranges: vec![],
            keep_alive: Duration::from_secs(3_600),
            asks_digest: false,
            srtp: Default::default(),
        }],
        phones: Default::default(),
        inbound: Default::default(),
        campaigns: vec![],
    }
}

impl Near {
    pub fn with(config: Config) -> Near {
        let (lane, inbox) = floor_lanes(1_024, 16);
        let (store_in, store) = store_lane(1_024);
        let ports = Arc::new(Ports::default());
        let media: Arc<dyn MediaPorts> = Arc::<Ports>::clone(&ports);
        let sip =
            spawn(&config, Clock::new(), lane, store_in, media).expect("the SIP thread starts");
        Near {
            sip,
            inbox,
            store,
            ports,
            confirms: true,
            heard: BTreeMap::new(),
            dialogs: Vec::new(),
            is_up: false,
        }
    }

    /// A SIP thread whose only trunk is up.
    pub fn towards(far: &Far) -> Near {
        Near::over(far, Transport::Udp)
    }

    pub fn over(far: &Far, transport: Transport) -> Near {
        let mut near = Near::with(config(far.address, transport));
        near.wait("the trunk is up", |near| near.is_up);
        near
    }

    pub fn take_facts(&mut self) {
        for order in self.store.orders.try_iter() {
            if let StoreOrder::Dialog(row) = order {
                if self.confirms {
                    let _ = self
                        .sip
                        .try_order(SipOrder::ConfirmDialog(row.attempt, row.route_try));
                }
                self.dialogs.push(row);
            }
        }
        for input in self.inbox.urgent.try_iter() {
            match input {
                Input::Leg {
                    attempt,
                    event,
                    route_try: 1,
                    ..
                } => self.heard.entry(attempt).or_default().push(event),
                Input::TrunkUp(TrunkId(0), is_up) => self.is_up = is_up,
                other => panic!("unexpected {other:?}"),
            }
        }
    }

    #[track_caller]
    pub fn wait(&mut self, what: &str, mut is_so: impl FnMut(&mut Near) -> bool) {
        let started = Instant::now();
        loop {
            self.take_facts();
            if is_so(self) {
                return;
            }
            let heard = &self.heard;
            assert!(
                started.elapsed() < PATIENCE,
                "waited in vain: {what}; heard {heard:?}"
            );
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[track_caller]
    pub fn wait_for(&mut self, attempt: u64, event: LegEvent) {
        self.wait(&format!("{event:?} of {attempt}"), |near| {
            near.of(attempt).contains(&event)
        });
    }

    pub fn of(&self, attempt: u64) -> &[LegEvent] {
        self.heard
            .get(&AttemptId(attempt))
            .map_or(&[], Vec::as_slice)
    }

    #[track_caller]
    pub fn order(&self, order: SipOrder) {
        self.sip.try_order(order).expect("the queue has room");
    }

    pub fn dial(&self, attempt: u64) -> CallIdentity {
        let mut random = OsRandom::new().expect("randomness");
        let identity = new_identity(&mut random);
        self.order(SipOrder::Invite {
            attempt: AttemptId(attempt),
            route_try: 1,
            trunk: TrunkId(0),
            identity: identity.clone(),
            number: Pii::new(format!("+8490000{attempt:04}")),
            caller_id: "+842800000001".to_owned(),
        });
        identity
    }

    pub fn figure(&self, metric: &str, label: &str) -> u64 {
        self.sip
            .counters()
            .iter()
            .filter(|figure| {
                figure.metric() == metric && figure.labels.first().copied().unwrap_or("") == label
            })
            .map(|figure| figure.value)
            .sum()
    }

    pub fn hang_up(&self, attempt: u64) {
        self.order(SipOrder::HangUp(AttemptId(attempt)));
    }

    /// Everything that was reserved is free again, and the thread ends.
    #[track_caller]
    pub fn close(mut self) {
        self.take_facts();
        assert_eq!(
            self.ports.bound.lock().expect("not poisoned").len(),
            0,
            "a port was not released"
        );
        self.sip.stop(Duration::from_secs(5));
    }
}

pub const fn failed(status: u16) -> LegEvent {
    LegEvent::Failed(LegFailure {
        status,
        q850: None,
        retry_after_s: None,
    })
}
