//! About how many items differ, from 20 bytes, or better from 25 more.
//!
//! Level i takes an item with probability 3/4 * 4^-i and flips one of its 64 bits: where two
//! replicas' bits differ, an odd number of differing items fell there. The number that explains the
//! pattern best is taken. [`Coarse`] has all levels, each folded to 16 bits, and is right within a
//! factor of 1.6 two times out of three; [`Fine`] has three levels whole, chosen by that, and is
//! right within a factor of 1.25. After Eppstein, Goodrich, Uyeda and Varghese 2011, "What's the
//! Difference?", with parities for tables.

use super::item::Place;
use crate::base::codec::{DecodeError, Reader, Write};

const LEVELS: usize = 10;
/// Levels in [`Fine`].
const FINE: usize = 3;
/// Steps in which numbers are tried, to a factor of 4.
const STEPS: usize = 8;
/// Numbers tried: up to 4^12.
const TRIED: usize = 12 * STEPS;

/// Parities of samples, as they are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strata([u64; LEVELS]);

/// All levels, with few bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coarse([u16; LEVELS]);

/// Some levels, with all bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fine {
    first: u8,
    levels: [u64; FINE],
}

impl Strata {
    /// Takes an item in or out.
    pub(super) fn toggle(&mut self, place: Place) {
        let bits = place.strata();
        let level = (bits >> 6).trailing_zeros() as usize / 2;
        if let Some(level) = self.0.get_mut(level.min(LEVELS - 1)) {
            *level ^= 1 << (bits & 63);
        }
    }

    /// Bits that are set.
    pub(super) fn bits(&self) -> u32 {
        self.0.iter().map(|level| level.count_ones()).sum()
    }

    /// All levels, with few bits.
    #[must_use]
    pub fn coarse(&self) -> Coarse {
        let fold = |bits: u64| bits ^ bits >> 32;
        Coarse(self.0.map(|bits| (fold(bits) ^ fold(bits) >> 16) as u16))
    }

    /// The levels that tell most if about so many items differ.
    #[must_use]
    pub fn fine(&self, about: f64) -> Fine {
        let (mut first, mut seen) = (0, about * 0.75 / 64.0);
        while seen > 1.5 && first < LEVELS - FINE {
            (first, seen) = (first + 1, seen / 4.0);
        }
        let mut fine = Fine { first: first as u8, levels: [0; FINE] };
        for (to, level) in fine.levels.iter_mut().zip(self.0.iter().skip(first)) {
            *to = *level;
        }
        fine
    }

    /// About how many items differ.
    #[must_use]
    pub fn difference(&self, other: &Fine) -> f64 {
        let mut odd = [0.0; FINE];
        let mine = self.0.iter().skip(usize::from(other.first));
        for (odd, (mine, theirs)) in odd.iter_mut().zip(mine.zip(&other.levels)) {
            *odd = f64::from((mine ^ theirs).count_ones());
        }
        // Four times the bits: each sees as much as one of 16 a level further.
        most_likely(&odd, usize::from(other.first) + 1, 64.0)
    }
}

impl Coarse {
    /// About how many items differ.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f64 {
        let mut odd = [0.0; LEVELS];
        for (odd, (mine, theirs)) in odd.iter_mut().zip(self.0.iter().zip(&other.0)) {
            *odd = f64::from((mine ^ theirs).count_ones());
        }
        most_likely(&odd, 0, 16.0)
    }

    /// Appends 20 bytes.
    pub fn encode(&self, to: &mut impl Write) {
        self.0.iter().for_each(|level| to.put(&level.to_le_bytes()));
    }

    /// Reads what [`Coarse::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut coarse = Self::default();
        for level in &mut coarse.0 {
            *level = from.u16()?;
        }
        Ok(coarse)
    }
}

impl Fine {
    /// Appends 25 bytes.
    pub fn encode(&self, to: &mut impl Write) {
        to.put(&[self.first]);
        self.levels.iter().for_each(|level| to.put(&level.to_le_bytes()));
    }

    /// Reads what [`Fine::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated or names a level that there is not.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let first = from.u8()?;
        if usize::from(first) > LEVELS - FINE {
            return Err(DecodeError::Invalid("level"));
        }
        Ok(Self { first, levels: [from.u64()?, from.u64()?, from.u64()?] })
    }
}

/// The number of items that is most likely to flip `odd` bits of `bits` in each of some levels.
fn most_likely(odd: &[f64], first: usize, bits: f64) -> f64 {
    // The slope of the likelihood crosses zero at its maximum.
    let slope = |tried: usize| {
        let mut slope = 0.0;
        for (level, odd) in odd.iter().enumerate() {
            let at = (LEVELS * STEPS + tried).saturating_sub((first + level) * STEPS);
            // The last level takes what all further ones would, 4/3 as much, which is let pass.
            if let Some(point) = CURVE.get(at) {
                slope += (odd - bits * point.odd) * point.weight;
            }
        }
        slope
    };
    let (mut low, mut high) = (0, TRIED);
    while low + 1 < high {
        let middle = low.midpoint(high);
        match slope(middle) > 0.0 {
            true => low = middle,
            false => high = middle,
        }
    }
    CURVE.get(LEVELS * STEPS + low).map_or(0.0, |point| point.mean * 16.0 / 0.75)
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
            let (mut near, mut nearer) = (0, 0);
            for _ in 0..trials {
                let (mut strata, none) = (Strata::default(), Strata::default());
                (0..count).for_each(|_| strata.toggle(Place::of(ItemId(rng.bits()))));
                let about = strata.coarse().difference(&none.coarse());
                near += u32::from((0.33..3.0).contains(&(about / f64::from(count))));
                let about = strata.difference(&none.fine(about));
                nearer += u32::from((0.6..1.6).contains(&(about / f64::from(count))));
            }
            assert!(near * 4 >= trials * 3, "{count}: {near} of {trials}");
            assert!(nearer * 4 >= trials * 3 || count < 50, "{count}: {nearer} of {trials}");
        }
    }

    #[test]
    fn nothing_differs_from_itself() {
        let mut strata = Strata::default();
        (0..99).for_each(|item| strata.toggle(Place::of(ItemId(item))));
        assert!(strata.coarse().difference(&strata.coarse()) <= 1.0);
        assert!(strata.difference(&strata.fine(30.0)) <= 1.0);
        let all = Coarse([u16::MAX; LEVELS]);
        assert!(all.difference(&Coarse::default()) > 1e6, "absurd bits give a number all the same");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_give_a_number(first in 0_u8..32, bits: [u8; 64]) {
            let coarse = Coarse::decode(&mut Reader::new(&bits)).unwrap();
            let difference = coarse.difference(&Coarse::default());
            proptest::prop_assert!(difference.is_finite() && difference >= 0.0);
            let mut again = Vec::new();
            coarse.encode(&mut again);
            proptest::prop_assert_eq!(&again[..], &bits[..again.len()]);

            let bytes = [&[first][..], &bits].concat();
            let fine = Fine::decode(&mut Reader::new(&bytes));
            proptest::prop_assert_eq!(fine.is_ok(), usize::from(first) <= LEVELS - FINE);
            if let Ok(fine) = fine {
                let difference = Strata::default().difference(&fine);
                proptest::prop_assert!(difference.is_finite() && difference >= 0.0);
            }
        }
    }

    #[test]
    fn the_exponential_is_good_enough() {
        for x in [0.0_f64, 0.01, 0.5, 1.0, 3.0, 10.0, 2000.0] {
            assert!((exp_minus(x) - (-x).exp()).abs() < 1e-4, "{x}");
        }
    }
}
