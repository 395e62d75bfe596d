//! Ring repair, and the horizon that it proves.

use crate::{ms, secs};
use rumormill_core::config::Config;
use rumormill_core::data::Space;
use rumormill_core::spread::Method;
use rumormill_core::spread::ring::NoPass;
use rumormill_core::spread::ring::{Stage, Tombstones};
use rumormill_sim::{Options, Start, World};
use std::time::Duration;

/// A cluster in which nothing but passes moves data.
fn quiet(nodes: usize, seed: u64) -> World {
    let mut config = Config::default();
    config.spread.method = Method::None;
    config.repair.interval = Duration::ZERO;
    config.ring.interval = Duration::ZERO;
    config.ring.tombstones = Tombstones::Keep;
    World::new(Options { nodes, seed, config, start: Start::Prefilled, ..Options::default() })
}

fn pass(world: &mut World, by: usize) {
    world.begin_pass(by).unwrap();
    let complete = |world: &World| {
        world.node(by).unwrap().run().is_some_and(|run| run.stage == Stage::Complete)
    };
    world.run_until(complete, secs(30)).unwrap();
}

fn stat(world: &World, of: impl Fn(&rumormill_core::Stats) -> u64) -> u64 {
    (0..world.nodes()).filter_map(|node| world.node(node)).map(|node| of(node.stats())).sum()
}

#[test]
fn after_two_laps_everyone_has_everything() {
    for (nodes, seed) in [(1, 1), (2, 2), (3, 3), (4, 4), (17, 5)] {
        let mut world = quiet(nodes, seed);
        world.run_for(ms(100)).unwrap();
        for node in 0..nodes {
            for key in 0..20 {
                world.write(node, format!("{node}/{key}"), "value").unwrap();
                let _ = world.delete(node, format!("{node}/3"));
            }
        }
        // What is stamped in this very millisecond is not covered.
        world.run_for(ms(5)).unwrap();
        assert_eq!(world.digests().len(), nodes);
        pass(&mut world, seed as usize % nodes);
        // A, B, C: A to B, B to C, C to A, A to B; the first visit is not a hop between two.
        assert_eq!(stat(&world, |stats| stats.ring_hops), 2 * nodes as u64 - 1);
        assert_eq!(world.digests().len(), 1, "{nodes} nodes");
        let held = world.node(0).unwrap().data();
        assert_eq!(held.digest().count, 20 * nodes as u64);
    }
}

#[test]
fn a_pass_under_load_collects_and_nothing_comes_back() {
    let mut config = Config::default();
    config.ring.interval = secs(2);
    let options = Options { nodes: 8, seed: 11, config, loss: 0.05, ..Options::default() };
    let mut world = World::new(options);
    for round in 0..400 {
        let node = round % 8;
        let _ = world.write(node, format!("key-{}", round % 30), format!("{round}"));
        let _ = world.delete((node + 3) % 8, format!("key-{}", (round * 7) % 30));
        world.run_for(ms(25)).unwrap();
    }
    world.settle(secs(60)).unwrap();
    assert!(stat(&world, |stats| stats.ring_completed) >= 3);
    assert!(stat(&world, |stats| stats.tombstones_collected) > 0);
    world.run_for(secs(10)).unwrap();
    world.settle(secs(60)).unwrap();
    assert_eq!(world.node(0).unwrap().data().tombstones(), 0);
}

#[test]
fn who_was_away_for_long_is_brought_back_and_brings_nothing_back() {
    for fence in [true, false] {
        let mut config = Config::default();
        config.ring.interval = secs(2);
        config.ring.reap_after = secs(5);
        config.ring.fence = fence;
        let mut world = World::new(Options { nodes: 5, seed: 12, config, ..Options::default() });
        world.run_for(secs(1)).unwrap();
        for key in 0..50 {
            world.write(0, format!("key-{key}"), "old").unwrap();
        }
        // The first pass takes everybody.
        world.run_for(secs(5)).unwrap();
        world.settle(secs(30)).unwrap();
        world.partition(&[4], &[0, 1, 2, 3]);
        world.run_for(ms(100)).unwrap();
        // Nobody hears of this one, which its node cannot know.
        world.write(4, "sent", "in vain").unwrap();
        for key in 0..40 {
            world.delete(1, format!("key-{key}")).unwrap();
        }
        world.run_for(secs(60)).unwrap();
        // By now it is alone, and knows that nobody hears of this one.
        world.write(4, "unheard", "of").unwrap();
        world.run_for(secs(10)).unwrap();
        assert_eq!(world.node(0).unwrap().data().tombstones(), 0, "collected without it");
        world.heal();
        let end = world.settle(secs(60));
        if fence {
            end.unwrap();
            assert_eq!(world.read(2, "key-1"), None);
            assert_eq!(world.read(2, "key-45"), Some(&b"old"[..]));
            assert_eq!(world.read(2, "unheard"), Some(&b"of"[..]));
            assert_eq!(stat(&world, |stats| stats.fence_reissued), 1);
            assert_eq!((world.read(2, "sent"), world.read(4, "sent")), (None, None));
            let strays = world.node(4).unwrap().strays();
            assert!(strays.get(b"sent").is_some() && strays.digest().count == 1, "kept aside");
        } else {
            assert_eq!(end.unwrap_err().property, "no resurrection");
        }
    }
}

