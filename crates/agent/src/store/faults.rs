//! A disk that fails or hangs as it is told to, for tests.

use super::StoreError;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};

/// The faults of one store; a clone speaks of the same ones.
#[derive(Clone, Default)]
pub(super) struct Faults(Arc<(Mutex<Now>, Condvar)>);

/// What is wrong now.
#[derive(Clone, Copy, Default)]
pub(super) struct Now {
    /// Writes are taken and never reach the disk, as if the system had dropped their pages.
    pub(super) lose: bool,
    /// Writes fail.
    pub(super) refuse: bool,
    /// Forcing to the disk fails.
    pub(super) unsynced: bool,
    /// Nothing comes back from the disk.
    pub(super) hang: bool,
}

impl Faults {
    /// From now on these.
    pub(super) fn set(&self, now: Now) {
        let (state, changed) = &*self.0;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = now;
        changed.notify_all();
    }

    /// What is wrong, once the disk has come back.
    fn now(&self) -> Now {
        let (state, changed) = &*self.0;
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        *changed.wait_while(state, |now| now.hang).unwrap_or_else(PoisonError::into_inner)
    }

    /// True if what is written gets lost.
    pub(super) fn on_append(&self) -> Result<bool, StoreError> {
        let now = self.now();
        if now.refuse { Err(poisoned()) } else { Ok(now.lose) }
    }

    pub(super) fn on_sync(&self) -> Result<(), StoreError> {
        if self.now().unsynced { Err(poisoned()) } else { Ok(()) }
    }
}

fn poisoned() -> StoreError {
    let reason = "an earlier write failed".into();
    StoreError::Database { action: "write to", folder: PathBuf::new(), reason }
}
