//! What is counted while a world runs and could not be found out afterwards: the counters of
//! processes that have ended, who noticed which death when, and who was held dead but was not.

use rumormill_core::base::hash::{Map, Set};
use rumormill_core::data::Stamp;
use rumormill_core::{Instant, NodeId, Stats};

/// The counters of one world.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Datagrams for which the socket of a paused node had no room.
    pub(crate) socket_full: u64,
    /// Counters of processes that have ended, in the order of [`Stats::all`].
    pub(crate) retired: Vec<u64>,
    pub(crate) deaths: Vec<Death>,
    /// Deaths of nodes that are still down, by the id that died.
    pub(crate) open: Map<NodeId, usize>,
    /// Records that have been declared dead by somebody.
    pub(crate) declared: Set<Stamp>,
    /// When a live member was declared dead by one that could reach it.
    pub(crate) accused: Vec<Instant>,
}

/// A process that died without saying goodbye.
#[derive(Debug)]
pub(crate) struct Death {
    pub(crate) id: NodeId,
    pub(crate) at: Instant,
    /// Microseconds after which each node came to hold it dead; [`NEVER`] if it did not.
    pub(crate) noticed: Vec<u32>,
    /// When all live nodes held it dead, if they did before it was back.
    pub(crate) all: Option<u32>,
}

pub(crate) const NEVER: u32 = u32::MAX;

/// How long it took until deaths were noticed, in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Detections {
    /// Deaths.
    pub(crate) deaths: usize,
    /// Until the first node held it dead; of those that somebody noticed.
    pub(crate) first: Vec<u32>,
    /// Until all live nodes did; of those that all did.
    pub(crate) all: Vec<u32>,
}

impl Meter {
    /// A process ends: its counters are kept.
    pub(crate) fn retire(&mut self, stats: &Stats) {
        add(&mut self.retired, stats);
    }

    /// A process died at a time.
    pub(crate) fn died(&mut self, id: NodeId, nodes: usize, at: Instant) {
        self.open.insert(id, self.deaths.len());
        self.deaths.push(Death { id, at, noticed: vec![NEVER; nodes], all: None });
    }
}

pub(crate) fn add(sums: &mut Vec<u64>, stats: &Stats) {
    let all = stats.all();
    sums.resize(all.len(), 0);
    for (sum, (_, _, count)) in sums.iter_mut().zip(all) {
        *sum += count;
    }
}
