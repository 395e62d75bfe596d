//! What the members of a pass say to each other.

use super::{Pass, SIEVE};
use crate::base::codec::{Coded, DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::data::sketch::ItemId;
use crate::data::{Cut, Digest, Entry, Range, block};
use crate::retain::chain::NAMED;
use crate::retain::standing::{put_spoken, read_spoken};
use crate::retain::{Census, Horizon, Lack, Spoken};
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
    /// The votes of a member that leaves.
    Vote(Vote),
    /// What became of them.
    VoteTaken(VoteTaken),
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
            kind::RING_LINK => Self::Token(Token::decode(body)?),
            kind::RING_ANSWER => Self::Answer(Answer::decode(body)?),
            kind::RING_CHECK => Self::Check(Step::<Check>::read(body)?),
            kind::RING_DIFFER => Self::Differ(Step::<Differ>::read(body)?),
            kind::RING_ITEMS => Self::Items(Step::<Page>::read(body)?),
            kind::RING_WANT => Self::Want(Step::<Want>::read(body)?),
            kind::RING_ENTRIES => Self::Entries(Step::<Load>::read(body)?),
            kind::RING_PROGRESS => Self::Progress(Progress::decode(body)?),
            kind::VOTE => Self::Vote(Vote::decode(body)?),
            kind::VOTE_TAKEN => Self::VoteTaken(VoteTaken::decode(body)?),
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
    /// What the members visited so far have said; of a walk that sieves what the giver remembers.
    pub census: Arc<Census>,
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
        self.census.encode(&mut body);
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
        let census = Arc::new(Census::decode(&mut body)?);
        Ok(Self { pass, hop, digest, census })
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
    /// If a pass was in the way: its horizon. Who begins anew begins above it. If it is to walk: where
    /// the numbers of its messages begin. Else 0.
    pub above: u64,
}

impl Answer {
    /// Where the numbers of a walk begin; 0 if the other end does not say.
    #[must_use]
    pub fn began(&self) -> u32 {
        u32::try_from(self.above).unwrap_or_default()
    }

    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        self.verdict.encode(&mut body);
        body.put_varint(self.above);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Answer::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        Ok(Self { session, verdict: Verdict::decode(&mut body)?, above: body.varint()? })
    }
}

/// How a pass goes on, for who began it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The pass, and the hop that it is about.
    pub session: Session,
    /// What of it.
    pub stage: Stage,
    /// See [`Answer::above`].
    pub above: u64,
    /// Why it was given up, if too few of those that must agree were there.
    pub lack: Option<Lack>,
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
    /// With nothing else to say.
    #[must_use]
    pub fn of(session: Session, stage: Stage) -> Self {
        Self { session, stage, above: 0, lack: None }
    }

    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(16);
        self.session.encode(&mut body);
        self.stage.encode(&mut body);
        body.put_varint(self.above);
        let ids = |ids: &[NodeId], body: &mut Vec<u8>| {
            body.put_varint(ids.len() as u64);
            ids.iter().for_each(|id| body.put(&id.0.to_le_bytes()));
        };
        match &self.lack {
            None => body.put(&[0]),
            Some(Lack::Minority { pass, here, of, missing }) => {
                body.put(&[1]);
                body.put(&pass.to_le_bytes());
                body.put_varint(*here);
                body.put_varint(*of);
                ids(missing, &mut body);
            }
            Some(Lack::Doubt { doubted, missing }) => {
                body.put(&[2]);
                ids(doubted, &mut body);
                ids(missing, &mut body);
            }
            Some(Lack::Founding { missing }) => {
                body.put(&[3]);
                ids(missing, &mut body);
            }
            Some(Lack::Bounds) => body.put(&[4]),
        }
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Progress::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let session = Session::decode(&mut body)?;
        let (stage, above) = (Stage::decode(&mut body)?, body.varint()?);
        let ids = |body: &mut Reader<'_>| {
            let count = body.bounded("members named", NAMED)?;
            (0..count).map(|_| body.u64().map(NodeId)).collect::<Result<Vec<_>, _>>()
        };
        let lack = match body.u8()? {
            0 => None,
            1 => {
                let (pass, here, of) = (body.u64()?, body.varint()?, body.varint()?);
                Some(Lack::Minority { pass, here, of, missing: ids(&mut body)? })
            }
            2 => Some(Lack::Doubt { doubted: ids(&mut body)?, missing: ids(&mut body)? }),
            3 => Some(Lack::Founding { missing: ids(&mut body)? }),
            4 => Some(Lack::Bounds),
            _ => return Err(DecodeError::Invalid("reason of a pass that was given up")),
        };
        Ok(Self { session, stage, above, lack })
    }
}

