//! Who comes back brings nothing back, and loses nothing: leaves around a partition, fleets that are
//! replaced, goodbyes in haste, clusters before their first pass, power cuts. docs/chain.md has the
//! cases; each fails where a majority of those that are left is enough for a pass.

use crate::{ms, secs};
use rumormill_core::config::Config;
use rumormill_core::data::Space;
use rumormill_core::node::Vote;
use rumormill_sim::script::Setting;
use rumormill_sim::{Options, Script, Start, Trial, Workload, World};
use std::time::Duration;

/// Passes all the time, and who is dead is soon not waited for.
fn often() -> Config {
    let mut config = Config::default();
    config.ring.interval = ms(500);
    config.ring.reap_after = secs(1);
    config
}

fn world(nodes: usize, late: usize, seed: u64) -> World {
    World::new(Options { nodes, late, seed, config: often(), ..Options::default() })
}

/// Waits until a pass that begins after now covers all that run.
fn next_pass(world: &mut World) {
    let latest = |world: &World| {
        world.live().filter_map(|(_, node)| node.horizon()).map(|horizon| horizon.time).max()
    };
    let before = latest(world);
    // One that is under way may have visited some before.
    for _ in 0..2 {
        let before = latest(world).max(before);
        let over = |world: &World| {
            latest(world) > before && world.live().all(|(_, node)| node.is_covered())
        };
        world.run_until(over, secs(60)).unwrap();
    }
}

fn write_all(world: &mut World, node: usize, keys: &[String]) {
    for key in keys {
        world.write(node, key, "old").unwrap();
    }
}

fn delete_all(world: &mut World, node: usize, keys: &[String]) {
    for key in keys {
        world.delete(node, key).unwrap();
    }
}

fn keys(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|number| format!("{name}-{number}")).collect()
}

/// Waits until nobody that runs holds a tombstone.
fn collected(world: &mut World) {
    let none = |world: &World| world.live().all(|(_, node)| node.data().tombstones() == 0);
    world.run_until(none, secs(60)).unwrap();
}

#[track_caller]
fn assert_gone(world: &World, keys: &[String]) {
    for (node, _) in world.live() {
        let back: Vec<&String> =
            keys.iter().filter(|key| world.read(node, key).is_some()).collect();
        assert!(back.is_empty(), "n{node} shows {back:?}");
    }
}

/// The command line of docs/chain.md: `rumormill sim cluster --nodes 5 --for 60s ...`.
fn leave_and_be_cut_apart(seed: u64, script: &str) {
    let mut config = Config::default();
    (config.ring.interval, config.ring.reap_after) = (secs(3), secs(6));
    let options = Options { seed, nodes: 5, config, ..Options::default() };
    let (duration, zones, base) = (secs(60), None, [0.0; 3]);
    let setting = Setting { nodes: 5, seed, zones, base, duration };
    let plan = script.parse::<Script>().unwrap().plan(&setting).unwrap();
    let load = Workload { every: ms(100), keys: 60, value: 64, deletes: 0.5 };
    let trial = Trial { options, warm_up: secs(4), load: Some(load), plan, settle: secs(60) };
    let report = trial.run(|_| true);
    assert!(report.converged && report.violations.is_empty(), "{:?}", report.violations);
    assert_eq!(report.tombstones.resurrected, 0);
}

#[test]
fn two_of_five_leave_and_the_others_are_cut_apart() {
    for kind in ["leave", "depart", "crash"] {
        for seed in [3, 4, 5] {
            leave_and_be_cut_apart(
                seed,
                &format!("{kind}:n3,n4@9.3s; partition:n0,n1@9.55s..45s; restart:n3,n4@9.9s"),
            );
        }
    }
}

/// Nodes 2 and up are replaced by the next ones, one after the other, and those leave with their
/// folders.
fn replace(world: &mut World, old: &[usize], new: usize, depart: bool) {
    for (nth, &node) in old.iter().enumerate() {
        let newcomer = new + nth;
        world.boot_and_join(newcomer, &[node]);
        let knows = |world: &World| world.live().all(|(at, _)| world.alive_at(at) > old.len());
        world.run_until(knows, secs(30)).unwrap();
        next_pass(world);
        leave(world, node, depart);
        next_pass(world);
    }
}

fn leave(world: &mut World, node: usize, depart: bool) {
    match depart {
        true => world.depart(node),
        false => world.leave(node),
    }
    world.run_until(|world| world.node(node).is_none(), secs(20)).unwrap();
}

