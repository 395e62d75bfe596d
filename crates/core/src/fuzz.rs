//! Bodies of fuzz targets, which also run under the ordinary tests.
//!
//! Each takes any bytes and panics if a promise about them does not hold. The folder `fuzz` of the
//! repository wraps them for libFuzzer.

mod cluster;
mod node;

pub use cluster::cluster;
pub use node::node;

use crate::base::codec::Reader;
use crate::base::hash::Keyed;
use crate::base::time::Now;
use crate::data::block::{self, Context};
use crate::data::{Digest, Entry, Range, Space};
use crate::member::Record;
use crate::message::Message;
use crate::node::Node;
use crate::output::{Applied, Send, Via};
use crate::reconcile::Message as Repair;
use crate::wire::Versions;
use crate::wire::packet::{Header, MAX_FRAME, next_message};
use crate::wire::version::SAYING;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A message of any kind: the first byte is the kind.
pub fn message(data: &[u8]) {
    let Some((kind, body)) = data.split_first() else { return };
    read_message(*kind, Reader::new(body));
}

/// What a message brings is no larger than the message.
fn read_message(kind: u8, body: Reader<'_>) {
    let len = body.remaining();
    if let Ok(Some(message)) = Message::decode(kind, body) {
        let size: usize = entries_in(&message).iter().map(|(_, entry)| entry.size()).sum();
        assert!(size <= len, "{size} bytes of entries in a message of {len}");
    }
}

/// A packet, with the header that it has and behind a sound one.
pub fn packet(data: &[u8]) {
    let tag = Keyed::for_cluster("fuzz").tag();
    for spoken in [Some(Versions::BUILD), Versions::new(2, 9)].into_iter().flatten() {
        let mut reader = Reader::new(data);
        if let Ok((_, version)) = Header::decode(&mut reader, tag, spoken) {
            assert!(version == SAYING || spoken.has(version), "a version that is not spoken");
            let said = Versions::decode(&mut reader.clone());
            assert!(said.is_err() || said.is_ok_and(|said| said.has(said.lowest())));
            read_messages(reader);
        }
    }
    read_messages(Reader::new(data));
}

fn read_messages(mut reader: Reader<'_>) {
    let mut left = reader.remaining();
    while let Ok((kind, body)) = next_message(&mut reader) {
        assert!(body.remaining() + reader.remaining() < left, "a message is read twice");
        left = reader.remaining();
        read_message(kind, body);
    }
}

/// A block of entries: what can be read can be written, in blocks of any size, and read again.
pub fn block(data: &[u8]) {
    let Ok(entries) = block::read(&mut Reader::new(data)) else { return };
    for room in [1, 100, MAX_FRAME] {
        let mut again = Vec::with_capacity(entries.len());
        for block in block::chunks(&entries, room) {
            let read = block::read(&mut Reader::new(&block)).unwrap_or_default();
            assert!(block.len() <= room || read.len() == 1, "a block is over its room");
            again.extend(read);
        }
        assert_eq!(again, entries, "a block does not survive the trip");
    }
}

/// A member's record: what can be read is written as it was.
pub fn record(data: &[u8]) {
    let Ok(entry) = Context::default().decode(&mut Reader::new(data)) else { return };
    let Ok(record) = Record::from_entry(&entry) else { return };
    let written = record.to_entry();
    assert_eq!(written.stamp(), entry.stamp(), "a record competes by another stamp");
    assert_eq!(Record::from_entry(&written), Ok(record), "a record does not survive the trip");
}

/// Choices made by the fuzzer's bytes; over when they are used up.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn index(&mut self, len: usize) -> usize {
        usize::from(self.byte().unwrap_or(0)) % len.max(1)
    }

    fn number(&mut self) -> u64 {
        u64::from(self.byte().unwrap_or(0)) << 8 | u64::from(self.byte().unwrap_or(0))
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at_checked(len).unwrap_or((self.0, &[]));
        self.0 = rest;
        taken
    }
}

/// The entries that a message brings.
fn entries_in(message: &Message<'_>) -> Vec<(Space, Entry)> {
    let (space, entries) = match message {
        Message::Join(entry) => (Space::Roster, vec![entry.clone()]),
        Message::Tree(rumor) => {
            (rumor.space, block::read(&mut Reader::new(rumor.block)).unwrap_or_default())
        }
        Message::Rumors(rumors) => (rumors.space, rumors.entries.clone()),
        Message::Mail(mail) => (mail.space, mail.entries.clone()),
        Message::Repair(Repair::Entries(entries)) => (entries.space, entries.entries.clone()),
        Message::Repair(Repair::Piece(piece)) => (piece.space, piece.entries.clone()),
        _ => return Vec::new(),
    };
    entries.into_iter().map(|entry| (space, entry)).collect()
}

