//! How long an answer takes, estimated from the answers so far.
//!
//! After Jacobson 1988, "Congestion Avoidance and Control": a smoothed mean and a smoothed
//! deviation, over all peers together.

use crate::base::time::micros;
use std::time::Duration;

/// Never wait less: a busy machine needs that long to answer (guess).
const LEAST: Duration = Duration::from_millis(20);
/// Never wait longer: anti-entropy has begun its repair by then (guess).
const MOST: Duration = Duration::from_secs(2);
/// The wait before the first answer was seen (guess).
const FIRST: Duration = Duration::from_millis(100);

/// Round-trip estimate.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rtt {
    mean_us: u64,
    deviation_us: u64,
}

impl Rtt {
    /// Takes in how long an answer took.
    pub fn sample(&mut self, took: Duration) {
        let took = micros(took).max(1);
        if self.mean_us == 0 {
            (self.mean_us, self.deviation_us) = (took, took / 2);
            return;
        }
        let off = took.abs_diff(self.mean_us);
        self.deviation_us = (3 * self.deviation_us + off) / 4;
        self.mean_us = ((7 * self.mean_us + took) / 8).max(1);
    }

    /// How long to wait before an answer counts as late.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        match self.mean_us {
            0 => FIRST,
            mean => Duration::from_micros(mean + 4 * self.deviation_us).clamp(LEAST, MOST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_timeout_follows_the_answers_within_its_bounds() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(), FIRST);
        for _ in 0..100 {
            rtt.sample(Duration::from_millis(1));
        }
        assert_eq!(rtt.timeout(), LEAST);
        for _ in 0..100 {
            rtt.sample(Duration::from_millis(100));
        }
        assert!(
            rtt.timeout() > Duration::from_millis(100)
                && rtt.timeout() < Duration::from_millis(200)
        );
        rtt.sample(Duration::from_secs(60));
        assert_eq!(rtt.timeout(), MOST);
    }
}
