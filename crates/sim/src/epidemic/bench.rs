//! What a contact costs, beside a plain loop that does the least a contact can: draw a number and
//! touch that bit of a set.

use super::invalid::Invalid;
use super::model::Contact;
use super::simple::Simple;
use rumormill_core::base::rng::Rng;
use serde::Serialize;
use std::hint::black_box;
use std::time::Duration;

/// Contacts to measure over, at least: smaller epidemics are repeated.
const CONTACTS: u64 = 20_000_000;
/// Numbers of nodes up to which the best of several measurements is taken.
const REPEATED: usize = 10_000_000;
/// How many.
const REPEATS: usize = 3;

/// Nanoseconds per contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Pace {
    /// Nodes.
    pub nodes: usize,
    /// Contacts that were timed, of all kinds.
    pub contacts: u64,
    /// A loop that draws a number below `nodes` and sets that bit of a set.
    pub plain_ns: f64,
    /// A push epidemic until everyone knows.
    pub push_ns: f64,
    /// A pull epidemic.
    pub pull_ns: f64,
    /// A push-pull epidemic.
    pub push_pull_ns: f64,
}

impl Pace {
    /// Times the plain loop.
    #[must_use]
    pub fn ratio(&self, ns: f64) -> f64 {
        ns / self.plain_ns
    }
}

/// Measures. `clock` tells the time that has passed: nothing here reads one.
///
/// # Errors
/// If there are fewer than two nodes or more than 2^32 - 1.
pub fn measure(nodes: usize, seed: u64, clock: &dyn Fn() -> Duration) -> Result<Pace, Invalid> {
    let Some(count) = u32::try_from(nodes).ok().filter(|count| *count >= 2) else {
        let most = u32::MAX;
        return Err(Invalid(format!("{nodes} nodes: a contact needs at least 2, at most {most}")));
    };
    let mut pace = Pace { nodes, ..Pace::default() };
    let mut rng = Rng::new(seed);
    let mut best = [f64::INFINITY; 4];
    for _ in 0..if nodes <= REPEATED { REPEATS } else { 1 } {
        for (which, best) in best.iter_mut().enumerate() {
            let begun = clock();
            let contacts = match which {
                0 => touch(nodes, &mut rng),
                1 => spread(count, Contact::Push, &mut rng),
                2 => spread(count, Contact::Pull, &mut rng),
                _ => spread(count, Contact::PushPull, &mut rng),
            };
            let took = clock().saturating_sub(begun).as_secs_f64();
            *best = best.min(took * 1e9 / contacts as f64);
            pace.contacts += if which > 0 { contacts } else { 0 };
        }
    }
    [pace.plain_ns, pace.push_ns, pace.pull_ns, pace.push_pull_ns] = best;
    Ok(pace)
}

/// The plain loop.
fn touch(nodes: usize, rng: &mut Rng) -> u64 {
    let mut bits = vec![0_u64; nodes.div_ceil(64)];
    let contacts = CONTACTS.max(nodes as u64);
    for _ in 0..contacts {
        let node = rng.below(nodes as u64) as usize;
        bits[node / 64] |= 1 << (node % 64);
    }
    black_box(bits);
    contacts
}

/// Epidemics until everyone knows; answers their contacts.
fn spread(nodes: u32, contact: Contact, rng: &mut Rng) -> u64 {
    let mut contacts = 0;
    while contacts < CONTACTS {
        let mut simple = Simple::new(contact, nodes, 1);
        while simple.know < u64::from(nodes) {
            contacts += simple.call(false, rng).contacts;
            simple.end_cycle();
        }
        black_box(&simple);
    }
    contacts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_nodes_are_refused() {
        for nodes in [0, 1, 1 << 32] {
            assert!(measure(nodes, 1, &|| Duration::ZERO).is_err());
        }
    }
}
