//! Write coverage: how many members hold a write.
//!
//! Whoever wants to know asks members by datagram whether they hold what it names, or something
//! newer under the same key, and asks those again that said no or nothing, less and less often. The
//! number of a question is random, so that no answer to an earlier run is taken for one to this.
//! Where writes are too many to be named, a member that is found equal at a later cut has them all.

use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::Stamp;
use crate::data::entry::MAX_KEY;
use crate::member::Env;
use crate::member::Table;
use crate::output::{Class, Covered, Via};
use crate::wire::Outbox;
use crate::wire::kind;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Bound;
use std::str::FromStr;
use std::time::Duration;
use thiserror::Error;

/// Writes that one question may be about.
pub const MAX_WRITES: usize = 1000;
/// Members that an answer names which are not known to hold what was asked for.
pub const MAX_NAMED: usize = 20;
/// Questions under way at once.
const MAX_QUESTIONS: usize = 1024;
/// Members that all questions under way are put to, together: about 64 bytes each.
const MAX_ASKED: usize = 1 << 20;
/// A question is put in so many messages at most: a bit each says what a member holds.
const MAX_PARTS: usize = 63;
/// The bit that says whether a member holds everything up to a time.
const UPTO: u64 = 1 << 63;
/// Bytes of a message up to which another write is added: with its envelope it fits a datagram.
const PART: usize = 1000;
/// Members that are asked in one turn, and the rest until the next: a large cluster is not asked in
/// one burst (guess).
const BATCH: usize = 256;
const PACE: Duration = Duration::from_millis(1);
/// What was just written is on its way: it is asked for after so long (guess: the window of the
/// tree rumor and two hops in a LAN), if it is younger than `YOUNG_MS`.
const FIRST: Duration = Duration::from_millis(3);
const YOUNG_MS: u64 = 20;
/// Pause after a no, and after a silence, which may be a long way; doubled with every try (guess).
const AFTER_NO: Duration = Duration::from_millis(10);
const AFTER_SILENCE: Duration = Duration::from_millis(100);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(1);
/// Members asked beyond those needed, at least.
const SPARE: usize = 2;

/// How many of the present members, the one that asks included, are to hold something.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Want {
    /// All.
    All,
    /// This share, above 0 and at most 1.
    Share(f64),
    /// So many.
    Members(usize),
    /// Whoever does: everyone is asked, and once all have answered it is over.
    Survey,
}

impl Want {
    /// Members needed where there are `of`; `None` if it does not end by a number.
    #[must_use]
    pub fn needed(self, of: usize) -> Option<usize> {
        match self {
            Self::All => Some(of),
            // A share that comes out whole but for the last bits is that number.
            Self::Share(share) => Some(((share * of as f64 - 1e-9).ceil() as usize).max(1)),
            Self::Members(count) => Some(count),
            Self::Survey => None,
        }
    }
}

/// A text that says no [`Want`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no number of members to wait for; write all, a share like 0.99, or a count like 3"
)]
pub struct NoWant(String);

impl FromStr for Want {
    type Err = NoWant;

    fn from_str(text: &str) -> Result<Self, NoWant> {
        let refused = || NoWant(text.chars().take(40).collect());
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(count) = text.parse::<usize>() {
            return (count > 0).then_some(Self::Members(count)).ok_or_else(refused);
        }
        let share: f64 = text.parse().map_err(|_| refused())?;
        if share > 0.0 && share <= 1.0 { Ok(Self::Share(share)) } else { Err(refused()) }
    }
}

/// Why a question was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unasked {
    /// It names nothing, or too much.
    #[error("a question about coverage names 1 to {MAX_WRITES} writes")]
    Writes,
    /// Too many are under way.
    #[error("too many questions about coverage are under way; try again soon, or wait for fewer")]
    Busy,
    /// This node has left.
    #[error("this node has left the cluster")]
    Left,
}

/// A write: its key and stamp.
pub type Named = (Box<[u8]>, Stamp);

/// What a question is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// These writes.
    pub writes: Vec<Named>,
    /// And all that the node which asks has written up to this time (of a stamp). Members are known
    /// to hold that once they are found equal at a cut behind it, which takes longer.
    pub upto: Option<u64>,
}

/// What is known already when a question is put.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// True if the node that asks holds everything itself.
    pub own: bool,
    /// Members that do.
    pub members: &'a [NodeId],
    /// True if what it is about may still be on its way to most.
    pub young: bool,
    /// From when on a cut lies behind [`About::upto`].
    pub cut_from: Instant,
}

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

