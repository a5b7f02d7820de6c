//! Recordings, tokens and ears over HTTP: every right at its own door, every answer and denial in the audit.

use super::*;

/// What was asked of the media plane.
#[derive(Default)]
struct Asked(Mutex<Vec<String>>);

impl Asked {
    fn note(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }
}

impl CallAudio for Asked {
    fn ear_open(&self, ear: EarId, agent: AgentId, mode: EarMode, sdp: String, answer: AnswerTo) {
        self.note(format!("open {} on {agent}: {mode:?}", ear.0));
        answer(match sdp.as_str() {
            "bad" => Err(AudioRefused::Offer("no audio in it".to_owned())),
            _ => Ok("v=0 answered".to_owned()),
        });
    }
    fn ear_mode(&self, ear: EarId, mode: EarMode) {
        self.note(format!("mode {}: {mode:?}", ear.0));
    }
    fn ear_close(&self, ear: EarId) {
        self.note(format!("close {}", ear.0));
    }
    fn record(&self, attempt: AttemptId, tap: Box<dyn Tap>) -> bool {
        self.note(format!("record {attempt}"));
        drop(tap);
        true
    }
    fn pause_recording(&self, attempt: AttemptId, paused: bool) {
        self.note(format!("pause {attempt}: {paused}"));
    }
}

/// A served API over a recorder, with a recording of 4.5 s and one that runs.
struct House {
    dir: tempfile::TempDir,
    address: SocketAddr,
    asked: Arc<Asked>,
    recorder: Arc<Recorder>,
    threads: Option<RecorderThreads>,
    admin: String,
    /// The floor's end: somebody must be there to be told.
    _inbox: FloorInbox,
    running: Option<Box<dyn Tap>>,
    /// The finished one.
    id: String,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    server: Option<std::thread::JoinHandle<()>>,
}

struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

fn house() -> House {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().to_owned();
    let (recorder, threads) = recorder(&data, "wav");
    let mut tap = begin(&recorder, 1);
    talk(&mut *tap, 0, 4_500);
    tap.finish(Mono::from_millis(4_500));
    wait_until("it is closed", || {
        let rows = recorder
            .shelf()
            .book()
            .list(&RecordingFilter::default())
            .unwrap();
        rows.first()
            .is_some_and(|row| row.state == RecordingState::Closed)
    });
    let row = recorder
        .shelf()
        .book()
        .list(&RecordingFilter::default())
        .unwrap()
        .remove(0);
    let running = begin(&recorder, 2);
    let token = AdminToken::load_or_create(&data).unwrap();
    let admin = std::fs::read_to_string(data.join("admin.token")).unwrap();
    let asked: Arc<Asked> = Arc::default();
    let clock = Clock::new();
    let (floor, inbox) = floor_lanes(64, 8);
    let listen: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let site = config(&data, "wav");
    let state = ApiState {
        decisions: Decisions::default(),
        floor,
        picture: Arc::new(ArcSwap::from_pointee(Picture::default())),
        campaigns: Arc::default(),
        reload: Arc::new(|_| Err(ReloadRefused::Draining)),
        metrics: Arc::new(Metrics::new()),
        backlogs: Arc::new(Backlogs::default),
        readiness: Arc::new(Readiness::new(clock)),
        token: Arc::new(token),
        access: Arc::new(Access::open(&store(&data), clock).unwrap()),
        recordings: Arc::new(Recordings {
            recorder: Arc::clone(&recorder),
            audio: Arc::clone(&asked) as Arc<dyn CallAudio>,
            links: LinkKey::draw(Duration::from_secs(300)).unwrap(),
        }),
        ears: Arc::default(),
        hosts: Arc::new(AllowedHosts::new(listen, &[])),
        pages: Arc::new(tandem::shell::pages::Pages::new(
            &site.pages,
            site.desk.listen,
        )),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ready, address) = std::sync::mpsc::channel();
    let server = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async move {
            let config = ApiConfig {
                listen,
                hosts: Vec::new(),
            };
            let listener = bind(&config).await.unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let until = async move {
                let _ = stopped.await;
            };
            serve(listener, state, until).await.unwrap();
        });
    });
    House {
        address: address.recv().unwrap(),
        asked,
        recorder,
        threads: Some(threads),
        admin: admin.trim().to_owned(),
        _inbox: inbox,
        running: Some(running),
        id: row.id,
        stop: Some(stop),
        server: Some(server),
        dir,
    }
}

