//! Who can call whom, in compressed rows: the contacts of all nodes one after another, and where
//! each node's begin.

use super::Invalid;

/// A graph with mutual links, without links to oneself and without doubles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Graph {
    /// Where each node's contacts begin, and where the last one's end.
    offsets: Vec<u32>,
    /// The contacts, ascending within each node's row.
    neighbours: Vec<u32>,
}

impl Graph {
    /// The most nodes that a graph may have.
    pub const MAX_NODES: usize = u32::MAX as usize - 1;
    /// The most links: each is listed at both ends, and the lists are counted in 32 bits.
    pub const MAX_LINKS: usize = u32::MAX as usize / 2;

    /// A graph of `nodes` nodes with these links. Each counts for both ends; links to oneself are
    /// left out, and doubles count once.
    ///
    /// # Errors
    /// If there are too many nodes or links, or a link names a node that does not exist.
    pub fn from_links(nodes: usize, links: &[(u32, u32)]) -> Result<Self, Invalid> {
        if nodes > Self::MAX_NODES || links.len() > Self::MAX_LINKS {
            return Err(too_big(nodes, links.len()));
        }
        if let Some((a, b)) = links.iter().find(|(a, b)| (*a).max(*b) as usize >= nodes) {
            return Err(Invalid(format!("a link from {a} to {b} among {nodes} nodes")));
        }
        // Counts first, one place ahead; then running sums, so that each entry is its row's start;
        // after filling, each has moved on to its row's end.
        let mut ends = vec![0_u32; nodes + 1];
        for (a, b) in links.iter().filter(|(a, b)| a != b) {
            ends[*a as usize + 1] += 1;
            ends[*b as usize + 1] += 1;
        }
        for node in 1..ends.len() {
            ends[node] += ends[node - 1];
        }
        let mut neighbours = vec![0; ends[nodes] as usize];
        let mut put = |at: u32, contact: u32| {
            let place = &mut ends[at as usize];
            neighbours[*place as usize] = contact;
            *place += 1;
        };
        for (a, b) in links.iter().filter(|(a, b)| a != b) {
            put(*a, *b);
            put(*b, *a);
        }
        ends.rotate_right(1);
        ends[0] = 0;
        let mut graph = Self { offsets: ends, neighbours };
        graph.tidy();
        Ok(graph)
    }

    /// From rows as they are: `offsets` has one entry more than there are nodes. The rows must be
    /// mutual and free of doubles; they are sorted here.
    pub(super) fn from_rows(offsets: Vec<u32>, neighbours: Vec<u32>) -> Self {
        let mut graph = Self { offsets, neighbours };
        graph.tidy();
        graph
    }

    /// Nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.offsets.len() - 1
    }

    /// The contacts of `node`, ascending.
    ///
    /// # Panics
    /// If there is no such node.
    #[must_use]
    pub fn neighbours(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.neighbours[self.offsets[node] as usize..self.offsets[node + 1] as usize]
    }

    /// True if `a` and `b` are linked.
    #[must_use]
    pub fn is_link(&self, a: u32, b: u32) -> bool {
        self.neighbours(a).binary_search(&b).is_ok()
    }

    /// Links; each joins two nodes.
    #[must_use]
    pub fn edges(&self) -> usize {
        self.neighbours.len() / 2
    }

    /// Contacts per node, mean.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.neighbours.len() as f64 / self.nodes().max(1) as f64
    }

    /// Memory that it takes.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        4 * (self.offsets.len() as u64 + self.neighbours.len() as u64)
    }

    /// Memory of a graph with so many nodes and links, with what is needed to put it together.
    #[must_use]
    pub fn bytes_to_build(nodes: usize, links: usize) -> u64 {
        16_u64.saturating_mul(nodes as u64).saturating_add(16_u64.saturating_mul(links as u64))
    }

    /// Sorts each row and takes doubles out.
    fn tidy(&mut self) {
        let (mut kept, mut start) = (0, 0);
        for node in 0..self.nodes() {
            let end = self.offsets[node + 1] as usize;
            self.neighbours[start..end].sort_unstable();
            let row = kept;
            for at in start..end {
                let contact = self.neighbours[at];
                if kept == row || self.neighbours[kept - 1] != contact {
                    self.neighbours[kept] = contact;
                    kept += 1;
                }
            }
            // Fits: it only shrinks.
            self.offsets[node + 1] = kept as u32;
            start = end;
        }
        self.neighbours.truncate(kept);
    }
}

/// Refuses more nodes or links than a graph can hold.
pub(super) fn too_big(nodes: usize, links: usize) -> Invalid {
    Invalid(format!(
        "{nodes} nodes with {links} links are too many for a graph: at most {} nodes and {} links; \
         take fewer nodes or contacts, or the complete topology, which needs no list",
        Graph::MAX_NODES,
        Graph::MAX_LINKS
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_mutual_and_single() {
        let graph = Graph::from_links(5, &[(3, 1), (1, 3), (0, 1), (2, 2), (1, 3)]).unwrap();
        let rows: Vec<&[u32]> = (0..5).map(|node| graph.neighbours(node)).collect();
        assert_eq!(rows, [&[1][..], &[0, 3], &[], &[1], &[]]);
        assert_eq!((graph.nodes(), graph.edges()), (5, 2));
        assert!((graph.width() - 0.8).abs() < 1e-12);
        assert_eq!(graph.bytes(), 4 * (6 + 4));
        assert!(graph.is_link(1, 3) && !graph.is_link(0, 3));
    }

    #[test]
    fn nodes_that_do_not_exist_are_refused() {
        assert!(Graph::from_links(3, &[(0, 3)]).is_err());
        assert!(Graph::from_links(usize::MAX, &[]).is_err());
        assert_eq!(Graph::from_links(0, &[]).unwrap().nodes(), 0);
    }
}
