//! Random faults under load: nothing is lost, nothing comes back, all agree in the end.

use rumormill_sim::fuzz::Draw;

/// The same scenarios as `rumormill sim fuzz --seeds 0..20`, which has no end of others.
#[test]
fn random_scenarios_end_well() {
    for seed in 0..20 {
        let scenario = Draw::default().scenario(seed);
        if let Err(violation) = scenario.run().outcome {
            panic!("{scenario}{violation}");
        }
    }
}