/// The questions under way at a node.
#[derive(Debug, Default)]
pub struct Questions {
    last: u64,
    open: BTreeMap<u64, Question>,
    /// Which question the number of a message belongs to, and which part of it.
    numbers: BTreeMap<u64, (u64, u32)>,
    done: Vec<Covered>,
}

#[derive(Debug)]
struct Question {
    want: Want,
    until: Instant,
    next: Instant,
    /// The bodies of the messages that put it.
    parts: Vec<(u64, Vec<u8>)>,
    /// All own writes up to this time belong to it, for which nobody is asked before `cut_from`.
    upto: Option<u64>,
    cut_from: Instant,
    /// True if this node holds everything itself.
    own: bool,
    asked: BTreeMap<NodeId, Asked>,
    /// How many of those hold everything, some of them gone perhaps.
    holders: usize,
    /// How many of them have said nothing.
    silent: usize,
    /// How many members are asked, where not all are.
    reach: usize,
    /// Where a batch of members was full.
    from: Option<NodeId>,
}

/// What a member has been asked, and has said.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// A bit for every part that it is not known to hold.
    lacks: u64,
    tries: u32,
    due: Instant,
    answered: bool,
}

impl Questions {
    /// Puts a question.
    ///
    /// # Errors
    /// If too many are under way, or it names nothing or too much.
    pub fn ask(
        &mut self,
        about: &About,
        want: Want,
        until: Instant,
        known: Known<'_>,
        env: &mut Env<'_>,
    ) -> Result<u64, Unasked> {
        let writes = &about.writes;
        if (writes.is_empty() && about.upto.is_none()) || writes.len() > MAX_WRITES {
            return Err(Unasked::Writes);
        }
        let Known { own, young, cut_from, .. } = known;
        let asked: usize = self.open.values().map(|question| question.asked.len()).sum();
        if self.open.len() >= MAX_QUESTIONS || asked > MAX_ASKED {
            return Err(Unasked::Busy);
        }
        self.last += 1;
        let parts = parts_of(writes, || env.rng.bits());
        for (part, (number, _)) in (0..).zip(&parts) {
            self.numbers.insert(*number, (self.last, part));
        }
        let sure = Asked { lacks: 0, tries: 0, due: env.now, answered: true };
        let asked: BTreeMap<_, _> = known
            .members
            .iter()
            .filter(|id| env.table.peer(**id).is_some())
            .map(|id| (*id, sure))
            .collect();
        let (of, holders) = (env.table.peer_count() + 1, asked.len());
        let held = holders + usize::from(own);
        let needed = want.needed(of).unwrap_or(of);
        let missing = needed.saturating_sub(held);
        let next = if young && missing > 0 { env.now.after(FIRST) } else { env.now };
        let reach = holders + missing + SPARE.max(missing / 4);
        let question = Question {
            want,
            until,
            next,
            parts,
            upto: about.upto,
            cut_from,
            own,
            asked,
            holders,
            silent: 0,
            reach,
            from: None,
        };
        self.open.insert(self.last, question);
        Ok(self.last)
    }

    /// True if what was stamped at this time may still be on its way to most.
    #[must_use]
    pub fn is_young(stamp: Stamp, wall_ms: u64) -> bool {
        stamp.wall_ms().saturating_add(YOUNG_MS) > wall_ms
    }

    /// Takes a question back: nobody waits for it any more.
    pub fn forget(&mut self, token: u64) {
        let Some(question) = self.open.remove(&token) else { return };
        for (number, _) in question.parts {
            self.numbers.remove(&number);
        }
    }

    /// A member has answered.
    pub fn answered(&mut self, sender: NodeId, answer: Answer, now: Instant) {
        let Some((token, part)) = self.numbers.get(&answer.number) else { return };
        let Some(question) = self.open.get_mut(token) else { return };
        question.heard(sender, 1 << part, answer.held, now);
    }

    /// A member was found to hold all that this node had written up to a time.
    pub fn agreed(&mut self, peer: NodeId, time: u64, now: Instant) {
        for question in self.open.values_mut().filter(|q| q.upto.is_some_and(|upto| upto <= time)) {
            question.heard(peer, UPTO, true, now);
        }
    }

    /// Asks who is due, and ends what is done.
    pub fn poll(&mut self, env: &mut Env<'_>) {
        let due = self.open.iter().filter(|(_, question)| question.due() <= env.now);
        let due: Vec<u64> = due.map(|(token, _)| *token).collect();
        for token in due {
            let Some(question) = self.open.get_mut(&token) else { continue };
            question.settle(env.table);
            if question.is_done(env.table) || question.until <= env.now {
                let covered = question.outcome(token, env.table);
                self.forget(token);
                self.done.push(covered);
            } else {
                question.put(env);
            }
        }
    }

