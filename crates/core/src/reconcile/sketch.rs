//! Comparison by set sketches: bytes and work follow the difference, not the replica.
//!
//! The end that begins sends an [`Opening`]: count, sum and exclusive or of its items, 23 bytes.
//! Equal: done. One item differs: the other end knows which. Else that one answers with the first
//! few cells of its table and an estimator ([`Reply`]), and the end that began keeps a [`Session`]:
//! it subtracts its own cells, peels, and asks for more cells ([`Ask`], [`Batch`]) until nothing is
//! left over. Who has reason to expect a difference sends its first cells with the opening, and
//! the other end may know at once.
//!
//! The end that answers keeps nothing: an ask names the version that the first cells were taken
//! at, and the map's sketches can go back to it ([`crate::data::sketch::Sketches::view`]). So the
//! cells of a session are those of one set, however many writes come between. The end that asks
//! may subtract its own cells of whatever moment: any two sets have a difference.
//!
//! Nothing is believed because it was found: a difference counts only if it explains every cell,
//! and when its entries have moved, the digests are compared again. What sketches cannot tell (two
//! writes of one name, a peer that lies, too many differences) is left to comparison by ranges.

pub mod comparisons;
pub mod exchange;
pub mod message;
pub mod peel;
pub mod session;
#[cfg(test)]
mod tests;

pub use comparisons::{Cells, Comparisons};
pub use exchange::{Answered, Exchange, Stand};
pub use message::{Ask, Batch, Greeting, Head, Headed, Opening, Reply, Wants};
pub use session::{Answer, Limits, Session, Step, Unknown, answer, open, serve};

use crate::data::sketch::ItemId;

/// What two replicas do not both hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Items that only this end holds.
    pub mine: Vec<ItemId>,
    /// Items that only the other end holds.
    pub theirs: Vec<ItemId>,
}

impl Difference {
    /// Sorts items out by asking whether this end holds them.
    #[must_use]
    pub fn of(items: Vec<ItemId>, find: &impl Fn(ItemId) -> Option<u128>) -> Self {
        let (mine, theirs) = items.into_iter().partition(|item| find(*item).is_some());
        Self { mine, theirs }
    }

    /// How many items differ.
    #[must_use]
    pub fn len(&self) -> usize {
        self.mine.len() + self.theirs.len()
    }

    /// True if none does.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
