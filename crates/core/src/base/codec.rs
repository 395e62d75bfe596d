//! Reading and writing bytes: the only way in for anything a peer or a disk says.
//!
//! Integers are little-endian; counts and lengths are LEB128 varints of at most ten bytes. Every
//! length is checked against what is left before anything is taken or allocated.

use thiserror::Error;

/// Why bytes could not be read. Nothing was changed: decoding comes before applying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The input ends inside a value.
    #[error("input ends inside a value")]
    Truncated,
    /// A length or count is over its bound.
    #[error("{what} of {got} is over the bound of {bound}")]
    TooLong {
        /// What was measured.
        what: &'static str,
        /// What the input says.
        got: u64,
        /// What is allowed.
        bound: u64,
    },
    /// A field has a value that no version writes.
    #[error("invalid {0}")]
    Invalid(&'static str),
    /// A packet of another cluster, or not ours at all.
    #[error("not a packet of this cluster")]
    Stranger,
    /// A packet of a protocol version that this build does not speak.
    #[error("protocol version {0} is not spoken here")]
    Version(u8),
}

/// A cursor over bytes that never panics.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    left: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { left: bytes }
    }

    /// Bytes not yet read.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.left.len()
    }

    /// True when everything has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    /// The next `len` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if fewer are left.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, tail) = self.left.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.left = tail;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.left.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.left = tail;
        Ok(*head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(self.array::<1>()?[0])
    }

    /// Two bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    /// Four bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// Eight bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// Sixteen bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end.
    pub fn u128(&mut self) -> Result<u128, DecodeError> {
        Ok(u128::from_le_bytes(self.array()?))
    }

    /// A LEB128 varint.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] at the end, [`DecodeError::Invalid`] past 64 bits.
    #[inline]
    pub fn varint(&mut self) -> Result<u64, DecodeError> {
        // Nearly all take one byte.
        match self.left.split_first() {
            Some((byte, tail)) if *byte < 0x80 => {
                self.left = tail;
                Ok((*byte).into())
            }
            _ => self.long_varint(),
        }
    }

    fn long_varint(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::Invalid("varint"))
    }

    /// A varint that may not exceed `bound`.
    ///
    /// # Errors
    /// As [`Reader::varint`], and [`DecodeError::TooLong`].
    pub fn bounded(&mut self, what: &'static str, bound: usize) -> Result<usize, DecodeError> {
        let got = self.varint()?;
        if got > bound as u64 {
            return Err(DecodeError::TooLong { what, got, bound: bound as u64 });
        }
        Ok(got as usize)
    }

    /// A byte string behind its varint length, at most `bound` long.
    ///
    /// # Errors
    /// As [`Reader::bounded`] and [`Reader::take`].
    pub fn bytes(&mut self, what: &'static str, bound: usize) -> Result<&'a [u8], DecodeError> {
        let len = self.bounded(what, bound)?;
        self.take(len)
    }

    /// A zigzag varint.
    ///
    /// # Errors
    /// As [`Reader::varint`].
    pub fn signed(&mut self) -> Result<i64, DecodeError> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }
}

/// Appends to a byte vector; the counterpart of [`Reader`].
pub trait Write {
    /// Appends raw bytes.
    fn put(&mut self, bytes: &[u8]);

    /// Appends a LEB128 varint.
    fn put_varint(&mut self, mut value: u64) {
        let mut buffer = [0_u8; 10];
        let mut len = 0;
        loop {
            let byte = (value & 0x7f) as u8;
            value >>= 7;
            let more = value != 0;
            if let Some(slot) = buffer.get_mut(len) {
                *slot = byte | if more { 0x80 } else { 0 };
            }
            len += 1;
            if !more {
                break;
            }
        }
        self.put(buffer.get(..len).unwrap_or_default());
    }

    /// Appends a zigzag varint.
    fn put_signed(&mut self, value: i64) {
        self.put_varint(((value << 1) ^ (value >> 63)) as u64);
    }

    /// Appends a byte string behind its varint length.
    fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put(bytes);
    }
}

