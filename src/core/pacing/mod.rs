//! How many lines each stream of leads may have in the air: one decision per floor and tick.
//!
//! Each agent's freedom is spent once, over all campaigns and skills that could use it: the lines in the air and those
//! to be started are a flow from streams to classes of agents. A line of a campaign with 1.2 lines per free agent spends
//! 1/1.2 of a free agent, a progressive line spends one. Told all figures; owns only the fair shares; never dials.

mod flow;
pub mod predict;

use crate::core::Map;
use crate::core::agents::Class;
use crate::core::leads::{Rank, Stream};
use crate::core::settings::{CampaignSettings, DialMode};
use crate::ids::CampaignId;
use flow::{AGENT, Flow};

/// Fair shares of contested agents, kept from tick to tick: per class and campaign the work given, over the weight.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shares {
    given: Map<(usize, CampaignId), u64>,
}

/// A decision being made. Ask [`Plan::next`] for the stream that may start a line, then say what came of it.
#[derive(Debug)]
pub(crate) struct Plan {
    flow: Flow,
    /// Units of agent that one line of a stream spends.
    unit: Vec<u64>,
    /// Streams that may still start lines.
    open: Vec<bool>,
    /// Agents free for each stream before the plan.
    free: Vec<u32>,
    weights: Vec<Vec<u64>>,
    campaigns: Vec<CampaignId>,
    /// What lines in the air would spend beyond the agents there are.
    over: Vec<u64>,
}

impl Plan {
    /// Lays the lines that are out already on the agents who can take them. `talking[stream]`: conversations that came of the
    /// stream; `modes[campaign]`: the mode to plan by, in force or not.
    pub(crate) fn new(
        classes: &[Class],
        streams: &[Stream],
        campaigns: &[CampaignSettings],
        modes: &[DialMode],
        talking: &[u32],
        answer_rate: impl Fn(usize) -> f64,
        shares: &mut Shares,
    ) -> Plan {
        shares.settle(classes);
        let mut flow = Flow::default();
        // Two pools per class: agents free now, and agents at work but busy. Only `LinesPerAgent` may count on the latter.
        for class in classes {
            flow.add_pool(u64::from(class.free()) * AGENT);
            flow.add_pool(u64::from(class.at_work() - class.free().min(class.at_work())) * AGENT);
        }
        let mut unit = Vec::with_capacity(streams.len());
        let mut free = Vec::with_capacity(streams.len());
        let mut weights = Vec::with_capacity(streams.len());
        for stream in streams {
            let number = usize::from(stream.campaign.0);
            let (Some(campaign), Some(mode)) = (campaigns.get(number), modes.get(number)) else {
                unit.push(u64::MAX);
                free.push(0);
                weights.push(Vec::new());
                flow.add_stream(Vec::new());
                continue;
            };
            let able: Vec<usize> = (0..classes.len())
                .filter(|class| classes[*class].can_take(stream.campaign, &stream.needs))
                .collect();
            free.push(able.iter().map(|class| classes[*class].free()).sum());
            let per_agent = matches!(mode, DialMode::LinesPerAgent { .. });
            let pools = if per_agent {
                able.iter()
                    .flat_map(|class| [2 * class + 1, 2 * class])
                    .collect()
            } else {
                able.iter().map(|class| 2 * class).collect()
            };
            flow.add_stream(pools);
            unit.push(match *mode {
                DialMode::Manual | DialMode::Preview | DialMode::Progressive => AGENT,
                // What is expected of it; how many it starts is not for this plan to say.
                DialMode::Predictive => ((AGENT as f64 * answer_rate(unit.len())) as u64).max(1),
                DialMode::LinesPerAgent { milli } | DialMode::LinesPerFreeAgent { milli } => {
                    AGENT * 1_000 / u64::from(milli.max(1))
                }
            });
            weights.push(
                (0..classes.len())
                    .map(|class| {
                        u64::from(classes[class].weight(stream.campaign).unwrap_or(1))
                            * u64::from(campaign.weight.max(1))
                    })
                    .collect(),
            );
        }
        let mut plan = Plan {
            flow,
            unit,
            // What a switched campaign has in the air still spends its agents; it only starts nothing more.
            open: streams
                .iter()
                .map(|stream| {
                    modes
                        .get(usize::from(stream.campaign.0))
                        .is_some_and(|mode| {
                            !matches!(mode, DialMode::Manual | DialMode::Predictive)
                        })
                })
                .collect(),
            free,
            weights,
            campaigns: streams.iter().map(|stream| stream.campaign).collect(),
            over: vec![0; streams.len()],
        };
        // Conversations first: a talking agent's presence is spent by the campaign that he talks for.
        for (number, stream) in streams.iter().enumerate() {
            let mode = modes.get(usize::from(stream.campaign.0));
            if let Some(DialMode::LinesPerAgent { .. }) = mode {
                plan.flow
                    .place(number, u64::from(talking[number]) * plan.unit[number]);
            } else {
                let busy: Vec<usize> = (0..classes.len())
                    .filter(|class| classes[*class].weight(stream.campaign).is_some())
                    .map(|class| 2 * class + 1)
                    .collect();
                plan.flow.occupy(&busy, u64::from(talking[number]) * AGENT);
            }
        }
        for (number, stream) in streams.iter().enumerate() {
            if stream.in_air > 0 {
                plan.over[number] = plan.flow.place(
                    number,
                    (u64::from(stream.in_air)).saturating_mul(plan.unit[number]),
                );
            }
        }
        plan
    }

