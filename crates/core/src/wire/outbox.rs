//! Messages on their way out: gathered per peer for the length of a turn, then packed.

mod check;

use super::budget::{Budgets, Parcel};
use super::kind;
use super::packet::{HEADER, Header, frame_message, message_len, next_message};
use super::path::{Paths, Probe};
use super::pieces::Pieces;
use super::proof::{self, Given, Proofs};
use super::version::{Dialects, Versions};
use crate::base::codec::{Reader, Write, varint_len};
use crate::base::hash::Map;
use crate::base::planted::{self, Fault};
use crate::base::time::Instant;
use crate::data::Space;
use crate::limits::Limits;
use crate::output::{Class, Output, Send, Via};
use crate::stats::Stats;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

/// Frames are filled up to about this size, so that a peer can act on the first while the next is
/// on its way (guess).
const FRAME: usize = 64 * 1024;
/// Repair that is sent to one peer in one turn in answer to datagrams, bytes and at most one entry
/// over: their sender's address may be forged (guess: two bandwidth-delay products of a LAN).
const TO_DATAGRAMS: usize = 64 * 1024;
/// Pieces of repair that are sent to one peer in one turn (guess).
const PIECES: usize = 16;
/// An address that no member has may be forged: it is sent at most so many times the bytes that
/// came from it. Source: QUIC, RFC 9000, section 8.
const STRANGER: usize = 3;

/// Messages on their way out, gathered per peer so that those of one turn share packets.
#[derive(Debug, Default)]
pub struct Outbox {
    /// In the order of their first messages.
    queues: Vec<Queue>,
    /// Where the queues are, while there are many.
    places: Map<Address, usize>,
    /// Who asked for repair by datagram in this turn, and the bytes of those datagrams.
    asked: BTreeMap<SocketAddr, usize>,
    /// Bytes of repair queued in this turn. For each map apart, so that neither starves the other.
    repair: BTreeMap<(SocketAddr, Space), usize>,
    /// What exchanges have queued in this turn.
    exchanged: BTreeMap<SocketAddr, Cost>,
    /// What holds packets back; by default nothing does.
    budgets: Budgets,
    /// The versions of packets.
    dialects: Dialects,
    /// What each path carries.
    paths: Paths,
    /// What peers have proved, and this node to them.
    proofs: Proofs,
    /// What goes in pieces, since there is no stream.
    pieces: Pieces,
    /// Who is to be told what is spoken here.
    greeted: Vec<SocketAddr>,
    /// The time of the turn.
    now: Instant,
}

/// What an exchange has queued for one receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Entries in them.
    pub entries: u64,
}

type Address = (SocketAddr, Class, Via);

/// Bytes of pings and their answers that a peer is sent in one turn (guess).
const ASKING: usize = 64;

/// So many queues are looked through; for more there is a table.
const FEW: usize = 16;

/// Messages for one peer, laid out as the packet that they make if they fit one.
#[derive(Debug)]
struct Queue {
    address: Address,
    /// Room for the header, then the messages.
    bytes: Vec<u8>,
    messages: u64,
    /// True if something in it lasts, or asks for what does: see [`proof`].
    claims: bool,
    /// Some of it may be a claim.
    may_claim: bool,
    asks: bool,
    /// True if something in it is waited for and not said again.
    walks: bool,
}

impl Outbox {
    /// One whose packets are held to the budgets of their classes.
    #[must_use]
    pub fn within(limits: &Limits, speaks: Versions, now: Instant) -> Self {
        let (budgets, dialects) = (Budgets::new(limits, now), Dialects::new(speaks));
        Self { budgets, dialects, paths: Paths::new(limits.datagram), now, ..Self::default() }
    }

    /// Which version is spoken with whom.
    #[must_use]
    pub fn dialects(&self) -> &Dialects {
        &self.dialects
    }

    /// Which version is spoken with whom, to be told something of it.
    pub fn dialects_mut(&mut self) -> &mut Dialects {
        &mut self.dialects
    }

