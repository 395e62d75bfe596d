//! A disk that hangs without an error: seen, told, and kept from filling the memory.
//!
//! What comes from others is held back once too much waits for the disk: the node takes it for lost,
//! and it comes again. Writes wait for a bounded time. Membership goes on.

use std::time::Duration;

/// A disk that has been at one thing for this long is called slow.
const SLOW_AFTER: Duration = Duration::from_secs(1);
/// After this long writes are answered with an error.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// What those are told.
pub(super) const STUCK: &str = "the disk has not answered for more than 5 seconds; what was written \
                                meanwhile is in memory, and becomes durable if the disk comes back";
/// How soon after it has come back it is called well again, at the latest.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Key and value bytes on their way to the store at which nothing more is taken in.
pub(super) const BACKLOG: u64 = 64 * 1024 * 1024;

/// How long the disk has kept us waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stall {
    #[default]
    None,
    Slow,
    Stuck,
}

impl Stall {
    pub(super) fn after(busy: Option<Duration>) -> Self {
        match busy {
            Some(busy) if busy >= STUCK_AFTER => Self::Stuck,
            Some(busy) if busy >= SLOW_AFTER => Self::Slow,
            _ => Self::None,
        }
    }

    pub(super) fn is_slow(self) -> bool {
        self > Self::None
    }

    pub(super) fn is_stuck(self) -> bool {
        self == Self::Stuck
    }

    /// In how long it is to be looked at again, if the disk has been busy for so long.
    pub(super) fn look_in(self, busy: Option<Duration>) -> Option<Duration> {
        match (self, busy) {
            (Self::None, None) => None,
            (Self::None, Some(busy)) => Some(SLOW_AFTER.saturating_sub(busy)),
            (Self::Slow | Self::Stuck, _) => Some(LOOK_AGAIN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_slow_before_it_is_stuck() {
        let after = |millis| Stall::after(Some(Duration::from_millis(millis)));
        assert_eq!([after(0), after(999), Stall::after(None)], [Stall::None; 3]);
        assert_eq!([after(1000), after(4999)], [Stall::Slow; 2]);
        assert_eq!([after(5000), after(1 << 40)], [Stall::Stuck; 2]);
        assert!(!Stall::None.is_slow() && Stall::Slow.is_slow() && Stall::Stuck.is_slow());
        assert!(!Stall::Slow.is_stuck());
    }

    #[test]
    fn it_is_looked_at_while_it_is_busy_or_was_slow() {
        let busy = |millis| Some(Duration::from_millis(millis));
        assert_eq!(Stall::None.look_in(None), None);
        assert_eq!(Stall::None.look_in(busy(400)), busy(600));
        assert_eq!(Stall::None.look_in(busy(4000)), busy(0));
        // It may be over without anything to report.
        assert_eq!(Stall::Slow.look_in(None), Some(LOOK_AGAIN));
        assert_eq!(Stall::Stuck.look_in(busy(9000)), Some(LOOK_AGAIN));
    }
}
