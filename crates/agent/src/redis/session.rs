//! What one client has said of itself, and what waits for it: writes and replies.
//!
//! Consecutive writes wait in a batch and go to the node together; whatever must see them commits
//! the batch first, so replies come in the order of the requests.

use super::batch::{Answer, Batch};
use super::clients::Client;
use super::fault::Fault;
use super::server::Server;
use super::stats;
use super::wire::reply::{Out, Proto};
use super::wire::resp::Limits;
use super::wire::stream::Stream;
use super::written::Written;
use rumormill_core::data::{Entry, Op};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;

/// A client may leave this many bytes of replies lying before its requests are left lying.
pub(super) const OUT_BOUND: usize = 32 * 1024 * 1024;
/// The same once all clients together hold too much.
pub(super) const OUT_BOUND_TIGHT: usize = 128 * 1024;

/// Which replies a client wants (`CLIENT REPLY`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Muting {
    On,
    Off,
    /// The command after this one is not answered.
    SkipNext,
    /// This command is not answered.
    Skipping,
}

/// One client's state.
pub(super) struct Session {
    pub server: Arc<Server>,
    pub client: Arc<Client>,
    pub stream: Stream,
    pub out: Out,
    pub batch: Batch,
    /// For `WAIT`.
    pub written: Written,
    pub authenticated: bool,
    pub muting: Muting,
    /// No further requests are read.
    pub closing: bool,
    pub hits: u64,
    pub misses: u64,
    /// Requests since the counters were last settled.
    pub commands: u64,
    /// The number of the last command, as the table has it.
    pub last: Option<u16>,
}

impl Session {
    pub(super) fn new(server: Arc<Server>, client: Arc<Client>, stream: Stream) -> Self {
        Self {
            authenticated: server.options.password.is_none(),
            server,
            client,
            stream,
            out: Out::default(),
            batch: Batch::default(),
            written: Written::default(),
            muting: Muting::On,
            closing: false,
            hits: 0,
            misses: 0,
            commands: 0,
            last: None,
        }
    }

    /// Bounds on the next request.
    pub(super) fn limits(&self) -> Limits {
        if self.authenticated { self.server.limits } else { Limits::UNAUTHENTICATED }
    }

    /// As if newly connected.
    pub(super) fn reset(&mut self) {
        self.authenticated = self.server.options.password.is_none();
        // `RESET` itself may be what `CLIENT REPLY SKIP` spoke of.
        if self.muting != Muting::Skipping {
            self.muting = Muting::On;
            self.out.muted = false;
        }
        self.out.proto = Proto::default();
        self.client.reset();
    }

    /// The live entry under a key, counted as a hit or a miss.
    pub(super) fn read(&mut self, key: &[u8]) -> Option<Arc<Entry>> {
        let entry = self.server.node.get(key);
        match entry {
            Some(_) => self.hits += 1,
            None => self.misses += 1,
        }
        entry
    }

    /// The same for whoever is to be shown the value: refused where there is one that cannot be.
    pub(super) fn read_value(&mut self, key: &[u8]) -> Result<Option<Arc<Entry>>, Fault> {
        match self.read(key) {
            Some(entry) if entry.is_opaque() => Err(Fault::WRONG_TYPE),
            entry => Ok(entry),
        }
    }

    /// Puts operations into the batch, answered together.
    pub(super) fn write(&mut self, ops: impl IntoIterator<Item = Op>, answer: Answer) {
        self.batch.push(ops, answer, self.out.muted);
    }

    /// Sends the batch to the node and writes its replies.
    pub(super) async fn commit(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let muted = self.out.muted;
        let mut done = Box::pin(self.batch.carry_out(&self.server.node)).await;
        done.written().for_each(|entry| self.written.note(entry));
        while done.answer_next(&mut self.out) {
            if self.crowded() {
                self.make_room().await?;
            }
        }
        self.out.muted = muted;
        Ok(())
    }

    /// True if replies pile up, so that nothing more should be done for this client.
    pub(super) fn crowded(&self) -> bool {
        let unsent = self.out.unsent().len();
        unsent > OUT_BOUND || (unsent > OUT_BOUND_TIGHT && self.server.budget.is_spent())
    }

    /// Sends until replies are well below the bound.
    pub(super) async fn make_room(&mut self) -> io::Result<()> {
        self.drain(OUT_BOUND_TIGHT / 2).await
    }

    /// Sends until at most `left` bytes wait.
    ///
    /// # Errors
    /// If the connection broke, or took nothing for the configured time.
    pub(super) async fn drain(&mut self, left: usize) -> io::Result<()> {
        loop {
            self.send()?;
            let unsent = self.out.unsent().len();
            if unsent <= left && !(left == 0 && self.stream.is_pending()) {
                return Ok(());
            }
            let patience = self.server.options.slow_timeout;
            match tokio::time::timeout(patience, self.stream.ready(Interest::WRITABLE)).await {
                Ok(ready) => ready?,
                Err(_) => return Err(self.too_slow(patience)),
            }
        }
    }

    /// Counts a client that takes no replies; the error that ends it.
    pub(super) fn too_slow(&self, patience: Duration) -> io::Error {
        stats::add(&self.server.options.stats.closed_slow, 1);
        let text = format!("the client has taken no replies for {} s", patience.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, text)
    }

    /// Sends as much as the socket takes now.
    pub(super) fn send(&mut self) -> io::Result<()> {
        let mut total = 0;
        while !self.out.unsent().is_empty() {
            match self.stream.try_write(self.out.unsent()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    total += n as u64;
                    self.out.sent(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        stats::add(&self.server.options.stats.sent_bytes, total);
        self.stream.try_flush()
    }

    /// Adds what was counted since the last call to the shared counters.
    pub(super) fn settle(&mut self) {
        if self.commands == 0 {
            return;
        }
        let shared = &self.server.options.stats;
        stats::add(&shared.commands, std::mem::take(&mut self.commands));
        stats::add(&shared.hits, std::mem::take(&mut self.hits));
        stats::add(&shared.misses, std::mem::take(&mut self.misses));
        stats::add(&shared.errors, std::mem::take(&mut self.out.faults));
        self.client.touch(self.last);
    }

    /// After a command: what `CLIENT REPLY` has said of the next ones.
    pub(super) fn unmute(&mut self) {
        match self.muting {
            Muting::On => {}
            Muting::Off => self.out.muted = true,
            Muting::SkipNext => {
                self.muting = Muting::Skipping;
                self.out.muted = true;
            }
            Muting::Skipping => {
                self.muting = Muting::On;
                self.out.muted = false;
            }
        }
    }
}
