//! What was written, and what each node is known to hold: a model of the replicas built from
//! persist outputs alone, for the checkers and for the figures.

use rumormill_core::Instant;
use rumormill_core::base::hash::{Map, Set};
use rumormill_core::data::{Entry, Stamp};
use std::sync::Arc;

/// One write that a node acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(u32);

/// A write and where it has got to.
#[derive(Debug)]
pub struct Written {
    /// The entry.
    pub entry: Arc<Entry>,
    /// The node that it was written at.
    pub by: usize,
    /// When.
    pub at: Instant,
    key: u32,
    /// Microseconds after `at` at which each node first held it; [`NEVER`] if it has not.
    held_after: Vec<u32>,
}

const NEVER: u32 = u32::MAX;
const NOTHING: u32 = u32::MAX;

impl Written {
    /// Microseconds that the write took to a node, if it has ever held it.
    #[must_use]
    pub fn held_after(&self, node: usize) -> Option<u32> {
        self.held_after.get(node).copied().filter(|&after| after != NEVER)
    }

    /// Microseconds that the write took to each node that has held it, but for the writer.
    pub fn delays(&self) -> impl Iterator<Item = u32> {
        let others = self.held_after.iter().enumerate().filter(|&(node, _)| node != self.by);
        others.map(|(_, &after)| after).filter(|&after| after != NEVER)
    }
}

/// Everything that was written in a world.
#[derive(Debug)]
pub struct Ledger {
    nodes: usize,
    writes: Vec<Written>,
    by_stamp: Map<Stamp, WriteId>,
    keys: Map<Box<[u8]>, u32>,
    /// By key: the biggest acknowledged write that no lost disk excuses.
    required: Vec<Option<WriteId>>,
    /// By key and node: the number of the write that the node holds; [`NOTHING`] if it holds none.
    /// In this order, since one write after the other reaches all nodes.
    held: Vec<Vec<u32>>,
    /// By key and node: the biggest write that the node has let go because all have it.
    graves: Map<(u32, u32), Stamp>,
    /// Writes that were let go somewhere because all have them; by key, the biggest.
    collected: Set<WriteId>,
    latest_collected: Map<u32, WriteId>,
    /// By node: up to where its disk says that a pass has covered it.
    covered: Vec<u64>,
    /// Nodes whose disks were put back, from when to when what they had written is forgotten.
    forgotten: Vec<(usize, Instant, Instant)>,
    /// True once something was let go by its age.
    aged: bool,
    /// Keys of which somebody took in a value from before a write that was let go.
    resurrected: Set<u32>,
}

/// What stands on a node's disk, and since when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    at: Instant,
    held: Vec<u32>,
    covered: u64,
}

