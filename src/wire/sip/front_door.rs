//! The front door: octets from a socket become a checked message, a refusal, or nothing. Built to RFC 3261, 4475, 5118.
//!
//! Owns every rule about form; takes no decision about calls. Never panics, and costs O(n) for n octets. What rsip cannot
//! read (folding, IPv6, octets outside UTF-8, unknown methods) is read here, and lands in rsip's header types.

use super::headers::{self, Kind};
use super::message::{CSeq, Envelope, Message, Method, Request, Response};
use super::scan::{Scan, is_token, is_word_octet};
use super::uri::{NameAddr, Uri, UriFault};
use super::via::Via;
use memchr::{memchr, memchr_iter, memchr2};
use std::borrow::Cow;

/// Longest message, in octets: what a UDP datagram can carry.
pub const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Longest start line or header (unfolded), in octets.
pub const LINE_OCTETS_MAX: usize = 8_192;
/// Most header lines of a message.
pub const HEADERS_MAX: usize = 256;
/// Header lines of an ordinary message.
const HEADERS_USUAL: usize = 16;
/// Most hops (Via entries) of a message.
pub const HOPS_MAX: usize = 70;

/// How the octets were delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One UDP datagram: a missing Content-Length means "to the end", octets beyond it are ignored (RFC 3261 s.18.3).
    Datagram,
    /// Cut out of a stream by [`super::framing::StreamFramer`]: Content-Length is mandatory.
    Stream,
}

/// What is wrong with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Nothing but line breaks: a keep-alive (RFC 5626 s.3.5.1).
    #[error("keep-alive")]
    KeepAlive,
    /// Does not begin like SIP, or names no hop to answer to.
    #[error("not SIP")]
    NotSip,
    /// Longer than [`MESSAGE_OCTETS_MAX`].
    #[error("message too large")]
    TooLarge,
    /// A line longer than [`LINE_OCTETS_MAX`].
    #[error("line too long")]
    LineTooLong,
    /// More than [`HEADERS_MAX`] headers or [`HOPS_MAX`] hops.
    #[error("too many headers")]
    TooManyHeaders,
    /// No empty line behind the headers.
    #[error("headers do not end")]
    NoBlankLine,
    /// CR without LF, or LF without CR.
    #[error("bare line break")]
    BareLineBreak,
    /// A control octet outside a quoted-pair.
    #[error("control octet in a header")]
    ControlOctet,
    /// Start line outside the grammar.
    #[error("start line malformed")]
    StartLine,
    /// Version other than SIP/2.0.
    #[error("version not supported")]
    Version,
    /// Request-URI malformed.
    #[error("Request-URI malformed: {0}")]
    RequestUri(UriFault),
    /// Status outside 100..=699.
    #[error("status out of range")]
    Status,
    /// A header line without a name or a colon.
    #[error("header line malformed")]
    HeaderLine,
    /// A mandatory header is absent (RFC 3261 s.8.1.1). The message is well-formed all the same (RFC 4475 s.3.3.1).
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A header that may stand once stands twice.
    #[error("{0} stands twice")]
    Duplicate(&'static str),
    /// Content-Length malformed, or absent on a stream.
    #[error("Content-Length malformed or missing")]
    ContentLength,
    /// Fewer octets than Content-Length says.
    #[error("body is shorter than Content-Length")]
    BodyShort,
    /// CSeq malformed or 2^31 and above.
    #[error("CSeq malformed")]
    CSeq,
    /// Method of CSeq differs from the request's.
    #[error("CSeq method differs from the request")]
    MethodMismatch,
    /// Max-Forwards malformed or above 255.
    #[error("Max-Forwards malformed")]
    MaxForwards,
    /// Call-ID malformed.
    #[error("Call-ID malformed")]
    CallId,
    /// Date malformed (RFC 3261 s.20.17: RFC 1123 form, GMT).
    #[error("Date malformed")]
    Date,
    /// A header made of URIs or hops is malformed.
    #[error("{0} malformed: {1}")]
    Address(&'static str, UriFault),
}

impl Fault {
    /// Status of the refusal.
    pub const fn status(self) -> u16 {
        match self {
            Fault::Version => 505,
            Fault::TooLarge | Fault::LineTooLong | Fault::TooManyHeaders => 513,
            _ => 400,
        }
    }

    /// Whether the message is outside the grammar (RFC 4475 s.3.1.2), not merely incomplete.
    pub const fn is_syntax(self) -> bool {
        !matches!(self, Fault::Missing(_) | Fault::KeepAlive)
    }

    fn phrase(self) -> &'static str {
        match self {
            Fault::Version => "Version Not Supported",
            Fault::TooLarge | Fault::LineTooLong | Fault::TooManyHeaders => "Message Too Large",
            Fault::ContentLength | Fault::BodyShort | Fault::Duplicate("Content-Length") => {
                "Bad Content-Length"
            }
            Fault::Missing(_) => "Missing Header",
            Fault::Duplicate(_) => "Duplicate Header",
            Fault::CSeq | Fault::MethodMismatch => "Bad CSeq",
            Fault::StartLine | Fault::RequestUri(_) => "Bad Request Line",
            _ => "Bad Request",
        }
    }
}

