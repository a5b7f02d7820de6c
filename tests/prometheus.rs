//! What is shipped for watching, in the hands of those who use it: promtool, and a real Prometheus beside a real engine.
//!
//! Debian's package `prometheus` has both programs; its service is not needed. Without it these tests fail, unless
//! TANDEM_SKIP_PEERS=1 says that it may be absent.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tandem::config::Config;
use tandem::demo::agents::{AgentLogin, Crowd, Habits};
use tandem::demo::borrowers::{BorrowerPlan, Detail, write_csv};
use tandem::pii::Pii;
use tandem::shell::api::client::ApiClient;
use tandem::shell::metrics::{Latency, TimingName};
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::BackOffice;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Whether a program is there. Absent: the test fails, unless TANDEM_SKIP_PEERS=1 allows to go on without.
fn is_there(program: &str) -> bool {
    let is_there = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok();
    if !is_there {
        assert!(
            std::env::var_os("TANDEM_SKIP_PEERS").is_some_and(|value| value == "1"),
            "{program} is not installed (Debian: prometheus); TANDEM_SKIP_PEERS=1 skips this test"
        );
        eprintln!("skipped: {program} is not installed and TANDEM_SKIP_PEERS=1");
    }
    is_there
}

/// Runs promtool and returns what it said; fails if it is not content.
#[track_caller]
fn promtool(words: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(words)
        .current_dir(root())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool starts");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(input.as_bytes()).expect("promtool reads");
    drop(stdin);
    let output = child.wait_with_output().expect("promtool ends");
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "promtool {words:?}:\n{said}");
    said
}

fn test_files() -> Vec<String> {
    let mut files: Vec<String> = std::fs::read_dir(root().join("config/prometheus/tests"))
        .expect("tests of rules are shipped")
        .map(|entry| entry.expect("it can be read").file_name())
        .map(|name| format!("config/prometheus/tests/{}", name.to_string_lossy()))
        .collect();
    files.sort();
    files
}

#[test]
fn promtool_accepts_the_configuration_the_rules_and_their_tests() {
    if !is_there("promtool") {
        return;
    }
    promtool(&["check", "config", "config/prometheus/prometheus.yml"], "");
    let files = test_files();
    assert!(files.len() >= 5, "{files:?}");
    let mut words = vec!["test", "rules"];
    words.extend(files.iter().map(String::as_str));
    promtool(&words, "");
}

/// Names of all alerts, in the order of the file.
fn alerts() -> Vec<String> {
    let named: Vec<String> = read("config/prometheus/alerts.yml")
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "))
        .map(str::to_owned)
        .collect();
    assert!(named.len() >= 20, "{named:?}");
    named
}

/// Headings of the runbook with what stands below each.
fn runbook() -> BTreeMap<String, String> {
    let text = read("docs/operations.md");
    let (_, alerts) = text.split_once("\n## Alerts\n").expect("the runbook");
    let alerts = alerts.split("\n## ").next().unwrap_or_default();
    alerts
        .split("\n### ")
        .skip(1)
        .filter_map(|page| page.split_once('\n'))
        .map(|(heading, page)| (heading.to_owned(), page.to_owned()))
        .collect()
}

#[test]
fn each_alert_has_its_page_in_the_runbook_and_no_page_is_left_over() {
    let pages = runbook();
    let alerts = alerts();
    for alert in &alerts {
        let page = pages
            .get(alert)
            .unwrap_or_else(|| panic!("### {alert} is missing"));
        for word in ["Means: ", "First look: ", "Act: "] {
            assert!(
                page.lines().any(|line| line.starts_with(word)),
                "{alert}: {word}"
            );
        }
    }
    for heading in pages.keys() {
        assert!(alerts.contains(heading), "### {heading}: no such alert");
    }
}

#[test]
fn each_alert_is_tested_in_both_directions() {
    let tests: String = test_files().iter().map(|file| read(file)).collect();
    let mut fires = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for test in tests.split("- expr: ALERTS{alertname=\"").skip(1) {
        let (alert, rest) = test.split_once('"').expect("a quoted name");
        let (_, expected) = rest.split_once("exp_samples:").expect("an expectation");
        if expected.trim_start().starts_with("[]") {
            silent.insert(alert.to_owned());
        } else {
            let named = format!("alertname=\"{alert}\"");
            assert!(
                expected
                    .lines()
                    .nth(1)
                    .is_some_and(|line| line.contains(&named)),
                "{alert}"
            );
            fires.insert(alert.to_owned());
        }
    }
    let all: BTreeSet<String> = alerts().into_iter().collect();
    assert_eq!(fires, all, "alerts that are seen firing, and all of them");
    assert_eq!(silent, all, "alerts that are seen silent, and all of them");
}

