//! Every way to spread with every way to repair: the replicas agree in the end.

use crate::{ms, secs};
use rumormill_core::Config;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_sim::{Options, World};
use std::time::Duration;

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

#[test]
fn every_method_converges_with_sketches() {
    for method in METHODS {
        DIRECTIONS.iter().for_each(|&direction| converges(method, direction, Compare::Sketch));
    }
}

/// Two halves write apart from each other under load and loss, then find together.
#[test]
fn halves_that_were_parted_find_together_by_sketches() {
    for direction in DIRECTIONS {
        let mut config = Config::default();
        config.repair.compare = Compare::Sketch;
        config.repair.direction = direction;
        let mut world =
            World::new(Options { seed: 11, nodes: 8, config, loss: 0.05, ..Options::default() });
        for key in 0..400 {
            world.write(key % 8, format!("key-{key}"), "v").unwrap();
        }
        world.run_until(|world| world.digests().len() == 1, secs(60)).unwrap();
        world.partition(&[0, 1, 2, 3], &[4, 5, 6, 7]);
        for key in 0..300 {
            // Some on one side only, some on both.
            world.write(key % 8, format!("key-{}", key % 250), "w").unwrap();
            world.run_for(ms(5)).unwrap();
        }
        world.run_for(secs(5)).unwrap();
        assert!(world.digests().len() > 1);
        world.heal();
        let took = world.run_until(|world| world.digests().len() == 1, secs(60));
        assert!(took.is_ok(), "{direction:?}: {took:?}");
        assert!(world.total(|stats| stats.sketch_known) > 0);
        assert!(world.total(|stats| stats.sketch_differences) > 100);
        assert_eq!(world.total(|stats| stats.sketch_stuck + stats.sketch_collision), 0);
        assert_eq!(world.node(0).unwrap().data().digest().count, 400);
    }
}

/// A cluster in which direct mail is all there is.
fn mail_alone(nodes: usize, outbox_bytes: usize) -> World {
    let mut config = Config::default();
    config.spread.method = Method::DirectMail;
    config.spread.mail.outbox_bytes = outbox_bytes;
    config.repair.interval = Duration::ZERO;
    World::new(Options { seed: 21, nodes, config, ..Options::default() })
}

#[test]
fn mail_gets_everywhere_by_being_sent_again() {
    let mut world = mail_alone(30, 1 << 20);
    world.run_for(secs(1)).unwrap();
    world.set_loss(0.1);
    for key in 0..20 {
        world.write(key, format!("key-{key}"), "v").unwrap();
    }
    world.run_until(|world| world.deliveries().is_complete(), secs(30)).unwrap();
    assert!(world.total(|stats| stats.mail_retransmitted) > 0);
    assert_eq!(world.total(|stats| stats.mail_dropped), 0);
}

#[test]
fn a_full_outbox_drops_mail_for_good_and_counts_it() {
    let mut world = mail_alone(3, 2000);
    world.run_for(secs(1)).unwrap();
    world.partition(&[2], &[0, 1]);
    for key in 0..100 {
        world.write(0, format!("key-{key:03}"), [0; 64]).unwrap();
        // Time for the receipts of the one that hears.
        world.run_for(ms(5)).unwrap();
    }
    let dropped = world.node(0).unwrap().stats().mail_dropped;
    assert!(dropped > 0);
    world.run_for(secs(1)).unwrap();
    world.heal();
    world.run_for(secs(60)).unwrap();
    let count = |node: usize| world.node(node).unwrap().data().digest().count;
    assert_eq!((count(0), count(1)), (100, 100));
    assert!(count(2) > 0 && count(2) < 100, "mail alone does not converge: {}", count(2));
}

/// Mean rounds of anti-entropy alone until one update is everywhere.
fn rounds(direction: Direction) -> f64 {
    let mut config = Config::default();
    config.spread.method = Method::None;
    config.repair.direction = direction;
    // However calm it is, one exchange a node and second.
    (config.repair.interval, config.repair.idle_interval) = (secs(1), secs(1));
    let mut world = World::new(Options { seed: 22, nodes: 200, config, ..Options::default() });
    let mut total = 0.0;
    for update in 0..6 {
        let write = world.write(update * 31, format!("key-{update}"), "v").unwrap();
        world.run_until(|world| world.delivery(write).is_complete(), secs(60)).unwrap();
        total += world.delivery(write).max.as_secs_f64();
    }
    println!("{direction:?}: {:.2} rounds", total / 6.0);
    total / 6.0
}

#[test]
fn push_pull_beats_pull_and_pull_beats_push() {
    let (push, pull, both) =
        (rounds(Direction::Push), rounds(Direction::Pull), rounds(Direction::PushPull));
    assert!(both < pull && pull < push, "{push}, {pull}, {both}");
    // Synchronous push takes log2 n + ln n = 12.9 rounds; here news travels within a round too.
    assert!(push < 14.0 && both < 7.0, "{push}, {both}");
}
