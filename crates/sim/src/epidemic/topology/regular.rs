//! Everyone with equally many contacts, at random.

use crate::epidemic::Graph;
use rumormill_core::base::rng::Rng;
use std::collections::BinaryHeap;
use std::ops::Range;

/// Fresh drawings before a graph is constructed and stirred instead. Only networks of a handful of
/// nodes ever need more than one.
const DRAWINGS: usize = 50;
/// Attempts to switch one bad link with another.
const ATTEMPTS: usize = 1000;
/// Switches per link that stir a constructed graph.
const STIRS: usize = 20;

/// A graph in which everyone has `width` contacts, fewer than `nodes`. If the ends of links would
/// be an odd number, the last node has one contact less.
pub(super) fn draw(nodes: usize, width: usize, rng: &mut Rng) -> Graph {
    let mut degrees = vec![width as u32; nodes];
    if let Some(last) = degrees.last_mut().filter(|_| nodes * width % 2 == 1) {
        *last -= 1;
    }
    if 2 * width < nodes {
        return with_degrees(&degrees, rng);
    }
    // Dense: it is easier to draw which links are missing.
    for degree in &mut degrees {
        *degree = nodes as u32 - 1 - *degree;
    }
    complement(&with_degrees(&degrees, rng))
}

/// All links that `graph` does not have.
fn complement(graph: &Graph) -> Graph {
    let nodes = graph.nodes() as u32;
    let (mut offsets, mut neighbours) = (vec![0], Vec::new());
    for node in 0..nodes {
        let mut without = graph.neighbours(node).iter().copied().peekable();
        for other in 0..nodes {
            if without.next_if_eq(&other).is_none() && other != node {
                neighbours.push(other);
            }
        }
        offsets.push(neighbours.len() as u32);
    }
    Graph::from_rows(offsets, neighbours)
}

/// A random graph with these numbers of contacts: they differ by one at most, their sum is even,
/// and each is at most half the nodes.
fn with_degrees(degrees: &[u32], rng: &mut Rng) -> Graph {
    let rows = (0..DRAWINGS).find_map(|_| paired(degrees, rng));
    let rows = rows.unwrap_or_else(|| stirred(degrees, rng));
    Graph::from_rows(rows.offsets, rows.neighbours)
}

/// Pairs the ends of links at random (the configuration model) and switches the few pairs that are
/// double, or of one node with itself, with others. None if that did not succeed.
fn paired(degrees: &[u32], rng: &mut Rng) -> Option<Rows> {
    let mut ends = Vec::new();
    for (node, degree) in degrees.iter().enumerate() {
        ends.extend(std::iter::repeat_n(node as u32, *degree as usize));
    }
    rng.shuffle(&mut ends);
    let mut rows = Rows::new(degrees);
    rows.fill(ends.chunks_exact(2).map(|pair| (pair[0], pair[1])));
    drop(ends);
    for (a, b) in rows.bad() {
        let attempts = if rows.is_bad(a, b) { ATTEMPTS } else { 0 };
        for _ in 0..attempts {
            if rows.switch(a, b, rng) {
                break;
            }
        }
        if rows.is_bad(a, b) {
            return None;
        }
    }
    // A pair that was several times double is listed as often.
    Some(rows)
}

/// Links everyone to whoever still lacks most (Havel 1955, Hakimi 1962), and then switches links
/// at random.
fn stirred(degrees: &[u32], rng: &mut Rng) -> Rows {
    let with_number = degrees.iter().enumerate().map(|(node, degree)| (*degree, node as u32));
    let mut heap: BinaryHeap<(u32, u32)> = with_number.collect();
    let mut links = Vec::new();
    while let Some((lacks, node)) = heap.pop() {
        let partners: Vec<_> = (0..lacks).filter_map(|_| heap.pop()).collect();
        for (lacks, partner) in partners {
            links.push((node, partner));
            heap.push((lacks - 1, partner));
        }
    }
    let mut rows = Rows::new(degrees);
    rows.fill(links.iter().copied());
    for _ in 0..STIRS {
        for (a, b) in &links {
            if rows.row(*a).contains(b) {
                rows.switch(*a, *b, rng);
            }
        }
    }
    rows
}

/// Rows of fixed length in which single contacts are exchanged.
struct Rows {
    offsets: Vec<u32>,
    neighbours: Vec<u32>,
}

