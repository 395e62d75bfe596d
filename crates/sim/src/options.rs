//! What can be set on a world.

use crate::checks::Checks;
use crate::latency::Latency;
use crate::network::Conditions;
use crate::zones::Placement;
use rumormill_core::Config;
use rumormill_core::base::time::text;
use rumormill_core::member::{Tags, tags};
use rumormill_core::wire::Versions;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How the nodes of a new world come to know each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Start {
    /// All boot at once and join by the protocol through the first this many nodes.
    Join {
        /// Nodes, counted from node 0, whose addresses everyone is given.
        seeds: usize,
    },
    /// Everyone has everyone's record from the start, so large clusters begin settled.
    Prefilled,
    /// Nobody knows anybody, and nobody is told to join.
    Strangers,
}

/// The settings of a world.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Everything random follows from it.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Of those the last so many are not there from the start: they come when they are booted.
    pub late: usize,
    /// The settings of every node.
    pub config: Config,
    /// Other settings, for nodes that [`crate::Fault::Settings`] gives them, as while a fleet is moved
    /// from some settings to others. Cluster and ring are the same in both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub other: Option<Config>,
    /// The versions of packets that nodes pretend to speak, from node 0 on; the rest what they do.
    #[serde(skip)]
    pub speaks: Vec<Versions>,
    /// True if all have a key from the start, seal what they send and drop what is not sealed: nothing
    /// takes a proof then.
    pub sealed: bool,
    /// How the nodes come to know each other.
    pub start: Start,
    /// Time that one hop takes.
    pub latency: Latency,
    /// Where the nodes stand: then hops take what the zones say, not [`Options::latency`].
    pub zones: Option<Placement>,
    /// Whether nodes that stand in zones say so, by their tag `zone`.
    #[serde(skip, default = "tagged")]
    pub zone_tags: bool,
    /// Bytes a second that each node can send, and as many that it can receive.
    pub bandwidth: Option<u64>,
    /// Share of datagrams that are lost.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    pub duplicate: f64,
    /// Share of datagrams that are held back for up to [`Options::reorder_delay`].
    pub reorder: f64,
    /// The longest that a reordered datagram is held back.
    #[serde(with = "text")]
    pub reorder_delay: Duration,
    /// How far wall clocks are off at most, either way.
    #[serde(with = "text")]
    pub clock_skew: Duration,
    /// How long a sender waits until it learns that a stream is lost.
    #[serde(with = "text")]
    pub stream_timeout: Duration,
    /// Bytes that one stream has on their way at most; one that is given more breaks.
    pub stream_buffer: usize,
    /// Bytes of datagrams that wait for a paused node at most; more are dropped, as a socket does.
    pub socket_buffer: usize,
    /// Bytes of keys and values that wait for a node's disk at which it takes no more data in.
    pub disk_backlog: usize,
    /// Packets on their way at once, in the whole world, at most. More is a storm and ends the run.
    pub max_in_flight: usize,
    /// Packets that one node sends in one second of virtual time at most. More is a storm.
    pub max_sent: u32,
    /// How much of its own every node checks after each turn.
    pub check: Checks,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 0,
            nodes: 5,
            late: 0,
            config: Config::default(),
            other: None,
            speaks: Vec::new(),
            sealed: false,
            start: Start::Prefilled,
            latency: Latency::Uniform(Duration::from_micros(500), Duration::from_micros(1500)),
            zones: None,
            zone_tags: tagged(),
            bandwidth: None,
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::from_millis(10),
            clock_skew: Duration::ZERO,
            stream_timeout: Duration::from_millis(300),
            stream_buffer: 64 << 20,
            socket_buffer: 208 << 10,
            disk_backlog: 64 << 20,
            max_in_flight: 4_000_000,
            max_sent: u32::MAX,
            check: Checks::default(),
        }
    }
}

fn tagged() -> bool {
    true
}

impl Options {
    /// What a node says of itself.
    pub(crate) fn tags(&self, node: usize) -> Tags {
        let zone = self.zones.as_ref().and_then(|zones| zones.zone(node));
        let tags = zone.filter(|_| self.zone_tags).map(|zone| (tags::ZONE, zone));
        // Names that are longer than a tag may be are none.
        Tags::new(tags).unwrap_or_default()
    }

    /// What a node speaks.
    pub(crate) fn versions(&self, node: usize) -> Versions {
        self.speaks.get(node).copied().unwrap_or(self.config.speaks)
    }

    /// Nodes that are there from the start: the first ones.
    pub(crate) fn present(&self) -> usize {
        self.nodes.saturating_sub(self.late)
    }

    pub(crate) fn conditions(&self) -> Conditions {
        Conditions {
            latency: self.latency,
            loss: self.loss,
            duplicate: self.duplicate,
            reorder: self.reorder,
            reorder_delay: self.reorder_delay,
        }
    }
}
