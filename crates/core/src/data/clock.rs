//! The hybrid logical clock and its guard against clocks that run ahead.

use super::stamp::Stamp;
use crate::base::id::NodeId;
use crate::base::time::millis;
use std::time::Duration;

/// The largest wall time in a stamp, in the year 10,889: there are bigger stamps left for what is
/// written after the last one that is admitted.
const MAX_WALL_MS: u64 = (1 << 48) - (1 << 32);

/// Issues stamps that are bigger than every stamp issued or observed before.
#[derive(Clone, Debug)]
pub struct Clock {
    node: NodeId,
    last: u64,
    max_skew_ms: u64,
}

impl Clock {
    /// A clock of `node` that refuses stamps more than `max_skew` ahead of the local wall clock.
    #[must_use]
    pub fn new(node: NodeId, max_skew: Duration) -> Self {
        Self { node, last: 0, max_skew_ms: millis(max_skew) }
    }

    /// The next stamp.
    pub fn tick(&mut self, wall_ms: u64) -> Stamp {
        self.last = self.last.saturating_add(1).max(wall_ms.min(MAX_WALL_MS) << 16);
        Stamp { time: self.last, node: self.node }
    }

    /// True if `stamp` may be accepted at this wall time. One from too far ahead would win over
    /// every honest write for that long, and would drag every clock along.
    #[must_use]
    pub fn admits(&self, stamp: Stamp, wall_ms: u64) -> bool {
        stamp.wall_ms() <= wall_ms.saturating_add(self.max_skew_ms).min(MAX_WALL_MS)
    }

    /// Moves the clock past an admitted stamp.
    pub fn observe(&mut self, stamp: Stamp) {
        self.last = self.last.max(stamp.time);
    }

    /// No more stamps up to this time come from here.
    pub fn raise(&mut self, time: u64) {
        self.last = self.last.max(time);
    }

    /// The largest time issued or observed.
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
        let seen = Stamp { time: 50_000 << 16, node: NodeId(9) };
        assert!(clock.admits(seen, 1000));
        clock.observe(seen);
        assert!(clock.tick(1000) > seen);
    }

    #[test]
    fn a_stamp_from_too_far_ahead_is_not_admitted() {
        let clock = clock();
        let ahead = |ms: u64| Stamp { time: ms << 16, node: NodeId(9) };
        assert!(clock.admits(ahead(61_000), 1000));
        assert!(!clock.admits(ahead(61_001), 1000));
        assert!(!clock.admits(Stamp { time: u64::MAX, node: NodeId(9) }, 1000));
    }

    #[test]
    fn the_end_of_time_is_never_reached() {
        let mut clock = Clock::new(NodeId(1), Duration::MAX);
        let last = Stamp { time: u64::MAX, node: NodeId(9) };
        assert!(!clock.admits(last, u64::MAX));
        let late = Stamp { time: MAX_WALL_MS << 16 | 0xffff, ..last };
        assert!(clock.admits(late, 1000));
        clock.observe(late);
        let next = clock.tick(u64::MAX);
        assert!(next > late && clock.tick(0) > next);
    }
}
