//! Partners by distance (Demers et al. 1987, section 3): near ones more often, so that little
//! traffic crosses the long lines.
//!
//! Q(d) is the number of nodes at distance at most d, the caller included, so that Q(0) = 1. A node
//! at distance d is called with a probability proportional to
//! (Q(d-1)^(1-a) - Q(d)^(1-a)) / (Q(d) - Q(d-1)); with a = 2 that is 1 / (Q(d-1) Q(d)). Over all
//! nodes at one distance the divisor cancels and what is left telescopes. So a distance is drawn by
//! drawing x from the density x^-a between 1 and n, and taking the d with Q(d-1) < x <= Q(d).

use super::{Graph, Invalid, Network, Topology, topology::rectangle};
use rayon::prelude::*;
use rumormill_core::base::rng::Rng;

/// The most nodes of a network whose distances have to be listed.
pub const MAX_LISTED: usize = 20_000;
/// Nodes of a grid with borders over which [`Spatial::mean_distance`] is taken; they see different
/// distances, but neighbours hardly so.
const SAMPLE: usize = 2000;

/// Chooses partners by their distance.
#[derive(Clone, Debug)]
pub struct Spatial {
    shape: Shape,
    a: f64,
}

/// Where the distances come from.
#[derive(Clone, Debug)]
enum Shape {
    Complete { nodes: usize },
    Ring { nodes: usize, width: usize },
    Grid { rows: usize, columns: usize, torus: bool },
    Listed(Listed),
}

impl Spatial {
    /// Partners on a network that was built from `topology` (none: it comes from elsewhere) with
    /// this width. Distances on a ring and a grid are computed; elsewhere they are listed, which
    /// takes [`Self::bytes`].
    ///
    /// # Errors
    /// If `a` is no number from 0 to 20, the network is too big for its distances to be listed, or
    /// a node can reach nobody.
    pub fn new(
        topology: Option<Topology>,
        network: &Network,
        width: usize,
        a: f64,
    ) -> Result<Self, Invalid> {
        check(topology, network.nodes(), a)?;
        let nodes = network.nodes();
        let shape = match (topology, network) {
            (_, Network::Complete(nodes)) => Shape::Complete { nodes: *nodes },
            (Some(Topology::Ring), _) => Shape::Ring { nodes, width },
            (Some(Topology::Grid { torus }), _) => {
                let (rows, columns) = rectangle(nodes)?;
                Shape::Grid { rows, columns, torus }
            }
            (_, Network::Graph(graph)) => Shape::Listed(Listed::new(graph)?),
        };
        Ok(Self { shape, a })
    }

    /// The memory that choosing partners will take, in bytes.
    #[must_use]
    pub fn bytes(topology: Option<Topology>, nodes: usize) -> u64 {
        let computed = [Topology::Complete, Topology::Ring];
        match topology {
            Some(Topology::Grid { .. }) => 0,
            Some(topology) if computed.contains(&topology) => 0,
            _ => 2 * (nodes as u64).saturating_mul(nodes as u64),
        }
    }

    /// Someone for `node` to call.
    pub fn partner(&self, node: u32, rng: &mut Rng) -> u32 {
        let x = power(rng.unit(), self.reachable(node) as f64, self.a);
        match &self.shape {
            Shape::Complete { nodes } => other(node, *nodes, rng),
            Shape::Ring { nodes, width } => {
                let d = ((x - 1.0) / *width as f64).ceil().max(1.0) as usize;
                let within = |d: usize| (d * width + 1).min(*nodes);
                let (inner, outer) = (within(d - 1), within(d));
                // Beyond the last by rounding: the last.
                let inner = inner.min(nodes - 1);
                let rank = inner + rng.index((outer - inner).max(1));
                on_ring(node, rank, *nodes)
            }
            Shape::Grid { rows, columns, torus } => {
                Place::of(node, *rows, *columns, *torus).partner(x, rng)
            }
            Shape::Listed(listed) => listed.partner(node, x, rng),
        }
    }

    /// Number of nodes at distance at most `d` of `node`, itself included.
    #[must_use]
    pub fn within(&self, node: u32, d: usize) -> usize {
        match &self.shape {
            Shape::Complete { nodes } => {
                if d == 0 {
                    1
                } else {
                    *nodes
                }
            }
            Shape::Ring { nodes, width } => d.saturating_mul(*width).saturating_add(1).min(*nodes),
            Shape::Grid { rows, columns, torus } => {
                Place::of(node, *rows, *columns, *torus).within(d)
            }
            Shape::Listed(listed) => {
                let levels = listed.levels(node);
                levels.get(d).or(levels.last()).map_or(1, |end| *end as usize)
            }
        }
    }

