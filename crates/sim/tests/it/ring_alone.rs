//! Ring repair as the only method: nothing spreads, nothing is compared but what passes visit.

use crate::{ms, secs};
use rumormill_core::base::rng::Rng;
use rumormill_core::config::Config;
use rumormill_core::data::Space;
use rumormill_core::member::State;
use rumormill_core::spread::Method;
use rumormill_core::spread::ring::Stage;
use rumormill_sim::{Options, Start, World};
use std::time::Duration;

fn alone(interval: Duration) -> Config {
    let mut config = Config::default();
    config.spread.method = Method::None;
    config.repair.interval = Duration::ZERO;
    config.ring.interval = interval;
    config
}

fn completed(world: &World) -> u64 {
    world.total(|stats| stats.ring_completed)
}

/// Members as each live node sees them: how many are in these states.
fn seen(world: &World, state: State) -> Vec<usize> {
    let count = |node: &rumormill_core::Node| node.members().filter(|m| m.state == state).count();
    world.live().map(|(_, node)| count(node)).collect()
}

/// Lets passes go on until so many more are complete.
fn passes(world: &mut World, more: u64) {
    let until = completed(world) + more;
    world.run_until(|world| completed(world) >= until, secs(120)).unwrap();
}

#[test]
fn whoever_asks_for_passes_gets_one_after_the_other() {
    for (nodes, seed) in [(2, 1), (3, 2), (8, 3), (64, 4)] {
        let start = Start::Join { seeds: 1 };
        let config = alone(Duration::ZERO);
        let mut world = World::new(Options { nodes, seed, config, start, ..Options::default() });
        world.run_until(|world| world.alive_at(0) == nodes, secs(20)).unwrap();
        world.run_until(World::converged, secs(20)).unwrap();
        let mut rng = Rng::new(seed);
        for pass in 0..20 {
            let by = rng.index(nodes);
            world.write(rng.index(nodes), format!("{pass}"), "value").unwrap();
            world.run_for(ms(5)).unwrap();
            world.begin_pass(by).unwrap();
            let over = |world: &World| !world.node(by).unwrap().run().unwrap().is_under_way();
            world.run_until(over, secs(30)).unwrap();
            let run = world.node(by).unwrap().run().unwrap();
            assert_eq!(run.stage, Stage::Complete, "pass {pass} of {nodes} nodes: {run:?}");
            world.run_for(ms(5)).unwrap();
            assert_eq!(world.digests().len(), 1);
        }
        assert_eq!(completed(&world), 20);
        assert_eq!(world.node(0).unwrap().digest(Space::Data).count, 20);
    }
}

/// So many members that have found each other through the first; another, which was never there,
/// is down.
fn founded(nodes: usize, seed: u64, loss: f64, config: Config) -> World {
    let start = Start::Strangers;
    let nodes = nodes + 1;
    let mut world = World::new(Options { nodes, seed, loss, config, start, ..Options::default() });
    world.lose_disk(nodes - 1);
    (1..nodes - 1).for_each(|node| world.join(node, &[0]));
    let all = |world: &World| world.alive_at(0) == nodes - 1 && world.converged();
    world.run_until(all, secs(20)).unwrap();
    world
}

#[test]
fn a_cluster_lives_by_passes_alone() {
    for (nodes, seed, loss) in [(2, 1, 0.0), (3, 2, 0.05), (8, 3, 0.02), (64, 4, 0.0)] {
        let mut world = founded(nodes, seed, loss, alone(ms(500)));
        let (mut rng, late) = (Rng::new(seed), nodes);
        let write = |world: &mut World, rng: &mut Rng, value: &str| {
            for key in 0..40 {
                world.write(rng.index(nodes), format!("{key}"), value).unwrap();
            }
        };
        write(&mut world, &mut rng, "1");
        world.settle(secs(60)).unwrap();
        for key in 0..30 {
            world.delete(rng.index(nodes), format!("{key}")).unwrap();
        }
        let gone = |world: &World| world.live().all(|(_, node)| node.data().digest().count == 10);
        world.run_until(gone, secs(60)).unwrap();

        world.boot(late);
        world.settle(secs(60)).unwrap();
        passes(&mut world, 3);
        assert!(seen(&world, State::Alive).iter().all(|seen| *seen == nodes + 1));

        world.crash(1);
        let dead = |world: &World| seen(world, State::Dead).iter().all(|seen| *seen == 1);
        world.run_until(dead, secs(60)).unwrap();
        world.write(0, "meanwhile", "2").unwrap();
        world.boot(1);
        world.settle(secs(60)).unwrap();
        assert_eq!(world.read(1, "meanwhile"), Some(&b"2"[..]));
        // Who was away for an interval and more is in doubt until then, and needs all others.
        passes(&mut world, 2);

        world.leave(late);
        let left = |world: &World| seen(world, State::Left).iter().all(|seen| *seen == 1);
        world.run_until(left, secs(60)).unwrap();
        write(&mut world, &mut rng, "3");
        passes(&mut world, 3);
        world.settle(secs(60)).unwrap();
        assert_eq!(world.node(0).unwrap().digest(Space::Data).count, 41);
    }
}

/// Who makes the passes holds for dead who has said goodbye to another only, and waits for it.
#[test]
fn a_goodbye_that_one_has_heard_is_known_to_all() {
    for seed in 1..16 {
        let mut world = founded(4, seed, 0.0, alone(ms(500)));
        passes(&mut world, 1);
        // A first pass that only one knows of would wait for that one.
        let covered = |world: &World| world.live().all(|(_, node)| node.horizon().is_some());
        world.run_until(covered, secs(20)).unwrap();
        world.settle(secs(20)).unwrap();
        let by = (0..4).min_by_key(|node| world.id(*node)).unwrap();
        let (leaver, heard) = ((by + 1) % 4, (by + 2) % 4);
        let others: Vec<usize> = (0..4).filter(|node| ![leaver, heard].contains(node)).collect();
        world.partition(&[leaver], &others);
        world.leave(leaver);
        world.run_for(ms(2)).unwrap();
        world.heal();
        assert_eq!(seen(&world, State::Left).iter().sum::<usize>(), 1, "the others have not heard");
        let left = |world: &World| seen(world, State::Left).iter().all(|seen| *seen == 1);
        world.run_until(left, secs(60)).unwrap();
        passes(&mut world, 3);
        world.settle(secs(20)).unwrap();
    }
}