    /// What each path carries.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// What each path carries, to be told something of it.
    pub fn paths_mut(&mut self) -> &mut Paths {
        &mut self.paths
    }

    /// A datagram to an address was not answered, or may not be: looks whether they arrive.
    pub fn doubt(&mut self, to: SocketAddr) {
        self.paths.doubt(to, self.now);
    }

    /// Frames in pieces, either way.
    #[must_use]
    pub fn pieces(&self) -> &Pieces {
        &self.pieces
    }

    /// Frames in pieces, to be told what has come.
    pub fn pieces_mut(&mut self) -> &mut Pieces {
        &mut self.pieces
    }

    /// The system has not sent a datagram since it is too large for the path: it takes the stream.
    pub fn too_large(&mut self, to: SocketAddr, bytes: &[u8], out: &mut Vec<Output>) {
        self.paths.too_large(to, bytes.len(), self.now);
        if bytes.get(HEADER) != Some(&kind::PADDING) {
            // It was paid for and counted when it left.
            let (class, bytes) = (Class::Membership, bytes.to_vec());
            out.push(Output::Send(Send { to, via: Via::Stream, class, bytes }));
        }
    }

    /// What peers have proved.
    #[must_use]
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// The same, to be told something of it.
    pub fn proofs_mut(&mut self) -> &mut Proofs {
        &mut self.proofs
    }

    /// Asks whoever receives at an address to prove it, by the way by which it has come.
    pub fn challenge(&mut self, to: SocketAddr, via: Via, unknown: bool, echo: Option<u64>) {
        let cookie = self.proofs.cookie(to);
        let body = Given { cookie, unknown, refused: true, echo }.encode();
        self.push(to, Class::Membership, via, kind::COOKIE, &[&body]);
    }

    /// Whoever receives at an address has passed over what it was told lately, for lack of a proof.
    /// It is told once more, and not a third time. True if it was told who this node is.
    pub fn say_again(&mut self, to: SocketAddr) -> bool {
        let mut introduced = false;
        for sent in self.proofs.again(to) {
            let (class, via) = sent.how;
            introduced |= sent.kind == kind::JOIN;
            self.queue(to, class, via, sent.kind, &[&sent.body]);
        }
        introduced
    }

    /// An address is to be told what is spoken here.
    pub fn say_versions(&mut self, to: SocketAddr) {
        self.greeted.push(to);
    }

