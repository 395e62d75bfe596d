//! What an overwrite costs a replica, and which part of that is kept for repair.

use crate::sets::cpu_us;
use rumormill_core::NodeId;
use rumormill_core::base::hash::Keyed;
use rumormill_core::base::rng::Rng;
use rumormill_core::data::{Entry, Map, Stamp};
use serde::Serialize;
use std::sync::Arc;

/// Overwrites that are timed at once, and how often: the fastest counts.
const OVERWRITES: u64 = 100_000;
const ROUNDS: u64 = 5;

/// Nanoseconds of an overwrite, by what the map keeps beside its entries.
#[derive(Debug, Serialize)]
pub struct Upkeep {
    /// Entries of the map.
    pub entries: u64,
    /// Bytes of a value.
    pub value: usize,
    /// The digests alone.
    pub map_ns: f64,
    /// What the sketches add to that.
    pub sketches_ns: f64,
    /// What the second account adds to that.
    pub audit_ns: f64,
}

/// Measures maps of so many entries with values of so many bytes.
pub fn measure(entries: u64, value: usize) -> Upkeep {
    let keyed = Keyed::for_cluster("bench");
    let map_ns = overwrite_ns(Map::new(keyed), entries, value);
    let with_sketches = overwrite_ns(Map::with_sketches(keyed), entries, value);
    let with_audit = overwrite_ns(Map::new(keyed).accounted(), entries, value);
    let (sketches_ns, audit_ns) = (with_sketches - map_ns, with_audit - map_ns);
    Upkeep { entries, value, map_ns, sketches_ns, audit_ns }
}

fn overwrite_ns(mut map: Map, entries: u64, value: usize) -> f64 {
    let (mut rng, mut wall_ms) = (Rng::new(1), 1_800_000_000_000_u64);
    let value = vec![7; value];
    let entry = |key: u64, time: u64| {
        let stamp = Stamp { time, node: NodeId(1) };
        Arc::new(Entry::new(&key.to_be_bytes(), &value, stamp, None))
    };
    map.advance(wall_ms);
    for key in 0..entries {
        let _ = map.apply(entry(key, (wall_ms << 16) - entries + key));
    }
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let writes: Vec<_> = (0..OVERWRITES)
            .map(|write| {
                // A hundred writes a millisecond.
                wall_ms += u64::from(write % 100 == 0);
                entry(rng.below(entries), wall_ms << 16 | write % 65_536)
            })
            .collect();
        let mut replaced = Vec::with_capacity(writes.len());
        let start = cpu_us();
        for entry in writes {
            map.advance(entry.stamp().wall_ms());
            replaced.push(map.apply(entry));
        }
        best = best.min((cpu_us() - start) * 1000.0 / OVERWRITES as f64);
    }
    best
}
