//! Nodes whose clocks are off, over real sockets.

use crate::support::{agree, cluster, until};
use rumormill::{Rumormill, WriteError};
use rumormill_core::data::Refused;

const HOUR: i64 = 3_600_000;

fn warns(node: &Rumormill, part: &str) -> bool {
    node.status().warnings.iter().any(|warning| warning.contains(part))
}

#[tokio::test]
async fn a_clock_two_hours_off_is_named_everywhere_and_takes_no_writes_until_it_is_right() {
    for off in [2 * HOUR, -HOUR] {
        let nodes = cluster(3, |index| {
            let off = if index == 2 { off } else { 0 };
            Rumormill::builder().clock_off(off)
        })
        .await;
        until("it knows", || nodes[2].status().alarms.clocks.refuses).await;
        let told = nodes[2].set("k", "v").await.unwrap_err();
        let WriteError::Refused(Refused::Clock { own_ms, cluster_ms }) = told else {
            panic!("{told:?}");
        };
        let apart = own_ms as i64 - cluster_ms as i64;
        assert!((apart - off).abs() < 5_000, "{apart}");
        let which = if off > 0 { "ahead" } else { "behind" };
        assert!(warns(&nodes[2], &format!("{which} of those of the others")));
        for node in &nodes[..2] {
            until("the others name it", || warns(node, "the clock of n2 is ")).await;
        }
        nodes[0].set("theirs", "v").await.unwrap();
        nodes[2].set_clock_off(0);
        until("it is right", || !nodes[2].status().alarms.clocks.refuses).await;
        nodes[2].set("k", "v").await.unwrap();
        until("all have it", || nodes.iter().all(|node| node.get("k").is_some())).await;
        agree(&nodes).await;
    }
}
