//! The hybrid logical clock and its guards against clocks that run ahead. docs/clocks.md has the
//! argument.

use super::stamp::Stamp;
use crate::base::id::NodeId;
use crate::base::time::millis;
use std::time::Duration;

/// The largest wall time in a stamp, in the year 10,889: there are bigger stamps left for what is
/// written after the last one that is admitted.
const MAX_WALL_MS: u64 = (1 << 48) - (1 << 32);
/// Ranges of own stamps that were seen far ahead of time and are remembered; over that, neighbours
/// are taken for one (guess: each is a time at which the clock was wrong).
const MAX_SPENT: usize = 8;

/// A stamp would have to be further ahead than others are sure to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ahead {
    /// The wall time that it would have, milliseconds since 1970.
    pub needs_ms: u64,
}

/// Issues stamps that are bigger than every stamp issued before, and than every stamp observed that
/// is not far ahead.
#[derive(Clone, Debug)]
pub struct Clock {
    node: NodeId,
    last: u64,
    /// The largest stamp that was given here.
    issued: u64,
    /// The largest stamp that was taken in, followed or not.
    seen: u64,
    max_skew_ms: u64,
    /// Own stamps that came back from far ahead of time: first and last of each range, in order. They
    /// are leapt over when their time comes.
    spent: Vec<(u64, u64)>,
}

impl Clock {
    /// A clock of `node` that refuses stamps more than `max_skew` ahead of the local wall clock, and
    /// follows and gives only those that are at most half of that ahead. So what it gives is never
    /// refused by a clock of the same bound that is less than the other half apart.
    #[must_use]
    pub fn new(node: NodeId, max_skew: Duration) -> Self {
        let max_skew_ms = millis(max_skew);
        Self { node, last: 0, issued: 0, seen: 0, max_skew_ms, spent: Vec::new() }
    }

    /// The next stamp, however far ahead it has to be.
    pub fn tick(&mut self, wall_ms: u64) -> Stamp {
        self.last = self.free(self.last.saturating_add(1).max(wall_ms.min(MAX_WALL_MS) << 16));
        self.issued = self.last;
        Stamp { time: self.last, node: self.node }
    }

    /// The next stamp for a write that takes the place of one stamped at `above` (zero: of none).
    /// `strict` is false for a node that cannot know whether its clock is right or the stamps are
    /// that it has given: it goes on above its own.
    ///
    /// # Errors
    /// If it would be further ahead than [`Clock::leads`] allows. Nothing is changed.
    pub fn next(&mut self, above: u64, strict: bool, wall_ms: u64) -> Result<Stamp, Ahead> {
        let own = self.last.saturating_add(1).max(wall_ms.min(MAX_WALL_MS) << 16);
        let time = self.free(own.max(above.saturating_add(1)));
        let given = !strict && time == self.free(own);
        if !given && !self.leads(time, wall_ms) {
            return Err(Ahead { needs_ms: time >> 16 });
        }
        (self.last, self.issued) = (time, time);
        Ok(Stamp { time, node: self.node })
    }

    /// The first time from this one on that was not given ahead of it.
    fn free(&self, time: u64) -> u64 {
        let within = |time: u64| self.spent.iter().find(|(from, to)| (*from..=*to).contains(&time));
        let mut time = time;
        while let Some((_, to)) = within(time).filter(|(_, to)| *to < u64::MAX) {
            time = to + 1;
        }
        time
    }

    /// True if `stamp` may be accepted at this wall time. One from too far ahead would win over
    /// every honest write for that long.
    #[must_use]
    pub fn admits(&self, stamp: Stamp, wall_ms: u64) -> bool {
        stamp.wall_ms() <= wall_ms.saturating_add(self.max_skew_ms).min(MAX_WALL_MS)
    }

    /// How far ahead of the wall clock stamps are given and followed, milliseconds.
    #[must_use]
    pub fn lead_ms(&self) -> u64 {
        self.max_skew_ms / 2
    }

    /// How far ahead of the wall clock stamps are accepted, milliseconds.
    #[must_use]
    pub fn max_skew_ms(&self) -> u64 {
        self.max_skew_ms
    }

    /// True if a stamp of this time is near enough to the wall clock to be given here, and to move
    /// the clock if another has given it.
    #[must_use]
    pub fn leads(&self, time: u64, wall_ms: u64) -> bool {
        time >> 16 <= wall_ms.saturating_add(self.lead_ms()).min(MAX_WALL_MS)
    }

    /// Moves the clock past an admitted stamp, unless that is so far ahead that whoever gave it
    /// would drag this clock along: false then.
    pub fn observe(&mut self, stamp: Stamp, wall_ms: u64) -> bool {
        self.seen = self.seen.max(stamp.time);
        let follows = self.leads(stamp.time, wall_ms);
        if follows {
            self.last = self.last.max(stamp.time);
        } else if stamp.node == self.node && stamp.time > self.last {
            self.spend(stamp.time, stamp.time);
        }
        follows
    }

    /// Goes on after a stamp that this node had on its disk. Its own are gone on after whatever
    /// their time.
    pub fn restore(&mut self, stamp: Stamp, wall_ms: u64) {
        if stamp.node == self.node {
            self.last = self.last.max(stamp.time);
        } else {
            self.observe(stamp, wall_ms);
        }
    }

    /// No more stamps up to this time come from here.
    pub fn raise(&mut self, time: u64) {
        self.last = self.last.max(time);
    }

