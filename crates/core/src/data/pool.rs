//! Entries that several nodes in one process keep only once.
//!
//! Nodes that hold the same entry hold equal copies of it, each decoded from its own packet. Where
//! many run in one process, a pool gives all of them the first copy.

use super::entry::Entry;
use super::stamp::Stamp;
use crate::base::hash::Map;
use std::sync::{Arc, Mutex, PoisonError};

/// The entries that are shared.
#[derive(Debug, Default)]
pub struct Pool(Mutex<Shared>);

#[derive(Debug, Default)]
struct Shared {
    entries: Map<Stamp, Arc<Entry>>,
    /// Number of entries at which those that nobody else holds are dropped next.
    sweep_at: usize,
}

/// A pool of fewer entries is never swept.
const SMALL: usize = 1024;

impl Pool {
    /// The entry as others hold it already, if they do.
    #[must_use]
    pub fn share(&self, entry: Entry) -> Arc<Entry> {
        let shared = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = entry.stamp();
        match shared.entries.get(&stamp) {
            Some(same) if **same == entry => return Arc::clone(same),
            // Another map's, or a forged one: not to be had twice.
            Some(_) => return Arc::new(entry),
            None => {}
        }
        let entry = Arc::new(entry);
        shared.entries.insert(stamp, Arc::clone(&entry));
        if shared.entries.len() > shared.sweep_at.max(SMALL) {
            shared.entries.retain(|_, entry| Arc::strong_count(entry) > 1);
            shared.sweep_at = 2 * shared.entries.len();
        }
        entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;

    fn entry(time: u64, value: &[u8]) -> Entry {
        Entry::new(b"k", value, Stamp { time, node: NodeId(1) }, None)
    }

    #[test]
    fn equal_entries_are_one_and_others_are_not() {
        let pool = Pool::default();
        let first = pool.share(entry(1, b"v"));
        assert!(Arc::ptr_eq(&first, &pool.share(entry(1, b"v"))));
        assert_eq!(*pool.share(entry(1, b"other")), entry(1, b"other"));
        assert!(Arc::ptr_eq(&first, &pool.share(entry(1, b"v"))));
    }

    #[test]
    fn entries_that_nobody_holds_any_more_go() {
        let pool = Pool::default();
        let held = pool.share(entry(0, b"v"));
        for time in 1..10_000 {
            drop(pool.share(entry(time, b"v")));
            assert!(pool.0.lock().unwrap().entries.len() <= SMALL + 1);
        }
        assert!(Arc::ptr_eq(&held, &pool.share(entry(0, b"v"))));
    }
}
