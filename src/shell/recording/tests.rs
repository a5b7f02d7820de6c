//! What a recording promises: each party in its own channel, a pause that keeps nothing, files that say nothing without their key.

use super::audio::{ogg_opus, wav_length, wav_part, write_wav};
use super::chunk::{Chunk, SECOND, SLOT, Second};
use super::file::{self, FileFault, FileWriter, FinishedReader, LIVE_ENDING, Reader, relative};
use super::keys::{DataKey, KEY_FILE, KeyFault, SiteKeys};
use super::live::{About, End, Ended, Live, RecordingId};
use super::recorder::{NotRecorded, Recorder, RecorderParts, RecorderThreads, RecordingNow, Rules};
use super::shelf::{Playable, ShelfFault};
use super::tap::CallTap;
use super::writer::lane;
use super::{Party, Tap};
use crate::config::{RecordingConfig, RecordingFormat, RecordingMode, RecordingRule};
use crate::ids::{AgentId, AttemptId, CampaignId, LeadId};
use crate::shell::lanes::Clock;
use crate::shell::store::sqlite::{AccessBook, RecordingFilter, RecordingRow, RecordingState};
use crate::time::{Mono, Now, UnixMs};
use crate::wire::media::g711::{encode_pcma, encode_pcmu};
use crate::wire::sip::sdp::Law;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

const BEGAN: UnixMs = UnixMs(1_795_000_000_000);

