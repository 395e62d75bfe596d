//! Paths that carry less than others: what is too large for one takes the stream.

use crate::{ms, secs};
use rumormill_core::output::Via;
use rumormill_sim::{Options, World};

fn world(seed: u64, nodes: usize) -> World {
    World::new(Options { seed, nodes, ..Options::default() })
}

/// How long it takes until all hold the same.
#[track_caller]
fn agree(world: &mut World, limit: std::time::Duration) -> std::time::Duration {
    let took = world.run_until(|world| world.digests().len() == 1, limit).unwrap();
    assert_eq!(world.digests().len(), 1, "not the same within {limit:?}");
    took
}

#[test]
fn entries_that_are_larger_than_a_path_arrive_all_the_same() {
    for seed in 0..6 {
        let mut world = world(seed, 3);
        // What an MTU of 1,280 leaves.
        world.narrow(2, 1252);
        for (number, size) in [1100, 1180, 1250, 1300, 1350, 1400, 5000].into_iter().enumerate() {
            for node in 0..3 {
                world.write(node, format!("{node}-{number}"), vec![b'x'; size]).unwrap();
            }
            agree(&mut world, secs(2));
        }
        // Once it is known to be narrow nothing is lost any more.
        world.run_for(secs(1)).unwrap();
        for (number, size) in (1150..1420).step_by(15).enumerate() {
            world.write(number % 3, format!("again-{size}"), vec![b'y'; size]).unwrap();
            assert!(agree(&mut world, secs(1)) < ms(50), "{size} bytes, seed {seed}");
        }
        let narrow = |node: usize| world.node(node).unwrap().narrow_paths().count();
        assert_eq!([narrow(0), narrow(1), narrow(2)], [1, 1, 2], "seed {seed}");
    }
}

#[test]
fn batches_that_fill_datagrams_arrive_through_a_narrow_path() {
    let mut world = world(3, 4);
    world.narrow(1, 1200);
    for round in 0..20 {
        for key in 0..100 {
            world.write(key % 4, format!("{round}/{key}"), vec![b'x'; 40 + key]).unwrap();
        }
        world.run_for(ms(20)).unwrap();
    }
    agree(&mut world, secs(2));
}

#[test]
fn a_path_that_becomes_narrow_and_wide_again_is_noticed() {
    let mut world = world(5, 3);
    let mut number = 0;
    let mut write = |world: &mut World| {
        number += 1;
        world.write(number % 3, format!("{number}"), vec![b'x'; 1300]).unwrap();
    };
    write(&mut world);
    agree(&mut world, secs(1));
    world.run_for(secs(5)).unwrap();
    world.narrow(0, 1220);
    write(&mut world);
    agree(&mut world, secs(3));
    world.narrow(0, 0);
    for _ in 0..30 {
        world.run_for(secs(1)).unwrap();
        write(&mut world);
    }
    agree(&mut world, secs(1));
    assert!((0..3).all(|node| world.node(node).unwrap().narrow_paths().count() == 0));
}

#[test]
fn an_idle_cluster_only_looks_now_and_then_whether_streams_open() {
    let mut world = world(7, 5);
    for key in 0..50 {
        world.write(key % 5, format!("{key}"), "small").unwrap();
        world.run_for(ms(20)).unwrap();
    }
    world.run_for(secs(60)).unwrap();
    // Each node looks at one member in 30 s, which looks back.
    let probes = world.total(|stats| stats.path_probes);
    assert!((10..=30).contains(&probes), "{probes}");
}

/// Cuts one way off between a node and all others, in the directions given.
fn block(world: &mut World, node: usize, via: Via, [out, back]: [bool; 2]) {
    let others: Vec<usize> = (0..world.nodes()).filter(|other| *other != node).collect();
    if out {
        world.cut_way(&[node], &others, via);
    }
    if back {
        world.cut_way(&others, &[node], via);
    }
}

/// What a node says of the ways to another: datagrams there, datagrams back, streams are closed.
fn closed(world: &World, at: usize, to: usize) -> Option<[bool; 3]> {
    let (node, address) = (world.node(at)?, world.address(to));
    let trouble = node.closed_ways().find(|trouble| trouble.address == address)?;
    Some([trouble.datagrams_out, trouble.datagrams_in, trouble.streams])
}

