//! What came to the gossip port and was not let in, by reason.

use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering};

/// Why something that came in was dropped unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Drop {
    /// Too short to be sealed.
    Short,
    /// Not sealed, where that is required.
    Plaintext,
    /// Sealed with a key that is not in the ring.
    UnknownKey,
    /// Sealed with a key of the ring for a cluster of another name.
    OtherCluster,
    /// Does not open: forged, damaged, or not what it says.
    Forged,
    /// Seen before, or too old to tell.
    Replayed,
    /// Sealed, or begun as a stream, in a way of another version.
    OtherVersion,
}

/// Counters of the lock on the gossip port; shared with the stream tasks.
#[derive(Debug, Default)]
pub(crate) struct DoorCounters {
    plaintext_received: AtomicU64,
    short: AtomicU64,
    plaintext: AtomicU64,
    unknown_key: AtomicU64,
    other_cluster: AtomicU64,
    forged: AtomicU64,
    replayed: AtomicU64,
    other_version: AtomicU64,
}

/// Datagrams and streams that were dropped before anything in them was read, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// Too short to be sealed.
    pub short: u64,
    /// Not sealed, where that is required.
    pub plaintext: u64,
    /// Sealed with a key that this node does not hold.
    pub unknown_key: u64,
    /// Sealed with a key of this node for a cluster of another name.
    pub other_cluster: u64,
    /// Not opened by the key that it names: forged or damaged.
    pub forged: u64,
    /// Seen before.
    pub replayed: u64,
    /// Sealed, or begun as a stream, in a way of another version.
    #[serde(default)]
    pub other_version: u64,
}

impl Refusals {
    /// Every reason with its count.
    #[must_use]
    pub fn all(&self) -> [(&'static str, u64); 7] {
        [
            ("short", self.short),
            ("plaintext", self.plaintext),
            ("unknown_key", self.unknown_key),
            ("other_cluster", self.other_cluster),
            ("forged", self.forged),
            ("replayed", self.replayed),
            ("other_version", self.other_version),
        ]
    }
}

impl DoorCounters {
    pub(crate) fn dropped(&self, why: Drop) {
        let counter = match why {
            Drop::Short => &self.short,
            Drop::Plaintext => &self.plaintext,
            Drop::UnknownKey => &self.unknown_key,
            Drop::OtherCluster => &self.other_cluster,
            Drop::Forged => &self.forged,
            Drop::Replayed => &self.replayed,
            Drop::OtherVersion => &self.other_version,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Something came in plain, let in or not.
    pub(crate) fn came_plain(&self) {
        self.plaintext_received.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn plaintext_received(&self) -> u64 {
        self.plaintext_received.load(Ordering::Relaxed)
    }

    pub(crate) fn refusals(&self) -> Refusals {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Refusals {
            short: read(&self.short),
            plaintext: read(&self.plaintext),
            unknown_key: read(&self.unknown_key),
            other_cluster: read(&self.other_cluster),
            forged: read(&self.forged),
            replayed: read(&self.replayed),
            other_version: read(&self.other_version),
        }
    }
}
