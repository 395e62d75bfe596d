//! A second account of what a replica holds, apart from the digests: another hash under another
//! key, of the whole content of each entry, summed by parts of the map.
//!
//! Repair believes the digests, which are of (key, stamp). What those cannot see, two values under
//! one stamp or a fault in their own upkeep, shows here. The sums are kept with every write, like
//! the digests, and can be had at a cut in time as well.
//!
//! The first builds left out of it whether an entry is owned. So an account has a number, which goes
//! with the sums: those of two accounts may differ though the replicas are equal.

mod check;

use super::digest::Range;
use super::entry::Entry;
use super::recent::Cut;
use std::fmt;

/// Parts of the map: the ranges of key hashes that share their first two nibbles.
pub const PARTS: usize = 256;
/// Epochs of the cut that are kept, as many as the digests keep.
const KEPT: u64 = 64;

/// The range of a part.
#[must_use]
pub fn range_of(part: u8) -> Range {
    Range::around(u64::from(part) << 56, 2)
}

/// The part that a key hash belongs to.
#[must_use]
pub fn part_of(hash: u64) -> u8 {
    (hash >> 56) as u8
}

/// The account that this build keeps: of all that an entry says.
pub const ACCOUNT: u8 = 1;
/// The account of the first builds: the same, without what only [`ACCOUNT`] tells apart.
pub const FIRST: u8 = 0;

/// The sums of all parts.
#[derive(Clone, PartialEq, Eq)]
pub struct Sums {
    parts: Box<[u64; PARTS]>,
    /// The smallest number of the accounts in which these are the sums.
    account: u8,
}

impl Sums {
    /// The smallest number of the accounts in which these are the sums: [`FIRST`] where nothing was
    /// counted that is told apart only in [`ACCOUNT`].
    #[must_use]
    pub fn account(&self) -> u8 {
        self.account
    }

    /// Of the whole map.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.parts.iter().fold(0, |total, sum| total.wrapping_add(*sum))
    }

    /// Part by part.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.parts.iter().copied()
    }

    fn get(&self, part: u8) -> u64 {
        self.parts.get(usize::from(part)).copied().unwrap_or(0)
    }

    fn add(&mut self, part: u8, what: u64) {
        if let Some(sum) = self.parts.get_mut(usize::from(part)) {
            *sum = sum.wrapping_add(what);
        }
    }
}

impl Default for Sums {
    fn default() -> Self {
        Self { parts: Box::new([0; PARTS]), account: FIRST }
    }
}

impl fmt::Debug for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sums({:016x})", self.total())
    }
}

/// The account, kept with every write.
#[derive(Clone, Debug)]
pub struct Account {
    seed: u64,
    sums: Sums,
    floor: u64,
    /// What the latest epochs have changed, in the order of time: by part, in the order of parts.
    recent: Vec<(u64, Vec<(u8, u64)>)>,
}

