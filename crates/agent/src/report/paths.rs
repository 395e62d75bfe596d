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
