//! Tables for docs/spread.md: what zones save, and how often repair must cross a border.

use rumormill_core::output::Class;
use rumormill_core::spread::tree::Acknowledge;
use rumormill_sim::{Options, World, Zones};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const UPDATES: usize = 20;
const LOSSES: usize = 40;

fn main() {
    println!("nodes in zones | tags | copies | p50 | p99 | last ms | crossing: datagrams | bytes");
    for counts in [&[20; 3][..], &[1, 5, 50], &[3; 20], &[100; 3]] {
        for tags in [false, true] {
            spread(counts, tags);
        }
    }
    println!("\nnodes in zones | share | healed after s: mean | worst | idle crossing B/node/s");
    for counts in [&[20; 3][..], &[1, 5, 50], &[2; 2]] {
        for share in [0.5, 0.25, 0.125, 0.0625, 0.03125] {
            repair(counts, share);
        }
    }
}

/// Zones of so many nodes, 0.5 ms inside and 40 ms between.
fn options(counts: &[usize]) -> Options {
    let mut text = "between = '40ms'\n".to_owned();
    for (zone, count) in counts.iter().enumerate() {
        text += &format!("[[zone]]\nname='z-{zone}'\nnodes={count}\ninside='0.5ms'\n");
    }
    let nodes = counts.iter().sum();
    let zones = Zones::parse(&text).and_then(|zones| zones.place(nodes)).expect("sound zones");
    Options { seed: 1, nodes, zones: Some(zones), ..Options::default() }
}

fn run(world: &mut World, time: Duration) {
    world.run_for(time).expect("every property holds");
}

fn spread(counts: &[usize], tags: bool) {
    let mut world = World::new(Options { zone_tags: tags, ..options(counts) });
    run(&mut world, SECOND * 30);
    let across = |world: &World| world.total_traffic().across(Class::Updates);
    let copies = |world: &World| world.total(|stats| stats.update_copies + stats.tree_redelegated);
    let (crossed, copied) = (across(&world), copies(&world));
    let mut all = Vec::new();
    for update in 0..UPDATES {
        let node = update * 13 % world.nodes();
        let write = world.write(node, format!("key-{update}"), [7; 64]).expect("it runs");
        run(&mut world, SECOND / 2);
        all.push(world.delivery(write));
    }
    let mean = |of: fn(&rumormill_sim::Delivery) -> Duration| {
        all.iter().map(|delivery| of(delivery).as_secs_f64() * 1000.0).sum::<f64>() / UPDATES as f64
    };
    let per = |count: u64| count as f64 / UPDATES as f64;
    let after = across(&world);
    println!(
        "{} | {tags} | {:.3} | {:.1} | {:.1} | {:.1} | {:.1} | {:.0}",
        words(counts),
        per(copies(&world) - copied) / (world.nodes() - 1) as f64,
        mean(|delivery| delivery.p50),
        mean(|delivery| delivery.p99),
        mean(|delivery| delivery.max),
        per(after.messages - crossed.messages),
        per(after.bytes - crossed.bytes)
    );
}

fn repair(counts: &[usize], share: f64) {
    let mut options = options(counts);
    options.config.spread.tree.acknowledge = Acknowledge::None;
    options.config.repair.cross_zone = share;
    let mut world = World::new(options);
    run(&mut world, SECOND * 30);
    let across = |world: &World| world.total_traffic().across(Class::Repair).bytes;
    let before = across(&world);
    run(&mut world, SECOND * 60);
    let idle = (across(&world) - before) as f64 / 60.0 / world.nodes() as f64;
    let size = counts.last().copied().unwrap_or_default();
    let (others, last): (Vec<_>, Vec<_>) =
        (0..world.nodes()).partition(|node| *node < world.nodes() - size);
    let mut healed = Vec::new();
    for loss in 0..LOSSES {
        world.cut(&others, &last);
        let write = world.write(0, format!("lost-{loss}"), "x").expect("it runs");
        run(&mut world, SECOND / 5);
        world.heal();
        let complete = |world: &World| world.delivery(write).is_complete();
        let took = world.run_until(complete, SECOND * 600).expect("it heals");
        healed.push(took.as_secs_f64());
        run(&mut world, SECOND * 10);
    }
    let mean = healed.iter().sum::<f64>() / LOSSES as f64;
    let worst = healed.iter().copied().fold(0.0, f64::max);
    println!("{} | {share} | {mean:.1} | {worst:.1} | {idle:.0}", words(counts));
}

fn words(counts: &[usize]) -> String {
    match counts {
        [first, rest @ ..] if rest.len() > 1 && rest.iter().all(|count| count == first) => {
            format!("{} x {first}", counts.len())
        }
        _ => counts.iter().map(usize::to_string).collect::<Vec<_>>().join(" + "),
    }
}
