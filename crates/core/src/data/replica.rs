//! What a node holds: both maps and the clock of its stamps.

use super::{Clock, Entry, Map, Pool, Space};
use std::sync::Arc;

/// The replica of one node. A machine that reads or changes it is handed it for a call.
#[derive(Debug)]
pub struct Replica {
    /// Users' keys and values.
    pub data: Map,
    /// The members, and what they tell each other of the cluster.
    pub roster: Map,
    /// Where this node's stamps come from.
    pub clock: Clock,
    pool: Option<Arc<Pool>>,
}

impl Replica {
    /// A replica of these maps.
    #[must_use]
    pub fn new(data: Map, roster: Map, clock: Clock) -> Self {
        Self { data, roster, clock, pool: None }
    }

    /// Shares equal entries with the other nodes of the pool from now on.
    pub fn share(&mut self, pool: Arc<Pool>) {
        self.pool = Some(pool);
    }

    /// An entry as it is kept.
    #[must_use]
    pub fn keep(&self, entry: Entry) -> Arc<Entry> {
        match &self.pool {
            Some(pool) => pool.share(entry),
            None => Arc::new(entry),
        }
    }

    /// One of the maps.
    #[must_use]
    pub fn map(&self, space: Space) -> &Map {
        match space {
            Space::Data => &self.data,
            Space::Roster => &self.roster,
        }
    }
}
