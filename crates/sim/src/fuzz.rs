//! Scenarios drawn from a seed: network, clocks, cluster, settings, load and faults.
//!
//! Each part is drawn by a generator of its own, so that fixing one (a number of nodes, a setting)
//! leaves the others as they were.

mod edges;
mod hardships;

use crate::checks::Checks;
use crate::faults::{self, Fault};
use crate::latency::Latency;
use crate::options::{Options, Start};
use crate::scenario::{Scenario, Trouble, copied};
use crate::workload::Workload;
use crate::zones::Placement;
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_core::spread::rumor::{Contact, Stop};
use rumormill_core::spread::tree::Acknowledge;
use std::time::Duration;

/// Packets of a node in one second (guess). Full comparisons 20 times a second, in pieces of a kilobyte
/// that go as datagrams where no stream can be had, take more than 100,000.
const MAX_SENT: u32 = 500_000;

/// What is drawn, and what is fixed.
#[derive(Clone, Debug)]
pub struct Draw {
    /// The least and the greatest number of nodes.
    pub nodes: (usize, usize),
    /// How long faults and load go on.
    pub duration: Duration,
    /// How long the cluster has afterwards to become one again.
    pub settle: Duration,
    /// The settings, instead of drawn ones.
    pub config: Option<Config>,
    /// Settings that are always taken from here, by their names.
    pub fixed: Option<(Config, Vec<String>)>,
    /// How much of its own every node checks after each turn.
    pub check: Checks,
    /// Whether members leave, return, are replaced and forgotten around partitions and passes.
    /// Without them a seed is what it was before there were any.
    pub edges: bool,
    /// Whether there are strangers, disks that hang or fail, keys that change, nodes with other settings
    /// and little room. Without them a seed is what it was before there were any.
    pub hardships: bool,
}

impl Default for Draw {
    /// As much as finds something in a moment (guess).
    fn default() -> Self {
        let (duration, settle) = (Duration::from_secs(20), Duration::from_secs(60));
        let check = Checks::default();
        let (config, fixed) = (None, None);
        Self {
            nodes: (3, 20),
            duration,
            settle,
            config,
            fixed,
            check,
            edges: true,
            hardships: true,
        }
    }
}

/// Pieces of a bulk transfer, at most (guess: some seconds at 40 ms a hop).
const MAX_PIECES: u64 = 60;

fn rng(seed: u64, part: &[u8; 8]) -> Rng {
    Rng::new(seed ^ u64::from_be_bytes(*part))
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Members that are left behind where a node comes back as another one: they are found dead a few at
/// a time, about one a second, and all that long nobody agrees.
fn leaves_behind(faults: &[Trouble]) -> u64 {
    let another = |trouble: &&Trouble| {
        matches!(trouble.fault, Fault::LoseDisk(_) | Fault::Restore { fresh: true, .. })
    };
    faults.iter().filter(another).count() as u64
}

/// Two visits, of some rounds of tiny pieces over slow lines, in the second of two passes (guess).
const SLOW_PASS: Duration = Duration::from_secs(6);

/// Nodes that each pass visits, where nothing but passes moves data.
fn waits_for_passes(config: &Config, nodes: usize) -> u32 {
    let alone = config.spread.method == Method::None && config.repair.interval.is_zero();
    if alone { nodes as u32 } else { 0 }
}

impl Draw {
    /// The scenario of a seed.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        let nodes = self.draw_nodes(seed);
        let mut rng = rng(seed, b"\0\0\0start");
        let start = match rng.chance(0.5) {
            true => Start::Prefilled,
            false => Start::Join { seeds: 1 + rng.index(3.min(nodes)) },
        };
        let config = self.draw_settings(seed);
        let check = self.check;
        let sealed = self::rng(seed, b"\0\0\0\0lock").chance(0.5);
        let max_sent = MAX_SENT;
        let options =
            Options { seed, nodes, sealed, start, config, check, max_sent, ..Options::default() };
        let options = draw_lines(seed, draw_network(seed, options));
        let mut scenario = Scenario::new(options, self.duration, self.settle);
        let load = fitting(draw_load(seed), &scenario.world.config);
        scenario.load = Some(load);
        if is_too_narrow(&scenario.world.config, scenario.world.bandwidth, &load) {
            scenario.world.bandwidth = None;
        }
        scenario.faults = draw_faults(seed, nodes, self.duration);
        draw_ways(seed, &mut scenario);
        draw_backup(seed, &mut scenario);
        if self.edges {
            edges::draw(seed, &mut scenario, self.nodes.1.saturating_sub(nodes));
        }
        if self.hardships {
            let set = |config| self.config.is_none().then(|| self.fix(config));
            hardships::draw(seed, &mut scenario, set);
        }
        scenario.settle += Duration::from_secs(leaves_behind(&scenario.faults));
        scenario.settle += SLOW_PASS * waits_for_passes(&scenario.world.config, nodes);
        scenario
    }

    fn draw_settings(&self, seed: u64) -> Config {
        let drawn = || {
            let config = draw_ring(seed, draw_config(seed));
            let config = if self.edges { edges::settings(seed, config) } else { config };
            if self.hardships { hardships::settings(seed, config) } else { config }
        };
        self.fix(self.config.clone().unwrap_or_else(drawn))
    }

    /// Settings with those in them that are fixed.
    fn fix(&self, mut config: Config) -> Config {
        if let Some((from, names)) = &self.fixed {
            for name in names {
                config = copied(&config, from, name).unwrap_or(config);
            }
            // The one bound between two settings.
            if !names.iter().any(|name| name == "limits.burst") {
                config.limits.burst = config.limits.burst.max(config.limits.datagram);
            }
        }
        config
    }

    /// Small clusters mostly: there each fault hits a larger part.
    fn draw_nodes(&self, seed: u64) -> usize {
        let mut rng = rng(seed, b"\0\0\0nodes");
        let (least, most) = self.nodes;
        let span = most.saturating_sub(least) + 1;
        match rng.chance(0.85) {
            true => least + rng.index(span.min(6)),
            false => least + rng.index(span),
        }
    }
}

