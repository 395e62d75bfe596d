//! Entries as the database holds them: one record per key and place, and one beside them for what
//! the node itself wants kept.
//!
//! The name of an entry's record is the place's number and the key; its body is a version byte and the entry
//! as it stands in messages. The key is in both, which tells a mixed-up record from a good one.

use super::change::Place;
use fjall::Slice;
use rumormill_core::base::codec::{Coded as _, DecodeError, Reader};
use rumormill_core::data::block::{self, Context};
use rumormill_core::data::{Entry, Space};

/// The format of a body. An older build that meets a newer one skips the record.
const VERSION: u8 = 1;

/// The name of the record of what is kept: no space has this number, so that builds which do not
/// know it skip it.
pub(super) const KEPT: &[u8] = &[2];
/// The format of its body.
const KEPT_VERSION: u8 = 1;
/// The number of the place of what is kept aside: builds that do not know it skip it, and leave it.
const STRAYS: u8 = 3;

/// The body of the record of what is kept.
pub(super) fn kept_body(bytes: &[u8]) -> Slice {
    [&[KEPT_VERSION], bytes].concat().into()
}

/// What is kept, by the body of its record; nothing if another build wrote it.
pub(super) fn kept(body: &[u8]) -> Option<&[u8]> {
    body.split_first().filter(|(version, _)| **version == KEPT_VERSION).map(|(_, bytes)| bytes)
}

fn code(place: Place) -> u8 {
    match place {
        Place::Map(space) => space.code(),
        Place::Strays => STRAYS,
    }
}

/// The key that a record of a place is about, by its name; nothing if it is of another.
pub(super) fn key_in(place: Place, name: &[u8]) -> Option<&[u8]> {
    name.split_first().filter(|(found, _)| **found == code(place)).map(|(_, key)| key)
}

/// The name of an entry's record. Never empty, even where the key is.
pub(super) fn name(place: Place, key: &[u8]) -> Slice {
    let mut name = Vec::with_capacity(1 + key.len());
    name.push(code(place));
    name.extend_from_slice(key);
    name.into()
}

/// The body of an entry's record.
pub(super) fn body(entry: &Entry) -> Slice {
    let mut body = Vec::with_capacity(1 + block::max_len(entry));
    body.push(VERSION);
    Context::default().encode(entry, &mut body);
    body.into()
}

/// Reads a record back.
///
/// # Errors
/// If no version of this program writes such a record.
pub(super) fn decode(name: &[u8], body: &[u8]) -> Result<(Place, Entry), DecodeError> {
    let (code, key) = name.split_first().ok_or(DecodeError::Truncated)?;
    let place = match *code {
        STRAYS => Place::Strays,
        code => Place::Map(Space::of_code(code)?),
    };
    let mut reader = Reader::new(body);
    let version = reader.u8()?;
    if version != VERSION {
        return Err(DecodeError::Invalid("record version"));
    }
    let entry = Context::default().decode(&mut reader)?;
    if !reader.is_empty() {
        return Err(DecodeError::Invalid("record length"));
    }
    if entry.key() != key {
        return Err(DecodeError::Invalid("record key"));
    }
    Ok((place, entry))
}

