//! The network: how long a packet takes, whether it arrives, and who can reach whom.

use crate::latency::Latency;
use crate::link::Links;
use crate::zones::Placement;
use rumormill_core::Instant;
use rumormill_core::base::rng::Rng;
use rumormill_core::base::time::micros;
use rumormill_core::output::Via;
use std::time::Duration;

/// What the network does to every packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) latency: Latency,
    pub(crate) loss: f64,
    pub(crate) duplicate: f64,
    pub(crate) reorder: f64,
    pub(crate) reorder_delay: Duration,
}

/// The network between the nodes.
#[derive(Debug)]
pub(crate) struct Network {
    rng: Rng,
    pub(crate) conditions: Conditions,
    cuts: Vec<Cut>,
    /// Extra time of everything from and to a node, in microseconds.
    slow: Vec<u64>,
    /// The largest datagram that gets from and to a node, bytes.
    widths: Vec<usize>,
    /// Where the nodes stand, if hops differ by that.
    zones: Option<Placement>,
    /// What nodes can send, and what they can receive.
    pub(crate) uplinks: Links,
    pub(crate) downlinks: Links,
}

/// Nothing gets from one set of nodes to another.
#[derive(Debug)]
struct Cut {
    from: Vec<bool>,
    to: Vec<bool>,
    /// Only this is cut off.
    via: Option<Via>,
}

impl Cut {
    fn ends(&self, from: usize, to: usize, via: Via) -> bool {
        self.from[from] && self.to[to] && self.via.is_none_or(|cut| cut == via)
    }
}

impl Network {
    pub(crate) fn new(nodes: usize, conditions: Conditions, rng: Rng) -> Self {
        Self {
            rng,
            conditions,
            cuts: Vec::new(),
            slow: vec![0; nodes],
            widths: vec![usize::MAX; nodes],
            zones: None,
            uplinks: Links::new(nodes, None),
            downlinks: Links::new(nodes, None),
        }
    }

    /// Gives the nodes places, and links with this many bytes a second each way.
    #[must_use]
    pub(crate) fn with(mut self, zones: Option<Placement>, bandwidth: Option<u64>) -> Self {
        self.zones = zones;
        self.uplinks = Links::new(self.slow.len(), bandwidth);
        self.downlinks = Links::new(self.slow.len(), bandwidth);
        self
    }

    /// The times after which copies of a datagram arrive: none if it is lost, two if doubled.
    pub(crate) fn datagram(
        &mut self,
        from: usize,
        to: usize,
        len: usize,
        now: Instant,
    ) -> [Option<u64>; 2] {
        let Some(queued) = self.uplinks.datagram(from, len, now) else { return [None, None] };
        if !self.passes(from, to) || self.rng.chance(self.conditions.loss) {
            return [None, None];
        }
        if len > self.widths[from].min(self.widths[to]) {
            return [None, None];
        }
        let first = queued + self.wild_hop(from, to);
        let second = self.rng.chance(self.conditions.duplicate);
        [Some(first), second.then(|| queued + self.wild_hop(from, to))]
    }

    /// The time that a hop takes where nothing is lost or reordered.
    pub(crate) fn hop(&mut self, from: usize, to: usize) -> u64 {
        let latency = match &self.zones {
            Some(zones) => zones.between(from, to),
            None => self.conditions.latency,
        };
        latency.draw(&mut self.rng) + self.slow[from] + self.slow[to]
    }

    fn wild_hop(&mut self, from: usize, to: usize) -> u64 {
        let held_back = match self.rng.chance(self.conditions.reorder) {
            true => self.rng.below(micros(self.conditions.reorder_delay) + 1),
            false => 0,
        };
        self.hop(from, to) + held_back
    }

