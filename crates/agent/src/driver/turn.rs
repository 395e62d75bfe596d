//! The end of a turn: what the node asks for is shown, made durable and sent.

use super::ledger::Ledger;
use super::state::Driver;
use crate::net::Counters;
use crate::net::stream::Streams;
use crate::net::udp::{Udp, is_too_large};
use crate::seal::Door;
use crate::store::{Change, Writer};
use rumormill_core::data::Space;
use rumormill_core::output::{Applied, Removed, Send, Via};
use rumormill_core::{Input, Output};
use std::sync::Arc;

impl Driver {
    /// If the wall clock was set back, readers do not see again what had expired before.
    fn look_at_time(&mut self, wall_ms: u64) {
        if wall_ms < std::mem::replace(&mut self.turn.wall_ms, wall_ms) {
            for entry in self.node.data().mortal() {
                if !self.node.lives(&entry, wall_ms) {
                    self.view.remove(&entry, wall_ms);
                }
            }
        }
    }

    /// Closes a turn of the node and carries out what it asks for.
    pub(super) fn finish_turn(&mut self) {
        let now = self.now();
        self.look_at_disk();
        self.turn.waits.look(&mut self.node, now);
        self.node.flush(now, &mut self.turn.out);
        self.look_at_time(now.wall_ms);
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
        let mut large = Vec::new();
        let Self { turn, udp, streams, door, counters, .. } = self;
        for (packet, barred) in packets {
            if !barred && turn.ledger.admits(&packet) {
                large.extend(send(packet, udp, streams, door, counters));
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
            turn.ledger.settle(0, None, |packet| {
                large.extend(send(packet, udp, streams, door, counters));
            });
        }
        self.too_large(large);
    }

    /// The node hears of datagrams that the system found too large for their way, and says what
    /// becomes of them.
    pub(super) fn too_large(&mut self, packets: Vec<Send>) {
        let (now, mut out) = (self.now(), Vec::new());
        for packet in packets {
            let input = Input::TooLarge { to: packet.to, bytes: &packet.bytes };
            self.node.handle(input, now, &mut out);
        }
        let Self { udp, streams, door, counters, .. } = self;
        for output in out {
            if let Output::Send(packet) = output {
                send(packet, udp, streams, door, counters);
            }
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

/// Sends a packet, or counts that it was not; one that is too large for a datagram on its way comes
/// back.
pub(super) fn send(
    packet: Send,
    udp: &Udp,
    streams: &mut Streams,
    door: &mut Door,
    counters: &Counters,
) -> Option<Send> {
    if packet.via == Via::Stream {
        streams.send(packet.to, packet.bytes, door.key_for(packet.to));
        return None;
    }
    let Some(bytes) = door.seal(packet.to, &packet.bytes) else {
        counters.shed();
        return None;
    };
    match udp.send(packet.to, bytes) {
        Ok(()) => counters.sent(bytes.len()),
        Err(error) if is_too_large(&error) => return Some(packet),
        Err(_) => counters.shed(),
    }
    None
}
