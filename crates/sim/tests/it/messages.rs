//! How many messages one anti-entropy exchange takes.

use crate::ms;
use rumormill_core::Config;
use rumormill_core::output::Class;
use rumormill_core::spread::Method;
use rumormill_core::spread::entropy::{Compare, Direction};
use rumormill_sim::{Options, World};

/// Two nodes of which one holds an entry that the other lacks. Answers how many messages of
/// repair the first exchange that somebody begins takes in all, with everything shipped.
fn messages(direction: Direction) -> u64 {
    let mut config = Config::default();
    config.spread.method = Method::None;
    config.repair.direction = direction;
    config.repair.compare = Compare::Full;
    let mut world = World::new(Options { seed: 13, nodes: 2, config, ..Options::default() });
    world.write(0, "k", "v").unwrap();
    let begun = |world: &World| world.total(|stats| stats.repair_sessions) > 0;
    world.run_until(begun, ms(5000)).unwrap();
    // The other node stays silent of its own accord for much longer than an exchange takes.
    world.run_for(ms(8)).unwrap();
    assert_eq!(world.total(|stats| stats.repair_sessions), 1, "another exchange began");
    world.total_traffic().sent(Class::Repair).messages
}

#[test]
fn push_takes_one_message_pull_two_push_pull_three() {
    assert_eq!(messages(Direction::Push), 1);
    assert_eq!(messages(Direction::Pull), 2);
    assert_eq!(messages(Direction::PushPull), 3);
}
