//! What a node tells of clocks that are off.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A member whose clock, or whose stamps, are off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOff {
    /// Its name, or its id where that is not known.
    pub member: String,
    /// By how many milliseconds it is ahead; behind, if negative. What is said once stays until it
    /// is off by a tenth more or less.
    pub ahead_ms: i64,
}

/// What is wrong with clocks, as a node sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// By how many milliseconds this node's clock is ahead of the median of those that it hears, or
    /// behind, if negative; zero up to a second.
    pub own_ahead_ms: i64,
    /// True if it is so far off that this node takes no writes.
    pub refuses: bool,
    /// True if there is only one other clock, so that nobody can say which of the two is wrong.
    pub of_two: bool,
    /// Members whose clocks are off.
    pub off: Vec<ClockOff>,
    /// Writers whose stamps were so far ahead in the last minute that no clock followed them.
    pub stamps: Vec<ClockOff>,
}

fn apart(ms: i64) -> String {
    let seconds = Duration::from_secs(ms.unsigned_abs().div_ceil(500) / 2);
    humantime::format_duration(seconds).to_string()
}

fn off(ms: i64) -> String {
    format!("{} {}", apart(ms), if ms > 0 { "ahead" } else { "behind" })
}

impl Clocks {
    /// The same, but for what has hardly changed.
    #[must_use]
    pub(crate) fn steadied(mut self, before: &Self) -> Self {
        let near =
            |now: i64, before: i64| now.abs_diff(before) <= (before.unsigned_abs() / 10).max(1000);
        let keep = |now: &mut i64, before: i64| {
            if *now != 0 && before != 0 && near(*now, before) {
                *now = before;
            }
        };
        keep(&mut self.own_ahead_ms, before.own_ahead_ms);
        for (now, before) in [(&mut self.off, &before.off), (&mut self.stamps, &before.stamps)] {
            for told in now {
                let held = before.iter().find(|held| held.member == told.member);
                held.iter().for_each(|held| keep(&mut told.ahead_ms, held.ahead_ms));
            }
        }
        self
    }

    /// In words, for people.
    pub(crate) fn warnings(&self) -> impl Iterator<Item = String> {
        let own = (self.own_ahead_ms != 0).then(|| {
            let off = off(self.own_ahead_ms);
            match self.refuses {
                true => format!(
                    "this node's clock is {off} of those of the others, by the median of those that it \
                     hears: it takes no writes; set it"
                ),
                false => format!(
                    "this node's clock is {off} of those of the others, by the median of those that it \
                     hears: set it; while it stays so it stamps what it writes by theirs, and from \
                     limits.max_clock_skew on it takes no writes"
                ),
            }
        });
        let others = self.off.iter().map(|told| match self.of_two {
            true => format!(
                "the clocks of this node and of {} are {} apart, and there is no third to say which \
                 is wrong: set that; from limits.max_clock_skew on what the one writes is refused by \
                 the other",
                told.member,
                apart(told.ahead_ms)
            ),
            false => format!(
                "the clock of {} is {} of those of the others: set it",
                told.member,
                off(told.ahead_ms)
            ),
        });
        let stamps = self.stamps.iter().map(|told| {
            format!(
                "{} stamps its writes {}: no clock follows them, and what it has written cannot be \
                 overwritten until they are less than half of limits.max_clock_skew ahead; set its \
                 clock, or stop it",
                told.member,
                off(told.ahead_ms)
            )
        });
        own.into_iter().chain(others).chain(stamps).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(member: &str, ahead_ms: i64) -> ClockOff {
        ClockOff { member: member.into(), ahead_ms }
    }

    #[test]
    fn who_is_off_is_named_with_what_to_do() {
        assert_eq!(Clocks::default().warnings().count(), 0);
        let wrong = Clocks { own_ahead_ms: 7_200_100, refuses: true, ..Clocks::default() };
        let warnings: Vec<String> = wrong.warnings().collect();
        assert!(warnings.len() == 1 && warnings[0].contains("is 2h ahead of those of the others"));
        assert!(warnings[0].contains("takes no writes"));
        let of_two = Clocks { of_two: true, off: vec![told("b", -90_000)], ..Clocks::default() };
        let warnings: Vec<String> = of_two.warnings().collect();
        assert!(warnings[0].contains("of this node and of b are 1m 30s apart"), "{warnings:?}");
        let stamps = Clocks { stamps: vec![told("c", 59_000)], ..Clocks::default() };
        let warnings: Vec<String> = stamps.warnings().collect();
        assert!(warnings[0].starts_with("c stamps its writes 59s ahead"), "{warnings:?}");
    }

    #[test]
    fn what_hardly_changes_is_no_news() {
        let at = |own_ahead_ms, other| Clocks {
            own_ahead_ms,
            off: vec![told("b", other)],
            ..Clocks::default()
        };
        let before = at(5_000, -100_000);
        assert_eq!(at(5_900, -109_000).steadied(&before), before);
        assert_eq!(at(6_100, -111_000).steadied(&before), at(6_100, -111_000));
        assert_eq!(at(0, -100_000).steadied(&before), at(0, -100_000), "it is right now");
        let gone = Clocks::default();
        assert_eq!(gone.clone().steadied(&before), gone);
    }
}
