//! What makes life hard beside faults of single machines and of the network: strangers who send what
//! they like, disks that hang or fail, a fleet that gets a key or another one, nodes that run with other
//! settings than the rest, and little room.
//!
//! Each has a share of the scenarios and a generator of its own.

use super::{fitting, is_too_narrow, ms, rng, vary, waits_for_passes};
use crate::faults::{Does, Fault, Forge, Lock};
use crate::scenario::{Scenario, Trouble, copied};
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_core::spread::entropy::Direction;
use std::time::Duration;

/// Shares of the scenarios.
const STRANGERS: f64 = 0.2;
/// Of these, those in which they have the help of a member: little is promised there.
const BETRAYED: f64 = 0.2;
const DISKS: f64 = 0.2;
const KEYS: f64 = 0.2;
const MIXED: f64 = 0.2;
const LITTLE: f64 = 0.15;
/// Nothing of this begins or ends after this share of the time, but for the end of everything.
const END: f64 = 0.88;
/// What strangers have done is over after so long: see docs/simulator.md.
const RECOVERS: Duration = Duration::from_secs(60);

/// Settings that nodes of one cluster may differ in, as while a fleet is moved from some to others.
const MAY_DIFFER: [&str; 19] = [
    "spread.method",
    "spread.tree.fanout",
    "spread.tree.acknowledge",
    "spread.tree.window",
    "spread.rumor.period",
    "spread.rumor.fanout",
    "spread.rumor.k",
    "spread.rumor.max_hot",
    "spread.rumor.contact",
    "spread.rumor.stop",
    "spread.mail.outbox_bytes",
    "spread.mail.retransmit",
    "repair.interval",
    "repair.direction",
    "repair.compare",
    "repair.settle",
    "repair.piece_bytes",
    "repair.audit_interval",
    "limits.datagram",
];

fn has_little(seed: u64) -> bool {
    rng(seed, b"\0\0little").chance(LITTLE)
}

/// Bounds at their lower ends.
pub(super) fn settings(seed: u64, mut config: Config) -> Config {
    if !has_little(seed) {
        return config;
    }
    let mut rng = rng(seed, b"\0bounds\0");
    let mut half = || rng.chance(0.5);
    if half() {
        config.spread.rumor.max_hot = 1;
    }
    if half() {
        config.spread.mail.outbox_bytes = 200;
    }
    if half() {
        config.repair.piece_bytes = 1024;
    }
    if half() {
        config.limits.datagram = 576;
    }
    if half() {
        config.limits.burst = config.limits.datagram;
    }
    config.limits.burst = config.limits.burst.max(config.limits.datagram);
    config.limits.incoming = 32 << 20;
    if half() {
        config.limits.membership_rate = 50_000;
        config.limits.updates_rate = 10_000;
        config.limits.repair_rate = 200_000;
    }
    config
}

/// Adds all that a seed draws to a scenario. `set` is what the settings of all nodes must be, where
/// somebody says so.
pub(super) fn draw(seed: u64, scenario: &mut Scenario, set: impl Fn(Config) -> Option<Config>) {
    let mut hard = Hard { duration: scenario.duration, faults: Vec::new() };
    let rng = |part| self::rng(seed, part);
    if has_little(seed) {
        little(rng(b"squeezed"), scenario, &mut hard, &set);
    }
    let mut mixed = rng(b"\0\0\0mixed");
    if mixed.chance(MIXED) {
        differ(mixed, scenario, &mut hard, set);
    }
    let mut disks = rng(b"\0\0\0disks");
    if disks.chance(DISKS) && is_steady(scenario) {
        fail(disks, scenario, &mut hard);
    }
    let mut keys = rng(b"\0\0\0\0keys");
    let turns = keys.chance(KEYS);
    if turns {
        match scenario.world.sealed {
            true => change_keys(keys, scenario, &mut hard),
            false => get_a_key(keys, scenario, &mut hard),
        }
    }
    let mut strangers = rng(b"stranger");
    if strangers.chance(STRANGERS) {
        let opens = scenario.world.sealed && !turns;
        come(strangers, scenario, &mut hard, opens);
        scenario.settle += RECOVERS;
    }
    scenario.faults.extend(hard.faults);
    scenario.faults.sort_by_key(|trouble| trouble.at);
}

