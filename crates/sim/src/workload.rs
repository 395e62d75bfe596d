//! A steady load of random writes and deletes at random nodes.

use rumormill_core::base::rng::Rng;
use rumormill_core::base::time::{micros, text};
use rumormill_core::data::{Expiry, Op};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is written, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Mean time between two writes in the whole cluster.
    #[serde(with = "text")]
    pub every: Duration,
    /// Different keys.
    pub keys: u64,
    /// Bytes in a value.
    pub value: usize,
    /// Share of writes that are deletes.
    pub deletes: f64,
}

impl Default for Workload {
    fn default() -> Self {
        Self { every: Duration::from_millis(10), keys: 1000, value: 64, deletes: 0.1 }
    }
}

impl Workload {
    /// Time to the next write, in microseconds: anything up to twice the mean.
    pub(crate) fn pause(&self, rng: &mut Rng) -> u64 {
        1 + rng.below(micros(self.every).saturating_mul(2))
    }

    /// The next write.
    pub(crate) fn op(&self, rng: &mut Rng) -> Op {
        let key = format!("key-{:06}", rng.below(self.keys)).into_bytes().into();
        if rng.chance(self.deletes) {
            return Op::Delete { key };
        }
        let mut value = Vec::with_capacity(self.value + 8);
        while value.len() < self.value {
            value.extend_from_slice(&rng.bits().to_le_bytes());
        }
        value.truncate(self.value);
        Op::Put { key, value: value.into(), expiry: Expiry::Never }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_the_mean_and_deletes_their_share() {
        let load = Workload { deletes: 0.25, ..Workload::default() };
        let mut rng = Rng::new(1);
        let mean = (0..10_000).map(|_| load.pause(&mut rng)).sum::<u64>() / 10_000;
        assert!((9_800..10_200).contains(&mean), "{mean}");
        let ops: Vec<Op> = (0..10_000).map(|_| load.op(&mut rng)).collect();
        let deletes = ops.iter().filter(|op| matches!(op, Op::Delete { .. })).count();
        assert!((2300..2700).contains(&deletes), "{deletes}");
        assert!(ops.iter().all(|op| match op {
            Op::Put { value, .. } => value.len() == 64,
            _ => true,
        }));
    }
}
