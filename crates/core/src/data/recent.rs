//! The digest at a cut in time.
//!
//! Entries that are still on their way make any two replicas differ for a moment. So replicas are
//! compared at a cut: without what is stamped about now. Sums over short epochs of stamp time are
//! kept beside the total; taking the epochs in the cut off the total gives the digest there. What a
//! write replaces goes out in the epoch of that write: a replica that the write has not reached
//! still holds the old entry, and the two are to agree.

mod check;

use super::digest::Digest;
use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::planted::{self, Fault};
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

    /// The cut that leaves out what is stamped less than this long before a wall time, or a little
    /// longer, and all that is stamped after it: writes of clocks that are ahead may be refused
    /// until their time comes.
    #[must_use]
    pub fn from(wall_ms: u64, settle_ms: u64) -> Self {
        Self {
            first: wall_ms.saturating_sub(settle_ms) >> EPOCH_BITS,
            behind: u64::MAX >> EPOCH_BITS,
        }
    }

    /// True if what is stamped at this wall time is left out.
    #[must_use]
    pub fn leaves_out(self, wall_ms: u64) -> bool {
        (self.first..self.behind).contains(&(wall_ms >> EPOCH_BITS))
    }

    /// The epoch that a wall time belongs to.
    #[must_use]
    pub(super) fn epoch(wall_ms: u64) -> u64 {
        wall_ms >> EPOCH_BITS
    }

    /// True if what is stamped in this epoch is left out.
    #[must_use]
    pub(super) fn leaves_out_epoch(self, epoch: u64) -> bool {
        (self.first..self.behind).contains(&epoch)
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
#[derive(Clone, Debug, Default)]
pub(super) struct Recent {
    floor: u64,
    /// The last epoch that something was stamped in: nearly all that comes in belongs to it.
    last: (u64, Digest),
    /// Those before it, in the order of time.
    before: Vec<(u64, Digest)>,
}

impl Recent {
    /// An item came with a write of this wall time.
    pub(super) fn add(&mut self, wall_ms: u64, item: u128) {
        if let Some(sum) = self.epoch(wall_ms) {
            sum.add(item);
        }
    }

    /// An item went with a write of this wall time.
    pub(super) fn remove(&mut self, wall_ms: u64, item: u128) {
        if let Some(sum) = self.epoch(wall_ms) {
            sum.remove(item);
        }
    }

    /// The sum that a wall time belongs to, if it is kept.
    fn epoch(&mut self, wall_ms: u64) -> Option<&mut Digest> {
        let epoch = wall_ms >> EPOCH_BITS;
        let late = planted::has(Fault::Epoch) && epoch < self.last.0;
        if epoch < self.floor || self.floor == 0 || late {
            return None;
        }
        if epoch > self.last.0 {
            self.before.push(std::mem::replace(&mut self.last, (epoch, Digest::default())));
        }
        if epoch == self.last.0 {
            return Some(&mut self.last.1);
        }
        let at = self.before.partition_point(|(held, _)| *held < epoch);
        if self.before.get(at).is_none_or(|(held, _)| *held != epoch) {
            self.before.insert(at, (epoch, Digest::default()));
        }
        self.before.get_mut(at).map(|(_, sum)| sum)
    }

    /// Forgets epochs that are too old to matter. Until the first call nothing is kept.
    pub(super) fn advance(&mut self, wall_ms: u64) {
        let floor = (wall_ms >> EPOCH_BITS).saturating_sub(KEPT).max(1);
        if floor > self.floor {
            self.floor = floor;
            let old = self.before.partition_point(|(epoch, _)| *epoch < floor);
            self.before.drain(..old);
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
        let first = self.before.partition_point(|(epoch, _)| *epoch < cut.first);
        let from_first = self.before.iter().skip(first).chain([&self.last]);
        let inside = from_first.filter(|(epoch, _)| (cut.first..cut.behind).contains(epoch));
        for (_, late) in inside {
            digest.count = digest.count.wrapping_sub(late.count);
            digest.sum = digest.sum.wrapping_sub(late.sum);
        }
        Some(digest)
    }
}
