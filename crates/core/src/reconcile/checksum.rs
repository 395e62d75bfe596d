//! Comparison by checksums: of everything first, then of the sixteen parts of each range that
//! differs, and in ranges with few entries of the single items.
//!
//! A descent through a hash trie (a Merkle tree with sums for hashes). It costs one round trip for
//! every factor of 16 in the number of entries, and the bytes grow with the differences times the
//! depth. One small message where nothing differs.

use super::{Desk, Flow};
use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::base::hash::Set;
use crate::data::{Cut, Digest, Entry, Range, Space};
use crate::wire::kind;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Ranges with at most this many entries at both ends together are compared item by item: 8 bytes
/// an item, against 150 bytes and a round trip for another split (guess: where both cost the same).
const FEW: u64 = 48;
/// Ranges in one message that are looked at.
const MAX_RANGES: usize = 4096;
/// Items in one message.
const MAX_ITEMS: usize = 65_536;
/// Ranges with more entries than this are not compared item by item, whoever asks for it: ranges
/// that held few at the time may have grown a little since.
const MANY: u64 = 4 * FEW;
/// What the split of a range takes in a message, about.
const SPLIT_BYTES: usize = 160;
/// Pieces out of which one is sent (guess).
const FROM: usize = 4;
/// Entries of a range that are looked at and not sent, at most.
const MAX_SKIPPED: usize = 1024;

/// Opens a comparison: the digests of both maps, that of the data at a cut in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// Which ways entries may move.
    pub flow: Flow,
    /// True if this answers an opening, because the other end holds much more.
    pub answer: bool,
    /// The cut for the data's digest.
    pub cut: Cut,
    /// The data outside the cut.
    pub data: Digest,
    /// The whole roster.
    pub roster: Digest,
}

impl Opening {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(48);
        body.put(&[self.flow.to_bits() | u8::from(self.answer) << 2]);
        self.cut.encode(&mut body);
        self.data.encode(&mut body);
        self.roster.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let bits = body.u8()?;
        Ok(Self {
            flow: Flow::from_bits(bits),
            answer: bits & 4 != 0,
            cut: Cut::decode(&mut body)?,
            data: Digest::decode(&mut body)?,
            roster: Digest::decode(&mut body)?,
        })
    }
}

/// Count and shortened checksum of a part; 64 bits are enough to choose where to look, and the
/// whole digest is compared again in the next exchange.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    count: u64,
    sum: u64,
}

impl From<Digest> for Part {
    fn from(digest: Digest) -> Self {
        Self { count: digest.count, sum: digest.sum as u64 }
    }
}

/// Digests of the sixteen parts of ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Which ways entries may move.
    pub flow: Flow,
    /// Which map.
    pub space: Space,
    parents: Vec<(Range, [Part; 16])>,
}

impl Split {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that this module writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let flow = Flow::from_bits(body.u8()?);
        let space = Space::decode(&mut body)?;
        let mut parents = Vec::new();
        while !body.is_empty() {
            if parents.len() >= MAX_RANGES {
                return Err(DecodeError::Invalid("number of ranges"));
            }
            let range = Range::decode(&mut body)?;
            let mut parts = [Part::default(); 16];
            for part in &mut parts {
                part.count = body.varint()?;
                // Nothing in it: no sum either.
                part.sum = if part.count == 0 { 0 } else { body.u64()? };
            }
            parents.push((range, parts));
        }
        Ok(Self { flow, space, parents })
    }

    /// How many ranges it splits.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.parents.len()
    }
}

/// The items in a range, by the lower half of their hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Items {
    /// Which ways entries may move.
    pub flow: Flow,
    /// Which map.
    pub space: Space,
    range: Range,
    items: Vec<u64>,
}

impl Items {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that this module writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let flow = Flow::from_bits(body.u8()?);
        let space = Space::decode(&mut body)?;
        let range = Range::decode(&mut body)?;
        Ok(Self { flow, space, range, items: hashes(&mut body)? })
    }

    /// How many items it lists.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }
}

/// Items of a range that are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// Which map.
    pub space: Space,
    range: Range,
    items: Vec<u64>,
}

impl Want {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that this module writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        let range = Range::decode(&mut body)?;
        Ok(Self { space, range, items: hashes(&mut body)? })
    }

    /// How many items it asks for.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }
}

fn hashes(body: &mut Reader<'_>) -> Result<Vec<u64>, DecodeError> {
    let count = body.remaining() / 8;
    if count > MAX_ITEMS {
        let (got, bound) = (count as u64, MAX_ITEMS as u64);
        return Err(DecodeError::TooLong { what: "items", got, bound });
    }
    (0..count).map(|_| body.u64()).collect()
}

/// Answers a digest that differs: splits everything.
pub fn begin(desk: &mut Desk<'_>, flow: Flow, theirs: u64) {
    let mine = desk.map.digest().count;
    compare(desk, flow, Range::ALL, theirs, mine, &mut Vec::new());
}

