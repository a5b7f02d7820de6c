//! The simulated network, spoken to in octets and virtual time.

use super::*;
use crate::demo::carrier::CarrierArgs;
use crate::demo::carrier::records::LineReport;
use crate::time::UnixMs;

const CALLER: &str = "127.0.0.1:5060";

/// Lines that only write down what they are told.
#[derive(Default)]
struct Written {
    playing: Vec<(u64, Sound, u8, bool)>,
    closed: Vec<u64>,
}

impl Playing for Written {
    fn open(&mut self, call: u64) -> Option<u16> {
        Some(10_000 + 2 * call as u16)
    }
    fn play(
        &mut self,
        call: u64,
        sound: Sound,
        payload_type: u8,
        _to: Option<SocketAddr>,
        answered: bool,
    ) {
        self.playing.push((call, sound, payload_type, answered));
    }
    fn heard_voice(&self, _call: u64) -> bool {
        false
    }
    fn close(&mut self, call: u64) -> LineReport {
        self.closed.push(call);
        LineReport {
            sent: 7,
            ..LineReport::default()
        }
    }
}

/// A network under test: octets in, `(milliseconds, start line)` out.
struct Bench {
    network: Network,
    lines: Written,
    ms: u64,
    sent: Vec<(u64, String)>,
    records: Vec<CallRecord>,
}

/// Everybody is `kind`, after two seconds of ringing, and hangs up never.
fn bench(kind: Kind) -> Bench {
    let mut behaviour = CarrierArgs::default().behaviour;
    behaviour.answer_rate = 0.0;
    behaviour.machine_rate = 0.0;
    behaviour.busy_rate = 0.0;
    behaviour.reject_rate = 0.0;
    behaviour.unavailable_rate = 0.0;
    behaviour.invalid_rate = 0.0;
    behaviour.early_media_rate = 0.0;
    behaviour.callee_hangs_up = 0.0;
    behaviour.ring_mean_s = 2.0;
    behaviour.ring_cv = 0.001;
    match kind {
        Kind::Person => behaviour.answer_rate = 1.0,
        Kind::Machine => behaviour.machine_rate = 1.0,
        Kind::Busy => behaviour.busy_rate = 1.0,
        Kind::Invalid => behaviour.invalid_rate = 1.0,
        Kind::Unavailable => behaviour.unavailable_rate = 1.0,
        Kind::Rejected => behaviour.reject_rate = 1.0,
        Kind::TrunkFailure => behaviour.trunk_failure_rate = 1.0,
        Kind::NoAnswer => {}
    }
    Bench {
        network: Network::new(NetworkSettings {
            local: "127.0.0.1:5080".parse().unwrap(),
            behaviour,
            seed: 1,
            credentials: None,
            laws: vec![Law::Mu, Law::A],
            calls_max: 2,
            beyond_loopback: false,
        }),
        lines: Written::default(),
        ms: 0,
        sent: Vec::new(),
        records: Vec::new(),
    }
}

impl Bench {
    fn now(&self) -> Now {
        Now {
            mono: Mono::from_millis(self.ms),
            unix: UnixMs(1_700_000_000_000 + self.ms as i64),
        }
    }

    fn take(&mut self, out: Vec<Output>) {
        for output in out {
            match output {
                Output::Send(route, octets) => {
                    assert_eq!(route, Route::Udp(CALLER.parse().unwrap()));
                    self.sent
                        .push((self.ms, String::from_utf8(octets).unwrap()));
                }
                Output::Record(record) => self.records.push(*record),
                Output::CloseStream(_) => panic!("there is no stream"),
            }
        }
    }

    /// Lets time pass, deadline by deadline.
    fn until(&mut self, ms: u64) {
        while let Some(at) = self.network.next_timeout().filter(|at| at.0 / 1_000 <= ms) {
            self.ms = at.0.div_ceil(1_000);
            let mut out = Vec::new();
            self.network
                .handle_timeout(self.now(), &mut self.lines, &mut out);
            self.take(out);
        }
        self.ms = ms;
    }

