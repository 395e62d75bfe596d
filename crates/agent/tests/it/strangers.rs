//! Strangers on the gossip port: what they make up lasts nowhere, and what they leave half said
//! takes no more memory than there is for that.

use crate::support::{agree, cluster, until};
use rumormill::{Builder, Encryption, Key, KeyRing, Rumormill};
use rumormill_core::base::hash::Keyed;
use rumormill_core::data::{Digest, Entry, Space, Stamp, block};
use rumormill_core::member::{Record, State};
use rumormill_core::retain::{Census, Grounds, Horizon, Pass};
use rumormill_core::spread::ring::Token;
use rumormill_core::wire::kind;
use rumormill_core::wire::packet::{Header, frame_message};
use rumormill_core::{NodeId, Stats};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};

fn wall_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as u64
}

fn quick() -> Builder {
    let mut config = rumormill::core::Config::default();
    config.member.probe_interval = Duration::from_millis(50);
    config.member.rejoin_interval = Duration::from_millis(200);
    config.repair.idle_interval = Duration::from_millis(200);
    config.ring.interval = Duration::from_millis(200);
    Rumormill::builder().config(config)
}

fn sum(nodes: &[Rumormill], counter: impl Fn(&Stats) -> u64) -> u64 {
    nodes.iter().map(|node| counter(&node.status().counters)).sum()
}

fn header(sender: NodeId) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header { tag: Keyed::for_cluster("rumormill").tag(), sender }.encode(&mut bytes);
    bytes
}

/// One datagram with everything that would last, as if a member had sent it.
fn forged(sender: &Rumormill, victim: &Rumormill) -> Vec<u8> {
    let (by, of) = (sender.identity().id, victim.identity().id);
    let (ahead, gossip) = (wall_ms() + 47_000, sender.identity().gossip);
    let horizon = Horizon { time: ahead << 16, pass: 9, chain: 0, forced: 0, number: 9 };
    let nobody = SocketAddr::from(([127, 0, 0, 9], 9));
    let note = Stamp { time: ahead << 16, node: by };
    let roster = [
        horizon.to_entry(),
        Record::new(NodeId(77), 1, State::Alive, "made up", nobody).to_entry(),
        Record::new(NodeId(78), 1, State::Alive, "\x1b[2J", nobody).to_entry(),
        Record::new(by, ahead, State::Forgotten, "forgotten", gossip).to_entry(),
        Record::new(by, 1 << 47, State::Dead, "for ever", gossip).to_entry(),
        Entry::new(b"ring!", b"12345678", note, None),
    ];
    let started_ms = wall_ms();
    let pass = Pass {
        id: 10,
        horizon: ahead << 16,
        after: Some(horizon),
        grounds: Grounds::default(),
        started_ms,
        by,
        order: [by, of].into(),
        voteless: [].into(),
    };
    let digest = Digest { count: 0, sum: 0 };
    let token = Token { pass, hop: 1, digest, census: Arc::<Census>::default() };
    let entries = [vec![Space::Roster.code()], block::chunks(&roster, 60_000).concat()].concat();
    let mut vote = vec![1, 0, 0, 0];
    digest.encode(&mut vote);
    vote.push(0);
    let mut bytes = header(by);
    for (kind, body) in
        [(kind::ENTRIES, entries), (kind::RING_LINK, token.encode()), (kind::VOTE, vote)]
    {
        frame_message(kind, &[&body], &mut bytes);
    }
    bytes
}

