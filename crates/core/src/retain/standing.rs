//! What a node knows of passes of ring repair, and what follows from it.
//!
//! Once a pass is complete, every member that it lists holds everything stamped up to its horizon.
//! So tombstones below it are dropped, and an entry from below it that is not held is refused: it
//! was superseded, and whoever still has it was not covered. Such a member compares itself with one
//! that was, and what that one does not hold is dropped, written anew or kept aside: see
//! [`super::fate`]. docs/repair.md and docs/chain.md have the argument.

mod isolation;
mod kept;
mod majority;
mod returns;
mod visits;
mod votes;

pub use isolation::Isolation;
pub use kept::kept_link;
pub use returns::Sieved;
pub use visits::Pending;
pub use votes::{Spoken, put_spoken, read_spoken};

use super::pass::Grounds;
use super::story::{End, story};
use super::{Confirmed, Gap, History, Holding, Horizon, Pass, Policy, Tombstones};
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::time::{Instant, millis};
use crate::data::{Clock, Entry, Map, Replica, Stamp, is_mortal};
use crate::output::{Output, Removed};
use std::collections::VecDeque;
use std::sync::Arc;

/// Entries collected in one turn, so that the others of the turn do not wait.
const COLLECTED: usize = 2000;
/// What is kept of a pass under way besides what it proved: nothing later than this after it began.
pub const FORGOTTEN_MS: u64 = 60 * 60 * 1000;
/// Passes that a node has open at once (guess: each one stopped between two last visits).
pub const MAX_OPEN: usize = 16;
/// How often the disk hears of the time, at most: the gap after a crash is no longer than that and
/// the outage.
const BEAT_MS: u64 = 60 * 1000;

/// So far ahead of the clock stamps are reserved on disk, at most (guess: one more write to the disk in
/// three seconds of writing). After a crash a node goes on from there.
const RESERVED_MS: u64 = 5000;
/// The same above what was given, for stamps that lead the clock: 1.3 million. That adds up where one
/// crash follows the other, so it is less than a start takes.
const RESERVED_ABOVE: u64 = 20 << 16;

/// A start goes on from somewhere in so much above what was reserved: 10 ms.
const APART: u64 = 10 << 16;

/// The machine.
#[derive(Debug)]
pub struct Standing {
    own: NodeId,
    policy: Policy,
    /// The latest complete pass that it has heard of.
    horizon: Option<Horizon>,
    /// The latest that it was part of, or was brought back to: its link.
    covered: Option<Pass>,
    /// The one that it has lent itself to, and those that it has accepted and that are open.
    pending: Vec<Pending>,
    /// The largest horizon of a pass that it has lent itself to in this run.
    lent: u64,
    /// Members that the latest pass does not list, and what members may have lost.
    history: History,
    /// Passes in which it has given its vote away, and to whom.
    gave: Vec<(Horizon, NodeId)>,
    /// Those whose votes it has.
    speaks: Vec<Spoken>,
    /// Members whose votes an operator has waived here.
    waived: Vec<NodeId>,
    /// True if this may be an old copy of a disk.
    doubt: bool,
    /// After a start, until the time is looked at: the largest stamp on disk.
    started_at: Option<u64>,
    /// The largest stamp that was on the disk at the start.
    before: u64,
    /// What of its own writes has gone nowhere.
    isolation: Isolation,
    /// The largest horizon of any pass that came by, be it complete or not.
    floor: u64,
    /// No own stamp up to this time was issued after what is on disk.
    beat: u64,
    /// Nothing that is stamped above this time goes out before the disk has been told.
    reserved: u64,
    /// What was given when that was looked at.
    looked_at: u64,
    /// The time that stamps are given by, milliseconds since 1970; none while nobody knows whether it is
    /// right.
    time_ms: Option<u64>,
    /// What may be lost lies up to here.
    lost_upto: u64,
    confirmed: Confirmed,
    collecting: VecDeque<Arc<Entry>>,
    /// True if what is kept on disk is behind.
    changed: bool,
    /// True if nothing more may be said before the disk has it.
    waits: bool,
    /// False until what was kept on disk has been looked at.
    settled: bool,
}

impl Standing {
    /// A node that knows of no pass.
    #[must_use]
    pub fn new(own: NodeId, policy: Policy) -> Self {
        Self {
            own,
            policy,
            horizon: None,
            covered: None,
            pending: Vec::new(),
            lent: 0,
            history: History::default(),
            gave: Vec::new(),
            speaks: Vec::new(),
            waived: Vec::new(),
            doubt: false,
            started_at: None,
            before: 0,
            isolation: Isolation::default(),
            floor: 0,
            beat: 0,
            reserved: 0,
            looked_at: 0,
            time_ms: None,
            lost_upto: 0,
            confirmed: Confirmed::default(),
            collecting: VecDeque::new(),
            changed: false,
            waits: false,
            settled: false,
        }
    }

