//! The random phone call model with the median-counter rule (Karp, Schindelhauer, Shenker, Vöcking
//! 2000, "Randomized Rumor Spreading"): O(n ln ln n) transmissions, and a node needs no estimate
//! of the time.
//!
//! In each round every node calls a random other, and over each call the news is transmitted both
//! ways by those that spread it. Nodes are in state A (never heard), B-m (spreads, with a counter
//! m), C (spreads for a fixed number of rounds more) or D (knows, is quiet):
//! - A becomes B-1 when it hears, C if one of those it hears from is in C.
//! - B-m becomes B-(m+1) in a round in which it met more nodes in B-m' with m' >= m than others
//!   in A or in B with a smaller counter; past the highest counter, or on hearing from C, it
//!   becomes C.

use super::course::State;
use super::model::{Model, Watch};
use super::outcome::{Cycle, Outcome};
use super::partners;
use super::population;
use rumormill_core::base::rng::Rng;

/// Never heard.
const A: u8 = 0;
/// B-m is m, C is counted upwards from here.
const C: u8 = 64;
/// Knows and is quiet.
const D: u8 = 128;
/// Is down.
const DOWN: u8 = 255;

/// What a node met in a round.
#[derive(Clone, Copy, Default)]
struct Met {
    /// Nodes with a counter at least as high, less those in A or with a lower one.
    ahead: i16,
    heard: bool,
    heard_from_c: bool,
    /// It has nobody to call.
    alone: bool,
}

/// Rounds in C and the highest counter: O(ln ln n), with what small n need on top.
fn patience(nodes: usize) -> u8 {
    let nodes = (nodes.max(3)) as f64;
    nodes.ln().ln().ceil().max(1.0) as u8 + 2
}

fn spreads(state: u8) -> bool {
    state != A && state < D
}

/// Runs one trial.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let mut states = vec![A; model.nodes];
    population::crash(model, &mut rng, |node| states[node as usize] = DOWN);
    let seeds = population::seeds(model, &mut rng, |node| states[node as usize] != DOWN);
    seeds.iter().for_each(|seed| states[*seed as usize] = 1);
    let mut met = vec![Met::default(); model.nodes];
    let live = model.live() as u64;
    let (mut known, mut hot) = (seeds.len() as u64, seeds.len() as u64);
    let state = |known: u64, hot: u64| State {
        susceptible: live - known,
        infective: hot,
        removed: known - hot,
    };
    let mut outcome = Outcome::new(state(known, hot));
    while hot > 0 && !outcome.must_end(model, watch) {
        let mut cycle = call_all(model, &states, &mut met, &mut rng);
        let patience = patience(model.nodes);
        hot = 0;
        for (state, met) in states.iter_mut().zip(&mut met) {
            let before = *state;
            *state = next(before, std::mem::take(met), patience);
            cycle.arrivals += u64::from(before == A && *state != A);
            hot += u64::from(spreads(*state));
        }
        known += cycle.arrivals;
        outcome.push(state(known, hot), cycle);
    }
    outcome
}

/// Every node that is up calls another.
fn call_all(model: &Model, states: &[u8], met: &mut [Met], rng: &mut Rng) -> Cycle {
    let mut cycle = Cycle::default();
    for (caller, state) in states.iter().enumerate() {
        if *state == DOWN {
            continue;
        }
        let drawn = partners::draw(&model.contacts, model.nodes as u32, caller as u32, rng);
        let Some(partner) = drawn.map(|partner| partner as usize) else {
            met[caller].alone = true;
            continue;
        };
        cycle.requests += u64::from(!spreads(*state));
        for (from, to) in [(caller, partner), (partner, caller)] {
            if states[from] == DOWN {
                continue;
            }
            if states[to] != DOWN {
                see(states[to], states[from], &mut met[to]);
            }
            if !spreads(states[from]) {
                continue;
            }
            cycle.updates += 1;
            if states[to] != DOWN && !rng.chance(model.loss) {
                met[to].heard = true;
                met[to].heard_from_c |= states[from] >= C;
            }
        }
    }
    cycle
}

/// A node in `state` sees how far the other end of a call is.
fn see(state: u8, other: u8, met: &mut Met) {
    if state < C && other < C {
        met.ahead = met.ahead.saturating_add(if other >= state { 1 } else { -1 });
    }
}

/// The state after a round.
fn next(state: u8, met: Met, patience: u8) -> u8 {
    match state {
        A if met.heard_from_c => C,
        A if met.heard => 1,
        A | D.. => state,
        _ if met.alone => D,
        C.. if state + 1 >= C + patience => D,
        C.. => state + 1,
        _ if met.heard_from_c => C,
        _ if met.ahead > 0 && state >= patience => C,
        _ if met.ahead > 0 => state + 1,
        _ => state,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn met(ahead: i16, heard: bool, heard_from_c: bool) -> Met {
        Met { ahead, heard, heard_from_c, alone: false }
    }

    #[test]
    fn states_follow_each_other_as_in_the_paper() {
        assert_eq!(next(A, met(0, false, false), 3), A);
        assert_eq!(next(A, met(0, true, false), 3), 1);
        assert_eq!(next(A, met(0, true, true), 3), C);
        assert_eq!(next(1, met(1, true, false), 3), 2);
        assert_eq!(next(2, met(0, true, false), 3), 2);
        assert_eq!(next(2, met(-1, true, true), 3), C);
        assert_eq!(next(3, met(1, true, false), 3), C);
        assert_eq!(next(C, Met::default(), 3), C + 1);
        assert_eq!(next(C + 2, Met::default(), 3), D);
        assert_eq!(next(D, met(1, true, true), 3), D);
        assert_eq!(next(DOWN, met(0, true, true), 3), DOWN);
    }
}
