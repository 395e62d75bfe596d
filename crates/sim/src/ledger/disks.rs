//! What stands on the disks, and what goes with them.

use super::{Ledger, NOTHING, WriteId};
use rumormill_core::Instant;
use rumormill_core::base::hash::Map;
use rumormill_core::data::Entry;
use std::sync::Arc;

/// What stands on a node's disk, and since when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) at: Instant,
    held: Vec<u32>,
    covered: u64,
    strays: Map<Box<[u8]>, Arc<Entry>>,
}

impl Ledger {
    /// What stands on a node's disk now.
    pub(crate) fn snapshot(&self, node: usize, at: Instant) -> Snapshot {
        let held = self.held.iter().map(|held| held[node]).collect();
        Snapshot { at, held, covered: self.covered[node], strays: self.strays[node].clone() }
    }

    /// A copy of a disk is put in place of a node's: what came after is lost with that.
    pub(crate) fn restore(&mut self, node: usize, snapshot: &Snapshot, now: Instant) {
        self.covered[node] = snapshot.covered;
        self.strays[node].clone_from(&snapshot.strays);
        let none = std::iter::repeat(&NOTHING);
        for (held, number) in self.held.iter_mut().zip(snapshot.held.iter().chain(none)) {
            held[node] = *number;
        }
        self.forget(node, now);
    }

    /// A node's disk is lost. Acknowledged writes that stood on no other disk are lost with it, by
    /// nobody's fault: they are no longer required.
    pub(crate) fn lose_disk(&mut self, node: usize, now: Instant) {
        self.covered[node] = 0;
        self.strays[node].clear();
        self.held.iter_mut().for_each(|held| held[node] = NOTHING);
        self.forget(node, now);
    }

    fn forget(&mut self, node: usize, now: Instant) {
        self.forgot[node].push(now);
        self.given_up[node] = None;
        (0..self.held.len()).for_each(|key| self.excuse(key));
        self.graves.retain(|(_, owner), _| *owner != node as u32);
    }

    /// What a node holds under a key, to be given to [`Ledger::take_back`].
    pub(crate) fn slot(&self, node: usize, like: WriteId) -> (u32, u32) {
        let key = self.get(like).key;
        (key, self.held[key as usize][node])
    }

    /// A power cut has taken from a node's disk what came last: under these keys, in this order, it
    /// holds what it held before.
    pub(crate) fn take_back(&mut self, node: usize, slots: &[(u32, u32)], now: Instant) {
        for &(key, number) in slots {
            self.held[key as usize][node] = number;
            // That it had let something go is forgotten with it.
            self.graves.remove(&(key, node as u32));
        }
        self.forgot[node].push(now);
        self.given_up[node] = None;
        (0..self.held.len()).for_each(|key| self.excuse(key));
    }

    /// True if a disk has forgotten a write before anybody but its writer held it: nobody was told that
    /// it is there, and packets that hold it would be new to all.
    pub(crate) fn is_undone(&self, write: WriteId) -> bool {
        let written = self.get(write);
        let forgotten = self.forgot[written.by].iter().any(|at| *at >= written.at);
        let held = self.held[written.key as usize].contains(&write.0);
        forgotten && !held && written.delays().next().is_none()
    }

    /// A node keeps an entry aside in place of any of its key, or none any more. Answers what it
    /// kept before.
    pub(crate) fn put_aside(
        &mut self,
        node: usize,
        key: &[u8],
        stray: Option<Arc<Entry>>,
    ) -> Option<Arc<Entry>> {
        match stray {
            Some(stray) => self.strays[node].insert(key.into(), stray),
            None => self.strays[node].remove(key),
        }
    }

    /// What no disk holds any more is not required.
    fn excuse(&mut self, key: usize) {
        self.lose_deletions(key);
        let Some(required) = self.required[key] else { return };
        if self.collected.contains(&required) && self.is_known_of(required) {
            return;
        }
        let elsewhere = self.held[key].iter().filter(|&&number| number != NOTHING);
        let name = self.get(required).entry.key();
        let aside = self.strays.iter().filter_map(|strays| strays.get(name));
        let aside = aside.filter_map(|stray| self.find_entry(stray));
        // What all had is not lost with a disk, if that is still known.
        let collected = self.latest_collected.get(&(key as u32)).copied();
        let collected = collected.filter(|write| self.is_known_of(*write));
        let best = elsewhere.map(|&number| WriteId(number)).chain(aside).chain(collected);
        let stamp = |write| self.get(write).entry.stamp();
        let best = best.map(|write| self.origin_of(write)).max_by_key(|&write| stamp(write));
        if best.is_none_or(|best| stamp(best) < stamp(required)) {
            self.required[key] = best;
        }
    }

    /// A deletion that nobody but its writer ever held, and that does not either now, is as if it
    /// had not been.
    fn lose_deletions(&mut self, key: usize) {
        let lost = |&write: &WriteId| {
            let deletion = self.get(write);
            let held = self.number(self.held[key][deletion.by]);
            let holds = held.is_some_and(|held| held.entry.stamp() >= deletion.entry.stamp());
            !holds && !self.collected.contains(&write) && deletion.delays().next().is_none()
        };
        let lost: Vec<WriteId> = self.deletions[key].iter().copied().filter(lost).collect();
        lost.into_iter().for_each(|write| self.writes[write.0 as usize].lost = true);
    }
}
