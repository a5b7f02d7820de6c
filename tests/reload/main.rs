//! A new configuration while calls go on, on the real engine: what must change changes, what must stay stays, and a file that
//! is not sound, or asks for too much, changes nothing. The judge is the far end.
#![allow(clippy::unwrap_used)]

mod harness;

use harness::*;
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tandem::demo::agents::Habits;
use tandem::shell::reload::ReloadResult;

/// Agents who talk for hours and never take a break.
fn talkers() -> Habits {
    Habits {
        talk_mean_s: 36_000.0,
        talk_cv: 0.1,
        break_share: 0.0,
        ..Habits::default()
    }
}

/// Agents who wait for calls.
fn waiters() -> Habits {
    Habits {
        break_share: 0.0,
        speed: 20.0,
        ..Habits::default()
    }
}

/// Calling hours that are over, and far away, in Ho Chi Minh City now.
fn closed_hours() -> String {
    let now = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Ho_Chi_Minh").unwrap());
    let hour = (now.hour() + 12) % 24;
    format!("window_from = \"{hour:02}:00\"\nwindow_until = \"{hour:02}:30\"\n")
}

#[test]
fn conversations_and_sockets_stay_while_campaigns_and_trunks_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let far_end = network(dir.path(), "far", &ALL_ANSWER);
    let scribe = Scribe::start();
    let first = trunk("far", far_end.address);
    let old = campaign(
        "OLD",
        "trunks = [\"far\"]\nlines_per_free_agent = 1.0\nwrap_s = 1\n",
    );
    let site = Site::new(&(first.clone() + &old));
    site.import("OLD", 0, 50, "Asia/Ho_Chi_Minh");
    let talking = site.agents("talks", 3, &["OLD"]);
    // Who is to serve a campaign that is not there yet; logged in before it is.
    let waiting = site.agents("waits", 2, &["NEW"]);
    let engine = site.serve();
    let talk = site.crowd(talking, talkers());
    let wait = site.crowd(waiting, waiters());
    wait_until("three conversations", || far_end.talking().len() == 3);
    let up = far_end.talking();

    // Another campaign, on another trunk, with another number on the phone, and leads in a zone that nobody named before.
    let second = trunk("scribe", scribe.address);
    let new = campaign(
        "NEW",
        "caller_id = \"+842873111111\"\ntrunks = [\"scribe\"]\nattempt_gap_min = 0\nring_timeout_s = 5\n",
    );
    // In front of what was there: ids must not move.
    site.edit(&format!("skills = []\n{second}{first}{new}{old}").replace("skills = []\n", ""));
    site.import("NEW", 100, 20, "Asia/Tokyo");
    let told = site.reload();
    assert!(
        told.contains("trunks[\"scribe\"]: absent -> added"),
        "{told}"
    );
    assert!(
        told.contains("campaigns[\"NEW\"]: absent -> added"),
        "{told}"
    );
    wait_until("the new campaign dials over the new trunk", || {
        scribe.invites().len() >= 3
    });
    let (_, invite) = scribe.invites().remove(0);
    assert!(
        header(&invite, "From").contains("+842873111111"),
        "{invite}"
    );
    assert!(invite.contains("+84900000"), "{invite}");
    let mut same = far_end.talking();
    let mut before = up.clone();
    same.sort();
    before.sort();
    assert_eq!(same, before, "the same three conversations");

    // A new name for the same agents: their seats are known at once, no log-in is needed. The old campaign leaves the file.
    site.edit(&format!("{first}{second}{new}"));
    let told = site.reload();
    assert!(
        told.contains("campaigns[\"OLD\"]: there -> removed"),
        "{told}"
    );
    wait_until("it is closed", || {
        of(&site.client().picture().unwrap(), "OLD").state == "closed"
    });
    let picture = site.client().picture().unwrap();
    assert_eq!(of(&picture, "OLD").talking, 3, "its conversations go on");
    let launched = of(&picture, "OLD").launched;
    let refused = site.client().start("OLD").unwrap_err().to_string();
    assert!(refused.contains("no_such_campaign"), "{refused}");

    // Agents of the closed campaign are free again, its leads are due: nobody is dialled.
    talk.hurry();
    let more = site.agents("more", 2, &["OLD"]);
    let more = site.crowd(more, waiters());
    wait_until("they are ready", || {
        site.client().picture().unwrap().agents["ready"] >= 2
    });
    let seen = scribe.invites().len();
    wait_until("the engine went on deciding", || {
        scribe.invites().len() >= seen + 3 || scribe.invites().len() >= 20
    });
    assert_eq!(
        of(&site.client().picture().unwrap(), "OLD").launched,
        launched
    );

    // And it is back, as the file says, on a trunk that was removed and is back.
    site.edit(&format!("{first}{second}{new}{old}"));
    site.reload();
    wait_until("it dials again", || {
        of(&site.client().picture().unwrap(), "OLD").launched > launched
    });
    let figures = [talk.figures(), wait.figures(), more.figures()];
    assert!(
        figures.iter().all(|seen| seen.resumes == 0),
        "no socket was lost: {figures:?}"
    );
    assert_eq!(site.client().picture().unwrap().invariant_faults, 0);
    drop(engine);
}

