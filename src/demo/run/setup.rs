//! What the demo needs before it can begin: a directory, free ports, a configuration, borrowers, agents.

use super::{DemoArgs, DemoError};
use crate::config::Config;
use crate::demo::agents::AgentLogin;
use crate::demo::borrowers::{BorrowerPlan, Detail, write_json_lines};
use crate::pii::Pii;
use crate::shell::serve::store_path;
use crate::shell::store::AgentAudio;
use crate::shell::store::lead_rows::ListRules;
use crate::shell::store::sqlite::BackOffice;
use std::fmt::Write as _;
use std::fs::File;
use std::io::BufWriter;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The demo's one campaign.
pub const CAMPAIGN: &str = "DEMO-PL-B1-B3";
/// The seat kept free for whoever watches.
pub const GUEST: &str = "guest";
/// The seat for a client without audio.
pub const CLIENT: &str = "client";

/// The demo's directory. Removed at the end if the demo made it up itself.
#[derive(Debug)]
pub struct Workplace {
    /// Where everything lies.
    pub path: PathBuf,
    temporary: bool,
}

impl Workplace {
    /// A fresh directory: the given one, or a new one among the system's temporary files.
    pub fn prepare(wanted: Option<&Path>) -> Result<Self, DemoError> {
        let temporary = wanted.is_none();
        let path = wanted.map_or_else(
            || {
                let now = std::time::SystemTime::now()
                    .duration_since(std::time::UNIX_EPOCH)
                    .unwrap_or_default();
                std::env::temp_dir().join(format!(
                    "tandem-demo-{}-{}",
                    std::process::id(),
                    now.as_millis()
                ))
            },
            Path::to_owned,
        );
        let failed = |source| DemoError::Files {
            path: path.clone(),
            source,
        };
        if path.join("data").exists() {
            return Err(DemoError::NotFresh(path));
        }
        // The store holds tokens' hashes and made-up people; nobody else's business all the same.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path.join("data"))
            .map_err(failed)?;
        Ok(Workplace { path, temporary })
    }

    /// A file in it.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes it, if the demo made it up.
    pub fn clear(self) {
        if self.temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
        {
            tracing::warn!(%error, "The demo's directory could not be removed.");
        }
    }
}

/// Where everybody listens.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The engine's SIP.
    pub sip: SocketAddr,
    /// The agents' websocket.
    pub desk: SocketAddr,
    /// The engine's HTTP.
    pub api: SocketAddr,
    /// The simulated carrier's SIP.
    pub carrier: SocketAddr,
}

impl Ports {
    /// Ports that are free now. Somebody may still be faster; the process that finds its port taken says so and the demo ends.
    pub fn find() -> Result<Self, std::io::Error> {
        let (mut held_tcp, mut held_udp) = (Vec::new(), Vec::new());
        let mut next = || -> Result<SocketAddr, std::io::Error> {
            loop {
                let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let address = tcp.local_addr()?;
                if let Ok(udp) = UdpSocket::bind(address) {
                    held_tcp.push(tcp);
                    held_udp.push(udp);
                    return Ok(address);
                }
            }
        };
        Ok(Ports {
            sip: next()?,
            desk: next()?,
            api: next()?,
            carrier: next()?,
        })
    }
}

/// Writes the engine's configuration and reads it back the way the engine will.
pub fn write_config(
    place: &Workplace,
    args: &DemoArgs,
    ports: Ports,
) -> Result<(PathBuf, Config), DemoError> {
    let path = place.file("demo.toml");
    let text = config_text(&place.file("data"), args, ports);
    std::fs::write(&path, &text).map_err(|source| DemoError::Files {
        path: path.clone(),
        source,
    })?;
    let config =
        Config::from_text(&text, &path).map_err(|faults| DemoError::Config(faults.to_string()))?;
    Ok((path, config))
}

