//! Arguments of the benchmarks.

use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// How fast and at what cost updates spread among many nodes.
    Spread(BenchSpreadArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
All nodes run in this process, in memory, with default settings, over real loopback sockets. An
update is 64 bytes: a key of 16 and a value of 48. For each number of nodes:
  t50, t99, t100   one update readable at half, 99 % and all of the nodes (median over updates)
  amplification    a burst into an empty cluster: payload bytes sent / (updates x nodes x 64)
  last delivery    ... until the last update is readable at the last node
  lost             ... updates that some node did not have after 30 s
  cpu              ... CPU time of this process per update and node, writers and checks included
  idle             bytes sent per second and node while nothing happens
Bursts are repeated on fresh clusters and the medians shown.

Examples:
  rumormill bench spread
  rumormill bench spread --nodes 64 --bursts 5 --format json")]
pub struct BenchSpreadArgs {
    /// Numbers of nodes, one measurement each.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "16,64,256",
          value_parser = clap::value_parser!(u16).range(2..=1024))]
    pub nodes: Vec<u16>,
    /// Single updates.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub updates: u32,
    /// Updates in a burst.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub burst: u32,
    /// Bursts, each on a fresh cluster.
    #[arg(long, value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u16).range(1..=100))]
    pub bursts: u16,
    /// How long to watch the idle cluster.
    #[arg(long, value_name = "TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    pub idle: Duration,
    /// Encrypt all gossip with a key.
    #[arg(long)]
    pub sealed: bool,
    /// Chooses the writers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
