//! No person and no secret in what an operator reads (reliability S22, S23), and one record for whatever a far end sends (S24).
//!
//! Canaries in every place where a datum comes in: the list, the agents' socket, the carrier's signalling, requests to the
//! API, files of passwords. Then everything that comes out for operators is searched, at the loudest log level.

use crate::site::{LIMIT, Process, Site, network, run, said, wait_until};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;
use tandem::shell::serve::store_path;
use tandem::shell::store::sqlite::BackOffice;
use tokio_tungstenite::tungstenite::Message;

/// Words that appear nowhere but in a person's or an agent's data.
const WORDS: [&str; 14] = [
    "Zwitscherling",
    "Kanarienweg",
    "CIFKANARI",
    "kanari.agent",
    "Geheimnotiz",
    "kanari@vogel.example",
    "VOGELFLAGGE",
    "Piepsgruss",
    "kanari-passwort-991",
    "falsches-token-kanari",
    "Nachbarin-Zeisig",
    "Kontokanari",
    "Skript-Stieglitz",
    "kanari-user",
];
/// Digits, as they would be left by any way of writing: numbers without their prefix, sums, a card.
const DIGITS: [&str; 8] = [
    "907654321",
    "907654322",
    "907654323",
    "907654399",
    "73519284017",
    "91827364051",
    "4929111122223333",
    "7351928411",
];

/// A borrower whose every datum is a canary.
fn borrower(number: u32) -> Value {
    json!({
        "campaign": "TEST", "number": format!("+8490765432{number}"), "zone": "Asia/Ho_Chi_Minh", "priority": number,
        "facts": {
            "cif": format!("CIFKANARI{number}"), "name": "Trần Zwitscherling Hương", "salutation": "chị",
            "phone_label": "MOBILE", "verify": ["Kanarienweg 7"], "greeting": "Piepsgruss", "why": "Piepsgruss wegen Kontokanari",
            "loan": {"count": 1, "account": "4929111122223333", "product": "PERSONAL", "days_past_due": 49, "bucket": "B2",
                     "due": 73_519_284_017i64, "outstanding": 91_827_364_051i64, "currency": "VND"},
            "risk": {"class": "HIGH", "score": 71, "flags": ["VOGELFLAGGE"]},
            "last_contact": {"at": "2026-11-18", "channel": "CALL", "outcome": "NO_ANSWER", "by": "x", "note": "Geheimnotiz alt"},
            "care": ["Nachbarin-Zeisig nichts sagen"],
            "script": {"id": "Skript-Stieglitz", "version": 1, "opening": "Piepsgruss", "required": [], "objections": []},
            "expansion": {
                "contacts": {"email": "kanari@vogel.example", "address": "Kanarienweg 7, Zwitscherling", "phones": ["0907 654 399"]},
                "references": {"people": [{"name": "Nachbarin-Zeisig", "phone": "090-765-4399"}]},
                "loans": {"all": [{"account": "Kontokanari 4929 1111 2222 3333"}]},
                "timeline": {"entries": [{"note": "Geheimnotiz alt"}]}
            }
        }
    })
}

/// Everything that must not be there and is.
fn found(text: &str, tokens: &[String]) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = WORDS.iter().map(|word| (*word).to_owned());
    let mut found: Vec<String> = words
        .chain(tokens.iter().cloned())
        .filter(|canary| lower.contains(&canary.to_lowercase()))
        .collect();
    // "0907 654-321", "73.519.284.017" and "+84 (90) 7654321" lose what stands between their digits.
    let chars: Vec<char> = text.chars().collect();
    let mut bare = String::with_capacity(text.len());
    for (at, character) in chars.iter().enumerate() {
        let digit = |at: Option<usize>| {
            at.and_then(|at| chars.get(at))
                .is_some_and(char::is_ascii_digit)
        };
        let is_between = matches!(character, ' ' | '.' | '-' | ',' | '(' | ')' | '_' | '/')
            && digit(at.checked_sub(1))
            && digit(Some(at + 1));
        if !is_between {
            bare.push(*character);
        }
    }
    found.extend(
        DIGITS
            .iter()
            .filter(|digits| bare.contains(**digits))
            .map(|digits| (*digits).to_owned()),
    );
    found
}

