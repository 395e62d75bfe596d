//! How members are watched.

use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of membership: SWIM (Das, Gupta, Motivala 2002) with Lifeguard (Dadgar, Phillips,
/// Currey 2017). The defaults are those of memberlist's LAN preset where it has the same, but for
/// the time to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often one member is probed. Shorter finds the dead sooner; each probe and its answer
    /// cost about 30 bytes.
    #[serde(with = "text")]
    pub probe_interval: Duration,
    /// How long an answer may take before others are asked to probe the member too, and how long
    /// theirs may take then. Source: with twice this, the first to notice a crash does so 1.5
    /// intervals after it, as in SWIM's analysis, and not 2.
    #[serde(with = "text")]
    pub probe_timeout: Duration,
    /// How many others are asked to probe a silent member; 0 for none.
    pub indirect_probes: usize,
    /// Ask a silent member over a stream as well: a network that loses datagrams may still carry
    /// streams.
    pub stream_probe: bool,
    /// A suspect whose silence others confirm is held dead after this many probe intervals, times
    /// the decimal logarithm of the number of members (at least 1), or `confirmed_timeout`.
    pub suspicion_mult: u32,
    /// A suspect whose silence as many as `confirmations` have confirmed is held dead after this if
    /// that is less: it has been told by then, and so has everyone. "0s" for the time of Lifeguard's
    /// paper, which grows with the cluster. Source: the simulation in docs/simulator.md.
    #[serde(with = "text")]
    pub confirmed_timeout: Duration,
    /// A suspect whose silence nobody confirms has this many times longer.
    pub suspicion_max_mult: u32,
    /// How many others must confirm a silence to bring the time down to its least, at most 3.
    /// 0: that is all the time a suspect ever has, as in plain SWIM.
    pub confirmations: u8,
    /// How far this node's doubts in itself may go: its probes wait up to so many times longer
    /// than they would. 0 for no doubts.
    pub doubt: u32,
    /// Tell a suspect of the suspicion with every probe, so that it can refute at once.
    pub buddy: bool,
    /// Give others the time back that this node stood still for: who was not running cannot say
    /// that others were silent.
    pub forgive_stalls: bool,
    /// How often seeds are tried at which no member is known, and how often a member that is held
    /// dead is tried again (guess).
    #[serde(with = "text")]
    pub rejoin_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            probe_interval: Duration::from_secs(1),
            probe_timeout: Duration::from_millis(250),
            indirect_probes: 3,
            stream_probe: true,
            suspicion_mult: 4,
            confirmed_timeout: Duration::from_secs(2),
            suspicion_max_mult: 6,
            confirmations: 3,
            doubt: 8,
            buddy: true,
            forgive_stalls: true,
            rejoin_interval: Duration::from_secs(2),
        }
    }
}
