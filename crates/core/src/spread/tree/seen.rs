//! Rumors that have come in, so that a datagram that the network repeats is not passed on again.

use crate::base::hash::Fixed;
use std::hash::BuildHasher as _;

/// Rumors remembered. A lossy table: a collision forgets the older one.
const SEEN: usize = 2048;

/// The table; empty until the first rumor.
#[derive(Debug, Default)]
pub(super) struct Seen(Vec<u32>);

impl Seen {
    /// True the first time that what tells a rumor from others comes in.
    pub(super) fn is_first(&mut self, told: &[u8]) -> bool {
        let hash = Fixed.hash_one(told);
        if self.0.is_empty() {
            self.0.resize(SEEN, 0);
        }
        // Half of the hash tells rumors apart, other bits say where. Small, since in a simulated
        // cluster each rumor finds the table of each node out of the processor's caches.
        let told = (hash >> 32) as u32 | 1;
        match self.0.get_mut(hash as usize % SEEN) {
            Some(slot) if *slot == told => false,
            Some(slot) => {
                *slot = told;
                true
            }
            None => true,
        }
    }
}
