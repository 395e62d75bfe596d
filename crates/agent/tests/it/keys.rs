//! Encrypted clusters over real sockets: nothing readable on the way, strangers and replays without
//! effect, moves and rotations that lose nothing.

use crate::support::{PATIENCE, agree, until};
use rumormill::{Builder, Encryption, Key, KeyRing, Rumormill, key_file};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

fn key(byte: u8) -> Key {
    Key::from_bytes([byte; 32])
}

fn ring(bytes: &[u8]) -> KeyRing {
    KeyRing::from_keys(bytes.iter().map(|byte| key(*byte))).unwrap()
}

fn quick() -> Builder {
    let mut config = rumormill::core::Config::default();
    config.member.probe_interval = Duration::from_millis(50);
    config.member.rejoin_interval = Duration::from_millis(50);
    config.repair.interval = Duration::from_millis(50);
    config.repair.idle_interval = Duration::from_millis(200);
    Rumormill::builder().config(config)
}

fn locked(bytes: &[u8]) -> Builder {
    quick().keys(ring(bytes))
}

/// Everything that went through a wire.
type Tape = Arc<Mutex<Vec<Vec<u8>>>>;

fn keep(tape: &Tape, bytes: &[u8]) {
    tape.lock().unwrap_or_else(PoisonError::into_inner).push(bytes.to_vec());
}

fn copies(tape: &Tape) -> Vec<Vec<u8>> {
    tape.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Stands before the gossip ports of nodes, each of which is bound to the same port of another
/// loopback address, and keeps what goes through: datagrams both ways, and streams.
#[derive(Default)]
struct Tap {
    datagrams: Tape,
    streams: Tape,
}

impl Tap {
    /// Starts a node behind the tap.
    async fn start(&self, builder: Builder) -> Rumormill {
        let (front, listener) = loop {
            let front = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            if let Ok(listener) = TcpListener::bind(front.local_addr().unwrap()).await {
                break (front, listener);
            }
        };
        let addr = front.local_addr().unwrap();
        let behind = SocketAddr::from(([127, 0, 0, 2], addr.port()));
        tokio::spawn(lead_datagrams(Arc::new(front), behind, Arc::clone(&self.datagrams)));
        tokio::spawn(lead_streams(listener, behind, Arc::clone(&self.streams)));
        builder.gossip(behind).advertise(addr).start().await.unwrap()
    }
}

async fn lead_datagrams(front: Arc<UdpSocket>, node: SocketAddr, tape: Tape) {
    let mut backs: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut buffer = vec![0; 65_536];
    while let Ok((len, peer)) = front.recv_from(&mut buffer).await {
        keep(&tape, &buffer[..len]);
        if let Entry::Vacant(place) = backs.entry(peer) {
            let back = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
            back.connect(node).await.unwrap();
            let (way, to, tape) = (Arc::clone(&back), Arc::clone(&front), Arc::clone(&tape));
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(len) = way.recv(&mut buffer).await {
                    keep(&tape, &buffer[..len]);
                    let _ = to.send_to(&buffer[..len], peer).await;
                }
            });
            place.insert(back);
        }
        // The node may be gone already.
        let _ = backs[&peer].send(&buffer[..len]).await;
    }
}

async fn lead_streams(listener: TcpListener, node: SocketAddr, tape: Tape) {
    while let Ok((near, _)) = listener.accept().await {
        let Ok(far) = TcpStream::connect(node).await else { continue };
        let ((near_from, near_to), (far_from, far_to)) = (near.into_split(), far.into_split());
        for (mut from, mut to) in [(near_from, far_to), (far_from, near_to)] {
            let tape = Arc::clone(&tape);
            tokio::spawn(async move {
                let mut buffer = vec![0; 65_536];
                while let Ok(len) = from.read(&mut buffer).await
                    && len > 0
                {
                    keep(&tape, &buffer[..len]);
                    if to.write_all(&buffer[..len]).await.is_err() {
                        break;
                    }
                }
                let _ = to.shutdown().await;
            });
        }
    }
}

fn contains(all: &[Vec<u8>], text: &str) -> bool {
    // Pieces of streams are put together: a word may be cut between two reads.
    let whole: Vec<u8> = all.concat();
    whole.windows(text.len()).any(|part| part == text.as_bytes())
}

