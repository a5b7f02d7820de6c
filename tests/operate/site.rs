//! One engine with its directory, a simulated phone network, and the program's other commands.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use tandem::config::Config;

/// How long anything that must happen may take on a busy machine.
pub const LIMIT: Duration = Duration::from_secs(90);

static GIVEN: AtomicU16 = AtomicU16::new(0);

/// A loopback address that nobody uses, below the ports that clients get. Other test programs give out their own in the same
/// way, from another first one.
pub fn free() -> SocketAddr {
    let first = (std::process::id() % 700) as u16 * 10;
    loop {
        let port = 2_000 + (first + GIVEN.fetch_add(1, Ordering::Relaxed)) % 7_900;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// This program with these words.
pub fn tandem(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.args(words).stdin(Stdio::null());
    // What the machine that tests happens to set is not what is tested.
    for name in [
        "TANDEM_LOG",
        "TANDEM_LOG_FORMAT",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "RUST_BACKTRACE",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub fn run(words: &[&str]) -> Output {
    tandem(words).output().expect("the program starts")
}

/// Both outputs as one text.
pub fn said(output: &Output) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// A process of ours; its standard error goes to a file. Killed when dropped.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    pub errors: PathBuf,
}

impl Process {
    pub fn start(mut command: Command, errors: &Path) -> Process {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(File::create(errors).unwrap())
            .spawn()
            .expect("the program starts");
        let out = child.stdout.take().unwrap();
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Process {
            child,
            lines,
            errors: errors.to_owned(),
        }
    }

    pub fn wait_for(&self, what: &str) -> String {
        let until = Instant::now() + LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if line.contains(what) => return line,
                Ok(_) => {}
                Err(_) => panic!("no line with {what:?}; {}", self.log()),
            }
        }
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.errors).unwrap()).into_owned()
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM, and its end.
    pub fn end(&mut self) -> ExitStatus {
        let sent = Command::new("sh")
            .args([
                "-c",
                "kill -TERM \"$1\"",
                "sh",
                &self.child.id().to_string(),
            ])
            .status()
            .unwrap();
        assert!(sent.success());
        self.child.wait().unwrap()
    }

    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An engine's directory and configuration.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub file: PathBuf,
    pub config: Config,
}

impl Site {
    /// `trunk` says more of the only trunk, `campaign` of the only campaign.
    pub fn new(carrier: SocketAddr, trunk: &str, campaign: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let text = format!(
            "data_dir = {data:?}\ninput_log = {log:?}\n[sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n\
             [api]\nlisten = \"{api}\"\n[media]\nport_first = 16000\nport_last = 16399\n\
             [[trunks]]\nname = \"carrier-a\"\naddress = \"{carrier}\"\nkeep_alive_s = 2\n{trunk}\n\
             [[campaigns]]\nname = \"TEST\"\ncaller_id = \"+842873000000\"\nstate = \"running\"\nwindow_from = \"00:00\"\n\
             window_until = \"24:00\"\n{campaign}\n",
            log = data.join("inputs.log"),
            sip = free(),
            desk = free(),
            api = free(),
        );
        let file = dir.path().join("tandem.toml");
        std::fs::write(&file, text).unwrap();
        let config = Config::load(&file).unwrap_or_else(|faults| panic!("{faults}"));
        Site { dir, file, config }
    }

    pub fn path(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// A file that only we may read.
    pub fn secret(path: &Path, text: &str) {
        use std::io::Write;
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .unwrap();
    }

    /// The engine, ready.
    pub fn serve(&self, with: impl FnOnce(&mut Command), errors: &str) -> Process {
        let mut command = tandem(&["serve", self.path()]);
        with(&mut command);
        let engine = Process::start(command, &self.dir.path().join(errors));
        engine.wait_for("ready:");
        engine
    }
}

/// A simulated phone network in which everybody answers at once.
pub fn network(dir: &Path, digest: Option<&str>) -> (Process, SocketAddr) {
    let address = free();
    let listen = address.to_string();
    let mut words = vec!["carrier", "--listen", &listen, "--rtp-ports", "11000-11399"];
    for (rate, share) in [
        ("--answer-rate", "1"),
        ("--machine-rate", "0"),
        ("--busy-rate", "0"),
        ("--reject-rate", "0"),
        ("--unavailable-rate", "0"),
        ("--invalid-rate", "0"),
        ("--callee-hangs-up", "0"),
        ("--speed", "20"),
    ] {
        words.extend([rate, share]);
    }
    if let Some(digest) = digest {
        words.extend(["--digest", digest]);
    }
    let process = Process::start(tandem(&words), &dir.join("carrier.log"));
    process.wait_for("\"ready\"");
    (process, address)
}

pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + LIMIT;
    while !is_so() {
        assert!(Instant::now() < until, "never: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
