//! What is to be done about two replicas that differ: compare them, or fill the one that lacks most
//! in bulk.

use super::{Bulk, Entropy};
use crate::base::id::NodeId;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use crate::data::Space;
use crate::member::table::{Peer, Table};
use crate::reconcile::Flow;
use std::net::SocketAddr;

/// Who opened a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Opener {
    /// Who.
    pub id: NodeId,
    /// Where it is.
    pub addr: SocketAddr,
    /// Which way entries may move, as it sees it.
    pub flow: Flow,
    /// True if it answered an opening of this node's.
    pub answer: bool,
}

/// What to do where a map differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Compare: neither end lacks most.
    Compare,
    /// Nothing: this map is being filled.
    Wait,
    /// This end lacks most. It is filled from this hash on, unless it cannot be by that member now.
    Fill(Option<u64>),
    /// The other end lacks most, and is to fetch.
    Offer,
}

/// What to do with the member that it is time to compare with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Compare with it.
    Compare,
    /// Nothing: the data is being filled from another, and what is on its way is not to be found
    /// missing as well. The others go on comparing with this node.
    Nothing,
    /// Go on with a transfer that stalled, from this hash.
    Resume(u64),
}

impl Entropy {
    /// Chooses what to do with a peer.
    pub fn begin(&mut self, peer: &Peer, now: Instant) -> Begin {
        match self.resume_bulk(peer, now) {
            Some(from) => Begin::Resume(from),
            None if self.in_bulk(Space::Data) => Begin::Nothing,
            None => Begin::Compare,
        }
    }

    /// Chooses what to do where this end holds `mine` entries of a map and the other one `theirs`,
    /// and they are not the same.
    pub fn plan(
        &mut self,
        peer: &Opener,
        space: Space,
        (mine, theirs): (u64, u64),
        table: &Table,
        now: Instant,
        rng: &mut Rng,
    ) -> Plan {
        self.stir(now, rng);
        if self.in_bulk(space) {
            return Plan::Wait;
        }
        let flow = peer.flow.flip();
        if Self::wants_bulk(mine, theirs) {
            if !flow.yours || space == Space::Data && self.waits_for_near(peer.id, table, now) {
                return Plan::Fill(None);
            }
            return Plan::Fill(self.begin_bulk(peer.id, peer.addr, space, theirs, now));
        }
        match Self::wants_bulk(theirs, mine) && flow.mine {
            true => Plan::Offer,
            false => Plan::Compare,
        }
    }

    /// True if a bulk transfer from a member had better come from one of this node's own zone. A
    /// node that has just joined knows neither its sender's zone nor who else is in its own.
    fn waits_for_near(&mut self, sender: NodeId, table: &Table, now: Instant) -> bool {
        let has_zone = table.own_zone() != crate::member::Zone::NONE || table.is_zoned();
        let near =
            table.peer(sender).is_some() && table.zone_of(sender) == table.zone_of(table.own());
        has_zone && !near && self.waits(now)
    }

    /// True if a piece belongs to the transfer under way: a late or repeated one does not.
    #[must_use]
    pub fn expects(&self, place: (NodeId, Space, u64)) -> bool {
        let expected = |bulk: Bulk| (bulk.peer, bulk.space, bulk.from) == place;
        self.bulk.is_some_and(expected)
    }
}
