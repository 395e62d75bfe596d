//! One replicated map: entries in the order of their keys' hashes.
//!
//! A 16-ary trie over the 64-bit key hash with a [`Digest`] at every node. So the digest of any
//! [`Range`] is at hand, ranges are walked in an order that is the same on every node, and growth
//! never moves more than one leaf.
//!
//! A clone shares everything with its original; a write at either of them copies the branches on
//! its way, no more than what lies beside them in the last one. Sketches, where they are kept, are
//! copied as a whole.

mod check;
mod trie;
mod upkeep;

pub use upkeep::Verified;

use super::account::{Account, Sums};
use super::digest::{Digest, Range};
use super::entry::Entry;
use super::recent::{Cut, Recent};
use super::sketch::{ItemId, Sketches, Version, View};
use super::stamp::Stamp;
use crate::base::hash::Keyed;
use crate::base::planted::{self, Fault};
use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;
use trie::{Change, Kind, Trie};

/// What became of an entry that was offered to the map.
#[derive(Clone, Debug)]
pub enum Merged {
    /// The map already held this write or a bigger one.
    Stale,
    /// The entry is now in the map, in place of the one given here.
    New(Option<Arc<Entry>>),
}

/// Last-writer-wins map with digests.
#[derive(Clone, Debug)]
pub struct Map {
    keyed: Keyed,
    root: Trie,
    recent: Recent,
    sketches: Option<Arc<Sketches>>,
    account: Option<Arc<Account>>,
    /// The epoch of the wall time that it was told last.
    epoch: Option<u64>,
    tombstones: u64,
    bytes: u64,
}

impl Map {
    /// An empty map whose hashes are keyed for one cluster.
    #[must_use]
    pub fn new(keyed: Keyed) -> Self {
        let (root, recent) = (Trie::default(), Recent::default());
        let (sketches, account, epoch) = (None, None, None);
        Self { keyed, root, recent, sketches, account, epoch, tombstones: 0, bytes: 0 }
    }

    /// An empty map that keeps sketches with every write.
    #[must_use]
    pub fn with_sketches(keyed: Keyed) -> Self {
        Self { sketches: Some(Arc::default()), ..Self::new(keyed) }
    }

    /// The same map with a second account of what it holds, if it is empty. Of two entries that
    /// claim to be the same write it then keeps the one that outweighs.
    #[must_use]
    pub fn accounted(self) -> Self {
        let seed = self.keyed.audit_seed();
        Self { account: Some(Arc::new(Account::new(seed))), ..self }
    }

