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

impl Checks {
    /// How deep to look after a turn. One look at a part in two is at that in which something has
    /// changed last.
    pub(crate) fn depth(self, turn: u64, changed: u8) -> Option<Depth> {
        match self {
            Self::Off => None,
            Self::Full { every } if turn.is_multiple_of(every.max(1)) => Some(Depth::Whole),
            _ if turn.is_multiple_of(2 * PART) => Some(Depth::Part((turn / (2 * PART)) as u8)),
            _ if turn.is_multiple_of(PART) => Some(Depth::Part(changed)),
            Self::Cheap | Self::Full { .. } => Some(Depth::Glance),
        }
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
    fn everything_is_looked_at_now_and_then() {
        let whole = |checks: Checks, turns: u64| {
            (1..=turns).filter(|turn| checks.depth(*turn, 0) == Some(Depth::Whole)).count()
        };
        assert_eq!(whole(Checks::Off, 1000), 0);
        assert_eq!(whole(Checks::Cheap, 1000), 0);
        assert_eq!(whole(Checks::Full { every: 10 }, 1000), 100);
        assert_eq!(Checks::Off.depth(1, 7), None);
        assert_eq!(Checks::Cheap.depth(300, 7), Some(Depth::Glance));
        assert_eq!(Checks::Cheap.depth(8 * 301, 7), Some(Depth::Part(7)));
        assert_eq!(Checks::Cheap.depth(8 * 600, 7), Some(Depth::Part(44)));
    }
}
