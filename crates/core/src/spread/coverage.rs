//! Write coverage: how many members hold a write.
//!
//! Whoever wants to know asks members by datagram whether they hold what it names, or something
//! newer under the same key, and asks those again that said no or nothing, less and less often. The
//! number of a question is random, so that no answer to an earlier run is taken for one to this.
//! Where writes are too many to be named, a member that is found equal at a later cut has them all.

mod check;
mod freshness;
mod message;
mod question;

pub use freshness::Freshness;
pub use message::{Answer, Ask};

use crate::base::id::NodeId;
use crate::base::time::{Instant, Now};
use crate::data::Stamp;
use crate::member::Env;
use crate::output::{Class, Covered, Via};
use crate::wire::{Outbox, kind};
use message::parts_of;
use question::{Asked, Question, UPTO};
use std::collections::BTreeMap;
use std::net::SocketAddr;
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
/// What was just written is on its way: it is asked for after so long (guess: the window of the
/// tree rumor and two hops in a LAN), if it is younger than `YOUNG_MS`.
const FIRST: Duration = Duration::from_millis(3);
const YOUNG_MS: u64 = 20;
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

impl<'a> Known<'a> {
    /// What is known now of a question, if what is younger than `hidden_ms` is left out of
    /// comparisons.
    #[must_use]
    pub fn of(about: &About, own: bool, members: &'a [NodeId], hidden_ms: u64, now: Now) -> Self {
        // A stamp may be ahead of the clock. One more millisecond: it lies before the cut then.
        let settled = |upto: u64| (upto >> 16).saturating_add(hidden_ms + 1);
        let cut_in = about.upto.map_or(0, |upto| settled(upto).saturating_sub(now.wall_ms));
        let young = |stamp: Stamp| stamp.wall_ms().saturating_add(YOUNG_MS) > now.wall_ms;
        Self {
            own,
            members,
            young: about.writes.iter().any(|(_, stamp)| young(*stamp)),
            cut_from: Instant(now.mono.0.saturating_add(cut_in.saturating_mul(1000))),
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

    /// True if nothing is asked.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
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

/// Tells who asks whether all that it names is held.
pub fn answer(number: u64, held: bool, to: SocketAddr, outbox: &mut Outbox) {
    // As an update it waits for the disk like what it speaks of.
    let body = Answer { number, held }.encode();
    outbox.push(to, Class::Updates, Via::Datagram, kind::COVERAGE_ANSWER, &[&body]);
}

/// Asks a member to compare itself with this node now.
pub fn freshen(to: SocketAddr, outbox: &mut Outbox) {
    outbox.push(to, Class::Repair, Via::Datagram, kind::FRESHEN, &[]);
}

#[cfg(test)]
mod tests {
    use super::question::{AFTER_NO, AFTER_SILENCE, PACE};
    use super::*;
    use crate::base::codec::Reader;
    use crate::spread::tests::Stand;

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
}