#[test]
fn hours_rate_and_ratio_take_hold_and_what_a_supervisor_did_stays() {
    let scribe = Scribe::start();
    let body = trunk("scribe", scribe.address)
        + &campaign(
            "A",
            "cps_max = 1\nlines_per_free_agent = 8.0\nring_timeout_s = 5\n",
        )
        + &campaign("B", "state = \"paused\"\n");
    let site = Site::new(&body);
    site.import("A", 0, 600, "Asia/Ho_Chi_Minh");
    let logins = site.agents("agent", 6, &["A", "B"]);
    let engine = site.serve();
    let crowd = site.crowd(logins, waiters());
    wait_until("it dials", || scribe.invites().len() >= 4);
    assert!(
        scribe.most_in_a_second(Instant::now() - Duration::from_secs(60)) <= 3,
        "one a second, two at once"
    );

    // Faster: the far end sees it.
    site.replace("cps_max = 1\n", "cps_max = 40\n");
    let told = site.reload();
    let line = site.line_of("cps_max = 40");
    assert!(
        told.contains(&format!("line {line}: campaigns[\"A\"].cps_max: 1 -> 40")),
        "{told}"
    );
    let faster = Instant::now();
    wait_until("ten INVITEs in one second", || {
        scribe.most_in_a_second(faster) >= 10
    });

    // The hours are over: no INVITE leaves.
    let over = closed_hours();
    site.replace("cps_max = 40\n", &format!("cps_max = 40\n{over}"));
    site.replace(
        "window_from = \"00:00\"\nwindow_until = \"24:00\"\ncps_max",
        "cps_max",
    );
    site.reload();
    // Told by the floor itself that it has taken it in: the file's order of inputs is the floor's.
    site.client().pause("B").unwrap();
    wait_until("nothing is in the air", || {
        of(&site.client().picture().unwrap(), "A").in_air == 0
    });
    let closed = scribe.invites().len();
    let options = scribe.options();
    wait_until("seconds have passed", || scribe.options() >= options + 2);
    assert_eq!(
        scribe.invites().len(),
        closed,
        "an INVITE outside the hours"
    );
    let hot = of(&site.client().picture().unwrap(), "A").hot_leads;
    assert!(hot > 100, "the leads are still there: {hot}");

    // And open again: it goes on with the leads it had, today.
    site.replace(&over, "window_from = \"00:00\"\nwindow_until = \"24:00\"\n");
    site.reload();
    wait_until("it goes on", || scribe.invites().len() > closed);

    // A list names a zone that nobody named before: no reload is needed for it.
    site.import("A", 5_000, 10, "Asia/Seoul");
    wait_until("somebody in the new zone is called", || {
        let invites = scribe.invites();
        invites.iter().any(|(_, text)| text.contains("+8490000500"))
    });

    // By hand: A is paused, B started with another ratio. The file says nothing new of either, only of their wrap-up.
    site.client().pause("A").unwrap();
    site.client().start("B").unwrap();
    let by_hand = tandem::core::settings::DialMode::LinesPerAgent { milli: 1_700 };
    site.client().set_mode("B", by_hand).unwrap();
    site.replace("state = \"paused\"\n", "state = \"paused\"\nwrap_s = 7\n");
    site.replace("ring_timeout_s = 5\n", "ring_timeout_s = 5\nwrap_s = 7\n");
    engine.signal("-HUP");
    engine.wait_for("campaigns[\\\"B\\\"].wrap_s");
    let picture = || site.client().picture().unwrap();
    wait_until("all is told", || {
        of(&picture(), "B").mode.lines_per_agent == Some(1.7)
    });
    assert_eq!(
        (
            of(&picture(), "A").state.as_str(),
            of(&picture(), "B").state.as_str()
        ),
        ("paused", "running")
    );

    // The file's own word changed: now it counts.
    site.replace(
        "state = \"paused\"\nwrap_s = 7\n",
        "state = \"paused\"\nlines_per_agent = 2.5\n",
    );
    site.replace("lines_per_free_agent = 8.0", "lines_per_free_agent = 2.0");
    let told = site.reload();
    assert!(
        told.contains("campaigns[\"A\"].lines_per_free_agent: 8 -> 2"),
        "{told}"
    );
    wait_until("both have the file's ratio", || {
        let picture = picture();
        of(&picture, "A").mode.lines_per_free_agent == Some(2.0)
            && of(&picture, "B").mode.lines_per_agent == Some(2.5)
    });
    assert_eq!(
        of(&picture(), "A").state,
        "paused",
        "of A's state the file said nothing new"
    );
    let errors = engine.said();
    assert!(!errors.contains("ERROR"), "{errors}");
    drop(crowd);
}

