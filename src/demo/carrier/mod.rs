//! `tandem carrier`: a simulated phone network on loopback. Real SIP and RTP, simulated people; says so in every header.
//!
//! - [`fate`] who answers, when, and for how long: from (seed, number, calls so far)
//! - [`call`] one call as the callee's user agent: responses, retransmissions, CANCEL, BYE both ways
//! - [`network`] all calls: messages in, messages out; [`messages`] their octets, [`digest`] who may call
//! - [`lines`] the RTP, [`talk`] a borrower who speaks and listens, [`heard`] what a phone hears, kept
//! - [`records`] what is kept of calls, [`driver`] sockets, clock and the thread
//!
//! Uses Tandem's reader and writer of SIP messages, and none of its transactions: an error there shall not hide itself here.

pub mod call;
pub mod digest;
pub mod driver;
pub mod fate;
pub mod heard;
pub mod lines;
pub mod messages;
pub mod network;
pub mod records;
pub mod talk;

use crate::shell::lanes::Clock;
use crate::wire::sip::sdp::Law;
use fate::{Behaviour, SharesAboveOne};
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Flags of `tandem carrier`.
#[derive(Clone, Debug, clap::Args)]
pub struct CarrierArgs {
    /// Where SIP is bound, UDP and TCP. Port 0: any free one, printed in the ready line.
    #[arg(long, default_value = "127.0.0.1:5080")]
    pub listen: SocketAddr,
    /// UDP ports for RTP, first-last; even ones are used.
    #[arg(long, default_value = "10000-19999", value_parser = port_range)]
    pub rtp_ports: (u16, u16),
    /// The same seed gives every number the same fate.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Who answers, and when.
    #[command(flatten)]
    pub behaviour: Behaviour,
    /// Asks for digest authentication: user:password.
    #[arg(long, value_name = "USER:PASSWORD")]
    pub digest: Option<String>,
    /// Digest with SHA-256 instead of MD5.
    #[arg(long, requires = "digest")]
    pub digest_sha256: bool,
    /// Laws that the network speaks.
    #[arg(long, value_enum, default_value_t = Laws::Both)]
    pub law: Laws,
    /// People talk: espeak-ng's sentences, Vietnamese and English, in turn with the agent. Default: noise like speech.
    #[arg(long, conflicts_with = "tone")]
    pub speech: bool,
    /// People answer with a steady tone of so many hertz, for tests.
    #[arg(long, value_name = "HZ", value_parser = clap::value_parser!(u16).range(50..=3_900))]
    pub tone: Option<u16>,
    /// Keeps what each phone hears, as DIRECTORY/call-000001.wav and so on (16 bits, 8,000 Hz, at most ten minutes each).
    #[arg(long, value_name = "DIRECTORY")]
    pub record: Option<PathBuf>,
    /// Share of SIP datagrams that get lost, each way, 0 to 0.9.
    #[arg(long, default_value_t = 0.0)]
    pub loss: f64,
    /// Most calls at once; above it 503 with Retry-After.
    #[arg(long, default_value_t = 20_000)]
    pub calls_max: usize,
    /// Keeps one JSON line for each call that is over.
    #[arg(long, value_name = "FILE")]
    pub cdr: Option<PathBuf>,
    /// Writes totals and the calls that are up, each second.
    #[arg(long, value_name = "FILE")]
    pub stats: Option<PathBuf>,
    /// Ends when its standard input ends: with the process that started it.
    #[arg(long)]
    pub until_stdin_closes: bool,
    /// Allows addresses beyond loopback. Only in a lab whose phones are all yours.
    #[arg(long)]
    pub lab: bool,
}

/// Laws of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Laws {
    /// PCMU only.
    Pcmu,
    /// PCMA only.
    Pcma,
    /// Both; the caller's order decides.
    Both,
}

impl Laws {
    fn list(self) -> Vec<Law> {
        match self {
            Laws::Pcmu => vec![Law::Mu],
            Laws::Pcma => vec![Law::A],
            Laws::Both => vec![Law::Mu, Law::A],
        }
    }
}

impl Default for CarrierArgs {
    /// What `tandem carrier` does without flags.
    fn default() -> Self {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: CarrierArgs,
        }
        <Line as clap::Parser>::parse_from(["carrier"]).args
    }
}

fn port_range(text: &str) -> Result<(u16, u16), String> {
    text.split_once('-')
        .and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)))
        .filter(|(first, last)| first < last && *first >= 1_024)
        .ok_or_else(|| "two ports from 1024 on, first-last".to_owned())
}

/// Why the simulated network cannot run.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// An address beyond loopback without `--lab`.
    #[error(
        "{0} is not loopback: a simulated phone network stays on this machine (--lab allows it)"
    )]
    BeyondLoopback(SocketAddr),
    /// The shares do not fit.
    #[error(transparent)]
    Shares(#[from] SharesAboveOne),
    /// The loss is no share.
    #[error("--loss {0}: a share from 0 to 0.9")]
    Loss(f64),
    /// No user:password.
    #[error(transparent)]
    Digest(#[from] digest::NoCredentials),
    /// A socket cannot be bound.
    #[error("{what} cannot be bound: {source}")]
    Bind {
        /// Which one.
        what: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The directory for `--record` cannot be made.
    #[error("{} cannot be made: {source}", path.display())]
    Tapes {
        /// Which directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The record file cannot be opened.
    #[error("{} cannot be opened: {source}", path.display())]
    Records {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The thread, the poll or the signals failed.
    #[error("the simulated network cannot run: {0}")]
    Io(#[from] std::io::Error),
}

/// Runs until SIGTERM, Ctrl-C or (if asked for) the end of standard input, then ends all calls and prints the totals.
///
/// Prints one JSON line `{"event":"ready",...}` once it can be called, and one `{"event":"stopped",...}` at the end.
pub fn run(args: CarrierArgs) -> Result<(), CarrierError> {
    let until_stdin_closes = args.until_stdin_closes;
    let driver = driver::Driver::bind(args, Clock::new())?;
    let stop = driver.stopper();
    println!("Tandem's simulated phone network. Nobody real is called, and nobody real answers.");
    println!(
        r#"{{"event":"ready","sip":"{}","simulated":true}}"#,
        driver.local()
    );
    // A parent that waits for the line must not wait for a buffer.
    std::io::stdout().flush()?;
    let on_signal = Arc::clone(&stop);
    crate::demo::signals::watch(move || on_signal.stop())?;
    if until_stdin_closes {
        driver::stop_when_stdin_closes(Arc::clone(&stop))?;
    }
    let totals = driver.run();
    println!(
        r#"{{"event":"stopped","totals":{}}}"#,
        serde_json::to_string(&totals).map_err(std::io::Error::from)?
    );
    Ok(())
}
