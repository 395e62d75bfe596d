//! The thread that writes: everything that waits goes into one batch, then into one report.
//!
//! When a write fails, a full disk say, what could not be written is kept and tried again every
//! second, while new batches are kept too and reported as failed. What was written but not yet forced
//! to the disk is written again with it: a failed write-back may have dropped it, be it one that we
//! asked for or one inside the database, and a later success would not say so. Only a disk that is
//! full has dropped nothing, as it refuses what is new; and it would be filled by writing all again.

use super::backlog::Backlog;
use super::fsync::Fsync;
use super::{Change, Store, StoreError};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// About as much as one write takes; more than the database holds in memory gains nothing.
const GROUP_BYTES: u64 = 4 * 1024 * 1024;
/// What is kept while the store cannot write, before everything must be written again.
const BACKLOG_BYTES: usize = 64 * 1024 * 1024;
const SYNC_EVERY: Duration = Duration::from_secs(1);
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// What the writer reports, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StoreEvent {
    /// All batches up to `upto` that were not reported before are durable.
    Done {
        /// The largest number among them.
        upto: u64,
    },
    /// The store takes no writes. The batches up to `upto` that were not reported before are not
    /// durable, and nor may be those of the last second; all are kept and tried again.
    Failed {
        /// The largest number handed over so far.
        upto: u64,
        /// Why.
        error: String,
    },
    /// The store takes writes again, and everything that was kept is durable.
    Recovered {
        /// More had failed than could be kept: everything in memory must be submitted again, and
        /// what is not there any more removed.
        needs_rewrite: bool,
    },
}

/// Batches that were submitted and not yet reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) batches: u64,
    /// Keys and values.
    pub(crate) bytes: u64,
}

/// The handle of the writing thread.
pub(crate) struct Writer {
    jobs: Sender<Job>,
    load: Arc<Load>,
    thread: JoinHandle<Result<(), String>>,
}

struct Job {
    seq: u64,
    bytes: u64,
    batch: Vec<Change>,
    /// True if it is to be on the disk before it is reported, and all before it.
    sync: bool,
}

struct Load {
    batches: AtomicU64,
    bytes: AtomicU64,
    /// Times that everything was forced to the disk.
    syncs: AtomicU64,
    began: Instant,
    /// Milliseconds since then at which the thread turned to the disk, and one; 0 while it waits for
    /// work.
    busy: AtomicU64,
}

impl Load {
    fn new() -> Self {
        let (batches, bytes, syncs, busy) = Default::default();
        Self { batches, bytes, syncs, began: Instant::now(), busy }
    }

    fn set_busy(&self, busy: bool) {
        let since = if busy { millis(self.began.elapsed()) + 1 } else { 0 };
        self.busy.store(since, Ordering::Relaxed);
    }

    fn busy_for(&self) -> Option<Duration> {
        let since = self.busy.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.began.elapsed().saturating_sub(Duration::from_millis(since)))
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Writer {
    /// Starts the thread.
    ///
    /// # Errors
    /// If the system has no thread to give.
    pub(crate) fn spawn(store: Store) -> Result<(Self, UnboundedReceiver<StoreEvent>), StoreError> {
        Self::spawn_with(store, BACKLOG_BYTES, SYNC_EVERY)
    }

    pub(super) fn spawn_with(
        store: Store,
        backlog_bytes: usize,
        sync_every: Duration,
    ) -> Result<(Self, UnboundedReceiver<StoreEvent>), StoreError> {
        let (jobs, inbox) = mpsc::channel();
        let (events, reports) = unbounded_channel();
        let load = Arc::new(Load::new());
        let path = store.path().to_path_buf();
        let thread = Thread {
            everysec: store.fsync() == Fsync::Everysec,
            store,
            inbox,
            events,
            load: Arc::clone(&load),
            backlog_bytes,
            sync_every,
            last_seq: 0,
            sync_due: None,
            unsynced: Unsynced::default(),
            failed: None,
        };
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || thread.run())
            .map_err(StoreError::io("start the writer of", &path))?;
        Ok((Self { jobs, load, thread }, reports))
    }

    /// Hands over a batch; `seq` grows from call to call. Never blocks.
    pub(crate) fn submit(&self, seq: u64, batch: Vec<Change>) {
        self.hand_over(seq, batch, false);
    }

    /// The same, for a batch that counts as durable only when it and all before it are safe from a
    /// power cut, whenever others are forced to the disk.
    pub(crate) fn submit_synced(&self, seq: u64, batch: Vec<Change>) {
        self.hand_over(seq, batch, true);
    }