/// True where clocks go on evenly: a node that has forgotten which stamps it gave could give one twice
/// elsewhere.
fn is_steady(scenario: &Scenario) -> bool {
    let jumps = |trouble: &Trouble| matches!(trouble.fault, Fault::ClockJump { .. });
    scenario.world.clock_skew <= ms(100) && !scenario.faults.iter().any(jumps)
}

/// What is added.
struct Hard {
    duration: Duration,
    faults: Vec<Trouble>,
}

impl Hard {
    /// Lets something happen at a share of the time.
    fn put(&mut self, at: f64, fault: Fault) {
        let at = self.duration.mul_f64(at.clamp(0.0, END));
        let at = Duration::from_micros(at.as_micros() as u64);
        self.faults.push(Trouble { at, fault });
    }

    /// A number of seconds as a share of the time.
    fn seconds(&self, seconds: f64) -> f64 {
        seconds / self.duration.as_secs_f64().max(0.001)
    }
}

/// A number between two.
fn between(rng: &mut Rng, least: f64, most: f64) -> f64 {
    least + (most - least) * rng.unit()
}

/// Some nodes, one at least, in any order.
fn some(rng: &mut Rng, nodes: usize) -> Vec<usize> {
    let mut all: Vec<usize> = (0..nodes).collect();
    rng.shuffle(&mut all);
    all.truncate(1 + rng.index(nodes));
    all
}

/// Little room: in sockets, on streams, for what waits for disks, and in the table of members for nobody
/// who never comes.
fn little(
    mut rng: Rng,
    scenario: &mut Scenario,
    hard: &mut Hard,
    set: impl Fn(Config) -> Option<Config>,
) {
    let fresh = |trouble: &&Trouble| {
        matches!(trouble.fault, Fault::LoseDisk(_) | Fault::Restore { fresh: true, .. })
    };
    let ids = scenario.world.nodes + scenario.faults.iter().filter(fresh).count();
    let world = &mut scenario.world;
    let mut config = world.config.clone();
    config.limits.max_members = ids;
    if let Some(load) = scenario.load {
        config.limits.max_value = load.value.max(1);
    }
    world.config = set(config).unwrap_or(world.config.clone());
    world.socket_buffer = [4 << 10, 32 << 10][rng.index(2)];
    // A piece and what is before it.
    world.stream_buffer = 1 << 20;
    world.disk_backlog = [1 << 10, 32 << 10][rng.index(2)];
    for _ in 0..rng.index(4) {
        let node = rng.index(scenario.world.nodes);
        let from = between(&mut rng, 0.0, 0.6);
        let to = between(&mut rng, from, END);
        let bytes = [600, 4 << 10, 64 << 10][rng.index(3)];
        hard.put(from, Fault::Squeeze { node, bytes });
        hard.put(to, Fault::Squeeze { node, bytes: 0 });
    }
}

/// Some nodes run with other settings, or all do in the end, or all have gone back.
fn differ(
    mut rng: Rng,
    scenario: &mut Scenario,
    hard: &mut Hard,
    set: impl Fn(Config) -> Option<Config>,
) {
    let world = &mut scenario.world;
    // Where nothing but passes moves data it is not enough that some do something else.
    if waits_for_passes(&world.config, world.nodes) > 0 {
        return;
    }
    let varied = vary(&mut rng, world.config.clone());
    let share = [0.15, 0.5, 1.0][rng.index(3)];
    let mut other = world.config.clone();
    for name in MAY_DIFFER {
        if rng.chance(share) {
            other = copied(&other, &varied, name).unwrap_or(other);
        }
    }
    other.limits.burst = other.limits.burst.max(other.limits.datagram);
    let Some(mut other) = set(other) else { return };
    // Who only sends, among those who only ask, gets nothing by repair: see the settings' text. It is
    // asked for more than they can do, then, that all agree.
    let ways = [world.config.repair.direction, other.repair.direction];
    if ways.contains(&Direction::Push) && ways.contains(&Direction::Pull) {
        other.repair.direction = Direction::PushPull;
    }
    // What an exchange of everything takes counts for those with the smaller pieces.
    scenario.load = scenario.load.map(|load| fitting(load, &other));
    if scenario.load.is_some_and(|load| is_too_narrow(&other, world.bandwidth, &load)) {
        world.bandwidth = None;
    }
    world.other = Some(other);
    let nodes = some(&mut rng, world.nodes);
    let mut at = if rng.chance(0.3) { 0.0 } else { between(&mut rng, 0.0, 0.4) };
    let step = if rng.chance(0.3) { 0.0 } else { between(&mut rng, 0.0, 0.05) };
    for &node in &nodes {
        hard.put(at, Fault::Settings { node, other: true });
        at += step;
    }
    if rng.chance(0.3) {
        at += between(&mut rng, 0.0, 0.2);
        for &node in &nodes {
            hard.put(at, Fault::Settings { node, other: false });
            at += step;
        }
    }
}

