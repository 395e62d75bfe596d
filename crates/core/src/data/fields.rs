//! Optional fields: what a later version may say beside what this one knows.
//!
//! A list of numbers and bytes in the order of the numbers. A field may be overlooked by whoever does
//! not know its number, but not lost: it is kept byte for byte and handed on. What must not be
//! overlooked is not put into a field: see [`super::entry::Kind`].

use crate::base::codec::{DecodeError, Reader, Write};

/// All fields of an entry, or of a member's record, together, bytes.
pub const MAX_FIELDS: usize = 1024;

/// The field of an entry that says from when on passes count it, eight bytes, the highest first.
pub const SINCE: u64 = 0;

/// Fields in a row, each its number (varint) and its content (bytes), the smallest number first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    /// No fields.
    pub const NONE: Self = Self(&[]);

    /// The fields that stand in these bytes.
    ///
    /// # Errors
    /// If they are none, more than [`MAX_FIELDS`] bytes, or not in order.
    pub fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_FIELDS {
            let (got, bound) = (bytes.len() as u64, MAX_FIELDS as u64);
            return Err(DecodeError::TooLong { what: "fields", got, bound });
        }
        let (mut reader, mut before) = (Reader::new(bytes), None);
        while !reader.is_empty() {
            let (number, _) = next(&mut reader)?;
            if before.is_some_and(|before| number <= before) {
                return Err(DecodeError::Invalid("order of fields"));
            }
            before = Some(number);
        }
        Ok(Self(bytes))
    }

    /// Reads fields behind their length.
    ///
    /// # Errors
    /// As [`Fields::new`], and if the input is truncated.
    pub fn read(from: &mut Reader<'a>) -> Result<Self, DecodeError> {
        Self::new(from.bytes("fields", MAX_FIELDS)?)
    }

    /// Bytes that were checked when they were taken in.
    pub(crate) fn checked(bytes: &'a [u8]) -> Self {
        debug_assert!(Self::new(bytes).is_ok(), "only fields are kept as fields");
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Numbers and contents.
    pub fn iter(self) -> impl Iterator<Item = (u64, &'a [u8])> {
        let mut reader = Reader::new(self.0);
        std::iter::from_fn(move || next(&mut reader).ok())
    }

    /// The content of a field.
    #[must_use]
    pub fn get(self, number: u64) -> Option<&'a [u8]> {
        self.iter().find(|(held, _)| *held == number).map(|(_, content)| content)
    }

    /// The bytes of these fields with one of them put in, or in place of the one of its number; with
    /// `None` taken out.
    #[must_use]
    pub fn with(self, number: u64, content: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len() + 16);
        let mut put = |number: u64, content: &[u8]| {
            bytes.put_varint(number);
            bytes.put_bytes(content);
        };
        self.iter().filter(|(held, _)| *held < number).for_each(|(held, kept)| put(held, kept));
        if let Some(content) = content {
            put(number, content);
        }
        self.iter().filter(|(held, _)| *held > number).for_each(|(held, kept)| put(held, kept));
        bytes
    }
}

fn next<'a>(from: &mut Reader<'a>) -> Result<(u64, &'a [u8]), DecodeError> {
    Ok((from.varint()?, from.bytes("field", MAX_FIELDS)?))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sound fields, mostly few and small.
    pub(crate) fn any_fields() -> impl Strategy<Value = Vec<u8>> {
        let content = prop::collection::vec(any::<u8>(), 0..20);
        prop::collection::vec((0_u64..300, content), 0..4).prop_map(|fields| {
            fields.iter().fold(Vec::new(), |bytes, (number, content)| {
                Fields::checked(&bytes).with(*number, Some(content))
            })
        })
    }

    #[test]
    fn golden_bytes() {
        let bytes = Fields::NONE.with(300, Some(b"ab"));
        let bytes = Fields::checked(&bytes).with(1, Some(b""));
        assert_eq!(bytes, [1, 0, 0xac, 2, 2, b'a', b'b']);
        let fields = Fields::new(&bytes).unwrap();
        assert_eq!(
            (fields.get(300), fields.get(1), fields.get(2)),
            (Some(&b"ab"[..]), Some(&b""[..]), None)
        );
        assert_eq!(fields.with(1, None), [0xac, 2, 2, b'a', b'b']);
        assert_eq!(fields.with(1, Some(b"c")), [1, 1, b'c', 0xac, 2, 2, b'a', b'b']);
    }

    #[test]
    fn what_are_no_fields_is_refused() {
        for bytes in [&[1][..], &[1, 2, 0], &[2, 0, 1, 0], &[1, 0, 1, 0], &[0x80]] {
            assert!(Fields::new(bytes).is_err(), "{bytes:?}");
        }
        let mut large = vec![1, 0xfd, 7];
        large.resize(MAX_FIELDS, 9);
        assert!(Fields::new(&large).is_ok());
        large.push(9);
        assert!(Fields::new(&large).is_err());
    }

    proptest! {
        #[test]
        fn a_field_is_put_in_and_the_others_stay(
            bytes in any_fields(),
            number in 0_u64..300,
            content in prop::option::of(prop::collection::vec(any::<u8>(), 0..9)),
        ) {
            let fields = Fields::new(&bytes).unwrap();
            let changed = fields.with(number, content.as_deref());
            let after = Fields::new(&changed).unwrap();
            prop_assert_eq!(after.get(number), content.as_deref());
            let others = |fields: Fields<'_>| -> Vec<(u64, Vec<u8>)> {
                let others = fields.iter().filter(|(held, _)| *held != number);
                others.map(|(held, content)| (held, content.to_vec())).collect()
            };
            prop_assert_eq!(others(fields), others(after));
        }

        #[test]
        fn any_bytes_are_fields_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(fields) = Fields::new(&bytes) {
                prop_assert_eq!(fields.iter().is_sorted(), true);
                prop_assert_eq!(fields.bytes(), &bytes[..]);
            }
        }
    }
}
