//! Zones: which members stand together, by the value of their tag `zone`.

use crate::base::hash;

/// A zone, as nodes number it for each other: two with one number count as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Zone(pub u32);

impl Zone {
    /// The zone of members without the tag.
    pub const NONE: Self = Self(0);

    /// The zone with this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        match name {
            "" => Self::NONE,
            name => Self((hash::of_name(name) as u32).max(1)),
        }
    }

    /// The next number.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// How far it is from another one on the circle of numbers.
    #[must_use]
    pub fn from(self, start: Self) -> u32 {
        self.0.wrapping_sub(start.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nodes of all versions must agree.
    #[test]
    fn golden_numbers() {
        assert_eq!(Zone::of(""), Zone(0));
        assert_eq!((Zone::of("eu"), Zone::of("us")), (Zone(433_282_751), Zone(2_353_179_894)));
    }
}
