//! What the members of a pass say to each other.

use super::{MAX_ORDER, Pass, SIEVE};
use crate::base::codec::{Coded, DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::data::sketch::ItemId;
use crate::data::{Digest, Entry, Range, block};
use crate::wire::kind;
use serde::Serialize;
use std::sync::Arc;

/// Ranges compared in one message.
pub(super) const RANGES: usize = 512;
/// Items listed in one message, about.
pub(super) const ITEMS: usize = 4096;
/// Items that a message may list or ask for.
const MAX_ITEMS: usize = 1 << 20;

/// A message of ring repair.
#[derive(Clone, Debug)]
pub enum Message {
    /// The token of a pass, or the offer to bring a member back.
    Token(Token),
    /// What its receiver says.
    Answer(Answer),
    /// Digests of ranges.
    Check(Step<Check>),
    /// Which of them differ.
    Differ(Step<Differ>),
    /// The items of ranges.
    Items(Step<Page>),
    /// Which of them are wanted.
    Want(Step<Want>),
    /// Those.
    Entries(Step<Load>),
    /// How a pass goes on.
    Progress(Progress),
    /// Brings the sender back, which a pass has not covered. Body: the pass, if it knows one.
    Resync(u64),
}

impl Message {
    /// Reads a message; `None` if it is none of ring repair.
    ///
    /// # Errors
    /// If the body is not one of its kind.
    pub fn decode(kind: u8, mut body: Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::RING_TOKEN => Self::Token(Token::decode(body)?),
            kind::RING_ANSWER => Self::Answer(Answer::decode(body)?),
            kind::RING_CHECK => Self::Check(Step::<Check>::read(body)?),
            kind::RING_DIFFER => Self::Differ(Step::<Differ>::read(body)?),
            kind::RING_ITEMS => Self::Items(Step::<Page>::read(body)?),
            kind::RING_WANT => Self::Want(Step::<Want>::read(body)?),
            kind::RING_ENTRIES => Self::Entries(Step::<Load>::read(body)?),
            kind::RING_PROGRESS => Self::Progress(Progress::decode(body)?),
            kind::RESYNC => Self::Resync(body.u64()?),
            _ => return Ok(None),
        }))
    }
}

/// Which walk a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    /// The pass.
    pub pass: u64,
    /// The hop of it, or [`SIEVE`].
    pub hop: u32,
}

impl Session {
    pub(super) fn encode(self, to: &mut Vec<u8>) {
        to.put(&self.pass.to_le_bytes());
        to.put_varint(u64::from(self.hop));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let pass = from.u64()?;
        let hop = u32::try_from(from.varint()?).map_err(|_| DecodeError::Invalid("hop"))?;
        Ok(Self { pass, hop })
    }
}

/// The token: opens a walk at its receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The pass.
    pub pass: Pass,
    /// Which hop this is, or [`SIEVE`].
    pub hop: u32,
    /// What the sender holds.
    pub digest: Digest,
    /// Of a walk that sieves: members that are not of the pass and were of an earlier one, and up to
    /// where that covered what they had written.
    pub former: Arc<[(NodeId, u64)]>,
}

impl Token {
    /// The walk that it opens.
    #[must_use]
    pub fn session(&self) -> Session {
        Session { pass: self.pass.id, hop: self.hop }
    }

    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64 + 8 * self.pass.order.len());
        self.pass.encode(&mut body);
        body.put_varint(u64::from(self.hop));
        self.digest.encode(&mut body);
        body.put_varint(self.former.len() as u64);
        for (id, time) in self.former.iter() {
            body.put(&id.0.to_le_bytes());
            body.put(&time.to_le_bytes());
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Token::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let pass = Pass::decode(&mut body)?;
        let hop = u32::try_from(body.varint()?).map_err(|_| DecodeError::Invalid("hop"))?;
        if hop != SIEVE && hop > pass.hops() {
            return Err(DecodeError::Invalid("hop"));
        }
        let digest = Digest::decode(&mut body)?;
        let count = body.bounded("former members", MAX_ORDER)?;
        let former = (0..count)
            .map(|_| Ok((NodeId(body.u64()?), body.u64()?)))
            .collect::<Result<Arc<[_]>, DecodeError>>()?;
        Ok(Self { pass, hop, digest, former })
    }
}

/// What the receiver of a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It holds everything that the sender holds.
    Done,
    /// It holds something else: walk.
    Different,
    /// Not now.
    Later,
    /// Never: the pass is over.
    Over,
}

impl Coded for Verdict {
    const NAME: &'static str = "verdict";
    const VALUES: &'static [Self] = &[Self::Done, Self::Different, Self::Later, Self::Over];
}

/// An answer to a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The walk.
    pub session: Session,
    /// What.
    pub verdict: Verdict,
}

impl Answer {
    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        self.verdict.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Answer::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        Ok(Self { session, verdict: Verdict::decode(&mut body)? })
    }
}

/// How a pass goes on, for who began it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The pass, and the hop that it is about.
    pub session: Session,
    /// What of it.
    pub stage: Stage,
}

/// See [`Progress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The hop is done.
    Reached,
    /// The receiver of the hop cannot be reached, or is not ready.
    Waiting,
    /// It was the last hop.
    Complete,
    /// The pass was given up at this hop.
    Over,
}

