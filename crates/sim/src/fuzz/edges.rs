//! What happens at the edges of membership: who leaves, hands over, is replaced, forgotten, brought
//! back from an old folder, joins where few are, around partitions and passes of ring repair.
//!
//! Each story is one that somebody might tell; what makes it hard is what happens beside it.

use super::{ms, rng};
use crate::faults::Fault;
use crate::latency::Latency;
use crate::scenario::{Scenario, Trouble};
use crate::workload::Workload;
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use std::time::Duration;

/// Scenarios with such stories, of all.
const SHARE: f64 = 0.7;
/// Scenarios of these in which two sides of a partition do all they can to go on, each by itself.
const SIDES: f64 = 0.3;
/// After so many seconds a node that is cut off is dead for the others, mostly (guess).
const DEAD: f64 = 8.0;
/// And all of one side for a few on the other: there is nobody to confirm what they suspect.
const ALL_DEAD: f64 = 11.5;
/// Nothing of a story happens after this share of the time, but for the end of everything.
const END: f64 = 0.88;

/// Settings with which passes come often, and members are soon forgotten.
pub(super) fn settings(seed: u64, mut config: Config) -> Config {
    let mut rng = rng(seed, b"edge set");
    if has_edges(seed) {
        config.ring.interval = ms([200, 500, 1000][rng.index(3)]);
        config.ring.reap_after = ms([300, 1000, 2500, 0][rng.index(4)]);
        // Passes that are refused carry nothing, and here is no operator who would help: something
        // else brings the data everywhere in the end.
        if config.repair.interval.is_zero() {
            config.repair.interval = ms(1000);
        }
    }
    config
}

fn has_edges(seed: u64) -> bool {
    rng(seed, b"\0\0\0edges").chance(SHARE)
}

/// Adds one to three stories to a scenario, in half of them in place of its other faults; with up to
/// `room` nodes that come later.
pub(super) fn draw(seed: u64, scenario: &mut Scenario, room: usize) {
    if !has_edges(seed) {
        return;
    }
    let mut rng = rng(seed, b"\0stories");
    if rng.chance(0.5) {
        scenario.faults.retain(|trouble| trouble.fault == Fault::Calm);
    }
    if rng.chance(0.5) {
        let (every, keys) = (ms([10, 20, 50][rng.index(3)]), [20, 60, 200][rng.index(3)]);
        let value = scenario.load.map_or(40, |load| load.value.min(400));
        scenario.load = Some(Workload { every, keys, deletes: 0.4, value });
    }
    let base = scenario.world.nodes;
    let zones = scenario.world.zones.is_some();
    let late = if zones || rng.chance(0.5) { 0 } else { rng.index(1 + room.min(base)) };
    scenario.world.nodes += late;
    scenario.world.late = late;
    let jumps = |trouble: &Trouble| matches!(trouble.fault, Fault::ClockJump { .. });
    // A node that has forgotten which stamps it gave could give one twice there.
    let steady = scenario.world.clock_skew <= ms(100) && !scenario.faults.iter().any(jumps);
    let (interval, duration) = (scenario.world.config.ring.interval, scenario.duration);
    let faults = Vec::new();
    let mut stories = Stories { rng, base, late, steady, interval, duration, faults };
    let mut sides = super::rng(seed, b"\0\0\0sides");
    match sides.chance(SIDES) {
        true => stories.take_sides(sides, scenario),
        false => (0..1 + stories.rng.index(3)).for_each(|_| stories.tell()),
    }
    scenario.faults.extend(stories.faults);
    scenario.faults.sort_by_key(|trouble| trouble.at);
}

struct Stories {
    rng: Rng,
    /// Nodes that are there from the start, and those that may come.
    base: usize,
    late: usize,
    /// True where clocks go on evenly.
    steady: bool,
    interval: Duration,
    duration: Duration,
    faults: Vec<Trouble>,
}

