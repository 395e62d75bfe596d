//! What the data folder costs on this machine; see `examples/store_cost.rs`.

use super::{Change, Fsync, Store};
use crate::error::StartError;
use rumormill_core::NodeId;
use rumormill_core::data::{Entry, Space, Stamp};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The cluster that the folders say they belong to.
const CLUSTER: &str = "cost";
/// Bytes of a value.
const VALUE: usize = 64;
/// Entries in a batch of [`fill`].
const BATCH: u64 = 1000;
/// Spreads keys over their whole range, so that none come in order.
const MIX: u64 = 0x9E37_79B9_7F4A_7C15;

/// What it took to open a folder and to read all that is in it.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Entries read.
    pub entries: u64,
    /// Time until it was open.
    pub opened: Duration,
    /// Time until all was read.
    pub loaded: Duration,
}

/// Entries per second that a new folder takes in batches of this many.
///
/// # Errors
/// If the folder cannot be used or written to.
pub fn rate(folder: &Path, fsync: Fsync, batch: u64) -> Result<f64, StartError> {
    let mut store = Store::open(folder, CLUSTER, fsync)?;
    let count = (200_000 / batch.max(1)).min(4000);
    let batches: Vec<_> = (0..count).map(|n| entries(n * batch, batch, 1)).collect();
    let began = Instant::now();
    for batch in &batches {
        store.append(batch)?;
    }
    Ok((count * batch) as f64 / began.elapsed().as_secs_f64())
}

/// Writes so many entries, `round` being their time; how long that took.
///
/// # Errors
/// If the folder cannot be used or written to.
pub fn fill(folder: &Path, count: u64, round: u64) -> Result<Duration, StartError> {
    let mut store = Store::open(folder, CLUSTER, Fsync::Everysec)?;
    let began = Instant::now();
    for from in (0..count).step_by(BATCH as usize) {
        store.append(&entries(from, BATCH.min(count - from), round))?;
    }
    let took = began.elapsed();
    // As if the process were killed: nothing is flushed, and the next start reads the journals. The
    // lock on the folder goes with the process.
    std::mem::forget(store);
    Ok(took)
}

/// Opens a folder and reads all of it.
///
/// # Errors
/// If the folder cannot be used or read.
pub fn start(folder: &Path) -> Result<Start, StartError> {
    let began = Instant::now();
    let mut store = Store::open(folder, CLUSTER, Fsync::Everysec)?;
    let opened = began.elapsed();
    let loaded = store.load(|_, _| ())?;
    Ok(Start { entries: loaded.entries, opened, loaded: began.elapsed() })
}

fn entries(from: u64, count: u64, round: u64) -> Vec<Change> {
    let stamp = Stamp { time: round, node: NodeId(7) };
    let put = |n: u64| {
        let key = format!("key:{:020}", n.wrapping_mul(MIX));
        let entry = Entry::new(key.as_bytes(), &[round as u8; VALUE], stamp, None);
        Change::Put(Space::Data, Arc::new(entry))
    };
    (from..from + count).map(put).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_measurement_has_written_is_read_at_the_start() {
        let folder = tempfile::tempdir().unwrap();
        assert!(rate(folder.path(), Fsync::Everysec, 1000).unwrap() > 0.0);
        let started = start(folder.path()).unwrap();
        assert_eq!(started.entries, 200_000);
        assert!(started.opened <= started.loaded);
    }
}
