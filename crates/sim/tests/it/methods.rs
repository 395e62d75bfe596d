//! Every way to spread with every way to repair: the replicas agree in the end.

use crate::secs;
use rumormill_core::Config;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_sim::{Options, World};

const METHODS: [Method; 4] = [Method::Tree, Method::Rumor, Method::DirectMail, Method::None];
const DIRECTIONS: [Direction; 3] = [Direction::Push, Direction::Pull, Direction::PushPull];

/// Sixteen nodes with different data each, and some loss.
fn converges(method: Method, direction: Direction, compare: Compare) {
    let mut config = Config::default();
    config.spread.method = method;
    config.repair.direction = direction;
    config.repair.compare = compare;
    let mut world =
        World::new(Options { seed: 10, nodes: 16, config, loss: 0.01, ..Options::default() });
    for key in 0..64 {
        world.write(key % 16, format!("key-{key}"), "v").unwrap();
    }
    let took = world.run_until(|world| world.digests().len() == 1, secs(60));
    match took {
        Ok(took) => println!("{method:?}, {direction:?}, {compare:?}: {took:?}"),
        Err(violation) => panic!("{method:?}, {direction:?}, {compare:?}: {violation}"),
    }
    assert_eq!(world.node(0).unwrap().data().digest().count, 64);
}

#[test]
fn every_method_converges_with_full_comparison() {
    for method in METHODS {
        DIRECTIONS.iter().for_each(|&direction| converges(method, direction, Compare::Full));
    }
}

#[test]
fn every_method_converges_with_checksums() {
    for method in METHODS {
        DIRECTIONS.iter().for_each(|&direction| converges(method, direction, Compare::Checksum));
    }
}
