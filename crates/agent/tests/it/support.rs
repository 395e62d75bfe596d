//! What the tests share: waiting for a condition with a bound, and small clusters.

use rumormill::{Builder, Rumormill};
use std::time::{Duration, Instant};

/// Nothing on one machine takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until the condition holds.
///
/// # Panics
/// If it does not within [`PATIENCE`].
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Starts nodes in memory that join by the first, and waits until all see all.
pub async fn cluster(nodes: usize, make: impl Fn(usize) -> Builder) -> Vec<Rumormill> {
    let mut all: Vec<Rumormill> = Vec::new();
    for index in 0..nodes {
        let seed = all.first().map(|first| first.identity().gossip.to_string());
        let node = make(index).name(format!("n{index}")).join(seed).start().await;
        all.push(node.expect("a node on a free loopback port starts"));
    }
    until("all see all", || all.iter().all(|n| n.status().members.alive == nodes as u64)).await;
    all
}

/// Waits until all nodes hold the same.
pub async fn agree(nodes: &[Rumormill]) {
    until("equal digests", || {
        let first = nodes[0].status().digest;
        nodes.iter().all(|node| node.status().digest == first)
    })
    .await;
}
