//! Streams to peers: opened when needed, shared both ways, closed when idle.
//!
//! Every queue is bounded. A peer that reads slower than it is written to loses frames, which are
//! counted; anti-entropy makes up for them. A peer that sends faster than this node applies is
//! slowed down by the stream itself.

use super::{Counters, frame};
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes queued for one peer at most: one largest frame and some.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes queued for all peers at most: who asks for much in many names gets no more.
const ALL_QUEUES_BYTES: usize = 256 * 1024 * 1024;
/// Frames waiting for the driver, over all streams.
const INBOX_FRAMES: usize = 32;
/// Streams open at once in either direction: who opens many does not keep this node from opening
/// its own.
const MAX_STREAMS: usize = 4096;
const CONNECT: Duration = Duration::from_secs(3);
const GREETING: Duration = Duration::from_secs(5);
/// A stream without traffic for this long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// A frame must come or go within this time.
const STALL: Duration = Duration::from_secs(30);

/// What the streams tell the driver.
pub(crate) enum StreamEvent {
    /// A frame came in.
    Frame { from: SocketAddr, bytes: Vec<u8> },
    /// A peer has dialled this node; what is for it can go back by the same stream.
    Accepted { from: SocketAddr, link: Link },
    /// A stream has ended; `lost` if frames may have been lost.
    Closed { to: SocketAddr, number: usize, lost: bool },
}

/// The sending end of a stream.
pub(crate) struct Link {
    number: usize,
    frames: mpsc::UnboundedSender<Waiting>,
    backlog: Arc<Backlog>,
}

/// What waits on one stream.
#[derive(Default)]
struct Backlog {
    bytes: AtomicUsize,
    /// True once something was dropped unsent.
    lost: AtomicBool,
}

/// A frame that waits to be sent. It counts until it is dropped.
struct Waiting {
    bytes: Vec<u8>,
    sent: bool,
    backlog: Arc<Backlog>,
    all: Arc<AtomicUsize>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.backlog.bytes.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        self.all.fetch_sub(self.bytes.len(), Ordering::Relaxed);
        if !self.sent {
            self.backlog.lost.store(true, Ordering::Relaxed);
        }
    }
}

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

#[derive(Clone)]
struct Shared {
    events: mpsc::Sender<StreamEvent>,
    counters: Arc<Counters>,
    numbers: Arc<AtomicUsize>,
    /// Bytes queued for all peers.
    queued: Arc<AtomicUsize>,
    accepted: Arc<Semaphore>,
    dialled: Arc<Semaphore>,
}

impl Streams {
    /// Serves `listener`; `own` is the address that peers know this node by.
    pub(crate) fn new(
        listener: TcpListener,
        own: SocketAddr,
        tag: u32,
        counters: Arc<Counters>,
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
        };
        let acceptor = tokio::spawn(accept(listener, tag, shared.clone()));
        let (links, spare) = (HashMap::new(), HashMap::new());
        Self { own, tag, links, spare, shared, inbox, acceptor }
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

    /// Queues a frame for a peer, dialling it if there is no stream yet.
    pub(crate) fn send(&mut self, to: SocketAddr, bytes: Vec<u8>) {
        let Self { own, tag, links, shared, .. } = self;
        // One that has just ended takes nothing more.
        let open = links.get(&to).filter(|link| !link.frames.is_closed());
        let all = shared.queued.load(Ordering::Relaxed) + bytes.len();
        let full = match open {
            Some(link) => link.backlog.bytes.load(Ordering::Relaxed) + bytes.len() > QUEUE_BYTES,
            None => links.len() >= 2 * MAX_STREAMS,
        };
        if full || all > ALL_QUEUES_BYTES {
            return shared.counters.shed();
        }
        if open.is_none() {
            links.insert(to, dial(to, *own, *tag, shared.clone()));
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

    /// Keeps the link of a peer that has dialled; it is sent by only if there is no other.
    pub(crate) fn keep(&mut self, from: SocketAddr, link: Link) {
        if self.links.get(&from).is_none_or(|held| held.frames.is_closed()) {
            self.links.insert(from, link);
        } else {
            self.spare.insert(link.number, link);
        }
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

fn link(shared: &Shared) -> (Link, mpsc::UnboundedReceiver<Waiting>) {
    let (frames, queue) = mpsc::unbounded_channel();
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    (Link { number, frames, backlog: Arc::default() }, queue)
}

fn dial(to: SocketAddr, own: SocketAddr, tag: u32, shared: Shared) -> Link {
    let (link, queue) = link(&shared);
    let (number, backlog) = (link.number, Arc::clone(&link.backlog));
    tokio::spawn(async move {
        let ended = async {
            let _slot = slot(&shared.dialled, &shared)?;
            let mut stream = timeout(CONNECT, TcpStream::connect(to)).await??;
            stream.set_nodelay(true)?;
            frame::greet(&mut stream, tag, own).await?;
            run(stream, to, queue, &shared).await
        };
        let ended = ended.await.inspect_err(|error| tracing::debug!(%to, %error, "stream lost"));
        let lost = ended.is_err() || backlog.lost.load(Ordering::Relaxed);
        let _ = shared.events.send(StreamEvent::Closed { to, number, lost }).await;
    });
    link
}

async fn accept(listener: TcpListener, tag: u32, shared: Shared) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely: wait for some to come back.
                tracing::warn!(%error, "cannot accept a stream");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        tokio::spawn(welcome(stream, tag, shared.clone()));
    }
}

async fn welcome(mut stream: TcpStream, tag: u32, shared: Shared) {
    let Ok(_slot) = slot(&shared.accepted, &shared) else { return };
    let Ok(Ok(from)) = timeout(GREETING, frame::read_greeting(&mut stream, tag)).await else {
        return shared.counters.shed();
    };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (link, queue) = link(&shared);
    let (number, backlog) = (link.number, Arc::clone(&link.backlog));
    if shared.events.send(StreamEvent::Accepted { from, link }).await.is_err() {
        return;
    }
    let ended = run(stream, from, queue, &shared).await;
    let lost = ended.is_err() || backlog.lost.load(Ordering::Relaxed);
    let _ = shared.events.send(StreamEvent::Closed { to: from, number, lost }).await;
}

fn slot<'a>(slots: &'a Semaphore, shared: &Shared) -> io::Result<SemaphorePermit<'a>> {
    slots.try_acquire().map_err(|_| {
        shared.counters.shed();
        io::Error::other("too many streams")
    })
}

