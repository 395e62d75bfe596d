//! The messages by which members are asked whether they hold writes, and answer.

use super::{MAX_PARTS, MAX_WRITES, Named};
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::data::Stamp;
use crate::data::entry::MAX_KEY;

/// Bytes of a message up to which another write is added: with its envelope it fits a datagram.
const PART: usize = 1000;

/// Do you hold these, or newer ones under their keys?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask<'a> {
    /// The answer repeats it.
    pub number: u64,
    /// The writes.
    pub writes: Vec<(&'a [u8], Stamp)>,
}

impl<'a> Ask<'a> {
    /// Reads a body: the number, then for each write its time, writer and key.
    ///
    /// # Errors
    /// If it is malformed, or names too many.
    pub fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let number = body.u64()?;
        let mut writes = Vec::new();
        while !body.is_empty() {
            if writes.len() >= MAX_WRITES {
                let (got, bound) = (writes.len() as u64 + 1, MAX_WRITES as u64);
                return Err(DecodeError::TooLong { what: "writes asked for", got, bound });
            }
            let stamp = Stamp { time: body.u64()?, node: NodeId(body.u64()?) };
            writes.push((body.bytes("key", MAX_KEY)?, stamp));
        }
        Ok(Self { number, writes })
    }
}

/// The answer: all of them, or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// That of the question.
    pub number: u64,
    /// True if all are held.
    pub held: bool,
}

impl Answer {
    /// As a body: the number, and 1 or 0.
    #[must_use]
    pub fn encode(self) -> [u8; 9] {
        let mut body = [u8::from(self.held); 9];
        body.iter_mut().zip(self.number.to_le_bytes()).for_each(|(to, byte)| *to = byte);
        body
    }

    /// Reads a body.
    ///
    /// # Errors
    /// If it is malformed.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let number = body.u64()?;
        match body.u8()? {
            0 => Ok(Self { number, held: false }),
            1 => Ok(Self { number, held: true }),
            _ => Err(DecodeError::Invalid("answer about coverage")),
        }
    }
}

/// The messages that ask for these writes, with their numbers.
pub(super) fn parts_of(writes: &[Named], mut number: impl FnMut() -> u64) -> Vec<(u64, Vec<u8>)> {
    let least = writes.len().div_ceil(MAX_PARTS);
    let (mut parts, mut count): (Vec<(u64, Vec<u8>)>, usize) = (Vec::new(), 0);
    for (key, stamp) in writes {
        let fits = |body: &Vec<u8>| count < least || body.len() + key.len() + 20 <= PART;
        if !parts.last().is_some_and(|(_, body)| fits(body)) {
            let number = number();
            parts.push((number, number.to_le_bytes().to_vec()));
            count = 0;
        }
        if let Some((_, body)) = parts.last_mut() {
            body.put(&stamp.time.to_le_bytes());
            body.put(&stamp.node.0.to_le_bytes());
            body.put_bytes(key);
            count += 1;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_asked_is_read_back(
            keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..300),
        ) {
            let stamp = |at: usize| Stamp { time: at as u64, node: NodeId(7) };
            let writes: Vec<Named> = keys
                .iter()
                .enumerate()
                .map(|(at, key)| (key.as_slice().into(), stamp(at)))
                .collect();
            let mut last = 0;
            let parts = parts_of(&writes, || { last += 1; last });
            prop_assert!(parts.len() <= MAX_PARTS);
            let mut read: Vec<Named> = Vec::new();
            for (number, body) in &parts {
                let ask = Ask::decode(Reader::new(body)).unwrap();
                prop_assert_eq!(ask.number, *number);
                read.extend(ask.writes.iter().map(|(key, stamp)| ((*key).into(), *stamp)));
            }
            prop_assert_eq!(read, writes);
        }
    }
}
