use super::*;
use crate::core::pacing::predict::Counts;
use crate::shell::store::CampaignName;

const NOW: UnixMs = UnixMs(1_795_392_000_000);

fn names(campaigns: &[&str], skills: &[&str]) -> StoreNames {
    let campaign = |name: &&str| CampaignName {
        name: (*name).to_owned(),
        caller_id: "+842873000000".to_owned(),
        gap: Duration::from_secs(7_200),
    };
    StoreNames {
        campaigns: campaigns.iter().map(campaign).collect(),
        skills: skills.iter().map(|name| (*name).to_owned()).collect(),
        ..StoreNames::default()
    }
}

fn learned(campaign: u16, needs: &[u16], mark: u64) -> CampaignLearned {
    CampaignLearned {
        campaign: CampaignId(campaign),
        work: WorkKept {
            wraps_milli: mark,
            ..WorkKept::default()
        },
        streams: vec![StreamLearned {
            needs: needs
                .iter()
                .map(|skill| SkillNeed {
                    skill: SkillId(*skill),
                    level: 3,
                })
                .collect(),
            segment: 7,
            answers: AnswersKept {
                long_milli: [mark, 2 * mark],
                ..AnswersKept::default()
            },
        }],
    }
}

fn all(campaigns: Vec<CampaignLearned>) -> Learned {
    let pick_up = Counts {
        width_ms: 250,
        milli: vec![1, 2, 3],
    };
    Learned {
        phones: PhonesLearned {
            pick_up,
            ..PhonesLearned::default()
        },
        campaigns,
    }
}

/// One run: finds, keeps what is given, ends.
fn run(path: &Path, names: StoreNames, at: UnixMs, keep: Learned) -> Option<Learned> {
    let mut found = find(path, &names, at);
    let before = found.learned.take();
    let names = SharedNames::new(names);
    let (lane, thread) = Keeper::start(path.to_owned(), names, found).expect("a thread");
    lane.keep_last(at, keep);
    drop(lane);
    thread.join().expect("it ends");
    before
}

#[test]
fn it_is_found_again_under_another_order_of_campaigns_and_skills() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = path(dir.path());
    let first = names(&["north", "south"], &["vi", "en"]);
    let kept = all(vec![learned(0, &[1], 5), learned(1, &[0, 1], 9)]);
    assert_eq!(run(&path, first.clone(), NOW, kept.clone()), None);
    assert_eq!(find(&path, &first, NOW).learned, Some(kept));

    let other = names(&["new", "south", "north"], &["en", "vi"]);
    let found = find(&path, &other, NOW).learned.expect("it was kept");
    let want = vec![learned(2, &[0], 5), learned(1, &[1, 0], 9)];
    assert_eq!(found, all(want));
}

#[test]
fn a_campaign_that_is_away_for_a_while_finds_its_own_again_and_for_a_month_no_longer() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = path(dir.path());
    let both = names(&["north", "south"], &[]);
    run(
        &path,
        both.clone(),
        NOW,
        all(vec![learned(0, &[], 5), learned(1, &[], 9)]),
    );
    let south = names(&["south"], &[]);
    let later = NOW + Duration::from_secs(86_400);
    let found = run(&path, south, later, all(vec![learned(0, &[], 11)]));
    assert_eq!(found, Some(all(vec![learned(0, &[], 9)])));
    let found = find(&path, &both, later).learned.map(|all| all.campaigns);
    assert_eq!(
        found,
        Some(vec![learned(1, &[], 11), learned(0, &[], 5)]),
        "north was not there, and is not forgotten"
    );
    let month = NOW + Duration::from_secs(31 * 86_400 - 3_600);
    let found = find(&path, &both, month).learned.map(|all| all.campaigns);
    assert_eq!(found, Some(vec![learned(1, &[], 11)]));
}

#[test]
fn a_broken_a_foreign_and_a_newer_file_are_passed_over_and_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = path(dir.path());
    let names = names(&["north"], &[]);
    let kept = all(vec![learned(0, &[], 5)]);
    run(&path, names.clone(), NOW, kept.clone());
    let whole = std::fs::read(&path).expect("it was kept");
    let cut = whole[..whole.len() / 2].to_vec();
    let newer = br#"{"form":2,"version":"9.0.0","campaigns":{"quite":"different"}}"#.to_vec();
    for text in [cut, newer, b"[]".to_vec(), b"\xff\x00".to_vec(), Vec::new()] {
        std::fs::write(&path, &text).expect("written");
        assert_eq!(run(&path, names.clone(), NOW, kept.clone()), None);
        assert_eq!(find(&path, &names, NOW).learned.as_ref(), Some(&kept));
    }
    std::fs::remove_file(&path).expect("removed");
    std::fs::create_dir(&path).expect("a directory in its place");
    assert_eq!(find(&path, &names, NOW).learned, None);
}

#[test]
fn keys_of_a_later_version_are_passed_over_and_missing_ones_are_learned_anew() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = path(dir.path());
    let text = format!(
        r#"{{"form":1,"version":"0.9.0","moon":"full","campaigns":[
            {{"name":"north","kept_unix_ms":{},"mood":[1],"streams":[{{"answers":{{"long_milli":[5,10],"tail":1}}}}]}}]}}"#,
        NOW.0
    );
    std::fs::write(&path, text).expect("written");
    let found = find(&path, &names(&["north"], &[]), NOW).learned;
    let campaigns = found.expect("it can be read").campaigns;
    assert_eq!(campaigns[0].work, WorkKept::default());
    assert_eq!(campaigns[0].streams[0].answers.long_milli, [5, 10]);
}

#[test]
fn only_its_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("a directory");
    let path = path(dir.path());
    run(
        &path,
        names(&["north"], &[]),
        NOW,
        all(vec![learned(0, &[], 5)]),
    );
    let mode = std::fs::metadata(&path).expect("kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