    fn hear(&mut self, text: &str) {
        let mut out = Vec::new();
        let route = Route::Udp(CALLER.parse().unwrap());
        self.network.receive(
            self.now(),
            route,
            text.as_bytes(),
            &mut self.lines,
            &mut out,
        );
        self.take(out);
    }

    fn heads(&self) -> Vec<(u64, &str)> {
        self.sent
            .iter()
            .map(|(ms, text)| (*ms, text.lines().next().unwrap()))
            .collect()
    }

    fn last(&self) -> &str {
        &self.sent.last().unwrap().1
    }

    /// Our tag, as the last response with one carried it.
    fn tag(&self) -> String {
        let to = self.sent.iter().rev().find_map(|(_, text)| {
            text.lines()
                .find(|line| line.starts_with("To: "))
                .and_then(|line| line.split(";tag=").nth(1))
        });
        to.unwrap().to_owned()
    }
}

fn message(method: &str, call: &str, branch: &str, to_tag: &str, cseq: u32, body: &str) -> String {
    let kind = if body.is_empty() {
        ""
    } else {
        "Content-Type: application/sdp\r\n"
    };
    let to_tag = if to_tag.is_empty() {
        String::new()
    } else {
        format!(";tag={to_tag}")
    };
    format!(
        "{method} sip:+84900000412@127.0.0.1:5080 SIP/2.0\r\nVia: SIP/2.0/UDP {CALLER};branch=z9hG4bK{branch};rport\r\n\
         From: <sip:+842873000000@127.0.0.1>;tag=caller\r\nTo: <sip:+84900000412@127.0.0.1>{to_tag}\r\nCall-ID: {call}\r\n\
         CSeq: {cseq} {method}\r\nMax-Forwards: 70\r\nContact: <sip:tandem@{CALLER}>\r\n{kind}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn offer(formats: &str, host: &str) -> String {
    format!(
        "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio 20000 RTP/AVP {formats}\r\n"
    )
}

fn invite(call: &str) -> String {
    message("INVITE", call, call, "", 1, &offer("0 8 101", "127.0.0.1"))
}

#[test]
fn a_person_rings_answers_and_is_hung_up_on() {
    let mut bench = bench(Kind::Person);
    bench.hear(&invite("a"));
    bench.until(3_200);
    let tag = bench.tag();
    bench.hear(&message("ACK", "a", "ack", &tag, 1, ""));
    bench.until(9_000);
    bench.hear(&message("BYE", "a", "bye", &tag, 2, ""));
    let heads: Vec<_> = bench.heads().into_iter().map(|(_, head)| head).collect();
    assert_eq!(
        heads,
        [
            "SIP/2.0 100 Trying",
            "SIP/2.0 180 Ringing",
            "SIP/2.0 200 OK",
            "SIP/2.0 200 OK", // repeated: the ACK took its time
            "SIP/2.0 200 OK", // to the BYE
        ]
    );
    let record = &bench.records[0];
    assert_eq!(
        (record.kind, record.ended_by, record.status),
        (Kind::Person, EndedBy::Caller, 200)
    );
    assert_eq!(record.number, "+84900000412");
    assert!(
        record.rang_at_ms < record.answered_at_ms
            && record.answered_at_ms < record.acknowledged_at_ms
    );
    assert_eq!(record.rtp_sent, 7);
    assert!(bench.network.totals().add_up());
    assert_eq!(bench.network.calls_up(), 0);
    // Nothing is left once the repetitions are over.
    bench.until(100_000);
    assert!(bench.network.calls.is_empty() && bench.network.by_name.is_empty());
}

#[test]
fn every_message_says_that_it_is_a_simulator() {
    let mut bench = bench(Kind::Person);
    bench.hear(&invite("a"));
    bench.hear(&message("OPTIONS", "o", "o", "", 1, ""));
    bench.until(3_000);
    assert!(bench.sent.len() >= 4);
    assert!(
        bench
            .sent
            .iter()
            .all(|(_, text)| text.contains("simulated phone network"))
    );
}

#[test]
fn the_200_answers_in_the_first_law_of_the_offer_and_with_a_port_of_its_own() {
    for (formats, payload_type) in [("0 8 101", 0), ("8 0", 8), ("18 8", 8)] {
        let mut bench = bench(Kind::Person);
        bench.hear(&message(
            "INVITE",
            "a",
            "a",
            "",
            1,
            &offer(formats, "127.0.0.1"),
        ));
        bench.until(2_600);
        let sdp = bench.last().split("\r\n\r\n").nth(1).unwrap();
        let path = Sdp::parse(sdp.as_bytes())
            .unwrap()
            .audio_path(&[Law::Mu, Law::A])
            .unwrap();
        assert_eq!(
            (path.law.payload_type(), path.remote.unwrap().port()),
            (payload_type, 10_000)
        );
        assert_eq!(bench.lines.playing, [(0, Sound::Voice, payload_type, true)]);
    }
}

#[test]
fn an_offer_without_our_laws_or_beyond_loopback_is_not_acceptable() {
    for (formats, host) in [("18", "127.0.0.1"), ("0", "192.0.2.1")] {
        let mut bench = bench(Kind::Person);
        bench.hear(&message("INVITE", "a", "a", "", 1, &offer(formats, host)));
        assert!(bench.last().starts_with("SIP/2.0 488 "), "{formats} {host}");
        assert_eq!(bench.network.totals().calls, 0);
    }
}

#[test]
fn a_cancelled_call_is_487_and_its_cancel_is_matched_by_branch() {
    let mut bench = bench(Kind::NoAnswer);
    bench.hear(&invite("a"));
    bench.until(1_000);
    bench.hear(&message("CANCEL", "a", "other", "", 1, ""));
    assert!(bench.last().starts_with("SIP/2.0 481 "));
    bench.hear(&message("CANCEL", "a", "a", "", 1, ""));
    let [.., (_, accepted), (_, ended)] = bench.heads()[..] else {
        panic!()
    };
    assert_eq!(
        (accepted, ended),
        ("SIP/2.0 200 OK", "SIP/2.0 487 Request Terminated")
    );
    bench.until(1_600);
    assert_eq!(
        bench.heads().last(),
        Some(&(1_500, "SIP/2.0 487 Request Terminated"))
    );
    let tag = bench.tag();
    bench.hear(&message("ACK", "a", "a", &tag, 1, ""));
    bench.until(60_000);
    assert_eq!(
        bench.heads().last(),
        Some(&(1_500, "SIP/2.0 487 Request Terminated"))
    );
    assert_eq!(
        (bench.records[0].ended_by, bench.records[0].status),
        (EndedBy::Cancelled, 487)
    );
}

#[test]
fn an_unknown_number_is_announced_in_early_media_and_then_refused_with_its_cause() {
    let mut bench = bench(Kind::Invalid);
    bench.hear(&invite("a"));
    bench.until(20_000);
    let heads: Vec<_> = bench
        .heads()
        .into_iter()
        .map(|(_, head)| head)
        .take(3)
        .collect();
    assert_eq!(
        heads,
        [
            "SIP/2.0 100 Trying",
            "SIP/2.0 183 Session Progress",
            "SIP/2.0 404 Not Found"
        ]
    );
    assert_eq!(bench.lines.playing, [(0, Sound::Announcement, 0, false)]);
    assert!(bench.last().contains("Reason: Q.850;cause=1\r\n"));
    assert_eq!(bench.lines.closed, [0]);
}

#[test]
fn the_callee_s_bye_goes_to_the_caller_and_is_repeated_until_it_is_answered() {
    let mut bench = bench(Kind::Machine);
    bench.hear(&invite("a"));
    bench.until(18_600);
    let tag = bench.tag();
    bench.hear(&message("ACK", "a", "ack", &tag, 1, ""));
    bench.until(44_600);
    let byes: Vec<_> = bench
        .sent
        .iter()
        .filter(|(_, text)| text.starts_with("BYE "))
        .collect();
    assert_eq!(byes.len(), 2, "{:?}", bench.heads());
    let bye = &byes[0].1;
    assert_eq!(byes[0].1, byes[1].1);
    assert!(bye.starts_with("BYE sip:tandem@127.0.0.1:5060 SIP/2.0\r\n"));
    assert!(bye.contains(&format!("From: <sip:+84900000412@127.0.0.1>;tag={tag}\r\n")));
    assert!(bye.contains("To: <sip:+842873000000@127.0.0.1>;tag=caller\r\n"));
    let branch = bye
        .split("branch=")
        .nth(1)
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    bench.hear(&format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5080;branch={branch}\r\nFrom: <sip:+84900000412@127.0.0.1>;tag={tag}\r\n\
         To: <sip:+842873000000@127.0.0.1>;tag=caller\r\nCall-ID: a\r\nCSeq: 1 BYE\r\nContent-Length: 0\r\n\r\n"
    ));
    let sent = bench.sent.len();
    bench.until(90_000);
    assert_eq!(bench.sent.len(), sent);
    assert_eq!(bench.records[0].ended_by, EndedBy::Callee);
}