impl Stories {
    /// Two sides, each of which does all it can to go on by itself. They are small, so that each soon
    /// holds the other dead, and little else happens.
    fn take_sides(&mut self, mut rng: Rng, scenario: &mut Scenario) {
        let world = &mut scenario.world;
        self.base = self.base.min(3 + rng.index(4));
        (self.rng, self.late) = (rng, 0);
        (world.nodes, world.late, world.zones) = (self.base, 0, None);
        scenario.faults.retain(|trouble| trouble.fault == Fault::Calm);
        match self.rng.below(10) {
            0..=3 => self.both_sides_go_on(),
            4 | 5 => self.set_back_between_sides(),
            6 | 7 => {
                // What one alone has heard must not be overwritten.
                world.bandwidth = None;
                let load = scenario.load.iter_mut();
                load.for_each(|load| (load.keys, load.deletes, load.value) = (1000, 0.1, 40));
                self.only_one_has_heard();
            }
            _ => {
                // Some pass is under way at any time, and where nothing differs it needs no answers.
                scenario.world.latency = Latency::Fixed(ms(10 + self.rng.below(50)));
                scenario.load.iter_mut().for_each(|load| load.every = load.every.max(ms(500)));
                self.nobody_hears_of_it();
            }
        }
    }

    fn tell(&mut self) {
        match self.rng.below(20) {
            0..=3 => self.leave_around_a_partition(),
            4..=7 => self.replace_the_fleet(),
            8..=10 => self.bring_folders_back(),
            11 | 12 => self.join_a_minority(),
            13..=15 => self.forget(),
            16..=18 => self.cut_the_power(),
            _ => self.begin_passes(),
        }
    }

    /// Lets something happen at a share of the time.
    fn put(&mut self, at: f64, fault: Fault) {
        let at = self.duration.mul_f64(at.clamp(0.0, END));
        let at = Duration::from_micros(at.as_micros() as u64);
        self.faults.push(Trouble { at, fault });
    }

    /// A share of the time between two.
    fn between(&mut self, least: f64, most: f64) -> f64 {
        least + (most - least) * self.rng.unit()
    }