#[test]
fn the_search_finds_a_canary_however_it_is_written() {
    for text in [
        "to sip:+84907654321@x",
        "0907.654.321",
        "090 765 4321",
        "x 0907-654-321.",
        "73,519,284,017 VND",
        "trần zwitscherling hương",
        "{\"token\":\"abc123def\"}",
    ] {
        assert!(!found(text, &["abc123def".to_owned()]).is_empty(), "{text}");
    }
    assert!(found("+84*******21, attempt 907, lead 654321", &[]).is_empty());
}

struct Socket(
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>,
);

impl Socket {
    async fn open(url: &str) -> Socket {
        let (socket, _) = tokio_tungstenite::connect_async(url)
            .await
            .expect("the desks answer");
        Socket(socket)
    }

    async fn say(&mut self, message: Value) {
        self.0
            .send(Message::text(message.to_string()))
            .await
            .expect("it is open");
    }

    /// The next message of one of these types; `None`: closed.
    async fn hear(&mut self, types: &[&str]) -> Option<Value> {
        let listen = async {
            while let Some(Ok(message)) = self.0.next().await {
                let Message::Text(text) = message else {
                    continue;
                };
                let value: Value = serde_json::from_str(&text).expect("JSON");
                if types.iter().any(|kind| value["type"] == *kind) {
                    return Some(value);
                }
            }
            None
        };
        tokio::time::timeout(LIMIT, listen)
            .await
            .unwrap_or_else(|_| panic!("never: {types:?}"))
    }
}

/// Two calls with all that an agent can see and say, and much that an agent should not; a third is left up.
async fn work(url: &str, token: &str) {
    // Log-ins that are refused, and what no client should send.
    for first in [
        json!({"type": "hello", "version": 1, "agent": "kanari.agent", "token": "falsches-token-kanari"}),
        json!({"type": "Zwitscherling", "phone": "+84907654321"}),
        json!("0907 654 321"),
    ] {
        let mut socket = Socket::open(url).await;
        socket.say(first).await;
        assert!(socket.hear(&["welcome"]).await.is_none(), "refused");
    }
    let mut socket = Socket::open(url).await;
    let _ = socket
        .0
        .send(Message::binary(
            "Zwitscherling 0907654321".as_bytes().to_vec(),
        ))
        .await;
    assert!(socket.hear(&["welcome"]).await.is_none());
    assert!(
        tokio_tungstenite::connect_async(format!(
            "{url}/Zwitscherling?token={token}&phone=0907654321"
        ))
        .await
        .is_err(),
        "nothing is served there"
    );

    let mut agent = Socket::open(url).await;
    agent
        .say(json!({"type": "hello", "version": 1, "agent": "kanari.agent", "token": token}))
        .await;
    agent.hear(&["welcome"]).await.expect("logged in");
    let mut request = 0;
    for call in 0..3 {
        request += 1;
        agent
            .say(json!({"type": "state", "request": request, "to": "ready"}))
            .await;
        let shown = agent.hear(&["call.connected"]).await.expect("a call");
        let seen = shown.to_string();
        assert!(
            seen.contains("Zwitscherling") && seen.contains("CIFKANARI"),
            "the canaries were there: {seen}"
        );
        let id = shown["call"].as_str().expect("an id").to_owned();
        agent.say(json!({"type": "painted", "call": id})).await;
        for card in [
            "customer",
            "contacts",
            "references",
            "loans",
            "timeline",
            "script",
        ] {
            request += 1;
            agent
                .say(json!({"type": "expand", "request": request, "call": id, "card": card}))
                .await;
            agent.hear(&["card", "error"]).await.expect("an answer");
        }
        if call == 2 {
            return;
        }
        // Refused: unknown fields and bad values that hold canaries.
        for bad in [
            json!({"type": "outcome", "request": 900, "call": id, "code": "RPC_PTP", "Zwitscherling": "0907654321"}),
            json!({"type": "outcome", "request": 901, "call": id, "code": "Geheimnotiz"}),
            json!({"type": "outcome", "request": 902, "call": id, "code": "RPC_PTP",
                   "promise": {"amount": "73519284017", "due": "Zwitscherling"}}),
            json!({"type": "expand", "request": 903, "call": "0907654321", "card": "Kanarienweg"}),
        ] {
            agent.say(bad).await;
            agent.hear(&["error"]).await.expect("refused");
        }
        request += 1;
        agent
            .say(json!({"type": "hang_up", "request": request, "call": id}))
            .await;
        agent.hear(&["call.ended"]).await.expect("ended");
        request = request.max(1_000) + 1;
        let due = jiff::Zoned::now()
            .date()
            .tomorrow()
            .expect("a day")
            .to_string();
        agent
            .say(
                json!({"type": "outcome", "request": request, "call": id, "code": "RPC_PTP",
                        "promise": {"amount": 7_351_928_411i64, "due": due, "method": "MOMO"},
                        "note": "Geheimnotiz: Zwitscherling, Kanarienweg, 0907 654 321"}),
            )
            .await;
        let answer = agent.hear(&["saved", "error"]).await.expect("an answer");
        assert_eq!(answer["type"], "saved", "{answer}");
    }
}

