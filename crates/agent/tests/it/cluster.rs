//! Nodes over real sockets: they find each other, agree, and keep what they acknowledged.

use crate::support::{agree, cluster, until};
use rumormill::core::spread::Method;
use rumormill::core::spread::entropy::{Compare, Direction};
use rumormill::{EventKind, Rumormill};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_write_at_any_node_is_readable_at_all() {
    let nodes = cluster(5, |_| Rumormill::builder()).await;
    let mut watch = nodes[4].watch("colour/");
    for (index, node) in nodes.iter().enumerate() {
        node.set(format!("colour/{index}"), format!("from {index}")).await.unwrap();
    }
    until("all five keys everywhere", || nodes.iter().all(|node| node.len() == 5)).await;
    for node in &nodes {
        assert_eq!(node.get("colour/3").unwrap().value(), Some(b"from 3".as_slice()));
    }
    nodes[2].delete("colour/0").await.unwrap();
    until("the delete everywhere", || nodes.iter().all(|n| n.get("colour/0").is_none())).await;
    agree(&nodes).await;
    let mut seen = Vec::new();
    while seen.len() < 6 {
        seen.push(watch.next().await.unwrap());
    }
    assert_eq!(seen.iter().filter(|event| event.kind == EventKind::Delete).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_value_and_many_keys_reach_everyone() {
    let nodes = cluster(3, |_| Rumormill::builder()).await;
    let large = vec![7_u8; 1024 * 1024];
    nodes[0].set("large", &large).await.unwrap();
    for index in 0..2000 {
        nodes[index % 3].set(format!("key/{index}"), [b'x'; 64]).await.unwrap();
    }
    until("all keys everywhere", || nodes.iter().all(|node| node.len() == 2001)).await;
    assert_eq!(nodes[2].get("large").unwrap().value(), Some(large.as_slice()));
    agree(&nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_node_gets_everything_in_bulk() {
    let mut nodes = cluster(1, |_| Rumormill::builder()).await;
    for index in 0..5000 {
        nodes[0].set(format!("key/{index}"), [b'x'; 200]).await.unwrap();
    }
    let seed = nodes[0].identity().gossip.to_string();
    nodes.push(Rumormill::builder().join([seed]).start().await.unwrap());
    until("the data at the fresh node", || nodes[1].len() == 5000).await;
    agree(&nodes).await;
    assert!(nodes[1].status().counters.bulk_pieces > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_node_says_how_far_it_is_and_then_what_it_cost() {
    let mut config = rumormill::core::Config::default();
    config.repair.piece_bytes = 64 * 1024;
    config.repair.bulk_rate = 1024 * 1024;
    let mut nodes = cluster(1, |_| Rumormill::builder()).await;
    for index in 0..5000 {
        nodes[0].set(format!("key/{index}"), [b'x'; 200]).await.unwrap();
    }
    let seed = nodes[0].identity().gossip.to_string();
    nodes.push(Rumormill::builder().config(config).join([seed]).start().await.unwrap());
    let fresh = &nodes[1];
    until("a part of it", || {
        fresh.status().joining.is_some_and(|it| it.percent > 0.0 && it.pieces > 0)
    })
    .await;
    until("all of it", || fresh.len() == 5000 && fresh.status().joining.is_none()).await;
    agree(&nodes).await;
    let mut story = fresh.repair_story(None, false, 100).await.unwrap();
    for _ in 0..600 {
        if story.sessions.iter().any(|it| it.entries_received > 4000) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        story = fresh.repair_story(None, false, 100).await.unwrap();
    }
    let bulk = story.sessions.iter().find(|it| it.entries_received > 4000).expect("the transfer");
    assert!(bulk.received_bytes > 800_000 && bulk.peer == nodes[0].identity().id);
    assert_eq!(story.seen_by, fresh.identity().id.to_string());
    assert!(story.names.contains_key(&nodes[0].identity().id.to_string()));
    assert!(story.diverged.is_empty() && fresh.status().warnings.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_and_direction_converges() {
    for (method, direction, compare) in [
        (Method::Rumor, Direction::PushPull, Compare::Checksum),
        (Method::DirectMail, Direction::Push, Compare::Full),
        (Method::None, Direction::PushPull, Compare::Full),
        (Method::None, Direction::Pull, Compare::Checksum),
    ] {
        let mut config = rumormill::core::Config::default();
        config.spread.method = method;
        config.spread.rumor.period = Duration::from_millis(50);
        config.repair.interval = Duration::from_millis(20);
        config.repair.direction = direction;
        config.repair.compare = compare;
        let nodes = cluster(4, |_| Rumormill::builder().config(config.clone())).await;
        for (index, node) in nodes.iter().enumerate() {
            node.set(format!("k{index}"), "v").await.unwrap();
        }
        until("the keys everywhere", || nodes.iter().all(|node| node.len() == 4)).await;
        agree(&nodes).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_has_stopped_has_given_its_port_back() {
    let first = Rumormill::builder().start().await.unwrap();
    let gossip = first.identity().gossip;
    first.shutdown().await;
    for _ in 0..20 {
        let again = Rumormill::builder().gossip(gossip).start().await.unwrap();
        assert_eq!(again.identity().gossip, gossip);
        again.shutdown().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_id_data_and_membership() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Rumormill::builder().name("kept").data(folder.path());
    let first = start().start().await.unwrap();
    let (id, gossip) = (first.identity().id, first.identity().gossip);
    let other = Rumormill::builder().join([gossip.to_string()]).start().await.unwrap();
    until("both see both", || other.status().members.alive == 2).await;
    let old = first.set("key", "before").await.unwrap();
    first.shutdown().await;
    other.set("key2", "meanwhile").await.unwrap();
    // No seed is named: the members of before are known from the folder.
    let again = start().gossip(gossip).start().await.unwrap();
    assert_eq!(again.identity().id, id);
    assert_eq!(again.get("key").unwrap().value(), Some(b"before".as_slice()));
    assert!(again.set("key", "after").await.unwrap() > old);
    until("both hold both", || again.len() == 2 && other.len() == 2).await;
    agree(&[again, other]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_goodbye_is_told_apart_from_a_death() {
    let nodes = cluster(3, |_| Rumormill::builder()).await;
    nodes[2].leave().await;
    let left = |node: &Rumormill| node.status().members.left == 1;
    until("the others know that it left", || left(&nodes[0]) && left(&nodes[1])).await;
    assert!(nodes[2].set("k", "v").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_member_is_noticed_and_comes_back() {
    let config = rumormill::core::Config {
        member: rumormill::core::member::Config {
            probe_interval: Duration::from_millis(50),
            probe_timeout: Duration::from_millis(50),
            rejoin_interval: Duration::from_millis(200),
            ..Default::default()
        },
        ..Default::default()
    };
    let nodes = cluster(3, |_| Rumormill::builder().config(config.clone())).await;
    let gossip = nodes[0].identity().gossip;
    nodes[0].shutdown().await;
    let dead = |node: &Rumormill| node.status().members.dead == 1;
    until("the others notice", || dead(&nodes[1]) && dead(&nodes[2])).await;
    nodes[1].set("while", "away").await.unwrap();
    // A new node at the old address, without a seed: the dead are tried again.
    let back = Rumormill::builder().config(config).gossip(gossip).start().await.unwrap();
    until("it is found", || back.len() == 1 && nodes[2].status().members.alive == 3).await;
}
