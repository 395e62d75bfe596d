//! What was written, and what each node is known to hold: a model of the replicas built from
//! persist outputs alone, for the checkers and for the figures.
//!
//! Only what a user wrote is an acknowledged write. What a node writes anew, because it came back
//! with it and nobody else has it, is the write that it was: it counts by the stamp that it had.

mod disks;
mod origins;

pub(crate) use disks::Snapshot;
pub(crate) use origins::since;

use rumormill_core::Instant;
use rumormill_core::base::hash::{Map, Set};
use rumormill_core::data::{Entry, Stamp};
use std::sync::Arc;

/// One write that a node acknowledged, or such a write written anew.
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
    /// The user's write that this is, if it was written anew.
    origin: Option<WriteId>,
    /// What its writer held under the key then.
    prior: Option<WriteId>,
    /// True for a deletion that went with the only disk that it had stood on.
    lost: bool,
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

    /// The stamp, and from when on passes of ring repair count it if it was written anew.
    pub(crate) fn version(&self) -> (Stamp, u64) {
        (self.entry.stamp(), since(&self.entry))
    }
}

/// Everything that was written in a world.
#[derive(Debug)]
pub struct Ledger {
    nodes: usize,
    writes: Vec<Written>,
    by_version: Map<(Stamp, u64), WriteId>,
    keys: Map<Box<[u8]>, u32>,
    /// By key: the biggest acknowledged write that no lost disk excuses.
    required: Vec<Option<WriteId>>,
    /// By key: the acknowledged deletions.
    deletions: Vec<Vec<WriteId>>,
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
    /// By node: what it keeps aside, by key.
    strays: Vec<Map<Box<[u8]>, Arc<Entry>>>,
    /// By node: what it has just let go because members that are ahead of it do not hold it.
    given_up: Vec<Option<WriteId>>,
    /// By node: when its disk forgot something.
    forgot: Vec<Vec<Instant>>,
    /// True once something was let go by its age.
    aged: bool,
    /// False once an operator's word was not true: what was deleted may come back.
    pub(crate) promises_deletions: bool,
    /// False once a machine was set back further than nodes can know: anything may be lost.
    pub(crate) promises_writes: bool,
    /// Keys of which somebody took in a value from before a write that was let go.
    resurrected: Set<u32>,
}

