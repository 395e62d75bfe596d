//! What readers and watchers see: the live entries, in the order of their keys.
//!
//! The driver's loop alone writes to it; any thread reads, at memory speed and without waiting for
//! the loop. Tombstones are not in it, expired entries are hidden as soon as they expire, and owned
//! ones while their owner is no live member.

mod event;
mod owned;
mod shard;

pub use event::{Event, EventKind};

use owned::Owned;
use rumormill_core::NodeId;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::Entry;
use shard::{Head, Key, Shard};
use std::collections::{BTreeSet, BinaryHeap};
use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::broadcast;

/// Power of two; enough that readers on many cores rarely meet.
const SHARDS: usize = 16;
/// Events kept for a slow watcher before it is told that it missed some.
const WATCH_BACKLOG: usize = 16 * 1024;

pub(crate) struct View {
    shards: [RwLock<Shard>; SHARDS],
    expiries: Mutex<BTreeSet<(u64, Key)>>,
    owned: Mutex<Owned>,
    len: AtomicU64,
    /// Made when the first watcher comes: its backlog takes memory at once.
    events: OnceLock<broadcast::Sender<Event>>,
}

impl View {
    pub(crate) fn new() -> Self {
        Self {
            shards: Default::default(),
            expiries: Mutex::default(),
            owned: Mutex::default(),
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

    /// Entries that are hidden because their owner is no live member.
    pub(crate) fn hidden(&self) -> u64 {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner).hidden.len() as u64
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
        let guards = self.guards();
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

    /// A live entry, each with the same chance; `None` only if there is none. It takes a time that
    /// grows with their number.
    pub(crate) fn draw(&self, rng: &mut Rng, wall_ms: u64) -> Option<Arc<Entry>> {
        let guards = self.guards();
        let mut place = rng.index(guards.iter().map(|shard| shard.len()).sum());
        // Whole shards are passed over by their lengths.
        let drawn = guards.iter().find_map(|shard| {
            let here = place < shard.len();
            place = if here { place } else { place - shard.len() };
            here.then(|| shard.values().nth(place)).flatten()
        });
        if let Some(entry) = drawn.filter(|entry| entry.live_at(wall_ms)) {
            return Some(Arc::clone(entry));
        }
        // It has just expired: choose among those that have not, in one pass (Vitter 1985, R).
        let all = guards.iter().flat_map(|shard| shard.values());
        let live = all.filter(|entry| entry.live_at(wall_ms));
        let chosen = (1..).zip(live).filter(|(seen, _)| rng.below(*seen) == 0).last();
        chosen.map(|(_, entry)| Arc::clone(entry))
    }

    fn guards(&self) -> Vec<RwLockReadGuard<'_, Shard>> {
        let shards = self.shards.iter();
        shards.map(|shard| shard.read().unwrap_or_else(PoisonError::into_inner)).collect()
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.get_or_init(|| broadcast::channel(WATCH_BACKLOG).0).subscribe()
    }

    /// Shows an entry that the replica has taken in; an owned one if its owner is present.
    pub(crate) fn apply(
        &self,
        entry: &Arc<Entry>,
        wall_ms: u64,
        present: impl FnOnce(NodeId) -> bool,
    ) {
        let live = entry.live_at(wall_ms);
        let owner = entry.owner().filter(|_| live);
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = live && owner.is_none_or(|owner| owned.is_present(owner, present));
        let unseen = owned.hidden.remove(entry.key());
        let old = self.put(entry.key(), seen.then_some(entry));
        if let Some(before) = unseen.as_ref().or(old.as_ref()).and_then(|old| old.owner()) {
            owned.unlink(before, entry.key());
        }
        if let Some(owner) = owner {
            owned.link(owner, entry, seen);
        }
        drop(owned);
        let kind = match (live, entry.is_tombstone()) {
            (true, _) if seen => EventKind::Put,
            // Nobody has seen anything of it.
            (true, _) if old.is_none() => return,
            (true, _) => EventKind::Hidden,
            (false, true) => EventKind::Delete,
            (false, false) => EventKind::Expired,
        };
        self.tell(kind, entry);
    }

    /// Hides and shows owned entries as their owners have gone or come back.
    pub(crate) fn look_at_owners(&self, present: impl Fn(NodeId) -> bool, wall_ms: u64) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        let Owned { owners, hidden } = &mut *owned;
        owners.retain(|id, owner| {
            if owner.present == present(*id) {
                return true;
            }
            owner.present = !owner.present;
            let shows = owner.present;
            owner.keys.retain(|key| match shows {
                false => {
                    let Some(entry) = self.put(key, None) else { return false };
                    self.tell(EventKind::Hidden, &entry);
                    hidden.insert(key.clone(), entry);
                    true
                }
                true => {
                    let entry = hidden.remove(key).filter(|entry| entry.live_at(wall_ms));
                    let Some(entry) = entry else { return false };
                    self.put(key, Some(&entry));
                    self.tell(EventKind::Put, &entry);
                    true
                }
            });
            !owner.keys.is_empty()
        });
    }

