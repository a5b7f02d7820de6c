use super::*;
use crate::core::effect::Effect;
use crate::core::floor::Floor;
use crate::core::picture::{CampaignPicture, TrunkPicture};
use crate::core::settings::DialMode;
use crate::shell::floor_thread::{FloorShell, Route};
use crate::shell::lanes::floor_lanes;
use crate::shell::metrics::Metrics;
use crate::time::Now;
use crossbeam::channel::bounded;
use std::os::unix::net::UnixDatagram;

/// A service whose manager is this test.
fn service(dir: &std::path::Path, watchdog: Option<Duration>) -> (Arc<Service>, UnixDatagram) {
    let path = dir.join("notify");
    let manager = UnixDatagram::bind(&path).expect("a socket");
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit for a broken test");
    let notifier = Notifier::to(path.as_os_str()).expect("a manager");
    (Arc::new(Service::of(Some(notifier), watchdog)), manager)
}

fn hear(manager: &UnixDatagram) -> String {
    let mut octets = [0; 4_096];
    let count = manager.recv(&mut octets).expect("a message");
    String::from_utf8_lossy(&octets[..count]).into_owned()
}

/// A floor's router that stands still while it is told to.
struct Stuck(Arc<AtomicBool>);

impl Route for Stuck {
    fn route(&mut self, _: Now, _: Effect) {}
    fn turn_over(&mut self) {
        while self.0.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    fn close(&mut self) {}
}

#[test]
fn a_floor_that_stands_still_gets_no_watchdog_until_it_turns_again() {
    let interval = Duration::from_millis(80);
    let dir = tempfile::tempdir().expect("a directory");
    let (service, manager) = service(dir.path(), Some(interval));
    let clock = Clock::new();
    let readiness = Arc::new(Readiness::new(clock));
    let picture = Arc::new(ArcSwap::from_pointee(Picture::default()));
    let (_lane, inbox) = floor_lanes(64, 16);
    let (stop, stops) = bounded(1);
    let stands_still = Arc::new(AtomicBool::new(false));
    let shell = FloorShell {
        floor: Floor::new(crate::sim::world::settings(1)),
        inbox,
        clock,
        route: Stuck(Arc::clone(&stands_still)),
        log: None,
        learned: None,
        metrics: Arc::new(Metrics::new()),
        picture: Arc::clone(&picture),
        readiness: Arc::clone(&readiness),
        stop: stops,
    };
    let floor = shell.spawn().expect("a thread");
    let looked_after = Arc::downgrade(&service);
    let supervisor = std::thread::spawn(move || {
        while let Some(service) = looked_after.upgrade() {
            service.supervised();
            drop(service);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    service
        .watch(Arc::clone(&readiness), Arc::clone(&picture))
        .expect("a thread");
    while hear(&manager) != "WATCHDOG=1" {}
    stands_still.store(true, Ordering::Relaxed);
    while hear(&manager) != "STATUS=The floor does not turn." {}
    // As long as it stands still nothing may come, however long one waits; twenty half intervals will do.
    manager
        .set_read_timeout(Some(interval * 10))
        .expect("a limit");
    let said = manager.recv(&mut [0; 64]);
    assert!(said.is_err(), "fed while the floor stood still");
    manager
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit");
    stands_still.store(false, Ordering::Relaxed);
    assert_eq!(hear(&manager), "WATCHDOG=1");
    drop(stop);
    floor.join().expect("it ends");
    drop(service);
    supervisor.join().expect("it ends");
}

#[test]
fn the_watchdog_is_fed_at_half_the_interval_and_only_without_trouble() {
    let interval = Some(Duration::from_secs(20));
    let mut watch = Watch::default();
    let mut fed = Vec::new();
    for half_seconds in 0..200u64 {
        let at = Mono::from_millis(half_seconds * 500);
        // Stuck from 31 s to 52 s: one feeding at 40 s and one at 50 s must not happen.
        let trouble = (62..104)
            .contains(&half_seconds)
            .then_some("The floor does not turn.");
        for said in watch.look(at, trouble, interval, || "so it is".to_owned()) {
            if said == "WATCHDOG=1" {
                fed.push(half_seconds / 2);
            }
        }
    }
    assert_eq!(fed, [0, 10, 20, 30, 52, 62, 72, 82, 92]);
}

#[test]
fn nobody_who_looks_after_the_threads_is_trouble_too() {
    assert_eq!(trouble(true, true), None);
    assert!(trouble(false, true).is_some());
    assert!(trouble(true, false).is_some());
    let service = Service::of(None, None);
    assert!(!service.is_supervised(), "nobody yet");
    service.supervised();
    assert!(service.is_supervised());
}

#[test]
fn the_status_changes_with_the_floor_and_is_not_repeated() {
    let mut watch = Watch::default();
    let mut said = Vec::new();
    for (second, words) in [(0, "a"), (1, "b"), (5, "b"), (10, "b"), (15, "c")] {
        said.extend(watch.look(Mono::from_secs(second), None, None, || words.to_owned()));
    }
    assert_eq!(said, ["STATUS=a", "STATUS=b", "STATUS=c"]);
}

#[test]
fn the_status_names_no_person_and_all_that_holds_dialling_up() {
    let campaign = CampaignPicture {
        name: "PL-B2-HCM".to_owned(),
        state: CampaignState::Running,
        mode: DialMode::Progressive,
        shadow: None,
        shadow_line_seconds: (0, 0),
        agents_serving: 3,
        previews: 0,
        in_air: 12,
        ringing: 9,
        waiting: 0,
        talking: 2,
        launched: 40,
        results: [0; 13],
        outcomes: 7,
        hot_leads: 100,
        ledger: Default::default(),
        held: [0; 6],
    };
    let picture = Picture {
        agents: [5, 1, 1, 0, 2, 0, 0],
        campaigns: vec![campaign],
        trunks: vec![TrunkPicture::default()],
        stopped: true,
        ..Picture::default()
    };
    assert_eq!(
        words(&picture, false),
        "4 agents, 2 talking, 1 ready; 12 lines in the air; 1 of 1 campaigns dial; 0 of 1 trunks up; dialling stopped by hand; \
         the store does not keep up."
    );
    let drains = words(&picture, true);
    assert!(drains.contains("draining") && !drains.contains("by hand"));
}

#[test]
fn every_phase_is_told_in_the_managers_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let (service, manager) = service(dir.path(), None);
    service.opening("Opening the store.");
    assert_eq!(hear(&manager), "STATUS=Opening the store.");
    service.ready();
    assert_eq!(hear(&manager), "READY=1\nSTATUS=Serving.");
    service.reloading();
    let said = hear(&manager);
    let us: u64 = said
        .lines()
        .find_map(|line| line.strip_prefix("MONOTONIC_USEC="))
        .and_then(|us| us.parse().ok())
        .expect("a time");
    assert!(said.starts_with("RELOADING=1\n") && us > 0, "{said}");
    service.reloaded("Two keys changed.");
    assert_eq!(hear(&manager), "READY=1\nSTATUS=Two keys changed.");
    service.stopping("Draining.");
    assert_eq!(hear(&manager), "STOPPING=1\nSTATUS=Draining.");
}

#[test]
fn a_manager_may_have_an_abstract_name_and_one_that_is_gone_does_no_harm() {
    use std::os::linux::net::SocketAddrExt;
    let name = format!("tandem-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).expect("a name");
    let manager = UnixDatagram::bind_addr(&address).expect("a socket");
    let notifier = Notifier::to(format!("@{name}").as_ref()).expect("a manager");
    let service = Service::of(Some(notifier), None);
    service.ready();
    assert_eq!(hear(&manager), "READY=1\nSTATUS=Serving.");
    drop(manager);
    service.stopping("Draining.");
    assert!(Notifier::to("vsock:2:1234".as_ref()).is_err());
}

#[test]
fn a_watchdog_that_is_meant_for_another_process_is_none_of_ours() {
    let some = |text: &str| Some(text.to_owned());
    let ours = Some(Duration::from_secs(20));
    assert_eq!(notify::watchdog(some("20000000"), None, 7), ours);
    assert_eq!(notify::watchdog(some("20000000"), some("7"), 7), ours);
    assert_eq!(notify::watchdog(some("20000000"), some("8"), 7), None);
    assert_eq!(notify::watchdog(some("0"), None, 7), None);
    assert_eq!(notify::watchdog(some("soon"), None, 7), None);
    assert_eq!(notify::watchdog(None, None, 7), None);
}
