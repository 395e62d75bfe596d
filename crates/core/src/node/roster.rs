//! How membership is joined to a node: joining, leaving, suspecting, refuting.

use super::{Fate, Node, applied, env};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::data::{self, Entry, Map, Space, block};
use crate::member::liveness::Finding;
use crate::member::record::{MAX_INCARNATION, MAX_NAME};
use crate::member::{Record, State, Table};
use crate::message::kind;
use crate::output::{Class, Output, Via};
use crate::reconcile::Flow;
use std::net::SocketAddr;
use std::sync::Arc;

/// All that a node knows of the members. A clone costs nothing.
#[derive(Clone, Debug)]
pub struct Roster {
    map: Map,
    table: Table,
}

impl Node {
    fn own_record(&self, state: State) -> Record {
        let mut name = self.identity.name.clone();
        while name.len() > MAX_NAME {
            name.pop();
        }
        Record {
            id: self.identity.id,
            incarnation: self.incarnation.min(MAX_INCARNATION),
            state,
            name,
            gossip: self.identity.gossip,
            redis: self.identity.redis,
            http: self.identity.http,
        }
    }

    /// Puts this node's own record into its roster; returns the entry.
    pub(super) fn enrol_self(&mut self, now: Now) -> Arc<Entry> {
        let record = self.own_record(if self.left { State::Left } else { State::Alive });
        let entry = self.keep(record.to_entry());
        let _ = self.roster.apply(Arc::clone(&entry));
        self.table.update(&record, &entry, now.mono);
        entry
    }

    /// Says something new of this node to everyone.
    fn announce(&mut self, now: Now, out: &mut Vec<Output>) {
        let entry = self.enrol_self(now);
        out.push(applied(Space::Roster, &entry, None, None));
        self.spread(Space::Roster, entry, None, now);
    }

    pub(super) fn restore_member(&mut self, entry: &Arc<Entry>, now: Now) {
        let Ok(record) = Record::from_entry(entry) else { return };
        if record.id == self.identity.id {
            // This run's incarnation must be the bigger one, whatever the wall clock says.
            if record.incarnation >= self.incarnation {
                self.incarnation = record.incarnation + 1;
                self.enrol_self(now);
            }
        } else if let data::Applied::New(_) = self.roster.apply(Arc::clone(entry)) {
            self.table.update(&record, entry, now.mono);
            self.liveness.changed(record.id, record.state, now.mono);
        }
    }