    fn hand_over(&self, seq: u64, batch: Vec<Change>, sync: bool) {
        let bytes = batch.iter().map(Change::size).sum();
        self.load.batches.fetch_add(1, Ordering::Relaxed);
        self.load.bytes.fetch_add(bytes, Ordering::Relaxed);
        // The thread ends only after this sender is gone.
        let _ = self.jobs.send(Job { seq, bytes, batch, sync });
    }

    /// Times that everything was forced to the disk, but for `always`, which does so in each write.
    #[cfg(test)]
    pub(super) fn syncs(&self) -> u64 {
        self.load.syncs.load(Ordering::Relaxed)
    }

    /// What waits, for back-pressure.
    pub(crate) fn pending(&self) -> Pending {
        Pending {
            batches: self.load.batches.load(Ordering::Relaxed),
            bytes: self.load.bytes.load(Ordering::Relaxed),
        }
    }

    /// For how long the disk has been at what it was last asked for; `None` if at nothing.
    pub(crate) fn busy_for(&self) -> Option<Duration> {
        self.load.busy_for()
    }

    /// Writes what waits, forces everything to disk, and closes the store. Blocks.
    ///
    /// # Errors
    /// If something could not be written; it is lost here.
    pub(crate) fn close(self) -> Result<(), String> {
        drop(self.jobs);
        self.thread.join().unwrap_or_else(|_| Err("the store's writer has panicked".into()))
    }
}

struct Thread {
    store: Store,
    inbox: Receiver<Job>,
    events: UnboundedSender<StoreEvent>,
    load: Arc<Load>,
    everysec: bool,
    backlog_bytes: usize,
    sync_every: Duration,
    last_seq: u64,
    /// When to force to disk what was written since the last time.
    sync_due: Option<Instant>,
    unsynced: Unsynced,
    failed: Option<Failed>,
}

/// Changes that were written since everything was last forced to the disk.
#[derive(Default)]
struct Unsynced {
    groups: Vec<Vec<Change>>,
    bytes: u64,
    /// True if there were more than the bound.
    overflown: bool,
}

impl Unsynced {
    fn add(&mut self, group: Vec<Change>, bytes: u64, most_bytes: usize) {
        self.bytes += bytes;
        if self.overflown || self.bytes > most_bytes as u64 {
            *self = Self { overflown: true, ..Self::default() };
        } else {
            self.groups.push(group);
        }
    }

    fn into_backlog(self, most_bytes: usize) -> Backlog {
        let mut backlog = Backlog::default();
        for change in self.groups.iter().flatten() {
            backlog.hold(change, most_bytes);
        }
        if self.overflown {
            backlog.give_up();
        }
        backlog
    }
}

struct Failed {
    error: String,
    /// True if a write was refused, and nothing has failed that had been taken, as far as we know.
    refused: bool,
    /// What had been taken and may be lost.
    unsynced: Backlog,
    /// What was not taken.
    backlog: Backlog,
    retry_at: Instant,
}

impl Failed {
    /// Looks at what the disk says now.
    fn learn(&mut self, cause: &StoreError) {
        if self.refused && cause.is_full() {
            self.unsynced = Backlog::default();
        }
    }
}

