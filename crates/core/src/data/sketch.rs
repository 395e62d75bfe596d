//! Set sketches: what a replica holds, in a form whose difference to another's can be solved.
//!
//! Everything here is linear (exclusive or of per-item terms), so taking an item in and taking it
//! out are the same step, a sketch of a difference is the difference of the sketches, and what is
//! to be left out of a comparison is simply put in once more. A write touches four cells in each of
//! at most three sizes of table; serving a session touches none of the data.
//!
//! [`Cells`] is a lookup table of invertible Bloom type that grows without being sent again: see
//! [`table`]. [`Strata`] says about how large a difference is.

mod check;
pub mod item;
pub mod strata;
pub mod table;

pub use item::ItemId;
pub use strata::{Coarse, Fine, Strata};
pub use table::Cells;

use super::recent::Cut;
use crate::base::planted::{self, Fault};
use item::Place;
use item::TABLES;
use std::collections::VecDeque;
use table::Table;

/// Cells of the smallest table.
const MIN_CELLS: usize = 64;
/// Cells of the largest table: enough for about 200,000 differences (guess: 2.4 MB a map is little
/// beside as many entries, and beyond it ranges are cheap enough).
pub const MAX_CELLS: usize = 1 << 18;
/// Table sizes kept beside the largest, so that a small comparison reads a small table.
const KEPT: [usize; 2] = [256, 4096];
/// Latest changes that are remembered (24 bytes each).
const MAX_CHANGES: usize = 1 << 17;
/// How long they are: as long as cuts can be made.
const KEPT_MS: u64 = 8192;

/// A state that a replica was in: the number of changes up to then, modulo 2^16. A wrong guess of
/// the rest gives cells that do not fit together, not a wrong answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Version(pub u16);

/// The sketches of a map, kept with every write.
#[derive(Clone, Debug)]
pub struct Sketches {
    /// By size; the last one is the largest.
    tables: Vec<Table>,
    strata: Strata,
    items: u64,
    changes: Changes,
}

impl Default for Sketches {
    fn default() -> Self {
        Self {
            tables: vec![Table::new(MIN_CELLS)],
            strata: Strata::default(),
            items: 0,
            changes: Changes::default(),
        }
    }
}

impl Sketches {
    /// Takes an item in. `wall_ms` is the wall time in the stamp of the write that brings it.
    pub fn insert(&mut self, item: ItemId, wall_ms: u64) {
        self.items = self.items.wrapping_add(1);
        self.toggle(item, wall_ms);
    }

    /// Takes an item out. `wall_ms` is the wall time in the stamp of the write that replaces it, so
    /// that a cut which leaves that write out has the old item instead; 0 if none does.
    pub fn remove(&mut self, item: ItemId, wall_ms: u64) {
        self.items = self.items.wrapping_sub(1);
        if planted::has(Fault::Cells) {
            self.tables.iter_mut().take(1).for_each(|table| table.toggle(item, Place::of(item)));
        }
        self.toggle(item, wall_ms);
    }

    fn toggle(&mut self, item: ItemId, wall_ms: u64) {
        let place = Place::of(item);
        for table in &mut self.tables {
            table.toggle(item, place);
        }
        self.strata.toggle(place);
        self.changes.push(item, wall_ms);
    }

    /// True if the map has outgrown the tables: call [`Sketches::grow`].
    #[must_use]
    pub fn is_crowded(&self) -> bool {
        self.size() < MAX_CELLS && self.items > self.size() as u64
    }

    /// Makes room, given all items that are held. Happens each time the map quadruples, up to
    /// [`MAX_CELLS`].
    pub fn grow(&mut self, items: impl Iterator<Item = ItemId>) {
        let size = (4 * self.size()).min(MAX_CELLS);
        let mut table = Table::new(size);
        for item in items {
            table.toggle(item, Place::of(item));
        }
        self.tables.retain(|table| KEPT.contains(&table.size()));
        self.tables.push(table);
    }

    /// Makes the tables anew of all items that are held.
    pub fn refill(&mut self, items: &[ItemId]) {
        self.items = items.len() as u64;
        self.strata = Strata::default();
        self.tables = self.tables.iter().map(|table| Table::new(table.size())).collect();
        for item in items {
            let place = Place::of(*item);
            self.tables.iter_mut().for_each(|table| table.toggle(*item, place));
            self.strata.toggle(place);
        }
    }

