//! What holds of a map at any time: what it keeps beside its entries is what the entries make.

use super::Map;
use super::trie::{Kind, LEAF, Trie};
use crate::base::check::Depth;
use crate::base::hash::Keyed;
use crate::data::account;
use crate::data::digest::{Digest, Range};
use crate::data::is_mortal;
use crate::data::sketch::ItemId;
use std::ops::ControlFlow;

/// What entries add up to.
#[derive(Clone, Copy, Default)]
struct Tally {
    digest: Digest,
    mortal: u64,
    tombstones: u64,
    bytes: u64,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.digest.count = self.digest.count.wrapping_add(other.digest.count);
        self.digest.sum = self.digest.sum.wrapping_add(other.digest.sum);
        self.mortal += other.mortal;
        self.tombstones += other.tombstones;
        self.bytes += other.bytes;
    }
}

impl Map {
    /// Checks what must hold.
    ///
    /// # Panics
    /// If it does not.
    pub fn check(&self, depth: Depth) {
        let (count, tombstones) = (self.digest().count, self.tombstones);
        let mortal = u64::from(self.root.mortal);
        assert!(
            tombstones <= mortal && mortal <= count,
            "{tombstones} tombstones among {mortal} mortal ones among {count} entries"
        );
        assert!(count > 0 || self.digest() == Digest::default(), "nothing has a checksum");
        if let Some(sketches) = &self.sketches {
            sketches.check(self.digest(), depth);
        }
        if depth.is_glance() {
            return;
        }
        self.recent.check();
        if let Some(account) = &self.account {
            account.check();
            self.check_epochs(account.epochs());
        }
        match depth {
            Depth::Glance => {}
            Depth::Part(part) => {
                self.root.check(Range::ALL, account::range_of(part), &self.keyed);
                self.check_account(part);
            }
            Depth::Whole => self.check_whole(),
        }
    }

    /// Both accounts keep what was written in the same epochs.
    fn check_epochs(&self, accounted: impl Iterator<Item = u64>) {
        let floor = self.recent.floor();
        let summed = self.recent.epochs().filter(|epoch| *epoch >= floor && floor > 0);
        let (summed, accounted): (Vec<u64>, Vec<u64>) = (summed.collect(), accounted.collect());
        assert_eq!(
            summed, accounted,
            "the epochs of the sums by time are not those of the account"
        );
    }

    /// The second account of a part is that of the entries in it.
    fn check_account(&self, part: u8) {
        let Some(account) = &self.account else { return };
        let mut sum = 0_u64;
        self.walk(account::range_of(part), &mut |_, entry| {
            sum = sum.wrapping_add(account.content_of(entry));
            ControlFlow::Continue(())
        });
        assert_eq!(
            sum,
            account.sum_of(part),
            "the second account of part {part} is not its entries'"
        );
    }

    fn check_whole(&self) {
        let tally = self.root.check(Range::ALL, Range::ALL, &self.keyed);
        assert_eq!(tally.tombstones, self.tombstones, "tombstones held, and as they are counted");
        assert_eq!(tally.bytes, self.bytes, "bytes of the entries, and as they are counted");
        (0..=u8::MAX).for_each(|part| self.check_account(part));
        if let Some(sketches) = &self.sketches {
            let mut items = Vec::new();
            self.walk(Range::ALL, &mut |hash, entry| {
                items.push(ItemId::new(hash, self.item_hash(entry)));
                ControlFlow::Continue(())
            });
            sketches.check_items(&items);
            self.recent.check_changes(sketches.changed(), sketches.complete_from());
        }
    }
}

impl Trie {
    /// Checks what lies `within` a range, and that the digests on the way to it are the sums of
    /// those below.
    fn check(&self, range: Range, within: Range, keyed: &Keyed) -> Tally {
        let mut tally = Tally::default();
        match &self.kind {
            Kind::Leaf(slots) => {
                // A leaf that is cut may hand all that it holds to one of its children.
                let room = slots.len() <= LEAF + 1 || range.depth() == Range::MAX_DEPTH;
                assert!(room, "a leaf at {range:?} holds {} entries", slots.len());
                let sorted = slots.is_sorted_by_key(|slot| slot.hash);
                assert!(sorted, "the entries at {range:?} are not in the order of their hashes");
                for slot in slots {
                    let (hash, entry) = (slot.hash, &slot.entry);
                    assert_eq!(hash, keyed.hash64(entry.key()), "{entry:?} is placed elsewhere");
                    assert!(range.contains(hash), "{entry:?} does not belong to {range:?}");
                    tally.digest.add(entry.item_hash(keyed));
                    tally.mortal += u64::from(is_mortal(entry));
                    tally.tombstones += u64::from(entry.is_tombstone());
                    tally.bytes += entry.size() as u64;
                }
                let same = |pair: &[super::trie::Slot]| match pair {
                    [one, next] => one.hash == next.hash && one.entry.key() == next.entry.key(),
                    _ => false,
                };
                assert!(!slots.windows(2).any(same), "a key is held twice at {range:?}");
            }
            Kind::Branch(children) => {
                for (nibble, child) in (0..).zip(children.iter()) {
                    let inner = range.child(nibble).unwrap_or(range);
                    match inner.last() < within.first() || within.last() < inner.first() {
                        true => tally.add(&Tally {
                            digest: child.digest,
                            mortal: child.mortal.into(),
                            ..Tally::default()
                        }),
                        false => tally.add(&child.check(inner, within, keyed)),
                    }
                }
            }
        }
        assert_eq!(self.digest, tally.digest, "kept digest of {range:?}, and that of its entries");
        assert_eq!(
            u64::from(self.mortal),
            tally.mortal,
            "mortal entries that are counted at {range:?}, and those that there are"
        );
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::data::{Entry, Stamp};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn entry(key: u16, time: u64) -> Arc<Entry> {
        let (key, stamp) = (key.to_be_bytes(), Stamp { time, node: NodeId(1) });
        Arc::new(match time % 5 {
            0 => Entry::tombstone(&key, stamp),
            1 => Entry::new(&key, &[1; 9], stamp, Some(77)),
            _ => Entry::new(&key, &[2; 20], stamp, None),
        })
    }

    proptest! {
        #[test]
        fn whatever_is_written_and_taken_out_holds(
            writes in prop::collection::vec((0_u16..400, 0_u64..12_000, 0_u8..8), 0..700),
        ) {
            let start = 1_000_000;
            let mut map = Map::with_sketches(Keyed::for_cluster("test")).accounted();
            map.advance(start);
            for (at, (key, after, what)) in (0..).zip(writes) {
                let key_bytes = key.to_be_bytes();
                match what {
                    0 => map.advance(start + after),
                    1 => {
                        if let Some(stamp) = map.get(&key_bytes).map(|held| held.stamp()) {
                            map.remove(&key_bytes, stamp);
                        }
                    }
                    _ => drop(map.apply(entry(key, ((start + after) << 16) | (at % 5)))),
                }
                map.check(Depth::Part(at as u8));
            }
            map.check(Depth::Whole);
            map.rebuild();
            map.check(Depth::Whole);
        }
    }

    #[test]
    #[should_panic = "kept digest of"]
    fn a_changed_entry_is_noticed() {
        let mut map = Map::new(Keyed::for_cluster("test")).accounted();
        let _ = map.apply(entry(7, 1 << 40));
        map.tamper(&7_u16.to_be_bytes(), None);
        map.check(Depth::Whole);
    }
}
