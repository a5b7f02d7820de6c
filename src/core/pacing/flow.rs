//! A small maximum flow from streams to pools of agents, grown one line at a time by augmenting paths (Ford and Fulkerson).
//!
//! Sizes are streams times classes, tens of each; the number of agents does not enter.

use std::collections::VecDeque;

/// One whole agent. A line of a ratio campaign spends a fraction; 1,260,000 has many divisors and holds 1/1.2, 1/1.5, 1/2 exactly.
pub(super) const AGENT: u64 = 1_260_000;

#[derive(Debug, Default)]
pub(super) struct Flow {
    /// What each pool still has.
    spare: Vec<u64>,
    /// The pools a stream can draw on, in order of preference.
    pools: Vec<Vec<usize>>,
    /// What each stream has drawn, along `pools`.
    drawn: Vec<Vec<u64>>,
    /// How many streams can draw on each pool: the less contested is drawn on first.
    contested: Vec<u32>,
}

impl Flow {
    pub(super) fn add_pool(&mut self, size: u64) {
        self.spare.push(size);
        self.contested.push(0);
    }

    pub(super) fn add_stream(&mut self, pools: Vec<usize>) {
        for pool in &pools {
            self.contested[*pool] += 1;
        }
        self.drawn.push(vec![0; pools.len()]);
        self.pools.push(pools);
    }

    pub(super) fn pools_of(&self, stream: usize) -> &[usize] {
        &self.pools[stream]
    }

    /// The pools that a stream draws on now.
    pub(super) fn drawn_pools(&self, stream: usize) -> impl Iterator<Item = usize> {
        let pools = self.pools[stream].iter().zip(&self.drawn[stream]);
        pools
            .filter(|(_, drawn)| **drawn > 0)
            .map(|(pool, _)| *pool)
    }

    /// What is left, directly, in the pools of a stream.
    pub(super) fn spare(&self, stream: usize) -> u64 {
        self.pools[stream]
            .iter()
            .map(|pool| self.spare[*pool])
            .sum()
    }

    /// Takes `amount` out of pools for good, as far as they hold it.
    pub(super) fn occupy(&mut self, pools: &[usize], mut amount: u64) {
        for pool in pools {
            let taken = amount.min(self.spare[*pool]);
            self.spare[*pool] -= taken;
            amount -= taken;
        }
    }

    /// Draws as much of `amount` as can be had; lines beyond the agents there are draw what is left. Returns what was not to be had.
    pub(super) fn place(&mut self, stream: usize, mut amount: u64) -> u64 {
        while amount > 0 {
            match self.augment(stream, amount) {
                Some((_, drawn)) => amount -= drawn,
                None => break,
            }
        }
        amount
    }

    /// Draws exactly `amount`, or nothing. Returns the pool that gave the last part.
    pub(super) fn push(&mut self, stream: usize, amount: u64) -> Option<usize> {
        if let Some(pool) = self.direct(stream)
            && self.spare[pool] >= amount
        {
            self.spare[pool] -= amount;
            self.draw(stream, pool, amount);
            return Some(pool);
        }
        let before = (self.spare.clone(), self.drawn.clone());
        let mut missing = amount;
        while let Some((pool, drawn)) = self.augment(stream, missing) {
            missing -= drawn;
            if missing == 0 {
                return Some(pool);
            }
        }
        (self.spare, self.drawn) = before;
        None
    }

    /// The least contested pool of a stream that has anything left; of equal ones the first.
    pub(super) fn direct(&self, stream: usize) -> Option<usize> {
        self.pools[stream]
            .iter()
            .copied()
            .filter(|pool| self.spare[*pool] > 0)
            .min_by_key(|pool| self.contested[*pool])
    }

    /// One augmenting path: up to `want` drawn by `stream`, moving other streams' draws to other pools where needed.
    fn augment(&mut self, stream: usize, want: u64) -> Option<(usize, u64)> {
        if let Some(pool) = self.direct(stream) {
            let amount = want.min(self.spare[pool]);
            self.spare[pool] -= amount;
            self.draw(stream, pool, amount);
            return Some((pool, amount));
        }
        // Breadth first over streams: stream -> full pool -> a stream that drew from it -> ... -> a pool with something left.
        let mut from: Vec<Option<(usize, usize)>> = vec![None; self.pools.len()];
        let mut seen = vec![false; self.pools.len()];
        let mut queue = VecDeque::from([stream]);
        seen[stream] = true;
        while let Some(here) = queue.pop_front() {
            if here != stream
                && let Some(end) = self.direct(here)
            {
                return Some(self.shift(stream, here, end, want, &from));
            }
            for pool in &self.pools[here] {
                for (other, was_seen) in seen.iter_mut().enumerate() {
                    if !*was_seen && self.drawn_from(other, *pool) > 0 {
                        *was_seen = true;
                        from[other] = Some((here, *pool));
                        queue.push_back(other);
                    }
                }
            }
        }
        None
    }

    /// Carries out a path that ends with `last` drawing on `end`.
    fn shift(
        &mut self,
        stream: usize,
        last: usize,
        end: usize,
        want: u64,
        from: &[Option<(usize, usize)>],
    ) -> (usize, u64) {
        let mut amount = want.min(self.spare[end]);
        let mut here = last;
        while let Some((before, pool)) = from[here] {
            amount = amount.min(self.drawn_from(here, pool));
            here = before;
        }
        self.spare[end] -= amount;
        let (mut here, mut gains, mut given) = (last, end, end);
        while let Some((before, pool)) = from[here] {
            self.draw(here, gains, amount);
            self.undraw(here, pool, amount);
            (here, gains, given) = (before, pool, pool);
        }
        self.draw(stream, gains, amount);
        (given, amount)
    }

    fn slot(&self, stream: usize, pool: usize) -> Option<usize> {
        self.pools[stream].iter().position(|known| *known == pool)
    }
    fn drawn_from(&self, stream: usize, pool: usize) -> u64 {
        self.slot(stream, pool)
            .map_or(0, |slot| self.drawn[stream][slot])
    }
    fn draw(&mut self, stream: usize, pool: usize, amount: u64) {
        if let Some(slot) = self.slot(stream, pool) {
            self.drawn[stream][slot] += amount;
        }
    }
    fn undraw(&mut self, stream: usize, pool: usize, amount: u64) {
        if let Some(slot) = self.slot(stream, pool) {
            self.drawn[stream][slot] -= amount;
        }
    }
}
