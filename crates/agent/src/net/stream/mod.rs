//! Streams to peers: opened when needed, closed when idle, and shared both ways if they are sealed.
//!
//! Every queue is bounded. A peer that reads slower than it is written to loses frames, which are
//! counted; anti-entropy makes up for them. A peer that sends faster than this node applies is
//! slowed down by the stream itself.

mod carry;
mod intake;
mod link;
mod open;

pub(crate) use intake::Intake;
pub(crate) use link::{Link, StreamEvent};

use super::Counters;
use crate::seal::{ClusterKey, ClusterRing, Lock};
use link::{Shared, Waiting};
use open::{accept, dial};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

/// Bytes queued for one peer at most: one largest frame and some.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes queued for all peers at most: who asks for much in many names gets no more.
const ALL_QUEUES_BYTES: usize = 256 * 1024 * 1024;
/// Frames waiting for the driver, over all streams.
const INBOX_FRAMES: usize = 32;
/// Streams open at once in either direction: who opens many does not keep this node from opening
/// its own.
const MAX_STREAMS: usize = 4096;
/// Streams whose greeting is under way: who opens many and says nothing takes none of the others.
const MAX_HALF_OPEN: usize = 1024;

/// All streams of a node.
pub(crate) struct Streams {
    own: SocketAddr,
    tag: u32,
    links: HashMap<SocketAddr, Link>,
    /// Streams by which peers send here while another is used to send to them, by number. Both
    /// sides may dial at the same moment, and what has come by either stream must be read.
    spare: HashMap<usize, Link>,
    shared: Shared,
    inbox: mpsc::Receiver<StreamEvent>,
    acceptor: JoinHandle<()>,
}

impl Streams {
    /// Serves `listener`; `own` is the address that peers know this node by.
    pub(crate) fn new(
        listener: TcpListener,
        own: SocketAddr,
        tag: u32,
        counters: Arc<Counters>,
        lock: Option<Arc<Lock>>,
        intake: Arc<Intake>,
    ) -> Self {
        let (events, inbox) = mpsc::channel(INBOX_FRAMES);
        let slots = || Arc::new(Semaphore::new(MAX_STREAMS));
        let shared = Shared {
            events,
            counters,
            numbers: Arc::default(),
            queued: Arc::default(),
            accepted: slots(),
            dialled: slots(),
            half_open: Arc::new(Semaphore::new(MAX_HALF_OPEN)),
            intake,
            lock,
        };
        let acceptor = tokio::spawn(accept(listener, tag, shared.clone()));
        let (links, spare) = (HashMap::new(), HashMap::new());
        Self { own, tag, links, spare, shared, inbox, acceptor }
    }

    /// Bytes that have come and wait to be understood, and frames that had to make room.
    pub(crate) fn incoming(&self) -> (u64, u64) {
        self.shared.intake.read()
    }

    /// What has happened.
    pub(crate) async fn next(&mut self) -> StreamEvent {
        match self.inbox.recv().await {
            Some(event) => event,
            // Not while `shared` holds a sender.
            None => std::future::pending().await,
        }
    }

    /// What has happened already.
    pub(crate) fn try_next(&mut self) -> Option<StreamEvent> {
        self.inbox.try_recv().ok()
    }

