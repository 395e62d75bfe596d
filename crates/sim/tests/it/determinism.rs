//! The same seed gives the same trace, byte for byte.

use crate::{ms, secs};
use rumormill_sim::{Options, Start, Workload, World, faults};

/// A run with everything in it: joins, load, loss, duplicates, reordering, faults, skewed clocks.
fn busy(seed: u64) -> World {
    let mut world = World::new(Options {
        seed,
        nodes: 8,
        start: Start::Join { seeds: 2 },
        loss: 0.02,
        duplicate: 0.02,
        reorder: 0.05,
        clock_skew: ms(200),
        ..Options::default()
    });
    world.start_load(Workload { every: ms(5), keys: 50, ..Workload::default() });
    let plan = faults::random_plan(seed, 8, secs(10));
    if let Err(violation) = world.run_plan(&plan) {
        panic!("{plan}{violation}");
    }
    world
}

#[test]
fn a_seed_repeats_itself_and_another_one_differs() {
    let (once, again, other) = (busy(11), busy(11), busy(12));
    assert_eq!(once.trace_hash(), again.trace_hash());
    assert_eq!(once.total_traffic(), again.total_traffic());
    assert_eq!(once.deliveries(), again.deliveries());
    assert_ne!(once.trace_hash(), other.trace_hash());
}