    /// True if datagrams get from one node to another.
    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        !self.cuts.iter().any(|cut| cut.ends(from, to, Via::Datagram))
    }

    /// True if two nodes can talk with each other directly, one way or the other.
    pub(crate) fn reaches(&self, one: usize, other: usize) -> bool {
        self.connects(one, other) || self.passes(one, other) && self.passes(other, one)
    }

    /// True if something is cut off.
    pub(crate) fn is_cut(&self) -> bool {
        !self.cuts.is_empty()
    }

    /// True if a stream can be had between two nodes: it needs both directions.
    pub(crate) fn connects(&self, one: usize, other: usize) -> bool {
        let ends =
            |cut: &Cut| cut.ends(one, other, Via::Stream) || cut.ends(other, one, Via::Stream);
        !self.cuts.iter().any(ends)
    }

    /// From now on nothing gets from nodes in `from` to nodes in `to`, or nothing by this way.
    pub(crate) fn cut(&mut self, from: &[usize], to: &[usize], via: Option<Via>) {
        let set = |members: &[usize]| {
            let mut set = vec![false; self.slow.len()];
            members.iter().for_each(|&node| set[node] = true);
            set
        };
        self.cuts.push(Cut { from: set(from), to: set(to), via });
    }

    /// Ends all cuts.
    pub(crate) fn heal(&mut self) {
        self.cuts.clear();
    }

    /// Everything from and to a node takes this much longer.
    pub(crate) fn slow(&mut self, node: usize, extra: Duration) {
        self.slow[node] = micros(extra);
    }

    /// Larger datagrams than this from and to a node are lost.
    pub(crate) fn narrow(&mut self, node: usize, bytes: usize) {
        self.widths[node] = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(loss: f64, duplicate: f64) -> Network {
        let latency = Latency::Fixed(Duration::from_micros(100));
        let reorder_delay = Duration::from_millis(1);
        let conditions = Conditions { latency, loss, duplicate, reorder: 0.0, reorder_delay };
        Network::new(4, conditions, Rng::new(1))
    }

    #[test]
    fn datagrams_are_lost_and_doubled_as_often_as_was_asked() {
        let mut network = network(0.2, 0.1);
        let arrivals: Vec<_> =
            (0..10_000).map(|_| network.datagram(0, 1, 100, Instant(0))).collect();
        let lost = arrivals.iter().filter(|[first, _]| first.is_none()).count();
        let doubled = arrivals.iter().filter(|[_, second]| second.is_some()).count();
        assert!((1850..2150).contains(&lost), "{lost}");
        assert!((700..900).contains(&doubled), "{doubled}");
    }

    #[test]
    fn a_cut_goes_one_way_and_healing_ends_it() {
        let mut network = network(0.0, 0.0);
        network.cut(&[0, 1], &[2], None);
        assert!(!network.passes(0, 2) && !network.passes(1, 2));
        assert!(network.passes(2, 0) && network.passes(0, 1) && network.passes(0, 3));
        assert!(!network.connects(2, 0), "a stream needs both directions");
        assert_eq!(network.datagram(0, 2, 100, Instant(0)), [None, None]);
        network.heal();
        assert!(network.passes(0, 2));
    }

    #[test]
    fn datagrams_and_streams_are_cut_apart_and_large_datagrams_vanish() {
        let mut network = network(0.0, 0.0);
        network.cut(&[0], &[1], Some(Via::Datagram));
        network.cut(&[2], &[1], Some(Via::Stream));
        assert!(!network.passes(0, 1) && network.passes(1, 0) && network.connects(0, 1));
        assert!(network.passes(2, 1) && !network.connects(1, 2));
        assert!(network.reaches(0, 1) && network.reaches(1, 2));
        network.cut(&[1], &[2], Some(Via::Datagram));
        assert!(!network.reaches(1, 2));
        network.heal();
        network.narrow(3, 1200);
        let arrives = |network: &mut Network, len| {
            [network.datagram(3, 0, len, Instant(0)), network.datagram(0, 3, len, Instant(0))]
        };
        assert!(arrives(&mut network, 1200).iter().all(|[first, _]| first.is_some()));
        assert_eq!(arrives(&mut network, 1201), [[None; 2]; 2]);
    }

    #[test]
    fn a_slow_node_is_slow_both_ways() {
        let mut network = network(0.0, 0.0);
        network.slow(1, Duration::from_micros(50));
        assert_eq!([network.hop(0, 1), network.hop(1, 0), network.hop(0, 2)], [150, 150, 100]);
    }
}
