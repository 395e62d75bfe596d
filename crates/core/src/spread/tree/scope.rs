//! What a node is responsible for, and how it is cut into the parts of its delegates.

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::base::rng::Rng;
use crate::member::Zone;
use crate::member::table::{Span, Table};
use crate::wire::kind;

/// What the receiver of a rumor is responsible for. Equal start and end are the whole circle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All members whose ids lie in `[start, end)`.
    All {
        /// First id.
        start: NodeId,
        /// First id behind it.
        end: NodeId,
    },
    /// Those of one zone.
    Inside {
        /// The zone.
        zone: Zone,
        /// First id.
        start: NodeId,
        /// First id behind it.
        end: NodeId,
    },
    /// All members of the zones `[from, to)`.
    Across {
        /// The zone by which the rumor enters: the receiver's.
        zone: Zone,
        /// First zone.
        from: Zone,
        /// First zone behind it.
        to: Zone,
    },
}

impl Scope {
    pub(super) fn kind(self) -> u8 {
        match self {
            Self::All { .. } => kind::TREE,
            Self::Inside { .. } => kind::TREE_INSIDE,
            Self::Across { .. } => kind::TREE_ACROSS,
        }
    }

    /// The zone that the receiver is in, where zones make a difference.
    pub(super) fn zone(self) -> Zone {
        match self {
            Self::All { .. } => Zone::NONE,
            Self::Inside { zone, .. } | Self::Across { zone, .. } => zone,
        }
    }

    /// The members of the receiver's zone, of whom one gets the rumor.
    pub(super) fn span(self, table: &Table) -> Span {
        match self {
            Self::All { start, end } => table.span(start, end),
            Self::Inside { zone, start, end } => table.span_in(zone, start, end),
            Self::Across { zone, .. } => table.span_in(zone, NodeId(0), NodeId(0)),
        }
    }

    pub(super) fn encode(self, to: &mut impl Write) {
        match self {
            Self::All { .. } => {}
            Self::Inside { zone, .. } => to.put(&zone.0.to_le_bytes()),
            Self::Across { zone, from, to: behind } => {
                [zone, from, behind].iter().for_each(|zone| to.put(&zone.0.to_le_bytes()));
            }
        }
        if let Self::All { start, end } | Self::Inside { start, end, .. } = self {
            to.put(&start.0.to_le_bytes());
            to.put(&end.0.to_le_bytes());
        }
    }

    pub(super) fn decode(kind: u8, body: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::TREE_INSIDE => {
                let zone = Zone(body.u32()?);
                Self::Inside { zone, start: NodeId(body.u64()?), end: NodeId(body.u64()?) }
            }
            kind::TREE_ACROSS => {
                let [zone, from, to] = [Zone(body.u32()?), Zone(body.u32()?), Zone(body.u32()?)];
                Self::Across { zone, from, to }
            }
            _ => Self::All { start: NodeId(body.u64()?), end: NodeId(body.u64()?) },
        })
    }
}

/// A part of what a node is responsible for, and whom it can be handed to.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) scope: Scope,
    pub(super) span: Span,
}

/// Cuts what this node is responsible for: other zones first, since they are further away.
pub(super) fn cut(scope: Scope, fanout: usize, table: &Table, rng: &mut Rng) -> Vec<Part> {
    let whole = || (NodeId(table.own().0.wrapping_add(1)), table.own());
    let mut parts = cut_run(scope, fanout, table, rng);
    let (zone, (start, end)) = match scope {
        Scope::All { start, end } => (None, (start, end)),
        Scope::Inside { zone, start, end } => (Some(zone), (start, end)),
        Scope::Across { zone, .. } => (Some(zone), whole()),
    };
    parts.append(&mut cut_ids(zone, start, end, fanout, table));
    parts
}

