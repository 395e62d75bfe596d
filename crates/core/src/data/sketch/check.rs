//! What holds of the sketches: they are of all items that are held and of no other.

use super::item::TABLES;
use super::table::Table;
use super::{ItemId, KEPT, KEPT_MS, MAX_CELLS, MAX_CHANGES, MIN_CELLS, Sketches};
use crate::base::check::Depth;
use crate::data::digest::Digest;

impl Sketches {
    /// Checks what is seen at a glance: the sketches are linear, so is the low bit of a checksum.
    pub(in crate::data) fn check(&self, digest: Digest, depth: Depth) {
        assert_eq!(self.items, digest.count, "items in the sketches, and entries");
        let odd = digest.sum & 1 == 1;
        let strata = self.strata.bits();
        assert_eq!(strata & 1, (self.items & 1) as u32, "{strata} bits in the strata");
        let sizes = self.tables.windows(2).all(|pair| match pair {
            [one, next] => one.size() < next.size() && KEPT.contains(&one.size()),
            _ => true,
        });
        assert!(sizes, "tables that are not kept, or not in the order of their sizes");
        let size = self.size();
        assert!((MIN_CELLS..=MAX_CELLS).contains(&size), "the largest table has {size} cells");
        if let Some(table) = self.tables.first().filter(|_| !depth.is_glance()) {
            table.check(odd);
        }
        let changes = &self.changes;
        let (len, total) = (changes.latest.len(), changes.total);
        assert!(len <= MAX_CHANGES && len as u64 <= total, "{len} of {total} changes are kept");
        assert!(!self.is_crowded(), "{} items in {size} cells", self.items);
    }

    /// Checks everything, given all items that are held.
    pub(in crate::data) fn check_items(&self, items: &[ItemId]) {
        let tables = self.tables.iter().map(|table| Table::new(table.size())).collect();
        let mut fresh = Self { tables, ..Self::default() };
        fresh.refill(items);
        assert_eq!(self.strata, fresh.strata, "the strata are not those of the items");
        for (kept, fresh) in self.tables.iter().zip(&fresh.tables) {
            let size = kept.size();
            assert!(kept == fresh, "the table of {size} cells is not that of the items");
        }
        let times = self.changes.latest.iter().map(|change| change.at_ms);
        assert!(times.is_sorted(), "changes are not in the order in which they came");
    }

    /// The latest changes: the wall time of the write, and the low bit of the item.
    pub(in crate::data) fn changed(&self) -> impl Iterator<Item = (u64, bool)> {
        self.changes.latest.iter().map(|change| (change.wall_ms, change.item.0 & 1 == 1))
    }

    /// All changes are known that are stamped from here on.
    pub(in crate::data) fn complete_from(&self) -> u64 {
        let changes = &self.changes;
        changes.dropped.max(changes.now.saturating_sub(KEPT_MS))
    }
}

impl Table {
    /// Each of the four tables holds every item once.
    fn check(&self, odd: bool) {
        let mut roots = [0_u64; TABLES];
        for (at, (sum, _)) in self.iter().enumerate() {
            if let Some(root) = roots.get_mut(at % TABLES) {
                *root ^= sum;
            }
        }
        let [root, others @ ..] = roots;
        assert!(others.iter().all(|other| *other == root), "the four tables differ: {roots:x?}");
        assert_eq!(root & 1 == 1, odd, "the low bit of all cells, and that of the checksum");
    }
}
