//! Entries in a row, as they stand in messages and on disk.
//!
//! Per entry: a flag byte; the stamp's time as a signed difference from the entry before it
//! (stamps of one batch are close, so mostly one byte); the writer's id unless it is the same as
//! before; whether it is owned by that writer; expiry relative to the stamp; kind and fields, where
//! there are any; key and body behind their lengths. A block has no count: it ends with its message.

use super::entry::{Entry, Kind, MAX_KEY, MAX_VALUE};
use super::fields::Fields;
use super::stamp::Stamp;
use crate::base::codec::{DecodeError, Reader, Write, varint_len};
use crate::base::id::NodeId;

const TOMBSTONE: u8 = 1;
const EXPIRES: u8 = 2;
const SAME_NODE: u8 = 4;
const OWNED: u8 = 8;
/// Kind and fields follow: all that a later version may add.
const EXTENDED: u8 = 16;
const KNOWN_FLAGS: u8 = TOMBSTONE | EXPIRES | SAME_NODE | OWNED | EXTENDED;

/// What the next entry's encoding depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context {
    before: Stamp,
}

impl Context {
    /// Appends an entry.
    pub fn encode(&mut self, entry: &Entry, to: &mut Vec<u8>) {
        let stamp = entry.stamp();
        let same = stamp.node == self.before.node;
        let extended = is_extended(entry);
        let flag = |on: bool, bit: u8| if on { bit } else { 0 };
        to.put(&[flag(entry.is_tombstone(), TOMBSTONE)
            | flag(entry.expires_at().is_some(), EXPIRES)
            | flag(same, SAME_NODE)
            | flag(entry.owner().is_some(), OWNED)
            | flag(extended, EXTENDED)]);
        to.put_signed(stamp.time.wrapping_sub(self.before.time) as i64);
        if !same {
            to.put(&stamp.node.0.to_le_bytes());
        }
        if let Some(at) = entry.expires_at() {
            to.put_signed(at.wrapping_sub(stamp.wall_ms()) as i64);
        }
        if extended {
            to.put(&[entry.kind().0]);
            to.put_bytes(entry.fields().bytes());
        }
        to.put_bytes(entry.key());
        if let Some(body) = entry.body() {
            to.put_bytes(body);
        }
        self.before = stamp;
    }

    /// Reads the next entry.
    ///
    /// # Errors
    /// If the bytes are none that [`Context::encode`] writes.
    pub fn decode(&mut self, from: &mut Reader<'_>) -> Result<Entry, DecodeError> {
        let flags = from.u8()?;
        if flags & !KNOWN_FLAGS != 0 {
            return Err(DecodeError::Invalid("entry flags"));
        }
        let time = self.before.time.wrapping_add(from.signed()? as u64);
        let node = match flags & SAME_NODE {
            0 => NodeId(from.u64()?),
            _ => self.before.node,
        };
        let stamp = Stamp { time, node };
        self.before = stamp;
        let expires_at = match flags & EXPIRES {
            0 => None,
            _ => Some(stamp.wall_ms().wrapping_add(from.signed()? as u64)),
        };
        let (kind, fields) = match flags & EXTENDED {
            0 => (Kind::PLAIN, Fields::NONE),
            _ => (Kind(from.u8()?), Fields::read(from)?),
        };
        let extended = kind != Kind::PLAIN || !fields.is_empty();
        let lasting = flags & TOMBSTONE != 0 && (expires_at.is_some() || flags & OWNED != 0);
        // One entry has one form, so that it is handed on as it came.
        if lasting || extended != (flags & EXTENDED != 0) {
            return Err(DecodeError::Invalid("entry flags"));
        }
        let key = from.bytes("key", MAX_KEY)?;
        let entry = match flags & TOMBSTONE {
            0 => {
                // Together, so that a frame holds any entry.
                let body = from.bytes("value", MAX_VALUE - fields.bytes().len())?;
                Entry::new(key, body, stamp, expires_at)
            }
            _ => Entry::tombstone(key, stamp),
        };
        let entry = if flags & OWNED != 0 { entry.owned() } else { entry };
        Ok(if extended { entry.extended(kind, fields) } else { entry })
    }
}

/// Entries in one message at most: a bound on what a small packet can make a reader allocate.
pub const MAX_ENTRIES: usize = 65_536;