/// A cluster with something to read on its wires. All nodes are behind the tap: whoever dials, it
/// hears the stream.
async fn talkative(make: impl Fn() -> Builder) -> (Vec<Rumormill>, Tap) {
    let tap = Tap::default();
    let first = tap.start(make().name("tapped-name")).await;
    first.set("early-key", "early-value").await.unwrap();
    // The others fetch it in bulk, by stream.
    for n in 0..3000 {
        first.set(format!("bulk-key/{n}"), "bulk-value".repeat(10)).await.unwrap();
    }
    let seed = [first.identity().gossip.to_string()];
    let mut nodes = Vec::new();
    for n in 0..2 {
        nodes.push(tap.start(make().name(format!("n{n}")).join(seed.clone())).await);
    }
    nodes.push(first);
    until("all see all", || nodes.iter().all(|n| n.status().members.alive == 3)).await;
    nodes[1].set("large-key", "large-value".repeat(90_000)).await.unwrap();
    for n in 0..300 {
        nodes[n % 3].set(format!("small-key/{n}"), "small-value").await.unwrap();
    }
    until("everything everywhere", || nodes.iter().all(|node| node.len() == 3302)).await;
    agree(&nodes).await;
    (nodes, tap)
}

const WORDS: [&str; 8] = [
    "early-key",
    "early-value",
    "bulk-value",
    "small-key/",
    "small-value",
    "large-value",
    "tapped-name",
    "127.0.0.1",
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_on_the_wires_can_be_read() {
    // What the tap would see without keys, to know that it sees.
    let (nodes, tap) = talkative(quick).await;
    let (datagrams, streams) = (copies(&tap.datagrams), copies(&tap.streams));
    assert!(contains(&datagrams, "small-value") && contains(&datagrams, "tapped-name"));
    assert!(contains(&streams, "bulk-value"));
    for node in nodes {
        node.shutdown().await;
    }
    let (nodes, tap) = talkative(|| locked(&[1])).await;
    let (datagrams, streams) = (copies(&tap.datagrams), copies(&tap.streams));
    let bytes = streams.concat().len();
    assert!(datagrams.len() > 50 && bytes > 300_000, "{}, {bytes}", datagrams.len());
    for word in WORDS {
        assert!(!contains(&datagrams, word) && !contains(&streams, word), "{word}");
    }
    let limit = rumormill::core::Config::default().limits.datagram;
    assert!(datagrams.iter().all(|datagram| datagram.len() <= limit && datagram[0] == 0x81));
    let status = nodes[2].status();
    assert_eq!(
        (status.encryption.mode.as_str(), status.encryption.plaintext_received),
        ("require", 0)
    );
    assert_eq!(status.encryption.primary, Some(key(1).id().to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_replays_and_noise_change_nothing_and_are_counted() {
    let (nodes, tap) = talkative(|| locked(&[1])).await;
    let to = nodes[2].identity().gossip;
    let dropped = || nodes[2].status().encryption.dropped;
    let before = nodes[2].status();
    let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();

    // What was said to this node is said again, as it was and bent.
    let tape = copies(&tap.datagrams);
    for (n, datagram) in tape.iter().enumerate() {
        sender.send_to(datagram, to).await.unwrap();
        let mut bent = datagram.clone();
        // In the nonce: what is bent behind it has a number that was seen, and counts as that.
        bent[5 + n % 12] ^= 1 << (n % 8);
        sender.send_to(&bent, to).await.unwrap();
        if n % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
    until("replays are counted", || dropped().replayed > before.encryption.dropped.replayed + 20)
        .await;
    until("forgeries are counted", || dropped().forged > before.encryption.dropped.forged + 20)
        .await;

    // Noise, and datagrams that are too short.
    for n in 0..200_u32 {
        let bytes: Vec<u8> =
            (0..n % 100).map(|at| (n.wrapping_mul(2_654_435_761) >> (at % 24)) as u8).collect();
        sender.send_to(&[&[0x81], bytes.as_slice()].concat(), to).await.unwrap();
        sender.send_to(&[&[1], bytes.as_slice()].concat(), to).await.unwrap();
    }
    until("noise is counted", || dropped().short > 20 && dropped().plaintext > 20).await;

    // Nodes with another key, another name, and without a key.
    let seed = [nodes[2].identity().gossip.to_string()];
    let mut other = rumormill::core::Config { cluster: "other".into(), ..Default::default() };
    other.member.rejoin_interval = Duration::from_millis(20);
    let strangers = [
        locked(&[2]).join(seed.clone()).start().await.unwrap(),
        locked(&[1]).config(other).join(seed.clone()).start().await.unwrap(),
        quick().join(seed.clone()).start().await.unwrap(),
    ];
    for (n, stranger) in strangers.iter().enumerate() {
        stranger.set(format!("stranger/{n}"), "x").await.unwrap();
    }
    let plain = dropped().plaintext;
    until("strangers are counted", || {
        let dropped = dropped();
        dropped.unknown_key > 3 && dropped.other_cluster > 3 && dropped.plaintext > plain + 3
    })
    .await;
    assert!(strangers.iter().all(|stranger| stranger.status().members.alive == 1));
    agree(&nodes).await;
    let after = nodes[2].status();
    assert_eq!((after.digest, after.entries), (before.digest, before.entries));
    assert_eq!(after.members, before.members);
    // Nothing of it was parsed.
    assert_eq!(after.counters.dropped_malformed, before.counters.dropped_malformed);
    assert_eq!(after.counters.dropped_strangers, before.counters.dropped_strangers);
}

/// Nodes in folders, which can be restarted with other settings.
struct Fleet {
    folder: tempfile::TempDir,
    nodes: Vec<Mutex<Option<Rumormill>>>,
    at: Vec<SocketAddr>,
}

impl Fleet {
    async fn start(count: usize, make: impl Fn(usize, &Path) -> Builder) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (mut nodes, mut at) = (Vec::new(), Vec::<SocketAddr>::new());
        for n in 0..count {
            let seed = at.first().map(ToString::to_string);
            let node = make(n, folder.path()).name(format!("n{n}")).join(seed);
            let node = node.data(folder.path().join(format!("n{n}"))).start().await.unwrap();
            at.push(node.identity().gossip);
            nodes.push(Mutex::new(Some(node)));
        }
        let fleet = Arc::new(Self { folder, nodes, at });
        fleet.all_see_all().await;
        fleet
    }

    fn node(&self, n: usize) -> Option<Rumormill> {
        self.nodes[n].lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn all(&self) -> Vec<Rumormill> {
        (0..self.nodes.len()).filter_map(|n| self.node(n)).collect()
    }

    async fn all_see_all(&self) {
        let all = self.all();
        until("all see all", || all.iter().all(|n| n.status().members.alive == all.len() as u64))
            .await;
    }

    async fn restart(&self, n: usize, builder: Builder) {
        let node = self.nodes[n].lock().unwrap_or_else(PoisonError::into_inner).take();
        node.unwrap().shutdown().await;
        let builder = builder.name(format!("n{n}")).gossip(self.at[n]);
        let node = builder.data(self.folder.path().join(format!("n{n}"))).start().await.unwrap();
        *self.nodes[n].lock().unwrap_or_else(PoisonError::into_inner) = Some(node);
        self.all_see_all().await;
    }

    /// Writes until told to stop; returns what was acknowledged.
    async fn write(self: Arc<Self>, stop: Arc<AtomicBool>) -> Vec<String> {
        let mut acked = Vec::new();
        for n in 0.. {
            if stop.load(Ordering::Relaxed) && acked.len() > 200 {
                break;
            }
            let key = format!("load/{n}");
            if let Some(node) = self.node(n % self.nodes.len())
                && node.set(&key, &key).await.is_ok()
            {
                acked.push(key);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        acked
    }

    async fn holds(&self, acked: &[String]) {
        let all = self.all();
        until("every acknowledged write everywhere", || {
            all.iter().all(|node| acked.iter().all(|key| node.get(key).is_some()))
        })
        .await;
        agree(&all).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_cluster_gets_encrypted_node_by_node_under_load() {
    let fleet = Fleet::start(3, |_, _| quick()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(Arc::clone(&fleet).write(Arc::clone(&stop)));
    for mode in [Encryption::Accept, Encryption::Send, Encryption::Require] {
        for n in 0..3 {
            fleet.restart(n, locked(&[1]).encryption(mode)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    fleet.holds(&load.await.unwrap()).await;
    for node in fleet.all() {
        let status = node.status();
        assert_eq!(status.encryption.mode, "require");
        assert_eq!(status.members.alive, 3);
    }
    // Who has no key is out.
    let seed = [fleet.at[0].to_string()];
    let stranger = quick().join(seed).start().await.unwrap();
    let node = fleet.node(0).unwrap();
    until("it is counted", || node.status().encryption.dropped.plaintext > 2).await;
    assert_eq!(stranger.status().members.alive, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ring_is_rotated_under_load_and_a_late_joiner_gets_in() {
    let with_file = |n: usize, folder: &Path| {
        let path = folder.join(format!("key{n}"));
        if !path.exists() {
            key_file::create(&path, &ring(&[1])).unwrap();
        }
        quick().keys(key_file::read(&path).unwrap()).key_file(path)
    };
    let fleet = Fleet::start(3, with_file).await;
    let stop = Arc::new(AtomicBool::new(false));
    let load = tokio::spawn(Arc::clone(&fleet).write(Arc::clone(&stop)));
    let all = fleet.all();
    let old = key(1).id();
    let ids = |node: &Rumormill| node.status().encryption.keys;

    let new = all[0].add_key(None).await.unwrap().added.unwrap();
    until("all hold the new key", || all.iter().all(|node| ids(node).len() == 2)).await;
    assert!(all.iter().all(|node| ids(node)[0] == old.to_string()));
    // Each is asked through another node. What everyone holds is known a moment later.
    let new_id = new.parse().unwrap();
    let begun = Instant::now();
    while let Err(error) = all[1].use_key(new_id).await {
        assert!(begun.elapsed() < PATIENCE, "the new key can be used: {error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("all use the new key", || all.iter().all(|node| ids(node)[0] == new)).await;

    // One that has the old key alone gets in and learns the rest.
    let seed = [fleet.at[2].to_string()];
    let late = locked(&[1]).name("late").join(seed.clone()).start().await.unwrap();
    until("the late one uses the new key", || ids(&late) == ids(&all[0])).await;
    until("it sees all", || late.status().members.alive == 4).await;

    assert!(all[0].remove_key(new_id, false).await.is_err(), "the primary stays");
    let begun = Instant::now();
    while let Err(error) = all[2].remove_key(old, false).await {
        assert!(begun.elapsed() < PATIENCE, "the old key can be removed: {error}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until("the old key is gone", || {
        all.iter().chain([&late]).all(|node| ids(node) == [new.clone()])
    })
    .await;
    let list = all[1].keyring().await.unwrap();
    assert_eq!((list.primary.as_str(), list.members.len()), (new.as_str(), 4));

    // Who has the old key alone is a stranger now.
    let later = locked(&[1]).join(seed).start().await.unwrap();
    until("it is counted", || all[2].status().encryption.dropped.unknown_key > 2).await;
    assert_eq!(later.status().members.alive, 1);

    // The files are in step: a restart finds the others.
    for n in 0..3 {
        let path = fleet.folder.path().join(format!("key{n}"));
        until("the key file is written", || {
            key_file::read(&path).is_ok_and(|ring| ring.ids() == [new_id])
        })
        .await;
    }
    late.shutdown().await;
    let node = fleet.node(0).unwrap();
    until("it is missed", || node.status().members.dead == 1).await;
    fleet.restart(1, with_file(1, fleet.folder.path())).await;
    stop.store(true, Ordering::Relaxed);
    fleet.holds(&load.await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_do_not_travel_in_the_plain() {
    let node = locked(&[1]).encryption(Encryption::Accept).start().await.unwrap();
    assert!(node.add_key(None).await.unwrap_err().to_string().contains("sends plain"));
    assert_eq!(node.keyring().await.unwrap().mode, "accept");
    let plain = quick().start().await.unwrap();
    assert!(plain.keyring().await.unwrap_err().to_string().contains("keygen"));
    assert_eq!(plain.status().encryption.mode, "off");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_port_wants_a_key_that_is_required() {
    let everywhere = SocketAddr::from(([0, 0, 0, 0], 0));
    let own = SocketAddr::from(([127, 0, 0, 1], 0));
    let open = |builder: Builder| builder.gossip(everywhere).advertise(own).start();
    let error = open(quick()).await.err().unwrap().to_string();
    assert!(error.contains("rumormill keygen FILE") && error.contains("--insecure"), "{error}");
    assert!(open(locked(&[1]).encryption(Encryption::Send)).await.is_err());
    open(locked(&[1])).await.unwrap();
    open(locked(&[1]).encryption(Encryption::Send).insecure(true)).await.unwrap();
    open(quick().insecure(true)).await.unwrap();
}
