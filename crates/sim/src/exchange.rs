//! One exchange between two replicas, message by message: the core's own reconciliation, through
//! its encoded packets, without a network between.
//!
//! A message here is all that one end says in one turn, however many datagrams or frames it takes.

use rumormill_core::NodeId;
use rumormill_core::Stats;
use rumormill_core::base::codec::{DecodeError, Reader};
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::rng::Rng;
use rumormill_core::config::Limits;
use rumormill_core::data::{Cut, Digest, Entry, Map, Range, Space, Stamp};
use rumormill_core::message::{Message, kind};
use rumormill_core::output::{Output, Via};
use rumormill_core::packet::{HEADER, Header, Outbox, next_message};
use rumormill_core::reconcile::checksum::{self, Opening};
use rumormill_core::reconcile::{Desk, full};
use rumormill_core::spread::entropy::{Compare, Direction};
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
}

impl Pair {
    fn new(setup: &Setup) -> Self {
        let mut rng = Rng::new(setup.seed);
        let mut maps = [(); 2].map(|()| Map::new(Keyed::for_cluster("exchange")));
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
        Self { maps, limits: Limits::default(), piece_bytes: setup.piece_bytes }
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
            limits: &self.limits,
            outbox: &mut outbox,
            stats: &mut stats,
        });
        let header = Header { tag: 0, sender: NodeId(end as u64) };
        outbox.flush(header, &self.limits, |_| true, |_| false, &mut stats, &mut out);
        Letters(out)
    }

    fn begin(&self, setup: &Setup) -> Letters {
        let flow = setup.direction.flow();
        self.at(0, |desk| match setup.compare {
            Compare::Full if flow.yours => full::pull(desk, flow.mine, false, 0, Via::Datagram),
            Compare::Full => full::send(desk, false, true, 0),
            Compare::Checksum => {
                let (data, roster) = (desk.map.digest(), Digest::default());
                let opening = Opening { flow, answer: false, cut: Cut::NONE, data, roster };
                let outbox = &mut *desk.outbox;
                let body = opening.encode();
                outbox.push_repair(desk.to, desk.space, Via::Datagram, kind::DIGEST, &[&body]);
            }
        })
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
        Ok(self.at(end, |desk| {
            for message in &messages {
                answer(desk, message);
            }
        }))
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
        }
    }
}

fn answer(desk: &mut Desk<'_>, message: &Told) {
    match message {
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
        Told::Pull(pull) => full::send(desk, pull.back, pull.pushed, pull.from),
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
        for compare in [Compare::Full, Compare::Checksum] {
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
