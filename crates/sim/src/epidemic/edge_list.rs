//! Networks from text: a link per line, two node numbers apart.

use super::{Graph, Invalid};
use std::io::BufRead;

/// Longest line that is looked at. Two numbers need far less.
const MAX_LINE: usize = 1000;

/// A network that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EdgeList {
    /// The network.
    pub graph: Graph,
    /// Links that were listed again, in either direction; they count once.
    pub doubles: usize,
}

/// Reads a network: `a b` per line, numbers from 0. Empty lines and what follows `#` are skipped. A
/// line `nodes N` before the links says how many nodes there are; without it the highest number
/// does. At most `max_links` links are taken, and as many nodes twice over.
///
/// # Errors
/// With the number of the line: for anything else in a line, a node that does not exist, a link of
/// a node with itself, more than there is room for; and if reading fails.
pub fn read(from: impl BufRead, max_links: usize) -> Result<EdgeList, Invalid> {
    let max_links = max_links.min(Graph::MAX_LINKS);
    let max_nodes = max_links.saturating_mul(2).clamp(1, Graph::MAX_NODES);
    let mut reader = Reader { nodes: None, seen: 0, links: Vec::new(), max_links, max_nodes };
    each_line(from, |line| reader.line(line))?;
    let nodes = reader.nodes.unwrap_or(reader.seen);
    if nodes == 0 {
        return Err(Invalid("no links: a network has a line \"a b\" for each link".into()));
    }
    let graph = Graph::from_links(nodes, &reader.links)?;
    let doubles = reader.links.len() - graph.edges();
    Ok(EdgeList { graph, doubles })
}

/// Calls `take` with every line, however the file is made, without reading endless ones.
fn each_line(
    mut from: impl BufRead,
    mut take: impl FnMut(&str) -> Result<(), String>,
) -> Result<(), Invalid> {
    let mut line = Vec::with_capacity(100);
    for number in 1_u64.. {
        let at = |text: String| Invalid(format!("line {number}: {text}"));
        line.clear();
        let mut bounded = std::io::Read::take(&mut from, MAX_LINE as u64 + 1);
        let got = bounded.read_until(b'\n', &mut line);
        let got = got.map_err(|error| at(format!("cannot read it: {error}")))?;
        if got == 0 {
            break;
        }
        if got > MAX_LINE {
            return Err(at(format!("longer than {MAX_LINE} bytes: a line is two node numbers")));
        }
        let text = std::str::from_utf8(&line).map_err(|_| at("not text".into()))?;
        take(text.trim_start_matches('\u{feff}')).map_err(at)?;
    }
    Ok(())
}

struct Reader {
    /// As the header says.
    nodes: Option<usize>,
    /// 1 + the highest node number.
    seen: usize,
    links: Vec<(u32, u32)>,
    max_links: usize,
    max_nodes: usize,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (None, ..) => Ok(()),
            (Some("nodes"), Some(count), None) => self.header(count),
            (Some(a), Some(b), None) => self.link(a, b),
            _ => Err(format!(
                "{:?} is no link: a line is two node numbers, as \"0 1\"",
                line.trim().chars().take(60).collect::<String>()
            )),
        }
    }

    fn header(&mut self, count: &str) -> Result<(), String> {
        if self.nodes.is_some() {
            return Err("the number of nodes was said before".into());
        }
        if !self.links.is_empty() {
            return Err("the number of nodes has to come before the links".into());
        }
        let count = number(count)?;
        if count == 0 {
            return Err("a network needs at least one node".into());
        }
        if count > self.max_nodes as u64 {
            return Err(format!("{count} nodes, and there is room for {}", self.max_nodes));
        }
        self.nodes = Some(count as usize);
        Ok(())
    }

    fn link(&mut self, a: &str, b: &str) -> Result<(), String> {
        let (a, b) = (self.node(a)?, self.node(b)?);
        if a == b {
            return Err(format!("node {a} is linked with itself: take the line out"));
        }
        if self.links.len() == self.max_links {
            return Err(format!(
                "more than {} links, and there is no room for more",
                self.max_links
            ));
        }
        self.seen = self.seen.max(a.max(b) as usize + 1);
        self.links.push((a, b));
        Ok(())
    }

    fn node(&self, word: &str) -> Result<u32, String> {
        let node = number(word)?;
        match self.nodes {
            Some(nodes) if node >= nodes as u64 => Err(format!(
                "there is no node {node}: the file says that there are {nodes} nodes, from 0 to {}",
                nodes - 1
            )),
            None if node >= self.max_nodes as u64 => Err(format!(
                "node {node}: there is room for {} nodes; number them from 0, without gaps",
                self.max_nodes
            )),
            _ => Ok(node as u32),
        }
    }
}

fn number(word: &str) -> Result<u64, String> {
    let short: String = word.chars().take(30).collect();
    match word.bytes().all(|byte| byte.is_ascii_digit()) {
        true => word.parse().map_err(|_| format!("{short} is too big a number")),
        false => Err(format!("{short:?} is no node number: nodes are numbered from 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Result<EdgeList, Invalid> {
        read(text.as_bytes(), 1000)
    }

    #[test]
    fn links_comments_and_the_header_are_read() {
        let list = text("# mine\nnodes 5\n\n0 1 # first\r\n\t2  1\n1 0\n").unwrap();
        assert_eq!((list.graph.nodes(), list.graph.edges(), list.doubles), (5, 2, 1));
        assert_eq!(list.graph.neighbours(1), [0, 2]);
        assert_eq!(text("0 3").unwrap().graph.nodes(), 4);
        assert_eq!(text("nodes 1\n").unwrap().graph.nodes(), 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let long = "1".repeat(2000);
        for (bad, line, words) in [
            ("0 1\n1 1\n", 2, "itself"),
            ("nodes 3\n0 1\n1 3\n", 3, "there is no node 3"),
            ("0 x\n", 1, "\"x\" is no node number"),
            ("0 -1\n", 1, "\"-1\" is no node number"),
            ("0 1 2\n", 1, "is no link"),
            ("0\n", 1, "is no link"),
            ("0 1\nnodes 3\n", 2, "before the links"),
            ("nodes 3\nnodes 3\n", 2, "was said before"),
            ("nodes 0\n", 1, "at least one"),
            ("nodes 9999999\n", 1, "room for 2000"),
            ("0 4000000000\n", 1, "without gaps"),
            ("0 99999999999999999999999\n", 1, "too big"),
            (long.as_str(), 1, "longer than"),
        ] {
            let error = text(bad).unwrap_err().0;
            assert!(error.starts_with(&format!("line {line}: ")), "{bad}: {error}");
            assert!(error.contains(words), "{bad}: {error}");
        }
        assert!(text("# nothing\n").unwrap_err().0.contains("no links"));
        assert!(
            read(&b"0 1\n1 0\n"[..], 1).unwrap_err().0.starts_with("line 2: more than 1 links")
        );
        assert!(read(&[0xff, b'\n'][..], 1).unwrap_err().0.contains("not text"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_network_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(list) = read(&bytes[..], 100) {
                prop_assert!(list.graph.nodes() <= 200 && list.graph.edges() <= 100);
            }
        }

        #[test]
        fn any_lines_are_a_network_or_an_error(lines in "([0-9]{1,3}|nodes|#|[a ])( [0-9]{1,3})?\n{0,20}") {
            if let Ok(list) = read(lines.as_bytes(), 100) {
                prop_assert!(list.graph.nodes() <= 200 && list.graph.edges() <= 100);
                let links = lines.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
                prop_assert_eq!(list.graph.edges() + list.doubles, links.count());
            }
        }
    }
}