/// The votes of a member that leaves, for one that stays and holds the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Which try this is.
    pub attempt: u32,
    /// The link of the sender.
    pub link: Option<Horizon>,
    /// What it holds, but for what is on its way.
    pub cut: Cut,
    /// See `cut`.
    pub digest: Digest,
    /// Its own vote, and those of others that it has.
    pub given: Vec<Spoken>,
}

impl Vote {
    /// As the body of a message.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(128);
        body.put_varint(self.attempt.into());
        body.put(&[u8::from(self.link.is_some())]);
        self.link.iter().for_each(|link| link.encode(&mut body));
        self.cut.encode(&mut body);
        self.digest.encode(&mut body);
        put_spoken(&self.given, &mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Vote::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let attempt = body.bounded("attempt", u32::MAX as usize)? as u32;
        let link = match body.u8()? {
            0 => None,
            1 => Some(Horizon::decode(&mut body)?),
            _ => return Err(DecodeError::Invalid("link of a vote")),
        };
        let (cut, digest) = (Cut::decode(&mut body)?, Digest::decode(&mut body)?);
        Ok(Self { attempt, link, cut, digest, given: read_spoken(&mut body)? })
    }
}

/// What became of votes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The receiver has them, on its disk.
    Yes,
    /// It holds something else than the sender.
    Differs,
    /// It cannot have them: it has another link, or leaves itself.
    No,
}

impl Coded for Taken {
    const NAME: &'static str = "answer to a vote";
    const VALUES: &'static [Self] = &[Self::Yes, Self::Differs, Self::No];
}

/// An answer to [`Vote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoteTaken {
    /// The try.
    pub attempt: u32,
    /// What.
    pub taken: Taken,
}

impl VoteTaken {
    /// As the body of a message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = Vec::with_capacity(6);
        body.put_varint(self.attempt.into());
        self.taken.encode(&mut body);
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`VoteTaken::encode`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let attempt = body.bounded("attempt", u32::MAX as usize)? as u32;
        Ok(Self { attempt, taken: Taken::decode(&mut body)? })
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
            reads_again(&bytes, Progress::decode, Progress::encode)?;
            reads_again(&bytes, Vote::decode, Vote::encode)?;
            reads_again(&bytes, VoteTaken::decode, |taken| taken.encode())?;
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
            let answer = Answer { session, verdict, above: 7 };
            assert_eq!(Answer::decode(Reader::new(&answer.encode())), Ok(answer));
        }
        for stage in [Stage::Reached, Stage::Waiting, Stage::Complete, Stage::Over] {
            let missing = vec![NodeId(4)];
            let minority = Lack::Minority { pass: 3, here: 1, of: 2, missing: missing.clone() };
            let doubt = Lack::Doubt { doubted: vec![NodeId(5)], missing: missing.clone() };
            let others = [Some(Lack::Founding { missing }), Some(Lack::Bounds), None];
            for lack in [Some(minority), Some(doubt)].into_iter().chain(others) {
                let progress = Progress { session, stage, above: 9, lack };
                assert_eq!(Progress::decode(Reader::new(&progress.encode())), Ok(progress));
            }
        }
        let link = Some(Horizon { time: 3, pass: 4, chain: 1, forced: 1, number: 6 });
        let given =
            vec![Spoken { voter: NodeId(3), passes: link.into_iter().collect(), open: vec![] }];
        let (cut, digest) = (Cut::around(1000, 5), Digest { count: 3, sum: 9 });
        let vote = Vote { attempt: 2, link, cut, digest, given };
        assert_eq!(Vote::decode(Reader::new(&vote.encode())), Ok(vote));
        for taken in [Taken::Yes, Taken::Differs, Taken::No] {
            let taken = VoteTaken { attempt: 2, taken };
            assert_eq!(VoteTaken::decode(Reader::new(&taken.encode())), Ok(taken));
        }
    }
}