/// Disks hang or fail, of one node or of some at once; some processes do not outlive that.
fn fail(mut rng: Rng, scenario: &Scenario, hard: &mut Hard) {
    for _ in 0..1 + rng.index(4) {
        let from = between(&mut rng, 0.0, 0.7);
        let long = between(&mut rng, 0.1, 8.0);
        let to = from + hard.seconds(long);
        let mut nodes = some(&mut rng, scenario.world.nodes);
        if rng.chance(0.7) {
            nodes.truncate(1);
        }
        for node in nodes {
            let first = if rng.chance(0.6) { Does::Hangs } else { Does::Fails };
            hard.put(from, Fault::Disk { node, does: first });
            if rng.chance(0.3) {
                let then = if first == Does::Hangs { Does::Fails } else { Does::Hangs };
                let at = between(&mut rng, from, to);
                hard.put(at, Fault::Disk { node, does: then });
            }
            if rng.chance(0.3) {
                // A pass waits for the disk of everybody whom it visits.
                let at = between(&mut rng, from, to);
                hard.put(at, Fault::Pass { by: node, waive: false });
            }
            if rng.chance(0.4) {
                let dies = between(&mut rng, from, to);
                let fault = match rng.below(3) {
                    0 => Fault::CrashMidway { node, outputs: rng.below(40) as u32 },
                    1 => Fault::PowerCut { node, back: ms(1 + rng.below(1000)) },
                    _ => Fault::Crash(node),
                };
                hard.put(dies, fault);
                let back = dies + hard.seconds(between(&mut rng, 0.5, 4.0));
                hard.put(back, Fault::Boot(node));
            }
            hard.put(to, Fault::Disk { node, does: Does::Works });
        }
    }
}

/// A fleet without a key gets one, in the three steps of docs/operations.md. Nobody takes a step before
/// all have taken the one before, be it that they have it from their next boot on.
fn get_a_key(mut rng: Rng, scenario: &Scenario, hard: &mut Hard) {
    let mut at = between(&mut rng, 0.0, 0.3);
    let step = between(&mut rng, 0.0, 0.2) / scenario.world.nodes as f64;
    for lock in [Lock::Accept, Lock::Send, Lock::Require] {
        let mut all: Vec<usize> = (0..scenario.world.nodes).collect();
        rng.shuffle(&mut all);
        for node in all {
            hard.put(at, Fault::Lock { node, lock });
            at += step;
        }
    }
}

/// The notes of a ring in which one key takes the place of another; some nodes let plain packets in
/// for a while.
fn change_keys(mut rng: Rng, scenario: &Scenario, hard: &mut Hard) {
    let nodes = scenario.world.nodes;
    let mut at = between(&mut rng, 0.02, 0.2);
    for turn in 0..1 + rng.index(2) {
        let (new, old) = (format!("/key-{}", turn + 1), format!("/key-{turn}"));
        for name in [new, "!".into(), "?".into(), old] {
            // Each says for itself which keys it has; of an operator's word there may be two at once.
            let by = match name.as_str() {
                "?" => (0..nodes).collect(),
                _ => vec![rng.index(nodes); if rng.chance(0.2) { 2 } else { 1 }],
            };
            for node in by {
                let node = if name != "?" && rng.chance(0.2) { rng.index(nodes) } else { node };
                let size = [8, 60, 1000][rng.index(3)];
                let late = at + between(&mut rng, 0.0, 0.05);
                hard.put(late, Fault::Note { node, name: name.clone(), size });
            }
            at += between(&mut rng, 0.0, 0.1);
        }
    }
    if rng.chance(0.4) {
        for node in some(&mut rng, nodes) {
            let from = between(&mut rng, 0.0, 0.5);
            let to = between(&mut rng, from, END);
            hard.put(from, Fault::Lock { node, lock: Lock::Send });
            hard.put(to, Fault::Lock { node, lock: Lock::Require });
        }
    }
}

