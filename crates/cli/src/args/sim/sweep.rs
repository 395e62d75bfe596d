//! Arguments of `rumormill sim sweep`.

use super::point::PointArgs;
use super::trials::RunArgs;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
--vary NAME=VALUES takes any option of sim epidemic that makes a difference, without its dashes, and
may be repeated: all combinations are run, on all cores. Values are a list, steps, or both:
  k=1..5                     1, 2, 3, 4, 5
  loss=0..0.3/0.1            0, 0.1, 0.2, 0.3
  nodes=1e3..1e6*10          1e3, 1e4, 1e5, 1e6
  contact=push,pull          a list
  feedback=true,false        an option without a value, set or not (feedback=false is blind)
All points get the same seed: each can be run again alone with sim epidemic.

What --plot draws follows from what is varied, unless --x and --y say it: k gives the residue
against k and against the traffic (with s = e^-m beside it), nodes gives t_avg and t_last against
nodes (with theory beside them). There is a line for each combination of what else is varied. --x is
something varied with numbers, or a figure; --y is one or more figures: residue, traffic, t_avg,
t_last, complete, updates, requests, refused.

Ctrl-C ends a sweep early: what is done is shown, and the exit code is 130.

Examples:
  rumormill sim sweep --vary k=1..5 --trials 1000     Demers et al. 1987, Table 1: push, feedback,
                                                      counter, among 1,000 nodes
  rumormill sim sweep --vary k=1..5 --blind --stop coin                  their Table 2
  rumormill sim sweep --vary k=1..3 --contact pull                       their Table 3
  rumormill sim sweep --vary k=1..5 --vary contact=push,pull --plot residue.svg
  rumormill sim sweep --method anti-entropy --vary nodes=1e3..1e5*10 \\
      --vary contact=push,push-pull --trials 50 --plot time.svg
  rumormill sim sweep --method tree --vary fanout=2,4,8 --vary loss=0..0.1/0.02 \\
      --x loss --y residue,traffic --plot tree.svg
  rumormill sim sweep --vary k=1..5 --vary nodes=1e3,1e4,1e5 --csv points.csv --format json")]
pub struct SweepArgs {
    /// What is varied, and its values.
    #[arg(long, value_name = "NAME=VALUES", required = true)]
    pub vary: Vec<String>,
    #[command(flatten)]
    pub point: PointArgs,
    #[command(flatten)]
    pub run: RunArgs,
    /// Draw the comparison as SVG.
    #[arg(long, value_name = "FILE.svg", help_heading = "Output")]
    pub plot: Option<PathBuf>,
    /// What is drawn from left to right.
    #[arg(long, value_name = "NAME", requires = "plot", help_heading = "Output")]
    pub x: Option<String>,
    /// What is drawn upwards, one chart for each.
    #[arg(
        long,
        value_name = "FIGURE,...",
        value_delimiter = ',',
        requires = "plot",
        help_heading = "Output"
    )]
    pub y: Vec<String>,
    /// Write the points as CSV, one row for each.
    #[arg(long, value_name = "FILE.csv", help_heading = "Output")]
    pub csv: Option<PathBuf>,
}
