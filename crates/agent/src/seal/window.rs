//! Which numbers of a sender have been seen: the last few thousand, in one bit each.

/// Numbers that are kept apart; older ones count as seen. A datagram that so many later ones of the
/// same sender overtake is lost to repair.
pub(crate) const WINDOW: u128 = 2048;
const WORDS: usize = (WINDOW / 64) as usize;

/// The window of one sender.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    newest: u128,
    /// The bit of a number is that of its remainder by [`WINDOW`].
    seen: [u64; WORDS],
}

impl Window {
    /// A window that has seen one number.
    pub(crate) fn new(first: u128) -> Self {
        let mut window = Self { newest: first, seen: [0; WORDS] };
        window.set(first, true);
        window
    }

    /// True if the number was seen or is too old to tell.
    pub(crate) fn has_seen(&self, number: u128) -> bool {
        if number > self.newest {
            return false;
        }
        self.newest - number >= WINDOW || self.bit(number)
    }

    /// Marks a number as seen.
    pub(crate) fn see(&mut self, number: u128) {
        if number > self.newest {
            if number - self.newest >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                (self.newest + 1..=number).for_each(|passed| self.set(passed, false));
            }
            self.newest = number;
        }
        if self.newest - number < WINDOW {
            self.set(number, true);
        }
    }

    fn bit(&self, number: u128) -> bool {
        let (word, bit) = place(number);
        self.seen.get(word).is_some_and(|word| word & bit != 0)
    }

    fn set(&mut self, number: u128, on: bool) {
        let (word, bit) = place(number);
        if let Some(word) = self.seen.get_mut(word) {
            *word = if on { *word | bit } else { *word & !bit };
        }
    }
}

fn place(number: u128) -> (usize, u64) {
    let at = (number % WINDOW) as usize;
    (at / 64, 1 << (at % 64))
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
