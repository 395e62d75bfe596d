//! Arguments of `rumormill sim plan`.

use super::cluster::{ConfigArgs, LoadArgs, NetworkArgs};
use super::topology::members;
use clap::Args;

#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct PlanArgs {
    /// How many nodes, also as 1e3.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = members::<2>)]
    pub nodes: u32,
    #[command(flatten)]
    pub config: ConfigArgs,
    #[command(flatten)]
    pub network: NetworkArgs,
    #[command(flatten)]
    pub load: LoadArgs,
    /// Simulate at most this many nodes; figures of a larger cluster are scaled where a law holds,
    /// and say so.
    #[arg(long, value_name = "N", default_value_t = 300,
          value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub simulate: u32,
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

const HELP: &str = "\
Runs short simulations of the cluster that you describe (see `rumormill sim cluster --help`): idle,
as is, with 1 % and 5 % loss, with a tenth of the nodes crashed and not yet noticed, with a zone (or
a third of the nodes) cut off and back, and with one slow node. Then it says what to expect, and
warns of settings that will hurt, each with what to change.

A run that does not agree in the end is a warning, not a failure: exit code 0. With --format json:
  {\"nodes\",\"simulated\",\"scaled\",\"scenarios\":[{\"name\",...}],\"expect\":{...},\"warnings\":[...]}

Examples:
  rumormill sim plan --nodes 500 --writes-per-second 200
  rumormill sim plan --config agent.toml --nodes 50 --latency zones:zones.toml
  rumormill sim plan --nodes 20 --set spread.method=direct-mail --set repair.interval=0s";
