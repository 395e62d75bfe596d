//! What is done to disks: they are lost, cut off, copied, put back, hang and fail.

use crate::copies::Copied;
use crate::disk::{Disk, REACH, Undo};
use crate::faults::{Does, MAX_COPIES};
use crate::trace::Kind;
use crate::world::World;
use rumormill_core::base::time::micros;
use rumormill_core::retain::{Horizon, kept_link};
use rumormill_core::{Instant, NodeId};
use std::time::Duration;

impl World {
    /// Kills a process and empties its disk: what boots there next is a new node.
    pub fn lose_disk(&mut self, node: usize) {
        self.crash(node);
        self.record(node, Kind::DiskLost, 0);
        self.ledger.lose_disk(node, self.now);
        self.excuse_notes(node);
        self.chain.forget();
        let id = NodeId(self.rng.bits());
        let host = &mut self.hosts[node];
        host.disk = Disk::default();
        host.kept.clear();
        host.journal.forget();
        host.set_back = None;
        host.takes_id(id);
    }

    /// Kills a process and takes back what it had persisted in this time, one second at most, but for
    /// what is from before it last waited for its disk.
    pub fn power_cut(&mut self, node: usize, back: Duration) {
        self.crash(node);
        let after = Instant(self.now.0.saturating_sub(micros(back.min(REACH))));
        let undone = self.hosts[node].journal.cut(after);
        self.take_back(node, undone);
    }

    /// Takes changes of a node's disk back, the last first.
    pub(crate) fn take_back(&mut self, node: usize, undone: Vec<Undo>) {
        self.record(node, Kind::PowerCut, undone.len() as u64);
        self.excuse_notes(node);
        let mut slots = Vec::new();
        for undo in undone {
            match undo {
                Undo::Data(slot) => slots.push(slot),
                Undo::Roster { entry, previous } => {
                    if let Some(horizon) = Horizon::of(&entry) {
                        self.chain.take_back(node, horizon);
                    }
                    self.hosts[node].disk.take_back(&entry, previous);
                }
                Undo::Kept(bytes) => {
                    self.ledger.cover(node, kept_link(&bytes).map(|link| link.horizon));
                    self.hosts[node].kept = bytes;
                }
                Undo::Stray { key, before } => {
                    self.ledger.put_aside(node, &key, before);
                }
            }
        }
        self.ledger.take_back(node, &slots, self.now);
    }

    /// From now on a node's disk works, hangs or fails.
    pub fn set_disk(&mut self, node: usize, does: Does) {
        if self.hosts[node].node.is_none() || self.hosts[node].store.does() == does {
            return;
        }
        self.record(node, Kind::Disk, does as u64);
        let (now, host) = (self.now, &mut self.hosts[node]);
        match does {
            Does::Works => host.journal.write(now),
            Does::Hangs | Does::Fails => host.journal.hold(),
        }
        let out = host.store.turn(does);
        self.look_at_backlog(node);
        out.into_iter().for_each(|packet| self.send(node, packet));
    }

    /// Lets nothing wait for disks that do not work, as an agent must not do: to see that it is found.
    pub fn wait_for_no_disk(&mut self) {
        self.impatient = true;
    }

    /// What a node's disk has lost of notes nobody else may have.
    pub(crate) fn excuse_notes(&mut self, node: usize) {
        self.noted.retain(|noted| noted.by != node);
    }

    /// Copies a node's disk.
    #[must_use]
    pub fn copy_disk(&self, node: usize) -> Copied {
        let host = &self.hosts[node];
        Copied {
            id: host.identity.id,
            disk: host.disk.clone(),
            kept: host.kept.clone(),
            held: self.ledger.snapshot(node, self.now),
        }
    }

    /// Kills a process and puts a copy of its disk, made earlier, in place of it: as whoever sets a
    /// whole machine back does. What boots there next is the same node, and has forgotten.
    pub fn put_back(&mut self, node: usize, copy: &Copied) {
        // The process may have waited for its disk until now.
        self.crash(node);
        self.overwritten.extend(kept_link(&self.hosts[node].kept).map(|link| link.order));
        self.put_folder(node, copy, copy.id);
        self.hosts[node].set_back = Some(copy.held.at);
    }

    /// Kills a process and puts a copy of a disk, its own or another's, in place of its own, with a
    /// new id: as an agent does that finds that its folder was copied.
    pub fn put_copy(&mut self, node: usize, copy: &Copied) {
        let id = NodeId(self.rng.bits());
        self.put_folder(node, copy, id);
        self.hosts[node].set_back = None;
    }

    fn put_folder(&mut self, node: usize, copy: &Copied, id: NodeId) {
        self.crash(node);
        self.record(node, Kind::Backup, 0);
        self.ledger.restore(node, &copy.held, self.now);
        self.excuse_notes(node);
        let host = &mut self.hosts[node];
        // The first boot of a prefilled world passes over what it finds of itself.
        host.boots = host.boots.max(1);
        host.disk = copy.disk.clone();
        host.kept.clone_from(&copy.kept);
        host.journal.forget();
        host.takes_id(id);
    }

    /// Keeps a copy of a node's disk for later. One that does not work cannot be read.
    pub fn keep_copy(&mut self, node: usize) {
        if self.hosts[node].store.does() != Does::Works {
            return;
        }
        let copy = self.copy_disk(node);
        let copies = &mut self.hosts[node].copies;
        copies.push(copy);
        let over = copies.len().saturating_sub(MAX_COPIES);
        copies.drain(..over);
    }

    /// Puts a copy that was kept of a disk, so many before the last, in place of a node's: as a new
    /// member, or as the one that it was. Does nothing if there is none, or if that one has another
    /// place.
    pub(crate) fn put_kept(&mut self, node: usize, from: usize, before: usize, fresh: bool) {
        let copies = &self.hosts[from].copies;
        let Some(copy) = copies.len().checked_sub(1 + before).and_then(|at| copies.get(at)) else {
            return;
        };
        let copy = copy.clone();
        match fresh {
            true => self.put_copy(node, &copy),
            false if node == from => self.put_back(node, &copy),
            false => {}
        }
    }

    /// True if a link is of members that have all been set back, be it that it went with one of their
    /// disks: see "What it assumes" in docs/chain.md.
    pub(crate) fn covers_only_set_back(&self) -> bool {
        let kept = self.hosts.iter().filter_map(|host| kept_link(&host.kept));
        let mut links = kept.map(|link| link.order).chain(self.overwritten.iter().cloned());
        links.any(|order| order.iter().all(|id| self.set_back.contains(id)))
    }
}
