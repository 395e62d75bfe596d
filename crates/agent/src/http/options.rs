//! Settings of the port.

use crate::clock::DEFAULT_LOADING;
use crate::redis::RedisStats;
use crate::tls::Tls;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

/// How to serve; every field has a default.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whoever asks for anything but the page and the health checks must know it.
    pub token: Option<Secret>,
    /// Names under which browsers may reach the port, beside IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// True if members to join by were given: then the node is not ready before it knows one.
    pub joining: bool,
    /// How long reads are refused at most while the node is loading; see [`Rumormill::is_loading`].
    ///
    /// [`Rumormill::is_loading`]: crate::Rumormill::is_loading
    pub loading: Duration,
    /// Connections at once; more are answered 503 and closed.
    pub max_connections: usize,
    /// Watches at once; more are answered 503. Each holds a connection.
    pub max_watchers: usize,
    /// How long a connection may take to send the head of a request, or stay idle between two.
    pub header_timeout: Duration,
    /// How long a value may take to arrive, and each piece of a bulk write.
    pub body_timeout: Duration,
    /// How long a client may leave an answer unread.
    pub write_timeout: Duration,
    /// How often a quiet watch sends a comment, so that dead connections are noticed.
    pub heartbeat: Duration,
    /// How long requests in flight may go on after the shutdown was asked for.
    pub grace: Duration,
    /// With it clients must speak TLS; without it they must not.
    pub tls: Option<Arc<Tls>>,
    /// What the Redis port counts, to be shown with the rest.
    pub redis: Option<Arc<RedisStats>>,
    /// The TLS side of the Redis port, to be shown with the rest.
    pub redis_tls: Option<Arc<Tls>>,
    /// Told once the node has left at a client's request: the process may end.
    pub left: Arc<Notify>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            token: None,
            hosts: Vec::new(),
            joining: false,
            loading: DEFAULT_LOADING,
            max_connections: 1024,
            max_watchers: 256,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            heartbeat: Duration::from_secs(15),
            grace: Duration::from_secs(5),
            tls: None,
            redis: None,
            redis_tls: None,
            left: Arc::default(),
        }
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text as bytes.
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let options = Options { token: Some(Secret::new("hunter2")), ..Options::default() };
        assert!(!format!("{options:?}").contains("hunter2"));
    }
}
