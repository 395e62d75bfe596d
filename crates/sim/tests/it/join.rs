//! Nodes that know only a seed find each other, leave, and are missed.

use crate::{ms, secs};
use rumormill_sim::{Options, Start, World};

fn joined(nodes: usize, seeds: usize) -> World {
    let start = Start::Join { seeds };
    let mut world = World::new(Options { seed: 3, nodes, start, ..Options::default() });
    let everyone = |world: &World| (0..nodes).all(|node| world.alive_at(node) == nodes);
    world.run_until(everyone, secs(10)).unwrap();
    world
}

#[test]
fn twenty_nodes_join_through_one_seed() {
    joined(20, 1).settle(secs(5)).unwrap();
}

#[test]
fn a_late_node_gets_everything_that_was_written_before() {
    let mut world = World::new(Options { nodes: 4, ..Options::default() });
    world.crash(3);
    world.lose_disk(3);
    for key in 0..2000 {
        world.write(key % 3, format!("key-{key}"), [1; 100]).unwrap();
        world.run_for(ms(1)).unwrap();
    }
    world.boot(3);
    world.run_until(|world| world.converged(), secs(10)).unwrap();
    assert_eq!(world.node(3).unwrap().data().digest().count, 2000);
}

#[test]
fn one_that_leaves_is_gone_at_once_and_one_that_dies_soon() {
    let mut world = joined(6, 1);
    world.leave(5);
    let gone = |world: &World, left: usize| (0..left).all(|node| world.alive_at(node) == left);
    world.run_until(|world| gone(world, 5), secs(1)).unwrap();
    world.crash(4);
    world.run_until(|world| gone(world, 4), secs(30)).unwrap();
    world.boot(4);
    world.boot(5);
    world.settle(secs(10)).unwrap();
}
