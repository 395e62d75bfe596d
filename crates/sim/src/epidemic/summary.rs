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

impl Moments {
    /// Of `values`; zero where there are too few.
    #[must_use]
    pub fn of(values: impl Iterator<Item = f64> + Clone) -> Self {
        let count = values.clone().count();
        if count == 0 {
            return Self::default();
        }
        let mean = values.clone().sum::<f64>() / count as f64;
        let squares: f64 = values.map(|value| (value - mean).powi(2)).sum();
        Self { mean, sd: (squares / (count - 1).max(1) as f64).sqrt() }
    }

    /// Standard error of the mean over `trials`.
    #[must_use]
    pub fn error(&self, trials: u64) -> f64 {
        self.sd / (trials.max(1) as f64).sqrt()
    }
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

/// Nodes by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// Nodes that never heard.
    pub susceptible: f64,
    /// Nodes that spread it.
    pub infective: f64,
    /// Nodes that know but spread it no more.
    pub removed: f64,
}

/// The state at the end of a round, mean over trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Round {
    /// From 0, the start. Of very long courses only every second, fourth, ... round is listed.
    pub round: u64,
    /// Nodes that never heard.
    pub susceptible: f64,
    /// Nodes that spread it.
    pub infective: f64,
    /// Nodes that know but spread it no more.
    pub removed: f64,
    /// Updates sent since the round listed before.
    pub updates: f64,
    /// Standard deviation over trials.
    pub sd: Spread,
}

/// What came of one trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Sample {
    /// Share of live nodes that never heard.
    pub residue: f64,
    /// Update messages per live node.
    pub traffic: f64,
    /// Mean cycle of first arrival, without the nodes that knew at the start.
    pub t_avg: f64,
    /// Cycle of the last arrival.
    pub t_last: u64,
    /// Updates sent.
    pub updates: u64,
    /// Requests and digests.
    pub requests: u64,
    /// Contacts refused.
    pub refused: u64,
    /// False if it was ended from outside, or at the bound of rounds.
    pub ended: bool,
}

/// What came of all trials.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Summary {
    /// Nodes.
    pub nodes: usize,
    /// Nodes that were up; residue and traffic are shares of them.
    pub live: usize,
    /// Trials that were done.
    pub trials: u64,
    /// Trials among them that were ended at the bound of rounds or from outside.
    pub unfinished: u64,
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
    /// Trial by trial, in their order.
    #[serde(skip)]
    pub samples: Vec<Sample>,
}