impl Coded for Stage {
    const NAME: &'static str = "stage";
    const VALUES: &'static [Self] = &[Self::Reached, Self::Waiting, Self::Complete, Self::Over];
}

impl Progress {
    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        self.stage.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Progress::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        Ok(Self { session, stage: Stage::decode(&mut body)? })
    }
}

/// A step of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<T> {
    /// The walk.
    pub session: Session,
    /// Which of its messages this is, or is the answer to.
    pub number: u32,
    /// What it says.
    pub body: T,
}

impl<T> Step<T> {
    fn head(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(64);
        self.session.encode(&mut body);
        body.put_varint(u64::from(self.number));
        body
    }

    fn decode(
        mut from: Reader<'_>,
        read: impl FnOnce(&mut Reader<'_>) -> Result<T, DecodeError>,
    ) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut from)?;
        let number =
            u32::try_from(from.varint()?).map_err(|_| DecodeError::Invalid("number of a step"))?;
        Ok(Self { session, number, body: read(&mut from)? })
    }
}

/// Digests of ranges; of none at the end of a walk.
pub type Check = Vec<(Range, Digest)>;
/// Which of the ranges of a check differ.
pub type Differ = Vec<bool>;
/// All items in some ranges.
pub type Page = Vec<(Range, Vec<ItemId>)>;
/// Items that are wanted; none to go on.
pub type Want = Vec<ItemId>;

/// Entries that were wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// The entries.
    pub entries: Vec<Entry>,
    /// True if these are the last of what was wanted.
    pub last: bool,
}

impl Step<Check> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        for (range, digest) in &self.body {
            range.encode(&mut body);
            digest.encode(&mut body);
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", RANGES)?;
            (0..count).map(|_| Ok((Range::decode(body)?, Digest::decode(body)?))).collect()
        })
    }
}

impl Step<Differ> {
    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        body.extend(self.body.iter().map(|differs| u8::from(*differs)));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", RANGES)?;
            (0..count).map(|_| Ok(body.u8()? != 0)).collect()
        })
    }
}

fn put_items(items: &[ItemId], to: &mut Vec<u8>) {
    to.put_varint(items.len() as u64);
    items.iter().for_each(|item| to.put(&item.0.to_le_bytes()));
}

fn read_items(from: &mut Reader<'_>) -> Result<Vec<ItemId>, DecodeError> {
    // No more than the message has bytes for.
    let count = from.bounded("items", MAX_ITEMS.min(from.remaining() / 8))?;
    (0..count).map(|_| from.u64().map(ItemId)).collect()
}

impl Step<Page> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put_varint(self.body.len() as u64);
        for (range, items) in &self.body {
            range.encode(&mut body);
            put_items(items, &mut body);
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or has too many ranges or items.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let count = body.bounded("ranges", ITEMS)?;
            (0..count).map(|_| Ok((Range::decode(body)?, read_items(body)?))).collect()
        })
    }
}

impl Step<Want> {
    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        put_items(&self.body, &mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, read_items)
    }
}

impl Step<Load> {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut body = self.head();
        body.put(&[u8::from(self.body.last)]);
        let mut context = block::Context::default();
        self.body.entries.iter().for_each(|entry| context.encode(entry, &mut body));
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or holds no entries where there should be some.
    pub fn read(body: Reader<'_>) -> Result<Self, DecodeError> {
        Self::decode(body, |body| {
            let last = body.u8()? != 0;
            Ok(Load { last, entries: block::read(body)? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::token;
    use super::*;
    use crate::base::codec::tests::reads_again;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_any_bytes_say_is_read_again(bytes: Vec<u8>) {
            reads_again(&bytes, Token::decode, Token::encode)?;
            reads_again(&bytes, Answer::decode, |answer| answer.encode())?;
            reads_again(&bytes, Progress::decode, |progress| progress.encode())?;
            reads_again(&bytes, Step::<Check>::read, Step::<Check>::encode)?;
            reads_again(&bytes, Step::<Differ>::read, Step::<Differ>::encode)?;
            reads_again(&bytes, Step::<Page>::read, Step::<Page>::encode)?;
            reads_again(&bytes, Step::<Want>::read, Step::<Want>::encode)?;
            reads_again(&bytes, Step::<Load>::read, Step::<Load>::encode)?;
        }
    }

    #[test]
    fn messages_survive_the_trip() {
        let token = Token { digest: Digest { count: 3, sum: 9 }, ..token(4, 1 << 40) };
        assert_eq!(Token::decode(Reader::new(&token.encode())), Ok(token.clone()));
        let too_far = Token { hop: 5, ..token };
        assert!(Token::decode(Reader::new(&too_far.encode())).is_err());
        let session = Session { pass: 5, hop: SIEVE };
        for verdict in [Verdict::Done, Verdict::Different, Verdict::Later, Verdict::Over] {
            let answer = Answer { session, verdict };
            assert_eq!(Answer::decode(Reader::new(&answer.encode())), Ok(answer));
        }
        for stage in [Stage::Reached, Stage::Waiting, Stage::Complete, Stage::Over] {
            let progress = Progress { session, stage };
            assert_eq!(Progress::decode(Reader::new(&progress.encode())), Ok(progress));
        }
    }
}
