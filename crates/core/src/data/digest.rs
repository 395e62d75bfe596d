//! What a replica holds, in 24 bytes.

use crate::base::codec::{DecodeError, Reader, Write};
use std::fmt;

/// Count and additive checksum of a set of items.
///
/// The sum is over a keyed 128-bit hash of (key, stamp), modulo 2^128. It is a sum and not an
/// exclusive or, so that two equal items do not cancel, and it is kept with every write.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Digest {
    /// Items.
    pub count: u64,
    /// Sum of the items' hashes.
    pub sum: u128,
}

impl Digest {
    /// Takes an item in.
    pub fn add(&mut self, item: u128) {
        self.count = self.count.wrapping_add(1);
        self.sum = self.sum.wrapping_add(item);
    }

    /// Takes an item out.
    pub fn remove(&mut self, item: u128) {
        self.count = self.count.wrapping_sub(1);
        self.sum = self.sum.wrapping_sub(item);
    }

    /// Appends count (varint) and sum (16 bytes).
    pub fn encode(&self, to: &mut impl Write) {
        to.put_varint(self.count);
        to.put(&self.sum.to_le_bytes());
    }

    /// Reads what [`Digest::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { count: from.varint()?, sum: from.u128()? })
    }
}

impl fmt::Display for Digest {
    /// The sum as 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.sum)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.count, self.sum)
    }
}

/// A part of the space of key hashes: all hashes that share their first `depth` nibbles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    prefix: u64,
    depth: u8,
}

impl Range {
    /// The whole space.
    pub const ALL: Self = Self { prefix: 0, depth: 0 };
    /// Nibbles in a key hash.
    pub const MAX_DEPTH: u8 = 16;

    /// The range of hashes that begin like `hash` for `depth` nibbles.
    #[must_use]
    pub fn around(hash: u64, depth: u8) -> Self {
        let depth = depth.min(Self::MAX_DEPTH);
        Self { prefix: hash & mask(depth), depth }
    }

    /// Nibbles that are fixed, 0 to 16.
    #[must_use]
    pub fn depth(self) -> u8 {
        self.depth
    }

    /// The smallest hash in the range.
    #[must_use]
    pub fn first(self) -> u64 {
        self.prefix
    }

    /// The largest hash in the range.
    #[must_use]
    pub fn last(self) -> u64 {
        self.prefix | !mask(self.depth)
    }

    /// True if `hash` lies in the range.
    #[must_use]
    pub fn contains(self, hash: u64) -> bool {
        hash & mask(self.depth) == self.prefix
    }

    /// The sixteenth of this range with the given next nibble; `None` at full depth.
    #[must_use]
    pub fn child(self, nibble: u8) -> Option<Self> {
        (self.depth < Self::MAX_DEPTH).then(|| Self {
            prefix: self.prefix | u64::from(nibble & 15) << (60 - 4 * u32::from(self.depth)),
            depth: self.depth + 1,
        })
    }

    /// The nibble of `hash` that chooses among this range's children.
    #[must_use]
    pub fn nibble(self, hash: u64) -> usize {
        if self.depth >= Self::MAX_DEPTH {
            return 0;
        }
        (hash >> (60 - 4 * u32::from(self.depth)) & 15) as usize
    }

    /// Appends depth and the bytes of the prefix that the depth needs (1 to 9 bytes).
    pub fn encode(self, to: &mut impl Write) {
        to.put(&[self.depth]);
        let bytes = self.prefix.to_be_bytes();
        to.put(bytes.get(..usize::from(self.depth).div_ceil(2)).unwrap_or(&bytes));
    }

    /// Reads what [`Range::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or names a depth over 16 or bits below its depth.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let depth = from.u8()?;
        if depth > Self::MAX_DEPTH {
            return Err(DecodeError::Invalid("range depth"));
        }
        let given = from.take(usize::from(depth).div_ceil(2))?;
        let mut bytes = [0_u8; 8];
        for (to, byte) in bytes.iter_mut().zip(given) {
            *to = *byte;
        }
        let prefix = u64::from_be_bytes(bytes);
        if prefix & !mask(depth) != 0 {
            return Err(DecodeError::Invalid("range prefix"));
        }
        Ok(Self { prefix, depth })
    }
}

fn mask(depth: u8) -> u64 {
    match depth {
        0 => 0,
        1..=15 => u64::MAX << (64 - 4 * u32::from(depth)),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn equal_items_do_not_cancel() {
        let mut digest = Digest::default();
        digest.add(5);
        digest.add(5);
        assert_ne!(digest.sum, 0);
        digest.remove(5);
        digest.remove(5);
        assert_eq!(digest, Digest::default());
    }

    proptest! {
        #[test]
        fn ranges_nest_and_survive_the_trip(hash: u64, depth in 0_u8..=16) {
            let range = Range::around(hash, depth);
            prop_assert!(range.contains(hash));
            prop_assert!(range.first() <= hash && hash <= range.last());
            let mut bytes = Vec::new();
            range.encode(&mut bytes);
            prop_assert_eq!(Range::decode(&mut Reader::new(&bytes)), Ok(range));
            let inside: Vec<Range> =
                (0..16).filter_map(|n| range.child(n)).filter(|c| c.contains(hash)).collect();
            prop_assert_eq!(inside.len(), usize::from(depth < 16));
            if let [child] = inside[..] {
                prop_assert_eq!(Some(child), range.child(range.nibble(hash) as u8));
                prop_assert_eq!(child, Range::around(hash, depth + 1));
            }
        }
    }
}
