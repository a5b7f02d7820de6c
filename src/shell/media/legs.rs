//! The legs of one media thread, by slot (the poll's token) and by lease, and who sends at which beat of the 20 ms.

use super::leg::Leg;
use rustc_hash::FxHashMap;

/// Beats in one frame of 20 ms: legs are spread over them, so that 2,000 legs send 200 packets at a time and not 2,000.
pub(super) const PHASES: usize = 10;

/// The legs.
#[derive(Default)]
pub(super) struct Legs {
    slots: Vec<Option<Leg>>,
    empty: Vec<usize>,
    by_lease: FxHashMap<u64, usize>,
    phases: [Vec<usize>; PHASES],
    speaking: usize,
}

impl Legs {
    /// Takes a leg in; its slot.
    pub fn insert(&mut self, leg: Leg) -> usize {
        let lease = leg.lease;
        let slot = self.empty.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[slot] = Some(leg);
        self.by_lease.insert(lease, slot);
        slot
    }

    /// A leg by its slot.
    pub fn at(&mut self, slot: usize) -> Option<&mut Leg> {
        self.slots.get_mut(slot)?.as_mut()
    }

    /// A leg by its lease.
    pub fn get_mut(&mut self, lease: u64) -> Option<&mut Leg> {
        let slot = *self.by_lease.get(&lease)?;
        self.at(slot)
    }

    /// Where a leg is.
    pub fn slot_of(&self, lease: u64) -> Option<usize> {
        self.by_lease.get(&lease).copied()
    }

    /// All leases.
    pub fn leases(&self) -> Vec<u64> {
        self.by_lease.keys().copied().collect()
    }

    /// Lets a leg go.
    pub fn remove(&mut self, lease: u64) -> Option<Leg> {
        let slot = self.by_lease.remove(&lease)?;
        let mut leg = self.slots.get_mut(slot)?.take()?;
        if let Some(phase) = leg.phase.take() {
            self.phases[phase].retain(|other| *other != slot);
            self.speaking -= 1;
        }
        self.empty.push(slot);
        Some(leg)
    }

    /// How many send a frame every 20 ms.
    pub const fn speaking(&self) -> usize {
        self.speaking
    }

    /// Puts a leg into the emptiest phase.
    pub fn start_sending(&mut self, lease: u64) {
        let Some(&slot) = self.by_lease.get(&lease) else {
            return;
        };
        let phase = (0..PHASES)
            .min_by_key(|phase| self.phases[*phase].len())
            .unwrap_or(0);
        if let Some(Some(leg)) = self.slots.get_mut(slot) {
            leg.phase = Some(phase);
            self.phases[phase].push(slot);
            self.speaking += 1;
        }
    }

    /// What each leg of a phase does at its beat.
    pub fn each_of_phase(&mut self, phase: usize, mut act: impl FnMut(&mut Leg)) {
        for slot in &self.phases[phase] {
            if let Some(Some(leg)) = self.slots.get_mut(*slot) {
                act(leg);
            }
        }
    }

    /// Leaves frames out on all legs that send.
    pub fn skip_frames(&mut self, frames: u32) {
        for leg in self.slots.iter_mut().flatten() {
            if leg.phase.is_some() {
                leg.skip_frames(frames);
            }
        }
    }
}
