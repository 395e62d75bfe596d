//! What the ends of a comparison by sketches say to each other.

use crate::base::codec::{DecodeError, Reader, Write};
use crate::data::Digest;
use crate::data::sketch::{Cells, Coarse, Fine, MAX_CELLS, Version};

/// Cells that are looked at in an opening or a reply: more would not fit a datagram.
pub const MAX_FIRST: usize = 128;
/// Cells in one batch.
pub const MAX_BATCH: usize = 1 << 14;
/// Bytes of a sum in an opening: 23 bytes in all, and still no chance of two alike.
const SUM_BYTES: usize = 12;

/// The lower bits of a sum, which is what openings tell of it.
#[must_use]
pub fn short(sum: u128) -> u128 {
    sum & ((1 << (8 * SUM_BYTES)) - 1)
}

/// What a replica holds, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// Items and the lower 96 bits of their sum.
    pub digest: Digest,
    /// Exclusive or of the items.
    pub root: u64,
    /// The first cells, if a difference is expected.
    pub cells: Cells,
}

impl Opening {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(32);
        body.put_varint(self.digest.count);
        let sum = self.digest.sum.to_le_bytes();
        body.put(sum.get(..SUM_BYTES).unwrap_or(&sum));
        body.put(&self.root.to_le_bytes());
        self.cells.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Opening::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let count = body.varint()?;
        let (low, high) = (body.u64()?, body.u32()?);
        let sum = u128::from(high) << 64 | u128::from(low);
        let root = body.u64()?;
        let cells = Cells::decode(&mut body, MAX_FIRST)?;
        Ok(Self { digest: Digest { count, sum }, root, cells })
    }
}

/// The answer to an opening that differs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The state that the cells were taken at.
    pub version: Version,
    /// The estimator.
    pub strata: Coarse,
    /// The first cells.
    pub cells: Cells,
}

impl Reply {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        body.put(&self.version.0.to_le_bytes());
        self.strata.encode(&mut body);
        self.cells.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Reply::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let version = Version(body.u16()?);
        let strata = Coarse::decode(&mut body)?;
        Ok(Self { version, strata, cells: Cells::decode(&mut body, MAX_FIRST)? })
    }
}

/// Asks for the cells `from..to` as they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The state.
    pub version: Version,
    /// First cell.
    pub from: usize,
    /// Behind the last cell.
    pub to: usize,
    /// Asks for as many more as this makes seem right.
    pub fine: Option<Fine>,
}

impl Ask {
    /// The body of the message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(10);
        body.put(&self.version.0.to_le_bytes());
        body.put_varint(self.from as u64);
        body.put_varint(self.to.saturating_sub(self.from) as u64);
        if let Some(fine) = &self.fine {
            fine.encode(&mut body);
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or asks for cells that nobody has.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let version = Version(body.u16()?);
        let from = body.bounded("cell", MAX_CELLS)?;
        let to = from + body.bounded("cells", MAX_CELLS - from)?;
        let fine = if body.is_empty() { None } else { Some(Fine::decode(&mut body)?) };
        Ok(Self { version, from, to, fine })
    }
}

/// Cells that were asked for, or some of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The state that they were taken at.
    pub version: Version,
    /// The first one.
    pub from: usize,
    /// True if no more are on their way.
    pub last: bool,
    /// The cells; none if that state cannot be had any more.
    pub cells: Cells,
}

impl Batch {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        body.put(&self.version.0.to_le_bytes());
        body.put_varint((self.from as u64) << 1 | u64::from(self.last));
        self.cells.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Batch::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let version = Version(body.u16()?);
        let from = body.bounded("cell", 2 * MAX_CELLS + 1)?;
        let cells = Cells::decode(&mut body, MAX_BATCH)?;
        Ok(Self { version, from: from >> 1, last: from & 1 == 1, cells })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = Opening::decode(Reader::new(&bytes));
            let _ = Reply::decode(Reader::new(&bytes));
            let _ = Ask::decode(Reader::new(&bytes));
            let _ = Batch::decode(Reader::new(&bytes));
        }

        #[test]
        fn what_is_read_is_written_again(bytes in prop::collection::vec(any::<u8>(), 30..200)) {
            if let Ok(opening) = Opening::decode(Reader::new(&bytes)) {
                let again = Opening::decode(Reader::new(&opening.encode()));
                prop_assert_eq!(again, Ok(opening));
            }
            if let Ok(reply) = Reply::decode(Reader::new(&bytes)) {
                prop_assert_eq!(reply.encode(), bytes.clone());
            }
            if let Ok(ask) = Ask::decode(Reader::new(&bytes)) {
                prop_assert_eq!(Ask::decode(Reader::new(&ask.encode())), Ok(ask));
            }
            if let Ok(batch) = Batch::decode(Reader::new(&bytes)) {
                let again = Batch::decode(Reader::new(&batch.encode()));
                prop_assert_eq!(again, Ok(batch));
            }
        }
    }

    fn two_cells() -> Cells {
        Cells::decode(&mut Reader::new(&[1, 0, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 8]), 2)
            .unwrap()
    }

    const CELLS: [u8; 18] = [1, 0, 0, 0, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0, 0, 0, 8];

    #[test]
    fn golden_bytes() {
        let digest = Digest { count: 300, sum: 1 << 127 | 5 << 64 | 6 };
        let opening = Opening { digest, root: 7, cells: two_cells() };
        let mut golden = vec![0xac, 2, 6, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
        golden.extend(CELLS);
        assert_eq!(opening.encode(), golden);
        let read = Opening::decode(Reader::new(&golden)).unwrap();
        assert_eq!(read.digest.sum, short(digest.sum));

        let reply = Reply { version: Version(258), strata: Coarse::default(), cells: two_cells() };
        let mut golden = vec![2, 1];
        golden.extend([0; 20]);
        golden.extend(CELLS);
        assert_eq!(reply.encode(), golden);

        let ask = Ask { version: Version(258), from: 8, to: 308, fine: None };
        assert_eq!(ask.encode(), [2, 1, 8, 0xac, 2]);
        let fine = Some(Fine::default());
        assert_eq!(Ask { fine, ..ask }.encode()[5..], [0; 25]);
        let batch = Batch { version: Version(1), from: 8, last: true, cells: two_cells() };
        let mut golden = vec![1, 0, 17];
        golden.extend(CELLS);
        assert_eq!(batch.encode(), golden);
    }

    #[test]
    fn nobody_asks_for_more_than_there_is() {
        let ask = Ask { version: Version(0), from: 5, to: MAX_CELLS + 1, fine: None };
        assert!(Ask::decode(Reader::new(&ask.encode())).is_err());
        let mut cells = vec![0; 24];
        cells.extend([0; 9 * (MAX_FIRST + 1)]);
        assert!(Reply::decode(Reader::new(&cells)).is_err());
    }
}