#[test]
fn what_datagrams_do_not_bring_streams_do_within_two_seconds() {
    for directions in [[true, true], [true, false], [false, true]] {
        let mut took = Vec::new();
        for seed in 0..9 {
            let mut world = world(seed, 3);
            world.run_for(secs(2)).unwrap();
            block(&mut world, 2, Via::Datagram, directions);
            world.write(seed as usize % 3, "small", "x").unwrap();
            took.push(agree(&mut world, secs(4)));
            world.write((seed as usize + 1) % 3, "large", vec![b'x'; 600_000]).unwrap();
            agree(&mut world, secs(4));
            world.run_for(secs(30)).unwrap();
            // Once it is known it makes no difference.
            for node in 0..3 {
                world.write(node, format!("later {node}"), "y").unwrap();
                assert!(agree(&mut world, secs(1)) < ms(30), "{directions:?}, seed {seed}");
            }
            assert!((0..3).all(|node| world.alive_at(node) == 3));
            let [out, back] = directions;
            for other in 0..2 {
                // Whether those of the other arrive shows only where this node's own do.
                let (here, there) = ([out, back && !out, false], [back, out && !back, false]);
                assert_eq!(closed(&world, 2, other), Some(here), "{directions:?}");
                assert_eq!(closed(&world, other, 2), Some(there), "{directions:?}");
            }
            assert_eq!(closed(&world, 0, 1), None);
            world.heal();
            let open = |world: &World| (0..2).all(|at| closed(world, at, 2).is_none());
            world.run_until(open, secs(40)).unwrap();
            world.settle(secs(30)).unwrap();
        }
        took.sort_unstable();
        assert!(took[took.len() / 2] < secs(2), "{directions:?}: {took:?}");
    }
}

#[test]
fn what_streams_do_not_bring_datagrams_do_within_two_seconds() {
    let mut took = Vec::new();
    for seed in 0..9 {
        let stream_timeout = secs(3);
        let options = Options { seed, nodes: 3, stream_timeout, ..Options::default() };
        let mut world = World::new(options);
        world.run_for(secs(2)).unwrap();
        block(&mut world, 2, Via::Stream, [true, false]);
        world.write(seed as usize % 3, "large", vec![b'x'; 600_000]).unwrap();
        took.push(agree(&mut world, secs(5)));
        world.write((seed as usize + 1) % 3, "again", vec![b'y'; 600_000]).unwrap();
        agree(&mut world, secs(5));
        assert!((0..3).all(|node| world.alive_at(node) == 3));
        assert!(world.total(|stats| stats.frames_in_pieces) > 0);
        world.write(2, "and back", vec![b'z'; 600_000]).unwrap();
        agree(&mut world, secs(5));
        let told = |at| (0..3).any(|to| closed(&world, at, to) == Some([false, false, true]));
        assert!(told(2) && (told(0) || told(1)), "seed {seed}");
        world.heal();
        world
            .run_until(
                |world| (0..3).all(|at| world.node(at).unwrap().closed_ways().next().is_none()),
                secs(60),
            )
            .unwrap();
        world.settle(secs(30)).unwrap();
    }
    took.sort_unstable();
    assert!(took[took.len() / 2] < secs(2), "{took:?}");
}

#[test]
fn a_firewall_is_seen_though_nobody_wants_a_stream() {
    let stream_timeout = secs(3);
    let options = Options { seed: 4, nodes: 3, stream_timeout, ..Options::default() };
    let mut world = World::new(options);
    world.run_for(secs(2)).unwrap();
    block(&mut world, 2, Via::Stream, [true, true]);
    let says = |world: &World, at: usize, to: usize| closed(world, at, to).is_some();
    let seen = |world: &World| says(world, 2, 0) || says(world, 2, 1);
    world.run_until(seen, secs(40)).unwrap();
    let seen = |world: &World| says(world, 0, 2) || says(world, 1, 2);
    world.run_until(seen, secs(40)).unwrap();
    assert!((0..3).all(|node| world.alive_at(node) == 3));
}

#[test]
fn a_newcomer_is_filled_without_streams_and_without_datagrams() {
    for via in [Via::Stream, Via::Datagram] {
        let mut world = World::new(Options { seed: 8, nodes: 4, late: 1, ..Options::default() });
        for key in 0..2000 {
            world.write(key % 3, format!("{key}"), vec![b'x'; 1000]).unwrap();
        }
        agree(&mut world, secs(5));
        block(&mut world, 3, via, [true, true]);
        world.boot(3);
        world.settle(secs(60)).unwrap();
    }
}
