//! Passes that have visited a node and that it has heard no end of.

use super::{FORGOTTEN_MS, MAX_OPEN, Standing};
use crate::base::planted::{self, Fault};
use crate::data::sketch::ItemId;
use crate::data::{Clock, Entry, Map};
use crate::output::Output;
use crate::retain::{Census, Pass};
use crate::wire::Origin;

/// Strays of a pass; with more this node leaves it (guess: few are late by more than a horizon is
/// in the past).
const MAX_STRAYS: usize = 4096;

/// A pass that this node was visited by: after its first visit it has lent itself to it, after the
/// last it has accepted it, and then it is open until something later is known to be complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The pass.
    pub pass: Pass,
    /// The last hop that ended here, if one has.
    pub reached: Option<u32>,
    /// True after the last visit.
    pub done: bool,
    /// True if this node has been started since the last visit.
    pub restored: bool,
    /// False if it does not cover this node, should it be complete: something old came from outside.
    pub clean: bool,
    /// What was taken between the first visit and the last, from members and not by a hop: whoever
    /// gave it may have left the pass. On the last visit the giver must hold it as well.
    pub strays: Vec<(u64, ItemId)>,
}

impl Pending {
    pub(super) fn check(&self) {
        let last = self.reached.is_some_and(|hop| self.pass.is_last_visit(hop));
        assert_eq!(self.done, last, "a pass is done with its last visit");
        assert!(self.reached <= Some(self.pass.hops()), "no hop is after the last one");
        assert!(self.strays.len() <= MAX_STRAYS, "too many strays are kept");
        assert!(self.done || !self.restored, "lending is in memory");
        assert!(self.clean || self.done, "who leaves a pass before its last visit forgets it");
    }
}

