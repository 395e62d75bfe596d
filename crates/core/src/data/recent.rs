//! The digest at a cut in time.
//!
//! Entries that are still on their way make any two replicas differ for a moment. So replicas are
//! compared at a cut: without what is stamped about now. Sums over short epochs of stamp time are
//! kept beside the total; taking the epochs in the cut off the total gives the digest there.

use super::digest::Digest;
use super::stamp::Stamp;
use crate::base::codec::{DecodeError, Reader, Write};
use std::collections::BTreeMap;
use std::time::Duration;

/// Milliseconds in an epoch, as a power of two.
const EPOCH_BITS: u32 = 7;
/// Epochs kept: about 8 s, which is how much older than now a cut may be.
const KEPT: u64 = 64;

/// A cut: the epochs that are left out, from the first one to the one behind the last.
///
/// It ends soon behind now: stamps that are far ahead, of clocks that are, would otherwise stay
/// out of the comparison until the wall clock gets there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    first: u64,
    behind: u64,
}

impl Cut {
    /// The cut that leaves out nothing.
    pub const NONE: Self = Self { first: 0, behind: 0 };
    /// Cuts begin and end on multiples of this.
    pub const GRAIN: Duration = Duration::from_millis(1 << EPOCH_BITS);

    /// The cut that leaves out what is stamped less than this long before or after a wall time, or
    /// a little longer.
    #[must_use]
    pub fn around(wall_ms: u64, settle_ms: u64) -> Self {
        Self {
            first: wall_ms.saturating_sub(settle_ms) >> EPOCH_BITS,
            behind: (wall_ms.saturating_add(settle_ms) >> EPOCH_BITS) + 1,
        }
    }

    /// True if what is stamped at this wall time is left out.
    #[must_use]
    pub fn leaves_out(self, wall_ms: u64) -> bool {
        (self.first..self.behind).contains(&(wall_ms >> EPOCH_BITS))
    }

    /// True if nothing is left out.
    #[must_use]
    pub fn is_none(self) -> bool {
        self.behind <= self.first
    }

    /// The wall time from which on stamps are left out.
    #[must_use]
    pub fn first_ms(self) -> u64 {
        self.first << EPOCH_BITS
    }

    /// Appends the first epoch and the number of epochs (varints).
    pub fn encode(self, to: &mut impl Write) {
        to.put_varint(self.first);
        to.put_varint(self.behind.saturating_sub(self.first));
    }

    /// Reads what [`Cut::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = from.varint()?;
        Ok(Self { first, behind: first.saturating_add(from.varint()?) })
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

    /// The part of `total` outside the cut, if the cut is not too old.
    pub(super) fn outside(&self, cut: Cut, total: Digest) -> Option<Digest> {
        if cut.behind <= cut.first {
            return Some(total);
        }
        if cut.first < self.floor {
            return None;
        }
        let mut digest = total;
        for late in self.epochs.range(cut.first..cut.behind).map(|(_, late)| late) {
            digest.count = digest.count.wrapping_sub(late.count);
            digest.sum = digest.sum.wrapping_sub(late.sum);
        }
        Some(digest)
    }
}
