//! The other methods: direct mail, rumor mongering, anti-entropy alone, and bursts.

use crate::args::{Args, or};
use crate::meter::{Counts, Meter};
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::Direction;
use rumormill_core::spread::rumor::{Contact, Stop};
use rumormill_sim::{Delivery, Options, Violation, World, WriteId};
use std::time::Duration;

/// An update's way through a cluster: where it got, what it cost, how long it took.
struct Run {
    delivery: Delivery,
    counts: Counts,
}

/// Means over runs.
struct Mean<'a>(&'a [Run]);

impl Mean<'_> {
    fn of(&self, figure: impl Fn(&Run) -> f64) -> f64 {
        self.0.iter().map(figure).sum::<f64>() / self.0.len() as f64
    }

    fn copies(&self) -> f64 {
        self.of(|run| run.counts.copies as f64 / run.delivery.possible as f64)
    }

    fn ms(&self, figure: impl Fn(&Delivery) -> Duration) -> f64 {
        self.of(|run| figure(&run.delivery).as_secs_f64() * 1000.0)
    }
}

/// One update in each of several clusters, until nothing of it is on its way any more.
fn runs(
    args: &Args,
    trials: usize,
    options: &Options,
    over: impl Fn(&World, WriteId) -> bool,
) -> Result<Vec<Run>, Violation> {
    let trials = if args.trials == 0 { trials } else { args.trials };
    let run = |trial: usize| {
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(trial as u64);
        let mut world = World::new(Options { seed, loss: 0.0, ..options.clone() });
        let meter = Meter::attach(&mut world);
        world.run_for(Duration::from_secs(3))?;
        world.set_loss(options.loss);
        let before = meter.counts();
        let write = write(&mut world, seed, 0);
        loop {
            world.run_until(|world| over(world, write), Duration::from_secs(600))?;
            // What a node has sent may still be on its way to another.
            world.run_for(Duration::from_millis(20))?;
            if over(&world, write) {
                break;
            }
        }
        Ok(Run { delivery: world.delivery(write), counts: meter.counts() - before })
    };
    (0..trials).map(run).collect()
}

/// A write of 64 bytes at a random node.
fn write(world: &mut World, seed: u64, number: u64) -> WriteId {
    let node = Rng::new(seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15)).index(world.nodes());
    world
        .write(node, format!("key-{number:06}"), [7; 64])
        .unwrap_or_else(|error| panic!("the update was refused: {error}"))
}

pub fn mail(args: &Args) -> Result<(), Violation> {
    println!(
        "| nodes | loss | p50 | p99 | last | copies | receipts | update B | receipt B |\n\
         |---|---|---|---|---|---|---|---|---|"
    );
    for nodes in or(&args.nodes, &[100, 1000]) {
        for loss in or(&args.loss, &[0.0, 0.01, 0.05, 0.2]) {
            let mut config = Config::default();
            config.spread.method = Method::DirectMail;
            config.repair.interval = Duration::ZERO;
            let options = Options { nodes, loss, config, ..Options::default() };
            let runs = runs(args, 10, &options, |world, _| idle(world))?;
            let mean = Mean(&runs);
            let each = |sum: fn(&Counts) -> u64| {
                mean.of(|run| sum(&run.counts) as f64 / run.delivery.possible as f64)
            };
            assert!(runs.iter().all(|run| run.delivery.is_complete()), "mail was lost");
            println!(
                "| {nodes} | {} % | {:.1} | {:.1} | {:.1} | {:.3} | {:.3} | {:.0} | {:.0} |",
                loss * 100.0,
                mean.ms(|delivery| delivery.p50),
                mean.ms(|delivery| delivery.p99),
                mean.ms(|delivery| delivery.max),
                mean.copies(),
                each(|counts| counts.answers),
                each(|counts| counts.copy_bytes),
                each(|counts| counts.answer_bytes),
            );
        }
    }
    Ok(())
}

/// True if no node waits for a receipt or has a hot rumor.
fn idle(world: &World) -> bool {
    world.live().all(|(_, node)| node.telling() == 0)
}

pub fn rumor(args: &Args) -> Result<(), Violation> {
    println!(
        "| nodes | fan-out | contact | stop | k | residue | traffic m | e^-m | t_avg | t_last |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for nodes in or(&args.nodes, &[1000]) {
        for fanout in or(&args.fanout, &[1, 6]) {
            for contact in [Contact::Blind, Contact::Feedback] {
                for stop in [Stop::Coin, Stop::Counter] {
                    for k in 1..=4 {
                        let mut config = Config::default();
                        config.spread.method = Method::Rumor;
                        config.repair.interval = Duration::ZERO;
                        let rumor = &mut config.spread.rumor;
                        (rumor.contact, rumor.stop, rumor.k) = (contact, stop, k);
                        rumor.fanout = fanout;
                        let options = Options { nodes, config, ..Options::default() };
                        let runs = runs(args, 20, &options, |world, _| idle(world))?;
                        print_rumor(
                            &runs,
                            &format!("| {nodes} | {fanout} | {contact:?} | {stop:?} | {k}"),
                        );
                    }
                }
            }
        }
    }
    Ok(())
}

fn print_rumor(runs: &[Run], row: &str) {
    let mean = Mean(runs);
    let residue = mean.of(|run| 1.0 - run.delivery.delivered as f64 / run.delivery.possible as f64);
    let traffic = mean.copies();
    println!(
        "{row} | {residue:.5} | {traffic:.2} | {:.5} | {:.1} | {:.1} |",
        (-traffic).exp(),
        mean.ms(|delivery| delivery.p50) / 1000.0,
        mean.ms(|delivery| delivery.max) / 1000.0,
    );
}

pub fn entropy(args: &Args) -> Result<(), Violation> {
    println!(
        "| nodes | loss | direction | rounds to half | to 99 % | to all (worst) | \
         repair B a node and round |\n|---|---|---|---|---|---|---|"
    );
    for nodes in or(&args.nodes, &[100, 1000]) {
        for loss in or(&args.loss, &[0.0, 0.05]) {
            for direction in [Direction::Push, Direction::Pull, Direction::PushPull] {
                let mut config = Config::default();
                config.spread.method = Method::None;
                config.repair.direction = direction;
                // Rounds of one second, however calm it is.
                let round = Duration::from_secs(1);
                (config.repair.interval, config.repair.idle_interval) = (round, round);
                let options = Options { nodes, loss, config, ..Options::default() };
                let runs =
                    runs(args, 20, &options, |world, write| world.delivery(write).is_complete())?;
                let mean = Mean(&runs);
                let worst = runs.iter().map(|run| run.delivery.max).max().unwrap_or_default();
                println!(
                    "| {nodes} | {} % | {direction:?} | {:.1} | {:.1} | {:.1} ({:.1}) | {:.0} |",
                    loss * 100.0,
                    mean.ms(|delivery| delivery.p50) / 1000.0,
                    mean.ms(|delivery| delivery.p99) / 1000.0,
                    mean.ms(|delivery| delivery.max) / 1000.0,
                    worst.as_secs_f64(),
                    mean.of(|run| {
                        let bytes = run.counts.digest_bytes + run.counts.repair_bytes;
                        bytes as f64 / nodes as f64 / run.delivery.max.as_secs_f64()
                    }),
                );
            }
        }
    }
    Ok(())
}
