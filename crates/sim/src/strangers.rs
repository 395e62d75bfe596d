//! Strangers: somebody from outside who can send any packet, from and to any address, and overhears some
//! of those of the members, but does not get what is sent to others than himself.
//!
//! Without a key anybody may write users' data (see the table in docs/protocol.md). So these strangers
//! write none: of what they send nothing gets in that brings an entry which no node wrote. They do not
//! repeat a member's proof of its address for claims of their own either: who hears what is sent there
//! can make them.

use crate::faults::Forge;
use crate::host::address;
use crate::packet::Packet;
use rumormill_core::NodeId;
use rumormill_core::base::codec::{Reader, Write as _};
use rumormill_core::base::rng::Rng;
use rumormill_core::data::{Entry, Space, Stamp, block};
use rumormill_core::member::{Record, State};
use rumormill_core::output::Via;
use rumormill_core::retain::Horizon;
use rumormill_core::wire::kind;
use rumormill_core::wire::packet::{HEADER, Header, frame_message, next_message};
use std::net::{Ipv4Addr, SocketAddr};

/// Packets that they remember.
const MAX_HEARD: usize = 256;
/// The largest number of a message's kind, and some above it.
const KINDS: u64 = 80;

/// What they do, and what they have heard.
#[derive(Debug)]
pub(crate) struct Strangers {
    pub(crate) rng: Rng,
    /// By the way of making packets up: packets a second, and how often that was changed.
    pub(crate) rates: [(u32, u32); Forge::ALL.len()],
    heard: Vec<Heard>,
    /// True if they have ever come.
    pub(crate) came: bool,
    pub(crate) listen: bool,
    /// True if a member has sent what they send: all of it comes sealed.
    pub(crate) betrayed: bool,
}

/// A packet of a member.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) via: Via,
    pub(crate) sealed: bool,
    pub(crate) bytes: Vec<u8>,
}

impl Strangers {
    pub(crate) fn new(seed: u64) -> Self {
        let rng = Rng::new(seed ^ u64::from_be_bytes(*b"stranger"));
        let (rates, heard) = (Default::default(), Vec::new());
        Self { rng, rates, heard, came: false, listen: false, betrayed: false }
    }

    /// They go.
    pub(crate) fn go(&mut self) {
        self.rates.iter_mut().for_each(|(rate, begun)| (*rate, *begun) = (0, *begun + 1));
        self.listen = false;
    }

    /// A member sends a packet.
    pub(crate) fn overhear(&mut self, packet: &Packet) {
        if !self.listen {
            return;
        }
        let Packet { from, to, via, sealed, .. } = *packet;
        let (from, to, bytes) = (from as usize, to as usize, packet.bytes.clone());
        let heard = Heard { from, to, via, sealed, bytes };
        match self.heard.len() < MAX_HEARD {
            true => self.heard.push(heard),
            // Some stay for long.
            false if self.rng.chance(0.2) => {
                let at = self.rng.index(MAX_HEARD);
                self.heard[at] = heard;
            }
            false => {}
        }
    }

    pub(crate) fn one_heard(&mut self) -> Option<Heard> {
        let at = self.rng.index(self.heard.len());
        self.heard.get(at).cloned()
    }

