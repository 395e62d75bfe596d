//! One exchange between two replicas, message by message: the core's own reconciliation, through
//! its encoded packets, without a network between.
//!
//! A message here is all that one end says in one turn, however many datagrams or frames it takes.

use rumormill_core::NodeId;
use rumormill_core::Stats;
use rumormill_core::base::codec::{DecodeError, Reader};
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::{Cut, Digest, Entry, Map, Range, Space, Stamp};
use rumormill_core::limits::Limits;
use rumormill_core::output::{Output, Via};
use rumormill_core::reconcile::Message;
use rumormill_core::reconcile::checksum::{self, Opening};
use rumormill_core::reconcile::sketch::exchange::{on_ask, on_opening, on_wants};
use rumormill_core::reconcile::sketch::{
    Ask, Batch, Exchange, Greeting, Headed, Reply, Stand, Wants,
};
use rumormill_core::reconcile::{Desk, Flow, full};
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_core::wire::Outbox;
use rumormill_core::wire::kind;
use rumormill_core::wire::packet::{HEADER, Header, next_message};
use serde::Serialize;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;
use thiserror::Error;

/// Messages after which an exchange is given up: none takes so many.
const MAX_MESSAGES: usize = 100_000;
/// What an entry takes in memory beside its value, about: key, stamp, and its place in two maps.
const OVERHEAD: u64 = 250;

/// What is compared with what, and how.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// Which way entries move, seen from the first replica, which begins.
    pub direction: Direction,
    /// How differences are found.
    pub compare: Compare,
    /// Different keys in both replicas together.
    pub entries: u64,
    /// How many of those differ: in equal parts missing at the first, missing at the second, newer
    /// at the first, newer at the second.
    pub differences: u64,
    /// Bytes of a value.
    pub value_size: usize,
    /// Bytes of entries in one piece, where everything is shipped.
    pub piece_bytes: usize,
    /// Chooses keys, values and differences.
    pub seed: u64,
}

impl Setup {
    /// The memory that it takes, about, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let each = OVERHEAD.saturating_add(self.value_size as u64);
        // An entry that is newer at one end exists twice; what is under way exists once more.
        self.entries.saturating_mul(each).saturating_mul(2)
    }
}

/// What one end says in one turn.
#[derive(Clone, Debug, Serialize)]
pub struct Turn {
    /// Who says it: 0 is the replica that began.
    pub from: usize,
    /// Bytes on the wire, with the headers of the packets.
    pub bytes: u64,
    /// Datagrams.
    pub datagrams: u64,
    /// Frames over the stream.
    pub frames: u64,
    /// What is in it.
    pub parts: Vec<Part>,
}

/// Protocol messages of one kind in a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// The kind, as in the protocol.
    pub kind: &'static str,
    /// How many such messages.
    pub messages: u64,
    /// What they hold, together: entries, items, or ranges.
    pub holds: u64,
    /// Bytes of their bodies.
    pub bytes: u64,
}

/// How an exchange went.
#[derive(Clone, Debug, Serialize)]
pub struct Exchanged {
    /// Every message, in order.
    pub turns: Vec<Turn>,
    /// Entries that differed before.
    pub different: u64,
    /// Entries that still differ.
    pub left_different: u64,
}

impl Exchanged {
    /// Bytes of all messages.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.turns.iter().map(|turn| turn.bytes).sum()
    }

    /// Round trips begun: an answer belongs to the message before it.
    #[must_use]
    pub fn rounds(&self) -> usize {
        self.turns.len().div_ceil(2)
    }
}