#[test]
fn the_fleet_is_replaced_twice_and_an_old_member_returns() {
    for (seed, depart) in [(1, false), (2, true), (3, false)] {
        let mut world = world(9, 6, seed);
        next_pass(&mut world);
        let keys = keys("k", 5);
        write_all(&mut world, 2, &keys);
        world.settle(secs(30)).unwrap();
        leave(&mut world, 2, depart);
        delete_all(&mut world, 0, &keys);
        next_pass(&mut world);
        collected(&mut world);
        replace(&mut world, &[0, 1], 3, depart);
        replace(&mut world, &[3, 4], 5, depart);
        let members: Vec<usize> = world.live().map(|(node, _)| node).collect();
        assert_eq!(members, [5, 6]);
        world.boot_and_join(2, &[5]);
        world.settle(secs(60)).unwrap();
        assert_gone(&world, &keys);
        assert_eq!(world.node(2).unwrap().digest(Space::Data).count, 0);
    }
}

#[test]
fn what_was_seen_just_before_a_goodbye_and_deleted_stays_deleted() {
    type Goes = fn(&mut World);
    let ways: [(&str, Goes); 3] = [
        ("leave", |world| leave(world, 2, false)),
        ("depart", |world| leave(world, 2, true)),
        ("crash", |world| {
            world.crash(2);
            let id = world.id(2);
            let dead =
                |world: &World| world.node(0).is_some_and(|node| node.members_away().contains(&id));
            world.run_until(dead, secs(20)).unwrap();
            world.forget(0, id, false).unwrap();
        }),
    ];
    for (way, goes) in ways {
        for seed in 1..4 {
            let mut world = world(3, 0, seed);
            next_pass(&mut world);
            let keys = keys("k", 12);
            for key in &keys {
                world.write(2, key, "just now").unwrap();
                world.run_for(ms(10)).unwrap();
            }
            world.run_for(ms(20)).unwrap();
            goes(&mut world);
            delete_all(&mut world, 1, &keys);
            next_pass(&mut world);
            collected(&mut world);
            world.boot(2);
            world.settle(secs(60)).unwrap_or_else(|violation| panic!("{way}: {violation}"));
            assert_gone(&world, &keys);
        }
    }
}

#[test]
fn before_the_first_pass_neither_side_of_a_partition_is_the_cluster() {
    for seed in 1..4 {
        let mut world = world(5, 2, seed);
        let keys = keys("k", 20);
        let (one, other) = keys.split_at(10);
        write_all(&mut world, 1, &keys);
        world.run_until(|world| world.converged(), secs(5)).unwrap();
        assert_eq!(world.node(0).unwrap().horizon(), None);
        world.partition(&[0, 3, 4], &[1, 2]);
        world.boot_and_join(3, &[0]);
        world.boot_and_join(4, &[0]);
        world.run_for(secs(1)).unwrap();
        delete_all(&mut world, 0, one);
        delete_all(&mut world, 1, other);
        world.run_for(secs(40)).unwrap();
        for node in [0, 1] {
            assert_eq!(world.node(node).unwrap().horizon(), None, "n{node} founds a chain");
        }
        world.heal();
        world.settle(secs(60)).unwrap();
        assert_gone(&world, &keys);
        next_pass(&mut world);
        collected(&mut world);
    }
}

#[test]
fn a_power_cut_at_the_writer_and_a_leave_of_the_only_receiver_lose_nothing() {
    for depart in [false, true] {
        for seed in 1..4 {
            let mut config = often();
            config.ring.interval = secs(4);
            let options = Options { nodes: 3, seed, config, ..Options::default() };
            let mut world = World::new(options);
            next_pass(&mut world);
            world.partition(&[0, 1], &[2]);
            world.write(0, "k", "v").unwrap();
            world.run_for(ms(50)).unwrap();
            assert_eq!(world.read(1, "k"), Some(&b"v"[..]));
            world.power_cut(0, ms(200));
            leave(&mut world, 1, depart);
            world.heal();
            world.boot(0);
            world.run_for(secs(1)).unwrap();
            if depart {
                // That took so long that the writer may be an old copy, and there is nobody who
                // could have the vote: it takes an operator.
                let gone = world.id(1);
                world.forget(2, gone, true).unwrap();
            }
            next_pass(&mut world);
            world.boot(1);
            world.settle(secs(60)).unwrap();
            let aside = |world: &World| world.node(1).unwrap().strays().get(b"k").is_some();
            assert!(world.read(2, "k").is_some() || aside(&world));
            if aside(&world) {
                assert_eq!(world.ledger().strays(), 1);
                world.put_stray_back(1, b"k").unwrap();
                world.settle(secs(60)).unwrap();
                assert_eq!(world.ledger().strays(), 0);
                assert_eq!(world.read(2, "k"), Some(&b"v"[..]));
            }
        }
    }
}

