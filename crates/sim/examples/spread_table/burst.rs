//! Many updates at once, by the tree rumor.

use crate::args::{Args, or};
use crate::meter::Meter;
use crate::tree;
use rumormill_core::Config;
use rumormill_core::base::rng::Rng;
use rumormill_sim::{Options, Violation, World};
use std::time::Duration;

const UPDATES: usize = 1000;

pub fn table(args: &Args) -> Result<(), Violation> {
    println!(
        "| nodes | loss | within | answered | p50 | p99 | last | copies | answers | packets | \
         bytes | repair copies | repair bytes |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    for nodes in or(&args.nodes, &[64]) {
        for loss in or(&args.loss, &[0.0, 0.01]) {
            for within in [Duration::from_millis(20), Duration::from_secs(1)] {
                for acknowledge in or(&args.acknowledge, &tree::all()) {
                    let mut config = Config::default();
                    config.spread.tree.acknowledge = tree::parse(&acknowledge);
                    if let [settle] = args.settle[..] {
                        config.repair.settle = Duration::from_millis(settle);
                    }
                    let options = Options { seed: args.seed, nodes, config, ..Options::default() };
                    print!("| {nodes} | {} % | {within:?} | {acknowledge} ", loss * 100.0);
                    burst(options, loss, within)?;
                }
            }
        }
    }
    Ok(())
}

/// Updates of 64 bytes (key and value) at random nodes, evenly over a time.
fn burst(options: Options, loss: f64, within: Duration) -> Result<(), Violation> {
    let nodes = options.nodes;
    let mut rng = Rng::new(options.seed);
    let mut world = World::new(options);
    let meter = Meter::attach(&mut world);
    world.run_for(Duration::from_secs(4))?;
    world.set_loss(loss);
    let before = meter.counts();
    for number in 0..UPDATES {
        let written = world.write(rng.index(nodes), format!("key-{number:012}"), [7; 48]);
        written.unwrap_or_else(|error| panic!("the update was refused: {error}"));
        world.run_for(within / UPDATES as u32)?;
    }
    let complete =
        |world: &World| world.live().all(|(_, node)| node.data().digest().count == UPDATES as u64);
    world.run_until(complete, Duration::from_secs(60))?;
    let counts = meter.counts() - before;
    let delivery = world.deliveries();
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let each = |sum: u64| sum as f64 / (UPDATES * (nodes - 1)) as f64;
    println!(
        "| {:.1} | {:.1} | {:.1} | {:.3} | {:.3} | {:.3} | {:.1} | {:.4} | {:.1} |",
        ms(delivery.p50),
        ms(delivery.p99),
        ms(delivery.max),
        each(counts.copies),
        each(counts.answers),
        each(counts.packets),
        each(counts.copy_bytes + counts.answer_bytes),
        each(counts.repair_copies),
        each(counts.digest_bytes + counts.repair_bytes),
    );
    Ok(())
}
