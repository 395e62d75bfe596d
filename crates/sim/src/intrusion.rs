//! What strangers send reaches the world: when, from where, and what of it would be more than they may.

use crate::event::Event;
use crate::faults::Forge;
use crate::host::{Host, address};
use crate::ledger::Ledger;
use crate::strangers::Heard;
use crate::trace::{Kind, Line};
use crate::world::World;
use rumormill_core::base::codec::Reader;
use rumormill_core::base::hash::Keyed;
use rumormill_core::data::{Entry, block};
use rumormill_core::message::Message;
use rumormill_core::output::Via;
use rumormill_core::reconcile;
use rumormill_core::spread::ring;
use rumormill_core::wire::packet::{HEADER, Header, next_message};
use rumormill_core::{Input, NodeId};
use std::net::SocketAddr;
use std::time::Duration;

/// Largest packet of noise, bytes.
const MAX_NOISE: u64 = 600;

/// A packet of strangers.
struct Strange {
    from: SocketAddr,
    to: usize,
    via: Via,
    sealed: bool,
    bytes: Vec<u8>,
}

/// True if a packet brings users' data that no node wrote, or has a proof in it.
fn invents(packet: &[u8], ledger: &Ledger, may_prove: bool) -> bool {
    let Some(body) = packet.get(HEADER..) else { return false };
    let mut reader = Reader::new(body);
    while let Ok((kind, body)) = next_message(&mut reader) {
        let Ok(Some(message)) = Message::decode(kind, body) else { continue };
        if !may_prove && matches!(message, Message::Vouched(_) | Message::Fragment(_)) {
            return true;
        }
        if !message.brings_data() {
            continue;
        }
        let entries = match message {
            Message::Tree(rumor) => block::read(&mut Reader::new(rumor.block)).unwrap_or_default(),
            Message::Rumors(rumors) => rumors.entries,
            Message::Mail(mail) => mail.entries,
            Message::Repair(reconcile::Message::Entries(entries)) => entries.entries,
            Message::Repair(reconcile::Message::Piece(piece)) => piece.entries,
            Message::Ring(ring::Message::Entries(step)) => step.body.entries,
            _ => return true,
        };
        let written = |entry: &Entry| {
            let found = ledger.find_entry(entry).map(|write| ledger.get(write));
            found.is_some_and(|written| *written.entry == *entry)
        };
        if !entries.iter().all(written) {
            return true;
        }
    }
    false
}

impl World {
    /// All that strangers send comes from a member that means harm from now on, sealed.
    pub fn betray(&mut self) {
        self.strangers.betrayed = true;
    }

    /// Strangers send packets that they make up in this way, so many a second from now on; with 0 no
    /// more.
    pub fn let_in(&mut self, forge: Forge, per_second: u32) {
        let (rate, begun) = &mut self.strangers.rates[forge as usize];
        (*rate, *begun) = (per_second, *begun + 1);
        let begun = *begun;
        if per_second > 0 {
            (self.strangers.came, self.strangers.listen) = (true, true);
            self.next_strange(forge, begun, per_second);
        }
    }

    fn next_strange(&mut self, forge: Forge, begun: u32, per_second: u32) {
        let pause = Duration::from_secs(1) / per_second;
        self.queue.push(self.now.after(pause), Event::Strange { forge, begun });
    }

    /// The next packet of strangers comes in, if they have not stopped since.
    pub(crate) fn send_strange(&mut self, forge: Forge, begun: u32) {
        let (per_second, latest) = self.strangers.rates[forge as usize];
        if begun != latest || per_second == 0 {
            return;
        }
        self.next_strange(forge, begun, per_second);
        let Some(strange) = self.make_up(forge) else { return };
        let Strange { from, to, via, sealed, bytes } = strange;
        let betrayed = self.strangers.betrayed;
        let sealed = sealed || betrayed && self.hosts[to].lock.is_keyed();
        let host = &self.hosts[to];
        let takes = host.running().is_some() && !host.choked && host.lock.admits(sealed);
        let (ledger, may_prove) = (&self.ledger, forge == Forge::Replay);
        if !takes || !betrayed && invents(&bytes, ledger, may_prove) {
            return;
        }
        let about = u64::from(via == Via::Stream);
        let line = Line { at: self.now, node: to, kind: Kind::Strange, about, bytes: &bytes };
        self.trace.record(&line, true);
        let input = match via {
            Via::Datagram => Input::Datagram { from, bytes: &bytes },
            Via::Stream => Input::Frame { from, bytes: &bytes },
        };
        self.input_as(to, input, sealed);
    }

    fn make_up(&mut self, forge: Forge) -> Option<Strange> {
        let nodes = self.hosts.len();
        let ids: Vec<NodeId> = self.hosts.iter().flat_map(Host::ids).collect();
        let strangers = &mut self.strangers;
        let (to, posed) = (strangers.rng.index(nodes), strangers.rng.index(nodes));
        let from = match strangers.rng.chance(0.5) {
            true => address(posed),
            false => strangers.nowhere(),
        };
        // A member is taken for itself at its own address only.
        let mostly = strangers.rng.chance(0.8);
        let sender = if mostly { self.hosts[posed].identity.id } else { strangers.one(&ids) };
        let tag = Keyed::for_cluster(&self.options.config.cluster).tag();
        let header = Header { tag, sender };
        let via = if strangers.rng.chance(0.2) { Via::Stream } else { Via::Datagram };
        let made = |via, bytes| Some(Strange { from, to, via, sealed: false, bytes });
        match forge {
            Forge::Noise => {
                let mut bytes = Vec::new();
                if strangers.rng.chance(0.8) {
                    header.encode(&mut bytes);
                }
                let len = strangers.rng.below(MAX_NOISE);
                bytes.extend((0..len).map(|_| strangers.rng.bits() as u8));
                made(via, bytes)
            }
            Forge::Message => {
                let wall_ms = self.clocks.wall_ms(to, self.now);
                made(via, self.strangers.messages(header, &ids, nodes, wall_ms))
            }
            Forge::Replay => {
                let heard = strangers.one_heard()?;
                // Who opens what is sealed remembers what it has opened, and its stream is its own.
                let again = heard.to == to || heard.via == Via::Stream;
                if heard.sealed && again {
                    return None;
                }
                let from = if strangers.rng.chance(0.8) { address(heard.from) } else { from };
                let Heard { via, sealed, bytes, .. } = heard;
                Some(Strange { from, to, via, sealed, bytes })
            }
            Forge::Change => {
                let betrayed = strangers.betrayed;
                let heard = strangers.one_heard().filter(|heard| betrayed || !heard.sealed)?;
                let from = if strangers.rng.chance(0.6) { address(heard.from) } else { from };
                let bytes = strangers.changed(&heard, &ids);
                Some(Strange { from, to, via: heard.via, sealed: false, bytes })
            }
        }
    }
}
