//! What the ends of a comparison by sketches say to each other.

use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::data::sketch::{Cells, Coarse, Fine, MAX_CELLS, Version};
use crate::data::{Cut, Digest, Space};
use crate::reconcile::Flow;

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

/// Items in one list of wanted ones.
pub const MAX_WANTS: usize = 16_384;

/// What each message begins with, so that the end that answers need keep nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which ways entries may move.
    pub flow: Flow,
    /// Which map.
    pub space: Space,
    /// The cut at which it is compared.
    pub cut: Cut,
}

impl Head {
    /// The head of an answer.
    #[must_use]
    pub fn flip(self) -> Self {
        Self { flow: self.flow.flip(), ..self }
    }

    /// The start of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(8);
        body.put(&[self.flow.to_bits() | self.space.code() << 2]);
        self.cut.encode(&mut body);
        body
    }

    fn decode(body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let bits = body.u8()?;
        let space = Space::of_code(bits >> 2)?;
        Ok(Self { flow: Flow::from_bits(bits), space, cut: Cut::decode(body)? })
    }
}

/// A message with its head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Headed<T> {
    /// The head.
    pub head: Head,
    /// The rest.
    pub body: T,
}

impl<T> Headed<T> {
    /// Reads a message whose rest `read` reads.
    ///
    /// # Errors
    /// If it is truncated, or `read` says so.
    pub fn decode<'a>(
        mut body: Reader<'a>,
        read: impl FnOnce(Reader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Self, DecodeError> {
        Ok(Self { head: Head::decode(&mut body)?, body: read(body)? })
    }
}

/// Opens a comparison of both maps: the data by sketches, the roster, which hardly ever differs, by
/// its checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// Items of the roster and the lower 96 bits of their sum.
    pub roster: Digest,
    /// The data.
    pub opening: Opening,
}

impl Greeting {
    /// The message behind its head.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(48);
        put_short(self.roster, &mut body);
        body.put(&self.opening.encode());
        body
    }

    /// Reads what [`Greeting::encode`] wrote.
    ///
    /// # Errors
    /// If it is none.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { roster: take_short(&mut body)?, opening: Opening::decode(body)? })
    }
}

/// Items that are asked for, by the first halves of their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wants {
    /// Which map.
    pub space: Space,
    /// The halves.
    pub items: Vec<u32>,
}

impl Wants {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(1 + 4 * self.items.len());
        body.put(&[self.space.code()]);
        self.items.iter().for_each(|item| body.put(&item.to_be_bytes()));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it names no space, or more items than [`MAX_WANTS`].
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        let len = body.remaining() / 4;
        if len > MAX_WANTS {
            let (got, bound) = (len as u64, MAX_WANTS as u64);
            return Err(DecodeError::TooLong { what: "items", got, bound });
        }
        let items = (0..len).map(|_| body.u32().map(u32::swap_bytes));
        Ok(Self { space, items: items.collect::<Result<_, _>>()? })
    }
}

fn put_short(digest: Digest, to: &mut Vec<u8>) {
    to.put_varint(digest.count);
    let sum = digest.sum.to_le_bytes();
    to.put(sum.get(..SUM_BYTES).unwrap_or(&sum));
}

fn take_short(from: &mut Reader<'_>) -> Result<Digest, DecodeError> {
    let count = from.varint()?;
    let (low, high) = (from.u64()?, from.u32()?);
    Ok(Digest { count, sum: u128::from(high) << 64 | u128::from(low) })
}

/// A digest as openings tell it.
#[must_use]
pub fn shortened(digest: Digest) -> Digest {
    Digest { count: digest.count, sum: short(digest.sum) }
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
        put_short(self.digest, &mut body);
        body.put(&self.root.to_le_bytes());
        self.cells.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Opening::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let digest = take_short(&mut body)?;
        let root = body.u64()?;
        let cells = Cells::decode(&mut body, MAX_FIRST)?;
        Ok(Self { digest, root, cells })
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
    /// True if the rest is to be asked for: so many are not sent at once.
    pub paused: bool,
    /// The cells; none if that state cannot be had any more.
    pub cells: Cells,
}

impl Batch {
    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        body.put(&self.version.0.to_le_bytes());
        let bits = u64::from(self.last) | u64::from(self.paused) << 1;
        body.put_varint((self.from as u64) << 2 | bits);
        self.cells.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Batch::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let version = Version(body.u16()?);
        let from = body.bounded("cell", 4 * MAX_CELLS + 3)?;
        let cells = Cells::decode(&mut body, MAX_BATCH)?;
        let (last, paused) = (from & 1 == 1, from & 2 == 2);
        Ok(Self { version, from: from >> 2, last, paused, cells })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::tests::reads_again;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_any_bytes_say_is_read_again(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            reads_again(&bytes, Opening::decode, Opening::encode)?;
            reads_again(&bytes, Reply::decode, Reply::encode)?;
            reads_again(&bytes, Ask::decode, |ask| ask.encode())?;
            reads_again(&bytes, Batch::decode, Batch::encode)?;
            reads_again(&bytes, Wants::decode, Wants::encode)?;
            reads_again(
                &bytes,
                |bytes| Headed::decode(bytes, Ask::decode),
                |asked| [asked.head.encode(), asked.body.encode()].concat(),
            )?;
            reads_again(
                &bytes,
                |bytes| Headed::decode(bytes, Greeting::decode),
                |greeting| [greeting.head.encode(), greeting.body.encode()].concat(),
            )?;
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
        let batch =
            Batch { version: Version(1), from: 8, last: true, paused: false, cells: two_cells() };
        let mut golden = vec![1, 0, 33];
        golden.extend(CELLS);
        assert_eq!(batch.encode(), golden);
    }

    #[test]
    fn golden_bytes_of_what_goes_round_them() {
        let flow = Flow { mine: true, yours: true };
        let head = Head { flow, space: Space::Data, cut: Cut::around(129 << 7, 200) };
        assert_eq!(head.encode(), [3, 127, 4]);
        let roster = Digest { count: 2, sum: 9 };
        let greeting = Greeting { roster, opening: Opening::default() };
        let mut golden = vec![2, 9];
        golden.extend([0; 11 + 21]);
        assert_eq!(greeting.encode(), golden);
        let whole = [head.encode(), golden].concat();
        let read = Headed::decode(Reader::new(&whole), Greeting::decode);
        assert_eq!(read, Ok(Headed { head, body: greeting }));
        assert!(Headed::decode(Reader::new(&[11, 0, 0]), |_| Ok(())).is_err(), "no such space");
        let wants = Wants { space: Space::Data, items: vec![0x0102_0304] };
        assert_eq!(wants.encode(), [0, 1, 2, 3, 4]);
        assert_eq!(Wants::decode(Reader::new(&wants.encode())), Ok(wants));
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