    /// The classes whose free agents serve a stream in this plan: whoever is given to it out of these is missed by no line.
    pub(crate) fn givers(&self, stream: usize) -> Vec<usize> {
        let pools = self.flow.drawn_pools(stream);
        pools
            .filter(|pool| pool % 2 == 0)
            .map(|pool| pool / 2)
            .collect()
    }

    /// Agents free for a stream at the start of the plan.
    pub(crate) fn free(&self, stream: usize) -> u32 {
        self.free[stream]
    }

    /// The stream that may start the next line: of those that `head` says have a lead (with its rank), the one
    /// whose campaign has had least of the contested agents. The line's share of an agent is spent. `None`: no stream can.
    pub(crate) fn next(
        &mut self,
        shares: &mut Shares,
        mut head: impl FnMut(usize) -> Option<Rank>,
    ) -> Option<usize> {
        loop {
            let mut best: Option<(u64, std::cmp::Reverse<Rank>, usize)> = None;
            for stream in 0..self.open.len() {
                if !self.open[stream] {
                    continue;
                }
                let Some(rank) = head(stream) else {
                    self.open[stream] = false;
                    continue;
                };
                // What the agents whom this line would spend have given so far; agents of one campaign only are no contest.
                let pool = self
                    .flow
                    .direct(stream)
                    .or_else(|| self.flow.pools_of(stream).first().copied());
                let served = pool.map(|pool| shares.of(pool / 2, self.campaigns[stream]));
                let Some(served) = served else {
                    self.open[stream] = false;
                    continue;
                };
                let key = (served, std::cmp::Reverse(rank), stream);
                if best.is_none_or(|chosen| key < chosen) {
                    best = Some(key);
                }
            }
            let (_, _, stream) = best?;
            match self.flow.push(stream, self.unit[stream]) {
                Some(pool) => {
                    let weight = self.weights[stream].get(pool / 2).copied().unwrap_or(1);
                    shares.give(pool / 2, self.campaigns[stream], self.unit[stream] / weight);
                    return Some(stream);
                }
                // In a flow that only grows, a stream that cannot be served now cannot be served later in this plan.
                None => self.open[stream] = false,
            }
        }
    }

    /// No line of this stream can be started in this plan (no trunk, no lawful lead, its limits).
    pub(crate) fn close(&mut self, stream: usize) {
        self.open[stream] = false;
    }

    /// Lines of a stream in the air that found no agents in this plan.
    pub(crate) fn over(&self, stream: usize) -> u32 {
        let over = self.over[stream] / self.unit[stream].max(1);
        u32::try_from(over).unwrap_or(u32::MAX)
    }

    /// How many further lines the agents left over could carry for a stream.
    pub(crate) fn room(&self, stream: usize) -> u32 {
        let unit = self.unit[stream].max(1);
        u32::try_from(self.flow.spare(stream) / unit).unwrap_or(u32::MAX)
    }
}

