//! The digest at a cut in time.
//!
//! Entries that are still on their way make any two replicas differ for a moment. So replicas are
//! compared at a cut: without what was stamped after it. Sums over short epochs of stamp time are
//! kept beside the total; taking the epochs behind the cut off the total gives the digest there.

use super::digest::Digest;
use super::stamp::Stamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// Milliseconds in an epoch, as a power of two.
const EPOCH_BITS: u32 = 7;
/// Epochs kept: about 8 s, which is how much older than now a cut may be.
const KEPT: u64 = 64;

/// A cut: the number of the first epoch that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut(pub u64);

impl Cut {
    /// Cuts fall on multiples of this.
    pub const GRAIN: Duration = Duration::from_millis(1 << EPOCH_BITS);

    /// The cut that leaves out nothing.
    pub const NONE: Self = Self(u64::MAX);

    /// The cut that leaves out what is stamped at this wall time or later.
    #[must_use]
    pub fn at(wall_ms: u64) -> Self {
        Self(wall_ms >> EPOCH_BITS)
    }
}

/// Sums over the latest epochs.
#[derive(Debug, Default)]
pub(super) struct Recent {
    floor: u64,
    epochs: BTreeMap<u64, Digest>,
}

impl Recent {
    pub(super) fn add(&mut self, stamp: Stamp, item: u128) {
        let epoch = stamp.wall_ms() >> EPOCH_BITS;
        if epoch >= self.floor && self.floor > 0 {
            self.epochs.entry(epoch).or_default().add(item);
        }
    }

    pub(super) fn remove(&mut self, stamp: Stamp, item: u128) {
        let epoch = stamp.wall_ms() >> EPOCH_BITS;
        if epoch >= self.floor && self.floor > 0 {
            self.epochs.entry(epoch).or_default().remove(item);
        }
    }

    /// Forgets epochs that are too old to matter. Until the first call nothing is kept.
    pub(super) fn advance(&mut self, wall_ms: u64) {
        let floor = (wall_ms >> EPOCH_BITS).saturating_sub(KEPT).max(1);
        if floor > self.floor {
            let first = self.floor == 0;
            self.floor = floor;
            self.epochs = match first {
                true => BTreeMap::new(),
                false => self.epochs.split_off(&floor),
            };
        }
    }

    /// The part of `total` before the cut, if the cut is not too old.
    pub(super) fn before(&self, cut: Cut, total: Digest) -> Option<Digest> {
        if cut.0 < self.floor {
            return None;
        }
        let mut digest = total;
        for late in self.epochs.range(cut.0..).map(|(_, late)| late) {
            digest.count = digest.count.wrapping_sub(late.count);
            digest.sum = digest.sum.wrapping_sub(late.sum);
        }
        Some(digest)
    }
}
