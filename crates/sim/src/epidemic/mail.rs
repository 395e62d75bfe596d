//! Direct mail: the writer sends the news to everyone it knows, once. Letters that nobody
//! acknowledged may be kept and sent again, a bounded number of times.

use super::course::State;
use super::down::Down;
use super::model::{Model, Watch};
use super::outcome::{Cycle, Outcome};
use super::partners;
use super::population;
use rumormill_core::base::rng::Rng;

/// Runs one trial: a cycle for the letters, and one for each time they are sent again.
pub(super) fn run(model: &Model, mut rng: Rng, watch: &Watch) -> Outcome {
    let nodes = model.nodes as u32;
    let down = Down::draw(model, &mut rng);
    let writers = population::seeds(model, &mut rng, |node| down.is_up(node));
    let mut knows = vec![0_u64; model.nodes.div_ceil(64)];
    let mut learn = |node: u32| {
        let (word, bit) = (node as usize / 64, 1 << (node % 64));
        let new = knows[word] & bit == 0;
        knows[word] |= bit;
        u64::from(new)
    };
    writers.iter().for_each(|writer| _ = learn(*writer));
    let (live, mut known) = (model.live() as u64, writers.len() as u64);
    let writing = writers.len() as u64;
    let state = |known: u64, writing: u64| State {
        susceptible: live - known,
        infective: writing,
        removed: known - writing,
    };
    let mut outcome = Outcome::new(state(known, writing));
    let mut post = |to: u32, cycle: &mut Cycle| {
        cycle.updates += 1;
        let lost = rng.chance(model.loss);
        if lost || !down.is_up(to) {
            return false;
        }
        cycle.arrivals += learn(to);
        true
    };
    // Letters without an acknowledgement, by writer.
    let mut outboxes: Vec<Vec<u32>> = vec![Vec::new(); writers.len()];
    for attempt in 0..=model.retries {
        if outcome.is_stopped(watch) {
            return outcome;
        }
        let mut cycle = Cycle::default();
        for (writer, outbox) in writers.iter().zip(&mut outboxes) {
            match attempt {
                0 => partners::each(&model.contacts, nodes, *writer, |to| {
                    if !post(to, &mut cycle) && model.retries > 0 {
                        outbox.push(to);
                    }
                }),
                _ => outbox.retain(|to| !post(*to, &mut cycle)),
            }
        }
        known += cycle.arrivals;
        let waiting = outboxes.iter().any(|outbox| !outbox.is_empty());
        let more = waiting && attempt < model.retries;
        outcome.push(state(known, if more { writing } else { 0 }), cycle);
        if !more {
            break;
        }
    }
    outcome
}
