//! Zones that are dense inside and joined by few links.

use super::regular;
use crate::epidemic::{Graph, Invalid};
use rumormill_core::base::rng::Rng;
use std::ops::Range;

/// Refuses zones that would be empty, or more links between zones than inside.
pub(super) fn check(
    nodes: usize,
    width: usize,
    zones: usize,
    across: usize,
) -> Result<(), Invalid> {
    if zones == 0 || zones > nodes {
        return Err(Invalid(format!(
            "{zones} zones for {nodes} nodes: take at least 1 zone, and at least one node for each"
        )));
    }
    let between = zones.saturating_mul(zones - 1).saturating_mul(across);
    if zones > 1 && between > nodes.saturating_mul(width) {
        return Err(Invalid(format!(
            "{} links between {zones} zones would be more than the {} inside them: take fewer \
             zones, more nodes or more contacts",
            between / 2,
            nodes.saturating_mul(width) / 2
        )));
    }
    Ok(())
}

/// Everyone has `width` random contacts in its zone, or all of it if it is smaller; each two zones
/// are joined by `across` links between random nodes.
pub(super) fn draw(
    nodes: usize,
    width: usize,
    zones: usize,
    across: usize,
    rng: &mut Rng,
) -> Result<Graph, Invalid> {
    let mut links = Vec::with_capacity(nodes * width / 2 + zones * (zones - 1) / 2 * across);
    for zone in 0..zones {
        let members = members(nodes, zones, zone);
        let (first, size) = (members.start as u32, members.len());
        let inside = regular::draw(size, width.min(size - 1), rng);
        for node in 0..size as u32 {
            let later = inside.neighbours(node).iter().filter(|contact| **contact > node);
            links.extend(later.map(|contact| (first + node, first + contact)));
        }
    }
    for one in 0..zones {
        for other in 0..one {
            join(
                &members(nodes, zones, one),
                &members(nodes, zones, other),
                across,
                rng,
                &mut links,
            );
        }
    }
    Graph::from_links(nodes, &links)
}

/// The nodes of a zone.
fn members(nodes: usize, zones: usize, zone: usize) -> Range<usize> {
    let start = |zone: usize| (zone as u128 * nodes as u128 / zones as u128) as usize;
    start(zone)..start(zone + 1)
}

/// Joins two zones by different random links, as many as asked for if there are as many.
fn join(
    one: &Range<usize>,
    other: &Range<usize>,
    across: usize,
    rng: &mut Rng,
    links: &mut Vec<(u32, u32)>,
) {
    let all = one.len() * other.len();
    let number = |pair: usize| {
        ((one.start + pair / other.len()) as u32, (other.start + pair % other.len()) as u32)
    };
    if across * 2 >= all {
        let mut pairs: Vec<usize> = (0..all).collect();
        rng.shuffle(&mut pairs);
        links.extend(pairs.into_iter().take(across).map(number));
        return;
    }
    let mut drawn = std::collections::BTreeSet::new();
    while drawn.len() < across {
        drawn.insert(rng.index(all));
    }
    links.extend(drawn.into_iter().map(number));
}
