//! Where something came from.

use crate::base::id::NodeId;
use crate::output::Via;
use std::net::SocketAddr;

/// Where something came from: made once for each packet, and passed to whoever is told what is in
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Who says that it has sent it.
    pub peer: NodeId,
    /// Where an answer goes.
    pub address: SocketAddr,
    /// How it came.
    pub via: Via,
    /// True if it came sealed with a key of the cluster.
    pub sealed: bool,
    /// The cookie of this node's that it repeats.
    pub vouched: Option<u64>,
    /// The cookie that it gives this node.
    pub given: Option<u64>,
    /// The pass of ring repair that it is part of, if a hop of one brings it.
    pub pass: Option<u64>,
}

impl Origin {
    /// Where a packet came from.
    #[must_use]
    pub fn new(peer: NodeId, address: SocketAddr, via: Via, sealed: bool) -> Self {
        Self { peer, address, via, sealed, vouched: None, given: None, pass: None }
    }
}