/// What strangers and a hostile carrier send to the SIP port.
fn hostile_signalling(sip: SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let via = format!(
        "Via: SIP/2.0/UDP {};branch=z9hG4bKx;rport\r\n",
        socket.local_addr().unwrap()
    );
    let rest = "From: \"Trần Zwitscherling\" <sip:+84907654321@x>;tag=a\r\nTo: <sip:0907654322@x>\r\nCall-ID: kanari@vogel.example\r\n";
    let agent = "User-Agent: x\u{1b}[2J\u{9b}31m Zwitscherling\u{7}\r\n 2026-11-23T00:00:00Z ERROR tandem: forged\r\n";
    for message in [
        format!(
            "INVITE sip:+84907654321@x SIP/2.0\r\n{via}{rest}CSeq: 1 INVITE\r\n{agent}Content-Length: 0\r\n\r\n"
        ),
        format!(
            "OPTIONS sip:0907654321@x SIP/2.0\r\n{via}{rest}CSeq: 1 OPTIONS\r\n{agent}Content-Length: 99\r\n\r\n"
        ),
        format!("INVITE sip:+84 907 654 321@x SIP/2.0\r\n{via}{rest}CSeq: 1 BYE\r\n\r\n"),
        format!(
            "SIP/2.0 486 Zwitscherling\u{1b}[2J +84907654321\r\n{via}{rest}CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        ),
        format!("SIP/2.0 4861 Zwitscherling\n\n{rest}"),
        format!(
            "BYE sip:x SIP/2.0\r\n{via}{rest}CSeq: 7 BYE\r\nReason: Q.850;cause=16;text=\"Zwitscherling\"\r\nContent-Length: 0\r\n\r\n"
        ),
        "Zwitscherling 0907654321\r\n\u{1b}]0;forged\u{7}".to_owned(),
    ] {
        socket.send_to(message.as_bytes(), sip).unwrap();
    }
    let mut stream = TcpStream::connect(sip).unwrap();
    let _ = stream.write_all(
        format!("INVITE sip:0907654321@x SIP/2.0\r\n{rest}{agent}Content-Length: -1\r\n\r\n")
            .as_bytes(),
    );
}

/// Requests that are refused, each with canaries where a careless log would show them. What is answered may repeat nothing.
fn hostile_requests(api: SocketAddr, admin: &str) -> String {
    let mut answers = String::new();
    let bearer = format!("Authorization: Bearer {admin}\r\n");
    for (line, headers, body) in [
        (
            "GET /v1/picture",
            "Authorization: Bearer falsches-token-kanari\r\n",
            "",
        ),
        ("POST /v1/campaigns/Zwitscherling/start", &bearer, ""),
        (
            "POST /v1/campaigns/%2B84907654321%0d%0aERROR%1b[2J/pause",
            &bearer,
            "",
        ),
        (
            "GET /Zwitscherling?phone=0907654321&token=falsches-token-kanari",
            "",
            "",
        ),
        (
            "POST /v1/stop",
            &bearer,
            "{\"Zwitscherling\": \"0907654321\"}",
        ),
        (
            "POST /v1/leads/changed",
            &bearer,
            "{\"campaign\": \"Zwitscherling 0907654321\"}",
        ),
        ("PUT /v1/campaigns/TEST/ratio", &bearer, "Zwitscherling"),
        (
            "BREW /Zwitscherling",
            "User-Agent: Zwitscherling 0907654321\r\n",
            "",
        ),
    ] {
        let mut stream = TcpStream::connect(api).unwrap();
        let host = if line.starts_with("GET /Zw") {
            "zwitscherling.example".to_owned()
        } else {
            api.to_string()
        };
        let request = format!(
            "{line} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        answers += &String::from_utf8_lossy(&answer);
    }
    assert!(
        !answers.contains("HTTP/1.1 2"),
        "all were refused: {answers}"
    );
    answers
}

fn get(api: SocketAddr, path: &str, admin: &str) -> String {
    let mut stream = TcpStream::connect(api).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {api}\r\nAuthorization: Bearer {admin}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// Every line is a record of ours, and none holds what a terminal obeys.
fn is_clean_log(text: &str) -> Result<(), String> {
    for line in text.lines() {
        let begins = line
            .get(..5)
            .is_some_and(|year| year.starts_with("20") && year.ends_with('-'));
        if !begins || line.chars().any(char::is_control) || line.contains("forged") {
            return Err(format!("{line:?}"));
        }
    }
    Ok(())
}

#[test]
fn no_person_and_no_secret_is_in_anything_that_an_operator_reads() {
    let outer = tempfile::tempdir().unwrap();
    let password = outer.path().join("carrier.password");
    Site::secret(&password, "kanari-passwort-991\n");
    let (_carrier, far) = network(outer.path(), Some("kanari-user:kanari-passwort-991"));
    let trunk =
        format!("username = \"kanari-user\"\npassword_file = {password:?}\nchannels_max = 20");
    let site = Site::new(
        far,
        &trunk,
        "wrap_s = 60\nwrap_overrun = \"hold\"\nring_timeout_s = 20",
    );
    let list = site.dir.path().join("list.jsonl");
    let mut lines: Vec<String> = (1..=3).map(|number| borrower(number).to_string()).collect();
    lines.push("{\"number\":\"+84907654321\",\"Zwitscherling\":1}".to_owned());
    lines.push("Zwitscherling 0907654321".to_owned());
    std::fs::write(&list, lines.join("\n")).unwrap();
    let mut texts: Vec<(&str, String)> = Vec::new();
    let imported = run(&["import", list.to_str().unwrap(), "--config", site.path()]);
    assert!(
        said(&imported).contains("3 new") && said(&imported).contains("2 rejected"),
        "{}",
        said(&imported)
    );
    texts.push(("import", said(&imported)));
    let token = BackOffice::open(&store_path(&site.config))
        .unwrap()
        .agent_add(
            "kanari.agent",
            &[("TEST".to_owned(), 1)],
            &[],
            &tandem::shell::store::AgentAudio::None,
        )
        .unwrap();

    let loud = |command: &mut std::process::Command| {
        command
            .env("TANDEM_LOG", "trace")
            .env("RUST_BACKTRACE", "1");
    };
    let mut engine = site.serve(loud, "first.log");
    let admin = std::fs::read_to_string(site.config.data_dir.join("admin.token"))
        .unwrap()
        .trim()
        .to_owned();
    let tokens = [token.clone(), admin.clone()];
    let url = format!("ws://{}/agent", site.config.desk.listen);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work(&url, &token));
    hostile_signalling(site.config.sip.listen);
    texts.push((
        "refused requests",
        hostile_requests(site.config.api.listen, &admin),
    ));
    // A list that stops one of them while the engine runs, and one that cannot be read.
    let stop = site.dir.path().join("stop.csv");
    std::fs::write(&stop, "0907654399,Zwitscherling\nZwitscherling,1\n").unwrap();
    texts.push((
        "do-not-call",
        said(&run(&[
            "import",
            "--do-not-call",
            stop.to_str().unwrap(),
            "--config",
            site.path(),
        ])),
    ));
    texts.push(("doctor", said(&run(&["doctor", site.path()]))));
    texts.push((
        "doctor --json",
        said(&run(&["doctor", "--json", site.path()])),
    ));
    texts.push(("check", said(&run(&["check", site.path()]))));
    texts.push((
        "campaign list",
        said(&run(&["campaign", "list", "--config", site.path()])),
    ));
    texts.push(("metrics", get(site.config.api.listen, "/metrics", &admin)));
    texts.push((
        "picture",
        get(site.config.api.listen, "/v1/picture", &admin),
    ));
    let shown = &texts.last().unwrap().1;
    assert!(
        shown.contains("\"outcomes\":2"),
        "two outcomes were kept: {shown}"
    );

    // Killed with a call up: the next start tells what it found, and ends in peace.
    engine.kill();
    let mut again = site.serve(loud, "second.log");
    wait_until("the second run has settled", || {
        again.log().contains("Settled what the last run left")
    });
    std::thread::sleep(Duration::from_millis(500));
    assert!(again.end().success());
    for (name, process) in [
        ("log of the first run", &engine),
        ("log of the second run", &again),
    ] {
        texts.push((name, log_of(process)));
    }
    let mut replayed = 0;
    for entry in std::fs::read_dir(&site.config.data_dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.starts_with("inputs.") {
            texts.push(("input log", std::fs::read_to_string(&path).unwrap()));
            let told = run(&["replay", path.to_str().unwrap()]);
            assert!(told.status.success(), "{}", said(&told));
            texts.push(("replay", said(&told)));
            replayed += 1;
        }
    }
    assert_eq!(replayed, 2, "a log for each run");
    let all_said: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    assert!(
        all_said.contains("answered") && all_said.contains("RPC_PTP"),
        "the replay told of the calls"
    );
    let mut leaks = Vec::new();
    for (name, text) in &texts {
        for canary in found(text, &tokens) {
            let has = |line: &&str| found(line, &tokens).contains(&canary);
            let line = text.lines().find(has).unwrap_or_default();
            leaks.push(format!("{name}: {canary} in {line:?}"));
        }
    }
    assert!(leaks.is_empty(), "\n{}", leaks.join("\n"));
}

/// A log, after it was found to be records and nothing else, some of them at the loudest level.
fn log_of(process: &Process) -> String {
    let text = process.log();
    is_clean_log(&text).unwrap_or_else(|line| panic!("not a record: {line}"));
    assert!(text.contains("A trunk changed its state"), "{text}");
    text
}

#[test]
fn what_the_search_for_records_would_find() {
    assert!(is_clean_log("2026-11-23T00:00:00Z  INFO tandem: so it is\n").is_ok());
    assert!(is_clean_log("2026-11-23T00:00:00Z  INFO tandem: so\nit is\n").is_err());
    assert!(is_clean_log("2026-11-23T00:00:00Z  INFO tandem: \u{1b}[2J\n").is_err());
    assert!(Path::new(env!("CARGO_BIN_EXE_tandem")).exists());
}