/// Amplitude of a tone in samples, by Goertzel's algorithm; a sine of full length has its own.
fn tone_in(samples: &[i16], hertz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hertz / 8_000.0;
    let (mut one, mut two) = (0.0, 0.0);
    for sample in samples {
        let now = f64::from(*sample) + 2.0 * turn.cos() * one - two;
        two = one;
        one = now;
    }
    let power = one * one + two * two - 2.0 * turn.cos() * one * two;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// One packet of tones, beginning at sample `from`.
fn packet(hertz: &[f64], law: Law, from: usize) -> Vec<u8> {
    (from..from + SLOT)
        .map(|sample| {
            let at = sample as f64 / 8_000.0 * std::f64::consts::TAU;
            let sum: f64 = hertz.iter().map(|hertz| (at * hertz).sin()).sum();
            let value = (8_000.0 * sum / hertz.len() as f64) as i16;
            match law {
                Law::Mu => encode_pcmu(value),
                Law::A => encode_pcma(value),
            }
        })
        .collect()
}

fn channel(samples: &[i16], channel: usize) -> Vec<i16> {
    samples.iter().skip(channel).step_by(2).copied().collect()
}

struct House {
    dir: tempfile::TempDir,
    recorder: Arc<Recorder>,
    threads: Option<RecorderThreads>,
    rules: Rules,
    keys: Arc<SiteKeys>,
    store: PathBuf,
}

fn house_with(change: impl FnOnce(&mut RecordingConfig)) -> House {
    let dir = tempfile::tempdir().unwrap();
    let mut house = House {
        keys: Arc::new(SiteKeys::load_or_create(&dir.path().join(KEY_FILE)).unwrap()),
        store: dir.path().join("t.db"),
        rules: Rules::default(),
        recorder: Arc::new(unmade()),
        threads: None,
        dir,
    };
    house.rules.store(Arc::new(vec![rule("PL-B2-HCM")]));
    let mut config = RecordingConfig {
        directory: None,
        site_key_file: None,
        calls_max: 4,
        queue_chunks: 64,
        sync_every: Duration::from_secs(1),
        format: RecordingFormat::Wav,
        link_life: Duration::from_secs(60),
    };
    change(&mut config);
    house.open(config);
    house
}

/// A recorder of a directory that goes at once: only there to be replaced.
fn unmade() -> Recorder {
    let dir = tempfile::tempdir().unwrap();
    let keys = SiteKeys::load_or_create(&dir.path().join(KEY_FILE)).unwrap();
    let config = RecordingConfig {
        directory: None,
        site_key_file: None,
        calls_max: 1,
        queue_chunks: 64,
        sync_every: Duration::from_secs(1),
        format: RecordingFormat::Wav,
        link_life: Duration::from_secs(60),
    };
    let parts = RecorderParts {
        clock: Clock::new(),
        directory: dir.path().join("r"),
        keys: Arc::new(keys),
        store: dir.path().join("t.db"),
        rules: Rules::default(),
        config,
    };
    let (recorder, threads) = Recorder::start(parts).unwrap();
    threads.stop();
    Arc::try_unwrap(recorder).expect("nobody else has it")
}

fn rule(name: &str) -> (String, RecordingRule) {
    let rule = RecordingRule {
        mode: RecordingMode::Always,
        retention_days: 30,
        pause_max: Duration::from_secs(60),
    };
    (name.to_owned(), rule)
}

impl House {
    fn open(&mut self, config: RecordingConfig) {
        let parts = RecorderParts {
            clock: Clock::new(),
            directory: self.directory(),
            keys: Arc::clone(&self.keys),
            store: self.store.clone(),
            rules: Arc::clone(&self.rules),
            config,
        };
        let (recorder, threads) = Recorder::start(parts).unwrap();
        (self.recorder, self.threads) = (recorder, Some(threads));
    }

    fn directory(&self) -> PathBuf {
        self.dir.path().join("recordings")
    }

    fn begin(&self, attempt: u64) -> Box<dyn Tap> {
        let at = Now {
            mono: Mono(0),
            unix: BEGAN,
        };
        self.recorder
            .joined(AttemptId(attempt), AgentId(7), CampaignId(0), LeadId(3), at)
            .expect("it is recorded")
    }

    /// Everything is written and noted.
    fn close(&mut self) {
        self.threads.take().expect("it runs").stop();
    }

    fn rows(&self) -> Vec<RecordingRow> {
        let filter = RecordingFilter::default();
        self.recorder.shelf().book().list(&filter).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.recorder.shelf().path(&self.rows()[0])
    }
}

/// Both parties speak tones for some seconds, and then the call ends.
fn talk(tap: &mut dyn Tap, from_ms: u64, until_ms: u64, customer: &[f64], agent: &[f64]) {
    for ms in (from_ms..until_ms).step_by(20) {
        let at = Mono::from_millis(ms + 20);
        let from = ms as usize * 8;
        tap.hear(Party::Customer, Law::A, &packet(customer, Law::A, from), at);
        tap.hear(Party::Agent, Law::Mu, &packet(agent, Law::Mu, from), at);
    }
}

fn all_samples(path: &Path, keys: &SiteKeys) -> Vec<i16> {
    let mut reader = Reader::open(path, keys).unwrap();
    let mut second: Box<Second> = Box::new([0; 2 * SECOND]);
    let mut all = Vec::new();
    for number in 0..reader.samples().div_ceil(SECOND as u64) {
        reader.second(number, &mut second).unwrap();
        all.extend_from_slice(&second[..]);
    }
    all.truncate(2 * reader.samples() as usize);
    all
}

#[test]
fn each_party_has_its_own_channel_and_the_record_tells_length_and_digest() {
    let mut house = house_with(|_| {});
    let mut tap = house.begin(1);
    talk(&mut *tap, 0, 3_500, &[440.0], &[1_000.0]);
    tap.finish(Mono::from_millis(3_500));
    house.close();
    let row = &house.rows()[0];
    assert_eq!(
        (row.state, row.duration_ms),
        (RecordingState::Closed, Some(3_500))
    );
    assert_eq!(
        (row.attempt, row.agent, row.lead),
        (AttemptId(1), AgentId(7), LeadId(3))
    );
    assert_eq!(
        (row.chunks, row.dropped, row.campaign.as_str()),
        (4, 0, "PL-B2-HCM")
    );
    assert!(row.file.starts_with("2026/11/18/"), "{}", row.file);
    let (sha256, octets) = file::sha256(&house.file()).unwrap();
    assert_eq!((row.sha256, row.octets), (Some(sha256), octets));
    let all = all_samples(&house.file(), &house.keys);
    assert_eq!(all.len(), 2 * 28_000);
    let customer = &channel(&all, 0)[800..27_200];
    let agent = &channel(&all, 1)[800..27_200];
    for (own, other, own_tone, other_tone) in [
        (customer, agent, 440.0, 1_000.0),
        (agent, customer, 1_000.0, 440.0),
    ] {
        assert!((tone_in(own, own_tone) - 8_000.0).abs() < 400.0);
        assert!(tone_in(other, own_tone) < 20.0, "it leaks");
        assert!(tone_in(own, other_tone) < 20.0, "it leaks");
    }
}

#[test]
fn a_pause_is_digital_silence_on_both_channels_with_keys_and_voice_in_it() {
    let mut house = house_with(|_| {});
    let mut tap = house.begin(1);
    talk(&mut *tap, 0, 2_000, &[440.0], &[1_000.0]);
    tap.pause(true, Mono::from_millis(2_020));
    // A card number as keys (DTMF "1") and as voice.
    talk(&mut *tap, 2_000, 4_000, &[697.0, 1_209.0], &[600.0]);
    tap.pause(false, Mono::from_millis(4_020));
    talk(&mut *tap, 4_000, 6_000, &[440.0], &[1_000.0]);
    tap.finish(Mono::from_millis(6_000));
    house.close();
    assert_eq!(house.rows()[0].paused, "[[2020,4120]]");
    let all = all_samples(&house.file(), &house.keys);
    let at = |ms: usize| 2 * 8 * ms;
    assert!(
        all[at(2_000)..at(4_100)].iter().all(|sample| *sample == 0),
        "something of the pause was kept"
    );
    for (from, until) in [(1_000, 1_980), (4_200, 5_900)] {
        let span = &all[at(from)..at(until)];
        assert!(tone_in(&channel(span, 0), 440.0) > 7_500.0);
        assert!(tone_in(&channel(span, 1), 1_000.0) > 7_500.0);
        for hertz in [697.0, 1_209.0, 600.0] {
            assert!(tone_in(&channel(span, 0), hertz) < 20.0);
            assert!(tone_in(&channel(span, 1), hertz) < 20.0);
        }
    }
}

#[test]
fn what_was_heard_after_the_command_is_taken_back_out_of_a_chunk_that_waits() {
    let mut house = house_with(|_| {});
    let mut tap = house.begin(1);
    // Arrivals ahead of the clock by which the command is dated: all of them come after it.
    let ahead = 3_600_000;
    talk(&mut *tap, 0, 900, &[440.0], &[1_000.0]);
    talk(&mut *tap, ahead, ahead + 500, &[697.0], &[600.0]);
    assert_eq!(
        house.recorder.pause(AttemptId(1), true),
        Ok(RecordingNow::Paused)
    );
    assert_eq!(house.recorder.now(AttemptId(1)), RecordingNow::Paused);
    talk(&mut *tap, ahead + 500, ahead + 4_000, &[697.0], &[600.0]);
    tap.finish(Mono::from_millis(ahead + 4_000));
    house.close();
    let mut reader = Reader::open(&house.file(), &house.keys).unwrap();
    let mut second: Box<Second> = Box::new([0; 2 * SECOND]);
    for number in 3_600..3_604 {
        reader.second(number, &mut second).unwrap();
        assert!(second.iter().all(|sample| *sample == 0), "second {number}");
    }
}

#[test]
fn packets_that_arrive_unevenly_are_not_torn_and_a_lost_one_is_silence() {
    let (lane, inbox) = lane(64, 4, Arc::default());
    let about = About {
        attempt: AttemptId(1),
        agent: AgentId(1),
        campaign: String::new(),
        lead: LeadId(1),
        began_unix_ms: 0,
        keep_days: 1,
    };
    let live = Arc::new(Live::new(
        RecordingId([1; 16]),
        about,
        Now::default(),
        Duration::ZERO,
    ));
    let mut tap = CallTap::new(live, lane);
    let late = [0, 17, 3, 41, 38, 12, 0, 25, 9, 30];
    for number in 0..400_usize {
        if number == 200 {
            continue;
        }
        let at = Mono::from_millis(20 * number as u64 + 20 + late[number % late.len()]);
        let sound = [if number < 200 { 0x10 } else { 0x20 }; SLOT];
        tap.hear(Party::Customer, Law::Mu, &sound, at);
    }
    Box::new(tap).finish(Mono::from_secs(9));
    let mut slots = String::new();
    for work in inbox.try_iter() {
        if let super::writer::Work::Chunk(_, chunk) = work {
            let (mut octets, mut second) = (Vec::new(), Box::new([0; 2 * SECOND]));
            chunk.encode(&mut octets);
            super::chunk::decode(&octets, &mut second).unwrap();
            let one = |slot: usize| match second[2 * slot * SLOT] {
                0 => '.',
                loud if loud == crate::wire::media::g711::decode_pcmu(0x10) => 'a',
                _ => 'b',
            };
            slots.extend((0..SECOND / SLOT).map(one));
        }
    }
    let heard = slots.trim_matches('.');
    let (before, after) = heard.split_once('.').expect("the lost one is silence");
    // Whether it was lost or late shows within the next second of packets.
    assert!((200..=260).contains(&before.len()), "{slots}");
    assert_eq!(before.matches('a').count(), 200, "{slots}");
    assert!(after.chars().all(|slot| slot == 'b'), "it is torn: {slots}");
    assert_eq!(heard.len(), 400, "it lies where it arrived: {slots}");
}

#[test]
fn a_file_that_was_cut_off_reads_to_its_last_whole_second_and_is_closed_by_the_next_start() {
    let mut house = house_with(|_| {});
    let mut tap = house.begin(1);
    talk(&mut *tap, 0, 5_000, &[440.0], &[1_000.0]);
    tap.finish(Mono::from_millis(5_000));
    house.close();
    let path = house.file();
    // As a killed process leaves it: within the fourth second, and the store still says "live".
    let length = std::fs::metadata(&path).unwrap().len();
    let record = 4 + 1 + 8 + super::chunk::ENCODED as u64 + 16;
    let end = length - 5 * record;
    let torn = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    torn.set_len(length - end.min(200) - 2 * record).unwrap();
    let old = std::time::SystemTime::now() - Duration::from_secs(60);
    torn.set_modified(old).unwrap();
    drop(torn);
    let database = rusqlite::Connection::open(&house.store).unwrap();
    database
        .execute(
            "UPDATE recording SET state = 'live', duration_ms = NULL",
            [],
        )
        .unwrap();
    drop(database);
    let whole = Reader::open(&path, &house.keys).unwrap();
    assert!(whole.end().is_none());
    let seconds = whole.chunks();
    assert!((2..=3).contains(&seconds), "{seconds}");
    drop(whole);

    house.open(RecordingConfig {
        directory: None,
        site_key_file: None,
        calls_max: 4,
        queue_chunks: 64,
        sync_every: Duration::from_secs(1),
        format: RecordingFormat::Wav,
        link_life: Duration::from_secs(60),
    });
    house.close();
    let row = house.rows()[0].clone();
    assert_eq!(row.state, RecordingState::Closed);
    assert_eq!(row.duration_ms, Some(1_000 * u64::from(seconds)));
    let reader = Reader::open(&path, &house.keys).unwrap();
    assert_eq!(reader.end().unwrap().ended, Ended::Crash);
    assert_eq!(Some(file::sha256(&path).unwrap().0), row.sha256);
    let all = all_samples(&path, &house.keys);
    let heard = &channel(&all, 0)[800..8_000 * seconds as usize - 800];
    assert!((tone_in(heard, 440.0) - 8_000.0).abs() < 400.0);
}

/// A file of three seconds, by hand.
fn written(directory: &Path, keys: &SiteKeys, id: RecordingId) -> PathBuf {
    let about = About {
        attempt: AttemptId(1),
        agent: AgentId(1),
        campaign: "CANARY-CAMPAIGN".to_owned(),
        lead: LeadId(1),
        began_unix_ms: BEGAN.0,
        keep_days: 1,
    };
    let mut file =
        FileWriter::live(directory, keys, &DataKey::draw().unwrap(), id, &about).unwrap();
    for index in 0..3 {
        let mut chunk = Chunk::new();
        chunk.reset(index);
        for slot in 0..50 {
            let canary = *b"a canary in the mine ";
            let sound: Vec<u8> = canary.iter().cycle().take(SLOT).copied().collect();
            chunk.write(Party::Customer, Law::Mu, slot * SLOT, &sound, Mono(1));
            chunk.write(
                Party::Agent,
                Law::Mu,
                slot * SLOT,
                &[index as u8; SLOT],
                Mono(1),
            );
        }
        file.chunk(&chunk).unwrap();
    }
    let end = End {
        duration_ms: 3_000,
        chunks: 3,
        dropped: 0,
        paused: Vec::new(),
        announced: true,
        ended: Ended::Call,
    };
    file.end(&end).unwrap();
    directory.join(relative(id, BEGAN.0, LIVE_ENDING))
}

#[test]
fn nothing_of_a_conversation_is_in_the_raw_file_and_without_its_key_it_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let key_file = dir.path().join(KEY_FILE);
    let keys = SiteKeys::load_or_create(&key_file).unwrap();
    let path = written(dir.path(), &keys, RecordingId([7; 16]));
    let octets = std::fs::read(&path).unwrap();
    for canary in [&b"a canary"[..], b"CANARY", &[1; 32], &[0xFF; 32]] {
        let found = octets.windows(canary.len()).any(|part| part == canary);
        assert!(!found, "{canary:?} is in the raw file");
    }
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        Reader::open(&path, &keys).unwrap().about().campaign,
        "CANARY-CAMPAIGN"
    );

    let stranger = SiteKeys::load_or_create(&dir.path().join("other.key")).unwrap();
    let refused = Reader::open(&path, &stranger).unwrap_err();
    let absent = matches!(
        refused,
        FileFault::Key {
            source: KeyFault::Absent(_),
            ..
        }
    );
    assert!(absent, "{refused}");

    // The key's own octets destroyed, the rest restored from a copy: nothing can be read.
    let copy = octets.clone();
    file::destroy(&path).unwrap();
    assert!(!path.exists());
    let mut without_key = copy;
    without_key[64..128].fill(0);
    std::fs::write(&path, &without_key).unwrap();
    let refused = Reader::open(&path, &keys).unwrap_err();
    let destroyed = matches!(
        refused,
        FileFault::Key {
            source: KeyFault::Destroyed,
            ..
        }
    );
    assert!(destroyed, "{refused}");
}