#[test]
fn every_query_of_every_dashboard_is_one_that_prometheus_understands() {
    if !is_there("promtool") {
        return;
    }
    let mut rules = "groups:\n  - name: panels\n    rules:\n".to_owned();
    let mut queries = 0;
    for name in ["floor", "campaign", "trunk", "latency", "store"] {
        let text = read(&format!("config/grafana/dashboards/{name}.json"));
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        let panels = dashboard["panels"].as_array().expect("panels");
        let targets = panels
            .iter()
            .filter_map(|panel| panel["targets"].as_array());
        for target in targets.flatten() {
            let query = target["expr"].as_str().expect("a query");
            let query = query
                .replace("$__rate_interval", "1m")
                .replace("$__range", "1h")
                .replace("$instance", ".+")
                .replace("$campaign", ".+")
                .replace("$trunk", ".+");
            assert!(!query.contains('$'), "{query}");
            queries += 1;
            let line = serde_json::to_string(&query).expect("a string");
            rules += &format!("      - record: panel_{queries}\n        expr: {line}\n");
        }
    }
    assert!(queries > 100, "{queries} queries");
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("panels.yml");
    std::fs::write(&file, rules).expect("it can be written");
    let said = promtool(&["check", "rules", file.to_str().expect("UTF-8")], "");
    assert!(said.contains(&format!("{queries} rules found")), "{said}");
}

