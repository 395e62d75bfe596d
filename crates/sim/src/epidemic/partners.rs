//! Whom a node calls: partners one by one, each at most once in a cycle.

use super::model::{Contacts, Model};
use rumormill_core::base::rng::Rng;

/// Draws of partners that were excluded, in a row, before the rest are listed.
const DRAWS: u32 = 32;
/// The same where some are far more likely than others and a list would not tell.
const SKEWED_DRAWS: u32 = 256;

/// Draws partners.
pub(super) struct Partners<'a> {
    contacts: &'a Contacts,
    nodes: u32,
    caller: u32,
    /// The call in which a node was last drawn or excluded; empty if there is nothing to exclude.
    marks: Vec<u32>,
    call: u32,
    /// Who is left, once drawing finds almost nobody new.
    left: Option<Vec<u32>>,
}

impl<'a> Partners<'a> {
    pub fn new(model: &'a Model) -> Self {
        let marked = model.fanout > 1
            || model.connection_limit.is_some()
            || model.never_repeat
            || model.no_return;
        Self {
            contacts: &model.contacts,
            nodes: model.nodes as u32,
            caller: 0,
            marks: if marked { vec![0; model.nodes] } else { Vec::new() },
            call: 0,
            left: None,
        }
    }

    /// The next draws are for `caller`.
    pub fn begin(&mut self, caller: u32) {
        self.caller = caller;
        self.left = None;
        self.call = self.call.wrapping_add(1);
        if self.call == 0 {
            self.marks.fill(0);
            self.call = 1;
        }
    }

    /// The caller shall not get this partner.
    pub fn exclude(&mut self, node: u32) {
        self.marks[node as usize] = self.call;
    }

    /// A partner that the caller has not had since [`Self::begin`]; `None` if nobody is left.
    pub fn next(&mut self, rng: &mut Rng) -> Option<u32> {
        if self.marks.is_empty() {
            return draw(self.contacts, self.nodes, self.caller, rng);
        }
        let draws = if self.is_skewed() { SKEWED_DRAWS } else { DRAWS };
        for _ in 0..if self.left.is_none() { draws } else { 0 } {
            let partner = draw(self.contacts, self.nodes, self.caller, rng)?;
            if self.marks[partner as usize] != self.call {
                self.exclude(partner);
                return Some(partner);
            }
        }
        if self.is_skewed() {
            return None;
        }
        let mut left = self.left.take().unwrap_or_else(|| self.unmarked());
        let partner = match left.is_empty() {
            true => None,
            false => Some(left.swap_remove(rng.index(left.len()))),
        };
        self.left = Some(left);
        partner
    }

    fn is_skewed(&self) -> bool {
        matches!(self.contacts, Contacts::Spatial(_))
    }

    fn unmarked(&self) -> Vec<u32> {
        let free = |node: &u32| self.marks[*node as usize] != self.call && *node != self.caller;
        match self.contacts {
            Contacts::Graph(graph) => {
                graph.neighbours(self.caller).iter().copied().filter(free).collect()
            }
            _ => (0..self.nodes).filter(free).collect(),
        }
    }
}

/// One of the others in `0..nodes`, which must be at least 2.
#[inline]
pub(super) fn other(nodes: u32, node: u32, rng: &mut Rng) -> u32 {
    let drawn = rng.below(u64::from(nodes) - 1) as u32;
    drawn + u32::from(drawn >= node)
}

/// A partner, with the probabilities of the network; `None` if the node has no contacts.
pub(super) fn draw(contacts: &Contacts, nodes: u32, node: u32, rng: &mut Rng) -> Option<u32> {
    match contacts {
        Contacts::Complete if nodes < 2 => None,
        Contacts::Complete => Some(other(nodes, node, rng)),
        Contacts::Graph(graph) => {
            let neighbours = graph.neighbours(node);
            neighbours.get(rng.index(neighbours.len())).copied()
        }
        Contacts::Spatial(_) if nodes < 2 => None,
        Contacts::Spatial(spatial) => Some(spatial.partner(node, rng)),
    }
}

/// Calls `visit` for everyone whom `node` can call.
pub(super) fn each(contacts: &Contacts, nodes: u32, node: u32, visit: impl FnMut(u32)) {
    match contacts {
        Contacts::Graph(graph) => graph.neighbours(node).iter().copied().for_each(visit),
        _ => (0..nodes).filter(|other| *other != node).for_each(visit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::Graph;
    use std::sync::Arc;

    fn all(model: &Model, caller: u32, excluded: &[u32]) -> Vec<u32> {
        let mut partners = Partners::new(model);
        let mut rng = Rng::new(1);
        partners.begin(caller);
        excluded.iter().for_each(|node| partners.exclude(*node));
        let mut drawn: Vec<u32> = std::iter::from_fn(|| partners.next(&mut rng)).collect();
        drawn.sort_unstable();
        drawn
    }

    #[test]
    fn everyone_is_drawn_once_and_the_excluded_never() {
        let model = Model { nodes: 200, fanout: 2, ..Model::default() };
        let expected: Vec<u32> = (0..200).filter(|node| ![7, 9, 10].contains(node)).collect();
        assert_eq!(all(&model, 7, &[9, 10]), expected);
        let graph = Graph::from_links(5, &[(0, 1), (0, 2), (0, 4)]).unwrap();
        let contacts = Contacts::Graph(Arc::new(graph));
        let model = Model { nodes: 5, fanout: 2, contacts, ..Model::default() };
        assert_eq!(all(&model, 0, &[2]), [1, 4]);
        assert_eq!(all(&model, 3, &[]), []);
    }

    #[test]
    fn partners_are_uniform_and_never_oneself() {
        let mut rng = Rng::new(2);
        let mut counts = [0_u32; 5];
        for _ in 0..40_000 {
            counts[other(5, 2, &mut rng) as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        // Five standard deviations of a binomial count.
        let bound = 5.0 * (40_000.0_f64 * 0.25 * 0.75).sqrt();
        for node in [0, 1, 3, 4] {
            assert!((f64::from(counts[node]) - 10_000.0).abs() < bound, "{counts:?}");
        }
    }
}
