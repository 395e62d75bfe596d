//! What a node says of itself.

use super::alarms::Alarms;
use super::departure::Handover;
use super::members::MemberCounts;
use super::ring::PassRefused;
use super::seeds::{Alone, SeedStatus};
use crate::seal::EncryptionStatus;
use rumormill_core::Stats;
use rumormill_core::member::Tags;
use rumormill_core::spread::entropy::Filling;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

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
    /// Bytes that have come by streams and wait to be understood now.
    #[serde(default)]
    pub incoming_bytes: u64,
    /// Frames that ended with their streams to make room for others.
    #[serde(default)]
    pub incoming_ended: u64,
}

/// A replica that is being filled from another member's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Joining {
    /// The id of the member that it is filled from.
    pub from: String,
    /// How much of the map has come, 0 to 100.
    pub percent: f64,
    /// Entries that the other member held when it began.
    pub entries: u64,
    /// Pieces that have come.
    pub pieces: u64,
}

impl From<Filling> for Joining {
    fn from(filling: Filling) -> Self {
        // In steps of a thousandth, so that nobody reads more into it.
        let percent = (filling.done * 1000.0).floor() / 10.0;
        let Filling { peer, entries, pieces, .. } = filling;
        Self { from: peer.to_string(), percent, entries, pieces }
    }
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
    /// Owned entries that are hidden because their owner is no live member.
    pub hidden: u64,
    /// Tombstones kept.
    pub tombstones: u64,
    /// Bytes of keys and values that are kept aside; how many entries is in `strays`.
    pub strays_bytes: u64,
    /// The names of the members that passes of ring repair wait for, so that tombstones stay.
    pub tombstones_held_by: Vec<String>,
    /// What was written up to then is held by every member of the latest complete pass, wall
    /// milliseconds since 1970; `None` before the first.
    pub horizon_ms: Option<u64>,
    /// True if this node holds all of that too; if not, it is being brought back to it.
    pub covered: bool,
    /// Why the last pass that this node began could not be complete.
    pub pass_refused: Option<PassRefused>,
    /// Checksum over every entry, 32 hexadecimal digits: equal on nodes that hold the same.
    pub digest: String,
    /// What its operator says of it.
    pub tags: Tags,
    /// Members by state.
    pub members: MemberCounts,
    /// How much the node doubts itself: 0 if it is well. Its probes wait so many times longer.
    pub doubt: u32,
    /// By how many milliseconds the node's clock is ahead of the cluster's time; behind, if negative.
    /// `None` while fewer than two others were heard to say.
    pub clock_ahead_ms: Option<i64>,
    /// How far the replica has been filled from another member, while that goes on.
    pub joining: Option<Joining>,
    /// How far it is with leaving or stopping, once that was asked for.
    pub leaving: Option<Handover>,
    /// What an operator should look at.
    #[serde(flatten)]
    pub alarms: Alarms,
    /// The names to join by, and where they were found. Addresses need not be looked up and are not
    /// here.
    pub seeds: Vec<SeedStatus>,
    /// That none of the members to join by has answered since the start, and why that may be.
    pub alone: Option<Alone>,
    /// What an operator should look at, in words.
    pub warnings: Vec<String>,
    /// What went through the gossip port.
    pub traffic: Traffic,
    /// `ok`, `slow` (the disk keeps it waiting), or what is wrong with the durable store; `memory`
    /// without a data folder.
    pub store: String,
    /// How gossip is encrypted, and what was dropped unread.
    pub encryption: EncryptionStatus,
    /// Every counter of the protocol.
    pub counters: Stats,
}

/// How the store is said to be while the disk keeps it waiting.
pub(crate) const SLOW: &str = "slow";

impl Status {
    /// Why the store takes no writes, if so.
    pub(crate) fn store_problem(&self) -> Option<String> {
        match self.store.as_str() {
            "" | "ok" | "memory" | SLOW => None,
            wrong => Some(format!("the store does not take writes: {wrong}")),
        }
    }
}
