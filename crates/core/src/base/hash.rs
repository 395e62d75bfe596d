//! Hashes, and hash tables whose order is the same on every run.
//!
//! Two kinds, not to be mixed up: [`Keyed`] hashes appear on the wire, so they are the same on
//! every machine and keyed per cluster (an outsider must not be able to construct collisions);
//! the tables hash in memory only.

use siphasher::sip128::{Hasher128 as _, SipHasher13 as SipHasher128};
use std::hash::Hasher as _;

/// Hash state of the in-memory tables: fixed seed, so that iteration repeats.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fixed;

impl std::hash::BuildHasher for Fixed {
    type Hasher = foldhash::fast::FoldHasher<'static>;

    fn build_hasher(&self) -> Self::Hasher {
        foldhash::fast::FixedState::with_seed(0x5275_6d6f_726d_696c).build_hasher()
    }
}

/// A hash map with repeatable iteration order.
pub type Map<K, V> = hashbrown::HashMap<K, V, Fixed>;
/// A hash set with repeatable iteration order.
pub type Set<K> = hashbrown::HashSet<K, Fixed>;

/// Hash of a name that all nodes of all clusters must number alike (SipHash-1-3 under a fixed key).
#[must_use]
pub fn of_name(name: &str) -> u64 {
    let mut hasher = siphasher::sip::SipHasher13::new_with_keys(0x7275_6d6f, 0x7a6f_6e65);
    hasher.write(name.as_bytes());
    hasher.finish()
}

/// The cluster's hash key, for every hash that another node will compare.
#[derive(Clone, Copy)]
pub struct Keyed {
    key: (u64, u64),
}

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed(..)")
    }
}

impl Keyed {
    /// The hash key of the cluster called `name` (later also derived from its key ring).
    #[must_use]
    pub fn for_cluster(name: &str) -> Self {
        let mut hasher = SipHasher128::new_with_keys(0x7275_6d6f, 0x726d_696c);
        hasher.write(name.as_bytes());
        let hash = hasher.finish128();
        Self { key: (hash.h1, hash.h2) }
    }

    /// A key that is in no other hands.
    #[must_use]
    pub fn secret(one: u64, other: u64) -> Self {
        Self { key: (one, other) }
    }

    /// 64-bit hash of a byte string (SipHash-1-3).
    #[must_use]
    pub fn hash64(&self, bytes: &[u8]) -> u64 {
        let mut hasher = siphasher::sip::SipHasher13::new_with_keys(self.key.0, self.key.1);
        hasher.write(bytes);
        hasher.finish()
    }

    /// 128-bit hash of the parts of an item, fed in order (SipHash-1-3-128). The parts must have
    /// fixed lengths but for the last: they are not separated.
    #[must_use]
    pub fn hash128(&self, parts: &[&[u8]]) -> u128 {
        let mut hasher = SipHasher128::new_with_keys(self.key.0, self.key.1);
        for part in parts {
            hasher.write(part);
        }
        hasher.finish128().as_u128()
    }

    /// The seed of the second account that nodes keep of their replicas.
    #[must_use]
    pub fn audit_seed(&self) -> u64 {
        self.hash64(b"audit")
    }

    /// The tag that opens every packet of this cluster: strangers are dropped by it unparsed.
    #[must_use]
    pub fn tag(&self) -> u32 {
        self.hash64(b"packet") as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_hashes_are_pinned() {
        let keyed = Keyed::for_cluster("demo");
        assert_eq!(keyed.hash64(b"key"), 8_311_448_496_157_298_844);
        assert_eq!(keyed.hash128(&[b"key", b"stamp"]), HASH128);
        assert_ne!(keyed.tag(), Keyed::for_cluster("demp").tag());
    }

    const HASH128: u128 = 264_733_077_508_252_653_416_755_379_096_970_987_022;
}
