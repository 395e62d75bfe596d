//! Which write an entry is, however often it was written anew, and which deletions meant it.

use super::{Ledger, WriteId, Written};
use rumormill_core::Instant;
use rumormill_core::data::{Entry, Stamp};
use std::sync::Arc;

/// The field of an entry that says from when on passes of ring repair count it, where it was written
/// anew under the stamp that it had.
const SINCE: u64 = 0;

/// What that field says; 0 if there is none.
pub(crate) fn since(entry: &Entry) -> u64 {
    let field = entry.fields().get(SINCE);
    field.and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
}

/// True if two entries of one key say the same, stamps and [`since`] aside.
fn is_same(one: &Entry, other: &Entry) -> bool {
    let plain = |entry: &Entry| entry.fields().with(SINCE, None);
    let rest = |entry: &Entry| (entry.kind(), entry.expires_at(), entry.owner().is_some());
    one.key() == other.key()
        && one.body() == other.body()
        && rest(one) == rest(other)
        && plain(one) == plain(other)
}

impl Ledger {
    /// The user's write that a write is.
    pub(crate) fn origin_of(&self, write: WriteId) -> WriteId {
        self.get(write).origin.unwrap_or(write)
    }

    /// The stamp that the user's write had.
    pub(crate) fn first_stamp(&self, write: WriteId) -> Stamp {
        self.get(self.origin_of(write)).entry.stamp()
    }

    /// The same of what a node holds under the key of a write.
    pub(crate) fn first_stamp_held(&self, node: usize, like: WriteId) -> Option<Stamp> {
        let held = self.held_by(node, like)?;
        Some(held.origin.map_or(held, |origin| self.get(origin)).entry.stamp())
    }

    /// Takes in that a node has written an entry anew: under the stamp that it had, or under a fresh
    /// one in place of what it has just let go.
    ///
    /// # Errors
    /// If no user wrote that.
    pub(crate) fn write_anew(
        &mut self,
        node: usize,
        entry: &Arc<Entry>,
        at: Instant,
    ) -> Result<WriteId, String> {
        let before = match since(entry) {
            0 => self.given_up[node],
            _ => self.find(entry.stamp()),
        };
        let before = before.filter(|&write| is_same(&self.get(write).entry, entry));
        let Some(origin) = before.map(|write| self.origin_of(write)) else {
            return Err(format!("writes {entry:?} by itself, which no user did"));
        };
        match self.find_entry(entry) {
            Some(write) if self.origin_of(write) == origin && since(entry) > 0 => Ok(write),
            Some(write) => Err(format!("writes {entry:?} anew as {:?}", self.get(write).entry)),
            None => Ok(self.enter(node, entry, at, Some(origin))),
        }
    }

    /// A deletion that was acknowledged, and that meant a write: whoever deleted had seen it. Only
    /// those that `known` lets pass count, and none that is kept aside: somebody is to decide on it.
    pub(crate) fn deletion_of(
        &self,
        write: WriteId,
        known: impl Fn(&Written) -> bool,
    ) -> Option<&Written> {
        let written = self.get(write);
        if written.entry.is_tombstone() || !self.promises_deletions {
            return None;
        }
        let key = written.key as usize;
        let all = self.deletions.get(key)?;
        // What no disk holds any more was lost, and is as if it had not been.
        let upto = self.get((*self.required.get(key)?)?).entry.stamp();
        let first = self.first_stamp(write);
        let counts = |&&deletion: &&WriteId| {
            let deleted = self.get(deletion);
            let stamp = deleted.entry.stamp();
            let aside = || self.is_aside(deleted);
            stamp > first && stamp <= upto && !deleted.lost && known(deleted) && !aside()
        };
        let mut later = all.iter().filter(counts);
        later.find(|&&deletion| self.undoes(deletion, write)).map(|&deletion| self.get(deletion))
    }

    /// What a node holds of keys of which there was something later than that first was: the write,
    /// and the stamp of the biggest that is required.
    pub(crate) fn superseded_at(&self, node: usize) -> impl Iterator<Item = (WriteId, Stamp)> {
        let held = self.held.iter().zip(&self.required);
        held.filter_map(move |(held, required)| {
            let write = WriteId(*held.get(node)?);
            self.number(write.0)?;
            let required = self.get((*required)?).entry.stamp();
            (self.first_stamp(write) < required).then_some((write, required))
        })
    }

    /// True if a later write came from somebody who had seen an earlier one: the node held that, or
    /// what it held came from somebody who had.
    pub(crate) fn undoes(&self, later: WriteId, earlier: WriteId) -> bool {
        let (earlier, mut next) = (self.origin_of(earlier), Some(self.origin_of(later)));
        let first = self.get(earlier).entry.stamp();
        while let Some(write) = next {
            let written = self.get(write);
            if write == earlier {
                return true;
            }
            if written.entry.stamp() < first {
                return false;
            }
            if self.had(written.by, earlier, written.at) {
                return true;
            }
            next = written.prior;
        }
        false
    }