/// Cuts `[start, end)` into about `fanout` parts of about equal member count. They cover the range
/// without a gap, but for this node's own id: a part that held it would send the rumor back.
fn cut_ids(
    zone: Option<Zone>,
    start: NodeId,
    end: NodeId,
    fanout: usize,
    table: &Table,
) -> Vec<Part> {
    let own = table.own();
    let behind = NodeId(own.0.wrapping_add(u64::from(!planted::has(Fault::Scope))));
    let offset = |id: NodeId| id.0.wrapping_sub(start.0);
    let scope = |start, end| match zone {
        None => Scope::All { start, end },
        Some(zone) => Scope::Inside { zone, start, end },
    };
    // Equal bounds are the whole circle.
    let inside = offset(own) < offset(end) || start == end;
    let halves = if inside { [(start, own), (behind, end)] } else { [(start, end), (end, end)] };
    // Equal bounds of a half are an empty one.
    let halves = halves.map(|(from, to)| {
        let span = if from == to { Span::default() } else { scope(from, to).span(table) };
        (from, to, span)
    });
    let total: usize = halves.iter().map(|(_, _, span)| span.len()).sum();
    if total == 0 {
        return Vec::new();
    }
    let mut parts = Vec::with_capacity(fanout.min(total) + 1);
    for (half_from, half_to, half) in halves.into_iter().filter(|(_, _, half)| !half.is_empty()) {
        let count = half.len();
        let pieces = share(fanout, count, total);
        let bound = |n: usize| n * count / pieces;
        let first = |n: usize| table.nth_id(half, bound(n)).unwrap_or(half_to);
        for piece in 0..pieces {
            let from = if piece == 0 { half_from } else { first(piece) };
            let span = half.part(bound(piece), bound(piece + 1));
            parts.push(Part { scope: scope(from, first(piece + 1)), span });
        }
    }
    parts
}

/// Cuts a run of zones, without the one that it was entered by, into runs of about equal length;
/// into zones if they are no more than the fan-out.
pub(super) fn cut_run(scope: Scope, fanout: usize, table: &Table, rng: &mut Rng) -> Vec<Part> {
    let Scope::Across { zone, from: start, to: end } = scope else { return Vec::new() };
    let inside = zone.from(start) < end.from(start) || start == end;
    // Equal bounds of a half are an empty one.
    let halves = match inside {
        true => [(start, zone), (zone.next(), end)],
        false => [(start, end), (end, end)],
    };
    let within = |(from, to): (Zone, Zone)| {
        let mut zones: Vec<Zone> = table.zones().filter(|z| z.from(from) < to.from(from)).collect();
        zones.sort_by_key(|zone| zone.from(from));
        (from, to, zones)
    };
    let halves = halves.map(within);
    let total: usize = halves.iter().map(|(_, _, zones)| zones.len()).sum();
    let mut parts = Vec::with_capacity(fanout.min(total) + 1);
    for (first, behind, zones) in halves.iter().filter(|(_, _, zones)| !zones.is_empty()) {
        let pieces = share(fanout, zones.len(), total);
        let bound = |n: usize| n * zones.len() / pieces;
        for piece in 0..pieces {
            let run = zones.get(bound(piece)..bound(piece + 1)).unwrap_or_default();
            let picked = if run.len() > 1 { rng.index(run.len()) } else { 0 };
            let (Some(next), Some(zone)) = (run.first().copied(), run.get(picked).copied()) else {
                continue;
            };
            let from = if piece == 0 { *first } else { next };
            let to = zones.get(bound(piece + 1)).copied().unwrap_or(*behind);
            let scope = Scope::Across { zone, from, to };
            parts.push(Part { scope, span: scope.span(table) });
        }
    }
    parts
}

