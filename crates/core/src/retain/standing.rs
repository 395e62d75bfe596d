//! What a node knows of passes of ring repair, and what follows from it.
//!
//! Once a pass is complete, every member that it lists holds everything stamped up to its horizon.
//! So tombstones below it are dropped, and an entry from below it that is not held is refused: it
//! was superseded, and whoever still has it was not covered. Such a member compares itself with one
//! that was, drops what that one does not hold, and writes anew what it had acknowledged and nobody
//! can have seen. docs/repair.md has the argument.

mod kept;
mod visits;

pub use kept::kept_horizon;
pub use visits::Pending;

use super::{Confirmed, Holding, Horizon, MAX_ORDER, Pass, Policy, Tombstones};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::data::{self, Clock, Cut, Entry, Map, Replica, Space, Stamp, is_mortal};
use crate::member::{State, Table};
use crate::output::{Output, Removed, applied};
use std::collections::VecDeque;
use std::sync::Arc;

/// Entries collected in one turn, so that the others of the turn do not wait.
const COLLECTED: usize = 2000;
/// What is kept of a pass besides what it proved: nothing later than this after it began.
pub const FORGOTTEN_MS: u64 = 60 * 60 * 1000;
/// Passes that a node keeps at once.
const MAX_PENDING: usize = 4;

/// The machine.
#[derive(Debug)]
pub struct Standing {
    policy: Policy,
    /// The latest complete pass that it has heard of.
    horizon: Option<Horizon>,
    /// The latest that it was part of, or was brought back to.
    covered: Option<Pass>,
    /// Those that have visited it and that it has heard no end of.
    pending: Vec<Pending>,
    /// Members that were covered once and not by the latest pass, and up to where.
    former: Vec<(NodeId, u64)>,
    /// The largest horizon of any pass that came by, be it complete or not.
    floor: u64,
    confirmed: Confirmed,
    collecting: VecDeque<Arc<Entry>>,
    /// True if what is kept on disk is behind.
    changed: bool,
    /// False until what was kept on disk has been looked at.
    settled: bool,
}

