//! What `sim graph` has found, as it goes out as JSON.

use crate::commands::sim::network::Built;
use rumormill_sim::epidemic::{Distances, Network, Spatial};
use serde::Serialize;
use std::collections::BTreeMap;

/// Steps within which everyone is said to be.
pub const SIX: usize = 6;
/// The most rows of a distribution in JSON; longer ones are put together.
const ROWS: usize = 1000;

#[derive(Debug, Serialize)]
pub struct Report {
    pub topology: &'static str,
    pub nodes: usize,
    pub links: u64,
    /// Contacts per node that were asked for; for a file their mean.
    pub width: f64,
    /// None for a file.
    pub seed: Option<u64>,
    pub contacts: Contacts,
    pub components: Components,
    pub distances: Found,
    pub six_degrees: SixDegrees,
    pub clustering: Clustering,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spatial: Option<SpatialCalls>,
    /// Ctrl-C ended the search early.
    pub interrupted: bool,
    pub notes: Vec<String>,
    #[serde(skip)]
    pub raw: Distances,
}

#[derive(Debug, Default, Serialize)]
pub struct Contacts {
    pub min: usize,
    pub mean: f64,
    pub max: usize,
    pub distribution: Vec<ContactsRow>,
}

#[derive(Debug, Serialize)]
pub struct ContactsRow {
    pub contacts: usize,
    pub nodes: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Components {
    pub count: usize,
    pub biggest: usize,
    pub share_in_biggest: f64,
    /// Nodes without any contact.
    pub alone: usize,
}

#[derive(Debug, Default, Serialize)]
pub struct Found {
    /// Nodes from which was searched.
    pub sources: usize,
    /// From all of them.
    pub exact: bool,
    /// Over the pairs that reach each other; none if no pair does.
    pub mean: Option<f64>,
    /// None where it means nothing: fewer than two contacts each.
    pub ln_n_over_ln_w: Option<f64>,
    /// The same with the mean number of contacts in the place of W.
    pub ln_n_over_ln_contacts: Option<f64>,
    /// The longest that was seen.
    pub longest: usize,
    /// The longest there is; none if only a sample was searched from.
    pub diameter: Option<usize>,
    /// Share of the pairs that do not reach each other.
    pub unreachable: f64,
    pub distribution: Vec<DistanceRow>,
}

/// Pairs at a distance; of some distances together where there are too many.
#[derive(Debug, Serialize)]
pub struct DistanceRow {
    /// The first distance of this row: the same as `distance` unless some are put together.
    pub from: usize,
    pub distance: usize,
    /// Ordered pairs of a source and another node.
    pub pairs: u64,
    /// Of all such pairs.
    pub share: f64,
    /// At this distance or nearer.
    pub cumulative: f64,
}

#[derive(Debug, Default, Serialize)]
pub struct SixDegrees {
    /// Share of the pairs within six steps.
    pub share_within_six: f64,
    /// W^6: whom one reaches in six steps if no contact is shared.
    pub w_to_the_6: f64,
    /// W^6 is at least the number of nodes: by the formula everyone is reached.
    pub formula_reaches_all: bool,
}

#[derive(Debug, Default, Serialize)]
pub struct Clustering {
    pub coefficient: f64,
    pub sampled: usize,
    pub exact: bool,
}

#[derive(Debug, Serialize)]
pub struct SpatialCalls {
    pub exponent: f64,
    /// Links that a call crosses, mean.
    pub mean_distance: f64,
    /// The same if everyone is equally likely to be called.
    pub mean_distance_uniform: f64,
    /// Calls that cross a link in a round in which every node calls once, mean over the links.
    pub calls_per_link: f64,
    pub calls_per_link_uniform: f64,
}

impl Report {
    pub fn new(built: &Built, seed: Option<u64>) -> Self {
        let nodes = built.network.nodes();
        let links = match &built.network {
            Network::Complete(nodes) => *nodes as u64 * (*nodes as u64 - 1) / 2,
            Network::Graph(graph) => graph.edges() as u64,
        };
        let formula = built.width.powi(SIX as i32);
        Self {
            topology: built.topology.map_or("file", |topology| topology.name()),
            nodes,
            links,
            width: built.width,
            seed,
            contacts: Contacts::default(),
            components: Components::default(),
            distances: Found {
                ln_n_over_ln_w: expected(nodes, built.width),
                ln_n_over_ln_contacts: expected(nodes, 2.0 * links as f64 / nodes as f64),
                ..Found::default()
            },
            six_degrees: SixDegrees {
                share_within_six: 0.0,
                w_to_the_6: formula,
                formula_reaches_all: formula >= nodes as f64,
            },
            clustering: Clustering::default(),
            spatial: None,
            interrupted: false,
            notes: built.notes.clone(),
            raw: Distances::default(),
        }
    }

