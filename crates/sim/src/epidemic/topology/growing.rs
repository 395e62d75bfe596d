//! Links that nodes make in turn, each knowing those that were made to it before.

use crate::epidemic::Invalid;
use crate::epidemic::graph::Graph;
use rumormill_core::base::rng::Rng;

/// No further link.
const END: u32 = u32::MAX;

/// Links under construction. Nodes have their turn in ascending order.
pub(super) struct Growing {
    /// From whom, to whom.
    links: Vec<(u32, u32)>,
    /// For each link, the one made before it to the same node.
    before: Vec<u32>,
    /// For each node, the last link that was made to it.
    last: Vec<u32>,
    /// For each node, 1 + the node at whose turn it was marked last.
    marks: Vec<u32>,
    /// Whose turn it is.
    now: u32,
    /// Nodes marked in this turn, the one whose turn it is included.
    marked: usize,
}

impl Growing {
    /// For about so many links.
    pub fn new(nodes: usize, links: usize) -> Self {
        Self {
            links: Vec::with_capacity(links),
            before: Vec::with_capacity(links),
            last: vec![END; nodes],
            marks: vec![0; nodes],
            now: 0,
            marked: 0,
        }
    }

    /// Begins the turn of `node` and answers how many links were made to it before. It and the
    /// nodes that made them are marked: no more links to those.
    pub fn turn(&mut self, node: u32) -> usize {
        (self.now, self.marked) = (node, 0);
        self.mark(node);
        let mut link = self.last[node as usize];
        while link != END {
            self.mark(self.links[link as usize].0);
            link = self.before[link as usize];
        }
        self.marked - 1
    }

    /// Marks a node as no partner for new links in this turn.
    pub fn mark(&mut self, node: u32) {
        let stamp = self.now + 1;
        if self.marks[node as usize] != stamp {
            self.marks[node as usize] = stamp;
            self.marked += 1;
        }
    }

    /// Makes a link from the node whose turn it is.
    pub fn link(&mut self, to: u32) {
        let number = self.links.len() as u32;
        self.links.push((self.now, to));
        self.before.push(self.last[to as usize]);
        self.last[to as usize] = number;
        self.mark(to);
    }

    /// Makes links to `count` unmarked nodes at random, or to all of them if there are not as
    /// many; answers how many were made.
    pub fn link_at_random(&mut self, count: usize, rng: &mut Rng) -> usize {
        let nodes = self.marks.len();
        let count = count.min(nodes - self.marked);
        if (self.marked + count) * 2 <= nodes {
            // At least every second draw finds one.
            let mut left = count;
            while left > 0 {
                let to = rng.index(nodes) as u32;
                if self.marks[to as usize] != self.now + 1 {
                    self.link(to);
                    left -= 1;
                }
            }
            return count;
        }
        let stamp = self.now + 1;
        let mut free: Vec<u32> =
            (0..nodes as u32).filter(|node| self.marks[*node as usize] != stamp).collect();
        for drawn in 0..count {
            let other = drawn + rng.index(free.len() - drawn);
            free.swap(drawn, other);
            self.link(free[drawn]);
        }
        count
    }

    /// The graph of all links.
    pub fn finish(self) -> Result<Graph, Invalid> {
        let nodes = self.marks.len();
        drop((self.before, self.last, self.marks));
        Graph::from_links(nodes, &self.links)
    }
}