    /// Queues a frame for a peer, dialling it if there is no stream yet. With a key it goes sealed
    /// or not at all.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>, key: Option<&Arc<ClusterKey>>) {
        let Self { own, tag, links, spare, shared, .. } = self;
        // One that has just ended takes nothing more, and a plain one nothing that is to be sealed.
        let fits = |link: &&Link| !link.frames.is_closed() && (link.key.is_some() || key.is_none());
        let open = links.get(&to).filter(fits);
        let all = shared.queued.load(Ordering::Relaxed) + bytes.len();
        let full = match open {
            Some(link) => link.backlog.bytes.load(Ordering::Relaxed) + bytes.len() > QUEUE_BYTES,
            None => links.len() >= 2 * MAX_STREAMS,
        };
        if full || all > ALL_QUEUES_BYTES {
            return shared.counters.shed();
        }
        if open.is_none() {
            let link = dial(to, *own, *tag, key.cloned(), shared.clone());
            // What still comes by the one before is read.
            spare.extend(links.insert(to, link).map(|held| (held.number, held)));
        }
        let Some(link) = links.get(&to) else { return };
        let (backlog, all) = (Arc::clone(&link.backlog), Arc::clone(&shared.queued));
        backlog.bytes.fetch_add(bytes.len(), Ordering::Relaxed);
        all.fetch_add(bytes.len(), Ordering::Relaxed);
        // An error means that it has ended meanwhile; the frame is counted as lost.
        if link.frames.send(Waiting { bytes, sent: false, backlog, all }).is_err() {
            shared.counters.shed();
        }
    }

    /// Keeps the link of a peer that has dialled. It is sent by only if there is no other and who
    /// dialled has proved to have a key: anyone may say of himself that he is at an address.
    pub(crate) fn keep(&mut self, from: SocketAddr, link: Link) {
        let held = self.links.get(&from).filter(|held| !held.frames.is_closed());
        if link.key.is_some() && held.is_none_or(|held| link.key.is_some() && held.key.is_none()) {
            let held = self.links.insert(from, link);
            self.spare.extend(held.map(|held| (held.number, held)));
        } else {
            self.spare.insert(link.number, link);
        }
    }

    /// Ends the streams of keys that the ring no longer holds.
    pub(crate) fn retain(&mut self, ring: &ClusterRing) {
        let holds = |link: &Link| link.key.is_none_or(|key| ring.get(key).is_some());
        self.links.retain(|_, link| holds(link));
        self.spare.retain(|_, link| holds(link));
    }

    /// Ends all sealed streams; they are dialled again when there is something to send.
    pub(crate) fn end_sealed(&mut self) {
        self.links.retain(|_, link| link.key.is_none());
        self.spare.retain(|_, link| link.key.is_none());
    }

    /// Forgets a link that has ended.
    pub(crate) fn forget(&mut self, to: SocketAddr, number: usize) {
        if self.links.get(&to).is_some_and(|link| link.number == number) {
            self.links.remove(&to);
        }
        self.spare.remove(&number);
    }
}

impl Streams {
    /// Stops listening; the port is free when this returns.
    pub(crate) async fn close(mut self) {
        self.acceptor.abort();
        // Ends with an error, since it was aborted.
        let _ = (&mut self.acceptor).await;
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seal::{Encryption, Key, KeyRing};
    use rumormill_core::NodeId;
    use std::time::Duration;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    fn intake() -> Arc<Intake> {
        Arc::new(Intake::new(64 << 20))
    }

    async fn streams() -> (SocketAddr, Streams) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        (own, Streams::new(listener, own, 7, Arc::default(), None, intake()))
    }

