//! The members in the order of their ids.
//!
//! A view of the roster, kept beside it so that peers can be picked without decoding records. Ids
//! are random, so their order is a random order; the tree rumor cuts ranges of it.

use super::record::{Record, State};
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::data::Entry;
use std::net::SocketAddr;
use std::sync::Arc;

/// What this node knows of a member.
#[derive(Clone, Debug)]
pub struct Member {
    /// Who.
    pub id: NodeId,
    /// What is believed of it.
    pub state: State,
    /// Of a suspect: how many have confirmed its silence.
    pub confirmations: u8,
    /// Its incarnation.
    pub incarnation: u64,
    /// Where it receives gossip.
    pub gossip: SocketAddr,
    /// When the state last changed here.
    pub since: Instant,
    /// Its entry in the roster.
    pub entry: Arc<Entry>,
}

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
#[derive(Debug)]
pub struct Table {
    own: NodeId,
    members: Vec<Member>,
    peers: Vec<Peer>,
}

impl Table {
    /// A table of node `own` that is empty.
    #[must_use]
    pub fn new(own: NodeId) -> Self {
        Self { own, members: Vec::new(), peers: Vec::new() }
    }

    /// The node whose table it is.
    #[must_use]
    pub fn own(&self) -> NodeId {
        self.own
    }

    /// Takes in what a roster entry says; the roster has judged already that it is news.
    pub fn update(&mut self, record: &Record, entry: &Arc<Entry>, now: Instant) {
        let found = self.members.binary_search_by_key(&record.id, |member| member.id);
        let member = Member {
            id: record.id,
            state: record.state,
            confirmations: record.confirmations,
            incarnation: record.incarnation,
            gossip: record.gossip,
            since: now,
            entry: Arc::clone(entry),
        };
        match found {
            Ok(at) => {
                if let Some(held) = self.members.get_mut(at) {
                    let since = if held.state == record.state { held.since } else { now };
                    *held = Member { since, ..member };
                }
            }
            Err(at) => self.members.insert(at, member),
        }
        if record.id == self.own {
            return;
        }
        let found = self.peers.binary_search_by_key(&record.id, |peer| peer.id);
        let alive = record.state == State::Alive;
        let peer = Peer { id: record.id, gossip: record.gossip, alive };
        match (found, record.state.is_present()) {
            (Ok(at), true) => {
                if let Some(held) = self.peers.get_mut(at) {
                    *held = peer;
                }
            }
            (Ok(at), false) => {
                self.peers.remove(at);
            }
            (Err(at), true) => self.peers.insert(at, peer),
            (Err(_), false) => {}
        }
    }

    /// Everyone, in the order of ids, this node included.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The member with this id.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        let at = self.members.binary_search_by_key(&id, |member| member.id).ok()?;
        self.members.get(at)
    }

    /// Present members other than this node, in the order of ids.
    #[must_use]
    pub fn peers(&self) -> &[Peer] {
        &self.peers
    }

    /// The present member with this id, unless it is this node.
    #[must_use]
    pub fn peer(&self, id: NodeId) -> Option<&Peer> {
        let at = self.peers.binary_search_by_key(&id, |peer| peer.id).ok()?;
        self.peers.get(at)
    }

    /// A random peer.
    pub fn random(&self, rng: &mut Rng) -> Option<Peer> {
        self.peers.get(rng.index(self.peers.len())).copied()
    }

    /// Where the peers stand whose ids lie in `[start, end)` on the circle of ids; the whole circle
    /// if both are equal.
    #[must_use]
    pub fn span(&self, start: NodeId, end: NodeId) -> Span {
        let first = self.peers.partition_point(|peer| peer.id < start);
        let behind = self.peers.partition_point(|peer| peer.id < end);
        let count = if start < end { behind - first } else { self.peers.len() - first + behind };
        Span { first, count }
    }

    /// The peer at a place of a span, counted from 0.
    #[must_use]
    pub fn nth(&self, span: Span, place: usize) -> Option<&Peer> {
        if place >= span.count {
            return None;
        }
        self.peers.get((span.first + place) % self.peers.len())
    }
}

/// A run of peers on the circle of ids; holds for as long as the table does not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
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
        Self { first: self.first + from, count: to - from }
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

    fn ids<'a>(peers: impl Iterator<Item = &'a Peer>) -> Vec<u64> {
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
    }

    #[test]
    fn only_present_members_are_peers() {
        let mut table = table(&[1, 2]);
        let dead = record(1, 1, State::Dead);
        table.update(&dead, &Arc::new(dead.to_entry()), Instant(9));
        assert_eq!(ids(table.peers().iter()), [2]);
        assert_eq!(
            table.get(NodeId(1)).map(|m| (m.state, m.since)),
            Some((State::Dead, Instant(9)))
        );
        let back = record(1, 2, State::Alive);
        table.update(&back, &Arc::new(back.to_entry()), Instant(10));
        assert_eq!(ids(table.peers().iter()), [1, 2]);
    }
}
