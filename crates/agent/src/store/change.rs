//! What is done to the database: entries that come and go, those that are kept aside, and the one
//! record that is kept beside them.

use rumormill_core::data::{Entry, Space};
use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

/// Where in the database an entry is: each place has keys of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// In one of the two maps.
    Map(Space),
    /// Among what is kept aside: it is not part of the data.
    Strays,
}

impl Place {
    /// The users' data.
    pub(super) const DATA: Self = Self::Map(Space::Data);
}

/// One change. Of changes to one key of one place the last counts, as it did in memory.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    /// The entry is stored under its key.
    Put(Space, Arc<Entry>),
    /// The entry of the users' data has left: its record goes.
    Remove(Arc<Entry>),
    /// The entry is kept aside, in place of any other under its key.
    Stray(Arc<Entry>),
    /// The entry is not kept aside any more.
    StrayGone(Arc<Entry>),
    /// These bytes are kept in place of those before.
    Keep(Arc<[u8]>),
    /// Entries of this place with other keys than these go, except those that come later.
    Retain(Place, Arc<Keys>),
}

impl Change {
    /// Keys, values and what is kept, bytes.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Put(_, entry)
            | Self::Remove(entry)
            | Self::Stray(entry)
            | Self::StrayGone(entry) => entry.size() as u64,
            Self::Keep(bytes) => bytes.len() as u64,
            Self::Retain(..) => 0,
        }
    }

    /// The place and the entry that it is about, if it is about one.
    pub(super) fn entry(&self) -> Option<(Place, &Arc<Entry>)> {
        match self {
            Self::Put(space, entry) => Some((Place::Map(*space), entry)),
            Self::Remove(entry) => Some((Place::DATA, entry)),
            Self::Stray(entry) | Self::StrayGone(entry) => Some((Place::Strays, entry)),
            Self::Keep(_) | Self::Retain(..) => None,
        }
    }

    /// True if it stores an entry, false if it takes one off, or is about none.
    pub(super) fn stores(&self) -> bool {
        matches!(self, Self::Put(..) | Self::Stray(_))
    }

    /// True if this change, which comes after `held` and is about the same key of the same place,
    /// takes its place.
    pub(super) fn succeeds(&self, held: &Self) -> bool {
        let (Some((_, before)), Some((_, entry))) = (held.entry(), self.entry()) else {
            return true;
        };
        match (held.stores(), self.stores()) {
            (true, true) => before.stamp() <= entry.stamp(),
            // If not, something else is stored there by then.
            (true, false) => before.stamp() == entry.stamp(),
            (false, _) => true,
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
#[derive(Default)]
pub(super) struct Folded<'a> {
    pub(super) puts: Vec<(Place, &'a Entry)>,
    pub(super) gone: Vec<(Place, &'a [u8])>,
    pub(super) kept: Option<&'a [u8]>,
    /// Records of these places with other keys go, unless `puts` has them.
    pub(super) retain: Vec<(Place, &'a Keys)>,
}

impl<'a> Folded<'a> {
    pub(super) fn of(batch: &'a [Change]) -> Self {
        let mut folded = Self::default();
        let mut last: HashMap<(Place, &[u8]), &Change> = HashMap::new();
        // Most batches of a quiet node are one write.
        if let [Change::Put(space, entry)] = batch {
            folded.puts.push((Place::Map(*space), entry));
            return folded;
        }
        for change in batch {
            match change {
                Change::Put(..) | Change::Remove(_) | Change::Stray(_) | Change::StrayGone(_) => {
                    let Some((place, entry)) = change.entry() else { continue };
                    let held = last.entry((place, entry.key())).or_insert(change);
                    if change.succeeds(held) {
                        *held = change;
                    }
                }
                Change::Keep(bytes) => folded.kept = Some(bytes),
                Change::Retain(of, keys) => {
                    last.retain(|(place, key), _| place != of || keys.has(key));
                    folded.retain.push((*of, keys));
                }
            }
        }
        for ((place, key), change) in last {
            match change {
                Change::Put(_, entry) | Change::Stray(entry) => folded.puts.push((place, entry)),
                _ => folded.gone.push((place, key)),
            }
        }
        folded
    }
}