/// A request to be refused, with what its answer needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Status of the answer.
    pub status: u16,
    /// Reason phrase of the answer.
    pub reason: &'static str,
    /// What was wrong.
    pub fault: Fault,
    /// Via values as received, topmost first; at least one.
    pub vias: Vec<String>,
    /// The topmost hop, if it could be read.
    pub top_via: Option<Via>,
    /// From as received.
    pub from: Option<String>,
    /// To as received.
    pub to: Option<String>,
    /// Whether To is well-formed and has no tag yet.
    pub to_takes_tag: bool,
    /// Call-ID as received.
    pub call_id: Option<String>,
    /// CSeq as received.
    pub cseq: Option<String>,
}

/// What the front door says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A checked message.
    Accept(Box<Message>),
    /// A request outside the rules, to be answered.
    Refuse(Box<Refusal>),
    /// Nothing to answer: a malformed response or ACK, or no SIP at all.
    Discard(Fault),
}

/// Reads one message.
pub fn read(octets: &[u8], framing: Framing) -> Verdict {
    // RFC 3261 s.7.5: empty lines before the start line are skipped.
    let mut octets = octets;
    while let Some(rest) = octets.strip_prefix(b"\r\n") {
        octets = rest;
    }
    if octets.is_empty() {
        return Verdict::Discard(Fault::KeepAlive);
    }
    if octets.len() > MESSAGE_OCTETS_MAX {
        return Verdict::Discard(Fault::TooLarge);
    }
    let (head, body, first_fault) = match find_blank_line(octets) {
        Some(end) => (&octets[..end], &octets[end + 4..], None),
        None => (octets, &octets[octets.len()..], Some(Fault::NoBlankLine)),
    };
    let (start, header_block) = match find_line_end(head) {
        Some(end) => (&head[..end], &head[end + 2..]),
        None => (head, &head[head.len()..]),
    };
    let is_response = start.len() >= 4 && start[..4].eq_ignore_ascii_case(b"SIP/");
    let mut gathered = Gathered {
        headers: Vec::with_capacity(HEADERS_USUAL),
        kinds: Vec::with_capacity(HEADERS_USUAL),
        ..Gathered::default()
    };
    if let Some(fault) = first_fault {
        gathered.note(fault);
    }
    let start_line = read_start_line(start, is_response);
    gathered.read_headers(header_block);
    let body = gathered.measure_body(body, framing);
    gathered.check_limits(is_response);
    match (start_line, is_response) {
        (Ok(StartLine::Response { status, reason }), _) => {
            gathered.into_response(status, reason, body)
        }
        (Err(fault), true) => Verdict::Discard(fault),
        (Ok(StartLine::Request { method, uri }), _) => gathered.into_request(method, Ok(uri), body),
        (Err(fault), false) => {
            let method = start
                .split(|octet| *octet == b' ')
                .next()
                .unwrap_or_default();
            let method = std::str::from_utf8(method).unwrap_or_default();
            if !is_token(method) {
                return Verdict::Discard(Fault::NotSip);
            }
            gathered.into_request(Method::from_token(method), Err(fault), body)
        }
    }
}