/// Strangers send what they make up. Where all seal, some let in what is plain, or nothing would get
/// to them.
fn come(mut rng: Rng, scenario: &Scenario, hard: &mut Hard, opens: bool) {
    let mut all = Forge::ALL;
    rng.shuffle(&mut all);
    let betrayed = rng.chance(BETRAYED);
    for &forge in all.iter().take(1 + rng.index(4)) {
        let from = between(&mut rng, 0.0, 0.6);
        let to = between(&mut rng, from, END);
        let per_second = [5, 20, 100, 400][rng.index(4)];
        let comes = |per_second| match betrayed {
            true => Fault::Traitor { forge, per_second },
            false => Fault::Strangers { forge, per_second },
        };
        hard.put(from, comes(per_second));
        hard.put(to, comes(0));
    }
    if opens && !betrayed && rng.chance(0.7) {
        for node in some(&mut rng, scenario.world.nodes) {
            hard.put(0.0, Fault::Lock { node, lock: Lock::Send });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Draw;

    #[test]
    fn every_hardship_is_drawn_as_often_as_it_is_to_be_and_fits() {
        let all: Vec<Scenario> = (0..600).map(|seed| Draw::default().scenario(seed)).collect();
        for scenario in &all {
            assert_eq!(scenario.check(), Ok(()), "{scenario}");
            let world = &scenario.world;
            let ways = world.other.iter().chain([&world.config]).map(|c| c.repair.direction);
            let ways: Vec<Direction> = ways.collect();
            assert!(!(ways.contains(&Direction::Push) && ways.contains(&Direction::Pull)));
        }
        let share = |is: fn(&Fault) -> bool| {
            let has = |s: &&Scenario| s.faults.iter().any(|trouble| is(&trouble.fault));
            all.iter().filter(has).count() as f64 / all.len() as f64
        };
        let shares = [
            share(|fault| matches!(fault, Fault::Strangers { .. })),
            share(|fault| matches!(fault, Fault::Disk { .. })),
            share(|fault| matches!(fault, Fault::Lock { lock: Lock::Accept, .. })),
            share(|fault| matches!(fault, Fault::Note { .. })),
            share(|fault| matches!(fault, Fault::Settings { .. })),
            share(|fault| matches!(fault, Fault::Squeeze { .. })),
        ];
        assert!(shares.iter().all(|share| (0.05..0.26).contains(share)), "{shares:?}");
        let each = Forge::ALL.map(|forge| {
            let is = |trouble: &Trouble| {
                matches!(trouble.fault, Fault::Strangers { forge: by, .. } if by == forge)
            };
            all.iter().filter(|scenario| scenario.faults.iter().any(is)).count()
        });
        assert!(each.iter().all(|count| *count > 20), "{each:?}");
        let is = |trouble: &Trouble| matches!(trouble.fault, Fault::Traitor { .. });
        let traitors = all.iter().filter(|s| s.faults.iter().any(is)).count();
        assert!((10..50).contains(&traitors), "{traitors}");
        let small = all.iter().filter(|s| s.world.config.limits.max_members < 100).count();
        assert!((50..140).contains(&small), "{small}");
    }

    #[test]
    fn without_them_a_seed_is_what_it_was_and_with_them_only_more_is_added() {
        let before = Draw { hardships: false, ..Draw::default() };
        for seed in 0..100 {
            let (old, new) = (before.scenario(seed), Draw::default().scenario(seed));
            let hard = |fault: &Fault| {
                matches!(
                    fault,
                    Fault::Strangers { .. }
                        | Fault::Traitor { .. }
                        | Fault::Disk { .. }
                        | Fault::Lock { .. }
                        | Fault::Note { .. }
                        | Fault::Settings { .. }
                        | Fault::Squeeze { .. }
                )
            };
            assert!(!old.faults.iter().any(|trouble| hard(&trouble.fault)));
            assert!(old.world.other.is_none());
            assert!(old.faults.iter().all(|trouble| new.faults.contains(trouble)), "seed {seed}");
            let (nodes, start) = (old.world.nodes, old.world.start);
            assert_eq!((nodes, start), (new.world.nodes, new.world.start));
        }
    }
}
