//! A simple liveness check.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How members are watched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one member is probed. Shorter finds the dead sooner; each probe and its answer
    /// cost about 30 bytes. Source: memberlist's LAN preset.
    #[serde(with = "text")]
    pub probe_interval: Duration,
    /// How long an answer may take before the probe is sent once more, and then the member is
    /// suspected. Source: memberlist's LAN preset.
    #[serde(with = "text")]
    pub probe_timeout: Duration,
    /// How long a suspect may take to refute before it is held dead (guess).
    #[serde(with = "text")]
    pub suspicion_timeout: Duration,
    /// How often seeds are tried while no other member is known, and how often a member that is
    /// held dead is tried again (guess).
    #[serde(with = "text")]
    pub rejoin_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(500),
            suspicion_timeout: Duration::from_secs(5),
            rejoin_interval: Duration::from_secs(2),
        }
    }
}