impl Drop for House {
    fn drop(&mut self) {
        drop(self.stop.take());
        let joined = self.server.take().map(std::thread::JoinHandle::join);
        drop(self.running.take());
        if let Some(threads) = self.threads.take() {
            threads.stop();
        }
        assert!(joined.is_none_or(|it| it.is_ok()) || std::thread::panicking());
    }
}

impl House {
    fn token(&self, name: &str, role: &str, rights: &str) -> String {
        let book = AccessBook::open(&store(self.dir.path())).unwrap();
        book.token_add(name, role, rights).unwrap()
    }

    fn ask(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        extra: &[&str],
        body: &str,
    ) -> Answer {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
        if let Some(token) = token {
            request += &format!("Authorization: Bearer {token}\r\n");
        }
        for header in extra {
            request += &format!("{header}\r\n");
        }
        request += &format!("Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).unwrap();
        let mut octets = Vec::new();
        stream.read_to_end(&mut octets).unwrap();
        let end = octets.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(octets[..end].to_vec()).unwrap();
        let headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(": "));
        Answer {
            status: head.split(' ').nth(1).unwrap().parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: octets[end + 4..].to_vec(),
        }
    }

    fn get(&self, path: &str, token: &str) -> Answer {
        self.ask("GET", path, Some(token), &[], "")
    }

    fn send(&self, method: &str, path: &str, token: &str, body: Value) -> Answer {
        self.ask(method, path, Some(token), &[], &body.to_string())
    }

    /// The audit as "actor act target allowed".
    fn audit(&self) -> Vec<String> {
        let book = AccessBook::open(&store(self.dir.path())).unwrap();
        let entries = book.audit_list(None, 1_000).unwrap();
        assert!(book.audit_check().unwrap().is_ok(), "the chain holds");
        entries
            .into_iter()
            .map(|it| {
                let word = if it.allowed { "allowed" } else { "denied" };
                format!("{} {} {} {word}", it.actor, it.act, it.target)
            })
            .collect()
    }
}

#[test]
fn every_right_opens_its_own_doors_and_no_other_and_each_denial_is_kept() {
    let house = house();
    let fetch = format!("/v1/recordings/{}", house.id);
    let link = format!("{fetch}/link");
    let ear = json!({ "agent": 7, "mode": "whisper", "sdp": "v=0" });
    let doors: [(&str, &str, Value, &str); 10] = [
        ("GET", "/v1/picture", json!(null), "view"),
        ("GET", "/v1/campaigns", json!(null), "view"),
        ("POST", "/v1/stop", json!({}), "control"),
        ("POST", "/v1/reload", json!({}), "reload"),
        ("GET", "/v1/recordings", json!(null), "recordings"),
        ("GET", &fetch, json!(null), "recordings"),
        ("POST", &link, json!(null), "recordings"),
        (
            "POST",
            "/v1/calls/2/recording",
            json!({ "action": "pause" }),
            "record",
        ),
        ("POST", "/v1/ears", ear, "whisper"),
        ("GET", "/v1/nowhere", json!(null), "everything"),
    ];
    let rights = [
        "view",
        "control",
        "reload",
        "recordings",
        "record",
        "listen",
        "whisper",
        "barge",
    ];
    let mut denied = 0;
    for right in rights {
        let token = house.token(&format!("only-{right}"), "admin", right);
        for (method, path, body, needs) in &doors {
            let body = if body.is_null() {
                String::new()
            } else {
                body.to_string()
            };
            let answer = house.ask(method, path, Some(&token), &[], &body);
            if *needs == right {
                assert!(
                    answer.status != 401 && answer.status != 403,
                    "{right}: {method} {path}: {}",
                    answer.status
                );
            } else {
                assert_eq!(answer.status, 403, "{right}: {method} {path}");
                denied += 1;
            }
        }
    }
    let kept = house
        .audit()
        .iter()
        .filter(|it| it.ends_with("denied"))
        .count();
    // The reload was tried and refused by a house that has none.
    assert_eq!(kept, denied + 1);
    for path in ["/v1/recordings", &fetch, "/v1/picture"] {
        assert_eq!(house.ask("GET", path, None, &[], "").status, 401);
        let guess = "0".repeat(64);
        assert_eq!(house.get(path, &guess).status, 401);
    }
    assert_eq!(house.get(&fetch, &house.admin).status, 200);
    assert_eq!(house.get("/v1/nowhere", &house.admin).status, 404);
    let token = house.token("lan", "supervisor", "recordings");
    assert_eq!(house.get(&fetch, &token).status, 200);
    AccessBook::open(&store(house.dir.path()))
        .unwrap()
        .token_revoke("lan")
        .unwrap();
    assert_eq!(
        house.get(&fetch, &token).status,
        401,
        "revoked, it opens nothing"
    );
}

