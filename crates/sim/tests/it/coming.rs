//! Room for what comes: entries, fields and versions that some nodes do not know.

use crate::{ms, secs};
use rumormill_core::Config;
use rumormill_core::data::{Cut, Entry, Expiry, Fields, Kind, Op, Space};
use rumormill_core::member::State;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::Compare;
use rumormill_core::spread::ring::Tombstones;
use rumormill_core::wire::Versions;
use rumormill_sim::{Options, Start, World};
use std::sync::Arc;
use std::time::Duration;

/// What a later version makes of an operation: an entry of a kind that no node here knows.
fn later(op: Op, kind: u8, number: u64) -> Op {
    let fields = Fields::NONE.with(number, Some(&[kind; 9])).into();
    Op::Extended { op: op.into(), kind: Kind(kind), fields }
}

fn put(key: &str, value: &str) -> Op {
    Op::put(key.as_bytes().into(), value.as_bytes().into(), Expiry::Never, false)
}

/// One entry of every form at a node: plain, of other kinds, with fields, owned, expiring, deleted.
fn write_all(world: &mut World, node: usize) {
    let key = |name: &str| format!("{node}/{name}");
    let expiring = |key: &str| Op::Put {
        key: key.as_bytes().into(),
        value: b"soon"[..].into(),
        expiry: Expiry::At(u64::MAX >> 1),
    };
    let owned = Op::put(key("own").as_bytes().into(), b"mine"[..].into(), Expiry::Never, true);
    let delete = Op::Delete { key: key("gone").as_bytes().into() };
    for op in [
        put(&key("plain"), "value"),
        later(put(&key("kind"), "body"), 7, 3),
        later(put(&key("fields"), "value"), 0, 300),
        later(expiring(&key("expires")), 8, 1),
        later(owned, 9, 2),
        put(&key("gone"), "value"),
        later(delete, 10, 5),
    ] {
        world.operate(node, op).unwrap();
    }
}

fn held<'a>(world: &'a World, node: usize, key: &str) -> Option<&'a Arc<Entry>> {
    world.node(node).unwrap().data().get(key.as_bytes())
}

/// All hold the same to the last byte, what only a later version knows among it.
fn assert_equal(world: &World, writers: impl Iterator<Item = usize>) {
    let nodes: Vec<usize> = world.live().map(|(node, _)| node).collect();
    let account = |node: &usize| world.node(*node).unwrap().data().account_at(Cut::NONE).unwrap();
    let first = account(&nodes[0]);
    assert!(nodes.iter().all(|node| account(node) == first), "the second accounts");
    assert_eq!(world.digests().len(), 1);
    for writer in writers {
        for (name, kind, number) in [
            ("plain", 0, None),
            ("kind", 7, Some(3)),
            ("fields", 0, Some(300)),
            ("expires", 8, Some(1)),
            ("own", 9, Some(2)),
            ("gone", 10, Some(5)),
        ] {
            let key = format!("{writer}/{name}");
            let entry = held(world, nodes[0], &key).unwrap();
            assert_eq!(entry.kind(), Kind(kind), "{key}");
            let said: Vec<_> = entry.fields().iter().map(|(number, _)| number).collect();
            assert_eq!(said, Vec::from_iter(number), "{key}");
            assert_eq!(entry.owner().is_some(), name == "own");
            assert_eq!(entry.is_tombstone(), name == "gone");
            assert!(nodes.iter().all(|node| held(world, *node, &key) == Some(entry)), "{key}");
            let shown = world.read(nodes[0], &key);
            assert_eq!(shown.is_some(), kind == 0, "{key} is shown as {shown:?}");
        }
    }
}

const METHODS: [Method; 4] = [Method::Tree, Method::Rumor, Method::DirectMail, Method::None];
const COMPARES: [Compare; 3] = [Compare::Full, Compare::Checksum, Compare::Sketch];

#[test]
fn what_nobody_knows_spreads_is_repaired_and_outlives_crashes() {
    for (seed, method) in (0..).zip(METHODS) {
        for compare in COMPARES {
            let mut config = Config::default();
            config.spread.method = method;
            config.repair.compare = compare;
            let options = Options { seed, nodes: 5, config, loss: 0.02, ..Options::default() };
            let mut world = World::new(options);
            for node in 0..4 {
                write_all(&mut world, node);
            }
            world.settle(secs(60)).unwrap();
            assert_equal(&world, 0..4);
            // One comes back from its disk, one has nothing left and is filled.
            world.crash(1);
            world.crash(2);
            world.lose_disk(2);
            write_all(&mut world, 4);
            world.boot(1);
            world.boot(2);
            world.settle(secs(120)).unwrap();
            assert_equal(&world, [0, 1, 3, 4].into_iter());
        }
    }
}

