//! Counts by equal pieces of time, oldest first, without the empty ones; and a sum over the newest of them that moves with time.

use super::{Exposure, Exposures};
use std::collections::VecDeque;

/// Counts by piece of time.
#[derive(Debug)]
pub(super) struct Series {
    /// Length of a piece in milliseconds.
    width_ms: i64,
    /// How many pieces back are kept.
    keep: i64,
    pieces: VecDeque<(i64, Exposures)>,
}

impl Series {
    pub(super) fn new(width_ms: i64, keep: i64) -> Self {
        Series {
            width_ms,
            keep,
            pieces: VecDeque::new(),
        }
    }

    /// The piece that an instant falls in.
    pub(super) fn piece_of(&self, unix_ms: i64) -> i64 {
        unix_ms.div_euclid(self.width_ms)
    }

    /// Counts one call in a piece not older than the newest.
    pub(super) fn count(&mut self, piece: i64, exposure: Exposure) {
        let newest = self.pieces.back().map_or(piece, |(newest, _)| *newest);
        let piece = piece.max(newest);
        if self.pieces.back().is_none_or(|(newest, _)| *newest < piece) {
            self.pieces.push_back((piece, Exposures::default()));
            self.forget(piece);
        }
        if let Some((_, counts)) = self.pieces.back_mut() {
            *counts.count(exposure) += 1;
        }
    }

    /// Adds counts of any time; those too old are left out.
    pub(super) fn admit(&mut self, history: &[(i64, Exposures)], now_piece: i64) {
        let mut all: std::collections::BTreeMap<i64, Exposures> = self.pieces.drain(..).collect();
        for (piece, counts) in history {
            if *piece >= now_piece - self.keep {
                all.entry((*piece).min(now_piece)).or_default().add(counts);
            }
        }
        self.pieces = all.into_iter().collect();
    }

    /// The wall clock was set back: what lies in the future happened now.
    pub(super) fn rebase(&mut self, now_piece: i64) {
        let mut ahead = Exposures::default();
        while self
            .pieces
            .back()
            .is_some_and(|(piece, _)| *piece >= now_piece)
        {
            if let Some((_, counts)) = self.pieces.pop_back() {
                ahead.add(&counts);
            }
        }
        if ahead != Exposures::default() {
            self.pieces.push_back((now_piece, ahead));
        }
    }

    /// All that lies in pieces `from..until`.
    pub(super) fn sum(&self, from: i64, until: i64) -> Exposures {
        let mut sum = Exposures::default();
        let first = self.pieces.partition_point(|(piece, _)| *piece < from);
        for (_, counts) in self
            .pieces
            .range(first..)
            .take_while(|(piece, _)| *piece < until)
        {
            sum.add(counts);
        }
        sum
    }

    /// Pieces kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    fn forget(&mut self, newest: i64) {
        while self
            .pieces
            .front()
            .is_some_and(|(piece, _)| *piece < newest - self.keep)
        {
            self.pieces.pop_front();
        }
    }
}

/// A sum over all pieces from one on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tail {
    from: i64,
    sum: Exposures,
}

impl Tail {
    /// The sum from `from` on, afresh.
    pub(super) fn of(series: &Series, from: i64) -> Self {
        Tail {
            from,
            sum: series.sum(from, i64::MAX),
        }
    }

    /// Lets go of what is older than `from`.
    pub(super) fn move_to(&mut self, series: &Series, from: i64) {
        if from > self.from {
            self.sum.subtract(&series.sum(self.from, from));
            self.from = from;
        } else if from < self.from {
            *self = Tail::of(series, from);
        }
    }

    /// One more call, in a piece of the sum.
    pub(super) fn count(&mut self, exposure: Exposure) {
        *self.sum.count(exposure) += 1;
    }

    pub(super) fn sum(&self) -> &Exposures {
        &self.sum
    }
}