impl Ledger {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            writes: Vec::new(),
            by_stamp: Map::default(),
            keys: Map::default(),
            required: Vec::new(),
            held: Vec::new(),
            graves: Map::default(),
            collected: Set::default(),
            latest_collected: Map::default(),
            covered: vec![0; nodes],
            forgotten: Vec::new(),
            aged: false,
            resurrected: Set::default(),
        }
    }

    /// A write.
    ///
    /// # Panics
    /// If the id is of another world.
    #[must_use]
    pub fn get(&self, write: WriteId) -> &Written {
        &self.writes[write.0 as usize]
    }

    /// Every write, in the order in which they were made.
    pub fn writes(&self) -> impl Iterator<Item = (WriteId, &Written)> {
        (0..).map(WriteId).zip(&self.writes)
    }

    /// The write with this stamp.
    #[must_use]
    pub fn find(&self, stamp: Stamp) -> Option<WriteId> {
        self.by_stamp.get(&stamp).copied()
    }

    /// What a node holds under the key of a write.
    #[must_use]
    pub fn held_by(&self, node: usize, like: WriteId) -> Option<&Written> {
        let key = self.get(like).key as usize;
        self.held.get(key)?.get(node).and_then(|&number| self.number(number))
    }

    /// Everything that a node holds.
    pub fn all_held_by(&self, node: usize) -> impl Iterator<Item = &Written> {
        let numbers = self.held.iter().filter_map(move |held| held.get(node));
        numbers.filter_map(|&number| self.number(number))
    }

    fn number(&self, number: u32) -> Option<&Written> {
        self.writes.get(number as usize)
    }

    /// For every key the biggest acknowledged write: what all must hold in the end, or a bigger
    /// one.
    pub fn required(&self) -> impl Iterator<Item = &Written> {
        self.required.iter().flatten().map(|&write| self.get(write))
    }

    /// Takes in a write that node `by` has acknowledged.
    pub(crate) fn acknowledge(&mut self, by: usize, entry: &Arc<Entry>, at: Instant) -> WriteId {
        let write = WriteId(self.writes.len() as u32);
        let key = match self.keys.get(entry.key()) {
            Some(&key) => key,
            None => {
                let key = self.required.len() as u32;
                self.keys.insert(entry.key().into(), key);
                self.required.push(None);
                self.held.push(vec![NOTHING; self.nodes]);
                key
            }
        };
        self.by_stamp.insert(entry.stamp(), write);
        let held_after = vec![NEVER; self.nodes];
        self.writes.push(Written { entry: Arc::clone(entry), by, at, key, held_after });
        let before = self.required[key as usize].map(|write| self.get(write).entry.stamp());
        if before.is_none_or(|before| before < entry.stamp()) {
            self.required[key as usize] = Some(write);
        }
        write
    }

    /// A node now holds a write.
    pub(crate) fn hold(&mut self, node: usize, write: WriteId, now: Instant) {
        let written = &mut self.writes[write.0 as usize];
        let after = &mut written.held_after[node];
        if *after == NEVER {
            *after = (now.0 - written.at.0).min(u64::from(NEVER - 1)) as u32;
        }
        self.held[written.key as usize][node] = write.0;
    }

    /// A node is about to hold a write, or to be told that it must not.
    pub(crate) fn offer(&mut self, write: WriteId) {
        let Written { entry, key, .. } = self.get(write);
        let (key, stamp, live) = (*key, entry.stamp(), !entry.is_tombstone());
        let collected = self.latest_collected.get(&key);
        if live && collected.is_some_and(|latest| self.get(*latest).entry.stamp() > stamp) {
            self.resurrected.insert(key);
        }
    }

    /// Keys that came back somewhere, be it for a moment, after their deletion had been let go.
    #[must_use]
    pub fn resurrected(&self) -> usize {
        self.resurrected.len()
    }

    /// A node has let a write go: because everyone had it, or (if not `collected`) because a member
    /// that everyone agrees with did not hold it.
    pub(crate) fn release(&mut self, node: usize, write: WriteId, collected: bool) {
        self.let_go(node, write, collected);
        if collected {
            let (key, stamp) = (self.get(write).key, self.get(write).entry.stamp());
            let grave = self.graves.entry((key, node as u32)).or_insert(stamp);
            *grave = stamp.max(*grave);
            return;
        }
        let &Written { by, at, key, .. } = self.get(write);
        let forgotten = |(node, from, to): &(usize, Instant, Instant)| {
            *node == by && (*from..=*to).contains(&at)
        };
        if self.forgotten.iter().any(forgotten) {
            // Its writer, set back with its name, no longer knows of it, and says that it had all.
            self.excuse(key as usize);
        }
    }

    /// A node's disk says up to where a pass has covered it.
    pub(crate) fn cover(&mut self, node: usize, horizon: u64) {
        self.covered[node] = horizon;
    }

    /// True if somebody still knows that a write was let go, and not lost.
    fn is_known_of(&self, collected: WriteId) -> bool {
        let time = self.get(collected).entry.stamp().time;
        self.aged || self.covered.iter().any(|horizon| *horizon >= time)
    }

    /// The same, but the node may take in older writes again: others still hold this one, and will
    /// undo them.
    pub(crate) fn lapse(&mut self, node: usize, write: WriteId, collected: bool) {
        self.let_go(node, write, collected);
    }

    /// From here on writes are let go by their age: no disk says that they were.
    pub(crate) fn ages(&mut self) {
        self.aged = true;
    }

    fn let_go(&mut self, node: usize, write: WriteId, collected: bool) {
        let (key, stamp) = (self.writes[write.0 as usize].key, self.get(write).entry.stamp());
        self.held[key as usize][node] = NOTHING;
        if collected {
            self.collected.insert(write);
            let latest =
                self.latest_collected.get(&key).map(|latest| self.get(*latest).entry.stamp());
            if latest < Some(stamp) {
                self.latest_collected.insert(key, write);
            }
        }
    }

    /// The biggest write of a key that a node has let go because all have it.
    #[must_use]
    pub fn grave(&self, node: usize, like: WriteId) -> Option<Stamp> {
        self.graves.get(&(self.get(like).key, node as u32)).copied()
    }

    /// True if a write, or a bigger one of its key, was let go because all have it.
    #[must_use]
    pub fn is_collected(&self, stamp: Stamp) -> bool {
        let Some(key) = self.find(stamp).map(|write| self.get(write).key) else { return false };
        let latest = self.latest_collected.get(&key);
        latest.is_some_and(|latest| self.get(*latest).entry.stamp() >= stamp)
    }

    /// What stands on a node's disk now.
    pub(crate) fn snapshot(&self, node: usize, at: Instant) -> Snapshot {
        let held = self.held.iter().map(|held| held[node]).collect();
        Snapshot { at, held, covered: self.covered[node] }
    }

    /// An old copy of a node's disk is put in place of it: what came after is lost with it.
    pub(crate) fn restore(&mut self, node: usize, snapshot: &Snapshot, now: Instant) {
        self.covered[node] = snapshot.covered;
        self.forgotten.push((node, snapshot.at, now));
        let none = std::iter::repeat(&NOTHING);
        for (held, number) in self.held.iter_mut().zip(snapshot.held.iter().chain(none)) {
            held[node] = *number;
        }
        (0..self.held.len()).for_each(|key| self.excuse(key));
        self.graves.retain(|(_, owner), _| *owner != node as u32);
    }

    /// A node's disk is lost. Acknowledged writes that stood on no other disk are lost with it, by
    /// nobody's fault: they are no longer required.
    pub(crate) fn lose_disk(&mut self, node: usize) {
        self.covered[node] = 0;
        self.held.iter_mut().for_each(|held| held[node] = NOTHING);
        (0..self.held.len()).for_each(|key| self.excuse(key));
        self.graves.retain(|(_, owner), _| *owner != node as u32);
    }

    /// What no disk holds any more is not required.
    fn excuse(&mut self, key: usize) {
        let Some(required) = self.required[key] else { return };
        if self.collected.contains(&required) && self.is_known_of(required) {
            return;
        }
        let elsewhere = self.held[key].iter().filter(|&&number| number != NOTHING);
        // What all had is not lost with a disk, if that is still known.
        let collected = self.latest_collected.get(&(key as u32)).copied();
        let collected = collected.filter(|write| self.is_known_of(*write));
        let best = elsewhere.map(|&number| WriteId(number)).chain(collected);
        let stamp = |write| self.get(write).entry.stamp();
        let best = best.max_by_key(|&write| stamp(write));
        if best.is_none_or(|best| stamp(best) < stamp(required)) {
            self.required[key] = best;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rumormill_core::NodeId;

    /// A write of `key` at `time` by node `by`; a tombstone if there is no value.
    pub(crate) fn entry(key: &str, value: Option<&str>, time: u64, by: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(by) };
        Arc::new(match value {
            Some(value) => Entry::new(key.as_bytes(), value.as_bytes(), stamp, None),
            None => Entry::tombstone(key.as_bytes(), stamp),
        })
    }

    #[test]
    fn delays_are_those_of_the_first_time_and_leave_the_writer_out() {
        let mut ledger = Ledger::new(3);
        let write = ledger.acknowledge(0, &entry("k", Some("v"), 1, 0), Instant(100));
        ledger.hold(0, write, Instant(100));
        ledger.hold(2, write, Instant(150));
        ledger.hold(2, write, Instant(170));
        assert_eq!(ledger.get(write).delays().collect::<Vec<_>>(), [50]);
        assert_eq!(ledger.get(write).held_after(1), None);
        assert_eq!(ledger.find(entry("k", None, 1, 0).stamp()), Some(write));
    }

    #[test]
    fn the_biggest_stamp_is_required_not_the_last_write() {
        let mut ledger = Ledger::new(2);
        ledger.acknowledge(0, &entry("k", Some("a"), 9, 0), Instant(0));
        ledger.acknowledge(1, &entry("k", Some("b"), 5, 1), Instant(1));
        let required: Vec<u64> = ledger.required().map(|w| w.entry.stamp().time).collect();
        assert_eq!(required, [9]);
    }

    #[test]
    fn a_lost_disk_excuses_only_what_stood_nowhere_else() {
        let mut ledger = Ledger::new(3);
        let both = ledger.acknowledge(0, &entry("both", Some("a"), 1, 0), Instant(0));
        let older = ledger.acknowledge(0, &entry("older", Some("a"), 2, 0), Instant(0));
        let newer = ledger.acknowledge(0, &entry("older", Some("b"), 3, 0), Instant(0));
        let alone = ledger.acknowledge(0, &entry("alone", Some("a"), 4, 0), Instant(0));
        for write in [both, newer, alone] {
            ledger.hold(0, write, Instant(0));
        }
        ledger.hold(1, both, Instant(5));
        ledger.hold(1, older, Instant(5));
        ledger.lose_disk(0);
        let required: Vec<u64> = ledger.required().map(|w| w.entry.stamp().time).collect();
        assert_eq!(required, [1, 2]);
        assert_eq!(ledger.all_held_by(0).count(), 0);
    }

    #[test]
    fn what_was_let_go_is_required_for_as_long_as_somebody_knows() {
        let mut ledger = Ledger::new(3);
        let value = ledger.acknowledge(1, &entry("k", Some("a"), 5, 1), Instant(0));
        ledger.hold(1, value, Instant(0));
        let deleted = ledger.acknowledge(0, &entry("k", None, 6, 0), Instant(0));
        ledger.hold(0, deleted, Instant(0));
        (0..2).for_each(|node| ledger.cover(node * 2, 7));
        ledger.release(0, deleted, true);
        let required = |ledger: &Ledger| ledger.required().next().map(|w| w.entry.stamp().time);
        ledger.lose_disk(0);
        assert_eq!(required(&ledger), Some(6), "another is covered");
        ledger.lose_disk(2);
        assert_eq!(required(&ledger), Some(5));
    }

    #[test]
    fn who_is_set_back_with_its_name_may_give_up_what_it_has_forgotten() {
        let mut ledger = Ledger::new(2);
        let early = ledger.acknowledge(0, &entry("early", Some("a"), 1, 0), Instant(1));
        ledger.hold(0, early, Instant(1));
        let copy = ledger.snapshot(0, Instant(2));
        let late = ledger.acknowledge(0, &entry("late", Some("b"), 3, 0), Instant(3));
        let other = ledger.acknowledge(1, &entry("other", Some("c"), 4, 1), Instant(3));
        for write in [early, late, other] {
            ledger.hold(1, write, Instant(3));
        }
        ledger.restore(0, &copy, Instant(4));
        [early, late, other].into_iter().for_each(|write| ledger.release(1, write, false));
        let required: Vec<u64> = ledger.required().map(|w| w.entry.stamp().time).collect();
        assert_eq!(required, [1, 4]);
    }
}
