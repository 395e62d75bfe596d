//! What a network is like besides its distances: contacts per node, parts, clustering.

use super::Graph;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// How many nodes have how many contacts, by the number of contacts.
#[must_use]
pub fn contacts(graph: &Graph) -> BTreeMap<usize, usize> {
    let mut found = BTreeMap::new();
    for node in 0..graph.nodes() as u32 {
        *found.entry(graph.neighbours(node).len()).or_default() += 1;
    }
    found
}

/// Nodes in each part whose nodes reach each other, biggest first.
#[must_use]
pub fn components(graph: &Graph) -> Vec<usize> {
    let mut seen = vec![false; graph.nodes()];
    let (mut sizes, mut open) = (Vec::new(), Vec::new());
    for node in 0..graph.nodes() as u32 {
        if std::mem::replace(&mut seen[node as usize], true) {
            continue;
        }
        let mut size = 0;
        open.push(node);
        while let Some(node) = open.pop() {
            size += 1;
            for contact in graph.neighbours(node) {
                if !std::mem::replace(&mut seen[*contact as usize], true) {
                    open.push(*contact);
                }
            }
        }
        sizes.push(size);
    }
    sizes.sort_unstable_by(|one, other| other.cmp(one));
    sizes
}

/// The clustering coefficient over these nodes: of the pairs of contacts of a node, the share that
/// know each other, mean over the nodes. A node with fewer than two contacts counts as 0.
#[must_use]
pub fn clustering(graph: &Graph, nodes: &[u32]) -> f64 {
    let shares: Vec<f64> = nodes.par_iter().map(|node| clustering_of(graph, *node)).collect();
    shares.iter().sum::<f64>() / shares.len().max(1) as f64
}

fn clustering_of(graph: &Graph, node: u32) -> f64 {
    let contacts = graph.neighbours(node);
    let pairs = contacts.len() * contacts.len().saturating_sub(1);
    let common = |contact: &u32| common(contacts, graph.neighbours(*contact));
    let ends: usize = contacts.iter().map(common).sum();
    ends as f64 / pairs.max(1) as f64
}

/// How many two ascending rows have in common.
fn common(one: &[u32], other: &[u32]) -> usize {
    let (short, mut long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    // A hub's row is far longer than the others: what is sought in it is found by halving.
    if short.len() * 16 < long.len() {
        return short.iter().filter(|node| long.binary_search(node).is_ok()).count();
    }
    let mut count = 0;
    for node in short {
        while let Some((first, rest)) = long.split_first()
            && first < node
        {
            long = rest;
        }
        count += usize::from(long.first() == Some(node));
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::{Network, Topology};

    fn graph(topology: Topology, nodes: usize, width: usize) -> Graph {
        match topology.build(nodes, width, 1).unwrap() {
            Network::Graph(graph) => graph,
            Network::Complete(_) => panic!("{topology:?} has no list"),
        }
    }

    #[test]
    fn clustering_has_its_known_values() {
        let all: Vec<u32> = (0..60).collect();
        // Of a ring: 3 (W - 2) / (4 (W - 1)), as Watts and Strogatz give it.
        for width in [2, 4, 6, 10] {
            let expected = 3.0 * (width as f64 - 2.0) / (4.0 * (width as f64 - 1.0));
            let measured = clustering(&graph(Topology::Ring, 60, width), &all);
            assert!((measured - expected).abs() < 1e-12, "{width}: {measured}, {expected}");
        }
        assert!((clustering(&graph(Topology::Regular, 60, 59), &all) - 1.0).abs() < 1e-12);
        assert!(clustering(&graph(Topology::Grid { torus: false }, 60, 4), &all).abs() < 1e-12);
        // A star of 50 with one link between its points: a hub, and rows of very unequal length.
        let mut links: Vec<_> = (1..50).map(|point| (0, point)).collect();
        links.push((1, 2));
        let star = Graph::from_links(50, &links).unwrap();
        let expected = (2.0 / (49.0 * 48.0) + 1.0 + 1.0) / 50.0;
        assert!((clustering(&star, &all[..50]) - expected).abs() < 1e-12);
    }

    #[test]
    fn parts_and_contacts_are_counted() {
        let graph = Graph::from_links(7, &[(0, 1), (2, 3), (3, 4)]).unwrap();
        assert_eq!(components(&graph), [3, 2, 1, 1]);
        assert_eq!(contacts(&graph), BTreeMap::from([(0, 2), (1, 4), (2, 1)]));
    }
}