impl Account {
    /// An account of nothing, under the cluster's key for that.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, sums: Sums::default(), floor: 0, recent: Vec::new() }
    }

    /// An entry came, by itself or in place of another, with a write of this wall time.
    pub fn add(&mut self, hash: u64, entry: &Entry, wall_ms: u64) {
        let content = self.content(entry);
        self.change(hash, content, wall_ms);
    }

    /// An entry went, with a write of this wall time.
    pub fn remove(&mut self, hash: u64, entry: &Entry, wall_ms: u64) {
        let content = entry.content_hash(self.seed);
        self.change(hash, content.wrapping_neg(), wall_ms);
    }

    fn content(&mut self, entry: &Entry) -> u64 {
        if !entry.is_simple() {
            // For good: it may count at a cut when it is gone.
            self.sums.account = ACCOUNT;
        }
        entry.content_hash(self.seed)
    }

    fn change(&mut self, hash: u64, what: u64, wall_ms: u64) {
        let part = part_of(hash);
        self.sums.add(part, what);
        let epoch = Cut::epoch(wall_ms);
        if self.floor == 0 || epoch < self.floor {
            return;
        }
        // Nearly all that comes in belongs to the last epoch.
        let at = match self.recent.last() {
            Some((last, _)) if *last == epoch => self.recent.len() - 1,
            Some((last, _)) if *last > epoch => {
                self.recent.partition_point(|(held, _)| *held < epoch)
            }
            _ => self.recent.len(),
        };
        if self.recent.get(at).is_none_or(|(held, _)| *held != epoch) {
            self.recent.insert(at, (epoch, Vec::new()));
        }
        let Some((_, parts)) = self.recent.get_mut(at) else { return };
        let place = parts.partition_point(|(held, _)| *held < part);
        match parts.get_mut(place) {
            Some((held, sum)) if *held == part => *sum = sum.wrapping_add(what),
            _ => parts.insert(place, (part, what)),
        }
    }

    /// Forgets epochs that are too old to matter. Until the first call none are kept.
    pub fn advance(&mut self, wall_ms: u64) {
        let floor = Cut::epoch(wall_ms).saturating_sub(KEPT).max(1);
        if floor > self.floor {
            self.floor = floor;
            let old = self.recent.partition_point(|(epoch, _)| *epoch < floor);
            self.recent.drain(..old);
        }
    }

    /// True if [`Account::advance`] has something to do.
    #[must_use]
    pub fn is_late(&self, wall_ms: u64) -> bool {
        Cut::epoch(wall_ms).saturating_sub(KEPT).max(1) > self.floor
    }

    /// The sums without what was written inside a cut; `None` if that is too long ago.
    #[must_use]
    pub fn at(&self, cut: Cut) -> Option<Sums> {
        let mut sums = self.sums.clone();
        if cut.is_none() {
            return Some(sums);
        }
        if Cut::epoch(cut.first_ms()) < self.floor {
            return None;
        }
        for (_, parts) in self.recent.iter().filter(|(epoch, _)| cut.leaves_out_epoch(*epoch)) {
            parts.iter().for_each(|(part, what)| sums.add(*part, what.wrapping_neg()));
        }
        Some(sums)
    }

    /// Compares a part with what is really held there; corrects it and answers false if it is
    /// wrong.
    pub fn verify<'a>(&mut self, part: u8, held: impl Iterator<Item = &'a Entry>) -> bool {
        let sum = held.fold(0_u64, |sum, entry| sum.wrapping_add(self.content(entry)));
        let kept = self.sums.get(part);
        self.sums.add(part, sum.wrapping_sub(kept));
        sum == kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::data::{Fields, Kind, Stamp};
    use proptest::prelude::*;

    fn entry(key: u8, value: u8, wall_ms: u64) -> Entry {
        let stamp = Stamp { time: wall_ms << 16, node: NodeId(1) };
        Entry::new(&[key], &[value; 20], stamp, None)
    }

    #[test]
    fn every_field_of_an_entry_counts() {
        let stamp = |time, node| Stamp { time, node: NodeId(node) };
        let fields = Fields::checked(&[1, 0]);
        let entries = [
            Entry::new(b"ab", b"c", stamp(5, 1), None),
            Entry::new(b"a", b"bc", stamp(5, 1), None),
            Entry::new(b"ab", b"d", stamp(5, 1), None),
            Entry::new(b"ab", b"c", stamp(6, 1), None),
            Entry::new(b"ab", b"c", stamp(5, 2), None),
            Entry::new(b"ab", b"c", stamp(5, 1), Some(9)),
            Entry::new(b"abc", b"", stamp(5, 1), None),
            Entry::tombstone(b"abc", stamp(5, 1)),
            Entry::new(b"ab", b"c", stamp(5, 1), None).owned(),
            Entry::new(b"ab", b"c", stamp(5, 1), None).extended(Kind(1), Fields::NONE),
            Entry::new(b"ab", b"c", stamp(5, 1), None).extended(Kind(2), Fields::NONE),
            Entry::new(b"ab", b"c", stamp(5, 1), None).extended(Kind::PLAIN, fields),
            Entry::new(b"ab", b"c\x01", stamp(5, 1), None).extended(Kind::PLAIN, Fields::NONE),
            Entry::new(b"ab", b"c\x01\x00", stamp(5, 1), None),
            Entry::tombstone(b"abc", stamp(5, 1)).extended(Kind(1), Fields::NONE),
            Entry::tombstone(b"abc", stamp(5, 1)).extended(Kind::PLAIN, fields),
        ];
        let mut hashes: Vec<u64> = entries.iter().map(|entry| entry.content_hash(7)).collect();
        hashes.push(entries[0].content_hash(8));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), entries.len() + 1);
    }

    proptest! {
        #[test]
        fn a_cut_has_what_there_was_before_it(
            before in prop::collection::vec((any::<u64>(), any::<u8>()), 0..40),
            after in prop::collection::vec((any::<u64>(), any::<u8>(), 9_000_u64..11_000), 0..40),
        ) {
            let mut account = Account::new(3);
            account.advance(1000);
            for (hash, value) in &before {
                account.add(*hash, &entry(1, *value, 1000), 1000);
            }
            account.advance(10_000);
            let then = account.at(Cut::NONE);
            for (hash, value, wall) in &after {
                account.add(*hash, &entry(2, *value, *wall), *wall);
                if let Some((hash, value)) = before.first() {
                    account.remove(*hash, &entry(1, *value, 1000), *wall);
                }
            }
            prop_assert_eq!(account.at(Cut::around(10_000, 2000)), then);
            prop_assert_eq!(account.at(Cut::around(1000, 300)), None, "too long ago");
        }
    }

    #[test]
    fn sums_say_of_which_account_they_are() {
        let mut account = Account::new(3);
        let plain = entry(1, 1, 5);
        account.add(7, &plain, 5);
        assert_eq!(account.at(Cut::NONE).unwrap().account(), FIRST);
        account.add(8, &plain.clone().owned(), 5);
        account.remove(8, &plain.owned(), 5);
        assert_eq!(account.at(Cut::NONE).unwrap().account(), ACCOUNT);
    }

    #[test]
    fn a_part_that_is_wrong_is_put_right() {
        let mut account = Account::new(3);
        let (one, other) = (entry(1, 1, 5), entry(2, 2, 5));
        account.add(7 << 56, &one, 5);
        assert!(account.verify(7, [&one].into_iter()));
        assert!(account.verify(8, [].into_iter()));
        assert!(!account.verify(7, [&other].into_iter()));
        assert!(account.verify(7, [&other].into_iter()), "put right");
    }
}
