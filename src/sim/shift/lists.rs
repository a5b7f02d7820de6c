//! The lists of a shift: the store that lends leads to the floor and takes them back. Knows times and tries, never who answers.

use super::draws::{Draws, Purpose};
use super::scenario::{Length, MIDNIGHT, Scenario};
use crate::core::effect::LeadNext;
use crate::core::input::LeadFacts;
use crate::ids::{CampaignId, LeadId, NumberId, PersonId, ZoneId};
use crate::time::UnixMs;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// Positions lie below this bit of a lead's id, its campaign above.
const CAMPAIGN_BIT: u32 = 44;

/// The lead of a position.
pub const fn lead_of(campaign: CampaignId, position: u64) -> LeadId {
    LeadId((campaign.0 as u64) << CAMPAIGN_BIT | position)
}

/// Campaign and position of a lead.
pub const fn place_of(lead: LeadId) -> (CampaignId, u64) {
    (
        CampaignId((lead.0 >> CAMPAIGN_BIT) as u16),
        lead.0 & ((1 << CAMPAIGN_BIT) - 1),
    )
}

#[derive(Debug)]
struct OneList {
    length: Length,
    /// The first position that was never lent.
    next: u64,
    /// Positions that may be dialled again, and when.
    again: BinaryHeap<Reverse<(UnixMs, u64)>>,
    /// When counted attempts were made; only where a position may be dialled twice.
    attempts: FxHashMap<u64, Vec<UnixMs>>,
    lent: u64,
    /// For leads that come one by one: their draws, and when the last one came, in milliseconds after the start.
    arrivals: Draws,
    arrived_ms: f64,
}

/// All lists of a shift.
#[derive(Debug)]
pub struct Lists {
    lists: Vec<OneList>,
    seed: u64,
    starts_at: UnixMs,
    ends_at: UnixMs,
}

impl Lists {
    /// Fresh lists.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let one = |(number, campaign): (usize, &super::scenario::Campaign)| OneList {
            length: campaign.list.length,
            next: 0,
            again: BinaryHeap::new(),
            attempts: FxHashMap::default(),
            lent: 0,
            arrivals: Draws::of(seed, Purpose::Arrival, number as u64, 0),
            arrived_ms: 0.0,
        };
        Lists {
            lists: scenario.campaigns.iter().enumerate().map(one).collect(),
            seed,
            starts_at: scenario.starts_at(),
            ends_at: scenario.starts_at() + scenario.length,
        }
    }

    /// Up to `want` leads of a campaign, and when the next ones are due if these are all.
    pub fn lend(
        &mut self,
        scenario: &Scenario,
        campaign: CampaignId,
        want: u32,
        now: UnixMs,
    ) -> (Vec<LeadFacts>, Option<UnixMs>) {
        let number = usize::from(campaign.0);
        let (Some(list), Some(plan)) = (
            self.lists.get_mut(number),
            scenario
                .campaigns
                .get(number)
                .map(|campaign| &campaign.list),
        ) else {
            return (Vec::new(), Some(UnixMs(i64::MAX)));
        };
        // As the store does it: who is due within a minute is lent already.
        let horizon = now + Duration::from_secs(60);
        let mut leads = Vec::with_capacity(want as usize);
        let lend = |position: u64, not_before: UnixMs, attempts: Vec<UnixMs>| LeadFacts {
            lead: lead_of(campaign, position),
            person: PersonId(lead_of(campaign, position).0),
            number: NumberId(lead_of(campaign, position).0),
            zone: ZoneId(0),
            callback: false,
            segment: plan.segment_of(position, |which| {
                Draws::of(self.seed, Purpose::Segment, u64::from(campaign.0), which).even()
            }),
            priority: 0,
            not_before,
            attempts: attempts.len() as u16,
            needs: Vec::new(),
            sticky: None,
            reserved_for: None,
            person_attempts: attempts,
            blocked: false,
        };
        while leads.len() < want as usize {
            if let Some(Reverse((due, position))) = list.again.peek().copied()
                && due <= horizon
            {
                list.again.pop();
                let mut attempts = list.attempts.get(&position).cloned().unwrap_or_default();
                attempts.reverse();
                leads.push(lend(position, due, attempts));
                continue;
            }
            let not_before = match list.length {
                Length::Endless => MIDNIGHT,
                Length::Leads(leads) if list.next < leads => MIDNIGHT,
                Length::Leads(_) => break,
                Length::Arrivals { per_hour } => {
                    list.arrived_ms += list.arrivals.exponential(3_600_000.0 / per_hour);
                    UnixMs(self.starts_at.0 + list.arrived_ms as i64)
                }
            };
            leads.push(lend(list.next, not_before, Vec::new()));
            list.next += 1;
        }
        list.lent += leads.len() as u64;
        let dry_until = (leads.len() < want as usize).then(|| {
            list.again
                .peek()
                .map_or(UnixMs(i64::MAX), |Reverse((due, _))| *due)
        });
        (leads, dry_until)
    }

    /// A counted attempt at a lead was made.
    pub fn count(&mut self, lead: LeadId, at: UnixMs) {
        let (campaign, position) = place_of(lead);
        if let Some(list) = self.lists.get_mut(usize::from(campaign.0))
            && matches!(list.length, Length::Leads(_))
        {
            list.attempts.entry(position).or_default().push(at);
        }
    }

    /// Attempts at a lead that counted.
    pub fn tries(&self, lead: LeadId) -> u64 {
        let (campaign, position) = place_of(lead);
        self.lists
            .get(usize::from(campaign.0))
            .and_then(|list| list.attempts.get(&position))
            .map_or(0, |attempts| attempts.len() as u64)
    }

    /// A lead comes back. `true`: with it, this list has nothing more for this shift.
    pub fn take_back(&mut self, lead: LeadId, next: &LeadNext) -> bool {
        let (campaign, position) = place_of(lead);
        let Some(list) = self.lists.get_mut(usize::from(campaign.0)) else {
            return false;
        };
        match next {
            LeadNext::AwaitsOutcome => return false,
            LeadNext::Again { not_before, .. } => {
                list.lent = list.lent.saturating_sub(1);
                if matches!(list.length, Length::Leads(_)) {
                    list.again.push(Reverse((*not_before, position)));
                }
            }
            LeadNext::Done(_) => list.lent = list.lent.saturating_sub(1),
        }
        let Length::Leads(leads) = list.length else {
            return false;
        };
        let is_anyone_due = list
            .again
            .peek()
            .is_some_and(|Reverse((due, _))| *due < self.ends_at);
        list.lent == 0 && list.next >= leads && !is_anyone_due
    }

    /// Leads of finite lists that this shift has not settled, the lent ones included.
    pub fn left(&self) -> u64 {
        let left = |list: &OneList| match list.length {
            Length::Leads(leads) => {
                let due = list.again.iter();
                let due = due.filter(|Reverse((due, _))| *due < self.ends_at).count() as u64;
                leads.saturating_sub(list.next) + due + list.lent
            }
            Length::Endless | Length::Arrivals { .. } => 0,
        };
        self.lists.iter().map(left).sum()
    }

    /// Whether any list ends at all.
    pub fn has_an_end(&self) -> bool {
        let ends = |list: &OneList| matches!(list.length, Length::Leads(_));
        self.lists.iter().any(ends)
    }
}