impl Shares {
    fn of(&self, class: usize, campaign: CampaignId) -> u64 {
        self.given.get(&(class, campaign)).copied().unwrap_or(0)
    }
    fn give(&mut self, class: usize, campaign: CampaignId, amount: u64) {
        if let Some(given) = self.given.get_mut(&(class, campaign)) {
            *given += amount;
        }
    }
    /// A campaign that had nothing to dial for a while has no claim on the past: within a class, nobody lags more than ten
    /// agents behind the one that got most; and the figures stay small.
    fn settle(&mut self, classes: &[Class]) {
        const CLAIM: u64 = 10 * AGENT;
        for (number, class) in classes.iter().enumerate() {
            if class.campaigns().len() < 2 {
                continue;
            }
            let most = class
                .campaigns()
                .iter()
                .map(|(campaign, _)| self.of(number, *campaign))
                .max()
                .unwrap_or(0);
            for (campaign, _) in class.campaigns() {
                let given = self.given.entry((number, *campaign)).or_default();
                *given = (*given).max(most.saturating_sub(CLAIM));
                if most > 1 << 60 {
                    *given -= (1 << 60).min(*given);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::agents::{Agents, Place};
    use crate::core::input::{AgentSeat, LeadFacts};
    use crate::core::leads::Leads;
    use crate::core::settings::{
        AbandonSettings, CampaignState, GateSettings, InboundSettings, PreviewSettings, SkillNeed,
        SpokenSettings, WrapOverrun,
    };
    use crate::ids::{AgentId, LeadId, NumberId, PersonId, SkillId, ZoneId};
    use crate::time::{Now, UnixMs};
    use std::cmp::Reverse;
    use std::time::Duration;

    fn campaign(mode: DialMode, weight: u16, needs: Vec<SkillNeed>) -> CampaignSettings {
        CampaignSettings {
            name: "c".into(),
            state: CampaignState::Running,
            mode,
            weight,
            lines_max: 1_000,
            cps_max: 1_000,
            ring_timeout: Duration::from_secs(25),
            answer_limit: Duration::from_secs(2),
            wrap: Duration::from_secs(25),
            wrap_overrun: WrapOverrun::Ready,
            preview: PreviewSettings::default(),
            cancel_ringing: None,
            shadow: None,
            spoken: SpokenSettings::default(),
            inbound: InboundSettings::default(),
            trunks: Vec::new(),
            needs,
            gate: GateSettings {
                window_from_min: 0,
                window_until_min: 1_440,
                weekdays: 0x7f,
                attempts_per_day: 3,
                gap_min: Duration::ZERO,
            },
            attempts_max: 20,
            abandon: AbandonSettings::default(),
            recycle: Vec::new(),
        }
    }

    /// How many agents, campaigns with weights, skills with levels.
    type Group<'a> = (u32, &'a [(u16, u16)], &'a [(u16, u8)]);

    struct Scene {
        agents: Agents,
        leads: Leads,
        campaigns: Vec<CampaignSettings>,
        shares: Shares,
    }

    impl Scene {
        /// `groups`: (how many, campaigns with weights, skills); all ready. Each campaign gets one stream.
        fn new(campaigns: Vec<CampaignSettings>, groups: &[Group]) -> Scene {
            let mut agents = Agents::default();
            let mut id = 0;
            for (many, serves, skills) in groups {
                for _ in 0..*many {
                    id += 1;
                    let seat = AgentSeat {
                        agent: AgentId(id),
                        campaigns: serves.iter().map(|(c, w)| (CampaignId(*c), *w)).collect(),
                        skills: skills.iter().map(|(s, l)| (SkillId(*s), *l)).collect(),
                        needs_audio: false,
                    };
                    agents.seat(seat, Now::default());
                    agents.move_to(AgentId(id), Place::Ready, Now::default());
                }
            }
            let mut leads = Leads::default();
            for (number, campaign) in campaigns.iter().enumerate() {
                let facts = LeadFacts {
                    lead: LeadId(number as u64),
                    person: PersonId(number as u64),
                    number: NumberId(number as u64),
                    zone: ZoneId(0),
                    callback: false,
                    segment: 0,
                    priority: 0,
                    not_before: UnixMs(0),
                    attempts: 0,
                    needs: Vec::new(),
                    sticky: None,
                    reserved_for: None,
                    person_attempts: Vec::new(),
                    blocked: false,
                };
                leads.admit(CampaignId(number as u16), facts, &campaign.needs, UnixMs(0));
            }
            Scene {
                agents,
                leads,
                campaigns,
                shares: Shares::default(),
            }
        }

        /// Lines started per stream, with endless leads where `has_leads`.
        fn decide(&mut self, talking: &[u32], has_leads: &[bool]) -> Vec<u32> {
            let mut plan = Plan::new(
                self.agents.classes(),
                self.leads.streams(),
                &self.campaigns,
                &self.campaigns.iter().map(|c| c.mode).collect::<Vec<_>>(),
                talking,
                |_| 0.2,
                &mut self.shares,
            );
            let rank = (false, 0, Reverse(UnixMs(0)), Reverse(LeadId(0)));
            let mut started = vec![0; self.campaigns.len()];
            while let Some(stream) =
                plan.next(&mut self.shares, |stream| has_leads[stream].then_some(rank))
            {
                started[stream] += 1;
            }
            started
        }

        fn in_air(&mut self, stream: usize, lines: u32) {
            self.leads
                .stream_mut(crate::core::leads::StreamId(stream))
                .in_air = lines;
        }
    }

    #[test]
    fn progressive_starts_one_line_per_free_agent_and_counts_those_in_the_air() {
        let mut scene = Scene::new(
            vec![campaign(DialMode::Progressive, 1, vec![])],
            &[(10, &[(0, 1)], &[])],
        );
        assert_eq!(scene.decide(&[0], &[true]), [10]);
        scene.in_air(0, 7);
        assert_eq!(scene.decide(&[0], &[true]), [3]);
        scene.in_air(0, 12);
        assert_eq!(scene.decide(&[0], &[true]), [0]);
    }

    #[test]
    fn a_ratio_is_lines_per_free_agent_or_per_agent_at_work() {
        let free = DialMode::LinesPerFreeAgent { milli: 1_200 };
        let mut scene = Scene::new(vec![campaign(free, 1, vec![])], &[(5, &[(0, 1)], &[])]);
        assert_eq!(scene.decide(&[0], &[true]), [6]);
        scene.campaigns[0].mode = DialMode::LinesPerFreeAgent { milli: 2_000 };
        assert_eq!(
            scene.decide(&[0], &[true]),
            [10],
            "a live change is in force at the next decision"
        );

        let at_work = DialMode::LinesPerAgent { milli: 1_200 };
        let mut scene = Scene::new(vec![campaign(at_work, 1, vec![])], &[(10, &[(0, 1)], &[])]);
        for id in 1..=9 {
            scene.agents.move_to(
                AgentId(id),
                Place::Talking(crate::ids::AttemptId(u64::from(id))),
                Now::default(),
            );
        }
        assert_eq!(
            scene.decide(&[9], &[true]),
            [3],
            "12 lines for 10 agents, 9 of them conversations"
        );
    }

    #[test]
    fn an_agent_who_serves_two_campaigns_is_counted_once() {
        let campaigns = vec![
            campaign(DialMode::Progressive, 1, vec![]),
            campaign(DialMode::Progressive, 1, vec![]),
        ];
        let mut scene = Scene::new(campaigns, &[(30, &[(0, 1), (1, 1)], &[])]);
        let started = scene.decide(&[0, 0], &[true, true]);
        assert_eq!(started, [15, 15]);
        assert_eq!(
            scene.decide(&[0, 0], &[true, false]),
            [30, 0],
            "what one cannot use the other may"
        );
    }

    #[test]
    fn weights_share_contested_agents() {
        let campaigns = vec![
            campaign(DialMode::Progressive, 3, vec![]),
            campaign(DialMode::Progressive, 1, vec![]),
        ];
        let mut scene = Scene::new(campaigns, &[(40, &[(0, 1), (1, 1)], &[])]);
        let started = scene.decide(&[0, 0], &[true, true]);
        assert_eq!(started.iter().sum::<u32>(), 40);
        assert!((28..=32).contains(&started[0]), "{started:?}");
    }

    #[test]
    fn agents_with_a_rare_skill_are_left_to_those_who_need_it() {
        let rare = SkillNeed {
            skill: SkillId(0),
            level: 5,
        };
        let campaigns = vec![
            campaign(DialMode::Progressive, 1, vec![]),
            campaign(DialMode::Progressive, 1, vec![rare]),
        ];
        let groups: &[Group] = &[
            (25, &[(0, 1), (1, 1)], &[]),
            (5, &[(0, 1), (1, 1)], &[(0, 9)]),
        ];
        let mut scene = Scene::new(campaigns, groups);
        let started = scene.decide(&[0, 0], &[true, true]);
        assert_eq!(started, [25, 5], "all thirty are used, each once");
        // 25 lines of the plain campaign are in the air: they are laid on plain agents, although rare ones could take them.
        scene.in_air(0, 25);
        assert_eq!(scene.decide(&[0, 0], &[false, true]), [0, 5]);
        scene.in_air(0, 28);
        assert_eq!(
            scene.decide(&[0, 0], &[false, true]),
            [0, 2],
            "three of the rare ones back plain lines"
        );
    }
}