    /// Puts what readers see under a key, or takes it away; returns what they saw before.
    fn put(&self, key: &[u8], entry: Option<&Arc<Entry>>) -> Option<Arc<Entry>> {
        let old = {
            let mut shard = self.shard(key).write().unwrap_or_else(PoisonError::into_inner);
            match entry {
                Some(entry) => match shard.get_mut(key) {
                    Some(held) => Some(std::mem::replace(held, Arc::clone(entry))),
                    None => shard.insert(Key::from_slice(key), Arc::clone(entry)),
                },
                None => shard.remove(key),
            }
        };
        match (old.is_some(), entry.is_some()) {
            (false, true) => self.len.fetch_add(1, Relaxed),
            (true, false) => self.len.fetch_sub(1, Relaxed),
            _ => 0,
        };
        let old_expiry = old.as_ref().and_then(|old| old.expires_at());
        let new_expiry = entry.and_then(|entry| entry.expires_at());
        if old_expiry.is_some() || new_expiry.is_some() {
            let mut expiries = self.expiries.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = old_expiry {
                expiries.remove(&(at, Key::from_slice(key)));
            }
            if let Some(at) = new_expiry {
                expiries.insert((at, Key::from_slice(key)));
            }
        }
        old
    }

    /// Hides an entry that has left the replica. Watchers hear of it if they could see it.
    pub(crate) fn remove(&self, gone: &Arc<Entry>, wall_ms: u64) {
        let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
        if owned.hidden.get(gone.key()).is_some_and(|held| held.stamp() == gone.stamp()) {
            owned.hidden.remove(gone.key());
        }
        if let Some(owner) = gone.owner()
            && !owned.hidden.contains_key(gone.key())
        {
            owned.unlink(owner, gone.key());
        }
        {
            let shard = self.shard(gone.key()).read().unwrap_or_else(PoisonError::into_inner);
            if shard.get(gone.key()).is_none_or(|held| held.stamp() != gone.stamp()) {
                return;
            }
        }
        // The loop alone writes, so it is still there.
        self.put(gone.key(), None);
        drop(owned);
        // One whose time is over and that was not taken out yet has not been told of either.
        let live = gone.live_at(wall_ms);
        self.tell(if live { EventKind::Delete } else { EventKind::Expired }, gone);
    }

