//! How many links apart nodes are, by breadth-first searches on all cores.

use super::Graph;
use rayon::prelude::*;
use rumormill_core::base::rng::Rng;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

/// What a search costs at a node or contact of a graph that is too big for the caches, compared
/// with one that fits.
const UNCACHED: u64 = 4;
/// A graph that fits.
const CACHED: u64 = 16 << 20;

/// Pairs of nodes by their distance, as seen from some or all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Distances {
    /// Nodes.
    pub nodes: usize,
    /// Nodes from which was searched.
    pub sources: usize,
    /// For each distance from 1 (at index 0), pairs of a source and another node that are as far
    /// apart. Empty if nobody reaches anybody.
    pub pairs: Vec<u64>,
}

impl Distances {
    /// Distances in a network where everyone can call everyone.
    #[must_use]
    pub fn complete(nodes: usize) -> Self {
        let pairs = nodes as u64 * (nodes as u64).saturating_sub(1);
        let pairs = if pairs == 0 { Vec::new() } else { vec![pairs] };
        Self { nodes, sources: nodes, pairs }
    }

    /// Searches from these nodes, until told to stop; `done` is called after each search. The result
    /// does not depend on the number of cores.
    #[must_use]
    pub fn measure(
        graph: &Graph,
        sources: &[u32],
        stop: &AtomicBool,
        done: impl Fn() + Sync,
    ) -> Self {
        let none = || (0, Vec::new());
        let searched = sources.par_iter().map_init(
            || Search::new(graph.nodes()),
            |search, source| {
                if stop.load(Ordering::Relaxed) {
                    return none();
                }
                let pairs = search.run(graph, *source);
                done();
                (1, pairs)
            },
        );
        let (sources, pairs) = searched.reduce(none, |one, other| {
            let (mut long, short) =
                if one.1.len() >= other.1.len() { (one.1, other.1) } else { (other.1, one.1) };
            long.iter_mut().zip(short).for_each(|(sum, count)| *sum += count);
            (one.0 + other.0, long)
        });
        Self { nodes: graph.nodes(), sources, pairs }
    }

    /// True if all nodes were sources, so that nothing is estimated.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.sources == self.nodes
    }

    /// Pairs of a source and another node, reachable or not.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.sources as u64 * (self.nodes as u64).saturating_sub(1)
    }

    /// Share of all pairs that are at most `distance` apart; 1 if there is no pair.
    #[must_use]
    pub fn within(&self, distance: usize) -> f64 {
        if self.all() == 0 {
            return 1.0;
        }
        self.pairs.iter().take(distance).sum::<u64>() as f64 / self.all() as f64
    }

    /// Mean over the pairs that reach each other.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let reached: u64 = self.pairs.iter().sum();
        let steps = self.pairs.iter().zip(1_u64..).map(|(pairs, distance)| pairs * distance);
        (reached > 0).then(|| steps.sum::<u64>() as f64 / reached as f64)
    }

    /// The longest distance between two nodes that reach each other: the diameter, if exact.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.pairs.len()
    }
}

/// How many searches cost about `budget` visits of nodes and contacts: all nodes if that is enough.
#[must_use]
pub fn affordable(graph: &Graph, budget: u64) -> usize {
    let visits = (graph.nodes() + 2 * graph.edges()) as u64;
    let cost = if graph.bytes() > CACHED { UNCACHED } else { 1 };
    let searches = budget / visits.saturating_mul(cost).max(1);
    graph.nodes().min(usize::try_from(searches).unwrap_or(usize::MAX))
}

/// `count` different nodes at random, ascending; all if there are no more.
#[must_use]
pub fn sample(nodes: usize, count: usize, seed: u64) -> Vec<u32> {
    if count >= nodes {
        return (0..nodes as u32).collect();
    }
    // Floyd's way: one draw per node, each among one more.
    let (mut rng, mut drawn) = (Rng::new(seed), BTreeSet::new());
    for last in nodes - count..nodes {
        let node = rng.index(last + 1);
        drawn.insert(if drawn.contains(&node) { last } else { node });
    }
    drawn.into_iter().map(|node| node as u32).collect()
}

/// Memory of a search, in bytes; there is one for each thread.
#[must_use]
pub fn bytes_per_search(nodes: usize) -> u64 {
    4 * nodes as u64 + nodes as u64 / 8
}

/// A search, with what can be used again by the next.
struct Search {
    /// A bit for each node.
    seen: Vec<u64>,
    /// Nodes in the order in which they were reached.
    queue: Vec<u32>,
}

impl Search {
    fn new(nodes: usize) -> Self {
        Self { seen: vec![0; nodes.div_ceil(64)], queue: Vec::with_capacity(nodes) }
    }

