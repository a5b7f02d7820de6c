//! A real browser (Debian's Chromium, headless) talks through the whole engine with a far end that sounds a tone and keeps what it
//! hears. Both directions are judged by frequency; also that the pages are what their sources build to.
//!
//! Needs node, npm's packages of `web/` (`make setup`), Chromium, and baresip in one test; TANDEM_SKIP_PEERS=1 does without.
#![allow(clippy::unwrap_used)]

mod harness;
mod sound;

use harness::{Drive, FarEnd, Site, alone, has};
use serde_json::json;
use sound::Heard;

/// Tone of the browser in place of a microphone.
const AGENT_HZ: f64 = 600.0;
/// Tone of the far end.
const CUSTOMER_HZ: u16 = 1_000;

#[test]
fn pages_and_softphone_are_what_their_sources_build_to() {
    if !has(&["node"], true) {
        return;
    }
    let built = tempfile::tempdir().unwrap();
    for part in ["softphone", "desk"] {
        let out = built.path().join(part);
        harness::node_tool(
            "typescript/bin/tsc",
            &["-p", part, "--outDir", out.to_str().unwrap()],
        );
        let (fresh, kept) = (
            harness::files(&out),
            harness::files(&harness::web().join(part).join("dist")),
        );
        assert!(fresh.len() > 5, "{part}: {} files were built", fresh.len());
        assert_eq!(
            fresh.keys().collect::<Vec<_>>(),
            kept.keys().collect::<Vec<_>>(),
            "{part}: other files; run `npm run build` in web/"
        );
        for (name, text) in &fresh {
            assert!(
                text == &kept[name],
                "{part}/dist/{name} is not what its source builds to: run `npm run build` in web/"
            );
        }
    }
}

#[test]
fn softphone_and_desk_keep_to_the_protocol_and_to_their_own_tests() {
    if !has(&["node"], true) {
        return;
    }
    let tests: Vec<_> = ["softphone/test", "desk/test"]
        .iter()
        .flat_map(|folder| {
            harness::files(&harness::web().join(folder))
                .into_keys()
                .filter(|name| name.ends_with(".test.mjs"))
                .map(move |name| format!("{folder}/{name}"))
        })
        .collect();
    assert!(tests.len() >= 5, "{tests:?}");
    let run = std::process::Command::new("node")
        .arg("--test")
        .args(&tests)
        .current_dir(harness::web())
        .output()
        .unwrap();
    assert!(
        run.status.success(),
        "{}",
        String::from_utf8_lossy(&run.stdout)
    );
}

#[test]
fn both_hear_each_other_through_hold_mute_keys_another_network_and_a_cut_of_the_socket() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::carrier(&["--tone", "1000"]);
    let site = Site::new(far_end.address);
    let engine = site.serve();
    let told = Drive::start(&site, "one_call", json!({})).finish();
    drop(engine);

    assert_eq!(told.of("ready_refused")["code"], "audio_needed");
    for mark in [
        "heard",
        "heard_after_hold",
        "heard_after_move",
        "heard_without_socket",
        "heard_after_cut",
    ] {
        told.share_above(mark, 0.8);
    }
    told.share_below("heard_on_hold", 0.1);
    assert_eq!(
        told.of("socket_back")["sockets"],
        2,
        "one socket was cut and one came back"
    );
    let same = told.of("same_leg");
    for source in ["ssrcIn", "ssrcOut"] {
        assert_eq!(
            same["before"][source], same["after"][source],
            "{source} changed with the socket"
        );
    }
    assert_eq!(
        (
            same["audio"]["builds"].as_u64(),
            same["audio"]["restarts"].as_u64()
        ),
        (Some(1), Some(1)),
        "one leg, moved once"
    );

    let records = far_end.records(1);
    let heard = Heard::read(&far_end.tape(1), &records[0]);
    let span = |from: &str, until: &str| (told.at(from) + 400, told.at(until) - 200);
    heard.is_tone(AGENT_HZ, span("talking", "held"));
    heard.is_not_tone(AGENT_HZ, span("held", "heard_on_hold"));
    heard.is_loud(span("held", "heard_on_hold"));
    heard.is_tone(AGENT_HZ, span("resumed", "heard_after_hold"));
    heard.is_silent(span("muted", "unmuted"));
    heard.is_tone(AGENT_HZ, span("unmuted", "keys"));
    // Another network is another pair of addresses, and no gap.
    heard.is_tone(
        AGENT_HZ,
        (told.at("network_changed"), told.at("heard_after_move")),
    );
    // Not a moment was lost while the socket was away.
    let cut = (told.at("socket_cut"), told.at("heard_after_cut"));
    heard.is_tone(AGENT_HZ, cut);
    assert_eq!(records[0].keys, "12#");
    assert_eq!(records[0].rtp_foreign, 0);
}

