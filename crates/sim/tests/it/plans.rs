//! Random faults under load: nothing is lost, nothing comes back, all agree in the end.

use crate::{ms, secs};
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_core::spread::rumor::{Contact, Stop};
use rumormill_core::spread::tree::Acknowledge;
use rumormill_sim::{Latency, Options, Start, Violation, Workload, World, faults};

/// Settings drawn from the seed: half of the clusters run on the defaults.
fn draw_config(seed: u64) -> Config {
    let mut rng = Rng::new(seed ^ 0x0063_6f6e_6669_6721);
    let mut config = Config::default();
    if rng.chance(0.5) {
        return config;
    }
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
    config.spread.rumor.period = ms(draw(&[50, 200, 1000]));
    config.spread.rumor.contact = match draw(&[0, 1]) {
        0 => Contact::Blind,
        _ => Contact::Feedback,
    };
    config.spread.rumor.stop = match draw(&[0, 1]) {
        0 => Stop::Coin,
        _ => Stop::Counter,
    };
    config.spread.mail.outbox_bytes = draw(&[200, 1 << 20]) as usize;
    config.repair.direction = match draw(&[0, 1, 2]) {
        0 => Direction::Push,
        1 => Direction::Pull,
        _ => Direction::PushPull,
    };
    config.repair.compare = match draw(&[0, 1]) {
        0 => Compare::Full,
        _ => Compare::Checksum,
    };
    config.repair.settle = ms(draw(&[0, 100, 300]));
    config.repair.piece_bytes = draw(&[1024, 256 * 1024]) as usize;
    config.limits.datagram = draw(&[576, 1400]) as usize;
    config.limits.burst = config.limits.datagram * draw(&[1, 8]) as usize;
    config
}

/// The network that the plan's troubles come on top of: half are good ones.
fn draw_network(seed: u64, options: Options) -> Options {
    let mut rng = Rng::new(seed ^ 0x006e_6574_776f_726b);
    if rng.chance(0.5) {
        return Options { loss: 0.005, clock_skew: ms(100), ..options };
    }
    let latency = match rng.below(3) {
        0 => Latency::LogNormal { median: ms(1), sigma: 1.0 },
        1 => Latency::LogNormal { median: ms(40), sigma: 0.3 },
        _ => options.latency,
    };
    Options {
        latency,
        loss: 0.03 * rng.unit(),
        duplicate: 0.05 * rng.unit(),
        reorder: 0.1 * rng.unit(),
        reorder_delay: ms(1 + rng.below(200)),
        clock_skew: ms([0, 100, 5_000, 20_000][rng.index(4)]),
        ..options
    }
}

fn survives(seed: u64) {
    let nodes = 3 + seed as usize % 6 + if seed.is_multiple_of(7) { 12 } else { 0 };
    let config = draw_config(seed);
    let (spread, repair) = (config.spread.clone(), config.repair.clone());
    let plan = faults::random_plan(seed, nodes, secs(20));
    let run = || -> Result<(), Violation> {
        let start =
            if seed.is_multiple_of(2) { Start::Prefilled } else { Start::Join { seeds: 2 } };
        let options = Options { seed, nodes, config: config.clone(), start, ..Options::default() };
        let mut world = World::new(draw_network(seed, options));
        world.start_load(Workload { every: ms(20), keys: 100, deletes: 0.3, value: 40 });
        world.run_plan(&plan)?;
        world.stop_load();
        world.settle(secs(60))?;
        Ok(())
    };
    if let Err(violation) = run() {
        panic!("{nodes} nodes, {spread:?}, {repair:?}, {plan}{violation}");
    }
}

/// The seeds in `SIM_SEEDS`, as in `SIM_SEEDS=20..1000`, or the usual twenty.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SIM_SEEDS") else { return 0..20 };
    let range = asked
        .split_once("..")
        .and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    range.unwrap_or_else(|| panic!("SIM_SEEDS={asked}: write two numbers as in 20..1000"))
}

#[test]
fn random_plans_end_well() {
    seeds().for_each(survives);
}
