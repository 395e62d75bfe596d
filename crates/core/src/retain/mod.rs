//! What may go and what cannot be news: how tombstones and expired entries leave the replica, and
//! what is kept out of it because it was superseded by something that has left.
//!
//! [`Standing`] is what a node knows of passes of ring repair, and what follows from them;
//! [`Certificates`] are tombstones that go by their age instead. Neither knows how a pass is made:
//! that is the business of `spread/ring/`, which stands on this. docs/repair.md has the argument.

pub mod certificates;
pub mod chain;
pub mod confirmed;
pub mod fate;
pub mod history;
pub mod horizon;
pub mod pass;
pub mod policy;
pub mod standing;
pub mod story;
pub mod strays;

pub use certificates::{ByAge, Certificates};
pub use chain::{Census, Lack, admit};
pub use confirmed::Confirmed;
pub use history::{Gap, History};
pub use horizon::Horizon;
pub use pass::{Grounds, MAX_ORDER, Pass};
pub use policy::{Policy, Tombstones};
pub use standing::{Pending, Sieved, Spoken, Standing, kept_link};
pub use story::{End, Stories, Story};
pub use strays::{StrayLimits, Strays};

use crate::data::Replica;
use crate::member::Env;
use crate::output::Output;

/// The replica and what is around it, for the length of one call.
pub struct Holding<'a> {
    /// What every machine works with.
    pub env: Env<'a>,
    /// The wall clock, milliseconds since 1970.
    pub wall_ms: u64,
    /// What the node holds.
    pub replica: &'a mut Replica,
    /// What it keeps aside.
    pub strays: &'a mut Strays,
    /// What became of entries.
    pub stories: &'a mut Stories,
    /// What the world is told.
    pub out: &'a mut Vec<Output>,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::codec::Reader;
    use crate::base::hash::Keyed;
    use crate::base::id::NodeId;
    use crate::base::rng::Rng;
    use crate::base::time::{Instant, Now};
    use crate::data::{Clock, Entry, Map, Stamp};
    use crate::limits::Limits;
    use crate::member::record::tests::record;
    use crate::member::{State, Table};
    use crate::stats::Stats;
    use crate::wire::Outbox;
    use crate::wire::packet::{HEADER, Header, next_message};
    use std::sync::Arc;
    use std::time::Duration;

    pub(crate) const NOW: Now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
    pub(crate) const H: u64 = 1_700_000_000_000 << 16;

    /// What a machine of node `own` works on, among the nodes 1 to `of`.
    pub(crate) struct Ground {
        pub(crate) now: Now,
        pub(crate) table: Table,
        pub(crate) stats: Stats,
        pub(crate) replica: Replica,
        pub(crate) strays: Strays,
        pub(crate) stories: Stories,
        pub(crate) out: Vec<Output>,
        pub(crate) outbox: Outbox,
        rng: Rng,
        limits: Limits,
    }

    impl Ground {
        pub(crate) fn new(own: u64, of: u64) -> Self {
            let mut table = Table::new(NodeId(own));
            for id in 1..=of {
                let record = record(id, 1, State::Alive);
                table.update(&record, &Arc::new(record.to_entry()), Instant(0));
            }
            let keyed = Keyed::for_cluster("test");
            let clock = Clock::new(NodeId(own), Duration::from_secs(60));
            Self {
                now: NOW,
                table,
                stats: Stats::default(),
                replica: Replica::new(Map::new(keyed), Map::new(keyed), clock),
                strays: Strays::new(keyed, StrayLimits { entries: 3, bytes: 1000 }),
                stories: Stories::default(),
                out: Vec::new(),
                outbox: Outbox::default(),
                rng: Rng::new(own),
                limits: Limits::default(),
            }
        }

        pub(crate) fn holding(&mut self) -> Holding<'_> {
            Holding {
                env: Env {
                    now: self.now.mono,
                    table: &self.table,
                    rng: &mut self.rng,
                    limits: &self.limits,
                    outbox: &mut self.outbox,
                    stats: &mut self.stats,
                },
                wall_ms: self.now.wall_ms,
                replica: &mut self.replica,
                strays: &mut self.strays,
                stories: &mut self.stories,
                out: &mut self.out,
            }
        }

        /// To whom what was sent since the last time, by kinds.
        pub(crate) fn sent(&mut self) -> Vec<(u64, u8)> {
            let (mut out, header) = (Vec::new(), Header { tag: 0, sender: self.table.own() });
            let outbox = &mut self.outbox;
            outbox.flush(header, &self.limits, |_| true, |_| false, &mut self.stats, &mut out);
            let mut sent = Vec::new();
            for output in out {
                let Output::Send(packet) = output else { continue };
                let to = self.table.peers().find(|peer| peer.gossip == packet.to).unwrap();
                let mut reader = Reader::new(&packet.bytes[HEADER..]);
                while !reader.is_empty() {
                    sent.push((to.id.0, next_message(&mut reader).unwrap().0));
                }
                sent.retain(|(_, kind)| *kind != crate::wire::kind::COOKIE);
            }
            sent
        }

        pub(crate) fn put(&mut self, entry: &Arc<Entry>) {
            let _ = self.replica.data.apply(Arc::clone(entry));
        }
    }

    /// Fails unless a check panics and says so.
    pub(crate) fn assert_found(what: &str, check: impl FnOnce()) {
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(check)).unwrap_err();
        let said = found.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| found.downcast_ref::<&str>().copied()).unwrap_or_default();
        assert!(said.contains(what), "planted: {what}; found: {said}");
    }

    pub(crate) fn policy(tombstones: Tombstones) -> Policy {
        let days = |days: u64| Duration::from_secs(days * 24 * 60 * 60);
        let (keep_for, keep_dormant) = (days(3), days(30));
        let doubted_after = Duration::from_secs(60 * 60);
        Policy { tombstones, fence: true, keep_for, retention: 4, keep_dormant, doubted_after }
    }

    pub(crate) fn pass(id: u64, horizon: u64, order: &[u64]) -> Pass {
        let order = order.iter().map(|id| NodeId(*id)).collect();
        let (by, started_ms) = (NodeId(1), NOW.wall_ms);
        let (after, grounds, voteless) = (None, Grounds::default(), [].into());
        Pass { id, horizon, after, grounds, started_ms, by, order, voteless }
    }

    pub(crate) fn entry(key: &str, time: u64, node: u64, value: Option<&str>) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(node) };
        Arc::new(match value {
            Some(value) => Entry::new(key.as_bytes(), value.as_bytes(), stamp, None),
            None => Entry::tombstone(key.as_bytes(), stamp),
        })
    }
}
