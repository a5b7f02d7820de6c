//! `[inbound]` and what a campaign says about people who call it: numbers, prompts, patience. Owns that a number is one campaign's.

use super::load::is_e164;
use super::reader::{Section, Sink};
use crate::core::settings::{InboundSettings, PromptName, SpokenSettings};
use std::collections::BTreeMap;
use std::time::Duration;

/// Most numbers of one campaign.
const NUMBERS_MAX: usize = 256;
const PROMPT: &str = "the name of a WAV file in media.prompts_dir, \"abandon.wav\"";
const NUMBERS: &str = "our numbers in E.164, [\"+842873000000\"]";

/// What a caller gets who is on no list, or hides the number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnknownCaller {
    /// An agent of the campaign, with a card that says only the number.
    Agent,
    /// The message, and no callback.
    Announce,
    /// 480 without a word.
    #[default]
    Reject,
}

impl UnknownCaller {
    /// As it is written.
    pub const fn word(self) -> &'static str {
        match self {
            UnknownCaller::Agent => "agent",
            UnknownCaller::Announce => "announce",
            UnknownCaller::Reject => "reject",
        }
    }
}

/// Calls that people make to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InboundConfig {
    /// What a caller gets whom nobody knows. Default [`UnknownCaller::Reject`].
    pub unknown_caller: UnknownCaller,
    /// Patience and message, the same for all campaigns.
    pub settings: InboundSettings,
}

/// Reads `[inbound]`.
pub(super) fn read(mut section: Section<'_>, sink: &mut Sink<'_>) -> InboundConfig {
    let read = &mut section;
    let words = ["reject", "announce", "agent"];
    let unknown_caller = [
        UnknownCaller::Reject,
        UnknownCaller::Announce,
        UnknownCaller::Agent,
    ][read.word(sink, "unknown_caller", &words, 0)];
    // A carrier gives a ringing call up after a minute or so: then nobody hears any message.
    let wait = read.seconds(sink, "wait_s", 0..=45, Duration::from_secs(20));
    let message = prompt(read, sink, "message");
    if unknown_caller == UnknownCaller::Announce && message.is_none() && !read.has("message") {
        let what = "is \"announce\", and there is no message".to_owned();
        read.fault(sink, "unknown_caller", what, "message beside it");
    }
    section.finish(sink);
    InboundConfig {
        unknown_caller,
        settings: InboundSettings { wait, message },
    }
}

/// What a campaign plays to the people whom it calls.
pub(super) fn spoken(section: &mut Section<'_>, sink: &mut Sink<'_>) -> SpokenSettings {
    let needs_message = section.word(sink, "abandon_action", &["hang_up", "message"], 0) == 1;
    let abandon_message = prompt(section, sink, "abandon_message");
    if needs_message && !section.has("abandon_message") {
        let what = "is \"message\", and there is no abandon_message".to_owned();
        let expected = "abandon_message beside it: a person who answers and finds nobody must be told who called";
        section.fault(sink, "abandon_action", what, expected);
    }
    SpokenSettings {
        abandon_message: abandon_message.filter(|_| needs_message),
        recording_notice: prompt(section, sink, "recording_notice"),
    }
}

/// The campaign's own numbers. `taken` knows those of the campaigns before it.
pub(super) fn numbers(
    section: &mut Section<'_>,
    sink: &mut Sink<'_>,
    taken: &mut BTreeMap<String, String>,
    campaign: &str,
) -> Vec<String> {
    let mut list = Vec::new();
    let texts = section.texts(sink, "inbound_numbers", NUMBERS);
    let texts = texts.unwrap_or_default();
    if texts.len() > NUMBERS_MAX {
        let what = format!("are {}", texts.len());
        section.fault(
            sink,
            "inbound_numbers",
            what,
            &format!("at most {NUMBERS_MAX}"),
        );
    }
    for text in texts {
        let number = text.value.to_owned();
        if !is_e164(&number) {
            let what = format!("has \"{number}\"");
            sink.fault(
                text.at,
                section.name("inbound_numbers"),
                what,
                Some(NUMBERS.to_owned()),
            );
        } else if let Some(other) = taken.insert(number.clone(), campaign.to_owned()) {
            let what = format!("has {number}, which is of campaign \"{other}\" already");
            let expected = "a number of one campaign: who calls it must belong somewhere";
            sink.fault(
                text.at,
                section.name("inbound_numbers"),
                what,
                Some(expected.to_owned()),
            );
        } else {
            list.push(number);
        }
    }
    list
}

fn prompt(section: &mut Section<'_>, sink: &mut Sink<'_>, key: &'static str) -> Option<PromptName> {
    section.parsed(sink, key, PROMPT, |text| {
        let stem = text.strip_suffix(".wav")?;
        let is_plain = !stem.is_empty()
            && text.len() <= 128
            && !text.starts_with('.')
            && text
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        is_plain.then(|| PromptName(text.to_owned()))
    })
}
