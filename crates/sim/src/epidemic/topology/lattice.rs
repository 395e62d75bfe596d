//! Regular arrangements: ring, grid, and the small world, a ring with some links thrown afar.

use super::growing::Growing;
use crate::epidemic::{Graph, Invalid};
use rumormill_core::base::rng::Rng;

/// The longest side of a grid, in multiples of the shortest.
const ASPECT: usize = 4;

/// `width / 2` contacts to either side.
pub(super) fn ring(nodes: usize, width: usize) -> Result<Graph, Invalid> {
    let mut links = Vec::with_capacity(nodes * (width / 2));
    for node in 0..nodes {
        links.extend((1..=width / 2).map(|step| (node as u32, ((node + step) % nodes) as u32)));
    }
    Graph::from_links(nodes, &links)
}

/// Rows and columns of a grid of so many nodes: as square as can be.
///
/// # Errors
/// If they make no rectangle with sides of similar length.
pub fn rectangle(nodes: usize) -> Result<(usize, usize), Invalid> {
    let rows = (1..=nodes.isqrt()).rev().find(|rows| nodes.is_multiple_of(*rows)).unwrap_or(1);
    let columns = nodes / rows;
    if columns > ASPECT * rows {
        let side = nodes.isqrt() + 1;
        return Err(Invalid(format!(
            "{nodes} nodes make no grid with sides of similar length (at best {rows} x {columns}); \
             take {} ({side} x {side})",
            side * side
        )));
    }
    Ok((rows, columns))
}

/// Contacts above, below, left and right.
pub(super) fn grid(nodes: usize, torus: bool) -> Result<Graph, Invalid> {
    let (rows, columns) = rectangle(nodes)?;
    let mut links = Vec::with_capacity(2 * nodes);
    for row in 0..rows {
        for column in 0..columns {
            let node = row * columns + column;
            if column + 1 < columns || torus {
                links.push((node as u32, (row * columns + (column + 1) % columns) as u32));
            }
            if row + 1 < rows || torus {
                links.push((node as u32, ((row + 1) % rows * columns + column) as u32));
            }
        }
    }
    Graph::from_links(nodes, &links)
}

/// A ring whose links to one side are each replaced, with probability `rewire`, by one to a random
/// node that is no contact yet. Where no such node is left, the link stays.
pub(super) fn small_world(
    nodes: usize,
    width: usize,
    rewire: f64,
    rng: &mut Rng,
) -> Result<Graph, Invalid> {
    let half = width / 2;
    let mut growing = Growing::new(nodes, nodes * half);
    let mut thrown = Vec::with_capacity(half);
    for node in 0..nodes {
        growing.turn(node as u32);
        for step in 1..=half {
            growing.mark(((node + step) % nodes) as u32);
            // Across the start of the ring: its turn, and with it the link, is still to come.
            if step > node {
                growing.mark((node + nodes - step) as u32);
            }
        }
        thrown.clear();
        for step in 1..=half {
            let to = ((node + step) % nodes) as u32;
            if rng.chance(rewire) {
                thrown.push(to);
            } else {
                growing.link(to);
            }
        }
        let made = growing.link_at_random(thrown.len(), rng);
        for to in &thrown[made..] {
            growing.link(*to);
        }
    }
    growing.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rectangles_are_as_square_as_can_be() {
        assert_eq!(rectangle(1), Ok((1, 1)));
        assert_eq!(rectangle(1000), Ok((25, 40)));
        assert_eq!(rectangle(10_000), Ok((100, 100)));
        let error = rectangle(1009).unwrap_err();
        assert!(error.0.contains("take 1024 (32 x 32)"), "{error}");
    }
}