#[test]
fn a_second_that_was_changed_moved_or_borrowed_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let keys = SiteKeys::load_or_create(&dir.path().join(KEY_FILE)).unwrap();
    let path = written(dir.path(), &keys, RecordingId([7; 16]));
    let other = written(dir.path(), &keys, RecordingId([8; 16]));
    let sound = std::fs::read(&path).unwrap();
    let borrowed = std::fs::read(&other).unwrap();
    let about = u32::from_be_bytes(sound[128..132].try_into().unwrap()) as usize;
    let record = 13 + super::chunk::ENCODED + 16;
    let first = 128 + 13 + about;
    let seal = |record_at: usize| record_at + 13..record_at + record;
    let mut spoilt: Vec<Vec<u8>> = Vec::new();
    let mut changed = sound.clone();
    changed[first + 13 + 500] ^= 1;
    spoilt.push(changed);
    // Two seconds exchanged, with and without their numbers.
    let mut swapped = sound.clone();
    swapped[seal(first)].copy_from_slice(&sound[seal(first + record)]);
    swapped[seal(first + record)].copy_from_slice(&sound[seal(first)]);
    spoilt.push(swapped);
    let mut whole = sound.clone();
    whole[first..first + record].copy_from_slice(&sound[first + record..first + 2 * record]);
    whole[first + record..first + 2 * record].copy_from_slice(&sound[first..first + record]);
    spoilt.push(whole);
    // The same second of another recording.
    let mut foreign = sound.clone();
    foreign[seal(first)].copy_from_slice(&borrowed[seal(first)]);
    spoilt.push(foreign);
    // Another id in the header.
    let mut renamed = sound.clone();
    renamed[12] ^= 1;
    spoilt.push(renamed);
    for (number, octets) in spoilt.into_iter().enumerate() {
        std::fs::write(&path, &octets).unwrap();
        let read = Reader::open(&path, &keys).and_then(|mut reader| {
            let mut second: Box<Second> = Box::new([0; 2 * SECOND]);
            (0..3).try_for_each(|number| reader.second(number, &mut second))
        });
        assert!(read.is_err(), "change {number} was not noticed");
    }
    std::fs::write(&path, &sound).unwrap();
    assert_eq!(all_samples(&path, &keys).len(), 2 * 24_000);
}

