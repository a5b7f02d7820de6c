//! The front door judged by RFC 4475, RFC 5118, tables of our own, and by chance.

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
            Verdict::Refuse(refusal) if !refusal.fault.is_syntax() && refusal.status == 400 => "A",
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
    #[test]
    fn line_ends_are_found_where_a_plain_search_finds_them(octets in "[\r\na]{0,24}") {
        let octets = octets.as_bytes();
        prop_assert_eq!(find_line_end(octets), octets.windows(2).position(|window| window == b"\r\n"));
        prop_assert_eq!(find_blank_line(octets), octets.windows(4).position(|window| window == b"\r\n\r\n"));
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
