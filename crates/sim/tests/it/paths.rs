//! Paths that carry less than others: what is too large for one takes the stream.

use crate::{ms, secs};
use rumormill_sim::{Options, World};

fn world(seed: u64, nodes: usize) -> World {
    World::new(Options { seed, nodes, ..Options::default() })
}

/// How long it takes until all hold the same.
#[track_caller]
fn agree(world: &mut World, limit: std::time::Duration) -> std::time::Duration {
    let took = world.run_until(|world| world.digests().len() == 1, limit).unwrap();
    assert_eq!(world.digests().len(), 1, "not the same within {limit:?}");
    took
}

#[test]
fn entries_that_are_larger_than_a_path_arrive_all_the_same() {
    for seed in 0..6 {
        let mut world = world(seed, 3);
        // What an MTU of 1,280 leaves.
        world.narrow(2, 1252);
        for (number, size) in [1100, 1180, 1250, 1300, 1350, 1400, 5000].into_iter().enumerate() {
            for node in 0..3 {
                world.write(node, format!("{node}-{number}"), vec![b'x'; size]).unwrap();
            }
            agree(&mut world, secs(2));
        }
        // Once it is known to be narrow nothing is lost any more.
        world.run_for(secs(1)).unwrap();
        for (number, size) in (1150..1420).step_by(15).enumerate() {
            world.write(number % 3, format!("again-{size}"), vec![b'y'; size]).unwrap();
            assert!(agree(&mut world, secs(1)) < ms(50), "{size} bytes, seed {seed}");
        }
        let narrow = |node: usize| world.node(node).unwrap().narrow_paths().count();
        assert_eq!([narrow(0), narrow(1), narrow(2)], [1, 1, 2], "seed {seed}");
    }
}

#[test]
fn batches_that_fill_datagrams_arrive_through_a_narrow_path() {
    let mut world = world(3, 4);
    world.narrow(1, 1200);
    for round in 0..20 {
        for key in 0..100 {
            world.write(key % 4, format!("{round}/{key}"), vec![b'x'; 40 + key]).unwrap();
        }
        world.run_for(ms(20)).unwrap();
    }
    agree(&mut world, secs(2));
}

#[test]
fn a_path_that_becomes_narrow_and_wide_again_is_noticed() {
    let mut world = world(5, 3);
    let mut number = 0;
    let mut write = |world: &mut World| {
        number += 1;
        world.write(number % 3, format!("{number}"), vec![b'x'; 1300]).unwrap();
    };
    write(&mut world);
    agree(&mut world, secs(1));
    world.run_for(secs(5)).unwrap();
    world.narrow(0, 1220);
    write(&mut world);
    agree(&mut world, secs(3));
    world.narrow(0, 0);
    for _ in 0..30 {
        world.run_for(secs(1)).unwrap();
        write(&mut world);
    }
    agree(&mut world, secs(1));
    assert!((0..3).all(|node| world.node(node).unwrap().narrow_paths().count() == 0));
}

#[test]
fn an_idle_cluster_sends_no_pings_to_measure_paths() {
    let mut world = world(7, 5);
    for key in 0..50 {
        world.write(key % 5, format!("{key}"), "small").unwrap();
        world.run_for(ms(20)).unwrap();
    }
    world.run_for(secs(60)).unwrap();
    assert_eq!(world.total(|stats| stats.path_probes), 0);
}