#[test]
fn a_slow_disk_costs_seconds_and_never_a_wait() {
    // Nobody takes what is handed over: the writer stands still.
    let stats = Arc::new(super::RecordingStats::default());
    let (lane, inbox) = lane(64, 4, Arc::clone(&stats));
    let about = About {
        attempt: AttemptId(1),
        agent: AgentId(1),
        campaign: String::new(),
        lead: LeadId(1),
        began_unix_ms: 0,
        keep_days: 1,
    };
    let id = RecordingId([1; 16]);
    let live = Arc::new(Live::new(id, about, Now::default(), Duration::ZERO));
    let mut tap = CallTap::new(Arc::clone(&live), lane);
    talk(&mut tap, 0, 100_000, &[440.0], &[1_000.0]);
    assert_eq!(inbox.len(), 64);
    assert_eq!(stats.dropped.load(Relaxed), 99 - 64);
    assert_eq!(live.end(Mono::from_secs(100), 64).dropped, 99 - 64);
}

#[test]
fn no_more_are_recorded_than_allowed_and_words_of_people_are_judged() {
    let mut house = house_with(|config| config.calls_max = 1);
    let tap = house.begin(1);
    let at = Now::default();
    let (agent, campaign, lead) = (AgentId(8), CampaignId(0), LeadId(4));
    let second = house
        .recorder
        .joined(AttemptId(2), agent, campaign, lead, at);
    assert!(second.is_none());
    assert_eq!(
        house.recorder.on_demand(AttemptId(2)).err(),
        Some(NotRecorded::NoRoom)
    );
    assert_eq!(
        house.recorder.on_demand(AttemptId(1)).err(),
        Some(NotRecorded::Already)
    );
    assert_eq!(
        house.recorder.on_demand(AttemptId(9)).err(),
        Some(NotRecorded::NoCall)
    );
    assert_eq!(
        house.recorder.pause(AttemptId(2), true),
        Err(NotRecorded::Off)
    );
    let mut never = rule("PL-B2-HCM");
    never.1.mode = RecordingMode::Never;
    house.rules.store(Arc::new(vec![never]));
    assert_eq!(
        house.recorder.on_demand(AttemptId(2)).err(),
        Some(NotRecorded::Never)
    );
    drop(tap);
    house.close();
    assert_eq!(house.rows().len(), 1);
    assert_eq!(house.recorder.now(AttemptId(1)), RecordingNow::Off);
}