    /// True if a node had held a write by some time, and had not forgotten it.
    fn had(&self, node: usize, write: WriteId, by: Instant) -> bool {
        let written = self.get(write);
        let Some(after) = written.held_after(node) else { return false };
        let since = written.at.0 + u64::from(after);
        let forgot = |at: &Instant| (since..=by.0).contains(&at.0);
        since <= by.0 && !self.forgot[node].iter().any(forgot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tests::entry;

    /// A write of `key`, held by its writer.
    fn write(ledger: &mut Ledger, by: usize, value: Option<&str>, time: u64) -> WriteId {
        let write = ledger.acknowledge(by, &entry("k", value, time, by as u64), Instant(time));
        ledger.hold(by, write, Instant(time));
        write
    }

    fn anew(entry: &Entry, since: u64) -> Arc<Entry> {
        Arc::new(entry.anew(since).unwrap())
    }

    #[test]
    fn what_is_written_anew_is_the_write_that_it_was() {
        let mut ledger = Ledger::new(3);
        let first = write(&mut ledger, 0, Some("a"), 5);
        let again = anew(&ledger.get(first).entry, 90);
        assert_eq!(since(&again), 90);
        let again = ledger.write_anew(0, &again, Instant(9)).unwrap();
        assert_eq!((ledger.origin_of(again), ledger.writes().count()), (first, 1));
        // The same by another node is the same.
        let other = ledger.write_anew(1, &ledger.get(again).entry.clone(), Instant(9));
        assert_eq!(other, Ok(again));
        let fresh = entry("k", Some("a"), 95, 1);
        assert!(ledger.write_anew(1, &fresh, Instant(9)).is_err(), "it has let nothing go");
        ledger.hold(1, again, Instant(9));
        ledger.release(1, again, false);
        let other = entry("k", Some("b"), 95, 1);
        assert!(ledger.write_anew(1, &other, Instant(9)).is_err(), "that was another value");
        let fresh = ledger.write_anew(1, &fresh, Instant(9)).unwrap();
        assert_eq!((ledger.origin_of(fresh), ledger.first_stamp(fresh).time), (first, 5));
    }

    #[test]
    fn a_deletion_means_what_its_node_had_seen() {
        let mut ledger = Ledger::new(4);
        let early = write(&mut ledger, 0, Some("a"), 5);
        let blind = write(&mut ledger, 1, Some("b"), 6);
        ledger.hold(2, blind, Instant(7));
        let deleted = write(&mut ledger, 2, None, 8);
        assert!(ledger.undoes(deleted, blind) && !ledger.undoes(deleted, early));
        assert!(ledger.deletion_of(blind, |_| true).is_some());
        assert!(ledger.deletion_of(early, |_| true).is_none());
        assert!(ledger.deletion_of(blind, |deletion| deletion.by != 2).is_none());
        // By way of somebody who had seen it.
        ledger.hold(3, early, Instant(8));
        let over = write(&mut ledger, 3, Some("c"), 9);
        ledger.hold(2, over, Instant(9));
        let deleted = write(&mut ledger, 2, None, 10);
        assert!(ledger.undoes(deleted, early));
        ledger.promises_deletions = false;
        assert!(ledger.deletion_of(blind, |_| true).is_none());
    }

    #[test]
    fn a_deletion_that_is_kept_aside_is_to_be_decided_on() {
        let mut ledger = Ledger::new(3);
        let early = write(&mut ledger, 0, Some("a"), 5);
        ledger.hold(1, early, Instant(5));
        let deleted = write(&mut ledger, 1, None, 6);
        assert!(ledger.deletion_of(early, |_| true).is_some());
        let stray = Arc::clone(&ledger.get(deleted).entry);
        ledger.put_aside(1, b"k", Some(stray));
        assert!(ledger.deletion_of(early, |_| true).is_none());
    }

    #[test]
    fn a_deletion_that_went_with_its_only_disk_means_nothing() {
        let mut ledger = Ledger::new(3);
        let early = write(&mut ledger, 0, Some("a"), 5);
        ledger.hold(1, early, Instant(5));
        write(&mut ledger, 1, None, 6);
        assert!(ledger.deletion_of(early, |_| true).is_some());
        let before = ledger.slot(0, early).1;
        ledger.take_back(1, &[(0, before)], Instant(7));
        assert!(ledger.deletion_of(early, |_| true).is_none());
        assert_eq!(ledger.required().next().map(|write| write.entry.stamp().time), Some(5));
    }

    #[test]
    fn what_a_node_has_forgotten_it_has_not_seen() {
        let mut ledger = Ledger::new(3);
        let early = write(&mut ledger, 0, Some("a"), 5);
        ledger.hold(1, early, Instant(5));
        ledger.lose_disk(1, Instant(6));
        let over = write(&mut ledger, 2, Some("b"), 7);
        ledger.hold(1, over, Instant(7));
        let deleted = write(&mut ledger, 1, None, 8);
        assert!(!ledger.undoes(deleted, early));
    }
}
