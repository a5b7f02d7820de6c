//! The front door: octets from a socket become a checked message, a refusal, or nothing. Built to RFC 3261, 4475, 5118.
//!
//! Owns every rule about form; takes no decision about calls. Never panics, and costs O(n) for n octets. What rsip cannot
//! read (folding, IPv6, octets outside UTF-8, unknown methods) is read here, and lands in rsip's header types.

use super::headers;
use super::message::{CSeq, Envelope, Message, Method, Request, Response};
use super::scan::{Scan, is_token, is_word_octet};
use super::uri::{NameAddr, Uri, UriFault};
use super::via::Via;
use std::borrow::Cow;

/// Longest message, in octets: what a UDP datagram can carry.
pub const MESSAGE_OCTETS_MAX: usize = 65_535;
/// Longest start line or header (unfolded), in octets.
pub const LINE_OCTETS_MAX: usize = 8_192;
/// Most header lines of a message.
pub const HEADERS_MAX: usize = 256;
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
    let mut gathered = Gathered::default();
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

fn find_blank_line(octets: &[u8]) -> Option<usize> {
    octets.windows(4).position(|window| window == b"\r\n\r\n")
}

fn find_line_end(octets: &[u8]) -> Option<usize> {
    octets.windows(2).position(|window| window == b"\r\n")
}

enum StartLine {
    Request { method: Method, uri: Uri },
    Response { status: u16, reason: String },
}

