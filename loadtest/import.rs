//! A list of a million into the store: alone, and while calls are dialled. The importer is a process of its own, as on a floor; the
//! engine's part is its real writer in this process, with an intent and an end for every call at a steady rate.
//!
//! Also what it leaves behind: the same list again, the hopper's refill, and a backup while calls go on.

use crate::frame::bed::Bed;
use crate::frame::report::{Goal, Report};
use crate::frame::stats::{median, quantile};
use crate::log_of;
use anyhow::{Context, Result, bail, ensure};
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tandem::core::effect::{AttemptClosed, DialOrder, LeadNext};
use tandem::core::results::SystemResult;
use tandem::ids::{AttemptId, CampaignId, LeadId, NumberId, PersonId, TrunkId};
use tandem::shell::lanes::Clock;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::{SqliteLeads, SqliteStore, backup};
use tandem::shell::store::writer::Writer;
use tandem::shell::store::{
    CallIdentity, DueQuery, LeadSource, ReturnedLeads, StoreNames, StoreNews, StoreOrder,
};
use tandem::time::UnixMs;

const CAMPAIGN: &str = "PL-B2-HCM";
/// Leads that are on the list before, and are dialled meanwhile.
const DIALLED: u64 = 20_000;
/// Calls in the air: an attempt ends when so many later ones have begun.
const IN_AIR: u64 = 500;
/// Time between two looks at the importer.
const LOOK: Duration = Duration::from_millis(50);

/// Options of this scenario.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Leads of the list
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..=5_000_000))]
    rows: u32,
    /// Calls a second meanwhile: each an intent and an end
    #[arg(long, default_value_t = 250, value_parser = clap::value_parser!(u32).range(1..=5_000))]
    calls: u32,
    /// How long calls are dialled without an import, in seconds
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
}

/// A number and a customer for every row, in no order: as a bank's export that is sorted by something else.
fn scattered(row: u64, rows: u64) -> u64 {
    // Coprime to any count of rows below it: every value comes once.
    const PRIME: u64 = 2_147_483_647;
    let shift = PRIME % rows;
    (row * shift + rows / 3) % rows
}

/// Twelve columns, as a bank exports them: about 130 bytes a row.
fn write_list(path: &Path, rows: u64) -> Result<()> {
    let names = [
        "Nguyễn Văn Hùng",
        "Trần Thị Mai Hương",
        "Lê Hoàng Nam",
        "Phạm Thị Lan",
    ];
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(
        out,
        "cif,number,priority,name,salutation,loan.account,loan.due,loan.outstanding,loan.days_past_due,loan.bucket,risk.class,risk.flags"
    )?;
    for row in 0..rows {
        let (person, number) = (scattered(row, rows), scattered(rows - 1 - row, rows));
        // Eight prefixes of Vietnamese mobiles, and numbers all over them.
        let prefix = [90, 91, 98, 97, 86, 70, 33, 35][number as usize % 8];
        writeln!(
            out,
            "{:010},0{prefix}{:07},{},{},chị,LN{:08},{},{},{},B{},HIGH,BROKEN_PTP|HARDSHIP_HINT",
            21_000_000 + person,
            1_000_000 + number * 9 % 9_000_000,
            person % 10,
            names[(person % 4) as usize],
            person,
            1_000_000 + person % 9_000_000,
            20_000_000 + person * 7 % 90_000_000,
            person % 90,
            person % 90 / 30 + 1,
        )?;
    }
    Ok(out.flush()?)
}

/// What the importer said and took.
struct Imported {
    rows_per_s: f64,
    cpu_us_per_row: f64,
    peak_mib: f64,
}

/// An importer that runs. Ended when dropped.
struct Importer {
    child: Child,
    begun: Instant,
    peak_kib: u64,
    cpu_seconds: f64,
    rows: u32,
}

