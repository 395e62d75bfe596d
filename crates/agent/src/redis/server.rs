//! What all connections of the port share.

use super::clients::Clients;
use super::options::Options;
use super::wire::resp::Limits;
use crate::handle::Rumormill;
use std::sync::atomic::{AtomicU64, Ordering};

/// Most arguments of one request, as in Redis 6: each costs memory beside its bytes, as a write in a
/// batch most of all.
const MAX_ARGS: usize = 1024 * 1024;
/// What an argument may be longer than a value: room to answer politely when one is too long.
const BULK_SLACK: usize = 64 * 1024;

/// Shared by all connections.
pub(super) struct Server {
    pub node: Rumormill,
    pub options: Options,
    pub limits: Limits,
    pub clients: Clients,
    pub budget: Budget,
    /// Where the port listens.
    pub port: u16,
}

impl Server {
    /// True while clients are told to come back in a moment.
    pub(super) fn is_loading(&self) -> bool {
        self.node.is_loading(self.options.loading)
    }

    pub(super) fn new(node: Rumormill, options: Options, port: u16) -> Self {
        let bulk = node.limits().max_value + BULK_SLACK;
        let request = options.max_request.max(2 * bulk);
        let limits = Limits { args: MAX_ARGS, bulk, request, authenticated: true };
        let budget = Budget { held: AtomicU64::new(0), most: options.max_buffered };
        Self { node, options, limits, clients: Clients::default(), budget, port }
    }
}

/// Memory in the large buffers of all connections.
#[derive(Debug)]
pub(super) struct Budget {
    held: AtomicU64,
    most: u64,
}

impl Budget {
    /// True if no buffer should grow at the moment.
    pub(super) fn is_spent(&self) -> bool {
        self.held.load(Ordering::Relaxed) >= self.most
    }

    /// Bytes held.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Changes one connection's share.
    pub(super) fn change(&self, from: u64, to: u64) {
        if to > from {
            self.held.fetch_add(to - from, Ordering::Relaxed);
        } else if from > to {
            self.held.fetch_sub(from - to, Ordering::Relaxed);
        }
    }
}