/// The share of the fan-out, rounded, of so many of a total.
fn share(fanout: usize, count: usize, total: usize) -> usize {
    ((2 * fanout.min(total) * count + total) / (2 * total)).clamp(1, count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use crate::base::time::Instant;
    use crate::member::record::tests::record;
    use crate::member::{State, Tags};
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};
    use std::sync::Arc;

    fn table(own: u64, ids: &BTreeSet<u64>) -> Table {
        zoned(own, &ids.iter().map(|id| (*id, 0)).collect())
    }

    /// A table of members by id and zone.
    fn zoned(own: u64, zones: &BTreeMap<u64, u8>) -> Table {
        let mut table = Table::new(NodeId(own));
        for (id, zone) in zones {
            let mut record = record(*id, 1, State::Alive);
            if *zone > 0 {
                record.tags = Tags::new([("zone", zone.to_string())]).unwrap();
            }
            table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        }
        table
    }

    /// What the writer is responsible for.
    fn all(table: &Table) -> Scope {
        let (own, zone) = (table.own(), table.own_zone());
        match table.is_zoned() {
            false => Scope::All { start: NodeId(own.0.wrapping_add(1)), end: own },
            true => Scope::Across { zone, from: zone, to: zone },
        }
    }

    /// Spreads a rumor among nodes with the tables that they have; answers who was sent it in what
    /// scope.
    fn spread(
        tables: &BTreeMap<u64, Table>,
        writer: u64,
        fanout: usize,
        pick: u64,
    ) -> Vec<(u64, Scope)> {
        let (mut sent, mut rng) = (Vec::new(), Rng::new(pick));
        let mut todo = vec![(writer, all(&tables[&writer]))];
        while let Some((own, scope)) = todo.pop() {
            let table = &tables[&own];
            for part in cut(scope, fanout, table, &mut rng) {
                let delegate = table.nth(part.span, rng.index(part.span.len())).unwrap().id.0;
                sent.push((delegate, part.scope));
                assert!(sent.len() < 10_000, "the rumor goes round");
                todo.push((delegate, part.scope));
            }
        }
        sent
    }

    fn ids() -> impl Strategy<Value = BTreeSet<u64>> {
        // Neighbours, and the seam of the circle.
        let ends = prop::sample::subsequence(vec![0, 1, 2, u64::MAX - 1, u64::MAX], 0..=5);
        let some = prop::collection::btree_set(any::<u64>(), 1..40);
        (some, ends).prop_map(|(mut ids, ends)| {
            ids.extend(ends);
            ids
        })
    }

    proptest! {
        #[test]
        fn everyone_is_sent_a_rumor_just_once_and_each_zone_is_entered_once(
            ids in ids(),
            zones in prop::collection::vec(0_u8..20, 50),
            // One zone, and more than the fan-out.
            most in 1_u8..20,
            writer: prop::sample::Index,
            fanout in 1_usize..10,
            pick: u64,
        ) {
            let writer = *ids.iter().nth(writer.index(ids.len())).unwrap();
            let zones: BTreeMap<u64, u8> =
                ids.iter().zip(zones).map(|(id, zone)| (*id, zone % most)).collect();
            let tables = ids.iter().map(|id| (*id, zoned(*id, &zones))).collect();
            let sent = spread(&tables, writer, fanout, pick);
            let mut got: Vec<u64> = sent.iter().map(|(id, _)| *id).collect();
            got.sort_unstable();
            let others: Vec<u64> = ids.iter().copied().filter(|id| *id != writer).collect();
            prop_assert_eq!(got, others);
            let entered = sent.iter().filter(|(_, scope)| matches!(scope, Scope::Across { .. }));
            let distinct: BTreeSet<u8> = zones.values().copied().collect();
            prop_assert_eq!(entered.count(), distinct.len() - 1);
        }

        #[test]
        fn nodes_that_disagree_send_nothing_in_circles(
            ids in ids(),
            views in prop::collection::vec(prop::collection::vec(0_u8..6, 50), 50),
            writer: prop::sample::Index,
            fanout in 1_usize..10,
            pick: u64,
        ) {
            let writer = *ids.iter().nth(writer.index(ids.len())).unwrap();
            // Each has its own view of who is in which zone; a sixth is not known.
            let table = |(own, view): (&u64, Vec<u8>)| {
                let known = ids.iter().copied().zip(view);
                (*own, zoned(*own, &known.filter(|(id, zone)| id == own || *zone < 5).collect()))
            };
            let tables: BTreeMap<u64, Table> = ids.iter().zip(views).map(table).collect();
            let mut sent: Vec<(u64, Zone)> = spread(&tables, writer, fanout, pick)
                .into_iter()
                .map(|(id, scope)| (id, scope.zone()))
                .collect();
            sent.sort_unstable();
            prop_assert!(sent.windows(2).all(|two| two[0] != two[1]), "twice in one zone");
        }
    }

    #[test]
    fn a_range_is_cut_into_as_many_parts_as_the_fan_out() {
        let ids = (0..100).map(|id| id * 10).collect();
        let parts = cut_ids(None, NodeId(1), NodeId(0), 8, &table(0, &ids));
        assert_eq!(parts.len(), 8);
        assert!(parts.iter().all(|part| (12..=13).contains(&part.span.len())));
    }
}
