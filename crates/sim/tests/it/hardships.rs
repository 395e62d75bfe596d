//! Hardships do what they say, and a cluster gets over them.

use crate::{ms, secs};
use rumormill_core::{Config, Stats};
use rumormill_sim::faults::{Does, Forge, Lock};
use rumormill_sim::{Fault, Options, World};
use std::time::Duration;

fn world(seed: u64, sealed: bool) -> World {
    let mut world = World::new(Options { seed, nodes: 4, sealed, ..Options::default() });
    world.run_for(secs(1)).unwrap();
    world
}

fn holders(world: &World, key: &str) -> Vec<usize> {
    (0..world.nodes()).filter(|&node| world.read(node, key).is_some()).collect()
}

fn alive(world: &World, node: usize) -> usize {
    let node = world.node(node).unwrap();
    node.members().filter(|member| member.state == rumormill_core::member::State::Alive).count()
}

#[test]
fn nobody_hears_of_what_waits_for_a_disk_and_no_member_looks_dead_for_it() {
    let mut world = world(1, false);
    world.inflict(&Fault::Disk { node: 0, does: Does::Hangs });
    world.write(0, "held", "v").unwrap();
    world.run_for(secs(20)).unwrap();
    assert_eq!(holders(&world, "held"), [0]);
    assert_eq!(alive(&world, 1), 4);
    world.inflict(&Fault::Disk { node: 0, does: Does::Works });
    world.settle(secs(30)).unwrap();
    assert_eq!(holders(&world, "held"), [0, 1, 2, 3]);
}

#[test]
fn what_has_not_got_to_a_disk_goes_with_the_process() {
    for does in [Does::Hangs, Does::Fails] {
        let mut world = world(2, false);
        world.write(0, "before", "v").unwrap();
        world.run_for(secs(2)).unwrap();
        world.inflict(&Fault::Disk { node: 0, does });
        world.write(0, "after", "v").unwrap();
        world.crash(0);
        world.run_for(secs(1)).unwrap();
        // Others may keep what a disk could not, and nobody has what waited for one.
        let others = if does == Does::Fails { vec![1, 2, 3] } else { vec![] };
        assert_eq!(holders(&world, "after"), others);
        world.boot(0);
        world.settle(secs(30)).unwrap();
        assert_eq!(holders(&world, "before"), [0, 1, 2, 3]);
        assert_eq!(holders(&world, "after").len(), if does == Does::Fails { 4 } else { 0 });
    }
}

#[test]
fn a_node_takes_nothing_in_that_its_disk_is_too_far_behind_for() {
    let options = Options { seed: 3, nodes: 3, disk_backlog: 1000, ..Options::default() };
    let mut world = World::new(options);
    world.run_for(secs(1)).unwrap();
    world.inflict(&Fault::Disk { node: 0, does: Does::Hangs });
    for number in 0..40 {
        world.write(1, format!("key-{number}"), [7; 100]).unwrap();
        world.run_for(ms(100)).unwrap();
    }
    let held = world.node(0).unwrap().data().digest().count;
    assert!((5..20).contains(&held), "{held}");
    assert!(world.node(0).unwrap().stats().dropped_behind > 0);
    world.inflict(&Fault::Calm);
    world.settle(secs(30)).unwrap();
}

/// Packets of a kind for ten seconds; what a node counted.
fn flooded(world: &mut World, forge: Forge) -> Stats {
    world.inflict(&Fault::Strangers { forge, per_second: 400 });
    for number in 0..100 {
        world.write(number % 4, format!("key-{}", number % 20), [7; 40]).unwrap();
        world.run_for(ms(100)).unwrap();
    }
    let node = world.node(0).unwrap();
    *node.stats()
}

#[test]
fn strangers_get_in_and_change_nothing_that_lasts() {
    for (seed, forge) in (10..).zip(Forge::ALL) {
        let mut world = world(seed, false);
        let stats = flooded(&mut world, forge);
        let noticed = match forge {
            Forge::Noise => stats.dropped_malformed + stats.dropped_strangers,
            Forge::Message => stats.refused_unproven,
            Forge::Replay => stats.entries_stale,
            Forge::Change => stats.dropped_malformed,
        };
        assert!(noticed > 20, "{forge:?}: {stats:?}");
        world.inflict(&Fault::Calm);
        world.run_for(secs(60)).unwrap();
        world.settle(secs(30)).unwrap();
        assert_eq!(holders(&world, "key-3"), [0, 1, 2, 3]);
    }
}

