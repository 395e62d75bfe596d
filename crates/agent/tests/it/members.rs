//! What nodes say of themselves and of each other: tags, warnings, the story of a member, and what
//! they own.

use crate::support::{cluster, until};
use rumormill::core::member::flight::What;
use rumormill::core::member::tags::Tags;
use rumormill::{Builder, EventKind, Rumormill, SetOptions, TagChange, TagsError};
use std::time::Duration;

/// Notices a silent member within a moment.
fn quick() -> Builder {
    let mut config = rumormill::core::Config::default();
    config.member.probe_interval = Duration::from_millis(50);
    config.member.probe_timeout = Duration::from_millis(25);
    config.member.rejoin_interval = Duration::from_millis(200);
    Rumormill::builder().config(config)
}

fn tag(node: &Rumormill, member: &str, tag: &str) -> Option<String> {
    let members = node.members();
    let member = members.iter().find(|known| known.name == member)?;
    member.tags.get(tag).map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_are_known_everywhere_and_changes_spread() {
    let zones = ["a", "b", "a"];
    let tags = |index: usize| Tags::new([("zone", zones[index])]).unwrap();
    let nodes = cluster(3, |index| Rumormill::builder().tags(tags(index))).await;
    let seen = |member: &str, name: &str| {
        nodes.iter().map(|node| tag(node, member, name)).collect::<Vec<_>>()
    };
    until("the zones are known", || seen("n1", "zone") == vec![Some("b".to_owned()); 3]).await;

    nodes[1].set_tags(Tags::new([("zone", "c"), ("role", "db")]).unwrap()).await.unwrap();
    assert_eq!(tag(&nodes[1], "n1", "role").as_deref(), Some("db"), "seen here at once");
    until("the new zone is known", || seen("n1", "zone") == vec![Some("c".to_owned()); 3]).await;
    let change = TagChange {
        replace: false,
        tags: [("role".into(), None), ("rack".into(), Some("7".into()))].into(),
    };
    let now = nodes[1].change_tags(change).await.unwrap();
    assert_eq!(now, Tags::new([("zone", "c"), ("rack", "7")]).unwrap());
    until("the change is known", || seen("n1", "rack") == vec![Some("7".to_owned()); 3]).await;
    assert_eq!(seen("n1", "role"), [None, None, None]);
    assert_eq!(nodes[1].status().tags, now);

    let long = TagChange { replace: false, tags: [("x".into(), Some("x".repeat(1000)))].into() };
    assert!(matches!(nodes[1].change_tags(long).await, Err(TagsError::Bad(_))));
    assert_eq!(nodes[1].tags(), now);
    let left = nodes[1].leave().await;
    assert!(left.leaves && left.missing.is_empty(), "{left:?}");
    assert_eq!(nodes[1].set_tags(Tags::default()).await, Err(TagsError::Closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_taken_twice_is_told_until_one_goes() {
    let nodes = cluster(2, |_| Rumormill::builder()).await;
    let seed = nodes[0].identity().gossip.to_string();
    let twice = Rumormill::builder().name("n1").join([seed]).start().await.unwrap();
    until("all warn", || {
        let warns = |node: &Rumormill| node.status().alarms.shared_names.len() == 1;
        nodes.iter().chain([&twice]).all(warns)
    })
    .await;
    let status = nodes[0].status();
    assert_eq!(status.alarms.shared_names[0].ids.len(), 2);
    assert!(status.warnings[0].contains("\"n1\""), "{:?}", status.warnings);
    twice.leave().await;
    until("the warning goes", || nodes[0].status().warnings.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_has_a_story_and_a_lonely_node_suspects_a_partition() {
    let nodes = cluster(4, |_| quick()).await;
    let lost: Vec<_> = nodes[1..].iter().map(|node| node.identity().id).collect();
    for node in &nodes[1..] {
        node.shutdown().await;
    }
    until("all others are held dead", || nodes[0].status().members.dead == 3).await;
    let status = nodes[0].status();
    assert!(status.alarms.partition_suspected);
    assert!(status.warnings[0].contains("partition suspected"), "{:?}", status.warnings);

    let own = nodes[0].identity().id;
    let story = nodes[0].member_events(Some(vec![lost[1]]), 100).await.unwrap();
    assert_eq!((story.seen_by, story.seen_by_name.as_str()), (own.to_string(), "n0"));
    let about: Vec<_> = story.events.iter().filter(|event| event.about == lost[1]).collect();
    let is_own = |what: &What| match what {
        What::Suspected { by } | What::Died { by } => by.contains(&own),
        _ => false,
    };
    assert!(about.iter().any(|event| matches!(event.what, What::ProbeFailed { .. })), "{about:?}");
    assert!(is_own(&about.last().unwrap().what), "{about:?}");
    assert_eq!(story.names.get(&lost[1].to_string()).map(String::as_str), Some("n2"));
    let all = nodes[0].member_events(None, 1).await.unwrap();
    assert_eq!((all.events.len(), all.more), (1, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_with_one_id_are_told() {
    let nodes = cluster(2, |_| Rumormill::builder()).await;
    // What a copied disk does: a node that speaks with the id of another, from elsewhere.
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let id = nodes[0].identity().id;
    let now = rumormill::core::Now {
        mono: rumormill::core::Instant(0),
        // It was started later, so its record counts for more.
        wall_ms: 4_000_000_000_000,
    };
    let at = socket.local_addr().unwrap();
    let identity = rumormill::core::Identity::new(id, "copy", at);
    let mut copy = rumormill::core::Node::new(rumormill::core::Config::default(), identity, 1, now);
    let (mut out, seeds) = (Vec::new(), [nodes[1].identity().gossip]);
    copy.handle(rumormill::core::Input::Join { seeds: &seeds }, now, &mut out);
    // It says who it is, is asked whether it receives there, and says it again with a proof.
    for asked in [false, true] {
        if asked {
            let mut bytes = vec![0; 65_536];
            let (len, from) = socket.recv_from(&mut bytes).await.unwrap();
            let input = rumormill::core::Input::Datagram { from, bytes: &bytes[..len] };
            copy.handle(input, now, &mut out);
        }
        copy.flush(now, &mut out);
        for output in std::mem::take(&mut out) {
            if let rumormill::core::Output::Send(packet) = output {
                socket.send_to(&packet.bytes, packet.to).await.unwrap();
            }
        }
    }
    until("the twin is told", || nodes[0].status().alarms.twin).await;
    assert!(nodes[0].status().warnings[0].contains("this node's id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_owns_goes_with_it_and_comes_back_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let nodes = cluster(2, |_| quick()).await;
    let seed = nodes[0].identity().gossip.to_string();
    let start = || quick().name("owner").data(folder.path()).join([&seed]).start();
    let owner = start().await.unwrap();
    let mut watch = nodes[1].watch("service/");
    owner.set_owned("service/a", "1").await.unwrap();
    let options = SetOptions::default().owned().ttl(Duration::from_secs(3600));
    owner.set_with("service/b", "2", options).await.unwrap();
    owner.set("plain", "3").await.unwrap();
    until("all is seen everywhere", || nodes.iter().all(|node| node.len() == 3)).await;

    let held = nodes[1].status().digest;
    owner.shutdown().await;
    until("it is hidden", || nodes.iter().all(|node| node.len() == 1)).await;
    assert_eq!(
        (nodes[1].status().digest, nodes[1].status().hidden),
        (held, 2),
        "nothing is written"
    );
    assert!(nodes[1].get("service/a").is_none() && nodes[1].expiring() == 0);
    assert!(nodes[1].scan(b"service/", None, 9).is_empty());
    assert_eq!(nodes[1].scan_hashed(0, 100).await.unwrap().1.len(), 1);
    assert!(!nodes[1].delete("service/nothing").await.unwrap());

    let owner = start().await.unwrap();
    assert!(owner.get("service/a").is_some(), "its own are there from the start");
    until("it is back", || nodes.iter().all(|node| node.len() == 3)).await;
    owner.leave().await;
    until("it is hidden again", || nodes.iter().all(|node| node.len() == 1)).await;

    let mut told = Vec::new();
    while told.len() < 8 {
        told.push(watch.next().await.unwrap());
    }
    let of = |key: &[u8]| {
        let of = told.iter().filter(|event| event.entry.key() == key);
        of.map(|event| event.kind).collect::<Vec<_>>()
    };
    use EventKind::{Hidden, Put};
    assert_eq!(of(b"service/a"), [Put, Hidden, Put, Hidden]);
    assert_eq!(of(b"service/b"), [Put, Hidden, Put, Hidden]);
}
