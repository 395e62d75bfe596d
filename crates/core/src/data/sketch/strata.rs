//! About how many items differ, from 20 bytes.
//!
//! Level i takes an item with probability 3/4 * 4^-i and flips one of its 16 bits: where two
//! replicas' bits differ, an odd number of differing items fell there. The number that explains the
//! pattern best is right within about a factor of 1.6 two times out of three. After Eppstein,
//! Goodrich, Uyeda and Varghese 2011, "What's the Difference?", with parities for tables.

use super::item::Place;
use crate::base::codec::{DecodeError, Reader, Write};

const LEVELS: usize = 10;
const BITS: f64 = 16.0;
/// Steps in which numbers are tried, to a factor of 4.
const STEPS: usize = 8;
/// Numbers tried: up to 4^12.
const TRIED: usize = 12 * STEPS;

/// Parities of samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strata([u16; LEVELS]);

impl Strata {
    /// Takes an item in or out.
    pub(super) fn toggle(&mut self, place: Place) {
        let bits = place.strata();
        let level = (bits >> 4).trailing_zeros() as usize / 2;
        if let Some(level) = self.0.get_mut(level.min(LEVELS - 1)) {
            *level ^= 1 << (bits & 15);
        }
    }

    /// About how many items differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f64 {
        let odd: [f64; LEVELS] = std::array::from_fn(|at| {
            let pair = self.0.get(at).zip(other.0.get(at));
            pair.map_or(0.0, |(mine, theirs)| f64::from((mine ^ theirs).count_ones()))
        });
        // The slope of the likelihood crosses zero at its maximum.
        let (mut low, mut high) = (0, TRIED);
        while low + 1 < high {
            let middle = low.midpoint(high);
            match slope(&odd, middle) > 0.0 {
                true => low = middle,
                false => high = middle,
            }
        }
        CURVE.get(LEVELS * STEPS + low).map_or(0.0, |point| point.mean * 16.0 / 0.75)
    }

    /// Appends 20 bytes.
    pub fn encode(&self, to: &mut impl Write) {
        self.0.iter().for_each(|level| to.put(&level.to_le_bytes()));
    }

    /// Reads what [`Strata::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut strata = Self::default();
        for level in &mut strata.0 {
            *level = from.u16()?;
        }
        Ok(strata)
    }
}

fn slope(odd: &[f64; LEVELS], tried: usize) -> f64 {
    let mut slope = 0.0;
    for (level, odd) in odd.iter().enumerate() {
        // The last level takes what all further ones would: 4/3 as much, which is let pass.
        if let Some(point) = CURVE.get(LEVELS * STEPS + tried - level * STEPS) {
            slope += (odd - BITS * point.odd) * point.weight;
        }
    }
    slope
}

/// What one bit of a level sees when this many items fall on it in the mean.
#[derive(Clone, Copy)]
struct Point {
    mean: f64,
    /// Probability that it is flipped.
    odd: f64,
    /// What a flip says about the mean: slope of `odd` over its variance.
    weight: f64,
}

/// Point `LEVELS * STEPS` is one item in all; `STEPS` points are a factor of 4.
static CURVE: [Point; LEVELS * STEPS + TRIED] = curve();

const fn curve() -> [Point; LEVELS * STEPS + TRIED] {
    /// The eighth root of 4.
    const STEP: f64 = 1.189_207_115_002_721;
    let mut points = [Point { mean: 0.0, odd: 0.0, weight: 0.0 }; LEVELS * STEPS + TRIED];
    let mut at = 0;
    // One item at the last level.
    let mut mean = 0.75 / 16.0 / (1_u64 << (2 * LEVELS)) as f64;
    while at < points.len() {
        let even = exp_minus(2.0 * mean);
        let odd = (1.0 - even) / 2.0;
        let weight = mean * even / (odd * (1.0 - odd));
        #[expect(clippy::indexing_slicing, reason = "at compile time")]
        {
            points[at] = Point { mean, odd, weight };
        }
        mean *= STEP;
        at += 1;
    }
    points
}

/// e to the power of minus `x`, nearly, by multiplications only: the same on every machine.
#[must_use]
pub const fn exp_minus(x: f64) -> f64 {
    const HALVINGS: u32 = 10;
    let part = x / (1_u32 << HALVINGS) as f64;
    if part >= 1.0 {
        return 0.0;
    }
    let mut power = 1.0 - part + part * part / 2.0;
    let mut at = 0;
    while at < HALVINGS {
        power *= power;
        at += 1;
    }
    power
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::data::sketch::ItemId;

    #[test]
    fn estimates_are_about_right() {
        let mut rng = Rng::new(1);
        for count in [1_u32, 3, 10, 100, 1000, 30_000, 1_000_000] {
            let trials = if count > 10_000 { 20 } else { 300 };
            let mut inside = 0;
            for _ in 0..trials {
                let mut strata = Strata::default();
                (0..count).for_each(|_| strata.toggle(Place::of(ItemId(rng.bits()))));
                let ratio = strata.difference(&Strata::default()) / f64::from(count);
                inside += u32::from((0.4..2.5).contains(&ratio));
            }
            assert!(inside * 10 >= trials * 8, "{count}: {inside} of {trials}");
        }
    }

    #[test]
    fn nothing_differs_from_itself() {
        let mut strata = Strata::default();
        (0..99).for_each(|item| strata.toggle(Place::of(ItemId(item))));
        assert!(strata.difference(&strata) <= 1.0);
        let all = Strata([u16::MAX; LEVELS]);
        assert!(all.difference(&Strata::default()) > 1e6, "absurd bits give a number all the same");
    }

    #[test]
    fn the_exponential_is_good_enough() {
        for x in [0.0_f64, 0.01, 0.5, 1.0, 3.0, 10.0, 2000.0] {
            assert!((exp_minus(x) - (-x).exp()).abs() < 1e-4, "{x}");
        }
    }
}
