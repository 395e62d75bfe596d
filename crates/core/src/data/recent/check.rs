//! What holds of the sums over the latest epochs.

use super::{EPOCH_BITS, Recent};
use std::collections::BTreeMap;

impl Recent {
    /// The epoch from which on sums are kept; 0 if none are.
    pub(in crate::data) fn floor(&self) -> u64 {
        self.floor
    }

    /// The epochs that sums are kept of, in the order of time.
    pub(in crate::data) fn epochs(&self) -> impl Iterator<Item = u64> {
        self.before.iter().chain([&self.last]).map(|(epoch, _)| *epoch)
    }

    /// Checks what must hold of them by themselves.
    pub(in crate::data) fn check(&self) {
        let mut before = None;
        for epoch in self.epochs() {
            assert!(before < Some(epoch), "epoch {epoch} stands behind {before:?}");
            before = Some(epoch);
        }
        assert!(self.floor > 0 || self.last.0 == 0, "sums are kept before time has begun");
    }

    /// Checks them against the latest changes: (wall time of the write, low bit of the item), of
    /// which all are known that are stamped from a time on.
    pub(in crate::data) fn check_changes(
        &self,
        changes: impl Iterator<Item = (u64, bool)>,
        complete_from: u64,
    ) {
        // The oldest epoch is forgotten bit by bit.
        let from = self.floor.max((complete_from >> EPOCH_BITS).saturating_add(1));
        let mut by_epoch: BTreeMap<u64, (u64, bool)> = BTreeMap::new();
        for (wall_ms, bit) in changes {
            let (count, bits) = by_epoch.entry(wall_ms >> EPOCH_BITS).or_default();
            (*count, *bits) = (*count + 1, *bits ^ bit);
        }
        for (epoch, (count, bits)) in by_epoch.range(from.saturating_add(1)..) {
            let sum = self.before.iter().chain([&self.last]).find(|(held, _)| held == epoch);
            assert!(sum.is_some(), "{count} changes in epoch {epoch}, of which no sum is kept");
            let sum = sum.map(|(_, sum)| *sum).unwrap_or_default();
            // A change adds one or takes one off.
            assert_eq!(
                (sum.count & 1 == 1, sum.sum & 1 == 1),
                (count & 1 == 1, *bits),
                "the sum of epoch {epoch} is not that of its {count} changes"
            );
        }
    }
}