/// A process that we started. Killed when dropped.
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(program: &str, words: &[&str]) -> Process {
        let mut child = Command::new(program)
            .args(words)
            .env("TANDEM_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (sender, lines) = channel();
        let out = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process { child, lines }
    }

    fn tandem(words: &[&str], ready: &str) -> Process {
        let process = Process::start(env!("CARGO_BIN_EXE_tandem"), words);
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match process.lines.recv_timeout(left) {
                Ok(line) if line.contains(ready) => return process,
                Ok(_) => {}
                Err(_) => panic!("tandem {words:?} never said {ready:?}"),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A loopback address that nobody uses, for UDP and TCP: below the range from which clients get their ports.
fn free(nth: u16) -> SocketAddr {
    let first = 10_000 + (std::process::id() % 400) as u16 * 20;
    (0..20_u16)
        .map(|step| SocketAddr::from((Ipv4Addr::LOCALHOST, first + (nth * 4 + step) % 20)))
        .find(|address| TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok())
        .expect("a free port")
}

#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(120);
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// An engine with one trunk to a simulated network, one campaign, a list of leads and some agents.
struct Site {
    dir: tempfile::TempDir,
    config: Config,
    engine: Process,
    _network: Process,
    logins: Vec<AgentLogin>,
    list: String,
}

const LEADS: u32 = 10_000;

fn site() -> Site {
    let dir = tempfile::tempdir().expect("a directory");
    let [far, sip, desk, api] = [0, 1, 2, 3].map(free);
    let listen = far.to_string();
    let words = [
        "carrier",
        "--listen",
        &listen,
        "--rtp-ports",
        "18000-18899",
        "--speed",
        "20",
    ];
    let network = Process::tandem(
        &[&words[..], &["--answer-rate", "0.5"]].concat(),
        "\"ready\"",
    );
    let text = format!(
        "data_dir = {data:?}\ninput_log = {log:?}\n[sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n\
         [api]\nlisten = \"{api}\"\n[media]\nlisten = \"127.0.0.1\"\nport_first = 19000\nport_last = 19999\n\
         [[trunks]]\nname = \"north\"\naddress = \"{far}\"\nchannels_max = 300\ncps_max = 100\nkeep_alive_s = 2\n\
         [[campaigns]]\nname = \"TEST\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\nwrap_s = 5\n\
         window_from = \"00:00\"\nwindow_until = \"24:00\"\nlines_per_free_agent = 3.0\ncps_max = 50\nabandon = {{ cap_percent = 100 }}\n",
        data = dir.path().join("data"),
        log = dir.path().join("inputs.log"),
    );
    let path = dir.path().join("tandem.toml");
    std::fs::write(&path, &text).expect("it can be written");
    let config = Config::load(&path).unwrap_or_else(|faults| panic!("{faults}"));
    let path = path.to_str().expect("UTF-8");

    let leads = dir.path().join("leads.csv");
    let campaigns = ["TEST".to_owned()];
    let plan = BorrowerPlan {
        seed: 7,
        campaigns: &campaigns,
        today: jiff::civil::date(2026, 11, 23),
        detail: Detail::FirstCard,
    };
    let file = std::fs::File::create(&leads).expect("it can be written");
    write_csv(&plan, LEADS, file).expect("it is written");
    let done = Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(["import", leads.to_str().expect("UTF-8"), "--config", path])
        .output()
        .expect("it runs");
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let mut office = BackOffice::open(&store_path(&config)).expect("the store");
    let logins = (0..10)
        .map(|number| {
            let name = format!("minhcanary{number}");
            let token = office.agent_add(
                &name,
                &[("TEST".to_owned(), 1)],
                &[],
                &tandem::shell::store::AgentAudio::None,
            );
            AgentLogin {
                name,
                token: Pii::new(token.expect("a token")),
            }
        })
        .collect();
    Site {
        engine: Process::tandem(&["serve", path], "ready:"),
        _network: network,
        list: std::fs::read_to_string(&leads).expect("the list"),
        logins,
        config,
        dir,
    }
}

impl Site {
    fn scrape(&self) -> String {
        get(&format!("http://{}/metrics", self.config.api.listen), &[])
    }

    fn latencies(&self) -> BTreeMap<String, Latency> {
        let client = ApiClient::of(&self.config).expect("a token");
        client.picture().expect("the picture").latencies
    }

    /// Agents work until so many cards are painted, then everything comes to rest.
    fn work(&self, cards: u64) {
        let url = format!("ws://{}/agent", self.config.desk.listen);
        let habits = Habits {
            speed: 20.0,
            break_share: 0.0,
            ..Habits::default()
        };
        let pause = Duration::from_millis(50);
        let crowd = Crowd::start(&url, self.logins.clone(), habits, 1, pause).expect("agents");
        wait_until("cards are painted", || {
            self.latencies()["answer_to_paint"].count >= cards
        });
        let client = ApiClient::of(&self.config).expect("a token");
        client.stop(true).expect("it listens");
        wait_until("the last call is over", || {
            client.picture().expect("the picture").attempts_alive == 0
        });
        crowd.leave(Duration::from_secs(2));
        client.resume().expect("it listens");
    }
}

fn get(url: &str, query: &[(&str, &str)]) -> String {
    let request = query.iter().fold(ureq::get(url), |request, (key, value)| {
        request.query(*key, *value)
    });
    let mut answer = request
        .call()
        .unwrap_or_else(|error| panic!("{url} {query:?}: {error}"));
    answer.body_mut().read_to_string().expect("text")
}

/// Series of a scrape without their values.
fn series(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned()))
        .collect()
}

/// Values of labels in a scrape.
fn label_values(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|line| line.split_once('{')?.1.rsplit_once('}'))
        .flat_map(|(labels, _)| labels.split("\",").collect::<Vec<_>>())
        .filter_map(|label| label.split_once("=\""))
        .map(|(_, value)| value.trim_end_matches('"').to_owned())
        .collect()
}

/// What docs/metrics.md promises, and what the engine shows.
fn check_catalogue(text: &str) {
    let documented: BTreeSet<String> = read("docs/metrics.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | "))
        .filter(|(_, rest)| {
            ["counter", "gauge", "histogram"]
                .iter()
                .any(|kind| rest.starts_with(kind))
        })
        .map(|(name, _)| name.to_owned())
        // Only where there is a certificate.
        .filter(|name| name != "tandem_tls_certificate_expiry_timestamp_seconds")
        .collect();
    let shown: BTreeSet<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, _)| name.to_owned())
        .filter(|name| !name.ends_with("_quantile_seconds"))
        .collect();
    assert!(documented.len() > 100, "{}", documented.len());
    assert_eq!(
        shown, documented,
        "families of a running engine, and docs/metrics.md"
    );
}

