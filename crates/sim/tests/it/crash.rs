//! Crashes: what was acknowledged stays, whatever the moment.

use crate::{ms, secs};
use rumormill_sim::{Options, World};

#[test]
fn a_write_survives_the_crash_of_its_writer_before_anyone_heard_of_it() {
    let mut world = World::new(Options { seed: 7, nodes: 5, ..Options::default() });
    world.run_for(ms(50)).unwrap();
    world.partition(&[2], &[0, 1, 3, 4]);
    world.write(2, "k", "v").unwrap();
    world.crash(2);
    world.heal();
    world.run_for(secs(3)).unwrap();
    assert_eq!(world.read(0, "k"), None);
    world.boot(2);
    world.settle(secs(30)).unwrap();
    assert_eq!(world.read(0, "k"), Some(&b"v"[..]));
}

#[test]
fn a_crash_between_any_two_outputs_loses_nothing_that_was_acknowledged() {
    for outputs in 0..12 {
        let seed = 100 + u64::from(outputs);
        let mut world = World::new(Options { seed, nodes: 5, ..Options::default() });
        world.run_for(ms(50)).unwrap();
        world.crash_midway(1, outputs);
        let mut acknowledged = Vec::new();
        for key in (0..10).map(|key| format!("key-{key}")) {
            if world.write(1, &key, "v").is_ok() {
                acknowledged.push(key);
            }
            world.run_for(ms(2)).unwrap();
        }
        assert!(world.node(1).is_none(), "it has died by itself, on the way");
        world.run_for(ms(500)).unwrap();
        world.boot(1);
        world.settle(secs(30)).unwrap();
        for key in &acknowledged {
            assert!((0..5).all(|node| world.read(node, key).is_some()), "{key} is lost");
        }
    }
}

#[test]
fn the_whole_cluster_restarts_with_its_data() {
    let mut world = World::new(Options { seed: 8, nodes: 5, ..Options::default() });
    for key in 0..100 {
        world.write(key % 5, format!("key-{key}"), "v").unwrap();
    }
    (0..5).for_each(|node| world.crash(node));
    world.run_for(secs(1)).unwrap();
    (0..5).for_each(|node| world.boot(node));
    world.settle(secs(30)).unwrap();
    assert_eq!(world.node(4).unwrap().data().digest().count, 100);
}

#[test]
fn a_lost_disk_makes_a_new_node_that_gets_the_data_back() {
    let mut world = World::new(Options { seed: 9, nodes: 5, ..Options::default() });
    world.write(3, "k", "v").unwrap();
    world.run_until(|world| world.digests().len() == 1, secs(5)).unwrap();
    let old = world.id(3);
    world.lose_disk(3);
    world.boot(3);
    world.settle(secs(60)).unwrap();
    assert_ne!(world.id(3), old);
    assert_eq!(world.read(3, "k"), Some(&b"v"[..]));
}

#[test]
fn a_node_whose_clock_was_set_back_while_it_was_down_can_overwrite_what_it_wrote() {
    let mut world = World::new(Options { seed: 14, nodes: 3, ..Options::default() });
    world.write(0, "k", "before").unwrap();
    world.run_for(secs(1)).unwrap();
    world.crash(0);
    world.jump_clock(0, -30_000);
    world.boot(0);
    world.write(0, "k", "after").unwrap();
    world.settle(secs(30)).unwrap();
    assert_eq!(world.read(2, "k"), Some(&b"after"[..]));
}