#[test]
fn a_recording_is_given_out_whole_or_by_ranges_and_every_time_it_is_noted() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let path = format!("/api/v1/recordings/{}", house.id);
    let whole = house.get(&path, &token);
    assert_eq!(
        (whole.status, whole.headers["content-type"].as_str()),
        (200, "audio/wav")
    );
    assert_eq!(whole.body.len(), 44 + 4 * 36_000);
    let wav = house.dir.path().join("got.wav");
    std::fs::write(&wav, &whole.body).unwrap();
    each_tone_is_in_its_own_channel(&wav, 4);
    let head = house.ask("HEAD", &path, Some(&token), &[], "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.headers["content-length"], whole.body.len().to_string());
    assert_eq!(head.headers["accept-ranges"], "bytes");
    let last = whole.body.len() - 1;
    for (range, from, until) in [
        ("bytes=0-43".to_owned(), 0, 43),
        ("bytes=40-50".to_owned(), 40, 50),
        (format!("bytes={}-", last - 9), last - 9, last),
        ("bytes=-5".to_owned(), last - 4, last),
        // Over a second's end.
        ("bytes=32030-96060".to_owned(), 32_030, 96_060),
    ] {
        let part = house.ask(
            "GET",
            &path,
            Some(&token),
            &[&format!("Range: {range}")],
            "",
        );
        assert_eq!(part.status, 206, "{range}");
        assert!(part.body == whole.body[from..=until], "{range}");
        let told = format!("bytes {from}-{until}/{}", whole.body.len());
        assert_eq!(part.headers["content-range"], told);
    }
    let beyond = house.ask("GET", &path, Some(&token), &["Range: bytes=9999999-"], "");
    assert_eq!(beyond.status, 416);
    assert_eq!(
        beyond.headers["content-range"],
        format!("bytes */{}", whole.body.len())
    );
    let other = house.ask(
        "GET",
        &path,
        Some(&token),
        &["Range: bytes=0-1", "If-Range: \"x\""],
        "",
    );
    assert_eq!(other.status, 200, "a part of another file is of no use");
    let same = format!("If-Range: {}", whole.headers["etag"]);
    let again = house.ask("GET", &path, Some(&token), &["Range: bytes=0-1", &same], "");
    assert_eq!(again.status, 206);
    let noted = format!("lan recording.fetch recording {} allowed", house.id);
    let count = house.audit().iter().filter(|it| **it == noted).count();
    assert_eq!(
        count, 10,
        "each answer with sound, and the one that asked for what is not there"
    );
    let list = house
        .get("/v1/recordings?campaign=PL-B2-HCM&agent=7", &token)
        .json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["id"], json!(house.id));
    assert_eq!(list[1]["duration_ms"], json!(4_500));
    assert_eq!(
        house.get("/v1/recordings?campaign=OTHER", &token).json(),
        json!([])
    );
    assert_eq!(house.get("/v1/recordings?order=by", &token).status, 400);
}

