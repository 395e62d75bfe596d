//! How many members hold a write, and how fresh a node is, as it tells of it.

use rumormill_core::data::Stamp;
use rumormill_core::spread::coverage::Unasked;
use std::time::Duration;
use thiserror::Error;

/// How many of the present members, this node included, are known to hold something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// Members that hold it, or something newer under its key.
    pub held: usize,
    /// Members that are alive or suspected.
    pub of: usize,
    /// True if as many hold it as was asked for; false if the time was up before.
    pub done: bool,
    /// Names of members that are not known to hold it, at most 20. They may be silent only.
    pub without: Vec<String>,
}

/// What a node holds under a key, and who else does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyCoverage {
    /// The write.
    pub stamp: Stamp,
    /// True if it deleted the key.
    pub deleted: bool,
    /// Who holds it; done if every member has answered.
    pub coverage: Coverage,
}

/// Why it is not known how many hold a write. The write itself stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CoverageError {
    /// The node did not take the question.
    #[error(transparent)]
    Unasked(#[from] Unasked),
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

/// A node is not known to be as fresh as was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum StaleError {
    /// It was last known to agree with another member too long ago.
    #[error("{}", words(*staleness, *bound))]
    Stale {
        /// How long ago; `None` if it never was.
        staleness: Option<Duration>,
        /// What was asked for.
        bound: Duration,
    },
    /// No node can know itself to be so fresh.
    #[error(
        "a bound on staleness is at least {}: what is younger is still on its way and not compared",
        humantime::format_duration(*.least)
    )]
    Bound {
        /// The smallest bound.
        least: Duration,
    },
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

fn words(staleness: Option<Duration>, bound: Duration) -> String {
    let bound = humantime::format_duration(bound);
    let since = match staleness {
        Some(staleness) => {
            let staleness = Duration::from_millis(staleness.as_millis() as u64);
            format!(
                "was last known to agree with another member {} ago",
                humantime::format_duration(staleness)
            )
        }
        None => "has not agreed with another member yet".into(),
    };
    format!(
        "this node {since}, and the read asks for at most {bound}; ask another node, or allow \
             more"
    )
}
