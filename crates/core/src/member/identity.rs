//! Who a node is, as its operator has set it.

use super::record::{MAX_INCARNATION, MAX_NAME};
use super::{Record, State, Tags};
use crate::base::id::NodeId;
use std::net::SocketAddr;

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The id of its data folder.
    pub id: NodeId,
    /// A name for people, at most [`crate::member::record::MAX_NAME`] bytes; more is cut off,
    /// and so are control characters.
    pub name: String,
    /// The address that others reach it at.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol, if it does.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP, if it does.
    pub http: Option<SocketAddr>,
    /// What its operator says of it.
    pub tags: Tags,
    /// True if nothing of it outlives the process, so that it never comes back with old data.
    pub ephemeral: bool,
}

impl Identity {
    /// A node that serves gossip only and says nothing else of itself.
    #[must_use]
    pub fn new(id: NodeId, name: impl Into<String>, gossip: SocketAddr) -> Self {
        let (name, tags, ephemeral) = (name.into(), Tags::default(), false);
        Self { id, name, gossip, redis: None, http: None, tags, ephemeral }
    }

    /// What it says of itself.
    pub(super) fn record(&self, incarnation: u64, state: State) -> Record {
        let mut name = self.name.replace(char::is_control, "");
        while name.len() > MAX_NAME {
            name.pop();
        }
        let incarnation = incarnation.min(MAX_INCARNATION);
        Record {
            redis: self.redis,
            http: self.http,
            tags: self.tags.clone(),
            ..Record::new(self.id, incarnation, state, name, self.gossip)
        }
        .passing(self.ephemeral)
    }
}