    /// Nodes at each distance from 1.
    fn run(&mut self, graph: &Graph, source: u32) -> Vec<u64> {
        self.seen.fill(0);
        self.queue.clear();
        self.reach(source);
        let (mut levels, mut start) = (Vec::new(), 0);
        loop {
            let end = self.queue.len();
            for at in start..end {
                for contact in graph.neighbours(self.queue[at]) {
                    self.reach(*contact);
                }
            }
            if self.queue.len() == end {
                return levels;
            }
            levels.push((self.queue.len() - end) as u64);
            start = end;
        }
    }

    fn reach(&mut self, node: u32) {
        let (word, bit) = (&mut self.seen[node as usize / 64], 1 << (node % 64));
        if *word & bit == 0 {
            *word |= bit;
            self.queue.push(node);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::{Network, Topology};

    fn measure(topology: Topology, nodes: usize, width: usize) -> Distances {
        match topology.build(nodes, width, 1).unwrap() {
            Network::Complete(nodes) => Distances::complete(nodes),
            Network::Graph(graph) => {
                let all: Vec<u32> = (0..nodes as u32).collect();
                Distances::measure(&graph, &all, &AtomicBool::new(false), || ())
            }
        }
    }

    #[test]
    fn a_ring_has_its_known_distances() {
        let ring = measure(Topology::Ring, 10, 2);
        assert_eq!(ring.pairs, [20, 20, 20, 20, 10]);
        assert!(ring.is_exact() && ring.longest() == 5);
        assert!((ring.mean().unwrap() - 25.0 / 9.0).abs() < 1e-12);
        assert!((ring.within(4) - 80.0 / 90.0).abs() < 1e-12);
        assert_eq!(measure(Topology::Ring, 13, 4).pairs, [52, 52, 52]);
    }

    #[test]
    fn grids_and_the_complete_network_have_theirs() {
        assert_eq!(measure(Topology::Grid { torus: false }, 100, 4).longest(), 18);
        let torus = measure(Topology::Grid { torus: true }, 100, 4);
        assert_eq!((torus.longest(), torus.pairs[0], torus.pairs[1]), (10, 400, 800));
        let complete = measure(Topology::Complete, 100, 0);
        assert_eq!((complete.pairs.as_slice(), complete.mean()), (&[9900][..], Some(1.0)));
        let dense = measure(Topology::Regular, 10, 9);
        assert_eq!(dense.pairs, [90]);
        assert_eq!(Distances::complete(1).mean(), None);
    }

    /// The estimate is exact only in the limit; here it is met within half a step.
    #[test]
    fn a_random_network_is_about_ln_n_over_ln_w_wide() {
        for (nodes, width) in [(1000, 10), (4000, 10), (4000, 20)] {
            let random = measure(Topology::Regular, nodes, width);
            let expected = (nodes as f64).ln() / (width as f64).ln();
            let mean = random.mean().unwrap();
            assert!((mean - expected).abs() < 0.5, "{nodes} {width}: {mean}, {expected}");
        }
    }

    #[test]
    fn parts_that_do_not_meet_are_counted_as_unreachable() {
        let graph = Graph::from_links(5, &[(0, 1), (1, 2), (3, 4)]).unwrap();
        let stop = AtomicBool::new(false);
        let distances = Distances::measure(&graph, &[0, 1, 2, 3, 4], &stop, || ());
        assert_eq!(distances.pairs, [6, 2]);
        assert!((distances.within(6) - 8.0 / 20.0).abs() < 1e-12);
        assert!((distances.mean().unwrap() - 10.0 / 8.0).abs() < 1e-12);
    }

    #[test]
    fn a_stopped_measurement_holds_what_is_done() {
        let graph = Graph::from_links(3, &[(0, 1)]).unwrap();
        let distances = Distances::measure(&graph, &[0, 1, 2], &AtomicBool::new(true), || ());
        assert_eq!((distances.sources, distances.mean()), (0, None));
    }

    #[test]
    fn a_sample_is_of_different_nodes() {
        let drawn = sample(100, 60, 3);
        assert_eq!(drawn.len(), 60);
        assert!(drawn.windows(2).all(|pair| pair[0] < pair[1]) && drawn[59] < 100);
        assert_eq!(drawn, sample(100, 60, 3));
        assert_eq!(sample(3, 10, 1), [0, 1, 2]);
    }

    #[test]
    fn small_networks_are_searched_from_everywhere() {
        let graph = Graph::from_links(100, &[(0, 1)]).unwrap();
        assert_eq!(affordable(&graph, 1_000_000), 100);
        assert_eq!(affordable(&graph, 1020), 10);
    }
}
