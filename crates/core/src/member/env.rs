//! What a machine of the protocol works with for the length of one call.

use crate::base::rng::Rng;
use crate::base::time::{Instant, Now};
use crate::data::Replica;
use crate::limits::Limits;
use crate::member::Table;
use crate::output::Output;
use crate::stats::Stats;
use crate::wire::Outbox;

/// Time, members, randomness, bounds, and where messages and counts go.
pub struct Env<'a> {
    /// The time.
    pub now: Instant,
    /// The members.
    pub table: &'a Table,
    /// Randomness.
    pub rng: &'a mut Rng,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where messages go.
    pub outbox: &'a mut Outbox,
    /// Counters.
    pub stats: &'a mut Stats,
}

impl Env<'_> {
    /// Bytes of a block of entries that fit a datagram with the envelope of any message.
    #[must_use]
    pub fn room(&self) -> usize {
        // Kind and length, space, token, range: at most 1 + 3 + 1 + 10 + 16; and a zone.
        let zone = if self.table.is_zoned() { 4 } else { 0 };
        let proofs = self.outbox.proofs().room();
        self.limits.datagram.saturating_sub(crate::wire::packet::HEADER + 32 + zone + proofs)
    }
}

/// What the watch over the members works with for the length of one call: it alone changes what is
/// known of them.
pub struct Registry<'a> {
    /// The time.
    pub now: Now,
    /// The members.
    pub table: &'a mut Table,
    /// Their entries.
    pub replica: &'a mut Replica,
    /// Randomness.
    pub rng: &'a mut Rng,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where messages go.
    pub outbox: &'a mut Outbox,
    /// Counters.
    pub stats: &'a mut Stats,
    /// What the world is told.
    pub out: &'a mut Vec<Output>,
}

impl Registry<'_> {
    /// The same, for a machine that changes nothing of what is known.
    pub fn env(&mut self) -> Env<'_> {
        Env {
            now: self.now.mono,
            table: self.table,
            rng: self.rng,
            limits: self.limits,
            outbox: self.outbox,
            stats: self.stats,
        }
    }
}
