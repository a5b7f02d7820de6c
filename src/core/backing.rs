//! Which calls in the air a free agent stands behind, over all campaigns and skills at once: what a guarantee rests on.
//!
//! A guarantee's line is either backed by a free agent or one of the few that its ledger can afford to see abandoned. The agents
//! are shared, so "backed" is a question about the whole floor: is there a way to give every line that must be backed a free agent
//! of its own? It is answered as a maximum flow, source -> campaign -> stream -> class of agents -> sink, by augmenting paths
//! (Ford and Fulkerson); a line once backed in it stays so while others are added. Told all figures; decides nothing, keeps nothing.

use crate::core::agents::{Class, ClassId};
use crate::core::leads::{Stream, StreamId};
use crate::core::ledger::Slack;
use crate::ids::CampaignId;
use std::collections::VecDeque;

/// How many of a campaign's lines in the air want a free agent each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Claim {
    pub(crate) campaign: CampaignId,
    pub(crate) need: Need,
}

/// What a campaign's lines are to the others.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Need {
    /// Guaranteed. All but the slack must be backed: `hold` for those in the air, `launch` once one more is added.
    Guaranteed { hold: Slack, launch: Slack },
    /// Every further line needs an agent; those in the air that have none are left to their luck.
    OneEach,
    /// So many thousandths of a line for an agent. Its lines count on agents, but are not held back here.
    Shared { milli: u32 },
}

impl Need {
    fn is_hard(self) -> bool {
        matches!(self, Need::Guaranteed { .. })
    }

    /// Agents that must stand behind `in_air` lines now.
    fn held(self, in_air: u32) -> u32 {
        match self {
            Need::Guaranteed { hold, .. } => in_air - hold.lines(in_air).min(in_air),
            _ => self.launched(in_air),
        }
    }

    /// Agents that must stand behind `in_air` lines if the last of them starts now.
    fn launched(self, in_air: u32) -> u32 {
        match self {
            Need::Guaranteed { launch, .. } => in_air - launch.lines(in_air).min(in_air),
            Need::OneEach => in_air,
            Need::Shared { milli } => {
                u32::try_from(u64::from(in_air) * 1_000 / u64::from(milli.max(1)))
                    .unwrap_or(u32::MAX)
            }
        }
    }
}

/// A change to be judged.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Without {
    /// A free agent of this class less.
    pub(crate) agent: Option<ClassId>,
    /// A line in the air of this stream less.
    pub(crate) line: Option<StreamId>,
}

/// The floor as the flow sees it.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) claims: &'a [Claim],
    pub(crate) classes: &'a [Class],
    pub(crate) streams: &'a [Stream],
}

impl Scene<'_> {
    /// Guaranteed lines without an agent that should have one, by claim.
    pub(crate) fn unmet(&self) -> Vec<u32> {
        let mut net = Net::of(self, Without::default());
        let held = net.hold(self);
        (0..self.claims.len())
            .map(|claim| held[claim] - net.met(claim).min(held[claim]))
            .collect()
    }

    /// Whether every guaranteed line that is backed now still is after a change.
    pub(crate) fn is_safe(&self, without: Without) -> bool {
        let mut before = Net::of(self, Without::default());
        let held = before.hold(self);
        let kept: Vec<u32> = (0..self.claims.len())
            .map(|claim| before.met(claim).min(held[claim]))
            .collect();
        let mut after = Net::of(self, without);
        let mut wanted = 0;
        for (claim, kept) in kept.iter().enumerate() {
            if self.claims[claim].need.is_hard() {
                let in_air = after.in_air[claim];
                // The agent who is taken for a line of this campaign was behind one of its lines, or might as well have been: with
                // too few agents for all, whoever answers first gets one.
                let served = without.agent.is_some() && in_air < before.in_air[claim];
                let kept = kept.saturating_sub(u32::from(served));
                let demand = self.claims[claim].need.held(in_air).min(kept);
                after.raise(claim, demand);
                wanted += demand;
            }
        }
        after.run(wanted) == wanted
    }

    /// The book of a decision that may start lines.
    pub(crate) fn launcher(&self) -> Launcher {
        let mut net = Net::of(self, Without::default());
        net.hold(self);
        // Who wants to leave backs what is in the air, and nothing new.
        for (class, place) in self.classes.iter().zip(net.class_edges.clone()) {
            net.cap[place] = net.cap[place].saturating_sub(class.leaving());
        }
        let mut wants = vec![0; self.claims.len()];
        for hard in [true, false] {
            for (claim, it) in self.claims.iter().enumerate() {
                if it.need.is_hard() != hard {
                    continue;
                }
                let wanted = it.need.launched(net.in_air[claim]);
                let more = wanted.saturating_sub(net.met(claim));
                net.raise(claim, more);
                net.run(more);
                if !hard {
                    // What has no agent now is not waited for.
                    net.forget_unmet(claim);
                }
                wants[claim] = wanted;
            }
        }
        Launcher {
            net,
            claims: self.claims.to_vec(),
        }
    }
}

