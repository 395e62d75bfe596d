//! How comparison by sketches is joined to a node: the comparisons that it began, and the way to
//! checksums where sketches do not help.

use super::Node;
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now};
use crate::data::Space;
use crate::reconcile::Flow;
use crate::reconcile::sketch::exchange::{on_ask, on_opening, on_wants};
use crate::reconcile::sketch::message::shortened;
use crate::reconcile::sketch::{
    Answered, Ask, Batch, Exchange, Greeting, Headed, Reply, Stand, Unknown, Wants,
};
use crate::spread::sessions::Outcome;
use crate::wire::Origin;
use std::net::SocketAddr;
use std::time::Duration;

/// Comparisons at once, at most 2.4 MB each. One more takes the place of the oldest.
const MAX_OPEN: usize = 8;
/// How long an answer may take before it is asked for once more, and how long it may take then
/// (guess: several round trips of any network, and less than cuts can be gone back to).
const PATIENCE: Duration = Duration::from_secs(1);

/// The comparisons by sketches that a node began: one with each peer.
#[derive(Debug, Default)]
pub(super) struct Comparisons {
    /// The oldest first.
    open: Vec<Comparison>,
    /// How many differences the last one found, if the next one has not begun.
    expected: usize,
}

#[derive(Debug)]
struct Comparison {
    peer: NodeId,
    addr: SocketAddr,
    flow: Flow,
    exchange: Exchange,
    until: Instant,
    asked_again: bool,
}

impl Comparisons {
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.open.iter().map(|comparison| comparison.until).min()
    }

    fn add(&mut self, comparison: Comparison) {
        self.open.retain(|other| other.peer != comparison.peer);
        if self.open.len() >= MAX_OPEN {
            self.open.remove(0);
        }
        self.open.push(comparison);
    }

    /// True if a comparison with a member goes on.
    pub(super) fn is_open(&self, peer: NodeId) -> bool {
        self.open.iter().any(|comparison| comparison.peer == peer)
    }

    fn take(&mut self, peer: NodeId) -> Option<Comparison> {
        let at = self.open.iter().position(|comparison| comparison.peer == peer)?;
        Some(self.open.remove(at))
    }
}

impl Node {
    /// Begins a comparison by sketches, or by checksums if there are no sketches for that.
    pub(super) fn open_by_sketch(&mut self, peer: NodeId, to: SocketAddr, flow: Flow, now: Now) {
        let (cut, roster) = (self.cut(now), self.replica.roster.digest());
        let expected = std::mem::take(&mut self.comparisons.expected);
        let mut desk = self.desk(Space::Data, to, now);
        let Some(exchange) = Exchange::begin(&mut desk, flow, cut, roster, expected) else {
            self.stats.sketch_unserved += 1;
            self.sessions.known(to, Outcome::FellBack, 0);
            return self.open(to, flow, false, now);
        };
        let until = now.mono.after(PATIENCE);
        self.comparisons.add(Comparison {
            peer,
            addr: to,
            flow,
            exchange,
            until,
            asked_again: false,
        });
    }

    /// Answers an opening: by sketches where this node keeps them, else by checksums.
    pub(super) fn on_sketch(&mut self, from: &Origin, greeting: &Headed<Greeting>, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let (head, theirs) = (greeting.head, greeting.body.opening.digest);
        let peer = super::repair::Opener {
            id: from.peer,
            addr: from.address,
            flow: head.flow,
            answer: false,
        };
        let roster = self.replica.roster.digest();
        let mut equal = true;
        if shortened(roster) != greeting.body.roster {
            equal = false;
            self.on_difference(&peer, Space::Roster, roster, greeting.body.roster, now);
        }
        let data =
            self.replica.data.digest_at(head.cut).unwrap_or_else(|| self.replica.data.digest());
        if head.space == Space::Data && shortened(data) != theirs {
            equal = false;
            if !self.fill_in_bulk(&peer, Space::Data, data, theirs, now)
                && let Some(mut desk) = self.open_desk(Space::Data, from.address, now)
            {
                match on_opening(&mut desk, greeting) {
                    Answered::Known(count) => self.solved(from.address, count),
                    Answered::Unserved => {
                        self.sessions.known(from.address, Outcome::FellBack, 0);
                        self.on_difference(&peer, Space::Data, data, theirs, now);
                    }
                    Answered::Equal | Answered::Replied => {}
                }
            }
        } else if head.space == Space::Data {
            self.confirm(from.peer, head.cut);
            self.agrees(from.peer, head.cut, now);
            self.stats.sketch_equal += 1;
        }
        self.count_equal(from.address, equal);
    }

