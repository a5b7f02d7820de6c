//! The engine under load, driven as in life: a process of its own, a store on disk, leads imported before it starts, agents
//! at their sockets, and a supervisor who starts and pauses campaigns.

use super::metrics::{Scrape, web};
use super::sipp::Sipp;
use crate::frame::bed::{Bed, allow_open_files};
use crate::frame::process::Process;
use crate::log_of;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tandem::demo::agents::{AgentLogin, Crowd, Habits};
use tandem::pii::Pii;
use tandem::shell::api::PictureView;
use tandem::shell::api::client::{ApiClient, ClientError};
use tandem::shell::store::lead_rows::ListRules;
use tokio::time::sleep;

/// Longest wait for all agents to be ready.
const LOG_IN_MAX: Duration = Duration::from_secs(60);
/// What a start and a rush of log-ins leave behind must be gone before anything is measured: the runtime keeps a thread that
/// checked a log-in for ten seconds.
const SETTLE: Duration = Duration::from_secs(12);
/// Between two looks at the picture: each look costs the engine some CPU time.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the floor's picture may be old.
const PICTURE_AGE: Duration = Duration::from_millis(500);
const ZONE: &str = "Asia/Ho_Chi_Minh";

/// What an engine is to be loaded with.
pub struct Load {
    /// Trunks, and as many campaigns: one of each is allowed 1,000 calls per second at most.
    pub lanes: u32,
    /// Calls per second of each.
    pub cps: u32,
    /// Most lines of each.
    pub lines: u32,
    /// The mode of dialling, as the configuration says it: "lines_per_agent = 100". Empty: one line per free agent.
    pub mode: &'static str,
    /// When the engine cancels what rings.
    pub ring_timeout: Duration,
    /// Agents, who serve all campaigns.
    pub agents: u32,
    /// How they behave.
    pub habits: Habits,
    /// Leads with numbers of their own, for each campaign.
    pub leads: u64,
}

/// A running engine.
pub struct Engine {
    /// Its process.
    pub process: Process,
    /// Its configuration.
    pub bed: Bed,
    /// Its agents.
    pub crowd: Crowd,
    agents: u32,
    campaigns: Vec<String>,
    client: Arc<ApiClient>,
    web: ureq::Agent,
    log: PathBuf,
}

/// CPU time and calls between two moments.
#[derive(Clone, Debug, Default)]
pub struct Spent {
    /// INVITEs that left.
    pub calls: f64,
    /// CPU time of the engine in seconds.
    pub cpu: f64,
    /// The same by thread.
    pub by_thread: BTreeMap<String, f64>,
    /// CPU time of the far end in seconds.
    pub far_cpu: f64,
    /// Time that passed in seconds.
    pub seconds: f64,
}

/// Where counters stood.
pub struct Mark {
    at: Instant,
    cpu: f64,
    by_thread: BTreeMap<String, f64>,
    far_cpu: f64,
    calls: f64,
}

impl Engine {
    /// Imports the leads, starts the engine and brings its agents to READY. No campaign runs yet.
    pub async fn start(dir: &Path, load: Load, far: SocketAddr) -> Result<Engine> {
        allow_open_files(load.agents * 2)?;
        let campaigns: Vec<String> = (0..load.lanes).map(|lane| format!("LOAD{lane}")).collect();
        let bed = Bed::make(dir, "", &configuration(&load, &campaigns, far)?)?;
        import(dir, &bed, &load, &campaigns)?;
        let mut office = bed.office()?;
        let serves: Vec<_> = campaigns.iter().map(|name| (name.clone(), 1)).collect();
        let logins = (0..load.agents)
            .map(|number| {
                let name = format!("agent{number:05}");
                let token = Pii::new(office.agent_add(
                    &name,
                    &serves,
                    &[],
                    &tandem::shell::store::AgentAudio::None,
                )?);
                Ok(AgentLogin { name, token })
            })
            .collect::<Result<Vec<_>>>()?;
        drop(office);
        let log = log_of(dir, "engine");
        let words = ["serve", bed.path_str()?, "--until-stdin-closes"];
        let process = Process::tandem(&words, "ready:", &log)?;
        let client = Arc::new(ApiClient::of(&bed.config)?);
        let spread = Duration::from_millis(u64::from(load.agents) * 5);
        let crowd = Crowd::start(&bed.agent_url(), logins, load.habits, 1, spread)?;
        let engine = Engine {
            process,
            bed,
            crowd,
            agents: load.agents,
            campaigns,
            client,
            web: web(),
            log,
        };
        engine
            .wait("all agents are ready", LOG_IN_MAX, |picture| {
                picture.agents.get("ready") == Some(&load.agents)
                    && picture.trunks.iter().all(|trunk| trunk.up)
            })
            .await?;
        sleep(SETTLE).await;
        Ok(engine)
    }

