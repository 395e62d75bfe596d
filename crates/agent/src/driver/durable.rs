//! What the store says, and what follows from it.

use super::state::Driver;
use super::turn::send;
use crate::store::{Change, Keys, StoreEvent};
use rumormill_core::Node;
use rumormill_core::data::Space;
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};

impl Driver {
    pub(super) fn store_event(&mut self, event: StoreEvent) {
        match event {
            StoreEvent::Done { upto } => self.settle(upto, None),
            StoreEvent::Failed { upto, error } => {
                tracing::error!(%error, "the store takes no writes; reads and gossip go on");
                self.settle(upto, Some(&error));
                self.turn.store_failure = Some(error);
            }
            StoreEvent::Recovered { needs_rewrite } => {
                tracing::info!("the store takes writes again");
                self.turn.store_failure = None;
                if needs_rewrite {
                    self.rewrite();
                }
            }
        }
        let state = match &self.turn.store_failure {
            Some(failure) => failure.clone(),
            None => "ok".into(),
        };
        *self.snapshot.store.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn settle(&mut self, upto: u64, failure: Option<&str>) {
        let Self { turn, udp, streams, door, counters, .. } = self;
        turn.ledger.settle(upto, failure, |packet| send(packet, udp, streams, door, counters));
    }

    /// Hands everything in memory to the store again, and has it remove what is not there.
    fn rewrite(&mut self) {
        let Self { node, turn, durable, .. } = self;
        let Some(durable) = durable else { return };
        everything(node, |batch| durable.writer.submit(turn.ledger.submit(), batch));
        // Last: it speaks of entries that have to be there by then.
        let kept = turn.kept.iter().map(|bytes| Change::Keep(Arc::clone(bytes))).collect();
        durable.writer.submit(turn.ledger.submit(), kept);
    }
}

/// All that a node holds, in batches for the store, of which the first removes what it does not.
fn everything(node: &Node, mut each: impl FnMut(Vec<Change>)) {
    let mut keys = Keys::default();
    let maps = [node.data(), node.certificates()];
    for map in maps {
        map.walk_from(0, &mut |_, entry| {
            keys.add(entry.key());
            ControlFlow::Continue(())
        });
    }
    each(vec![Change::Retain(Arc::new(keys))]);
    let members = node.members().map(|member| Arc::clone(member.entry));
    let roster = members.chain(node.notes()).chain(node.horizon_entry());
    each(roster.map(|entry| Change::Put(Space::Roster, entry)).collect());
    for map in maps {
        let mut cursor = Some(0);
        while let Some(from) = cursor {
            let (page, next) = map.page(from, 4 << 20, 10_000);
            each(page.into_iter().map(|entry| Change::Put(Space::Data, entry)).collect());
            cursor = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::data::{Expiry, Op};
    use rumormill_core::{Config, Identity, Instant, NodeId, Now};
    use std::net::SocketAddr;

    #[test]
    fn everything_is_both_maps() {
        let now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
        let gossip = SocketAddr::from(([127, 0, 0, 1], 1));
        let id = NodeId(1);
        let identity = Identity::new(id, "n", gossip);
        let mut node = Node::new(Config::default(), identity, 1, now);
        for key in 0..25_000_u32 {
            let (key, value) = (key.to_be_bytes().into(), b"v".as_slice().into());
            let op = Op::Put { key, value, expiry: Expiry::Never };
            node.write(op, now, &mut Vec::new()).unwrap();
        }
        let (mut data, mut roster) = (0, 0);
        let (mut retained, mut first) = (0, true);
        everything(&node, |batch| {
            for change in &batch {
                match change {
                    Change::Put(Space::Data, _) => data += 1,
                    Change::Put(Space::Roster, _) => roster += 1,
                    _ => retained += u32::from(first),
                }
            }
            first = false;
        });
        assert_eq!((data, roster, retained), (25_000, 1, 1));
    }
}