    /// The latest complete pass that this node has heard of.
    #[must_use]
    pub fn horizon(&self) -> Option<Horizon> {
        self.horizon
    }

    /// The latest pass that this node was part of, or was brought back to: its link.
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
        self.horizon > self.covered.as_ref().map(Pass::to_horizon)
    }

    /// What is remembered of members that the latest pass does not list.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Own writes up to this time are known to be held by a majority of the members.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.confirmed.upto()
    }

    /// True if something that this node has written is not known to be held by a majority.
    #[must_use]
    pub fn is_unconfirmed(&self, clock: &Clock) -> bool {
        self.confirmed.upto() < clock.issued().max(self.before)
    }

    /// True if this may be an old copy of a disk, so that it does not decide on passes.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.doubt
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

    /// The largest horizon of any pass that came by.
    #[must_use]
    pub fn floor(&self) -> u64 {
        self.floor
    }

    /// True if what is below a horizon is kept out.
    #[must_use]
    pub fn has_fence(&self) -> bool {
        self.policy.has_fence()
    }

    /// True for what the latest pass that covered this node has covered.
    #[must_use]
    pub fn is_below(&self, age: u64) -> bool {
        let covered = self.covered.as_ref();
        self.has_fence() && covered.is_some_and(|pass| age <= pass.horizon)
    }

    /// True if an entry from a peer is from below a horizon and cannot be news. While a walk brings
    /// this node back, that is up to where it compares.
    #[must_use]
    pub fn is_fenced(&self, age: u64, brought_back: Option<u64>) -> bool {
        let back = brought_back.is_some_and(|horizon| age <= horizon);
        self.is_below(age) || self.has_fence() && back
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

    /// A pass is complete, and none later is known.
    pub fn learn(&mut self, horizon: Horizon, hold: &mut Holding<'_>) {
        debug_assert!(self.horizon < Some(horizon), "horizons only rise");
        self.horizon = Some(horizon);
        self.raise(horizon.time, &mut hold.replica.clock);
        if !planted::has(Fault::News) {
            // That one may be about to collect what the next member of another has not been given.
            self.pending.retain(|pending| pending.done);
        }
        let own = |p: &Pending| p.pass.id == horizon.pass && p.done && p.clean;
        let own = self.pending.iter().find(|pending| own(pending));
        if let Some((pass, restored)) = own.map(|own| (own.pass.clone(), own.restored)) {
            // What stands on its disk it accepted before it can have been set back to that.
            self.doubt &= restored;
            self.cover(pass, hold.replica);
        } else if !self.has_fence() {
            // As other systems do: what is dropped elsewhere is dropped here.
            let by = hold.env.table.own();
            let Horizon { time, pass: id, chain, number, .. } = horizon;
            let grounds = Grounds { chain, number, ..Grounds::default() };
            let (order, voteless, started_ms) = ([by].into(), [].into(), hold.wall_ms);
            let (horizon, after) = (time, None);
            let pass = Pass { id, horizon, after, grounds, started_ms, by, order, voteless };
            self.cover(pass, hold.replica);
        }
    }

    /// A walk has brought this node back to a pass; `history` is what the giver remembers.
    pub fn bring_back(&mut self, pass: Pass, history: &History, hold: &mut Holding<'_>) {
        let same = |own: &Pass| own.is_before(&pass);
        if !self.covered.as_ref().is_none_or(same) {
            // What it remembers is of passes that are not before this one, but for what is lost.
            self.covered = None;
            self.history.retain_former(|_| false);
        }
        if !planted::has(Fault::Inherit) {
            self.history.absorb(history);
        }
        self.isolation.end();
        self.cover(pass, hold.replica);
        self.look_at_strays(hold);
    }

    /// This node holds everything up to the horizon of a pass that is complete.
    pub fn cover(&mut self, pass: Pass, replica: &mut Replica) {
        // While a walk brings it back to one pass, a later one may cover it: what that has dropped
        // must not come back.
        let horizon = pass.to_horizon();
        if self.covered.as_ref().is_some_and(|held| held.to_horizon() > horizon) {
            return;
        }
        self.raise(pass.horizon, &mut replica.clock);
        self.horizon = self.horizon.max(Some(horizon));
        // Either this is what became of what was open, or it is over.
        self.pending.retain(|p| p.done && p.pass.to_horizon() > horizon);
        self.settle_votes(horizon);
        self.confirmed.raise(pass.horizon);
        self.confirmed.restart();
        self.succeed(pass);
        self.collect(&replica.data);
    }

    /// A pass takes the place of the one before.
    fn succeed(&mut self, pass: Pass) {
        let listed: crate::base::hash::Set<NodeId> = pass.order.iter().copied().collect();
        if let Some(before) = self.covered.take() {
            let dropped = before.order.iter().filter(|id| !listed.contains(*id));
            dropped.for_each(|id| self.history.visit(*id, before.horizon));
        }
        self.history.retain_former(|id| !listed.contains(&id));
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

    /// When something is due, besides what is collected.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.confirmed.deadline().into_iter().chain(self.silent_until()).min()
    }

    /// Does what is due: lets some of what may go go, looks after what it says of itself.
    pub fn poll(&mut self, hold: &mut Holding<'_>) {
        if !self.settled {
            self.settle(hold);
        }
        let table = hold.env.table;
        let incarnation = |id| table.get(id).map(|member| member.incarnation);
        self.confirmed.poll(hold.env.now, incarnation);
        self.beat(&mut hold.replica.clock);
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
                self.tell(&entry, End::Collected, None, hold);
            }
        }
    }

    /// The first turn of a run.
    fn settle(&mut self, hold: &mut Holding<'_>) {
        self.settled = true;
        // That this node has run is on disk before anything else of the run is.
        self.changed = true;
        // After a restart: what was to go goes.
        if !self.is_behind() {
            self.collect(&hold.replica.data);
        }
        let Some(from) = self.started_at.take() else { return };
        self.before = from;
        // What a crash has taken back is a suffix, and a stamp is above all that its writer had
        // seen: so what may be missing lies above the largest stamp that is there.
        let to = (hold.wall_ms << 16).saturating_sub(1);
        self.lost_upto = to.max(self.reserved);
        // Of two copies of one disk each goes on elsewhere, more likely than not by far.
        let apart = hold.env.rng.below(APART);
        hold.replica.clock.raise(self.reserved.saturating_add(apart));
        self.history.note_gap(Gap { id: self.own, from, to: self.lost_upto });
        let doubted = millis(self.policy.doubted_after) << 16;
        self.doubt |= to.saturating_sub(from) > doubted;
    }

    /// The time that stamps are given by, if it may be told to the disk: that of a clock that others
    /// contradict would move this node's stamps ahead for as long as it was wrong.
    pub fn trust_clock(&mut self, time_ms: Option<u64>) {
        self.time_ms = time_ms;
    }

    /// True if nothing speaks against the time that stamps are given by. Who begins a pass lends itself
    /// to it, and stamps above its horizon from then on.
    #[must_use]
    pub fn trusts_clock(&self) -> bool {
        self.time_ms.is_some()
    }

    /// The time that passes are dated by: that of stamps, or the own clock's where that is not trusted.
    #[must_use]
    pub fn time_ms(&self, wall_ms: u64) -> u64 {
        self.time_ms.unwrap_or(wall_ms)
    }

    /// Own stamps up to this time may have been given before the start and lost.
    #[must_use]
    pub fn lost_upto(&self) -> u64 {
        self.lost_upto
    }

    /// Tells the disk the time now and then.
    fn beat(&mut self, clock: &mut Clock) {
        let Some(time_ms) = self.time_ms else { return };
        let every = BEAT_MS.min(millis(self.policy.doubted_after) / 4) << 16;
        let now = time_ms << 16;
        if self.beat.saturating_add(every.max(1)) <= now {
            self.beat = now;
            clock.raise(now);
            self.changed = true;
        }
    }

    /// Sees to it that no stamp is given twice, whatever a crash takes back and wherever the clock is
    /// then: before a stamp goes out, the disk knows how far they may go. Done anew while there is
    /// some left, so that it is one write to the disk for many stamps.
    pub fn reserve(&mut self, clock: &Clock, time_ms: u64) {
        let issued = clock.issued();
        if issued <= self.looked_at || planted::has(Fault::Reserved) {
            return;
        }
        self.looked_at = issued;
        let (ahead, time) = (RESERVED_MS.min(clock.lead_ms() / 2) << 16, time_ms << 16);
        let upto =
            |ahead: u64, above: u64| time.saturating_add(ahead).max(issued.saturating_add(above));
        if self.reserved < upto(ahead / 5 * 2, RESERVED_ABOVE / 2) {
            self.reserved = upto(ahead, RESERVED_ABOVE);
            (self.changed, self.waits) = (true, true);
        }
    }

    fn story(&self, entry: &Entry, end: End, hold: &Holding<'_>) -> super::Story {
        let by = self.covered.as_ref().map_or((0, 0), |pass| (pass.horizon, pass.id));
        story(hold.replica.data.hash(entry.key()), entry, end, by, hold.wall_ms)
    }

    fn tell(&self, entry: &Entry, end: End, giver: Option<NodeId>, hold: &mut Holding<'_>) {
        let mut story = self.story(entry, end, hold);
        story.giver = giver;
        hold.stories.tell(story);
    }

    /// Panics unless what a node knows of passes fits together, and its clock is past all of them.
    pub(crate) fn check(&self, replica: &Replica) {
        assert!(self.pending.len() <= MAX_OPEN + 1, "too many passes are kept");
        let lent = self.pending.iter().filter(|pending| !pending.done).count();
        assert!(lent <= 1, "a node lends itself to one pass at a time");
        let ids: crate::base::hash::Set<u64> =
            self.pending.iter().map(|pending| pending.pass.id).collect();
        assert_eq!(ids.len(), self.pending.len(), "a pass is kept twice");
        let came_by = self.pending.iter().map(|pending| pending.pass.horizon);
        let came_by = came_by.chain(self.covered.iter().map(|pass| pass.horizon)).max();
        assert!(came_by <= Some(self.floor), "a pass came by above the floor");
        let issued = replica.clock.issued();
        assert!(issued <= self.reserved, "a stamp goes out that the disk knows nothing of");
        assert!(self.floor <= replica.clock.last(), "the clock is below a horizon that came by");
        self.pending.iter().for_each(Pending::check);
        self.history.check();
        if let Some(pass) = &self.covered {
            let own = pass.to_horizon();
            let over = self.pending.iter().find(|p| p.done && p.pass.to_horizon() <= own);
            assert_eq!(over, None, "a pass is awaited that a later one has covered");
            let listed = pass.order.iter().find(|id| self.history.visited(**id) > 0);
            assert_eq!(listed, None, "a member of the pass is a former one");
            assert!(self.confirmed.upto() >= pass.horizon, "what a pass covers is confirmed");
            assert!(self.horizon >= Some(own), "what covers this node is complete");
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
    is_mortal(entry) && entry.age() <= horizon && (entry.is_tombstone() || expired)
}

/// Takes an entry out of the replica; false if it is no longer held as it is.
fn let_go(entry: &Entry, collected: bool, hold: &mut Holding<'_>) -> bool {
    if hold.replica.data.get(entry.key()).is_none_or(|held| **held != *entry) {
        return false;
    }
    let removed = hold.replica.data.remove(entry.key(), entry.stamp());
    let held = removed.is_some();
    hold.out.extend(removed.map(|entry| Output::Removed(Removed { entry, collected })));
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::Census;
    use crate::retain::tests::{Ground, H, assert_found, entry, pass, policy};

    fn standing() -> Standing {
        Standing::new(NodeId(1), policy(Tombstones::Horizon))
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
        assert!(!standing.is_fenced(H, None));
        assert!(standing.is_fenced(H, Some(H)) && !standing.is_fenced(H + 1, Some(H)));
        standing.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        assert!(standing.is_fenced(H, None) && !standing.is_fenced(H + 1, None));
        let mut open = Standing::new(NodeId(1), policy(Tombstones::Timed));
        open.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        assert!(!open.is_fenced(H, Some(H)), "where tombstones go by age there is none");
    }

    #[test]
    fn what_is_learnt_covers_who_has_had_its_last_visit() {
        for done in [false, true] {
            let (mut ground, mut standing) = (Ground::new(1, 2), standing());
            standing.visit(&pass(5, H, &[2, 1]), &mut ground.replica.clock);
            assert!(!standing.may_issue(Stamp { time: H, node: NodeId(1) }));
            if done {
                standing.reached(&pass(5, H, &[2, 1]), 1, &Census::default());
            }
            standing.learn(pass(5, H, &[2, 1]).to_horizon(), &mut ground.holding());
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
        standing.reached(&later, 2, &Census::default());
        standing.learn(earlier.to_horizon(), &mut ground.holding());
        assert!(standing.is_behind(), "a walk begins to bring it back");
        standing.learn(later.to_horizon(), &mut ground.holding());
        // The walk ends.
        standing.cover(earlier, &mut ground.replica);
        assert_eq!(standing.covered(), Some(&later));
        assert!(!standing.is_behind() && standing.history().former().is_empty());
        assert!(standing.is_fenced(H + 10, None));
        standing.check(&ground.replica);
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = (&'static str, fn(&mut Standing, &mut Ground));
        let plants: [Plant; 8] = [
            ("a pass is kept twice", |standing, _| {
                let mut accepted = standing.pending[0].clone();
                (accepted.done, accepted.reached) = (true, Some(2));
                standing.pending.push(accepted);
            }),
            ("a pass is done with its last visit", |standing, _| standing.pending[0].done = true),
            ("a pass came by above the floor", |standing, _| standing.floor = H),
            ("the clock is below a horizon", |_, ground| {
                ground.replica.clock = Clock::new(NodeId(1), std::time::Duration::ZERO);
            }),
            ("lends itself to one pass at a time", |standing, _| {
                let mut other = standing.pending[0].clone();
                other.pass.id = 7;
                standing.pending.push(other);
            }),
            ("a member of the pass is a former one", |standing, _| {
                standing.history.visit(NodeId(2), H);
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
}