impl Importer {
    fn start(bed: &Bed, list: &Path, rows: u32, log: &Path) -> Result<Importer> {
        let child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args(["import", list.to_str().context("a path in UTF-8")?])
            .args(["--campaign", CAMPAIGN, "--config", bed.path_str()?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .spawn()?;
        Ok(Importer {
            child,
            begun: Instant::now(),
            peak_kib: 0,
            cpu_seconds: 0.0,
            rows,
        })
    }

    fn look(&mut self) {
        let id = self.child.id();
        // It may have ended between two looks.
        if let Ok(peak) = crate::frame::process::peak_kib(id) {
            self.peak_kib = peak;
        }
        if let Ok(seconds) = crate::frame::process::cpu_seconds(id) {
            self.cpu_seconds = seconds;
        }
    }

    fn wait(mut self, wanted: &str) -> Result<Imported> {
        let status = loop {
            self.look();
            match self.child.try_wait()? {
                Some(status) => break status,
                None => std::thread::sleep(LOOK),
            }
        };
        let took = self.begun.elapsed();
        let mut said = String::new();
        if let Some(out) = &mut self.child.stdout {
            out.read_to_string(&mut said)?;
        }
        ensure!(
            status.success() && said.contains(wanted),
            "the import ended with {status}: {said}"
        );
        let rows = f64::from(self.rows);
        Ok(Imported {
            rows_per_s: rows / took.as_secs_f64(),
            cpu_us_per_row: self.cpu_seconds / rows * 1e6,
            peak_mib: self.peak_kib as f64 / 1_024.0,
        })
    }
}

impl Drop for Importer {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The engine's writer under a steady load.
struct Dialler {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Result<(u64, Vec<f64>)>>,
    writer: Writer,
    begun: Instant,
}

/// How long intents took, and what the writer took.
struct Dialled {
    wait_p50_ms: f64,
    wait_p99_ms: f64,
    wait_max_ms: f64,
    writer_us_per_call: f64,
    orders_per_commit: f64,
    calls: u64,
    put_off: u64,
}

impl Dialler {
    fn start(bed: &Bed, names: &StoreNames, calls: u32) -> Result<Dialler> {
        let clock = Clock::new();
        let (store, recovery) =
            SqliteStore::open(&store_path(&bed.config), names, clock.now().unix)?;
        let first = recovery.first_attempt;
        let (told, news) = channel();
        let writer = Writer::start(
            Box::new(store),
            &bed.config.store,
            ReturnedLeads::default(),
            Box::new(move |news| {
                if let StoreNews::IntentDurable(attempt, _) = news {
                    // The listener ends when the load does.
                    let _ = told.send((attempt.0, Instant::now()));
                }
            }),
        )?;
        let lane = writer.lane();
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = std::thread::Builder::new()
            .name("load-dialler".to_owned())
            .spawn(move || {
                let begun = Instant::now();
                let mut ordered = Vec::new();
                let mut n = 0_u64;
                while !until.load(Ordering::Relaxed) {
                    let due = begun + Duration::from_secs_f64(n as f64 / f64::from(calls));
                    if let Some(wait) = due.checked_duration_since(Instant::now()) {
                        std::thread::sleep(wait);
                    }
                    ordered.push(Instant::now());
                    lane.send_timeout(intent(first + n, clock.now().unix), Duration::from_secs(30))
                        .map_err(|_| anyhow::anyhow!("the writer is behind"))?;
                    if let Some(earlier) = n.checked_sub(IN_AIR) {
                        lane.send_timeout(
                            closed(first + earlier, clock.now().unix),
                            Duration::from_secs(30),
                        )
                        .map_err(|_| anyhow::anyhow!("the writer is behind"))?;
                    }
                    n += 1;
                }
                let mut waits = Vec::with_capacity(ordered.len());
                while waits.len() < ordered.len() {
                    let (attempt, at) = news
                        .recv_timeout(Duration::from_secs(20))
                        .context("an intent was never made durable")?;
                    let wait = at - ordered[(attempt - first) as usize];
                    waits.push(wait.as_secs_f64() * 1e3);
                }
                Ok((n, waits))
            })?;
        Ok(Dialler {
            over,
            thread,
            writer,
            begun: Instant::now(),
        })
    }

    fn stop(self) -> Result<Dialled> {
        self.over.store(true, Ordering::Relaxed);
        let (calls, mut waits) = match self.thread.join() {
            Ok(ended) => ended?,
            Err(_) => bail!("the load ended by itself after {:?}", self.begun.elapsed()),
        };
        let cpu = crate::frame::process::named_thread_cpu_seconds("store-writer")?;
        let stats = self.writer.stats();
        ensure!(self.writer.stop() == 0, "orders could not be kept");
        let max = waits.iter().copied().fold(0.0, f64::max);
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        Ok(Dialled {
            wait_p50_ms: quantile(&mut waits, 0.5),
            wait_p99_ms: quantile(&mut waits, 0.99),
            wait_max_ms: max,
            writer_us_per_call: cpu / calls.max(1) as f64 * 1e6,
            orders_per_commit: count(&stats.orders) as f64 / count(&stats.commits).max(1) as f64,
            calls,
            put_off: count(&stats.put_off),
        })
    }
}

fn intent(attempt: u64, at: UnixMs) -> StoreOrder {
    let n = attempt % DIALLED + 1;
    StoreOrder::Intent(
        DialOrder {
            attempt: AttemptId(attempt),
            route_try: 1,
            campaign: CampaignId(0),
            lead: LeadId(n),
            person: PersonId(n),
            number: NumberId(n),
            trunk: TrunkId(0),
        },
        CallIdentity {
            call_id: format!("{attempt:032x}"),
            from_tag: format!("{attempt:032x}"),
            branch: format!("z9hG4bK{attempt:032x}"),
        },
        at,
    )
}

fn closed(attempt: u64, at: UnixMs) -> StoreOrder {
    let n = attempt % DIALLED + 1;
    StoreOrder::Closed(Box::new(AttemptClosed {
        attempt: AttemptId(attempt),
        campaign: CampaignId(0),
        lead: LeadId(n),
        person: PersonId(n),
        number: NumberId(n),
        trunk: TrunkId(0),
        route_tries: 1,
        result: SystemResult::NoAnswer,
        counts: true,
        wire: Some((487, None)),
        agent: None,
        decided_at: at,
        released_at: Some(at),
        rang_at: Some(at),
        answered_at: None,
        matched_at: None,
        ended_at: at,
        ring_ms: Some(25_000),
        talk_ms: None,
        is_call_in: false,
        announced_at: None,
        next: LeadNext::Again {
            not_before: at + Duration::from_secs(3 * 3_600),
            callback: false,
            sticky: None,
        },
    }))
}

/// Milliseconds of some refills of the hopper.
fn refills(bed: &Bed, names: &StoreNames) -> Result<Vec<f64>> {
    let mut leads = SqliteLeads::open(&store_path(&bed.config), names)?;
    let now = Clock::new().now().unix;
    (0..20)
        .map(|_| {
            let query = DueQuery {
                campaign: CampaignId(0),
                want: 1_000,
                out: 1_000,
                now,
                due_until: now,
            };
            let begun = Instant::now();
            let due = leads.due(&query, &|lead| lead.0 % 2 == 0)?;
            ensure!(
                due.leads.len() == 1_000,
                "{} leads are due",
                due.leads.len()
            );
            Ok(begun.elapsed().as_secs_f64() * 1e3)
        })
        .collect()
}

fn bed_in(dir: PathBuf) -> Result<Bed> {
    std::fs::create_dir_all(&dir)?;
    Bed::make(
        &dir,
        "",
        &format!(
            "[[trunks]]\nname = \"north\"\naddress = \"127.0.0.1:5\"\n\
             [[campaigns]]\nname = \"{CAMPAIGN}\"\ncaller_id = \"+842873000000\"\n"
        ),
    )
}

/// Runs the scenario.
pub fn measure(args: &ImportArgs, dir: &Path) -> Result<Report> {
    let rows = args.rows;
    let list = dir.join("list.csv");
    write_list(&list, u64::from(rows))?;
    let new = format!("{rows} new");
    let what = format!("{rows} leads; {} calls/s meanwhile, once", args.calls);
    let mut report = Report::new("import", what);

    let alone = bed_in(dir.join("alone"))?;
    let log = log_of(dir, "import");
    let first = Importer::start(&alone, &list, rows, &log)?.wait(&new)?;
    let again = Importer::start(&alone, &list, rows, &log)?.wait(&format!("{rows} known"))?;
    report.figure(
        "alone_rows_per_s",
        "new list, nothing beside it",
        first.rows_per_s,
        "rows/s",
    );
    report.figure(
        "alone_cpu_us_per_row",
        "its CPU time, both threads",
        first.cpu_us_per_row,
        "us/row",
    );
    report.goal(
        "alone_peak_mib",
        "its memory at most",
        first.peak_mib,
        "MiB",
        Goal::AtMost(192.0),
    );
    report.figure(
        "again_rows_per_s",
        "the same list again",
        again.rows_per_s,
        "rows/s",
    );

    let busy = bed_in(dir.join("busy"))?;
    let few = dir.join("few.csv");
    write_list(&few, DIALLED)?;
    Importer::start(&busy, &few, DIALLED as u32, &log)?.wait(&format!("{DIALLED} new"))?;
    let names = StoreNames::of(&busy.config, vec![busy.config.default_zone.clone()]);
    let dialler = Dialler::start(&busy, &names, args.calls)?;
    std::thread::sleep(Duration::from_secs(args.seconds));
    let quiet = dialler.stop()?;
    let dialler = Dialler::start(&busy, &names, args.calls)?;
    let importer = Importer::start(&busy, &list, rows, &log)?;
    let behind = importer.wait("read")?;
    let meanwhile = dialler.stop()?;
    report.goal(
        "busy_rows_per_s",
        "new list behind live calls",
        behind.rows_per_s,
        "rows/s",
        Goal::AtLeast(100_000.0),
    );
    report.figure(
        "busy_cpu_us_per_row",
        "its CPU time, both threads",
        behind.cpu_us_per_row,
        "us/row",
    );
    for (key, words, dialled) in [
        ("quiet", "without import", &quiet),
        ("busy", "during the import", &meanwhile),
    ] {
        let figure = |report: &mut Report, name: &str, what: &str, value, unit| {
            report.figure(
                &format!("{key}_{name}"),
                &format!("{what}, {words}"),
                value,
                unit,
            );
        };
        figure(
            &mut report,
            "intent_p50_ms",
            "intent durable p50",
            dialled.wait_p50_ms,
            "ms",
        );
        figure(
            &mut report,
            "intent_p99_ms",
            "intent durable p99",
            dialled.wait_p99_ms,
            "ms",
        );
        figure(
            &mut report,
            "intent_max_ms",
            "intent durable max",
            dialled.wait_max_ms,
            "ms",
        );
        figure(
            &mut report,
            "writer_us_per_call",
            "writer's CPU time a call",
            dialled.writer_us_per_call,
            "us",
        );
        figure(
            &mut report,
            "orders_per_commit",
            "orders in a commit",
            dialled.orders_per_commit,
            "",
        );
        figure(&mut report, "calls", "calls", dialled.calls as f64, "");
    }
    let put_off = (quiet.put_off + meanwhile.put_off) as f64;
    report.goal(
        "put_off",
        "commits that gave up waiting",
        put_off,
        "",
        Goal::AtMost(0.0),
    );

    let waits = refills(&busy, &names)?;
    report.figure(
        "refill_ms",
        "refill of 1,000 leads after it, median",
        median(&waits),
        "ms",
    );

    let dialler = Dialler::start(&busy, &names, args.calls)?;
    std::thread::sleep(Duration::from_secs(2));
    let copy = backup(
        &store_path(&busy.config),
        &dir.join("copy.db"),
        Clock::new().now().unix,
        &mut |_| {},
    )?;
    let saved = dialler.stop()?;
    report.figure(
        "backup_mib",
        "backup behind live calls",
        copy.bytes as f64 / f64::from(1 << 20),
        "MiB",
    );
    report.figure("backup_s", "made and checked in", copy.seconds, "s");
    report.figure(
        "backup_intent_p50_ms",
        "intent durable p50, during it",
        saved.wait_p50_ms,
        "ms",
    );
    report.figure(
        "backup_intent_p99_ms",
        "intent durable p99, during it",
        saved.wait_p99_ms,
        "ms",
    );
    report.figure(
        "backup_intent_max_ms",
        "intent durable max, during it",
        saved.wait_max_ms,
        "ms",
    );
    Ok(report)
}