#[test]
fn a_large_replica_of_it_is_filled_in_bulk() {
    let mut world = World::new(Options { seed: 3, nodes: 3, ..Options::default() });
    world.crash(2);
    for at in 0..3000 {
        let op = later(put(&format!("key-{at}"), "body"), 1 + (at % 9) as u8, at);
        world.operate(at as usize % 2, op).unwrap();
        world.run_for(ms(1)).unwrap();
    }
    world.boot(2);
    world.settle(secs(60)).unwrap();
    assert_equal(&world, 0..0);
    assert_eq!(world.node(2).unwrap().data().digest().count, 3000);
}

#[test]
fn who_stands_between_hands_it_on_unopened() {
    for method in METHODS {
        let mut config = Config::default();
        config.spread.method = method;
        let mut world = World::new(Options { seed: 4, nodes: 3, config, ..Options::default() });
        world.run_for(ms(200)).unwrap();
        world.partition(&[0], &[2]);
        write_all(&mut world, 0);
        let arrived = |world: &World| held(world, 2, "0/gone").is_some_and(|e| e.is_tombstone());
        world.run_until(arrived, secs(30)).unwrap();
        world.run_until(|world| world.digests().len() == 1, secs(30)).unwrap();
        assert_equal(&world, 0..1);
    }
}

#[test]
fn passes_of_ring_repair_carry_it_and_its_tombstones_go() {
    let mut config = Config::default();
    config.spread.method = Method::None;
    config.repair.interval = Duration::ZERO;
    config.ring.interval = secs(2);
    config.ring.tombstones = Tombstones::Keep;
    let mut world = World::new(Options { seed: 5, nodes: 6, config, ..Options::default() });
    for node in 0..6 {
        write_all(&mut world, node);
    }
    world.run_until(|world| world.digests().len() == 1, secs(60)).unwrap();
    assert_equal(&world, 0..6);

    let mut config = Config::default();
    config.ring.interval = secs(2);
    config.ring.reap_after = secs(5);
    let mut world = World::new(Options { seed: 6, nodes: 6, config, ..Options::default() });
    write_all(&mut world, 3);
    let gone = |world: &World| world.live().all(|(_, node)| node.data().tombstones() == 0);
    world.run_for(secs(1)).unwrap();
    assert!(!gone(&world));
    world.run_until(gone, secs(120)).unwrap();
    world.settle(secs(30)).unwrap();
    assert!(held(&world, 0, "3/gone").is_none() && held(&world, 0, "3/kind").is_some());
}

#[test]
fn what_is_not_known_is_not_worked_on_but_can_be_replaced() {
    let mut world = World::new(Options { seed: 7, nodes: 2, ..Options::default() });
    world.operate(0, later(put("k", "body"), 7, 3)).unwrap();
    world.settle(secs(10)).unwrap();
    let key = || b"k"[..].into();
    for op in [
        Op::Append { key: key(), tail: b"x"[..].into() },
        Op::Expire { key: key(), expiry: Expiry::At(u64::MAX >> 1) },
        Op::Showing(put("k", "new").into()),
        Op::Showing(Op::Delete { key: key() }.into()),
    ] {
        let refused = world.operate(1, op).unwrap_err().to_string();
        assert!(refused.contains("kind 7"), "{refused}");
    }
    assert_eq!(held(&world, 1, "k").unwrap().kind(), Kind(7));
    // Fields are of the write, and of its kind: what replaces it has its own.
    world.write(1, "k", "new").unwrap();
    world.settle(secs(10)).unwrap();
    let entry = held(&world, 0, "k").unwrap();
    assert_eq!((entry.value(), entry.fields()), (Some(&b"new"[..]), Fields::NONE));
    world.operate(0, later(put("k", "body"), 7, 3)).unwrap();
    world.settle(secs(10)).unwrap();
    world.delete(1, "k").unwrap();
    world.settle(secs(10)).unwrap();
    assert!(held(&world, 0, "k").unwrap().is_tombstone());
}

fn versions(lowest: u8, highest: u8) -> Versions {
    Versions::new(lowest, highest).unwrap()
}

