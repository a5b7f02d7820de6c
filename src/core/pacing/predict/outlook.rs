//! What becomes of the free agents in the next half minute, as a distribution, and how likely one more answered call would find
//! nobody. Knows numbers only: expected answers and agents coming free, second by second.
//!
//! The count of agents not yet claimed is a random walk on a lattice of at most 72 points whose step has the mean and variance of
//! that second's agents and answers. At zero it reflects: whoever answers there is lost and claims nobody. An agent who becomes
//! free within a person's patience counts as there. Small floors walk agent by agent; on large ones a point is several agents, so
//! that the cost does not grow with the floor.

/// Seconds looked ahead.
pub(super) const AHEAD: usize = 28;
/// Seconds of the longest patience that is counted.
pub(super) const PATIENCE_MAX: usize = 10;
/// Points of the lattice.
const POINTS: usize = 72;
/// Points below zero that the start may need: people already waiting.
const BELOW: usize = 8;
/// Up to so many busy agents and lines, answers are counted instead of walked.
const FEW: usize = 24;
const FEW_LINES: usize = 12;
/// How much of the cost of a call is what it does to later ones; the rest is its own chance of finding nobody.
const OTHERS: f64 = 0.7;

/// A mean and a variance that add up: of agents free, or answers given, by each second.
pub(super) type Sums<const N: usize> = [f64; N];

/// Agents free by each second from now on, patience included.
pub(super) type Supply = (
    Sums<{ AHEAD + PATIENCE_MAX + 1 }>,
    Sums<{ AHEAD + PATIENCE_MAX + 1 }>,
);
/// Answers given by each second from now on.
pub(super) type Demand = (Sums<{ AHEAD + 1 }>, Sums<{ AHEAD + 1 }>);

/// Agents and answers to come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outlook {
    /// Agents free less people waiting, now.
    pub(super) free: i32,
    /// Seconds that a person waits before being lost.
    pub(super) patience: usize,
    pub(super) supply: Supply,
    pub(super) demand: Demand,
    /// Busy agents who may come free, and lines that may be answered.
    pub(super) busy: u32,
    pub(super) lines: f64,
}

impl Outlook {
    pub(super) fn new(free: i32, patience: usize) -> Outlook {
        Outlook {
            free,
            patience: patience.min(PATIENCE_MAX),
            supply: (
                [0.0; AHEAD + PATIENCE_MAX + 1],
                [0.0; AHEAD + PATIENCE_MAX + 1],
            ),
            demand: ([0.0; AHEAD + 1], [0.0; AHEAD + 1]),
            busy: 0,
            lines: 0.0,
        }
    }

