//! An engine's files for one run: a temporary directory, free ports, a configuration, agents and leads.

use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use tandem::config::Config;
use tandem::pii::Pii;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::BackOffice;

/// What both processes open beside the agents' sockets.
const OTHER_FILES: u64 = 400;

/// Where an engine of this run is configured.
pub struct Bed {
    /// Its directory: configuration, data, logs.
    pub dir: PathBuf,
    /// The configuration file.
    pub path: PathBuf,
    /// As the engine will read it.
    pub config: Config,
}

impl Bed {
    /// Writes a configuration into `dir`. `rest` is everything behind the sockets: trunks, campaigns, other tables.
    pub fn make(dir: &Path, head: &str, rest: &str) -> Result<Bed> {
        Bed::make_with(dir, head, "", rest)
    }

    /// The same with further keys for the agents' sockets.
    pub fn make_with(dir: &Path, head: &str, desk_keys: &str, rest: &str) -> Result<Bed> {
        let [sip, desk, api] = free()?;
        let text = format!(
            "data_dir = {data:?}\n{head}\n\
             [sip]\nlisten = \"{sip}\"\n[desk]\nlisten = \"{desk}\"\n{desk_keys}\n[api]\nlisten = \"{api}\"\n{rest}\n",
            data = dir.join("data")
        );
        let path = dir.join("tandem.toml");
        std::fs::write(&path, &text)?;
        let config = Config::load(&path).map_err(|faults| anyhow::anyhow!("{faults}"))?;
        std::fs::create_dir_all(&config.data_dir)?;
        Ok(Bed {
            dir: dir.to_owned(),
            path,
            config,
        })
    }

    /// The configuration file, as an argument.
    pub fn path_str(&self) -> Result<&str> {
        self.path.to_str().context("a path in UTF-8")
    }

    /// The websocket of its agents.
    pub fn agent_url(&self) -> String {
        format!("ws://{}/agent", self.config.desk.listen)
    }

    /// The store, for whoever has to fill it.
    pub fn office(&self) -> Result<BackOffice> {
        Ok(BackOffice::open(&store_path(&self.config))?)
    }

    /// Names and tokens of new agents who serve `campaign`.
    pub fn add_agents(&self, campaign: &str, count: u32) -> Result<Vec<(String, Pii<String>)>> {
        let mut office = self.office()?;
        (0..count)
            .map(|number| {
                let name = format!("agent{number:05}");
                let token = office.agent_add(
                    &name,
                    &[(campaign.to_owned(), 1)],
                    &[],
                    &tandem::shell::store::AgentAudio::None,
                )?;
                Ok((name, Pii::new(token)))
            })
            .collect()
    }
}

/// Loopback addresses that are free now, for UDP and TCP.
pub fn free<const COUNT: usize>() -> Result<[SocketAddr; COUNT]> {
    let mut held = Vec::new();
    while held.len() < COUNT {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = tcp.local_addr()?;
        if let Ok(udp) = UdpSocket::bind(address) {
            held.push((address, tcp, udp));
        }
    }
    Ok(std::array::from_fn(|at| held[at].0))
}

/// A range of RTP ports as keys of `[media]`, another one for each process: an engine that finds the beginning of its range
/// taken by others does not start.
pub fn rtp_ports() -> String {
    let first = 20_000 + std::process::id() % 90 * 200;
    format!(
        "[media]\nport_first = {first}\nport_last = {}\n",
        first + 1_999
    )
}

/// Sockets may be as many as files may; the engine raises its own limit.
pub fn allow_open_files(sockets: u32) -> Result<()> {
    let needed = u64::from(sockets) + OTHER_FILES;
    let allowed = rlimit::increase_nofile_limit(needed).context("the limit of open files")?;
    ensure!(
        allowed >= needed,
        "only {allowed} files may be open at once; {needed} are needed (the hard limit of `ulimit -n`)"
    );
    Ok(())
}
