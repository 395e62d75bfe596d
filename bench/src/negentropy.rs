//! The crate `negentropy`: fingerprints of ranges of a sorted vector, without a limit on frames,
//! which is what it recommends where messages may be large.

use crate::sets::{Cost, Method, Write, Writes, cpu_us};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use std::collections::BTreeSet;

/// Two replicas as sorted sets; the vectors are made of them before each comparison.
pub struct Ranges {
    sets: [BTreeSet<(u64, [u8; 32])>; 2],
}

/// The item of a write: its time, and 32 bytes that look drawn.
fn item(write: &Write, number: u64) -> (u64, [u8; 32]) {
    let mut id = [0; 32];
    let mut state = write.key.rotate_left(40) ^ number;
    for part in id.chunks_exact_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = state;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        part.copy_from_slice(&(bits ^ bits >> 31).to_le_bytes());
    }
    (number, id)
}

fn name(id: &[u8; 32]) -> u64 {
    id.first_chunk().map_or(0, |first| u64::from_le_bytes(*first))
}

impl Ranges {
    /// Two empty replicas.
    pub fn new() -> Self {
        Self { sets: [BTreeSet::new(), BTreeSet::new()] }
    }
}

impl Method for Ranges {
    fn write(&mut self, side: usize, write: &Write) {
        self.sets[side].insert(item(write, write.new));
        if let Some(old) = write.old {
            self.sets[side].remove(&item(write, old));
        }
    }

    fn names(&self, write: &Write) -> Vec<u64> {
        let numbers = [Some(write.new), write.old].into_iter().flatten();
        numbers.map(|number| name(&item(write, number).1)).collect()
    }

    fn compare(&mut self) -> (Cost, Vec<u64>) {
        let mut cost = Cost::default();
        let start = cpu_us();
        let vectors = self.sets.each_ref().map(|set| {
            let mut vector = NegentropyStorageVector::with_capacity(set.len());
            for (time, id) in set {
                let added = vector.insert(*time, Id::from_byte_array(*id));
                debug_assert!(added.is_ok());
            }
            let sealed = vector.seal();
            debug_assert!(sealed.is_ok());
            vector
        });
        cost.prepare_us = cpu_us() - start;
        let start = cpu_us();
        let found = compare(&vectors, &mut cost);
        cost.cpu_us = cpu_us() - start;
        let found = found.unwrap_or_default();
        (cost, found.iter().map(|id| name(id.as_bytes())).collect())
    }

    fn upkeep_ns(&mut self, _: &mut Writes) -> Option<f64> {
        // A sealed vector takes nothing in, and nothing can be taken out of one.
        None
    }
}

fn compare(
    [first, second]: &[NegentropyStorageVector; 2],
    cost: &mut Cost,
) -> Result<Vec<Id>, negentropy::Error> {
    let (mut first, mut second) =
        (Negentropy::borrowed(first, 0)?, Negentropy::borrowed(second, 0)?);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut query = Some(first.initiate()?);
    while let Some(asked) = query {
        let answer = second.reconcile(&cost.sent(asked))?;
        query = first.reconcile_with_ids(&cost.sent(answer), &mut have, &mut need)?;
    }
    have.append(&mut need);
    Ok(have)
}
