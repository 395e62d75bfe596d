//! What a node has persisted of the roster. What it has persisted of the users' data stands in
//! the [`Ledger`](crate::ledger::Ledger): together they are all that survives a crash.

use rumormill_core::base::hash::Set;
use rumormill_core::data::Entry;
use std::sync::Arc;

/// A log of every record that a node asked to persist, in that order. Entries are shared with the
/// replica, so a log costs eight bytes an entry; what was overwritten is dropped as the log grows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    /// What stood on the disk from the start, shared by all disks of a prefilled world.
    base: Option<Arc<[Arc<Entry>]>>,
    log: Vec<Arc<Entry>>,
    /// Length at which overwritten records are dropped next.
    compact_at: usize,
}

/// A log shorter than this is never compacted.
const SHORT: usize = 256;

impl Disk {
    /// A disk that begins with these records.
    pub(crate) fn with_roster(base: Arc<[Arc<Entry>]>) -> Self {
        Self { base: Some(base), ..Self::default() }
    }

    pub(crate) fn append(&mut self, entry: Arc<Entry>) {
        self.log.push(entry);
        if self.log.len() > self.compact_at.max(SHORT) {
            self.compact();
            self.compact_at = self.log.len() * 2;
        }
    }

    /// Reads everything back, older records of a member before newer ones.
    pub(crate) fn replay(&self, restore: impl FnMut(&Arc<Entry>)) {
        self.base.iter().flat_map(|base| base.iter()).chain(&self.log).for_each(restore);
    }

    /// Keeps the last record of every member, in order.
    fn compact(&mut self) {
        let mut seen: Set<&[u8]> = Set::default();
        let mut keep: Vec<bool> =
            self.log.iter().rev().map(|entry| seen.insert(entry.key())).collect();
        drop(seen);
        self.log.retain(|_| keep.pop().unwrap_or(true));
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

    fn replayed(disk: &Disk) -> Vec<Arc<Entry>> {
        let mut all = Vec::new();
        disk.replay(|entry| all.push(Arc::clone(entry)));
        all
    }

    #[test]
    fn a_log_stays_small_and_keeps_the_last_of_every_key() {
        let mut disk = Disk::default();
        for time in 0..10_000 {
            disk.append(entry(time % 7, time));
        }
        let all = replayed(&disk);
        assert!(all.len() <= SHORT + 1);
        for key in 0_u64..7 {
            let last = all.iter().rev().find(|entry| entry.key() == key.to_be_bytes()).unwrap();
            let newest = (0..10_000).rev().find(|time| time % 7 == key).unwrap();
            assert_eq!(last.stamp().time, newest);
        }
    }

    #[test]
    fn a_shared_roster_comes_first() {
        let base: Arc<[Arc<Entry>]> = vec![entry(1, 1), entry(2, 1)].into();
        let mut disk = Disk::with_roster(base);
        disk.append(entry(1, 5));
        let times: Vec<u64> = replayed(&disk).iter().map(|entry| entry.stamp().time).collect();
        assert_eq!(times, [1, 1, 5]);
    }
}
