//! One update in a large cluster: how fast it is everywhere, and at how many copies a node.

use crate::{ms, secs};
use rumormill_sim::{Delivery, Options, World};

const NODES: usize = 1000;

/// Some updates one after the other, in a settled cluster with hops of 0.5 to 1.5 ms. Answers how
/// they arrived, and copies a node, repeated ones included.
fn spread(seed: u64, loss: f64, updates: usize) -> (Vec<Delivery>, f64, World) {
    let mut world = World::new(Options { seed, nodes: NODES, ..Options::default() });
    // Round trips are known by then.
    world.run_for(secs(3)).unwrap();
    world.set_loss(loss);
    let copies = world.total(|stats| stats.update_copies + stats.tree_redelegated);
    let mut deliveries = Vec::new();
    for update in 0..updates {
        let write = world.write(update * 7, format!("key-{update}"), [7; 64]).unwrap();
        world.run_until(|world| world.delivery(write).is_complete(), secs(5)).unwrap();
        deliveries.push(world.delivery(write));
    }
    let copies = world.total(|stats| stats.update_copies + stats.tree_redelegated) - copies;
    let per_node = copies as f64 / ((NODES - 1) * updates) as f64;
    for delivery in &deliveries {
        println!("{NODES} nodes, loss {loss}: {delivery}; {per_node:.3} copies per node");
    }
    (deliveries, per_node, world)
}

#[test]
fn without_loss_the_tree_reaches_everyone_at_one_copy_each() {
    let (deliveries, copies, world) = spread(1, 0.0, 3);
    assert!(deliveries.iter().all(|delivery| delivery.p99 <= ms(8)), "{deliveries:?}");
    assert!(copies <= 1.01, "{copies}");
    assert_eq!(world.total(|stats| stats.entries_stale), 0, "nobody is sent it twice");
}

#[test]
fn with_one_percent_loss_a_silent_hop_is_repeated_before_repair_begins() {
    for seed in 2..5 {
        let (deliveries, copies, _) = spread(seed, 0.01, 2);
        assert!(deliveries.iter().all(|delivery| delivery.max <= ms(400)), "{deliveries:?}");
        // 1 % of sends and 1 % of answers, each repeated.
        assert!(copies <= 1.04, "{copies}");
    }
}

#[test]
fn with_five_percent_loss_it_takes_little_longer() {
    let (deliveries, copies, _) = spread(6, 0.05, 3);
    assert!(deliveries.iter().all(|delivery| delivery.max <= ms(400)), "{deliveries:?}");
    assert!(copies <= 1.2, "{copies}");
}

#[test]
fn a_fifth_crashed_and_not_noticed_is_gone_round() {
    let mut world = World::new(Options { seed: 7, nodes: NODES, ..Options::default() });
    world.run_for(secs(3)).unwrap();
    (0..NODES).filter(|node| node % 5 == 3).for_each(|node| world.crash(node));
    let write = world.write(0, "key", [7; 64]).unwrap();
    let others = NODES - NODES / 5 - 1;
    world.run_until(|world| world.delivery(write).delivered == others, secs(5)).unwrap();
    let delivery = world.delivery(write);
    println!("{delivery}");
    // What anti-entropy alone would need: see docs/spread.md.
    assert!(delivery.p99 <= ms(400) && delivery.max <= ms(700), "{delivery}");
}
