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
    /// How long they run in between, one experiment each.
    #[arg(long, value_name = "TIME,...", value_delimiter = ',', default_value = "4ms",
          value_parser = humantime::parse_duration)]
    pub awake: Vec<Duration>,
    /// Starved members stand still, their timers too, as processes do after SIGSTOP.
    #[arg(long)]
    pub stopped: bool,
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
    /// Also what was counted for each number of starved members and each time.
    #[arg(long, help_heading = "Output")]
    pub rows: bool,
    /// Draw false positives by pause and by number of starved members, and detection, as SVG.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub plot: Option<PathBuf>,
    /// Write every experiment as one line of CSV.
    #[arg(long, value_name = "FILE.csv", help_heading = "Output")]
    pub csv: Option<PathBuf>,
}

const HELP: &str = "\
Lifeguard's experiment (Dadgar, Phillips, Currey 2017) on the protocol that the agent runs, in
virtual time. Some members are starved in lock step: for a time nothing gets in or out of them while
their timers run on; then they run for a moment, and again. They cannot hear others and blame them.
  swim        plain SWIM: a suspect always has the least time that it has with Lifeguard
  probe       ... and who doubts itself probes less often and waits longer for an answer
  suspicion   ... or suspicions last 6 times as long, and shrink to the least as others confirm
  buddy       ... or suspects are told of it with the next probe
  lifeguard   all three
  rumormill   all three, and who stood still gives the others the time back: the defaults. With
              timers that run on this is Lifeguard; --stopped shows the difference

false positives: how often any member, starved or not, came to hold a healthy one dead, over all
experiments and trials (FP in the paper); at healthy: those of them at healthy members (FP-).
first detection: as many members as --starved crash at once in a healthy cluster; from then until
the first other one holds it dead, for each of them; at least ten crashes for each number. All
variants get the same seeds, so that what is alike comes out alike to the last digit: one crash is
first found by the same probe in all of them, and confirmed long before the least time is over.
As in the paper the times are member.suspicion_mult=5 and member.probe_timeout=500ms, if --config or
--set say nothing else.

--awake decides much. A refutation needs two hops, each 0.5 to 1.5 ms here: at 1ms hardly any gets
back before the next pause, at 4ms just about, at 16ms nearly all do.

JSON: {\"swim\":{\"false_positives\",\"first_detection_s\",\"at_healthy\",\"detection\":{\"median_s\",
\"p99_s\",\"max_s\",\"crashes\",\"missed\"}},\"probe\":{...},...,\"nodes\",\"seeds\",...}; with --rows the
false positives of each experiment in \"rows\", and in \"detections\" those of each number of crashes.

Examples:
  rumormill sim lifeguard
  rumormill sim lifeguard --awake 1ms,16ms --plot lifeguard.svg
  rumormill sim lifeguard --stopped --awake 1ms --pauses 8s,32s
  rumormill sim lifeguard --nodes 64 --starved 8 --pauses 16s --trials 10 --rows --format json";
