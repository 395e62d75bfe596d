//! Zones: which nodes stand together, and how far apart the places are.
//!
//! Read from a small TOML file:
//!
//! ```toml
//! between = "30ms..33ms"          # between zones of which nothing else is said
//!
//! [[zone]]
//! name = "fra"
//! share = 2                       # of the nodes, against the other shares; or: nodes = 20
//! inside = "0.2ms..0.6ms"
//!
//! [[zone]]
//! name = "nyc"
//! share = 1
//! inside = "0.3ms..0.9ms"
//!
//! [[link]]
//! zones = ["fra", "nyc"]
//! latency = "lognormal:41ms,0.05"
//! ```

use crate::latency::Latency;
use crate::text::list;
use serde::{Deserialize, Serialize};

/// Zones in a file, at most.
const MAX_ZONES: usize = 1000;
/// Nodes that are given a place, at most.
const MAX_PLACED: usize = 1_000_000;
/// Longest file, bytes.
pub const MAX_FILE: usize = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    between: Option<String>,
    #[serde(default)]
    zone: Vec<Zone>,
    #[serde(default)]
    link: Vec<Link>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Zone {
    name: String,
    share: Option<f64>,
    nodes: Option<usize>,
    inside: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Link {
    zones: [String; 2],
    latency: String,
}

/// Zones as a file describes them, for a cluster of any size.
#[derive(Clone, Debug, PartialEq)]
pub struct Zones {
    names: Vec<String>,
    sizes: Sizes,
    /// By zone of the sender, then by zone of the receiver.
    latency: Vec<Vec<Latency>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Sizes {
    Shares(Vec<f64>),
    Counts(Vec<usize>),
}

/// Zones with their nodes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Form", into = "Form")]
pub struct Placement {
    names: Vec<String>,
    zone_of: Vec<u16>,
    latency: Vec<Vec<Latency>>,
}

impl Zones {
    /// Reads a file.
    ///
    /// # Errors
    /// In words, with what to write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| span.start);
            let line = 1 + text.bytes().take(line).filter(|&byte| byte == b'\n').count();
            format!("line {line}: {}", error.message())
        })?;
        let names: Vec<String> = file.zone.iter().map(|zone| zone.name.clone()).collect();
        check_names(&names)?;
        let latency = table(&file, &names)?;
        let sizes = sizes(&file.zone)?;
        Ok(Self { names, sizes, latency })
    }

    /// Gives nodes to the zones: the first nodes to the first zone, and so on.
    ///
    /// # Errors
    /// If the counts do not add up to the nodes, or a zone would be empty.
    pub fn place(&self, nodes: usize) -> Result<Placement, String> {
        let counts = match &self.sizes {
            Sizes::Counts(counts) => {
                let sum = counts.iter().fold(0, |sum: usize, count| sum.saturating_add(*count));
                if sum != nodes {
                    return Err(format!(
                        "its zones have {sum} nodes together, but the cluster has {nodes}: make \
                         them equal, or write shares, which fit any number"
                    ));
                }
                counts.clone()
            }
            Sizes::Shares(shares) => apportion(shares, nodes),
        };
        if let Some(empty) = counts.iter().position(|&count| count == 0) {
            let name = &self.names[empty];
            return Err(format!("zone {name:?} gets none of the {nodes} nodes: use more nodes"));
        }
        Placement::new(self.names.clone(), &counts, self.latency.clone())
    }
}

/// A placement in the text form of a scenario.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    names: Vec<String>,
    /// Nodes of each zone: the first nodes are in the first zone, and so on.
    nodes: Vec<usize>,
    latency: Vec<Vec<Latency>>,
}

impl From<Placement> for Form {
    fn from(placement: Placement) -> Self {
        let Placement { names, zone_of, latency } = placement;
        let count = |zone| zone_of.iter().filter(|of| usize::from(**of) == zone).count();
        Self { nodes: (0..names.len()).map(count).collect(), names, latency }
    }
}

impl TryFrom<Form> for Placement {
    type Error = String;

