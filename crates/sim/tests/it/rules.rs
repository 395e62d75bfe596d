//! The stop rules of rumor mongering: how many never hear a rumor, and what it costs the others.

use crate::{ms, secs};
use rumormill_core::Config;
use rumormill_core::spread::Method;
use rumormill_core::spread::rumor::{Contact, Stop};
use rumormill_sim::{Options, World};
use std::time::Duration;

const NODES: usize = 300;
const RUMORS: usize = 40;

/// Shares of nodes that never heard a rumor, and copies sent for each node and rumor.
fn epidemic(contact: Contact, stop: Stop, k: u32, fanout: usize) -> (f64, f64) {
    let mut config = Config::default();
    config.spread.method = Method::Rumor;
    config.repair.interval = Duration::ZERO;
    let rumor = &mut config.spread.rumor;
    (rumor.contact, rumor.stop, rumor.k, rumor.fanout) = (contact, stop, k, fanout);
    let mut world = World::new(Options { seed: 51, nodes: NODES, config, ..Options::default() });
    for number in 0..RUMORS {
        world.write(number * 7, format!("key-{number}"), "v").unwrap();
    }
    let over = |world: &World| world.live().all(|(_, node)| node.telling() == 0);
    // Nothing hot, and nothing on its way to make it so again.
    while !over(&world) {
        world.run_until(over, secs(200)).unwrap();
        world.run_for(ms(5)).unwrap();
    }
    let reached = world.deliveries();
    let residue = 1.0 - reached.delivered as f64 / reached.possible as f64;
    let copies = world.total(|stats| stats.update_copies) as f64;
    let traffic = copies / (RUMORS * NODES) as f64;
    println!("{contact:?} {stop:?} k={k} x {fanout}: residue {residue:.4}, traffic {traffic:.3}");
    (residue, traffic)
}

/// Every rule that pushes leaves e^-m, whatever its k (Demers et al. 1987, section 1.4); a little
/// less where m is not small against the cluster, since nobody is told twice by the same node.
fn leaves_what_its_traffic_says(residue: f64, traffic: f64) {
    let expected = (-traffic).exp();
    assert!((0.6 * expected..1.25 * expected).contains(&residue), "{residue}, not {expected}");
}

#[test]
fn blind_and_counter_sends_exactly_k_rounds() {
    for (k, fanout) in [(2, 1), (3, 1), (1, 3)] {
        let (residue, traffic) = epidemic(Contact::Blind, Stop::Counter, k, fanout);
        let sent = f64::from(k) * fanout as f64 * (1.0 - residue);
        assert!((traffic - sent).abs() < 0.02, "{traffic}, not {sent}");
        leaves_what_its_traffic_says(residue, traffic);
    }
    // Six at once, twice: next to nobody is left, one in 160,000.
    let (residue, traffic) = epidemic(Contact::Blind, Stop::Counter, 2, 6);
    assert!(residue < 0.0005 && (11.9..=12.0).contains(&traffic), "{residue}, {traffic}");
}

#[test]
fn blind_and_coin_sends_k_times_in_the_mean() {
    for k in [2, 3] {
        let (residue, traffic) = epidemic(Contact::Blind, Stop::Coin, k, 1);
        let sent = f64::from(k) * (1.0 - residue);
        assert!((traffic - sent).abs() < 0.1, "{traffic}, not {sent}");
        leaves_what_its_traffic_says(residue, traffic);
    }
}

#[test]
fn feedback_and_coin_leaves_what_the_differential_equation_says() {
    // s = e^-((k+1)(1-s)): 0.203 for k = 1, 0.0595 for k = 2.
    for (k, expected) in [(1, 0.203), (2, 0.0595)] {
        let (residue, traffic) = epidemic(Contact::Feedback, Stop::Coin, k, 1);
        assert!((0.8 * expected..1.2 * expected).contains(&residue), "{residue}, not {expected}");
        leaves_what_its_traffic_says(residue, traffic);
    }
}

#[test]
fn feedback_and_counter_leaves_less_than_the_coin() {
    for k in [2, 3] {
        let (residue, traffic) = epidemic(Contact::Feedback, Stop::Counter, k, 1);
        leaves_what_its_traffic_says(residue, traffic);
        let (coin, _) = epidemic(Contact::Feedback, Stop::Coin, k, 1);
        assert!(residue < coin, "{residue}, coin {coin}");
    }
}
