//! Bounds on what a node takes, keeps and sends.

use crate::base::time::text;
use crate::data::entry::MAX_KEY;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Bounds on what a node takes, keeps and sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Longest key that users may write, bytes; at most 4,096.
    pub max_key: usize,
    /// Longest value that users may write, bytes; at most 8 MiB. Values above a packet travel over
    /// streams.
    pub max_value: usize,
    /// Largest datagram sent, payload bytes, 576 to 65,000. Source: memberlist's LAN preset, which
    /// stays below an Ethernet frame with tunnels in it.
    pub datagram: usize,
    /// A backlog to one peer above this goes over the stream, bytes; at least one datagram
    /// (guess: what a default socket buffer takes many times over).
    pub burst: usize,
    /// Stamps further ahead of this node's time are refused and counted. Of what is ahead by more
    /// than half of this, no clock is moved, and a write that would have to be stamped so is
    /// refused: so a member whose clock is wrong costs that at most.
    #[serde(with = "text")]
    pub max_clock_skew: Duration,
    /// Members known at once; more are refused and counted.
    pub max_members: usize,
    /// Bytes that have come by streams and wait to be understood, at most, for all peers together;
    /// at least 32 MiB, two largest values at once. Where there are more, the frame that began first
    /// of the address that holds most ends with its stream (guess: what a small machine can spare).
    pub incoming: usize,
    /// Bytes of membership sent per second, 0 for no bound: probes, joins, and news of members.
    /// Payload of packets, without seal and headers of the network. Less than about 1,000 for each
    /// probe makes living members look dead (guess: the join of a thousand in seconds).
    pub membership_rate: u64,
    /// Bytes of updates sent per second, 0 for no bound. What is over it waits up to a quarter of
    /// a second and is dropped then, for repair to bring (guess: a link of 1 Gbit/s).
    pub updates_rate: u64,
    /// Bytes of repair sent per second, 0 for no bound; also how fast a fresh node is filled from
    /// this one (guess: half a link of 1 Gbit/s).
    pub repair_rate: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_key: MAX_KEY,
            max_value: 1024 * 1024,
            datagram: 1400,
            burst: 8 * 1400,
            max_clock_skew: Duration::from_secs(60),
            max_members: 20_000,
            incoming: 64 << 20,
            membership_rate: 4 << 20,
            updates_rate: 128 << 20,
            repair_rate: 64 << 20,
        }
    }
}
