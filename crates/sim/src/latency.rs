//! How long a hop takes: a distribution, drawn from and written in one word.
//!
//! All arithmetic is + - x / on doubles, which every machine rounds alike, so a seed draws the same
//! network everywhere. For the lognormal that means an exponential of our own (accurate to about
//! 1e-9) and a normal deviate made of twelve uniform ones, whose tails end at six sigma.

use crate::text::{Time, time};
use rumormill_core::base::rng::Rng;
use rumormill_core::base::time::{micros, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long one hop takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// Always the same.
    Fixed(#[serde(with = "text")] Duration),
    /// Anything between two bounds, each as likely as the other.
    Uniform(#[serde(with = "text")] Duration, #[serde(with = "text")] Duration),
    /// A long tail: half of the hops take less than `median`; one in six takes more than
    /// `median` x e^`sigma`.
    LogNormal {
        /// The middle value.
        #[serde(with = "text")]
        median: Duration,
        /// Standard deviation of the logarithm.
        sigma: f64,
    },
}

/// The longest latency.
const LONGEST: Duration = Duration::from_secs(60 * 60);

impl Latency {
    /// True for one that can be: up to an hour, and a tail that is not absurd.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match *self {
            Self::Fixed(time) => time <= LONGEST,
            Self::Uniform(least, most) => least <= most && most <= LONGEST,
            Self::LogNormal { median, sigma } => median <= LONGEST && (0.0..=5.0).contains(&sigma),
        }
    }

    /// Draws the time of one hop, in microseconds.
    pub fn draw(&self, rng: &mut Rng) -> u64 {
        match *self {
            Self::Fixed(time) => micros(time),
            Self::Uniform(least, most) => {
                let (least, most) = (micros(least), micros(most));
                least + rng.below(most.saturating_sub(least).saturating_add(1))
            }
            Self::LogNormal { median, sigma } => {
                let normal = (0..12).map(|_| rng.unit()).sum::<f64>() - 6.0;
                (micros(median) as f64 * exp(sigma * normal)) as u64
            }
        }
    }
}

impl Latency {
    /// What half of the hops do not exceed.
    #[must_use]
    pub fn middle(&self) -> Duration {
        match *self {
            Self::Fixed(time) => time,
            Self::Uniform(least, most) => least + most.saturating_sub(least) / 2,
            Self::LogNormal { median, .. } => median,
        }
    }
}

/// Longer hops are no network.
const SLOWEST: Duration = Duration::from_secs(60);

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let hop = |text: &str| match time(text)? {
            time if time > SLOWEST => Err(format!("{text:?} is over {}", Time(SLOWEST))),
            time => Ok(time),
        };
        if let Some(rest) = text.trim().strip_prefix("lognormal:") {
            let wrong = || {
                format!(
                    "{text:?} is no latency: write lognormal:MEDIAN,SIGMA, such as \
                     lognormal:1ms,0.5 (one hop in six takes more than MEDIAN x e^SIGMA)"
                )
            };
            let (median, sigma) = rest.split_once(',').ok_or_else(wrong)?;
            let sigma: f64 = sigma.trim().parse().map_err(|_| wrong())?;
            if !(0.0..=3.0).contains(&sigma) {
                return Err(format!("{text:?}: SIGMA lies between 0 and 3"));
            }
            return Ok(Self::LogNormal { median: hop(median)?, sigma });
        }
        let Some((least, most)) = text.split_once("..") else {
            return hop(text).map(Self::Fixed);
        };
        match (hop(least)?, hop(most)?) {
            (least, most) if least > most => {
                Err(format!("{text:?}: the longest hop is shorter than the shortest"))
            }
            (least, most) => Ok(Self::Uniform(least, most)),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Fixed(time) => Time(time).fmt(f),
            Self::Uniform(least, most) => write!(f, "{}..{}", Time(least), Time(most)),
            Self::LogNormal { median, sigma } => write!(f, "lognormal:{},{sigma}", Time(median)),
        }
    }
}

/// e^x: the exponent is cut into steps of 1/16 at most, a Taylor series does those, and squaring
/// puts the steps together again.
fn exp(x: f64) -> f64 {
    let mut step = x.clamp(-500.0, 500.0);
    let mut halvings = 0;
    while !(-0.0625..=0.0625).contains(&step) {
        step /= 2.0;
        halvings += 1;
    }
    let mut term = 1.0;
    let mut sum = 1.0;
    for n in 1..=8 {
        term *= step / f64::from(n);
        sum += term;
    }
    for _ in 0..halvings {
        sum *= sum;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_one() {
        for x in [-8.0, -1.5, -0.01, 0.0, 0.06, 0.3, 1.0, 5.0, 12.0_f64] {
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-9, "{x}");
        }
    }

    #[test]
    fn a_lognormal_has_its_median_and_its_tail() {
        let latency = Latency::LogNormal { median: Duration::from_millis(1), sigma: 0.5 };
        let mut rng = Rng::new(2);
        let mut drawn: Vec<u64> = (0..10_001).map(|_| latency.draw(&mut rng)).collect();
        drawn.sort_unstable();
        assert!((970..1030).contains(&drawn[5000]), "{}", drawn[5000]);
        // One sigma above: e^0.5 = 1.649.
        assert!((1580..1720).contains(&drawn[8413]), "{}", drawn[8413]);
    }

    #[test]
    fn uniform_hops_keep_their_bounds() {
        let latency = Latency::Uniform(Duration::from_micros(5), Duration::from_micros(7));
        let mut rng = Rng::new(2);
        let drawn: Vec<u64> = (0..100).map(|_| latency.draw(&mut rng)).collect();
        assert_eq!((drawn.iter().min(), drawn.iter().max()), (Some(&5), Some(&7)));
    }

    #[test]
    fn latencies_are_read_and_written() {
        for (text, latency) in [
            ("1ms", Latency::Fixed(Duration::from_millis(1))),
            (
                "0.5ms..1.5ms",
                Latency::Uniform(Duration::from_micros(500), Duration::from_micros(1500)),
            ),
            (
                "lognormal:2ms,0.5",
                Latency::LogNormal { median: Duration::from_millis(2), sigma: 0.5 },
            ),
        ] {
            assert_eq!(text.parse(), Ok(latency));
            assert_eq!(latency.to_string().parse(), Ok(latency));
        }
        for (text, says) in [
            ("", "does not begin with a number"),
            ("1", "it has no unit"),
            ("2ms..1ms", "is shorter than"),
            ("lognormal:1ms", "write lognormal:MEDIAN,SIGMA"),
            ("lognormal:1ms,9", "between 0 and 3"),
            ("lognormal:1ms,NaN", "between 0 and 3"),
            ("2h", "over 60s"),
        ] {
            let error = text.parse::<Latency>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