/// A decision that starts lines one by one.
#[derive(Debug)]
pub(crate) struct Launcher {
    net: Net,
    claims: Vec<Claim>,
}

/// How to take the last launch back.
#[derive(Debug)]
pub(crate) struct Undo {
    cap: Vec<u32>,
    in_air: Vec<u32>,
}

/// Whether a line may start.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It may; nobody's guarantee is touched.
    Free,
    /// It may, and its agent is spoken for.
    Backed(Undo),
    /// Not without a free agent, and there is none for it.
    Refused,
}

impl Launcher {
    /// One more line of a stream.
    pub(crate) fn launch(&mut self, campaign: CampaignId, stream: StreamId) -> Verdict {
        let claim = self.claims.iter().position(|it| it.campaign == campaign);
        let Some(claim) = claim else {
            return Verdict::Free;
        };
        let need = self.claims[claim].need;
        if matches!(need, Need::Shared { .. }) {
            return Verdict::Free;
        }
        let undo = Undo {
            cap: self.net.cap.clone(),
            in_air: self.net.in_air.clone(),
        };
        self.net.add_line(claim, stream);
        let wanted = match need {
            Need::Guaranteed { .. } => need.launched(self.net.in_air[claim]),
            // Lines of before that have none do not count.
            _ => self.net.met(claim) + 1,
        };
        let more = wanted.saturating_sub(self.net.met(claim));
        // What is asked for and not met was raised before; a launch needs all of it.
        let open = self.net.open(claim);
        self.net.raise(claim, more.saturating_sub(open));
        if more == 0 || self.net.run_from(claim, more) == more {
            return Verdict::Backed(undo);
        }
        self.undo(undo);
        Verdict::Refused
    }

    /// The line was not started after all.
    pub(crate) fn undo(&mut self, undo: Undo) {
        self.net.cap = undo.cap;
        self.net.in_air = undo.in_air;
    }
}

const SOURCE: usize = 0;
const SINK: usize = 1;

/// Residual capacities. Edge `e` and its reverse `e ^ 1` lie side by side.
#[derive(Debug)]
struct Net {
    to: Vec<usize>,
    cap: Vec<u32>,
    at: Vec<Vec<usize>>,
    /// Source to claim.
    claim_edges: Vec<usize>,
    /// Claim to stream, of the streams that the claims have.
    stream_edges: Vec<(StreamId, usize)>,
    /// Class to sink.
    class_edges: Vec<usize>,
    /// Lines in the air by claim.
    in_air: Vec<u32>,
}

impl Net {
    fn of(scene: &Scene<'_>, without: Without) -> Net {
        let mut net = Net {
            to: Vec::new(),
            cap: Vec::new(),
            at: vec![Vec::new(); 2],
            claim_edges: Vec::new(),
            stream_edges: Vec::new(),
            class_edges: Vec::new(),
            in_air: vec![0; scene.claims.len()],
        };
        let first_class = net.at.len();
        for (number, class) in scene.classes.iter().enumerate() {
            let taken = u32::from(without.agent == Some(ClassId(number)));
            let node = net.node();
            let edge = net.edge(node, SINK, class.ready().saturating_sub(taken));
            net.class_edges.push(edge);
        }
        let first_claim = net.at.len();
        for _ in scene.claims {
            let node = net.node();
            let edge = net.edge(SOURCE, node, 0);
            net.claim_edges.push(edge);
        }
        for (number, stream) in scene.streams.iter().enumerate() {
            let claim = scene
                .claims
                .iter()
                .position(|claim| claim.campaign == stream.campaign);
            let Some(claim) = claim else { continue };
            let resolved = u32::from(without.line == Some(StreamId(number)));
            let lines = stream.in_air.saturating_sub(resolved);
            net.in_air[claim] += lines;
            let node = net.node();
            let edge = net.edge(first_claim + claim, node, lines);
            net.stream_edges.push((StreamId(number), edge));
            for (place, class) in scene.classes.iter().enumerate() {
                if class.can_take(stream.campaign, &stream.needs) {
                    net.edge(node, first_class + place, u32::MAX / 2);
                }
            }
        }
        net
    }