    /// The nodes that are there from the start, in any order.
    fn everybody(&mut self) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.base).collect();
        self.rng.shuffle(&mut all);
        all
    }

    /// One of the nodes that may come.
    fn newcomer(&mut self) -> Option<usize> {
        (self.late > 0).then(|| self.base + self.rng.index(self.late))
    }

    /// Goes, with its disk: mostly in good order.
    fn goes(&mut self, at: f64, node: usize) {
        let fault = match self.rng.below(8) {
            0..=2 => Fault::Depart(node),
            3..=6 => Fault::Leave(node),
            _ => Fault::Crash(node),
        };
        self.put(at, fault);
    }

    fn joins(&mut self, at: f64, node: usize, seeds: &[usize]) {
        let seeds: Vec<usize> = seeds.iter().copied().filter(|&seed| seed != node).collect();
        match seeds.is_empty() {
            true => self.put(at, Fault::Boot(node)),
            false => self.put(at, Fault::Join { node, seeds }),
        }
    }

    fn pass(&mut self, at: f64, by: usize) {
        self.put(at, Fault::Pass { by, waive: false });
    }

    /// Some leave, the others are cut in two, and those that left are back on one side.
    fn leave_around_a_partition(&mut self) {
        let (all, from) = (self.everybody(), self.between(0.05, 0.5));
        let to = from + self.between(0.1, 0.4);
        let (leavers, rest) = all.split_at(1 + self.rng.index(self.base.div_ceil(2)));
        let (one, other) = rest.split_at(self.rng.index(1 + rest.len()));
        let mut sides = [one.to_vec(), other.to_vec()];
        self.rng.shuffle(&mut sides);
        let [near, far] = sides;
        let near: Vec<usize> = [&near, leavers].concat();
        for &node in leavers {
            let at = from + self.between(-0.03, 0.03);
            self.goes(at, node);
            if self.rng.chance(0.8) {
                let back = self.between(at + 0.01, to);
                self.joins(back, node, &near);
            } else {
                let back = self.between(to, to + 0.1);
                self.put(back, Fault::Boot(node));
            }
        }
        if !far.is_empty() {
            self.put(from, Fault::Partition { one: near.clone(), other: far.clone() });
            self.put(to, Fault::Heal);
        }
        for by in [near, far].into_iter().filter_map(|side| side.first().copied()) {
            if self.rng.chance(0.4) {
                let at = self.between(from, to);
                self.pass(at, by);
            }
        }
    }

    /// One after the other leaves and a new one comes, by the name and address of the one before or
    /// by others, once or twice; then somebody from before is back.
    fn replace_the_fleet(&mut self) {
        let all = self.everybody();
        let (mut at, step) = (self.between(0.03, 0.2), self.between(0.015, 0.05));
        // Some are only away, with their disks.
        let (away, replaced) = all.split_at(self.rng.index(1 + self.base / 2));
        for &node in away {
            self.goes(at, node);
            at += step * 0.5;
        }
        let mut newcomers: Vec<usize> = (self.base..self.base + self.late).collect();
        self.rng.shuffle(&mut newcomers);
        for _ in 0..1 + self.rng.index(2) {
            for &node in replaced {
                self.goes(at, node);
                self.put(at + step * 0.4, Fault::CopyDisk(node));
                if self.rng.chance(0.2) {
                    let by = self.rng.index(self.base);
                    self.put(at + step * 0.5, Fault::Forget { by, node, force: false });
                }
                match newcomers.pop() {
                    Some(newcomer) => self.joins(at + step * 0.6, newcomer, replaced),
                    None => {
                        self.put(at + step * 0.6, Fault::LoseDisk(node));
                        self.joins(at + step * 0.7, node, replaced);
                    }
                }
                at += step;
            }
        }
        at += self.between(0.0, 0.1);
        for &node in away {
            self.put(at, Fault::Boot(node));
            at += step;
        }
        if let Some(&node) = replaced.first().filter(|_| self.steady && self.rng.chance(0.6)) {
            self.restore(at, node);
        }
    }

    /// Folders are copied now and then, and come back.
    fn bring_folders_back(&mut self) {
        let node = self.rng.index(self.base);
        let mut at = self.between(0.02, 0.15);
        for _ in 0..1 + self.rng.index(4) {
            self.put(at, Fault::CopyDisk(node));
            at += self.between(0.03, 0.12);
        }
        // Sooner than this a node cannot know that it has forgotten something.
        let doubt = self.interval + ms(1500);
        if self.rng.chance(0.9) {
            at += doubt.as_secs_f64() / self.duration.as_secs_f64().max(0.001);
        }
        self.restore(at, node);
    }

    /// A copy of the disk of a node takes the place of it, or of another's.
    fn restore(&mut self, at: f64, from: usize) {
        let fresh = !self.steady || self.rng.chance(0.5);
        let node = match fresh && self.rng.chance(0.5) {
            true => self.newcomer().unwrap_or(self.rng.index(self.base)),
            false => from,
        };
        let before = self.rng.index(3);
        self.goes(at, node);
        let at = self.between(at + 0.005, at + 0.05);
        self.put(at, Fault::Restore { node, from, before, fresh });
        self.put(at + 0.03, Fault::Boot(node));
    }

    /// Seconds as a share of the time.
    fn seconds(&self, seconds: f64) -> f64 {
        seconds / self.duration.as_secs_f64().max(0.001)
    }

    /// Somebody on one side says of all on the other that passes need not wait for them.
    fn forgets(&mut self, at: f64, side: &[usize], other: &[usize]) {
        let Some(&by) = side.first() else { return };
        for &node in other {
            // Once more, if it was not dead yet.
            for late in [0.0, 1.5, 3.0] {
                let at = at + self.seconds(late) + self.between(0.0, self.seconds(1.0));
                self.put(at, Fault::Forget { by, node, force: false });
            }
        }
    }

    /// The cluster falls in two, be it before its first pass; some have left just then and are back
    /// on either side. Each side is told that the others are gone, and makes passes.
    fn both_sides_go_on(&mut self) {
        let from = if self.rng.chance(0.5) { 0.0 } else { self.between(0.03, 0.2) };
        let all = self.everybody();
        let (one, other) = all.split_at(1 + self.rng.index(self.base - 1));
        let told = from + self.seconds(ALL_DEAD);
        let to = told + self.seconds(4.0);
        self.put(from, Fault::Partition { one: one.to_vec(), other: other.to_vec() });
        for &node in one.iter().skip(1).chain(other.iter().skip(1)) {
            if self.rng.chance(0.25) {
                let at = from + self.between(-0.02, 0.02);
                self.goes(at, node);
                let side = if one.contains(&node) { one } else { other };
                let back = self.between(at + 0.02, to);
                self.joins(back, node, side);
            }
        }
        self.forgets(told, one, other);
        self.forgets(told, other, one);
        self.put(to, Fault::Heal);
    }

    /// One side makes passes with somebody who is then set back to before them, and on the other
    /// side: it would be the one voter that both have in common.
    fn set_back_between_sides(&mut self) {
        if !self.steady || self.base < 3 {
            return self.both_sides_go_on();
        }
        let all = self.everybody();
        let between = all[0];
        let (one, other) = all[1..].split_at((all.len() - 1) / 2);
        let (with, without) = ([one, &[between]].concat(), [other, &[between]].concat());
        let copied = self.between(0.05, 0.15);
        self.put(copied, Fault::CopyDisk(between));
        let from = copied + self.between(0.0, 0.03);
        self.put(from, Fault::Partition { one: with.clone(), other: other.to_vec() });
        self.forgets(from + self.seconds(DEAD), &with, other);
        let to = from + self.seconds(DEAD) + self.between(0.15, 0.25);
        self.put(to, Fault::Heal);
        self.put(to, Fault::Partition { one: one.to_vec(), other: without.clone() });
        self.put(to, Fault::Crash(between));
        let at = to + self.between(0.005, 0.02);
        self.put(at, Fault::Restore { node: between, from: between, before: 0, fresh: false });
        self.joins(at + 0.01, between, other);
        self.forgets(at + self.seconds(1.0), &without, one);
        self.put(END, Fault::Heal);
    }

    /// The power fails at one, and the only one that has heard what it wrote last says goodbye before
    /// it has told anybody. It is back after passes that visited the writer.
    fn only_one_has_heard(&mut self) {
        if !self.steady || self.base < 4 {
            return self.both_sides_go_on();
        }
        let mut at = self.between(0.1, 0.2);
        for _ in 0..2 {
            let all = self.everybody();
            let (node, other) = (all[0], all[1]);
            let from = at - self.between(self.seconds(0.1), self.seconds(1.0));
            self.put(from, Fault::Partition { one: vec![node, other], other: all[2..].to_vec() });
            self.put(at, Fault::PowerCut { node, back: ms(1000) });
            let healed = at + self.seconds(0.05);
            self.put(healed, Fault::Heal);
            let goes = healed + self.between(0.0, self.seconds(0.05));
            self.put(goes, Fault::Leave(other));
            let boots = goes + self.between(self.seconds(0.1), self.seconds(1.0));
            self.put(boots, Fault::Boot(node));
            let back = boots + self.between(self.seconds(1.5), self.seconds(5.0));
            self.put(back, Fault::Boot(other));
            at = back + self.between(self.seconds(0.5), self.seconds(3.0));
        }
    }

    /// Again and again one is heard by nobody for so long that the others go on without it, while a
    /// pass may be complete that only it knows of.
    fn nobody_hears_of_it(&mut self) {
        let mut at = self.between(0.03, 0.15);
        for _ in 0..2 {
            let all = self.everybody();
            let (one, rest) = (all[..1].to_vec(), all[1..].to_vec());
            let to = at + self.seconds(DEAD) + self.between(0.05, 0.1);
            match self.rng.chance(0.7) {
                true => self.put(at, Fault::Cut { from: one.clone(), to: rest.clone() }),
                false => {
                    let outputs = 1 + self.rng.below(20) as u32;
                    self.put(at, Fault::CrashMidway { node: one[0], outputs });
                    self.put(to, Fault::Boot(one[0]));
                }
            }
            self.forgets(at + self.seconds(DEAD), &rest, &one);
            self.put(to, Fault::Heal);
            at = to + self.between(0.03, 0.1);
        }
    }

    /// New members come where only few of the others are, be it before the first pass.
    fn join_a_minority(&mut self) {
        let (all, from) = (self.everybody(), self.between(0.0, 0.5));
        let to = from + self.between(0.1, 0.4);
        let (few, rest) = all.split_at(1 + self.rng.index(self.base.div_ceil(2)));
        let mut side = few.to_vec();
        let mut come = Vec::new();
        for _ in 0..1 + self.rng.index(3) {
            match self.newcomer().filter(|node| !come.contains(node)) {
                Some(node) => come.push(node),
                None => {
                    // Somebody's place, name and address.
                    let Some(node) = rest.iter().copied().find(|node| !come.contains(node)) else {
                        break;
                    };
                    self.put(from, Fault::LoseDisk(node));
                    come.push(node);
                }
            }
        }
        side.extend(&come);
        let other: Vec<usize> = rest.iter().copied().filter(|node| !come.contains(node)).collect();
        if other.is_empty() {
            return;
        }
        self.put(from, Fault::Partition { one: side, other: other.clone() });
        for node in come {
            let at = self.between(from + 0.005, to);
            self.joins(at, node, few);
        }
        for by in [few.first(), other.first()].into_iter().flatten() {
            if self.rng.chance(0.5) {
                let at = self.between(from, to);
                self.pass(at, *by);
            }
        }
        self.put(to, Fault::Heal);
    }

    /// Members are gone and an operator says so; most of those of whom it is said by force are gone
    /// for good.
    fn forget(&mut self) {
        let all = self.everybody();
        let gone = &all[..1 + self.rng.index(self.base.div_ceil(2))];
        let from = self.between(0.05, 0.3);
        for &node in gone {
            let at = self.between(from, from + 0.1);
            let lost = self.rng.chance(0.5);
            match lost {
                true => self.put(at, Fault::LoseDisk(node)),
                false => self.goes(at, node),
            }
            let force = self.rng.chance(if lost { 0.6 } else { 0.1 });
            let told = at + self.between(0.1, 0.3);
            let by = self.rng.index(self.base);
            self.put(told, Fault::Forget { by, node, force });
            if self.rng.chance(0.5) {
                self.pass(told + 0.02, by);
            }
            let back = told + self.between(0.02, 0.3);
            self.put(back, Fault::Boot(node));
        }
    }

    /// The power fails at one, and who may be the only one to have heard it leaves.
    fn cut_the_power(&mut self) {
        if !self.steady {
            return self.begin_passes();
        }
        let second = 1.0 / self.duration.as_secs_f64().max(0.001);
        for _ in 0..1 + self.rng.index(3) {
            let (all, at) = (self.everybody(), self.between(0.1, 0.5));
            let node = all[0];
            let back = ms(1 + self.rng.below(1000));
            let boots = at + self.between(0.5, 2.0) * second;
            if let Some(&other) = all.get(1).filter(|_| self.rng.chance(0.8)) {
                if all.len() > 2 && self.rng.chance(0.6) {
                    // Nobody else hears the last that was written.
                    let from = at - self.between(0.1, 1.0) * second;
                    let (one, rest) = (vec![node, other], all[2..].to_vec());
                    self.put(from, Fault::Partition { one, other: rest });
                    self.put(at + 0.2 * second, Fault::Heal);
                }
                let goes = at + self.between(-0.1, 0.2) * second;
                self.goes(goes, other);
                let back = boots + self.between(0.0, 6.0) * second;
                self.put(back, Fault::Boot(other));
            }
            self.put(at, Fault::PowerCut { node, back });
            self.put(boots, Fault::Boot(node));
        }
    }

    /// An operator begins passes.
    fn begin_passes(&mut self) {
        for _ in 0..1 + self.rng.index(6) {
            let (at, by) = (self.between(0.0, 0.8), self.rng.index(self.base));
            let waive = self.rng.chance(0.05);
            self.put(at, Fault::Pass { by, waive });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Fault;
    use crate::fuzz::Draw;

    #[test]
    fn every_story_is_told_and_fits() {
        let mut counts = [0; 8];
        for seed in 0..400 {
            let scenario = Draw::default().scenario(seed);
            assert_eq!(scenario.check(), Ok(()), "seed {seed}");
            let has = |kind: fn(&Fault) -> bool| scenario.faults.iter().any(|t| kind(&t.fault));
            let kinds: [fn(&Fault) -> bool; 8] = [
                |fault| matches!(fault, Fault::Depart(_)),
                |fault| matches!(fault, Fault::Forget { force: true, .. }),
                |fault| matches!(fault, Fault::Forget { force: false, .. }),
                |fault| matches!(fault, Fault::Pass { .. }),
                |fault| matches!(fault, Fault::PowerCut { .. }),
                |fault| matches!(fault, Fault::Restore { fresh: true, .. }),
                |fault| matches!(fault, Fault::Restore { fresh: false, .. }),
                |fault| matches!(fault, Fault::Join { .. }),
            ];
            for (count, kind) in counts.iter_mut().zip(kinds) {
                *count += usize::from(has(kind));
            }
        }
        assert!(counts.iter().all(|count| *count > 10), "{counts:?}");
    }

    #[test]
    fn without_them_a_seed_is_what_it_was() {
        let before = Draw { edges: false, ..Draw::default() };
        for seed in 0..50 {
            let scenario = before.scenario(seed);
            assert_eq!(scenario.world.late, 0);
            let new = |fault: &Fault| matches!(fault, Fault::Depart(_) | Fault::Join { .. });
            assert!(!scenario.faults.iter().any(|trouble| new(&trouble.fault)));
        }
    }
}
