//! Arguments of `rumormill sim graph`.

use super::TopologyArgs;
use super::topology::count;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
Six degrees of separation: with W contacts each, W^6 people can be reached in six steps, if no two
people share a contact. In real networks they do. This command draws a network and measures it:
  distances      share of the pairs of nodes at each distance, in links; mean beside ln n / ln W
  six steps      share of the pairs within six links, beside W^6
  clustering     share of the pairs of a node's contacts that know each other, mean over nodes
  spatial        how many links a contact crosses if near nodes are called more often
Small networks are searched from every node; in large ones a sample of nodes is searched from
(--sample), and the result says so. Ctrl-C ends the search and shows what is done.

A topology file has a line \"A B\" for each link; nodes are numbered from 0; # begins a comment; a
first line \"nodes N\" says how many there are, if some have no link.

Examples:
  rumormill sim graph --topology random --nodes 1e5 --width 150
  rumormill sim graph --topology small-world --nodes 1000 --width 10 --plot distances.svg
  rumormill sim graph --topology ring --width 2 --nodes 10000 --spatial 2
  rumormill sim graph --topology friends.txt --format json")]
pub struct GraphArgs {
    /// Nodes, also as 1e6. 1000 if not given; a topology file says itself.
    #[arg(long, value_name = "N", value_parser = count)]
    pub nodes: Option<usize>,
    #[command(flatten)]
    pub network: TopologyArgs,
    /// Search from so many nodes, drawn at random, instead of as many as a few seconds allow; as
    /// many as there are nodes for an exact result.
    #[arg(long, value_name = "N", value_parser = count)]
    pub sample: Option<usize>,
    /// Also measure calls by distance: Demers' distribution with this exponent. 0: everyone equally
    /// likely; 2: traffic per link on a line grows with log n only.
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    pub spatial: Option<f64>,
    /// Draw the distribution of distances and contacts into this file.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Write the pairs at each distance into this file.
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Everything random follows from it.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
}