#[test]
fn a_member_that_is_away_holds_the_collection_up_until_it_is_forgotten() {
    let mut config = Config::default();
    config.ring.interval = secs(2);
    let mut world = World::new(Options { nodes: 4, seed: 13, config, ..Options::default() });
    world.write(0, "a", "1").unwrap();
    // The first pass takes everybody.
    world.run_for(secs(5)).unwrap();
    world.settle(secs(30)).unwrap();
    let away = world.id(3);
    world.crash(3);
    world.run_for(secs(20)).unwrap();
    world.delete(0, "a").unwrap();
    world.run_for(secs(20)).unwrap();
    for node in 0..3 {
        assert_eq!(world.node(node).unwrap().members_away(), [away]);
        assert_eq!(world.node(node).unwrap().data().tombstones(), 1);
    }
    world.forget(1, away, false).unwrap();
    world.run_until(|world| world.node(2).unwrap().data().tombstones() == 0, secs(20)).unwrap();
    world.boot(3);
    world.settle(secs(60)).unwrap();
    assert_eq!(world.read(3, "a"), None);
    world.run_until(|world| world.node(3).unwrap().is_covered(), secs(20)).unwrap();
}

#[test]
fn an_old_backup_brings_nothing_back() {
    let mut config = Config::default();
    config.ring.interval = secs(2);
    let mut world = World::new(Options { nodes: 4, seed: 14, config, ..Options::default() });
    for key in 0..30 {
        world.write(3, format!("key-{key}"), "old").unwrap();
    }
    world.settle(secs(30)).unwrap();
    let copy = world.copy_disk(3);
    for key in 0..20 {
        world.delete(0, format!("key-{key}")).unwrap();
    }
    world.write(1, "key-25", "new").unwrap();
    let gone = |world: &World| (0..4).all(|n| world.node(n).unwrap().data().tombstones() == 0);
    world.run_until(gone, secs(30)).unwrap();
    world.put_back(3, &copy);
    world.boot(3);
    world.settle(secs(60)).unwrap();
    world.run_until(|world| world.node(3).unwrap().is_covered(), secs(20)).unwrap();
    assert_eq!(world.node(3).unwrap().digest(Space::Data).count, 10);
    assert_eq!(world.read(0, "key-25"), Some(&b"new"[..]));
}

#[test]
fn two_who_have_lost_everything_do_not_take_themselves_for_the_cluster() {
    let mut config = Config::default();
    config.ring.interval = secs(2);
    let mut world = World::new(Options { nodes: 6, seed: 15, config, ..Options::default() });
    world.write(0, "kept", "1").unwrap();
    world.settle(secs(30)).unwrap();
    world.partition(&[3, 4], &[0, 1, 2, 5]);
    for node in [3, 4] {
        world.lose_disk(node);
        world.boot(node);
    }
    world.join(3, &[0, 4]);
    let found =
        |world: &World| [3, 4].iter().all(|node| world.node(*node).unwrap().members().count() == 2);
    world.run_until(found, secs(20)).unwrap();
    let refused = world.begin_pass(3).unwrap_err();
    let seeds = matches!(&refused, Some(NoPass::Seeds { missing, .. }) if missing.len() == 1);
    assert!(seeds, "{refused:?}");
    // Nor do they on their own, however long it takes.
    world.run_for(secs(60)).unwrap();
    assert_eq!(world.node(3).unwrap().horizon(), None);
    world.heal();
    world.settle(secs(60)).unwrap();
    assert_eq!(world.read(4, "kept"), Some(&b"1"[..]));
}

/// A hop also gives what is too young for the pass: the member in between held that in place of
/// something older, and would hand nothing on.
#[test]
fn what_has_just_been_replaced_does_not_break_the_chain() {
    let mut world = quiet(3, 16);
    world.run_for(ms(100)).unwrap();
    for node in 0..3 {
        world.write(node, "key", format!("{node}")).unwrap();
        world.run_for(ms(50)).unwrap();
    }
    let begun = world.begin_pass(0).unwrap();
    world.write(1, "key", "young").unwrap();
    let complete = |world: &World| {
        world.node(0).unwrap().run().is_some_and(|run| run.stage == Stage::Complete)
    };
    world.run_until(complete, secs(30)).unwrap();
    assert_eq!(world.node(2).unwrap().horizon().map(|horizon| horizon.pass), Some(begun));
    let held: Vec<_> = (0..3).map(|node| world.read(node, "key")).collect();
    assert_eq!(held, [Some(&b"young"[..]); 3]);
}
