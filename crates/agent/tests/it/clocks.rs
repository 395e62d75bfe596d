//! Nodes whose clocks are off, over real sockets.

use crate::support::{agree, cluster, until};
use rumormill::{Rumormill, SetOptions, WriteError};
use rumormill_core::data::Refused;
use std::time::Duration;

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
        // It takes what others write, and judges by the right time when that is over.
        let hour = SetOptions::default().ttl(Duration::from_secs(3600));
        nodes[0].set_with("theirs", "v", hour).await.unwrap();
        until("it reads", || nodes[2].get("theirs").is_some()).await;
        agree(&nodes).await;
        nodes[2].set_clock_off(0);
        until("it is right", || !nodes[2].status().alarms.clocks.refuses).await;
        nodes[2].set("k", "v").await.unwrap();
        until("all have it", || nodes.iter().all(|node| node.get("k").is_some())).await;
    }
}

#[tokio::test]
async fn a_clock_that_is_off_by_less_than_the_bound_goes_by_the_time_of_the_others() {
    let nodes = cluster(3, |index| {
        Rumormill::builder().clock_off(if index == 2 { 40_000 } else { 0 })
    })
    .await;
    until("it knows", || nodes[2].status().alarms.clocks.own_ahead_ms != 0).await;
    let minute = SetOptions::default().ttl(Duration::from_secs(60));
    let stamp = nodes[2].set_with("k", "v", minute).await.unwrap();
    let now = nodes[0].wall_ms();
    assert!(stamp.wall_ms().abs_diff(now) < 10_000, "{stamp} at {now}");
    until("all have it", || nodes.iter().all(|node| node.get("k").is_some())).await;
    let expires = nodes[0].get("k").unwrap().expires_at().unwrap();
    assert!(expires.abs_diff(now + 60_000) < 10_000, "{expires} at {now}");
}

#[tokio::test]
async fn what_has_expired_stays_expired_though_the_clock_is_set_back() {
    let nodes = cluster(1, |_| Rumormill::builder()).await;
    let node = &nodes[0];
    let soon = SetOptions::default().ttl(Duration::from_secs(600));
    node.set_with("k", "v", soon).await.unwrap();
    assert!(node.get("k").is_some());
    node.set_clock_off(HOUR);
    until("it expires", || node.get("k").is_none() && node.is_empty()).await;
    node.set_clock_off(0);
    // The next turn has seen that.
    node.set("other", "v").await.unwrap();
    assert!(node.get("k").is_none() && node.len() == 1);
    let (_, page) = node.scan_hashed(0, 10).await.unwrap();
    assert_eq!(page.iter().map(|entry| entry.key()).collect::<Vec<_>>(), [b"other"]);
}
