//! Passes that have visited a node and that it has heard no end of.

use super::{FORGOTTEN_MS, MAX_PENDING, Standing};
use crate::base::planted::{self, Fault};
use crate::data::sketch::ItemId;
use crate::data::{Clock, Entry, Map};
use crate::output::Output;
use crate::retain::Pass;
use crate::wire::Origin;

/// Strays of a pass; with more this node leaves it (guess: few are late by more than a horizon is
/// in the past).
const MAX_STRAYS: usize = 4096;

/// A pass that this node was visited by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The pass.
    pub pass: Pass,
    /// The last hop that ended here, if one has.
    pub reached: Option<u32>,
    /// True after the last visit.
    pub done: bool,
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
    }
}

impl Standing {
    /// The pending pass with this number.
    #[must_use]
    pub fn pending(&self, pass: u64) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.pass.id == pass)
    }

    /// True while a pass is under way that has visited this node.
    #[must_use]
    pub fn is_visited(&self) -> bool {
        !self.pending.is_empty()
    }

    /// True if a pass with a later horizon has visited this node.
    #[must_use]
    pub fn awaits_later(&self, horizon: u64) -> bool {
        self.pending.iter().any(|pending| pending.pass.horizon > horizon)
    }

    /// A pass visits this node: no stamps up to its horizon come from here any more.
    pub fn visit(&mut self, pass: &Pass, clock: &mut Clock) {
        if !planted::has(Fault::Floor) {
            self.raise(pass.horizon, clock);
        }
        if self.pending(pass.id).is_some() {
            return;
        }
        // Who begins a new pass has given the one before up.
        let other = |p: &Pending| p.done || p.pass.by != pass.by || p.pass.horizon > pass.horizon;
        self.pending.retain(other);
        if self.pending.len() >= MAX_PENDING {
            let oldest = self.pending.iter().map(|p| p.pass.horizon).min();
            self.pending.retain(|p| Some(p.pass.horizon) != oldest);
        }
        let (pass, strays) = (pass.clone(), Vec::new());
        self.pending.push(Pending { pass, reached: None, done: false, strays });
    }

    /// A hop of a pass has brought everything here.
    pub fn reached(&mut self, pass: &Pass, hop: u32) {
        self.changed = true;
        if let Some(pending) = self.pending.iter_mut().find(|p| p.pass.id == pass.id) {
            debug_assert!(pending.reached < Some(hop), "the token of a pass goes on");
            pending.reached = Some(hop);
            pending.done |= pass.is_last_visit(hop);
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
        for pending in &mut self.pending {
            let pass = &pending.pass;
            if entry.stamp().time > pass.horizon || from.pass == Some(pass.id) {
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

    /// This node is not covered by a pass under way.
    pub fn leave(&mut self, pass: u64, out: &mut Vec<Output>) {
        self.pending.retain(|pending| pending.pass.id != pass);
        self.changed = true;
        self.keep(out);
    }

    /// Passes that began too long ago are over.
    pub fn forget_old(&mut self, wall_ms: u64) {
        self.pending.retain(|pending| wall_ms <= pending.pass.started_ms + FORGOTTEN_MS);
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
        let mut standing = Standing::new(policy(Tombstones::Horizon));
        let pass = pass(1, H, &[1, 2]);
        standing.visit(&pass, &mut ground.replica.clock);
        if done {
            standing.reached(&pass, 2);
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
        standing.check(&ground.replica);
    }

    #[test]
    fn few_passes_are_kept_and_one_by_whoever_begins_them() {
        let (mut ground, mut standing) =
            (Ground::new(1, 3), Standing::new(policy(Tombstones::Horizon)));
        for id in 1..=9 {
            let by = NodeId(id.min(7));
            let pass = Pass { by, ..pass(id, H + id, &[1, 2, 3]) };
            standing.visit(&pass, &mut ground.replica.clock);
            standing.check(&ground.replica);
        }
        let kept: Vec<u64> = standing.pending.iter().map(|p| p.pass.id).collect();
        assert_eq!(kept, [4, 5, 6, 9], "7 and 8 were given up by who began 9");
        assert!(standing.awaits_later(H + 8) && !standing.awaits_later(H + 9));
    }
}
