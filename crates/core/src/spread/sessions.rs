//! What repair costs, exchange by exchange: with whom, when, what it moved and how it ended.
//!
//! Exchanges keep no state, so their account is kept apart from them: what is said to a member and
//! heard from it belongs to the exchange that was last begun with it, until nothing has been said
//! for a second. The latest are kept, those that found nothing apart from the others, and sums of
//! all.

mod check;

use super::entropy::{Compare, Direction};
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::time::{Instant, Now, millis};
use crate::reconcile::Flow;
use crate::wire::Cost;
use serde::Serialize;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

/// Exchanges that are kept in which something happened.
pub const KEPT: usize = 512;
/// Exchanges that are kept in which nothing did.
pub const KEPT_CALM: usize = 64;
/// Exchanges under way at once; one more ends the account of the oldest.
const MAX_OPEN: usize = 64;
/// An exchange in which nothing was said for so long is over.
const QUIET: Duration = Duration::from_secs(1);

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Both ends held the same.
    Equal,
    /// Nothing came back: the other end holds the same, or it was lost.
    Quiet,
    /// What differed was found and moved.
    Solved,
    /// Sketches did not lead to an answer: checksums went on.
    FellBack,
    /// There were too many differences for sketches: checksums went on.
    TooMany,
    /// One end held next to nothing and was filled in bulk.
    Bulk,
    /// It broke off before anything had moved.
    GaveUp,
}

impl Outcome {
    /// All of them, in the order of their counters.
    pub const ALL: [Self; 7] = [
        Self::Equal,
        Self::Quiet,
        Self::Solved,
        Self::FellBack,
        Self::TooMany,
        Self::Bulk,
        Self::GaveUp,
    ];

    /// Its name, as people and programs read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Quiet => "quiet",
            Self::Solved => "solved",
            Self::FellBack => "fell-back",
            Self::TooMany => "too-many",
            Self::Bulk => "bulk",
            Self::GaveUp => "gave-up",
        }
    }
}

/// An exchange that is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Session {
    /// When it began, by this node's wall clock, milliseconds since 1970.
    pub at_ms: u64,
    /// With whom.
    pub peer: NodeId,
    /// True if this node began it.
    pub begun_here: bool,
    /// How differences were to be found.
    pub method: Compare,
    /// Which way entries were to move, as the end that began sees it.
    pub direction: Direction,
    /// How it ended.
    pub outcome: Outcome,
    /// Items that differed, as far as it was found out.
    pub differences: u64,
    /// Entries sent.
    pub entries_sent: u64,
    /// Entries that came and were new.
    pub entries_received: u64,
    /// Bytes of messages sent, entries included.
    pub sent_bytes: u64,
    /// Bytes of messages received, entries included.
    pub received_bytes: u64,
    /// Messages sent.
    pub sent_messages: u64,
    /// Messages received.
    pub received_messages: u64,
    /// How often an answer came to what was sent.
    pub round_trips: u64,
    /// From the first message to the last, milliseconds.
    pub took_ms: u64,
}

/// Sums over all exchanges by one method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sums {
    /// Exchanges by outcome, in the order of [`Outcome::ALL`].
    pub outcomes: [u64; Outcome::ALL.len()],
    /// Items that differed.
    pub differences: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Messages both ways.
    pub messages: u64,
    /// Round trips.
    pub round_trips: u64,
}

/// Sums by method, in the order of [`METHODS`].
pub type Totals = [Sums; METHODS.len()];

/// The methods of comparison with their names.
pub const METHODS: [(Compare, &str); 3] =
    [(Compare::Full, "full"), (Compare::Checksum, "checksum"), (Compare::Sketch, "sketch")];

/// An exchange that goes on.
#[derive(Clone, Debug)]
struct Open {
    to: SocketAddr,
    session: Session,
    begun: Instant,
    last: Instant,
    /// What is known of its end.
    outcome: Option<Outcome>,
    /// True if what was said last came from this node.
    said: bool,
}

/// The account of exchanges.
#[derive(Clone, Debug, Default)]
pub struct Sessions {
    /// The oldest first.
    open: Vec<Open>,
    kept: VecDeque<Session>,
    calm: VecDeque<Session>,
    totals: Totals,
    /// True if an exchange may be at an end before `quiet_at`.
    stirred: bool,
    /// When the first of them has been quiet for long, or earlier.
    quiet_at: Instant,
}

