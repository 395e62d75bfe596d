//! How many members hold a write, and how fresh this node is: the questions of users that only
//! other members can answer.

use super::{Node, env};
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now, millis};
use crate::data::{Cut, Stamp};
use crate::member::State;
use crate::output::Output;
use crate::spread::coverage::{self, About, Ask, Known, Unasked, Want, freshen};
use crate::wire::Origin;
use std::time::Duration;

impl Node {
    /// Asks how many members hold these writes, or newer ones under their keys; the answer is
    /// [`crate::Output::Covered`] with the token that is returned, once there are as many as wanted
    /// or the time is up. Asks nobody of whom a pass of ring repair has proved it already.
    ///
    /// # Errors
    /// If too many questions are under way, or it names nothing or too much.
    pub fn ask_coverage(
        &mut self,
        about: &About,
        want: Want,
        until: Instant,
        now: Now,
    ) -> Result<u64, Unasked> {
        if self.watch.has_left() {
            return Err(Unasked::Left);
        }
        self.look_at_clock(now);
        let (writes, data) = (&about.writes, &self.replica.data);
        let pass = self.standing.proof().filter(|pass| {
            about.upto.is_none_or(|upto| upto <= pass.horizon)
                && writes.iter().all(|(key, stamp)| pass.proves(key, *stamp, data))
        });
        let members: Vec<NodeId> = pass.map(|pass| pass.order.to_vec()).unwrap_or_default();
        let own = pass.is_some() || writes.iter().all(|(key, stamp)| self.holds(key, *stamp));
        let known = Known::of(about, own, &members, self.least_staleness_ms(), now);
        self.questions.ask(about, want, until, known, &mut env!(self, now))
    }

    /// Takes a question back.
    pub fn forget_question(&mut self, token: u64) {
        self.questions.forget(token);
    }

    pub(super) fn watch_questions(&mut self, now: Now, out: &mut Vec<Output>) {
        self.questions.poll(&mut env!(self, now));
        out.extend(self.questions.take_done().into_iter().map(Output::Covered));
    }

    fn holds(&self, key: &[u8], stamp: Stamp) -> bool {
        let held = self.replica.data.get(key).or_else(|| self.certificates().get(key));
        held.is_some_and(|held| held.stamp() >= stamp)
    }

    pub(super) fn on_coverage_ask(&mut self, from: &Origin, ask: &Ask<'_>) {
        // Who was part of the pass had what it asks for before the pass, and everyone has it since.
        let pass = self.standing.proof().filter(|pass| pass.lists(from.peer));
        let data = &self.replica.data;
        let gone = |key: &[u8], stamp: Stamp| {
            pass.is_some_and(|pass| data.get(key).is_none() && pass.proves(key, stamp, data))
        };
        let held =
            ask.writes.iter().all(|(key, stamp)| self.holds(key, *stamp) || gone(key, *stamp));
        self.stats.coverage_answered += 1;
        coverage::answer(ask.number, held, from.address, &mut self.outbox);
    }

    /// Time since this node was last known to hold all that some other member held: every write
    /// that the other had by then was here too. `None` if that never was. Zero for a node that
    /// has nobody to agree with. What neither has heard of is not excluded: see
    /// [`Node::partition_suspected`].
    #[must_use]
    pub fn staleness(&self, now: Now) -> Option<Duration> {
        if self.table.peer_count() == 0 && self.table.not_alive().all(|m| m.state >= State::Left) {
            return Some(Duration::ZERO);
        }
        self.freshness.staleness(now.mono)
    }

    /// Asks a random member to compare itself with this node now; if both agree, the staleness is
    /// small again soon.
    pub fn freshen(&mut self) {
        if self.watch.has_left() {
            return;
        }
        if let Some(peer) = self.table.random(&mut self.rng) {
            freshen(peer.gossip, &mut self.outbox);
        }
    }

    /// No node is ever known to be fresher than this: what is younger is not compared.
    #[must_use]
    pub fn least_staleness(&self) -> Duration {
        Duration::from_millis(self.least_staleness_ms())
    }

    fn least_staleness_ms(&self) -> u64 {
        millis(self.repair.entropy.hidden())
    }

    /// Another member was found to hold the same at a cut.
    pub(super) fn agrees(&mut self, peer: NodeId, cut: Cut, now: Now) {
        self.confirm(peer, cut, now);
        let time = match cut.is_none() {
            true => self.replica.clock.last(),
            false => (cut.first_ms() << 16).saturating_sub(1),
        };
        self.questions.agreed(peer, time, now.mono);
    }

    /// Another member says that it holds the same at a cut.
    pub(super) fn is_fresh(&mut self, cut: Cut, now: Now) {
        let latest = self.repair.entropy.cut(now.wall_ms);
        self.freshness.agreed(cut, latest, now);
    }
}
