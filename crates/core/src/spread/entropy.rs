//! Anti-entropy: every interval, compare with one random member and exchange what differs.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which way entries move in an exchange, seen from the node that begins it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the other: one message.
    Push,
    /// From the other: two messages.
    Pull,
    /// Both ways: three messages.
    PushPull,
}

/// How an exchange finds out what differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compare {
    /// It does not: everything is shipped.
    Full,
    /// A checksum of everything first, then of ranges, then of items.
    Checksum,
}

/// Settings of anti-entropy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one random member is compared with while there is something new or different;
    /// "0s" switches anti-entropy off. About 50 bytes each way where nothing differs. Source: the
    /// simulation in docs/spread.md.
    #[serde(with = "text")]
    pub interval: Duration,
    /// The interval of a cluster in which nothing changes, reached by doubling (guess).
    #[serde(with = "text")]
    pub idle_interval: Duration,
    /// Which way entries move.
    pub direction: Direction,
    /// How differences are found.
    pub compare: Compare,
    /// Bytes of entries in one piece of a bulk transfer: the memory that a transfer takes at
    /// either end (guess: large against a round trip's worth on a LAN, small against the heap).
    pub piece_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(200),
            idle_interval: Duration::from_secs(2),
            direction: Direction::PushPull,
            compare: Compare::Checksum,
            piece_bytes: 256 * 1024,
        }
    }
}
