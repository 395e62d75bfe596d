//! Tests of the protocol in the deterministic world.

mod budgets;
mod chain;
mod clocks;
mod coming;
mod coverage;
mod crash;
mod determinism;
mod epidemic_figures;
mod epidemic_laws;
mod epidemic_rules;
mod hardships;
mod identity;
mod join;
mod load;
mod membership;
mod messages;
mod methods;
mod partition;
mod paths;
mod plans;
#[cfg(debug_assertions)]
mod planted;
mod returns;
mod ring;
mod ring_alone;
mod rules;
mod spread;
mod tombstones;
mod zones;

use std::time::Duration;

/// Milliseconds.
fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Seconds.
fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