/// Encodes entries in blocks of at most `room` bytes; an entry that is larger stands alone.
#[must_use]
pub fn chunks<'a>(entries: impl IntoIterator<Item = &'a Entry>, room: usize) -> Vec<Vec<u8>> {
    let mut blocks = Vec::new();
    let mut block = Vec::new();
    let mut context = Context::default();
    let mut count = 0;
    for entry in entries {
        let mark = block.len();
        context.encode(entry, &mut block);
        count += 1;
        if mark > 0 && (block.len() > room || count > MAX_ENTRIES) {
            block.truncate(mark);
            blocks.push(std::mem::take(&mut block));
            context = Context::default();
            context.encode(entry, &mut block);
            count = 1;
        }
    }
    if !block.is_empty() {
        blocks.push(block);
    }
    blocks
}

/// Reads a whole block.
///
/// # Errors
/// If it is none that [`chunks`] writes; the entries before the fault are not given out either.
pub fn read(from: &mut Reader<'_>) -> Result<Vec<Entry>, DecodeError> {
    // Most blocks hold one entry.
    let mut entries = Vec::with_capacity(1);
    let mut context = Context::default();
    while !from.is_empty() {
        if entries.len() >= MAX_ENTRIES {
            let (got, bound) = (MAX_ENTRIES as u64 + 1, MAX_ENTRIES as u64);
            return Err(DecodeError::TooLong { what: "entries", got, bound });
        }
        entries.push(context.decode(from)?);
    }
    Ok(entries)
}

fn is_extended(entry: &Entry) -> bool {
    entry.kind() != Kind::PLAIN || !entry.fields().is_empty()
}

