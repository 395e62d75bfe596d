//! What a node has persisted: all that survives a crash.

use rumormill_core::base::hash::Set;
use rumormill_core::data::{Entry, Space};
use std::sync::Arc;

/// A log of everything that a node asked to persist, in that order. Entries are shared with the
/// replica, so a log costs eight bytes an entry; what was overwritten is dropped as the log grows.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    /// What stood on the disk from the start, shared by all disks of a prefilled world.
    base: Option<Arc<[Arc<Entry>]>>,
    data: Log,
    roster: Log,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<Arc<Entry>>,
    /// Length at which overwritten entries are dropped next.
    compact_at: usize,
}

/// A log shorter than this is never compacted.
const SHORT: usize = 256;

impl Disk {
    /// A disk that begins with these records of the roster.
    pub(crate) fn with_roster(base: Arc<[Arc<Entry>]>) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    pub(crate) fn append(&mut self, space: Space, entry: Arc<Entry>) {
        match space {
            Space::Data => self.data.append(entry),
            Space::Roster => self.roster.append(entry),
        }
    }

    /// Reads everything back, older writes of a key before newer ones.
    pub(crate) fn replay(&self, mut restore: impl FnMut(Space, &Arc<Entry>)) {
        for entry in self.base.iter().flat_map(|base| base.iter()).chain(&self.roster.entries) {
            restore(Space::Roster, entry);
        }
        for entry in &self.data.entries {
            restore(Space::Data, entry);
        }
    }
}

impl Log {
    fn append(&mut self, entry: Arc<Entry>) {
        self.entries.push(entry);
        if self.entries.len() > self.compact_at.max(SHORT) {
            self.compact();
            self.compact_at = self.entries.len() * 2;
        }
    }

    /// Keeps the last entry of every key, in order.
    fn compact(&mut self) {
        let mut seen: Set<&[u8]> = Set::default();
        let mut keep: Vec<bool> =
            self.entries.iter().rev().map(|entry| seen.insert(entry.key())).collect();
        drop(seen);
        self.entries.retain(|_| keep.pop().unwrap_or(true));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::Stamp;

    fn entry(key: u64, time: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(1) };
        Arc::new(Entry::new(&key.to_be_bytes(), b"v", stamp, None))
    }

    fn replayed(disk: &Disk, wanted: Space) -> Vec<Arc<Entry>> {
        let mut all = Vec::new();
        disk.replay(|space, entry| {
            if space == wanted {
                all.push(Arc::clone(entry));
            }
        });
        all
    }

    #[test]
    fn a_log_stays_small_and_keeps_the_last_of_every_key() {
        let mut disk = Disk::default();
        for time in 0..10_000 {
            disk.append(Space::Data, entry(time % 7, time));
        }
        let all = replayed(&disk, Space::Data);
        assert!(all.len() <= SHORT + 1);
        for key in 0_u64..7 {
            let last = all.iter().rev().find(|entry| entry.key() == key.to_be_bytes()).unwrap();
            let newest = (0..10_000).rev().find(|time| time % 7 == key).unwrap();
            assert_eq!(last.stamp().time, newest);
        }
    }

    #[test]
    fn a_shared_roster_comes_first_and_spaces_stay_apart() {
        let base: Arc<[Arc<Entry>]> = vec![entry(1, 1), entry(2, 1)].into();
        let mut disk = Disk::with_roster(base);
        disk.append(Space::Roster, entry(1, 5));
        disk.append(Space::Data, entry(9, 3));
        let times = |space| -> Vec<u64> {
            replayed(&disk, space).iter().map(|entry| entry.stamp().time).collect()
        };
        assert_eq!(times(Space::Roster), [1, 1, 5]);
        assert_eq!(times(Space::Data), [3]);
    }
}
