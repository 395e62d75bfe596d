//! Comparison by shipping everything, and the bulk transfer to a node that has next to nothing.
//!
//! Everything goes in pieces in the order of key hashes: a piece covers the hashes from its start
//! to its end, and the receiver asks for the next one when it has applied it. So both ends need
//! memory for one piece, the receiver sets the pace, and a transfer goes on where it stopped, with
//! another peer if need be. A replica that fits one piece is pushed in one message, pulled in two
//! and exchanged both ways in three.

use super::{Desk, Flow};
use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::data::{Entry, Space, block};
use crate::output::Via;
use crate::wire::kind;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Exchanges of which it is remembered how far they have come; one more begins at the beginning.
const MAX_PLACES: usize = 64;

/// Asks for everything from a hash on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Which map.
    pub space: Space,
    /// True if the sender will answer each piece with what the piece lacks.
    pub back: bool,
    /// True if this goes on with what the other end began by pushing.
    pub pushed: bool,
    /// First key hash.
    pub from: u64,
}

impl Pull {
    /// The body of the message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = vec![self.space.code(), u8::from(self.back) | u8::from(self.pushed) << 1];
        body.put(&self.from.to_le_bytes());
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or names no space.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let (space, bits) = (Space::decode(&mut body)?, body.u8()?);
        Ok(Self { space, back: bits & 1 != 0, pushed: bits & 2 != 0, from: body.u64()? })
    }
}

/// All entries whose key hashes lie in `from..next` (to the end without `next`).
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which map.
    pub space: Space,
    /// True if the receiver is to answer with what the piece lacks.
    pub back: bool,
    /// True if nobody asked: the receiver pulls the next piece.
    pub pushed: bool,
    /// First key hash.
    pub from: u64,
    /// First key hash of the next piece; `None` if this is the last.
    pub next: Option<u64>,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Piece {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`send`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        let bits = body.u8()?;
        let from = body.u64()?;
        let next = match bits & 4 {
            0 => None,
            _ => Some(body.u64()?),
        };
        if next.is_some_and(|next| next <= from) {
            return Err(DecodeError::Invalid("piece"));
        }
        let entries = block::read(&mut body)?;
        Ok(Self { space, back: bits & 1 != 0, pushed: bits & 2 != 0, from, next, entries })
    }
}

/// Begins an exchange of everything from a hash on: pulls if entries may come, else pushes.
pub fn begin(desk: &mut Desk<'_>, flow: Flow, from: u64) {
    if flow.yours {
        pull(desk, flow.mine, false, from, Via::Datagram);
    } else {
        send(desk, false, true, from);
    }
}

/// How far exchanges of everything that this node began have come, of those that are not at their
/// end. What is begun next with the same member goes on from there: where less may be sent at a time
/// than there is, the last entries would have no turn otherwise.
#[derive(Debug, Default)]
pub struct Places {
    unfinished: VecDeque<(SocketAddr, Space, u64)>,
}

impl Places {
    /// Where the next exchange begins.
    #[must_use]
    pub fn of(&self, with: SocketAddr, space: Space) -> u64 {
        let here = |place: &&(SocketAddr, Space, u64)| (place.0, place.1) == (with, space);
        self.unfinished.iter().find(here).map_or(0, |place| place.2)
    }

    /// One has come as far as a hash, or to its end.
    pub fn note(&mut self, with: SocketAddr, space: Space, next: Option<u64>) {
        self.unfinished.retain(|place| (place.0, place.1) != (with, space));
        if let Some(next) = next {
            self.unfinished.push_back((with, space, next));
        }
        if self.unfinished.len() > MAX_PLACES {
            self.unfinished.pop_front();
        }
    }
}

/// Asks for everything from a hash on. Whoever asks by stream gets a larger piece, since that
/// proves its address, and notices when it asks in vain.
pub fn pull(desk: &mut Desk<'_>, back: bool, pushed: bool, from: u64, via: Via) {
    let pull = Pull { space: desk.space, back, pushed, from };
    desk.push_via(via, kind::PULL, &[&pull.encode()]);
}

/// Sends the piece that begins at a hash. Returns where the next one begins, if there is more.
pub fn send(desk: &mut Desk<'_>, back: bool, pushed: bool, from: u64) -> Option<u64> {
    if desk.silent {
        // Asked again, it may be answered.
        desk.stats.repair_withheld += 1;
        return None;
    }
    let (entries, next) = desk.map.page(from, desk.budget(), block::MAX_ENTRIES);
    desk.carries(entries.len());
    let bits = u8::from(back) | u8::from(pushed) << 1 | u8::from(next.is_some()) << 2;
    let mut body = vec![desk.space.code(), bits];
    body.put(&from.to_le_bytes());
    if let Some(next) = next {
        body.put(&next.to_le_bytes());
    }
    let mut context = block::Context::default();
    for entry in &entries {
        context.encode(entry, &mut body);
    }
    // Pieces of one transfer stay in order.
    let via = if next.is_some() || from > 0 { Via::Stream } else { Via::Datagram };
    desk.push_via(via, kind::PIECE, &[&body]);
    next
}

