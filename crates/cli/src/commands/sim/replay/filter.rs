//! Which events are shown.

use crate::args::{Kinds, ReplayArgs};
use rumormill_core::base::time::micros;
use rumormill_sim::Step;
use rumormill_sim::step::{What, escape};

/// What the arguments ask for.
pub struct Filter {
    nodes: Vec<usize>,
    /// The key, as it stands in traces.
    pub key: Option<String>,
    from: u64,
    until: u64,
    kinds: Vec<Kinds>,
}

impl Filter {
    pub fn new(args: &ReplayArgs) -> Self {
        Self {
            nodes: args.node.clone(),
            key: args.key.as_ref().map(|key| escape(key.as_bytes())),
            from: args.from.map_or(0, micros),
            until: args.until.map_or(u64::MAX, micros),
            kinds: args.kind.clone(),
        }
    }

    /// True if an event is to be shown.
    pub fn shows(&self, step: &Step) -> bool {
        let kind = match self.kinds.as_slice() {
            [] => step.what.is_change(),
            kinds => kinds.iter().any(|kind| match kind {
                Kinds::All => true,
                Kinds::One(what) => *what == step.what,
            }),
        };
        let key = match &self.key {
            None => true,
            // What happens to a disk happens to every key.
            Some(key) => step.key.as_ref() == Some(key) || step.what == What::DiskLost,
        };
        let node =
            self.nodes.is_empty() || step.node.is_some_and(|node| self.nodes.contains(&node));
        kind && key && node && (self.from..=self.until).contains(&step.at)
    }

    /// True if nothing after this event is shown.
    pub fn is_over(&self, step: &Step) -> bool {
        step.at > self.until
    }
}