    /// Count and checksum over everything, tombstones and expired entries included.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.root.digest
    }

    /// Lets time pass: see [`Map::digest_at`]. Nothing here is finer than an epoch of the cut, so
    /// that this is cheap when called often.
    pub fn advance(&mut self, wall_ms: u64) {
        let epoch = Some(Cut::epoch(wall_ms));
        if std::mem::replace(&mut self.epoch, epoch) == epoch {
            return;
        }
        self.recent.advance(wall_ms);
        if let Some(sketches) = &mut self.sketches {
            Arc::make_mut(sketches).advance(wall_ms);
        }
        if let Some(account) = self.account.as_mut().filter(|account| account.is_late(wall_ms)) {
            Arc::make_mut(account).advance(wall_ms);
        }
    }

    /// The second account, of the set that [`Map::digest_at`] describes. `None` if none is kept or
    /// the cut is too old.
    #[must_use]
    pub fn account_at(&self, cut: Cut) -> Option<Sums> {
        self.account.as_ref()?.at(cut)
    }

    /// Count and checksum of what there was without the writes that are stamped inside a cut: what
    /// those replaced counts in their place. `None` if the cut begins more than about 8 s before the
    /// latest [`Map::advance`].
    #[must_use]
    pub fn digest_at(&self, cut: Cut) -> Option<Digest> {
        self.recent.outside(cut, self.root.digest)
    }

    /// The state that sketches are in.
    #[must_use]
    pub fn version(&self) -> Version {
        self.sketches.as_ref().map_or(Version::default(), |sketches| sketches.version())
    }

    /// The sketches as they were at a version, of the set that [`Map::digest_at`] describes. `None`
    /// if that is too long ago, or none are kept.
    #[must_use]
    pub fn view(&self, version: Version, cut: Cut) -> Option<View<'_>> {
        self.sketches.as_ref()?.view(version, cut)
    }

    /// Entries that are tombstones.
    #[must_use]
    pub fn tombstones(&self) -> u64 {
        self.tombstones
    }

    /// Sum of the entries' key and value bytes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The hash by which a key is placed.
    #[must_use]
    pub fn hash(&self, key: &[u8]) -> u64 {
        self.keyed.hash64(key)
    }

    /// The hash that stands for an entry in the digests.
    #[must_use]
    pub fn item_hash(&self, entry: &Entry) -> u128 {
        entry.item_hash(&self.keyed)
    }

    /// The entry under a key, be it tombstone, expired or live.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<&Arc<Entry>> {
        self.get_hashed(self.hash(key), key)
    }

    fn get_hashed(&self, hash: u64, key: &[u8]) -> Option<&Arc<Entry>> {
        let mut trie = &self.root;
        let mut range = Range::ALL;
        loop {
            match &trie.kind {
                Kind::Leaf(slots) => {
                    return slots
                        .iter()
                        .find(|slot| slot.hash == hash && slot.entry.key() == key)
                        .map(|slot| &slot.entry);
                }
                Kind::Branch(children) => {
                    trie = children.get(range.nibble(hash))?;
                    range = Range::around(hash, range.depth() + 1);
                }
            }
        }
    }

    /// The item that stands for an entry in sketches.
    #[must_use]
    pub fn item(&self, entry: &Entry) -> ItemId {
        ItemId::new(self.hash(entry.key()), self.item_hash(entry))
    }

    /// The entry of an item, and the hash that stands for it in the digests.
    #[must_use]
    pub fn find(&self, item: ItemId) -> Option<(&Arc<Entry>, u128)> {
        let place = item.range();
        let mut trie = &self.root;
        let mut range = Range::ALL;
        // Where very many entries share a place, the trie goes on below it.
        while let Kind::Branch(children) = &trie.kind
            && range.depth() < place.depth()
        {
            trie = children.get(range.nibble(place.first()))?;
            range = Range::around(place.first(), range.depth() + 1);
        }
        let mut found = None;
        let _ = trie.find(place, &mut |slot| {
            let hash = self.item_hash(&slot.entry);
            if ItemId::new(slot.hash, hash) == item {
                found = Some((&slot.entry, hash));
                return ControlFlow::Break(());
            }
            ControlFlow::Continue(())
        });
        found
    }

    /// Takes an entry in if its stamp is the bigger one.
    pub fn apply(&mut self, entry: Arc<Entry>) -> Merged {
        let hash = self.hash(entry.key());
        let held = self.get_hashed(hash, entry.key());
        if held.is_some_and(|held| !self.yields(held, &entry)) {
            return Merged::Stale;
        }
        let change = Change {
            hash,
            added: self.item_hash(&entry),
            removed: held.map(|held| self.item_hash(held)),
            mortal: i32::from(is_mortal(&entry))
                - i32::from(held.is_some_and(|held| is_mortal(held))),
        };
        let wall_ms = entry.stamp().wall_ms();
        if let Some(account) = &mut self.account {
            let account = Arc::make_mut(account);
            account.add(hash, &entry, wall_ms);
        }
        self.note(&change, wall_ms);
        self.bytes += entry.size() as u64;
        self.tombstones += u64::from(entry.is_tombstone());
        let previous = self.root.put(entry, &change, &self.keyed);
        if let Some(previous) = &previous {
            self.bytes = self.bytes.saturating_sub(previous.size() as u64);
            let overwritten = previous.is_tombstone() && !planted::has(Fault::Tombstones);
            self.tombstones = self.tombstones.saturating_sub(u64::from(overwritten));
            if let Some(account) = &mut self.account {
                Arc::make_mut(account).remove(hash, previous, wall_ms);
            }
        }
        self.make_room();
        Merged::New(previous)
    }

    /// Takes an entry out, if just this write is held. Whoever leaves the write out of a comparison
    /// because it is young goes on seeing what it had replaced, as if it were still held.
    pub fn remove(&mut self, key: &[u8], stamp: Stamp) -> Option<Arc<Entry>> {
        let hash = self.hash(key);
        let held = self.get_hashed(hash, key).filter(|held| held.stamp() == stamp)?;
        let (item, mortal) = (self.item_hash(held), is_mortal(held));
        let wall_ms = stamp.wall_ms();
        let removed = self.root.take(hash, key, item, mortal)?;
        self.recent.remove(wall_ms, item);
        if let Some(sketches) = &mut self.sketches {
            Arc::make_mut(sketches).remove(ItemId::new(hash, item), wall_ms);
        }
        self.bytes -= removed.size() as u64;
        self.tombstones -= u64::from(removed.is_tombstone());
        if let Some(account) = self.account.as_mut().filter(|_| !planted::has(Fault::Account)) {
            Arc::make_mut(account).remove(hash, &removed, wall_ms);
        }
        Some(removed)
    }

    /// Every entry that [`is_mortal`], in hash order. Costs as much as there are of them.
    #[must_use]
    pub fn mortal(&self) -> Vec<Arc<Entry>> {
        let mut found = Vec::with_capacity(self.root.mortal as usize);
        self.root.mortal(&mut found);
        found
    }

    /// True if an entry takes the place of another.
    fn yields(&self, held: &Entry, entry: &Entry) -> bool {
        match held.stamp().cmp(&entry.stamp()) {
            Ordering::Less => true,
            Ordering::Equal => self.account.is_some() && entry.outweighs(held),
            Ordering::Greater => false,
        }
    }

    /// Visits the entries whose items begin with these 32 bits: one in nearly all cases.
    pub fn find_short(&self, short: u32, visit: &mut impl FnMut(&Arc<Entry>)) {
        let range = ItemId(u64::from(short) << 32).range();
        self.walk(range, &mut |hash, entry| {
            if ItemId::new(hash, self.item_hash(entry)).short() == short {
                visit(entry);
            }
            ControlFlow::Continue(())
        });
    }

    /// Count and checksum of a range.
    #[must_use]
    pub fn digest_of(&self, range: Range) -> Digest {
        let mut trie = &self.root;
        let mut at = Range::ALL;
        while at.depth() < range.depth() {
            let Kind::Branch(children) = &trie.kind else {
                let mut digest = Digest::default();
                self.walk(range, &mut |_, entry| {
                    digest.add(self.item_hash(entry));
                    ControlFlow::Continue(())
                });
                return digest;
            };
            let Some(child) = children.get(at.nibble(range.first())) else {
                return Digest::default();
            };
            trie = child;
            at = Range::around(range.first(), at.depth() + 1);
        }
        trie.digest
    }

    /// Visits the entries of a range in hash order until told to stop.
    pub fn walk(&self, range: Range, visit: &mut impl FnMut(u64, &Arc<Entry>) -> ControlFlow<()>) {
        let _ = self.root.walk(Range::ALL, range.first(), range.last(), visit);
    }

    /// Visits the entries whose key hash is `from` or more, in hash order, until told to stop.
    pub fn walk_from(
        &self,
        from: u64,
        visit: &mut impl FnMut(u64, &Arc<Entry>) -> ControlFlow<()>,
    ) {
        let _ = self.root.walk(Range::ALL, from, u64::MAX, visit);
    }

    /// The entry at a place in hash order, counted from 0, by one way down the trie. So each entry
    /// can be drawn with the same chance, which a random hash does not give: gaps differ.
    #[must_use]
    pub fn nth(&self, mut place: u64) -> Option<&Arc<Entry>> {
        let mut trie = &self.root;
        while let Kind::Branch(children) = &trie.kind {
            trie = children.iter().find(|child| match place.checked_sub(child.digest.count) {
                Some(rest) => {
                    place = rest;
                    false
                }
                None => true,
            })?;
        }
        let Kind::Leaf(slots) = &trie.kind else { return None };
        slots.get(usize::try_from(place).ok()?).map(|slot| &slot.entry)
    }

    /// Collects a page: entries from `from` on until `max_bytes` (keys, values and about 24 bytes
    /// each) or `max_entries` are reached, and the hash to go on from (`None` at the end). Pages
    /// hold at least one entry, and never part entries of equal hash.
    #[must_use]
    pub fn page(
        &self,
        from: u64,
        max_bytes: usize,
        max_entries: usize,
    ) -> (Vec<Arc<Entry>>, Option<u64>) {
        let mut page = Vec::new();
        let mut left = max_bytes;
        let mut next = None;
        let mut last = None;
        self.walk_from(from, &mut |hash, entry| {
            let cost = entry.size() + 24;
            let full = cost > left || page.len() >= max_entries;
            if full && !page.is_empty() && last != Some(hash) {
                next = Some(hash);
                return ControlFlow::Break(());
            }
            left = left.saturating_sub(cost);
            last = Some(hash);
            page.push(Arc::clone(entry));
            ControlFlow::Continue(())
        });
        (page, next)
    }
}

