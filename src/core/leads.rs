//! The hot window of the lead queues: who is next. Owns order and not-before; asks no rule and dials nobody.
//!
//! Leads of one campaign and segment that need the same skills form a stream. Pacing chooses a stream, the stream gives its next lead.

use crate::core::Map;
use crate::core::input::LeadFacts;
use crate::core::settings::SkillNeed;
use crate::ids::{AgentId, CampaignId, LeadId};
use crate::time::UnixMs;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// Leads of one campaign and segment with equal needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct StreamId(pub(crate) usize);

/// Callbacks, then higher priority, then who has waited longer, then the older id.
pub(crate) type Rank = (bool, i32, Reverse<UnixMs>, Reverse<LeadId>);

#[derive(Debug, Default)]
struct Queue {
    due: BinaryHeap<Rank>,
    later: BinaryHeap<Reverse<(UnixMs, LeadId)>>,
}

/// A stream and the lines that serve it now.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) campaign: CampaignId,
    /// The campaign's needs and the lead's, sorted.
    pub(crate) needs: Vec<SkillNeed>,
    /// Part of the list whose leads answer alike.
    pub(crate) segment: u16,
    /// Lines in the air: intents, ringing, answered and waiting. Not those made for one agent.
    pub(crate) in_air: u32,
    /// Conversations that came of it, those of personal calls included.
    pub(crate) talking: u32,
    /// Leads in its queue: those in the air are no reserve, or 1,000 ringing phones would end the dialling of 2,000 leads.
    hot: u32,
    queue: Queue,
}

#[derive(Debug)]
struct Hot {
    facts: LeadFacts,
    stream: StreamId,
    campaign: CampaignId,
    /// In the air: in no queue.
    out: bool,
}

impl Stream {
    /// Leads in its queue, due or not.
    pub(crate) fn waiting(&self) -> u32 {
        self.hot
    }
}

/// All leads in memory.
#[derive(Debug, Default)]
pub(crate) struct Leads {
    hot: Map<LeadId, Hot>,
    streams: Vec<Stream>,
    /// Leads that only one agent may have.
    personal: BTreeMap<AgentId, Queue>,
    per_campaign: Map<CampaignId, u32>,
}

impl Leads {
    pub(crate) fn streams(&self) -> &[Stream] {
        &self.streams
    }
    pub(crate) fn stream_mut(&mut self, id: StreamId) -> &mut Stream {
        &mut self.streams[id.0]
    }
    /// Leads in memory of a campaign.
    pub(crate) fn hot(&self, campaign: CampaignId) -> u32 {
        self.per_campaign.get(&campaign).copied().unwrap_or(0)
    }
    /// Leads of a campaign that wait in memory, of the streams that `able` accepts. Those in the air are not among them.
    pub(crate) fn usable(&self, campaign: CampaignId, able: impl Fn(&Stream) -> bool) -> u32 {
        let streams = self
            .streams
            .iter()
            .filter(|stream| stream.campaign == campaign && stream.hot > 0);
        streams
            .filter(|stream| able(stream))
            .map(|stream| stream.hot)
            .sum()
    }
    pub(crate) fn facts(&self, lead: LeadId) -> Option<(&LeadFacts, StreamId)> {
        self.hot.get(&lead).map(|hot| (&hot.facts, hot.stream))
    }
    pub(crate) fn is_out(&self, lead: LeadId) -> bool {
        self.hot.get(&lead).is_some_and(|hot| hot.out)
    }
    /// Leads in the air, for `invariants`.
    pub(crate) fn out(&self) -> usize {
        self.hot.values().filter(|hot| hot.out).count()
    }

    /// Takes a lead in. Returns false if it is here already.
    pub(crate) fn admit(
        &mut self,
        campaign: CampaignId,
        facts: LeadFacts,
        campaign_needs: &[SkillNeed],
        now: UnixMs,
    ) -> bool {
        if self.hot.contains_key(&facts.lead) {
            return false;
        }
        let stream = self.stream_of(campaign, campaign_needs, &facts.needs, facts.segment);
        let lead = facts.lead;
        self.streams[stream.0].hot += u32::from(facts.reserved_for.is_none());
        self.hot.insert(
            lead,
            Hot {
                facts,
                stream,
                campaign,
                out: false,
            },
        );
        *self.per_campaign.entry(campaign).or_default() += 1;
        self.enqueue(lead, now);
        true
    }

