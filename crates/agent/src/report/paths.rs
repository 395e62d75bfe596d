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

/// Of two members one hears the other, and cannot reach it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// The name of the other member.
    pub member: String,
    /// The gossip address at which nobody answers: the member's, or this node's.
    pub address: SocketAddr,
}

impl Unreached {
    /// In words, for people: this node cannot reach the member.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { member, address } = self;
        format!(
            "{member} is heard and cannot be reached: it says that it is at {address}, and nothing \
             answers there by UDP or TCP. Give it an address that others reach (`--advertise`), or let \
             UDP and TCP through to that one"
        )
    }

    /// In words, for people: the member cannot reach this node.
    #[must_use]
    pub fn words_of_this(&self) -> String {
        let Self { member, address } = self;
        format!(
            "{member} hears this node and cannot reach it at {address}, by UDP or TCP: give this node \
             an address that others reach (`--advertise`), or let UDP and TCP through to that one"
        )
    }
}

/// Somebody asks to be let in, and nobody answers where it says that it receives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinerInVain {
    /// Its name, as it says.
    pub name: String,
    /// The gossip address that it says.
    pub address: SocketAddr,
    /// Where it talks from.
    pub from: SocketAddr,
}

impl JoinerInVain {
    /// In words, for people.
    #[must_use]
    pub fn words(&self) -> String {
        let Self { name, address, from } = self;
        format!(
            "{name} asks from {from} to be let in and cannot be reached: it says that it is at \
             {address}, and nothing proves that it receives there. Give it an address that others reach \
             (`--advertise`), or let UDP and TCP through to that one"
        )
    }
}