impl Sessions {
    /// An exchange begins, here or at the other end. An earlier one with the same member is over,
    /// but for a bulk transfer: what is said beside it is next to nothing.
    pub fn begin(
        &mut self,
        (peer, to): (NodeId, SocketAddr),
        begun_here: bool,
        method: Compare,
        flow: Flow,
        now: Now,
    ) {
        if self.is_bulk(to) {
            return;
        }
        if let Some(at) = self.place(to) {
            self.close_at(at);
        }
        if self.open.len() >= MAX_OPEN {
            self.close_at(0);
        }
        let direction = match (flow.mine, flow.yours) {
            (true, false) => Direction::Push,
            (false, true) => Direction::Pull,
            _ => Direction::PushPull,
        };
        let session = Session {
            at_ms: now.wall_ms,
            peer,
            begun_here,
            method,
            direction,
            outcome: Outcome::Quiet,
            differences: 0,
            entries_sent: 0,
            entries_received: 0,
            sent_bytes: 0,
            received_bytes: 0,
            sent_messages: 0,
            received_messages: 0,
            round_trips: 0,
            took_ms: 0,
        };
        let (begun, last) = (now.mono, now.mono);
        self.open.push(Open { to, session, begun, last, outcome: None, said: false });
        self.stirred = true;
    }

    fn place(&self, to: SocketAddr) -> Option<usize> {
        self.open.iter().position(|open| open.to == to)
    }

    fn get(&mut self, to: SocketAddr) -> Option<&mut Open> {
        self.open.iter_mut().find(|open| open.to == to)
    }

    /// Messages of repair went out.
    pub fn sent(&mut self, to: SocketAddr, cost: Cost, now: Instant) {
        let Some(open) = self.get(to) else { return };
        open.session.sent_messages += cost.messages;
        open.session.sent_bytes += cost.bytes;
        open.session.entries_sent += cost.entries;
        open.session.round_trips += u64::from(!open.session.begun_here && !open.said);
        (open.last, open.said) = (now, true);
    }

    /// A message of repair came.
    pub fn received(&mut self, from: SocketAddr, bytes: u64, now: Instant) {
        let Some(open) = self.get(from) else { return };
        open.session.received_messages += 1;
        open.session.received_bytes += bytes;
        open.session.round_trips += u64::from(open.session.begun_here && open.said);
        (open.last, open.said) = (now, false);
    }

    /// True if a bulk transfer came of the exchange with a member.
    #[must_use]
    pub fn is_bulk(&self, with: SocketAddr) -> bool {
        self.open.iter().any(|open| open.to == with && open.outcome == Some(Outcome::Bulk))
    }

    /// Entries came in messages of repair, and so many were new.
    pub fn brought(&mut self, from: SocketAddr, new: usize) {
        if let Some(open) = self.get(from) {
            open.session.entries_received += new as u64;
        }
    }

    /// It is known how an exchange ends, and how many items differ. What was known first counts.
    pub fn known(&mut self, with: SocketAddr, outcome: Outcome, differences: usize) {
        if let Some(open) = self.get(with) {
            open.outcome.get_or_insert(outcome);
            open.session.differences += differences as u64;
            self.stirred = true;
        }
    }

    /// Ends the account of exchanges in which nothing is said any more.
    pub fn poll(&mut self, now: Instant) {
        if self.open.is_empty()
            || !self.stirred && now < self.quiet_at
            || planted::has(Fault::Session)
        {
            return;
        }
        let over =
            |open: &Open| now.since(open.last) >= QUIET || open.outcome == Some(Outcome::Equal);
        while let Some(at) = self.open.iter().position(over) {
            self.close_at(at);
        }
        self.stirred = false;
        let first = self.open.iter().map(|open| open.last).min();
        self.quiet_at = first.unwrap_or(now).after(QUIET);
    }

    fn close_at(&mut self, at: usize) {
        let Open { mut session, begun, last, outcome, .. } = self.open.remove(at);
        let moved = session.entries_sent + session.entries_received;
        session.outcome =
            outcome.unwrap_or(match (session.begun_here, session.received_messages) {
                _ if moved > 0 => Outcome::Solved,
                (true, 0) => Outcome::Quiet,
                _ => Outcome::GaveUp,
            });
        session.differences = session.differences.max(moved);
        session.took_ms = millis(last.since(begun));
        let place = METHODS.iter().position(|(method, _)| *method == session.method);
        if let Some(sums) = place.and_then(|place| self.totals.get_mut(place)) {
            sums.add(&session);
        }
        let (kept, most) = match session.outcome {
            Outcome::Equal | Outcome::Quiet => (&mut self.calm, KEPT_CALM),
            _ => (&mut self.kept, KEPT),
        };
        if kept.len() >= most {
            kept.pop_front();
        }
        kept.push_back(session);
    }

    /// The latest that are over, the latest first.
    #[must_use]
    pub fn latest(&self) -> Vec<&Session> {
        let mut all: Vec<&Session> = self.kept.iter().chain(&self.calm).collect();
        all.sort_by_key(|session| std::cmp::Reverse(session.at_ms));
        all
    }