#[test]
fn the_recording_of_a_call_has_each_party_in_its_channel_and_nothing_of_a_pause() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::carrier(&["--tone", "1000"]);
    let site = Site::recording(far_end.address);
    let engine = site.serve();
    let told = Drive::start(&site, "recorded", json!({})).finish();
    let dir = tempfile::tempdir().unwrap();
    let wav = dir.path().join("call.wav");
    let row = site.only_recording(&wav);
    drop(engine);
    let customer = Heard::channel(&wav, 0, row.began.0);
    let agent = Heard::channel(&wav, 1, row.began.0);
    // The browser's clock and the engine's are one; what was on its way at a command is not judged.
    let before = (told.at("talking") + 400, told.at("paused") - 400);
    let paused = (told.at("paused") + 100, told.at("resume_asked") - 100);
    let after = (told.at("resumed") + 500, told.at("ending") - 400);
    for span in [before, after] {
        customer.is_tone(f64::from(CUSTOMER_HZ), span);
        customer.is_not_tone(AGENT_HZ, span);
        agent.is_tone(AGENT_HZ, span);
        agent.is_not_tone(f64::from(CUSTOMER_HZ), span);
    }
    customer.is_digital_silence(paused);
    agent.is_digital_silence(paused);
    // The far end went on hearing the agent: only the recording was paused.
    let records = far_end.records(1);
    let heard = Heard::read(&far_end.tape(1), &records[0]);
    heard.is_tone(AGENT_HZ, after);
    assert_eq!(records[0].keys, "4111#");
}

#[test]
fn a_network_that_is_gone_for_five_seconds_takes_neither_call_nor_leg() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::carrier(&["--tone", "1000"]);
    let site = Site::new(far_end.address);
    let _engine = site.serve();
    let told = Drive::start(&site, "flap", json!({})).finish();
    assert!(
        told.of("back")["dropped"].as_u64().unwrap() > 100,
        "the network was not cut"
    );
    told.share_above("heard", 0.8);
    told.share_above("heard_again", 0.8);
    assert_eq!(
        told.of("up_again")["audio"]["builds"],
        1,
        "the leg was not kept"
    );
    let records = far_end.records(1);
    let heard = Heard::read(&far_end.tape(1), &records[0]);
    heard.is_tone(AGENT_HZ, (told.at("talking") + 400, told.at("cut") - 200));
    heard.is_not_tone(AGENT_HZ, (told.at("cut") + 1_000, told.at("back") - 500));
    heard.is_tone(
        AGENT_HZ,
        (told.at("up_again") + 1_000, told.at("heard_again")),
    );
}

