//! How an item is named in sketches, and where its name puts it.

use crate::data::digest::Range;

/// Tables side by side.
pub const TABLES: usize = 4;

/// Bits of an item that repeat where its key is placed.
const PLACE_BITS: u32 = 24;

/// A 64-bit keyed hash of (key, stamp): the first 24 bits are those of the key's hash, by which
/// the map is ordered, so that the entry of an item can be found without an index; the other 40
/// are bits of the item's hash. Both hashes are keyed for the cluster.
///
/// Two writes of one key have equal items with probability 2^-40; sums of the whole 128-bit hashes
/// notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemId(pub u64);

impl ItemId {
    /// The item of a key hash and the 128-bit hash of (key, stamp).
    #[must_use]
    pub fn new(key: u64, item: u128) -> Self {
        Self((key & !(u64::MAX >> PLACE_BITS)) | (item as u64 & (u64::MAX >> PLACE_BITS)))
    }

    /// The part of the map that holds the item's entry.
    #[must_use]
    pub fn range(self) -> Range {
        Range::around(self.0, (PLACE_BITS / 4) as u8)
    }

    /// The first half, which tells it from all others that one replica holds, nearly always.
    #[must_use]
    pub fn short(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The bits that are those of the item's hash.
    #[must_use]
    pub fn low_bits(item: u128) -> u64 {
        item as u64 & (u64::MAX >> PLACE_BITS)
    }
}

/// What an item's name says about its cells. The names are keyed hashes: mixing them needs no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    spots: u64,
    other: u64,
}

impl Place {
    /// The place of an item.
    #[must_use]
    pub fn of(item: ItemId) -> Self {
        let product = u128::from(item.0 ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        let once = (product >> 64) as u64 ^ product as u64;
        let product = u128::from(once ^ 0xc2b2_ae3d_27d4_eb4f) * 0xa076_1d64_78bd_642f;
        Self { spots: once, other: (product >> 64) as u64 ^ product as u64 }
    }

    /// One number for each table: modulo the size of the tables together (a power of two) they
    /// are the item's cells.
    #[must_use]
    pub fn spots(self) -> [usize; TABLES] {
        let spots = self.spots;
        [
            (spots & 0xffff) as usize * TABLES,
            (spots >> 16 & 0xffff) as usize * TABLES + 1,
            (spots >> 32 & 0xffff) as usize * TABLES + 2,
            (spots >> 48) as usize * TABLES + 3,
        ]
    }

    /// Eight bits by which a cell with this item alone is told from a cell with several.
    #[must_use]
    pub fn check(self) -> u8 {
        // Never zero for the item zero, which would be invisible.
        self.other as u8
    }

    /// A number with each bit at random, for the estimator.
    #[must_use]
    pub fn strata(self) -> u64 {
        self.other >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_the_same_on_every_machine() {
        let item = ItemId::new(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210_0f1e_2d3c_4b5a_6978);
        assert_eq!(item, ItemId(0x0123_453c_4b5a_6978));
        assert!(item.range().contains(0x0123_4567_89ab_cdef));
        let place = Place::of(item);
        assert_eq!((place.spots(), place.check()), GOLDEN);
        assert_ne!(Place::of(ItemId(0)).check(), 0);
    }

    const GOLDEN: ([usize; 4], u8) = ([68_660, 121_985, 196_990, 223_867], 157);
}
