//! What a node has persisted of the roster. What it has persisted of the users' data stands in
//! the [`Ledger`](crate::ledger::Ledger): together they are all that survives a crash.
//!
//! A process that dies loses nothing that it persisted. A power cut takes back what came last, as
//! where a disk is written to once a second, but nothing from before the node waited for the disk.

use rumormill_core::Instant;
use rumormill_core::base::hash::Set;
use rumormill_core::data::Entry;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// How much a power cut takes back at most: what was persisted in so long a time.
pub(crate) const REACH: Duration = Duration::from_secs(1);

/// How to take back one change of a disk.
#[derive(Clone, Debug)]
pub(crate) enum Undo {
    /// Under this key the node held this: see [`crate::ledger::Ledger::take_back`].
    Data((u32, u32)),
    /// This entry of the roster was not there, but another or none.
    Roster { entry: Arc<Entry>, previous: Option<Arc<Entry>> },
    /// This was kept.
    Kept(Vec<u8>),
    /// Under this key this was kept aside.
    Stray { key: Box<[u8]>, before: Option<Arc<Entry>> },
}

/// What was changed on a disk so lately that a power cut may take it back, or what waits for a disk that
/// does not work.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    changes: VecDeque<(Instant, Undo)>,
    /// If the disk does not work: from which change on nothing has got there.
    waits: Option<usize>,
    /// Of those, how many must be forced to the disk once it works.
    forced: usize,
}

impl Journal {
    pub(crate) fn note(&mut self, now: Instant, undo: Undo) {
        while self.waits.is_none()
            && self.changes.front().is_some_and(|(at, _)| at.after(REACH) < now)
        {
            self.changes.pop_front();
        }
        self.changes.push_back((now, undo));
    }

    /// The node waits for the disk: once that works, what stands there stays.
    pub(crate) fn sync(&mut self) {
        match self.waits {
            Some(_) => self.forced = self.changes.len(),
            None => self.changes.clear(),
        }
    }

    /// The disk does not work from now on: nothing gets there.
    pub(crate) fn hold(&mut self) {
        self.waits.get_or_insert(self.changes.len());
    }

    /// The disk works again and is given all that has waited.
    pub(crate) fn write(&mut self, now: Instant) {
        if let Some(waits) = self.waits.take() {
            self.changes.iter_mut().skip(waits).for_each(|(at, _)| *at = now);
            self.changes.drain(..std::mem::take(&mut self.forced));
        }
    }

    /// The disk is another one.
    pub(crate) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The process dies: what has not got to the disk, the last first.
    pub(crate) fn lose(&mut self) -> Vec<Undo> {
        self.forced = 0;
        let Some(waits) = self.waits.take() else { return Vec::new() };
        self.changes.split_off(waits).into_iter().rev().map(|(_, undo)| undo).collect()
    }

    /// What came after a time, the last first. The rest has got to the disk in the meantime.
    pub(crate) fn cut(&mut self, after: Instant) -> Vec<Undo> {
        let all = std::mem::take(&mut self.changes).into_iter().rev();
        all.take_while(|(at, _)| *at > after).map(|(_, undo)| undo).collect()
    }
}

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

    /// Takes back that an entry was appended, in place of another or of none.
    pub(crate) fn take_back(&mut self, entry: &Arc<Entry>, previous: Option<Arc<Entry>>) {
        if let Some(at) = self.log.iter().rposition(|logged| Arc::ptr_eq(logged, entry)) {
            self.log.remove(at);
        }
        // It may have been dropped when the log was compacted.
        self.log.extend(previous);
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
    fn what_is_taken_back_was_not_there() {
        let mut disk = Disk::default();
        let (old, new) = (entry(1, 1), entry(1, 2));
        disk.append(Arc::clone(&old));
        disk.append(Arc::clone(&new));
        disk.take_back(&new, Some(Arc::clone(&old)));
        let last = replayed(&disk).pop().unwrap();
        assert_eq!(last.stamp().time, 1);
    }

    #[test]
    fn a_power_cut_reaches_back_to_the_last_wait_and_a_second_at_most() {
        let note = |journal: &mut Journal, ms: u64| {
            journal.note(Instant(ms * 1000), Undo::Data((ms as u32, 0)));
        };
        let cut = |journal: &mut Journal, ms: u64| {
            let cut = journal.cut(Instant(ms * 1000)).into_iter().map(|undo| match undo {
                Undo::Data((key, _)) => key,
                _ => 0,
            });
            cut.collect::<Vec<_>>()
        };
        let mut journal = Journal::default();
        [0, 500, 1100, 1400].into_iter().for_each(|ms| note(&mut journal, ms));
        assert_eq!(cut(&mut journal, 600), [1400, 1100]);
        assert_eq!(cut(&mut journal, 0), [0; 0], "the rest is safe");
        [0, 500, 1100].into_iter().for_each(|ms| note(&mut journal, ms));
        assert_eq!(cut(&mut journal, 0), [1100, 500]);
        note(&mut journal, 1200);
        journal.sync();
        note(&mut journal, 1300);
        assert_eq!(cut(&mut journal, 0), [1300]);
    }

    #[test]
    fn what_waits_for_a_disk_goes_with_the_process_and_is_written_later() {
        let note = |journal: &mut Journal, ms: u64| {
            journal.note(Instant(ms * 1000), Undo::Data((ms as u32, 0)));
        };
        let keys = |undone: Vec<Undo>| -> Vec<u32> {
            let key = |undo| if let Undo::Data((key, _)) = undo { key } else { 0 };
            undone.into_iter().map(key).collect()
        };
        let mut journal = Journal::default();
        note(&mut journal, 0);
        journal.hold();
        [1500, 2900].into_iter().for_each(|ms| note(&mut journal, ms));
        assert_eq!(keys(journal.lose()), [2900, 1500]);
        assert_eq!(keys(journal.lose()), [0; 0]);
        journal.hold();
        note(&mut journal, 3000);
        journal.sync();
        note(&mut journal, 3100);
        // It gets there when the disk works, and only what was waited for is safe from then on.
        journal.write(Instant(9_000_000));
        assert_eq!(keys(journal.cut(Instant(8_900_000))), [3100]);
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
