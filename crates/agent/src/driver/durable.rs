//! What the store says, and what follows from it.

use super::stall::{BACKLOG, STUCK, Stall};
use super::state::Driver;
use super::turn::send;
use crate::report::SLOW;
use crate::store::{Change, Keys, Place, StoreEvent};
use rumormill_core::Node;
use rumormill_core::data::{Entry, Map, Space};
use std::ops::ControlFlow;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

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
                match needs_rewrite {
                    true => self.rewrite(),
                    false => self.turn.ledger.recovered(),
                }
            }
        }
        self.tell_store();
    }

    /// Tells readers how the store is.
    pub(super) fn tell_store(&self) {
        let state = match self.refuses_writes() {
            Some(why) => why,
            None if self.turn.stall.is_slow() => SLOW.into(),
            None => "ok".into(),
        };
        *self.snapshot.store.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    /// Why the store takes no writes, if it takes none.
    pub(super) fn refuses_writes(&self) -> Option<String> {
        let stuck = || self.turn.stall.is_stuck().then(|| STUCK.into());
        self.turn.store_failure.clone().or_else(stuck)
    }

    fn settle(&mut self, upto: u64, failure: Option<&str>) {
        let Self { turn, udp, streams, door, counters, .. } = self;
        let mut large = Vec::new();
        let send = |packet| large.extend(send(packet, udp, streams, door, counters));
        let dropped = turn.ledger.settle(upto, failure, send);
        (0..dropped).for_each(|_| counters.shed());
        self.too_large(large);
    }

    /// Hands everything in memory to the store again, and has it remove what is not there.
    fn rewrite(&mut self) {
        let Self { node, turn, durable, .. } = self;
        let Some(durable) = durable else { return };
        everything(node, |batch| durable.writer.submit(turn.ledger.submit(), batch));
        // Last: it speaks of entries that have to be there by then.
        let mut last = vec![Change::Retain(Place::Strays, Arc::new(keys_of(&[node.strays()])))];
        last.extend(turn.kept.iter().map(|bytes| Change::Keep(Arc::clone(bytes))));
        durable.writer.submit_synced(turn.ledger.submit_again(), last);
    }
}

impl Driver {
    /// True if so much waits for the disk that nothing more is taken in.
    pub(super) fn is_behind(&self) -> bool {
        self.durable.as_ref().is_some_and(|durable| durable.writer.pending().bytes >= BACKLOG)
    }

    pub(super) fn look_at_disk(&mut self) {
        let Some(durable) = &self.durable else { return };
        let stall = Stall::after(durable.writer.busy_for());
        let behind = self.is_behind();
        self.node.set_behind(behind);
        if stall != self.turn.stall {
            self.turn.stall = stall;
            self.tell_store();
        }
        if stall.is_stuck() {
            self.turn.ledger.give_up_replies(STUCK);
        }
    }

    /// When the disk is to be looked at again.
    pub(super) fn stall_deadline(&self) -> Option<Instant> {
        let durable = self.durable.as_ref()?;
        let wait = self.turn.stall.look_in(durable.writer.busy_for())?;
        Some(Instant::now() + wait)
    }
}

fn keys_of(maps: &[&Map]) -> Keys {
    let mut keys = Keys::default();
    for map in maps {
        map.walk_from(0, &mut |_, entry| {
            keys.add(entry.key());
            ControlFlow::Continue(())
        });
    }
    keys
}

/// All that a node holds, in batches for the store, and what of the data is to go. What is kept
/// aside comes first: some of it has left the data meanwhile. What is not kept aside any more is to
/// go last, for the same reason.
fn everything(node: &Node, mut each: impl FnMut(Vec<Change>)) {
    pages(node.strays(), Change::Stray, &mut each);
    let maps = [node.data(), node.certificates()];
    each(vec![Change::Retain(Place::Map(Space::Data), Arc::new(keys_of(&maps)))]);
    let members = node.members().map(|member| Arc::clone(member.entry));
    let roster = members.chain(node.notes()).chain(node.horizon_entry());
    each(roster.map(|entry| Change::Put(Space::Roster, entry)).collect());
    for map in maps {
        pages(map, |entry| Change::Put(Space::Data, entry), &mut each);
    }
}

fn pages(map: &Map, change: fn(Arc<Entry>) -> Change, each: &mut impl FnMut(Vec<Change>)) {
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let (page, next) = map.page(from, 4 << 20, 10_000);
        each(page.into_iter().map(change).collect());
        cursor = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::data::{Expiry, Op, Stamp};
    use rumormill_core::{Config, Identity, Instant, NodeId, Now};
    use std::net::SocketAddr;

    #[test]
    fn everything_is_both_maps_and_what_is_kept_aside() {
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
        for key in 0..3_u32 {
            let stamp = Stamp { time: 1, node: NodeId(2) };
            node.restore_stray(Arc::new(Entry::new(&key.to_be_bytes(), b"v", stamp, None)));
        }
        let (mut data, mut roster, mut strays) = (0, 0, 0);
        let mut retained = None;
        everything(&node, |batch| {
            for change in &batch {
                match change {
                    Change::Put(Space::Data, _) => data += 1,
                    Change::Put(Space::Roster, _) => roster += 1,
                    Change::Stray(_) => strays += 1,
                    Change::Retain(place, _) => retained = Some((*place, strays, data)),
                    other => panic!("{other:?}"),
                }
            }
        });
        assert_eq!((data, roster, strays), (25_000, 1, 3));
        // What left the data to be kept aside is there before it goes.
        assert_eq!(retained, Some((Place::Map(Space::Data), 3, 0)));
    }
}
