//! A checked message: what [`super::front_door`] hands out. Owns the parts that every layer needs, already parsed.

use super::headers;
use super::uri::{NameAddr, Uri};
use super::via::Via;
use std::fmt;

/// A request method: one that rsip knows, or another token. Methods are case-sensitive (RFC 3261 s.7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// A method that rsip knows.
    Known(rsip::Method),
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// INVITE.
    pub const INVITE: Method = Method::Known(rsip::Method::Invite);
    /// ACK.
    pub const ACK: Method = Method::Known(rsip::Method::Ack);
    /// BYE.
    pub const BYE: Method = Method::Known(rsip::Method::Bye);
    /// CANCEL.
    pub const CANCEL: Method = Method::Known(rsip::Method::Cancel);
    /// OPTIONS.
    pub const OPTIONS: Method = Method::Known(rsip::Method::Options);
    /// UPDATE.
    pub const UPDATE: Method = Method::Known(rsip::Method::Update);

    /// The method of a token.
    pub fn from_token(token: &str) -> Method {
        use rsip::Method as M;
        Method::Known(match token {
            "INVITE" => M::Invite,
            "ACK" => M::Ack,
            "BYE" => M::Bye,
            "CANCEL" => M::Cancel,
            "OPTIONS" => M::Options,
            "UPDATE" => M::Update,
            "INFO" => M::Info,
            "MESSAGE" => M::Message,
            "NOTIFY" => M::Notify,
            "PRACK" => M::PRack,
            "PUBLISH" => M::Publish,
            "REFER" => M::Refer,
            "REGISTER" => M::Register,
            "SUBSCRIBE" => M::Subscribe,
            _ => return Method::Other(token.into()),
        })
    }

    /// The token on the wire.
    pub fn as_str(&self) -> &str {
        use rsip::Method as M;
        match self {
            Method::Known(known) => match known {
                M::Invite => "INVITE",
                M::Ack => "ACK",
                M::Bye => "BYE",
                M::Cancel => "CANCEL",
                M::Options => "OPTIONS",
                M::Update => "UPDATE",
                M::Info => "INFO",
                M::Message => "MESSAGE",
                M::Notify => "NOTIFY",
                M::PRack => "PRACK",
                M::Publish => "PUBLISH",
                M::Refer => "REFER",
                M::Register => "REGISTER",
                M::Subscribe => "SUBSCRIBE",
            },
            Method::Other(token) => token,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// CSeq (RFC 3261 s.20.16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CSeq {
    /// Sequence number, below 2^31 (s.8.1.1.5).
    pub number: u32,
    /// Method.
    pub method: Method,
}

/// The headers that every message carries, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Hops, the topmost first; at least one.
    pub vias: Vec<Via>,
    /// From.
    pub from: NameAddr,
    /// To.
    pub to: NameAddr,
    /// Call-ID as written.
    pub call_id: String,
    /// CSeq.
    pub cseq: CSeq,
}

impl Envelope {
    /// The topmost hop.
    pub fn top_via(&self) -> Option<&Via> {
        self.vias.first()
    }
}

/// A checked request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Method, equal to that of CSeq.
    pub method: Method,
    /// Request-URI.
    pub uri: Uri,
    /// Via, From, To, Call-ID, CSeq.
    pub envelope: Envelope,
    /// Contact entries; empty also for `Contact: *`.
    pub contacts: Vec<NameAddr>,
    /// Record-Route entries, topmost first.
    pub record_route: Vec<NameAddr>,
    /// All headers in their order, long names, unfolded.
    pub headers: rsip::Headers,
    /// Body, as long as Content-Length says.
    pub body: Vec<u8>,
}

/// A checked response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// Status, 100..=699.
    pub status: u16,
    /// Reason phrase; octets outside UTF-8 are replaced.
    pub reason: String,
    /// Via, From, To, Call-ID, CSeq.
    pub envelope: Envelope,
    /// Contact entries; empty where they could not be read.
    pub contacts: Vec<NameAddr>,
    /// Record-Route entries, topmost first; empty where they could not be read.
    pub record_route: Vec<NameAddr>,
    /// All headers in their order, long names, unfolded.
    pub headers: rsip::Headers,
    /// Body, as long as Content-Length says.
    pub body: Vec<u8>,
}

/// A checked message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A request.
    Request(Request),
    /// A response.
    Response(Response),
}

macro_rules! shared_reads {
    ($type:ty) => {
        impl $type {
            /// First value of a header (long name, any case).
            pub fn header(&self, name: &str) -> Option<&str> {
                headers::first(&self.headers, name)
            }

            /// All values of a header, one for each line.
            pub fn header_values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
                headers::all(&self.headers, name)
            }

            /// Entries of a comma-separated list of tokens, over all its lines.
            pub fn header_tokens<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
                headers::tokens(&self.headers, name)
            }

            /// Whether the body says to be SDP. A body without Content-Type is taken for SDP, as far ends forget it.
            pub fn has_sdp(&self) -> bool {
                !self.body.is_empty()
                    && self.header("Content-Type").is_none_or(|kind| {
                        kind.split(';')
                            .next()
                            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/sdp"))
                    })
            }
        }
    };
}

shared_reads!(Request);
shared_reads!(Response);

impl Message {
    /// The headers that every message carries.
    pub const fn envelope(&self) -> &Envelope {
        match self {
            Message::Request(request) => &request.envelope,
            Message::Response(response) => &response.envelope,
        }
    }
}
