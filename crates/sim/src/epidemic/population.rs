//! Who is up and who knows the news when a trial begins, and whom it can reach at all.

use super::model::Model;
use super::partners;
use rumormill_core::base::rng::Rng;

/// Calls `chosen` for `count` of the `candidates`, which are `total`, all sets being equally
/// likely.
fn choose(
    candidates: impl Iterator<Item = u32>,
    total: usize,
    count: usize,
    rng: &mut Rng,
    mut chosen: impl FnMut(u32),
) {
    let (mut left, mut wanted) = (total as u64, count as u64);
    for candidate in candidates {
        if wanted == 0 {
            return;
        }
        if rng.below(left) < wanted {
            wanted -= 1;
            chosen(candidate);
        }
        left -= 1;
    }
}

/// Calls `down` for each node that crashed.
pub(super) fn crash(model: &Model, rng: &mut Rng, down: impl FnMut(u32)) {
    let nodes = model.nodes;
    choose(0..nodes as u32, nodes, nodes - model.live(), rng, down);
}

/// The nodes that know at the start: distinct, random, up.
pub(super) fn seeds(model: &Model, rng: &mut Rng, is_up: impl Fn(u32) -> bool) -> Vec<u32> {
    let nodes = model.nodes as u32;
    let live = model.live();
    if model.start == 1 && live * 2 > model.nodes {
        loop {
            let node = rng.below(u64::from(nodes)) as u32;
            if is_up(node) {
                return vec![node];
            }
        }
    }
    let mut seeds = Vec::with_capacity(model.start);
    let candidates = (0..nodes).filter(|node| is_up(*node));
    choose(candidates, live, model.start, rng, |node| seeds.push(node));
    seeds
}

/// Live nodes that the news can reach from `seeds` at all.
pub(super) fn reach(model: &Model, seeds: &[u32], is_up: impl Fn(u32) -> bool) -> u64 {
    if model.loss >= 1.0 {
        return seeds.len() as u64;
    }
    if model.contacts.is_everyone() {
        return model.live() as u64;
    }
    let nodes = model.nodes as u32;
    let mut seen = vec![0_u64; model.nodes.div_ceil(64)];
    let mut mark = |node: u32| {
        let (word, bit) = (node as usize / 64, 1 << (node % 64));
        let new = seen[word] & bit == 0;
        seen[word] |= bit;
        new
    };
    let mut open = seeds.to_vec();
    let mut count = 0;
    open.iter().for_each(|node| _ = mark(*node));
    while let Some(node) = open.pop() {
        count += 1;
        partners::each(&model.contacts, nodes, node, |other| {
            if is_up(other) && mark(other) {
                open.push(other);
            }
        });
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::{Contacts, Graph};
    use std::sync::Arc;

    #[test]
    fn as_many_are_chosen_as_asked_and_all_alike() {
        let mut rng = Rng::new(1);
        let mut counts = [0_u32; 10];
        for _ in 0..10_000 {
            let mut chosen = 0;
            choose(0..10, 10, 3, &mut rng, |node| {
                counts[node as usize] += 1;
                chosen += 1;
            });
            assert_eq!(chosen, 3);
        }
        // Five standard deviations of a binomial count.
        let bound = 5.0 * (10_000.0_f64 * 0.3 * 0.7).sqrt();
        assert!(counts.iter().all(|count| (f64::from(*count) - 3000.0).abs() < bound));
    }

    #[test]
    fn seeds_are_up_and_distinct() {
        let mut rng = Rng::new(1);
        let model = Model { nodes: 10, crash: 0.6, start: 4, ..Model::default() };
        assert_eq!(seeds(&model, &mut rng, |node| node >= 6), [6, 7, 8, 9]);
    }

    #[test]
    fn reach_ends_at_nodes_that_are_down() {
        let graph = Graph::from_links(6, &[(0, 1), (1, 2), (2, 3), (4, 5)]).unwrap();
        let contacts = Contacts::Graph(Arc::new(graph));
        let model = Model { nodes: 6, contacts, ..Model::default() };
        assert_eq!(reach(&model, &[0], |_| true), 4);
        assert_eq!(reach(&model, &[0], |node| node != 2), 2);
        assert_eq!(reach(&model, &[0, 5], |_| true), 6);
    }
}