    pub fn set_contacts(&mut self, found: &BTreeMap<usize, usize>) {
        let row = |(contacts, nodes): (&usize, &usize)| ContactsRow {
            contacts: *contacts,
            nodes: *nodes,
        };
        self.contacts = Contacts {
            min: found.keys().next().copied().unwrap_or(0),
            mean: 2.0 * self.links as f64 / self.nodes as f64,
            max: found.keys().last().copied().unwrap_or(0),
            distribution: found.iter().map(row).collect(),
        };
        self.components.alone = found.get(&0).copied().unwrap_or(0);
    }

    pub fn set_components(&mut self, sizes: &[usize]) {
        let biggest = sizes.first().copied().unwrap_or(0);
        self.components.count = sizes.len();
        self.components.biggest = biggest;
        self.components.share_in_biggest = biggest as f64 / self.nodes as f64;
    }

    pub fn set_clustering(&mut self, coefficient: f64, sampled: usize) {
        self.clustering = Clustering { coefficient, sampled, exact: sampled == self.nodes };
    }

    pub fn set_distances(&mut self, found: Distances) {
        let exact = found.is_exact();
        self.distances.sources = found.sources;
        self.distances.exact = exact;
        self.distances.mean = found.mean();
        self.distances.longest = found.longest();
        self.distances.diameter = exact.then(|| found.longest());
        self.distances.unreachable = 1.0 - found.within(usize::MAX);
        self.distances.distribution = rows(&found, ROWS);
        self.six_degrees.share_within_six = found.within(SIX);
        self.raw = found;
    }

    pub fn set_spatial(&mut self, exponent: f64, calls: &Spatial, uniform: &Spatial) {
        let (mean_distance, mean_distance_uniform) =
            (calls.mean_distance(), uniform.mean_distance());
        let per_link = |mean: f64| mean * self.nodes as f64 / self.links.max(1) as f64;
        self.spatial = Some(SpatialCalls {
            exponent,
            mean_distance,
            mean_distance_uniform,
            calls_per_link: per_link(mean_distance),
            calls_per_link_uniform: per_link(mean_distance_uniform),
        });
    }

    /// Every distance, as a row of CSV.
    pub fn csv(&self) -> impl Iterator<Item = Vec<String>> {
        rows(&self.raw, usize::MAX).into_iter().map(|row| {
            vec![
                row.distance.to_string(),
                row.pairs.to_string(),
                row.share.to_string(),
                row.cumulative.to_string(),
            ]
        })
    }
}

/// The distribution in at most so many rows.
pub fn rows(found: &Distances, most: usize) -> Vec<DistanceRow> {
    let step = found.longest().div_ceil(most).max(1);
    let all = found.all().max(1) as f64;
    let mut sum = 0;
    let row = |(index, pairs): (usize, &[u64])| {
        let from = index * step + 1;
        let here: u64 = pairs.iter().sum();
        sum += here;
        DistanceRow {
            from,
            distance: from + pairs.len() - 1,
            pairs: here,
            share: here as f64 / all,
            cumulative: sum as f64 / all,
        }
    };
    found.pairs.chunks(step).enumerate().map(row).collect()
}

/// The mean distance in a random network of so many nodes and contacts: ln n / ln W.
fn expected(nodes: usize, width: f64) -> Option<f64> {
    (nodes > 1 && width > 1.0).then(|| (nodes as f64).ln() / width.ln())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_distributions_are_put_together() {
        let found = Distances { nodes: 21, sources: 1, pairs: vec![2; 10] };
        let short = rows(&found, 4);
        let ends: Vec<_> = short.iter().map(|row| (row.from, row.distance, row.pairs)).collect();
        assert_eq!(ends, [(1, 3, 6), (4, 6, 6), (7, 9, 6), (10, 10, 2)]);
        assert!((short[3].cumulative - 1.0).abs() < 1e-12);
        assert_eq!(rows(&found, 1000).len(), 10);
        assert!(rows(&Distances::default(), 10).is_empty());
    }
}