/// Sends what a piece lacks of this replica, up to a piece: entries in its span that it does not
/// hold, or holds an older version of. Called when the piece has been applied.
pub fn send_missing(desk: &mut Desk<'_>, piece: &Piece) {
    let held: std::collections::BTreeMap<&[u8], _> =
        piece.entries.iter().map(|entry| (entry.key(), entry)).collect();
    let mut entries = Vec::new();
    let mut left = desk.budget();
    desk.map.walk_from(piece.from, &mut |hash, entry| {
        if left == 0 || piece.next.is_some_and(|next| hash >= next) {
            return ControlFlow::Break(());
        }
        let newer = |held: &&Entry| held.stamp() < entry.stamp() || differs(held, entry);
        if held.get(entry.key()).is_none_or(newer) {
            left = left.saturating_sub(entry.size() + 24);
            entries.push(Arc::clone(entry));
        }
        ControlFlow::Continue(())
    });
    desk.send_entries(&entries);
}

/// True if this replica keeps another entry under the same stamp, which outweighs.
fn differs(held: &Entry, entry: &Entry) -> bool {
    held.stamp() == entry.stamp() && entry.outweighs(held)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        BOTH, Model, PULL, PUSH, Pair, completes, map, survives, two_models, write,
    };
    use super::*;
    use crate::base::codec::tests::reads_again;
    use crate::base::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_exchange_brings_everything_where_it_may_go(models in two_models()) {
            for flow in [PUSH, PULL, BOTH] {
                completes(models.clone(), flow, Pair::begin_full);
            }
        }

        #[test]
        fn loss_and_repetition_do_no_harm(
            models in two_models(),
            faults in (0.0..0.3, 0.0..0.1, any::<u64>()),
        ) {
            for flow in [PUSH, PULL, BOTH] {
                survives(models.clone(), flow, faults, Pair::begin_full);
            }
        }

        #[test]
        fn what_any_bytes_say_is_read_again_and_goes_forward(
            bits: (bool, u8), hashes: (u64, u64), rest: Vec<u8>,
        ) {
            let mut bytes = vec![u8::from(bits.0), bits.1];
            bytes.put(&hashes.0.to_le_bytes());
            bytes.put(&hashes.1.to_le_bytes());
            bytes.put(&rest);
            reads_again(&bytes, Pull::decode, |pull| pull.encode())?;
            if let Ok(piece) = Piece::decode(Reader::new(&bytes)) {
                prop_assert!(piece.next.is_none_or(|next| next > piece.from));
                let size: usize = piece.entries.iter().map(Entry::size).sum();
                prop_assert!(size <= bytes.len());
            }
        }
    }

    #[test]
    fn small_replicas_take_one_two_or_three_messages() {
        for (flow, messages) in [(PUSH, 1), (PULL, 2), (BOTH, 3)] {
            let (one, other): (Model, Model) = ([(1, 1)].into(), [(2, 1)].into());
            let mut pair = Pair::new([map(one), map(other)], 1024);
            pair.begin_full(flow);
            assert_eq!(pair.run(0.0, 0.0, &mut Rng::new(0)), messages);
        }
    }

    #[test]
    fn golden_bytes() {
        let pull = Pull { space: Space::Data, back: true, pushed: false, from: 0x0102 };
        assert_eq!(pull.encode(), [0, 1, 2, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Pull::decode(Reader::new(&pull.encode())), Ok(pull));

        let mut pair = Pair::new([map([(1, 7), (2, 7)]), map([])], 20);
        let keys = map([]);
        let hash = |key: u16| keys.hash(&key.to_be_bytes());
        let (first, next) = if hash(1) < hash(2) { (1, 2) } else { (2, 1) };
        pair.at(0, |desk| assert_eq!(send(desk, false, true, 0), Some(hash(next))));
        let piece = pair.letters.pop_front().unwrap();
        let mut golden = vec![0, 6, 0, 0, 0, 0, 0, 0, 0, 0];
        golden.extend(hash(next).to_le_bytes());
        golden.extend([1, 14, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, first]);
        assert_eq!((piece.kind, &piece.body), (kind::PIECE, &golden));

        pair.at(0, |desk| assert_eq!(send(desk, true, false, hash(next)), None));
        let piece = pair.letters.pop_front().unwrap();
        let read = Piece::decode(Reader::new(&piece.body)).unwrap();
        assert_eq!((read.back, read.pushed, read.next), (true, false, None));
        assert_eq!(read.entries, [write(next, 7).as_ref().clone()]);
    }

    #[test]
    fn what_is_unfinished_goes_on_with_the_same_member_where_it_stopped() {
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        let mut places = Places::default();
        places.note(at(1), Space::Data, Some(7));
        places.note(at(1), Space::Data, Some(9));
        let of = |places: &Places, port, space| places.of(at(port), space);
        assert_eq!(of(&places, 1, Space::Data), 9);
        assert_eq!([of(&places, 1, Space::Roster), of(&places, 2, Space::Data)], [0, 0]);
        places.note(at(1), Space::Data, None);
        assert_eq!(of(&places, 1, Space::Data), 0, "at its end");
        (1..=65).for_each(|port| places.note(at(port), Space::Data, Some(1)));
        assert_eq!(of(&places, 1, Space::Data), 0, "the oldest is forgotten");
        assert_eq!(of(&places, 65, Space::Data), 1);
    }

    #[test]
    fn a_piece_that_ends_where_it_begins_is_refused() {
        let mut bytes = vec![0, 4];
        bytes.extend(9_u64.to_le_bytes());
        bytes.extend(9_u64.to_le_bytes());
        assert!(Piece::decode(Reader::new(&bytes)).is_err());
    }
}
