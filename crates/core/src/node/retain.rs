//! How what may go, and what cannot be news, is joined to a node.

use super::{Node, holding, site};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::data::{Cut, Entry, Fate, Map, Space, Stamp};
use crate::output::Output;
use crate::retain::horizon::{self, Horizon};
use crate::wire::Origin;
use std::sync::Arc;

impl Node {
    /// The latest complete pass of ring repair that this node has heard of.
    #[must_use]
    pub fn horizon(&self) -> Option<Horizon> {
        self.standing.horizon()
    }

    /// The entry of the roster that says so.
    #[must_use]
    pub fn horizon_entry(&self) -> Option<Arc<Entry>> {
        self.replica.roster.get(horizon::KEY).cloned()
    }

    /// True if everything stamped up to [`Node::horizon`] is held here. If not, this node is being
    /// brought back.
    #[must_use]
    pub fn is_covered(&self) -> bool {
        !self.standing.is_behind()
    }

    /// Own writes up to this time are known to be held by a majority of the members.
    #[must_use]
    pub fn confirmed(&self) -> u64 {
        self.standing.confirmed()
    }

    /// Old tombstones and expired entries that this node keeps apart from its data: dormant ones,
    /// and activated ones that it took.
    #[must_use]
    pub fn certificates(&self) -> &Map {
        self.certificates.map()
    }

    /// Gives back what the node had asked to keep with [`Output::Keep`]. Comes before all input;
    /// what cannot be read is as if it had not been kept, which costs a comparison.
    pub fn restore_kept(&mut self, bytes: &[u8]) {
        self.standing.restore(bytes, &mut self.replica.clock);
    }

    pub(super) fn restore_data(&mut self, entry: Arc<Entry>, now: Now) {
        let latest = Stamp { time: entry.age(), ..entry.stamp() };
        self.replica.clock.restore(latest, now.wall_ms);
        match self.certificates.is_one(&entry, now.wall_ms) {
            true => self.certificates.restore(entry),
            false => drop(self.replica.data.apply(entry)),
        }
    }

    pub(super) fn restore_horizon(&mut self, entry: &Arc<Entry>) {
        let _ = self.replica.roster.apply(Arc::clone(entry));
        self.standing.restore_horizon(Horizon::of(entry));
    }

    /// Offers a roster entry that says which pass is complete.
    pub(super) fn apply_horizon(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let fate = horizon::offer(entry, from.peer, &mut holding!(self, now, out));
        if fate == Fate::New {
            self.repair.entropy.stir(now.mono, &mut self.rng);
            if let Some(horizon) = Horizon::of(entry) {
                self.rounds.learn(horizon, &mut site!(self, now, out));
            }
        }
        fate
    }

    /// True if an entry from a peer is from below a horizon and cannot be news.
    pub(super) fn is_fenced(&self, entry: &Entry) -> bool {
        self.standing.is_fenced(entry.age(), self.rounds.brought_back())
    }

