//! The database in the data folder: how it is set up, opened, written and read.
//!
//! All of fjall is behind this file and `journal`. It keeps entries durable and is read only at the
//! start, so its caches are small and it builds no filters. After an input or output error it takes
//! no more writes until it is opened anew.

use super::change::{Change, Folded, Keys, Place};
use super::error::StoreError;
use super::folder::rename;
use super::fsync::Fsync;
use super::{journal, record};
use fjall::compaction::Leveled;
use fjall::config::{BlockSizePolicy, FilterPolicy, PinningPolicy};
use fjall::{AbstractTree as _, KeyspaceCreateOptions, OwnedWriteBatch, PersistMode};
use rumormill_core::data::Entry;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const FOLDER: &str = "store";
const UNFINISHED: &str = "store.new";
/// One keyspace for all: an idle one would hold back the journals of the busy one.
const KEYSPACE: &str = "entries";
/// The file that fjall writes last when it makes a database.
const VERSION: &str = "version";

const DAMAGED: &str = "restore the data folder, or move it away: the node then comes back under a \
                       new id and gets everything from its peers";

const MIB: u64 = 1024 * 1024;
/// Entries in memory before they go to a table. Small: memory already holds everything once.
const MEMTABLE: u64 = 8 * MIB;
/// All journals together; the smallest that fjall takes. It bounds what a start has to read.
const JOURNALS: u64 = 64 * MIB;
/// Blocks are read once, in order, at the start: large ones are fewer, and need no cache.
const BLOCK: u32 = 32 * 1024;
const CACHE: u64 = MIB;
/// Runs in level 0 before they are merged with all of level 1: many, as nobody looks up single keys
/// and merging rewrites much.
const RUNS: u8 = 12;
/// One to flush, one to compact.
const WORKERS: usize = 2;
const OPEN_FILES: usize = 64;

/// A write waits while more than this is behind. fjall itself waits without end at 4 sealed
/// memtables or 30 runs, even when the worker that would free them has died; one write adds at
/// most two sealed memtables, so below these bounds it never gets there.
const MOST_SEALED: usize = 1;
const MOST_RUNS: usize = 24;
const MOST_ACTIVE: u64 = 4 * MEMTABLE;
const STUCK: Duration = Duration::from_secs(60);
const WAIT: Duration = Duration::from_millis(2);

pub(super) struct Database {
    folder: PathBuf,
    mode: PersistMode,
    open: Option<Open>,
}

struct Open {
    // Before the database, so that it goes first when both are dropped.
    entries: fjall::Keyspace,
    database: fjall::Database,
}

/// What was found in the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// Entries of both maps that were read.
    pub(crate) entries: u64,
    /// Those that are kept aside.
    pub(crate) strays: u64,
    /// Records that could not be read, and were left alone: peers will repair them.
    pub(crate) skipped: u64,
}

impl Database {
    pub(super) fn exists(data: &Path) -> bool {
        data.join(FOLDER).exists()
    }

    /// Opens the database in the data folder; makes it if it is not there.
    pub(super) fn open(data: &Path, fsync: Fsync) -> Result<Self, StoreError> {
        let mode = match fsync {
            Fsync::Everysec => PersistMode::Buffer,
            Fsync::Always => PersistMode::SyncData,
        };
        if !Self::exists(data) {
            make(data)?;
        }
        let mut database = Self { folder: data.join(FOLDER), mode, open: None };
        database.reopen()?;
        Ok(database)
    }

    /// Closes the database, if it is open, and opens it again.
    pub(super) fn reopen(&mut self) -> Result<(), StoreError> {
        self.close();
        if !self.folder.join(VERSION).exists() {
            let reason = format!("its file {VERSION:?} is missing; {DAMAGED}");
            let folder = self.folder.clone();
            return Err(StoreError::Database { action: "open", folder, reason });
        }
        journal::make_whole(&self.folder)?;
        self.open = Some(guarded("open", &self.folder, || Open::new(&self.folder))?);
        Ok(())
    }

