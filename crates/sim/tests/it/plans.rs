//! Random faults under load: nothing is lost, nothing comes back, all agree in the end.

use rumormill_core::Config;
use rumormill_sim::World;
use rumormill_sim::fuzz::Draw;
use std::time::Duration;

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

/// Each of these found a fault in ring repair, the fence or the way back, or in a checker. They were
/// drawn without the edges of membership.
const FOUND: [u64; 34] = [
    30,
    48,
    73,
    94,
    202,
    324,
    361,
    367,
    512,
    521,
    550,
    678,
    757,
    871,
    898,
    950,
    1004,
    11578,
    12515,
    21035,
    2415,
    1_395_417_881,
    1_395_423_112,
    3_304_164_201,
    2_504_261_883,
    710_718,
    712_695,
    717_459,
    734_853,
    821_244,
    824_795,
    826_920,
    837_070,
    844_030,
];

/// The same, of plans with the edges of membership: faults in the chain of passes.
const FOUND_AT_EDGES: [u64; 17] = [
    150_628,
    500_179,
    500_455,
    500_725,
    501_127,
    2_025_788_901,
    // Members that begin anew from what they hold, one of them from another chain.
    8_002_080,
    // An answer on a slow line that came when its walk was no longer offered.
    853_302_039,
    // A chain of twenty members, most of them gone and others in their places: each hop sent it on again.
    20_005_126,
    // What was said to the one before at an address, said again, ended the walk of the next one.
    21_004_620,
    // Who alone knew that the first pass was complete was set back, and the next one named another chain.
    31_073_110,
    // A machine that was set back confirmed what it could not keep; and on a way without streams an answer
    // was lost.
    31_048_480,
    31_059_982,
    // A deletion that another had written anew, and its writer had lost.
    31_010_992,
    // The only member of the chain was set back.
    31_039_294,
    // Who alone had heard that a pass was complete knew it from a token, and told nobody.
    33_006_148,
    // All that are left begin anew from what they hold.
    33_067_825,
];

/// And of plans with hardships.
const FOUND_IN_HARDSHIP: [u64; 5] = [
    // Both whom the latest pass had covered were set back, and with that its only link was gone.
    201_230,
    // What a member said of itself came back to it as if from another that holds the same.
    35_002_796,
    // Steps of ring repair were dropped where there was much other repair, and both ends waited;
    // and alarms where comparisons took far longer than they may.
    35_075_115, 35_059_518, 36_006_023,
];

#[test]
fn what_was_found_once_stays_found() {
    for (edges, hardships, seeds) in [
        (false, false, &FOUND[..]),
        (true, false, &FOUND_AT_EDGES[..]),
        (true, true, &FOUND_IN_HARDSHIP[..]),
    ] {
        for seed in seeds {
            let draw = Draw { edges, hardships, ..Draw::default() };
            let scenario = draw.scenario(*seed);
            if let Err(violation) = scenario.run().outcome {
                panic!("{scenario}{violation}");
            }
        }
    }
}

/// What must not go out before it is on a disk, and does, is found where disks hang.
#[test]
fn what_does_not_wait_for_a_disk_is_found() {
    let duration = Duration::from_secs(12);
    let scenario = Draw { nodes: (2, 4), duration, ..Draw::default() }.scenario(4901);
    assert!(scenario.run().outcome.is_ok());
    let found = scenario.run_watched(World::wait_for_no_disk).outcome.unwrap_err();
    assert_eq!(found.property, "unique stamps", "{found}");
}

#[test]
fn without_the_fence_the_same_scenarios_bring_keys_back() {
    let mut config = Config::default();
    config.ring.fence = false;
    let fixed = Some((config, vec!["ring.fence".into()]));
    let draw = Draw { fixed, hardships: false, ..Draw::default() };
    let zombies = (0..60).filter_map(|seed| draw.scenario(seed).run().outcome.err());
    let zombies = zombies.filter(|violation| violation.property == "no resurrection").count();
    assert!(zombies > 0, "the checker cannot fail");
}
