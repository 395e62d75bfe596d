//! How membership is joined to a node: joining, leaving, suspecting, refuting.

use super::{Node, env};
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now, millis};
use crate::data::{self, Entry, Fate, Map, Space, block};
use crate::member::flight::What;
use crate::member::probe::Silence;
use crate::member::record::{MAX_INCARNATION, MAX_NAME};
use crate::member::suspicion::MAX_CONFIRMATIONS;
use crate::member::{Record, State, Table, Tags};
use crate::output::{Class, Output, Via, applied};
use crate::reconcile::Flow;
use crate::wire::{Origin, kind};
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
            tags: self.identity.tags.clone(),
            confirmations: 0,
            witnesses: Vec::new(),
        }
    }

    /// Puts this node's own record into its roster; returns the entry.
    pub(super) fn enrol_self(&mut self, now: Now) -> Arc<Entry> {
        let record = self.own_record(if self.left { State::Left } else { State::Alive });
        let entry = self.replica.keep(record.to_entry());
        let _ = self.replica.roster.apply(Arc::clone(&entry));
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
        } else if let data::Applied::New(_) = self.replica.roster.apply(Arc::clone(entry)) {
            self.table.update(&record, entry, now.mono);
            self.believe(&record, now);
        }
    }

    /// Lets the machines know what is now believed of another member.
    fn believe(&mut self, record: &Record, now: Now) {
        let members = self.table.peer_count() + 1;
        match record.state {
            State::Suspect => {
                self.suspicions.suspect(record.id, record.confirmations, members, now.mono);
            }
            State::Alive | State::Dead | State::Left | State::Forgotten => {
                self.suspicions.clear(record.id);
            }
        }
        match record.state {
            State::Dead => self.rejoin.lost(record.id),
            State::Alive | State::Suspect | State::Left | State::Forgotten => {
                self.rejoin.found(record.id);
            }
        }
    }

    /// What this node knows of the members, to be given to another.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster { map: self.replica.roster.clone(), table: self.table.clone() }
    }

    /// Knows of the members from now on what another node knew. As if each record had been
    /// restored, but at once, and the two share what they know alike. Comes before all else.
    ///
    /// A record of this node in it is of an earlier run, unless it is just the one of this run.
    pub fn adopt(&mut self, roster: &Roster, now: Now) {
        let own = self.table.get(self.identity.id).map(|own| Arc::clone(own.entry));
        self.replica.roster = roster.map.clone();
        self.table = roster.table.of(self.identity.id);
        let members = self.table.peer_count() + 1;
        for member in self.table.not_alive().filter(|member| member.id != self.identity.id) {
            match member.state {
                State::Dead => self.rejoin.lost(member.id),
                State::Suspect => {
                    self.suspicions.suspect(member.id, member.confirmations, members, now.mono);
                }
                State::Alive | State::Left | State::Forgotten => {}
            }
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
        self.rejoin.set_seeds(seeds, 0);
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

    /// The addresses to join by are these now: names can move. Those that are new are tried at once.
    /// So many more names are not found.
    pub fn set_seeds(&mut self, seeds: &[SocketAddr], nameless: usize) {
        let new = |seed: &&SocketAddr| {
            let known = self.table.peers().any(|peer| peer.gossip == **seed);
            !known && !self.rejoin.seeds().contains(seed)
        };
        let new: Vec<SocketAddr> = seeds.iter().filter(new).copied().collect();
        self.rejoin.set_seeds(seeds, nameless);
        if !self.left {
            new.into_iter().for_each(|seed| self.knock(seed));
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
    pub(super) fn on_join(&mut self, from: &Origin, entry: Entry, now: Now, out: &mut Vec<Output>) {
        let entry = self.replica.keep(entry);
        if self.apply(Space::Roster, &entry, from, now, out) == Fate::New {
            self.spread(Space::Roster, entry, Some(from.peer), now);
        }
        self.open(from.address, Flow { mine: true, yours: true }, false, now);
    }

    /// Changes what this node's operator says of it, and tells everyone.
    pub fn set_tags(&mut self, tags: Tags, now: Now, out: &mut Vec<Output>) {
        if tags == self.identity.tags || self.left {
            return;
        }
        self.identity.tags = tags;
        self.incarnation += 1;
        self.announce(now, out);
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
        from: &Origin,
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
            Some(std::cmp::Ordering::Greater) => {
                if record.id == self.identity.id && record.state != State::Alive {
                    self.tell_again(from.peer);
                }
                return Fate::Useless;
            }
            Some(std::cmp::Ordering::Less) => {}
            None if self.table.len() >= self.config.limits.max_members => {
                self.stats.refused_members += 1;
                return Fate::Useless;
            }
            None => {}
        }
        if record.id == self.identity.id {
            self.refute(&record, now, out);
            return Fate::Useless;
        }
        self.accept_member(&record, entry, Some(from.peer), now, out);
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
        if let data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(entry)) {
            let before = self.table.get(record.id).map(|held| held.state);
            self.table.update(record, entry, now.mono);
            self.believe(record, now);
            self.remember(before, record, now);
            let suspected = before == Some(State::Alive) && record.state == State::Suspect;
            if suspected && from.is_some() {
                self.prober.verify(record.id, &mut env!(self, now));
            }
            self.entropy.stir(now.mono, &mut self.rng);
            out.push(applied(Space::Roster, entry, replaced, from));
        }
    }

    /// Only this node speaks for itself: it overrules what others say of it.
    fn refute(&mut self, record: &Record, now: Now, out: &mut Vec<Output>) {
        let id = self.identity.id;
        if record.state == State::Alive && record.gossip != self.identity.gossip {
            // Each of two with one id would overrule the other without end.
            self.stats.twins += 1;
            if !self.twin.may_overrule(now.mono) {
                return;
            }
            self.recorder.record(now.wall_ms, id, What::Twin);
        }
        self.stats.refutations += 1;
        self.incarnation = record.incarnation.saturating_add(1);
        if record.state != State::Alive {
            self.prober.was_suspected();
            let (by, incarnation) = (record.witnesses.clone(), self.incarnation);
            self.recorder.record(now.wall_ms, id, What::Refuted { by, incarnation });
        }
        self.announce(now, out);
    }

    /// Whoever still says what this node has refuted already has not heard of it.
    fn tell_again(&mut self, to: NodeId) {
        let Some(to) = self.table.get(to).map(|member| member.gossip()) else { return };
        let Some(own) = self.table.get(self.identity.id).map(|own| Arc::clone(own.entry)) else {
            return;
        };
        self.tell(to, &own);
    }

    /// Writes into the flight recorder what has changed of another member.
    fn remember(&mut self, before: Option<State>, record: &Record, now: Now) {
        let by = || record.witnesses.clone();
        let what = match (before, record.state) {
            (_, State::Suspect) => What::Suspected { by: by() },
            (_, State::Dead) => What::Died { by: by() },
            (_, State::Left) => What::Left,
            (_, State::Forgotten) => What::Forgotten,
            (None, State::Alive) => What::Joined,
            (Some(State::Alive), State::Alive) => What::Changed,
            (Some(_), State::Alive) => What::Returned { incarnation: record.incarnation },
        };
        self.recorder.record(now.wall_ms, record.id, what);
    }

    /// When the watch over the members has something to do.
    pub(super) fn members_due(&self) -> Instant {
        let due = self.prober.deadline().min(self.rejoin.deadline());
        self.suspicions.deadline().map_or(due, |suspicion| due.min(suspicion))
    }

    /// Does what is due in the watch over the members.
    pub(super) fn watch_members(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.members_due() > now.mono && !self.prober.is_asked() {
            return;
        }
        self.forgive_stall(now);
        let (mut silent, mut pinged) = (Vec::new(), Vec::new());
        self.prober.poll(&mut env!(self, now), &mut silent, &mut pinged);
        for silence in silent {
            self.on_silence(silence, now, out);
        }
        for id in self.suspicions.expired(now.mono) {
            self.stats.deaths += 1;
            self.declare(id, State::Dead, now, out);
        }
        for id in pinged {
            self.tell_suspect(id);
        }
        for addr in self.rejoin.poll(now.mono, &self.table, &mut self.rng) {
            self.knock(addr);
        }
    }

    /// Who was not running cannot say that others were silent meanwhile: their answers may wait in
    /// a buffer. Everyone gets the time back.
    fn forgive_stall(&mut self, now: Now) {
        let due = self
            .suspicions
            .deadline()
            .map_or(self.prober.deadline(), |suspicion| suspicion.min(self.prober.deadline()));
        let late = now.mono.since(due);
        if late < self.config.member.probe_timeout / 2 || !self.config.member.forgive_stalls {
            return;
        }
        self.stats.stalls += 1;
        self.prober.postpone(late);
        self.suspicions.postpone(late);
        let ms = millis(late);
        self.recorder.record(now.wall_ms, self.identity.id, What::Stalled { ms });
    }

    /// A member has not answered: it is suspected, or a suspicion of others is confirmed.
    fn on_silence(&mut self, silence: Silence, now: Now, out: &mut Vec<Output>) {
        let Silence { id, through, nacks } = silence;
        self.recorder.record(now.wall_ms, id, What::ProbeFailed { through, nacks });
        let Some(member) = self.table.get(id) else { return };
        let (state, confirmations) = (member.state, member.confirmations);
        match state {
            State::Alive => {
                self.stats.suspicions += 1;
                self.declare(id, State::Suspect, now, out);
                self.suspicions.witness(id);
            }
            State::Suspect if self.suspicions.witness(id) && confirmations < MAX_CONFIRMATIONS => {
                self.stats.confirmations += 1;
                self.declare(id, State::Suspect, now, out);
            }
            State::Suspect | State::Dead | State::Left | State::Forgotten => {}
        }
    }

    /// Says of a member that it is suspect (once more, if it is already) or dead, and tells
    /// everyone.
    pub(super) fn declare(&mut self, id: NodeId, state: State, now: Now, out: &mut Vec<Output>) {
        let news = |held: State| held.is_present() || state == State::Forgotten && held < state;
        let Some(member) = self.table.get(id).filter(|member| news(member.state)) else {
            return;
        };
        let Ok(mut record) = Record::from_entry(member.entry) else { return };
        record.confirmations = match (record.state, state) {
            (State::Suspect, State::Suspect) => record.confirmations + 1,
            _ => 0,
        };
        record.state = state;
        if record.witnesses.last() != Some(&self.identity.id) {
            record.witnesses.push(self.identity.id);
        }
        let entry = self.replica.keep(record.to_entry());
        self.accept_member(&record, &entry, None, now, out);
        if state == State::Dead {
            self.tell(record.gossip, &entry);
        } else {
            self.tell_suspect(id);
        }
        self.spread(Space::Roster, entry, None, now);
    }

    /// Tells a suspect that it is one, so that it can refute at once (Lifeguard's buddy system).
    fn tell_suspect(&mut self, id: NodeId) {
        let Some(member) = self.table.get(id) else { return };
        if self.config.member.buddy && member.state == State::Suspect {
            let (to, entry) = (member.gossip(), Arc::clone(member.entry));
            self.tell(to, &entry);
        }
    }

    /// Sends an entry of the roster to one address.
    pub(super) fn tell(&mut self, to: SocketAddr, entry: &Entry) {
        let mut body = vec![Space::Roster.code()];
        block::Context::default().encode(entry, &mut body);
        self.outbox.push(to, Class::Membership, Via::Datagram, kind::ENTRIES, &[&body]);
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
        let identity = Identity::new(NodeId(id), format!("n{id}"), gossip);
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
            // How long a suspect has depends on how many members are known.
            let suspects = |node: &Node| node.suspicions.deadline().is_some();
            assert_eq!(suspects(&one), suspects(&other));
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