    pub(super) fn load(&self, mut each: impl FnMut(Place, Entry)) -> Result<Loaded, StoreError> {
        let open = self.opened()?;
        let mut loaded = Loaded::default();
        guarded("read", &self.folder, || {
            for record in open.entries.iter() {
                let (name, body) = record.into_inner()?;
                if *name == *record::KEPT {
                    continue;
                }
                match record::decode(&name, &body) {
                    Ok((place, entry)) => {
                        match place {
                            Place::Map(_) => loaded.entries += 1,
                            Place::Strays => loaded.strays += 1,
                        }
                        each(place, entry);
                    }
                    Err(error) => {
                        if loaded.skipped == 0 {
                            tracing::warn!(
                                %error, record = %name.escape_ascii(),
                                "a stored record cannot be read and is skipped; peers will repair it"
                            );
                        }
                        loaded.skipped += 1;
                    }
                }
            }
            Ok(())
        })?;
        if loaded.skipped > 0 {
            tracing::warn!(skipped = loaded.skipped, "stored records that cannot be read");
        }
        Ok(loaded)
    }

    /// The bytes that were last kept.
    pub(super) fn kept(&self) -> Result<Option<Vec<u8>>, StoreError> {
        let open = self.opened()?;
        let body = guarded("read", &self.folder, || open.entries.get(record::KEPT))?;
        let kept = body.as_ref().map(|body| record::kept(body).map(<[u8]>::to_vec));
        if kept == Some(None) {
            tracing::warn!("what the node had kept beside its entries is of another version");
        }
        Ok(kept.flatten())
    }

    /// Makes changes as one atomic batch.
    pub(super) fn append(&self, batch: &[Change]) -> Result<(), StoreError> {
        let open = self.opened()?;
        open.wait_for_room(&self.folder)?;
        guarded("write to", &self.folder, || {
            let mut writes = OwnedWriteBatch::with_capacity(open.database.clone(), batch.len())
                .durability(Some(self.mode));
            let folded = Folded::of(batch);
            for (place, keys) in folded.retain {
                open.remove_others(place, keys, &mut writes)?;
            }
            for (place, key) in folded.gone {
                writes.remove(&open.entries, record::name(place, key));
            }
            for (place, entry) in folded.puts {
                let name = record::name(place, entry.key());
                writes.insert(&open.entries, name, record::body(entry));
            }
            if let Some(bytes) = folded.kept {
                writes.insert(&open.entries, record::KEPT, record::kept_body(bytes));
            }
            writes.commit()
        })
    }

    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let open = self.opened()?;
        guarded("force to disk", &self.folder, || open.database.persist(PersistMode::SyncAll))
    }

    fn opened(&self) -> Result<&Open, StoreError> {
        self.open.as_ref().ok_or_else(|| StoreError::Database {
            action: "use",
            folder: self.folder.clone(),
            reason: "it could not be opened again after an earlier error".into(),
        })
    }

    fn close(&mut self) {
        let open = self.open.take();
        // What cannot be flushed any more was never acknowledged.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(open)));
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.close();
    }
}

impl Open {
    fn new(folder: &Path) -> fjall::Result<Self> {
        let database = fjall::Database::builder(folder)
            .cache_size(CACHE)
            .max_journaling_size(JOURNALS)
            .worker_threads(WORKERS)
            .max_cached_files(Some(OPEN_FILES))
            .open()?;
        let entries = database.keyspace(KEYSPACE, || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(MEMTABLE)
                .compaction_strategy(Arc::new(Leveled::default().with_l0_threshold(RUNS)))
                .data_block_size_policy(BlockSizePolicy::all(BLOCK))
                .index_block_pinning_policy(PinningPolicy::disabled())
                .filter_block_pinning_policy(PinningPolicy::disabled())
                .filter_policy(FilterPolicy::disabled())
        })?;
        Ok(Self { entries, database })
    }

    /// Removes entries of a place that have other keys.
    fn remove_others(
        &self,
        place: Place,
        keys: &Keys,
        writes: &mut OwnedWriteBatch,
    ) -> fjall::Result<()> {
        for record in self.entries.iter() {
            let name = record.key()?;
            if record::key_in(place, &name).is_some_and(|key| !keys.has(key)) {
                writes.remove(&self.entries, name);
            }
        }
        Ok(())
    }

    fn backlog(&self) -> (usize, usize, bool) {
        let tree = &self.entries.tree;
        let active = tree.active_memtable().size() > MOST_ACTIVE;
        (tree.sealed_memtable_count(), tree.l0_run_count(), active)
    }

    /// Waits until the workers have caught up.
    fn wait_for_room(&self, folder: &Path) -> Result<(), StoreError> {
        let mut last = self.backlog();
        let mut since = Instant::now();
        while last.0 > MOST_SEALED || last.1 > MOST_RUNS || last.2 {
            // Fails if a worker has died: nobody would ever catch up.
            guarded("write to", folder, || self.database.persist(PersistMode::Buffer))?;
            std::thread::sleep(WAIT);
            let now = self.backlog();
            if now != last {
                (last, since) = (now, Instant::now());
            } else if since.elapsed() > STUCK {
                return Err(StoreError::Database {
                    action: "write to",
                    folder: folder.into(),
                    reason: format!("it has made no progress for {} seconds", STUCK.as_secs()),
                });
            }
        }
        Ok(())
    }
}

