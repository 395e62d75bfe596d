//! What holds of a node between turns: of each machine by itself, and of one with another.
//!
//! A machine checks itself, mostly in a file `check.rs` below it; here they are listed, and compared
//! where two say the same in two ways. The simulator calls this after every turn. A broken
//! invariant is a panic, since there is nobody who could go on from there.

use super::Node;
use crate::base::check::Depth;
use crate::base::time::Now;
use crate::data::{Space, Stamp, account};
use crate::retain::horizon;
use std::ops::ControlFlow;

/// Looks whether something of a node holds.
pub type Check = fn(&Node, Now, Depth);

impl Node {
    /// What is checked, by names. To be called between turns: after [`Node::flush`], before the next
    /// input, at the same time.
    pub const CHECKS: [(&'static str, Check); 13] = [
        ("check of the data", |node, _, depth| node.replica.data.check(depth)),
        ("check of the roster", |node, _, depth| node.replica.roster.check(depth)),
        ("check of the clock", |node, _, depth| node.check_clock(depth)),
        ("check of the time", |node, _, _| node.hours.check()),
        ("check of the members", |node, _, depth| node.check_members(depth)),
        ("check of the watch", |node, now, _| {
            node.watch.check(&node.table);
            node.watch.check_time(now.mono);
            node.guard.check(now.mono);
        }),
        ("check of the ways to spread", |node, now, depth| node.check_spread(now, depth)),
        ("check of repair", |node, now, depth| {
            node.repair.check(now.mono, node.repair_waits(), depth);
        }),
        ("check of what may go", |node, _, depth| node.check_retained(depth)),
        ("check of ring repair", |node, now, depth| {
            if !depth.is_glance() {
                node.rounds.check(&node.standing, node.header.sender, now.mono);
            }
        }),
        ("check of coverage", |node, now, depth| {
            node.questions.check(node.header.sender, now.mono, depth);
        }),
        ("check of freshness", |node, now, _| node.freshness.check(now.mono)),
        ("check of the outbox", |node, _, depth| node.outbox.check(&node.stats, depth)),
    ];

    /// Checks everything that must hold between turns.
    ///
    /// # Panics
    /// If something does not hold, saying what.
    pub fn check(&self, now: Now, depth: Depth) {
        Self::CHECKS.iter().for_each(|(_, check)| check(self, now, depth));
    }

    /// No own stamp that is held is above the clock, so none can be given twice.
    fn check_clock(&self, depth: Depth) {
        let (clock, own) = (&self.replica.clock, self.header.sender);
        for part in depth.parts() {
            self.replica.data.walk(account::range_of(part), &mut |_, entry| {
                let Stamp { time, node } = entry.stamp();
                let past = node != own || clock.is_past(time);
                assert!(past, "{entry:?} is held above the clock, {clock:?}");
                ControlFlow::Continue(())
            });
        }
    }

    /// The table is a view of the roster: of all that is in it, but for notes and the horizon.
    pub(super) fn check_members(&self, depth: Depth) {
        if depth.is_glance() {
            return;
        }
        let roster = &self.replica.roster;
        let horizon = u64::from(roster.get(horizon::KEY).is_some());
        self.table.check(roster, self.notes.count() + horizon, depth);
        if depth.is_whole() {
            self.notes.check(roster);
        }
    }

    fn check_spread(&self, now: Now, depth: Depth) {
        self.ways.check(self.header.sender, now.mono, depth);
        if !depth.is_whole() {
            return;
        }
        for (space, entry) in self.ways.mongering.told() {
            let held = self.replica.map(space).get(entry.key());
            // What is gone from here may be told on: everyone has it.
            let known = held.is_none_or(|held| held.stamp() >= entry.stamp());
            assert!(known || space == Space::Roster, "{entry:?} is told, and held is {held:?}");
        }
    }

    /// True while comparisons wait: for what others do at this moment as well, or for ever.
    fn repair_waits(&self) -> bool {
        let busy = self.standing.is_collecting() || self.certificates.is_busy();
        self.watch.has_left() || busy
    }

    pub(super) fn check_retained(&self, depth: Depth) {
        if !depth.is_glance() {
            self.standing.check(&self.replica);
            self.strays.check();
            self.stories.check();
        }
        if depth.is_whole() {
            self.certificates.check(&self.replica.data);
        }
    }
}
