//! Arguments of `rumormill sim fuzz`.

use clap::Args;

#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
