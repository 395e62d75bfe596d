//! The model of the chain of passes within wider bounds than the tests have:
//!
//! `cargo run --release -p rumormill-sim --example chain -- 20000000`
//!
//! looks at so many states of each case, or at all if there are fewer.

// What the tests alone need.
#![allow(dead_code, unused_imports)]

#[path = "../tests/it/chain.rs"]
mod chain;

use chain::case::{Case, Kind};
use chain::cases;
use chain::explore::explore;
use chain::rules::CHAIN;

fn main() {
    let most = std::env::args().nth(1).and_then(|most| most.parse().ok()).unwrap_or(1_000_000);
    let key = [(Kind::Write, 1), (Kind::Delete, 1)];
    let faults = [(Kind::Split, 2), (Kind::Crash, 1), (Kind::Start, 1), (Kind::Pass, 3)];
    let mut wide = vec![
        cases::leaving(CHAIN).with(&key),
        cases::turnover(CHAIN).with(&[(Kind::Leave, 3), (Kind::Write, 1), (Kind::Pass, 4)]),
        cases::founding(CHAIN).with(&[(Kind::Write, 1), (Kind::Pass, 3)]),
        cases::power_cut(CHAIN).with(&[(Kind::Delete, 1), (Kind::Pass, 2)]),
        cases::unheard(CHAIN).with(&faults),
        cases::unheard(CHAIN).with(&key),
        cases::passes_with_a_key(CHAIN, Kind::Split).with(&[(Kind::Crash, 1), (Kind::Pass, 3)]),
        cases::coming_and_going(CHAIN).with(&[(Kind::Write, 2), (Kind::Pass, 3)]),
        cases::crashing(CHAIN).with(&[(Kind::Crash, 2), (Kind::Start, 2), (Kind::Pass, 3)]),
        cases::four(CHAIN).with(&[(Kind::Split, 2), (Kind::Pass, 3)]),
        cases::isolated(CHAIN).with(&[(Kind::Split, 2), (Kind::Pass, 3)]),
        cases::forced(CHAIN).with(&[(Kind::Force, 2), (Kind::Pass, 3), (Kind::Write, 2)]),
        cases::set_back(CHAIN).with(&[(Kind::Pass, 3)]),
    ];
    wide.push(whole_fleet());
    for case in wide {
        let found = explore(&case.clone().asks_all(), most);
        let more = if found.all { "all" } else { "the first" };
        let (name, states, depth) = (case.name, found.states, found.depth);
        println!("{name}: {more} {states} states, up to {depth} steps: {:?}", found.broken);
    }
}

/// Five members, of which any two leave and return, with all partitions into two and three.
fn whole_fleet() -> Case {
    let mut case = cases::leaving(CHAIN);
    (case.leavers, case.starters) = (0b11111, 0b11111);
    case.splits = (0..32).filter(|side: &u8| side.count_ones() == 2).collect();
    case
}