    /// A campaign needs other skills now: its leads go where they belong. Those in the air stay with what they were dialled for.
    /// Costs a walk over all leads in memory.
    pub(crate) fn refile(
        &mut self,
        campaign: CampaignId,
        campaign_needs: &[SkillNeed],
        now: UnixMs,
    ) {
        let mut all: Vec<LeadId> = self
            .hot
            .iter()
            .filter(|(_, hot)| hot.campaign == campaign && !hot.out)
            .map(|(lead, _)| *lead)
            .collect();
        // The map's order is that of its hashes; ids give the same order everywhere.
        all.sort_unstable();
        for stream in &mut self.streams {
            if stream.campaign == campaign {
                stream.queue = Queue::default();
            }
        }
        for lead in all {
            let Some(hot) = self.hot.get(&lead) else {
                continue;
            };
            let (before, own) = (hot.stream, hot.facts.needs.clone());
            let segment = hot.facts.segment;
            let is_anyones = hot.facts.reserved_for.is_none();
            let stream = self.stream_of(campaign, campaign_needs, &own, segment);
            self.streams[before.0].hot -= u32::from(is_anyones);
            self.streams[stream.0].hot += u32::from(is_anyones);
            if let Some(hot) = self.hot.get_mut(&lead) {
                hot.stream = stream;
            }
            // Personal queues go by agent, and stand as they are.
            if is_anyones {
                self.enqueue(lead, now);
            }
        }
    }

    /// Puts a lead that was taken back into its queue, not before `not_before`.
    pub(crate) fn put_back(&mut self, lead: LeadId, not_before: UnixMs, now: UnixMs) {
        if let Some(hot) = self.hot.get_mut(&lead) {
            if std::mem::replace(&mut hot.out, false) {
                self.streams[hot.stream.0].hot += u32::from(hot.facts.reserved_for.is_none());
            }
            hot.facts.not_before = not_before;
            self.enqueue(lead, now);
        }
    }

    /// Forgets a lead that is in no queue (it was taken).
    pub(crate) fn remove(&mut self, lead: LeadId) -> Option<LeadFacts> {
        let hot = self.hot.remove(&lead)?;
        if !hot.out {
            self.streams[hot.stream.0].hot -= u32::from(hot.facts.reserved_for.is_none());
        }
        if let Some(count) = self.per_campaign.get_mut(&hot.campaign) {
            *count = count.saturating_sub(1);
        }
        Some(hot.facts)
    }

    /// The rank of a stream's next lead; `None` if no lead is due.
    pub(crate) fn head(&mut self, stream: StreamId, now: UnixMs) -> Option<Rank> {
        let queue = &mut self.streams[stream.0].queue;
        ripen(queue, &self.hot, now);
        drop_stale(queue, &self.hot);
        queue.due.peek().copied()
    }

    /// Takes a stream's next lead out of its queue.
    pub(crate) fn take(&mut self, stream: StreamId, now: UnixMs) -> Option<LeadId> {
        let queue = &mut self.streams[stream.0].queue;
        ripen(queue, &self.hot, now);
        drop_stale(queue, &self.hot);
        let (_, _, _, Reverse(lead)) = queue.due.pop()?;
        self.mark_out(lead)
    }

    /// Takes this very lead, wherever it waits and whatever its time; `false`: it is not here, or in the air. Its place in the
    /// queue goes stale.
    pub(crate) fn take_this(&mut self, lead: LeadId) -> bool {
        self.hot.get(&lead).is_some_and(|hot| !hot.out) && self.mark_out(lead).is_some()
    }

    /// Agents for whom a call of their own is due.
    pub(crate) fn agents_with_due(&mut self, now: UnixMs) -> Vec<AgentId> {
        let hot = &self.hot;
        self.personal
            .iter_mut()
            .filter_map(|(agent, queue)| {
                ripen(queue, hot, now);
                drop_stale(queue, hot);
                (!queue.due.is_empty()).then_some(*agent)
            })
            .collect()
    }

    /// Takes the next lead that only `agent` may have.
    pub(crate) fn take_personal(&mut self, agent: AgentId, now: UnixMs) -> Option<LeadId> {
        let queue = self.personal.get_mut(&agent)?;
        ripen(queue, &self.hot, now);
        drop_stale(queue, &self.hot);
        let (_, _, _, Reverse(lead)) = queue.due.pop()?;
        self.mark_out(lead)
    }

