//! The end of a turn: what the node asks for is shown, made durable and sent.

use super::ledger::Ledger;
use super::state::Driver;
use crate::net::Counters;
use crate::net::stream::Streams;
use crate::net::udp::Udp;
use crate::seal::Door;
use crate::store::{Change, Writer};
use rumormill_core::Output;
use rumormill_core::data::Space;
use rumormill_core::output::{Applied, Removed, Send, Via};
use std::sync::Arc;

impl Driver {
    /// Closes a turn of the node and carries out what it asks for.
    pub(super) fn finish_turn(&mut self) {
        let now = self.now();
        self.look_at_disk();
        self.turn.waits.look(&mut self.node, now);
        self.node.flush(now, &mut self.turn.out);
        self.learn_notes();
        let mut batch = Vec::new();
        let mut packets = Vec::new();
        // What follows in the turn waits for the disk, whatever it is.
        let mut barred = false;
        for output in self.turn.out.drain(..) {
            match output {
                Output::Send(packet) => packets.push((packet, barred)),
                Output::Covered(covered) => self.turn.waits.covered(covered),
                Output::Applied(Applied { space, entry, .. }) => {
                    match space {
                        Space::Data => {
                            let present = |id| self.node.is_present(id);
                            self.view.apply(&entry, now.wall_ms, present);
                        }
                        Space::Roster => self.turn.roster_changed = true,
                    }
                    if self.durable.is_some() {
                        batch.push(Change::Put(space, entry));
                    }
                }
                Output::Removed(Removed { entry, .. }) => {
                    self.view.remove(&entry, now.wall_ms);
                    if self.durable.is_some() {
                        batch.push(Change::Remove(entry));
                    }
                }
                Output::Keep { bytes, wait } => {
                    if self.durable.is_some() {
                        barred |= wait;
                        let bytes: Arc<[u8]> = bytes.into();
                        self.turn.kept = Some(Arc::clone(&bytes));
                        batch.push(Change::Keep(bytes));
                    }
                }
                Output::Stray(entry) => {
                    if self.durable.is_some() {
                        batch.push(Change::Stray(entry));
                    }
                }
                Output::StrayGone(entry) => {
                    if self.durable.is_some() {
                        batch.push(Change::StrayGone(entry));
                    }
                }
            }
        }
        if let Some(durable) = &self.durable {
            submit(&durable.writer, &mut self.turn.ledger, batch, barred);
        }
        self.publish();
        let Self { turn, udp, streams, door, counters, .. } = self;
        for (packet, barred) in packets {
            if !barred && turn.ledger.admits(&packet) {
                send(packet, udp, streams, door, counters);
            } else {
                let dropped = turn.ledger.hold_packet(packet);
                (0..dropped).for_each(|_| counters.shed());
            }
        }
        for (reply, outcomes) in turn.replies.drain(..) {
            turn.ledger.hold_reply(reply, outcomes);
        }
        if turn.ledger.is_settled() {
            // Replies only: what is held for the store is not there.
            turn.ledger.settle(0, None, |packet| send(packet, udp, streams, door, counters));
        }
    }
}

/// Hands the changes of a turn to the store, as a barrier if what follows waits for the disk.
fn submit(writer: &Writer, ledger: &mut Ledger, batch: Vec<Change>, barrier: bool) {
    match (batch.is_empty(), barrier) {
        (true, _) => {}
        (false, false) => writer.submit(ledger.submit(), batch),
        (false, true) => writer.submit_synced(ledger.submit_barrier(), batch),
    }
}

/// Sends a packet, or counts that it was not.
pub(super) fn send(
    packet: Send,
    udp: &Udp,
    streams: &mut Streams,
    door: &mut Door,
    counters: &Counters,
) {
    match packet.via {
        Via::Stream => streams.send(packet.to, packet.bytes, door.key_for(packet.to)),
        Via::Datagram => match door.seal(packet.to, &packet.bytes) {
            Some(bytes) if udp.send(packet.to, bytes).is_ok() => counters.sent(bytes.len()),
            _ => counters.shed(),
        },
    }
}
