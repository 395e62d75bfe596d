//! What holds of the second account.

use super::Account;
use crate::data::Entry;

impl Account {
    /// The epochs of which changes are kept, in the order of time.
    pub(in crate::data) fn epochs(&self) -> impl Iterator<Item = u64> {
        self.recent.iter().map(|(epoch, _)| *epoch)
    }

    /// What an entry adds to its part.
    pub(in crate::data) fn content_of(&self, entry: &Entry) -> u64 {
        entry.content_hash(self.seed)
    }

    /// What is kept of a part.
    pub(in crate::data) fn sum_of(&self, part: u8) -> u64 {
        self.sums.get(part)
    }

    /// Checks what must hold of it by itself.
    pub(in crate::data) fn check(&self) {
        let mut before = 0;
        for (epoch, parts) in &self.recent {
            assert!(*epoch > before, "epoch {epoch} of the account stands behind {before}");
            assert!(*epoch >= self.floor, "epoch {epoch} is kept below {}", self.floor);
            assert!(!parts.is_empty(), "epoch {epoch} of the account has no part");
            let sorted = parts.is_sorted_by(|one, next| one.0 < next.0);
            assert!(sorted, "the parts of epoch {epoch} are not in order");
            before = *epoch;
        }
    }
}
