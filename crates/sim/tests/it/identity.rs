//! Names, addresses and ids that are not what the others remember: each comes back, and nobody
//! else is hurt.

use crate::secs;
use rumormill_core::NodeId;
use rumormill_core::member::{Member, Record, State};
use rumormill_sim::{Options, World};
use std::time::Duration;

const NODES: usize = 20;

fn world(seed: u64) -> World {
    let mut world = World::new(Options { seed, nodes: NODES, ..Options::default() });
    world.run_for(secs(3)).unwrap();
    world
}

fn member(world: &World, at: usize, id: NodeId) -> Option<Member<'_>> {
    world.node(at)?.members().find(|member| member.id == id)
}

fn record(world: &World, at: usize, id: NodeId) -> Record {
    Record::from_entry(member(world, at, id).unwrap().entry).unwrap()
}

/// How many live nodes hold one with this id for that.
fn holding(world: &World, id: NodeId, state: State) -> usize {
    let nodes: Vec<usize> = world.live().map(|(at, _)| at).collect();
    let holds = |at: &&usize| member(world, **at, id).is_some_and(|held| held.state == state);
    nodes.iter().filter(holds).count()
}

/// Lets time pass and looks all the while whether anyone holds one of these dead.
fn nobody_dies(world: &mut World, ids: &[NodeId], time: Duration) {
    let end = world.now() + time;
    while world.now() < end {
        world.run_for(Duration::from_millis(50)).unwrap();
        for id in ids {
            assert_eq!(holding(world, *id, State::Dead), 0, "{id} at {:?}", world.now());
        }
    }
}

#[test]
fn two_with_one_name_are_two_members() {
    let mut world = world(1);
    world.rename(7, "n3");
    world.restart(7);
    let ids = [world.id(3), world.id(7)];
    nobody_dies(&mut world, &ids, secs(20));
    world.settle(secs(5)).unwrap();
    for at in 0..NODES {
        for (node, id) in [3, 7].into_iter().zip(ids) {
            let record = record(&world, at, id);
            assert_eq!((record.name.as_str(), record.gossip), ("n3", world.address(node)));
        }
    }
    // Renamed again it is known by the new name.
    world.rename(7, "n7");
    world.restart(7);
    world.settle(secs(5)).unwrap();
    assert!((0..NODES).all(|at| record(&world, at, ids[1]).name == "n7"));
}

#[test]
fn a_new_node_at_the_address_of_a_dead_one_is_not_taken_for_it() {
    let mut world = world(2);
    let old = world.id(4);
    world.lose_disk(4);
    world.boot(4);
    let new = world.id(4);
    assert_ne!(old, new);
    world.run_until(|world| holding(world, new, State::Alive) == NODES, secs(5)).unwrap();
    // It answers pings at that address, but with its own id.
    let gone = |world: &World| holding(world, old, State::Dead) == NODES;
    world.run_until(gone, secs(30)).unwrap();
    assert!(world.node(4).unwrap().stats().refutations == 0, "nothing is said of the new one");
    let others: Vec<NodeId> = (0..NODES).map(|node| world.id(node)).collect();
    nobody_dies(&mut world, &others, secs(40));
    world.settle(secs(5)).unwrap();
}

#[test]
fn nodes_that_change_their_addresses_are_found_at_the_new_ones() {
    let mut world = world(3);
    let ids = [world.id(5), world.id(6)];
    world.swap(5, 6);
    world.boot(5);
    world.boot(6);
    assert_eq!([world.id(6), world.id(5)], ids);
    let everyone: Vec<NodeId> = (0..NODES).map(|node| world.id(node)).collect();
    nobody_dies(&mut world, &everyone, secs(30));
    world.settle(secs(5)).unwrap();
    for at in 0..NODES {
        assert_eq!(record(&world, at, ids[0]).gossip, world.address(6));
        assert_eq!(record(&world, at, ids[1]).gossip, world.address(5));
    }
}

/// Also if the wall clock, which gives a run its first incarnation, stood an hour ahead before.
#[test]
fn a_restart_with_the_same_id_is_no_death_and_overrules_what_was_said_before() {
    for lost in [false, true] {
        let mut world = world(4);
        let (id, disk) = (world.id(2), world.backup(2));
        world.jump_clock(2, 3_600_000);
        world.restart(2);
        world.settle(secs(5)).unwrap();
        let before = record(&world, 9, id).incarnation;
        world.jump_clock(2, -3_600_000);
        if lost {
            world.restore(2, disk);
        }
        world.restart(2);
        nobody_dies(&mut world, &[id], secs(20));
        world.settle(secs(5)).unwrap();
        assert!(record(&world, 9, id).incarnation > before);
        let refuted = world.node(2).unwrap().stats().refutations;
        assert!(refuted <= 1, "{refuted} refutations, the roster was lost: {lost}");
    }
}