    /// What holds packets back.
    #[must_use]
    pub fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// When something that waits for its budget may leave, or a path is to be looked at.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let due = [self.budgets.deadline(), self.paths.deadline(), self.pieces.deadline()];
        due.into_iter().flatten().min()
    }

    /// Lets time pass: packets that waited for their budget leave.
    pub fn advance(&mut self, now: Instant, stats: &mut Stats, out: &mut Vec<Output>) {
        self.now = now;
        self.dialects.advance(now);
        self.proofs.advance(now);
        self.budgets.advance(now, stats, out);
    }

    /// Queues a message.
    pub fn push(&mut self, to: SocketAddr, class: Class, via: Via, kind: u8, body: &[&[u8]]) {
        self.proofs.keep(to, (class, via), kind, body);
        self.queue(to, class, via, kind, body);
    }

    fn queue(&mut self, to: SocketAddr, class: Class, via: Via, kind: u8, body: &[&[u8]]) {
        let len: usize = body.iter().map(|part| part.len()).sum();
        if class == Class::Repair && kind::is_exchange(kind) {
            let cost = self.exchanged.entry(to).or_default();
            cost.messages += 1;
            cost.bytes += message_len(len) as u64;
        }
        let place = self.place((to, class, via), message_len(len));
        let Some(queue) = self.queues.get_mut(place) else { return };
        frame_message(kind, body, &mut queue.bytes);
        queue.messages += 1;
        queue.claims |= proof::claims(kind, body);
        queue.may_claim |= proof::may_claim(kind);
        queue.asks |= proof::asks(kind, body);
        queue.walks |= kind::is_walk(kind);
    }

    /// The queue for an address; a new one has room for a first message.
    fn place(&mut self, address: Address, room: usize) -> usize {
        let found = match self.places.is_empty() {
            true => self.queues.iter().rposition(|queue| queue.address == address),
            false => self.places.get(&address).copied(),
        };
        if let Some(place) = found {
            return place;
        }
        let mut bytes = Vec::with_capacity(HEADER + room);
        bytes.put(&[0; HEADER]);
        self.queues.push(Queue {
            address,
            bytes,
            messages: 0,
            claims: false,
            may_claim: false,
            asks: false,
            walks: false,
        });
        let place = self.queues.len() - 1;
        if place == FEW {
            let places = self.queues.iter().enumerate();
            self.places.extend(places.map(|(place, queue)| (queue.address, place)));
        } else if place > FEW {
            self.places.insert(address, place);
        }
        place
    }

    /// Queues a message of repair.
    pub fn push_repair(
        &mut self,
        to: SocketAddr,
        space: Space,
        via: Via,
        kind: u8,
        body: &[&[u8]],
    ) {
        let bytes = body.iter().map(|part| part.len()).sum();
        *self.repair.entry((to, space)).or_default() += message_len(bytes);
        self.push(to, Class::Repair, via, kind, body);
    }

    /// A datagram of so many bytes asks for repair.
    pub fn asked(&mut self, from: SocketAddr, bytes: usize) {
        *self.asked.entry(from).or_default() += bytes;
    }

    /// Bytes of repair that may still be queued for a peer in this turn, where a piece has so many.
    #[must_use]
    pub fn repair_room(&self, to: SocketAddr, space: Space, piece: usize) -> usize {
        let most = match self.asked.contains_key(&to) {
            true => piece.min(TO_DATAGRAMS),
            false => piece.saturating_mul(PIECES),
        };
        most.saturating_sub(self.repair.get(&(to, space)).copied().unwrap_or(0))
    }

    /// Messages of an exchange carry so many entries.
    pub fn carries(&mut self, to: SocketAddr, entries: usize) {
        self.exchanged.entry(to).or_default().entries += entries as u64;
    }

    /// What exchanges have queued since the last call, by receiver.
    pub fn exchanged(&mut self) -> BTreeMap<SocketAddr, Cost> {
        std::mem::take(&mut self.exchanged)
    }

    /// True if nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty() && self.greeted.is_empty()
    }

    /// Packs everything queued into packets. A message that is larger than a datagram to its receiver, and every
    /// message to a peer with a backlog over the burst limit, goes over the stream, whose handshake
    /// proves the address. Where the address is not `known` to be a member's, so does repair that
    /// is much larger than what asked for it. What goes to an address that is `far`, in another
    /// zone, is counted apart as well.
    pub fn flush(
        &mut self,
        header: Header,
        limits: &Limits,
        known: impl Fn(IpAddr) -> bool,
        far: impl Fn(SocketAddr) -> bool,
        stats: &mut Stats,
        out: &mut Vec<Output>,
    ) {
        let Self { budgets, paths, pieces, now, .. } = self;
        let mut exit = Exit { budgets, paths, pieces, now: *now, stats, out };
        let plain = |to, class, dialects: &Dialects| {
            let header = header.to_bytes(dialects.with(to));
            Tally { to, class, far: far(to), header, member: false, in_pieces: false, walks: false }
        };
        for to in self.greeted.drain(..) {
            let bytes = header.saying(self.dialects.own());
            let tally = plain(to, Class::Membership, &self.dialects);
            Packet { bytes, messages: 1, via: Via::Datagram }.close(tally, &mut exit);
        }
        let most = limits.datagram;
        for mut queue in self.queues.drain(..) {
            let (to, class, via) = queue.address;
            let queued = queue.bytes.len() - HEADER;
            let asked = self.asked.get(&to).filter(|_| class == Class::Repair);
            let burst = match asked.map(|got| STRANGER * got) {
                Some(least) if queued > least && !known(to.ip()) => least,
                _ => limits.burst,
            };
            let route = exit.paths.route(to);
            let via = if queued > burst || !route.datagrams { Via::Stream } else { via };
            // Nothing is found out about the way to who is not known: it may be forged.
            let proofs = queue.proofs(&self.proofs);
            let size = queue.bytes.len() + proofs.len();
            let large = exit.paths.minds(size);
            let member = exit.paths.knows(to) || (large || via == Via::Stream) && known(to.ip());
            let datagram = match large && member && via == Via::Datagram {
                true => exit.paths.large(to, exit.now),
                false => exit.paths.size(to).min(most),
            };
            let mut tally = plain(to, class, &self.dialects);
            tally.walks = queue.walks;
            // What asks by stream whether that is open, and what answers, goes by stream.
            let asks = class == Class::Membership && queue.address.2 == Via::Stream;
            match asks && queued <= ASKING && !route.streams {
                true => tally.member = false,
                false => (tally.member, tally.in_pieces) = (member, !route.streams),
            }
            let header = tally.header;
            if size <= room(via, datagram) {
                if let Some(start) = queue.bytes.first_chunk_mut() {
                    *start = header;
                }
                let Queue { mut bytes, messages, .. } = queue;
                if !proofs.is_empty() {
                    bytes.splice(HEADER..HEADER, proofs);
                }
                Packet { bytes, messages, via }.close(tally, &mut exit);
            } else {
                let start = [&header[..], &proofs].concat();
                queue.split(&start, via, datagram, tally, &mut exit);
            }
        }
        for (to, class, packet) in exit.by_the_way(&self.dialects, header) {
            packet.close(plain(to, class, &self.dialects), &mut exit);
        }
        exit.count();
        self.places.clear();
        self.asked.clear();
        if !planted::has(Fault::Room) {
            self.repair.clear();
        }
    }
}