    /// What came of the questions that are over.
    pub fn take_done(&mut self) -> Vec<Covered> {
        std::mem::take(&mut self.done)
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.open.values().map(Question::due).min()
    }
}

impl Question {
    fn due(&self) -> Instant {
        self.next.min(self.until)
    }

    /// A member says whether it holds a part.
    fn heard(&mut self, sender: NodeId, part: u64, held: bool, now: Instant) {
        let Some(asked) = self.asked.get_mut(&sender) else { return };
        if asked.lacks == 0 {
            return;
        }
        if held {
            asked.lacks &= !part;
            self.holders += usize::from(asked.lacks == 0);
        } else {
            asked.due = now.after(pause(AFTER_NO, asked.tries));
        }
        let due = asked.due;
        self.silent -= usize::from(!std::mem::replace(&mut asked.answered, true));
        // The turn ends with a look at it, if it may be done or is due earlier now.
        self.next = match self.may_be_done(self.asked.len() + 1) {
            true => now,
            false => self.next.min(due),
        };
    }

    fn held(&self) -> usize {
        self.holders + usize::from(self.own)
    }

    /// True unless it is sure that it is not done yet.
    fn may_be_done(&self, of: usize) -> bool {
        match self.want.needed(of) {
            Some(needed) => self.held() >= needed,
            None => self.silent == 0,
        }
    }

    /// Counts only who is still there.
    fn settle(&mut self, table: &Table) {
        self.asked.retain(|id, _| table.peer(*id).is_some());
        self.holders = self.asked.values().filter(|asked| asked.lacks == 0).count();
        self.silent = self.asked.values().filter(|asked| !asked.answered).count();
    }

    fn is_done(&self, table: &Table) -> bool {
        let peers = table.peer_count();
        match self.want {
            Want::Survey => self.asked.len() >= peers && self.may_be_done(peers + 1),
            _ => self.may_be_done(peers + 1),
        }
    }

    fn outcome(&self, token: u64, table: &Table) -> Covered {
        let lacks = |id: &NodeId| self.asked.get(id).is_none_or(|asked| asked.lacks > 0);
        let without = table.peers().map(|peer| peer.id).filter(lacks).take(MAX_NAMED).collect();
        let (held, of, done) = (self.held(), table.peer_count() + 1, self.is_done(table));
        Covered { token, held, of, done, without }
    }

    /// Chooses whom to ask, more with every round, and asks who is due.
    fn put(&mut self, env: &mut Env<'_>) {
        let peers = env.table.peer_count();
        let all = match self.want {
            Want::All | Want::Share(_) | Want::Survey => true,
            Want::Members(_) => self.reach > peers / 2,
        };
        let parts = (1_u64 << self.parts.len().min(MAX_PARTS)) - 1;
        let lacks = parts | self.upto.map_or(0, |_| UPTO);
        let new = Asked { lacks, tries: 0, due: env.now, answered: false };
        if all {
            for peer in env.table.peers() {
                self.asked.entry(peer.id).or_insert(new);
            }
        } else {
            while self.asked.len() < self.reach
                && let Some(peer) = env.table.random(env.rng)
            {
                self.asked.entry(peer.id).or_insert(new);
            }
            self.reach += self.reach / 2;
        }
        self.silent = self.asked.values().filter(|asked| !asked.answered).count();
        let full = self.send(env);
        let open = self.asked.values().filter(|asked| asked.lacks > 0);
        let next = open.map(|asked| asked.due).min();
        // Members may have come or gone meanwhile.
        let look = env.now.after(LONGEST);
        self.next = match full {
            true => env.now.after(PACE),
            false => next.map_or(look, |next| next.min(look)),
        };
    }

    /// Asks a batch of those that are due; true if there are more.
    fn send(&mut self, env: &mut Env<'_>) -> bool {
        let mut count = 0;
        let from = self.from.take().map_or(Bound::Unbounded, Bound::Included);
        for (id, asked) in self.asked.range_mut((from, Bound::Unbounded)) {
            if asked.lacks == 0 || asked.due > env.now {
                continue;
            }
            if count >= BATCH {
                self.from = Some(*id);
                return true;
            }
            let Some(peer) = env.table.peer(*id) else { continue };
            count += 1;
            for (part, (_, body)) in self.parts.iter().enumerate() {
                if asked.lacks >> part & 1 == 1 {
                    env.stats.coverage_asked += 1;
                    let kind = kind::COVERAGE_ASK;
                    env.outbox.push(peer.gossip, Class::Updates, Via::Datagram, kind, &[body]);
                }
            }
            asked.tries += 1;
            asked.due = env.now.after(pause(AFTER_SILENCE, asked.tries));
            if asked.lacks & UPTO != 0 {
                match self.cut_from <= env.now {
                    true => freshen(peer.gossip, env.outbox),
                    false => asked.due = asked.due.min(self.cut_from),
                }
            }
        }
        // Those before the place where this began may be due again.
        from != Bound::Unbounded
    }
}

