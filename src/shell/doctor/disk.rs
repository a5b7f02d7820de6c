//! The data directory: whose it is, what it stands on, how much room and how fast; and who may read the secrets.
//!
//! The one check that writes: a file of its own with a few dozen blocks, removed again.

use super::{Case, Finding};
use crate::config::{PasswordPlace, password_places};
use crate::shell::api::TOKEN_FILE;
use crate::shell::serve::store_path;
use std::fs::{Metadata, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Blocks written and synced by the probe, and what it may take altogether.
const BLOCKS: usize = 48;
const PROBE_MAX: Duration = Duration::from_secs(2);
/// A sync at this quantile that makes agents wait visibly for "saved".
const SYNC_SLOW: Duration = Duration::from_millis(50);
/// Room below which the store soon cannot commit, and dialling stops; and below which one should begin to look for more.
const ROOM_FAULT: u64 = 256 << 20;
const ROOM_WARNING: u64 = 2 << 30;
/// Files that may still be made.
const INODES_WARNING: u64 = 1_000;

/// File systems over a network: a lock there may not hold, and SQLite's shared memory does not (sqlite.org/wal.html).
const NETWORK: [&str; 9] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "afs",
    "9p",
];

pub(super) fn check(case: &Case<'_>) -> Vec<Finding> {
    let data = &case.config.data_dir;
    let mut found = Vec::new();
    // The first start makes it: until then what matters is the place where it will stand.
    let ground = match existing(data) {
        Some(ground) => ground,
        None => {
            return vec![Finding::fault(
                "data_dir",
                format!("no part of {} is there", data.display()),
                "name a directory that can be made",
            )];
        }
    };
    found.push(directory(case, data, &ground));
    found.extend(kind(data, &ground));
    found.extend(room(case, &ground));
    found.push(speed(case, &ground));
    found.extend(secrets(case));
    found
}

/// The directory itself, or the nearest one above it that is there.
fn existing(path: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(path).ok()?;
    absolute
        .ancestors()
        .find(|folder| folder.is_dir())
        .map(Path::to_owned)
}

/// The user that we are: /proc/self belongs to it.
fn user() -> Option<u32> {
    std::fs::metadata("/proc/self").ok().map(|own| own.uid())
}

fn directory(case: &Case<'_>, data: &Path, ground: &Path) -> Finding {
    const CHECK: &str = "data_dir";
    let name = data.display();
    if !data.is_dir() {
        return match probe_file(ground) {
            Ok((file, path)) => {
                drop(file);
                let _ = std::fs::remove_file(path);
                Finding::ok(
                    CHECK,
                    format!("{name} is not there yet; the first start makes it"),
                )
            }
            Err(error) => Finding::fault(
                CHECK,
                format!(
                    "{name} is not there and cannot be made in {}: {error}",
                    ground.display()
                ),
                "make it as root and give it to the engine's user: install -d -m 700 -o tandem",
            ),
        };
    }
    let meta = match data.metadata() {
        Ok(meta) => meta,
        Err(error) => {
            return Finding::fault(
                CHECK,
                format!("{name}: {error}"),
                "let the engine's user in",
            );
        }
    };
    let (mode, owner, ours) = (meta.mode() & 0o777, meta.uid(), user());
    if mode & 0o002 != 0 {
        return Finding::fault(
            CHECK,
            format!("{name} may be written by everybody (mode {mode:03o})"),
            format!("chmod 700 {name}"),
        );
    }
    if ours.is_some_and(|ours| ours != 0 && ours != owner) {
        return Finding::fault(
            CHECK,
            format!(
                "{name} belongs to user {owner}, we are user {}",
                ours.unwrap_or_default()
            ),
            "run the engine (and this check) as its owner, or chown the directory",
        );
    }
    if ours == Some(0) && owner != 0 && case.running.is_none() {
        return Finding::warning(
            CHECK,
            format!(
                "{name} belongs to user {owner}, and this check runs as root: what root may do says little"
            ),
            "run it as the engine's user: runuser -u USER -- tandem doctor",
        );
    }
    if mode & 0o077 != 0 {
        return Finding::warning(
            CHECK,
            format!("{name} may be looked into by others (mode {mode:03o})"),
            format!("chmod 700 {name}"),
        );
    }
    Finding::ok(
        CHECK,
        format!("{name} belongs to user {owner}, mode {mode:03o}"),
    )
}