    /// Sums over all that are over.
    #[must_use]
    pub fn totals(&self) -> &Totals {
        &self.totals
    }
}

impl Sums {
    fn add(&mut self, session: &Session) {
        let place = Outcome::ALL.iter().position(|outcome| *outcome == session.outcome);
        if let Some(count) = place.and_then(|place| self.outcomes.get_mut(place)) {
            *count += 1;
        }
        self.differences += session.differences;
        self.sent_bytes += session.sent_bytes;
        self.received_bytes += session.received_bytes;
        self.messages += session.sent_messages + session.received_messages;
        self.round_trips += session.round_trips;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: Flow = Flow { mine: true, yours: true };

    fn at(ms: u64) -> Now {
        Now { mono: Instant(ms * 1000), wall_ms: 5000 + ms }
    }

    fn address(peer: u64) -> SocketAddr {
        SocketAddr::from(([10, 0, 0, peer as u8], 1))
    }

    fn cost(messages: u64, bytes: u64, entries: u64) -> Cost {
        Cost { messages, bytes, entries }
    }

    fn begin(sessions: &mut Sessions, peer: u64, here: bool, ms: u64) {
        sessions.begin((NodeId(peer), address(peer)), here, Compare::Sketch, FLOW, at(ms));
    }

    #[test]
    fn what_is_said_belongs_to_the_exchange_with_that_member() {
        let mut sessions = Sessions::default();
        begin(&mut sessions, 1, true, 0);
        begin(&mut sessions, 2, false, 1);
        let mono = |ms| at(ms).mono;
        sessions.sent(address(1), cost(1, 40, 0), mono(0));
        sessions.received(address(1), 300, mono(5));
        sessions.sent(address(1), cost(2, 100, 4), mono(6));
        sessions.known(address(1), Outcome::Solved, 9);
        sessions.received(address(1), 500, mono(10));
        sessions.brought(address(1), 5);
        sessions.received(address(2), 40, mono(1));
        sessions.known(address(2), Outcome::Equal, 0);
        sessions.sent(address(3), cost(1, 9, 0), mono(1));
        sessions.poll(mono(20));
        assert_eq!(sessions.latest().len(), 1, "equal: over at once");
        sessions.poll(mono(1010));
        let latest = sessions.latest();
        assert_eq!(latest.iter().map(|it| it.peer).collect::<Vec<_>>(), [NodeId(2), NodeId(1)]);
        let solved = latest[1];
        assert_eq!(
            (solved.outcome, solved.differences, solved.round_trips, solved.took_ms),
            (Outcome::Solved, 9, 2, 10)
        );
        assert_eq!((solved.sent_bytes, solved.received_bytes), (140, 800));
        assert_eq!((solved.sent_messages, solved.received_messages), (3, 2));
        assert_eq!((latest[0].outcome, latest[0].begun_here), (Outcome::Equal, false));
        let sums = sessions.totals()[2];
        assert_eq!((sums.outcomes, sums.differences), ([1, 0, 1, 0, 0, 0, 0], 9));
    }

    #[test]
    fn the_end_is_told_by_what_came() {
        let ended = |work: fn(&mut Sessions)| {
            let mut sessions = Sessions::default();
            begin(&mut sessions, 1, true, 0);
            work(&mut sessions);
            sessions.poll(at(5000).mono);
            sessions.latest()[0].outcome
        };
        assert_eq!(ended(|_| ()), Outcome::Quiet);
        assert_eq!(ended(|it| it.received(address(1), 9, Instant(1))), Outcome::GaveUp);
        assert_eq!(ended(|it| it.brought(address(1), 1)), Outcome::Solved);
        let both = |it: &mut Sessions| {
            it.known(address(1), Outcome::TooMany, 0);
            it.brought(address(1), 1);
        };
        assert_eq!(ended(both), Outcome::TooMany);
        let bulk = |it: &mut Sessions| {
            it.known(address(1), Outcome::Bulk, 0);
            begin(it, 1, false, 1);
            it.known(address(1), Outcome::Equal, 0);
        };
        assert_eq!(ended(bulk), Outcome::Bulk, "others begin beside it");
    }

    #[test]
    fn what_is_kept_is_bounded_and_calm_does_not_push_the_rest_out() {
        let mut sessions = Sessions::default();
        for number in 0..5000 {
            begin(&mut sessions, number % 200, true, number);
            if number == 7 {
                sessions.sent(address(7), cost(1, 9, 1), at(number).mono);
            }
            assert!(sessions.open.len() <= MAX_OPEN);
        }
        sessions.poll(at(9000).mono);
        assert_eq!(sessions.latest().len(), KEPT_CALM + 1);
        assert_eq!(sessions.totals()[2].outcomes.iter().sum::<u64>(), 5000);
    }
}