fn read_start_line(line: &[u8], is_response: bool) -> Result<StartLine, Fault> {
    if line.len() > LINE_OCTETS_MAX {
        return Err(Fault::LineTooLong);
    }
    if line.contains(&b'\r') || line.contains(&b'\n') {
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
            if piece.contains(&b'\r') || piece.contains(&b'\n') {
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
        let Some(colon) = line.iter().position(|octet| *octet == b':') else {
            return self.note(Fault::HeaderLine);
        };
        let name = line[..colon].trim_ascii_end();
        let value = line[colon + 1..].trim_ascii();
        let name = match std::str::from_utf8(name) {
            Ok(name) if is_token(name) => name,
            _ => return self.note(Fault::HeaderLine),
        };
        let mut before = 0_u8;
        for octet in value {
            if octet.is_ascii_control() && *octet != b'\t' && before != b'\\' {
                self.note(Fault::ControlOctet);
            }
            before = *octet;
        }
        let value = String::from_utf8_lossy(value).into_owned();
        self.headers.push(headers::to_rsip(name, value));
    }

    fn values<'a>(&'a self, name: &'static str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter_map(move |header| {
            let (key, value) = headers::parts(header);
            (key == name).then_some(value)
        })
    }

    /// The body by Content-Length, whose faults are noted.
    fn measure_body<'a>(&mut self, rest: &'a [u8], framing: Framing) -> &'a [u8] {
        let mut length = None;
        let mut fault = None;
        for value in self.values("Content-Length") {
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
        for name in ["Max-Forwards", "Content-Type"] {
            if self.values(name).nth(1).is_some() {
                self.note(Fault::Duplicate(name));
            }
        }
        let mut fault = None;
        if let Some(value) = self.values("Max-Forwards").next() {
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
    fn single(&self, name: &'static str) -> Result<&str, Fault> {
        let mut values = self.values(name);
        let value = values.next().ok_or(Fault::Missing(name))?;
        match values.next() {
            Some(_) => Err(Fault::Duplicate(name)),
            None => Ok(value),
        }
    }

    fn envelope(&self) -> Result<Envelope, Fault> {
        let mut vias = Vec::with_capacity(2);
        for value in self.values("Via") {
            Via::parse_list(value, &mut vias).map_err(|fault| Fault::Address("Via", fault))?;
            if vias.len() > HOPS_MAX {
                return Err(Fault::TooManyHeaders);
            }
        }
        if vias.is_empty() {
            return Err(Fault::Missing("Via"));
        }
        let address =
            |name| NameAddr::parse(self.single(name)?).map_err(|fault| Fault::Address(name, fault));
        // Duplicates and malformed values weigh more than absent ones: a message with both is outside the grammar.
        let parts = (address("From"), address("To"), self.call_id(), self.cseq());
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
        let value = self.single("Call-ID")?;
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
        let value = self.single("CSeq")?;
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

    fn addresses(&self, name: &'static str) -> Result<Vec<NameAddr>, Fault> {
        let mut list = Vec::new();
        for value in self.values(name) {
            if name == "Contact" && value == "*" {
                continue;
            }
            NameAddr::parse_list(value, &mut list).map_err(|fault| Fault::Address(name, fault))?;
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
        let contacts = self.addresses("Contact").unwrap_or_default();
        let record_route = self.addresses("Record-Route").unwrap_or_default();
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
        let contacts = self.addresses("Contact")?;
        let record_route = self.addresses("Record-Route")?;
        self.addresses("Route")?;
        // RFC 4475 s.3.1.2.12 leaves it open to ignore a bad Date; where a call must end or be confirmed, we do.
        let is_vital = [Method::BYE, Method::ACK, Method::CANCEL].contains(method);
        if !is_vital && !self.values("Date").all(is_sip_date) {
            return Err(Fault::Date);
        }
        Ok((envelope, contacts, record_route))
    }

    fn refuse(self, method: &Method, fault: Fault) -> Verdict {
        let vias: Vec<String> = self.values("Via").map(str::to_owned).collect();
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
        let first = |name| self.values(name).next().map(str::to_owned);
        let to = first("To");
        let to_takes_tag = to
            .as_deref()
            .is_some_and(|to| NameAddr::parse(to).is_ok_and(|entry| entry.tag().is_none()));
        Verdict::Refuse(Box::new(Refusal {
            status: fault.status(),
            reason: fault.phrase(),
            fault,
            top_via,
            from: first("From"),
            to,
            to_takes_tag,
            call_id: first("Call-ID"),
            cseq: first("CSeq"),
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "INVITE sip:user@example.com SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nMax-Forwards: 70\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:user@example.com>\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.1>\r\nContent-Length: 4\r\n\r\nbody";

    /// `GOOD` with one piece of text replaced.
    fn read_with(from: &str, to: &str) -> Verdict {
        assert!(GOOD.contains(from), "{from}");
        read(GOOD.replacen(from, to, 1).as_bytes(), Framing::Datagram)
    }

    fn request(verdict: Verdict) -> Request {
        match verdict {
            Verdict::Accept(message) => match *message {
                Message::Request(request) => request,
                Message::Response(_) => panic!("a response"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    fn refused(verdict: Verdict, status: u16, want: Fault) {
        match verdict {
            Verdict::Refuse(refusal) => assert_eq!((refusal.status, refusal.fault), (status, want)),
            other => panic!("wanted {want:?}, got {other:?}"),
        }
    }

    #[test]
    fn the_torture_messages_of_rfc_4475_come_out_as_the_manifest_says() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/sip");
        let Ok(manifest) = std::fs::read_to_string(folder.join("manifest.tsv")) else {
            println!("skipped: the shared folder with the RFC 4475 messages is absent");
            return;
        };
        let mut checked = 0;
        let mut wrong = Vec::new();
        for row in manifest.lines().skip(1) {
            let columns: Vec<&str> = row.split('\t').collect();
            let (file, want) = (columns[0], columns[4]);
            let octets =
                std::fs::read(folder.join(file)).unwrap_or_else(|fault| panic!("{file}: {fault}"));
            let verdict = read(&octets, Framing::Datagram);
            let got = match &verdict {
                Verdict::Accept(_) => "A",
                // Well-formed and incomplete: the parser accepts, the same breath answers 400 (RFC 4475 s.3.3.1).
                Verdict::Refuse(refusal) if !refusal.fault.is_syntax() && refusal.status == 400 => {
                    "A"
                }
                Verdict::Refuse(_) | Verdict::Discard(_) => "R",
            };
            let is_response = octets.starts_with(b"SIP/2.0");
            let answers = !matches!(verdict, Verdict::Discard(_));
            if got != want || (got == "R" && answers == is_response) {
                wrong.push(format!("{file}: wanted {want}, got {verdict:?}"));
            }
            checked += 1;
        }
        assert_eq!(wrong, Vec::<String>::new());
        assert_eq!(checked, 49);
    }

    #[test]
    fn the_unusual_and_lawful_is_read_in_full() {
        let folded = request(read_with(
            "Max-Forwards: 70\r\n",
            "mAx-FoRwArDs  :\r\n \t0070\r\nX-Odd: ;;,,\r\n\tmore\r\nRoute:\r\n <sip:p.example.com;lr>, <sip:q>\r\n",
        ));
        assert_eq!(folded.header("Max-Forwards"), Some("0070"));
        assert_eq!(folded.header("x-odd"), Some(";;,, more"));
        let vias = request(read_with(
            "branch=z9hG4bKa",
            "branch=z9hG4bKa, SIP / 2.0 / TCP [2001:db8::1]:5060;branch=z9hG4bKb",
        ));
        assert_eq!(vias.envelope.vias.len(), 2);
        let compact = request(read_with("Call-ID: a@b", "i:a@b"));
        assert_eq!(compact.envelope.call_id, "a@b");
        let latin = GOOD
            .replace("<sip:a@192.0.2.1>", "\"J\u{1}rgen\" <sip:a@192.0.2.1>")
            .replace('\u{1}', "\\\u{1}");
        assert_eq!(
            request(read(latin.as_bytes(), Framing::Datagram))
                .contacts
                .len(),
            1
        );
        let mut octets = GOOD
            .replacen("Max-Forwards", "Subject: caf#\r\nMax-Forwards", 1)
            .into_bytes();
        let place = octets
            .iter()
            .position(|octet| *octet == b'#')
            .unwrap_or_default();
        octets[place] = 0xE9;
        let odd = request(read(&octets, Framing::Datagram));
        assert_eq!(
            (odd.header("Subject"), odd.header("Max-Forwards")),
            (Some("caf\u{FFFD}"), Some("70"))
        );
        assert_eq!(odd.body, b"body");
        let star = request(read_with("Contact: <sip:a@192.0.2.1>", "Contact: *"));
        assert!(star.contacts.is_empty());
        let unknown = request(read(
            GOOD.replace("INVITE", "!odd'~").as_bytes(),
            Framing::Datagram,
        ));
        assert_eq!(unknown.method.as_str(), "!odd'~");
    }

    #[test]
    fn extra_octets_are_ignored_and_missing_ones_refused() {
        let mut long = GOOD.as_bytes().to_vec();
        long.extend_from_slice(b"INVITE sip:smuggled SIP/2.0\r\n\r\n");
        assert_eq!(request(read(&long, Framing::Datagram)).body, b"body");
        refused(read_with("Length: 4", "Length: 5"), 400, Fault::BodyShort);
        refused(
            read_with("Length: 4", "Length: -4"),
            400,
            Fault::ContentLength,
        );
        refused(
            read_with("Length: 4", "Length: 4\r\nl: 3"),
            400,
            Fault::Duplicate("Content-Length"),
        );
        assert_eq!(
            request(read_with("Length: 4", "Length: 4\r\nl: 04")).body,
            b"body"
        );
        assert_eq!(
            request(read_with("Content-Length: 4\r\n", "")).body,
            b"body"
        );
        let bare = GOOD.replacen("Content-Length: 4\r\n", "", 1);
        refused(
            read(bare.as_bytes(), Framing::Stream),
            400,
            Fault::ContentLength,
        );
    }

    #[test]
    fn what_is_outside_the_grammar_is_refused() {
        for (from, to, status, want) in [
            ("INVITE sip", "INVITE  sip", 400, Fault::StartLine),
            ("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia", 400, Fault::StartLine),
            ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia", 505, Fault::Version),
            ("SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", 400, Fault::StartLine),
            (
                "sip:user@example.com SIP",
                "<sip:user@example.com> SIP",
                400,
                Fault::RequestUri(UriFault::Scheme),
            ),
            (
                "sip:user@example.com SIP",
                "sip:user@example.com?a=b SIP",
                400,
                Fault::RequestUri(UriFault::Headers),
            ),
            (
                "Max-Forwards: 70",
                "Max-Forwards: 256",
                400,
                Fault::MaxForwards,
            ),
            (
                "Max-Forwards: 70",
                "Max-Forwards: 7x",
                400,
                Fault::MaxForwards,
            ),
            (
                "Max-Forwards: 70",
                "Max-Forwards: 70\r\nMax-Forwards: 70",
                400,
                Fault::Duplicate("Max-Forwards"),
            ),
            ("Max-Forwards: 70", "Max-Forwards", 400, Fault::HeaderLine),
            (
                "Max-Forwards: 70",
                "Max Forwards: 70",
                400,
                Fault::HeaderLine,
            ),
            ("Max-Forwards: 70", ": 70", 400, Fault::HeaderLine),
            ("Max-Forwards: 70", "X: a\nb", 400, Fault::BareLineBreak),
            ("Max-Forwards: 70", "X: a\rb", 400, Fault::BareLineBreak),
            ("Max-Forwards: 70", "X: a\u{0}b", 400, Fault::ControlOctet),
            (
                "Max-Forwards: 70",
                "Date: Fri, 01 Jan 2010 16:00:00 EST",
                400,
                Fault::Date,
            ),
            (
                "CSeq: 1 INVITE",
                "CSeq: 2147483648 INVITE",
                400,
                Fault::CSeq,
            ),
            ("CSeq: 1 INVITE", "CSeq: -1 INVITE", 400, Fault::CSeq),
            ("CSeq: 1 INVITE", "CSeq: 1INVITE", 400, Fault::CSeq),
            ("CSeq: 1 INVITE", "CSeq: 1 INVITE x", 400, Fault::CSeq),
            (
                "CSeq: 1 INVITE",
                "CSeq: 1 invite",
                400,
                Fault::MethodMismatch,
            ),
            (
                "CSeq: 1 INVITE",
                "CSeq: 1 INVITE\r\nCSeq: 1 INVITE",
                400,
                Fault::Duplicate("CSeq"),
            ),
            ("Call-ID: a@b", "Call-ID: a@b@c", 400, Fault::CallId),
            ("Call-ID: a@b", "Call-ID: a b", 400, Fault::CallId),
            ("Call-ID: a@b", "Call-ID:", 400, Fault::CallId),
            ("Call-ID: a@b\r\n", "", 400, Fault::Missing("Call-ID")),
            (
                "From: <sip:a@example.net>;tag=1",
                "From: <sip:a@example.net>;tag=1, <sip:b@c>",
                400,
                Fault::Address(
                    "From",
                    UriFault::Lexical(super::super::scan::ScanFault::Trailing),
                ),
            ),
            ("\r\n\r\nbody", "\r\nbody", 400, Fault::NoBlankLine),
            (
                "Via: SIP/2.0/UDP 192.0.2.1;branch",
                "Via: SIP/2.0/UDP 192.0.2.1;;branch",
                400,
                Fault::Address(
                    "Via",
                    UriFault::Lexical(super::super::scan::ScanFault::NoToken),
                ),
            ),
        ] {
            println!("{to:?}");
            refused(read_with(from, to), status, want);
        }
    }

    #[test]
    fn limits_hold() {
        let many = "X: y\r\n".repeat(HEADERS_MAX);
        refused(
            read_with("Max-Forwards: 70\r\n", &many),
            513,
            Fault::TooManyHeaders,
        );
        let long = format!("X: {}\r\n", "y".repeat(LINE_OCTETS_MAX));
        refused(
            read_with("Max-Forwards: 70\r\n", &long),
            513,
            Fault::LineTooLong,
        );
        let folded = format!("X: y\r\n{}", " yyyyyyyyyyyyyyyy\r\n".repeat(1_000));
        refused(
            read_with("Max-Forwards: 70\r\n", &folded),
            513,
            Fault::LineTooLong,
        );
        assert_eq!(
            read(&vec![b'a'; MESSAGE_OCTETS_MAX + 1], Framing::Datagram),
            Verdict::Discard(Fault::TooLarge)
        );
    }

    #[test]
    fn nobody_answers_noise_responses_and_acks() {
        assert_eq!(
            read(b"\r\n\r\n", Framing::Datagram),
            Verdict::Discard(Fault::KeepAlive)
        );
        assert_eq!(
            read(b"", Framing::Datagram),
            Verdict::Discard(Fault::KeepAlive)
        );
        assert_eq!(
            read(&[0, 1, 0, 0, 0x21, 0x12, 0xA4, 0x42], Framing::Datagram),
            Verdict::Discard(Fault::NotSip)
        );
        assert!(matches!(
            read(
                GOOD.replace("INVITE", "ACK")
                    .replace("70", "700")
                    .as_bytes(),
                Framing::Datagram
            ),
            Verdict::Discard(_)
        ));
        for status in ["4294967301", "99", "700", "+20", "2OO", ""] {
            let response = GOOD.replacen(
                "INVITE sip:user@example.com SIP/2.0",
                &format!("SIP/2.0 {status} x"),
                1,
            );
            assert_eq!(
                read(response.as_bytes(), Framing::Datagram),
                Verdict::Discard(Fault::Status),
                "{status}"
            );
        }
    }

    #[test]
    fn an_answer_is_kept_although_its_contact_or_date_is_broken() {
        let response = GOOD
            .replacen("INVITE sip:user@example.com SIP/2.0", "SIP/2.0 200 ", 1)
            .replacen(
                "Contact: <sip:a@192.0.2.1>",
                "Contact: <<>>\r\nDate: now",
                1,
            );
        match read(response.as_bytes(), Framing::Datagram) {
            Verdict::Accept(message) => match *message {
                Message::Response(response) => {
                    assert_eq!((response.status, response.contacts.len()), (200, 0));
                }
                Message::Request(_) => panic!("a request"),
            },
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_refusal_echoes_what_its_answer_needs() {
        let Verdict::Refuse(refusal) = read_with("Max-Forwards: 70", "Max-Forwards: 700") else {
            panic!("accepted");
        };
        let source = "192.0.2.1:5060"
            .parse()
            .unwrap_or_else(|_| panic!("address"));
        let answer = super::super::draft::Draft::refusal(&refusal, source, "t1");
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(
            text,
            "SIP/2.0 400 Bad Request\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\nFrom: <sip:a@example.net>;tag=1\r\nTo: <sip:user@example.com>;tag=t1\r\nCall-ID: a@b\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        );
        assert!(matches!(read(&answer, Framing::Stream), Verdict::Accept(_)));
    }

    #[test]
    fn ipv6_messages_of_rfc_5118_are_judged_by_its_sections() {
        let register = |uri: &str, via: &str| {
            format!(
                "REGISTER {uri} SIP/2.0\r\nTo: sip:user@example.com\r\nFrom: sip:user@example.com;tag=81x2\r\nVia: {via};branch=z9hG4bKas3-111\r\nCall-ID: SSG9559905523997077@hlau_4100\r\nMax-Forwards: 70\r\nContact: \"Caller\" <sip:caller@[2001:db8::1]>\r\nCSeq: 98176 REGISTER\r\nContent-Length: 0\r\n\r\n"
            )
        };
        let via = "SIP/2.0/UDP [2001:db8::9:1]";
        for (uri, via, accepted) in [
            ("sip:[2001:db8::10]", via, true),
            ("sip:2001:db8::10", via, false),
            ("sip:[2001:db8::10:5070]", via, true),
            ("sip:[2001:db8::10]:5070", via, true),
            (
                "sip:[2001:db8::10]",
                "SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255]",
                true,
            ),
            (
                "sip:[2001:db8::10]",
                "SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255",
                true,
            ),
            (
                "sip:[2001:db8::10]",
                "SIP/2.0/UDP [::ffff:192.0.2.10]:19823",
                true,
            ),
            ("sip:user@[2001:db8:::192.0.2.1]", via, true),
            ("sip:user@[2001:db8::192.0.2.1]", via, true),
        ] {
            let verdict = read(register(uri, via).as_bytes(), Framing::Datagram);
            assert_eq!(
                matches!(verdict, Verdict::Accept(_)),
                accepted,
                "{uri} {via}: {verdict:?}"
            );
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..600)) {
            read(&octets, Framing::Datagram);
            read(&octets, Framing::Stream);
        }

        #[test]
        fn no_mutation_of_a_message_makes_it_panic_or_adds_a_line_to_the_answer(
            cuts in proptest::collection::vec((0usize..400, 0usize..6, proptest::collection::vec(any::<u8>(), 0..6)), 1..6)
        ) {
            let mut octets = GOOD.as_bytes().to_vec();
            for (at, remove, insert) in cuts {
                let at = at.min(octets.len());
                let end = (at + remove).min(octets.len());
                octets.splice(at..end, insert);
            }
            if let Verdict::Refuse(refusal) = read(&octets, Framing::Datagram) {
                let source = "192.0.2.9:5060".parse().unwrap_or_else(|_| panic!("address"));
                let answer = super::super::draft::Draft::refusal(&refusal, source, "t");
                let head = String::from_utf8_lossy(&answer).into_owned();
                let lines = head.trim_end_matches("\r\n").split("\r\n").count();
                prop_assert!(lines <= 6 + refusal.vias.len());
                prop_assert!(answer.len() <= octets.len() + 160 + 60 * refusal.vias.len());
            }
        }

        #[test]
        fn a_stream_is_cut_the_same_whatever_the_reads(octets in proptest::collection::vec(any::<u8>(), 0..300), step in 1usize..50) {
            let mut stream = GOOD.as_bytes().to_vec();
            stream.extend_from_slice(&octets);
            let all = |step: usize| {
                let mut framer = super::super::framing::StreamFramer::new();
                let mut frames = Vec::new();
                for piece in stream.chunks(step) {
                    framer.push(piece);
                    while let Some(frame) = framer.next_frame() {
                        frames.push(std::mem::discriminant(&frame));
                    }
                }
                frames
            };
            prop_assert_eq!(all(step), all(stream.len()));
        }
    }
}