    /// Streams of a node with a key.
    async fn locked(mode: Encryption, id: u64, key: u8) -> (SocketAddr, Streams) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        let ring = ClusterRing::new(KeyRing::new(Key::from_bytes([key; 32])), "c");
        let lock = Arc::new(Lock::new(mode, NodeId(id), ring));
        (own, Streams::new(listener, own, 7, Arc::default(), Some(lock), intake()))
    }

    fn key(streams: &Streams) -> Option<Arc<ClusterKey>> {
        streams.shared.lock.as_ref()?.ring().keys().first().cloned()
    }

    /// A frame as if it came from this node.
    fn from_node(id: u8, len: usize) -> Vec<u8> {
        let mut frame = vec![1; len];
        frame[5..13].copy_from_slice(&u64::from(id).to_le_bytes());
        frame
    }

    /// Takes events until so many frames have come; what they were.
    async fn frames(streams: &mut Streams, count: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.len() < count {
            match timeout(Duration::from_secs(20), streams.next()).await.unwrap() {
                StreamEvent::Frame { bytes, .. } => frames.push(bytes),
                StreamEvent::Accepted { from, link, .. } => streams.keep(from, link),
                StreamEvent::Closed { to, number, lost } => {
                    assert!(!lost, "the stream to {to} was lost");
                    streams.forget(to, number);
                }
            }
        }
        frames
    }

    #[tokio::test]
    async fn two_that_dial_each_other_at_once_lose_nothing() {
        let ((one, mut first), (other, mut second)) = (streams().await, streams().await);
        for round in 0..100_u8 {
            first.send(other, vec![round; 50_000], None);
            second.send(one, vec![round; 50_000], None);
        }
        let (got, also) = tokio::join!(frames(&mut first, 100), frames(&mut second, 100));
        let sent: Vec<Vec<u8>> = (0..100).map(|round| vec![round; 50_000]).collect();
        assert!(got == sent && also == sent);
        assert_eq!(first.shared.queued.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn sealed_streams_carry_frames_of_their_ends_only() {
        let (one, mut first) = locked(Encryption::Require, 1, 1).await;
        let (other, mut second) = locked(Encryption::Require, 2, 1).await;
        let key = key(&first);
        for len in [13, 100, 100_000] {
            first.send(other, from_node(1, len), key.as_ref());
            second.send(one, from_node(2, len), key.as_ref());
        }
        let (got, also) = tokio::join!(frames(&mut first, 3), frames(&mut second, 3));
        assert!(got == [13, 100, 100_000].map(|len| from_node(2, len)));
        assert!(also == [13, 100, 100_000].map(|len| from_node(1, len)));
        // A member that has the key and lies about who it is.
        let forged = || second.shared.lock.as_ref().unwrap().counters.refusals().forged;
        assert_eq!(forged(), 0);
        first.send(other, from_node(3, 50), key.as_ref());
        while forged() == 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn who_has_no_key_or_another_gets_no_stream() {
        let (to, mut node) = locked(Encryption::Require, 1, 1).await;
        let refusals = |node: &Streams| node.shared.lock.as_ref().unwrap().counters.refusals();
        let (_, mut plain) = streams().await;
        plain.send(to, vec![1; 20], None);
        let (_, mut stranger) = locked(Encryption::Require, 2, 2).await;
        let other_key = key(&stranger);
        stranger.send(to, from_node(2, 20), other_key.as_ref());
        for streams in [&mut plain, &mut stranger] {
            let ended = timeout(Duration::from_secs(20), streams.next()).await.unwrap();
            assert!(matches!(ended, StreamEvent::Closed { .. }));
        }
        let expected = crate::seal::Refusals { plaintext: 1, unknown_key: 1, ..Default::default() };
        assert_eq!(refusals(&node), expected);
        assert!(node.try_next().is_none());
    }

    #[tokio::test]
    async fn a_plain_stream_takes_nothing_that_is_to_be_sealed() {
        let (one, mut first) = locked(Encryption::Send, 1, 1).await;
        let (other, mut second) = locked(Encryption::Accept, 2, 1).await;
        second.send(one, from_node(2, 20), None);
        assert_eq!(frames(&mut first, 1).await, [from_node(2, 20)]);
        let key = key(&first);
        first.send(other, from_node(1, 20), key.as_ref());
        let mut sealed = None;
        while sealed.is_none() {
            match second.next().await {
                StreamEvent::Frame { sealed: came, .. } => sealed = Some(came),
                StreamEvent::Accepted { from, link, .. } => second.keep(from, link),
                StreamEvent::Closed { .. } => {}
            }
        }
        assert_eq!(sealed, Some(true));
    }

    #[tokio::test]
    async fn what_is_for_an_address_goes_there_and_not_to_who_says_that_it_is_there() {
        let ((to, mut node), (other, mut member)) = (streams().await, streams().await);
        let mut liar = TcpStream::connect(to).await.unwrap();
        crate::frame::greet(&mut liar, 7, other).await.unwrap();
        match timeout(Duration::from_secs(20), node.next()).await.unwrap() {
            StreamEvent::Accepted { from, link, .. } if from == other => node.keep(from, link),
            _ => panic!("somebody says that it is the other"),
        }
        node.send(other, vec![1; 100_000], None);
        assert_eq!(frames(&mut member, 1).await, [vec![1; 100_000]]);
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_dialled_again() {
        let ((_, mut first), (other, mut second)) = (streams().await, streams().await);
        first.send(other, vec![1], None);
        assert_eq!(frames(&mut second, 1).await, [[1]]);
        // The other end goes; its address is served by another.
        drop(second);
        while !first.links.values().all(|link| link.frames.is_closed()) {
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind(other).await.unwrap();
        let mut third = Streams::new(listener, other, 7, Arc::default(), None, intake());
        // The end of the first stream has not been heard of yet.
        first.send(other, vec![2], None);
        assert_eq!(frames(&mut third, 1).await, [[2]]);
    }

    #[tokio::test]
    async fn what_is_queued_is_bounded_for_each_and_for_all() {
        let (_, mut streams) = streams().await;
        // Nobody listens there, and the tasks that dial do not run before this test waits.
        let peer = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=40 {
            (0..3).for_each(|_| streams.send(peer(port), vec![0; 7 * 1024 * 1024], None));
        }
        let queued = streams.shared.queued.load(Ordering::Relaxed);
        assert!((200 << 20..=ALL_QUEUES_BYTES).contains(&queued), "{queued} bytes are queued");
        let most = streams.links.values().map(|link| link.backlog.bytes.load(Ordering::Relaxed));
        assert_eq!(most.max(), Some(14 * 1024 * 1024));
        streams.links.clear();
        while streams.shared.queued.load(Ordering::Relaxed) > 0 {
            let _ = streams.next().await;
        }
    }
}
