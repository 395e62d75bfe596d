//! The replicated primitive.

use super::stamp::Stamp;
use crate::base::hash::Keyed;
use crate::base::id::NodeId;
use std::fmt;

/// Longest key on the wire and on disk, bytes.
pub const MAX_KEY: usize = 4 * 1024;
/// Longest value on the wire and on disk, bytes; nodes accept up to their configured
/// [`crate::limits::Limits::max_value`] from their own users.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;

/// One key with its latest known write. Immutable; key and value share one allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    stamp: Stamp,
    expires_at: Option<std::num::NonZeroU64>,
    tombstone: bool,
    owned: bool,
    key_len: u16,
    bytes: Box<[u8]>,
}

impl Entry {
    /// A key with a value, hidden from `expires_at` (wall milliseconds, if given) on.
    ///
    /// The caller has checked the lengths: a key is at most [`MAX_KEY`] bytes long.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8], stamp: Stamp, expires_at: Option<u64>) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        // An expiry in 1970 means "at once"; 0 is the one value that cannot be stored.
        let expires_at = expires_at.map(|at| {
            std::num::NonZeroU64::MIN.max(at.try_into().unwrap_or(std::num::NonZeroU64::MIN))
        });
        let key_len = key_len(key);
        Self { stamp, expires_at, tombstone: false, owned: false, key_len, bytes: bytes.into() }
    }

    /// The same, seen only while the node that wrote it is a live member. A tombstone has no owner.
    #[must_use]
    pub fn owned(mut self) -> Self {
        self.owned = !self.tombstone;
        self
    }

    /// A deleted key.
    #[must_use]
    pub fn tombstone(key: &[u8], stamp: Stamp) -> Self {
        let (key_len, bytes) = (key_len(key), key.into());
        Self { stamp, expires_at: None, tombstone: true, owned: false, key_len, bytes }
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.bytes.split_at_checked(usize::from(self.key_len)).map_or(&[], |(key, _)| key)
    }

    /// The value; `None` for a tombstone. Whether it has expired is for [`Entry::live_at`] to say.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        if self.tombstone {
            return None;
        }
        self.bytes.split_at_checked(usize::from(self.key_len)).map(|(_, value)| value)
    }

    /// The stamp.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// True if the entry says that its key was deleted.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.tombstone
    }

    /// The node that must be a live member for the entry to be seen, if it is an owned one: its
    /// writer.
    #[must_use]
    pub fn owner(&self) -> Option<NodeId> {
        self.owned.then_some(self.stamp.node)
    }

    /// When the entry hides itself, wall milliseconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.expires_at.map(std::num::NonZeroU64::get)
    }

    /// True if there is a value at this wall time: no tombstone and not expired. Whether an owned
    /// one is seen is for [`crate::Node::shows`] to say.
    #[must_use]
    pub fn live_at(&self, wall_ms: u64) -> bool {
        !self.tombstone && self.expires_at().is_none_or(|at| at > wall_ms)
    }

    /// Key and value bytes.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The hash that stands for (key, stamp) in digests. The value is not in it: equal stamps mean
    /// the same write.
    #[must_use]
    pub fn item_hash(&self, keyed: &Keyed) -> u128 {
        keyed.hash128(&[&self.stamp.to_bytes(), self.key()])
    }

    /// A hash of all that the entry says, under a seed: see [`crate::data::audit`].
    #[must_use]
    pub fn content_hash(&self, seed: u64) -> u64 {
        let bytes = xxhash_rust::xxh3::xxh3_64_with_seed(&self.bytes, seed);
        let form = u64::from(self.key_len) << 1 | u64::from(self.tombstone);
        let expiry = self.expires_at().unwrap_or(0);
        [self.stamp.time, self.stamp.node.0, form, expiry]
            .into_iter()
            .fold(bytes ^ seed.rotate_left(32), mix)
    }

    /// True if this entry is to be kept where another one claims to be the same write and is not.
    /// Any order does, as long as all nodes have the same: the greater value, and a value rather
    /// than none, so that nothing is lost.
    #[must_use]
    pub fn outweighs(&self, other: &Self) -> bool {
        (self.value(), self.expires_at) > (other.value(), other.expires_at)
    }
}

/// Folds a number into a hash (multiply and fold, as in wyhash).
fn mix(hash: u64, number: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(number ^ 0xd6e8_feb8_6659_fd93);
    hash.rotate_left(23) ^ (product >> 64) as u64 ^ product as u64
}

fn key_len(key: &[u8]) -> u16 {
    debug_assert!(key.len() <= MAX_KEY, "callers check lengths at the door");
    u16::try_from(key.len()).unwrap_or(u16::MAX)
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(self.key());
        match self.value() {
            Some(value) => write!(f, "{key}={} B {}", value.len(), self.stamp),
            None => write!(f, "{key} deleted {}", self.stamp),
        }
    }
}