/// Makes a database under another name and renames it, so that one that was only half made when
/// the process ended is never taken for a real one.
fn make(data: &Path) -> Result<(), StoreError> {
    let unfinished = data.join(UNFINISHED);
    if unfinished.exists() {
        std::fs::remove_dir_all(&unfinished)
            .map_err(StoreError::io("remove the unfinished", &unfinished))?;
    }
    drop(guarded("make", &unfinished, || Open::new(&unfinished))?);
    rename(&unfinished, &data.join(FOLDER))
}

/// Runs a call into fjall: a panic in it, say over a damaged table, must not end the agent.
fn guarded<T>(
    action: &'static str,
    folder: &Path,
    call: impl FnOnce() -> fjall::Result<T>,
) -> Result<T, StoreError> {
    let reason = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => explain(&error),
        Err(_) => format!("a check inside it failed; if it does so again: {DAMAGED}"),
    };
    Err(StoreError::Database { action, folder: folder.into(), reason })
}

fn explain(error: &fjall::Error) -> String {
    match error {
        fjall::Error::Poisoned => "an earlier write failed (is the disk full?)".into(),
        fjall::Error::Locked => "another process has it open".into(),
        _ => {
            let mut cause: &dyn Error = error;
            while let Some(source) = cause.source() {
                cause = source;
            }
            match cause.is::<std::io::Error>() {
                true => cause.to_string(),
                false => format!("its files are damaged ({cause}); {DAMAGED}"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::{Space, Stamp};

    #[test]
    fn a_record_that_makes_no_sense_is_skipped_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), Fsync::Everysec).unwrap();
        let good = Entry::new(b"good", b"v", Stamp { time: 1, node: NodeId(1) }, None);
        database.append(&[Change::Put(Space::Data, Arc::new(good.clone()))]).unwrap();
        let entries = &database.opened().unwrap().entries;
        for (name, body) in [(&[0, 1][..], &b""[..]), (&[0, 2], &[1, 2, 3]), (&[9], &[9; 100])] {
            entries.insert(name, body).unwrap();
        }
        let mut found = Vec::new();
        let loaded = database.load(|place, entry| found.push((place, entry))).unwrap();
        assert_eq!(loaded, Loaded { entries: 1, strays: 0, skipped: 3 });
        assert_eq!(found, [(Place::DATA, good)]);
    }

    #[test]
    fn a_damaged_table_is_an_error_and_no_panic() {
        let dir = tempfile::tempdir().unwrap();
        let database = Database::open(dir.path(), Fsync::Everysec).unwrap();
        for n in 0..2000_u64 {
            let stamp = Stamp { time: 1, node: NodeId(1) };
            let entry = Arc::new(Entry::new(&n.to_be_bytes(), &[1; 100], stamp, None));
            database.append(&[Change::Put(Space::Data, entry)]).unwrap();
        }
        database.opened().unwrap().entries.rotate_memtable_and_wait().unwrap();
        drop(database);
        let tables = dir.path().join("store/keyspaces/1/tables");
        for item in std::fs::read_dir(&tables).unwrap() {
            let path = item.unwrap().path();
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 3;
            bytes[middle..middle + 100].fill(0xAA);
            std::fs::write(&path, bytes).unwrap();
        }
        let error = Database::open(dir.path(), Fsync::Everysec)
            .and_then(|database| database.load(|_, _| {}))
            .unwrap_err()
            .to_string();
        for words in ["store: its files are damaged", "peers"] {
            assert!(error.contains(words), "{error}");
        }
    }
}