    /// Its agents.
    pub const fn agents(&self) -> u32 {
        self.agents
    }

    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&ApiClient) -> Result<T, ClientError> + Send + 'static,
    ) -> Result<T> {
        let client = Arc::clone(&self.client);
        Ok(tokio::task::spawn_blocking(move || act(&client)).await??)
    }

    /// Its picture.
    pub async fn picture(&self) -> Result<PictureView> {
        self.ask(ApiClient::picture).await
    }

    /// Its metrics.
    pub async fn scrape(&self) -> Result<Scrape> {
        let (web, api) = (self.web.clone(), self.bed.config.api.listen);
        tokio::task::spawn_blocking(move || Scrape::of(&web, api)).await?
    }

    /// Starts all campaigns.
    pub async fn dial(&self) -> Result<()> {
        for name in self.campaigns.clone() {
            self.ask(move |client| client.start(&name)).await?;
        }
        Ok(())
    }

    /// Pauses all campaigns: no further call.
    pub async fn pause(&self) -> Result<()> {
        for name in self.campaigns.clone() {
            self.ask(move |client| client.pause(&name)).await?;
        }
        Ok(())
    }

    /// Waits until a picture is so.
    pub async fn wait(
        &self,
        what: &str,
        within: Duration,
        is_so: impl Fn(&PictureView) -> bool,
    ) -> Result<()> {
        let until = Instant::now() + within;
        loop {
            let picture = self.picture().await?;
            if is_so(&picture) {
                return Ok(());
            }
            ensure!(
                Instant::now() < until,
                "waited in vain until {what}: {picture:?}"
            );
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until no call is left and every agent is ready again.
    pub async fn drained(&self, within: Duration) -> Result<()> {
        // A picture from before the pause may show no call by chance.
        sleep(PICTURE_AGE).await;
        let agents = self.agents;
        self.wait("the last call has ended", within, |picture| {
            picture.attempts_alive == 0 && picture.agents.get("ready") == Some(&agents)
        })
        .await
    }

    /// Marks where counters stand. Only between calls, if `Spent::calls` is to be exact.
    pub async fn mark(&self, far: &Sipp) -> Result<Mark> {
        let calls = self.invites(&self.scrape().await?);
        Ok(Mark {
            at: Instant::now(),
            cpu: self.process.cpu_seconds()?,
            by_thread: self.process.cpu_by_thread()?,
            far_cpu: far.process.cpu_seconds()?,
            calls,
        })
    }

    /// What was spent since a mark.
    pub async fn since(&self, mark: &Mark, far: &Sipp) -> Result<Spent> {
        let now = self.mark(far).await?;
        let by_thread = now
            .by_thread
            .into_iter()
            .map(|(name, spent)| {
                let before = mark.by_thread.get(&name).copied().unwrap_or_default();
                (name, (spent - before).max(0.0))
            })
            .collect();
        Ok(Spent {
            calls: now.calls - mark.calls,
            cpu: now.cpu - mark.cpu,
            by_thread,
            far_cpu: now.far_cpu - mark.far_cpu,
            seconds: (now.at - mark.at).as_secs_f64(),
        })
    }

    /// INVITEs that left, without copies.
    pub fn invites(&self, scrape: &Scrape) -> f64 {
        scrape.get("tandem_sip_messages_out_total", "kind=\"INVITE\"")
    }

    /// What it warned of: how often, and the first of it.
    pub fn warnings(&self) -> Result<Option<(usize, String)>> {
        let text = std::fs::read_to_string(&self.log).context("the engine's log")?;
        let mut lines = text
            .lines()
            .filter(|line| line.contains("WARN") || line.contains("ERROR"));
        let first = lines.next().map(str::to_owned);
        Ok(first.map(|first| (1 + lines.count(), first)))
    }
}

fn configuration(load: &Load, campaigns: &[String], far: SocketAddr) -> Result<String> {
    let mut text = String::new();
    for (lane, name) in campaigns.iter().enumerate() {
        write!(
            text,
            "[[trunks]]\nname = \"far{lane}\"\naddress = \"{far}\"\n\
             channels_max = 20000\ncps_max = {cps}\nkeep_alive_s = 300\n",
            cps = load.cps
        )?;
        write!(
            text,
            "[[campaigns]]\nname = \"{name}\"\ncaller_id = \"+842873000000\"\nstate = \"paused\"\n{mode}\n\
             lines_max = {lines}\ncps_max = {cps}\nring_timeout_s = {ring}\n\
             window_from = \"00:00\"\nwindow_until = \"24:00\"\n",
            mode = load.mode,
            lines = load.lines,
            cps = load.cps,
            ring = load.ring_timeout.as_secs(),
        )?;
    }
    Ok(text)
}

/// As many people with a number each as are asked for: nobody is rung twice.
fn import(dir: &Path, bed: &Bed, load: &Load, campaigns: &[String]) -> Result<()> {
    let mut office = bed.office()?;
    let mut number = 0_u64;
    for name in campaigns {
        let path = dir.join("leads.csv");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path)?);
        writeln!(
            file,
            "cif,number,priority,name,salutation,loan.due,loan.days_past_due"
        )?;
        for _ in 0..load.leads {
            number += 1;
            writeln!(
                file,
                "C{number},+849{number:08},{},Nguyen Van A,anh,{},49",
                number % 10,
                1_000_000 + number
            )?;
        }
        file.flush()?;
        let rules = ListRules {
            campaigns: campaigns.to_vec(),
            skills: Vec::new(),
            campaign: Some(name.clone()),
            country: "VN".to_owned(),
            zone: ZONE.to_owned(),
        };
        let report = office.import_leads(&path, rules, None, &mut |_| {})?;
        ensure!(
            report.imported == load.leads,
            "the import took {} of {} leads: {report:?}",
            report.imported,
            load.leads
        );
        std::fs::remove_file(&path)?;
    }
    Ok(())
}