    /// What this node knows of the members, to be given to another.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster { map: self.roster.clone(), table: self.table.clone() }
    }

    /// Knows of the members from now on what another node knew. As if each record had been
    /// restored, but at once, and the two share what they know alike. Comes before all else.
    ///
    /// A record of this node in it is of an earlier run, unless it is just the one of this run.
    pub fn adopt(&mut self, roster: &Roster, now: Now) {
        let own = self.table.get(self.identity.id).map(|own| Arc::clone(own.entry));
        self.roster = roster.map.clone();
        self.table = roster.table.of(self.identity.id);
        for member in self.table.not_alive() {
            self.liveness.changed(member.id, member.state, now.mono);
        }
        let found = self.table.get(self.identity.id).map(|own| (own.incarnation, own.entry));
        match (found, &own) {
            (Some((_, found)), Some(own)) if found == own => {}
            (Some((incarnation, _)), _) => {
                self.incarnation = self.incarnation.max(incarnation + 1);
                self.enrol_self(now);
            }
            (None, _) => drop(self.enrol_self(now)),
        }
    }

    pub(super) fn join(&mut self, seeds: &[SocketAddr], now: Now) {
        self.liveness.set_seeds(seeds);
        for seed in seeds {
            self.knock(*seed);
        }
        // Members from before a restart are told of it.
        if let Some(own) = self.table.get(self.identity.id).map(|own| Arc::clone(own.entry))
            && self.table.peer_count() > 0
        {
            self.spread(Space::Roster, own, None, now);
        }
    }

    /// Asks to be let in by whoever is at an address.
    pub(super) fn knock(&mut self, to: SocketAddr) {
        let Some(own) = self.table.get(self.identity.id) else { return };
        if to == self.identity.gossip {
            return;
        }
        let mut body = Vec::with_capacity(96);
        block::Context::default().encode(own.entry, &mut body);
        self.outbox.push(to, Class::Membership, Via::Datagram, kind::JOIN, &[&body]);
    }

    /// Somebody asks to be let in: tell everyone of it, and open an exchange.
    pub(super) fn on_join(
        &mut self,
        sender: NodeId,
        from: SocketAddr,
        entry: Entry,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let entry = self.keep(entry);
        if self.apply(Space::Roster, &entry, sender, now, out) == Fate::New {
            self.spread(Space::Roster, entry, Some(sender), now);
        }
        self.open(from, Flow { mine: true, yours: true }, false, now);
    }

    /// Says goodbye.
    pub(super) fn leave(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.left {
            self.left = true;
            self.announce(now, out);
        }
    }

    /// Offers a peer's roster entry to the roster.
    pub(super) fn apply_member(
        &mut self,
        entry: &Arc<Entry>,
        from: NodeId,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let Ok(record) = Record::from_entry(entry) else {
            self.stats.dropped_malformed += 1;
            return Fate::Useless;
        };
        let held = self.table.get(record.id);
        match held.map(|held| held.entry.stamp().cmp(&entry.stamp())) {
            Some(std::cmp::Ordering::Equal) => return Fate::Known,
            Some(std::cmp::Ordering::Greater) => return Fate::Useless,
            Some(std::cmp::Ordering::Less) => {}
            None if self.table.len() >= self.config.limits.max_members => {
                self.stats.refused_members += 1;
                return Fate::Useless;
            }
            None => {}
        }
        if record.id == self.identity.id {
            // Only this node speaks for itself.
            self.stats.refutations += 1;
            self.incarnation = record.incarnation.saturating_add(1);
            self.announce(now, out);
            return Fate::Useless;
        }
        self.accept_member(&record, entry, Some(from), now, out);
        Fate::New
    }

    fn accept_member(
        &mut self,
        record: &Record,
        entry: &Arc<Entry>,
        from: Option<NodeId>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        if let data::Applied::New(replaced) = self.roster.apply(Arc::clone(entry)) {
            self.table.update(record, entry, now.mono);
            self.liveness.changed(record.id, record.state, now.mono);
            self.entropy.stir(now.mono, &mut self.rng);
            out.push(applied(Space::Roster, entry, replaced, from));
        }
    }

    /// Does what the liveness check has due.
    pub(super) fn watch_members(&mut self, now: Now, out: &mut Vec<Output>) {
        let mut found = Vec::new();
        self.liveness.poll(&mut env!(self, now), &mut found);
        for finding in found {
            match finding {
                Finding::Suspect(id) => self.declare(id, State::Alive, State::Suspect, now, out),
                Finding::Dead(id) => self.declare(id, State::Suspect, State::Dead, now, out),
                Finding::Rejoin(addr) => self.knock(addr),
            }
        }
    }

    /// Changes what is believed of a member, if it is believed as `was`, and tells everyone, the
    /// member first.
    fn declare(&mut self, id: NodeId, was: State, state: State, now: Now, out: &mut Vec<Output>) {
        let Some(member) = self.table.get(id).filter(|member| member.state == was) else { return };
        let Ok(mut record) = Record::from_entry(member.entry) else { return };
        self.stats.suspicions += u64::from(state == State::Suspect);
        record.state = state;
        let entry = self.keep(record.to_entry());
        self.accept_member(&record, &entry, None, now, out);
        let mut body = vec![Space::Roster.code()];
        block::Context::default().encode(&entry, &mut body);
        self.outbox.push(record.gossip, Class::Membership, Via::Datagram, kind::ENTRIES, &[&body]);
        self.spread(Space::Roster, entry, None, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::member::record::tests::record;
    use crate::node::Identity;

    const NOW: Now = Now { mono: Instant(0), wall_ms: 1000 };

    fn node(id: u64, now: Now) -> Node {
        let gossip = record(id, 1, State::Alive).gossip;
        let identity =
            Identity { id: NodeId(id), name: format!("n{id}"), gossip, redis: None, http: None };
        Node::new(Config::default(), identity, id, now)
    }

    fn roster() -> Roster {
        let mut first = node(1, NOW);
        for id in 2..200 {
            let state = if id == 7 { State::Suspect } else { State::Alive };
            first.restore(Space::Roster, Arc::new(record(id, 1000, state).to_entry()), NOW);
        }
        first.roster()
    }

    fn members(node: &Node) -> Vec<(u64, State, u64)> {
        node.members().map(|member| (member.id.0, member.state, member.incarnation)).collect()
    }

    #[test]
    fn adopting_a_roster_is_the_same_as_restoring_it() {
        let roster = roster();
        for own in [5, 7, 500] {
            let (mut one, mut other) = (node(own, NOW), node(own, NOW));
            one.adopt(&roster, NOW);
            for member in roster.table.members() {
                if own != 5 || member.id != NodeId(5) {
                    other.restore(Space::Roster, Arc::clone(member.entry), NOW);
                }
            }
            assert_eq!(members(&one), members(&other));
            assert_eq!(one.digest(Space::Roster), other.digest(Space::Roster));
            assert_eq!(one.liveness.deadline(), other.liveness.deadline());
            assert_eq!(one.table.peer_count(), if own == 500 { 199 } else { 198 });
        }
    }

    #[test]
    fn a_change_at_one_node_is_not_seen_by_those_that_share_its_roster() {
        let roster = roster();
        let (mut one, mut other) = (node(5, NOW), node(6, NOW));
        one.adopt(&roster, NOW);
        other.adopt(&roster, NOW);
        let before = (members(&other), other.digest(Space::Roster));
        let dead = Arc::new(record(9, 1000, State::Dead).to_entry());
        one.restore(Space::Roster, dead, NOW);
        assert_ne!(members(&one), before.0);
        assert_eq!((members(&other), other.digest(Space::Roster)), before);
    }

    #[test]
    fn a_record_of_an_earlier_run_is_overruled() {
        let mut again = node(5, Now { wall_ms: 900, ..NOW });
        again.adopt(&roster(), NOW);
        let own = again.table.get(NodeId(5)).map(|own| own.incarnation);
        assert_eq!(own, Some(1001));
    }
}