/// What the directory stands on, by the longest mount point above it.
fn kind(data: &Path, ground: &Path) -> Option<Finding> {
    const CHECK: &str = "file_system";
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let real = ground.canonicalize().ok()?;
    let kind = mounts
        .lines()
        .filter_map(mount)
        .filter(|(point, _)| real.starts_with(point))
        .max_by_key(|(point, _)| point.as_os_str().len())
        .map(|(_, kind)| kind)?;
    let name = data.display();
    Some(match kind.as_str() {
        "tmpfs" | "ramfs" => Finding::warning(
            CHECK,
            format!(
                "{name} is in memory ({kind}): the next start of the machine has forgotten every outcome and cap"
            ),
            "put data_dir on a disk",
        ),
        "overlay" | "aufs" => Finding::warning(
            CHECK,
            format!("{name} is in a container's own layer ({kind}): it goes with the container"),
            "mount a volume there",
        ),
        kind if NETWORK.contains(&kind) || kind.starts_with("fuse.") => Finding::warning(
            CHECK,
            format!(
                "{name} is on a network or user file system ({kind}): SQLite's locks and shared memory may not hold there"
            ),
            "put data_dir on a local disk; a copy elsewhere is a backup's work",
        ),
        kind => Finding::ok(CHECK, format!("{name} is on {kind}")),
    })
}

/// Mount point and type of a line of mountinfo: "36 35 98:0 /root /point rw - ext3 /dev/root rw".
fn mount(line: &str) -> Option<(PathBuf, String)> {
    let (head, tail) = line.split_once(" - ")?;
    // Blanks in paths are written as octal.
    let point = head.split(' ').nth(4)?.replace("\\040", " ");
    Some((PathBuf::from(point), tail.split(' ').next()?.to_owned()))
}

fn room(case: &Case<'_>, ground: &Path) -> Vec<Finding> {
    const CHECK: &str = "disk_room";
    let Ok(figures) = rustix::fs::statvfs(ground) else {
        return vec![Finding::warning(
            CHECK,
            "free room cannot be told",
            "look at `df` yourself",
        )];
    };
    let free = figures.f_bavail.saturating_mul(figures.f_frsize);
    let megabytes = |octets: u64| octets >> 20;
    let mut found = Vec::new();
    let what = format!(
        "{} MB are free for {}",
        megabytes(free),
        case.config.data_dir.display()
    );
    found.push(if free < ROOM_FAULT {
        Finding::fault(
            CHECK,
            what,
            "make room: on a full disk nothing is committed, and nothing is dialled",
        )
    } else if free < ROOM_WARNING {
        Finding::warning(
            CHECK,
            what,
            "make room before it is urgent: a call takes about 1 KB of the store",
        )
    } else {
        Finding::ok(CHECK, what)
    });
    // File systems without a fixed number of files say 0.
    if figures.f_files > 0 && figures.f_favail < INODES_WARNING {
        found.push(Finding::warning(
            CHECK,
            format!("only {} more files can be made there", figures.f_favail),
            "remove small files: the store's journal is a file too",
        ));
    }
    if let Some(log) = &case.config.input_log
        && existing(&log.path).is_some_and(|place| is_same_disk(&place, ground))
        && log.octets_max > free
        && free >= ROOM_FAULT
    {
        found.push(Finding::warning(
            CHECK,
            format!(
                "the input log may grow to {} MB on the same disk, and {} MB are free",
                log.octets_max / 1_000_000,
                megabytes(free)
            ),
            "lower input_log_max_mb, or put the log on another disk",
        ));
    }
    found
}

fn is_same_disk(one: &Path, other: &Path) -> bool {
    let device = |path: &Path| path.metadata().ok().map(|meta| meta.dev());
    device(one).is_some() && device(one) == device(other)
}

/// A file of our own to write to, which nobody else may read.
fn probe_file(folder: &Path) -> std::io::Result<(std::fs::File, PathBuf)> {
    let path = folder.join(format!(".tandem-doctor.{}", std::process::id()));
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)?;
    Ok((file, path))
}

