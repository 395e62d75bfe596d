//! SWIM and Lifeguard on the real core: how soon a crash is noticed, what watching costs, and who
//! is not held dead.

use super::secs;
use rumormill_core::Config;
use rumormill_core::member::State;
use rumormill_core::member::suspicion::Suspicions;
use rumormill_sim::{Options, World};
use std::time::Duration;

fn options(seed: u64) -> Options {
    Options { seed, ..Options::default() }
}

fn believed(world: &World, at: usize, about: usize) -> Option<State> {
    let id = world.id(about);
    world.node(at)?.members().find(|member| member.id == id).map(|member| member.state)
}

/// How many live nodes hold a node for dead.
fn mourners(world: &World, about: usize) -> usize {
    world.live().filter(|(at, _)| believed(world, *at, about) == Some(State::Dead)).count()
}

/// SWIM's analysis: e/(e - 1) = 1.58 periods in the mean until the first notices, and then the
/// least time of suspicion, since others confirm at once.
#[test]
fn a_crash_is_noticed_as_soon_as_in_the_paper_and_told_at_once() {
    let (nodes, trials) = (128, 12);
    let config = Config::default().member;
    let least = Suspicions::patience(&config, nodes, 3).as_secs_f64();
    let mut sum = 0.0;
    for seed in 0..trials {
        let mut world = World::new(Options { nodes, ..options(seed) });
        world.run_for(secs(3)).unwrap();
        let victim = seed as usize * 7;
        world.crash(victim);
        let first = world.run_until(|world| mourners(world, victim) > 0, secs(60)).unwrap();
        sum += first.as_secs_f64();
        world.run_until(|world| mourners(world, victim) == nodes - 1, secs(1)).unwrap();
    }
    let periods = (sum / trials as f64 - least) / config.probe_interval.as_secs_f64();
    assert!((1.0..=1.6).contains(&periods), "{periods:.2} periods and {least:.2} s");
}

#[test]
fn watching_costs_the_same_in_small_and_in_large_clusters() {
    let cost = |nodes| {
        let mut world = World::new(Options { nodes, ..options(1) });
        world.run_for(secs(10)).unwrap();
        let before = world.total_traffic().all_sent();
        world.run_for(secs(20)).unwrap();
        let after = world.total_traffic().all_sent();
        let per = |count: u64| count as f64 / nodes as f64 / 20.0;
        (per(after.messages - before.messages), per(after.bytes - before.bytes))
    };
    let (messages, bytes) = cost(16);
    // What sealing adds to a datagram.
    assert!(bytes + 48.0 * messages <= 250.0, "{bytes:.0} B/s, {messages:.1} packets/s");
    for nodes in [128, 1024] {
        let (more_messages, more_bytes) = cost(nodes);
        assert!((0.9..1.1).contains(&(more_messages / messages)), "{more_messages} {messages}");
        assert!((0.9..1.1).contains(&(more_bytes / bytes)), "{more_bytes} {bytes}");
    }
}

#[test]
fn a_third_of_all_datagrams_lost_kills_nobody_for_long() {
    let nodes = 128;
    let mut world = World::new(Options { nodes, ..options(4) });
    world.run_for(secs(2)).unwrap();
    world.set_loss(0.3);
    let patience = Suspicions::patience(&Config::default().member, nodes, 3);
    let mut dead_since = vec![None; nodes];
    for _ in 0..600 {
        world.run_for(Duration::from_millis(100)).unwrap();
        for (node, since) in dead_since.iter_mut().enumerate() {
            *since = match (mourners(&world, node), *since) {
                (0, _) => None,
                (_, None) => Some(world.now()),
                (_, since) => since,
            };
            let dead = since.map_or(Duration::ZERO, |since| world.now() - since);
            assert!(dead < patience, "n{node} is held dead for {dead:?}");
        }
    }
    world.set_loss(0.0);
    world.settle(secs(30)).unwrap();
}

#[test]
fn a_long_partition_heals_by_itself_even_where_all_seeds_were_on_one_side() {
    let nodes = 128;
    let mut world =
        World::new(Options { nodes, start: rumormill_sim::Start::Join { seeds: 2 }, ..options(5) });
    world.settle(secs(30)).unwrap();
    let (one, other): (Vec<_>, Vec<_>) = (0..nodes).partition(|node| *node < nodes / 2);
    world.partition(&one, &other);
    world.run_for(secs(300)).unwrap();
    assert_eq!(world.alive_at(0), nodes / 2);
    let node = world.node(nodes - 1).unwrap();
    assert!(!node.partition_suspected(), "half is not a small part");
    world.heal();
    world.settle(secs(10)).unwrap();
}

