//! Streams to peers: opened when needed, shared both ways, closed when idle.
//!
//! Every queue is bounded. A peer that reads slower than it is written to loses frames, which are
//! counted; anti-entropy makes up for them. A peer that sends faster than this node applies is
//! slowed down by the stream itself.

use super::{Counters, frame};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, BufReader, BufWriter};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bytes queued for one peer at most: one largest frame and some.
const QUEUE_BYTES: usize = 16 * 1024 * 1024;
/// Frames waiting for the driver, over all streams.
const INBOX_FRAMES: usize = 32;
/// Streams open at once.
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
    frames: mpsc::UnboundedSender<Vec<u8>>,
    queued: Arc<AtomicUsize>,
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
    slots: Arc<Semaphore>,
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
        let slots = Arc::new(Semaphore::new(MAX_STREAMS));
        let shared = Shared { events, counters, numbers: Arc::default(), slots };
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
        let Self { own, tag, shared, .. } = self;
        let link = self.links.entry(to).or_insert_with(|| dial(to, *own, *tag, shared.clone()));
        let queued = link.queued.fetch_add(bytes.len(), Ordering::Relaxed);
        let len = bytes.len();
        if queued + len > QUEUE_BYTES || link.frames.send(bytes).is_err() {
            link.queued.fetch_sub(len, Ordering::Relaxed);
            shared.counters.shed();
        }
    }

    /// Keeps the link of a peer that has dialled; it is sent by only if there is no other.
    pub(crate) fn keep(&mut self, from: SocketAddr, link: Link) {
        match self.links.entry(from) {
            Entry::Vacant(place) => {
                place.insert(link);
            }
            Entry::Occupied(_) => {
                self.spare.insert(link.number, link);
            }
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

impl Drop for Streams {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

fn link(shared: &Shared) -> (Link, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (frames, queue) = mpsc::unbounded_channel();
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    (Link { number, frames, queued: Arc::default() }, queue)
}

fn dial(to: SocketAddr, own: SocketAddr, tag: u32, shared: Shared) -> Link {
    let (link, queue) = link(&shared);
    let (number, queued) = (link.number, Arc::clone(&link.queued));
    tokio::spawn(async move {
        let ended = async {
            let _slot = slot(&shared)?;
            let mut stream = timeout(CONNECT, TcpStream::connect(to)).await??;
            stream.set_nodelay(true)?;
            frame::greet(&mut stream, tag, own).await?;
            run(stream, to, queue, &queued, &shared).await
        };
        let lost = ended.await.inspect_err(|error| tracing::debug!(%to, %error, "stream lost"));
        let closed = StreamEvent::Closed { to, number, lost: lost.is_err() };
        let _ = shared.events.send(closed).await;
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
    let Ok(_slot) = slot(&shared) else { return };
    let Ok(Ok(from)) = timeout(GREETING, frame::read_greeting(&mut stream, tag)).await else {
        return shared.counters.shed();
    };
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let (link, queue) = link(&shared);
    let (number, queued) = (link.number, Arc::clone(&link.queued));
    if shared.events.send(StreamEvent::Accepted { from, link }).await.is_err() {
        return;
    }
    let lost = run(stream, from, queue, &queued, &shared).await.is_err();
    let _ = shared.events.send(StreamEvent::Closed { to: from, number, lost }).await;
}

fn slot(shared: &Shared) -> io::Result<tokio::sync::SemaphorePermit<'_>> {
    shared.slots.try_acquire().map_err(|_| {
        shared.counters.shed();
        io::Error::other("too many streams")
    })
}

/// Carries frames both ways until either side ends it or nothing has happened for long.
async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    queue: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: &AtomicUsize,
    shared: &Shared,
) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let active = AtomicBool::new(true);
    tokio::select! {
        ended = read(reader, peer, &active, shared) => {
            ended?;
            // The peer has closed: what is still queued will not arrive.
            match queued.load(Ordering::Relaxed) {
                0 => Ok(()),
                _ => Err(io::ErrorKind::BrokenPipe.into()),
            }
        }
        ended = write(writer, queue, queued, &active, shared) => ended,
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
    mut queue: mpsc::UnboundedReceiver<Vec<u8>>,
    queued: &AtomicUsize,
    active: &AtomicBool,
    shared: &Shared,
) -> io::Result<()> {
    let mut writer = BufWriter::with_capacity(16 * 1024, writer);
    loop {
        let bytes = match timeout(IDLE, queue.recv()).await {
            Ok(Some(bytes)) => bytes,
            Err(_) if active.swap(false, Ordering::Relaxed) => continue,
            Ok(None) | Err(_) => return writer.shutdown().await,
        };
        timeout(STALL, frame::write(&mut writer, &bytes)).await??;
        if queue.is_empty() {
            timeout(STALL, writer.flush()).await??;
        }
        queued.fetch_sub(bytes.len(), Ordering::Relaxed);
        shared.counters.sent(frame::len_on_wire(bytes.len()));
    }
}
