//! Clocks: one virtual time for the world, and for each node a wall clock that may be off.

use rumormill_core::Instant;
use rumormill_core::base::rng::Rng;
use rumormill_core::base::time::millis;
use std::time::Duration;

/// Wall time at the start of every world: 2023-11-14 22:13:20 UTC.
pub const EPOCH_MS: u64 = 1_700_000_000_000;

/// The nodes' wall clocks.
#[derive(Debug)]
pub(crate) struct Clocks {
    skew_ms: Vec<i64>,
}

impl Clocks {
    /// Clocks that are off by up to `skew`, either way.
    pub(crate) fn new(nodes: usize, skew: Duration, rng: &mut Rng) -> Self {
        let most = millis(skew);
        let mut draw = || rng.below(2 * most + 1) as i64 - most as i64;
        Self { skew_ms: (0..nodes).map(|_| draw()).collect() }
    }

    /// What node `node` reads on its wall clock.
    pub(crate) fn wall_ms(&self, node: usize, now: Instant) -> u64 {
        (EPOCH_MS + now.0 / 1000).saturating_add_signed(self.skew_ms[node])
    }

    /// Sets a wall clock forwards or back.
    pub(crate) fn jump(&mut self, node: usize, ms: i64) {
        self.skew_ms[node] = self.skew_ms[node].saturating_add(ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skew_stays_in_its_bound_and_goes_both_ways() {
        let clocks = Clocks::new(100, Duration::from_millis(50), &mut Rng::new(1));
        let off: Vec<i64> = (0..100)
            .map(|node| clocks.wall_ms(node, Instant(7000)) as i64 - EPOCH_MS as i64 - 7)
            .collect();
        assert!(off.iter().all(|off| (-50..=50).contains(off)));
        assert!(off.iter().any(|&off| off > 10) && off.iter().any(|&off| off < -10));
    }

    #[test]
    fn a_clock_can_jump() {
        let mut clocks = Clocks::new(2, Duration::ZERO, &mut Rng::new(1));
        clocks.jump(1, -300);
        assert_eq!(clocks.wall_ms(0, Instant(0)), EPOCH_MS);
        assert_eq!(clocks.wall_ms(1, Instant(0)), EPOCH_MS - 300);
    }
}
