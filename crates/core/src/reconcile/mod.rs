//! How two replicas find out what differs, and exchange just that.
//!
//! Exchanges keep no state between messages, but for the cells that the asking end of a [`sketch`]
//! gathers: each message says all that is needed to answer it. So any of them may be lost, repeated
//! or late, a session may stop at any byte, and an item counts as known only once it has been applied. What a method of comparison adds is a file of
//! its own: [`full`] ships everything, [`checksum`] descends into ranges whose checksums differ,
//! [`sketch`] solves for the difference. [`audit`] asks, apart from them all, whether they miss
//! anything.

pub mod audit;
pub mod checksum;
pub mod full;
pub mod message;
pub mod sketch;

pub use message::Message;

use crate::base::codec::{Coded as _, DecodeError, Reader};
use crate::data::{Entry, Map, Space, block};
use crate::limits::Limits;
use crate::output::Via;
use crate::stats::Stats;
use crate::wire::Outbox;
use crate::wire::kind;
use crate::wire::packet::HEADER;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which ways entries may move, seen from the sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// From the sender to the receiver.
    pub mine: bool,
    /// From the receiver to the sender.
    pub yours: bool,
}

impl Flow {
    /// Seen from the other end.
    #[must_use]
    pub fn flip(self) -> Self {
        Self { mine: self.yours, yours: self.mine }
    }

    fn to_bits(self) -> u8 {
        u8::from(self.mine) | u8::from(self.yours) << 1
    }

    fn from_bits(bits: u8) -> Self {
        Self { mine: bits & 1 != 0, yours: bits & 2 != 0 }
    }
}