fn config_text(data: &Path, args: &DemoArgs, ports: Ports) -> String {
    let Ports {
        sip,
        desk,
        api,
        carrier,
    } = ports;
    let log = toml::Value::String(data.join("inputs.jsonl").display().to_string());
    let data = toml::Value::String(data.display().to_string());
    // Music while a customer is on hold, where the demo is started beside the samples.
    let prompts = std::fs::canonicalize("config/prompts").map_or_else(
        |_| String::new(),
        |path| {
            let path = toml::Value::String(path.display().to_string());
            format!("prompts_dir = {path}\n")
        },
    );
    // Human times are divided by --speed, so the engine's must be too: a phone that rings five times as fast gives up so.
    let scaled = |seconds: f64, least: f64| (seconds / args.speed).ceil().max(least) as u64;
    let (ring, wrap) = (scaled(25.0, 5.0), scaled(25.0, 1.0));
    let minutes = |minutes: f64| (minutes / args.speed).max(0.02);
    let mode = if args.predictive {
        "mode = \"predictive\"".to_owned()
    } else if args.lines_per_free_agent > 0.0 {
        format!("lines_per_free_agent = {}", args.lines_per_free_agent)
    } else {
        "# No ratio: one line per free agent.".to_owned()
    };
    let lines = (args.agents * 10).clamp(20, 20_000);
    let mut text = format!(
        "# Written by `tandem demo` for this one run.\n\
         #\n\
         # NOT FOR REAL CALLS. The rules that protect people are relaxed, so that a few thousand made-up borrowers keep a\n\
         # floor busy for hours: 100 attempts a day instead of 3, seconds between attempts instead of two hours, calling at\n\
         # any hour. Everybody on the other side is simulated, on this machine only. config/tandem.toml shows what to use.\n\n\
         data_dir = {data}\n\
         # For `tandem replay`; keep the directory with --data-dir.\n\
         input_log = {log}\n\n\
         [sip]\nlisten = \"{sip}\"\n\n\
         [media]\nlisten = \"127.0.0.1\"\nport_first = 20000\nport_last = 39999\n{prompts}\n\
         [desk]\nlisten = \"{desk}\"\n\n\
         [api]\nlisten = \"{api}\"\n\n\
         [[trunks]]\nname = \"simulated\"\naddress = \"{carrier}\"\nchannels_max = {lines}\ncps_max = 250\nkeep_alive_s = 2\n\n\
         [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\nwhy = \"Demo: made-up borrowers, 1-90 days past due\"\n\
         {mode}\nlines_max = {lines}\ncps_max = 250\nring_timeout_s = {ring}\nwrap_s = {wrap}\nwrap_overrun = \"ready\"\n\
         window_from = \"00:00\"\nwindow_until = \"24:00\"\nattempts_per_day = 100\nattempt_gap_min = 0\nattempts_max = 1000\n\n\
         [campaigns.recycle]\n"
    );
    for (result, wait) in [
        ("connected_min", 10.0),
        ("abandoned_min", 5.0),
        ("cust_hangup_early_min", 2.0),
        ("no_answer_min", 3.0),
        ("busy_min", 1.0),
        ("rejected_min", 10.0),
        ("machine_min", 5.0),
        ("cancelled_min", 2.0),
    ] {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{result} = {:.2}", minutes(wait));
    }
    text
}