impl Ledger {
    pub(crate) fn new(nodes: usize) -> Self {
        Self {
            nodes,
            writes: Vec::new(),
            by_version: Map::default(),
            keys: Map::default(),
            required: Vec::new(),
            deletions: Vec::new(),
            held: Vec::new(),
            graves: Map::default(),
            collected: Set::default(),
            latest_collected: Map::default(),
            covered: vec![0; nodes],
            strays: vec![Map::default(); nodes],
            given_up: vec![None; nodes],
            forgot: vec![Vec::new(); nodes],
            aged: false,
            promises_deletions: true,
            promises_writes: true,
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

    /// Every write that a user made, in the order in which they were made.
    pub fn writes(&self) -> impl Iterator<Item = (WriteId, &Written)> {
        let all = (0..).map(WriteId).zip(&self.writes);
        all.filter(|(_, written)| written.origin.is_none())
    }

    /// The user's write with this stamp.
    #[must_use]
    pub fn find(&self, stamp: Stamp) -> Option<WriteId> {
        self.by_version.get(&(stamp, 0)).copied()
    }

    /// The write that an entry says it is, be it written anew.
    pub(crate) fn find_entry(&self, entry: &Entry) -> Option<WriteId> {
        self.by_version.get(&(entry.stamp(), since(entry))).copied()
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

    /// What nodes keep aside, on all disks that there are.
    #[must_use]
    pub fn strays(&self) -> usize {
        self.strays.iter().map(Map::len).sum()
    }

    /// True if somebody keeps a write aside, or a bigger one of its key.
    pub(crate) fn is_aside(&self, write: &Written) -> bool {
        let kept = self.strays.iter().filter_map(|strays| strays.get(write.entry.key()));
        kept.map(|stray| stray.stamp()).any(|stamp| stamp >= write.entry.stamp())
    }

    /// What a node keeps aside.
    pub(crate) fn aside_at(&self, node: usize) -> &Map<Box<[u8]>, Arc<Entry>> {
        &self.strays[node]
    }

    fn key_of(&mut self, entry: &Entry) -> u32 {
        if let Some(&key) = self.keys.get(entry.key()) {
            return key;
        }
        let key = self.required.len() as u32;
        self.keys.insert(entry.key().into(), key);
        self.required.push(None);
        self.deletions.push(Vec::new());
        self.held.push(vec![NOTHING; self.nodes]);
        key
    }

    fn enter(
        &mut self,
        by: usize,
        entry: &Arc<Entry>,
        at: Instant,
        origin: Option<WriteId>,
    ) -> WriteId {
        let write = WriteId(self.writes.len() as u32);
        let key = self.key_of(entry);
        self.by_version.insert((entry.stamp(), since(entry)), write);
        let prior = self.held[key as usize][by];
        let prior = (prior != NOTHING).then(|| self.origin_of(WriteId(prior)));
        let (held_after, entry) = (vec![NEVER; self.nodes], Arc::clone(entry));
        self.writes.push(Written { entry, by, at, key, held_after, origin, prior, lost: false });
        write
    }

    /// Takes in a write that node `by` has acknowledged.
    pub(crate) fn acknowledge(&mut self, by: usize, entry: &Arc<Entry>, at: Instant) -> WriteId {
        let write = self.enter(by, entry, at, None);
        let key = self.get(write).key as usize;
        if entry.is_tombstone() {
            self.deletions[key].push(write);
        }
        let before = self.required[key].map(|write| self.get(write).entry.stamp());
        if before.is_none_or(|before| before < entry.stamp()) {
            self.required[key] = Some(write);
        }
        write
    }

    /// A node now holds a write.
    pub(crate) fn hold(&mut self, node: usize, write: WriteId, now: Instant) {
        for write in [write, self.origin_of(write)] {
            let written = &mut self.writes[write.0 as usize];
            let after = &mut written.held_after[node];
            if *after == NEVER {
                *after = (now.0 - written.at.0).min(u64::from(NEVER - 1)) as u32;
            }
            written.lost = false;
        }
        let key = self.get(write).key as usize;
        self.held[key][node] = write.0;
    }

    /// A node is about to hold a write, or to be told that it must not.
    pub(crate) fn offer(&mut self, write: WriteId) {
        let (key, live) = (self.get(write).key, !self.get(write).entry.is_tombstone());
        let collected = self.latest_collected.get(&key).copied();
        if live && collected.is_some_and(|latest| self.undoes(latest, write)) {
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
        }
    }

    /// A node's disk says up to where a pass has covered it, if one has.
    pub(crate) fn cover(&mut self, node: usize, horizon: Option<u64>) {
        self.covered[node] = horizon.unwrap_or_default();
    }

    /// Up to where that is.
    pub(crate) fn covered(&self, node: usize) -> u64 {
        self.covered[node]
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
        if !collected {
            self.given_up[node] = Some(write);
            return;
        }
        self.collected.insert(self.origin_of(write));
        let latest = self.latest_collected.get(&key).map(|latest| self.get(*latest).entry.stamp());
        if latest < Some(stamp) {
            self.latest_collected.insert(key, write);
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
        ledger.lose_disk(0, Instant(9));
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
        (0..2).for_each(|node| ledger.cover(node * 2, Some(7)));
        ledger.release(0, deleted, true);
        let required = |ledger: &Ledger| ledger.required().next().map(|w| w.entry.stamp().time);
        ledger.lose_disk(0, Instant(9));
        assert_eq!(required(&ledger), Some(6), "another is covered");
        ledger.lose_disk(2, Instant(9));
        assert_eq!(required(&ledger), Some(5));
    }

    #[test]
    fn what_is_kept_aside_is_not_lost() {
        let mut ledger = Ledger::new(2);
        let write = ledger.acknowledge(0, &entry("k", Some("a"), 5, 0), Instant(0));
        ledger.hold(0, write, Instant(0));
        ledger.hold(1, write, Instant(0));
        ledger.release(1, write, false);
        let stray = Arc::clone(&ledger.get(write).entry);
        assert!(!ledger.is_aside(ledger.get(write)));
        ledger.put_aside(1, b"k", Some(stray));
        ledger.lose_disk(0, Instant(1));
        assert!(ledger.is_aside(ledger.get(write)) && ledger.strays() == 1);
        assert_eq!(ledger.required().count(), 1);
        ledger.lose_disk(1, Instant(2));
        assert_eq!((ledger.required().count(), ledger.strays()), (0, 0));
    }
}