/// What a node was told to persist: the other account of what it holds.
#[derive(Default)]
struct Disk(BTreeMap<(Space, Vec<u8>), Arc<Entry>>, Vec<u8>);

impl Disk {
    fn persist(&mut self, applied: &Applied) {
        let name = (applied.space, applied.entry.key().to_vec());
        let before = self.0.insert(name, Arc::clone(&applied.entry));
        if applied.space == Space::Data {
            assert_eq!(before, applied.previous, "an entry replaced another than the node says");
        }
        // A forged write may claim a stamp that is taken: then one of the two is kept everywhere.
        let newer = before.is_none_or(|before| {
            before.stamp() < applied.entry.stamp()
                || before.stamp() == applied.entry.stamp() && applied.entry.outweighs(&before)
        });
        assert!(newer, "an entry went back to a smaller stamp");
    }

    fn remove(&mut self, entry: &Entry) {
        let before = self.0.remove(&(Space::Data, entry.key().to_vec()));
        assert!(before.is_some_and(|before| *before == *entry), "what goes was not there");
    }

    fn keep(&mut self, bytes: Vec<u8>) {
        self.1 = bytes;
    }

    /// Gives everything to a node that has just started.
    fn restore(&self, node: &mut Node, now: Now) {
        for ((space, _), entry) in &self.0 {
            node.restore(*space, Arc::clone(entry), now);
        }
        node.restore_kept(&self.1);
    }

    /// Checks that the node holds just this, and that its digest says so.
    fn compare(&self, node: &Node) {
        let map = node.data();
        let (mut digest, mut bytes, mut tombstones) = (Digest::default(), 0, 0);
        map.walk(Range::ALL, &mut |hash, entry| {
            assert_eq!(hash, map.hash(entry.key()), "an entry is in the wrong place");
            let held = self.0.get(&(Space::Data, entry.key().to_vec()));
            assert_eq!(held, Some(entry), "the node holds what it was never given");
            digest.add(map.item_hash(entry));
            bytes += entry.size() as u64;
            tombstones += u64::from(entry.is_tombstone());
            ControlFlow::Continue(())
        });
        let held = self.0.keys().filter(|(space, _)| *space == Space::Data).count();
        assert_eq!(digest.count, held as u64, "the node has lost an entry");
        assert_eq!(map.digest(), digest, "the digest is not the one of the entries");
        assert_eq!((map.bytes(), map.tombstones()), (bytes, tombstones));
    }
}

/// Checks the size of a packet that a node sends.
fn check_size(node: &Node, packet: &Send) {
    let bound = match packet.via {
        Via::Datagram => node.config().limits.datagram,
        Via::Stream => MAX_FRAME,
    };
    assert!(packet.bytes.len() <= bound, "a packet of {} bytes", packet.bytes.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn valid_block() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(block::tests::any_entry(), 0..8)
            .prop_map(|entries| block::chunks(&entries, MAX_FRAME).concat())
    }

    /// Sound bytes with a few of them changed, or cut off.
    fn damaged(sound: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
        let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4);
        let cut = prop::option::of(any::<prop::sample::Index>());
        (sound, changes, cut).prop_map(|(mut bytes, changes, cut)| {
            for (at, byte) in changes {
                let len = bytes.len().max(1);
                if let Some(slot) = bytes.get_mut(at.index(len)) {
                    *slot = byte;
                }
            }
            if let Some(cut) = cut {
                bytes.truncate(cut.index(bytes.len() + 1));
            }
            bytes
        })
    }

    proptest! {
        #[test]
        fn noise(data in prop::collection::vec(any::<u8>(), 0..300)) {
            message(&data);
            packet(&data);
            block(&data);
            record(&data);
        }

        #[test]
        fn messages(kind in 0_u8..30, body in prop::collection::vec(any::<u8>(), 0..120)) {
            message(&[&[kind][..], &body].concat());
        }

        #[test]
        fn blocks(data in damaged(valid_block())) {
            block(&data);
            for head in [&[20, 0][..], &[12, 0, 1], &[10, 0, 1], &[22, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]] {
                message(&[head, &data].concat());
            }
        }

        #[test]
        fn records(data in damaged(any::<u64>().prop_map(|id| {
            let record = crate::member::record::tests::record(id, id >> 20, crate::member::State::Suspect);
            block::chunks(&[record.to_entry()], MAX_FRAME).concat()
        }))) {
            record(&data);
        }
    }
}
