//! Arguments of `rumormill sim exchange`.

use clap::Args;

#[derive(Debug, Args)]
pub struct ExchangeArgs {
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
