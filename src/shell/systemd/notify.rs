//! The datagrams of sd_notify(3), and what the manager says in the environment. Knows no engine.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Longest wait for a manager that does not read: it must not hold the start or the watchdog up.
const SEND_WAIT: Duration = Duration::from_secs(1);

/// The way to the service manager.
#[derive(Debug)]
pub(super) struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
}

/// Why the manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifyFault {
    /// An address of a kind that we do not speak (vsock).
    #[error("NOTIFY_SOCKET: a path or an abstract name (@...) was expected")]
    Address,
    /// The socket.
    #[error("NOTIFY_SOCKET: {0}")]
    Io(#[from] std::io::Error),
}

/// The manager that `NOTIFY_SOCKET` names; `None` without one.
pub(super) fn from_environment() -> Result<Option<Notifier>, NotifyFault> {
    match std::env::var_os("NOTIFY_SOCKET") {
        None => Ok(None),
        Some(name) if name == OsString::new() => Ok(None),
        Some(name) => Notifier::to(&name).map(Some),
    }
}

/// The unit's `WatchdogSec`, if it is meant for this process.
pub(super) fn watchdog(usec: Option<String>, pid: Option<String>, own: u32) -> Option<Duration> {
    let usec: u64 = usec?.parse().ok().filter(|usec| *usec > 0)?;
    match pid {
        Some(pid) if pid != own.to_string() => None,
        _ => Some(Duration::from_micros(usec)),
    }
}

/// CLOCK_MONOTONIC in microseconds, as the manager counts: it tells an old reload from a new one by it.
pub(super) fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let part = |value: i64| u64::try_from(value).unwrap_or_default();
    part(now.tv_sec) * 1_000_000 + part(now.tv_nsec) / 1_000
}

impl Notifier {
    /// A manager at a path, or at an abstract name ("@run/systemd/notify").
    pub(super) fn to(name: &OsStr) -> Result<Notifier, NotifyFault> {
        let manager = match name.as_bytes() {
            [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
            [b'/', ..] => SocketAddr::from_pathname(name)?,
            _ => return Err(NotifyFault::Address),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_WAIT))?;
        Ok(Notifier { socket, manager })
    }

    /// One message: lines of `NAME=value`.
    pub(super) fn send(&self, state: &str) -> std::io::Result<()> {
        self.socket
            .send_to_addr(state.as_bytes(), &self.manager)
            .map(drop)
    }
}
