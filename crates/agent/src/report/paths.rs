//! What a node knows of the ways to others.

use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A path that carries smaller datagrams than the settings allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NarrowPath {
    /// The name of the member there.
    pub member: String,
    /// Its gossip address.
    pub address: SocketAddr,
    /// Bytes of the largest packet that is known to arrive as a datagram, without the seal.
    pub datagram: usize,
}

impl NarrowPath {
    /// In words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        format!(
            "the path to {} ({}) carries no datagrams above about {} bytes: what is larger goes over \
             streams",
            self.member, self.address, self.datagram
        )
    }
}

/// A way to a member that is closed while another is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosedWay {
    /// The name of the member.
    pub member: String,
    /// Its gossip address.
    pub address: SocketAddr,
    /// `udp` or `tcp`.
    pub way: String,
    /// Seen from this node: `to` the member, `from` it, or `both` where that cannot be told apart.
    pub direction: String,
}

impl ClosedWay {
    /// In words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { member, address, .. } = self;
        match (self.way.as_str(), self.direction.as_str()) {
            ("udp", "from") => format!(
                "datagrams (UDP) from {member} ({address}) to this node do not arrive, so it uses \
                 streams: let UDP through to this node's gossip port"
            ),
            ("udp", _) => format!(
                "datagrams (UDP) from this node to {member} ({address}) do not arrive, so streams are \
                 used: let UDP through to that port"
            ),
            _ => format!(
                "streams (TCP) from this node to {member} ({address}) do not open or stand still, so \
                 what is large goes in pieces as datagrams: let TCP through to that port"
            ),
        }
    }
}