    fn spend(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        self.spent.push((from, to));
        self.spent.sort_unstable();
        let mut merged: Vec<(u64, u64)> = Vec::with_capacity(self.spent.len());
        for (from, to) in self.spent.drain(..) {
            match merged.last_mut().filter(|(_, before)| *before >= from.saturating_sub(1)) {
                Some((_, before)) => *before = to.max(*before),
                None => merged.push((from, to)),
            }
        }
        while merged.len() > MAX_SPENT
            && let Some((_, to)) = merged.pop()
            && let Some((_, before)) = merged.last_mut()
        {
            *before = to;
        }
        self.spent = merged;
    }

    /// True if this node gives no stamp of this time: it is past it, or knows it as given.
    #[must_use]
    pub fn is_past(&self, time: u64) -> bool {
        time <= self.last || self.spent.iter().any(|(from, to)| (*from..=*to).contains(&time))
    }

    /// The largest time issued in this run; 0 if none was.
    #[must_use]
    pub fn issued(&self) -> u64 {
        self.issued
    }

    /// The largest time issued, followed, or taken in without following it.
    #[must_use]
    pub fn seen(&self) -> u64 {
        self.seen.max(self.last)
    }

    /// The largest time issued or followed.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::new(NodeId(1), Duration::from_secs(60))
    }

    fn seen(ms: u64, node: u64) -> Stamp {
        Stamp { time: ms << 16, node: NodeId(node) }
    }

    #[test]
    fn stamps_grow_while_the_wall_clock_stands_or_falls() {
        let mut clock = clock();
        let mut last = clock.tick(1000);
        for wall in [1000, 1000, 900, 0, 1001, 5] {
            let next = clock.tick(wall);
            assert!(next > last);
            last = next;
        }
    }

    #[test]
    fn a_write_after_a_read_has_the_bigger_stamp() {
        let mut clock = clock();
        let seen = seen(31_000, 9);
        assert!(clock.admits(seen, 1000) && clock.observe(seen, 1000));
        assert!(clock.tick(1000) > seen);
        assert!(clock.next(0, true, 1000).unwrap() > seen);
    }

    #[test]
    fn who_is_far_ahead_drags_nobody_along() {
        let mut clock = clock();
        let ahead = seen(31_001, 9);
        assert!(clock.admits(ahead, 1000) && !clock.observe(ahead, 1000));
        assert_eq!(clock.tick(1000).wall_ms(), 1000);
        // What takes its place would have to be as far ahead, and others might not take that.
        for strict in [true, false] {
            let refused = clock.next(ahead.time, strict, 1000);
            assert_eq!(refused, Err(Ahead { needs_ms: 31_001 }));
        }
        assert_eq!(clock.last() >> 16, 1000, "nothing was changed");
        let later = clock.next(ahead.time, true, 1001).unwrap();
        assert!(later > ahead && clock.next(0, true, 1001).unwrap() > later);
    }

    #[test]
    fn two_clocks_less_than_half_the_bound_apart_never_refuse_each_other() {
        for off in [0, 1, 15_000, 30_000] {
            let (mut fast, slow) = (clock(), clock());
            let wall = 1_000_000;
            // A liar has shown it as much as it will follow.
            fast.observe(seen(wall + off + 30_000, 9), wall + off);
            let stamp = fast.next(0, true, wall + off).unwrap_or_else(|ahead| {
                assert_eq!(ahead.needs_ms, wall + off + 30_000);
                seen(wall + off, 1)
            });
            assert!(slow.admits(stamp, wall), "{off}");
        }
    }

    #[test]
    fn a_stamp_from_too_far_ahead_is_not_admitted() {
        let clock = clock();
        assert!(clock.admits(seen(61_000, 9), 1000));
        assert!(!clock.admits(seen(61_001, 9), 1000));
        assert!(!clock.admits(Stamp { time: u64::MAX, node: NodeId(9) }, 1000));
    }

    #[test]
    fn an_own_stamp_that_comes_back_from_ahead_is_not_given_again() {
        let mut clock = clock();
        // Given before a start, by a clock that was wrong; a peer that was wrong too has kept it.
        let given: Vec<Stamp> = (0..50).map(|n| seen(500_000 + n, 1)).collect();
        assert!(given.iter().all(|stamp| !clock.observe(*stamp, 1000)));
        assert_eq!(clock.next(0, true, 1000).unwrap().wall_ms(), 1000);
        assert!(given.iter().all(|stamp| clock.is_past(stamp.time)));
        assert!(clock.spent.len() <= MAX_SPENT);
        for wall in 499_999..500_060 {
            let stamp = clock.next(0, true, wall).unwrap();
            assert!(!given.contains(&stamp), "{stamp}");
        }
    }

    #[test]
    fn own_stamps_are_gone_on_after_and_those_of_others_as_far_as_they_are_followed() {
        let mut clock = clock();
        clock.restore(seen(90_000, 9), 1000);
        assert_eq!(clock.last(), 0);
        clock.restore(seen(90_000, 1), 1000);
        assert_eq!(clock.last(), 90_000 << 16);
        // Nobody can say yet which is wrong.
        assert!(clock.next(0, false, 1000).is_ok() && clock.next(0, true, 1000).is_err());
    }

    #[test]
    fn the_end_of_time_is_never_reached() {
        let mut clock = Clock::new(NodeId(1), Duration::MAX);
        let last = Stamp { time: u64::MAX, node: NodeId(9) };
        assert!(!clock.admits(last, u64::MAX));
        let late = Stamp { time: MAX_WALL_MS << 16 | 0xffff, ..last };
        assert!(clock.admits(late, 1000));
        clock.observe(late, u64::MAX);
        let next = clock.tick(u64::MAX);
        assert!(next > late && clock.tick(0) > next);
    }
}