impl Queue {
    /// What goes before the messages of each packet, so that they are believed.
    fn proofs(&self, proofs: &Proofs) -> Vec<u8> {
        let (to, ..) = self.address;
        let mut bytes = Vec::new();
        if let Some(cookie) = proofs.vouch(to, self.claims, self.may_claim) {
            frame_message(kind::VOUCHED, &[&cookie.to_le_bytes()], &mut bytes);
        }
        if let Some(cookie) = proofs.give(to).filter(|_| self.asks) {
            let given = Given { cookie, unknown: false, refused: false, echo: None };
            frame_message(kind::COOKIE, &[&given.encode()], &mut bytes);
        }
        bytes
    }

    /// Packs more messages than fit one packet. Each begins with `start`.
    fn split(&self, start: &[u8], via: Via, datagram: usize, tally: Tally, exit: &mut Exit<'_>) {
        let mut left = self.bytes.get(HEADER..).unwrap_or_default();
        let mut packet = Packet::new(start, via);
        while !left.is_empty() {
            let mut reader = Reader::new(left);
            if next_message(&mut reader).is_err() {
                break;
            }
            let (message, rest) = left.split_at(left.len() - reader.remaining());
            left = rest;
            if !packet.fits(message, datagram) {
                packet.close(tally, exit);
                packet = Packet::new(start, via);
            }
            if !packet.fits(message, datagram) {
                // Alone and still too large for a datagram.
                packet.via = Via::Stream;
            }
            packet.add(message);
            if packet.via != via {
                packet.close(tally, exit);
                packet = Packet::new(start, via);
            }
        }
        packet.close(tally, exit);
    }
}

/// Bytes of a packet that is not made of one larger message, where datagrams have so many.
fn room(via: Via, datagram: usize) -> usize {
    match via {
        Via::Datagram => datagram,
        Via::Stream => FRAME,
    }
}

struct Packet {
    bytes: Vec<u8>,
    messages: u64,
    via: Via,
}