#[cfg(test)]
impl Map {
    /// What a fault in memory or in this program may do: another value under a key, or (without
    /// one) no entry there, and nothing else is told.
    pub(crate) fn tamper(&mut self, key: &[u8], value: Option<&[u8]>) {
        let hash = self.hash(key);
        let (mut trie, mut range) = (&mut self.root, Range::ALL);
        let slots = loop {
            match &mut trie.kind {
                Kind::Branch(children) => {
                    trie = &mut Arc::make_mut(children)[range.nibble(hash)];
                    range = Range::around(hash, range.depth() + 1);
                }
                Kind::Leaf(slots) => break slots,
            }
        };
        let at = slots.iter().position(|slot| slot.entry.key() == key).unwrap();
        match value {
            Some(value) => {
                let held = &slots[at].entry;
                let entry = Entry::new(key, value, held.stamp(), held.expires_at());
                slots[at].entry = Arc::new(entry);
            }
            None => drop(slots.remove(at)),
        }
    }
}

/// True for what has an end: a tombstone, or an entry that expires.
#[must_use]
pub fn is_mortal(entry: &Entry) -> bool {
    entry.is_tombstone() || entry.expires_at().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::data::stamp::Stamp;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn entry(key: u16, time: u64, tombstone: bool) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(1) };
        let key = key.to_be_bytes();
        Arc::new(match tombstone {
            true => Entry::tombstone(&key, stamp),
            false => Entry::new(&key, &time.to_be_bytes(), stamp, None),
        })
    }

    fn map_of(entries: &[Arc<Entry>]) -> Map {
        let mut map = Map::with_sketches(Keyed::for_cluster("test"));
        for entry in entries {
            let _ = map.apply(Arc::clone(entry));
        }
        map
    }

    fn writes() -> impl Strategy<Value = Vec<Arc<Entry>>> {
        prop::collection::vec((0_u16..600, 1_u64..50, any::<bool>()), 0..900).prop_map(|all| {
            // A stamp names one write: equal (key, stamp) must mean equal entries.
            all.into_iter().map(|(key, time, _)| entry(key, time, time % 5 == 0)).collect()
        })
    }

    proptest! {
        #[test]
        fn entries_are_found_by_their_items(writes in writes()) {
            let map = map_of(&writes);
            for entry in &writes {
                let held = map.get(entry.key()) == Some(entry);
                let found = map.find(map.item(entry));
                prop_assert_eq!(found.map(|(entry, _)| entry), held.then_some(entry));
                prop_assert!(found.is_none_or(|(entry, hash)| hash == map.item_hash(entry)));
            }
        }

        #[test]
        fn order_and_repetition_do_not_matter(writes in writes(), seed: u64) {
            let map = map_of(&writes);
            let mut other: Vec<_> = writes.iter().chain(&writes).cloned().collect();
            crate::base::rng::Rng::new(seed).shuffle(&mut other);
            prop_assert_eq!(map.digest(), map_of(&other).digest());
        }

        #[test]
        fn a_clone_and_its_original_go_their_own_ways(one in writes(), other in writes()) {
            let mut map = map_of(&one);
            let mut clone = map.clone();
            let before = map.digest();
            for entry in &other {
                let _ = clone.apply(Arc::clone(entry));
            }
            prop_assert_eq!(map.digest(), before);
            let held = |map: &Map| {
                let mut held = Vec::new();
                map.walk(Range::ALL, &mut |_, entry| {
                    held.push(Arc::clone(entry));
                    ControlFlow::Continue(())
                });
                held
            };
            prop_assert_eq!(held(&map), held(&map_of(&one)));
            for entry in &other {
                let _ = map.apply(Arc::clone(entry));
            }
            prop_assert_eq!(map.digest(), clone.digest());
            prop_assert_eq!(held(&map), held(&clone));
        }

        #[test]
        fn the_map_holds_the_biggest_stamps(writes in writes()) {
            let map = map_of(&writes);
            let mut model: BTreeMap<Vec<u8>, Arc<Entry>> = BTreeMap::new();
            for entry in &writes {
                let held = model.entry(entry.key().to_vec()).or_insert_with(|| Arc::clone(entry));
                if held.stamp() < entry.stamp() {
                    *held = Arc::clone(entry);
                }
            }
            prop_assert_eq!(map.digest().count, model.len() as u64);
            let dead = model.values().filter(|entry| entry.is_tombstone()).count();
            prop_assert_eq!(map.tombstones(), dead as u64);
            prop_assert_eq!(map.bytes(), model.values().map(|entry| entry.size() as u64).sum::<u64>());
            for (key, entry) in &model {
                prop_assert_eq!(map.get(key), Some(entry));
            }
        }

        #[test]
        fn what_is_taken_out_leaves_no_trace(writes in writes(), gone in prop::collection::btree_set(0_u16..600, 0..300)) {
            let mut map = map_of(&writes);
            let held = map.mortal();
            prop_assert_eq!(held.len() as u64, map.tombstones());
            for key in &gone {
                let key = key.to_be_bytes();
                let held = map.get(&key).cloned();
                let other = Stamp { time: 1 << 50, node: NodeId(9) };
                prop_assert!(map.remove(&key, other).is_none());
                if let Some(held) = held {
                    prop_assert_eq!(map.remove(&key, held.stamp()), Some(held));
                }
                prop_assert!(map.get(&key).is_none());
            }
            let key = |entry: &Entry| u16::from_be_bytes(entry.key().try_into().unwrap());
            let rest: Vec<_> = writes.iter().filter(|entry| !gone.contains(&key(entry))).cloned().collect();
            let model = map_of(&rest);
            prop_assert_eq!(map.digest(), model.digest());
            prop_assert_eq!((map.bytes(), map.tombstones()), (model.bytes(), model.tombstones()));
            prop_assert_eq!(map.mortal(), model.mortal());
            for range in [Range::around(0, 1), Range::around(u64::MAX, 2)] {
                prop_assert_eq!(map.digest_of(range), model.digest_of(range));
            }
            let views = [&map, &model].map(|map| map.view(map.version(), Cut::NONE).unwrap().cells(0, 40));
            prop_assert_eq!(&views[0], &views[1]);
        }

        #[test]
        fn at_a_cut_it_does_not_matter_who_has_collected(
            writes in prop::collection::vec((0_u16..30, 0_u64..9_000), 0..100),
            settle in 0_u64..3_000,
        ) {
            let start = 1_000_000;
            let [mut one, mut other] = [(); 2].map(|()| {
                let mut map = Map::with_sketches(Keyed::for_cluster("test"));
                map.advance(start);
                map
            });
            for (key, after) in writes {
                // Two writes of a key, the second of them a tombstone that both collect at its stamp.
                let first = entry(key, (start + after) << 16, false);
                let gone = entry(key, (start + after + 500) << 16, true);
                for map in [&mut one, &mut other] {
                    let _ = (map.apply(first.clone()), map.apply(gone.clone()));
                }
            }
            for map in [&mut one, &mut other] {
                map.advance(start + 9_500);
            }
            let cut = Cut::around(start + 9_500, settle);
            let before = other.digest_at(cut);
            for gone in one.mortal() {
                // What is left out of the cut is seen by neither, whoever has collected it.
                if cut.leaves_out(gone.stamp().wall_ms()) {
                    one.remove(gone.key(), gone.stamp());
                }
            }
            prop_assert_eq!(one.digest_at(cut), before);
        }

        #[test]
        fn a_cut_leaves_out_what_is_stamped_about_then(
            writes in prop::collection::vec((0_u16..50, 0_u64..20_000), 0..200),
            (cut, settle) in (0_u64..25_000, 0_u64..10_000),
        ) {
            let start = 1_000_000;
            let mut map = Map::new(Keyed::for_cluster("test"));
            map.advance(start);
            let cut = Cut::around(start + 10_000 + cut, settle);
            let mut digest = Digest::default();
            for (key, after) in writes {
                let entry = entry(key, (start + after) << 16, false);
                let new = map.item_hash(&entry);
                let (wall, applied) = (entry.stamp().wall_ms(), map.apply(entry));
                if let (Merged::New(old), false) = (applied, cut.leaves_out(wall)) {
                    digest.add(new);
                    old.iter().for_each(|old| digest.remove(map.item_hash(old)));
                }
            }
            prop_assert_eq!(map.digest_at(cut), Some(digest));
            map.advance(start + 60_000);
            prop_assert_eq!(map.digest_at(cut), None);
            let later = Cut::around(start + 60_000, settle.min(7000));
            prop_assert_eq!(map.digest_at(later), Some(map.digest()));
            prop_assert_eq!(map.digest_at(Cut::NONE), Some(map.digest()));
        }

        #[test]
        fn what_comes_after_a_cut_does_not_matter_at_the_cut(
            before in prop::collection::vec((0_u16..50, 0_u64..8_000), 0..200),
            after in prop::collection::vec((0_u16..50, 9_500_u64..10_500, 0_u8..4), 0..200),
            seed: u64,
        ) {
            let start = 1_000_000;
            let cut = Cut::around(start + 10_000, 500);
            let mut rng = crate::base::rng::Rng::new(seed);
            let maps = [1, 2].map(|end| {
                let mut map = Map::with_sketches(Keyed::for_cluster("test"));
                map.advance(start + 8_000);
                // Both have the same writes before the cut, in any order, and some of those after.
                let mut first = before.clone();
                rng.shuffle(&mut first);
                let mut second: Vec<_> =
                    after.iter().filter(|(.., ends)| ends & end != 0).copied().collect();
                rng.shuffle(&mut second);
                for (key, ms) in first.into_iter().chain(second.iter().map(|(key, ms, _)| (*key, *ms))) {
                    let _ = map.apply(entry(key, (start + ms) << 16, false));
                }
                map.advance(start + 10_000);
                map
            });
            let [one, other] = &maps;
            prop_assert_eq!(one.digest_at(cut), other.digest_at(cut));
            let views = maps.each_ref().map(|map| map.view(map.version(), cut).unwrap());
            prop_assert_eq!(views[0].cells(0, 61), views[1].cells(0, 61));
            prop_assert_eq!(views[0].strata(), views[1].strata());
            // The view is of the set that the digest describes.
            let settled = map_of(&before.iter().map(|(key, ms)| entry(*key, (start + ms) << 16, false)).collect::<Vec<_>>());
            prop_assert_eq!(one.digest_at(cut), Some(settled.digest()));
            let all = settled.view(settled.version(), Cut::NONE).unwrap();
            prop_assert_eq!(views[0].cells(0, 61), all.cells(0, 61));
        }

        #[test]
        fn stamps_ahead_of_the_clock_are_left_out_when_their_time_comes(
            writes in prop::collection::vec((0_u16..50, 0_u64..20_000), 0..100),
            steps in 1_u64..20,
        ) {
            let start = 1_000_000;
            let mut map = Map::with_sketches(Keyed::for_cluster("test"));
            map.advance(start);
            for (key, after) in writes {
                let _ = map.apply(entry(key, (start + after) << 16, false));
            }
            (1..=steps).for_each(|step| map.advance(start + step * 1000));
            let cut = Cut::around(start + steps * 1000, 500);
            let view = map.view(map.version(), cut).unwrap();
            // The low bits of the sum are the parity of those of the items.
            let sum = map.digest_at(cut).unwrap().sum;
            prop_assert_eq!(sum & 1, u128::from(view.root() & 1));
        }

        #[test]
        fn every_range_digest_is_the_sum_of_its_items(writes in writes(), hash: u64, depth in 0_u8..5) {
            let map = map_of(&writes);
            let range = Range::around(hash, depth);
            let mut digest = Digest::default();
            map.walk(Range::ALL, &mut |hash, entry| {
                if range.contains(hash) {
                    digest.add(map.item_hash(entry));
                }
                ControlFlow::Continue(())
            });
            prop_assert_eq!(map.digest_of(range), digest);
        }

        #[test]
        fn pages_cover_everything_once_in_hash_order(writes in writes(), size in 1_usize..40) {
            let map = map_of(&writes);
            let mut hashes = Vec::new();
            let mut cursor = Some(0);
            while let Some(from) = cursor {
                let (page, next) = map.page(from, 1 << 20, size);
                prop_assert!(next.is_none() || !page.is_empty());
                hashes.extend(page.iter().map(|entry| map.hash(entry.key())));
                cursor = next;
            }
            prop_assert_eq!(hashes.len() as u64, map.digest().count);
            prop_assert!(hashes.is_sorted());
        }
    }

    #[test]
    fn each_has_one_place() {
        assert!(map_of(&[]).nth(0).is_none());
        let map = map_of(&(0..1000).map(|key| entry(key, 1, key % 3 == 0)).collect::<Vec<_>>());
        let mut place = 0;
        map.walk_from(0, &mut |_, held| {
            assert!(map.nth(place).is_some_and(|found| Arc::ptr_eq(found, held)));
            place += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(place, 1000);
        assert!(map.nth(1000).is_none() && map.nth(u64::MAX).is_none());
    }

    #[test]
    fn an_older_write_changes_nothing() {
        let mut map = map_of(&[entry(1, 10, false)]);
        let before = map.digest();
        assert!(matches!(map.apply(entry(1, 9, true)), Merged::Stale));
        assert!(matches!(map.apply(entry(1, 10, false)), Merged::Stale));
        assert_eq!(map.digest(), before);
        assert!(matches!(map.apply(entry(1, 11, true)), Merged::New(Some(_))));
        assert_eq!(map.tombstones(), 1);
    }
}