#[test]
fn guessed_names_and_paths_that_climb_find_nothing_and_are_noted() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let mut near = house.id.clone().into_bytes();
    near[31] = if near[31] == b'0' { b'1' } else { b'0' };
    let near = String::from_utf8(near).unwrap();
    let upper = house.id.to_uppercase();
    let mut denied = 0;
    for name in [
        "0".repeat(32).as_str(),
        &near,
        "..%2F..%2Ftandem.db",
        "..%2f..%2fadmin.token",
        "%2e%2e%2frecording.key",
        &format!("{}%00", house.id),
        &format!("{}.rec", house.id),
        "1",
    ] {
        let answer = house.get(&format!("/v1/recordings/{name}"), &token);
        assert_eq!(answer.status, 404, "{name}");
        denied += 1;
    }
    if upper != house.id {
        assert_eq!(
            house.get(&format!("/v1/recordings/{upper}"), &token).status,
            404
        );
        denied += 1;
    }
    for path in [
        "/v1/recordings/../../recording.key",
        "/v1/recordings/%2e%2e/x/y",
    ] {
        assert!(
            matches!(house.get(path, &token).status, 403 | 404),
            "{path}"
        );
        denied += 1;
    }
    let noted = house
        .audit()
        .iter()
        .filter(|it| it.ends_with("denied"))
        .count();
    assert_eq!(noted, denied);
    // The one that runs is not there yet.
    let rows = house
        .recorder
        .shelf()
        .book()
        .list(&RecordingFilter::default())
        .unwrap();
    let live = rows
        .iter()
        .find(|row| row.state == RecordingState::Live)
        .unwrap();
    assert_eq!(
        house
            .get(&format!("/v1/recordings/{}", live.id), &token)
            .status,
        409
    );
}

#[test]
fn a_signed_address_plays_without_a_token_until_it_is_altered_old_or_its_maker_revoked() {
    let house = house();
    let token = house.token("lan", "supervisor", "recordings");
    let made = house.send(
        "POST",
        &format!("/v1/recordings/{}/link", house.id),
        &token,
        json!({}),
    );
    let url = made.json()["url"].as_str().unwrap().to_owned();
    let play = |url: &str| {
        house
            .ask("GET", url, None, &["Range: bytes=0-99"], "")
            .status
    };
    assert_eq!(play(&url), 206);
    assert_eq!(house.ask("HEAD", &url, None, &[], "").status, 200);
    let until = made.json()["until_unix_ms"].as_i64().unwrap();
    let now = Clock::new().now().unix.0;
    assert!((until - now - 300_000).abs() < 60_000);
    let other = "0".repeat(32);
    for bad in [
        url.replace(&format!("until={until}"), &format!("until={}", until + 1)),
        url.replace(&format!("until={until}"), "until=1"),
        url.replace("by=lan", "by=admin"),
        url.replace(&house.id, &other),
        url.split('?').next().unwrap().to_owned(),
        url[..url.len() - 1].to_owned(),
        format!("{url}0"),
        format!("{url}&more=1"),
    ] {
        assert_eq!(play(&bad), 403, "{bad}");
    }
    let post = house.ask("POST", &url, None, &[], "").status;
    assert_eq!(post, 401, "it is for listening");
    AccessBook::open(&store(house.dir.path()))
        .unwrap()
        .token_revoke("lan")
        .unwrap();
    assert_eq!(play(&url), 403);
    let audit = house.audit();
    let played = format!("link:lan recording.fetch recording {} allowed", house.id);
    assert_eq!(audit.iter().filter(|it| **it == played).count(), 2);
    assert_eq!(audit.iter().filter(|it| it.ends_with("denied")).count(), 9);
}

