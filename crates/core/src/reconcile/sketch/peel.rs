//! Reading a difference from the difference of two tables.

use crate::data::sketch::item::Place;
use crate::data::sketch::item::TABLES;
use crate::data::sketch::strata::exp_minus;
use crate::data::sketch::table::spots;
use crate::data::sketch::{Cells, ItemId};

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peeled {
    /// True if the items explain every cell.
    pub complete: bool,
    /// The items that differ, in order; without meaning unless complete.
    pub items: Vec<ItemId>,
    /// Cells with no item or one, at the start: from that follows about how many there are.
    pub light: usize,
}

/// Finds the items in the first cells of the difference of two sequences.
///
/// A cell with one item gives it away, and taken out of its other cells it leaves others with one.
/// A cell with several passes for one with a single item in one of 64 * len cases; the item
/// that never was comes up again when the true ones are gone, and cancels. Work is bounded: no cell
/// is used more than twice in the mean.
#[must_use]
pub fn peel(prefix: &Cells) -> Peeled {
    let mut cells = prefix.tables();
    let len = cells.len();
    let mut ready: Vec<usize> = Vec::new();
    let mut light = 0;
    for at in 0..len {
        let alone = single(&cells, at, len).is_some();
        light += usize::from(alone || cells.get(at) == Some((0, 0)));
        if alone {
            ready.push(at);
        }
    }
    let mut items = Vec::with_capacity(ready.len());
    while let Some(at) = ready.pop() {
        let Some((item, place)) = single(&cells, at, len) else { continue };
        if items.len() > 2 * len {
            break;
        }
        items.push(item);
        let check = place.check();
        for spot in spots(place, len) {
            cells.toggle(spot, item, check);
            ready.push(spot);
        }
    }
    // One cell alone is the exclusive or of everything: one case in 256 looks like a single item.
    let complete = prefix.len() > 1 && cells.iter().all(|cell| cell == (0, 0));
    Peeled { complete, items: odd_ones(items), light }
}

/// The item in a cell, if it is alone there.
fn single(cells: &Cells, at: usize, len: usize) -> Option<(ItemId, Place)> {
    let (sum, check) = cells.get(at)?;
    if (sum, check) == (0, 0) {
        return None;
    }
    let (item, place) = (ItemId(sum), Place::of(ItemId(sum)));
    let here = place.check() == check && { spots(place, len).contains(&at) };
    here.then_some((item, place))
}

/// Sorts, and drops what was found an even number of times.
fn odd_ones(mut items: Vec<ItemId>) -> Vec<ItemId> {
    items.sort_unstable();
    let mut odd: Vec<ItemId> = Vec::with_capacity(items.len());
    for item in items {
        if odd.last() == Some(&item) {
            odd.pop();
        } else {
            odd.push(item);
        }
    }
    odd
}

/// Cells that are enough for this many differences in about half of all cases. From measurements;
/// see [`crate::data::sketch::table`].
#[must_use]
pub fn needed(differences: f64) -> f64 {
    1.30 * differences + 0.3 * differences.sqrt()
}

/// About how many items differ, from the share of light cells; `None` if there are too few of them
/// to tell.
#[must_use]
pub fn estimate(prefix: usize, light: usize) -> Option<f64> {
    let len = prefix + TABLES - 1;
    if light < 6 || len < 24 {
        return None;
    }
    let size = len.next_power_of_two();
    // Cells that are not split yet stand for two.
    let wide = (size - len) as f64;
    let narrow = len as f64 - wide;
    let lighter = |differences: f64| {
        let mean = TABLES as f64 * differences / size as f64;
        let share = |mean: f64| exp_minus(mean) * (1.0 + mean);
        narrow * share(mean) + wide * share(2.0 * mean)
    };
    let (mut low, mut high) = (0.0, 8.0 * len as f64);
    for _ in 0..24 {
        let middle = (low + high) / 2.0;
        match lighter(middle) > light as f64 {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::Rng;
    use proptest::prelude::*;

    fn prefix_of(items: &[ItemId], len: usize) -> Cells {
        let mut sketches = crate::data::sketch::Sketches::default();
        items.iter().for_each(|item| sketches.insert(*item, 0));
        while sketches.view(sketches.version(), crate::data::Cut::NONE).unwrap().size() < len {
            sketches.grow(items.iter().copied());
        }
        let view = sketches.view(sketches.version(), crate::data::Cut::NONE).unwrap();
        view.cells(0, len)
    }

    proptest! {
        #[test]
        fn a_complete_answer_is_right(items: std::collections::BTreeSet<u64>, len in 1_usize..300) {
            let items: Vec<ItemId> = items.into_iter().map(ItemId).collect();
            let peeled = peel(&prefix_of(&items, len));
            if peeled.complete {
                prop_assert_eq!(peeled.items, items);
            } else {
                prop_assert!(len < 8 * items.len() + 16);
            }
        }

        #[test]
        fn lies_are_bounded(cells: Vec<(u64, u8)>) {
            let mut bytes = Vec::new();
            for (sum, check) in &cells {
                bytes.extend(sum.to_le_bytes());
                bytes.push(*check);
            }
            let lies = Cells::decode(&mut crate::base::codec::Reader::new(&bytes), 1 << 20);
            let peeled = peel(&lies.unwrap());
            prop_assert!(peeled.items.len() <= 2 * cells.len() + 1);
        }
    }

    #[test]
    fn the_estimate_and_the_number_of_cells_are_about_right() {
        let mut rng = Rng::new(4);
        for count in [300_usize, 3000] {
            let items: Vec<ItemId> = (0..count).map(|_| ItemId(rng.bits())).collect();
            for share in [1.0, 1.2, 1.5] {
                let len = (count as f64 * share) as usize;
                let estimate = estimate(len, peel(&prefix_of(&items, len)).light).unwrap();
                let ratio = estimate / count as f64;
                assert!((0.6..1.6).contains(&ratio), "{count} from {len}: {ratio}");
            }
            let enough = (needed(count as f64) * 1.3) as usize;
            assert!(peel(&prefix_of(&items, enough)).complete);
        }
    }
}