/// Nothing of ten thousand people, and of no agent, is in a label.
fn check_privacy(site: &Site, text: &str) {
    let values = label_values(text);
    assert!(
        values.contains("TEST") && values.contains("north"),
        "{values:?}"
    );
    for value in &values {
        let longest = value
            .split(|c: char| !c.is_ascii_digit())
            .map(str::len)
            .max();
        assert!(longest < Some(7), "a number in a label: {value}");
        assert!(
            !value.contains("minhcanary"),
            "an agent in a label: {value}"
        );
    }
    let mut people = csv::Reader::from_reader(site.list.as_bytes());
    let mut seen = 0;
    for row in people.records().map_while(Result::ok) {
        for cell in row.iter().filter(|cell| cell.len() > 5 && *cell != "TEST") {
            seen += 1;
            assert!(!values.contains(cell), "{cell} of the list is a label");
        }
    }
    assert!(seen > LEADS, "{seen} cells looked for");
}

struct Prometheus {
    address: SocketAddr,
    _process: Process,
}

impl Prometheus {
    /// The shipped configuration, with other addresses.
    fn start(dir: &Path, engine: SocketAddr) -> Prometheus {
        let address = free(4);
        let config = read("config/prometheus/prometheus.yml");
        for shipped in ["\"127.0.0.1:7400\"", "\"127.0.0.1:9090\""] {
            assert_eq!(config.matches(shipped).count(), 1, "{shipped}");
        }
        let config = config
            .replace("\"127.0.0.1:7400\"", &format!("\"{engine}\""))
            .replace("\"127.0.0.1:9090\"", &format!("\"{address}\""));
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, config).expect("it can be written");
        for rules in ["recording.yml", "alerts.yml"] {
            let from = root().join("config/prometheus").join(rules);
            std::fs::copy(from, dir.join(rules)).expect("it can be copied");
        }
        let words = [
            format!("--config.file={}", file.display()),
            format!("--storage.tsdb.path={}", dir.join("tsdb").display()),
            format!("--web.listen-address={address}"),
            "--log.level=warn".to_owned(),
        ];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let prometheus = Prometheus {
            address,
            _process: Process::start("prometheus", &words),
        };
        wait_until("Prometheus listens", || {
            ureq::get(format!("http://{address}/-/ready"))
                .call()
                .is_ok()
        });
        prometheus
    }

    fn api(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let text = get(&format!("http://{}/api/v1/{path}", self.address), query);
        let answer: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(answer["status"], "success", "{text}");
        answer["data"].clone()
    }

    /// Values of an instant query.
    fn query(&self, query: &str) -> Vec<f64> {
        let data = self.api("query", &[("query", query)]);
        let results = data["result"].as_array().expect("a vector");
        results
            .iter()
            .filter_map(|result| result["value"][1].as_str()?.parse().ok())
            .collect()
    }

    fn rules(&self) -> Vec<Value> {
        let data = self.api("rules", &[]);
        let groups = data["groups"].as_array().expect("groups").iter();
        groups
            .flat_map(|group| group["rules"].as_array().expect("rules").clone())
            .collect()
    }
}

/// Each quantile that Prometheus computes lies in the bucket in which the engine's own lies.
fn check_quantiles(prometheus: &Prometheus, site: &Site) {
    let mut compared = 0;
    for name in [
        TimingName::AnswerToFloor,
        TimingName::AnswerToMatch,
        TimingName::MatchToPush,
        TimingName::AnswerToPush,
        TimingName::PushToPaint,
        TimingName::AnswerToPaint,
        TimingName::IntentCommit,
        TimingName::ReleaseToInvite,
        TimingName::Ring,
        TimingName::StoreCommit,
    ] {
        let metric = name.name();
        let own = site.latencies()[name.short()];
        wait_until("Prometheus has seen the last value", || {
            prometheus.query(&format!("{metric}_count")) == [own.count as f64]
        });
        assert_eq!(
            site.latencies()[name.short()].count,
            own.count,
            "all is at rest"
        );
        let bounds: Vec<f64> = name.bounds_us().iter().map(|us| *us as f64 / 1e6).collect();
        let bucket = |seconds: f64| {
            let place = bounds.iter().position(|le| seconds <= le * (1.0 + 1e-9));
            place.unwrap_or(bounds.len() - 1)
        };
        for (quantile, us) in [(0.5, own.p50_us), (0.95, own.p95_us), (0.99, own.p99_us)] {
            let query = format!("histogram_quantile({quantile}, sum by (le) ({metric}_bucket))");
            let theirs = prometheus.query(&query);
            let ours = us as f64 / 1e6;
            assert_eq!(theirs.len(), 1, "{query}");
            assert_eq!(
                bucket(theirs[0]),
                bucket(ours),
                "{query}: {theirs:?}, engine {ours}"
            );
            compared += usize::from(own.count > 0);
        }
    }
    assert!(
        compared >= 24,
        "{compared} quantiles with values behind them"
    );
}