impl Standing {
    /// A node that knows of no pass.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            horizon: None,
            covered: None,
            pending: Vec::new(),
            former: Vec::new(),
            floor: 0,
            confirmed: Confirmed::default(),
            collecting: VecDeque::new(),
            changed: false,
            settled: false,
        }
    }

    /// The latest complete pass that this node has heard of.
    #[must_use]
    pub fn horizon(&self) -> Option<Horizon> {
        self.horizon
    }

    /// The latest pass that this node was part of, or was brought back to.
    #[must_use]
    pub fn covered(&self) -> Option<&Pass> {
        self.covered.as_ref()
    }

    /// The latest pass, if this node was part of it and keeps out what is from before it: what it
    /// proves can be told by what is held here.
    #[must_use]
    pub fn proof(&self) -> Option<&Pass> {
        self.covered().filter(|_| !self.is_behind() && self.has_fence())
    }

    /// True if the latest pass has not covered this node.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        let covered = self.covered.as_ref().map(|pass| (pass.horizon, pass.id));
        self.horizon.is_some_and(|horizon| covered < Some((horizon.time, horizon.pass)))
    }

    /// Members that were covered once and not by the latest pass, and up to where.
    #[must_use]
    pub fn former(&self) -> &[(NodeId, u64)] {
        &self.former
    }

    /// Own writes up to this time are known to be held by a majority of the members.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed.upto()
    }

    /// True while what may go has not all gone.
    #[must_use]
    pub fn is_collecting(&self) -> bool {
        !self.collecting.is_empty()
    }

    /// True if no pass that came by keeps this stamp from being issued here.
    #[must_use]
    pub fn may_issue(&self, stamp: Stamp) -> bool {
        stamp.time > self.floor
    }

    /// True if what is below a horizon is kept out.
    #[must_use]
    pub fn has_fence(&self) -> bool {
        self.policy.has_fence()
    }

    /// True for a stamp that the latest pass that covered this node has covered.
    #[must_use]
    pub fn is_below(&self, stamp: Stamp) -> bool {
        let covered = self.covered.as_ref();
        self.has_fence() && covered.is_some_and(|pass| stamp.time <= pass.horizon)
    }

    /// True if an entry from a peer is from below a horizon and cannot be news. While a walk brings
    /// this node back, that is up to where it compares.
    #[must_use]
    pub fn is_fenced(&self, stamp: Stamp, brought_back: Option<u64>) -> bool {
        let back = brought_back.is_some_and(|horizon| stamp.time <= horizon);
        self.is_below(stamp) || self.has_fence() && back
    }

    /// No more stamps up to this time come from here.
    fn raise(&mut self, horizon: u64, clock: &mut Clock) {
        clock.raise(horizon);
        self.floor = self.floor.max(horizon);
        self.changed = true;
    }

    /// The roster of before has said which pass was complete.
    pub fn restore_horizon(&mut self, horizon: Option<Horizon>) {
        self.horizon = self.horizon.max(horizon);
    }

    /// A pass is complete, and none with a later horizon is known.
    pub fn learn(&mut self, horizon: Horizon, hold: &mut Holding<'_>) {
        debug_assert!(self.horizon < Some(horizon), "horizons only rise");
        self.horizon = Some(horizon);
        self.raise(horizon.time, &mut hold.replica.clock);
        let own = self.pending.iter().position(|p| p.pass.id == horizon.pass && p.done);
        if let Some(at) = own {
            let pass = self.pending.remove(at).pass;
            self.cover(pass, hold.replica);
        } else if !self.has_fence() {
            // As other systems do: what is dropped elsewhere is dropped here.
            let by = hold.env.table.own();
            let (id, order, started_ms) = (horizon.pass, [by].into(), hold.wall_ms);
            let pass = Pass { id, horizon: horizon.time, after: None, started_ms, by, order };
            self.cover(pass, hold.replica);
        }
    }

    /// This node holds everything up to the horizon of a pass that is complete.
    pub fn cover(&mut self, pass: Pass, replica: &mut Replica) {
        // While a walk brings it back to one pass, a later one may cover it: what that has dropped
        // must not come back.
        let later = |held: &Pass| (held.horizon, held.id) > (pass.horizon, pass.id);
        if self.covered.as_ref().is_some_and(later) {
            return;
        }
        self.raise(pass.horizon, &mut replica.clock);
        let horizon = Horizon { time: pass.horizon, pass: pass.id };
        self.horizon = self.horizon.max(Some(horizon));
        self.pending.retain(|pending| pending.pass.horizon > pass.horizon);
        self.confirmed.raise(pass.horizon);
        self.succeed(pass);
        self.collect(&replica.data);
    }

    /// A pass takes the place of the one before.
    fn succeed(&mut self, pass: Pass) {
        if let Some(before) = self.covered.take() {
            let listed: Set<NodeId> = pass.order.iter().copied().collect();
            self.former.retain(|(id, _)| !listed.contains(id));
            let dropped = before.order.iter().filter(|id| !listed.contains(*id));
            self.former.extend(dropped.map(|id| (*id, before.horizon)));
            let over = self.former.len().saturating_sub(MAX_ORDER);
            self.former.drain(..over);
        }
        self.covered = Some(pass);
    }

    /// Finds what may go. The same at every node: what was deleted, or had expired, at the horizon.
    fn collect(&mut self, data: &Map) {
        let Some(pass) = &self.covered else { return };
        if self.policy.tombstones != Tombstones::Horizon {
            return;
        }
        let horizon = pass.horizon;
        let gone = data.mortal().into_iter().filter(|entry| has_ended(entry, horizon));
        self.collecting = gone.collect();
    }

    /// Lets some of what may go go.
    pub fn poll(&mut self, hold: &mut Holding<'_>) {
        if !self.settled {
            self.settled = true;
            // After a restart: what was to go goes.
            if !self.is_behind() {
                self.collect(&hold.replica.data);
            }
        }
        if self.is_collecting() {
            // Whoever has let something go must know for ever that it has.
            self.keep(hold.out);
        }
        for _ in 0..COLLECTED {
            let Some(entry) = self.collecting.pop_front() else { return };
            debug_assert!(!self.changed, "that it is covered is on disk first");
            debug_assert!(
                self.covered.as_ref().is_some_and(|pass| has_ended(&entry, pass.horizon)),
                "only what every member has goes"
            );
            if let_go(&entry, true, hold) {
                hold.env.stats.tombstones_collected += 1;
            }
        }
    }

    /// Lets an entry go that a covered member does not hold. What nobody can have seen is written
    /// anew: that is returned, to be spread. `known` says up to where a pass has covered everything
    /// that a member had written.
    #[must_use]
    pub fn sieve(
        &mut self,
        entry: &Arc<Entry>,
        known: impl Fn(NodeId) -> u64,
        hold: &mut Holding<'_>,
    ) -> Option<Arc<Entry>> {
        let Stamp { time, node: writer } = entry.stamp();
        if !let_go(entry, false, hold) {
            return None;
        }
        hold.env.stats.fence_dropped += 1;
        // Its writer may never come back: this may be the last copy.
        // But not of what is its writer's alone.
        let own = writer == hold.env.table.own() || entry.owner().is_none();
        if !own || time <= known(writer) || time <= self.confirmed_by(known, hold.env.table) {
            return None;
        }
        hold.env.stats.fence_reissued += 1;
        let stamp = hold.replica.clock.tick(hold.wall_ms);
        debug_assert!(self.may_issue(stamp), "no stamp below a horizon that came by");
        let anew = hold.replica.keep(entry.restamped(stamp));
        let data::Merged::New(replaced) = hold.replica.data.apply(Arc::clone(&anew)) else {
            return None;
        };
        hold.out.push(applied(Space::Data, &anew, replaced, None));
        Some(anew)
    }

    /// Up to where it is certain that a covered member held what this node holds: a majority did,
    /// and a pass has covered a majority of the same members.
    fn confirmed_by(&self, known: impl Fn(NodeId) -> u64, table: &Table) -> u64 {
        let confirmed = self.confirmed.upto();
        let covered = |id: NodeId| known(id) >= confirmed;
        let (count, of) = match &self.covered {
            Some(pass) => (pass.order.iter().filter(|id| covered(**id)).count(), pass.order.len()),
            None => {
                let base = || table.members().filter(|member| member.state != State::Left);
                (base().filter(|member| covered(member.id)).count(), base().count())
            }
        };
        if 2 * count > of { confirmed } else { 0 }
    }

    /// A peer was found to hold all that this node had written before a cut. `last` is the largest
    /// stamp that this node knows of, and so many members it knows to be somewhere.
    pub fn confirm(&mut self, peer: NodeId, cut: Cut, last: u64, members: usize) {
        let time = match cut.is_none() {
            true => last,
            false => (cut.first_ms() << 16).saturating_sub(1).min(last),
        };
        match &self.covered {
            Some(pass) if !pass.lists(peer) => {}
            Some(pass) => self.confirmed.agree(peer, time, pass.order.len()),
            None => self.confirmed.agree(peer, time, members),
        }
    }

    /// Panics unless what a node knows of passes fits together, and its clock is past all of them.
    pub(crate) fn check(&self, replica: &Replica) {
        assert!(self.pending.len() <= MAX_PENDING, "too many passes are kept");
        let ids: Set<u64> = self.pending.iter().map(|pending| pending.pass.id).collect();
        assert_eq!(ids.len(), self.pending.len(), "a pass is kept twice");
        let came_by = self.pending.iter().map(|pending| pending.pass.horizon);
        let came_by = came_by.chain(self.covered.iter().map(|pass| pass.horizon)).max();
        assert!(came_by <= Some(self.floor), "a pass came by above the floor");
        assert!(self.floor <= replica.clock.last(), "the clock is below a horizon that came by");
        self.pending.iter().for_each(Pending::check);
        assert!(self.former.len() <= MAX_ORDER, "too many former members are kept");
        let former: Set<NodeId> = self.former.iter().map(|(id, _)| *id).collect();
        assert_eq!(former.len(), self.former.len(), "a former member is kept twice");
        if let Some(pass) = &self.covered {
            let over = self.pending.iter().find(|pending| pending.pass.horizon <= pass.horizon);
            assert_eq!(over, None, "a pass is awaited that a later one has covered");
            let listed = pass.order.iter().find(|id| former.contains(*id));
            assert_eq!(listed, None, "a member of the pass is a former one");
            let later = self.former.iter().find(|(_, upto)| *upto > pass.horizon);
            assert_eq!(later, None, "a former member is covered further than the pass");
            assert!(self.confirmed.upto() >= pass.horizon, "what a pass covers is confirmed");
        }
        let upto = self.covered.as_ref().map_or(0, |pass| pass.horizon);
        let stays = self.collecting.iter().find(|entry| !has_ended(entry, upto));
        assert_eq!(stays, None, "what is to go had not ended at the horizon");
        self.confirmed.check();
    }
}