    fn mark_out(&mut self, lead: LeadId) -> Option<LeadId> {
        let hot = self.hot.get_mut(&lead)?;
        if !std::mem::replace(&mut hot.out, true) {
            self.streams[hot.stream.0].hot -= u32::from(hot.facts.reserved_for.is_none());
        }
        Some(lead)
    }

    fn enqueue(&mut self, lead: LeadId, now: UnixMs) {
        let Some(hot) = self.hot.get(&lead) else {
            return;
        };
        let queue = match hot.facts.reserved_for {
            Some(agent) => self.personal.entry(agent).or_default(),
            None => &mut self.streams[hot.stream.0].queue,
        };
        if hot.facts.not_before <= now {
            queue.due.push(rank(&hot.facts));
        } else {
            queue.later.push(Reverse((hot.facts.not_before, lead)));
        }
    }

    fn stream_of(
        &mut self,
        campaign: CampaignId,
        base: &[SkillNeed],
        own: &[SkillNeed],
        segment: u16,
    ) -> StreamId {
        let mut needs: Vec<SkillNeed> = base.iter().chain(own).copied().collect();
        needs.sort_unstable_by_key(|need| (need.skill, Reverse(need.level)));
        needs.dedup_by_key(|need| need.skill);
        let known = self.streams.iter().position(|stream| {
            stream.campaign == campaign && stream.needs == needs && stream.segment == segment
        });
        StreamId(known.unwrap_or_else(|| {
            self.streams.push(Stream {
                campaign,
                needs,
                segment,
                in_air: 0,
                talking: 0,
                hot: 0,
                queue: Queue::default(),
            });
            self.streams.len() - 1
        }))
    }
}

fn rank(facts: &LeadFacts) -> Rank {
    (
        facts.callback,
        facts.priority,
        Reverse(facts.not_before),
        Reverse(facts.lead),
    )
}

/// Moves what has come due.
fn ripen(queue: &mut Queue, hot: &Map<LeadId, Hot>, now: UnixMs) {
    while let Some(Reverse((not_before, lead))) = queue.later.peek().copied() {
        if not_before > now {
            return;
        }
        queue.later.pop();
        // One that was taken, and put back for another time, waits under that one.
        if let Some(hot) = hot.get(&lead)
            && !hot.out
            && hot.facts.not_before == not_before
        {
            queue.due.push(rank(&hot.facts));
        }
    }
}