impl Thread {
    fn run(mut self) -> Result<(), String> {
        let mut open = true;
        while open {
            let first = match self.next_deadline() {
                None => self.inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.inbox.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            self.load.set_busy(true);
            match first {
                Ok(first) => self.write_group(first),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => open = false,
            }
            let now = Instant::now();
            if self.sync_due.is_some_and(|due| due <= now) {
                self.sync();
            }
            if self.failed.as_ref().is_some_and(|failed| failed.retry_at <= now) {
                self.retry();
            }
            self.load.set_busy(false);
        }
        if self.failed.is_some() {
            self.retry();
        }
        self.sync();
        self.failed.map_or(Ok(()), |failed| Err(failed.error))
    }

    fn next_deadline(&self) -> Option<Instant> {
        let retry = self.failed.as_ref().map(|failed| failed.retry_at);
        self.sync_due.into_iter().chain(retry).min()
    }

    /// Writes a job and those that wait behind it.
    fn write_group(&mut self, first: Job) {
        let (mut batches, mut bytes, mut sync) = (1, first.bytes, first.sync);
        self.last_seq = first.seq;
        let mut group = first.batch;
        while bytes < GROUP_BYTES
            && let Ok(job) = self.inbox.try_recv()
        {
            batches += 1;
            bytes += job.bytes;
            sync |= job.sync;
            self.last_seq = job.seq;
            group.extend(job.batch);
        }
        let result = match &self.failed {
            Some(failed) => Err(failed.error.clone()),
            None => self.store.append(&group).map_err(|error| error.to_string()),
        };
        // Before the report, so that who has heard it sees the room that it made.
        self.load.batches.fetch_sub(batches, Ordering::Relaxed);
        self.load.bytes.fetch_sub(bytes, Ordering::Relaxed);
        match result {
            Ok(()) => {
                if self.everysec && !group.is_empty() {
                    self.sync_due.get_or_insert_with(|| Instant::now() + self.sync_every);
                    self.unsynced.add(group, bytes, self.backlog_bytes);
                }
                // With `always` the write itself was waited for.
                if sync && self.everysec {
                    self.sync();
                }
                if self.failed.is_none() {
                    self.report(StoreEvent::Done { upto: self.last_seq });
                }
            }
            Err(error) => self.fail(error, &group, true),
        }
    }

    fn sync(&mut self) {
        self.sync_due = None;
        if self.failed.is_some() {
            return;
        }
        self.load.syncs.fetch_add(1, Ordering::Relaxed);
        match self.store.sync() {
            Ok(()) => self.unsynced = Unsynced::default(),
            Err(error) => self.fail(error.to_string(), &[], false),
        }
    }

    /// Keeps what could not be written; `refused` if that is all that has failed, as far as we know.
    fn fail(&mut self, mut error: String, group: &[Change], refused: bool) {
        if self.failed.is_none() {
            let mut failed = Failed {
                error: String::new(),
                refused,
                unsynced: std::mem::take(&mut self.unsynced).into_backlog(self.backlog_bytes),
                backlog: Backlog::default(),
                retry_at: Instant::now() + RETRY_EVERY,
            };
            if let Err(cause) = self.store.probe() {
                failed.learn(&cause);
                error = cause.to_string();
            }
            tracing::error!(%error, "the store takes no writes; trying again every second");
            failed.error.clone_from(&error);
            self.failed = Some(failed);
        }
        let Some(failed) = &mut self.failed else { return };
        for change in group {
            failed.backlog.hold(change, self.backlog_bytes);
        }
        self.report(StoreEvent::Failed { upto: self.last_seq, error });
    }

    fn retry(&mut self) {
        let Some(mut failed) = self.failed.take() else { return };
        match self.write_again(&[&failed.unsynced, &failed.backlog]) {
            Ok(()) => {
                tracing::info!("the store takes writes again");
                self.sync_due = None;
                let needs_rewrite = failed.unsynced.overflown() || failed.backlog.overflown();
                self.report(StoreEvent::Recovered { needs_rewrite });
            }
            Err(error) => {
                self.store.probe().unwrap_or_else(|cause| failed.learn(&cause));
                failed.error = error.to_string();
                failed.retry_at = Instant::now() + RETRY_EVERY;
                self.failed = Some(failed);
            }
        }
    }

    fn write_again(&mut self, backlogs: &[&Backlog]) -> Result<(), StoreError> {
        self.store.reopen()?;
        for backlog in backlogs {
            for piece in backlog.pieces(GROUP_BYTES as usize) {
                self.store.append(&piece)?;
            }
        }
        self.store.sync()
    }

    fn report(&self, event: StoreEvent) {
        // Nobody listens any more while the agent shuts down.
        let _ = self.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use super::super::faults::Now;
    use super::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::{Entry, Space, Stamp};
    use std::path::Path;

    fn entry(key: u64, time: u64) -> Change {
        let stamp = Stamp { time, node: NodeId(7) };
        Change::Put(Space::Data, Arc::new(Entry::new(&key.to_be_bytes(), b"value", stamp, None)))
    }

    fn open(dir: &Path, fsync: Fsync) -> Store {
        Store::open(dir, "blue", fsync).unwrap()
    }

    #[test]
    fn every_batch_is_reported_in_order_and_written() {
        for fsync in [Fsync::Everysec, Fsync::Always] {
            let dir = tempfile::tempdir().unwrap();
            let (writer, mut events) = Writer::spawn(open(dir.path(), fsync)).unwrap();
            for seq in 1..=500 {
                let batch = match seq % 10 {
                    0 => Vec::new(),
                    _ => vec![entry(seq, seq), entry(0, seq)],
                };
                writer.submit(seq, batch);
            }
            let mut last = 0;
            while last < 500 {
                match events.blocking_recv() {
                    Some(StoreEvent::Done { upto }) if upto > last => last = upto,
                    other => panic!("{other:?} after {last}"),
                }
            }
            assert_eq!(writer.pending(), Pending::default());
            writer.close().unwrap();
            assert_eq!(events.blocking_recv(), None);
            let mut newest = 0;
            let loaded = open(dir.path(), fsync).load(|_, entry| {
                if entry.key() == [0; 8] {
                    newest = entry.stamp().time;
                }
            });
            assert_eq!((loaded.unwrap().entries, newest), (451, 499));
        }
    }

    #[test]
    fn what_is_to_be_on_the_disk_is_there_before_it_is_reported() {
        let dir = tempfile::tempdir().unwrap();
        let never = Duration::from_secs(1 << 30);
        let store = open(dir.path(), Fsync::Everysec);
        let (writer, mut events) = Writer::spawn_with(store, BACKLOG_BYTES, never).unwrap();
        let mut done = |upto| assert_eq!(events.blocking_recv(), Some(StoreEvent::Done { upto }));
        writer.submit(1, vec![entry(1, 1)]);
        done(1);
        assert_eq!(writer.syncs(), 0);
        let keep = Change::Keep(b"it"[..].into());
        writer.submit_synced(2, vec![entry(2, 2), keep]);
        done(2);
        assert_eq!(writer.syncs(), 1);
        writer.submit(3, vec![entry(3, 3)]);
        done(3);
        assert_eq!(writer.syncs(), 1);
        writer.close().unwrap();
        let mut store = open(dir.path(), Fsync::Everysec);
        assert_eq!(store.load(|_, _| {}).unwrap().entries, 3);
        assert_eq!(store.kept().unwrap().as_deref(), Some(&b"it"[..]));
    }

    /// Wherever the failure shows: in what was asked of the disk, or in a write after it failed on its
    /// own, as inside the database.
    #[test]
    fn what_was_not_forced_to_a_failing_disk_is_written_again() {
        let (lose, refuse, unsynced) = (true, true, true);
        for wrong in [Now { unsynced, ..Now::default() }, Now { refuse, ..Now::default() }] {
            for (most_bytes, needs_rewrite) in [(BACKLOG_BYTES, false), (1, true)] {
                let dir = tempfile::tempdir().unwrap();
                let never = Duration::from_secs(1 << 30);
                let store = open(dir.path(), Fsync::Everysec);
                let faults = store.faults();
                let (writer, mut events) = Writer::spawn_with(store, most_bytes, never).unwrap();
                let mut next = || events.blocking_recv().unwrap();
                writer.submit_synced(1, vec![entry(1, 1)]);
                assert_eq!(next(), StoreEvent::Done { upto: 1 });
                faults.set(Now { lose, ..Now::default() });
                for seq in 2..5 {
                    writer.submit(seq, vec![entry(seq, seq)]);
                    assert_eq!(next(), StoreEvent::Done { upto: seq });
                }
                faults.set(Now { lose, ..wrong });
                writer.submit_synced(5, vec![entry(5, 5)]);
                assert!(matches!(next(), StoreEvent::Failed { upto: 5, .. }));
                faults.set(Now::default());
                let recovered = std::iter::from_fn(|| Some(next()))
                    .find(|event| !matches!(event, StoreEvent::Failed { .. }));
                assert_eq!(recovered, Some(StoreEvent::Recovered { needs_rewrite }));
                writer.close().unwrap();
                let held = open(dir.path(), Fsync::Everysec).load(|_, _| {}).unwrap().entries;
                assert_eq!(held, if needs_rewrite { 1 } else { 5 });
            }
        }
    }

    #[test]
    fn a_disk_that_hangs_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Fsync::Everysec);
        let faults = store.faults();
        let (writer, mut events) = Writer::spawn(store).unwrap();
        faults.set(Now { hang: true, ..Now::default() });
        writer.submit(1, vec![entry(1, 1)]);
        writer.submit(2, vec![entry(2, 2)]);
        let long = Duration::from_millis(50);
        while writer.busy_for().is_none_or(|busy| busy < long) {
            std::thread::yield_now();
        }
        assert!(events.try_recv().is_err() && writer.pending().batches > 0);
        faults.set(Now::default());
        let mut upto = 0;
        while upto < 2 {
            match events.blocking_recv() {
                Some(StoreEvent::Done { upto: done }) => upto = done,
                other => panic!("{other:?}"),
            }
        }
        while writer.busy_for().is_some() {
            std::thread::yield_now();
        }
        writer.close().unwrap();
    }

    #[test]
    fn closing_writes_what_waits() {
        let dir = tempfile::tempdir().unwrap();
        let fsync = Fsync::Everysec;
        let (writer, _events) = Writer::spawn(open(dir.path(), fsync)).unwrap();
        for seq in 1..=100 {
            writer.submit(seq, vec![entry(seq, seq)]);
        }
        writer.close().unwrap();
        let loaded = open(dir.path(), fsync).load(|_, _| {}).unwrap();
        assert_eq!(loaded.entries, 100);
    }
}