impl Rows {
    fn new(degrees: &[u32]) -> Self {
        let mut offsets = Vec::with_capacity(degrees.len() + 1);
        offsets.push(0);
        let mut sum = 0;
        offsets.extend(degrees.iter().map(|degree| {
            sum += degree;
            sum
        }));
        Self { offsets, neighbours: vec![0; sum as usize] }
    }

    /// Takes the links, of which there are as many as there is room for, and sorts the rows.
    fn fill(&mut self, links: impl Iterator<Item = (u32, u32)>) {
        let mut next = self.offsets.clone();
        let mut put = |at: u32, contact: u32| {
            let place = &mut next[at as usize];
            self.neighbours[*place as usize] = contact;
            *place += 1;
        };
        for (a, b) in links {
            put(a, b);
            put(b, a);
        }
        for node in 0..self.offsets.len() as u32 - 1 {
            let range = self.range(node);
            self.neighbours[range].sort_unstable();
        }
    }

    fn range(&self, node: u32) -> Range<usize> {
        self.offsets[node as usize] as usize..self.offsets[node as usize + 1] as usize
    }

    fn row(&self, node: u32) -> &[u32] {
        &self.neighbours[self.range(node)]
    }

    /// The surplus links: doubles, and of a node with itself. The rows are sorted.
    fn bad(&self) -> Vec<(u32, u32)> {
        let mut bad = Vec::new();
        for node in 0..self.offsets.len() as u32 - 1 {
            let row = self.row(node);
            let doubles = row.windows(2).filter(|pair| pair[0] == pair[1] && pair[0] > node);
            bad.extend(doubles.map(|pair| (node, pair[0])));
            let own = row.iter().filter(|contact| **contact == node).count();
            bad.extend(std::iter::repeat_n((node, node), own / 2));
        }
        bad
    }

    fn is_bad(&self, a: u32, b: u32) -> bool {
        self.row(a).iter().filter(|contact| **contact == b).count() > 1
    }

    /// Replaces the link from `a` to `b` and a random one from `c` to `d` by links from `a` to `c`
    /// and from `b` to `d`, unless that would make a new bad one.
    fn switch(&mut self, a: u32, b: u32, rng: &mut Rng) -> bool {
        let end = rng.index(self.neighbours.len());
        let c = self.offsets.partition_point(|start| *start as usize <= end) as u32 - 1;
        let d = self.neighbours[end];
        let apart = c != d && ![a, b].contains(&c) && ![a, b].contains(&d);
        if !apart || self.row(a).contains(&c) || self.row(b).contains(&d) {
            return false;
        }
        self.replace(a, b, c);
        self.replace(b, a, d);
        self.replace(c, d, a);
        self.replace(d, c, b);
        true
    }

    fn replace(&mut self, node: u32, old: u32, new: u32) {
        let range = self.range(node);
        if let Some(place) = self.neighbours[range].iter_mut().find(|contact| **contact == old) {
            *place = new;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every case that pairing alone can fail at is small: they are all tried.
    #[test]
    fn every_small_graph_can_be_drawn_and_constructed() {
        for nodes in 1..=12_usize {
            for width in 0..nodes {
                for seed in 0..20 {
                    let graph = draw(nodes, width, &mut Rng::new(seed));
                    let odd = nodes * width % 2;
                    assert_eq!(graph.edges() * 2, nodes * width - odd, "{nodes} {width} {seed}");
                    for node in 0..nodes as u32 {
                        let contacts = graph.neighbours(node);
                        assert!(!contacts.contains(&node));
                        let less = if node as usize == nodes - 1 { odd } else { 0 };
                        assert_eq!(contacts.len(), width - less, "{nodes} {width} {seed}");
                        assert!(contacts.iter().all(|other| graph.is_link(*other, node)));
                    }
                }
                if nodes * width % 2 == 0 {
                    let rows = stirred(&vec![width as u32; nodes], &mut Rng::new(1));
                    assert!(rows.bad().is_empty() && rows.neighbours.len() == nodes * width);
                    let graph = Graph::from_rows(rows.offsets, rows.neighbours);
                    assert_eq!(graph.edges() * 2, nodes * width, "{nodes} {width}");
                }
            }
        }
    }
}
