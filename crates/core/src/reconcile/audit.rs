//! Whether two replicas hold the same, asked apart from all comparison that repairs: by the second
//! account of each ([`crate::data::audit`]), at a cut.
//!
//! [`Check`] tells the total of the end that asks. [`Checked`] answers it, with the sums of all
//! parts where the totals differ. Nothing is repaired by that; what it leads to is decided by
//! [`crate::spread::audit`].

use crate::base::codec::{Coded, DecodeError, Reader, Write};
use crate::data::audit::PARTS;
use crate::data::{Cut, Sums};
use crate::output::Via;
use crate::reconcile::Desk;
use crate::wire::kind;

/// Asks whether the other end holds the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The cut at which is compared.
    pub cut: Cut,
    /// The sum of everything.
    pub total: u64,
}

impl Check {
    /// The body of the message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.cut.encode(&mut body);
        body.put(&self.total.to_le_bytes());
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { cut: Cut::decode(&mut body)?, total: body.u64()? })
    }
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The cut of the check.
    pub cut: Cut,
    /// What the other end holds.
    pub stand: Stand,
}

/// What the end that answers holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stand {
    /// The same.
    Equal,
    /// It cannot say: it is being filled, or does not know that time any more.
    Unknown,
    /// Something else: the lower halves of the sums of all parts.
    Different(Vec<u32>),
}

/// How a message says which.
#[derive(Clone, Copy, PartialEq)]
enum Tag {
    Equal,
    Unknown,
    Different,
}

impl Coded for Tag {
    const NAME: &'static str = "stand";
    const VALUES: &'static [Self] = &[Self::Equal, Self::Unknown, Self::Different];
}

impl Checked {
    /// The answer to a check by who holds `sums` at its cut, if that is known.
    #[must_use]
    pub fn of(check: Check, sums: Option<&Sums>) -> Self {
        let stand = match sums {
            None => Stand::Unknown,
            Some(sums) if sums.total() == check.total => Stand::Equal,
            Some(sums) => Stand::Different(sums.iter().map(|sum| sum as u32).collect()),
        };
        Self { cut: check.cut, stand }
    }

    /// The parts in which `mine` differ from the other end's, and by how much.
    #[must_use]
    pub fn differences(theirs: &[u32], mine: &Sums) -> Vec<(u8, u32)> {
        let parts = (0..=u8::MAX).zip(mine.iter()).zip(theirs);
        let differences =
            parts.map(|((part, mine), theirs)| (part, (mine as u32).wrapping_sub(*theirs)));
        differences.filter(|(_, difference)| *difference != 0).collect()
    }

    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.cut.encode(&mut body);
        let (tag, parts) = match &self.stand {
            Stand::Equal => (Tag::Equal, &[][..]),
            Stand::Unknown => (Tag::Unknown, &[][..]),
            Stand::Different(parts) => (Tag::Different, &parts[..]),
        };
        tag.encode(&mut body);
        parts.iter().for_each(|part| body.put(&part.to_le_bytes()));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Checked::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let cut = Cut::decode(&mut body)?;
        let stand = match Tag::decode(&mut body)? {
            Tag::Equal => Stand::Equal,
            Tag::Unknown => Stand::Unknown,
            Tag::Different => {
                let parts = (0..PARTS).map(|_| body.u32());
                Stand::Different(parts.collect::<Result<_, _>>()?)
            }
        };
        Ok(Self { cut, stand })
    }
}

/// Answers a check, by an end that holds something else for good reason or not.
pub fn on_check(desk: &mut Desk<'_>, check: Check, excused: bool) {
    let sums = desk.map.audit_at(check.cut).filter(|_| !excused);
    let body = Checked::of(check, sums.as_ref()).encode();
    desk.push_via(Via::Datagram, kind::CHECKED, &[&body]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::tests::reads_again;
    use proptest::prelude::*;

    #[test]
    fn messages_are_pinned() {
        let check = Check { cut: Cut::around(1 << 20, 128), total: 0x0102_0304 };
        assert_eq!(check.encode(), [0xff, 0x3f, 3, 4, 3, 2, 1, 0, 0, 0, 0]);
        let equal = Checked { cut: Cut::NONE, stand: Stand::Equal };
        assert_eq!(equal.encode(), [0, 0, 0]);
        let different = Checked { cut: Cut::NONE, stand: Stand::Different(vec![7; PARTS]) };
        let bytes = different.encode();
        assert_eq!((bytes.len(), &bytes[..7]), (3 + 4 * PARTS, &[0, 0, 2, 7, 0, 0, 0][..]));
    }

    proptest! {
        #[test]
        fn messages_survive_the_trip(wall in 0_u64..1 << 40, total: u64, parts: [u32; 16]) {
            let cut = Cut::around(wall, 300);
            let check = Check { cut, total };
            prop_assert_eq!(Check::decode(Reader::new(&check.encode())), Ok(check));
            let parts: Vec<u32> = parts.iter().copied().cycle().take(PARTS).collect();
            for stand in [Stand::Equal, Stand::Unknown, Stand::Different(parts)] {
                let checked = Checked { cut, stand };
                prop_assert_eq!(Checked::decode(Reader::new(&checked.encode())), Ok(checked));
            }
        }

        #[test]
        fn what_any_bytes_say_is_read_again(bytes in prop::collection::vec(any::<u8>(), 0..1200)) {
            reads_again(&bytes, Check::decode, |check| check.encode())?;
            reads_again(&bytes, Checked::decode, Checked::encode)?;
        }
    }
}