    /// What follows before an entry of a peer is taken in: `Some` if that settles it.
    pub(super) fn judge(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Option<Fate> {
        let held = |data: &Map| data.get(entry.key()).map(|held| held.stamp());
        if self.standing.is_visited() && held(&self.replica.data) < Some(entry.stamp()) {
            for pass in self.standing.note_stray(entry, from, &self.replica.data) {
                self.rounds.leave(pass, &mut site!(self, now, out));
            }
        }
        let by_age = self.certificates.judge(entry, from, &mut holding!(self, now, out))?;
        if by_age.fate == Fate::New {
            self.repair.entropy.news(now.mono, &mut self.rng);
        }
        if let Some(certificate) = by_age.activated {
            self.spread(Space::Data, certificate, None, now);
        }
        Some(by_age.fate)
    }

    /// A peer was found to hold all that this node had written before a cut.
    pub(super) fn confirm(&mut self, peer: NodeId, cut: Cut, now: Now) {
        let last = self.replica.clock.last();
        self.standing.confirm(peer, cut, last, &holding!(self, now, &mut Vec::new()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::check::Depth;
    use crate::config::Config;
    use crate::member::Identity;
    use crate::output::Via;
    use crate::retain::Tombstones;
    use crate::retain::tests::{H, NOW, entry, pass};
    use std::net::SocketAddr;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn node(tombstones: Tombstones) -> Node {
        let mut config = Config::default();
        config.ring.tombstones = tombstones;
        let gossip = SocketAddr::from(([10, 0, 0, 1], 1));
        Node::new(config, Identity::new(NodeId(1), "n", gossip), 1, NOW)
    }

    fn origin(peer: u64) -> Origin {
        Origin::new(NodeId(peer), SocketAddr::from(([10, 0, 0, 9], 9)), Via::Datagram, false)
    }

    #[test]
    fn below_the_horizon_only_what_is_held_is_known() {
        let mut node = node(Tombstones::Horizon);
        node.restore(Space::Data, entry("held", H, 2, Some("v")), NOW);
        node.restore(Space::Data, entry("gone", H, 2, None), NOW);
        node.standing.cover(pass(1, H, &[1, 2]), &mut node.replica);
        node.flush(NOW, &mut Vec::new());
        assert_eq!(node.replica.data.digest().count, 1);
        let mut offer =
            |entry: Arc<Entry>| node.apply(Space::Data, &entry, &origin(9), NOW, &mut Vec::new());
        assert_eq!(offer(entry("gone", H - 1, 2, Some("zombie"))), Fate::Useless);
        assert_eq!(offer(entry("held", H, 2, Some("v"))), Fate::Known);
        assert_eq!(offer(entry("gone", H + 1, 2, Some("new"))), Fate::New);
        assert_eq!(node.stats.refused_fenced, 1);
        node.check_retained(Depth::Whole);
    }

    #[test]
    fn who_takes_what_is_from_outside_of_a_pass_leaves_it_first() {
        let mut node = node(Tombstones::Horizon);
        node.standing.visit(&pass(1, H, &[1, 2]), &mut node.replica.clock);
        let (old, mut out) = (entry("k", H, 7, Some("v")), Vec::new());
        let fate = node.apply(Space::Data, &old, &origin(3), NOW, &mut out);
        assert_eq!((fate, node.standing.pending(1)), (Fate::New, None));
        assert!(
            matches!(out[..], [Output::Keep { .. }, Output::Applied(_)]),
            "that is on disk first"
        );
        node.check_retained(Depth::Whole);
    }

    #[test]
    fn an_old_tombstone_is_taken_only_where_it_undoes_something() {
        let at = |ms| Now { wall_ms: NOW.wall_ms + ms, ..NOW };
        let time = |ms| at(ms).wall_ms << 16;
        let later = at(10 * DAY_MS);
        for (tombstones, undoes) in [(Tombstones::Dormant, true), (Tombstones::Timed, false)] {
            let mut node = node(tombstones);
            let mut offer = |entry: &Arc<Entry>| {
                let fate = node.accept_data(entry, &origin(9), later, &mut Vec::new());
                node.check_retained(Depth::Whole);
                let held = node.replica.data.get(entry.key()).is_some();
                let aside = node.certificates().get(entry.key()).is_some();
                (fate, held, aside)
            };
            let old = entry("held", time(1), 9, Some("v"));
            assert_eq!(offer(&old), (Fate::New, true, false));
            let refused = if undoes { Fate::Old } else { Fate::Useless };
            assert_eq!(offer(&entry("other", time(2), 9, None)), (refused, false, false));
            let young = entry("young", time(9 * DAY_MS), 9, None);
            assert_eq!(offer(&young), (Fate::New, true, false));
            let taken = offer(&entry("held", time(2), 9, None));
            assert_eq!(
                taken,
                if undoes { (Fate::New, false, true) } else { (refused, true, false) }
            );
            // What it undid does not come back, and a newer write does.
            let again =
                if undoes { (Fate::Useless, false, true) } else { (Fate::Known, true, false) };
            assert_eq!(offer(&old), again);
            let new = entry("held", time(3), 9, Some("w"));
            assert_eq!(offer(&new), (Fate::New, true, false));
            assert_eq!(node.stats.tombstones_activated, 0, "it has just been at work");
        }
    }
}
