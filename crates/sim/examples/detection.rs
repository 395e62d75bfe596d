//! How soon a crash is noticed, and what watching costs while nothing happens.
use rumormill_core::member::State;
use rumormill_sim::{Options, World};
use std::time::Duration;

fn main() {
    let nodes: usize = std::env::args().nth(1).and_then(|n| n.parse().ok()).unwrap_or(128);
    let trials: u64 = std::env::args().nth(2).and_then(|n| n.parse().ok()).unwrap_or(10);
    let (mut firsts, mut alls, mut suspects) = (vec![], vec![], vec![]);
    for seed in 0..trials {
        let mut world = World::new(Options { nodes, seed, ..Options::default() });
        world.run_for(Duration::from_secs(3)).unwrap();
        let before = world.total_traffic();
        world.run_for(Duration::from_secs(20)).unwrap();
        let after = world.total_traffic();
        if seed == 0 {
            let per = |a: u64, b: u64| (b - a) as f64 / nodes as f64 / 20.0;
            println!(
                "idle: {:.2} packets/s, {:.1} B/s sent per node",
                per(before.all_sent().messages, after.all_sent().messages),
                per(before.all_sent().bytes, after.all_sent().bytes)
            );
        }
        let victim = 5;
        let id = world.id(victim);
        world.crash(victim);
        let state = |w: &World, n: usize| {
            w.node(n).and_then(|n| n.members().find(|m| m.id == id).map(|m| m.state))
        };
        let start = world.now();
        let limit = Duration::from_secs(120);
        let t = world
            .run_until(|w| w.live().any(|(i, _)| state(w, i) == Some(State::Suspect)), limit)
            .unwrap();
        suspects.push(t.as_secs_f64());
        world
            .run_until(|w| w.live().any(|(i, _)| state(w, i) == Some(State::Dead)), limit)
            .unwrap();
        firsts.push((world.now() - start).as_secs_f64());
        world
            .run_until(|w| w.live().all(|(i, _)| state(w, i) == Some(State::Dead)), limit)
            .unwrap();
        alls.push((world.now() - start).as_secs_f64());
    }
    for (name, v) in [("suspected", suspects), ("dead at first", firsts), ("dead at all", alls)] {
        let mean = v.iter().sum::<f64>() / v.len() as f64;
        println!("{name}: mean {mean:.3} s, max {:.3}", v.iter().copied().fold(0.0, f64::max));
    }
}
