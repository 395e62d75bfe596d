//! Making the network that the options ask for.

use super::memory;
use crate::args::{Source, TopologyArgs};
use crate::commands::progress;
use crate::failure::Failure;
use crate::output::count;
use rumormill_sim::epidemic::spatial;
use rumormill_sim::epidemic::{Graph, Network, Spatial, Topology, edge_list};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// Nodes where nothing else is said.
pub const NODES: usize = 1000;
/// Memory for a link of a file while it is read: its list may be held twice when it grows.
const BYTES_PER_LINK: u64 = 40;

/// A network, and what it was made from.
#[derive(Debug)]
pub struct Built {
    pub network: Network,
    /// None if it came from a file.
    pub topology: Option<Topology>,
    /// Contacts per node that were asked for; for a file and the complete network their number.
    pub width: f64,
    /// What a user may want to know about it.
    pub notes: Vec<String>,
}

impl TopologyArgs {
    /// Makes the network; refuses what cannot be, and what has no room in memory, before it
    /// starts. `nodes` is none if the user did not say.
    pub fn build(&self, nodes: Option<usize>, seed: u64) -> anyhow::Result<Built> {
        match &self.topology {
            Source::File(path) => self.read(path, nodes),
            Source::Named(_) => self.draw(nodes.unwrap_or(NODES), seed),
        }
    }

    /// Partners by distance on such a network.
    pub fn spatial(&self, built: &Built, a: f64) -> anyhow::Result<Spatial> {
        let nodes = built.network.nodes();
        let usage = |error: rumormill_sim::epidemic::Invalid| Failure::usage(error.0);
        spatial::check(built.topology, nodes, a).map_err(usage)?;
        let needed = Spatial::bytes(built.topology, nodes);
        memory::ensure(needed, &format!("the distances between {} nodes", count(nodes as u64)))?;
        Spatial::new(built.topology, &built.network, self.width(nodes), a).map_err(usage)
    }

    fn draw(&self, nodes: usize, seed: u64) -> anyhow::Result<Built> {
        let Some(topology) = self.named() else {
            return Err(Failure::usage("the network is in a file"));
        };
        let width = self.width(nodes);
        let usage = |error: rumormill_sim::epidemic::Invalid| Failure::usage(error.0);
        topology.check(nodes, width).map_err(usage)?;
        let what = format!("a {} network of {} nodes", topology.name(), count(nodes as u64));
        memory::ensure(topology.bytes(nodes, width), &what)?;
        let spinner = progress::spinner(format!("drawing {what}"));
        let network = topology.build(nodes, width, seed).map_err(usage)?;
        spinner.finish_and_clear();
        let mut notes = Vec::new();
        let fixed = matches!(topology, Topology::Complete | Topology::Grid { .. });
        if fixed && self.width.is_some() {
            notes.push(format!("a {} network takes no --width", topology.name()));
        }
        let width = match topology {
            Topology::Complete => nodes as f64 - 1.0,
            Topology::Grid { .. } => 4.0,
            _ => width as f64,
        };
        Ok(Built { network, topology: Some(topology), width, notes })
    }

    fn read(&self, path: &Path, nodes: Option<usize>) -> anyhow::Result<Built> {
        if self.width.is_some() {
            return Err(Failure::usage(
                "a topology file says itself who knows whom: leave --width out",
            ));
        }
        let name = path.display();
        let file = File::open(path)
            .map_err(|error| Failure::usage(format!("cannot read the topology {name}: {error}")))?;
        let room = memory::available().map_or(u64::MAX, |bytes| bytes / BYTES_PER_LINK);
        let max_links = usize::try_from(room).unwrap_or(usize::MAX).min(Graph::MAX_LINKS);
        let spinner = progress::spinner(format!("reading {name}"));
        let list = edge_list::read(BufReader::with_capacity(1 << 20, file), max_links)
            .map_err(|error| Failure::usage(format!("{name}: {error}")))?;
        spinner.finish_and_clear();
        let found = list.graph.nodes();
        if let Some(nodes) = nodes.filter(|nodes| *nodes != found) {
            return Err(Failure::usage(format!(
                "{name} has {found} nodes and --nodes says {nodes}: leave --nodes out, or begin \
                 the file with a line \"nodes {nodes}\""
            )));
        }
        let mut notes = Vec::new();
        if list.doubles > 0 {
            notes.push(format!("links listed more than once, counted once: {}", list.doubles));
        }
        let width = list.graph.width();
        Ok(Built { network: Network::Graph(list.graph), topology: None, width, notes })
    }
}
