//! How deep a machine looks into itself when it is checked.

/// How deep to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At what is seen at a glance: cheap enough for every turn.
    Glance,
    /// At all that is small as well, and at one of 256 parts of what is large: whoever counts up
    /// sees everything in 256 turns.
    Part(u8),
    /// At everything.
    Whole,
}

impl Depth {
    /// True if a glance is all.
    #[must_use]
    pub fn is_glance(self) -> bool {
        self == Self::Glance
    }

    /// True if everything is looked at.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self == Self::Whole
    }

    /// The parts to look at.
    pub fn parts(self) -> impl Iterator<Item = u8> {
        let (first, count) = match self {
            Self::Glance => (0, 0),
            Self::Part(part) => (part, 1),
            Self::Whole => (0, 256),
        };
        (first..=u8::MAX).take(count)
    }

    /// True if one of several things is to be looked at.
    #[must_use]
    pub fn picks(self, place: usize, of: usize) -> bool {
        match self {
            Self::Glance => false,
            Self::Part(part) => usize::from(part) % of.max(1) == place,
            Self::Whole => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Depth;

    #[test]
    fn whoever_counts_up_sees_everything() {
        for of in [1, 2, 7, 256] {
            let seen = |place| (0..=u8::MAX).any(|part| Depth::Part(part).picks(place, of));
            assert!((0..of).all(seen));
        }
        assert_eq!(Depth::Part(9).parts().collect::<Vec<u8>>(), [9]);
        assert!(!Depth::Glance.picks(0, 1) && Depth::Glance.parts().count() == 0);
        assert!(Depth::Whole.picks(5, 7) && Depth::Whole.parts().count() == 256);
    }
}