/// Answers a split: goes on in the parts that differ.
pub fn on_split(desk: &mut Desk<'_>, split: &Split) {
    let flow = split.flow.flip();
    let mut further = Vec::new();
    // Not always the same first: what is over the budget would never have its turn.
    let turn = desk.stats.repair_entries_sent as usize % split.parents.len().max(1);
    let (last, first) = split.parents.split_at(turn);
    for (parent, parts) in first.iter().chain(last) {
        if desk.budget() <= further.len() * SPLIT_BYTES {
            desk.stats.repair_shed += 1;
            break;
        }
        for nibble in (0..16_usize).map(|nibble| (nibble + turn) % 16) {
            let Some(theirs) = parts.get(nibble) else { continue };
            let Some(range) = parent.child(nibble as u8) else { continue };
            let mine = Part::from(desk.map.digest_of(range));
            if mine != *theirs {
                compare(desk, flow, range, theirs.count, mine.count, &mut further);
            }
        }
    }
    send_splits(desk, flow, &further);
}

/// Compares a range that differs in the cheapest way. Ranges to be split are put into `further`, or
/// sent at once if it is the first.
fn compare(
    desk: &mut Desk<'_>,
    flow: Flow,
    range: Range,
    theirs: u64,
    mine: u64,
    further: &mut Vec<Range>,
) {
    if theirs == 0 {
        if flow.mine {
            send_range(desk, range, |_, _| true);
        }
    } else if mine == 0 || theirs.saturating_add(mine) <= FEW || range.depth() == Range::MAX_DEPTH {
        if mine > 0 || flow.yours {
            send_items(desk, flow, range);
        }
    } else if range == Range::ALL {
        send_splits(desk, flow, &[range]);
    } else {
        further.push(range);
    }
}

fn send_splits(desk: &mut Desk<'_>, flow: Flow, ranges: &[Range]) {
    let head = [flow.to_bits(), desk.space.code()];
    let mut body = Vec::new();
    for range in ranges {
        let mark = body.len();
        range.encode(&mut body);
        for nibble in 0..16 {
            let Some(child) = range.child(nibble) else { continue };
            let part = Part::from(desk.map.digest_of(child));
            body.put_varint(part.count);
            if part.count > 0 {
                body.put(&part.sum.to_le_bytes());
            }
        }
        if mark > 0 && body.len() > desk.room() {
            let last = body.split_off(mark);
            desk.push(kind::SPLIT, &[&head, &body]);
            body = last;
        }
    }
    if !body.is_empty() {
        desk.push(kind::SPLIT, &[&head, &body]);
    }
}

fn send_items(desk: &mut Desk<'_>, flow: Flow, range: Range) {
    let mut body = vec![flow.to_bits(), desk.space.code()];
    range.encode(&mut body);
    desk.map.walk(range, &mut |_, entry| {
        body.put(&item(desk, entry).to_le_bytes());
        ControlFlow::Continue(())
    });
    desk.push(kind::ITEMS, &[&body]);
}

/// Sends the entries of a range that are `wanted`, up to a piece: of a few pieces not always the same
/// first.
fn send_range(desk: &mut Desk<'_>, range: Range, wanted: impl Fn(&Desk<'_>, &Entry) -> bool) {
    let mut entries = Vec::new();
    let budget = desk.budget();
    let (mut room, mut skipped) = (budget.saturating_mul(FROM), 0);
    desk.map.walk(range, &mut |_, entry| {
        if room == 0 || skipped > MAX_SKIPPED {
            return ControlFlow::Break(());
        }
        if !desk.is_young(entry) && wanted(desk, entry) {
            room = room.saturating_sub(entry.size() + 24);
            entries.push(Arc::clone(entry));
        } else {
            skipped += 1;
        }
        ControlFlow::Continue(())
    });
    // Some may be refused, again and again.
    let turn = desk.stats.repair_entries_sent as usize % entries.len().max(1);
    entries.rotate_left(turn);
    let mut left = budget;
    let fits = entries.iter().take_while(|entry| {
        let fits = left > 0;
        left = left.saturating_sub(entry.size() + 24);
        fits
    });
    let fits = fits.count();
    entries.truncate(fits);
    desk.send_entries(&entries);
}

/// The lower half of the hash that stands for an entry.
fn item(desk: &Desk<'_>, entry: &Entry) -> u64 {
    desk.map.item_hash(entry) as u64
}

/// Answers a list of items: sends what the other end lacks, asks for what this end lacks.
pub fn on_items(desk: &mut Desk<'_>, items: &Items) {
    let flow = items.flow.flip();
    if items.items.is_empty() {
        if flow.mine {
            send_range(desk, items.range, |_, _| true);
        }
        return;
    }
    if desk.map.digest_of(items.range).count > MANY {
        desk.stats.repair_shed += 1;
        return;
    }
    let theirs: Set<u64> = items.items.iter().copied().collect();
    if flow.mine {
        send_range(desk, items.range, |desk, entry| !theirs.contains(&item(desk, entry)));
    }
    if flow.yours {
        let mut wanted = theirs;
        desk.map.walk(items.range, &mut |_, entry| {
            wanted.remove(&item(desk, entry));
            ControlFlow::Continue(())
        });
        if !wanted.is_empty() {
            let mut body = vec![desk.space.code()];
            items.range.encode(&mut body);
            for item in items.items.iter().filter(|item| wanted.contains(*item)) {
                body.put(&item.to_le_bytes());
            }
            desk.push(kind::WANT, &[&body]);
        }
    }
}

