//! Properties that must hold whatever happens, each in the file named after it.
//!
//! Some are checked whenever a node persists an entry or sends a packet, the others when a test
//! says that the dust has settled.

pub mod bounded;
pub mod convergence;
pub mod faithful_replica;
pub mod invariants;
pub mod membership;
pub mod monotonic_reads;
pub mod no_false_alarm;
pub mod no_invention;
pub mod no_lost_note;
pub mod no_lost_write;
pub mod no_resurrection;
pub mod no_stranger;
pub mod one_chain;
pub mod unique_stamps;
pub mod well_formed;

use std::fmt;
use std::time::Duration;

/// A property that does not hold.
#[derive(Clone, PartialEq, Eq)]
pub struct Violation {
    /// The seed of the world: it happens again with that.
    pub seed: u64,
    /// When it was found, in virtual time.
    pub at: Duration,
    /// At which node, where one can say.
    pub node: Option<usize>,
    /// The property, by the name of its checker.
    pub property: &'static str,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, at, property, what, .. } = self;
        write!(f, "seed {seed}, at {:.6} s", at.as_secs_f64())?;
        if let Some(node) = self.node {
            write!(f, ", n{node}")?;
        }
        write!(f, ": {property}: {what}")
    }
}

impl fmt::Debug for Violation {
    /// As for people: this is what a failed test prints.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Violation {}

/// What a checker found wrong: at a node or in the cluster.
pub(crate) type Found = (Option<usize>, String);
