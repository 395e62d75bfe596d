//! The members as one node sees them.
//!
//! A view of the roster, kept beside it so that peers can be picked by place and by id. Ids
//! are random, so their order is a random order; the tree rumor cuts ranges of it. What nodes know
//! alike they can share: see [`Table::of`].

mod check;

use super::known::{Member, gossip};
use super::record::{Record, State};
use super::roll::{Among, Roll, Said};
use super::zone::Zone;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::data::Entry;
use std::net::SocketAddr;
use std::sync::Arc;

/// Somebody to talk to: a present member that is not this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who.
    pub id: NodeId,
    /// Where.
    pub gossip: SocketAddr,
    /// False while it is suspected.
    pub alive: bool,
}

/// The member table of one node.
#[derive(Clone, Debug)]
pub struct Table {
    own: NodeId,
    roll: Arc<Roll>,
    /// This node's own rank among the present members, if it is one of them.
    own_rank: Option<usize>,
    /// The zone that this node says it is in.
    own_zone: Zone,
}

impl Table {
    /// A table of node `own` that is empty.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, roll: Arc::default(), own_rank: None, own_zone: Zone::NONE }
    }

    /// The same members as another node sees them. Both share them, up to what changes later.
    #[must_use]
    pub fn of(&self, own: NodeId) -> Self {
        let mut table = Self { own, roll: Arc::clone(&self.roll), ..Self::new(own) };
        table.find_own();
        table
    }

    /// The node whose table it is.
    #[must_use]
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// Takes in what a roster entry says; the roster has judged already that it is news.
    pub fn update(&mut self, record: &Record, entry: &Arc<Entry>, now: Instant) {
        if planted::has(Fault::Table) && record.state == State::Dead {
            return;
        }
        let zone = Zone::of(record.tags.zone());
        let said = Said { state: record.state, zone, entry: Arc::clone(entry) };
        Arc::make_mut(&mut self.roll).put(record.id, said, now);
        self.find_own();
    }

    fn find_own(&mut self) {
        let present = self.roll.get(self.own).is_some_and(|own| own.state.is_present());
        self.own_rank = present.then(|| self.roll.rank(Among::All, self.own));
        self.own_zone = self.roll.zone_of(self.own).unwrap_or_default();
    }

    /// The zone that this node is in.
    #[must_use]
    pub fn own_zone(&self) -> Zone {
        self.own_zone
    }

    /// True if present members are in different zones.
    #[must_use]
    pub fn is_zoned(&self) -> bool {
        self.roll.zones().len() > 1
    }

    /// The zones of peers, in the order of their numbers.
    pub fn zones(&self) -> impl Iterator<Item = Zone> {
        let own = self.own_rank.map(|_| self.own_zone);
        let peers = move |zone, count| count - usize::from(own == Some(zone));
        let zones = self.roll.zones().iter().filter(move |(zone, count)| peers(*zone, *count) > 0);
        zones.map(|(zone, _)| *zone)
    }

    /// The zone of a member, if that makes a difference.
    #[must_use]
    pub fn zone_of(&self, id: NodeId) -> Zone {
        if !self.is_zoned() {
            return Zone::NONE;
        }
        self.roll.zone_of(id).unwrap_or_default()
    }

    /// True for the address of a member of another zone.
    #[must_use]
    pub fn is_far(&self, addr: SocketAddr) -> bool {
        self.is_zoned() && self.roll.zone_at(addr).is_some_and(|zone| zone != self.own_zone)
    }

    /// Members, this node included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.roll.len()
    }

    /// True if nobody is in it, not even this node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Everyone, in the order of ids, this node included.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        self.roll.iter()
    }

    /// Everyone who is not alive, in the order of ids.
    pub fn not_alive(&self) -> impl Iterator<Item = Member<'_>> {
        self.roll.not_alive()
    }

    /// The member with this id.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<Member<'_>> {
        self.roll.get(id)
    }

    /// How many peers there are.
    #[must_use]
    pub fn peer_count(&self) -> usize {
        self.roll.count(Among::All) - usize::from(self.own_rank.is_some())
    }

    /// Present members other than this node, in the order of ids.
    pub fn peers(&self) -> impl Iterator<Item = Peer> {
        let others = self.members().filter(|member| member.id != self.own);
        others.filter(|member| member.state.is_present()).map(|member| peer(&member))
    }

    /// The present member with this id, unless it is this node.
    #[must_use]
    pub fn peer(&self, id: NodeId) -> Option<Peer> {
        let member = self.get(id).filter(|member| member.state.is_present())?;
        (id != self.own).then(|| peer(&member))
    }

    /// A random peer.
    pub fn random(&self, rng: &mut Rng) -> Option<Peer> {
        self.random_among(Among::All, rng)
    }

    /// How many peers there are in this node's zone.
    #[must_use]
    pub fn near_count(&self) -> usize {
        self.circle(Among::In(self.own_zone)).peers
    }

    /// A random peer in this node's zone.
    pub fn random_near(&self, rng: &mut Rng) -> Option<Peer> {
        self.random_among(Among::In(self.own_zone), rng)
    }

    /// A random peer in another zone.
    pub fn random_far(&self, rng: &mut Rng) -> Option<Peer> {
        self.random_among(Among::Out(self.own_zone), rng)
    }

    fn random_among(&self, among: Among, rng: &mut Rng) -> Option<Peer> {
        let circle = self.circle(among);
        let place = rng.index(circle.peers);
        (place < circle.peers).then(|| self.at(circle, place))?
    }

    /// Where the peers stand whose ids lie in `[start, end)` on the circle of ids; the whole circle
    /// if both are equal.
    #[must_use]
    pub fn span(&self, start: NodeId, end: NodeId) -> Span {
        self.span_of(self.circle(Among::All), start, end)
    }

    /// The same, of the peers in a zone only.
    #[must_use]
    pub fn span_in(&self, zone: Zone, start: NodeId, end: NodeId) -> Span {
        self.span_of(self.circle(Among::In(zone)), start, end)
    }

    fn span_of(&self, circle: Circle, start: NodeId, end: NodeId) -> Span {
        // Peers with smaller ids. Most spans begin or end at this node.
        let place = |id: NodeId| {
            if let Some(own) = circle.own
                && (id == self.own || id.0.wrapping_sub(1) == self.own.0 && id.0 != 0)
            {
                return own;
            }
            let rank = self.roll.rank(circle.among, id);
            rank - usize::from(circle.own.is_some_and(|own| own < rank))
        };
        let (first, behind) = (place(start), place(end));
        let count = if start < end { behind - first } else { circle.peers - first + behind };
        Span { circle, first, count }
    }

    /// The peer at a place of a span, counted from 0.
    #[must_use]
    pub fn nth(&self, span: Span, place: usize) -> Option<Peer> {
        self.at(span.circle, span.on_circle(place)?)
    }

    /// The id of the peer at a place of a span.
    #[must_use]
    pub fn nth_id(&self, span: Span, place: usize) -> Option<NodeId> {
        let rank = span.circle.rank(span.on_circle(place)?);
        self.roll.nth_id(span.circle.among, rank)
    }

    fn circle(&self, among: Among) -> Circle {
        let takes_part = match among {
            Among::All => true,
            Among::In(zone) => zone == self.own_zone,
            Among::Out(zone) => zone != self.own_zone,
        };
        let own = self.own_rank.filter(|_| takes_part).map(|rank| match among {
            Among::All => rank,
            _ => self.roll.rank(among, self.own),
        });
        Circle { among, own, peers: self.roll.count(among) - usize::from(own.is_some()) }
    }

    fn at(&self, circle: Circle, place: usize) -> Option<Peer> {
        let (id, entry, alive) = self.roll.nth(circle.among, circle.rank(place))?;
        Some(Peer { id, gossip: gossip(entry), alive })
    }
}

