//! How fresh a node is: when it was last known to agree with another member.

use crate::base::time::{Instant, Now, micros};
use crate::data::Cut;
use std::time::Duration;

/// When this node was last known to agree with another member.
#[derive(Debug, Default)]
pub struct Freshness {
    /// The latest time before which another member had nothing that this node lacked.
    agreed: Option<Instant>,
}

impl Freshness {
    /// Another member was found to hold the same at a cut. `latest` is the one that this node would
    /// take now.
    pub fn agreed(&mut self, cut: Cut, latest: Cut, now: Now) {
        // The cut is by the other's clock: it is not taken for later than this node's own would be.
        let first = match cut.is_none() {
            true => now.wall_ms,
            false => cut.first_ms().min(latest.first_ms()),
        };
        let ago = Duration::from_millis(now.wall_ms.saturating_sub(first));
        let at = Instant(now.mono.0.saturating_sub(micros(ago)));
        self.agreed = self.agreed.max(Some(at));
    }

    /// Checks that nothing is known of the future.
    pub(crate) fn check(&self, now: Instant) {
        let agreed = self.agreed;
        assert!(agreed.is_none_or(|at| at <= now), "it is {now:?}, and it agrees at {agreed:?}");
    }

    /// Time since this node was last known to hold all that some other member held, if it ever was.
    #[must_use]
    pub fn staleness(&self, now: Instant) -> Option<Duration> {
        self.agreed.map(|agreed| now.since(agreed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { mono: Instant(ms * 1000), wall_ms: 1_800_000_000_000 + ms }
    }

    fn cut(now: Now) -> Cut {
        Cut::around(now.wall_ms, 300)
    }

    #[test]
    fn the_latest_agreement_counts_and_none_from_the_future() {
        let mut freshness = Freshness::default();
        assert_eq!(freshness.staleness(at(5000).mono), None);
        let staleness = |freshness: &Freshness, ms| freshness.staleness(at(ms).mono).unwrap();
        freshness.agreed(cut(at(9000)), cut(at(9000)), at(9000));
        let first = staleness(&freshness, 9000);
        let least = Duration::from_millis(300);
        assert!((least..=least + Cut::GRAIN).contains(&first), "as old as the cut: {first:?}");
        // An older cut says nothing new, and a clock that is ahead no more than the own one.
        freshness.agreed(cut(at(8000)), cut(at(9000)), at(9000));
        freshness.agreed(cut(at(99_000)), cut(at(9000)), at(9000));
        assert_eq!(staleness(&freshness, 9000), first);
        freshness.check(at(9000).mono);
        freshness.agreed(Cut::NONE, Cut::NONE, at(9500));
        assert_eq!(staleness(&freshness, 9600).as_millis(), 100, "without a cut it is now");
    }
}
