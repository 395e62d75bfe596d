//! What holds of the tree rumor between turns: every branch has a timer, none holds this node.

use super::{AGAIN, BUSY, Branch, RTTS, Scope, TRIES, Tree, WAITING_BYTES};
use crate::base::check::Depth;
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Tree {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, own: NodeId, now: Instant, depth: Depth) {
        let (branches, timers) = (self.branches.len(), self.timers.len());
        assert_eq!(branches, timers, "branches that wait, and their timers");
        let first = self.timers.first().map(|(due, _)| *due);
        assert!(first.is_none_or(|due| due > now), "a branch was due at {first:?}, it is {now:?}");
        let (window, most) = (self.window, self.config.window * BUSY);
        assert!(window <= most, "a window of {window:?}, over {most:?}");
        let pending: usize = self.pending.iter().map(Vec::len).sum();
        let in_time = pending == 0 || self.flush_at() > now && self.flush_at() <= now.after(most);
        assert!(in_time, "{pending} entries wait until {:?}, it is {now:?}", self.flush_at());
        let answer = self.answers.deadline();
        assert!(answer.is_none_or(|due| due > now), "answers were due at {answer:?}");
        // One more for all those that share an estimate.
        assert!(self.rtts.len() <= RTTS + 1, "{} zones with a round trip", self.rtts.len());
        if depth.is_glance() {
            return;
        }
        let bytes: usize = self.branches.values().map(|branch| branch.block.len()).sum();
        assert_eq!(self.waiting_bytes, bytes, "bytes that wait, as counted and as they are");
        // A branch that is sent again may have been let go and come back meanwhile.
        assert!(bytes <= WAITING_BYTES, "{bytes} bytes of branches wait");
        for (token, branch) in &self.branches {
            let known = token & AGAIN == 0 && *token < self.next_token;
            assert!(known, "a branch has the token {token}, the next is {}", self.next_token);
            let timed = self.timers.contains(&(branch.due, *token));
            assert!(timed, "branch {token} has no timer at {:?}", branch.due);
            branch.check(own, now);
        }
    }
}

impl Branch {
    fn check(&self, own: NodeId, now: Instant) {
        let tries = 1 + self.again.len();
        assert!(tries <= TRIES, "a branch was sent {tries} times");
        let times = self.sent().map(|sent| sent.at);
        assert!(times.is_sorted(), "a branch was sent before it was sent");
        let last = self.again.last().unwrap_or(&self.first);
        let soon = last.at < self.due && last.at <= now;
        assert!(soon, "a branch that was sent at {:?} is due at {:?}", last.at, self.due);
        assert!(self.sent().all(|sent| sent.to != own), "this node sent a branch to itself");
        let sound = self.entries > 0 && !self.block.is_empty();
        assert!(sound, "a branch of {} entries in {} bytes", self.entries, self.block.len());
        let (scope, holds) = (self.scope, self.scope.holds(own));
        assert!(!holds, "a branch whose delegate would send it back to this node: {scope:?}");
    }
}

impl Scope {
    /// True if whoever is responsible for it would send the rumor to this id, as far as ids tell.
    fn holds(self, id: NodeId) -> bool {
        match self {
            Self::All { start, end } | Self::Inside { start, end, .. } => {
                start == end || id.0.wrapping_sub(start.0) < end.0.wrapping_sub(start.0)
            }
            Self::Across { .. } => false,
        }
    }
}