    /// The chance that one more line, answered at the times of `answers` (a distribution function by seconds), costs somebody: that
    /// it finds nobody itself, or takes the agent of a later one. 0..=1; `more` lines of the same kind that a person answers with
    /// chance `chance` are in the air already.
    pub(super) fn cost_of_one_more(
        &self,
        more: f64,
        chance: f64,
        answers: &Sums<{ AHEAD + 1 }>,
    ) -> f64 {
        let lines = (self.lines + more + 0.5) as usize;
        if self.busy as usize <= FEW && lines <= FEW_LINES {
            return self.own_cost_of_few(more, chance, answers, lines);
        }
        let (supply, spread) = (&self.supply.0, &self.supply.1);
        let mut steps = [(0.0, 0.0); AHEAD];
        let mut widest = 0.0f64;
        let late = self.patience;
        for (second, step) in steps.iter_mut().enumerate() {
            let answered = |at: usize| more * chance * answers[at];
            let answered_spread = |at: usize| {
                let each = chance * answers[at];
                more * each * (1.0 - each)
            };
            let come = supply[second + 1 + late] - supply[second + late];
            let go = self.demand.0[second + 1] - self.demand.0[second] + answered(second + 1)
                - answered(second);
            let spread_come = (spread[second + 1 + late] - spread[second + late]).max(0.0);
            let spread_go = (self.demand.1[second + 1] - self.demand.1[second]
                + answered_spread(second + 1)
                - answered_spread(second))
            .max(0.0);
            let (mean, variance) = (come - go, (spread_come + spread_go).max(1e-6));
            widest = widest.max(variance + mean * mean);
            *step = (mean, variance);
        }
        // Agents per point: a step then goes one point up or down at most.
        let point = (widest / 0.8).sqrt().max(1.0);
        let mut walk = [[0.0; POINTS]; AHEAD + 1];
        walk[0] = self.start(point);
        let moves =
            steps.map(|(mean, variance)| trinomial(mean / point, variance / (point * point)));
        for (second, [down, stay, up]) in moves.iter().enumerate() {
            let (before, after) = walk.split_at_mut(second + 1);
            step(&before[second], &mut after[0], *down, *stay, *up);
        }
        // Backwards: what a state at each second costs in lost people, to weigh what one agent less does to later calls.
        let (mut own, mut others, mut weight) = (0.0, 0.0, 0.0);
        let mut cost = [0.0; POINTS];
        for second in (0..AHEAD).rev() {
            let share = answers[second + 1] - answers[second];
            let here = &walk[second + 1];
            own += share * here[0] * (1.0 + 1.0 / point) / 2.0;
            let mut taken = here[0] * point;
            for at in 1..POINTS {
                taken += here[at] * (cost[at - 1] - cost[at]);
            }
            others += share * taken / point;
            weight += share;
            let [down, stay, up] = moves[second];
            let mut earlier = [0.0; POINTS];
            earlier[0] = cost[0] * (stay + down) + down * point + up * cost[1];
            for at in 1..POINTS - 1 {
                earlier[at] = cost[at - 1] * down + cost[at] * stay + cost[at + 1] * up;
            }
            earlier[POINTS - 1] = cost[POINTS - 2] * down + cost[POINTS - 1] * (stay + up);
            cost = earlier;
        }
        if weight < 1e-9 {
            return 0.0;
        }
        ((OTHERS * others + (1.0 - OTHERS) * own) / weight).clamp(0.0, 1.0)
    }

    /// On a small floor: the chance of finding nobody at each second, by counting. So many lines cannot give more answers, so many
    /// agents cannot come free more often: a walk, which may step on for ever, would see a risk where there is none.
    fn own_cost_of_few(
        &self,
        more: f64,
        chance: f64,
        answers: &Sums<{ AHEAD + 1 }>,
        lines: usize,
    ) -> f64 {
        let (mut cost, mut weight) = (0.0, 0.0);
        for second in 1..=AHEAD {
            let share = answers[second] - answers[second - 1];
            if share <= 0.0 {
                continue;
            }
            weight += share;
            let expected = self.demand.0[second] + more * chance * answers[second];
            let come = binomial(self.busy as usize, self.supply.0[second + self.patience]);
            let given = binomial(lines, expected);
            // Chance that at least so many answer: of as many as there are agents by then, one more finds nobody.
            let mut at_least = [0.0; FEW + 2];
            for many in (0..=lines).rev() {
                at_least[many] = at_least[many + 1] + given[many];
            }
            let nobody: f64 = (0..=self.busy as usize)
                .map(|free| {
                    let agents = self.free + free as i32;
                    let needed = usize::try_from(agents).unwrap_or(0);
                    come[free] * at_least.get(needed).copied().unwrap_or(0.0)
                })
                .sum();
            cost += share * nobody;
        }
        if weight < 1e-9 {
            0.0
        } else {
            (cost / weight).clamp(0.0, 1.0)
        }
    }