/// Answers a wish.
pub fn on_want(desk: &mut Desk<'_>, want: &Want) {
    if desk.map.digest_of(want.range).count > MANY {
        desk.stats.repair_shed += 1;
        return;
    }
    let wanted: Set<u64> = want.items.iter().copied().collect();
    send_range(desk, want.range, |desk, entry| wanted.contains(&item(desk, entry)));
}

#[cfg(test)]
mod tests {
    use super::super::tests::{
        BOTH, Letter, Model, PULL, PUSH, Pair, completes, map, survives, two_models,
    };
    use super::*;
    use crate::base::codec::tests::reads_again;
    use crate::base::rng::Rng;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_exchange_brings_everything_where_it_may_go(models in two_models()) {
            for flow in [PUSH, PULL, BOTH] {
                completes(models.clone(), flow, Pair::begin_checksum);
            }
        }

        #[test]
        fn loss_and_repetition_do_no_harm(
            models in two_models(),
            faults in (0.0..0.7, 0.0..0.3, any::<u64>()),
        ) {
            for flow in [PUSH, PULL, BOTH] {
                survives(models.clone(), flow, faults, Pair::begin_checksum);
            }
        }

        #[test]
        fn any_bytes_say_no_more_than_there_is_room_for(bytes: Vec<u8>) {
            reads_again(&bytes, Opening::decode, Opening::encode)?;
            // A range takes a byte, and its parts one each at least.
            if let Ok(split) = Split::decode(Reader::new(&bytes)) {
                prop_assert!(split.ranges() <= bytes.len() / 17);
            }
            if let Ok(items) = Items::decode(Reader::new(&bytes)) {
                prop_assert!(items.count() <= bytes.len() / 8);
            }
            if let Ok(want) = Want::decode(Reader::new(&bytes)) {
                prop_assert!(want.count() <= bytes.len() / 8);
            }
        }
    }

    fn numbers(count: u16) -> Model {
        (0..count).map(|key| (key, 1)).collect()
    }

    #[test]
    fn equal_replicas_end_it_after_one_message() {
        let mut pair = Pair::new([map(numbers(500)), map(numbers(500))], 1024);
        pair.begin_checksum(BOTH);
        assert_eq!(pair.run(0.0, 0.0, &mut Rng::new(0)), 1);
    }

    #[test]
    fn one_difference_among_many_costs_a_few_small_messages() {
        let mut theirs = numbers(20_000);
        theirs.insert(77, 2);
        let mut pair = Pair::new([map(numbers(20_000)), map(theirs.clone())], 256 * 1024);
        pair.begin_checksum(BOTH);
        let mut bytes = 0;
        while let Some(letter) = pair.letters.pop_front() {
            bytes += letter.body.len();
            pair.deliver(&letter);
        }
        assert_eq!(pair.held(0), theirs);
        // Three splits (16 to the third parts of five entries each), items, the entry both ways.
        assert!(bytes < 900, "{bytes}");
    }

    fn one(pair: &mut Pair) -> Letter {
        assert_eq!(pair.letters.len(), 1);
        pair.letters.pop_front().unwrap()
    }

    #[test]
    fn golden_bytes() {
        let mut pair = Pair::new([map([(1, 7)]), map([])], 1024);
        let (data, roster) = (Digest { count: 300, sum: 1 }, Digest { count: 2, sum: 1 << 127 });
        let opening =
            Opening { flow: PULL, answer: true, cut: Cut::around(129 << 7, 200), data, roster };
        let mut golden = vec![6, 127, 4, 0xac, 2, 1];
        golden.extend([0; 15]);
        golden.push(2);
        golden.extend([0; 15]);
        golden.push(0x80);
        assert_eq!(opening.encode(), golden);
        assert_eq!(Opening::decode(Reader::new(&golden)), Ok(opening));

        let item = pair.maps[0].digest().sum as u64;
        assert_eq!(item, 0xfc37_a23f_c988_e08f, "the keyed hash of the one item");
        pair.at(0, |desk| send_items(desk, PUSH, Range::ALL));
        let mut golden = vec![1, 0, 0];
        golden.extend(item.to_le_bytes());
        let items = one(&mut pair);
        assert_eq!((items.kind, &items.body), (kind::ITEMS, &golden));

        pair.deliver(&items);
        let want = one(&mut pair);
        assert_eq!((want.kind, &want.body[..]), (kind::WANT, &golden[1..]));

        let place = Range::ALL.nibble(pair.maps[0].hash(&1_u16.to_be_bytes()));
        pair.at(0, |desk| send_splits(desk, BOTH, &[Range::ALL]));
        let mut golden = vec![3, 0, 0];
        golden.extend(vec![0; place]);
        golden.push(1);
        golden.extend(item.to_le_bytes());
        golden.extend(vec![0; 15 - place]);
        let split = one(&mut pair);
        assert_eq!((split.kind, &split.body), (kind::SPLIT, &golden));
    }
}
