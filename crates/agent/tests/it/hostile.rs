//! Datagrams and streams that a peer would not send: recorded and sent again, cut, bent, endless.

use crate::support::{agree, cluster, until};
use rumormill::{Builder, Rumormill};
use rumormill_core::base::hash::Keyed;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};

/// A panic in a task of the runtime ends that task and nothing else, so it has to be looked for.
static PANICS: AtomicU64 = AtomicU64::new(0);

fn count_panics() -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::Relaxed);
            before(info);
        }));
    });
    PANICS.load(Ordering::Relaxed)
}

/// Random numbers from a seed (splitmix64).
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Stands before a node's gossip port and keeps a copy of every datagram to and from it.
struct Tap {
    addr: SocketAddr,
    copies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Tap {
    /// A tap and the node behind it, which is bound to the same port of another loopback address.
    async fn before(builder: Builder) -> (Self, Rumormill) {
        let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = front.local_addr().unwrap();
        let behind = SocketAddr::from(([127, 0, 0, 2], addr.port()));
        let tap = Self { addr, copies: Arc::default() };
        tap.lead_to(front, behind);
        let node = builder.gossip(behind).advertise(tap.addr).start().await.unwrap();
        (tap, node)
    }

    /// Leads to `node`. Each peer gets a socket of its own, by which the node answers it.
    fn lead_to(&self, front: UdpSocket, node: SocketAddr) {
        let copies = Arc::clone(&self.copies);
        let front = Arc::new(front);
        tokio::spawn(async move {
            let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
            let mut buffer = vec![0; 65_536];
            while let Ok((len, peer)) = front.recv_from(&mut buffer).await {
                let datagram = buffer[..len].to_vec();
                if let Entry::Vacant(place) = backs.entry(peer) {
                    let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
                    back.connect(node).await.unwrap();
                    let (way, to, keep) = (back.clone(), front.clone(), copies.clone());
                    tokio::spawn(answers(way, to, peer, keep));
                    place.insert(back);
                }
                // The node may be gone already.
                let _ = backs[&peer].send(&datagram).await;
                keep(&copies, datagram);
            }
        });
    }

    fn copies(&self) -> Vec<Vec<u8>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn keep(copies: &Mutex<Vec<Vec<u8>>>, datagram: Vec<u8>) {
    copies.lock().unwrap_or_else(PoisonError::into_inner).push(datagram);
}

async fn answers(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    peer: SocketAddr,
    copies: Arc<Mutex<Vec<Vec<u8>>>>,
) {
    let mut buffer = vec![0; 65_536];
    while let Ok(len) = back.recv(&mut buffer).await {
        let _ = front.send_to(&buffer[..len], peer).await;
        keep(&copies, buffer[..len].to_vec());
    }
}

fn quick() -> Builder {
    let mut config = rumormill::core::Config::default();
    config.member.probe_interval = Duration::from_millis(50);
    config.member.rejoin_interval = Duration::from_millis(200);
    config.repair.idle_interval = Duration::from_millis(200);
    Rumormill::builder().config(config)
}

/// Three nodes, the last behind a tap, with some history: writes, overwrites, deletes, a node that
/// has left, repair. Returns every datagram that the tap saw.
async fn recorded() -> (Vec<Rumormill>, Vec<Vec<u8>>) {
    let mut nodes = cluster(2, |_| quick()).await;
    let seed = [nodes[0].identity().gossip.to_string()];
    let (tap, tapped) = Tap::before(quick().name("tapped").join(seed.clone())).await;
    nodes.push(tapped);
    until("all see all", || nodes.iter().all(|n| n.status().members.alive == 3)).await;
    for round in 0..12 {
        for (index, node) in nodes.iter().enumerate() {
            for n in 0..5 {
                let key = format!("{index}/{n}");
                node.set(&key, format!("{round}")).await.unwrap();
                node.set(format!("gone/{index}/{n}"), "x").await.unwrap();
                node.delete(format!("gone/{index}/{n}")).await.unwrap();
            }
        }
        agree(&nodes).await;
    }
    let guest = quick().name("guest").join(seed).start().await.unwrap();
    until("the guest has it all", || guest.len() == 15).await;
    guest.set("guest", "was here").await.unwrap();
    guest.leave().await;
    until("it has left", || nodes.iter().all(|n| n.status().members.left == 1)).await;
    for n in 0..5 {
        nodes[0].delete(format!("0/{n}")).await.unwrap();
        nodes[1].set(format!("1/{n}"), "last").await.unwrap();
    }
    agree(&nodes).await;
    let copies = tap.copies();
    assert!(copies.len() > 40, "only {} datagrams were seen", copies.len());
    (nodes, copies)
}

/// Where nodes really receive: the last one of [`recorded`] is behind its tap.
fn ports(nodes: &[Rumormill]) -> Vec<SocketAddr> {
    let mut ports: Vec<_> = nodes.iter().map(|node| node.identity().gossip).collect();
    if let Some(last) = ports.last_mut() {
        last.set_ip([127, 0, 0, 2].into());
    }
    ports
}

/// A counter of all nodes together.
fn sum(nodes: &[Rumormill], counter: impl Fn(&rumormill::core::Stats) -> u64) -> u64 {
    nodes.iter().map(|node| counter(&node.status().counters)).sum()
}

/// Sends datagrams, and now and then waits until the nodes have taken in what was sent: the
/// system drops what is too much for its buffers.
struct Sender {
    socket: UdpSocket,
    sent: u64,
}

impl Sender {
    async fn new() -> Self {
        Self { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), sent: 0 }
    }

    async fn send(&mut self, nodes: &[Rumormill], to: SocketAddr, bytes: &[u8]) {
        let received = |nodes: &[Rumormill]| -> u64 {
            nodes.iter().map(|node| node.status().traffic.received_messages).sum()
        };
        let before = if self.sent % 32 == 31 { received(nodes) } else { 0 };
        self.socket.send_to(bytes, to).await.unwrap();
        self.sent += 1;
        if before > 0 {
            until("it arrives", || received(nodes) > before).await;
        }
    }
}

/// Header of a packet from `sender` of the default cluster.
fn header(sender: u64) -> Vec<u8> {
    let mut bytes = vec![rumormill_core::wire::Versions::FIRST.lowest()];
    bytes.extend(Keyed::for_cluster("rumormill").tag().to_le_bytes());
    bytes.extend(sender.to_le_bytes());
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn recorded_datagrams_sent_again_change_nothing() {
    let panics = count_panics();
    let (nodes, copies) = recorded().await;
    let (digest, len) = (nodes[0].status().digest, nodes[0].len());
    let stats = |counter: fn(&rumormill::core::Stats) -> u64| sum(&nodes, counter);
    let before = (
        stats(|s| s.entries_stale + s.tree_duplicates),
        stats(|s| s.dropped_own),
        stats(|s| s.update_copies),
        stats(|s| s.entries_new),
    );
    let mut sender = Sender::new().await;
    let mut rng = Rng(1);
    for _ in 0..6000 {
        let datagram = &copies[rng.below(copies.len())];
        sender.send(&nodes, ports(&nodes)[rng.below(3)], datagram).await;
    }
    agree(&nodes).await;
    for node in &nodes {
        assert_eq!((node.status().digest, node.len()), (digest.clone(), len));
        assert!(node.get("0/1").is_none() && node.get("gone/1/1").is_none(), "no resurrection");
        assert_eq!(node.get("1/1").unwrap().value(), Some(b"last".as_slice()));
    }
    assert_eq!(stats(|s| s.entries_new), before.3, "nothing was new");
    assert!(stats(|s| s.entries_stale + s.tree_duplicates) > before.0 + 100);
    assert!(stats(|s| s.dropped_own) > before.1 + 100);
    // What is young is passed on once more, a branch may be tried three times; no avalanche.
    let copies = stats(|s| s.update_copies) - before.2;
    assert!(copies < 6 * 6000, "{copies} copies sent for 6,000 datagrams");
    until("all see all", || {
        nodes.iter().all(|n| (n.status().members.alive, n.status().members.left) == (3, 1))
    })
    .await;
    assert_eq!(count_panics(), panics);
}

/// Bends a datagram: cut, lengthened, or with bits turned over.
fn bend(datagram: &[u8], rng: &mut Rng) -> Vec<u8> {
    let mut bent = datagram.to_vec();
    match rng.below(4) {
        0 => bent.truncate(rng.below(datagram.len())),
        1 => {
            let more = rng.below(40);
            bent.extend(rng.bytes(more));
        }
        2 => {
            let at = rng.below(bent.len());
            bent.truncate(at);
            bent.extend(rng.bytes(datagram.len() - at));
        }
        _ => {
            for _ in 0..=rng.below(3) {
                let at = rng.below(bent.len());
                bent[at] ^= 1 << rng.below(8);
            }
        }
    }
    bent
}

#[tokio::test(flavor = "multi_thread")]
async fn bent_and_random_datagrams_are_counted_and_survived() {
    let panics = count_panics();
    let (nodes, copies) = recorded().await;
    // Not those that name members: bent, they would name hosts that have no part in this.
    let plain = |copy: &&Vec<u8>| !copy.windows(3).any(|part| part == [127, 0, 0]);
    let copies: Vec<Vec<u8>> = copies.iter().filter(plain).cloned().collect();
    let before = (
        sum(&nodes, |s| s.dropped_malformed),
        sum(&nodes, |s| s.dropped_strangers),
        sum(&nodes, |s| s.dropped_version),
        sum(&nodes, |s| s.unknown_messages),
    );
    let mut sender = Sender::new().await;
    let mut rng = Rng(2);
    for round in 0..4000 {
        let bytes = match round % 4 {
            0 | 1 => bend(&copies[rng.below(copies.len())], &mut rng),
            2 => {
                let len = [0, 1, 20, 1400, 65_000][rng.below(5)];
                let len = rng.below(len + 1);
                [header(rng.next()), rng.bytes(len)].concat()
            }
            _ => {
                // A message of a kind that nobody knows, and a version that nobody speaks.
                let mut bytes = [header(7), vec![200, 3, 1, 2, 3]].concat();
                bytes[0] = [1, 2, 77][rng.below(3)];
                bytes
            }
        };
        sender.send(&nodes, ports(&nodes)[rng.below(3)], &bytes).await;
    }
    for (name, now, then) in [
        ("malformed", sum(&nodes, |s| s.dropped_malformed), before.0),
        ("strangers", sum(&nodes, |s| s.dropped_strangers), before.1),
        ("version", sum(&nodes, |s| s.dropped_version), before.2),
        ("unknown", sum(&nodes, |s| s.unknown_messages), before.3),
    ] {
        println!("{name}: {}", now - then);
        assert!(now > then + 50, "{name}: {then}, then {now}");
    }
    nodes[1].set("afterwards", "1").await.unwrap();
    until("a write still spreads", || nodes.iter().all(|n| n.get("afterwards").is_some())).await;
    agree(&nodes).await;
    until("all see all", || nodes.iter().all(|n| n.status().members.alive == 3)).await;
    assert_eq!(count_panics(), panics);
}

/// A stream to a node's gossip port that has said the greeting of a cluster.
async fn greeted(to: SocketAddr, cluster: &str) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let mut bytes = b"RMS1".to_vec();
    bytes.extend(Keyed::for_cluster(cluster).tag().to_le_bytes());
    bytes.push(11);
    bytes.extend(b"127.0.0.1:9");
    stream.write_all(&bytes).await.unwrap();
    stream
}

async fn frame(stream: &mut TcpStream, bytes: &[u8]) {
    let len = u32::try_from(bytes.len()).unwrap();
    stream.write_all(&len.to_le_bytes()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
}

/// Waits for the end of a stream, however the node says it.
async fn ends(mut stream: TcpStream) {
    let read = async { while stream.read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {} };
    let ended = tokio::time::timeout(crate::support::PATIENCE, read).await;
    assert!(ended.is_ok(), "the node keeps the stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_with_lies_in_them_end_and_are_counted() {
    let panics = count_panics();
    let nodes = cluster(2, |_| quick()).await;
    let to = nodes[0].identity().gossip;
    let counters = || nodes[0].status().counters;
    let shed = || nodes[0].status().traffic.shed_messages;

    let before = shed();
    for _ in 0..10 {
        ends(greeted(to, "another cluster").await).await;
    }
    until("strangers' streams are counted", || shed() >= before + 10).await;

    for length in [u32::MAX, 1 << 30, 9 << 20] {
        let mut stream = greeted(to, "rumormill").await;
        stream.write_all(&length.to_le_bytes()).await.unwrap();
        ends(stream).await;
    }

    let before = counters();
    let mut stream = greeted(to, "rumormill").await;
    let mut rng = Rng(3);
    for _ in 0..50 {
        frame(&mut stream, &[]).await;
        let len = rng.below(3000);
        let body = rng.bytes(len);
        frame(&mut stream, &[header(9), vec![255; 11], body].concat()).await;
        frame(&mut stream, &[header(9), vec![200, 1, 1]].concat()).await;
    }
    until("every frame is counted", || {
        let now = counters();
        now.dropped_strangers >= before.dropped_strangers + 50
            && now.dropped_malformed + now.unknown_messages
                >= before.dropped_malformed + before.unknown_messages + 100
    })
    .await;

    // Two that dial each other at the same moment have two streams: both are read.
    let before = counters().unknown_messages;
    let mut both = [greeted(to, "rumormill").await, greeted(to, "rumormill").await];
    for number in 0..20 {
        frame(&mut both[number % 2], &[header(9), vec![200, 1, 1]].concat()).await;
    }
    until("both are read", || counters().unknown_messages == before + 20).await;

    // Frames that are never finished: some streams are cut, others stay as they are.
    let mut held = Vec::new();
    for number in 0..100 {
        let mut stream = greeted(to, "rumormill").await;
        stream.write_all(&(8_u32 << 20).to_le_bytes()).await.unwrap();
        stream.write_all(&[1; 100]).await.unwrap();
        if number % 2 == 0 {
            held.push(stream);
        }
    }
    let large = vec![7_u8; 1 << 20];
    for node in &nodes {
        node.set(&node.identity().name, &large).await.unwrap();
    }
    until("large values still travel", || nodes.iter().all(|node| node.len() == 2)).await;
    agree(&nodes).await;
    until("the cut streams are counted", || counters().streams_lost >= 50).await;
    drop(held);
    until("and the others once they end", || counters().streams_lost >= 100).await;
    assert_eq!(count_panics(), panics);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_with_a_seed_gets_nowhere() {
    let nodes = cluster(2, |_| quick()).await;
    nodes[0].set("ours", "1").await.unwrap();
    let mut config = rumormill::core::Config { cluster: "other".into(), ..Default::default() };
    config.member.rejoin_interval = Duration::from_millis(20);
    let seed = [nodes[0].identity().gossip.to_string()];
    let stranger = Rumormill::builder().config(config).join(seed).start().await.unwrap();
    stranger.set("theirs", "1").await.unwrap();
    until("it is counted again and again", || nodes[0].status().counters.dropped_strangers >= 10)
        .await;
    agree(&nodes).await;
    assert_eq!((nodes[0].len(), nodes[0].status().members.alive), (1, 2));
    assert_eq!((stranger.len(), stranger.status().members.alive), (1, 1));
}
