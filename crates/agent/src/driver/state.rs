//! What the loop holds: the node, its sockets and store, and what it remembers from turn to turn.

use super::ledger::Ledger;
use super::ring::Shown;
use super::stall::Stall;
use super::waits::Waits;
use super::watchman::Watchman;
use crate::command::{Command, WriteReply};
use crate::net::Counters;
use crate::net::stream::Streams;
use crate::net::udp::Udp;
use crate::report::Handover;
use crate::seal::fresh::Fresh;
use crate::seal::{Door, Keeper};
use crate::snapshot::Snapshot;
use crate::store::{StoreEvent, Writer};
use crate::view::View;
use rumormill_core::data::{Outcome, Refused};
use rumormill_core::{Instant, Node, Now, Output};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The durable store, if there is one.
pub(crate) struct Durable {
    pub(crate) writer: Writer,
    pub(crate) events: mpsc::UnboundedReceiver<StoreEvent>,
}

/// The loop, and all that it touches.
pub(crate) struct Driver {
    pub(crate) node: Node,
    pub(crate) inbox: mpsc::Receiver<Command>,
    pub(crate) udp: Udp,
    pub(crate) streams: Streams,
    /// The lock on the gossip port.
    pub(crate) door: Door,
    /// The key ring, if there is one.
    pub(crate) keeper: Option<Keeper>,
    pub(crate) durable: Option<Durable>,
    pub(crate) view: Arc<View>,
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) started: std::time::Instant,
    pub(crate) turn: Turn,
}

/// What the loop remembers from turn to turn.
#[derive(Default)]
pub(crate) struct Turn {
    pub(super) out: Vec<Output>,
    pub(super) ledger: Ledger,
    /// Writes of this turn that wait for its entries to be handed to the store.
    pub(super) replies: Vec<(WriteReply, Vec<Result<Outcome, Refused>>)>,
    pub(super) store_failure: Option<String>,
    pub(super) stall: Stall,
    /// The wall clock at the last turn.
    pub(super) wall_ms: u64,
    /// What the node last wanted kept.
    pub(super) kept: Option<Arc<[u8]>>,
    pub(super) roster_changed: bool,
    pub(super) shown: Shown,
    pub(super) watchman: Watchman,
    pub(super) fresh: Fresh,
    pub(super) waits: Waits,
    /// Addresses to join by that were given, and those of names.
    pub(super) seeds_given: Vec<SocketAddr>,
    pub(super) seeds_found: Vec<SocketAddr>,
    pub(super) seeds_lost: usize,
    /// A leave or a stop that was asked for.
    pub(super) departing: Option<Departing>,
    pub(super) stop: Option<Stop>,
}

impl Turn {
    /// Begins with what the node wanted kept in the run before.
    pub(crate) fn new(kept: Option<Arc<[u8]>>) -> Self {
        // The first turn looks at all that expires: the clock may have been set back since the last.
        Self { kept, wall_ms: u64::MAX, roster_changed: true, ..Self::default() }
    }
}

/// A leave or a stop under way.
pub(super) struct Departing {
    /// Who has asked for it.
    pub(super) by: String,
    pub(super) leaves: bool,
    pub(super) hasty: bool,
    /// When it is over, whatever has been handed over by then.
    pub(super) until: tokio::time::Instant,
    pub(super) done: Vec<oneshot::Sender<Handover>>,
}

/// The end of the loop.
pub(super) struct Stop {
    pub(super) at: tokio::time::Instant,
}

impl Driver {
    pub(super) fn now(&self) -> Now {
        let mono = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        Now { mono: Instant(mono), wall_ms: self.snapshot.clock_ms() }
    }
}