/// Entries that answer an exchange.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Which map.
    pub space: Space,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Entries {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Desk::send_entries`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        Ok(Self { space, entries: block::read(&mut body)? })
    }
}

/// What one end of an exchange works with for the length of one message.
pub struct Desk<'a> {
    /// The replica of the space in question.
    pub map: &'a Map,
    /// Which map that is.
    pub space: Space,
    /// The other end.
    pub to: SocketAddr,
    /// Entries stamped from this wall time up to [`Desk::young_until`] are still on their way by
    /// other means and are not sent.
    pub young_from: u64,
    /// See [`Desk::young_from`].
    pub young_until: u64,
    /// Bytes of entries in a piece.
    pub piece_bytes: usize,
    /// True if no entries are to be sent.
    pub silent: bool,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where messages go.
    pub outbox: &'a mut Outbox,
    /// Counters.
    pub stats: &'a mut Stats,
}

impl Desk<'_> {
    fn push(&mut self, kind: u8, body: &[&[u8]]) {
        self.push_via(Via::Datagram, kind, body);
    }

    pub(crate) fn push_via(&mut self, via: Via, kind: u8, body: &[&[u8]]) {
        self.outbox.push_repair(self.to, self.space, via, kind, body);
    }

    /// Bytes of entries that may be sent in answer to a message, about; 0 when the other end has
    /// been sent enough for this turn.
    #[must_use]
    pub fn budget(&self) -> usize {
        let room = self.outbox.repair_room(self.to, self.space, self.piece_bytes);
        room.min(self.piece_bytes)
    }

    /// True if a request may be answered: the peer has not been sent enough for this turn, nor all
    /// peers for the moment. Else it is counted as shed.
    pub fn is_open(&mut self) -> bool {
        let open = !self.outbox.budgets().repair_is_behind() && self.budget() > 0;
        self.stats.repair_shed += u64::from(!open);
        open
    }

    fn room(&self) -> usize {
        self.outbox.paths().size(self.to).min(self.limits.datagram).saturating_sub(HEADER + 32)
    }

    fn is_young(&self, entry: &Entry) -> bool {
        let wall = entry.stamp().wall_ms();
        self.space == Space::Data && (self.young_from..self.young_until).contains(&wall)
    }

    /// Messages carry so many entries: reported to whoever keeps an account of the exchange.
    fn carries(&mut self, entries: usize) {
        self.stats.repair_entries_sent += entries as u64;
        self.outbox.carries(self.to, entries);
    }

    /// Sends entries.
    pub fn send_entries(&mut self, entries: &[Arc<Entry>]) {
        if self.silent {
            self.stats.repair_withheld += entries.len() as u64;
            return;
        }
        self.carries(entries.len());
        for block in block::chunks(entries.iter().map(AsRef::as_ref), self.room()) {
            self.push(kind::ENTRIES, &[&[self.space.code()], &block]);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::checksum::{self, Opening};
    use super::sketch::exchange::{on_ask, on_opening, on_wants};
    use super::sketch::message::shortened;
    use super::sketch::{Exchange, Stand};
    use super::*;
    use crate::base::hash::Keyed;
    use crate::base::id::NodeId;
    use crate::base::rng::Rng;
    use crate::data::{Cut, Digest, Range, Stamp};
    use crate::output::Output;
    use crate::wire::packet::{Header, next_message};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, VecDeque};
    use std::ops::ControlFlow;

    pub(crate) const PUSH: Flow = Flow { mine: true, yours: false };
    pub(crate) const PULL: Flow = Flow { mine: false, yours: true };
    pub(crate) const BOTH: Flow = Flow { mine: true, yours: true };

    /// What a replica holds: the time of each key's stamp.
    pub(crate) type Model = BTreeMap<u16, u64>;

    /// The write of a key at a time: there is only one.
    pub(crate) fn write(key: u16, time: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(1) };
        let key = key.to_be_bytes();
        Arc::new(match time % 7 {
            0 => Entry::tombstone(&key, stamp),
            length => Entry::new(&key, &vec![time as u8; 9 * length as usize], stamp, None),
        })
    }

    pub(crate) fn map(writes: impl IntoIterator<Item = (u16, u64)>) -> Map {
        let mut map = Map::with_sketches(Keyed::for_cluster("test"));
        map.advance(1);
        writes.into_iter().for_each(|(key, time)| {
            let _ = map.apply(write(key, time));
        });
        map
    }

    /// What holds what both hold.
    pub(crate) fn union(one: &Model, other: &Model) -> Model {
        let mut union = one.clone();
        for (key, time) in other {
            let held = union.entry(*key).or_default();
            *held = (*held).max(*time);
        }
        union
    }

    /// A message on its way to one of the two ends.
    #[derive(Clone)]
    pub(crate) struct Letter {
        pub(crate) to: usize,
        pub(crate) kind: u8,
        pub(crate) body: Vec<u8>,
    }

    /// Two replicas and the messages between them.
    pub(crate) struct Pair {
        pub(crate) maps: [Map; 2],
        pub(crate) letters: VecDeque<Letter>,
        pub(crate) stats: Stats,
        /// The comparison by sketches that the first end began.
        exchange: Option<Exchange>,
        flow: Flow,
        piece_bytes: usize,
        limits: Limits,
    }

    impl Pair {
        pub(crate) fn new(maps: [Map; 2], piece_bytes: usize) -> Self {
            let (letters, stats, limits) = (VecDeque::new(), Stats::default(), Limits::default());
            Self { maps, letters, stats, exchange: None, flow: BOTH, piece_bytes, limits }
        }

        /// Lets one end work, and collects what it sends.
        pub(crate) fn at(&mut self, end: usize, work: impl FnOnce(&mut Desk<'_>)) {
            let mut outbox = Outbox::default();
            work(&mut Desk {
                map: &self.maps[end],
                space: Space::Data,
                to: SocketAddr::from(([10, 0, 0, 1], 1)),
                young_from: 0,
                young_until: 0,
                piece_bytes: self.piece_bytes,
                silent: false,
                limits: &self.limits,
                outbox: &mut outbox,
                stats: &mut self.stats,
            });
            let (mut out, header) = (Vec::new(), Header { tag: 0, sender: NodeId(1) });
            outbox.flush(
                header,
                &self.limits,
                |_| true,
                |_| false,
                &mut Stats::default(),
                &mut out,
            );
            for output in out {
                let Output::Send(send) = output else { continue };
                let mut packet = Reader::new(&send.bytes[HEADER..]);
                while !packet.is_empty() {
                    let (kind, mut body) = next_message(&mut packet).unwrap();
                    let body = body.take(body.remaining()).unwrap().to_vec();
                    self.letters.push_back(Letter { to: 1 - end, kind, body });
                }
            }
        }

        fn apply(&mut self, end: usize, entries: &[Entry]) {
            for entry in entries {
                let _ = self.maps[end].apply(Arc::new(entry.clone()));
            }
        }

        /// Takes a message in as a node does.
        pub(crate) fn deliver(&mut self, letter: &Letter) {
            let end = letter.to;
            let message = Message::decode(letter.kind, Reader::new(&letter.body)).unwrap();
            match message.unwrap() {
                Message::Digest(opening) => {
                    if self.maps[end].digest() != opening.data {
                        self.at(end, |desk| {
                            checksum::begin(desk, opening.flow.flip(), opening.data.count);
                        });
                    }
                }
                Message::Split(split) => self.at(end, |desk| checksum::on_split(desk, &split)),
                Message::Items(items) => self.at(end, |desk| checksum::on_items(desk, &items)),
                Message::Want(want) => self.at(end, |desk| checksum::on_want(desk, &want)),
                Message::Entries(entries) => self.apply(end, &entries.entries),
                Message::Pull(pull) => {
                    self.at(end, |desk| {
                        full::send(desk, pull.back, pull.pushed, pull.from);
                    });
                }
                Message::Piece(piece) => {
                    self.apply(end, &piece.entries);
                    self.at(end, |desk| {
                        if piece.back {
                            full::send_missing(desk, &piece);
                        }
                        if let Some(next) = piece.next {
                            full::pull(desk, piece.back, piece.pushed, next, Via::Stream);
                        }
                    });
                }
                Message::Sketch(greeting) => {
                    if shortened(self.maps[end].digest()) != greeting.body.opening.digest {
                        self.at(end, |desk| {
                            let _ = on_opening(desk, &greeting);
                        });
                    }
                }
                Message::SketchReply(reply) => {
                    self.go_on(|exchange, desk| exchange.on_reply(desk, &reply));
                }
                Message::SketchBatch(batch) => {
                    self.go_on(|exchange, desk| exchange.on_batch(desk, &batch));
                }
                Message::SketchAsk(ask) => self.at(end, |desk| on_ask(desk, &ask)),
                Message::Wants(wants) => self.at(end, |desk| on_wants(desk, &wants)),
                other => panic!("not of an exchange: {other:?}"),
            }
        }

        fn go_on(&mut self, step: impl FnOnce(&mut Exchange, &mut Desk<'_>) -> Stand) {
            let Some(mut exchange) = self.exchange.take() else { return };
            let mut stand = Stand::Open;
            self.at(0, |desk| stand = step(&mut exchange, desk));
            match stand {
                Stand::Open => self.exchange = Some(exchange),
                Stand::Known(_) => {}
                Stand::Unknown(_) => self.begin_checksum(self.flow),
            }
        }

        /// The first end begins an exchange by sketches.
        pub(crate) fn begin_sketch(&mut self, flow: Flow) {
            let (mut begun, roster) = (None, Digest::default());
            self.at(0, |desk| begun = Exchange::begin(desk, flow, Cut::NONE, roster, 0));
            self.exchange = Some(begun.unwrap());
            self.flow = flow;
        }

        /// The first end begins an exchange by checksums.
        pub(crate) fn begin_checksum(&mut self, flow: Flow) {
            let data = self.maps[0].digest();
            let roster = Digest::default();
            let opening = Opening { flow, answer: false, cut: Cut::NONE, data, roster };
            self.letters.push_back(Letter { to: 1, kind: kind::DIGEST, body: opening.encode() });
        }

        /// The first end begins an exchange of everything.
        pub(crate) fn begin_full(&mut self, flow: Flow) {
            self.at(0, |desk| full::begin(desk, flow, 0));
        }

        /// Delivers until nothing is on its way. Some messages are lost and some repeated late, in
        /// another order; answers how many there were.
        pub(crate) fn run(&mut self, lost: f64, repeated: f64, rng: &mut Rng) -> usize {
            let mut count = 0;
            while let Some(letter) = self.letters.pop_front() {
                count += 1;
                assert!(count < 10_000, "the exchange does not end");
                if rng.chance(repeated) {
                    let at = rng.index(self.letters.len() + 1);
                    self.letters.insert(at, letter.clone());
                }
                if !rng.chance(lost) {
                    self.deliver(&letter);
                }
            }
            count
        }

        pub(crate) fn held(&self, end: usize) -> Model {
            let mut model = Model::new();
            self.maps[end].walk(Range::ALL, &mut |_, entry| {
                let key = u16::from_be_bytes(entry.key().try_into().unwrap());
                let time = entry.stamp().time;
                assert_eq!(**entry, *write(key, time), "nobody wrote this");
                model.insert(key, time);
                ControlFlow::Continue(())
            });
            model
        }
    }

    /// What both hold, and what each holds besides; now and then next to nothing at one end.
    pub(crate) fn two_models() -> impl Strategy<Value = [Model; 2]> {
        let writes = |most| prop::collection::btree_map(0_u16..2000, 1_u64..50, 0..most);
        let base = prop_oneof![writes(20), writes(900)];
        let extra = || prop_oneof![writes(3), writes(120)];
        (base, extra(), extra(), 0_u8..10).prop_map(|(base, one, other, empty)| match empty {
            0 => [union(&base, &one), Model::new()],
            1 => [one, union(&base, &other)],
            _ => [union(&base, &one), union(&base, &other)],
        })
    }

    /// After an exchange without loss the ends to which entries may move hold everything.
    pub(crate) fn completes(models: [Model; 2], flow: Flow, begin: fn(&mut Pair, Flow)) {
        let mut pair = Pair::new(models.clone().map(map), 256 * 1024);
        let all = union(&models[0], &models[1]);
        begin(&mut pair, flow);
        pair.run(0.0, 0.0, &mut Rng::new(0));
        let [first, second] = models;
        assert!(pair.held(0) == if flow.yours { all.clone() } else { first });
        assert!(pair.held(1) == if flow.mine { all } else { second });
    }

    /// Whatever is lost or repeated, and however small the pieces: nothing wrong is applied, nothing
    /// moves the wrong way, and later exchanges finish.
    pub(crate) fn survives(
        models: [Model; 2],
        flow: Flow,
        (lost, repeated, seed): (f64, f64, u64),
        begin: fn(&mut Pair, Flow),
    ) {
        let mut rng = Rng::new(seed);
        let mut pair = Pair::new(models.clone().map(map), 2048);
        let all = union(&models[0], &models[1]);
        let done = [
            if flow.yours { all.clone() } else { models[0].clone() },
            if flow.mine { all.clone() } else { models[1].clone() },
        ];
        for round in 0..200 {
            let before = [pair.held(0), pair.held(1)];
            if before == done {
                return;
            }
            begin(&mut pair, flow);
            // Faults in the first exchanges only, so that the end is certain.
            let (lost, repeated) = if round < 3 { (lost, repeated) } else { (0.0, 0.0) };
            pair.run(lost, repeated, &mut rng);
            for (end, before) in before.iter().enumerate() {
                let held = pair.held(end);
                assert!(union(&held, before) == held, "something is gone");
                assert!(union(&held, &done[end]) == done[end], "something came the wrong way");
            }
        }
        panic!("exchanges do not finish");
    }

    #[test]
    fn golden_bytes_of_entries() {
        let mut pair = Pair::new([map([]), map([])], 1024);
        pair.at(0, |desk| desk.send_entries(&[write(5, 7)]));
        let letter = pair.letters.pop_front().unwrap();
        assert_eq!(letter.kind, kind::ENTRIES);
        // Space; tombstone, stamp +7, writer, key.
        assert_eq!(letter.body, [0, 1, 14, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 5]);
        assert_eq!(pair.stats.repair_entries_sent, 1);
    }
}
