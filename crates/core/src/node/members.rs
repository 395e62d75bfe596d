//! How membership and notes are joined to a node: what they are to tell everyone goes the way of all
//! that is new.

use super::{Node, env, registry};
use crate::base::time::Now;
use crate::data::{Entry, Fate, Space, Stamp};
use crate::member::{Roster, Tags, notes};
use crate::output::Output;
use crate::wire::Origin;
use std::net::SocketAddr;
use std::sync::Arc;

impl Node {
    /// Tells everyone what the watch over the members has come upon.
    pub(super) fn spread_news(&mut self, now: Now) {
        for entry in self.watch.news() {
            self.spread(Space::Roster, entry, None, now);
        }
    }

    /// Offers a peer's entry to the roster.
    pub(super) fn apply_roster(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let registry = &mut registry!(self, now, out);
        let fate = match notes::is_note(entry) {
            true => self.notes.offer(entry, from, registry),
            false => self.watch.offer(entry, from, registry),
        };
        if fate == Fate::New {
            self.repair.entropy.stir(now.mono, &mut self.rng);
        }
        self.spread_news(now);
        fate
    }

    /// What this node knows of the members, to be given to another.
    #[must_use]
    pub fn roster(&self) -> Roster {
        Roster::new(&self.replica.roster, &self.table)
    }

    /// Knows of the members from now on what another node knew. As if each record had been
    /// restored, but at once, and the two share what they know alike. Comes before all else.
    ///
    /// A record of this node in it is of an earlier run, unless it is just the one of this run.
    pub fn adopt(&mut self, roster: &Roster, now: Now) {
        self.watch.adopt(roster, &mut registry!(self, now, &mut Vec::new()));
        self.rounds.knew_others();
    }

    pub(super) fn join(&mut self, seeds: &[SocketAddr], now: Now) {
        self.watch.join(seeds, &self.table, &mut self.outbox);
        self.spread_news(now);
    }

    /// The addresses to join by are these now: names can move. Those that are new are tried at once.
    /// So many more names are not found.
    pub fn set_seeds(&mut self, seeds: &[SocketAddr], nameless: usize) {
        self.watch.set_seeds(seeds, nameless, &self.table, &mut self.outbox);
    }

    /// Somebody asks to be let in: tell everyone of it, and open an exchange.
    pub(super) fn on_join(&mut self, from: &Origin, entry: Entry, now: Now, out: &mut Vec<Output>) {
        let entry = self.replica.keep(entry);
        if self.apply(Space::Roster, &entry, from, now, out) == Fate::New {
            self.spread(Space::Roster, entry, Some(from.peer), now);
        }
        self.open(from, false, now, out);
    }

    /// Changes what this node's operator says of it, and tells everyone.
    pub fn set_tags(&mut self, tags: Tags, now: Now, out: &mut Vec<Output>) {
        self.look_at_clock(now);
        self.watch.set_tags(tags, &mut registry!(self, now, out));
        self.spread_news(now);
    }

    /// Says whether this node may be an old copy of its disk, if that has changed.
    pub(super) fn say_doubt(&mut self, now: Now, out: &mut Vec<Output>) {
        self.watch.set_in_doubt(self.standing.is_in_doubt(), &mut registry!(self, now, out));
        self.spread_news(now);
    }

    /// Says goodbye.
    pub(super) fn leave(&mut self, now: Now, out: &mut Vec<Output>) {
        self.standing.close(&self.replica.clock);
        self.outbox.paths_mut().rest();
        self.watch.leave(&mut registry!(self, now, out));
        self.spread_news(now);
    }

    /// Does what is due in the watch over the members.
    pub(super) fn watch_members(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.watch.poll(&mut registry!(self, now, out)) {
            self.spread_news(now);
            self.watch.seek(&mut env!(self, now));
        }
    }

