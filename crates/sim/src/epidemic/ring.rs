//! A pass round the ring: from a random start each node in turn gives its successor what that
//! lacks, once round and once more: 2N - 2 hops, after which everyone has everything.

use super::course::State;
use super::down::Down;
use super::model::{Model, Watch};
use super::outcome::{Cycle, Outcome};
use super::population;
use rumormill_core::base::rng::Rng;

/// Hops between two looks at the wish to end.
const PATIENCE: u64 = 4096;

/// Runs one trial; a hop is a cycle. A hop to a node that is down is wasted: the same node tries
/// the next. A lost update leaves its receiver without the news, and the pass goes on.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let nodes = model.nodes as u32;
    let down = Down::draw(model, &mut rng);
    let seed = population::seeds(model, &mut rng, |node| down.is_up(node))[0];
    let after = |node: u32| if node + 1 == nodes { 0 } else { node + 1 };
    let live = model.live() as u64;
    let mut known = vec![0_u64; model.nodes.div_ceil(64)];
    let mut count = 1;
    let has = |known: &[u64], node: u32| known[node as usize / 64] >> (node % 64) & 1 == 1;
    known[seed as usize / 64] |= 1 << (seed % 64);
    let mut giver = rng.below(u64::from(nodes)) as u32;
    while !down.is_up(giver) {
        giver = after(giver);
    }
    let state = |count: u64, over: bool| State {
        susceptible: live - count,
        infective: if over { 0 } else { count },
        removed: if over { count } else { 0 },
    };
    let mut left = (2 * live).saturating_sub(2);
    let mut outcome = Outcome::new(state(count, left == 0));
    let mut taker = after(giver);
    let mut hops = 0_u64;
    while left > 0 {
        hops += 1;
        if hops.is_multiple_of(PATIENCE) && outcome.is_stopped(watch) {
            return outcome;
        }
        let mut cycle = Cycle { requests: 1, ..Cycle::default() };
        let reached = down.is_up(taker);
        if reached {
            if has(&known, giver) && !has(&known, taker) {
                cycle.updates = 1;
                if !rng.chance(model.loss) {
                    cycle.arrivals = 1;
                    known[taker as usize / 64] |= 1 << (taker % 64);
                    count += 1;
                }
            }
            giver = taker;
            left -= 1;
        }
        taker = after(taker);
        outcome.push(state(count, left == 0), cycle);
    }
    outcome
}