impl Packet {
    fn new(start: &[u8], via: Via) -> Self {
        Self { bytes: start.to_vec(), messages: 0, via }
    }

    /// A ping, in a packet that is as large as it is to be.
    fn ping(probe: &Probe, header: [u8; HEADER]) -> Self {
        let mut packet = Self::new(&header, probe.via);
        let mut number = Vec::with_capacity(10);
        number.put_varint(probe.number);
        let ping = HEADER + message_len(number.len());
        if probe.size > ping + 2 {
            let filled = probe.size - ping - 1;
            // The length of the padding is a part of it, and one less where both cannot be had.
            let padding = vec![0; filled - varint_len(filled as u64)];
            frame_message(kind::PADDING, &[&padding], &mut packet.bytes);
            packet.messages += 1;
        }
        frame_message(kind::PING, &[&number], &mut packet.bytes);
        packet.messages += 1;
        packet
    }

    fn fits(&self, message: &[u8], datagram: usize) -> bool {
        let first = self.messages == 0 && self.via == Via::Stream;
        first || self.bytes.len() + message.len() <= room(self.via, datagram)
    }

    fn add(&mut self, message: &[u8]) {
        self.bytes.put(message);
        self.messages += 1;
    }

    fn close(self, tally: Tally, exit: &mut Exit<'_>) {
        if self.messages == 0 {
            return;
        }
        let Tally { to, class, far, .. } = tally;
        let mut via = self.via;
        if via == Via::Stream && tally.in_pieces {
            if tally.walks || self.bytes.len() > exit.paths.size(to) {
                return exit.pieces.put(to, class, self.bytes, exit.now);
            }
            via = Via::Datagram;
        } else if via == Via::Stream && tally.member {
            let probe = exit.paths.by_stream(to, self.bytes.len(), exit.now);
            if let Some(probe) = probe {
                let tally = Tally { class: Class::Membership, member: false, ..tally };
                Self::ping(&probe, tally.header).close(tally, exit);
            }
        }
        let send = Send { to, via, class, bytes: self.bytes };
        let parcel = Parcel { send, messages: self.messages, far, walks: tally.walks };
        exit.budgets.pass(parcel, exit.stats, exit.out);
    }
}

/// Where a packet goes, and as what.
#[derive(Clone, Copy, Debug)]
struct Tally {
    to: SocketAddr,
    class: Class,
    far: bool,
    /// The header of packets that go there.
    header: [u8; HEADER],
    /// A member is there, as far as is known.
    member: bool,
    /// What would take the stream goes in pieces, if it is large
    in_pieces: bool,
    /// or its sender counts on it that it arrives.
    walks: bool,
}

/// Where packets leave.
struct Exit<'a> {
    budgets: &'a mut Budgets,
    paths: &'a mut Paths,
    pieces: &'a mut Pieces,
    now: Instant,
    stats: &'a mut Stats,
    out: &'a mut Vec<Output>,
}

