//! Goes through all states that a case can lead to, the nearest first.

use super::case::{Case, KINDS};
use super::state::{Broken, World};
use super::step::Step;
use rumormill_core::base::hash::Set;
use std::hash::{Hash, Hasher};

/// What was found.
pub struct Found {
    /// States that were looked at.
    pub states: usize,
    /// The most steps that any of them is away.
    pub depth: usize,
    /// True if there are no more.
    pub all: bool,
    /// What does not hold, and the shortest way to it.
    pub broken: Option<(Broken, Vec<Step>)>,
}

/// Two sums of a state, which together are taken for the state: that two states of some millions
/// have the same is less likely than one in 10^24.
#[derive(Clone, Copy)]
struct Sum(u64, u64);

impl Hasher for Sum {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }

    fn write_u16(&mut self, value: u16) {
        self.write_u64(value.into());
    }

    fn write_u64(&mut self, value: u64) {
        let mix = |sum: u64, odd: u64| {
            let wide = u128::from(sum ^ value) * u128::from(odd);
            (wide as u64) ^ (wide >> 64) as u64 ^ sum.rotate_left(23)
        };
        self.0 = mix(self.0, 0x9E37_79B9_7F4A_7C15);
        self.1 = mix(self.1, 0xD6E8_FEB8_6659_FD93);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

fn sum(world: &World) -> (u64, u64) {
    let mut sum = Sum(0x243F_6A88_85A3_08D3, 0x1319_8A2E_0370_7344);
    world.hash(&mut sum);
    (sum.0, sum.1)
}

/// Looks at every state up to so many, unless it finds one that breaks a property first.
pub fn explore(case: &Case, most: usize) -> Found {
    let mut seen = Set::default();
    let mut trail: Vec<(u32, Step)> = vec![(0, Step::Heal)];
    let mut level = vec![(0_u32, case.start)];
    seen.insert(sum(&case.start));
    let (mut depth, mut judged) = (0, Set::default());
    while !level.is_empty() {
        let mut next = Vec::new();
        for (at, world) in level {
            for (step, after) in world.steps(case) {
                if !seen.insert(sum(&after)) {
                    continue;
                }
                trail.push((at, step));
                let number = trail.len() as u32 - 1;
                // What becomes of it does not depend on what might have happened.
                let rest = World { budget: [0; KINDS], ..after };
                let broken = after
                    .broken
                    .or_else(|| if judged.insert(sum(&rest)) { judge(&after, case) } else { None });
                if let Some(broken) = broken.filter(|broken| case.looks_for(*broken)) {
                    let broken = Some((broken, way(&trail, number)));
                    return Found { states: trail.len(), depth: depth + 1, all: false, broken };
                }
                next.push((number, after));
            }
            if trail.len() > most {
                return Found { states: trail.len(), depth, all: false, broken: None };
            }
        }
        depth += usize::from(!next.is_empty());
        level = next;
    }
    Found { states: trail.len(), depth, all: true, broken: None }
}

fn judge(world: &World, case: &Case) -> Option<Broken> {
    [true, false].into_iter().find_map(|all| world.settle(case, all))
}

fn way(trail: &[(u32, Step)], mut at: u32) -> Vec<Step> {
    let mut way = Vec::new();
    while at != 0 {
        let (before, step) = trail[at as usize];
        way.push(step);
        at = before;
    }
    way.reverse();
    way
}