/// Position of the first CRLF CRLF.
pub(super) fn find_blank_line(octets: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', octets)
        .filter_map(|at| at.checked_sub(3))
        .find(|start| octets.get(*start..start + 4) == Some(b"\r\n\r\n"))
}

/// Position of the first CRLF.
pub(super) fn find_line_end(octets: &[u8]) -> Option<usize> {
    memchr_iter(b'\n', octets)
        .filter_map(|at| at.checked_sub(1))
        .find(|start| octets.get(*start) == Some(&b'\r'))
}

/// Whether a CR or an LF stands in a line.
fn has_break(line: &[u8]) -> bool {
    memchr2(b'\r', b'\n', line).is_some()
}

enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: u16, reason: String },
}

fn read_start_line(line: &[u8], is_response: bool) -> Result<StartLine, Fault> {
    if line.len() > LINE_OCTETS_MAX {
        return Err(Fault::LineTooLong);
    }
    if has_break(line) {
        return Err(Fault::BareLineBreak);
    }
    let mut parts = line.splitn(3, |octet| *octet == b' ');
    let (first, second, third) = (
        parts.next().unwrap_or_default(),
        parts.next().ok_or(Fault::StartLine)?,
        parts.next().ok_or(Fault::StartLine)?,
    );
    if is_response {
        check_version(first)?;
        if second.len() != 3 || !second.iter().all(u8::is_ascii_digit) {
            return Err(Fault::Status);
        }
        let status = second
            .iter()
            .fold(0_u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        if !(100..=699).contains(&status) {
            return Err(Fault::Status);
        }
        let reason = String::from_utf8_lossy(third).into_owned();
        return Ok(StartLine::Response { status, reason });
    }
    let method = std::str::from_utf8(first).map_err(|_| Fault::StartLine)?;
    if !is_token(method) {
        return Err(Fault::StartLine);
    }
    // More than three parts, or spaces at the ends: RFC 4475 s.3.1.2.8 to 3.1.2.10.
    if third.contains(&b' ') || third.contains(&b'\t') || second.is_empty() || third.is_empty() {
        return Err(Fault::StartLine);
    }
    check_version(third)?;
    let uri = std::str::from_utf8(second).map_err(|_| Fault::StartLine)?;
    let uri = Uri::parse(uri).map_err(Fault::RequestUri)?;
    // RFC 3261 s.19.1.1: no headers component in a Request-URI.
    if uri.sip().is_some_and(|sip| sip.headers.is_some()) {
        return Err(Fault::RequestUri(UriFault::Headers));
    }
    Ok(StartLine::Request {
        method: Method::from_token(method),
        uri,
    })
}

fn check_version(octets: &[u8]) -> Result<(), Fault> {
    if octets.eq_ignore_ascii_case(b"SIP/2.0") {
        return Ok(());
    }
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let is_other_version = octets.len() > 4
        && octets[..4].eq_ignore_ascii_case(b"SIP/")
        && octets[4..]
            .iter()
            .position(|octet| *octet == b'.')
            .is_some_and(|dot| digits(&octets[4..4 + dot]) && digits(&octets[5 + dot..]));
    Err(if is_other_version {
        Fault::Version
    } else {
        Fault::StartLine
    })
}

/// Headers on their way to an envelope. Remembers the first fault and goes on reading, for the sake of the answer.
#[derive(Default)]
struct Gathered {
    fault: Option<Fault>,
    headers: Vec<rsip::Header>,
    /// What each of them is.
    kinds: Vec<Kind>,
    content_length: Option<usize>,
}

impl Gathered {
    fn note(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    fn read_headers(&mut self, block: &[u8]) {
        let mut rest = block;
        let mut line = Cow::Borrowed(&block[..0]);
        let mut lines = 0_usize;
        let mut is_open = false;
        while !rest.is_empty() {
            let (piece, tail) = match find_line_end(rest) {
                Some(end) => (&rest[..end], &rest[end + 2..]),
                None => (rest, &rest[rest.len()..]),
            };
            rest = tail;
            if has_break(piece) {
                self.note(Fault::BareLineBreak);
            }
            if matches!(piece.first(), Some(b' ' | b'\t')) {
                // Folding (RFC 3261 s.7.3.1): the break and the space around it are one space.
                if !is_open {
                    self.note(Fault::HeaderLine);
                    continue;
                }
                if line.len() + piece.len() > LINE_OCTETS_MAX {
                    self.note(Fault::LineTooLong);
                    continue;
                }
                let joined = line.to_mut();
                joined.push(b' ');
                joined.extend_from_slice(piece.trim_ascii_start());
                continue;
            }
            if is_open {
                self.read_header(&line);
            }
            lines += 1;
            if lines > HEADERS_MAX {
                self.note(Fault::TooManyHeaders);
                return;
            }
            if piece.len() > LINE_OCTETS_MAX {
                self.note(Fault::LineTooLong);
                is_open = false;
                continue;
            }
            line = Cow::Borrowed(piece);
            is_open = true;
        }
        if is_open {
            self.read_header(&line);
        }
    }

    fn read_header(&mut self, line: &[u8]) {
        let Some(colon) = memchr(b':', line) else {
            return self.note(Fault::HeaderLine);
        };
        let name = line[..colon].trim_ascii_end();
        let value = line[colon + 1..].trim_ascii();
        let name = match std::str::from_utf8(name) {
            Ok(name) if is_token(name) => name,
            _ => return self.note(Fault::HeaderLine),
        };
        // Looked at one by one only where there is something to look at: without a way out, the first pass is a fast one.
        let has_control = value
            .iter()
            .fold(false, |any, octet| any | octet.is_ascii_control());
        let mut before = 0_u8;
        for octet in value.iter().filter(|_| has_control) {
            if octet.is_ascii_control() && *octet != b'\t' && before != b'\\' {
                self.note(Fault::ControlOctet);
            }
            before = *octet;
        }
        let value = match std::str::from_utf8(value) {
            Ok(value) => value.to_owned(),
            Err(_) => String::from_utf8_lossy(value).into_owned(),
        };
        let header = headers::to_rsip(name, value);
        self.kinds.push(Kind::of(&header));
        self.headers.push(header);
    }

    fn values(&self, kind: Kind) -> impl Iterator<Item = &str> {
        self.kinds
            .iter()
            .zip(&self.headers)
            .filter(move |(other, _)| **other == kind)
            .map(|(_, header)| headers::parts(header).1)
    }

    /// The body by Content-Length, whose faults are noted.
    fn measure_body<'a>(&mut self, rest: &'a [u8], framing: Framing) -> &'a [u8] {
        let mut length = None;
        let mut fault = None;
        for value in self.values(Kind::ContentLength) {
            match (parse_content_length(value), length) {
                (None, _) => {
                    fault.get_or_insert(Fault::ContentLength);
                }
                // The same length said twice is one length; two different ones are an attack (RFC 4475 s.3.3.9).
                (Some(said), Some(before)) if said != before => {
                    fault.get_or_insert(Fault::Duplicate("Content-Length"));
                }
                (Some(said), _) => length = Some(said),
            }
        }
        if length.is_none() && fault.is_none() && framing == Framing::Stream {
            fault = Some(Fault::ContentLength);
        }
        if let Some(fault) = fault {
            self.note(fault);
            return &rest[..0];
        }
        self.content_length = length;
        match length {
            None => rest,
            Some(length) => match rest.get(..length) {
                Some(body) => body,
                None => {
                    self.note(Fault::BodyShort);
                    &rest[..0]
                }
            },
        }
    }

    fn check_limits(&mut self, is_response: bool) {
        for kind in [Kind::MaxForwards, Kind::ContentType] {
            if self.values(kind).nth(1).is_some() {
                self.note(Fault::Duplicate(kind.name()));
            }
        }
        let mut fault = None;
        if let Some(value) = self.values(Kind::MaxForwards).next() {
            let is_right = parse_number(value).is_some_and(|number| number <= 255);
            if !is_right && !is_response {
                fault = Some(Fault::MaxForwards);
            }
        }
        if let Some(fault) = fault {
            self.note(fault);
        }
    }

    /// One value of a header that must stand exactly once.
    fn single(&self, kind: Kind) -> Result<&str, Fault> {
        let mut values = self.values(kind);
        let value = values.next().ok_or(Fault::Missing(kind.name()))?;
        match values.next() {
            Some(_) => Err(Fault::Duplicate(kind.name())),
            None => Ok(value),
        }
    }

    fn envelope(&self) -> Result<Envelope, Fault> {
        let mut vias = Vec::with_capacity(2);
        for value in self.values(Kind::Via) {
            Via::parse_list(value, &mut vias).map_err(|fault| Fault::Address("Via", fault))?;
            if vias.len() > HOPS_MAX {
                return Err(Fault::TooManyHeaders);
            }
        }
        if vias.is_empty() {
            return Err(Fault::Missing("Via"));
        }
        let address = |kind: Kind| {
            NameAddr::parse(self.single(kind)?).map_err(|fault| Fault::Address(kind.name(), fault))
        };
        // Duplicates and malformed values weigh more than absent ones: a message with both is outside the grammar.
        let parts = (
            address(Kind::From),
            address(Kind::To),
            self.call_id(),
            self.cseq(),
        );
        let (from, to, call_id, cseq) = match parts {
            (Ok(from), Ok(to), Ok(call_id), Ok(cseq)) => (from, to, call_id, cseq),
            (from, to, call_id, cseq) => {
                let faults = [from.err(), to.err(), call_id.err(), cseq.err()];
                let mut faults = faults.into_iter().flatten();
                let first = faults.next().unwrap_or(Fault::HeaderLine);
                return Err(if first.is_syntax() {
                    first
                } else {
                    faults.find(|fault| fault.is_syntax()).unwrap_or(first)
                });
            }
        };
        Ok(Envelope {
            vias,
            from,
            to,
            call_id,
            cseq,
        })
    }

    fn call_id(&self) -> Result<String, Fault> {
        let value = self.single(Kind::CallId)?;
        let mut words = value.split('@');
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(is_word_octet);
        let is_right = words.next().is_some_and(is_word)
            && words.next().is_none_or(is_word)
            && words.next().is_none();
        if is_right {
            Ok(value.to_owned())
        } else {
            Err(Fault::CallId)
        }
    }

    fn cseq(&self) -> Result<CSeq, Fault> {
        let value = self.single(Kind::CSeq)?;
        let mut scan = Scan::new(value);
        let digits = scan.take_while(|octet| octet.is_ascii_digit());
        let number = parse_number(digits)
            .and_then(|number| u32::try_from(number).ok())
            .filter(|number| *number < 1 << 31)
            .ok_or(Fault::CSeq)?;
        let behind_digits = scan.position();
        scan.skip_space();
        if scan.position() == behind_digits {
            return Err(Fault::CSeq);
        }
        let method = scan.token().map_err(|_| Fault::CSeq)?;
        scan.finish().map_err(|_| Fault::CSeq)?;
        Ok(CSeq {
            number,
            method: Method::from_token(method),
        })
    }

    fn addresses(&self, kind: Kind) -> Result<Vec<NameAddr>, Fault> {
        let mut list = Vec::new();
        for value in self.values(kind) {
            if kind == Kind::Contact && value == "*" {
                continue;
            }
            NameAddr::parse_list(value, &mut list)
                .map_err(|fault| Fault::Address(kind.name(), fault))?;
            if list.len() > HEADERS_MAX {
                return Err(Fault::TooManyHeaders);
            }
        }
        Ok(list)
    }

    fn into_response(self, status: u16, reason: String, body: &[u8]) -> Verdict {
        if let Some(fault) = self.fault {
            return Verdict::Discard(fault);
        }
        let envelope = match self.envelope() {
            Ok(envelope) => envelope,
            Err(fault) => return Verdict::Discard(fault),
        };
        // A 200 with an unreadable Contact is still a person on the line: it must be acknowledged and ended, not dropped.
        let contacts = self.addresses(Kind::Contact).unwrap_or_default();
        let record_route = self.addresses(Kind::RecordRoute).unwrap_or_default();
        Verdict::Accept(Box::new(Message::Response(Response {
            status,
            reason,
            envelope,
            contacts,
            record_route,
            headers: self.headers.into(),
            body: body.to_vec(),
        })))
    }

    fn into_request(self, method: Method, uri: Result<Uri, Fault>, body: &[u8]) -> Verdict {
        match self.checked_request(&method, &uri) {
            Err(fault) => self.refuse(&method, fault),
            Ok((envelope, contacts, record_route)) => match uri {
                Err(fault) => self.refuse(&method, fault),
                Ok(uri) => Verdict::Accept(Box::new(Message::Request(Request {
                    method,
                    uri,
                    envelope,
                    contacts,
                    record_route,
                    headers: self.headers.into(),
                    body: body.to_vec(),
                }))),
            },
        }
    }

    fn checked_request(
        &self,
        method: &Method,
        uri: &Result<Uri, Fault>,
    ) -> Result<(Envelope, Vec<NameAddr>, Vec<NameAddr>), Fault> {
        if let Err(fault) = uri {
            return Err(*fault);
        }
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let envelope = self.envelope()?;
        if envelope.cseq.method != *method {
            return Err(Fault::MethodMismatch);
        }
        let contacts = self.addresses(Kind::Contact)?;
        let record_route = self.addresses(Kind::RecordRoute)?;
        self.addresses(Kind::Route)?;
        // RFC 4475 s.3.1.2.12 leaves it open to ignore a bad Date; where a call must end or be confirmed, we do.
        let is_vital = [Method::BYE, Method::ACK, Method::CANCEL].contains(method);
        if !is_vital && !self.values(Kind::Date).all(is_sip_date) {
            return Err(Fault::Date);
        }
        Ok((envelope, contacts, record_route))
    }

    fn refuse(self, method: &Method, fault: Fault) -> Verdict {
        let vias: Vec<String> = self.values(Kind::Via).map(str::to_owned).collect();
        // Nobody answers an ACK, and without a hop there is nowhere to answer to.
        if *method == Method::ACK || vias.is_empty() {
            return Verdict::Discard(if vias.is_empty() {
                Fault::NotSip
            } else {
                fault
            });
        }
        let mut hops = Vec::new();
        let is_read = vias
            .first()
            .is_some_and(|value| Via::parse_list(value, &mut hops).is_ok());
        // A first line with several hops is echoed as it stands: only a lone hop can be rewritten.
        let top_via = if is_read && hops.len() == 1 {
            hops.pop()
        } else {
            None
        };
        let first = |kind| self.values(kind).next().map(str::to_owned);
        let to = first(Kind::To);
        let to_takes_tag = to
            .as_deref()
            .is_some_and(|to| NameAddr::parse(to).is_ok_and(|entry| entry.tag().is_none()));
        Verdict::Refuse(Box::new(Refusal {
            status: fault.status(),
            reason: fault.phrase(),
            fault,
            top_via,
            from: first(Kind::From),
            to,
            to_takes_tag,
            call_id: first(Kind::CallId),
            cseq: first(Kind::CSeq),
            vias,
        }))
    }
}

