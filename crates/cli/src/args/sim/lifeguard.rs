//! Arguments of `rumormill sim lifeguard`.

use super::cluster::ConfigArgs;
use clap::Args;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Args)]
#[command(after_help = HELP)]
pub struct LifeguardArgs {
    /// Members of the cluster.
    #[arg(long, value_name = "N", default_value_t = 128,
          value_parser = clap::value_parser!(u32).range(3..=4096))]
    pub nodes: u32,
    /// How many members are starved, one experiment each.
    #[arg(long, value_name = "C,...", value_delimiter = ',', default_value = "1,4,8,16,32")]
    pub starved: Vec<u32>,
    /// For how long at a time, one experiment each.
    #[arg(long, value_name = "TIME,...", value_delimiter = ',',
          default_value = "128ms,512ms,2s,8s,16s,32s", value_parser = humantime::parse_duration)]
    pub pauses: Vec<Duration>,
    /// How long they run in between.
    #[arg(long, value_name = "TIME", default_value = "16ms",
          value_parser = humantime::parse_duration)]
    pub awake: Duration,
    /// How long each experiment lasts, in virtual time.
    #[arg(long = "for", value_name = "TIME", default_value = "2m",
          value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// How often each is repeated, with seeds of its own.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub trials: u32,
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    #[command(flatten)]
    pub config: ConfigArgs,
    /// With --format json: also what was counted for each number of starved members and each time.
    #[arg(long)]
    pub rows: bool,
    /// Write every experiment as one line of CSV.
    #[arg(long, value_name = "FILE")]
    pub csv: Option<PathBuf>,
}

const HELP: &str = "\
Lifeguard's experiment (Dadgar, Phillips, Currey 2017) on the protocol that the agent runs, in
virtual time. Some members are starved in lock step: for a time nothing gets in or out of them while
their timers run on; then they run for a moment, and again. They cannot hear others and blame them.
  swim        plain SWIM
  probe       ... and probes slow down with a node's doubt in itself
  suspicion   ... or suspicions shrink only as others confirm them
  buddy       ... or suspects are told of it with the next probe
  lifeguard   all three
  rumormill   all three, and who stood still gives the others the time back: the defaults
false positives: how often a healthy member came to hold another healthy member dead, over all
experiments and trials. first detection: from the crash of a member of a healthy cluster until the
first other one holds it dead, mean over at least ten crashes. As in the paper the times are
member.suspicion_mult=5 and member.probe_timeout=500ms, if --config or --set say nothing else.

JSON: {\"swim\":{\"false_positives\",\"first_detection_s\"},\"probe\":{...},...,\"nodes\",\"seed\",...}

Examples:
  rumormill sim lifeguard
  rumormill sim lifeguard --nodes 64 --starved 8 --pauses 16s --trials 10 --rows --format json";