fn peer(member: &Member<'_>) -> Peer {
    Peer { id: member.id, gossip: member.gossip(), alive: member.state == State::Alive }
}

/// The peers of some zones, in the order of their ids.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Circle {
    among: Among,
    /// This node's own rank among the present members of those zones, if it is one of them.
    own: Option<usize>,
    peers: usize,
}

impl Circle {
    /// The rank among the present members of the peer with so many peers before it.
    fn rank(self, place: usize) -> usize {
        place + usize::from(self.own.is_some_and(|own| own <= place))
    }
}

/// A run of peers on the circle of ids; holds for as long as the table does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    circle: Circle,
    first: usize,
    count: usize,
}

impl Span {
    /// Peers in it.
    #[must_use]
    pub fn len(self) -> usize {
        self.count
    }

    /// True if there is none in it.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// The places `from..to` of this span.
    #[must_use]
    pub fn part(self, from: usize, to: usize) -> Self {
        let to = to.min(self.count);
        let from = from.min(to);
        Self { first: self.first + from, count: to - from, ..self }
    }

    fn on_circle(self, place: usize) -> Option<usize> {
        (place < self.count).then(|| (self.first + place) % self.circle.peers.max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    fn table(ids: &[u64]) -> Table {
        let mut table = Table::new(NodeId(0));
        for id in ids {
            let record = record(*id, 1, State::Alive);
            table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        table
    }

    fn ids(peers: impl Iterator<Item = Peer>) -> Vec<u64> {
        peers.map(|peer| peer.id.0).collect()
    }

    fn between(table: &Table, start: u64, end: u64) -> Vec<u64> {
        let span = table.span(NodeId(start), NodeId(end));
        assert_eq!(table.nth(span, span.len()), None);
        ids((0..span.len()).filter_map(|place| table.nth(span, place)))
    }

    #[test]
    fn ranges_go_round_the_circle() {
        let table = table(&[50, 10, 30, 0, 40, 20]);
        assert_eq!(between(&table, 10, 30), [10, 20]);
        assert_eq!(between(&table, 35, 15), [40, 50, 10]);
        assert_eq!(between(&table, 30, 30), [30, 40, 50, 10, 20]);
        assert_eq!(between(&table, 41, 42), [0_u64; 0]);
        let span = table.span(NodeId(35), NodeId(15)).part(1, 9);
        assert_eq!(table.nth(span, 1).map(|peer| peer.id.0), Some(10));
        assert_eq!(table.nth_id(span, 1), Some(NodeId(10)));
    }

    #[test]
    fn only_present_members_are_peers() {
        let mut table = table(&[1, 2]);
        let dead = record(1, 1, State::Dead);
        table.update(&dead, &Arc::new(dead.to_entry()), Instant(9));
        assert_eq!(ids(table.peers()), [2]);
        assert_eq!(
            table.get(NodeId(1)).map(|m| (m.state, m.since)),
            Some((State::Dead, Instant(9)))
        );
        let back = record(1, 2, State::Alive);
        table.update(&back, &Arc::new(back.to_entry()), Instant(10));
        assert_eq!(ids(table.peers()), [1, 2]);
    }

    #[test]
    fn a_node_is_not_its_own_peer() {
        for own in [0, 10, 25, 50] {
            let table = table(&[50, 10, 30, 0, 40, 20]).of(NodeId(own));
            let all = [0, 10, 20, 30, 40, 50];
            let others: Vec<u64> = all.into_iter().filter(|id| *id != own).collect();
            assert_eq!(ids(table.peers()), others);
            assert_eq!(table.peer_count(), others.len());
            let from_30 = [30, 40, 50, 0, 10, 20];
            let span = table.span(NodeId(30), NodeId(30));
            let found = ids((0..span.len()).filter_map(|place| table.nth(span, place)));
            assert_eq!(found, from_30.into_iter().filter(|id| *id != own).collect::<Vec<_>>());
            assert_eq!(between(&table, 5, 25).len(), 2 - usize::from(own == 10));
            assert_eq!(table.peer(NodeId(own)), None);
        }
    }
}
