//! What all requests share.

use super::metrics::Metrics;
use super::options::Options;
use crate::handle::Rumormill;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tokio::sync::{Semaphore, watch};

/// The node, and what the port keeps beside it.
pub(super) struct App {
    pub node: Rumormill,
    pub options: Options,
    pub metrics: Metrics,
    pub watchers: Arc<Semaphore>,
    pub left: AtomicBool,
    pub shutdown: Shutdown,
}

/// Turns true when the port is to close.
pub(super) type Shutdown = watch::Receiver<bool>;

/// Returns when the shutdown is asked for, or nobody is left who could ask for it.
pub(super) async fn stopped(shutdown: &mut Shutdown) {
    let _ = shutdown.wait_for(|stop| *stop).await;
}
