//! The handle by which a program uses a node.

mod coverage;
mod keyring;
mod members;
mod options;
mod repair;
mod status;
mod strays;
mod watch;

pub use options::{LeaveOptions, SetOptions};
pub use watch::{Watch, WatchError};

use crate::clock::wall_ms;
use crate::command::{Command, Farewell};
use crate::error::WriteError;
use crate::report::Handover;
use crate::seal::Lock;
use crate::snapshot::Snapshot;
use crate::view::View;
use rumormill_core::Identity;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::{Entry, Expiry, Op, Outcome, Refused, Stamp};
use rumormill_core::limits::Limits;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// How long a node that stops waits for a majority to hold what it has written: the two seconds after
/// which that is known, some round trips, and less than anybody waits for a restart.
const STOP: Duration = Duration::from_secs(3);

/// A running node. Clones share it; it stops when [`Rumormill::shutdown`] or [`Rumormill::leave`]
/// is called or the last clone is dropped.
#[derive(Clone)]
pub struct Rumormill {
    pub(crate) shared: Arc<Shared>,
}

/// What the driver's loop and the handles share.
pub(crate) struct Shared {
    pub(crate) identity: Identity,
    pub(crate) cluster: String,
    pub(crate) limits: Limits,
    pub(crate) started: Instant,
    /// True if it began with entries of a data folder.
    pub(crate) restored: bool,
    pub(crate) view: Arc<View>,
    pub(crate) commands: mpsc::Sender<Command>,
    pub(crate) snapshot: Arc<Snapshot>,
    /// The keys, if there are any.
    pub(crate) lock: Option<Arc<Lock>>,
}

impl Rumormill {
    /// The node reads its wall clock so many milliseconds ahead of the machine's from now on, for what
    /// it stamps and admits: for tests.
    #[doc(hidden)]
    pub fn set_clock_off(&self, ms: i64) {
        self.shared.snapshot.clock_off_ms.store(ms, std::sync::atomic::Ordering::Relaxed);
    }

    /// The live entry under a key, from memory.
    #[must_use]
    pub fn get(&self, key: impl AsRef<[u8]>) -> Option<Arc<Entry>> {
        self.shared.view.get(key.as_ref(), wall_ms())
    }

