//! What the loop last said of the node, for whoever reads without asking it.

use crate::clock::wall_ms;
use crate::report::{
    Alarms, Alone, Handover, MemberCounts, MemberInfo, RingStatus, SeedStatus, Traffic,
};
use rumormill_core::Stats;
use rumormill_core::data::Digest;
use rumormill_core::spread::entropy::Filling;
use rumormill_core::spread::sessions::Totals;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What the loop last said of itself.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub(crate) numbers: Mutex<Numbers>,
    /// By how many milliseconds the node reads its wall clock ahead of the machine's: zero but in
    /// tests.
    pub(crate) clock_off_ms: AtomicI64,
    pub(crate) members: RwLock<Arc<[MemberInfo]>>,
    pub(crate) store: Mutex<String>,
    pub(crate) ring: Mutex<RingStatus>,
    pub(crate) alarms: Mutex<Alarms>,
    /// How far a leave or a stop is, once it was asked for.
    pub(crate) leaving: Mutex<Option<Handover>>,
    /// True once the loop has ended and the store is closed.
    pub(crate) ended: watch::Sender<bool>,
    /// True while this node has others to agree with and has not agreed with any since its start.
    pub(crate) unagreed: AtomicBool,
    /// The names to join by.
    pub(crate) seeds: Mutex<Vec<SeedStatus>>,
    /// That nobody to join was met.
    pub(crate) alone: Mutex<Option<Alone>>,
    /// What is wrong with the key file.
    pub(crate) key_file_error: Arc<Mutex<Option<String>>>,
}

impl Snapshot {
    /// What the node's wall clock reads.
    pub(crate) fn clock_ms(&self) -> u64 {
        wall_ms().saturating_add_signed(self.clock_off_ms.load(Ordering::Relaxed))
    }

    /// Members that are alive or suspected, this node included.
    pub(crate) fn present(&self) -> usize {
        let members = self.numbers.lock().unwrap_or_else(PoisonError::into_inner).members;
        usize::try_from(members.alive + members.suspect).unwrap_or(usize::MAX)
    }

    /// True if the node sees nobody but itself.
    pub(crate) fn is_alone(&self) -> bool {
        self.present() < 2
    }
}

/// Says at its end, however that comes about, that the loop has ended.
pub(crate) struct End(pub(crate) Arc<Snapshot>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.ended.send_replace(true);
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Numbers {
    pub(crate) stats: Stats,
    pub(crate) traffic: Traffic,
    pub(crate) tombstones: u64,
    /// Bytes of what is kept aside.
    pub(crate) strays_bytes: u64,
    pub(crate) digest: Digest,
    pub(crate) members: MemberCounts,
    pub(crate) doubt: u32,
    pub(crate) freshness: Freshness,
    pub(crate) repair: Totals,
    pub(crate) filling: Option<Filling>,
    pub(crate) clock_ahead_ms: Option<i64>,
}

/// How fresh the loop last said that it was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Freshness {
    /// True if there is nobody else.
    pub(crate) alone: bool,
    pub(crate) agreed: Option<Instant>,
    pub(crate) least: Duration,
}