/// Reads bytes as a record, the first of them saying how long its name is: what can be read is
/// written as a record that reads the same.
pub(crate) fn fuzz(data: &[u8]) {
    let Some((len, record)) = data.split_first() else { return };
    let (given, rest) = record.split_at_checked(usize::from(*len)).unwrap_or((record, &[]));
    if let Ok((place, entry)) = decode(given, rest) {
        assert_eq!(&*name(place, entry.key()), given, "a record is found by its name");
        let again = decode(given, &body(&entry));
        assert_eq!(again, Ok((place, entry)), "a record does not survive the trip");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::Stamp;

    const PLACES: [Place; 3] = [Place::DATA, Place::Map(Space::Roster), Place::Strays];

    fn stamp(time: u64) -> Stamp {
        Stamp { time, node: NodeId(0x0807_0605_0403_0201) }
    }

    #[test]
    fn golden_bytes() {
        let put = Entry::new(b"k", b"v1", stamp(2 << 16), Some(5));
        assert_eq!(&*name(Place::DATA, b"k"), [0, b'k']);
        assert_eq!(&*name(Place::Strays, b"k"), [3, b'k']);
        let golden = [1, 2, 0x80, 0x80, 0x10, 1, 2, 3, 4, 5, 6, 7, 8, 6, 1, b'k', 2, b'v', b'1'];
        assert_eq!(&*body(&put), golden);
        let gone = Entry::tombstone(b"gone", stamp(1));
        assert_eq!(&*name(Place::Map(Space::Roster), b"gone"), [1, b'g', b'o', b'n', b'e']);
        let golden = [1, 1, 2, 1, 2, 3, 4, 5, 6, 7, 8, 4, b'g', b'o', b'n', b'e'];
        assert_eq!(&*body(&gone), golden);
    }

    #[test]
    fn what_is_kept_has_a_name_of_its_own() {
        let others = PLACES.map(code);
        assert!(!others.contains(&KEPT[0]) && others[2] != others[0] && others[2] != others[1]);
        assert_eq!(&*kept_body(b"ab"), [1, b'a', b'b']);
        assert_eq!(kept(&kept_body(b"ab")), Some(&b"ab"[..]));
        assert_eq!((kept(b""), kept(&[2, 1])), (None, None));
        let key = |place, name| key_in(place, name);
        assert_eq!(
            (key(Place::DATA, b"\0k"), key(Place::DATA, b"\x01k"), key(Place::DATA, b"")),
            (Some(&b"k"[..]), None, None)
        );
        assert_eq!(
            (key(Place::Strays, b"\x03k"), key(Place::Strays, b"\0k")),
            (Some(&b"k"[..]), None)
        );
    }

    #[test]
    fn what_was_not_written_here_is_refused() {
        let good = body(&Entry::new(b"k", b"v", stamp(9), None));
        assert!(decode(&[0, b'k'], &good).is_ok());
        for name in [&[] as &[u8], &[9, b'k'], &[0], &[0, b'x'], &[0, b'k', b'k']] {
            assert!(decode(name, &good).is_err());
        }
        let mut newer = good.to_vec();
        newer[0] = VERSION + 1;
        assert_eq!(decode(&[0, b'k'], &newer), Err(DecodeError::Invalid("record version")));
        let mut longer = good.to_vec();
        longer.push(0);
        assert_eq!(decode(&[0, b'k'], &longer), Err(DecodeError::Invalid("record length")));
        for len in 0..good.len() {
            assert!(decode(&[0, b'k'], &good[..len]).is_err());
        }
    }

    proptest! {
        #[test]
        fn records_survive_the_trip(
            key in prop::collection::vec(any::<u8>(), 0..40),
            value in prop::option::of(prop::collection::vec(any::<u8>(), 0..200)),
            time: u64,
            expiry in prop::option::of(1_u64..1 << 48),
        ) {
            let entry = match value {
                Some(value) => Entry::new(&key, &value, stamp(time), expiry),
                None => Entry::tombstone(&key, stamp(time)),
            };
            for place in PLACES {
                let back = decode(&name(place, &key), &body(&entry));
                prop_assert_eq!(back, Ok((place, entry.clone())));
            }
        }

        #[test]
        fn any_bytes_are_survived(
            name in prop::collection::vec(any::<u8>(), 0..8),
            mut body in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let mut data = [&[name.len() as u8], name.as_slice(), &body].concat();
            fuzz(&data);
            if let Some(version) = body.first_mut() {
                *version = VERSION;
            }
            data.splice(1 + name.len().., body);
            fuzz(&data);
        }

        #[test]
        fn nearly_sound_records(
            key in prop::collection::vec(any::<u8>(), 0..20),
            value in prop::collection::vec(any::<u8>(), 0..20),
            at: prop::sample::Index,
            to: u8,
        ) {
            let entry = Entry::new(&key, &value, stamp(9 << 16), Some(5));
            let mut data = vec![1 + key.len() as u8];
            data.extend_from_slice(&name(Place::DATA, &key));
            data.extend_from_slice(&body(&entry));
            fuzz(&data);
            let at = at.index(data.len());
            data[at] = to;
            fuzz(&data);
        }
    }
}