    pub(super) fn on_sketch_reply(&mut self, from: &Origin, reply: &Headed<Reply>, now: Now) {
        let space = reply.head.space;
        self.go_on(from, space, now, |exchange, desk| exchange.on_reply(desk, reply));
    }

    pub(super) fn on_sketch_batch(&mut self, from: &Origin, batch: &Headed<Batch>, now: Now) {
        let space = batch.head.space;
        self.go_on(from, space, now, |exchange, desk| exchange.on_batch(desk, batch));
    }

    /// Goes on with a comparison that this node began.
    fn go_on(
        &mut self,
        from: &Origin,
        space: Space,
        now: Now,
        step: impl FnOnce(&mut Exchange, &mut crate::reconcile::Desk<'_>) -> Stand,
    ) {
        let Some(mut comparison) = self.comparisons.take(from.peer) else { return };
        self.replica.data.advance(now.wall_ms);
        self.stir_and_progress(now);
        let Some(mut desk) = self.open_desk(space, from.address, now) else {
            return self.comparisons.add(comparison);
        };
        match step(&mut comparison.exchange, &mut desk) {
            Stand::Open => {
                if comparison.exchange.waits() {
                    comparison.until = now.mono.after(PATIENCE);
                    comparison.asked_again = false;
                }
                self.comparisons.add(comparison);
            }
            Stand::Known(count) => self.solved(from.address, count),
            Stand::Unknown(why) => {
                let too_many = why == Unknown::TooMany;
                let outcome = if too_many { Outcome::TooMany } else { Outcome::FellBack };
                self.sessions.known(from.address, outcome, 0);
                self.open(from.address, comparison.flow, false, now);
            }
        }
    }

    fn solved(&mut self, with: SocketAddr, differences: usize) {
        self.comparisons.expected = differences;
        self.sessions.known(with, Outcome::Solved, differences);
    }

    pub(super) fn on_sketch_ask(&mut self, from: SocketAddr, ask: &Headed<Ask>, now: Now) {
        self.replica.data.advance(now.wall_ms);
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(ask.head.space, from, now) {
            on_ask(&mut desk, ask);
        }
    }

    pub(super) fn on_wants(&mut self, from: SocketAddr, wants: &Wants, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(wants.space, from, now) {
            on_wants(&mut desk, wants);
        }
    }

    /// Asks once more where cells do not come, and gives up what stays silent.
    pub(super) fn watch_comparisons(&mut self, now: Now) {
        if self.comparisons.deadline().is_none_or(|until| until > now.mono) {
            return;
        }
        for mut comparison in std::mem::take(&mut self.comparisons.open) {
            if comparison.until > now.mono {
                self.comparisons.open.push(comparison);
            } else if comparison.exchange.waits() && !comparison.asked_again {
                comparison.asked_again = true;
                comparison.until = now.mono.after(PATIENCE);
                let mut desk = self.desk(Space::Data, comparison.addr, now);
                comparison.exchange.again(&mut desk);
                self.comparisons.open.push(comparison);
            } else if comparison.exchange.waits() {
                self.stats.sketch_silent += 1;
                self.sessions.known(comparison.addr, Outcome::GaveUp, 0);
            }
        }
    }
}