    /// Mean distance between a caller and whom it calls, if all call equally often: the links that
    /// a contact crosses. On a grid with borders of more than a few thousand nodes it is taken over
    /// a sample of the callers.
    #[must_use]
    pub fn mean_distance(&self) -> f64 {
        let nodes = match &self.shape {
            Shape::Complete { nodes } | Shape::Ring { nodes, .. } => *nodes,
            Shape::Grid { rows, columns, .. } => rows * columns,
            Shape::Listed(listed) => listed.starts.len() - 1,
        };
        let callers: Vec<u32> = match &self.shape {
            Shape::Complete { .. } | Shape::Ring { .. } | Shape::Grid { torus: true, .. } => {
                vec![0]
            }
            Shape::Grid { .. } if nodes > SAMPLE => {
                let mut rng = Rng::new(1);
                (0..SAMPLE).map(|_| rng.index(nodes) as u32).collect()
            }
            _ => (0..nodes as u32).collect(),
        };
        let mean: Vec<f64> = callers.par_iter().map(|node| self.mean_distance_of(*node)).collect();
        mean.iter().sum::<f64>() / mean.len() as f64
    }

    fn mean_distance_of(&self, node: u32) -> f64 {
        let all = self.reachable(node);
        let whole = weight(1.0, all as f64, self.a);
        let (mut sum, mut inner, mut d) = (0.0, 1, 1);
        while inner < all {
            let outer = self.within(node, d);
            sum += d as f64 * weight(inner as f64, outer as f64, self.a) / whole;
            (inner, d) = (outer, d + 1);
        }
        sum
    }

    /// Nodes that `node` can reach, itself included.
    fn reachable(&self, node: u32) -> usize {
        match &self.shape {
            Shape::Complete { nodes } | Shape::Ring { nodes, .. } => *nodes,
            Shape::Grid { rows, columns, .. } => rows * columns,
            Shape::Listed(listed) => listed.levels(node).last().map_or(1, |end| *end as usize),
        }
    }
}

/// Says what is wrong with such partners, before anything is built. `topology` is none for a
/// network that comes from elsewhere.
///
/// # Errors
/// As [`Spatial::new`], as far as it can be known before.
pub fn check(topology: Option<Topology>, nodes: usize, a: f64) -> Result<(), Invalid> {
    if !(0.0..=20.0).contains(&a) {
        return Err(Invalid(format!(
            "a spatial exponent of {a}: take one from 0 (all nodes equally \
             likely) to 20 (only the nearest)"
        )));
    }
    if nodes < 2 {
        return Err(Invalid("a spatial distribution needs at least two nodes".into()));
    }
    if Spatial::bytes(topology, nodes) > 0 && nodes > MAX_LISTED {
        return Err(Invalid(format!(
            "the distances between {nodes} nodes would have to be listed, and {MAX_LISTED} nodes \
             are the most for that; take fewer, or a ring, a grid or the complete topology, where \
             they are computed"
        )));
    }
    Ok(())
}

/// The integral of x^-a from `from` to `to`: proportional to the probability of calling someone
/// whose rank by distance is between.
fn weight(from: f64, to: f64, a: f64) -> f64 {
    if (a - 1.0).abs() < 1e-9 {
        return (to / from).ln();
    }
    (to.powf(1.0 - a) - from.powf(1.0 - a)) / (1.0 - a)
}

/// The x below which lies the share `u` of the density x^-a between 1 and `n`.
fn power(u: f64, n: f64, a: f64) -> f64 {
    let x = if (a - 1.0).abs() < 1e-9 {
        n.powf(u)
    } else {
        (1.0 + u * (n.powf(1.0 - a) - 1.0)).powf(1.0 / (1.0 - a))
    };
    x.clamp(1.0, n)
}

fn other(node: u32, nodes: usize, rng: &mut Rng) -> u32 {
    let drawn = rng.index(nodes - 1) as u32;
    if drawn < node { drawn } else { drawn + 1 }
}

/// The node of this rank, if those on a circle are sorted by their distance from `node`, which has
/// rank 0.
fn on_ring(node: u32, rank: usize, nodes: usize) -> u32 {
    let steps = rank.div_ceil(2);
    let steps = if rank % 2 == 1 { steps } else { nodes - steps };
    ((node as usize + steps) % nodes) as u32
}

/// A node's place in a grid: how many rows and columns there are to each side. On a torus everyone
/// is in the middle.
#[derive(Clone, Copy, Debug)]
struct Place {
    row: usize,
    column: usize,
    rows: usize,
    columns: usize,
    /// Rows and columns above and to the left of it that it sees.
    above: usize,
    left: usize,
}

impl Place {
    fn of(node: u32, rows: usize, columns: usize, torus: bool) -> Self {
        let (row, column) = (node as usize / columns, node as usize % columns);
        let (above, left) = if torus { ((rows - 1) / 2, (columns - 1) / 2) } else { (row, column) };
        Self { row, column, rows, columns, above, left }
    }

