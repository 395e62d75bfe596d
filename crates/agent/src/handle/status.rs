//! The state of the node.

use super::Rumormill;
use crate::report::{Alone, Joining, SeedStatus, Status};
use crate::seal::EncryptionStatus;
use std::sync::PoisonError;

impl Rumormill {
    /// The state of the node.
    #[must_use]
    pub fn status(&self) -> Status {
        let shared = &self.shared;
        let numbers = *shared.snapshot.numbers.lock().unwrap_or_else(PoisonError::into_inner);
        let store = shared.snapshot.store.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ring = self.ring_status();
        let alarms = shared.snapshot.alarms.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let seeds = shared.snapshot.seeds.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lost = seeds.iter().filter_map(SeedStatus::warning);
        let alone = shared.snapshot.alone.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let told = alone.iter().map(Alone::warning);
        let warnings = told.chain(alarms.warnings()).chain(lost).collect();
        Status {
            name: shared.identity.name.clone(),
            id: shared.identity.id.to_string(),
            version: env!("CARGO_PKG_VERSION").into(),
            cluster: shared.cluster.clone(),
            gossip: shared.identity.gossip,
            redis: shared.identity.redis,
            http: shared.identity.http,
            uptime_ms: u64::try_from(shared.started.elapsed().as_millis()).unwrap_or(u64::MAX),
            entries: self.len(),
            hidden: self.shared.view.hidden(),
            tombstones: numbers.tombstones,
            strays_bytes: numbers.strays_bytes,
            tombstones_held_by: ring.tombstones_held_by,
            horizon_ms: ring.horizon.map(|horizon| horizon.time_ms),
            covered: ring.covered,
            pass_refused: ring.refused,
            digest: numbers.digest.to_string(),
            tags: self.tags(),
            members: numbers.members,
            doubt: numbers.doubt,
            clock_ahead_ms: numbers.clock_ahead_ms,
            joining: numbers.filling.map(Joining::from),
            leaving: self.leaving(),
            warnings,
            alarms,
            seeds,
            alone,
            traffic: numbers.traffic,
            store,
            encryption: self.encryption(),
            counters: numbers.stats,
        }
    }

    fn encryption(&self) -> EncryptionStatus {
        let Some(lock) = &self.shared.lock else {
            return EncryptionStatus { mode: "off".into(), ..EncryptionStatus::default() };
        };
        let error = &self.shared.snapshot.key_file_error;
        let key_file_error = error.lock().unwrap_or_else(PoisonError::into_inner).clone();
        EncryptionStatus { key_file_error, ..lock.status() }
    }
}
