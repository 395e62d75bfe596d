//! A shard of what readers see, in the order of the keys.

use rumormill_core::data::Entry;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::{BTreeMap, btree_map};
use std::sync::Arc;

pub(super) type Key = SmallVec<[u8; 24]>;
pub(super) type Shard = BTreeMap<Key, Arc<Entry>>;

/// The next key of a shard, and those behind it. The greatest is the one with the smallest key.
pub(super) struct Head<'a> {
    pub(super) key: &'a Key,
    pub(super) entry: &'a Arc<Entry>,
    pub(super) rest: btree_map::Range<'a, Key, Arc<Entry>>,
}

impl<'a> Head<'a> {
    pub(super) fn of(mut rest: btree_map::Range<'a, Key, Arc<Entry>>) -> Option<Self> {
        let (key, entry) = rest.next()?;
        Some(Self { key, entry, rest })
    }
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(self.key)
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Head<'_> {}
