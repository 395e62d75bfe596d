//! The trie beneath the map: entries in the order of their keys' hashes, with the digest of what
//! lies below at every node.

use super::is_mortal;
use crate::base::hash::Keyed;
use crate::base::planted::{self, Fault};
use crate::data::digest::{Digest, Range};
use crate::data::entry::Entry;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A leaf that grows past this is cut in sixteen (guess: a leaf fits a few cache lines).
pub(super) const LEAF: usize = 32;

#[derive(Clone, Debug, Default)]
pub(super) struct Trie {
    pub(super) digest: Digest,
    /// Entries below that collection may take out one day.
    pub(super) mortal: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// Sorted by hash.
    Leaf(Vec<Slot>),
    Branch(Arc<[Trie; 16]>),
}

impl Default for Kind {
    fn default() -> Self {
        Self::Leaf(Vec::new())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) hash: u64,
    pub(super) entry: Arc<Entry>,
}

/// What a write changes in every digest on its way.
pub(super) struct Change {
    pub(super) hash: u64,
    pub(super) added: u128,
    pub(super) removed: Option<u128>,
    /// Mortal entries more than before.
    pub(super) mortal: i32,
}

impl Trie {
    /// Puts an entry in; returns what it replaced.
    pub(super) fn put(
        &mut self,
        entry: Arc<Entry>,
        change: &Change,
        keyed: &Keyed,
    ) -> Option<Arc<Entry>> {
        let (mut trie, mut range, hash) = (self, Range::ALL, change.hash);
        loop {
            trie.digest.add(change.added);
            if let Some(removed) = change.removed.filter(|_| !planted::has(Fault::Digest)) {
                trie.digest.remove(removed);
            }
            trie.mortal = trie.mortal.saturating_add_signed(change.mortal);
            if let Kind::Leaf(slots) = &mut trie.kind {
                let at = slots.partition_point(|slot| slot.hash < hash);
                let equal = slots.get_mut(at..).unwrap_or_default().iter_mut();
                let same = |slot: &&mut Slot| slot.entry.key() == entry.key();
                if let Some(slot) = equal.take_while(|slot| slot.hash == hash).find(same) {
                    return Some(std::mem::replace(&mut slot.entry, entry));
                }
                slots.insert(at, Slot { hash, entry });
                if slots.len() > LEAF && range.depth() < Range::MAX_DEPTH {
                    let slots = std::mem::take(slots);
                    trie.kind = Kind::Branch(cut(range, slots, keyed));
                }
                return None;
            }
            let Kind::Branch(children) = &mut trie.kind else { return None };
            trie = Arc::make_mut(children).get_mut(range.nibble(hash))?;
            range = Range::around(hash, range.depth() + 1);
        }
    }

    /// Takes out an entry that is held, and its item out of every digest on the way.
    pub(super) fn take(
        &mut self,
        hash: u64,
        key: &[u8],
        item: u128,
        mortal: bool,
    ) -> Option<Arc<Entry>> {
        let (mut trie, mut range) = (self, Range::ALL);
        loop {
            trie.digest.remove(item);
            trie.mortal -= u32::from(mortal);
            if let Kind::Leaf(slots) = &mut trie.kind {
                let at =
                    slots.iter().position(|slot| slot.hash == hash && slot.entry.key() == key)?;
                return Some(slots.remove(at).entry);
            }
            let Kind::Branch(children) = &mut trie.kind else { return None };
            trie = Arc::make_mut(children).get_mut(range.nibble(hash))?;
            range = Range::around(hash, range.depth() + 1);
        }
    }

    /// Visits what lies in a range, in no order, until told to stop.
    pub(super) fn find<'a>(
        &'a self,
        range: Range,
        visit: &mut impl FnMut(&'a Slot) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.kind {
            Kind::Leaf(slots) => {
                slots.iter().filter(|slot| range.contains(slot.hash)).try_for_each(visit)
            }
            Kind::Branch(children) => {
                children.iter().try_for_each(|child| child.find(range, visit))
            }
        }
    }

    pub(super) fn mortal(&self, found: &mut Vec<Arc<Entry>>) {
        if self.mortal == 0 {
            return;
        }
        match &self.kind {
            Kind::Leaf(slots) => {
                let mortal = slots.iter().filter(|slot| is_mortal(&slot.entry));
                found.extend(mortal.map(|slot| Arc::clone(&slot.entry)));
            }
            Kind::Branch(children) => children.iter().for_each(|child| child.mortal(found)),
        }
    }

    pub(super) fn walk(
        &self,
        range: Range,
        from: u64,
        to: u64,
        visit: &mut impl FnMut(u64, &Arc<Entry>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        match &self.kind {
            Kind::Leaf(slots) => {
                let start = slots.partition_point(|slot| slot.hash < from);
                for slot in slots.iter().skip(start).take_while(|slot| slot.hash <= to) {
                    visit(slot.hash, &slot.entry)?;
                }
            }
            Kind::Branch(children) => {
                for (nibble, child) in children.iter().enumerate() {
                    let Some(inner) = range.child(nibble as u8) else { continue };
                    if inner.last() >= from && inner.first() <= to && child.digest.count > 0 {
                        child.walk(inner, from, to, visit)?;
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The children of a leaf that has grown too large.
fn cut(range: Range, slots: Vec<Slot>, keyed: &Keyed) -> Arc<[Trie; 16]> {
    let mut children: [Trie; 16] = Default::default();
    for slot in slots {
        if let Some(child) = children.get_mut(range.nibble(slot.hash)) {
            child.digest.add(slot.entry.item_hash(keyed));
            child.mortal += u32::from(is_mortal(&slot.entry));
            if let Kind::Leaf(inner) = &mut child.kind {
                inner.push(slot);
            }
        }
    }
    Arc::new(children)
}
