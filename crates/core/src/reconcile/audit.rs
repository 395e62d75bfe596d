//! Whether two replicas hold the same, asked apart from all comparison that repairs: by the second
//! account of each ([`crate::data::account`]), at a cut.
//!
//! [`Check`] tells the total of the end that asks. [`Checked`] answers it, with the sums of all
//! parts where the totals differ. Nothing is repaired by that; what it leads to is decided by
//! [`crate::spread::audit`].
//!
//! Both say of which account the sums are, unless they are those of the first one as well. Sums that
//! are equal tell the same in any two accounts; from sums of two accounts that differ nothing follows.

use crate::base::codec::{Coded, DecodeError, Reader, Write};
use crate::data::account::{ACCOUNT, FIRST, PARTS};
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
    /// The account that it is of.
    pub account: u8,
}

impl Check {
    /// The body of the message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.cut.encode(&mut body);
        body.put(&self.total.to_le_bytes());
        put_account(self.account, &mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let (cut, total) = (Cut::decode(&mut body)?, body.u64()?);
        Ok(Self { cut, total, account: account(&mut body) })
    }
}

fn put_account(account: u8, to: &mut Vec<u8>) {
    if account != FIRST {
        to.put(&[account]);
    }
}

/// What the first builds end without.
fn account(from: &mut Reader<'_>) -> u8 {
    from.u8().unwrap_or(FIRST)
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
    /// It cannot say: it is being filled, does not know that time any more, or keeps another account.
    Unknown,
    /// Something else: the lower halves of the sums of all parts, and the account that they are of.
    Different(Vec<u32>, u8),
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
            // Who asks may not know of the account that these sums are of, or this build of theirs.
            Some(sums) if !(sums.account()..=ACCOUNT).contains(&check.account) => Stand::Unknown,
            Some(sums) => {
                Stand::Different(sums.iter().map(|sum| sum as u32).collect(), check.account)
            }
        };
        Self { cut: check.cut, stand }
    }

    /// The parts in which `mine` differ from the other end's, and by how much; `None` if they are of
    /// another account, so that nothing can be said.
    #[must_use]
    pub fn differences(theirs: &[u32], account: u8, mine: &Sums) -> Option<Vec<(u8, u32)>> {
        if !(mine.account()..=ACCOUNT).contains(&account) {
            return None;
        }
        let parts = (0..=u8::MAX).zip(mine.iter()).zip(theirs);
        let differences =
            parts.map(|((part, mine), theirs)| (part, (mine as u32).wrapping_sub(*theirs)));
        Some(differences.filter(|(_, difference)| *difference != 0).collect())
    }

    /// The body of the message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.cut.encode(&mut body);
        let (tag, parts, account) = match &self.stand {
            Stand::Equal => (Tag::Equal, &[][..], FIRST),
            Stand::Unknown => (Tag::Unknown, &[][..], FIRST),
            Stand::Different(parts, account) => (Tag::Different, &parts[..], *account),
        };
        tag.encode(&mut body);
        parts.iter().for_each(|part| body.put(&part.to_le_bytes()));
        put_account(account, &mut body);
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
                Stand::Different(parts.collect::<Result<_, _>>()?, account(&mut body))
            }
        };
        Ok(Self { cut, stand })
    }
}

/// Answers a check, by an end that holds something else for good reason or not.
pub fn on_check(desk: &mut Desk<'_>, check: Check, excused: bool) {
    let sums = desk.map.account_at(check.cut).filter(|_| !excused);
    let body = Checked::of(check, sums.as_ref()).encode();
    desk.push_via(Via::Datagram, kind::CHECKED, &[&body]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::tests::reads_again;
    use crate::base::id::NodeId;
    use crate::data::account::Account;
    use crate::data::{Entry, Stamp};
    use proptest::prelude::*;

    #[test]
    fn messages_are_pinned() {
        let check = Check { cut: Cut::around(1 << 20, 128), total: 0x0102_0304, account: FIRST };
        assert_eq!(check.encode(), [0xff, 0x3f, 3, 4, 3, 2, 1, 0, 0, 0, 0]);
        let check = Check { account: ACCOUNT, ..check };
        assert_eq!(check.encode(), [0xff, 0x3f, 3, 4, 3, 2, 1, 0, 0, 0, 0, 1]);
        let equal = Checked { cut: Cut::NONE, stand: Stand::Equal };
        assert_eq!(equal.encode(), [0, 0, 0]);
        for account in [FIRST, ACCOUNT] {
            let stand = Stand::Different(vec![7; PARTS], account);
            let bytes = Checked { cut: Cut::NONE, stand }.encode();
            assert_eq!(&bytes[..7], &[0, 0, 2, 7, 0, 0, 0]);
            assert_eq!(bytes[3 + 4 * PARTS..], [1][..usize::from(account)]);
        }
    }

    #[test]
    fn from_sums_of_two_accounts_nothing_follows() {
        let (mut simple, mut owned) = (Account::new(1), Account::new(1));
        let entry = Entry::new(b"k", b"v", Stamp { time: 1, node: NodeId(1) }, None);
        simple.add(7, &entry, 1);
        owned.add(7, &entry.clone().owned(), 1);
        let [simple, owned] = [simple, owned].map(|audit| audit.at(Cut::NONE).unwrap());
        let ask = |sums: &Sums, account| Check { cut: Cut::NONE, total: sums.total(), account };
        let stand = |check, sums: &Sums| Checked::of(check, Some(sums)).stand;
        // The first builds ask so, and would take the sums of another account for theirs.
        assert_eq!(stand(ask(&simple, FIRST), &owned), Stand::Unknown);
        assert_eq!(stand(ask(&owned, ACCOUNT + 1), &simple), Stand::Unknown);
        assert_eq!(stand(ask(&simple, ACCOUNT + 1), &simple), Stand::Equal);
        let Stand::Different(parts, account) = stand(ask(&owned, ACCOUNT), &simple) else {
            panic!("these are of both accounts")
        };
        assert_eq!(account, ACCOUNT);
        assert_eq!(Checked::differences(&parts, account, &owned).unwrap().len(), 1);
        // As the first builds answer.
        assert_eq!(Checked::differences(&parts, FIRST, &owned), None);
        assert_eq!(Checked::differences(&parts, FIRST, &simple), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn messages_survive_the_trip(
            wall in 0_u64..1 << 40, total: u64, parts: [u32; 16], account: u8,
        ) {
            let cut = Cut::around(wall, 300);
            let check = Check { cut, total, account };
            prop_assert_eq!(Check::decode(Reader::new(&check.encode())), Ok(check));
            let parts: Vec<u32> = parts.iter().copied().cycle().take(PARTS).collect();
            for stand in [Stand::Equal, Stand::Unknown, Stand::Different(parts, account)] {
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
