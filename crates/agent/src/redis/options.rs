//! Settings of the port.

use super::stats::RedisStats;
use crate::clock::DEFAULT_LOADING;
use crate::tls::Tls;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A password that does not show itself in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Box<[u8]>);

impl Password {
    /// Wraps a password.
    #[must_use]
    pub fn new(password: impl AsRef<[u8]>) -> Self {
        Self(password.as_ref().into())
    }

    /// Compares in a time that depends on this password's length only.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        let mut padded = given.to_vec();
        padded.resize(self.0.len(), 0);
        let same_length = (given.len() as u64).ct_eq(&(self.0.len() as u64));
        (padded.ct_eq(&self.0) & same_length).into()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Settings of the port.
#[derive(Clone, Debug)]
pub struct Options {
    /// What clients must show by `AUTH` or `HELLO`; without one everyone may do everything.
    pub password: Option<Password>,
    /// Connections at once; more are told so and closed.
    pub max_clients: usize,
    /// Clients that have sent nothing for this long are closed; never by default.
    pub idle_timeout: Option<Duration>,
    /// Clients that leave many replies lying and take none for this long are closed.
    pub slow_timeout: Duration,
    /// Longest request, bytes: what one `MSET` may carry. At least two of the largest values.
    pub max_request: usize,
    /// Bytes in the large buffers of all clients together above which none may grow.
    pub max_buffered: u64,
    /// How long clients are told at most that the node is loading; see [`Rumormill::is_loading`].
    ///
    /// [`Rumormill::is_loading`]: crate::Rumormill::is_loading
    pub loading: Duration,
    /// With it clients must speak TLS; without it they must not.
    pub tls: Option<Arc<Tls>>,
    /// Where the port counts.
    pub stats: Arc<RedisStats>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            password: None,
            max_clients: 20_000,
            idle_timeout: None,
            slow_timeout: Duration::from_secs(60),
            max_request: 64 * 1024 * 1024,
            max_buffered: 512 * 1024 * 1024,
            loading: DEFAULT_LOADING,
            tls: None,
            stats: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords() {
        let password = Password::new("secret");
        assert!(password.is(b"secret"));
        for wrong in ["", "secre", "secret\0", "secret2", "Secret"] {
            assert!(!password.is(wrong.as_bytes()), "{wrong:?}");
        }
        assert!(Password::new("").is(b""));
        assert!(!Password::new("").is(b"x"));
        assert_eq!(format!("{password:?}"), "Password(..)");
    }
}
