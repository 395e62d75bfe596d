//! The tree rumor: a rumor that carries the range of members it is responsible for.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of the tree rumor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Parts into which a node cuts the range it is responsible for, 1 or more. 1 is a chain, the
    /// cluster's size is direct mail without retransmission; depth is log_fanout N. Source: the
    /// simulation in docs/spread.md.
    pub fanout: usize,
    /// Writes of a busy node within this time travel as one batch; an idle node sends at once
    /// (guess: below what a reader notices, far above the cost of a packet).
    #[serde(with = "text")]
    pub window: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { fanout: 8, window: Duration::from_millis(1) }
    }
}
