//! What the simulated network keeps of its calls: one JSON line each, written through at the call's end, and running totals.
//!
//! The far end's own account: kill tests judge the engine by it. Owns the file; never decides anything.

use super::call::EndedBy;
use super::fate::Kind;
use crate::wire::media::reception::ReceptionReport;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

/// One call, as the callee's network saw it. Times in unix milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// Call-ID as the caller made it.
    pub call_id: String,
    /// Number as dialled. Made up, in the demo.
    pub number: String,
    /// Calls to this number before this one.
    pub earlier_calls: u64,
    /// Who or what was called.
    pub kind: Kind,
    /// The INVITE came.
    pub invited_at_ms: i64,
    /// The first 180 or 183 went out.
    pub rang_at_ms: Option<i64>,
    /// The first 200 went out.
    pub answered_at_ms: Option<i64>,
    /// Its ACK came.
    pub acknowledged_at_ms: Option<i64>,
    /// The call was over.
    pub ended_at_ms: i64,
    /// Final status of the INVITE; 0 if there was none.
    pub status: u16,
    /// Who ended it.
    pub ended_by: EndedBy,
    /// RTP packets sent to the caller, early media included.
    pub rtp_sent: u64,
    /// Of those, before the answer.
    pub rtp_sent_early: u64,
    /// RTP packets of the caller.
    pub rtp_received: u64,
    /// Of its packets, lost by sequence number.
    pub rtp_lost: u64,
    /// Packets on the call's port from another place than the caller's SDP said.
    pub rtp_foreign: u64,
    /// Jitter of what came, in microseconds.
    pub rtp_jitter_us: u64,
    /// Keys that the caller pressed (RFC 4733).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keys: String,
}

/// What one call's RTP came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineReport {
    /// Packets sent.
    pub sent: u64,
    /// Of those, before the answer.
    pub sent_early: u64,
    /// What came from the caller.
    pub received: ReceptionReport,
    /// Packets of others.
    pub foreign: u64,
    /// Keys that the caller pressed.
    pub keys: String,
}

/// A call that is still up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallUp {
    /// Call-ID.
    pub call_id: String,
    /// Number as dialled.
    pub number: String,
    /// "ringing", "answered" (no ACK yet), "talking".
    pub stage: String,
    /// The INVITE came, unix milliseconds.
    pub invited_at_ms: i64,
    /// The 200 went out, unix milliseconds.
    pub answered_at_ms: Option<i64>,
}

/// Running totals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Totals {
    /// Calls: INVITEs that were taken up.
    pub calls: u64,
    /// Calls to which a 200 was sent.
    pub answered: u64,
    /// Of those, acknowledged.
    pub acknowledged: u64,
    /// Answered calls ended by the caller's BYE.
    pub ended_by_caller: u64,
    /// Answered calls ended by our BYE.
    pub ended_by_callee: u64,
    /// Answered calls whose ACK never came.
    pub lost: u64,
    /// Calls cancelled while they rang.
    pub cancelled: u64,
    /// Calls refused by the network.
    pub refused: u64,
    /// Calls ended because the simulator stopped.
    pub stopped: u64,
    /// Calls up right now: ringing or answered.
    pub up: u64,
    /// Of those, answered.
    pub talking: u64,
    /// Messages that came.
    pub messages_in: u64,
    /// Messages that went out, retransmissions included.
    pub messages_out: u64,
    /// INVITEs that came again.
    pub invites_repeated: u64,
    /// Responses and BYEs that we repeated.
    pub repeated: u64,
    /// INVITEs without a usable Authorization, where `--digest` asks for it.
    pub challenged: u64,
    /// Messages that the front door refused or discarded.
    pub malformed: u64,
    /// Requests that named no call of ours.
    pub unknown_calls: u64,
    /// OPTIONS answered.
    pub options: u64,
    /// SIP datagrams dropped on purpose (`--loss`), both ways.
    pub dropped: u64,
    /// RTP packets sent.
    pub rtp_sent: u64,
    /// RTP packets received of the right source.
    pub rtp_received: u64,
}

impl Totals {
    /// Whether every call that began has exactly one end or is up.
    pub const fn add_up(&self) -> bool {
        let ended = self.ended_by_caller
            + self.ended_by_callee
            + self.lost
            + self.cancelled
            + self.refused
            + self.stopped;
        self.calls == ended + self.up
    }

    /// Takes a call's end into account.
    pub const fn note_end(&mut self, by: EndedBy) {
        match by {
            EndedBy::Caller => self.ended_by_caller += 1,
            EndedBy::Callee => self.ended_by_callee += 1,
            EndedBy::Cancelled => self.cancelled += 1,
            EndedBy::Refused => self.refused += 1,
            EndedBy::Lost => self.lost += 1,
            EndedBy::Stopped => self.stopped += 1,
        }
    }
}

/// What `--stats` writes: totals and the calls that are up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stats {
    /// When, unix milliseconds.
    pub at_ms: i64,
    /// Totals.
    pub totals: Totals,
    /// Calls that are up.
    pub up: Vec<CallUp>,
}

/// The record file. A line is handed to the operating system before the next one begins: it survives a kill of this process.
#[derive(Debug)]
pub struct RecordFile {
    file: File,
}

impl RecordFile {
    /// Appends to `path`, which is created if need be.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(RecordFile { file })
    }

    /// Writes one line in one piece.
    pub fn keep(&mut self, record: &CallRecord) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(record)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

/// Reads a record file. A last line that was cut by a crash is left out.
pub fn read_records(path: &Path) -> std::io::Result<Vec<CallRecord>> {
    let text = std::fs::read_to_string(path)?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| serde_json::from_str(line).map_err(std::io::Error::from))
        .collect()
}

/// Replaces a file in one step: a reader sees the old text or the new one, never half.
pub fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside: PathBuf = path.to_owned();
    beside.as_mut_os_string().push(".new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}
