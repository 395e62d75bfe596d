//! What holds of comparisons by sketches between turns.

use super::{Comparisons, MAX_OPEN, PATIENCE};
use crate::base::time::Instant;

impl Comparisons {
    /// Checks that there is one comparison with each peer, not too many, and that each ends soon.
    pub(crate) fn check(&self, now: Instant) {
        assert!(self.open.len() <= MAX_OPEN, "{} comparisons by sketches", self.open.len());
        for (place, one) in self.open.iter().enumerate() {
            let again = self.open.iter().skip(place + 1).any(|other| other.peer == one.peer);
            assert!(!again, "two comparisons by sketches with {}", one.peer);
            let waits = one.exchange.waits();
            assert!(!one.asked_again || waits, "{} was asked again for nothing", one.peer);
            let latest = now.after(PATIENCE);
            assert!(one.until <= latest, "{} has until {:?} to answer", one.peer, one.until);
        }
    }
}
