//! Networks by name: how the contacts of each node are drawn.

mod datacenters;
mod growing;
mod lattice;
mod random;
mod regular;
mod scale_free;

#[cfg(test)]
mod tests;

use super::Invalid;
use super::graph::{Graph, too_big};
use rumormill_core::base::rng::Rng;

pub use lattice::rectangle;

/// Who can call whom.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Topology {
    /// Everyone can call everyone.
    #[default]
    Complete,
    /// Each node draws its number of contacts below the width and makes links at random until it
    /// has as many; links that others made to it count.
    Random,
    /// Everyone has exactly as many contacts as the width says, at random (up to a bias of a few
    /// links in all: those that would be double are switched with others).
    Regular,
    /// A ring of which some links are replaced by random ones (Watts, Strogatz 1998).
    SmallWorld {
        /// The probability of each link to be replaced.
        rewire: f64,
    },
    /// The nearest nodes on a circle, half of the width to either side.
    Ring,
    /// Four contacts in a rectangle.
    Grid {
        /// True if each border is joined to the opposite one.
        torus: bool,
    },
    /// Each new node makes links to half the width of older ones, rather to those that have many
    /// (Barabási, Albert 1999).
    ScaleFree,
    /// Zones with as many contacts inside as the width says, and few links between zones.
    Datacenters {
        /// Zones of about equal size.
        zones: usize,
        /// Links between each two zones.
        across: usize,
    },
}

/// What a topology was made into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Everyone can call everyone: nothing to list.
    Complete(usize),
    /// Contacts are listed.
    Graph(Graph),
}

impl Network {
    /// Nodes.
    #[must_use]
    pub fn nodes(&self) -> usize {
        match self {
            Self::Complete(nodes) => *nodes,
            Self::Graph(graph) => graph.nodes(),
        }
    }

    /// The graph, unless everyone can call everyone.
    #[must_use]
    pub fn graph(&self) -> Option<&Graph> {
        match self {
            Self::Complete(_) => None,
            Self::Graph(graph) => Some(graph),
        }
    }
}

impl Topology {
    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Random => "random",
            Self::Regular => "regular",
            Self::SmallWorld { .. } => "small-world",
            Self::Ring => "ring",
            Self::Grid { .. } => "grid",
            Self::ScaleFree => "scale-free",
            Self::Datacenters { .. } => "datacenters",
        }
    }

    /// Says what is wrong with such a network, before anything is built.
    ///
    /// # Errors
    /// If it cannot be built, with what to do about it.
    pub fn check(self, nodes: usize, width: usize) -> Result<(), Invalid> {
        let no = |text: String| Err(Invalid(text));
        if nodes == 0 {
            return no("a network needs at least one node".into());
        }
        if self == Self::Complete {
            if nodes > Graph::MAX_NODES {
                return no(format!("{nodes} nodes: there can be at most {}", Graph::MAX_NODES));
            }
            return Ok(());
        }
        if let Self::Grid { .. } = self {
            lattice::rectangle(nodes)?;
        } else if width == 0 {
            return no("with width 0 nobody has a contact: take at least 1".into());
        } else if width >= nodes {
            return no(format!(
                "width {width} with {nodes} nodes: a node has only {} others; take a smaller width \
                 or more nodes",
                nodes - 1
            ));
        }
        let links = self.links(nodes, width);
        if nodes > Graph::MAX_NODES || links > Graph::MAX_LINKS {
            return Err(too_big(nodes, links));
        }
        match self {
            Self::Regular if (nodes * width) % 2 == 1 => no(format!(
                "{nodes} nodes with exactly {width} contacts each cannot be: the ends of all links \
                 are an even number; make the nodes or the width even"
            )),
            Self::Ring | Self::SmallWorld { .. } if width % 2 == 1 => no(format!(
                "width {width} on a ring: half of the contacts are on either side; take an even \
                 width"
            )),
            Self::ScaleFree if width % 2 == 1 => no(format!(
                "width {width} of a scale-free network: each new node makes links to half as many \
                 others; take an even width"
            )),
            Self::SmallWorld { rewire } if !(0.0..=1.0).contains(&rewire) => {
                no(format!("rewiring with probability {rewire}: take one from 0 to 1"))
            }
            Self::Datacenters { zones, across } => datacenters::check(nodes, width, zones, across),
            _ => Ok(()),
        }
    }

    /// The memory that [`Self::build`] will take at most, in bytes.
    #[must_use]
    pub fn bytes(self, nodes: usize, width: usize) -> u64 {
        match self {
            Self::Complete => 0,
            _ => Graph::bytes_to_build(nodes, self.links(nodes, width)),
        }
    }

    /// Draws the network; the same arguments give the same one.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn build(self, nodes: usize, width: usize, seed: u64) -> Result<Network, Invalid> {
        self.check(nodes, width)?;
        let mut rng = Rng::new(seed);
        let graph = match self {
            Self::Complete => return Ok(Network::Complete(nodes)),
            Self::Random => random::draw(nodes, width, &mut rng)?,
            Self::Regular => regular::draw(nodes, width, &mut rng),
            Self::SmallWorld { rewire } => lattice::small_world(nodes, width, rewire, &mut rng)?,
            Self::Ring => lattice::ring(nodes, width)?,
            Self::Grid { torus } => lattice::grid(nodes, torus)?,
            Self::ScaleFree => scale_free::draw(nodes, width, &mut rng)?,
            Self::Datacenters { zones, across } => {
                datacenters::draw(nodes, width, zones, across, &mut rng)?
            }
        };
        Ok(Network::Graph(graph))
    }

    /// The most links that it will have.
    fn links(self, nodes: usize, width: usize) -> usize {
        match self {
            Self::Complete => 0,
            Self::Grid { .. } => nodes.saturating_mul(2),
            Self::Datacenters { zones, across } => {
                let pairs = zones.saturating_mul(zones.saturating_sub(1)) / 2;
                nodes.saturating_mul(width).div_ceil(2).saturating_add(pairs.saturating_mul(across))
            }
            _ => nodes.saturating_mul(width).div_ceil(2),
        }
    }
}