#[test]
fn a_file_that_is_not_sound_or_asks_for_too_much_changes_nothing() {
    let scribe = Scribe::start();
    let body = "[floor]\ntick_ms = 50\n".to_owned()
        + &trunk("scribe", scribe.address).replace(
            "channels_max",
            "username = \"u\"\npassword = \"canary-one\"\nchannels_max",
        )
        + &campaign("A", "state = \"paused\"\nlines_per_agent = 1.5\n");
    let site = Site::new(&body);
    let mut engine = site.serve();
    let client = site.client();
    wait_until("the picture is there", || {
        client
            .picture()
            .is_ok_and(|picture| !picture.campaigns.is_empty())
    });
    let shown =
        |picture: tandem::shell::api::PictureView| (picture.campaigns, picture.trunks.len());
    let before = shown(client.picture().unwrap());

    // Two faults, and a change that would be fine: all faults are told with their lines, nothing else happens.
    site.replace(
        "lines_per_agent = 1.5",
        "lines_per_agent = 3.0\nring_timeout_s = 999\nlines_mx = 5",
    );
    let refused = client.reload(false).unwrap_err().to_string();
    let (range, unknown) = (
        site.line_of("ring_timeout_s = 999"),
        site.line_of("lines_mx"),
    );
    assert!(
        refused.contains("the file has 2 faults") && refused.contains("(faults)"),
        "{refused}"
    );
    assert!(
        refused.contains(&format!(
            "tandem.toml:{range}:18: campaigns[0].ring_timeout_s: is 999"
        )),
        "{refused}"
    );
    assert!(refused.contains(&format!("tandem.toml:{unknown}:1: campaigns[0].lines_mx: is not a known key; did you mean `lines_max`")), "{refused}");
    engine.signal("-HUP");
    engine.wait_for("A reload was refused. reload=2 by=\"signal\"");
    let by_hand = site.tandem(&["reload"]);
    assert!(!by_hand.status.success());
    assert!(
        String::from_utf8_lossy(&by_hand.stderr).contains("ring_timeout_s"),
        "the command says the same"
    );
    assert_eq!(shown(client.picture().unwrap()), before);

    // Sound, but one key of it needs a restart: refused as a whole, with what was, what is wanted, where, and why.
    site.edit(
        &body
            .replace("lines_per_agent = 1.5", "lines_per_agent = 3.0")
            .replace("canary-one", "canary-two"),
    );
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere: SocketAddr = taken.local_addr().unwrap();
    site.replace(&scribe.address.to_string(), &elsewhere.to_string());
    let line = site.line_of(&elsewhere.to_string());
    for dry_run in [true, false] {
        let refused = client.reload(dry_run).unwrap_err().to_string();
        let wanted = format!(
            "tandem.toml:{line}:11: trunks[\"scribe\"].address: \"{}\" -> \"{elsewhere}\"; needs a restart: calls that are up",
            scribe.address
        );
        assert!(
            refused.contains("1 key needs a restart") && refused.contains(&wanted),
            "{refused}"
        );
        assert!(
            refused.contains("2 keys more could change live"),
            "{refused}"
        );
        assert!(refused.contains("(needs_restart)"), "{refused}");
    }
    assert_eq!(shown(client.picture().unwrap()), before);

    // A dry run of a good file says all and does nothing; then the same for real, and once more.
    site.edit(
        &body
            .replace("lines_per_agent = 1.5", "lines_per_agent = 3.0")
            .replace("canary-one", "canary-two")
            .replace("tick_ms = 50", "tick_ms = 60"),
    );
    let report = client.reload(true).unwrap();
    assert_eq!(report.result, ReloadResult::Checked);
    let keys: Vec<&str> = report
        .changes
        .iter()
        .map(|change| change.key.as_str())
        .collect();
    assert_eq!(
        keys,
        [
            "floor.tick_ms",
            "trunks[\"scribe\"].password",
            "campaigns[\"A\"].lines_per_agent"
        ]
    );
    assert_eq!(shown(client.picture().unwrap()), before);
    let report = client.reload(false).unwrap();
    assert_eq!(
        (report.result, report.changes.len()),
        (ReloadResult::Applied, 3)
    );
    wait_until("it is in force", || {
        client.picture().unwrap().campaigns[0].mode.lines_per_agent == Some(3.0)
    });
    assert_eq!(
        client.reload(false).unwrap().result,
        ReloadResult::Unchanged
    );

    // The record of who changed what, and no secret anywhere.
    engine.wait_for("key=\"floor.tick_ms\" line=");
    let said = engine.said();
    assert!(said.contains("old=\"50\" new=\"60\""), "{said}");
    assert!(
        !said.contains("canary") && !report.text().contains("canary"),
        "{said}"
    );
    engine.signal("-TERM");
    assert!(engine.wait());
}
