//! Arguments of the benchmarks.

use clap::{Args, Subcommand};
use std::time::Duration;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// How fast and at what cost updates spread among many nodes.
    Spread(BenchSpreadArgs),
    /// What one contact of the abstract epidemic costs.
    Epidemic(BenchEpidemicArgs),
    /// What it costs two replicas to learn what differs between them.
    Reconcile(BenchReconcileArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Simple epidemics (push, pull, push-pull) run until everyone knows, on one thread. The times are
nanoseconds of processor time per contact, everything included, and beside them how many times the
plain loop that is: a loop that draws a random number and sets that bit in a set of as many bits.
Small epidemics are repeated, and the best of three measurements counts; beyond ten million nodes
there is one, and a hundred million take a minute or so.

Examples:
  rumormill bench epidemic
  rumormill bench epidemic --nodes 1e3,1e6,1e8 --format json")]
pub struct BenchEpidemicArgs {
    /// Numbers of nodes, one measurement each.
    #[arg(long, value_name = "N,...", value_delimiter = ',', default_value = "1e3,1e4,1e5,1e6,1e7",
          value_parser = parse_nodes)]
    pub nodes: Vec<u32>,
    /// Draws the partners.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}

/// The most nodes of a measurement.
const MOST: u32 = 1_000_000_000;

/// A number of nodes, as 1000000 or 1e6.
fn parse_nodes(text: &str) -> Result<u32, String> {
    let number = match text.split_once(['e', 'E']) {
        None => text.parse().ok(),
        Some((digits, zeros)) => match (digits.parse::<u32>(), zeros.parse::<u32>()) {
            (Ok(digits), Ok(zeros)) => {
                10_u32.checked_pow(zeros).and_then(|power| digits.checked_mul(power))
            }
            _ => None,
        },
    };
    number
        .filter(|nodes| (2..=MOST).contains(nodes))
        .ok_or_else(|| format!("give a number from 2 to {MOST}, as 1000000 or 1e6"))
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
With --import, updates are also written at one node of a fresh cluster as fast as it takes them:
  written, everywhere   until the last is acknowledged, and until all nodes hold all
  received              bytes received / bytes of the updates, at the other node with the most
Bursts are repeated on fresh clusters and the medians shown.

Examples:
  rumormill bench spread
  rumormill bench spread --nodes 64 --bursts 5 --format json
  rumormill bench spread --nodes 5,16 --import 100000")]
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
    /// Updates that are written at one node in bulk; 0 measures nothing of it.
    #[arg(long, value_name = "N", default_value_t = 0,
          value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    pub import: u32,
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
    fn numbers_of_nodes_may_be_short() {
        assert_eq!(parse_nodes("1000"), Ok(1000));
        assert_eq!(parse_nodes("25e3"), Ok(25_000));
        assert_eq!(parse_nodes("1e9"), Ok(MOST));
        for bad in ["", "1", "0e3", "1e10", "e3", "1e", "1e99999999999", "-5", "1.5e3", "x"] {
            assert!(parse_nodes(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_have_units() {
        assert_eq!(["0", "7", "10k", "1M"].map(number), [0, 7, 10_000, 1_000_000].map(Ok));
        for text in ["", "k", "1.5k", "-1", "1G", "99999999999999999M"] {
            assert!(number(text).is_err(), "{text}");
        }
        assert!(entries("0").is_err() && entries("21M").is_err());
    }
}
