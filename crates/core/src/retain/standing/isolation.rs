//! What of a node's own writes has gone nowhere: those that it made while it knew of nobody. Only of
//! these it is certain that nobody else has seen them, so only these are written anew where others
//! do not hold them.

use super::Standing;
use crate::base::time::Instant;
use std::time::Duration;

/// A node that has found others says nothing of its data until it knows which pass is the latest; no
/// longer than this (guess: many times what it takes to compare rosters).
const SILENCE: Duration = Duration::from_secs(5);
/// The same while it is to be brought back to one: perhaps nobody is left who could (guess: what it
/// takes to find one that can, and to compare much).
const SILENCE_BEHIND: Duration = Duration::from_secs(30);

/// The machine.
#[derive(Debug, Default)]
pub struct Isolation {
    /// Own stamps above this have gone nowhere.
    from: Option<u64>,
    /// True if there are any.
    wrote: bool,
    /// When it found others.
    since: Option<Instant>,
}

impl Isolation {
    /// As it was on disk: whether anything was written is not known.
    #[must_use]
    pub fn restored(from: Option<u64>) -> Self {
        Self { from, wrote: from.is_some(), since: None }
    }

    /// Own writes above this time have gone nowhere.
    #[must_use]
    pub fn unsent(&self) -> Option<u64> {
        self.from
    }

    /// What there was is decided on.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}

impl Standing {
    /// An own write.
    pub fn note_write(&mut self) {
        self.isolation.wrote |= self.isolation.from.is_some();
    }

    /// True while this node is not to say what it holds: it has written something that nobody can
    /// have seen, has found others, and does not know yet whether a pass was made without it.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.isolation.from.is_some() && self.isolation.wrote
    }

    /// When a silence ends at the latest.
    pub(super) fn silent_until(&self) -> Option<Instant> {
        let since = self.isolation.since.filter(|_| self.is_silent());
        since.map(|since| since.after(self.silence()))
    }

    fn silence(&self) -> Duration {
        if self.is_behind() { SILENCE_BEHIND } else { SILENCE }
    }

    /// Looks whether this node is by itself. `last` is the largest stamp that it knows of, and
    /// `quiet` says that nothing of its data is about to be sent.
    pub fn watch_isolation(&mut self, peers: usize, quiet: bool, last: u64, now: Instant) {
        if !self.has_fence() {
            return;
        }
        match peers {
            0 if self.isolation.from.is_none() && quiet => {
                self.isolation = Isolation { from: Some(last), wrote: false, since: None };
                self.changed = true;
            }
            0 => self.isolation.since = None,
            _ if self.isolation.from.is_none() => {}
            _ if !self.isolation.wrote => self.speak(),
            _ => {
                let since = *self.isolation.since.get_or_insert(now);
                if now >= since.after(self.silence()) {
                    self.speak();
                }
            }
        }
    }

    /// A member was found to know the same of all members as this node: if no pass was made without
    /// it, it goes on as before.
    pub fn roster_agrees(&mut self) {
        if self.is_silent() && !self.is_behind() {
            self.speak();
        }
    }

    /// From now on everything may go out. That is on disk before anything does.
    fn speak(&mut self) {
        self.isolation.end();
        (self.changed, self.waits) = (true, true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::output::Output;
    use crate::retain::tests::{Ground, H, pass, policy};
    use crate::retain::{Horizon, Tombstones};

    fn alone() -> Standing {
        let mut standing = Standing::new(NodeId(1), policy(Tombstones::Horizon));
        standing.watch_isolation(0, true, 77, Instant(0));
        standing.keep(&mut Vec::new());
        standing
    }

    fn kept(standing: &mut Standing) -> Option<bool> {
        let mut out = Vec::new();
        standing.keep(&mut out);
        match out[..] {
            [Output::Keep { wait, .. }] => Some(wait),
            _ => None,
        }
    }

    #[test]
    fn who_has_written_nothing_by_itself_speaks_at_once_and_the_disk_knows_first() {
        let mut standing = alone();
        assert_eq!((standing.isolation.unsent(), standing.is_silent()), (Some(77), false));
        standing.watch_isolation(1, true, 77, Instant(5));
        assert_eq!((standing.isolation.unsent(), kept(&mut standing)), (None, Some(true)));
    }

    #[test]
    fn who_has_written_waits_until_it_knows_the_latest_pass() {
        let mut standing = alone();
        standing.note_write();
        standing.watch_isolation(1, true, 99, Instant(5));
        assert!(standing.is_silent() && standing.silent_until() == Some(Instant(5).after(SILENCE)));
        let mut ground = Ground::new(1, 2);
        let late = Instant(5).after(SILENCE);
        let mut behind = alone();
        behind.note_write();
        let horizon = Horizon { time: H, pass: 9, chain: 1, forced: 0, number: 1 };
        behind.learn(horizon, &mut ground.holding());
        behind.roster_agrees();
        behind.watch_isolation(1, true, 99, Instant(5));
        behind.watch_isolation(1, true, 99, late);
        assert!(behind.is_silent(), "a pass was made without it");
        behind.bring_back(pass(9, H, &[2]), &Default::default(), &mut ground.holding());
        assert!(!behind.is_silent());
        standing.watch_isolation(1, true, 99, Instant(late.0 - 1));
        assert!(standing.is_silent());
        standing.roster_agrees();
        assert!(!standing.is_silent() && kept(&mut standing) == Some(true));
    }
}
