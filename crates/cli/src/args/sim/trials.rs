//! How often an epidemic is run.

use super::topology::count;
use clap::Args;

/// How often, and with how much of the machine.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Trials")]
pub struct RunArgs {
    /// Runs of the same settings, each with its own random numbers.
    #[arg(long, value_name = "T", default_value = "100", value_parser = count)]
    pub trials: usize,
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Threads; 0 is one per core. The result does not depend on it.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub threads: usize,
}
