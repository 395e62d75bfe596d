//! Random faults under load: nothing is lost, nothing comes back, all agree in the end.

use crate::{ms, secs};
use rumormill_sim::{Options, Start, Violation, Workload, World, faults};

fn survives(seed: u64) {
    let nodes = 3 + seed as usize % 6;
    let plan = faults::random_plan(seed, nodes, secs(20));
    let run = || -> Result<(), Violation> {
        let start =
            if seed.is_multiple_of(2) { Start::Prefilled } else { Start::Join { seeds: 2 } };
        let mut world = World::new(Options {
            seed,
            nodes,
            start,
            loss: 0.005,
            clock_skew: ms(100),
            ..Options::default()
        });
        world.start_load(Workload { every: ms(20), keys: 100, deletes: 0.3, value: 40 });
        world.run_plan(&plan)?;
        world.stop_load();
        world.settle(secs(60))?;
        Ok(())
    };
    if let Err(violation) = run() {
        panic!("{nodes} nodes, {plan}{violation}");
    }
}

/// The seeds in `SIM_SEEDS`, as in `SIM_SEEDS=20..1000`, or the usual twenty.
fn seeds() -> std::ops::Range<u64> {
    let Ok(asked) = std::env::var("SIM_SEEDS") else { return 0..20 };
    let range = asked
        .split_once("..")
        .and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
    range.unwrap_or_else(|| panic!("SIM_SEEDS={asked}: write two numbers as in 20..1000"))
}

#[test]
fn random_plans_end_well() {
    seeds().for_each(survives);
}