    /// One of these.
    pub(crate) fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.index(of.len())]
    }

    /// The body of a message: ids, numbers and the like in a row.
    fn body(&mut self, ids: &[NodeId]) -> Vec<u8> {
        let mut body = Vec::new();
        for _ in 0..self.rng.below(8) {
            match self.rng.below(8) {
                0 | 1 => body.put_varint(self.rng.below(4)),
                2 => body.put_varint(self.rng.below(100_000)),
                3 => body.put(&self.rng.bits().to_le_bytes()),
                4 => body.put(&self.one(ids).0.to_le_bytes()),
                5 => body.put(&self.one(ids).0.to_be_bytes()),
                6 => body.put(&[[0; 16], [0xff; 16]][self.rng.index(2)]),
                _ => (0..self.rng.below(40)).for_each(|_| body.push(self.rng.bits() as u8)),
            }
        }
        body
    }

    /// An entry of the roster that is not true.
    fn rumor(&mut self, ids: &[NodeId], nodes: usize, wall_ms: u64) -> Entry {
        let id = if self.rng.chance(0.7) { self.one(ids) } else { NodeId(self.rng.bits()) };
        match self.rng.below(10) {
            0 => {
                let time = wall_ms.wrapping_add(self.rng.below(5000)) << 16;
                let chain = [0, 1, time][self.rng.index(3)];
                let (forced, number) = (self.rng.below(3) as u32, self.rng.below(9) as u32);
                let pass = self.rng.bits();
                Horizon { time, pass, chain, forced, number }.to_entry()
            }
            1 => {
                let stamp = Stamp { time: wall_ms << 16, node: id };
                Entry::new(b"ring!", b"of a stranger", stamp, None)
            }
            _ => {
                let states =
                    [State::Alive, State::Suspect, State::Dead, State::Left, State::Forgotten];
                let ahead = [0, 1, 20_000, 1 << 40][self.rng.index(4)];
                let incarnation = wall_ms.saturating_sub(self.rng.below(20_000)) + ahead;
                let (name, at) = (format!("n{}", self.rng.index(nodes)), self.rng.index(nodes));
                let gossip = if self.rng.chance(0.5) { address(at) } else { self.nowhere() };
                let state = self.one(&states);
                Record::new(id, incarnation, state, name, gossip).to_entry()
            }
        }
    }

    /// An address that is nobody's.
    pub(crate) fn nowhere(&mut self) -> SocketAddr {
        let ip = Ipv4Addr::new(203, 0, 113, self.rng.below(8) as u8);
        SocketAddr::new(ip.into(), 7946)
    }

    /// Messages of all kinds behind a sound header.
    pub(crate) fn messages(
        &mut self,
        header: Header,
        ids: &[NodeId],
        nodes: usize,
        wall_ms: u64,
    ) -> Vec<u8> {
        let mut bytes = Vec::new();
        header.encode(&mut bytes);
        for _ in 0..1 + self.rng.below(3) {
            if self.rng.chance(0.6) {
                let kind = self.rng.below(KINDS) as u8;
                let body = self.body(ids);
                frame_message(kind, &[&body], &mut bytes);
                continue;
            }
            let some: Vec<Entry> =
                (0..1 + self.rng.below(3)).map(|_| self.rumor(ids, nodes, wall_ms)).collect();
            let block = block::chunks(&some, usize::from(u16::MAX)).concat();
            let (space, number) = ([Space::Roster.code()], [self.rng.below(128) as u8]);
            match self.rng.below(4) {
                0 => {
                    let one = block::chunks(&some[..1], usize::from(u16::MAX)).concat();
                    frame_message(kind::JOIN, &[&one], &mut bytes);
                }
                1 => frame_message(kind::MAIL, &[&space, &number, &block], &mut bytes),
                2 => frame_message(kind::RUMORS, &[&space, &number, &block], &mut bytes),
                _ => frame_message(kind::ENTRIES, &[&space, &block], &mut bytes),
            }
        }
        bytes
    }

    /// A packet with some of its bytes changed, or with the messages of two in it, as if from another.
    pub(crate) fn changed(&mut self, heard: &Heard, ids: &[NodeId]) -> Vec<u8> {
        let mut bytes = match without_proofs(&heard.bytes) {
            Some(bytes) => bytes,
            None => return Vec::new(),
        };
        if self.rng.chance(0.4)
            && let Some(more) = self.one_heard().and_then(|more| without_proofs(&more.bytes))
        {
            bytes.extend_from_slice(&more[HEADER..]);
        }
        if self.rng.chance(0.5) {
            let id = self.one(ids).0.to_le_bytes();
            bytes[HEADER - 8..HEADER].copy_from_slice(&id);
        }
        for _ in 0..self.rng.below(4) {
            let at = self.rng.index(bytes.len());
            match self.rng.below(3) {
                0 => bytes[at] = self.rng.bits() as u8,
                1 => bytes[at] ^= 1 << self.rng.below(8),
                _ if at + 8 < bytes.len() => {
                    bytes[at..at + 8].copy_from_slice(&self.one(ids).0.to_le_bytes());
                }
                _ => bytes.truncate(at.max(HEADER)),
            }
        }
        bytes
    }
}

/// A packet without its sender's proof of where it receives; none if it is part of a larger one, of
/// which nobody can say what it brings.
fn without_proofs(packet: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = packet.get(..HEADER)?.to_vec();
    let mut reader = Reader::new(packet.get(HEADER..)?);
    while let Ok((kind, mut body)) = next_message(&mut reader) {
        if kind == kind::FRAGMENT {
            return None;
        }
        let body = body.take(body.remaining()).ok()?;
        if kind != kind::VOUCHED {
            frame_message(kind, &[body], &mut bytes);
        }
    }
    Some(bytes)
}
