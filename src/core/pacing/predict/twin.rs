//! The model, and its twin while a shadow mode asks for one: both are told the same facts, only the first one is obeyed.
//! Owns both; the twin never touches what the model knows.
//!
//! A twin and no second question to the model: asking changes when estimates are made anew, and a shadow must change nothing.

use super::{AnswersKept, Decision, Line, PhonesLearned, Predictor, Scene, WorkKept};
use crate::time::Mono;

/// The model and its twin.
#[derive(Debug, Default)]
pub struct Twins {
    model: Predictor,
    twin: Option<Box<Predictor>>,
}

impl Twins {
    fn each(&mut self) -> impl Iterator<Item = &mut Predictor> {
        std::iter::once(&mut self.model).chain(self.twin.as_deref_mut())
    }

    /// One decision, to be obeyed.
    pub fn decide(&mut self, scene: &Scene<'_>) -> Decision {
        self.model.decide(scene)
    }

    /// What the decision would be, at the price that the model itself would ask. The first time costs a copy of the model.
    pub fn shadow(&mut self, scene: &Scene<'_>) -> Decision {
        let twin = self
            .twin
            .get_or_insert_with(|| Box::new(self.model.clone()));
        // People are lost at the live mode's doing: the twin must not take that for the price of its own lines.
        twin.spend.clone_from(&self.model.spend);
        twin.given.clone_from(&self.model.given);
        twin.decide(scene)
    }

    /// No shadow asks any more.
    pub fn end_shadow(&mut self) {
        self.twin = None;
    }

    /// Chance that a line of a stream is answered by a person, as the model estimated it last.
    pub fn answer_rate(&self, stream: usize) -> f64 {
        self.model.answer_rate(stream)
    }

    /// The same as the twin did, if there is one.
    pub fn shadow_answer_rate(&self, stream: usize) -> f64 {
        let twin = self.twin.as_deref().unwrap_or(&self.model);
        twin.answer_rate(stream)
    }

    /// See [`Predictor::matched`].
    pub fn matched(&mut self, stream: usize, class: usize) {
        self.each().for_each(|model| model.matched(stream, class));
    }

    /// See [`Predictor::dialled`].
    pub fn dialled(&mut self, stream: usize, at: Mono) -> Line {
        if let Some(twin) = &mut self.twin {
            // Cohorts are numbered by what was dialled alone: it is the same line for both.
            twin.dialled(stream, at);
        }
        self.model.dialled(stream, at)
    }

    /// See [`Predictor::picked_up`].
    pub fn picked_up(&mut self, line: Line, at: Mono) {
        self.each().for_each(|each| each.picked_up(line, at));
    }

    /// See [`Predictor::person`].
    pub fn person(&mut self, line: Line, at: Mono) {
        self.each().for_each(|each| each.person(line, at));
    }

    /// See [`Predictor::machine`].
    pub fn machine(&mut self, line: Line, at: Mono) {
        self.each().for_each(|each| each.machine(line, at));
    }

    /// See [`Predictor::ended`].
    pub fn ended(&mut self, line: Line, at: Mono) {
        self.each().for_each(|each| each.ended(line, at));
    }

    /// See [`Predictor::failed`].
    pub fn failed(&mut self, line: Line, at: Mono, by_trunk: bool) {
        self.each().for_each(|each| each.failed(line, at, by_trunk));
    }

    /// See [`Predictor::cut`].
    pub fn cut(&mut self, line: Line, at: Mono) {
        self.each().for_each(|each| each.cut(line, at));
    }

    /// See [`Predictor::talked`].
    pub fn talked(&mut self, campaign: usize, seconds: f64) {
        self.each().for_each(|each| each.talked(campaign, seconds));
    }

    /// See [`Predictor::wrapped`].
    pub fn wrapped(&mut self, campaign: usize, seconds: f64, leaves: bool) {
        self.each()
            .for_each(|each| each.wrapped(campaign, seconds, leaves));
    }

    /// See [`Predictor::phones_learned`].
    pub fn phones_learned(&self) -> PhonesLearned {
        self.model.phones_learned()
    }

    /// See [`Predictor::work_learned`].
    pub fn work_learned(&self, campaign: usize) -> WorkKept {
        self.model.work_learned(campaign)
    }

    /// See [`Predictor::answers_learned`].
    pub fn answers_learned(&self, stream: usize) -> AnswersKept {
        self.model.answers_learned(stream)
    }

    /// See [`Predictor::recall_phones`].
    pub fn recall_phones(&mut self, kept: &PhonesLearned) {
        self.each().for_each(|each| each.recall_phones(kept));
    }

    /// See [`Predictor::recall_work`].
    pub fn recall_work(&mut self, campaign: usize, kept: &WorkKept) {
        self.each()
            .for_each(|each| each.recall_work(campaign, kept));
    }

    /// See [`Predictor::recall_answers`].
    pub fn recall_answers(&mut self, stream: usize, kept: &AnswersKept) {
        self.each()
            .for_each(|each| each.recall_answers(stream, kept));
    }
}
