//! Counters of the Redis port.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! stats {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters since the start; all but `connections` only grow.
        #[derive(Debug, Default)]
        pub struct RedisStats {
            $($(#[doc = $doc])+ pub $name: AtomicU64,)+
        }

        impl RedisStats {
            /// Every counter with its name and meaning, for metrics.
            #[must_use]
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((
                    stringify!($name),
                    concat!($($doc),+),
                    self.$name.load(Ordering::Relaxed),
                ),)+]
            }
        }
    };
}

stats! {
    /// Connections that are open now.
    connections,
    /// Connections accepted.
    connections_total,
    /// Connections refused because there were too many.
    refused,
    /// Connections that could not be accepted, for lack of file descriptors mostly.
    accept_errors,
    /// Connections closed because the client took no replies for too long.
    closed_slow,
    /// Connections closed because the client was idle for longer than the configured time.
    closed_idle,
    /// Connections closed because all clients together held too much memory.
    closed_memory,
    /// Commands carried out, failed ones included.
    commands,
    /// Commands answered with an error.
    errors,
    /// Requests that broke the protocol; each ends its connection.
    protocol_errors,
    /// Wrong passwords.
    auth_failures,
    /// Keys read that were there.
    hits,
    /// Keys read that were not there.
    misses,
    /// Bytes received.
    received_bytes,
    /// Bytes sent.
    sent_bytes,
}

/// Adds to a counter; nothing else is ordered by it.
pub(super) fn add(counter: &AtomicU64, n: u64) {
    if n > 0 {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// Reads a counter.
pub(super) fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
