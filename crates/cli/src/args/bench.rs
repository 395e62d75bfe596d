//! Arguments of the benchmarks.

use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// How fast and at what cost updates spread among many nodes.
    Spread(BenchSpreadArgs),
    /// What it costs two replicas to learn what differs between them.
    Reconcile(BenchReconcileArgs),
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
    /// Chooses the writers.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Two replicas in this process are made to differ in a number of items (an overwritten key is two: the
old write at one, the new one at the other), and one compares itself with the other by set sketches,
through encoded messages. Neither knows beforehand how much differs. Shown for each combination:
  bytes        both ways, until one of them knows the difference: without the entries themselves,
               the list of those wanted, and what frames a packet (mean, and 99th percentile)
  x floor      bytes / (differences x 8), 8 bytes being the hash that stands for an item
  messages, round trips
  cpu          both sides together (median)
  upkeep       what keeping the sketches takes of each overwrite
  left different   items not found, or found wrongly, over all trials
Numbers of differences above that of the entries are left out.

Examples:
  rumormill bench reconcile
  rumormill bench reconcile --entries 1M --differences 0,1,10 --format json")]
pub struct BenchReconcileArgs {
    /// Entries in each replica: plain, or in thousands (k) or millions (M).
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "10k,100k,1M",
          value_parser = entries)]
    pub entries: Vec<u64>,
    /// Items that differ.
    #[arg(long, value_name = "N,...", value_delimiter = ',',
          default_value = "0,1,10,100,1k,10k,100k", value_parser = number)]
    pub differences: Vec<u64>,
    /// Comparisons for each combination, in place of 5 to 1000 as their cost allows.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub trials: Option<u32>,
    /// Chooses what differs.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// A number, in thousands or millions if it says so.
fn number(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.strip_suffix(['k', 'K']) {
        Some(digits) => (digits, 1000),
        None => text.strip_suffix('M').map_or((text, 1), |digits| (digits, 1_000_000)),
    };
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    number.ok_or_else(|| "give a number such as 500, 10k or 1M".to_owned())
}

fn entries(text: &str) -> Result<u64, String> {
    match number(text)? {
        entries @ 1..=20_000_000 => Ok(entries),
        _ => Err("give 1 to 20M entries: two replicas of them must fit into memory".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_units() {
        assert_eq!(["0", "7", "10k", "1M"].map(number), [0, 7, 10_000, 1_000_000].map(Ok));
        for text in ["", "k", "1.5k", "-1", "1G", "99999999999999999M"] {
            assert!(number(text).is_err(), "{text}");
        }
        assert!(entries("0").is_err() && entries("21M").is_err());
    }
}
