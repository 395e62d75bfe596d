//! Options that say who can call whom, for every simulator that needs a network.

use clap::Args;
use rumormill_sim::epidemic::Topology;
use std::path::PathBuf;

/// Contacts per node where nothing else is said.
const WIDTH: usize = 20;

#[derive(Clone, Debug, Args)]
pub struct TopologyArgs {
    /// Who can call whom: complete, random, regular, small-world, ring, grid, scale-free,
    /// datacenters, or a file with a line "A B" for each link between the nodes A and B.
    #[arg(long, value_name = "NAME|FILE", default_value = "complete", value_parser = source)]
    pub topology: Source,
    /// Contacts per node; random: each node draws its number below it. 20 if not given, or what
    /// there is. Complete, grid (4) and files do without.
    #[arg(long, value_name = "W")]
    pub width: Option<usize>,
    /// small-world: the probability of each link of the ring to lead to a random node instead.
    #[arg(long, value_name = "P", default_value_t = 0.1, allow_negative_numbers = true)]
    pub rewire: f64,
    /// grid: join opposite borders.
    #[arg(long)]
    pub torus: bool,
    /// datacenters: zones, each with W contacts per node inside.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub zones: usize,
    /// datacenters: links between each two zones.
    #[arg(long, value_name = "N", default_value_t = 4)]
    pub across: usize,
}

/// Where a network comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Named(Name),
    File(PathBuf),
}

/// The kinds of networks that can be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    Complete,
    Random,
    Regular,
    SmallWorld,
    Ring,
    Grid,
    ScaleFree,
    Datacenters,
}

const NAMES: [(&str, Name); 8] = [
    ("complete", Name::Complete),
    ("random", Name::Random),
    ("regular", Name::Regular),
    ("small-world", Name::SmallWorld),
    ("ring", Name::Ring),
    ("grid", Name::Grid),
    ("scale-free", Name::ScaleFree),
    ("datacenters", Name::Datacenters),
];

/// What is no name is a file, if it looks like one.
pub fn source(text: &str) -> Result<Source, String> {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == text) {
        return Ok(Source::Named(*name));
    }
    let path = PathBuf::from(text);
    if text.contains(['/', '\\', '.']) || path.exists() {
        return Ok(Source::File(path));
    }
    let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
    Err(format!("there is no such topology, and no such file; there are {}", names.join(", ")))
}

impl TopologyArgs {
    /// The network to draw; none if it is in a file.
    pub fn named(&self) -> Option<Topology> {
        let Source::Named(name) = self.topology else { return None };
        Some(match name {
            Name::Complete => Topology::Complete,
            Name::Random => Topology::Random,
            Name::Regular => Topology::Regular,
            Name::SmallWorld => Topology::SmallWorld { rewire: self.rewire },
            Name::Ring => Topology::Ring,
            Name::Grid => Topology::Grid { torus: self.torus },
            Name::ScaleFree => Topology::ScaleFree,
            Name::Datacenters => Topology::Datacenters { zones: self.zones, across: self.across },
        })
    }

    /// The width that was asked for, or the usual one as far as so many nodes allow it.
    pub fn width(&self, nodes: usize) -> usize {
        let others = nodes.saturating_sub(1);
        // An even number suits every kind.
        let most = if others > 1 { others / 2 * 2 } else { others };
        self.width.unwrap_or(WIDTH.min(most).max(1))
    }
}

/// A whole number, also as 1e6 or 1_000_000.
pub fn count(text: &str) -> Result<usize, String> {
    let plain = text.replace('_', "");
    let wrong = || format!("{text:?} is no whole number, as 1000 or 1e6");
    let (digits, zeros) = match plain.split_once(['e', 'E']) {
        None => (plain.as_str(), 0),
        Some((digits, zeros)) => (digits, zeros.parse::<u32>().map_err(|_| wrong())?),
    };
    let digits: usize = digits.parse().map_err(|_| wrong())?;
    let whole = 10_usize.checked_pow(zeros).and_then(|power| digits.checked_mul(power));
    whole.ok_or_else(|| format!("{text} is too big a number"))
}

/// Nodes of a cluster, as [`count`] reads them.
pub fn members<const LEAST: usize>(text: &str) -> Result<u32, String> {
    const MOST: usize = 1_000_000;
    match count(text)? {
        nodes if (LEAST..=MOST).contains(&nodes) => Ok(nodes as u32),
        nodes => Err(format!("{nodes} nodes: there can be {LEAST} to {MOST}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_bounds() {
        assert_eq!(members::<2>("1e3"), Ok(1000));
        assert_eq!(members::<1>("1_000_000"), Ok(1_000_000));
        for text in ["1", "0", "1e7", "many", "1e99"] {
            assert!(members::<2>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_and_files_are_told_apart() {
        assert_eq!(source("ring"), Ok(Source::Named(Name::Ring)));
        assert_eq!(source("./ring"), Ok(Source::File("./ring".into())));
        assert_eq!(source("net.txt"), Ok(Source::File("net.txt".into())));
        assert!(source("rign").unwrap_err().contains("small-world"));
    }

    #[test]
    fn numbers_may_have_exponents() {
        assert_eq!(count("1000"), Ok(1000));
        assert_eq!(count("1e6"), Ok(1_000_000));
        assert_eq!(count("25_000"), Ok(25_000));
        for wrong in ["", "e", "1e", "e6", "1.5", "-1", "1e99", "1e-1", "x"] {
            assert!(count(wrong).is_err(), "{wrong}");
        }
    }
}