/// With a key nothing of it is believed, whatever the mode; without one not from who cannot hear what
/// is sent to the member whose name is used.
#[tokio::test(flavor = "multi_thread")]
async fn what_would_last_is_not_believed_of_strangers() {
    let keys = || KeyRing::from_keys([Key::from_bytes([7; 32])]).unwrap();
    let modes = [None, Some(Encryption::Accept), Some(Encryption::Send), Some(Encryption::Require)];
    for mode in modes {
        let nodes = cluster(3, |_| match mode {
            None => quick(),
            Some(mode) => quick().keys(keys()).encryption(mode),
        })
        .await;
        // Who sends plain with a key makes no passes.
        let passes = mode != Some(Encryption::Accept);
        let completed = || sum(&nodes, |stats| stats.ring_completed);
        if passes {
            until("a pass is complete", || completed() > 0).await;
        }
        let refused = || {
            let dropped = |node: &Rumormill| node.status().encryption.dropped.plaintext;
            sum(&nodes, |stats| stats.refused_unproven) + nodes.iter().map(dropped).sum::<u64>()
        };
        let before = refused();
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for (at, node) in nodes.iter().enumerate() {
            let datagram = forged(&nodes[(at + 1) % 3], node);
            socket.send_to(&datagram, node.identity().gossip).await.unwrap();
        }
        let least = if mode == Some(Encryption::Require) { 3 } else { 9 };
        until("it was passed over", || refused() >= before + least).await;
        let then = completed();
        for node in &nodes {
            let name = node.identity().name.clone();
            node.set(&name, "mine").await.unwrap();
            let stamped = node.get(&name).unwrap().stamp().time >> 16;
            assert!(stamped < wall_ms() + 10_000, "{mode:?}: stamps have moved");
        }
        agree(&nodes).await;
        if passes {
            until("passes go on", || completed() > then + 2).await;
        }
        for node in &nodes {
            let status = node.status();
            assert!(status.covered, "{mode:?}");
            let members = status.members;
            assert_eq!((members.alive, members.dead, members.forgotten), (3, 0, 0), "{mode:?}");
        }
    }
}

/// Streams that each announce the largest frame, send most of it and stay.
async fn trickle(to: SocketAddr, streams: usize, bytes: usize) -> Vec<TcpStream> {
    let mut tasks = Vec::new();
    for _ in 0..streams {
        tasks.push(tokio::spawn(async move {
            let mut stream = TcpStream::connect(to).await.ok()?;
            let mut start = b"RMS1".to_vec();
            start.extend(Keyed::for_cluster("rumormill").tag().to_le_bytes());
            start.push(11);
            start.extend(b"127.0.0.1:9");
            start.extend((8_u32 << 20).to_le_bytes());
            stream.write_all(&start).await.ok()?;
            let chunk = vec![1; 256 * 1024];
            for _ in 0..bytes / chunk.len() {
                stream.write_all(&chunk).await.ok()?;
            }
            Some(stream)
        }));
    }
    let mut open = Vec::new();
    for task in tasks {
        open.extend(task.await.unwrap());
    }
    open
}

#[tokio::test(flavor = "multi_thread")]
async fn half_read_frames_share_one_budget_and_a_large_value_gets_through() {
    const BUDGET: usize = 32 << 20;
    let nodes = cluster(2, |_| {
        let mut config = rumormill::core::Config::default();
        config.limits.incoming = BUDGET;
        config.limits.max_value = 8 << 20;
        Rumormill::builder().config(config)
    })
    .await;
    let traffic = || nodes[0].status().traffic;
    let to = nodes[0].identity().gossip;
    let streams = trickle(to, 300, 7 << 20);
    let (streams, most) = tokio::join!(streams, async {
        let mut most = 0;
        until("frames have to make room", || {
            most = most.max(traffic().incoming_bytes);
            traffic().incoming_ended >= 100
        })
        .await;
        most
    });
    assert!(most > 0 && most <= BUDGET as u64, "{most} bytes");
    nodes[1].set("large", vec![7_u8; 8 << 20]).await.unwrap();
    until("an honest value arrives", || nodes[0].get("large").is_some()).await;
    agree(&nodes).await;
    assert!(traffic().incoming_bytes <= BUDGET as u64);
    drop(streams);
    until("memory is given back", || traffic().incoming_bytes == 0).await;
}