/// What is written anew is no new write: it counts as the one that it was.
#[test]
fn what_comes_back_with_its_writer_is_the_write_that_it_was() {
    let mut world = world(4, 0, 7);
    next_pass(&mut world);
    world.partition(&[3], &[0, 1, 2]);
    let alone = |world: &World| {
        let members = world.node(3).into_iter().flat_map(rumormill_core::Node::members);
        members.filter(|member| member.state.is_present()).count() == 1
    };
    world.run_until(alone, secs(120)).unwrap();
    let written = world.write(3, "alone", "v").unwrap();
    world.run_until(|world| world.node(0).unwrap().horizon().is_some(), secs(10)).unwrap();
    next_pass_of(&mut world, &[0, 1, 2]);
    world.heal();
    world.settle(secs(60)).unwrap();
    assert_eq!(world.read(0, "alone"), Some(&b"v"[..]));
    assert_eq!(world.total(|stats| stats.fence_reissued), 1);
    assert_eq!(world.ledger().writes().count(), 1);
    let stamp = world.ledger().get(written).entry.stamp();
    assert_eq!(world.node(0).unwrap().data().get(b"alone").unwrap().stamp(), stamp);
}

/// Waits until some are covered by a pass that begins after now.
fn next_pass_of(world: &mut World, some: &[usize]) {
    let latest = |world: &World| {
        some.iter()
            .filter_map(|&node| world.node(node)?.horizon())
            .map(|horizon| horizon.time)
            .max()
    };
    for _ in 0..2 {
        let before = latest(world);
        world.run_until(|world| latest(world) > before, secs(60)).unwrap();
    }
}

#[test]
fn ring_repair_alone_carries_data_and_roster() {
    for (nodes, seed) in [(2, 1), (3, 2), (8, 3), (64, 4)] {
        let mut config = Config::default();
        config.spread.method = rumormill_core::spread::Method::None;
        config.repair.interval = Duration::ZERO;
        config.ring.interval = secs(1);
        let start = Start::Join { seeds: 1 };
        let options =
            Options { nodes: nodes + 1, late: 1, seed, config, start, ..Options::default() };
        let mut world = World::new(options);
        for round in 0..3 {
            for node in 0..nodes {
                world.write(node, format!("{round}/{node}"), "v").unwrap();
            }
            let _ = world.delete(0, format!("{round}/0"));
            world.settle(secs(60)).unwrap_or_else(|violation| panic!("{nodes}: {violation}"));
        }
        world.boot_and_join(nodes, &[0]);
        world.settle(secs(60)).unwrap_or_else(|violation| panic!("{nodes}: {violation}"));
        assert_eq!(world.alive_at(nodes), nodes + 1);
    }
}

#[test]
fn a_vote_is_handed_over_before_the_goodbye() {
    let mut world = world(5, 0, 9);
    next_pass(&mut world);
    world.depart(3);
    let given = |world: &World| {
        let departure = world.node(3).and_then(rumormill_core::Node::departure);
        matches!(departure.map(|departure| departure.vote), Some(Vote::Given(_)))
    };
    world.run_until(given, secs(10)).unwrap();
    assert!(world.write(3, "late", "v").is_err(), "it takes nothing more");
    world.run_until(|world| world.node(3).is_none(), secs(10)).unwrap();
    world.boot(3);
    world.settle(secs(60)).unwrap();
}

#[test]
fn a_power_cut_takes_back_what_came_last_and_no_more() {
    let mut world = world(3, 0, 11);
    next_pass(&mut world);
    world.write(0, "early", "v").unwrap();
    world.run_for(secs(2)).unwrap();
    world.partition(&[0], &[1, 2]);
    world.write(0, "late", "v").unwrap();
    world.run_for(ms(100)).unwrap();
    world.power_cut(0, secs(5));
    world.run_for(secs(1)).unwrap();
    world.boot(0);
    assert_eq!(world.read(0, "early"), Some(&b"v"[..]));
    assert_eq!(world.read(0, "late"), None);
    world.heal();
    // It stood on no other disk: it is not required.
    world.settle(secs(60)).unwrap();
}
