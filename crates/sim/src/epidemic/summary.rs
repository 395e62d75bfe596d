//! What came of the trials of an epidemic.

use serde::Serialize;

/// Mean and standard deviation over trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Moments {
    /// Mean.
    pub mean: f64,
    /// Standard deviation of a single trial (n - 1 beneath).
    pub sd: f64,
}

/// Update messages per node, and what they did.
pub type Traffic = Moments;

/// Messages of all nodes together, mean over trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Messages {
    /// Updates sent.
    pub updates: f64,
    /// Requests and digests.
    pub requests: f64,
    /// Contacts refused by the connection limit.
    pub refused: f64,
}

/// The state at the end of a round, mean over trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Round {
    /// From 0, the start.
    pub round: usize,
    /// Nodes that never heard.
    pub susceptible: f64,
    /// Nodes that spread it.
    pub infective: f64,
    /// Nodes that know but spread it no more.
    pub removed: f64,
    /// Updates sent in this round.
    pub updates: f64,
}

/// What came of all trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Nodes.
    pub nodes: usize,
    /// Trials that were done.
    pub trials: u64,
    /// The seed.
    pub seed: u64,
    /// Share of nodes that never heard.
    pub residue: Moments,
    /// Update messages per node.
    pub traffic: Traffic,
    /// Mean cycle of first arrival.
    pub t_avg: Moments,
    /// Cycle of the last arrival.
    pub t_last: Moments,
    /// Share of trials in which everyone heard.
    pub complete: f64,
    /// Messages by kind.
    pub messages: Messages,
    /// The course, mean over trials.
    pub rounds: Vec<Round>,
}