/// Carries frames both ways until either side ends it or nothing has happened for long.
async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    queue: mpsc::UnboundedReceiver<Waiting>,
    shared: &Shared,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let active = AtomicBool::new(true);
    tokio::select! {
        ended = read(reader, peer, &active, shared) => ended,
        ended = write(writer, queue, &active, shared) => ended,
    }
}

async fn read(
    reader: OwnedReadHalf,
    from: SocketAddr,
    active: &AtomicBool,
    shared: &Shared,
) -> io::Result<()> {
    let mut reader = BufReader::with_capacity(16 * 1024, reader);
    loop {
        // How long a stream may be idle is for the writing half to say.
        let Some(len) = frame::read_len(&mut reader).await? else { return Ok(()) };
        active.store(true, Ordering::Relaxed);
        let bytes = timeout(STALL, frame::read_body(&mut reader, len)).await??;
        shared.counters.received(frame::len_on_wire(len));
        if shared.events.send(StreamEvent::Frame { from, bytes }).await.is_err() {
            return Ok(());
        }
    }
}

async fn write(
    writer: OwnedWriteHalf,
    mut queue: mpsc::UnboundedReceiver<Waiting>,
    active: &AtomicBool,
    shared: &Shared,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(16 * 1024, writer);
    loop {
        let mut frame = match timeout(IDLE, queue.recv()).await {
            Ok(Some(frame)) => frame,
            Err(_) if active.swap(false, Ordering::Relaxed) => continue,
            Ok(None) | Err(_) => return writer.shutdown().await,
        };
        timeout(STALL, frame::write(&mut writer, &frame.bytes)).await??;
        if queue.is_empty() {
            timeout(STALL, writer.flush()).await??;
        }
        frame.sent = true;
        shared.counters.sent(frame::len_on_wire(frame.bytes.len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn streams() -> (SocketAddr, Streams) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap();
        (own, Streams::new(listener, own, 7, Arc::default()))
    }

    /// Takes events until so many frames have come; what they were.
    async fn frames(streams: &mut Streams, count: usize) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        while frames.len() < count {
            match timeout(Duration::from_secs(20), streams.next()).await.unwrap() {
                StreamEvent::Frame { bytes, .. } => frames.push(bytes),
                StreamEvent::Accepted { from, link } => streams.keep(from, link),
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
            first.send(other, vec![round; 50_000]);
            second.send(one, vec![round; 50_000]);
        }
        let (got, also) = tokio::join!(frames(&mut first, 100), frames(&mut second, 100));
        let sent: Vec<Vec<u8>> = (0..100).map(|round| vec![round; 50_000]).collect();
        assert!(got == sent && also == sent);
        assert_eq!(first.shared.queued.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_stream_that_has_ended_is_dialled_again() {
        let ((_, mut first), (other, mut second)) = (streams().await, streams().await);
        first.send(other, vec![1]);
        assert_eq!(frames(&mut second, 1).await, [[1]]);
        // The other end goes; its address is served by another.
        drop(second);
        while !first.links.values().all(|link| link.frames.is_closed()) {
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind(other).await.unwrap();
        let mut third = Streams::new(listener, other, 7, Arc::default());
        // The end of the first stream has not been heard of yet.
        first.send(other, vec![2]);
        assert_eq!(frames(&mut third, 1).await, [[2]]);
    }

    #[tokio::test]
    async fn what_is_queued_is_bounded_for_each_and_for_all() {
        let (_, mut streams) = streams().await;
        // Nobody listens there, and the tasks that dial do not run before this test waits.
        let peer = |port| SocketAddr::from(([127, 0, 0, 1], port));
        for port in 1..=40 {
            (0..3).for_each(|_| streams.send(peer(port), vec![0; 7 * 1024 * 1024]));
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