/// Nodes that join, the first being everybody's seed.
fn speaking(speaks: Vec<Versions>, seed: u64) -> World {
    let nodes = speaks.len();
    let start = Start::Join { seeds: 1 };
    World::new(Options { seed, nodes, start, speaks, ..Options::default() })
}

fn everyone_alive(world: &World) -> bool {
    let all = |node| world.alive_at(node) == world.nodes();
    (0..world.nodes()).all(all)
}

#[test]
fn a_fleet_moves_from_one_version_to_the_next_node_by_node() {
    let (one, both, two) = (versions(1, 1), versions(1, 2), versions(2, 2));
    for (seed, speaks) in (0..).zip([
        vec![one, one, both, one, both, one],
        vec![both, one, both, one, one, both],
        vec![both, two, both, two, two, both],
        vec![two, both, two, two, both, two],
    ]) {
        let mut world = speaking(speaks.clone(), seed);
        world.run_until(everyone_alive, secs(30)).unwrap();
        for node in 0..6 {
            write_all(&mut world, node);
        }
        world.run_until(World::settled, secs(60)).unwrap();
        assert_equal(&world, 0..6);
        // At first nothing is known of the others: what is not understood is said again.
        let before = world.total(|stats| stats.dropped_version);
        assert!(before <= 20, "{before}");
        world.run_for(secs(30)).unwrap();
        assert_eq!(world.total(|stats| stats.dropped_version), before);
        assert!(world.live().all(|(_, node)| node.foreign().count() == 0));
        let said: Vec<Versions> = (0..6).map(|at| said_by(&world, at)).collect();
        assert_eq!(said, speaks);
    }
}

/// What the last node's roster says that a node speaks.
fn said_by(world: &World, at: usize) -> Versions {
    let last = world.node(world.nodes() - 1).unwrap();
    let member = last.members().find(|member| member.id == world.id(at)).unwrap();
    rumormill_core::member::Record::from_entry(member.entry).unwrap().speaks()
}

#[test]
fn where_some_share_no_version_the_others_carry_everything() {
    let (one, both, two) = (versions(1, 1), versions(1, 2), versions(2, 2));
    for method in [Method::Tree, Method::None] {
        let speaks = vec![both, one, two, both, one, two, both, both];
        let mut config = Config::default();
        config.spread.method = method;
        let start = Start::Join { seeds: 1 };
        let options =
            Options { seed: 8, nodes: speaks.len(), start, speaks, config, ..Options::default() };
        let mut world = World::new(options);
        world.run_until(everyone_alive, secs(60)).unwrap();
        for node in 0..8 {
            write_all(&mut world, node);
        }
        world.run_until(World::converged, secs(120)).unwrap();
        assert_equal(&world, 0..8);
        // Who cannot talk says so; both ends know why.
        let told = |at: usize| -> Vec<(usize, String)> {
            let index = |id| (0..8).find(|node| world.id(*node) == id).unwrap();
            let foreign = world.node(at).unwrap().foreign();
            foreign.map(|foreign| (index(foreign.id), foreign.speaks.to_string())).collect()
        };
        assert!(
            told(1).contains(&(2, "version 2".into()))
                || told(4).contains(&(5, "version 2".into()))
        );
        assert!(
            told(2)
                .iter()
                .chain(&told(5))
                .all(|(at, says)| [1, 4].contains(at) && says == "version 1")
        );
        assert!(told(0).is_empty() && told(3).is_empty());
        let dead =
            world.live().flat_map(|(_, node)| node.members()).filter(|m| m.state == State::Dead);
        assert_eq!(dead.count(), 0, "they are seen by way of others");
    }
}

#[test]
fn who_comes_back_with_another_version_is_spoken_to_in_it() {
    let (one, both, two) = (versions(1, 1), versions(1, 2), versions(2, 2));
    let mut world = speaking(vec![both, both, one, both], 9);
    world.run_until(everyone_alive, secs(30)).unwrap();
    // Up, and down again: the others believe something else at first.
    for speaks in [two, both, one, both] {
        world.crash(2);
        world.speak(2, speaks);
        world.write(0, "while-it-was-away", format!("{speaks}")).unwrap();
        world.boot(2);
        world.run_until(World::settled, secs(60)).unwrap();
        assert_eq!(said_by(&world, 2), speaks);
    }
    assert_eq!(world.node(2).unwrap().digest(Space::Data), world.digests()[0]);
}