/// A lead that was taken out of the middle left its place behind.
fn drop_stale(queue: &mut Queue, hot: &Map<LeadId, Hot>) {
    while let Some(first) = queue.due.peek() {
        let Reverse(lead) = first.3;
        let stands = hot
            .get(&lead)
            .is_some_and(|hot| !hot.out && rank(&hot.facts) == *first);
        if stands {
            return;
        }
        queue.due.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{NumberId, PersonId, SkillId, ZoneId};

    fn lead(id: u64, priority: i32, not_before: i64) -> LeadFacts {
        LeadFacts {
            lead: LeadId(id),
            person: PersonId(id),
            number: NumberId(id),
            zone: ZoneId(0),
            callback: false,
            segment: 0,
            priority,
            not_before: UnixMs(not_before),
            attempts: 0,
            needs: Vec::new(),
            sticky: None,
            reserved_for: None,
            person_attempts: Vec::new(),
            blocked: false,
        }
    }

    #[test]
    fn priority_then_patience_then_age_decide_who_is_next() {
        let mut leads = Leads::default();
        for facts in [
            lead(1, 5, 10),
            lead(2, 9, 20),
            lead(3, 5, 5),
            lead(4, 5, 10),
            lead(5, 99, 1_000),
        ] {
            assert!(leads.admit(CampaignId(0), facts, &[], UnixMs(50)));
        }
        let taken: Vec<_> = std::iter::from_fn(|| leads.take(StreamId(0), UnixMs(50)))
            .map(|lead| lead.0)
            .collect();
        assert_eq!(taken, [2, 3, 1, 4]);
        assert_eq!(
            leads.take(StreamId(0), UnixMs(1_000)),
            Some(LeadId(5)),
            "due at its time"
        );
        assert!(
            !leads.admit(CampaignId(0), lead(5, 1, 1), &[], UnixMs(0)),
            "still here while in the air"
        );
    }

    #[test]
    fn a_lead_taken_out_of_the_middle_is_not_taken_again_by_its_old_place() {
        let mut leads = Leads::default();
        let now = UnixMs(50);
        for (id, not_before) in [(1, 0), (2, 0), (3, 100)] {
            leads.admit(CampaignId(0), lead(id, 1, not_before), &[], now);
        }
        assert!(leads.take_this(LeadId(1)) && !leads.take_this(LeadId(1)));
        assert!(leads.take_this(LeadId(3)) && !leads.take_this(LeadId(9)));
        assert_eq!(leads.take(StreamId(0), now), Some(LeadId(2)));
        assert_eq!(leads.take(StreamId(0), now), None);
        leads.put_back(LeadId(1), UnixMs(200), now);
        leads.put_back(LeadId(3), UnixMs(300), now);
        assert_eq!(
            leads.head(StreamId(0), UnixMs(199)),
            None,
            "their old times are no more"
        );
        assert_eq!(leads.take(StreamId(0), UnixMs(200)), Some(LeadId(1)));
        assert_eq!(leads.take(StreamId(0), UnixMs(300)), Some(LeadId(3)));
        assert_eq!(leads.take(StreamId(0), UnixMs(900)), None);
    }

    #[test]
    fn a_lead_in_the_air_is_no_reserve() {
        let mut leads = Leads::default();
        let reserve = |leads: &Leads| leads.usable(CampaignId(0), |_| true);
        for id in 1..=3 {
            leads.admit(CampaignId(0), lead(id, 1, 0), &[], UnixMs(0));
        }
        let (first, second) = (
            leads.take(StreamId(0), UnixMs(0)).unwrap(),
            leads.take(StreamId(0), UnixMs(0)).unwrap(),
        );
        assert_eq!((reserve(&leads), leads.hot(CampaignId(0))), (1, 3));
        leads.remove(first);
        assert_eq!((reserve(&leads), leads.hot(CampaignId(0))), (1, 2));
        leads.put_back(second, UnixMs(100), UnixMs(0));
        assert_eq!(
            reserve(&leads),
            2,
            "it waits for its time, but is not refilled for"
        );
    }

    #[test]
    fn other_needs_of_a_campaign_move_its_leads_and_leave_what_is_in_the_air() {
        let mut leads = Leads::default();
        for id in 1..=3 {
            leads.admit(CampaignId(0), lead(id, id as i32, 0), &[], UnixMs(0));
        }
        leads.admit(CampaignId(1), lead(9, 1, 0), &[], UnixMs(0));
        assert_eq!(leads.take(StreamId(0), UnixMs(0)), Some(LeadId(3)));
        let need = SkillNeed {
            skill: SkillId(1),
            level: 3,
        };
        leads.refile(CampaignId(0), &[need], UnixMs(0));
        let hot: Vec<u32> = leads.streams().iter().map(|stream| stream.hot).collect();
        assert_eq!(hot, [0, 1, 2], "a lead in the air is no reserve");
        assert_eq!(leads.head(StreamId(0), UnixMs(0)), None);
        assert_eq!(leads.take(StreamId(1), UnixMs(0)), Some(LeadId(9)));
        assert_eq!(leads.take(StreamId(2), UnixMs(0)), Some(LeadId(2)));
        leads.refile(CampaignId(0), &[], UnixMs(0));
        assert_eq!(leads.take(StreamId(0), UnixMs(0)), Some(LeadId(1)));
        assert_eq!(leads.take(StreamId(0), UnixMs(0)), None);
        for id in [1, 2, 3, 9] {
            assert!(leads.remove(LeadId(id)).is_some());
        }
        assert!(leads.streams().iter().all(|stream| stream.hot == 0));
    }

    #[test]
    fn leads_with_other_needs_wait_in_their_own_stream() {
        let mut leads = Leads::default();
        let need = SkillNeed {
            skill: SkillId(1),
            level: 3,
        };
        leads.admit(CampaignId(0), lead(1, 1, 0), &[], UnixMs(0));
        leads.admit(
            CampaignId(0),
            LeadFacts {
                needs: vec![need],
                ..lead(2, 9, 0)
            },
            &[],
            UnixMs(0),
        );
        assert_eq!(leads.streams().len(), 2);
        assert_eq!(leads.take(StreamId(0), UnixMs(0)), Some(LeadId(1)));
        assert_eq!(leads.take(StreamId(1), UnixMs(0)), Some(LeadId(2)));
        leads.put_back(LeadId(2), UnixMs(100), UnixMs(0));
        assert_eq!(leads.head(StreamId(1), UnixMs(99)), None);
        assert_eq!(
            leads.head(StreamId(1), UnixMs(100)).map(|rank| rank.1),
            Some(9)
        );
    }
}