/// How long a block takes to the disk: an INVITE waits for one, and so does "saved".
fn speed(case: &Case<'_>, ground: &Path) -> Finding {
    const CHECK: &str = "disk_sync";
    let mut times = match probe(ground) {
        Ok(times) if !times.is_empty() => times,
        Ok(_) => {
            return Finding::fault(
                CHECK,
                format!(
                    "not one block of 4 KiB reached the disk within {} s",
                    PROBE_MAX.as_secs()
                ),
                "another disk: nothing could be dialled",
            );
        }
        Err(error) => {
            let change = match error.kind() {
                ErrorKind::StorageFull => "make room",
                _ => "let the engine's user write there",
            };
            return Finding::fault(
                CHECK,
                format!("nothing can be written to {}: {error}", ground.display()),
                change,
            );
        }
    };
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share).round() as usize];
    let (half, worst) = (at(0.5), at(0.99));
    let window = case.config.store.commit_window;
    let too_old = case.config.floor.intent_age_max;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let what = format!(
        "{} blocks synced: p50 {:.1} ms, p99 {:.1} ms, against a commit window of {} ms",
        times.len(),
        ms(half),
        ms(worst),
        window.as_millis()
    );
    if half >= too_old {
        Finding::fault(
            CHECK,
            what,
            format!(
                "another disk: an intent older than floor.intent_age_max_ms ({}) is not sent",
                too_old.as_millis()
            ),
        )
    } else if half > window.max(Duration::from_millis(2)) * 2 || worst > SYNC_SLOW {
        Finding::warning(
            CHECK,
            what,
            "a disk whose cache survives a power cut (or none of its neighbours at work): INVITEs and \"saved\" wait for it",
        )
    } else {
        Finding::ok(CHECK, what)
    }
}

fn probe(ground: &Path) -> std::io::Result<Vec<Duration>> {
    let (mut file, path) = probe_file(ground)?;
    let block = [0x5a; 4_096];
    let begun = Instant::now();
    let mut times = Vec::with_capacity(BLOCKS);
    let mut outcome = Ok(());
    while times.len() < BLOCKS && begun.elapsed() < PROBE_MAX && outcome.is_ok() {
        let from = Instant::now();
        outcome = file.write_all(&block).and_then(|()| file.sync_data());
        if outcome.is_ok() {
            times.push(from.elapsed());
        }
    }
    let _ = std::fs::remove_file(path);
    outcome.map(|()| times)
}

/// Who may read what nobody else should.
fn secrets(case: &Case<'_>) -> Vec<Finding> {
    const CHECK: &str = "secrets";
    let mut found = Vec::new();
    let data = &case.config.data_dir;
    for (path, what) in [
        (data.join(TOKEN_FILE), "the admin token"),
        (store_path(case.config), "the store (names, numbers, debts)"),
    ] {
        // What is not there yet is made with mode 0600.
        if let Ok(meta) = path.metadata()
            && let Some(open) = open_to(&meta, 0o077)
        {
            found.push(exposed(&path, what, &open));
        }
    }
    let places = password_places(case.file).unwrap_or_default();
    let mut is_inline = false;
    for (trunk, place) in places {
        match place {
            PasswordPlace::File(path) => {
                // The group may: root:tandem 0640 is how a unit's secrets are kept.
                let open = path.metadata().ok().and_then(|meta| open_to(&meta, 0o007));
                if let Some(open) = open {
                    found.push(exposed(
                        &path,
                        &format!("the password of trunk {trunk}"),
                        &open,
                    ));
                }
            }
            PasswordPlace::Inline => is_inline = true,
            PasswordPlace::Variable => {}
        }
    }
    if is_inline {
        let open = case
            .file
            .metadata()
            .ok()
            .and_then(|meta| open_to(&meta, 0o007));
        found.push(match open {
            Some(open) => exposed(
                case.file,
                "a trunk's password, in the configuration itself,",
                &open,
            ),
            None => Finding::warning(
                CHECK,
                format!(
                    "a trunk's password stands in {} itself",
                    case.file.display()
                ),
                "password_file: configurations are copied, compared and sent around",
            ),
        });
    }
    if found.is_empty() {
        found.push(Finding::ok(
            CHECK,
            "token, store and passwords are for their owner alone",
        ));
    }
    found
}

fn open_to(meta: &Metadata, others: u32) -> Option<String> {
    let mode = meta.mode() & 0o777;
    (mode & others != 0).then(|| format!("mode {mode:03o}"))
}

fn exposed(path: &Path, what: &str, open: &str) -> Finding {
    let path = path.display();
    Finding::fault(
        "secrets",
        format!("{what} may be read by others: {path} has {open}"),
        format!("chmod 600 {path}, and change what others may have read"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_point_is_read_with_its_kind() {
        let line = "36 35 98:0 /mnt1 /srv/my\\040data rw,noatime shared:1 - nfs4 server:/x rw";
        let (point, kind) = mount(line).expect("a mount");
        assert_eq!((point, kind.as_str()), ("/srv/my data".into(), "nfs4"));
        assert!(mount("nonsense").is_none());
    }
}
