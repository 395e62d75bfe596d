//! Arguments of `rumormill sim epidemic`.

use super::point::PointArgs;
use super::trials::RunArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
Words: a susceptible node has never heard, an infective one spreads, a removed one knows but spreads
no more. A round (cycle) is one call of everyone who calls.
  residue   share of the nodes that never heard
  traffic   updates sent per node (requests, digests and refused calls are counted apart)
  t_avg     round in which a node heard, mean over the nodes that did; t_last: the last of them
Each figure is a mean over the trials, with the standard deviation (sd) of a single trial and the
standard error (se) of the mean. What theory says is shown beside it where it is known.

A setting that has no effect with the others is an error. Ctrl-C ends a run early: what is done is
shown, and the exit code is 130; a second Ctrl-C ends at once.

Examples:
  rumormill sim epidemic                                  news among 1,000 nodes, by push
  rumormill sim epidemic --k 3 --plot course.svg          ... with more patience, and drawn
  rumormill sim epidemic --contact pull --k 2             whoever asks, gets
  rumormill sim epidemic --blind --stop coin --k 4        lose interest by chance
  rumormill sim epidemic --method anti-entropy --nodes 1e6 --trials 10
  rumormill sim epidemic --method tree --fanout 4 --loss 0.01
  rumormill sim epidemic --contact push-pull --median-counter --nodes 1e5
  rumormill sim epidemic --connection-limit 1 --hunt 2 --csv rounds.csv
  rumormill sim epidemic --topology small-world --width 8 --method anti-entropy --format json
To compare settings, see: rumormill sim sweep --help")]
pub struct EpidemicArgs {
    #[command(flatten)]
    pub point: PointArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// Draw susceptible, infective and removed nodes over the rounds, as SVG.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub plot: Option<PathBuf>,
    /// Write the rounds as CSV.
    #[arg(long, value_name = "FILE.csv", help_heading = "Output")]
    pub csv: Option<PathBuf>,
}
