//! A steady load on a lossy network.

use crate::{ms, secs};
use rumormill_core::output::Class;
use rumormill_sim::{Options, World};

const NODES: usize = 50;

#[test]
fn five_thousand_writes_a_second_with_loss_converge_and_nothing_is_repaired_in_flight() {
    let mut world = World::new(Options { seed: 41, nodes: NODES, ..Options::default() });
    world.run_for(secs(2)).unwrap();
    world.set_loss(0.02);
    let mut number = 0;
    for _ in 0..1000 {
        // Every node 100 times a second, one after the other.
        for node in 0..NODES {
            if node % 5 == 0 {
                world.run_for(ms(1)).unwrap();
            }
            world.write(node, format!("key-{:06}", number), [number as u8; 64]).unwrap();
            number += 1;
        }
    }
    world.set_loss(0.0);
    world.run_until(|world| world.digests().len() == 1, secs(5)).unwrap();
    let deliveries = (number * (NODES - 1)) as u64;
    assert_eq!(world.deliveries().delivered as u64, deliveries);
    // A leaf is told four times: 0.02^4 of all are left to repair, one or none, and sometimes a
    // branch. Several may send the same one before the first arrives.
    let sent = world.total(|stats| stats.repair_entries_sent);
    assert!(sent <= 100, "{sent} entries sent in repair: were they still on their way?");
    // Five exchanges a second and node, 70 bytes each (10 of them a proof, which is asked for while
    // something is unconfirmed), over 15 s; and 1,500 bytes for an entry.
    let bytes = world.total_traffic().sent(Class::Repair).bytes;
    let bound = NODES as u64 * 5 * 15 * 70 + sent.max(20) * 1500;
    assert!(bytes <= bound, "{bytes} bytes of repair, over {bound}");
    // Some sends and some answers are lost, and each costs one more send at first.
    let again = world.total(|stats| stats.tree_redelegated);
    assert!(again <= deliveries * 5 / 100, "{again} sent again");
}

/// Bytes that a node sends in a second while nothing happens.
fn idle_rate(nodes: usize) -> f64 {
    let mut world = World::new(Options { seed: 5, nodes, ..Options::default() });
    world.write(0, "a", "b").unwrap();
    // Anti-entropy has doubled its interval to the longest by then.
    world.run_for(secs(120)).unwrap();
    let before = world.total_traffic().all_sent().bytes;
    world.run_for(secs(60)).unwrap();
    (world.total_traffic().all_sent().bytes - before) as f64 / nodes as f64 / 60.0
}

#[test]
fn an_idle_node_costs_the_same_in_a_larger_cluster() {
    let rates = [5, 16, 256].map(idle_rate);
    println!("idle, bytes per node and second among 5, 16, 256: {rates:.0?}");
    assert!(rates.iter().all(|rate| *rate <= 1.1 * rates[0]), "{rates:?}");
}
