//! Which numbers of a sender have been seen: the last two thousand, in one bit each.
//!
//! As in RFC 6479: the bits lie in a ring of words, and whole words are cleared on the way forward.

/// Words of the ring, a power of two.
const WORDS: usize = 32;
const BITS: u128 = u64::BITS as u128;
/// Numbers that are kept apart; older ones count as seen. A datagram that so many later ones of the
/// same sender overtake is lost to repair. One word less than there are, since the newest is begun.
pub(crate) const WINDOW: u128 = (WORDS as u128 - 1) * BITS;

/// The window of one sender.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    newest: u128,
    seen: [u64; WORDS],
}

impl Window {
    /// A window that has seen one number.
    pub(crate) fn new(first: u128) -> Self {
        let mut window = Self { newest: first, seen: [0; WORDS] };
        window.see(first);
        window
    }

    /// True if the number was seen or is too old to tell.
    pub(crate) fn has_seen(&self, number: u128) -> bool {
        if number > self.newest {
            return false;
        }
        let word = self.seen.get(place(number));
        self.newest - number >= WINDOW || word.is_some_and(|word| word & bit(number) != 0)
    }

    /// Marks a number as seen.
    pub(crate) fn see(&mut self, number: u128) {
        if number > self.newest {
            let passed = number / BITS - self.newest / BITS;
            for step in 1..=passed.min(WORDS as u128) {
                if let Some(word) = self.seen.get_mut(place(self.newest + step * BITS)) {
                    *word = 0;
                }
            }
            self.newest = number;
        }
        if self.newest - number < WINDOW
            && let Some(word) = self.seen.get_mut(place(number))
        {
            *word |= bit(number);
        }
    }
}

/// The word of a number.
fn place(number: u128) -> usize {
    (number / BITS) as usize % WORDS
}

fn bit(number: u128) -> u64 {
    1 << (number % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn it_does_what_a_set_would_do(
            start in 0_u128..1 << 95,
            steps in prop::collection::vec((-3000_i64..3000, 0_u8..4), 1..300),
        ) {
            let start = start + 10_000_000;
            let mut window = Window::new(start);
            let (mut set, mut newest) = (BTreeSet::from([start]), start);
            for (step, near) in steps {
                let step = if near > 0 { step / 100 } else { step };
                let number = newest.saturating_add_signed(step.into());
                let seen = set.contains(&number) || newest.saturating_sub(number) >= WINDOW;
                prop_assert_eq!(window.has_seen(number), seen);
                if !seen {
                    window.see(number);
                    set.insert(number);
                    newest = newest.max(number);
                    prop_assert!(window.has_seen(number));
                }
            }
        }
    }
}