/// All rules are loaded and evaluated without an error; every alert says what people need.
fn check_rules(prometheus: &Prometheus) {
    let pages = runbook();
    wait_until("every rule was evaluated", || {
        prometheus
            .rules()
            .iter()
            .all(|rule| rule["health"] != "unknown")
    });
    let mut loaded = BTreeSet::new();
    for rule in prometheus.rules() {
        assert_eq!(rule["health"], "ok", "{rule}");
        if rule["type"] != "alerting" {
            continue;
        }
        let name = rule["name"].as_str().expect("a name").to_owned();
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning"].contains(&severity), "{rule}");
        for key in ["summary", "description"] {
            let text = rule["annotations"][key].as_str().unwrap_or_default();
            assert!(text.ends_with('.'), "{name}: {key}: {text}");
        }
        let link = rule["annotations"]["runbook"].as_str().unwrap_or_default();
        // A heading's anchor is its text in small letters.
        let heading = pages
            .keys()
            .find(|heading| link == format!("docs/operations.md#{}", heading.to_lowercase()));
        assert_eq!(heading, Some(&name), "{link}");
        loaded.insert(name);
    }
    assert_eq!(loaded, alerts().into_iter().collect());
}

#[test]
fn a_real_prometheus_watches_a_real_engine_and_agrees_with_it() {
    if !is_there("prometheus") || !is_there("promtool") {
        return;
    }
    let mut site = site();
    let api = site.config.api.listen;
    let prometheus = Prometheus::start(site.dir.path(), api);
    wait_until("the engine shows its trunk", || {
        site.scrape()
            .contains("tandem_trunk_is_up{trunk=\"north\"} 1")
    });
    let before = site.scrape();
    assert_eq!(
        promtool(&["check", "metrics"], &before),
        "",
        "promtool has nothing to say"
    );
    check_catalogue(&before);
    wait_until("Prometheus has scraped the engine", || {
        prometheus.query("up{job=\"tandem\"}") == [1.0]
    });

    site.work(40);
    let after = site.scrape();
    assert_eq!(
        promtool(&["check", "metrics"], &after),
        "",
        "promtool has nothing to say"
    );
    let (before, after_series) = (series(&before), series(&after));
    let new: Vec<&String> = after_series.symmetric_difference(&before).collect();
    assert!(new.is_empty(), "series come and go with traffic: {new:?}");
    check_privacy(&site, &after);

    check_quantiles(&prometheus, &site);
    for (recorded, least) in [
        (
            "campaign:tandem_campaign_attempts:rate5m{campaign=\"TEST\"}",
            0.01,
        ),
        (
            "campaign:tandem_answered:increase15m{campaign=\"TEST\"}",
            1.0,
        ),
        ("instance:tandem_floor_turns:rate1m", 1.0),
        ("queue:tandem_engine_queue:fill{queue=\"store\"}", 0.0),
        ("instance:tandem_engine_memory:fill", 1e-6),
        ("instance:tandem_agent_occupancy:ratio5m", 0.01),
    ] {
        wait_until(recorded, || {
            let values = prometheus.query(recorded);
            values.len() == 1 && values[0] >= least
        });
    }
    check_rules(&prometheus);
    let firing = prometheus.query("ALERTS{alertstate=\"firing\", severity=\"critical\"}");
    assert!(
        firing.is_empty(),
        "a healthy engine wakes nobody: {firing:?}"
    );

    // And the other direction, with the engine that is really gone.
    let _ = site.engine.child.kill();
    let _ = site.engine.child.wait();
    wait_until("the engine's end is noticed", || {
        prometheus.query("ALERTS{alertname=\"TandemDown\", job=\"tandem\"}") == [1.0]
    });
}