/// Settings: half of the clusters run on the defaults.
fn draw_config(seed: u64) -> Config {
    let mut rng = rng(seed, b"\0\0config");
    match rng.chance(0.5) {
        true => Config::default(),
        false => vary(&mut rng, Config::default()),
    }
}

/// Settings of spreading and repair, drawn in place of those that there are.
fn vary(rng: &mut Rng, mut config: Config) -> Config {
    let mut draw = |some: &[u64]| some[rng.index(some.len())];
    config.spread.method = match draw(&[0, 0, 1, 2, 3]) {
        0 => Method::Tree,
        1 => Method::Rumor,
        2 => Method::DirectMail,
        _ => Method::None,
    };
    config.spread.tree.fanout = draw(&[1, 2, 8, 1000]) as usize;
    config.spread.tree.acknowledge = match draw(&[0, 1, 2]) {
        0 => Acknowledge::None,
        1 => Acknowledge::Branches,
        _ => Acknowledge::All,
    };
    config.spread.tree.window = ms(draw(&[0, 1, 20]));
    config.spread.rumor.period = ms(draw(&[50, 200, 1000]));
    config.spread.rumor.fanout = draw(&[1, 2, 5]) as usize;
    config.spread.rumor.k = draw(&[1, 2, 4]) as u32;
    config.spread.rumor.max_hot = draw(&[1, 20, 10_000]) as usize;
    config.spread.rumor.contact = match draw(&[0, 1]) {
        0 => Contact::Blind,
        _ => Contact::Feedback,
    };
    config.spread.rumor.stop = match draw(&[0, 1]) {
        0 => Stop::Coin,
        _ => Stop::Counter,
    };
    config.spread.mail.outbox_bytes = draw(&[200, 1 << 20]) as usize;
    config.spread.mail.retransmit = ms(draw(&[50, 200, 1000]));
    config.repair.interval = ms(draw(&[50, 200, 1000]));
    config.repair.direction = match draw(&[0, 1, 2]) {
        0 => Direction::Push,
        1 => Direction::Pull,
        _ => Direction::PushPull,
    };
    config.repair.compare = match draw(&[0, 1, 2, 2]) {
        0 => Compare::Full,
        1 => Compare::Checksum,
        _ => Compare::Sketch,
    };
    config.repair.settle = ms(draw(&[0, 100, 300]));
    config.repair.piece_bytes = draw(&[1024, 256 * 1024]) as usize;
    config.limits.datagram = draw(&[576, 1400]) as usize;
    config.limits.burst = config.limits.datagram * draw(&[1, 8]) as usize;
    config.repair.audit_interval = ms(draw(&[500, 2000, 10_000]));
    config
}

/// Passes of ring repair in most clusters, so often that some come to an end, and some members are
/// forgotten before they are back.
fn draw_ring(seed: u64, mut config: Config) -> Config {
    let mut rng = rng(seed, b"\0\0\0\0ring");
    if rng.chance(0.25) {
        return config;
    }
    config.ring.interval = ms([300, 1000, 3000][rng.index(3)]);
    config.ring.reap_after = ms([500, 2000, 5000, 0][rng.index(4)]);
    if config.spread.method == Method::None && rng.chance(0.5) {
        config.repair.interval = Duration::ZERO;
    }
    config
}