#[test]
fn twenty_calls_in_a_row_need_one_negotiation_and_one_stream_each_way() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::carrier(&["--tone", "1000"]);
    let site = Site::new(far_end.address);
    let _engine = site.serve();
    let told = Drive::start(&site, "row", json!({"calls": 20})).finish();
    let row = told.of("row");
    let seen = row["seen"].as_array().unwrap();
    assert_eq!(seen.len(), 20);
    for source in ["ssrcIn", "ssrcOut"] {
        assert!(seen[0][source].as_u64().unwrap() > 0);
        assert!(
            seen.iter().all(|call| call[source] == seen[0][source]),
            "{source}: {seen:?}"
        );
    }
    assert_eq!(seen[19]["packetsLost"], 0);
    assert_eq!(
        (
            row["audio"]["builds"].as_u64(),
            row["audio"]["restarts"].as_u64()
        ),
        (Some(1), Some(0))
    );
    let records = far_end.records(20);
    for number in 1..=20 {
        let record = &records[number - 1];
        let heard = Heard::read(&far_end.tape(number), record);
        assert!(
            heard.tone_ms(AGENT_HZ) >= 400,
            "call {number}: {} ms of the agent's tone",
            heard.tone_ms(AGENT_HZ)
        );
        assert_eq!(record.rtp_lost, 0, "call {number}");
    }
}

#[test]
fn a_trunk_with_the_other_law_hears_and_is_heard_all_the_same() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::carrier(&["--tone", "1000", "--law", "pcma"]);
    let site = Site::new(far_end.address);
    let _engine = site.serve();
    let told = Drive::start(&site, "plain", json!({})).finish();
    told.share_above("heard", 0.8);
    let records = far_end.records(1);
    let heard = Heard::read(&far_end.tape(1), &records[0]);
    heard.is_tone(AGENT_HZ, (told.at("talking") + 400, told.at("stats") - 200));
}

#[test]
fn a_telephone_that_we_did_not_write_hears_and_is_heard() {
    if !has(&["node", "chromium", "baresip"], true) {
        return;
    }
    let _alone = alone();
    let far_end = FarEnd::baresip(&harness::first_number(), CUSTOMER_HZ);
    let site = Site::with_people(far_end.address, 1);
    let _engine = site.serve();
    let told = Drive::start(&site, "plain", json!({"talk_ms": 3_000})).finish();
    told.share_above("heard", 0.8);
    let heard = Heard::whole(&far_end.baresip_tape());
    assert!(
        heard.tone_ms(AGENT_HZ) >= 2_000,
        "{} ms of the agent's tone",
        heard.tone_ms(AGENT_HZ)
    );
}

#[test]
fn a_person_at_the_page_logs_in_talks_and_saves_an_outcome() {
    if !has(&["node", "chromium"], true) {
        return;
    }
    let _alone = alone();
    for dark in [false, true] {
        let far_end = FarEnd::carrier(&["--speech"]);
        let site = Site::new(far_end.address);
        let _engine = site.serve();
        let shots = std::env::var("TANDEM_SCREENSHOTS").ok();
        let told = Drive::start(&site, "desk", json!({"dark": dark, "shots": shots})).finish();
        let card = told.of("card");
        let name = card["shown"].as_str().unwrap();
        assert!(card["name"].as_str().unwrap().ends_with(name), "{card}");
        assert!(
            !card["title"].as_str().unwrap().contains(name),
            "a name in the title is seen by everybody"
        );
        let moving = |which: usize| {
            let levels: Vec<f64> = card["meters"]
                .as_array()
                .unwrap()
                .iter()
                .map(|look| look[which].as_f64().unwrap())
                .collect();
            let spread = levels.iter().copied().fold(f64::MIN, f64::max)
                - levels.iter().copied().fold(f64::MAX, f64::min);
            assert!(spread > 6.0, "meter {which} stands still: {levels:?}");
        };
        moving(0);
        moving(1);
        let banner = told.of("banner");
        assert_eq!(
            banner["name"], card["name"],
            "the card left with the socket"
        );
        assert_eq!(
            banner["peer"], "connected",
            "the audio left with the socket"
        );
        let desk = told.of("desk");
        assert_eq!(desk["overflow"], 0);
        assert_eq!(desk["contrast"], json!([]), "below WCAG AA");
        let saved = site.outcomes();
        assert_eq!(saved.len(), 1, "{saved:?}");
    }
}
