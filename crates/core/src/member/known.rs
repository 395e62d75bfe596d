//! What a node knows of one member.

use super::record::{self, Record, State};
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::Entry;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

/// What a node knows of a member.
#[derive(Clone, Copy, Debug)]
pub struct Member<'a> {
    /// Who.
    pub id: NodeId,
    /// What is believed of it.
    pub state: State,
    /// Of a suspect: how many have confirmed its silence.
    pub confirmations: u8,
    /// Its incarnation.
    pub incarnation: u64,
    /// When the state last changed here.
    pub since: Instant,
    /// Its entry in the roster.
    pub entry: &'a Arc<Entry>,
}

impl<'a> Member<'a> {
    pub(super) fn new(id: NodeId, entry: &'a Arc<Entry>, since: Instant) -> Self {
        let (state, confirmations) = record::belief(entry.stamp());
        let incarnation = record::incarnation(entry.stamp());
        Self { id, state, confirmations, incarnation, since, entry }
    }

    /// Where it receives gossip.
    #[must_use]
    pub fn gossip(&self) -> SocketAddr {
        gossip(self.entry)
    }

    /// True if nothing of it outlives it: see [`Record::is_ephemeral`].
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        Record::from_entry(self.entry).is_ok_and(|record| record.is_ephemeral())
    }

    /// True if it says that it may be an old copy of its disk: see [`Record::is_in_doubt`].
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        Record::from_entry(self.entry).is_ok_and(|record| record.is_in_doubt())
    }
}

/// Only entries that hold a record are in a table.
pub(super) fn gossip(entry: &Entry) -> SocketAddr {
    record::gossip(entry).unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))
}
