//! One update in a large cluster: how fast it is everywhere, and at how many copies a node.

use crate::{ms, secs};
use rumormill_sim::{Delivery, Options, World};

const NODES: usize = 1000;

/// One update from node 0, in a settled cluster with hops of 0.5 to 1.5 ms.
fn spread(seed: u64, loss: f64) -> (Delivery, f64, World) {
    let mut world = World::new(Options { seed, nodes: NODES, loss, ..Options::default() });
    world.run_for(ms(100)).unwrap();
    let copies = world.total(|stats| stats.update_copies);
    let write = world.write(0, "key", [7; 64]).unwrap();
    world.run_until(|world| world.delivery(write).is_complete(), secs(5)).unwrap();
    let copies = world.total(|stats| stats.update_copies) - copies;
    let per_node = copies as f64 / (NODES - 1) as f64;
    let delivery = world.delivery(write);
    println!("{NODES} nodes, loss {loss}: {delivery}; {per_node:.3} copies per node");
    (delivery, per_node, world)
}

#[test]
fn without_loss_the_tree_reaches_everyone_at_one_copy_each() {
    let (delivery, copies, world) = spread(1, 0.0);
    assert!(delivery.p99 <= ms(8), "{delivery}");
    assert!(copies <= 1.01, "{copies}");
    assert_eq!(world.total(|stats| stats.entries_stale), 0, "nobody is sent it twice");
}

#[test]
fn with_one_percent_loss_repair_reaches_the_last() {
    let (delivery, copies, _) = spread(2, 0.01);
    assert!(delivery.max <= ms(400), "{delivery}");
    assert!(copies <= 1.05, "{copies}");
}
