//! How fast writes reached the nodes.

use std::fmt;
use std::time::Duration;

/// The delays of one write or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Deliveries: how often a node other than the writer came to hold a write.
    pub delivered: usize,
    /// Deliveries that there would be if every node had held every write. A node that got a bigger
    /// stamp for the same key first never needs the smaller one.
    pub possible: usize,
    /// Half of the deliveries took no longer.
    pub p50: Duration,
    /// Of a hundred deliveries 99 took no longer.
    pub p99: Duration,
    /// The last one.
    pub max: Duration,
}

impl Delivery {
    /// Figures of delays in microseconds.
    pub(crate) fn of(mut delays: Vec<u32>, possible: usize) -> Self {
        delays.sort_unstable();
        // Nearest rank: the smallest delay that at least this share does not exceed.
        let rank = |percent: usize| {
            let rank = (delays.len() * percent).div_ceil(100).saturating_sub(1);
            Duration::from_micros(delays.get(rank).copied().unwrap_or(0).into())
        };
        Self { delivered: delays.len(), possible, p50: rank(50), p99: rank(99), max: rank(100) }
    }

    /// True if every node has held every write.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.delivered == self.possible
    }
}

impl fmt::Display for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        write!(
            f,
            "{} of {} delivered, p50 {:.1} ms, p99 {:.1} ms, last {:.1} ms",
            self.delivered,
            self.possible,
            ms(self.p50),
            ms(self.p99),
            ms(self.max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let delivery = Delivery::of((1..=200).rev().collect(), 201);
        let us = Duration::from_micros;
        assert_eq!((delivery.p50, delivery.p99, delivery.max), (us(100), us(198), us(200)));
        assert!(!delivery.is_complete());
        assert_eq!(Delivery::of(vec![7], 1).p50, us(7));
        assert_eq!(Delivery::of(Vec::new(), 0).max, Duration::ZERO);
    }
}
