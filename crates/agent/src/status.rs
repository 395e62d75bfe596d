//! What a node says of itself.

use crate::seal::EncryptionStatus;
use rumormill_core::Stats;
use rumormill_core::member::State;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A member, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `alive`, `suspect`, `dead` or `left`.
    pub state: String,
    /// Raised by the member to refute or after a restart.
    pub incarnation: u64,
    /// Where it receives gossip.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: Option<SocketAddr>,
    /// True for the node that answers.
    pub is_self: bool,
}

/// Members by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCounts {
    /// Alive, this node included.
    pub alive: u64,
    /// Suspect.
    pub suspect: u64,
    /// Dead.
    pub dead: u64,
    /// Left.
    #[serde(default)]
    pub left: u64,
}

impl MemberCounts {
    pub(crate) fn count(&mut self, state: State) {
        match state {
            State::Alive => self.alive += 1,
            State::Suspect => self.suspect += 1,
            State::Dead => self.dead += 1,
            State::Left => self.left += 1,
        }
    }
}

/// Payload bytes and messages (datagrams and stream frames) of the gossip port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Datagrams and frames sent.
    pub sent_messages: u64,
    /// Bytes received.
    pub received_bytes: u64,
    /// Datagrams and frames received.
    pub received_messages: u64,
    /// Datagrams and frames that were not sent because a queue was full or the system refused.
    #[serde(default)]
    pub shed_messages: u64,
}

/// The state of a node, as `/v1/status` serves it.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// The version of the program.
    pub version: String,
    /// The cluster's name.
    pub cluster: String,
    /// Where it receives gossip.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: Option<SocketAddr>,
    /// Milliseconds since the start.
    pub uptime_ms: u64,
    /// Live entries.
    pub entries: u64,
    /// Tombstones kept.
    pub tombstones: u64,
    /// Checksum over every entry, 32 hexadecimal digits: equal on nodes that hold the same.
    pub digest: String,
    /// Members by state.
    pub members: MemberCounts,
    /// What went through the gossip port.
    pub traffic: Traffic,
    /// `ok`, or what is wrong with the durable store; `memory` without a data folder.
    pub store: String,
    /// How gossip is encrypted, and what was dropped unread.
    pub encryption: EncryptionStatus,
    /// Every counter of the protocol.
    pub counters: Stats,
}
