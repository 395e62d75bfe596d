//! The tree rumor, over fan-outs, answers, loss and crashes.

use crate::args::{Args, or};
use crate::trial::{Row, Setup};
use rumormill_core::Config;
use rumormill_core::spread::tree::Acknowledge;
use rumormill_sim::Violation;
use std::time::Duration;

pub fn table(args: &Args) -> Result<(), Violation> {
    println!(
        "| nodes | loss | crashed | fan-out | answered | settle | interval | p50 | p99 (worst) | \
         last (worst) | copies | answers | update B | answer B | repair B | repair copies |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let base = Config::default();
    let millis = |duration: Duration| duration.as_millis() as u64;
    for nodes in or(&args.nodes, &[100, 1000]) {
        for crashed in or(&args.crashed, &[0.0, 0.2]) {
            for loss in or(&args.loss, &[0.0, 0.01, 0.05]) {
                for fanout in or(&args.fanout, &[2, 4, 8, 16, 32]) {
                    for acknowledge in or(&args.acknowledge, &all()) {
                        for settle in or(&args.settle, &[millis(base.repair.settle)]) {
                            for interval in or(&args.interval, &[millis(base.repair.interval)]) {
                                let mut config = base.clone();
                                config.spread.tree.fanout = fanout;
                                config.spread.tree.acknowledge = parse(&acknowledge);
                                config.repair.settle = Duration::from_millis(settle);
                                config.repair.interval = Duration::from_millis(interval);
                                let trials = if args.trials == 0 { 20 } else { args.trials };
                                let seed = args.seed;
                                let setup = Setup { nodes, loss, crashed, config, trials, seed };
                                let row = setup.run()?;
                                print!(
                                    "| {nodes} | {} % | {} % | {fanout} | {acknowledge} | \
                                     {settle} ms | {interval} ms ",
                                    loss * 100.0,
                                    crashed * 100.0
                                );
                                print(&row);
                            }
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

pub fn all() -> [String; 3] {
    ["none", "branches", "all"].map(Into::into)
}

pub fn parse(name: &str) -> Acknowledge {
    match name {
        "none" => Acknowledge::None,
        "branches" => Acknowledge::Branches,
        "all" => Acknowledge::All,
        _ => panic!("--acknowledge {name}: it is none, branches or all"),
    }
}

fn print(row: &Row) {
    let (p50, _) = row.ms(|delivery| delivery.p50);
    let (p99, worst_p99) = row.ms(|delivery| delivery.p99);
    let (last, worst) = row.ms(|delivery| delivery.max);
    let counts = &row.counts;
    let repair = (counts.digest_bytes + counts.repair_bytes).saturating_sub(row.idle_bytes);
    println!(
        "| {p50:.1} | {p99:.1} ({worst_p99:.1}) | {last:.1} ({worst:.1}) | {:.3} | {:.3} | {:.0} \
         | {:.1} | {:.0} | {:.3} |",
        row.each(counts.copies),
        row.each(counts.answers),
        row.each(counts.copy_bytes),
        row.each(counts.answer_bytes),
        row.each(repair),
        row.each(counts.repair_copies),
    );
}