#[test]
fn a_pause_over_the_api_keeps_nothing_of_what_follows_on_disk_or_for_listeners() {
    let mut house = house();
    let token = house.token("crm", "agent", "record");
    let mut tap = house.running.take().unwrap();
    talk(&mut *tap, 0, 1_000);
    let paused = house.send(
        "POST",
        "/v1/calls/2/recording",
        &token,
        json!({ "action": "pause" }),
    );
    assert_eq!(
        (paused.status, &paused.json()["recording"]),
        (200, &json!("paused"))
    );
    // An hour later by the tap's clock: after the command, whatever the machine does meanwhile.
    let hour = 3_600_000;
    talk(&mut *tap, hour, hour + 2_000);
    let resumed = house.send(
        "POST",
        "/v1/calls/2/recording",
        &token,
        json!({ "action": "resume" }),
    );
    assert_eq!(resumed.json()["recording"], json!("on"));
    assert_eq!(resumed.json()["id"].as_str().unwrap().len(), 32);
    talk(&mut *tap, 2 * hour, 2 * hour + 2_000);
    tap.finish(Mono::from_millis(2 * hour + 2_000));
    house.threads.take().unwrap().stop();
    let filter = RecordingFilter {
        attempt: Some(AttemptId(2)),
        ..RecordingFilter::default()
    };
    let row = house
        .recorder
        .shelf()
        .book()
        .list(&filter)
        .unwrap()
        .remove(0);
    let mut playable = house.recorder.shelf().play(&row).unwrap();
    let second = |playable: &mut tandem::shell::recording::shelf::Playable, number: u64| {
        playable.read(44 + number * 32_000, 32_000).unwrap()
    };
    for (number, is_heard) in [(0, true), (3_600, false), (3_601, false), (7_200, true)] {
        let octets = second(&mut playable, number);
        assert_eq!(octets.len(), 32_000);
        assert_eq!(
            octets.iter().any(|octet| *octet != 0),
            is_heard,
            "second {number}"
        );
    }
    assert_eq!(
        house.asked.0.lock().unwrap().as_slice(),
        ["pause 2: true", "pause 2: false"]
    );
    let audit = house.audit();
    assert!(
        audit.contains(&"crm recording.pause call 2 allowed".to_owned()),
        "{audit:?}"
    );
    assert!(
        audit.contains(&"crm recording.resume call 2 allowed".to_owned()),
        "{audit:?}"
    );
    let nobody = house.send(
        "POST",
        "/v1/calls/99/recording",
        &token,
        json!({ "action": "pause" }),
    );
    assert_eq!(
        (nobody.status, &nobody.json()["code"]),
        (409, &json!("not_recorded"))
    );
    let paused: Vec<(u64, u64)> = serde_json::from_str(&row.paused).unwrap();
    assert_eq!(paused.len(), 1);
}

#[test]
fn ears_ask_for_each_mode_s_own_right_and_belong_to_whom_opened_them() {
    let house = house();
    let listener = house.token("listener", "supervisor", "listen");
    let coach = house.token("coach", "supervisor", "listen,whisper,barge");
    let open = |token: &str, mode: &str, sdp: &str| {
        house.send(
            "POST",
            "/v1/ears",
            token,
            json!({ "agent": 7, "mode": mode, "sdp": sdp }),
        )
    };
    assert_eq!(open(&listener, "whisper", "v=0").status, 403);
    assert_eq!(open(&listener, "barge", "v=0").status, 403);
    let opened = open(&listener, "listen", "v=0");
    assert_eq!(
        (opened.status, &opened.json()["sdp"]),
        (201, &json!("v=0 answered"))
    );
    let ear = opened.json()["ear"].as_u64().unwrap();
    let path = format!("/v1/ears/{ear}");
    let change =
        |token: &str, mode: &str| house.send("PATCH", &path, token, json!({ "mode": mode }));
    assert_eq!(change(&listener, "barge").status, 403);
    assert_eq!(change(&coach, "whisper").status, 404, "it is not his");
    assert_eq!(house.send("DELETE", &path, &coach, json!({})).status, 404);
    assert_eq!(
        house.send("DELETE", &path, &listener, json!({})).status,
        200
    );
    assert_eq!(
        house.send("DELETE", &path, &listener, json!({})).status,
        404
    );
    assert_eq!(open(&coach, "listen", "bad").status, 422);
    let coaching = open(&coach, "listen", "v=0").json()["ear"]
        .as_u64()
        .unwrap();
    let path = format!("/v1/ears/{coaching}");
    let changed = house.send("PATCH", &path, &coach, json!({ "mode": "barge" }));
    assert_eq!(
        (changed.status, &changed.json()["mode"]),
        (200, &json!("barge"))
    );
    let unknown = json!({ "agent": "nobody", "mode": "listen", "sdp": "v=0" });
    assert_eq!(house.send("POST", "/v1/ears", &coach, unknown).status, 404);
    assert_eq!(
        house.asked.0.lock().unwrap().as_slice(),
        [
            "open 1 on 7: Listen",
            "close 1",
            "open 2 on 7: Listen",
            "close 2",
            "open 3 on 7: Listen",
            "mode 3: Barge"
        ]
    );
    let audit = house.audit();
    for want in [
        "listener ear.whisper agent 7 denied",
        "listener ear.barge agent 7 denied",
        "listener ear.listen agent 7 allowed",
        "listener ear.close agent 7 allowed",
        "coach ear.change ear (unknown) denied",
        "coach ear.barge agent 7 allowed",
    ] {
        assert!(
            audit.iter().any(|it| it == want),
            "{want} is not in {audit:#?}"
        );
    }
}