    /// Writes a note, which spreads with the next [`Node::flush`]. Key and value are within
    /// [`notes::MAX_NOTE_KEY`] and [`notes::MAX_NOTE`], and the key begins with [`notes::PREFIX`];
    /// others are passed over.
    pub fn write_note(
        &mut self,
        key: &[u8],
        value: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Option<Stamp> {
        self.look_at_clock(now);
        let entry = self.notes.write(key, value, &mut registry!(self, now, out))?;
        let stamp = entry.stamp();
        self.spread(Space::Roster, entry, None, now);
        Some(stamp)
    }

    /// All notes that this node holds.
    #[must_use]
    pub fn notes(&self) -> Vec<Arc<Entry>> {
        self.notes.all(&self.replica.roster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::check::Depth;
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::member::Identity;
    use crate::member::State;
    use crate::member::record::tests::record;

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
            one.check_members(Depth::Whole);
            other.check_members(Depth::Whole);
            assert_eq!(one.digest(Space::Roster), other.digest(Space::Roster));
            // How long a suspect has depends on how many members are known.
            let suspects = |node: &Node| node.watch.suspicions().deadline().is_some();
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

#[cfg(test)]
mod note_tests {
    use super::*;
    use crate::base::check::Depth;
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::input::Input;
    use crate::member::Identity;
    use crate::member::notes::MAX_NOTE;
    use crate::output::Via;
    use std::net::SocketAddr;

    fn at(ms: u64) -> Now {
        Now { mono: Instant(ms * 1000), wall_ms: 1_800_000_000_000 + ms }
    }

    fn node(id: u64) -> Node {
        let gossip = SocketAddr::from(([10, 0, 0, 1], id as u16));
        let id = NodeId(id);
        let identity = Identity::new(id, "n", gossip);
        Node::new(Config::default(), identity, id.0, at(0))
    }

    /// Carries packets both ways for a while.
    fn talk(nodes: &mut [Node; 2], sealed: bool) {
        for ms in 0..3000 {
            for index in 0..2 {
                let mut out = Vec::new();
                nodes[index].handle(Input::Tick, at(ms), &mut out);
                nodes[index].flush(at(ms), &mut out);
                nodes[index].check(at(ms), Depth::Whole);
                for output in out {
                    let Output::Send(packet) = output else { continue };
                    let (from, bytes) = (nodes[index].identity().gossip, packet.bytes.as_slice());
                    let input = match packet.via {
                        Via::Datagram => Input::Datagram { from, bytes },
                        Via::Stream => Input::Frame { from, bytes },
                    };
                    let other = &mut nodes[1 - index];
                    let mut out = Vec::new();
                    match sealed {
                        true => other.handle_sealed(input, at(ms), &mut out),
                        false => other.handle(input, at(ms), &mut out),
                    }
                }
            }
        }
    }

    #[test]
    fn notes_travel_sealed_only_and_the_bigger_stamp_wins() {
        for sealed in [false, true] {
            let mut nodes = [node(1), node(2)];
            let seed = [nodes[1].identity().gossip];
            let mut out = Vec::new();
            nodes[0].handle(Input::Join { seeds: &seed }, at(0), &mut out);
            nodes[0].write_note(b"ring/a", b"old", at(0), &mut out).unwrap();
            nodes[1].write_note(b"ring/a", b"new", at(5), &mut out).unwrap();
            nodes[0].write_note(b"ring!", b"1", at(5), &mut out).unwrap();
            talk(&mut nodes, sealed);
            assert_eq!(nodes[0].members().count(), 2);
            let values = |node: &Node| -> Vec<Vec<u8>> {
                let mut all: Vec<_> = node
                    .notes()
                    .iter()
                    .map(|note| [note.key(), note.value().unwrap()].concat())
                    .collect();
                all.sort();
                all
            };
            let both = values(&nodes[0]) == values(&nodes[1]);
            assert_eq!(both, sealed);
            assert_eq!(nodes[1].stats().refused_notes > 0, !sealed);
            if sealed {
                assert_eq!(values(&nodes[0]), [b"ring!1".to_vec(), b"ring/anew".to_vec()]);
                assert_eq!(nodes[0].digest(Space::Roster), nodes[1].digest(Space::Roster));
            }
        }
    }

    #[test]
    fn what_is_no_note_is_not_written() {
        let mut node = node(1);
        let mut out = Vec::new();
        let long = [b'x'; MAX_NOTE + 1];
        assert!(node.write_note(b"other", b"", at(0), &mut out).is_none());
        assert!(node.write_note(b"ring", b"", at(0), &mut out).is_none());
        // As long as a member's id.
        assert!(node.write_note(b"ring/abc", b"", at(0), &mut out).is_none());
        assert!(node.write_note(b"ring/a", &long, at(0), &mut out).is_none());
        assert!(node.notes().is_empty() && out.is_empty());
    }
}
