//! Owned entries, which are seen only while their owner is a live member.

use super::shard::Key;
use rumormill_core::NodeId;
use rumormill_core::data::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The owned entries, by their owners.
#[derive(Default)]
pub(super) struct Owned {
    pub(super) owners: BTreeMap<NodeId, Owner>,
    /// Those that are not seen because their owner is away.
    pub(super) hidden: BTreeMap<Key, Arc<Entry>>,
}

pub(super) struct Owner {
    pub(super) present: bool,
    pub(super) keys: BTreeSet<Key>,
}

impl Owned {
    /// Whether an owner is a live member, as `View::look_at_owners` last saw it.
    pub(super) fn is_present(&self, owner: NodeId, or: impl FnOnce(NodeId) -> bool) -> bool {
        self.owners.get(&owner).map_or_else(|| or(owner), |owner| owner.present)
    }

    pub(super) fn link(&mut self, owner: NodeId, entry: &Arc<Entry>, present: bool) {
        let key = Key::from_slice(entry.key());
        let keys = BTreeSet::new();
        let owner = self.owners.entry(owner).or_insert(Owner { present, keys });
        owner.keys.insert(key.clone());
        if !present {
            self.hidden.insert(key, Arc::clone(entry));
        }
    }

    pub(super) fn unlink(&mut self, owner: NodeId, key: &[u8]) {
        if let Some(held) = self.owners.get_mut(&owner) {
            held.keys.remove(key);
            if held.keys.is_empty() {
                self.owners.remove(&owner);
            }
        }
    }
}
