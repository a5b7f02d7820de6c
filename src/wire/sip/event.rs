//! What goes into the endpoint and what comes out of it: orders, octets and facts, with no socket in sight.

use super::dialog::FarSide;
use super::failure::Failure;
use super::number::{E164, UserPart};
use super::sdp::AudioPath;
use crate::ids::TrunkId;
use std::net::SocketAddr;

/// A source of randomness: the operating system's generator live, a seed in simulation.
pub trait Random: Send {
    /// Fills the octets.
    fn fill(&mut self, octets: &mut [u8]);
}

/// 128 random bits as 32 hexadecimal digits: tags, branches, Call-IDs, client nonces.
pub fn random_token(random: &mut dyn Random) -> String {
    let mut octets = [0_u8; 16];
    random.fill(&mut octets);
    let mut token = String::with_capacity(32);
    for octet in octets {
        for digit in [octet >> 4, octet & 15] {
            token.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    token
}

/// What the caller knows a call by: an attempt and one of its route tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The attempt's number. The upper half of the range is the endpoint's own, for answers to nothing that it knows.
    pub call: u64,
    /// The route try, from 1.
    pub route_try: u8,
}

/// What the wire knows a call by; durable before the INVITE leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Call-ID.
    pub call_id: String,
    /// Our tag.
    pub from_tag: String,
    /// Branch of the first INVITE. Those of INVITEs behind a challenge are made of it, so that a restart knows them too.
    pub branch: String,
}

/// How a message travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// RFC 3261 s.18 over UDP.
    Udp,
    /// RFC 3261 s.18 over TCP.
    Tcp,
}

impl Transport {
    /// Name in Via.
    pub const fn name(self) -> &'static str {
        match self {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        }
    }
}

/// Where a message came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// How.
    pub transport: Transport,
    /// From which address.
    pub address: SocketAddr,
    /// On which connection, as the shell numbers them; 0 for UDP.
    pub connection: u64,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination {
    /// A request: to the trunk's configured address, whatever its URI and Route headers say.
    Trunk(TrunkId),
    /// An answer: back on the connection, or over UDP to this address (whose host is the request's source).
    Back(Source),
}

/// A call to be placed.
#[derive(Clone, Debug)]
pub struct InviteOrder {
    /// What the caller knows it by.
    pub key: CallKey,
    /// Where to.
    pub trunk: TrunkId,
    /// What the wire will know it by.
    pub identity: Identity,
    /// The number.
    pub number: UserPart,
    /// The caller id.
    pub caller: UserPart,
    /// Our RTP port, already bound.
    pub media_port: u16,
    /// Asks the far end to keep a session timer, with refreshes by us (RFC 4028 s.7.1). `None`: only if it asks.
    pub session: Option<std::time::Duration>,
}

/// A leg that an earlier process left behind.
#[derive(Clone, Debug)]
pub struct OrphanOrder {
    /// What the caller knows it by.
    pub key: CallKey,
    /// Where it went.
    pub trunk: TrunkId,
    /// What the wire knows it by.
    pub identity: Identity,
    /// The number.
    pub number: E164,
    /// The caller id.
    pub caller: E164,
    /// The far side, if its answer was kept.
    pub far: Option<FarSide>,
}

/// A call to one of our numbers that rings here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArrivedCall {
    /// Over which trunk.
    pub trunk: TrunkId,
    /// Which of our numbers, in E.164.
    pub called: String,
    /// The caller's number as the carrier wrote it; `None`: withheld, or none.
    pub caller: Option<crate::pii::Pii<String>>,
    /// What the wire knows it by; the tag is ours.
    pub identity: Identity,
}

/// A fact about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// 100: somebody heard us. Once.
    Trying,
    /// The first of 180, 181, 182, 183. Once.
    Ringing,
    /// Media before the answer; where it goes may change.
    EarlyMedia(AudioPath),
    /// Keys of both directions are known: stands before the path that they belong to.
    Secured(Box<crate::wire::media::srtp::SrtpKeys>),
    /// 200 to the INVITE. The ACK is held until `confirm`, or 200 ms.
    Answered {
        /// What must become durable.
        far: FarSide,
        /// Where voice goes.
        path: AudioPath,
    },
    /// Somebody calls us; it rings. First of such a call.
    Arrived(Box<ArrivedCall>),
    /// Our 200 to such a call is out.
    Accepted {
        /// What must become durable.
        far: FarSide,
        /// Where voice goes; `None`: said by the ACK, as `MediaChanged`.
        path: Option<AudioPath>,
    },
    /// The far end moved the stream, held or resumed it.
    MediaChanged(AudioPath),
    /// A final failure. Nothing more follows.
    Failed(Failure),
    /// The far end ended an answered call, or our BYE or CANCEL was done. Nothing more follows.
    Ended,
    /// No provisional answer in time. Nothing more follows; what still comes is cleaned up.
    Silent,
}

/// What the endpoint wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send these octets.
    Send {
        /// Where to.
        to: Destination,
        /// What.
        octets: Vec<u8>,
        /// The call whose first INVITE this is: report a failure to send with `send_failed`.
        invite: Option<CallKey>,
    },
    /// A fact about a call.
    Event(CallKey, Event),
    /// A trunk answers, or no longer does.
    Trunk(TrunkId, bool),
}
