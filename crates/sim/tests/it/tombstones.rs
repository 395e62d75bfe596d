//! The ways in which tombstones go, and what a member that was away for longer then does.

use crate::{ms, secs};
use rumormill_core::config::Config;
use rumormill_core::spread::Method;
use rumormill_core::spread::ring::Tombstones;
use rumormill_sim::{Options, Violation, World};
use std::time::Duration;

const NODES: usize = 6;
const AWAY: usize = 5;
const KEYS: usize = 50;
const DELETED: usize = 40;

fn config(tombstones: Tombstones) -> Config {
    let mut config = Config::default();
    config.ring.tombstones = tombstones;
    config.ring.interval = secs(2);
    config.ring.reap_after = secs(5);
    // Long enough for the one that is away to be forgotten before.
    config.ring.keep_for = secs(30);
    config.ring.retention = 2;
    config.ring.keep_dormant = secs(3600);
    config
}

/// A world in which most keys were deleted, and the tombstones are old, while one member was away.
fn after_deletions(config: Config, seed: u64) -> World {
    let mut world = World::new(Options { nodes: NODES, seed, config, ..Options::default() });
    world.run_for(secs(1)).unwrap();
    for key in 0..KEYS {
        world.write(0, format!("key-{key}"), "old").unwrap();
    }
    // The first pass takes everybody.
    world.run_for(secs(5)).unwrap();
    world.settle(secs(30)).unwrap();
    world.partition(&[AWAY], &[0, 1, 2, 3, 4]);
    world.run_for(ms(100)).unwrap();
    for key in 0..DELETED {
        world.delete(1, format!("key-{key}")).unwrap();
    }
    world.run_for(secs(60)).unwrap();
    world
}

/// Tombstones in the data of all, and apart from it.
fn kept(world: &World) -> (u64, u64) {
    let nodes = || (0..world.nodes()).filter_map(|node| world.node(node));
    let data = nodes().map(|node| node.data().tombstones()).sum();
    (data, nodes().map(|node| node.certificates().tombstones()).sum())
}

fn back(world: &mut World) -> Result<Duration, Violation> {
    world.heal();
    world.settle(secs(60))
}

fn assert_dead(world: &World) {
    for node in 0..NODES {
        for key in 0..KEYS {
            let value = world.read(node, format!("key-{key}"));
            assert_eq!(value.is_none(), key < DELETED, "n{node}, key-{key}");
        }
    }
}

#[test]
fn who_was_away_for_longer_brings_the_dead_back_where_only_time_counts() {
    let mut world = after_deletions(config(Tombstones::Timed), 21);
    assert_eq!(kept(&world), (0, 0));
    assert_eq!(back(&mut world).unwrap_err().property, "no resurrection");
    assert!(world.ledger().resurrected() > 0);
}

#[test]
fn the_horizon_and_keeping_all_bring_nothing_back() {
    for (tombstones, before) in
        [(Tombstones::Horizon, 0), (Tombstones::Keep, DELETED * (NODES - 1))]
    {
        let mut world = after_deletions(config(tombstones), 22);
        assert_eq!(kept(&world), (before as u64, 0));
        back(&mut world).unwrap();
        assert_dead(&world);
        assert_eq!(world.ledger().resurrected(), 0);
    }
}

#[test]
fn dormant_tombstones_undo_what_comes_back() {
    for (method, seed) in [
        (Method::Tree, 23),
        (Method::Rumor, 24),
        (Method::DirectMail, 25),
        (Method::None, 26),
        (Method::Tree, 27),
    ] {
        let mut config = config(Tombstones::Dormant);
        config.spread.method = method;
        let mut world = after_deletions(config, seed);
        // Who was away was forgotten and is none of those that keep them.
        assert_eq!(kept(&world), (0, 2 * DELETED as u64), "{method:?}");
        back(&mut world).unwrap();
        assert_dead(&world);
        assert!(world.total(|stats| stats.tombstones_activated) >= DELETED as u64);
        // Who had something to undo keeps them for a while; those that always did, for longer.
        assert!(kept(&world).1 >= 3 * DELETED as u64);
        world.run_for(secs(36)).unwrap();
        let (data, apart) = kept(&world);
        assert!(data == 0 && apart >= DELETED as u64 && apart <= 3 * DELETED as u64, "{apart}");
        world.settle(secs(30)).unwrap();
    }
}

#[test]
fn dormant_tombstones_outlive_a_restart_and_give_way_to_newer_writes() {
    let mut world = after_deletions(config(Tombstones::Dormant), 28);
    for node in 0..NODES - 1 {
        world.crash(node);
        world.boot(node);
    }
    world.run_for(secs(2)).unwrap();
    assert_eq!(kept(&world), (0, 2 * DELETED as u64));
    world.write(2, "key-3", "new").unwrap();
    world.run_for(secs(2)).unwrap();
    assert_eq!(kept(&world), (0, 2 * (DELETED as u64 - 1)));
    back(&mut world).unwrap();
    for node in 0..NODES {
        assert_eq!(world.read(node, "key-3"), Some(&b"new"[..]));
        assert_eq!(world.read(node, "key-4"), None);
    }
}

#[test]
fn when_the_dormant_ones_are_gone_the_dead_come_back() {
    let mut config = config(Tombstones::Dormant);
    config.ring.keep_dormant = secs(20);
    let mut world = after_deletions(config, 29);
    assert_eq!(kept(&world), (0, 0));
    assert_eq!(back(&mut world).unwrap_err().property, "no resurrection");
}

#[test]
fn nobody_disagrees_while_tombstones_go_by_their_age() {
    for (tombstones, seed) in [(Tombstones::Timed, 30), (Tombstones::Dormant, 31)] {
        let mut config = config(tombstones);
        config.ring.keep_for = secs(3);
        let mut world = World::new(Options { nodes: NODES, seed, config, ..Options::default() });
        for round in 0..400 {
            let _ = world.write(round % NODES, format!("key-{}", round % 30), format!("{round}"));
            let _ = world.delete((round + 3) % NODES, format!("key-{}", (round * 7) % 30));
            world.run_for(ms(25)).unwrap();
        }
        world.settle(secs(60)).unwrap();
        world.run_for(secs(5)).unwrap();
        world.settle(secs(60)).unwrap();
        assert_eq!(kept(&world).0, 0);
        assert!(world.total(|stats| stats.tombstones_collected) > 0);
        assert_eq!(world.total(|stats| stats.divergences), 0);
    }
}

#[test]
fn a_deletion_that_nobody_heard_of_in_time_is_lost_where_only_time_counts() {
    for (tombstones, holds) in
        [(Tombstones::Horizon, true), (Tombstones::Keep, true), (Tombstones::Dormant, false)]
    {
        let options =
            Options { nodes: NODES, seed: 32, config: config(tombstones), ..Options::default() };
        let mut world = World::new(options);
        world.run_for(secs(1)).unwrap();
        for key in 0..KEYS {
            world.write(0, format!("key-{key}"), "old").unwrap();
        }
        world.settle(secs(30)).unwrap();
        world.partition(&[AWAY], &[0, 1, 2, 3, 4]);
        for key in 0..DELETED {
            world.delete(AWAY, format!("key-{key}")).unwrap();
        }
        world.run_for(secs(60)).unwrap();
        assert_eq!(back(&mut world).is_ok(), holds, "{tombstones:?}");
        if holds {
            assert_dead(&world);
        }
    }
}