    fn try_from(form: Form) -> Result<Self, String> {
        let Form { names, nodes, latency } = form;
        let zones = names.len();
        let square = latency.len() == zones && latency.iter().all(|row| row.len() == zones);
        if !square || nodes.len() != zones {
            return Err(format!(
                "{zones} zones need as many numbers of nodes, and their square of latencies"
            ));
        }
        if nodes.iter().fold(0, |sum: usize, count| sum.saturating_add(*count)) > MAX_PLACED {
            return Err(format!("zones have {MAX_PLACED} nodes at most"));
        }
        Self::new(names, &nodes, latency)
    }
}

impl Placement {
    /// Zones of so many nodes each, and the latency from each to each.
    fn new(
        names: Vec<String>,
        nodes: &[usize],
        latency: Vec<Vec<Latency>>,
    ) -> Result<Self, String> {
        check_names(&names)?;
        if let Some(bad) = latency.iter().flatten().find(|latency| !latency.is_sound()) {
            return Err(format!(
                "{bad:?} cannot be: up to 1h, the smaller time first, sigma 0 to 5"
            ));
        }
        let zones = nodes.iter().enumerate();
        let zone_of =
            zones.flat_map(|(zone, &count)| std::iter::repeat_n(zone as u16, count)).collect();
        Ok(Self { names, zone_of, latency })
    }

    /// Zones `a`, `b` and so on of so many nodes each; one latency inside all, and one between any
    /// two.
    pub(crate) fn alike(nodes: &[usize], inside: Latency, between: Latency) -> Option<Self> {
        let zones = nodes.len();
        let names = ('a'..='z').take(zones).map(String::from).collect();
        let row =
            |zone| (0..zones).map(|other| if other == zone { inside } else { between }).collect();
        Self::new(names, nodes, (0..zones).map(row).collect()).ok()
    }

    /// The first nodes of it.
    pub(crate) fn first(&self, nodes: usize) -> Self {
        let zone_of = self.zone_of.iter().take(nodes).copied().collect();
        Self { names: self.names.clone(), zone_of, latency: self.latency.clone() }
    }

    /// Nodes that are given a place.
    pub(crate) fn nodes(&self) -> usize {
        self.zone_of.len()
    }

    /// How many nodes each zone has.
    pub(crate) fn counts(&self) -> Vec<usize> {
        Form::from(self.clone()).nodes
    }

    /// The zones.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The nodes of a zone.
    #[must_use]
    pub fn members(&self, name: &str) -> Option<Vec<usize>> {
        let zone = self.names.iter().position(|known| known == name)?;
        let all = self.zone_of.iter().enumerate();
        Some(all.filter(|&(_, &of)| usize::from(of) == zone).map(|(node, _)| node).collect())
    }

    /// The zone of a node.
    #[must_use]
    pub fn zone(&self, node: usize) -> Option<&str> {
        let zone = self.zone_of.get(node)?;
        self.names.get(usize::from(*zone)).map(String::as_str)
    }

    /// True if two nodes are in different zones.
    pub(crate) fn parts(&self, one: usize, other: usize) -> bool {
        self.zone_of[one] != self.zone_of[other]
    }

    /// The latency between two nodes.
    pub(crate) fn between(&self, from: usize, to: usize) -> Latency {
        self.latency[usize::from(self.zone_of[from])][usize::from(self.zone_of[to])]
    }

    /// The longest middle latency of a hop between any two zones.
    #[must_use]
    pub fn longest(&self) -> std::time::Duration {
        self.latency.iter().flatten().map(Latency::middle).max().unwrap_or_default()
    }
}

fn check_names(names: &[String]) -> Result<(), String> {
    if names.is_empty() {
        return Err("there is no zone: write [[zone]] with name, share and inside".into());
    }
    if names.len() > MAX_ZONES {
        return Err(format!("there are {} zones; the most is {MAX_ZONES}", names.len()));
    }
    for (index, name) in names.iter().enumerate() {
        let good = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        // A fault names zones beside nodes (n7): the two must not be mistaken for each other.
        let node = name.strip_prefix('n').is_some_and(|rest| rest.parse::<u64>().is_ok());
        if node || !name.starts_with(char::is_alphabetic) || !name.chars().all(good) {
            return Err(format!(
                "{name:?} is no name for a zone: begin with a letter, go on with letters, digits, \
                 - and _; n and a number would be a node"
            ));
        }
        if names[..index].contains(name) {
            return Err(format!("there are two zones {name:?}"));
        }
    }
    Ok(())
}