#[test]
fn more_calls_than_it_may_have_are_told_to_wait() {
    let mut bench = bench(Kind::NoAnswer);
    for call in ["a", "b", "c"] {
        bench.hear(&invite(call));
    }
    assert!(bench.last().starts_with("SIP/2.0 503 "));
    assert!(bench.last().contains("Retry-After: 2\r\n"));
    assert_eq!(bench.network.totals().calls, 2);
}

#[test]
fn requests_of_no_call_are_refused_and_change_nothing() {
    let mut bench = bench(Kind::NoAnswer);
    bench.hear(&invite("a"));
    for (method, to_tag, want) in [
        ("BYE", "wrong", "481"),
        ("BYE", "", "481"),
        ("INVITE", "wrong", "481"),
        ("REGISTER", "", "405"),
    ] {
        bench.hear(&message(method, "a", "x", to_tag, 2, ""));
        assert!(
            bench.last().starts_with(&format!("SIP/2.0 {want} ")),
            "{method} {to_tag}: {}",
            bench.last()
        );
    }
    bench.hear("nonsense\r\n\r\n");
    bench.hear(&message("ACK", "zz", "x", "t", 1, ""));
    assert_eq!(bench.network.totals().up, 1);
    assert_eq!(bench.network.stats(bench.now()).up[0].stage, "ringing");
}

