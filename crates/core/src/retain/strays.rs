//! What this node brought back and the others do not hold, where nothing proves what is right:
//! neither that it was superseded, nor that nobody has deleted it. It is kept aside, not served and
//! not spread, until the operator says.

use crate::base::hash::Keyed;
use crate::data::{Entry, Map, Merged};
use crate::output::Output;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Bounds on what is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrayLimits {
    /// Entries.
    pub entries: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// The machine. Of each key it keeps the newest.
#[derive(Debug)]
pub struct Strays {
    map: Map,
    limits: StrayLimits,
}

impl Strays {
    /// A store that holds nothing.
    #[must_use]
    pub fn new(keyed: Keyed, limits: StrayLimits) -> Self {
        Self { map: Map::new(keyed), limits }
    }

    /// What is kept aside, tombstones included.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// All of it.
    #[must_use]
    pub fn entries(&self) -> Vec<Arc<Entry>> {
        let mut all = Vec::new();
        self.map.walk_from(0, &mut |_, entry| {
            all.push(Arc::clone(entry));
            ControlFlow::Continue(())
        });
        all
    }

    /// True if nothing is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.digest().count == 0
    }

    /// True if there is room for one more.
    #[must_use]
    pub fn admits(&self, entry: &Entry) -> bool {
        let held = self.map.get(entry.key()).map_or(0, |held| held.size() as u64);
        let bytes = (self.map.bytes() + entry.size() as u64).saturating_sub(held);
        let count = self.map.digest().count + u64::from(held == 0);
        count <= self.limits.entries && bytes <= self.limits.bytes
    }

    /// As it was on disk.
    pub fn restore(&mut self, entry: Arc<Entry>) {
        let _ = self.map.apply(entry);
    }

    /// Keeps an entry aside; false if there is no room.
    #[must_use]
    pub fn keep(&mut self, entry: &Arc<Entry>, out: &mut Vec<Output>) -> bool {
        if !self.admits(entry) {
            return false;
        }
        if let Merged::New(_) = self.map.apply(Arc::clone(entry)) {
            out.push(Output::Stray(Arc::clone(entry)));
        }
        true
    }

    /// Takes what is kept aside under a key.
    pub fn take(&mut self, key: &[u8], out: &mut Vec<Output>) -> Option<Arc<Entry>> {
        let stamp = self.map.get(key)?.stamp();
        let entry = self.map.remove(key, stamp)?;
        out.push(Output::StrayGone(Arc::clone(&entry)));
        Some(entry)
    }

    /// Something is held under a key: what is older than that need not be kept aside.
    pub fn superseded(&mut self, by: &Entry, out: &mut Vec<Output>) -> bool {
        if self.is_empty() {
            return false;
        }
        let older = self.map.get(by.key()).is_some_and(|held| held.stamp() <= by.stamp());
        older && self.take(by.key(), out).is_some()
    }

    /// Panics unless the bounds hold.
    pub(crate) fn check(&self) {
        let (count, bytes) = (self.map.digest().count, self.map.bytes());
        let within = count <= self.limits.entries && bytes <= self.limits.bytes;
        assert!(within, "more is kept aside than may be: {count} entries, {bytes} bytes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::tests::entry;

    #[test]
    fn the_newest_of_each_key_is_kept_within_bounds() {
        let limits = StrayLimits { entries: 2, bytes: 10 };
        let (mut strays, mut out) = (Strays::new(Keyed::for_cluster("test"), limits), Vec::new());
        for (key, time, value, kept) in
            [("a", 1, "v", true), ("b", 1, "v", true), ("c", 1, "v", false), ("a", 3, "w", true)]
        {
            assert_eq!(strays.keep(&entry(key, time, 2, Some(value)), &mut out), kept, "{key}");
            strays.check();
        }
        assert!(!strays.keep(&entry("a", 4, 2, Some("much too long")), &mut out));
        assert_eq!(out.len(), 3, "{out:?}");
        assert!(!strays.superseded(&entry("a", 2, 2, None), &mut out), "it is newer");
        assert!(strays.superseded(&entry("a", 3, 2, None), &mut out));
        assert!(strays.take(b"b", &mut out).is_some() && strays.take(b"b", &mut out).is_none());
        assert!(
            strays.is_empty() && matches!(out[3..], [Output::StrayGone(_), Output::StrayGone(_)])
        );
    }
}
