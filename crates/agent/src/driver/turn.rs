//! The end of a turn: what the node asks for is shown, made durable and sent.

use super::state::Driver;
use crate::net::Counters;
use crate::net::stream::Streams;
use crate::net::udp::Udp;
use crate::seal::Door;
use crate::store::Change;
use rumormill_core::Output;
use rumormill_core::data::Space;
use rumormill_core::output::{Applied, Class, Removed, Send, Via};
use std::sync::Arc;

impl Driver {
    /// Closes a turn of the node and carries out what it asks for.
    pub(super) fn finish_turn(&mut self) {
        let now = self.now();
        self.turn.waits.look(&mut self.node, now);
        self.node.flush(now, &mut self.turn.out);
        self.learn_notes();
        let mut batch = Vec::new();
        let mut packets = Vec::new();
        for output in self.turn.out.drain(..) {
            match output {
                Output::Send(packet) => packets.push(packet),
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
                Output::Keep { bytes, .. } => {
                    if self.durable.is_some() {
                        let bytes: Arc<[u8]> = bytes.into();
                        self.turn.kept = Some(Arc::clone(&bytes));
                        batch.push(Change::Keep(bytes));
                    }
                }
                Output::Stray(_) | Output::StrayGone(_) => {}
            }
        }
        if let Some(durable) = &self.durable
            && !batch.is_empty()
        {
            durable.writer.submit(self.turn.ledger.submit(), batch);
        }
        self.publish();
        let Self { turn, udp, streams, door, counters, .. } = self;
        for packet in packets {
            if turn.ledger.is_settled() || packet.class == Class::Membership {
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
            turn.ledger.settle(0, None, |packet| send(packet, udp, streams, door, counters));
        }
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