/// Of many others a lone node gives up only some in that time, since nobody confirms their silence
/// and it doubts itself; it finds all of them again as soon.
#[test]
fn everyone_cut_off_from_everyone_finds_back() {
    for nodes in [24, 128] {
        let mut world = World::new(Options { nodes, ..options(6) });
        world.run_for(secs(2)).unwrap();
        for node in 0..nodes {
            let others: Vec<usize> = (0..nodes).filter(|other| *other != node).collect();
            world.cut(&[node], &others);
        }
        world.run_for(secs(300)).unwrap();
        if nodes == 24 {
            assert_eq!(world.alive_at(3), 1);
            assert!(world.node(3).unwrap().partition_suspected());
        }
        world.heal();
        world.settle(secs(10)).unwrap();
    }
}

/// A node that hears nothing but is heard, and one that is heard by nobody but hears all.
#[test]
fn a_node_that_is_deaf_or_mute_brings_down_nobody_else() {
    for mute in [false, true] {
        let nodes = 20;
        let mut world = World::new(Options { nodes, ..options(7) });
        world.run_for(secs(2)).unwrap();
        let others: Vec<usize> = (1..nodes).collect();
        if mute {
            world.cut(&[0], &others);
        } else {
            world.cut(&others, &[0]);
        }
        for _ in 0..600 {
            world.run_for(Duration::from_millis(100)).unwrap();
            for about in 1..nodes {
                let wrong = (1..nodes)
                    .filter(|at| believed(&world, *at, about) == Some(State::Dead))
                    .count();
                assert_eq!(wrong, 0, "n{about} is held dead by {wrong}, mute: {mute}");
            }
        }
        assert_eq!(believed(&world, 5, 0), Some(State::Dead));
        world.heal();
        world.settle(secs(15)).unwrap();
    }
}

/// As by SIGSTOP: it stands still for longer than it takes to be held dead.
#[test]
fn who_stood_still_blames_nobody_and_comes_back() {
    let nodes = 20;
    let mut world = World::new(Options { nodes, ..options(8) });
    for pause in [1, 4, 20] {
        world.run_for(secs(2)).unwrap();
        let suspicions = world.total(|stats| stats.suspicions);
        world.pause(0);
        world.run_for(secs(pause)).unwrap();
        let by_others = world.total(|stats| stats.suspicions) - suspicions;
        assert!(by_others <= 3, "{by_others} began to suspect it");
        let before = world.total(|stats| stats.suspicions);
        world.resume(0);
        world.settle(secs(10)).unwrap();
        assert_eq!(world.total(|stats| stats.suspicions), before, "it blamed somebody");
    }
}

/// What the seed sends for it is the roster to each of them, and not a large multiple of that. Over a
/// line of 100 Mbit/s it takes longer, and what finds the line full is made up for.
#[test]
fn many_that_join_at_once_through_one_seed_find_each_other() {
    for (nodes, bandwidth) in [(400, None), (200, Some(12_500_000))] {
        let start = rumormill_sim::Start::Join { seeds: 1 };
        let mut world = World::new(Options { nodes, start, bandwidth, ..options(9) });
        world.settle(secs(60)).unwrap();
        let took = world.now();
        let sent = world.traffic(0).all_sent().bytes;
        println!("{nodes}: {took:?}, the seed sent {sent}, dropped {:?}", world.dropped_full());
        // A record takes about 60 bytes.
        assert!(sent <= 3 * 60 * (nodes * nodes) as u64, "{sent} bytes, {took:?}");
        let stats = world.node(0).unwrap().stats();
        assert_eq!((stats.refused_members, stats.rumors_shed), (0, 0));
    }
}

#[test]
fn a_changed_tag_is_seen_by_all() {
    let mut world = World::new(options(10));
    world.run_for(secs(1)).unwrap();
    let tags = rumormill_core::member::Tags::new([("zone", "b")]).unwrap();
    world.set_tags(2, tags);
    let zone = |world: &World, at: usize| {
        let node = world.node(at).unwrap();
        let member = node.members().find(|member| member.id == world.id(2)).unwrap();
        rumormill_core::member::Record::from_entry(member.entry).unwrap().tags.zone().to_owned()
    };
    world.run_until(|world| (0..5).all(|at| zone(world, at) == "b"), secs(5)).unwrap();
}