impl Exit<'_> {
    /// Packets that no machine has queued: frames in pieces, and pings that look at paths.
    fn by_the_way(
        &mut self,
        dialects: &Dialects,
        header: Header,
    ) -> Vec<(SocketAddr, Class, Packet)> {
        let mut packets = Vec::new();
        let header = |to| header.to_bytes(dialects.with(to));
        let mut put = |to, class, kind, body: &[&[u8]]| {
            let mut packet = Packet::new(&header(to), Via::Datagram);
            frame_message(kind, body, &mut packet.bytes);
            packet.messages = 1;
            packets.push((to, class, packet));
        };
        let paths = &*self.paths;
        for parcel in self.pieces.poll(self.now, |to| paths.size(to)) {
            put(parcel.to, parcel.class, kind::FRAGMENT, &[&parcel.head, &parcel.bytes]);
        }
        for (to, seen) in self.pieces.to_tell() {
            put(to, Class::Membership, kind::FRAGMENTS_SEEN, &[&seen.encode()]);
        }
        for probe in self.paths.poll(self.now) {
            let packet = Packet::ping(&probe, header(probe.to));
            packets.push((probe.to, Class::Membership, packet));
        }
        packets
    }

    fn count(&mut self) {
        let (paths, pieces) = (self.paths.counts(), self.pieces.counts());
        self.stats.path_probes = paths.probes;
        self.stats.paths_narrowed = paths.narrowed;
        self.stats.paths_without_datagrams = paths.no_datagrams;
        self.stats.paths_without_streams = paths.no_streams;
        self.stats.fragments_sent = pieces.sent;
        self.stats.frames_in_pieces = pieces.whole;
        self.stats.frames_in_pieces_dropped = pieces.dropped;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::wire::packet::sender;

    const HEADER_OF_TEST: Header = Header { tag: 0x0403_0201, sender: NodeId(5) };

    fn sends(outbox: &mut Outbox, limits: &Limits) -> Vec<Send> {
        let mut out = Vec::new();
        outbox.flush(HEADER_OF_TEST, limits, |_| false, |_| false, &mut Stats::default(), &mut out);
        out.into_iter()
            .map(|output| match output {
                Output::Send(send) => send,
                other => unreachable!("packing does nothing else: {other:?}"),
            })
            .collect()
    }

    #[test]
    fn golden_bytes() {
        let mut outbox = Outbox::default();
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        outbox.push(to, Class::Updates, Via::Datagram, 9, &[b"ab", b"c"]);
        outbox.push(to, Class::Updates, Via::Datagram, 7, &[]);
        let sent = sends(&mut outbox, &Limits::default());
        let golden = [1, 1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 0, 0, 9, 3, b'a', b'b', b'c', 7, 0];
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0].bytes, golden);
        assert_eq!((sender(&golden), sender(&golden[..12])), (Some(NodeId(5)), None));
    }

    #[test]
    fn each_address_gets_packets_in_the_version_that_it_speaks() {
        let two = Versions::new(1, 2).unwrap();
        let mut outbox = Outbox::within(&Limits::default(), two, Instant(0));
        let [one, other] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        outbox.dialects_mut().learn(other, Versions::new(2, 3).unwrap());
        outbox.say_versions(one);
        for to in [one, other] {
            // More than one packet each.
            (0..3).for_each(|_| {
                outbox.push(to, Class::Updates, Via::Datagram, 9, &[&[0; 600]]);
            });
        }
        let sent = sends(&mut outbox, &Limits::default());
        let versions = |to| sent.iter().filter(move |send| send.to == to).map(|send| send.bytes[0]);
        assert_eq!(versions(one).collect::<Vec<_>>(), [0, 1, 1]);
        assert_eq!(versions(other).collect::<Vec<_>>(), [2, 2]);
        assert_eq!(sent[0].bytes, HEADER_OF_TEST.saying(two));
    }

    #[test]
    fn datagrams_stay_below_the_limit_and_backlogs_take_the_stream() {
        let limits = Limits::default();
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        for (messages, via) in [(20, Via::Datagram), (200, Via::Stream)] {
            let mut outbox = Outbox::default();
            for _ in 0..messages {
                outbox.push(to, Class::Repair, Via::Datagram, 9, &[&[0; 500]]);
            }
            let sent = sends(&mut outbox, &limits);
            assert!(sent.iter().all(|send| send.via == via));
            let bound = if via == Via::Datagram { limits.datagram } else { FRAME };
            assert!(sent.iter().all(|send| send.bytes.len() <= bound));
            let payload: usize = sent.iter().map(|send| send.bytes.len() - HEADER).sum();
            assert_eq!(payload, messages * message_len(500));
        }
    }

    #[test]
    fn pings_that_try_a_path_are_as_large_as_they_are_to_be() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        for size in [0, 1, 30, 60, 150, 151, 152, 153, 154, 200, 1400, 16_400, 16_407, 65_000] {
            let number = (1 << 40) + 7;
            let packet = Packet::ping(&Probe { to, via: Via::Datagram, number, size }, [1; HEADER]);
            let (len, least) = (packet.bytes.len(), HEADER + message_len(6));
            assert!(len == least || (size - 1..=size).contains(&len), "{size}: {len}");
            assert!(packet.messages == 1 || size > least);
            let mut reader = Reader::new(&packet.bytes[HEADER..]);
            let kinds: Vec<u8> =
                std::iter::from_fn(|| next_message(&mut reader).ok().map(|(kind, _)| kind))
                    .collect();
            assert_eq!(kinds.last(), Some(&kind::PING));
        }
    }

    #[test]
    fn a_narrow_path_gets_smaller_datagrams_and_the_stream_what_does_not_fit() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let limits = Limits::default();
        let mut outbox = Outbox::within(&limits, Versions::FIRST, Instant(0));
        let flush = |outbox: &mut Outbox, bodies: &[usize]| {
            for len in bodies {
                outbox.push(to, Class::Updates, Via::Datagram, 9, &[&vec![0; *len]]);
            }
            let (mut stats, mut out) = (Stats::default(), Vec::new());
            outbox.flush(HEADER_OF_TEST, &limits, |_| true, |_| false, &mut stats, &mut out);
            outbox.paths().check();
            let sent = out.into_iter().filter_map(|output| match output {
                Output::Send(send) => Some((send.via, send.bytes)),
                _ => None,
            });
            sent.collect::<Vec<_>>()
        };
        let sent = flush(&mut outbox, &[600, 600, 100]);
        let lens = |sent: &[(Via, Vec<u8>)]| -> Vec<(Via, usize)> {
            sent.iter().map(|(via, bytes)| (*via, bytes.len())).collect()
        };
        assert_eq!(lens(&sent), [(Via::Datagram, 1321), (Via::Datagram, 21)]);
        let first_ping = (1 << 40) + 1;
        assert!(outbox.paths_mut().answered(first_ping, Via::Datagram, Instant(0)));
        let large = flush(&mut outbox, &[]);
        assert_eq!(lens(&large), [(Via::Datagram, 1400)]);
        let mut out = Vec::new();
        outbox.too_large(to, &large[0].1, &mut out);
        assert!(out.is_empty(), "a ping has done its work");
        outbox.too_large(to, &sent[0].1, &mut out);
        let [Output::Send(again)] = &out[..] else { panic!("it is sent by stream") };
        assert_eq!((again.via, &again.bytes), (Via::Stream, &sent[0].1));
        let sent = flush(&mut outbox, &[600, 600, 100, 1200]);
        // A ping goes before what takes the stream, to see whether that is open.
        let streams = [(Via::Stream, 21), (Via::Stream, 1216)];
        let expected = [&[(Via::Datagram, 616), (Via::Datagram, 718)], &streams[..]].concat();
        assert_eq!(lens(&sent)[..4], expected);
        assert!(lens(&sent)[4..].iter().all(|(_, len)| *len < 1400), "and sizes between are tried");
        assert_eq!(outbox.paths().narrow().collect::<Vec<_>>(), [(to, crate::wire::path::SAFE)]);
    }

    #[test]
    fn a_message_too_large_for_a_datagram_takes_the_stream_alone() {
        let to = SocketAddr::from(([127, 0, 0, 1], 1));
        let mut outbox = Outbox::default();
        outbox.push(to, Class::Updates, Via::Datagram, 1, &[&[0; 10]]);
        outbox.push(to, Class::Updates, Via::Datagram, 1, &[&[0; 5000]]);
        outbox.push(to, Class::Updates, Via::Datagram, 1, &[&[0; 10]]);
        let sent = sends(&mut outbox, &Limits::default());
        let via: Vec<Via> = sent.iter().map(|send| send.via).collect();
        assert_eq!(via, [Via::Datagram, Via::Stream, Via::Datagram]);
    }
}