    /// The whole diamond of nodes at distance at most `d`, less the parts beyond each side, plus
    /// what has been taken away twice beyond corners.
    fn within(&self, d: usize) -> usize {
        let (below, right) = (self.rows - 1 - self.above, self.columns - 1 - self.left);
        let d = d.min(self.above.max(below) + self.left.max(right));
        let beyond = |side: usize| d.saturating_sub(side).pow(2);
        let corner = |one: usize, other: usize| {
            let left = d.saturating_sub(one + other + 1);
            left * (left + 1) / 2
        };
        let whole = 2 * d * (d + 1) + 1;
        let twice = corner(self.above, self.left)
            + corner(self.above, right)
            + corner(below, self.left)
            + corner(below, right);
        whole + twice - beyond(self.above) - beyond(below) - beyond(self.left) - beyond(right)
    }

    fn partner(&self, x: f64, rng: &mut Rng) -> u32 {
        // The first distance within which are x nodes. Not 0, whatever the rounding.
        let (mut low, mut high) = (1, self.rows + self.columns - 2);
        while low < high {
            let middle = usize::midpoint(low, high);
            if self.within(middle) as f64 >= x {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        // At random on the whole diamond until it is within the grid. Distances at which most of
        // it is beyond are as rarely drawn, so that the mean number of draws stays small.
        loop {
            let (down, along) = on_diamond(low, rng);
            if let Some(node) = self.at(down, along) {
                return node;
            }
        }
    }

    fn at(&self, down: isize, along: isize) -> Option<u32> {
        let row = self.above.checked_add_signed(down).filter(|row| *row < self.rows)?;
        let column = self.left.checked_add_signed(along).filter(|at| *at < self.columns)?;
        // From what it sees to where it is: the same, but on a torus.
        let row = (row + self.row + self.rows - self.above) % self.rows;
        let column = (column + self.column + self.columns - self.left) % self.columns;
        Some((row * self.columns + column) as u32)
    }
}

/// One of the 4 `d` places at distance `d`.
fn on_diamond(d: usize, rng: &mut Rng) -> (isize, isize) {
    let drawn = rng.index(4 * d);
    let (side, step) = (drawn / d, (drawn % d) as isize);
    let d = d as isize;
    match side {
        0 => (step, d - step),
        1 => (d - step, -step),
        2 => (-step, step - d),
        _ => (step - d, step),
    }
}

/// For each node, all that it can reach, nearest first.
#[derive(Clone, Debug)]
struct Listed {
    /// Where each node's row begins, and where the last one's ends.
    starts: Vec<usize>,
    /// The rows. There are fewer than 65,536 nodes.
    order: Vec<u16>,
    /// Where each node's levels begin in `ends`.
    level_starts: Vec<usize>,
    /// For each node and distance from 0, how many are as near.
    ends: Vec<u32>,
}

impl Listed {
    fn new(graph: &Graph) -> Result<Self, Invalid> {
        let nodes = graph.nodes();
        // In blocks, so that searches run side by side but little is held twice.
        let mut listed =
            Self { starts: vec![0], order: Vec::new(), level_starts: vec![0], ends: Vec::new() };
        listed.order.reserve_exact(nodes * nodes);
        for block in (0..nodes as u32).collect::<Vec<_>>().chunks(256) {
            let found: Vec<_> = block.par_iter().map(|node| search(graph, *node)).collect();
            for (node, (order, ends)) in block.iter().zip(found) {
                if order.len() < 2 {
                    return Err(Invalid(format!(
                        "node {node} has no contact, so there is nobody that it could call; take more \
                         contacts, or a topology in which everyone has some"
                    )));
                }
                listed.order.extend(order);
                listed.ends.extend(ends);
                listed.starts.push(listed.order.len());
                listed.level_starts.push(listed.ends.len());
            }
        }
        Ok(listed)
    }

    fn levels(&self, node: u32) -> &[u32] {
        let node = node as usize;
        &self.ends[self.level_starts[node]..self.level_starts[node + 1]]
    }

    fn partner(&self, node: u32, x: f64, rng: &mut Rng) -> u32 {
        let levels = self.levels(node);
        let d = levels.partition_point(|end| f64::from(*end) < x).clamp(1, levels.len() - 1);
        let (inner, outer) = (levels[d - 1] as usize, levels[d] as usize);
        let rank = inner + rng.index(outer - inner);
        u32::from(self.order[self.starts[node as usize] + rank])
    }
}

/// Whom `from` reaches, nearest first, and how many within each distance.
fn search(graph: &Graph, from: u32) -> (Vec<u16>, Vec<u32>) {
    let mut seen = vec![false; graph.nodes()];
    seen[from as usize] = true;
    let (mut order, mut ends) = (vec![from as u16], vec![1]);
    let mut start = 0;
    while start < order.len() {
        let end = order.len();
        for at in start..end {
            for other in graph.neighbours(u32::from(order[at])) {
                if !std::mem::replace(&mut seen[*other as usize], true) {
                    order.push(*other as u16);
                }
            }
        }
        if order.len() > end {
            ends.push(order.len() as u32);
        }
        start = end;
    }
    (order, ends)
}

#[cfg(test)]
mod tests;
