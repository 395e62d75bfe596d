//! Contacts at random, each node with a number of its own.

use super::growing::Growing;
use crate::epidemic::{Graph, Invalid};
use rumormill_core::base::rng::Rng;

/// Each node in turn draws a number below `width`, and makes links to random others until it has
/// as many contacts; those that earlier nodes made to it count, so it may end with more.
pub(super) fn draw(nodes: usize, width: usize, rng: &mut Rng) -> Result<Graph, Invalid> {
    let mut growing = Growing::new(nodes, nodes * (width - 1) / 2);
    for node in 0..nodes as u32 {
        let wanted = rng.index(width);
        let has = growing.turn(node);
        growing.link_at_random(wanted.saturating_sub(has), rng);
    }
    growing.finish()
}
