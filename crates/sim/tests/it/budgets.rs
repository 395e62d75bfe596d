//! Bytes per second for each class: none starves another, and what is dropped comes by repair.

use crate::{ms, secs};
use rumormill_sim::{Options, World};
use std::time::Duration;

const NODES: usize = 16;

fn options(seed: u64, change: impl FnOnce(&mut Options)) -> Options {
    let mut options = Options { seed, nodes: NODES, ..Options::default() };
    change(&mut options);
    options
}

#[test]
fn updates_over_their_budget_are_late_and_none_is_lost() {
    let mut world = World::new(options(71, |options| {
        options.config.limits.updates_rate = 4000;
    }));
    world.run_for(secs(2)).unwrap();
    for number in 0..1000 {
        world.write(number % 4, format!("key-{number}"), [7; 100]).unwrap();
        world.run_for(ms(2)).unwrap();
    }
    world.settle(secs(60)).unwrap();
    assert!(world.total(|stats| stats.budget_updates_delayed) > 100);
    assert!(world.total(|stats| stats.budget_updates_shed) > 100);
    assert_eq!(world.deliveries().delivered, 1000 * (NODES - 1));
    assert_eq!(world.false_positives(Duration::ZERO), 0);
    assert_eq!(world.total(|stats| stats.budget_membership_shed), 0);
}

/// Two halves that have a megabyte to tell each other, over links that carry little more than the
/// budget of repair.
#[test]
fn a_flood_of_repair_holds_up_no_probe() {
    let mut world = World::new(options(72, |options| {
        options.config.limits.repair_rate = 60_000;
        options.bandwidth = Some(200_000);
    }));
    world.run_for(secs(2)).unwrap();
    let (one, other): (Vec<_>, Vec<_>) = (0..NODES).partition(|node| node % 2 == 0);
    world.partition(&one, &other);
    for number in 0..2000 {
        world.write(number % NODES, format!("key-{number}"), [7; 250]).unwrap();
        if number % 16 == 0 {
            world.run_for(ms(40)).unwrap();
        }
    }
    world.run_for(secs(60)).unwrap();
    world.heal();
    world.run_until(|world| (0..NODES).all(|at| world.alive_at(at) == NODES), secs(20)).unwrap();
    let (healed, suspected) = (world.now(), world.total(|stats| stats.suspicions));
    world.settle(secs(120)).unwrap();
    assert!(world.total(|stats| stats.budget_repair_delayed) > 0);
    assert_eq!(world.false_positives(healed), 0);
    let more = world.total(|stats| stats.suspicions) - suspected;
    assert_eq!(more, 0, "suspected while repair was under way");
    assert_eq!(world.deliveries().delivered, 2000 * (NODES - 1));
}

#[test]
fn a_fresh_node_is_filled_at_the_pace_of_the_budget() {
    let fill = |rate| {
        let mut world = World::new(options(73, |options| {
            options.nodes = 3;
            options.config.limits.repair_rate = rate;
        }));
        world.run_for(secs(1)).unwrap();
        for number in 0..1000 {
            world.write(0, format!("key-{number}"), [7; 1000]).unwrap();
            world.run_for(ms(1)).unwrap();
        }
        world.settle(secs(30)).unwrap();
        world.crash(2);
        world.lose_disk(2);
        world.restart(2);
        let begun = world.now();
        let filled =
            |world: &World| world.node(2).is_some_and(|node| node.data().digest().count == 1000);
        let took = world.run_until(filled, secs(120)).unwrap();
        assert_eq!(world.false_positives(begun), 0);
        took
    };
    let (free, held) = (fill(0), fill(100_000));
    // A megabyte at up to twice 100 kB/s, for two may send.
    assert!(held > secs(4) && held < secs(60) && free < secs(4), "{free:?} {held:?}");
}
