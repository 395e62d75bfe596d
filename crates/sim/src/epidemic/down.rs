//! Who is down, one bit for each node.

use super::model::Model;
use super::population;
use rumormill_core::base::rng::Rng;

/// The nodes that are down; empty if none is.
pub(super) struct Down(Vec<u64>);

impl Down {
    /// Draws who crashed.
    pub fn draw(model: &Model, rng: &mut Rng) -> Self {
        if model.live() == model.nodes {
            return Self(Vec::new());
        }
        let mut words = vec![0_u64; model.nodes.div_ceil(64)];
        population::crash(model, rng, |node| words[node as usize / 64] |= 1 << (node % 64));
        Self(words)
    }

    /// True if `node` is up.
    pub fn is_up(&self, node: u32) -> bool {
        self.0.get(node as usize / 64).is_none_or(|word| word >> (node % 64) & 1 == 0)
    }
}
