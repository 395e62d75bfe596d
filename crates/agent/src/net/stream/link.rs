//! The sending end of a stream, and what all streams of a node share.

use super::intake::{Intake, Room};
use crate::net::Counters;
use crate::seal::{KeyId, Lock};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// What the streams tell the driver.
pub(crate) enum StreamEvent {
    /// A frame came in; the room that it takes is given back with it.
    Frame { from: SocketAddr, bytes: Vec<u8>, sealed: bool, room: Room },
    /// A peer has dialled this node, and proved that it has a key if one is named; what is for it can
    /// go back by the same stream.
    Accepted { from: SocketAddr, link: Link, key: Option<KeyId> },
    /// A stream has ended; `lost` if frames may have been lost.
    Closed { to: SocketAddr, number: usize, lost: bool },
}

/// The sending end of a stream.
pub(crate) struct Link {
    pub(super) number: usize,
    /// The key that its ends proved to have, if it is sealed.
    pub(super) key: Option<KeyId>,
    pub(super) frames: mpsc::UnboundedSender<Waiting>,
    pub(super) backlog: Arc<Backlog>,
}

/// What waits on one stream.
#[derive(Default)]
pub(super) struct Backlog {
    pub(super) bytes: AtomicUsize,
    /// True once something was dropped unsent.
    pub(super) lost: AtomicBool,
}

/// A frame that waits to be sent. It counts until it is dropped.
pub(super) struct Waiting {
    pub(super) bytes: Vec<u8>,
    pub(super) sent: bool,
    pub(super) backlog: Arc<Backlog>,
    pub(super) all: Arc<AtomicUsize>,
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

/// What they share.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) events: mpsc::Sender<StreamEvent>,
    pub(super) counters: Arc<Counters>,
    pub(super) numbers: Arc<AtomicUsize>,
    /// Bytes queued for all peers.
    pub(super) queued: Arc<AtomicUsize>,
    pub(super) accepted: Arc<Semaphore>,
    pub(super) dialled: Arc<Semaphore>,
    pub(super) half_open: Arc<Semaphore>,
    /// Room for what comes in.
    pub(super) intake: Arc<Intake>,
    /// The keys, if there are any.
    pub(super) lock: Option<Arc<Lock>>,
}

/// A new link, and the end of its queue.
pub(super) fn link(
    shared: &Shared,
    key: Option<KeyId>,
) -> (Link, mpsc::UnboundedReceiver<Waiting>) {
    let (frames, queue) = mpsc::unbounded_channel();
    let number = shared.numbers.fetch_add(1, Ordering::Relaxed);
    (Link { number, key, frames, backlog: Arc::default() }, queue)
}

/// Room for one more stream, if there is any.
pub(super) fn slot<'a>(slots: &'a Semaphore, shared: &Shared) -> io::Result<SemaphorePermit<'a>> {
    slots.try_acquire().map_err(|_| {
        shared.counters.shed();
        io::Error::other("too many streams")
    })
}
