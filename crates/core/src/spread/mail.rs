//! Direct mail with cached retransmission.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of direct mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a receipt may take before mail is sent again; doubles with every try up to 32
    /// times this (guess: a few round trips of a LAN).
    #[serde(with = "text")]
    pub retransmit: Duration,
    /// Bytes of unconfirmed mail kept for one member; over that new mail is dropped and counted,
    /// which is why direct mail alone does not converge (guess).
    pub outbox_bytes: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { retransmit: Duration::from_millis(200), outbox_bytes: 1 << 20 }
    }
}