#[test]
fn what_is_plain_does_not_get_past_a_lock() {
    for forge in [Forge::Noise, Forge::Message, Forge::Change] {
        let mut world = world(20, true);
        let stats = flooded(&mut world, forge);
        let seen = stats.dropped_malformed + stats.dropped_strangers + stats.refused_unproven;
        assert_eq!(seen + stats.unknown_messages, 0, "{forge:?}: {stats:?}");
        world.settle(secs(30)).unwrap();
    }
}

#[test]
fn nodes_outlive_a_member_that_means_harm() {
    for (seed, forge) in (21..).zip(Forge::ALL) {
        let mut world = world(seed, seed % 2 == 0);
        world.inflict(&Fault::Traitor { forge, per_second: 400 });
        world.run_for(secs(10)).unwrap();
        world.inflict(&Fault::Calm);
        world.settle(secs(30)).unwrap();
        assert!(world.total(|stats| stats.dropped_own) > 20, "{forge:?}");
    }
}

#[test]
fn a_fleet_gets_a_key_node_by_node_and_nobody_is_missed() {
    let mut world = world(30, false);
    for lock in [Lock::Accept, Lock::Send, Lock::Require] {
        for node in 0..4 {
            world.inflict(&Fault::Lock { node, lock });
            world.run_for(secs(1)).unwrap();
            world.write(node, format!("{lock:?}-{node}"), "v").unwrap();
        }
    }
    world.settle(secs(30)).unwrap();
    assert_eq!(holders(&world, "Send-2"), [0, 1, 2, 3]);
}

#[test]
fn who_has_no_key_does_not_hear_those_that_seal() {
    let mut world = world(31, false);
    world.inflict(&Fault::Lock { node: 0, lock: Lock::Require });
    world.write(0, "sealed", "v").unwrap();
    world.write(1, "plain", "v").unwrap();
    world.run_for(secs(5)).unwrap();
    assert_eq!((holders(&world, "sealed"), holders(&world, "plain")), (vec![0], vec![1, 2, 3]));
    world.inflict(&Fault::Calm);
    world.settle(secs(60)).unwrap();
    assert_eq!(holders(&world, "sealed"), [0, 1, 2, 3]);
}

fn note(node: usize, name: &str) -> Fault {
    Fault::Note { node, name: name.into(), size: 40 }
}

#[test]
fn notes_get_everywhere_and_one_that_does_not_is_found() {
    let mut world = world(32, true);
    world.inflict(&note(0, "/key-1"));
    world.inflict(&note(1, "/key-1"));
    (0..4).for_each(|node| world.inflict(&note(node, "?")));
    world.settle(secs(30)).unwrap();
    assert_eq!(world.node(3).unwrap().notes().len(), 5);
    // What goes with the only disk that it was on is not missed, and what goes otherwise is.
    world.partition(&[0], &[1, 2, 3]);
    world.inflict(&note(0, "!"));
    world.run_for(ms(10)).unwrap();
    world.lose_disk(0);
    world.heal();
    world.boot(0);
    world.settle(secs(60)).unwrap();
    assert_eq!(world.node(3).unwrap().notes().len(), 5);
}

#[test]
fn some_nodes_run_with_other_settings() {
    let mut other = Config::default();
    other.limits.datagram = 600;
    other.limits.burst = 600;
    let options = Options { seed: 40, nodes: 4, other: Some(other), ..Options::default() };
    let mut world = World::new(options);
    world.inflict(&Fault::Settings { node: 2, other: true });
    world.run_for(secs(1)).unwrap();
    let datagram = |world: &World, node| world.node(node).unwrap().config().limits.datagram;
    assert_eq!((datagram(&world, 1), datagram(&world, 2)), (1400, 600));
    world.inflict(&Fault::Calm);
    world.restart(2);
    assert_eq!(datagram(&world, 2), 600, "what it is set to stays");
    world.inflict(&Fault::Settings { node: 2, other: false });
    assert_eq!(datagram(&world, 2), 1400);
    world.settle(secs(30)).unwrap();
}

#[test]
fn a_node_with_little_room_finds_little_of_what_came() {
    let came = |bytes| {
        let mut world = world(50, false);
        world.inflict(&Fault::Squeeze { node: 1, bytes });
        world.pause(1);
        for number in 0..40 {
            world.write(0, format!("key-{number}"), [7; 400]).unwrap();
            world.run_for(ms(20)).unwrap();
        }
        world.resume(1);
        let held = world.node(1).unwrap().data().digest().count;
        world.inflict(&Fault::Calm);
        world.settle(Duration::from_secs(30)).unwrap();
        held
    };
    assert!(came(2000) < 10 && came(0) > 20);
}
