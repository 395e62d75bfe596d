//! What readers and watchers see: the live entries, in the order of their keys.
//!
//! The driver's loop alone writes to it; any thread reads, at memory speed and without waiting for
//! the loop. Tombstones are not in it, and expired entries are hidden as soon as they expire.

use rumormill_core::data::Entry;
use smallvec::SmallVec;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, btree_map};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use tokio::sync::broadcast;

/// Power of two; enough that readers on many cores rarely meet.
const SHARDS: usize = 16;
/// Events kept for a slow watcher before it is told that it missed some.
const WATCH_BACKLOG: usize = 16 * 1024;

type Key = SmallVec<[u8; 24]>;
type Shard = BTreeMap<Key, Arc<Entry>>;

/// A change of one key, in the order in which this node applied them.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The entry: the new one; for [`EventKind::Expired`], or where a deletion was heard of without
    /// its tombstone, the one that is gone.
    pub entry: Arc<Entry>,
}

/// The ways a key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A value was written.
    Put,
    /// The key was deleted.
    Delete,
    /// The value's time is over.
    Expired,
}

impl EventKind {
    /// `put`, `delete` or `expired`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Expired => "expired",
        }
    }
}

pub(crate) struct View {
    shards: [RwLock<Shard>; SHARDS],
    expiries: Mutex<BTreeSet<(u64, Key)>>,
    len: AtomicU64,
    /// Made when the first watcher comes: its backlog takes memory at once.
    events: OnceLock<broadcast::Sender<Event>>,
}

impl View {
    pub(crate) fn new() -> Self {
        Self {
            shards: Default::default(),
            expiries: Mutex::default(),
            len: AtomicU64::new(0),
            events: OnceLock::new(),
        }
    }

    /// Live entries, give or take those that expired in the last instant.
    pub(crate) fn len(&self) -> u64 {
        self.len.load(Relaxed)
    }

    /// Live entries that will expire.
    pub(crate) fn expiring(&self) -> u64 {
        self.expiries.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(crate) fn get(&self, key: &[u8], wall_ms: u64) -> Option<Arc<Entry>> {
        let shard = self.shard(key).read().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).filter(|entry| entry.live_at(wall_ms)).cloned()
    }

    /// Up to `limit` live entries whose keys start with `prefix` and come after `after`, in order.
    pub(crate) fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        wall_ms: u64,
    ) -> Vec<Arc<Entry>> {
        let guards: Vec<_> = self
            .shards
            .iter()
            .map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner))
            .collect();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let mut heads: BinaryHeap<_> = guards
            .iter()
            .filter_map(|shard| Head::of(shard.range::<[u8], _>((from, Bound::Unbounded))))
            .collect();
        let mut page = Vec::new();
        while let Some(Head { key, entry, rest }) = heads.pop() {
            if page.len() >= limit || !key.starts_with(prefix) {
                break;
            }
            if entry.live_at(wall_ms) {
                page.push(Arc::clone(entry));
            }
            heads.extend(Head::of(rest));
        }
        page
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.get_or_init(|| broadcast::channel(WATCH_BACKLOG).0).subscribe()
    }

    /// Shows an entry that the replica has taken in.
    pub(crate) fn apply(&self, entry: &Arc<Entry>, wall_ms: u64) {
        let live = entry.live_at(wall_ms);
        let old = {
            let mut shard = self.shard(entry.key()).write().unwrap_or_else(PoisonError::into_inner);
            match live {
                true => match shard.get_mut(entry.key()) {
                    Some(held) => Some(std::mem::replace(held, Arc::clone(entry))),
                    None => shard.insert(Key::from_slice(entry.key()), Arc::clone(entry)),
                },
                false => shard.remove(entry.key()),
            }
        };
        match (old.is_some(), live) {
            (false, true) => self.len.fetch_add(1, Relaxed),
            (true, false) => self.len.fetch_sub(1, Relaxed),
            _ => 0,
        };
        let old_expiry = old.as_ref().and_then(|old| old.expires_at());
        let new_expiry = entry.expires_at().filter(|_| live);
        if old_expiry.is_some() || new_expiry.is_some() {
            let mut expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = old_expiry {
                expiries.remove(&(at, Key::from_slice(entry.key())));
            }
            if let Some(at) = new_expiry {
                expiries.insert((at, Key::from_slice(entry.key())));
            }
        }
        if self.is_watched() {
            let kind = match (live, entry.is_tombstone()) {
                (true, _) => EventKind::Put,
                (false, true) => EventKind::Delete,
                (false, false) => EventKind::Expired,
            };
            self.tell(kind, Arc::clone(entry));
        }
    }

    /// Hides an entry that has left the replica. Watchers hear of it if they could see it.
    pub(crate) fn remove(&self, gone: &Arc<Entry>, wall_ms: u64) {
        {
            let mut shard = self.shard(gone.key()).write().unwrap_or_else(PoisonError::into_inner);
            if shard.get(gone.key()).is_none_or(|held| held.stamp() != gone.stamp()) {
                return;
            }
            shard.remove(gone.key());
        }
        self.len.fetch_sub(1, Relaxed);
        if let Some(at) = gone.expires_at() {
            let mut expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
            expiries.remove(&(at, Key::from_slice(gone.key())));
        }
        if self.is_watched() {
            // One whose time is over and that was not taken out yet has not been told of either.
            let live = gone.live_at(wall_ms);
            let kind = if live { EventKind::Delete } else { EventKind::Expired };
            self.tell(kind, Arc::clone(gone));
        }
    }

    fn is_watched(&self) -> bool {
        self.events.get().is_some_and(|events| events.receiver_count() > 0)
    }

    fn tell(&self, kind: EventKind, entry: Arc<Entry>) {
        if let Some(events) = self.events.get() {
            // Fails only if the last watcher has just gone.
            let _ = events.send(Event { kind, entry });
        }
    }

    /// When the next entry expires, wall milliseconds.
    pub(crate) fn next_expiry(&self) -> Option<u64> {
        let expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
        expiries.first().map(|(at, _)| *at)
    }

    /// Takes out what has expired, up to a bound per call so that the caller stays responsive.
    pub(crate) fn expire(&self, wall_ms: u64) {
        for _ in 0..1000 {
            let mut expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
            let Some((at, _)) = expiries.first() else { return };
            if *at > wall_ms {
                return;
            }
            let Some((_, key)) = expiries.pop_first() else { return };
            drop(expiries);
            let mut shard = self.shard(&key).write().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = shard.remove(key.as_slice()) {
                drop(shard);
                self.len.fetch_sub(1, Relaxed);
                self.tell(EventKind::Expired, entry);
            }
        }
    }

    fn shard(&self, key: &[u8]) -> &RwLock<Shard> {
        // FNV-1a over at most 64 bytes: only spreads lock contention.
        let hash = key.iter().take(64).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        #[expect(clippy::indexing_slicing, reason = "a remainder is below the divisor")]
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

/// The next key of a shard, and those behind it. The greatest is the one with the smallest key.
struct Head<'a> {
    key: &'a Key,
    entry: &'a Arc<Entry>,
    rest: btree_map::Range<'a, Key, Arc<Entry>>,
}