fn table(file: &File, names: &[String]) -> Result<Vec<Vec<Latency>>, String> {
    let between: Option<Latency> = match &file.between {
        Some(text) => Some(text.parse().map_err(|error| format!("between: {error}"))?),
        None => None,
    };
    let mut table = vec![vec![between; names.len()]; names.len()];
    for (index, zone) in file.zone.iter().enumerate() {
        let inside = zone.inside.parse();
        let inside = inside.map_err(|error| format!("zone {:?}: inside: {error}", zone.name))?;
        table[index][index] = Some(inside);
    }
    let mut linked = vec![];
    for link in &file.link {
        let of = |name: &String| {
            names.iter().position(|known| known == name).ok_or_else(|| {
                format!("a link leads to {name:?}; there are the zones {}", list(names))
            })
        };
        let [one, other] = [of(&link.zones[0])?, of(&link.zones[1])?];
        let pair = (one.min(other), one.max(other));
        if one == other {
            return Err(format!(
                "a link leads from {:?} to itself: that is its `inside`",
                link.zones[0]
            ));
        }
        if linked.contains(&pair) {
            return Err(format!("there are two links between {}", list(&link.zones)));
        }
        linked.push(pair);
        let latency = link.latency.parse();
        let latency = latency.map_err(|error| format!("link {}: {error}", list(&link.zones)))?;
        table[one][other] = Some(latency);
        table[other][one] = Some(latency);
    }
    let mut whole = Vec::with_capacity(names.len());
    for (one, row) in table.into_iter().enumerate() {
        let row: Option<Vec<Latency>> = row.iter().copied().collect();
        whole.push(row.ok_or_else(|| {
            format!(
                "nothing says how far {:?} is from every other zone: write `between` at the top, \
                 or a [[link]] for each pair",
                names[one]
            )
        })?);
    }
    Ok(whole)
}

fn sizes(zones: &[Zone]) -> Result<Sizes, String> {
    if zones.iter().any(|zone| zone.nodes.is_some()) {
        let counts = zones.iter().map(|zone| match (zone.nodes, zone.share) {
            (Some(nodes), None) => Ok(nodes),
            _ => Err(format!("zone {:?}: all zones have `nodes`, or all `share`", zone.name)),
        });
        return counts.collect::<Result<_, _>>().map(Sizes::Counts);
    }
    let shares = zones.iter().map(|zone| match zone.share.unwrap_or(1.0) {
        share if share > 0.0 && share <= 1e9 => Ok(share),
        share => Err(format!("zone {:?}: share = {share} is not above 0", zone.name)),
    });
    shares.collect::<Result<_, _>>().map(Sizes::Shares)
}