/// An upper bound for the encoded size of an entry.
#[must_use]
pub fn max_len(entry: &Entry) -> usize {
    let body = entry.body().map_or(0, <[u8]>::len);
    let extended = if is_extended(entry) { 1 + 2 } else { 0 };
    1 + 10 + 8 + 10 + extended + 2 + varint_len(body as u64) + entry.size()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::codec::tests::reads_again;
    use crate::data::fields::tests::any_fields;
    use proptest::prelude::*;

    pub(crate) fn any_entry() -> impl Strategy<Value = Entry> {
        let key = prop::collection::vec(any::<u8>(), 0..40);
        let body = prop::collection::vec(any::<u8>(), 0..200);
        let expiry = prop::option::of(1_u64..1 << 48);
        let extended = prop_oneof![
            3 => Just((Kind::PLAIN, Vec::new())),
            1 => (0_u8..3, any_fields()).prop_map(|(kind, fields)| (Kind(kind), fields)),
        ];
        (key, body, any::<u64>(), 0_u64..3, expiry, 0_u8..3, extended).prop_map(
            |(key, body, time, node, expiry, form, (kind, fields))| {
                let stamp = Stamp { time, node: NodeId(node) };
                let entry = match form {
                    0 => Entry::tombstone(&key, stamp),
                    1 => Entry::new(&key, &body, stamp, expiry).owned(),
                    _ => Entry::new(&key, &body, stamp, expiry),
                };
                entry.extended(kind, Fields::checked(&fields))
            },
        )
    }

    proptest! {
        #[test]
        fn blocks_survive_the_trip(entries in prop::collection::vec(any_entry(), 0..20)) {
            let mut bytes = Vec::new();
            let mut context = Context::default();
            for entry in &entries {
                let before = bytes.len();
                context.encode(entry, &mut bytes);
                prop_assert!(bytes.len() - before <= max_len(entry));
            }
            let mut reader = Reader::new(&bytes);
            let mut context = Context::default();
            for entry in &entries {
                prop_assert_eq!(&context.decode(&mut reader).unwrap(), entry);
            }
            prop_assert!(reader.is_empty());
        }
    }

    proptest! {
        #[test]
        fn chunks_hold_everything_in_order(
            entries in prop::collection::vec(any_entry(), 0..40),
            room in 1_usize..600,
        ) {
            let blocks = chunks(&entries, room);
            let mut all = Vec::new();
            for block in &blocks {
                let read = read(&mut Reader::new(block)).unwrap();
                prop_assert!(block.len() <= room || read.len() == 1);
                all.extend(read);
            }
            prop_assert_eq!(all, entries);
        }

        #[test]
        fn what_any_bytes_say_is_read_again(bytes: Vec<u8>) {
            reads_again(
                &bytes,
                |mut bytes| read(&mut bytes),
                |entries| chunks(entries, usize::MAX).concat(),
            )?;
        }
    }

    #[test]
    fn golden_bytes() {
        let stamp = |time| Stamp { time, node: NodeId(0x0807_0605_0403_0201) };
        let mut bytes = Vec::new();
        let mut context = Context::default();
        context.encode(&Entry::new(b"k", b"v1", stamp(2 << 16), Some(5)), &mut bytes);
        context.encode(&Entry::tombstone(b"gone", stamp((2 << 16) + 1)), &mut bytes);
        context.encode(&Entry::new(b"me", b"", stamp((2 << 16) + 2), None).owned(), &mut bytes);
        let golden = [
            2, 0x80, 0x80, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 6, 1, b'k', 2, b'v', b'1', // put
            5, 2, 4, b'g', b'o', b'n', b'e', // delete, same writer, one tick later
            12, 2, 2, b'm', b'e', 0, // owned by its writer
        ];
        assert_eq!(bytes, golden);
    }

    #[test]
    fn golden_bytes_of_what_comes() {
        let stamp = |time| Stamp { time, node: NodeId(0x0807_0605_0403_0201) };
        let fields = Fields::NONE.with(300, Some(b"ab"));
        let fields = Fields::checked(&fields);
        let entries = [
            Entry::new(b"k", b"body", stamp(1 << 16), None).extended(Kind(7), fields),
            Entry::new(b"k", b"v", stamp((1 << 16) + 1), Some(5)).extended(Kind::PLAIN, fields),
            Entry::tombstone(b"k", stamp((1 << 16) + 2)).extended(Kind(255), Fields::NONE),
        ];
        let golden = [
            &[16, 0x80, 0x80, 8, 1, 2, 3, 4, 5, 6, 7, 8][..],
            &[7, 5, 0xac, 2, 2, b'a', b'b', 1, b'k', 4, b'b', b'o', b'd', b'y'],
            &[22, 2, 8, 0, 5, 0xac, 2, 2, b'a', b'b', 1, b'k', 1, b'v'],
            &[21, 2, 255, 0, 1, b'k'],
        ]
        .concat();
        assert_eq!(chunks(&entries, 100), [&golden[..]]);
        assert_eq!(read(&mut Reader::new(&golden)).unwrap(), entries);
    }

    #[test]
    fn what_has_another_form_is_refused() {
        let plain = [16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 1, b'k', 0];
        assert!(read(&mut Reader::new(&plain)).is_err(), "extended by nothing");
        let unsorted = [16, 0, 1, 2, 3, 4, 5, 6, 7, 8, 0, 4, 2, 0, 1, 0, 1, b'k', 0];
        assert!(read(&mut Reader::new(&unsorted)).is_err(), "fields that are none");
        for flag in [32, 64, 128] {
            let unknown = [flag, 0, 1, 2, 3, 4, 5, 6, 7, 8, 1, b'k', 0];
            assert!(read(&mut Reader::new(&unknown)).is_err());
        }
    }

    #[test]
    fn the_largest_entry_fits_a_frame() {
        let mut fields = vec![1, 0xfd, 7];
        fields.resize(crate::data::fields::MAX_FIELDS, 9);
        let body = vec![0; MAX_VALUE - fields.len()];
        let stamp = Stamp { time: u64::MAX, node: NodeId(1) };
        let largest = Entry::new(&[1; MAX_KEY], &body, stamp, Some(1)).owned();
        let largest = largest.extended(Kind(9), Fields::checked(&fields));
        assert!(max_len(&largest) + 512 <= crate::wire::packet::MAX_FRAME);
        let mut bytes = chunks([&largest], 1).concat();
        assert_eq!(read(&mut Reader::new(&bytes)).unwrap(), [largest]);
        let longer = Entry::new(b"k", &vec![0; MAX_VALUE], stamp, None);
        bytes = chunks([&longer.extended(Kind(9), Fields::checked(&fields))], 1).concat();
        assert!(read(&mut Reader::new(&bytes)).is_err());
    }

    #[test]
    fn a_tombstone_has_no_owner() {
        let stamp = Stamp { time: 1, node: NodeId(1) };
        assert_eq!(Entry::tombstone(b"k", stamp).owned().owner(), None);
        assert_eq!(Entry::new(b"k", b"v", stamp, None).owner(), None);
        let owned = Entry::new(b"k", b"v", stamp, None).owned();
        assert_eq!(owned.owner(), Some(NodeId(1)));
        let mut bytes = Vec::new();
        Context::default().encode(&Entry::tombstone(b"k", stamp), &mut bytes);
        bytes[0] |= OWNED;
        assert!(read(&mut Reader::new(&bytes)).is_err());
    }
}
