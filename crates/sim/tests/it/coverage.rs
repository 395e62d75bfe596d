//! How many members hold a write: what nodes say of it, against what is so.

use crate::{ms, secs};
use rumormill_core::config::Config;
use rumormill_core::output::Covered;
use rumormill_core::spread::coverage::{About, Want};
use rumormill_core::spread::ring::Stage;
use rumormill_sim::{Options, World, WriteId};
use std::time::Duration;

/// Nodes that hold a write, or a newer one under its key.
fn holders(world: &World, write: WriteId) -> usize {
    let stamp = world.ledger().get(write).entry.stamp();
    let holds = |node: &usize| {
        world.ledger().held_by(*node, write).is_some_and(|held| held.entry.stamp() >= stamp)
    };
    (0..world.nodes()).filter(holds).count()
}

/// Asks, and checks what is claimed against what is so.
fn ask(world: &mut World, node: usize, write: WriteId, want: Want, limit: Duration) -> Covered {
    let token = world.ask_coverage(node, write, want, limit).unwrap();
    let end = world.now() + limit + ms(5);
    while world.now() < end {
        if let Some(covered) = world.take_covered(node).pop() {
            assert_eq!(covered.token, token);
            let so = holders(world, write);
            assert!(covered.held <= so, "{} are claimed where {so} hold it", covered.held);
            let stamp = world.ledger().get(write).entry.stamp();
            for id in &covered.without {
                assert_ne!(*id, stamp.node, "the writer holds it");
            }
            return covered;
        }
        world.run_for(ms(1)).unwrap();
    }
    panic!("the time was up, and nothing came of it");
}

fn said(covered: &Covered) -> (usize, usize, bool) {
    (covered.held, covered.of, covered.done)
}

#[test]
fn it_ends_once_as_many_as_wanted_hold_it_whatever_is_lost() {
    for seed in 0..20 {
        let options = Options { nodes: 12, seed, loss: 0.3, duplicate: 0.1, ..Options::default() };
        let mut world = World::new(options);
        world.run_for(ms(300)).unwrap();
        for (want, least) in [
            (Want::All, 12),
            (Want::Members(3), 3),
            (Want::Share(0.75), 9),
            (Want::Members(12), 12),
            (Want::Members(1), 1),
        ] {
            let node = (seed as usize + least) % 12;
            let write = world.write(node, format!("k{least}"), "v").unwrap();
            let covered = ask(&mut world, node, write, want, secs(60));
            assert!(covered.done && covered.held >= least, "{covered:?}");
        }
    }
}

#[test]
fn who_is_cut_off_is_counted_as_long_as_it_is_a_member_and_never_as_holding() {
    let mut world = World::new(Options { nodes: 9, seed: 3, loss: 0.3, ..Options::default() });
    world.run_for(ms(500)).unwrap();
    let (one, other) = ([0, 1, 2, 3, 4, 5], [6, 7, 8]);
    world.partition(&one, &other);
    let write = world.write(1, "k", "v").unwrap();
    let covered = ask(&mut world, 1, write, Want::All, secs(2));
    assert_eq!(said(&covered), (6, 9, false));
    let mut away: Vec<_> = other.iter().map(|node| world.id(*node)).collect();
    away.sort_unstable();
    assert_eq!(covered.without, away);
    // Once they are held dead, those that are left are all.
    world.run_until(|world| world.alive_at(1) == 6, secs(120)).unwrap();
    assert_eq!(said(&ask(&mut world, 1, write, Want::All, secs(20))), (6, 6, true));
    world.heal();
    world.settle(secs(120)).unwrap();
    assert_eq!(said(&ask(&mut world, 6, write, Want::All, secs(20))), (9, 9, true));
}

#[test]
fn who_stands_still_is_counted_until_it_is_held_dead_and_asked_again_when_it_goes_on() {
    let mut world = World::new(Options { nodes: 5, seed: 4, ..Options::default() });
    world.run_for(secs(1)).unwrap();
    world.pause(4);
    let write = world.write(0, "k", "v").unwrap();
    assert_eq!(said(&ask(&mut world, 0, write, Want::All, ms(700))), (4, 5, false));
    assert_eq!(said(&ask(&mut world, 0, write, Want::Members(4), secs(1))), (4, 5, true));
    // Nobody waits long for somebody to say that it has nothing.
    let token = world.ask_coverage(0, write, Want::All, secs(30)).unwrap();
    world.run_for(ms(300)).unwrap();
    assert_eq!(world.take_covered(0), []);
    world.resume(4);
    world.run_for(secs(2)).unwrap();
    let covered = world.take_covered(0).pop().unwrap();
    assert_eq!((covered.token, said(&covered)), (token, (5, 5, true)));
    world.crash(4);
    let write = world.write(0, "k", "w").unwrap();
    let covered = ask(&mut world, 0, write, Want::All, secs(120));
    assert_eq!(said(&covered), (4, 4, true), "it ends when the crashed one is held dead");
}