/// Digits only, leading zeros allowed; `None` also beyond 2^64.
fn parse_number(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|octet| octet.is_ascii_digit()) {
        return None;
    }
    let significant = text.trim_start_matches('0');
    if significant.is_empty() {
        return Some(0);
    }
    significant.parse().ok()
}

/// Content-Length: digits only; beyond any possible message it is malformed, not large.
pub(super) fn parse_content_length(text: &str) -> Option<usize> {
    parse_number(text)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number <= 1 << 31)
}

/// `Sat, 13 Nov 2010 23:29:00 GMT` (RFC 3261 s.25.1, rfc1123-date).
fn is_sip_date(text: &str) -> bool {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let is_digits = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|octet| octet.is_ascii_digit())
    };
    let words: Vec<&str> = text
        .split(' ')
        .filter(|word| !word.is_empty())
        .take(7)
        .collect();
    let [day, date, month, year, time, zone] = words.as_slice() else {
        return false;
    };
    let clock: Vec<&str> = time.split(':').take(4).collect();
    day.strip_suffix(',')
        .is_some_and(|day| DAYS.iter().any(|known| known.eq_ignore_ascii_case(day)))
        && is_digits(date, 2)
        && MONTHS.iter().any(|known| known.eq_ignore_ascii_case(month))
        && is_digits(year, 4)
        && clock.len() == 3
        && clock.iter().all(|part| is_digits(part, 2))
        && zone.eq_ignore_ascii_case("GMT")
}

#[cfg(test)]
#[path = "front_door_tests.rs"]
mod tests;