/// The network that the faults come on top of: half are good ones.
fn draw_network(seed: u64, options: Options) -> Options {
    let mut rng = rng(seed, b"\0network");
    if rng.chance(0.5) {
        return Options { loss: 0.005, clock_skew: ms(100), ..options };
    }
    let latency = match rng.below(4) {
        0 => Latency::LogNormal { median: ms(1), sigma: 1.0 },
        1 => Latency::LogNormal { median: ms(40), sigma: 0.3 },
        2 => Latency::Fixed(Duration::from_micros(100 + rng.below(20_000))),
        _ => options.latency,
    };
    Options {
        latency,
        loss: 0.03 * rng.unit(),
        duplicate: 0.05 * rng.unit(),
        reorder: 0.1 * rng.unit(),
        reorder_delay: ms(1 + rng.below(200)),
        clock_skew: ms([0, 100, 5_000, 12_000][rng.index(4)]),
        ..options
    }
}

/// Zones in some clusters, and lines that are not endlessly wide in some.
fn draw_lines(seed: u64, mut options: Options) -> Options {
    let mut rng = rng(seed, b"\0\0\0zones");
    if rng.chance(0.2) {
        // Any zone may have a node alone.
        let mut left = options.nodes;
        let mut counts = Vec::new();
        while left > 0 && counts.len() < 3 {
            let count = 1 + rng.index(left);
            counts.push(count);
            left -= count;
        }
        if left > 0 {
            counts.push(left);
        }
        let inside = Latency::Uniform(Duration::from_micros(100), Duration::from_micros(600));
        let between = match rng.chance(0.5) {
            true => Latency::Uniform(ms(10), ms(12)),
            false => Latency::LogNormal { median: ms(50), sigma: 0.1 },
        };
        options.zones = Placement::alike(&counts, inside, between);
        options.zone_tags = true;
    }
    if rng.chance(0.15) {
        // Wide enough for the load, not for everything at once.
        options.bandwidth = Some([1 << 20, 4 << 20][rng.index(2)]);
    }
    options
}

fn draw_load(seed: u64) -> Workload {
    let mut rng = rng(seed, b"\0\0\0\0load");
    if rng.chance(0.5) {
        return Workload { every: ms(20), keys: 100, deletes: 0.3, value: 40 };
    }
    let mut draw = |some: &[u64]| some[rng.index(some.len())];
    Workload {
        every: ms(draw(&[5, 20, 100, 500])),
        keys: draw(&[1, 10, 100, 5000]),
        deletes: draw(&[0, 5, 50, 90]) as f64 / 100.0,
        value: draw(&[0, 1, 40, 1000, 4000]) as usize,
    }
}

/// The load, with less data if an exchange of all of it would take very many pieces: each takes a
/// round trip, and the cluster must become one in a minute.
fn fitting(mut load: Workload, config: &Config) -> Workload {
    let pieces = |load: &Workload| {
        load.keys * (load.value as u64 + 64) / config.repair.piece_bytes.max(1) as u64
    };
    if pieces(&load) > MAX_PIECES {
        load.keys = load.keys.min(100);
    }
    if pieces(&load) > MAX_PIECES {
        load.value = load.value.min(400);
    }
    load
}

/// True for lines on which exchanges of all data, over and over, would leave no room for anything.
fn is_too_narrow(config: &Config, bandwidth: Option<u64>, load: &Workload) -> bool {
    let all = load.keys * (load.value as u64 + 64);
    let interval = config.repair.interval.as_millis().max(1) as u64;
    let full = config.repair.compare == Compare::Full;
    full && bandwidth.is_some_and(|rate| all.saturating_mul(1000) / interval > rate / 8)
}

fn draw_faults(seed: u64, nodes: usize, duration: Duration) -> Vec<Trouble> {
    let plan = faults::random_plan(seed, nodes, duration);
    let mut faults: Vec<Trouble> =
        plan.steps.into_iter().map(|(at, fault)| Trouble { at, fault }).collect();
    let mut rng = rng(seed, b"latecome");
    if rng.chance(0.25) {
        // The last nodes were never there: they come one by one, with empty disks.
        for node in nodes - rng.index(1 + nodes / 3)..nodes {
            let at = duration.mul_f64(0.7 * rng.unit());
            let at = Duration::from_micros(at.as_micros() as u64);
            faults.push(Trouble { at: Duration::ZERO, fault: Fault::LoseDisk(node) });
            faults.push(Trouble { at, fault: Fault::Boot(node) });
        }
        faults.sort_by_key(|trouble| trouble.at);
    }
    faults
}

