//! What has been seen to be over stays over, though the wall clock is set back.

use super::{Entry, Map, Stamp};
use crate::base::hash;

/// Entries that had expired at some time, and would not have by an earlier one that the clock was
/// set back to. They are named one by one: what comes later is judged by the time that it is then.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// By the hash of the key: at most as many as entries that expire.
    stamps: hash::Map<u64, Stamp>,
    /// The time when it was last looked at, wall milliseconds.
    seen_ms: u64,
}

impl Ended {
    /// The time is this now. If it was later before, what had expired then is remembered.
    pub fn look(&mut self, wall_ms: u64, data: &Map) {
        let seen_ms = std::mem::replace(&mut self.seen_ms, wall_ms);
        if wall_ms < seen_ms {
            self.remember(wall_ms, seen_ms, data);
        }
    }

    /// After a start: what had expired at the time of the last stamp on disk has expired.
    pub fn remember(&mut self, wall_ms: u64, seen_ms: u64, data: &Map) {
        let before = std::mem::take(&mut self.stamps);
        for entry in data.mortal() {
            let hash = data.hash(entry.key());
            let known = before.get(&hash) == Some(&entry.stamp());
            let seen = |at: u64| at > wall_ms && at <= seen_ms;
            if known || entry.expires_at().is_some_and(seen) {
                self.stamps.insert(hash, entry.stamp());
            }
        }
    }

    /// True if readers see the entry at a time, as far as its expiry goes.
    #[must_use]
    pub fn lives(&self, entry: &Entry, wall_ms: u64, data: &Map) -> bool {
        let ended = || self.stamps.get(&data.hash(entry.key())) == Some(&entry.stamp());
        entry.live_at(wall_ms) && (self.stamps.is_empty() || !ended())
    }

    /// How many are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stamps.len()
    }

    /// True if none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.stamps.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::hash::Keyed;
    use crate::base::id::NodeId;
    use std::sync::Arc;

    fn entry(key: &str, time: u64, expires_at: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(1) };
        Arc::new(Entry::new(key.as_bytes(), b"v", stamp, Some(expires_at)))
    }

    #[test]
    fn what_was_over_stays_over_and_what_is_new_is_judged_by_its_time() {
        let mut data = Map::new(Keyed::for_cluster("test"));
        let (over, later) = (entry("over", 1, 5_000), entry("later", 2, 9_000));
        for held in [&over, &later] {
            data.apply(Arc::clone(held));
        }
        let mut ended = Ended::default();
        ended.look(6_000, &data);
        assert!(!ended.lives(&over, 6_000, &data) && ended.is_empty());
        ended.look(1_000, &data);
        assert!(!ended.lives(&over, 1_000, &data) && ended.lives(&later, 1_000, &data));
        // Written again, it is another.
        let again = entry("over", 3, 1_500);
        data.apply(Arc::clone(&again));
        assert!(ended.lives(&again, 1_000, &data) && !ended.lives(&again, 1_500, &data));
        // What is not held any more is forgotten with the next look back.
        ended.look(2_000, &data);
        ended.look(1_000, &data);
        assert_eq!(ended.len(), 1, "the one that is held, which had expired at two seconds");
        assert!(!ended.lives(&again, 1_000, &data));
    }
}