/// What the core's own messages should never do.
#[derive(Debug, Error)]
pub enum ExchangeError {
    /// A message cannot be read.
    #[error("a message of the exchange cannot be read: {0}")]
    Decode(#[from] DecodeError),
    /// A message does not belong here.
    #[error("the exchange sent a message of another part of the protocol")]
    Stranger,
    /// It goes on and on.
    #[error("the exchange has not ended after {MAX_MESSAGES} messages")]
    Endless,
    /// Somebody asked to stop.
    #[error("the exchange was interrupted")]
    Interrupted,
}

/// Lets two replicas exchange, as long as `go_on` says so.
///
/// # Errors
/// If the core does what it never should, or `go_on` said no.
pub fn exchange(
    setup: &Setup,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Exchanged, ExchangeError> {
    let mut pair = Pair::new(setup);
    let different = pair.count_different();
    let mut letters = pair.begin(setup);
    let (mut turns, mut from) = (Vec::new(), 0);
    while let Some(turn) = letters.turn(from)? {
        turns.push(turn);
        if turns.len() >= MAX_MESSAGES {
            return Err(ExchangeError::Endless);
        }
        if !go_on() {
            return Err(ExchangeError::Interrupted);
        }
        from = 1 - from;
        letters = pair.answer(from, &letters)?;
    }
    let left_different = pair.count_different();
    Ok(Exchanged { turns, different, left_different })
}

/// The two replicas.
struct Pair {
    maps: [Map; 2],
    limits: Limits,
    piece_bytes: usize,
    flow: Flow,
    /// The comparison by sketches that the first replica began.
    begun: Option<Exchange>,
}

impl Pair {
    fn new(setup: &Setup) -> Self {
        let mut rng = Rng::new(setup.seed);
        let mut maps = [(); 2].map(|()| {
            let keyed = Keyed::for_cluster("exchange");
            match setup.compare {
                Compare::Sketch => Map::with_sketches(keyed),
                Compare::Full | Compare::Checksum => Map::new(keyed),
            }
        });
        // Which keys differ is drawn; how goes round, so that there are as many of each. Of an only
        // difference the second replica knows nothing, so that all three messages are needed.
        let (mut left, mut way) = (setup.differences.min(setup.entries), 0);
        for index in 0..setup.entries {
            let older = entry(index, 0, setup.value_size, &mut rng);
            let differs = rng.below(setup.entries - index) < left;
            let held = if !differs {
                [Some(Arc::clone(&older)), Some(older)]
            } else {
                left -= 1;
                way += 1;
                let newer = entry(index, 1, setup.value_size, &mut rng);
                match way % 4 {
                    1 => [Some(older), None],
                    2 => [None, Some(older)],
                    3 => [Some(newer), Some(older)],
                    _ => [Some(older), Some(newer)],
                }
            };
            for (map, entry) in maps.iter_mut().zip(held) {
                if let Some(entry) = entry {
                    let _ = map.apply(entry);
                }
            }
        }
        let (flow, piece_bytes) = (setup.direction.flow(), setup.piece_bytes);
        Self { maps, limits: Limits::default(), piece_bytes, flow, begun: None }
    }

    /// Lets one end work, and takes what it sends.
    fn at(&self, end: usize, work: impl FnOnce(&mut Desk<'_>)) -> Letters {
        let (mut outbox, mut stats, mut out) = (Outbox::default(), Stats::default(), Vec::new());
        work(&mut Desk {
            map: &self.maps[end],
            space: Space::Data,
            to: SocketAddr::from(([10, 0, 0, 1 - end as u8], 1)),
            // Nothing is on its way by other means.
            young_from: 0,
            young_until: 0,
            piece_bytes: self.piece_bytes,
            silent: false,
            limits: &self.limits,
            outbox: &mut outbox,
            stats: &mut stats,
        });
        let header = Header { tag: 0, sender: NodeId(end as u64) };
        outbox.flush(header, &self.limits, |_| true, |_| false, &mut stats, &mut out);
        Letters(out)
    }

    fn begin(&mut self, setup: &Setup) -> Letters {
        let (flow, mut begun) = (self.flow, None);
        let letters = self.at(0, |desk| match setup.compare {
            Compare::Full => full::begin(desk, flow, 0),
            Compare::Checksum => begin_by_checksum(desk, flow),
            Compare::Sketch => {
                begun = Exchange::begin(desk, flow, Cut::NONE, Digest::default(), 0);
            }
        });
        self.begun = begun;
        letters
    }

    /// Takes in a message as a node does: what it brings first, then the answers.
    fn answer(&mut self, end: usize, letters: &Letters) -> Result<Letters, ExchangeError> {
        let mut messages = Vec::new();
        letters.each(&mut |message, _| {
            messages.push(message);
            Ok(())
        })?;
        for message in &mut messages {
            let entries = match message {
                Told::Entries(entries) => entries,
                Told::Piece(piece) => &piece.entries,
                _ => continue,
            };
            for entry in entries {
                let _ = self.maps[end].apply(Arc::new(entry.clone()));
            }
        }
        let (flow, mut begun) = (self.flow, self.begun.take());
        let letters = self.at(end, |desk| {
            for message in &messages {
                answer(desk, flow, &mut begun, message);
            }
        });
        self.begun = begun;
        Ok(letters)
    }

    fn count_different(&self) -> u64 {
        let [one, other] = &self.maps;
        let mut different = 0;
        one.walk(Range::ALL, &mut |_, entry| {
            let theirs = other.get(entry.key()).map(|entry| entry.stamp());
            different += u64::from(theirs != Some(entry.stamp()));
            ControlFlow::Continue(())
        });
        other.walk(Range::ALL, &mut |_, entry| {
            different += u64::from(one.get(entry.key()).is_none());
            ControlFlow::Continue(())
        });
        different
    }
}

fn entry(index: u64, version: u64, size: usize, rng: &mut Rng) -> Arc<Entry> {
    let key = format!("key-{index:08}");
    let mut value = Vec::with_capacity(size + 8);
    while value.len() < size {
        value.extend_from_slice(&rng.bits().to_le_bytes());
    }
    value.truncate(size);
    let stamp = Stamp { time: ((1_700_000_000_000 + version) << 16) + index, node: NodeId(1) };
    Arc::new(Entry::new(key.as_bytes(), &value, stamp, None))
}

/// A message of an exchange.
enum Told {
    Opening(Opening),
    Split(checksum::Split),
    Items(checksum::Items),
    Want(checksum::Want),
    Entries(Vec<Entry>),
    Pull(full::Pull),
    Piece(full::Piece),
    Greeting(Headed<Greeting>),
    Reply(Headed<Reply>),
    Ask(Headed<Ask>),
    Batch(Headed<Batch>),
    Wants(Wants),
}

impl Told {
    /// Its name in the protocol, and how much it holds.
    fn holds(&self) -> (&'static str, u64) {
        match self {
            Self::Opening(opening) => ("digest", opening.data.count),
            Self::Split(split) => ("split", split.ranges() as u64),
            Self::Items(items) => ("items", items.count() as u64),
            Self::Want(want) => ("want", want.count() as u64),
            Self::Entries(entries) => ("entries", entries.len() as u64),
            Self::Pull(_) => ("pull", 0),
            Self::Piece(piece) => ("piece", piece.entries.len() as u64),
            Self::Greeting(greeting) => ("sketch", greeting.body.opening.digest.count),
            Self::Reply(reply) => ("sketch-reply", reply.body.cells.len() as u64),
            Self::Ask(ask) => ("sketch-ask", ask.body.to.saturating_sub(ask.body.from) as u64),
            Self::Batch(batch) => ("sketch-batch", batch.body.cells.len() as u64),
            Self::Wants(wants) => ("wants", wants.items.len() as u64),
        }
    }
}

fn begin_by_checksum(desk: &mut Desk<'_>, flow: Flow) {
    let (data, roster) = (desk.map.digest(), Digest::default());
    let opening = Opening { flow, answer: false, cut: Cut::NONE, data, roster };
    let body = opening.encode();
    desk.outbox.push_repair(desk.to, desk.space, Via::Datagram, kind::DIGEST, &[&body]);
}

fn answer(desk: &mut Desk<'_>, flow: Flow, begun: &mut Option<Exchange>, message: &Told) {
    match message {
        Told::Greeting(greeting) => {
            let _ = on_opening(desk, greeting);
        }
        Told::Reply(reply) => go_on(desk, flow, begun, |it, desk| it.on_reply(desk, reply)),
        Told::Batch(batch) => go_on(desk, flow, begun, |it, desk| it.on_batch(desk, batch)),
        Told::Ask(ask) => on_ask(desk, ask),
        Told::Wants(wants) => on_wants(desk, wants),
        // A node that holds far less would be filled in bulk instead; these two differ too little.
        Told::Opening(opening) => {
            if desk.map.digest() != opening.data {
                checksum::begin(desk, opening.flow.flip(), opening.data.count);
            }
        }
        Told::Split(split) => checksum::on_split(desk, split),
        Told::Items(items) => checksum::on_items(desk, items),
        Told::Want(want) => checksum::on_want(desk, want),
        Told::Entries(_) => {}
        Told::Pull(pull) => {
            full::send(desk, pull.back, pull.pushed, pull.from);
        }
        Told::Piece(piece) => {
            if piece.back {
                full::send_missing(desk, piece);
            }
            if let Some(next) = piece.next {
                full::pull(desk, piece.back, piece.pushed, next, Via::Stream);
            }
        }
    }
}

/// Goes on with the comparison by sketches, by checksums where those do not help.
fn go_on(
    desk: &mut Desk<'_>,
    flow: Flow,
    begun: &mut Option<Exchange>,
    step: impl FnOnce(&mut Exchange, &mut Desk<'_>) -> Stand,
) {
    let Some(mut exchange) = begun.take() else { return };
    match step(&mut exchange, desk) {
        Stand::Open => *begun = Some(exchange),
        Stand::Known(_) => {}
        Stand::Unknown(_) => begin_by_checksum(desk, flow),
    }
}

/// The packets of one turn.
struct Letters(Vec<Output>);

impl Letters {
    /// Reads every message from the packets; `visit` gets it and the bytes of its body.
    fn each(
        &self,
        visit: &mut dyn FnMut(Told, usize) -> Result<(), ExchangeError>,
    ) -> Result<(), ExchangeError> {
        for output in &self.0 {
            let Output::Send(send) = output else { continue };
            let mut packet = Reader::new(&send.bytes);
            packet.take(HEADER)?;
            while !packet.is_empty() {
                let (kind, body) = next_message(&mut packet)?;
                let bytes = body.remaining();
                let told = match Message::decode(kind, body)? {
                    Some(Message::Digest(opening)) => Told::Opening(opening),
                    Some(Message::Split(split)) => Told::Split(split),
                    Some(Message::Items(items)) => Told::Items(items),
                    Some(Message::Want(want)) => Told::Want(want),
                    Some(Message::Entries(entries)) => Told::Entries(entries.entries),
                    Some(Message::Pull(pull)) => Told::Pull(pull),
                    Some(Message::Piece(piece)) => Told::Piece(piece),
                    Some(Message::Sketch(greeting)) => Told::Greeting(greeting),
                    Some(Message::SketchReply(reply)) => Told::Reply(reply),
                    Some(Message::SketchAsk(ask)) => Told::Ask(ask),
                    Some(Message::SketchBatch(batch)) => Told::Batch(batch),
                    Some(Message::Wants(wants)) => Told::Wants(wants),
                    _ => return Err(ExchangeError::Stranger),
                };
                visit(told, bytes)?;
            }
        }
        Ok(())
    }

    /// What is to be shown of them; none if nothing was said.
    fn turn(&self, from: usize) -> Result<Option<Turn>, ExchangeError> {
        let mut turn = Turn { from, bytes: 0, datagrams: 0, frames: 0, parts: Vec::new() };
        for output in &self.0 {
            let Output::Send(send) = output else { continue };
            turn.bytes += send.bytes.len() as u64;
            match send.via {
                Via::Datagram => turn.datagrams += 1,
                Via::Stream => turn.frames += 1,
            }
        }
        self.each(&mut |told, bytes| {
            let (kind, holds) = told.holds();
            let bytes = bytes as u64;
            match turn.parts.iter_mut().find(|part| part.kind == kind) {
                Some(part) => {
                    part.messages += 1;
                    part.holds += holds;
                    part.bytes += bytes;
                }
                None => turn.parts.push(Part { kind, messages: 1, holds, bytes }),
            }
            Ok(())
        })?;
        Ok((turn.bytes > 0).then_some(turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(direction: Direction, compare: Compare, entries: u64, differences: u64) -> Exchanged {
        let piece_bytes = 4 << 20;
        let setup = Setup {
            direction,
            compare,
            entries,
            differences,
            value_size: 64,
            piece_bytes,
            seed: 1,
        };
        let exchanged = exchange(&setup, &mut || true).unwrap();
        assert_eq!(exchanged.different, differences);
        exchanged
    }

    #[test]
    fn full_takes_one_two_and_three_messages() {
        for (direction, messages, rounds) in
            [(Direction::Push, 1, 1), (Direction::Pull, 2, 1), (Direction::PushPull, 3, 2)]
        {
            for (entries, differences) in [(1, 1), (1000, 0), (1000, 100), (10_000, 10_000)] {
                let exchanged = run(direction, Compare::Full, entries, differences);
                // Nothing is missing to be sent back where nothing differs.
                let messages = if differences == 0 { messages.min(2) } else { messages };
                if differences > 1 || direction != Direction::PushPull {
                    assert_eq!(exchanged.turns.len(), messages, "{direction:?} of {entries}");
                }
                if differences > 1 {
                    assert_eq!(exchanged.rounds(), rounds);
                }
            }
        }
    }

    #[test]
    fn one_way_leaves_what_the_other_way_would_bring() {
        for compare in [Compare::Full, Compare::Checksum, Compare::Sketch] {
            for direction in [Direction::Push, Direction::Pull] {
                assert_eq!(run(direction, compare, 2000, 100).left_different, 50, "{direction:?}");
            }
            assert_eq!(run(Direction::PushPull, compare, 2000, 100).left_different, 0);
            assert_eq!(run(Direction::PushPull, compare, 20, 20).left_different, 0);
            assert_eq!(run(Direction::PushPull, compare, 0, 0).left_different, 0);
        }
    }

    #[test]
    fn checksums_take_more_messages_and_far_fewer_bytes() {
        let full = run(Direction::PushPull, Compare::Full, 10_000, 10);
        let checksum = run(Direction::PushPull, Compare::Checksum, 10_000, 10);
        assert!(checksum.turns.len() > 3);
        assert!(checksum.bytes() * 20 < full.bytes());
        let equal = run(Direction::PushPull, Compare::Checksum, 10_000, 0);
        assert_eq!(equal.turns.len(), 1);
        assert_eq!(equal.turns[0].parts[0].kind, "digest");
    }

    #[test]
    fn sketches_take_few_messages_and_fewer_bytes() {
        for (differences, messages) in [(0, 1), (1, 3), (4, 4), (1000, 8)] {
            let exchanged = run(Direction::PushPull, Compare::Sketch, 50_000, differences);
            assert_eq!(exchanged.left_different, 0, "{differences}");
            assert!(
                exchanged.turns.len() <= messages,
                "{} for {differences}",
                exchanged.turns.len()
            );
            let checksum = run(Direction::PushPull, Compare::Checksum, 50_000, differences);
            assert!(exchanged.bytes() <= checksum.bytes());
        }
        // Too many to be solved: by checksums in the end.
        let exchanged = run(Direction::PushPull, Compare::Sketch, 60, 60);
        assert_eq!(exchanged.left_different, 0);
        assert!(exchanged.turns.iter().any(|turn| turn.parts[0].kind == "digest"));
    }

    #[test]
    fn small_pieces_take_more_messages() {
        let setup = Setup {
            direction: Direction::Pull,
            compare: Compare::Full,
            entries: 1000,
            differences: 1000,
            value_size: 64,
            piece_bytes: 10_000,
            seed: 3,
        };
        let exchanged = exchange(&setup, &mut || true).unwrap();
        assert!(exchanged.turns.len() > 10 && exchanged.left_different == 500);
        let cut = exchange(&setup, &mut || false).unwrap_err();
        assert!(matches!(cut, ExchangeError::Interrupted));
    }
}