/// Its backup says that the living are dead and the dead alive, and its own incarnation is one that
/// the others have long seen refuted.
#[test]
fn a_node_from_an_old_backup_gets_through_and_catches_up() {
    let mut world = world(5);
    world.crash(8);
    let dead = |world: &World| holding(world, world.id(8), State::Dead) == NODES - 1;
    world.run_until(dead, secs(30)).unwrap();
    let backup = world.backup(2);
    let then = world.now();
    world.boot(8);
    world.settle(secs(10)).unwrap();
    // Since then it was restarted, and was held dead; others have gone.
    world.restart(2);
    world.settle(secs(10)).unwrap();
    world.leave(11);
    world.crash(12);
    world.crash(2);
    let (gone, id) = (world.id(12), world.id(2));
    let settled =
        |world: &World| [gone, id].iter().all(|id| holding(world, *id, State::Dead) == NODES - 3);
    world.run_until(settled, secs(60)).unwrap();
    let before = record(&world, 0, id).incarnation;
    let since = i64::try_from((world.now() - then).as_millis()).unwrap();
    world.restore(2, backup);
    // As on a machine whose clock was restored with it.
    world.jump_clock(2, -since - 86_400_000);
    world.boot(2);
    let heard = |world: &World| holding(world, id, State::Alive) == NODES - 2;
    let took = world.run_until(heard, secs(5)).unwrap();
    assert!(record(&world, 0, id).incarnation > before);
    world.settle(secs(10)).unwrap();
    assert_eq!(member(&world, 2, world.id(8)).unwrap().state, State::Alive, "back after {took:?}");
    assert_eq!(member(&world, 2, world.id(11)).unwrap().state, State::Left);
    assert_eq!(member(&world, 2, gone).unwrap().state, State::Dead);
    let others: Vec<NodeId> = world.live().map(|(at, _)| world.id(at)).collect();
    nobody_dies(&mut world, &others, secs(30));
}

/// Two that run with one id overrule each other more and more seldom. The others are not hurt, and
/// what it costs each of them is bounded whatever their number: the rosters of the two are never
/// quite those of the others. Once one is stopped the other is found.
#[test]
fn twins_are_noticed_and_quarrel_more_and_more_seldom() {
    for nodes in [20, 60] {
        let mut world = World::new(Options { seed: 6, nodes, ..Options::default() });
        let sent = |world: &World| world.total_traffic().all_sent().messages;
        let minute = |world: &mut World| {
            let (messages, refuted) = (sent(world), world.total(|stats| stats.refutations));
            world.run_for(secs(60)).unwrap();
            (sent(world) - messages, world.total(|stats| stats.refutations) - refuted)
        };
        world.crash(13);
        world.run_for(secs(60)).unwrap();
        let (quiet, none) = minute(&mut world);
        assert_eq!(none, 0);
        let copy = world.backup(3);
        world.restore(13, copy);
        world.boot(13);
        let id = world.id(3);
        assert_eq!(world.id(13), id);
        for most in [20, 10] {
            let (messages, refuted) = minute(&mut world);
            assert!(refuted <= most, "{refuted} refutations in a minute");
            let more = messages.saturating_sub(quiet) as f64 / 60.0 / nodes as f64;
            // What the one says whom the others do not hold for it is asked for a proof each time.
            assert!(more <= 4.0, "{more:.1} messages a second and node more among {nodes}");
        }
        for node in [3, 13] {
            assert!(world.node(node).unwrap().stats().twins > 0, "n{node} knows of no twin");
        }
        let mut others: Vec<NodeId> = (0..nodes).map(|node| world.id(node)).collect();
        others.retain(|other| *other != id);
        nobody_dies(&mut world, &others, secs(30));
        world.crash(13);
        let found = |world: &World| {
            (0..nodes).filter(|at| *at != 13).all(|at| {
                let record = record(world, at, id);
                record.state == State::Alive && record.gossip == world.address(3)
            })
        };
        world.run_until(found, secs(60)).unwrap();
    }
}