impl<'a> Head<'a> {
    fn of(mut rest: btree_map::Range<'a, Key, Arc<Entry>>) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::Stamp;

    fn entry(key: &[u8], time: u64, expires_at: Option<u64>) -> Arc<Entry> {
        Arc::new(Entry::new(key, b"v", Stamp { time, node: NodeId(1) }, expires_at))
    }

    proptest! {
        #[test]
        fn a_scan_is_a_sorted_page_of_what_is_live(
            keys in prop::collection::btree_set(prop::collection::vec(0_u8..4, 0..5), 0..60),
            prefix in prop::collection::vec(0_u8..4, 0..2),
            after in prop::option::of(prop::collection::vec(0_u8..4, 0..4)),
            limit in 0_usize..20,
        ) {
            let view = View::new();
            for (index, key) in keys.iter().enumerate() {
                view.apply(&entry(key, 1, (index % 3 == 0).then_some(50)), 10);
            }
            let live = |(index, _): &(usize, &Vec<u8>)| index % 3 != 0;
            let wanted: Vec<&[u8]> = keys
                .iter()
                .enumerate()
                .filter(live)
                .map(|(_, key)| key.as_slice())
                .filter(|key| key.starts_with(&prefix))
                .filter(|key| after.as_ref().is_none_or(|after| *key > after.as_slice()))
                .take(limit)
                .collect();
            let page = view.scan(&prefix, after.as_deref(), limit, 60);
            prop_assert_eq!(page.iter().map(|entry| entry.key()).collect::<Vec<_>>(), wanted);
        }
    }

    #[test]
    fn what_expires_is_hidden_counted_and_told_once() {
        let view = View::new();
        let mut events = view.watch();
        view.apply(&entry(b"k", 1, Some(50)), 10);
        view.apply(&entry(b"k", 2, Some(70)), 10);
        assert_eq!((view.len(), view.expiring(), view.next_expiry()), (1, 1, Some(70)));
        view.expire(60);
        assert!(view.get(b"k", 60).is_some());
        view.expire(70);
        assert_eq!((view.len(), view.expiring(), view.next_expiry()), (0, 0, None));
        // One that comes late replaces nothing and stays hidden.
        view.apply(&entry(b"k", 3, Some(65)), 80);
        assert!(view.get(b"k", 80).is_none());
        let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|e| e.kind).collect();
        use EventKind::{Expired, Put};
        assert_eq!(kinds, [Put, Put, Expired, Expired]);
    }

    #[test]
    fn what_is_removed_is_hidden_and_told_if_it_was_seen() {
        use EventKind::{Delete, Expired, Put};
        let view = View::new();
        let mut events = view.watch();
        let (stays, soon) = (entry(b"k", 2, None), entry(b"soon", 2, Some(50)));
        view.apply(&stays, 10);
        view.apply(&soon, 10);
        // Another stamp, a key that is not there, a tombstone: nobody saw them.
        view.remove(&entry(b"k", 1, None), 10);
        view.remove(&entry(b"other", 1, None), 10);
        view.remove(&Arc::new(Entry::tombstone(b"t", stays.stamp())), 10);
        assert_eq!((view.len(), view.expiring()), (2, 1));
        view.remove(&stays, 10);
        view.remove(&soon, 60);
        assert_eq!((view.len(), view.expiring(), view.next_expiry()), (0, 0, None));
        assert!(view.get(b"k", 10).is_none());
        let kinds: Vec<_> = std::iter::from_fn(|| events.try_recv().ok()).map(|e| e.kind).collect();
        assert_eq!(kinds, [Put, Put, Delete, Expired]);
    }
}