    /// Lets time pass: changes that came and were stamped more than about 8 s ago are forgotten. Until
    /// the first call none are remembered.
    pub fn advance(&mut self, wall_ms: u64) {
        self.changes.advance(wall_ms);
    }

    fn size(&self) -> usize {
        self.tables.last().map_or(0, Table::size)
    }

    /// The present state.
    #[must_use]
    pub fn version(&self) -> Version {
        Version(self.changes.total as u16)
    }

    /// The sketches as they were at a version, without what was stamped inside a cut. `None` if
    /// that is too long ago or too much has changed since.
    #[must_use]
    pub fn view(&self, version: Version, cut: Cut) -> Option<View<'_>> {
        let left_out = self.changes.left_out(version, cut)?;
        Some(View { sketches: self, left_out })
    }
}

/// The sketches of one settled set, unmoved by writes that go on.
#[derive(Clone, Debug)]
pub struct View<'a> {
    sketches: &'a Sketches,
    left_out: Vec<ItemId>,
}

impl View<'_> {
    /// The cells `from..to` of the endless sequence of cells, or as many of them as there are.
    #[must_use]
    pub fn cells(&self, from: usize, to: usize) -> Cells {
        let to = to.min(self.size());
        let enough = |table: &&Table| table.size() >= to + TABLES - 1;
        match self.sketches.tables.iter().find(enough) {
            Some(table) => table.cells(from, to, &self.left_out),
            None => Cells::default(),
        }
    }

    /// Exclusive or of all items.
    #[must_use]
    pub fn root(&self) -> u64 {
        self.cells(0, 1).iter().next().map_or(0, |(sum, _)| sum)
    }

    /// The estimator.
    #[must_use]
    pub fn strata(&self) -> Strata {
        let mut strata = self.sketches.strata;
        for item in &self.left_out {
            strata.toggle(Place::of(*item));
        }
        strata
    }

    /// Cells that can be had.
    #[must_use]
    pub fn size(&self) -> usize {
        self.sketches.size() - TABLES + 1
    }
}

/// The latest changes, for going back to an earlier state and for leaving out what is young.
#[derive(Clone, Debug, Default)]
struct Changes {
    total: u64,
    latest: VecDeque<Change>,
    /// The wall time; nothing is remembered until it is known, and no cut is before then.
    now: u64,
    /// The largest wall time in a stamp among the changes that were dropped for want of room.
    dropped: u64,
}

#[derive(Clone, Copy, Debug)]
struct Change {
    item: ItemId,
    /// In the stamp of the write that changed it.
    wall_ms: u64,
    /// When it came here.
    at_ms: u64,
}

impl Changes {
    fn push(&mut self, item: ItemId, wall_ms: u64) {
        self.total = self.total.wrapping_add(1);
        if self.now == 0 {
            return;
        }
        self.latest.push_back(Change { item, wall_ms, at_ms: self.now });
        if self.latest.len() > MAX_CHANGES
            && let Some(change) = self.latest.pop_front()
        {
            self.dropped = self.dropped.max(change.wall_ms);
        }
    }

    fn advance(&mut self, wall_ms: u64) {
        self.now = self.now.max(wall_ms);
        let old = self.now.saturating_sub(KEPT_MS);
        // One that is stamped ahead of the clock is to be left out when its time comes.
        while self.latest.front().is_some_and(|change| change.at_ms.max(change.wall_ms) < old) {
            self.latest.pop_front();
        }
    }