impl Standing {
    /// The pending pass with this number, if this node is part of it.
    #[must_use]
    pub fn pending(&self, pass: u64) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.pass.id == pass && pending.clean)
    }

    /// True while a pass is under way that has visited this node, or may be complete.
    #[must_use]
    pub fn is_visited(&self) -> bool {
        self.pending.iter().any(|pending| pending.clean)
    }

    /// The horizon of a pass that this node has lent itself to, or that it or whom it speaks for has
    /// accepted, if that keeps it from lending itself to one with this horizon.
    #[must_use]
    pub fn in_the_way(&self, horizon: u64) -> Option<u64> {
        let open = self.pending.iter().map(|pending| pending.pass.horizon);
        let spoken = self.speaks().iter().flat_map(|spoken| &spoken.open).map(|pass| pass.horizon);
        let largest = open.chain(spoken).chain([self.lent]).max();
        largest.filter(|largest| *largest >= horizon)
    }

    /// True if so many passes are open that this node lends itself to none.
    #[must_use]
    pub fn has_many_open(&self) -> bool {
        self.pending.iter().filter(|pending| pending.done).count() >= MAX_OPEN
    }

    /// A pass visits this node for the first time: it lends itself to it, and to no other any more.
    /// No stamps up to its horizon come from here.
    pub fn visit(&mut self, pass: &Pass, clock: &mut Clock) {
        if !planted::has(Fault::Floor) {
            self.raise(pass.horizon, clock);
        }
        if self.pending.iter().any(|pending| pending.pass.id == pass.id) {
            return;
        }
        self.pending.retain(|pending| pending.done);
        self.lent = self.lent.max(pass.horizon);
        self.pending.push(Pending {
            pass: pass.clone(),
            reached: None,
            done: false,
            restored: false,
            clean: true,
            strays: Vec::new(),
        });
    }

    /// A hop of a pass has brought everything here. With the last visit this node accepts: that, and
    /// all that it was given, is on disk before the token goes on.
    pub fn reached(&mut self, pass: &Pass, hop: u32, census: &Census) {
        self.changed = true;
        let Some(pending) = self.pending.iter_mut().find(|p| p.pass.id == pass.id) else { return };
        debug_assert!(pending.reached < Some(hop), "the token of a pass goes on");
        pending.reached = Some(hop);
        if !pass.is_last_visit(hop) || pending.done {
            return;
        }
        (pending.done, pending.pass) = (true, pass.clone());
        self.waits = true;
        // Of the others those that it is founded on may be complete. The rest never will be.
        let bases = &pass.grounds.bases;
        self.pending.retain(|p| p.pass.id == pass.id || bases.contains(&p.pass.id));
        for spoken in &mut self.speaks {
            spoken.open.retain(|pass| bases.contains(&pass.id));
        }
        if !planted::has(Fault::Inherit) {
            self.history.absorb(&census.history);
            let covered = self.covered.as_ref();
            self.history.retain_former(|id| covered.is_none_or(|pass| !pass.lists(id)));
        }
    }

    /// An entry is about to be taken in. If it is an old one that no hop of a pass under way has
    /// brought, and may be from outside of that pass, this node is to leave the pass first: those
    /// are returned. That is on disk before the entry is.
    #[must_use]
    pub fn note_stray(&mut self, entry: &Entry, from: &Origin, data: &Map) -> Vec<u64> {
        let mut left = Vec::new();
        if self.pending.is_empty() || !self.has_fence() {
            return left;
        }
        let hash = data.hash(entry.key());
        let item = ItemId::new(hash, data.item_hash(entry));
        for pending in self.pending.iter_mut().filter(|pending| pending.clean) {
            let pass = &pending.pass;
            if entry.age() > pass.horizon || from.pass == Some(pass.id) {
                continue;
            }
            // After its last visit it holds all that is part of the pass.
            if pending.done || !pass.lists(from.peer) || pending.strays.len() >= MAX_STRAYS {
                left.push(pass.id);
            } else {
                pending.strays.push((hash, item));
            }
        }
        left
    }

    /// This node is not covered by a pass under way. If it has accepted it, the pass is still open
    /// here: others may be covered.
    pub fn leave(&mut self, pass: u64, out: &mut Vec<Output>) {
        self.pending.retain(|pending| pending.pass.id != pass || pending.done);
        for pending in self.pending.iter_mut().filter(|pending| pending.pass.id == pass) {
            pending.clean = false;
        }
        self.changed = true;
        self.keep(out);
    }

    /// Passes that began too long ago go on no more. What was accepted stays open.
    pub fn forget_old(&mut self, wall_ms: u64) {
        let old = |pass: &Pass| wall_ms > pass.started_ms + FORGOTTEN_MS;
        self.pending.retain(|pending| pending.done || !old(&pending.pass));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::output::Via;
    use crate::retain::Tombstones;
    use crate::retain::tests::{Ground, H, entry, pass, policy};
    use std::net::SocketAddr;

    fn origin(peer: u64) -> Origin {
        Origin::new(NodeId(peer), SocketAddr::from(([10, 0, 0, 9], 9)), Via::Datagram, false)
    }

    fn visited(ground: &mut Ground, done: bool) -> Standing {
        let mut standing = Standing::new(NodeId(1), policy(Tombstones::Horizon));
        let pass = pass(1, H, &[1, 2]);
        standing.visit(&pass, &mut ground.replica.clock);
        if done {
            standing.reached(&pass, 2, &Census::default());
        }
        standing
    }

    #[test]
    fn while_a_pass_is_under_way_old_entries_come_from_its_members() {
        let mut ground = Ground::new(1, 3);
        let old = entry("k", H, 7, Some("v"));
        let mut standing = visited(&mut ground, false);
        let data = &ground.replica.data;
        assert!(standing.note_stray(&old, &origin(2), data).is_empty());
        let strays = |standing: &Standing| standing.pending(1).unwrap().strays.len();
        assert_eq!(strays(&standing), 1, "the giver must hold it too");
        let young = entry("k", H + 1, 7, Some("v"));
        assert!(standing.note_stray(&young, &origin(3), data).is_empty());
        let hop = Origin { pass: Some(1), ..origin(2) };
        assert!(standing.note_stray(&old, &hop, data).is_empty());
        assert_eq!(strays(&standing), 1, "neither is what a hop brings, or what is young");
        assert_eq!(standing.note_stray(&old, &origin(3), data), [1], "from outside of the pass");
        standing.check(&ground.replica);
        // After the last visit it holds all that its members had.
        let mut standing = visited(&mut ground, true);
        assert_eq!(standing.note_stray(&old, &origin(2), &ground.replica.data), [1]);
        let mut out = Vec::new();
        standing.leave(1, &mut out);
        assert!(standing.pending(1).is_none() && matches!(out[..], [Output::Keep { .. }]));
        assert_eq!(standing.in_the_way(H), Some(H), "it is still open here");
        standing.check(&ground.replica);
    }

    #[test]
    fn a_node_lends_itself_to_one_pass_and_forgets_none_that_it_has_accepted() {
        let (mut ground, mut standing) =
            (Ground::new(1, 3), Standing::new(NodeId(1), policy(Tombstones::Horizon)));
        for id in 1..=5 {
            let mut pass = pass(id, H + id, &[1, 2]);
            assert_eq!(standing.in_the_way(H + id), None);
            standing.visit(&pass, &mut ground.replica.clock);
            if id % 2 == 1 {
                pass.grounds.bases = (1..id).collect();
                standing.reached(&pass, 2, &Census::default());
            }
            standing.check(&ground.replica);
        }
        standing.visit(&pass(6, H + 6, &[1, 2]), &mut ground.replica.clock);
        let kept = |standing: &Standing| -> Vec<(u64, bool)> {
            standing.pending.iter().map(|p| (p.pass.id, p.done)).collect()
        };
        assert_eq!(kept(&standing), [(1, true), (3, true), (5, true), (6, false)]);
        assert_eq!((standing.in_the_way(H + 6), standing.in_the_way(H + 7)), (Some(H + 6), None));
        standing.forget_old(u64::MAX);
        assert_eq!(kept(&standing), [(1, true), (3, true), (5, true)]);
        // What it is not founded on is struck out.
        let mut pass = pass(7, H + 7, &[1, 2]);
        pass.grounds.bases = vec![5];
        standing.visit(&pass, &mut ground.replica.clock);
        standing.reached(&pass, 2, &Census::default());
        assert_eq!(kept(&standing), [(5, true), (7, true)]);
        let mut out = Vec::new();
        standing.keep(&mut out);
        assert!(matches!(out[..], [Output::Keep { wait: true, .. }]), "it waits for the disk");
    }
}