/// Cuts `nodes` in the ratio of the shares, by the largest remainder.
fn apportion(shares: &[f64], nodes: usize) -> Vec<usize> {
    let sum: f64 = shares.iter().sum();
    let exact: Vec<f64> = shares.iter().map(|share| nodes as f64 * share / sum).collect();
    let mut counts: Vec<usize> = exact.iter().map(|exact| *exact as usize).collect();
    let mut order: Vec<usize> = (0..shares.len()).collect();
    let rest = |zone: usize| exact[zone] - exact[zone].floor();
    order.sort_by(|&one, &other| rest(other).total_cmp(&rest(one)).then(one.cmp(&other)));
    let left = nodes.saturating_sub(counts.iter().sum());
    for &zone in order.iter().cycle().take(left) {
        counts[zone] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const GOOD: &str = r#"
        between = "30ms"
        [[zone]]
        name = "fra"
        share = 2
        inside = "0.2ms..0.6ms"
        [[zone]]
        name = "nyc"
        inside = "1ms"
        [[zone]]
        name = "sin"
        inside = "1ms"
        [[link]]
        zones = ["nyc", "fra"]
        latency = "lognormal:41ms,0.05"
    "#;

    #[test]
    fn nodes_are_placed_by_shares_and_hops_take_what_the_file_says() {
        let placed = Zones::parse(GOOD).unwrap().place(9).unwrap();
        assert_eq!(placed.members("fra").unwrap(), [0, 1, 2, 3, 4], "5 of 9: 4.5 rounded up");
        assert_eq!(placed.members("nyc").unwrap().len(), 2);
        assert_eq!(placed.members("mars"), None);
        let ms = Duration::from_millis;
        assert_eq!(placed.between(8, 8), Latency::Fixed(ms(1)));
        assert_eq!(placed.between(0, 8), Latency::Fixed(ms(30)));
        assert_eq!(placed.between(0, 5), Latency::LogNormal { median: ms(41), sigma: 0.05 });
        assert_eq!(placed.between(5, 0), placed.between(0, 5));
        assert_eq!(placed.longest(), ms(41));
    }

    #[test]
    fn counts_must_be_those_of_the_cluster() {
        let text = GOOD.replace("share = 2", "nodes = 3");
        let error = Zones::parse(&text).unwrap_err();
        assert!(error.contains("all zones have `nodes`, or all `share`"), "{error}");
        let text = "[[zone]]\nname='a'\nnodes=3\ninside='1ms'";
        let zones = Zones::parse(text).unwrap();
        assert!(zones.place(4).unwrap_err().contains("3 nodes together, but the cluster has 4"));
        assert_eq!(zones.place(3).unwrap().members("a").unwrap(), [0, 1, 2]);
    }

    #[test]
    fn errors_say_what_to_write() {
        for (from, to, says) in [
            ("between = \"30ms\"", "", "how far \"fra\""),
            ("between = \"30ms\"", "between = 30", "line 2"),
            ("\"sin\"", "\"n7\"", "would be a node"),
            ("\"sin\"", "\"fra\"", "two zones \"fra\""),
            ("\"sin\"", "\"\"", "is no name for a zone"),
            ("share = 2", "share = -2", "is not above 0"),
            ("share = 2", "shares = 2", "unknown field"),
            ("\"1ms\"", "\"1\"", "inside: "),
            ("[\"nyc\", \"fra\"]", "[\"nyc\", \"mars\"]", "a link leads to \"mars\""),
            ("[\"nyc\", \"fra\"]", "[\"nyc\", \"nyc\"]", "to itself"),
            ("lognormal:41ms,0.05", "lognormal:41ms", "link nyc and fra"),
        ] {
            let error = Zones::parse(&GOOD.replace(from, to)).unwrap_err();
            assert!(error.contains(says), "{from} -> {to}: {error}");
        }
        assert!(Zones::parse("").unwrap_err().contains("there is no zone"));
        let two = GOOD.replace("\"sin\"", "\"s\"");
        let error = Zones::parse(&two).unwrap().place(2).unwrap_err();
        assert!(error.contains("gets none of the 2 nodes"), "{error}");
    }

    #[test]
    fn every_node_is_in_a_zone_whatever_the_shares() {
        for nodes in 1..50 {
            let counts = apportion(&[1.0, 2.5, 0.1, 1e6], nodes);
            assert_eq!(counts.iter().sum::<usize>(), nodes);
        }
    }

    #[test]
    fn a_placement_has_a_text_form_that_is_checked() {
        let hop = |ms| Latency::Fixed(std::time::Duration::from_millis(ms));
        let placement = Placement::alike(&[3, 1], hop(1), hop(30)).unwrap();
        let text = toml::to_string(&placement).unwrap();
        assert_eq!(toml::from_str::<Placement>(&text).unwrap(), placement);
        assert_eq!(placement.first(2).counts(), [2, 0]);
        for (from, to) in [
            ("nodes = [3, 1]", "nodes = [3]"),
            ("nodes = [3, 1]", "nodes = [3, 9223372036854775807]"),
            ("\"a\"", "\"b\""),
            ("1ms", "2h"),
        ] {
            assert!(text.contains(from), "{text}");
            assert!(toml::from_str::<Placement>(&text.replace(from, to)).is_err(), "{to}");
        }
    }
}