    fn left_out(&self, version: Version, cut: Cut) -> Option<Vec<ItemId>> {
        let since = usize::from((self.total as u16).wrapping_sub(version.0));
        let settled = self.latest.len().checked_sub(since)?;
        if cut.is_none() {
            return Some(self.latest.iter().skip(settled).map(|change| change.item).collect());
        }
        if cut.first_ms() <= self.dropped || cut.first_ms() < self.now.saturating_sub(KEPT_MS) {
            return None;
        }
        let late = |(at, change): (usize, &Change)| {
            (at >= settled || cut.leaves_out(change.wall_ms)).then_some(change.item)
        };
        Some(self.latest.iter().enumerate().filter_map(late).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(items: impl Iterator<Item = u64>) -> Sketches {
        let mut sketches = Sketches::default();
        sketches.advance(1);
        let mut held = Vec::new();
        for item in items {
            sketches.insert(ItemId(item), 0);
            held.push(ItemId(item));
            if sketches.is_crowded() {
                sketches.grow(held.iter().copied());
            }
        }
        sketches
    }

    fn now(sketches: &Sketches) -> View<'_> {
        sketches.view(sketches.version(), Cut::NONE).unwrap()
    }

    #[test]
    fn every_table_says_the_same() {
        let grown = filled(1..=20_000);
        assert_eq!(grown.tables.len(), 3);
        let (small, large) = (now(&grown).cells(0, 200), now(&grown).cells(0, 20_000));
        assert!(small.iter().eq(large.iter().take(200)));
        assert_eq!(now(&grown).root(), (1..=20_000).fold(0, |sum, item| sum ^ item));
    }

    #[test]
    fn parts_of_the_sequence_fit_together() {
        let sketches = filled(1..=3000);
        let whole = now(&sketches).cells(0, 900);
        let parts = [0, 1, 2, 3, 8, 100, 255, 256, 900];
        for pair in parts.windows(2) {
            let part = now(&sketches).cells(pair[0], pair[1]);
            assert!(part.iter().eq(whole.iter().skip(pair[0]).take(pair[1] - pair[0])));
        }
        assert_eq!(now(&sketches).cells(4090, 5000).len(), 3, "no more than there are");
    }

    proptest! {
        #[test]
        fn an_earlier_state_can_be_served(before in 0_u64..300, after in 0_u64..300) {
            let old = filled(0..before);
            let mut new = old.clone();
            let version = new.version();
            for item in 0..after {
                // Some new, some gone.
                new.insert(ItemId(1000 + item), 0);
                if item < before {
                    new.remove(ItemId(item), 0);
                }
            }
            let view = new.view(version, Cut::NONE).unwrap();
            prop_assert!(view.cells(0, 64).iter().eq(now(&old).cells(0, 64).iter()));
            prop_assert_eq!(view.strata(), now(&old).strata());
        }
    }

    #[test]
    fn a_cut_has_the_old_item_in_place_of_the_young_one() {
        let mut sketches = filled([1, 2, 3].into_iter());
        let old = sketches.clone();
        sketches.advance(10_000);
        sketches.insert(ItemId(9), 10_000);
        sketches.remove(ItemId(2), 10_000);
        let cut = Cut::around(10_000, 300);
        let view = sketches.view(sketches.version(), cut).unwrap();
        assert!(view.cells(0, 64).iter().eq(now(&old).cells(0, 64).iter()));
        assert_ne!(view.root(), now(&sketches).root());
    }

    #[test]
    fn what_is_forgotten_cannot_be_served() {
        let mut sketches = filled(0..10);
        sketches.advance(20_000);
        let version = sketches.version();
        for item in 0..10 {
            // Written long ago, and here only now.
            sketches.insert(ItemId(100 + item), 5000);
        }
        sketches.advance(28_000);
        assert!(sketches.view(version, Cut::NONE).is_some());
        sketches.advance(29_000);
        assert!(sketches.view(version, Cut::NONE).is_none());
        assert!(sketches.view(sketches.version(), Cut::around(20_000, 300)).is_none());
        assert!(sketches.view(sketches.version(), Cut::around(29_000, 300)).is_some());
        assert!(sketches.view(Version(u16::MAX), Cut::NONE).is_none(), "nobody was told of it");
    }

    #[test]
    fn a_flood_of_writes_leaves_a_bounded_list() {
        let mut sketches = Sketches::default();
        sketches.advance(1000);
        for item in 0..MAX_CHANGES as u64 + 1000 {
            sketches.insert(ItemId(item), 1000 + item);
        }
        assert_eq!(sketches.changes.latest.len(), MAX_CHANGES);
        assert!(sketches.view(sketches.version(), Cut::around(1500, 300)).is_none());
    }

    #[test]
    fn nothing_is_remembered_of_filling_a_map_before_time_begins() {
        let mut sketches = Sketches::default();
        (0..100).for_each(|item| sketches.insert(ItemId(item), 50));
        assert!(sketches.changes.latest.is_empty());
        assert!(sketches.view(sketches.version(), Cut::NONE).is_some());
    }
}
