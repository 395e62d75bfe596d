//! The one replicated primitive and the map of it.
//!
//! An [`Entry`] with the bigger [`Stamp`] wins and nothing else merges, so replicas form a
//! join-semilattice: every way of spreading or repairing only has to move entries.

pub mod account;
pub mod block;
pub mod clock;
pub mod digest;
pub mod ended;
pub mod entry;
pub mod fields;
pub mod map;
pub mod op;
pub mod pool;
pub mod recent;
pub mod replica;
pub mod sketch;
pub mod stamp;

pub use account::Sums;
pub use clock::{Ahead, Clock};
pub use digest::{Digest, Range};
pub use ended::Ended;
pub use entry::{Entry, Kind};
pub use fields::Fields;
pub use map::{Map, Merged, Verified, is_mortal};
pub use op::{Expiry, Op, Outcome, Refused};
pub use pool::Pool;
pub use recent::Cut;
pub use replica::Replica;
pub use stamp::Stamp;

use crate::base::codec::Coded;

/// What became of an entry that a peer sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Taken in.
    New,
    /// Just this write is held already.
    Known,
    /// A bigger write is held, or the entry was refused.
    Useless,
    /// Too old to be kept here, but others may have a use for it.
    Old,
}

/// Which of a node's two replicated maps an entry belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Space {
    /// Users' keys and values.
    Data,
    /// The members of the cluster: spread and repaired by the same machinery.
    Roster,
}

impl Space {
    /// Both spaces, in wire order.
    pub const ALL: [Self; 2] = [Self::Data, Self::Roster];

    /// The space's number on the wire.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Roster => 1,
        }
    }
}

impl Coded for Space {
    const NAME: &'static str = "space";
    const VALUES: &'static [Self] = &Self::ALL;

    fn to_code(self) -> u8 {
        self.code()
    }
}