#[test]
fn all_that_a_node_has_written_is_held_by_who_agrees_with_it() {
    for seed in 0..5 {
        let options = Options { nodes: 7, seed, loss: 0.2, ..Options::default() };
        let mut world = World::new(options);
        world.run_for(ms(300)).unwrap();
        let mut writes = Vec::new();
        for key in 0..2000 {
            writes.push(world.write(3, format!("k{key}"), "v").unwrap());
            let _ = world.write(key % 7, format!("others{key}"), "v");
            world.run_for(Duration::from_micros(300)).unwrap();
        }
        let last = world.ledger().get(*writes.last().unwrap()).entry.stamp().time;
        let about = About { writes: Vec::new(), upto: Some(last) };
        world.ask_about(3, &about, Want::All, secs(60)).unwrap();
        let covered = loop {
            world.run_for(ms(1)).unwrap();
            if let Some(covered) = world.take_covered(3).pop() {
                break covered;
            }
        };
        assert_eq!(said(&covered), (7, 7, true));
        assert!(writes.iter().all(|write| holders(&world, *write) == 7));
    }
}

#[test]
fn a_survey_says_who_lacks_it() {
    let mut config = Config::default();
    config.spread.method = rumormill_core::spread::Method::None;
    config.repair.interval = Duration::ZERO;
    let mut world = World::new(Options { nodes: 4, seed: 5, config, ..Options::default() });
    world.run_for(ms(100)).unwrap();
    let write = world.write(2, "k", "v").unwrap();
    let covered = ask(&mut world, 2, write, Want::Survey, secs(5));
    assert_eq!((said(&covered), covered.without.len()), ((1, 4, true), 3));
}

#[test]
fn below_the_horizon_nobody_is_asked_but_who_came_later() {
    let mut config = Config::default();
    config.ring.interval = Duration::ZERO;
    let mut world = World::new(Options { nodes: 6, seed: 6, config, ..Options::default() });
    world.run_for(ms(500)).unwrap();
    let write = world.write(2, "k", "v").unwrap();
    world.write(2, "gone", "v").unwrap();
    let gone = world.delete(2, "gone").unwrap();
    world.run_for(secs(2)).unwrap();
    world.begin_pass(1).unwrap();
    let complete = |world: &World| {
        world.node(1).unwrap().run().is_some_and(|run| run.stage == Stage::Complete)
    };
    world.run_until(complete, secs(30)).unwrap();
    world.run_for(secs(2)).unwrap();
    assert_eq!(world.node(2).unwrap().data().tombstones(), 0);
    let asked = |world: &World| world.total(|stats| stats.coverage_asked);
    for write in [write, gone] {
        let token = world.ask_coverage(2, write, Want::All, secs(5)).unwrap();
        let covered = world.take_covered(2).pop().unwrap();
        assert_eq!((covered.token, said(&covered), asked(&world)), (token, (6, 6, true), 0));
    }
    // A new node was part of no pass.
    world.lose_disk(5);
    world.boot(5);
    world.run_until(|world| world.alive_at(2) == 6, secs(120)).unwrap();
    world.settle(secs(60)).unwrap();
    let covered = ask(&mut world, 2, write, Want::All, secs(20));
    assert_eq!(covered.held, covered.of);
    assert!(asked(&world) >= 1);
}

#[test]
fn a_node_knows_how_fresh_it_is() {
    let mut world = World::new(Options { nodes: 5, seed: 7, ..Options::default() });
    let staleness = |world: &World, node: usize| {
        let machine = world.node(node).unwrap();
        let mono = rumormill_core::Instant(world.now().as_micros() as u64);
        machine.staleness(rumormill_core::Now { mono, wall_ms: 0 })
    };
    for round in 0..100 {
        world.write(round % 5, "k", format!("{round}")).unwrap();
        world.run_for(ms(100)).unwrap();
    }
    for node in 0..5 {
        let stale = staleness(&world, node).unwrap();
        assert!(stale >= ms(300) && stale < secs(5), "{stale:?}");
    }
    world.partition(&[4], &[0, 1, 2, 3]);
    let before = staleness(&world, 4).unwrap();
    world.run_for(secs(10)).unwrap();
    world.freshen(4);
    world.run_for(ms(100)).unwrap();
    assert!(staleness(&world, 4).unwrap() >= before + secs(9), "nobody is there to agree with");
    world.heal();
    world.settle(secs(60)).unwrap();
    world.run_for(secs(2)).unwrap();
    world.freshen(4);
    world.run_for(ms(50)).unwrap();
    assert!(staleness(&world, 4).unwrap() < ms(600), "{:?}", staleness(&world, 4));
}