    fn node(&mut self) -> usize {
        self.at.push(Vec::new());
        self.at.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, cap: u32) -> usize {
        let edge = self.to.len();
        self.to.extend([to, from]);
        self.cap.extend([cap, 0]);
        self.at[from].push(edge);
        self.at[to].push(edge + 1);
        edge
    }

    /// Backs what must be backed as it is; returns how much that is, by claim.
    fn hold(&mut self, scene: &Scene<'_>) -> Vec<u32> {
        let held: Vec<u32> = scene
            .claims
            .iter()
            .zip(&self.in_air)
            .map(|(claim, in_air)| {
                if claim.need.is_hard() {
                    claim.need.held(*in_air)
                } else {
                    0
                }
            })
            .collect();
        for (claim, held) in held.iter().enumerate() {
            self.raise(claim, *held);
        }
        self.run(held.iter().sum());
        held
    }

    /// Lines of a claim that are backed.
    fn met(&self, claim: usize) -> u32 {
        self.cap[self.claim_edges[claim] ^ 1]
    }

    /// Lines of a claim that were asked for and are not backed.
    fn open(&self, claim: usize) -> u32 {
        self.cap[self.claim_edges[claim]]
    }

    fn raise(&mut self, claim: usize, by: u32) {
        self.cap[self.claim_edges[claim]] += by;
    }

    fn forget_unmet(&mut self, claim: usize) {
        self.cap[self.claim_edges[claim]] = 0;
    }

    fn add_line(&mut self, claim: usize, stream: StreamId) {
        self.in_air[claim] += 1;
        if let Some((_, edge)) = self.stream_edges.iter().find(|(id, _)| *id == stream) {
            self.cap[*edge] += 1;
        }
    }

    /// Backs up to `want` lines more, of whatever claims. Returns how many.
    fn run(&mut self, want: u32) -> u32 {
        self.augment(SOURCE, None, want)
    }

    /// Backs up to `want` lines more of one claim.
    fn run_from(&mut self, claim: usize, want: u32) -> u32 {
        self.augment(SOURCE, Some(self.claim_edges[claim]), want)
    }

