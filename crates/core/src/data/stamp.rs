//! The total order of writes.

use crate::base::id::NodeId;
use std::fmt;

/// When and where an entry was written: a hybrid logical clock reading and the writer's id.
///
/// After Kulkarni et al. 2014, "Logical Physical Clocks": 48 bits of wall milliseconds and 16 bits
/// of counter in one integer, so that order by stamp respects causality and stays close to wall
/// time. The node id breaks ties: no two writes have equal stamps. In the roster the time is an
/// incarnation and a state rank instead (see [`crate::member::record`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Hybrid logical time: `milliseconds << 16 | counter`.
    pub time: u64,
    /// The writer.
    pub node: NodeId,
}

impl Stamp {
    /// Wall milliseconds since 1970 in the stamp.
    #[must_use]
    pub fn wall_ms(self) -> u64 {
        self.time >> 16
    }

    /// The stamp as bytes, for hashing.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.time) << 64) | u128::from(self.node.0)).to_be_bytes()
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}@{}", self.wall_ms(), self.time & 0xffff, self.node)
    }
}
