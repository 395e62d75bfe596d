//! Changes of keys, as they come.

use crate::view::Event;
use thiserror::Error;
use tokio::sync::broadcast;

/// Changes of keys with one prefix.
pub struct Watch {
    pub(super) prefix: Box<[u8]>,
    pub(super) events: broadcast::Receiver<Event>,
}

/// Why a watch has no next event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WatchError {
    /// The watcher was too slow and this many events are gone; the next call goes on after them.
    #[error("{0} events were missed")]
    Missed(u64),
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

impl Watch {
    /// The next change.
    ///
    /// # Errors
    /// If events were missed, or the node has shut down.
    pub async fn next(&mut self) -> Result<Event, WatchError> {
        loop {
            match self.events.recv().await {
                Ok(event) if event.entry.key().starts_with(&self.prefix) => return Ok(event),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(n)) => return Err(WatchError::Missed(n)),
                Err(broadcast::error::RecvError::Closed) => return Err(WatchError::Closed),
            }
        }
    }
}