/// True for what was deleted, or had expired, at a horizon.
fn has_ended(entry: &Entry, horizon: u64) -> bool {
    let expired = entry.expires_at().is_some_and(|at| at <= horizon >> 16);
    is_mortal(entry) && entry.stamp().time <= horizon && (entry.is_tombstone() || expired)
}

/// Takes an entry out of the replica; false if it is no longer held.
fn let_go(entry: &Entry, collected: bool, hold: &mut Holding<'_>) -> bool {
    let removed = hold.replica.data.remove(entry.key(), entry.stamp());
    let held = removed.is_some();
    hold.out.extend(removed.map(|entry| Output::Removed(Removed { entry, collected })));
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::tests::{Ground, H, NOW, assert_found, entry, pass, policy};

    fn standing() -> Standing {
        Standing::new(policy(Tombstones::Horizon))
    }

    #[test]
    fn what_had_ended_at_the_horizon_goes_once_that_is_on_disk() {
        let (mut ground, mut standing) = (Ground::new(1, 2), standing());
        for (key, time, value) in
            [("held", H, Some("v")), ("gone", H, None), ("later", H + 1, None)]
        {
            ground.put(&entry(key, time, 2, value));
        }
        standing.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        assert!(standing.is_collecting());
        standing.check(&ground.replica);
        standing.poll(&mut ground.holding());
        assert!(!standing.is_collecting());
        let data = &ground.replica.data;
        assert_eq!((data.digest().count, data.tombstones()), (2, 1));
        let [Output::Keep { .. }, Output::Removed(removed)] = &ground.out[..] else {
            panic!("{:?}", ground.out)
        };
        assert!(removed.collected && removed.entry.key() == b"gone");
        assert_eq!(ground.stats.tombstones_collected, 1);
        standing.check(&ground.replica);
    }

    #[test]
    fn the_fence_is_where_the_pass_or_the_way_back_has_compared() {
        let (mut ground, mut standing) = (Ground::new(1, 2), standing());
        let stamp = |time| Stamp { time, node: NodeId(2) };
        assert!(!standing.is_fenced(stamp(H), None));
        assert!(
            standing.is_fenced(stamp(H), Some(H)) && !standing.is_fenced(stamp(H + 1), Some(H))
        );
        standing.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        assert!(standing.is_fenced(stamp(H), None) && !standing.is_fenced(stamp(H + 1), None));
        let mut open = Standing::new(policy(Tombstones::Timed));
        open.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        assert!(!open.is_fenced(stamp(H), Some(H)), "where tombstones go by age there is none");
    }

    #[test]
    fn what_is_learnt_covers_who_has_had_its_last_visit() {
        for done in [false, true] {
            let (mut ground, mut standing) = (Ground::new(1, 2), standing());
            standing.visit(&pass(5, H, &[2, 1]), &mut ground.replica.clock);
            assert!(!standing.may_issue(Stamp { time: H, node: NodeId(1) }));
            if done {
                standing.reached(&pass(5, H, &[2, 1]), 1);
            }
            standing.learn(Horizon { time: H, pass: 5 }, &mut ground.holding());
            assert_eq!(standing.is_behind(), !done);
            assert_eq!(standing.covered().map(|pass| pass.id), done.then_some(5));
            standing.check(&ground.replica);
        }
    }

    #[test]
    fn the_way_back_does_not_lead_behind_a_later_pass() {
        let (mut ground, mut standing) = (Ground::new(1, 3), standing());
        let (earlier, later) = (pass(1, H, &[2, 3]), pass(2, H + 10, &[1, 2]));
        standing.visit(&later, &mut ground.replica.clock);
        standing.learn(Horizon { time: H, pass: 1 }, &mut ground.holding());
        assert!(standing.is_behind(), "a walk begins to bring it back");
        standing.reached(&later, 2);
        standing.learn(Horizon { time: H + 10, pass: 2 }, &mut ground.holding());
        // The walk ends.
        standing.cover(earlier, &mut ground.replica);
        assert_eq!(standing.covered(), Some(&later));
        assert!(!standing.is_behind() && standing.former().is_empty());
        assert!(standing.is_fenced(Stamp { time: H + 10, node: NodeId(2) }, None));
        standing.check(&ground.replica);
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = (&'static str, fn(&mut Standing, &mut Ground));
        let plants: [Plant; 8] = [
            ("a pass is kept twice", |standing, _| {
                standing.pending.push(standing.pending[0].clone());
            }),
            ("a pass is done with its last visit", |standing, _| standing.pending[0].done = true),
            ("a pass came by above the floor", |standing, _| standing.floor = H),
            ("the clock is below a horizon", |_, ground| {
                ground.replica.clock = Clock::new(NodeId(1), std::time::Duration::ZERO);
            }),
            ("a former member is kept twice", |standing, _| {
                standing.former.extend([(NodeId(7), H); 2]);
            }),
            ("a member of the pass is a former one", |standing, _| {
                standing.former.push((NodeId(2), H));
            }),
            ("had not ended at the horizon", |standing, _| {
                standing.collecting.push_back(entry("k", H + 1, 2, None));
            }),
            ("what a pass covers is confirmed", |standing, _| {
                standing.confirmed = Confirmed::default();
            }),
        ];
        for (what, plant) in plants {
            let (mut ground, mut standing) = (Ground::new(1, 2), standing());
            standing.cover(pass(1, H, &[1, 2]), &mut ground.replica);
            standing.visit(&pass(2, H + 10, &[1, 2]), &mut ground.replica.clock);
            standing.check(&ground.replica);
            plant(&mut standing, &mut ground);
            assert_found(what, || standing.check(&ground.replica));
        }
    }

    #[test]
    fn what_nobody_can_have_seen_is_written_anew() {
        let later = |time| entry("k", time, 2, Some("v"));
        for (known, confirmed, anew) in [(H, 0, true), (H + 5, 0, false), (H, H + 5, false)] {
            let (mut ground, mut standing) = (Ground::new(1, 3), standing());
            standing.confirmed.raise(confirmed);
            ground.put(&later(H + 5));
            // A majority of the members is covered up to what is confirmed.
            let of = |id: NodeId| if id == NodeId(2) { known } else { H + 5 };
            let again = standing.sieve(&later(H + 5), of, &mut ground.holding());
            assert_eq!(again.is_some(), anew, "{known} {confirmed}");
            let held = ground.replica.data.get(b"k").map(|held| held.stamp().node);
            assert_eq!(held, anew.then_some(NodeId(1)));
            assert_eq!(ground.stats.fence_dropped, 1);
            let gone = standing.sieve(&later(H + 5), of, &mut ground.holding());
            assert!(gone.is_none() && ground.stats.fence_dropped == 1, "it has given way");
        }
    }

    #[test]
    fn only_members_of_the_pass_confirm() {
        let (mut ground, mut standing) = (Ground::new(1, 9), standing());
        standing.cover(pass(1, H, &[1, 2, 3, 4, 5]), &mut ground.replica);
        let last = NOW.wall_ms << 16;
        let cut = |ms| Cut::around(NOW.wall_ms + ms, 0);
        standing.confirm(NodeId(9), cut(0), last, 9);
        standing.confirm(NodeId(2), cut(0), last, 9);
        standing.confirm(NodeId(2), cut(500), last, 9);
        assert_eq!(standing.confirmed(), H, "one other, and one who does not count");
        standing.confirm(NodeId(3), cut(500), last, 9);
        assert!(standing.confirmed() > H && standing.confirmed() < last);
        standing.check(&ground.replica);
    }
}