#[test]
fn a_caller_without_the_password_is_challenged_and_no_call_begins() {
    let mut bench = bench(Kind::Person);
    bench.network.settings.credentials = Some(Credentials::parse("u:p", false, 1).unwrap());
    bench.hear(&invite("a"));
    assert!(bench.last().starts_with("SIP/2.0 401 "));
    assert!(bench.last().contains("WWW-Authenticate: Digest realm="));
    let totals = bench.network.totals();
    assert_eq!((totals.calls, totals.challenged), (0, 1));
}

#[test]
fn stopping_ends_every_call_and_keeps_its_record() {
    let mut bench = bench(Kind::Person);
    bench.hear(&invite("a"));
    bench.until(2_600);
    let tag = bench.tag();
    bench.hear(&message("ACK", "a", "ack", &tag, 1, ""));
    bench.hear(&invite("b"));
    let mut out = Vec::new();
    bench.network.stop(bench.now(), &mut bench.lines, &mut out);
    bench.take(out);
    assert!(bench.sent.iter().any(|(_, text)| text.starts_with("BYE ")));
    assert!(
        bench
            .sent
            .iter()
            .any(|(_, text)| text.starts_with("SIP/2.0 503 "))
    );
    assert_eq!(bench.records.len(), 2);
    assert!(
        bench
            .records
            .iter()
            .all(|record| record.ended_by == EndedBy::Stopped)
    );
    assert!(bench.network.totals().add_up());
}
