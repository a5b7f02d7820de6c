//! Who else is on this machine: the engine of this data directory, and whoever holds a port. Reads /proc, asks nobody.

use crate::config::Config;
use crate::shell::serve::store_path;
use std::collections::HashMap;
use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// An engine that runs on the same data directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Running {
    /// Its process, where that can be told.
    pub(super) pid: Option<u32>,
}

/// The engine that holds the store's lock; `None`: none does.
pub(super) fn engine_of(config: &Config) -> Option<Running> {
    let mut name = store_path(config).into_os_string();
    name.push(".engine-lock");
    let lock = File::open(Path::new(&name)).ok()?;
    match lock.try_lock_shared() {
        // Free, and given back at once with the file.
        Ok(()) | Err(std::fs::TryLockError::Error(_)) => None,
        Err(std::fs::TryLockError::WouldBlock) => Some(Running {
            pid: lock
                .metadata()
                .ok()
                .and_then(|meta| lock_holder(meta.ino())),
        }),
    }
}

/// The process that has an flock on a file, by the file's number: "7: FLOCK  ADVISORY  WRITE 4242 fe:00:131 0 EOF".
fn lock_holder(inode: u64) -> Option<u32> {
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let place = words.iter().position(|word| *word == "FLOCK")?;
        let file = words.get(place + 4)?.rsplit(':').next()?;
        if file.parse() != Ok(inode) {
            return None;
        }
        words.get(place + 3)?.parse().ok().filter(|pid| *pid > 0)
    })
}

/// A kind of socket, as /proc names its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Udp,
    Tcp,
}

/// Who holds a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    /// Its process, where we may see it.
    pub(super) pid: Option<u32>,
    /// Name of the process.
    pub(super) name: Option<String>,
    /// The user that it runs as.
    pub(super) user: u32,
}

impl Holder {
    /// For a sentence: "nginx (process 123)".
    pub(super) fn words(&self) -> String {
        match (self.pid, &self.name) {
            (Some(pid), Some(name)) => format!("{name} (process {pid})"),
            (Some(pid), None) => format!("process {pid}"),
            (None, _) => format!("a process of user {}", self.user),
        }
    }
}

/// All sockets that are bound now, with their processes as far as we may see them.
pub(super) struct Sockets {
    bound: Vec<Bound>,
    processes: HashMap<u64, u32>,
}

struct Bound {
    kind: Kind,
    address: SocketAddr,
    user: u32,
    inode: u64,
}

impl Sockets {
    /// What the kernel tells now.
    pub(super) fn now() -> Sockets {
        let mut bound = Vec::new();
        for (kind, table) in [
            (Kind::Udp, "udp"),
            (Kind::Udp, "udp6"),
            (Kind::Tcp, "tcp"),
            (Kind::Tcp, "tcp6"),
        ] {
            let text = std::fs::read_to_string(format!("/proc/net/{table}")).unwrap_or_default();
            bound.extend(text.lines().skip(1).filter_map(|line| entry(kind, line)));
        }
        Sockets {
            bound,
            processes: processes(),
        }
    }

    /// Who has bound this address, or one that covers it.
    pub(super) fn holder(&self, kind: Kind, wanted: SocketAddr) -> Option<Holder> {
        let bound = self.bound.iter().find(|bound| {
            let (theirs, ours) = (bound.address.ip().to_canonical(), wanted.ip());
            bound.kind == kind
                && bound.address.port() == wanted.port()
                && (theirs == ours || theirs.is_unspecified() || ours.is_unspecified())
        })?;
        let pid = self.processes.get(&bound.inode).copied();
        let name = pid.and_then(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).ok());
        Some(Holder {
            pid,
            name: name.map(|name| name.trim().to_owned()),
            user: bound.user,
        })
    }
}

/// One line of a table: "12: 0100007F:13C4 00000000:0000 07 ... uid timeout inode ...". TCP only where somebody listens.
fn entry(kind: Kind, line: &str) -> Option<Bound> {
    const LISTEN: &str = "0A";
    let words: Vec<&str> = line.split_whitespace().collect();
    if kind == Kind::Tcp && *words.get(3)? != LISTEN {
        return None;
    }
    let (address, port) = words.get(1)?.split_once(':')?;
    Some(Bound {
        kind,
        address: SocketAddr::new(address_of(address)?, u16::from_str_radix(port, 16).ok()?),
        user: words.get(7)?.parse().ok()?,
        inode: words.get(9)?.parse().ok()?,
    })
}

/// An address as the tables write it: groups of four octets, each in the machine's order.
fn address_of(hex: &str) -> Option<IpAddr> {
    let mut octets = Vec::with_capacity(16);
    for at in (0..hex.len()).step_by(8) {
        let group = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        octets.extend(group.to_ne_bytes());
    }
    match octets.len() {
        4 => <[u8; 4]>::try_from(octets.as_slice())
            .ok()
            .map(|octets| Ipv4Addr::from(octets).into()),
        16 => <[u8; 16]>::try_from(octets.as_slice())
            .ok()
            .map(|octets| Ipv6Addr::from(octets).into()),
        _ => None,
    }
}

/// Sockets by their number, with the process that has them open: all of them for root, our user's own for others.
fn processes() -> HashMap<u64, u32> {
    let mut found = HashMap::new();
    let Ok(all) = std::fs::read_dir("/proc") else {
        return found;
    };
    for process in all.flatten() {
        let Some(pid) = process
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let Ok(open) = std::fs::read_dir(process.path().join("fd")) else {
            continue;
        };
        for file in open.flatten() {
            let inode = std::fs::read_link(file.path()).ok().and_then(|to| {
                let text = to.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
                text.parse::<u64>().ok()
            });
            if let Some(inode) = inode {
                found.insert(inode, pid);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read_for_both_address_families() {
        let line = "  84: 0100007F:13C4 00000000:0000 07 00000000:00000000 00:00000000 00000000  1000        0 55521 2 0 0";
        let bound = entry(Kind::Udp, line).expect("an entry");
        assert_eq!(bound.address.to_string(), "127.0.0.1:5060");
        assert_eq!((bound.user, bound.inode), (1000, 55521));
        let six = "   0: 00000000000000000000000001000000:1CF2 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 9 1";
        let bound = entry(Kind::Tcp, six).expect("an entry");
        assert_eq!(bound.address.to_string(), "[::1]:7410");
        let connected = line.replace(" 07 ", " 01 ");
        assert!(entry(Kind::Tcp, &connected).is_none(), "nobody listens");
        assert!(entry(Kind::Udp, "sl local_address rem_address").is_none());
    }

    #[test]
    fn the_holder_of_a_port_is_found_with_its_process() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let address = socket.local_addr().expect("bound");
        let holder = Sockets::now()
            .holder(Kind::Udp, address)
            .expect("we hold it");
        assert_eq!(holder.pid, Some(std::process::id()));
        let sockets = Sockets::now();
        drop(socket);
        assert!(sockets.holder(Kind::Tcp, address).is_none());
    }
}