impl Write for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Bytes that [`Write::put_varint`] takes for `value`.
#[must_use]
pub fn varint_len(value: u64) -> usize {
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// One of a few values, told by a number of one byte.
pub trait Coded: Copy + PartialEq + 'static {
    /// What it is, for errors.
    const NAME: &'static str;
    /// The values in the order of their numbers, the first of which is 0.
    const VALUES: &'static [Self];

    /// Its number.
    #[must_use]
    fn to_code(self) -> u8 {
        let place = Self::VALUES.iter().position(|value| *value == self);
        debug_assert!(place.is_some(), "every value has a number");
        place.unwrap_or_default() as u8
    }

    /// The value with a number.
    ///
    /// # Errors
    /// If there is none.
    fn of_code(code: u8) -> Result<Self, DecodeError> {
        let value = Self::VALUES.get(usize::from(code)).copied();
        value.ok_or(DecodeError::Invalid(Self::NAME))
    }

    /// Appends its number.
    fn encode(self, to: &mut impl Write) {
        to.put(&[self.to_code()]);
    }

    /// Reads one.
    ///
    /// # Errors
    /// If the input is at its end, or the number is nobody's.
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Self::of_code(from.u8()?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::test_runner::TestCaseError;
    use std::fmt::Debug;

    /// What can be read from any bytes is read as the same from what it is written as.
    pub(crate) fn reads_again<T: PartialEq + Debug>(
        bytes: &[u8],
        decode: impl Fn(Reader<'_>) -> Result<T, DecodeError>,
        encode: impl Fn(&T) -> Vec<u8>,
    ) -> Result<(), TestCaseError> {
        if let Ok(value) = decode(Reader::new(bytes)) {
            prop_assert_eq!(decode(Reader::new(&encode(&value))), Ok(value));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn varints_survive_the_trip(value: u64, signed: i64) {
            let mut bytes = Vec::new();
            bytes.put_varint(value);
            prop_assert_eq!(bytes.len(), varint_len(value));
            bytes.put_signed(signed);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_read_in_order_and_within_bounds(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            loop {
                let left = reader.remaining();
                if let Ok(taken) = reader.bytes("test", 64) {
                    let end = bytes.len() - reader.remaining();
                    prop_assert!(taken.len() <= 64);
                    prop_assert_eq!(taken, &bytes[end - taken.len()..end]);
                } else if let Ok(value) = reader.varint() {
                    let mut again = Vec::new();
                    again.put_varint(value);
                    prop_assert_eq!(Reader::new(&again).varint(), Ok(value));
                    prop_assert!(again.len() <= left);
                } else {
                    break;
                }
                prop_assert!(reader.remaining() < left);
            }
        }
    }

    #[test]
    fn a_varint_of_more_than_64_bits_is_refused() {
        let eleven = [0x80; 11];
        assert_eq!(Reader::new(&eleven).varint(), Err(DecodeError::Invalid("varint")));
        let over = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
        assert_eq!(Reader::new(&over).varint(), Err(DecodeError::Invalid("varint")));
    }

    #[test]
    fn lengths_are_checked_before_they_are_used() {
        let mut bytes = Vec::new();
        bytes.put_varint(1 << 40);
        let error = Reader::new(&bytes).bytes("value", 1 << 20);
        assert!(matches!(error, Err(DecodeError::TooLong { what: "value", .. })));
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Light {
        Red,
        Green,
    }

    impl Coded for Light {
        const NAME: &'static str = "light";
        const VALUES: &'static [Self] = &[Self::Red, Self::Green];
    }

    #[test]
    fn a_value_is_told_by_its_number() {
        let mut bytes = Vec::new();
        Light::Green.encode(&mut bytes);
        Light::Red.encode(&mut bytes);
        assert_eq!(bytes, [1, 0]);
        let mut reader = Reader::new(&bytes);
        assert_eq!(Light::decode(&mut reader), Ok(Light::Green));
        assert_eq!(Light::decode(&mut reader), Ok(Light::Red));
        assert_eq!(Light::decode(&mut reader), Err(DecodeError::Truncated));
        assert_eq!(Light::of_code(2), Err(DecodeError::Invalid("light")));
    }
}