/// Asks a member to compare itself with this node now.
pub fn freshen(to: SocketAddr, outbox: &mut Outbox) {
    outbox.push(to, Class::Repair, Via::Datagram, kind::FRESHEN, &[]);
}

fn pause(first: Duration, tries: u32) -> Duration {
    (first * (1 << tries.saturating_sub(1).min(10))).min(LONGEST)
}

/// The messages that ask for these writes, with their numbers.
fn parts_of(writes: &[Named], mut number: impl FnMut() -> u64) -> Vec<(u64, Vec<u8>)> {
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
    use crate::spread::tests::Stand;
    use proptest::prelude::*;

    fn write(key: &str) -> Named {
        (key.as_bytes().into(), Stamp { time: 5, node: NodeId(0) })
    }

    const KNOWN: Known<'_> =
        Known { own: true, members: &[], young: false, cut_from: Instant(50_000) };

    fn ask(questions: &mut Questions, want: Want, stand: &mut Stand) -> u64 {
        let until = stand.now.after(Duration::from_secs(5));
        let about = About { writes: vec![write("k")], upto: None };
        let token = questions.ask(&about, want, until, KNOWN, &mut stand.env()).unwrap();
        questions.poll(&mut stand.env());
        token
    }

    /// Who is asked now, and by which number.
    fn asked(stand: &mut Stand) -> Vec<(u64, u64)> {
        let number = |body: &[u8]| Ask::decode(Reader::new(body)).unwrap().number;
        stand.sent().iter().map(|sent| (sent.to, number(&sent.body))).collect()
    }

    fn done(questions: &mut Questions, stand: &mut Stand) -> Vec<(usize, usize, bool)> {
        questions.poll(&mut stand.env());
        questions.take_done().iter().map(|done| (done.held, done.of, done.done)).collect()
    }

    #[test]
    fn all_are_asked_until_all_say_yes() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(3, 1));
        ask(&mut questions, Want::All, &mut stand);
        let first = asked(&mut stand);
        assert_eq!(first.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [1, 2, 3]);
        let number = first[0].1;
        for (sender, held) in [(1, true), (2, false), (1, true), (9, true)] {
            questions.answered(NodeId(sender), Answer { number, held }, stand.now);
        }
        assert_eq!(done(&mut questions, &mut stand), []);
        stand.pass(AFTER_NO);
        assert_eq!(done(&mut questions, &mut stand), []);
        assert_eq!(asked(&mut stand), [(2, number)], "who said no comes before who said nothing");
        stand.pass(AFTER_SILENCE);
        assert_eq!(done(&mut questions, &mut stand), []);
        assert_eq!(asked(&mut stand), [(3, number)]);
        for sender in [2, 3] {
            questions.answered(NodeId(sender), Answer { number, held: true }, stand.now);
        }
        assert_eq!(questions.deadline(), Some(stand.now));
        assert_eq!(done(&mut questions, &mut stand), [(4, 4, true)]);
        assert_eq!((questions.deadline(), questions.numbers.len()), (None, 0));
    }

    #[test]
    fn a_few_are_asked_where_a_few_are_enough_and_more_if_they_are_silent() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(100, 1));
        ask(&mut questions, Want::Members(3), &mut stand);
        let first = asked(&mut stand);
        assert_eq!(first.len(), 4);
        stand.pass(AFTER_SILENCE);
        questions.poll(&mut stand.env());
        assert_eq!(asked(&mut stand).len(), 6);
        for (sender, number) in &first[..2] {
            questions.answered(NodeId(*sender), Answer { number: *number, held: true }, stand.now);
        }
        assert_eq!(done(&mut questions, &mut stand), [(3, 101, true)]);
        ask(&mut questions, Want::Members(1), &mut stand);
        assert_eq!(asked(&mut stand), [], "this node has it");
    }

    #[test]
    fn time_is_up_with_what_is_known() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(2, 1));
        ask(&mut questions, Want::All, &mut stand);
        let (sender, number) = asked(&mut stand)[0];
        questions.answered(NodeId(sender), Answer { number, held: true }, stand.now);
        stand.pass(Duration::from_secs(5));
        questions.poll(&mut stand.env());
        let over = questions.take_done().pop().unwrap();
        assert_eq!((over.held, over.of, over.done), (2, 3, false));
        assert_eq!(over.without, [NodeId(3 - sender)]);
    }

    #[test]
    fn a_survey_ends_once_all_have_said_something() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(2, 1));
        ask(&mut questions, Want::Survey, &mut stand);
        for ((sender, number), held) in asked(&mut stand).into_iter().zip([true, false]) {
            assert_eq!(done(&mut questions, &mut stand), []);
            questions.answered(NodeId(sender), Answer { number, held }, stand.now);
        }
        assert_eq!(done(&mut questions, &mut stand), [(2, 3, true)]);
    }

    #[test]
    fn a_large_cluster_is_asked_in_batches() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(600, 1));
        ask(&mut questions, Want::All, &mut stand);
        let mut all: Vec<u64> = Vec::new();
        for expected in [256, 256, 88, 0] {
            let batch = asked(&mut stand);
            assert_eq!(batch.len(), expected);
            all.extend(batch.iter().map(|(to, _)| to));
            stand.pass(PACE);
            questions.poll(&mut stand.env());
        }
        all.sort_unstable();
        assert_eq!(all, (1..=600).collect::<Vec<_>>());
    }

    #[test]
    fn questions_are_bounded() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(2, 1));
        let mut ask = |questions: &mut Questions, writes: usize| {
            let about = About { writes: vec![write("k"); writes], upto: None };
            questions.ask(&about, Want::All, Instant(9), KNOWN, &mut stand.env())
        };
        assert_eq!(ask(&mut questions, 0), Err(Unasked::Writes));
        assert_eq!(ask(&mut questions, MAX_WRITES + 1), Err(Unasked::Writes));
        for _ in 0..MAX_QUESTIONS {
            assert!(ask(&mut questions, 1).is_ok());
        }
        assert_eq!(ask(&mut questions, 1), Err(Unasked::Busy));
        questions.forget(1);
        assert!(ask(&mut questions, 1).is_ok());
    }

    #[test]
    fn what_is_not_named_is_held_by_who_agrees_at_a_later_cut() {
        let (mut questions, mut stand) = (Questions::default(), Stand::new(2, 1));
        let about = About { writes: vec![write("k")], upto: Some(70) };
        let until = stand.now.after(Duration::from_secs(5));
        questions.ask(&about, Want::All, until, KNOWN, &mut stand.env()).unwrap();
        questions.poll(&mut stand.env());
        let sent = stand.sent();
        assert!(sent.iter().all(|sent| sent.kind == kind::COVERAGE_ASK) && sent.len() == 2);
        let number = Ask::decode(Reader::new(&sent[0].body)).unwrap().number;
        for sender in [1, 2] {
            questions.answered(NodeId(sender), Answer { number, held: true }, stand.now);
            questions.agreed(NodeId(sender), 69, stand.now);
        }
        assert_eq!(done(&mut questions, &mut stand), []);
        stand.pass(Duration::from_millis(50));
        assert_eq!(questions.deadline(), Some(stand.now));
        assert_eq!(done(&mut questions, &mut stand), []);
        assert_eq!(stand.sent().iter().map(|s| s.kind).collect::<Vec<_>>(), [kind::FRESHEN; 2]);
        questions.agreed(NodeId(1), 70, stand.now);
        assert_eq!(done(&mut questions, &mut stand), []);
        questions.agreed(NodeId(2), 71, stand.now);
        assert_eq!(done(&mut questions, &mut stand), [(3, 3, true)]);
    }

    #[test]
    fn what_is_wanted_is_read_from_text() {
        for (text, want) in [
            ("all", Some(Want::All)),
            ("3", Some(Want::Members(3))),
            ("0.99", Some(Want::Share(0.99))),
            ("1.0", Some(Want::Share(1.0))),
            ("0", None),
            ("1.5", None),
            ("-1", None),
            ("NaN", None),
            ("most", None),
        ] {
            assert_eq!(text.parse().ok(), want, "{text}");
        }
        let needed = |want: Want| want.needed(100);
        assert_eq!(needed(Want::Share(0.07)), Some(7));
        assert_eq!(needed(Want::Share(0.071)), Some(8));
        assert_eq!(Want::Share(0.1).needed(3), Some(1));
    }

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