    /// Augmenting paths, shortest first; where `first` is given they begin with it.
    fn augment(&mut self, from: usize, first: Option<usize>, want: u32) -> u32 {
        let mut found = 0;
        while found < want {
            let mut by: Vec<Option<usize>> = vec![None; self.at.len()];
            let mut queue = VecDeque::new();
            for edge in &self.at[from] {
                if self.cap[*edge] > 0 && first.is_none_or(|first| first == *edge) {
                    by[self.to[*edge]] = Some(*edge);
                    queue.push_back(self.to[*edge]);
                }
            }
            while let Some(node) = queue.pop_front() {
                if node == SINK {
                    break;
                }
                for edge in &self.at[node] {
                    let next = self.to[*edge];
                    if self.cap[*edge] > 0 && next != from && by[next].is_none() {
                        by[next] = Some(*edge);
                        queue.push_back(next);
                    }
                }
            }
            if by[SINK].is_none() {
                return found;
            }
            let mut amount = want - found;
            let mut node = SINK;
            while let Some(edge) = by[node] {
                amount = amount.min(self.cap[edge]);
                node = self.to[edge ^ 1];
                if node == from {
                    break;
                }
            }
            node = SINK;
            while let Some(edge) = by[node] {
                self.cap[edge] -= amount;
                self.cap[edge ^ 1] += amount;
                node = self.to[edge ^ 1];
                if node == from {
                    break;
                }
            }
            found += amount;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::agents::{Agents, Place};
    use crate::core::input::{AgentSeat, LeadFacts};
    use crate::core::leads::Leads;
    use crate::core::ledger::{Exposure, Ledger};
    use crate::core::settings::{AbandonSettings, AbandonStrength, SkillNeed};
    use crate::ids::{AgentId, LeadId, NumberId, PersonId, SkillId, ZoneId};
    use crate::time::{Now, UnixMs};
    use std::time::Duration;

    /// Slack for so many lines.
    fn slack(lines: u32) -> Slack {
        let settings = AbandonSettings {
            strength: AbandonStrength::Guarantee,
            cap_ppm: 1_000_000,
            ..AbandonSettings::default()
        };
        let mut ledger = Ledger::default();
        ledger.open(&settings, Duration::ZERO);
        for _ in 0..lines {
            ledger.count(CampaignId(0), Exposure::Served, Now::default());
        }
        ledger.slack(CampaignId(0)).0
    }

    fn guaranteed(campaign: u16, lines: u32) -> Claim {
        let need = Need::Guaranteed {
            hold: slack(lines),
            launch: slack(lines),
        };
        let campaign = CampaignId(campaign);
        Claim { campaign, need }
    }

    struct Stage {
        agents: Agents,
        leads: Leads,
    }

    impl Stage {
        /// `groups`: how many ready agents, the campaigns they serve, their skill. `lines`: campaign, whether it needs the skill,
        /// lines in the air.
        fn new(groups: &[(u32, &[u16], bool)], lines: &[(u16, bool, u32)]) -> Stage {
            let mut agents = Agents::default();
            let mut id = 0;
            for (many, serves, is_able) in groups {
                for _ in 0..*many {
                    id += 1;
                    let seat = AgentSeat {
                        agent: AgentId(id),
                        campaigns: serves.iter().map(|c| (CampaignId(*c), 1)).collect(),
                        skills: is_able.then_some((SkillId(0), 5)).into_iter().collect(),
                        needs_audio: false,
                    };
                    agents.seat(seat, Now::default());
                    agents.move_to(AgentId(id), Place::Ready, Now::default());
                }
            }
            let mut leads = Leads::default();
            for (number, (campaign, needs_skill, _)) in lines.iter().enumerate() {
                let id = number as u64;
                let needs = SkillNeed {
                    skill: SkillId(0),
                    level: 1,
                };
                let facts = LeadFacts {
                    lead: LeadId(id),
                    segment: 0,
                    person: PersonId(id),
                    number: NumberId(id),
                    zone: ZoneId(0),
                    callback: false,
                    priority: 0,
                    not_before: UnixMs(0),
                    attempts: 0,
                    needs: needs_skill.then_some(needs).into_iter().collect(),
                    sticky: None,
                    reserved_for: None,
                    person_attempts: Vec::new(),
                    blocked: false,
                };
                leads.admit(CampaignId(*campaign), facts, &[], UnixMs(0));
            }
            for (number, (_, _, in_air)) in lines.iter().enumerate() {
                leads.stream_mut(StreamId(number)).in_air = *in_air;
            }
            Stage { agents, leads }
        }

        fn scene<'a>(&'a self, claims: &'a [Claim]) -> Scene<'a> {
            Scene {
                claims,
                classes: self.agents.classes(),
                streams: self.leads.streams(),
            }
        }

        /// Lines that the stream may start.
        fn starts(&self, claims: &[Claim], stream: usize) -> u32 {
            let mut launcher = self.scene(claims).launcher();
            let campaign = self.leads.streams()[stream].campaign;
            let mut started = 0;
            while started < 100
                && matches!(
                    launcher.launch(campaign, StreamId(stream)),
                    Verdict::Backed(_)
                )
            {
                started += 1;
            }
            started
        }
    }

    #[test]
    fn a_guaranteed_campaign_starts_a_line_for_each_free_agent_and_what_its_ledger_affords() {
        let stage = Stage::new(&[(5, &[0], false)], &[(0, false, 0)]);
        assert_eq!(stage.starts(&[guaranteed(0, 0)], 0), 5);
        assert_eq!(stage.starts(&[guaranteed(0, 3)], 0), 8);
        let stage = Stage::new(&[(5, &[0], false)], &[(0, false, 6)]);
        assert_eq!(stage.starts(&[guaranteed(0, 3)], 0), 2);
        assert_eq!(
            stage.starts(&[guaranteed(0, 0)], 0),
            0,
            "one is too many already"
        );
    }

    #[test]
    fn two_guarantees_do_not_count_on_the_same_agent() {
        let stage = Stage::new(&[(4, &[0, 1], false)], &[(0, false, 3), (1, false, 0)]);
        let claims = [guaranteed(0, 0), guaranteed(1, 0)];
        assert_eq!(stage.starts(&claims, 1), 1);
        assert_eq!(stage.starts(&claims, 0), 1);
    }

    #[test]
    fn lines_move_to_other_agents_where_that_makes_room_for_one_that_needs_a_skill() {
        // The plain line lies on the able agent first; the launch that needs him moves it to the plain one.
        let stage = Stage::new(
            &[(1, &[0], true), (1, &[0], false)],
            &[(0, false, 1), (0, true, 0)],
        );
        assert_eq!(stage.starts(&[guaranteed(0, 0)], 1), 1);
        let stage = Stage::new(
            &[(1, &[0], true), (1, &[0], false)],
            &[(0, false, 2), (0, true, 0)],
        );
        assert_eq!(stage.starts(&[guaranteed(0, 0)], 1), 0);
    }

    #[test]
    fn of_two_streams_the_slack_is_given_to_the_one_that_nobody_can_back() {
        // Two lines in the air, one of which only the able agent could take; he is the only one, and campaign 1 counts on him.
        let stage = Stage::new(
            &[(1, &[0, 1], true), (1, &[0], false)],
            &[(0, false, 1), (0, true, 1), (1, true, 0)],
        );
        let claims = [guaranteed(0, 1), guaranteed(1, 0)];
        assert_eq!(stage.starts(&claims, 2), 1, "the slack covers the other");
        let claims = [guaranteed(0, 0), guaranteed(1, 0)];
        assert_eq!(stage.starts(&claims, 2), 0);
    }

    #[test]
    fn nobody_is_taken_from_behind_a_guaranteed_line() {
        let stage = Stage::new(&[(2, &[0, 1], false)], &[(0, false, 2), (1, false, 1)]);
        let claims = [guaranteed(0, 0)];
        let scene = stage.scene(&claims);
        let class = Some(ClassId(0));
        let taken_by = |stream| Without {
            agent: class,
            line: Some(StreamId(stream)),
        };
        assert!(
            scene.is_safe(taken_by(0)),
            "by a call that he stands behind"
        );
        assert!(!scene.is_safe(taken_by(1)), "by another campaign's");
        let leaves = Without {
            agent: class,
            line: None,
        };
        assert!(!scene.is_safe(leaves));
        let claims = [guaranteed(0, 1)];
        let scene = stage.scene(&claims);
        assert!(scene.is_safe(leaves), "the ledger affords one");
        assert_eq!(scene.unmet(), [0]);
    }

    #[test]
    fn what_is_lost_already_does_not_tie_the_others() {
        let stage = Stage::new(&[(1, &[1], false)], &[(0, false, 2), (1, false, 0)]);
        let claims = [guaranteed(0, 0)];
        let scene = stage.scene(&claims);
        assert_eq!(scene.unmet(), [2]);
        assert!(scene.is_safe(Without {
            agent: Some(ClassId(0)),
            line: None
        }));
    }

    #[test]
    fn with_too_few_agents_for_all_who_answers_first_gets_one() {
        let stage = Stage::new(&[(2, &[0], false)], &[(0, false, 3)]);
        let claims = [guaranteed(0, 0)];
        let scene = stage.scene(&claims);
        assert_eq!(scene.unmet(), [1]);
        assert!(scene.is_safe(Without {
            agent: Some(ClassId(0)),
            line: Some(StreamId(0))
        }));
    }

    #[test]
    fn who_wants_to_leave_backs_what_is_in_the_air_and_nothing_new() {
        let mut stage = Stage::new(&[(2, &[0], false)], &[(0, false, 1)]);
        let leaves = crate::core::effect::AfterCall::Break(1);
        stage.agents.set_after_call(AgentId(1), leaves);
        let claims = [guaranteed(0, 0)];
        assert_eq!(stage.scene(&claims).unmet(), [0]);
        assert_eq!(stage.starts(&claims, 0), 0);
    }

    #[test]
    fn a_line_that_was_not_started_gives_its_agent_back() {
        let stage = Stage::new(&[(1, &[0, 1], false)], &[(0, false, 0), (1, false, 0)]);
        let claims = [guaranteed(0, 0), guaranteed(1, 0)];
        let mut launcher = stage.scene(&claims).launcher();
        let Verdict::Backed(undo) = launcher.launch(CampaignId(0), StreamId(0)) else {
            panic!("there is an agent");
        };
        let refused = launcher.launch(CampaignId(1), StreamId(1));
        assert!(matches!(refused, Verdict::Refused));
        launcher.undo(undo);
        let free = launcher.launch(CampaignId(1), StreamId(1));
        assert!(matches!(free, Verdict::Backed(_)));
    }

    #[test]
    fn progressive_lines_of_others_are_counted_and_those_without_an_agent_are_not_waited_for() {
        let stage = Stage::new(&[(3, &[0, 1], false)], &[(0, false, 0), (1, false, 2)]);
        let progressive = Claim {
            campaign: CampaignId(1),
            need: Need::OneEach,
        };
        assert_eq!(stage.starts(&[guaranteed(0, 0), progressive], 0), 1);
        let stage = Stage::new(&[(3, &[0, 1], false)], &[(0, false, 0), (1, false, 9)]);
        assert_eq!(stage.starts(&[guaranteed(0, 0), progressive], 0), 0);
        let stage = Stage::new(
            &[(3, &[0, 1], false), (2, &[1], false)],
            &[(0, false, 3), (1, false, 1)],
        );
        assert_eq!(stage.starts(&[guaranteed(0, 0), progressive], 1), 1);
    }
}