/// Tunnels and firewalls in some clusters: nodes to and from which large datagrams vanish, or that
/// datagrams or streams do not get to or from for a while.
fn draw_ways(seed: u64, scenario: &mut Scenario) {
    let mut rng = rng(seed, b"\0\0\0\0ways");
    if !rng.chance(0.25) {
        return;
    }
    let nodes = scenario.world.nodes;
    let at = |rng: &mut Rng, most: f64| {
        let at = scenario.duration.mul_f64(most * rng.unit());
        Duration::from_micros(at.as_micros() as u64)
    };
    let mut troubles = Vec::new();
    for _ in 0..1 + rng.index(3) {
        let (node, from) = (rng.index(nodes), at(&mut rng, 0.5));
        let to = from + at(&mut rng, 0.4);
        let others: Vec<usize> = (0..nodes).filter(|other| *other != node).collect();
        let (begins, ends) = match rng.below(4) {
            0 => {
                let bytes = 1180 + rng.index(220);
                (Fault::Narrow { node, bytes }, Fault::Narrow { node, bytes: 0 })
            }
            1 => (Fault::CutWay { from: vec![node], to: others, streams: true }, Fault::Heal),
            2 => (Fault::CutWay { from: others, to: vec![node], streams: false }, Fault::Heal),
            _ => (Fault::CutWay { from: vec![node], to: others, streams: false }, Fault::Heal),
        };
        troubles.extend([(from, begins), (to, ends)]);
    }
    scenario.faults.extend(troubles.into_iter().map(|(at, fault)| Trouble { at, fault }));
    scenario.faults.sort_by_key(|trouble| trouble.at);
}

/// Puts an old copy of a disk in place of it in some clusters. Not where clocks are far off or jump:
/// a node that has forgotten which stamps it gave could give one twice there.
fn draw_backup(seed: u64, scenario: &mut Scenario) {
    let mut rng = rng(seed, b"\0backups");
    let jumps = |trouble: &Trouble| matches!(trouble.fault, Fault::ClockJump { .. });
    if !rng.chance(0.3) || scenario.world.clock_skew > ms(100) || scenario.faults.iter().any(jumps)
    {
        return;
    }
    let (node, duration) = (rng.index(scenario.world.nodes), scenario.duration);
    let [copied, put_back, boots] = [0.3, 0.4, 0.2].map(|most| duration.mul_f64(most * rng.unit()));
    let at = [copied, copied + put_back, copied + put_back + ms(500) + boots];
    let what = [Fault::CopyDisk(node), Fault::PutBack(node), Fault::Boot(node)];
    let micros = |at: Duration| Duration::from_micros(at.as_micros() as u64);
    let faults = at.into_iter().zip(what).map(|(at, fault)| Trouble { at: micros(at), fault });
    scenario.faults.extend(faults);
    scenario.faults.sort_by_key(|trouble| trouble.at);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_sound_repeat_themselves_and_differ() {
        let draw = Draw::default();
        for seed in 0..300 {
            let scenario = draw.scenario(seed);
            assert_eq!(scenario.check(), Ok(()), "seed {seed}");
            assert_eq!(scenario, draw.scenario(seed));
            assert_ne!(scenario.faults, draw.scenario(seed + 1).faults);
            assert!((3..=20).contains(&scenario.world.nodes));
            assert_eq!(scenario.faults.last().map(|last| &last.fault), Some(&Fault::Calm));
        }
        let all: Vec<Scenario> = (0..300).map(|seed| draw.scenario(seed)).collect();
        let some = |of: fn(&Options) -> bool| all.iter().filter(|s| of(&s.world)).count();
        assert!((30..100).contains(&some(|world| world.zones.is_some())));
        assert!((20..80).contains(&some(|world| world.bandwidth.is_some())));
    }

    #[test]
    fn what_is_fixed_leaves_the_rest_as_it_was() {
        let (free, seed) = (Draw::default(), 17);
        let fixed = Draw { config: Some(Config::default()), ..Draw::default() };
        let mut scenario = fixed.scenario(seed);
        assert_eq!(scenario.world.config, Config::default());
        scenario.world.config = free.scenario(seed).world.config;
        assert_eq!(scenario, free.scenario(seed));
        let mut from = Config::default();
        from.limits.datagram = 60_000;
        let fixed = Draw { fixed: Some((from, vec!["limits.datagram".into()])), ..free };
        for seed in 0..20 {
            let scenario = fixed.scenario(seed);
            assert_eq!(scenario.check(), Ok(()));
            assert_eq!(scenario.world.config.limits.datagram, 60_000);
        }
    }
}