    /// Writes a value; returns when it has reached the operating system (or the disk, with
    /// `fsync = "always"`).
    ///
    /// # Errors
    /// If key or value are too long, the store takes no writes, or the node has shut down.
    pub async fn set(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default()).await
    }

    /// Like [`Rumormill::set`], for a value that hides itself after `ttl`.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_for(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default().ttl(ttl)).await
    }

    /// Like [`Rumormill::set`], for a value that readers see only while this node is a live member:
    /// it is hidden everywhere, and nothing is written, when this node leaves or is held dead, and
    /// back when this node is, with the id of its data folder.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_owned(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<Stamp, WriteError> {
        self.set_with(key, value, SetOptions::default().owned()).await
    }

    /// Like [`Rumormill::set`], with options.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn set_with(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        options: SetOptions,
    ) -> Result<Stamp, WriteError> {
        let (key, value) = (key.as_ref().into(), value.as_ref().into());
        let expiry = options.ttl.map_or(Expiry::Never, |ttl| {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            Expiry::At(wall_ms().saturating_add(ttl))
        });
        let outcome = self.write_one(Op::put(key, value, expiry, options.owned)).await?;
        Ok(outcome.written.map(|entry| entry.stamp()).unwrap_or_default())
    }

    /// Deletes a key; returns whether it was there.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn delete(&self, key: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        let outcome = self.write_one(Op::Delete { key: key.as_ref().into() }).await?;
        Ok(outcome.previous.is_some())
    }

    /// Carries out one operation.
    ///
    /// # Errors
    /// As for [`Rumormill::set`].
    pub async fn write_one(&self, op: Op) -> Result<Outcome, WriteError> {
        let mut outcomes = self.write(vec![op]).await?;
        Ok(outcomes.pop().unwrap_or(Ok(Outcome::default()))?)
    }

    /// Carries out operations in order, as one batch: they travel together. Each succeeds or is
    /// refused by itself; the outer error is about all.
    ///
    /// # Errors
    /// If the store takes no writes or the node has shut down.
    pub async fn write(&self, ops: Vec<Op>) -> Result<Vec<Result<Outcome, Refused>>, WriteError> {
        let (reply, outcomes) = oneshot::channel();
        let command = Command::Write { ops, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        outcomes.await.map_err(|_| WriteError::Closed)?
    }

    /// Up to `limit` live entries whose keys start with `prefix` and come after `after`, in the
    /// order of their keys.
    #[must_use]
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Vec<Arc<Entry>> {
        self.shared.view.scan(prefix, after, limit, wall_ms())
    }

    /// A page of about `count` live entries in hash order from `cursor` on, and the cursor to go on
    /// from; 0 begins and ends. Entries that exist throughout a whole iteration are all returned.
    ///
    /// # Errors
    /// If the node has shut down.
    pub async fn scan_hashed(
        &self,
        cursor: u64,
        count: usize,
    ) -> Result<(u64, Vec<Arc<Entry>>), WriteError> {
        let (reply, page) = oneshot::channel();
        let command = Command::Scan { cursor, count, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        page.await.map_err(|_| WriteError::Closed)
    }

    /// A live entry, each with the same chance, chosen by these random bits. `None` only if there is
    /// none.
    pub(crate) async fn draw(&self, seed: u64) -> Result<Option<Arc<Entry>>, WriteError> {
        let (reply, drawn) = oneshot::channel();
        let command = Command::Draw { seed, reply };
        self.shared.commands.send(command).await.map_err(|_| WriteError::Closed)?;
        let drawn = drawn.await.map_err(|_| WriteError::Closed)?;
        // Where most of what is held is deleted or hidden, few are left to choose among.
        Ok(drawn.or_else(|| self.shared.view.draw(&mut Rng::new(seed), wall_ms())))
    }

    /// Live entries that readers see.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.shared.view.len()
    }

    /// Live entries that will expire.
    #[must_use]
    pub fn expiring(&self) -> u64 {
        self.shared.view.expiring()
    }

    /// True if there are no live entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Changes of keys that start with `prefix`, from now on, from whichever node they come.
    #[must_use]
    pub fn watch(&self, prefix: impl AsRef<[u8]>) -> Watch {
        Watch { prefix: prefix.as_ref().into(), events: self.shared.view.watch() }
    }

    /// Who this node is, with the tags that it began with and the addresses that are really bound.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    /// Bounds on keys and values.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// Tries to join a cluster by these gossip addresses, and again for as long as no member is
    /// known there.
    pub async fn join(&self, seeds: Vec<std::net::SocketAddr>) {
        // An error means that the node has shut down.
        let _ = self.shared.commands.send(Command::Join { seeds }).await;
    }

    /// Hands over what this node has written and its vote in passes of ring repair, tells everyone
    /// that it goes, and stops it; says what was handed over. Writes are refused from now on. The
    /// data folder stays.
    pub async fn leave(&self) -> Handover {
        self.leave_with(LeaveOptions::default()).await
    }

    /// The same, with more to say of it.
    ///
    /// ```
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// use rumormill::{LeaveOptions, Rumormill};
    /// use std::time::Duration;
    ///
    /// let node = Rumormill::builder().start().await?;
    /// let left = node.leave_with(LeaveOptions::default().timeout(Duration::from_secs(2))).await;
    /// assert!(left.missing.is_empty(), "not handed over: {:?}", left.missing);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub async fn leave_with(&self, options: LeaveOptions) -> Handover {
        let LeaveOptions { wait, by } = options;
        self.depart(true, wait, by).await
    }

    /// Stops at once instead, if it is leaving and has not said goodbye yet.
    pub(crate) async fn give_up_leaving(&self) {
        // An error means that the node has shut down.
        let _ = self.shared.commands.send(Command::GiveUpLeaving).await;
    }

    /// How far this node is with leaving or stopping; `None` if nobody has asked for that.
    #[must_use]
    pub fn leaving(&self) -> Option<Handover> {
        self.shared.snapshot.leaving.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Stops the node without a goodbye, as for a restart. Before that it waits, for three seconds at
    /// most, until a majority of the members holds what it has written. Everything acknowledged is
    /// on disk when this returns.
    pub async fn shutdown(&self) {
        self.depart(false, Some(STOP), "the program".into()).await;
    }

    async fn depart(&self, leave: bool, wait: Option<Duration>, by: String) -> Handover {
        let (done, stopped) = oneshot::channel();
        let farewell = Farewell { leave, wait, by, done: Some(done) };
        if self.shared.commands.send(Command::Depart(farewell)).await.is_ok() {
            // An error means that the loop has ended, which is what was asked for.
            return stopped.await.unwrap_or_default();
        }
        // It is ending already: everything is on disk when it has ended.
        let _ = self.shared.snapshot.ended.subscribe().wait_for(|ended| *ended).await;
        self.leaving().unwrap_or_default()
    }
}
