//! Networks with hubs: who has many contacts gets more.

use crate::epidemic::{Graph, Invalid};
use rumormill_core::base::rng::Rng;

/// Draws for one contact before the first node that is none yet is taken instead. Hubs are drawn
/// again and again in small networks, but nowhere near as often.
const DRAWS: usize = 10_000;

/// Starts with `width / 2 + 1` nodes that all know each other. Each further one makes links to
/// `width / 2` of those before it, with probabilities proportional to their contacts.
pub(super) fn draw(nodes: usize, width: usize, rng: &mut Rng) -> Result<Graph, Invalid> {
    let made = width / 2;
    let mut links: Vec<(u32, u32)> = Vec::with_capacity(nodes * made);
    for node in 1..=made as u32 {
        links.extend((0..node).map(|older| (node, older)));
    }
    let mut chosen: Vec<u32> = Vec::with_capacity(made);
    // For each node, the last one that chose it.
    let mut chosen_by = vec![0_u32; nodes];
    for node in made as u32 + 1..nodes as u32 {
        chosen.clear();
        while chosen.len() < made {
            let older = older(&links, node, &chosen_by, rng);
            chosen_by[older as usize] = node;
            chosen.push(older);
        }
        links.extend(chosen.iter().map(|older| (node, *older)));
    }
    Graph::from_links(nodes, &links)
}

/// A node before `node` that it has not chosen yet. An end of a random link is a node drawn in
/// proportion to its contacts.
fn older(links: &[(u32, u32)], node: u32, chosen_by: &[u32], rng: &mut Rng) -> u32 {
    for _ in 0..DRAWS {
        let end = rng.index(2 * links.len());
        let (a, b) = links[end / 2];
        let older = if end.is_multiple_of(2) { a } else { b };
        if chosen_by[older as usize] != node {
            return older;
        }
    }
    (0..node).find(|older| chosen_by[*older as usize] != node).unwrap_or(0)
}
