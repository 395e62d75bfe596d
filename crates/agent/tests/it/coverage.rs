//! How many members hold a write, and how fresh a node is, through the library.

use crate::support::{cluster, until};
use rumormill::core::spread::Method;
use rumormill::{CoverageError, Rumormill, StaleError, Want};
use std::time::Duration;

const LONG: Option<Duration> = Some(Duration::from_secs(60));
const SHORT: Option<Duration> = Some(Duration::from_millis(50));

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_waited_for() {
    let nodes = cluster(4, |_| Rumormill::builder()).await;
    for want in [Want::All, Want::Share(0.75), Want::Members(2), Want::Members(1)] {
        let stamp = nodes[1].set("k", "v").await.unwrap();
        let coverage = nodes[1].wait_until_held([("k", stamp)], want, LONG).await.unwrap();
        assert!(coverage.done && coverage.of == 4, "{coverage:?}");
        assert!(coverage.held >= want.needed(4).unwrap());
    }
    let stamp = nodes[1].set("k", "all").await.unwrap();
    nodes[1].wait_until_held([("k", stamp)], Want::All, None).await.unwrap();
    assert!(nodes.iter().all(|node| node.get("k").unwrap().value() == Some(b"all")));
    let many: Vec<_> = (0..1001).map(|n| (format!("{n}"), stamp)).collect();
    let refused = nodes[1].wait_until_held(many, Want::All, LONG).await;
    assert!(matches!(refused, Err(CoverageError::Unasked(_))), "{refused:?}");
    let found = nodes[3].coverage("k", Duration::from_secs(60)).await.unwrap().unwrap();
    assert_eq!((found.stamp, found.deleted), (stamp, false));
    assert_eq!((found.coverage.held, found.coverage.of, found.coverage.done), (4, 4, true));
    assert_eq!(nodes[3].coverage("none", Duration::from_secs(1)).await, Ok(None));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_hold_it_is_named() {
    let mut config = rumormill::core::Config::default();
    config.spread.method = Method::None;
    config.repair.interval = Duration::ZERO;
    let nodes = cluster(3, |_| Rumormill::builder().config(config.clone())).await;
    let stamp = nodes[0].set("k", "v").await.unwrap();
    let coverage = nodes[0].wait_until_held([("k", stamp)], Want::All, SHORT).await.unwrap();
    assert_eq!((coverage.held, coverage.of, coverage.done), (1, 3, false));
    let mut without = coverage.without;
    without.sort();
    assert_eq!(without, ["n1", "n2"]);
    nodes[0].delete("k").await.unwrap();
    let found = nodes[0].coverage("k", Duration::from_secs(60)).await.unwrap().unwrap();
    assert!(found.deleted && found.coverage.done && found.coverage.held == 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_knows_how_fresh_it_is() {
    let nodes = cluster(3, |_| Rumormill::builder()).await;
    nodes[0].set("k", "v").await.unwrap();
    until("the key everywhere", || nodes.iter().all(|node| node.len() == 1)).await;
    let bound = Duration::from_secs(5);
    for node in &nodes {
        let fresh = async {
            loop {
                if let Ok(staleness) = node.fresh_within(bound).await {
                    break staleness;
                }
            }
        };
        assert!(tokio::time::timeout(Duration::from_secs(60), fresh).await.unwrap() <= bound);
    }
    let least = nodes[0].fresh_within(Duration::from_millis(1)).await;
    assert!(matches!(least, Err(StaleError::Bound { .. })), "{least:?}");
    let alone = cluster(1, |_| Rumormill::builder()).await;
    assert_eq!(alone[0].fresh_within(bound).await, Ok(Duration::ZERO));
}