    /// The distribution after the first patience: agents free now, less who waits, and who becomes free meanwhile.
    fn start(&self, point: f64) -> [f64; POINTS] {
        const WIDE: usize = POINTS + BELOW + 2;
        let mut line = [0.0; WIDE];
        let place = f64::from(self.free) / point + BELOW as f64;
        let place = place.clamp(1.0, (POINTS + BELOW - 3) as f64);
        let whole = place as usize;
        line[whole] = 1.0 - (place - whole as f64);
        line[whole + 1] = place - whole as f64;
        let (mean, variance) = (self.supply.0[self.patience], self.supply.1[self.patience]);
        let parts = ((variance + mean * mean) / (0.8 * point * point)) as usize + 1;
        let parts = parts.clamp(4, 12);
        let part = parts as f64;
        let [down, stay, up] = trinomial(
            mean / part / point,
            (variance / part).max(1e-9) / (point * point),
        );
        for _ in 0..parts {
            let mut next = [0.0; WIDE];
            for at in 1..WIDE - 1 {
                next[at + 1] += line[at] * up;
                next[at] += line[at] * stay;
                next[at - 1] += line[at] * down;
            }
            line = next;
        }
        let mut start = [0.0; POINTS];
        for (at, mass) in line.iter().enumerate() {
            start[at.saturating_sub(BELOW).min(POINTS - 1)] += mass;
        }
        start
    }
}

/// Chances of 0, 1, 2 .. of so many, each alike, that make this mean.
fn binomial(many: usize, mean: f64) -> [f64; FEW + 2] {
    let mut chances = [0.0; FEW + 2];
    chances[0] = 1.0;
    if many == 0 {
        return chances;
    }
    let each = (mean / many as f64).clamp(0.0, 1.0);
    for one in 1..=many {
        for at in (1..=one).rev() {
            chances[at] = chances[at] * (1.0 - each) + chances[at - 1] * each;
        }
        chances[0] *= 1.0 - each;
    }
    chances
}

/// Chances of one point down, none and up with this mean and variance, in points.
fn trinomial(mean: f64, variance: f64) -> [f64; 3] {
    let square = variance + mean * mean;
    let (mut up, mut down) = ((square + mean) / 2.0, (square - mean) / 2.0);
    if down < 0.0 {
        (down, up) = (0.0, mean);
    }
    if up < 0.0 {
        (up, down) = (0.0, -mean);
    }
    let sum = up + down;
    if sum > 1.0 {
        (up, down) = (up / sum, down / sum);
    }
    [down, 1.0 - up - down, up]
}

fn step(before: &[f64; POINTS], after: &mut [f64; POINTS], down: f64, stay: f64, up: f64) {
    after[0] = before[0] * (stay + down) + before[1] * down;
    for at in 1..POINTS - 1 {
        after[at] = before[at - 1] * up + before[at] * stay + before[at + 1] * down;
    }
    after[POINTS - 1] = before[POINTS - 2] * up + before[POINTS - 1] * (stay + up);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers() -> [f64; AHEAD + 1] {
        std::array::from_fn(|second| (second as f64 / AHEAD as f64).min(1.0))
    }

    #[test]
    fn nobody_free_costs_all_and_many_free_cost_nothing() {
        let none = Outlook::new(0, 2).cost_of_one_more(0.0, 0.2, &answers());
        assert!(none > 0.99, "{none}");
        let many = Outlook::new(40, 2).cost_of_one_more(0.0, 0.2, &answers());
        assert!(many < 1e-6, "{many}");
    }

    #[test]
    fn each_further_line_costs_more_and_each_further_agent_less() {
        for size in [3, 30, 300] {
            let mut outlook = Outlook::new(size, 2);
            for second in 0..=AHEAD + PATIENCE_MAX {
                outlook.supply.0[second] = second as f64 * f64::from(size) / 95.0;
                outlook.supply.1[second] = outlook.supply.0[second];
            }
            let costs: Vec<f64> = (0..6)
                .map(|more| outlook.cost_of_one_more(f64::from(more * size * 2), 0.2, &answers()))
                .collect();
            assert!(
                costs.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12),
                "{costs:?}"
            );
            outlook.free += size;
            let more_agents = outlook.cost_of_one_more(f64::from(size * 6), 0.2, &answers());
            assert!(more_agents <= costs[3], "{size}: {more_agents} {costs:?}");
        }
    }
}
