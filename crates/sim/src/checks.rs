//! How much of its own every node checks after each of its turns.

use rumormill_core::base::check::Depth;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Turns of a node from one look at everything to the next, if nothing else is said. Source: the
/// measurement in docs/simulator.md.
const EVERY: u64 = 1024;
/// Turns from one look at a part to the next.
const PART: u64 = 8;
/// There are no more of them than one for so many entries.
const SHARE: u64 = 32;

/// How much of its own every node checks after each of its turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Checks {
    /// Nothing.
    Off,
    /// What is seen at a glance; after every eighth turn also what is small, and one part of 256 of
    /// what is large.
    Cheap,
    /// The same, and everything now and then.
    Full {
        /// Turns of a node from one look at everything to the next, 1 or more.
        every: u64,
    },
}

impl Default for Checks {
    fn default() -> Self {
        Self::Full { every: EVERY }
    }
}

/// When a node is looked at, and how closely. What a look takes grows with what the node holds, so
/// there are fewer of them where that is much: a turn costs about the same everywhere.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    turn: u64,
    whole_at: u64,
    part_at: u64,
    /// The latest part that was looked at in turn.
    part: u8,
    /// Where something has changed since such a part was looked at.
    changed: Option<u8>,
    /// True if the next look is at that.
    follows: bool,
}

impl Looks {
    /// Something has changed in a part.
    pub(crate) fn change(&mut self, part: u8) {
        self.changed = Some(part);
    }

    /// How deep to look at a node of so many entries at the end of a turn. One look at a part in two
    /// is at that in which something has changed last.
    pub(crate) fn next(&mut self, checks: Checks, entries: u64) -> Option<Depth> {
        self.turn += 1;
        let every = match checks {
            Checks::Off => return None,
            Checks::Cheap => u64::MAX,
            Checks::Full { every } => every,
        };
        if self.turn >= self.whole_at && every < u64::MAX {
            self.whole_at = self.turn + every.max(entries).max(1);
            return Some(Depth::Whole);
        }
        if self.turn < self.part_at {
            return Some(Depth::Glance);
        }
        self.part_at = self.turn + PART.max(entries / SHARE);
        self.follows = !self.follows;
        let changed = if self.follows { self.changed.take() } else { None };
        Some(Depth::Part(changed.unwrap_or_else(|| {
            self.part = self.part.wrapping_add(1);
            self.part
        })))
    }
}

impl fmt::Display for Checks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Cheap => f.write_str("cheap"),
            Self::Full { every } => write!(f, "full:{every}"),
        }
    }
}

impl FromStr for Checks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let every = text.strip_prefix("full:").and_then(|every| every.parse::<u64>().ok());
        match (text, every) {
            ("off", _) => Ok(Self::Off),
            ("cheap", _) => Ok(Self::Cheap),
            ("full", _) => Ok(Self::default()),
            (_, Some(every)) if every > 0 => Ok(Self::Full { every }),
            _ => Err(format!("{text:?} is none of off, cheap, full, full:TURNS such as full:64")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_say_how_much_is_checked() {
        for checks in [Checks::Off, Checks::Cheap, Checks::Full { every: 9 }] {
            assert_eq!(checks.to_string().parse(), Ok(checks));
        }
        assert_eq!("full".parse(), Ok(Checks::default()));
        for bad in ["", "on", "full:", "full:0", "full:x"] {
            assert!(bad.parse::<Checks>().is_err(), "{bad}");
        }
    }

    #[test]
    fn everything_is_looked_at_now_and_then_and_less_often_where_there_is_much() {
        let count = |checks, entries, depth: fn(&Depth) -> bool| {
            let mut looks = Looks::default();
            (0..10_000).filter_map(|_| looks.next(checks, entries)).filter(depth).count()
        };
        let (whole, any) = (|depth: &Depth| depth.is_whole(), |_: &Depth| true);
        let part = |depth: &Depth| matches!(depth, Depth::Part(_));
        assert_eq!(count(Checks::Off, 0, any), 0);
        assert_eq!(count(Checks::Cheap, 100, any), 10_000);
        assert_eq!((count(Checks::Cheap, 100, whole), count(Checks::Cheap, 100, part)), (0, 1250));
        assert_eq!(count(Checks::Full { every: 10 }, 5, whole), 1000);
        assert_eq!(count(Checks::Full { every: 10 }, 5000, whole), 2);
        assert_eq!(count(Checks::Cheap, 32_000, part), 10);
    }

    #[test]
    fn what_has_changed_is_looked_at_and_all_the_rest_in_turn() {
        let mut looks = Looks::default();
        let mut part = |changed: Option<u8>| {
            changed.into_iter().for_each(|part| looks.change(part));
            let found = (0..9).find_map(|_| match looks.next(Checks::Cheap, 0) {
                Some(Depth::Part(part)) => Some(part),
                _ => None,
            });
            found.unwrap()
        };
        let parts = [Some(7), Some(8), None, Some(200), None].map(&mut part);
        assert_eq!(parts, [7, 1, 8, 2, 200]);
    }
}