    fn tell(&self, kind: EventKind, entry: &Arc<Entry>) {
        if let Some(events) = self.events.get()
            && events.receiver_count() > 0
        {
            // Fails only if the last watcher has just gone.
            let _ = events.send(Event { kind, entry: Arc::clone(entry) });
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
                if let Some(owner) = entry.owner() {
                    let mut owned = self.owned.lock().unwrap_or_else(PoisonError::into_inner);
                    owned.unlink(owner, &key);
                }
                self.tell(EventKind::Expired, &entry);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::NodeId;
    use rumormill_core::base::rng::Rng;
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
                view.apply(&entry(key, 1, (index % 3 == 0).then_some(50)), 10, |_| true);
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
    fn every_live_entry_is_drawn_as_often() {
        let (view, mut rng) = (View::new(), Rng::new(20_261_123));
        assert!(view.draw(&mut rng, 60).is_none());
        // Half of them have expired and are not taken out yet.
        for n in 0..100_u8 {
            view.apply(&entry(&[n], 1, (n % 2 == 0).then_some(50)), 10, |_| true);
        }
        let mut counts = [0_u32; 100];
        for _ in 0..50_000 {
            counts[usize::from(view.draw(&mut rng, 60).unwrap().key()[0])] += 1;
        }
        // 1,000 each, with a standard deviation of 31: a chi-squared of 49 degrees of freedom is
        // below 94 but once in 10,000 times.
        let square = |count: &u32| (f64::from(*count) - 1000.0).powi(2) / 1000.0;
        assert!(counts.iter().step_by(2).all(|count| *count == 0));
        let chi: f64 = counts.iter().skip(1).step_by(2).map(square).sum();
        assert!(chi < 94.0, "{chi}");
        (0..99).for_each(|n| view.remove(&entry(&[n], 1, (n % 2 == 0).then_some(50)), 10));
        assert_eq!(view.draw(&mut rng, 60).unwrap().key(), [99]);
    }

    #[test]
    fn what_expires_is_hidden_counted_and_told_once() {
        let view = View::new();
        let mut events = view.watch();
        view.apply(&entry(b"k", 1, Some(50)), 10, |_| true);
        view.apply(&entry(b"k", 2, Some(70)), 10, |_| true);
        assert_eq!((view.len(), view.expiring(), view.next_expiry()), (1, 1, Some(70)));
        view.expire(60);
        assert!(view.get(b"k", 60).is_some());
        view.expire(70);
        assert_eq!((view.len(), view.expiring(), view.next_expiry()), (0, 0, None));
        // One that comes late replaces nothing and stays hidden.
        view.apply(&entry(b"k", 3, Some(65)), 80, |_| true);
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
        view.apply(&stays, 10, |_| true);
        view.apply(&soon, 10, |_| true);
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

    fn owned(key: &[u8], time: u64, node: u64, expires_at: Option<u64>) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(node) };
        Arc::new(Entry::new(key, b"v", stamp, expires_at).owned())
    }

    #[test]
    fn owned_entries_come_and_go_with_their_owner() {
        use EventKind::{Delete, Expired, Hidden, Put};
        let view = View::new();
        let mut events = view.watch();
        let mut told = || {
            let told = std::iter::from_fn(|| events.try_recv().ok());
            told.map(|event| event.kind).collect::<Vec<_>>()
        };
        view.apply(&owned(b"a", 1, 7, None), 10, |_| false);
        view.apply(&owned(b"b", 1, 8, Some(50)), 10, |_| true);
        assert_eq!((view.len(), view.hidden(), view.expiring()), (1, 1, 1));
        assert!(view.get(b"a", 10).is_none() && view.get(b"b", 10).is_some());
        assert_eq!(told(), [Put], "what nobody has seen is not told");

        view.look_at_owners(|id| id == NodeId(7), 10);
        assert_eq!((view.len(), view.hidden(), view.expiring()), (1, 1, 0));
        assert!(view.get(b"a", 10).is_some() && view.get(b"b", 10).is_none());
        assert!(view.scan(b"b", None, 9, 10).is_empty());
        assert_eq!(told(), [Put, Hidden]);
        view.look_at_owners(|id| id == NodeId(7), 10);
        assert!(told().is_empty());

        // The owner comes back too late for what has expired meanwhile.
        view.look_at_owners(|_| true, 60);
        assert_eq!((view.len(), view.hidden()), (1, 0));
        assert!(told().is_empty());

        // The newer write decides, whoever owns it.
        view.look_at_owners(|id| id == NodeId(7), 60);
        view.apply(&owned(b"a", 2, 9, None), 60, |_| false);
        assert_eq!((view.len(), view.hidden(), told()), (0, 1, vec![Hidden]));
        view.look_at_owners(|_| true, 60);
        view.apply(&owned(b"a", 3, 9, Some(90)), 60, |_| false);
        assert_eq!((view.len(), view.hidden(), told()), (1, 0, vec![Put, Put]));
        view.expire(90);
        assert_eq!((view.len(), told()), (0, vec![Expired]));
        view.look_at_owners(|_| false, 90);
        view.apply(&owned(b"a", 4, 9, None), 90, |_| false);
        let gone = Entry::tombstone(b"a", Stamp { time: 5, node: NodeId(1) });
        view.apply(&Arc::new(gone), 90, |_| false);
        assert_eq!((view.len(), view.hidden(), told()), (0, 0, vec![Delete]));
        assert!(view.owned.lock().unwrap().owners.is_empty());
    }
}