#[test]
fn a_recording_whose_time_is_over_is_erased_with_its_key_and_that_is_kept_in_the_audit() {
    let mut house = house_with(|_| {});
    let mut tap = house.begin(1);
    talk(&mut *tap, 0, 1_000, &[440.0], &[1_000.0]);
    tap.finish(Mono::from_millis(1_000));
    house.close();
    let (path, row) = (house.file(), house.rows()[0].clone());
    assert!(path.exists());
    let long_ago = UnixMs(0);
    let database = rusqlite::Connection::open(&house.store).unwrap();
    database
        .execute("UPDATE recording SET began_at = 0 WHERE id = ?1", [&row.id])
        .unwrap();
    drop(database);
    // The file lies under the day that the row says.
    let id: RecordingId = row.id.parse().unwrap();
    let moved = house.directory().join(relative(id, 0, LIVE_ENDING));
    std::fs::create_dir_all(moved.parent().unwrap()).unwrap();
    std::fs::rename(&path, &moved).unwrap();
    house.open(RecordingConfig {
        directory: None,
        site_key_file: None,
        calls_max: 4,
        queue_chunks: 64,
        sync_every: Duration::from_secs(1),
        format: RecordingFormat::Wav,
        link_life: Duration::from_secs(60),
    });
    // The keeper looks when it starts; the end waits for that look.
    house.close();
    let erased = house.rows()[0].clone();
    assert_eq!(
        (erased.state, erased.began),
        (RecordingState::Erased, long_ago)
    );
    assert!(!moved.exists());
    let refused = house.recorder.shelf().play(&erased).unwrap_err();
    assert!(matches!(refused, ShelfFault::NotThere("erased")));
    let audit = AccessBook::open(&house.store)
        .unwrap()
        .audit_list(None, 10)
        .unwrap();
    assert_eq!(audit.len(), 1);
    assert_eq!(
        (audit[0].actor.as_str(), audit[0].act.as_str()),
        ("retention", "recording.erase")
    );
    assert_eq!(audit[0].target, format!("recording {}", row.id));
}