/// Makes up borrowers and imports them as anybody would. Returns how many are on the list.
pub fn import_borrowers(
    place: &Workplace,
    config: &Config,
    args: &DemoArgs,
) -> Result<u64, DemoError> {
    let path = place.file("borrowers.jsonl");
    let failed = |source| DemoError::Files {
        path: path.clone(),
        source,
    };
    let campaigns = [CAMPAIGN.to_owned()];
    let today = jiff::Timestamp::now()
        .to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7)))
        .date();
    let plan = BorrowerPlan {
        seed: args.seed,
        campaigns: &campaigns,
        today,
        detail: Detail::Full,
    };
    let file = File::create(&path).map_err(failed)?;
    write_json_lines(&plan, args.leads, BufWriter::new(file)).map_err(failed)?;
    let rules = ListRules {
        campaigns: campaigns.to_vec(),
        skills: Vec::new(),
        campaign: None,
        country: config.default_country.clone(),
        zone: config.default_zone.clone(),
    };
    let report =
        BackOffice::open(&store_path(config))?.import_leads(&path, rules, None, &mut |_| {})?;
    if report.imported == 0 || report.rejected > 0 {
        return Err(DemoError::Import {
            imported: report.imported,
            rejected: report.rejected,
        });
    }
    Ok(report.imported)
}

/// The seats of the demo.
#[derive(Debug)]
pub struct Seats {
    /// Scripted agents; they have no audio.
    pub scripted: Vec<AgentLogin>,
    /// A person's, with a browser's audio.
    pub guest: AgentLogin,
    /// A person's for a client of his own, without audio.
    pub client: AgentLogin,
}

/// Adds the scripted agents and the guests' seats.
pub fn add_agents(config: &Config, count: u32) -> Result<Seats, DemoError> {
    let mut office = BackOffice::open(&store_path(config))?;
    let mut add = |name: String, audio: AgentAudio| -> Result<AgentLogin, DemoError> {
        let token = office.agent_add(&name, &[(CAMPAIGN.to_owned(), 1)], &[], &audio)?;
        Ok(AgentLogin {
            name,
            token: Pii::new(token),
        })
    };
    let scripted = (1..=count)
        .map(|n| add(format!("agent{n:02}"), AgentAudio::None))
        .collect::<Result<_, _>>()?;
    Ok(Seats {
        scripted,
        guest: add(GUEST.to_owned(), AgentAudio::Browser)?,
        client: add(CLIENT.to_owned(), AgentAudio::None)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_configuration_is_one_that_the_engine_takes() {
        for speed in [0.5, 1.0, 10.0, 50.0] {
            for ratio in [0.0, 1.5] {
                let directory = tempfile::tempdir().unwrap();
                let wanted = directory.path().join("with \"quotes\" and spaces");
                let place = Workplace::prepare(Some(&wanted)).unwrap();
                let args = DemoArgs {
                    speed,
                    lines_per_free_agent: ratio,
                    predictive: ratio == 0.0 && speed > 1.0,
                    ..DemoArgs::default()
                };
                let (path, config) = write_config(&place, &args, Ports::find().unwrap()).unwrap();
                assert_eq!(config.data_dir, wanted.join("data"));
                assert_eq!(config.campaigns[0].settings.gate.attempts_per_day, 100);
                let text = std::fs::read_to_string(path).unwrap();
                assert!(text.contains("NOT FOR REAL CALLS"));
                assert!(
                    Workplace::prepare(Some(&wanted)).is_err(),
                    "a used directory must be refused"
                );
            }
        }
    }

    #[test]
    fn borrowers_and_agents_are_there_before_the_engine_starts() {
        let directory = tempfile::tempdir().unwrap();
        let place = Workplace::prepare(Some(&directory.path().join("demo"))).unwrap();
        let args = DemoArgs {
            leads: 50,
            ..DemoArgs::default()
        };
        let (_, config) = write_config(&place, &args, Ports::find().unwrap()).unwrap();
        assert_eq!(import_borrowers(&place, &config, &args).unwrap(), 50);
        let seats = add_agents(&config, 3).unwrap();
        let office = BackOffice::open(&store_path(&config)).unwrap();
        for login in seats.scripted.iter().chain([&seats.guest, &seats.client]) {
            assert!(
                office
                    .agent_by_token(&login.name, login.token.expose())
                    .unwrap()
                    .is_some()
            );
        }
        assert_eq!(seats.scripted[2].name, "agent03");
    }
}
