//! What is done to the database: entries that come and go, and the one record that is kept beside
//! them.

use rumormill_core::data::{Entry, Space};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// One change. Of changes to one key the last counts, as it did in memory.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The entry is stored under its key.
    Put(Space, Arc<Entry>),
    /// The entry of the users' data has left: its record goes.
    Remove(Arc<Entry>),
    /// These bytes are kept in place of those before.
    Keep(Arc<[u8]>),
    /// Entries of the users' data with other keys than these go, except those that come later.
    Retain(Arc<Keys>),
}

impl Change {
    /// Keys, values and what is kept, bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Put(_, entry) | Self::Remove(entry) => entry.size() as u64,
            Self::Keep(bytes) => bytes.len() as u64,
            Self::Retain(_) => 0,
        }
    }

    /// The space and the entry that it is about, if it is about one.
    pub(super) fn entry(&self) -> Option<(Space, &Arc<Entry>)> {
        match self {
            Self::Put(space, entry) => Some((*space, entry)),
            Self::Remove(entry) => Some((Space::Data, entry)),
            Self::Keep(_) | Self::Retain(_) => None,
        }
    }

    /// True if this change, which comes after `held` and is about the same key, takes its place.
    pub(super) fn succeeds(&self, held: &Self) -> bool {
        match (held, self) {
            (Self::Put(_, held), Self::Put(_, entry)) => held.stamp() <= entry.stamp(),
            // Something else is stored there by then.
            (Self::Put(_, held), Self::Remove(gone)) => held.stamp() == gone.stamp(),
            _ => true,
        }
    }
}

/// A set of keys, in nine bytes or so for each. Two that are taken for one keep a record that could
/// go, and never lose one.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    hasher: RandomState,
    hashes: HashSet<u64>,
}

impl Keys {
    pub(crate) fn add(&mut self, key: &[u8]) {
        self.hashes.insert(self.hasher.hash_one(key));
    }

    pub(super) fn has(&self, key: &[u8]) -> bool {
        self.hashes.contains(&self.hasher.hash_one(key))
    }
}

/// What a batch comes to, key by key.
pub(super) struct Folded<'a> {
    pub(super) puts: Vec<(Space, &'a Entry)>,
    pub(super) gone: Vec<&'a [u8]>,
    pub(super) kept: Option<&'a [u8]>,
    /// Records with other keys than these go, unless `puts` has them.
    pub(super) retain: Option<&'a Keys>,
}

impl<'a> Folded<'a> {
    pub(super) fn of(batch: &'a [Change]) -> Self {
        let mut folded = Self { puts: Vec::new(), gone: Vec::new(), kept: None, retain: None };
        let mut last: HashMap<(Space, &[u8]), &Change> = HashMap::new();
        // Most batches of a quiet node are one write.
        if let [Change::Put(space, entry)] = batch {
            folded.puts.push((*space, entry));
            return folded;
        }
        for change in batch {
            match change {
                Change::Put(..) | Change::Remove(_) => {
                    let Some((space, entry)) = change.entry() else { continue };
                    let held = last.entry((space, entry.key())).or_insert(change);
                    if change.succeeds(held) {
                        *held = change;
                    }
                }
                Change::Keep(bytes) => folded.kept = Some(bytes),
                Change::Retain(keys) => {
                    last.retain(|(space, key), _| *space != Space::Data || keys.has(key));
                    folded.retain = Some(keys);
                }
            }
        }
        for ((space, key), change) in last {
            match change {
                Change::Put(_, entry) => folded.puts.push((space, entry)),
                _ => folded.gone.push(key),
            }
        }
        folded
    }
}