#[test]
fn any_part_of_the_wav_is_the_same_part_of_the_whole() {
    let dir = tempfile::tempdir().unwrap();
    let keys = SiteKeys::load_or_create(&dir.path().join(KEY_FILE)).unwrap();
    let path = written(dir.path(), &keys, RecordingId([7; 16]));
    let mut reader = Reader::open(&path, &keys).unwrap();
    let mut whole = std::io::Cursor::new(Vec::new());
    write_wav(&mut reader, &mut whole).unwrap();
    let whole = whole.into_inner();
    assert_eq!(whole.len() as u64, wav_length(&reader));
    let mut parts = Vec::new();
    loop {
        let part = wav_part(&mut reader, parts.len() as u64, 7_001).unwrap();
        if part.is_empty() {
            break;
        }
        parts.extend(part);
    }
    assert!(parts == whole, "put together from parts it is another file");
}

#[test]
fn a_finished_recording_is_sealed_again_and_plays_from_any_octet() {
    let mut house = house_with(|config| config.format = RecordingFormat::Opus);
    let mut tap = house.begin(1);
    talk(&mut *tap, 0, 3_500, &[440.0], &[1_000.0]);
    tap.finish(Mono::from_millis(3_500));
    let first = house.recorder.shelf().directory().to_owned();
    // The converter looks every two seconds.
    let until = std::time::Instant::now() + Duration::from_secs(60);
    let row = loop {
        let rows = house.rows();
        if let Some(row) = rows
            .first()
            .filter(|row| row.state == RecordingState::Converted)
        {
            break row.clone();
        }
        assert!(
            std::time::Instant::now() < until,
            "it is never converted: {rows:?}"
        );
        std::thread::sleep(Duration::from_millis(50));
    };
    house.close();
    let path = house.file();
    assert_eq!(file::sha256(&path).unwrap().0, row.sha256.unwrap());
    let octets = std::fs::read(&path).unwrap();
    for plain in [&b"OggS"[..], b"OpusHead"] {
        assert!(!octets.windows(plain.len()).any(|part| part == plain));
    }
    assert!(
        !first.join(row.file.replace("opus.rec", "rec")).exists(),
        "the G.711 is gone"
    );
    let Playable::Ogg(mut ogg) = house.recorder.shelf().play(&row).unwrap() else {
        panic!("it is Ogg now");
    };
    let whole = ogg.read(0, usize::MAX).unwrap();
    assert_eq!(whole.len() as u64, ogg.length());
    assert!(whole.starts_with(b"OggS"));
    assert_eq!(ogg.read(1_000, 10).unwrap(), whole[1_000..1_010]);
    let mut again = FinishedReader::open(&path, &house.keys).unwrap();
    let mut wav = std::io::Cursor::new(Vec::new());
    let samples = super::audio::ogg_to_wav(&mut again, &mut wav).unwrap();
    assert_eq!(
        samples, 28_000,
        "not a sample more or less than was recorded"
    );
    wav.set_position(0);
    let mut wav = hound::WavReader::new(wav).unwrap();
    let all: Vec<i16> = wav.samples::<i16>().map(|s| s.unwrap()).collect();
    for (place, own, other) in [(0, 440.0, 1_000.0), (1, 1_000.0, 440.0)] {
        let heard = &channel(&all, place)[1_600..26_400];
        assert!(tone_in(heard, own) > 6_000.0, "{}", tone_in(heard, own));
        assert!(
            tone_in(heard, other) < 20.0,
            "it leaks: {}",
            tone_in(heard, other)
        );
    }
}

#[test]
fn opus_of_an_empty_recording_is_still_a_file() {
    let mut house = house_with(|_| {});
    let tap = house.begin(1);
    tap.finish(Mono::from_millis(10));
    house.close();
    let mut reader = Reader::open(&house.file(), &house.keys).unwrap();
    assert_eq!(reader.samples(), 80);
    assert!(ogg_opus(&mut reader).unwrap().starts_with(b"OggS"));
}
