//! The tree rumor: whoever is responsible for a range of members cuts it into `fanout` parts of
//! equal count and makes one member of each responsible for the rest of its part.
//!
//! Members stand in the order of their ids, which are random. A random member of a part of a
//! random order is as good as its first, so the first is taken. A lost copy, or one to a node
//! that is down, loses its branch.

use super::course::State;
use super::down::Down;
use super::model::{Model, Watch};
use super::outcome::{Cycle, Outcome};
use super::population;
use rumormill_core::base::rng::Rng;

/// Members from a place on the circle on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Range {
    from: u32,
    count: u32,
}

impl Range {
    /// At most `parts` parts whose counts differ by one at most, none empty.
    fn cut(self, parts: u32) -> impl Iterator<Item = Range> {
        let parts = parts.min(self.count);
        let (size, longer) = (self.count / parts.max(1), self.count % parts.max(1));
        (0..parts).map(move |part| Range {
            from: self.from + part * size + part.min(longer),
            count: size + u32::from(part < longer),
        })
    }
}

/// Runs one trial, hop by hop.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let down = Down::draw(model, &mut rng);
    let root = population::seeds(model, &mut rng, |node| down.is_up(node))[0];
    let nodes = model.nodes as u64;
    // Places are counted from the root.
    let is_up = |place: u32| down.is_up(((u64::from(root) + u64::from(place)) % nodes) as u32);
    let (live, mut known) = (model.live() as u64, 1);
    // What the ones that sent last answer for, without themselves.
    let mut ranges = vec![Range { from: 1, count: model.nodes as u32 - 1 }];
    ranges.retain(|range| range.count > 0);
    let state = |known: u64, senders: usize| State {
        susceptible: live - known,
        infective: senders as u64,
        removed: known - senders as u64,
    };
    let mut outcome = Outcome::new(state(known, ranges.len()));
    // It ends by itself: the bound on rounds is for what need not.
    while !ranges.is_empty() && !outcome.is_stopped(watch) {
        let mut cycle = Cycle::default();
        let mut next = Vec::new();
        for part in ranges.iter().flat_map(|range| range.cut(model.fanout as u32)) {
            cycle.updates += 1;
            if rng.chance(model.loss) || !is_up(part.from) {
                continue;
            }
            cycle.arrivals += 1;
            if part.count > 1 {
                next.push(Range { from: part.from + 1, count: part.count - 1 });
            }
        }
        known += cycle.arrivals;
        ranges = next;
        outcome.push(state(known, ranges.len()), cycle);
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_leave_nothing_out() {
        let parts: Vec<Range> = Range { from: 5, count: 11 }.cut(4).collect();
        let expected = [(5, 3), (8, 3), (11, 3), (14, 2)];
        assert_eq!(parts, expected.map(|(from, count)| Range { from, count }));
        assert_eq!(Range { from: 5, count: 2 }.cut(4).count(), 2);
        assert_eq!(Range { from: 5, count: 0 }.cut(4).count(), 0);
    }
}
