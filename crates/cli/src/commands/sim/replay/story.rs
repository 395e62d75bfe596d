//! Who holds what under a key, and how it came there.

use rumormill_sim::Step;
use rumormill_sim::step::What;
use std::collections::BTreeMap;

/// Keys whose holders are followed, at most; later ones are left out.
const MAX_KEYS: usize = 1_000_000;

/// Who holds which write of which key.
#[derive(Debug, Default)]
pub struct Holders {
    nodes: usize,
    keys: BTreeMap<String, Key>,
}

/// Where the writes of one key are.
#[derive(Debug, Default)]
struct Key {
    /// By node: what it holds.
    held: BTreeMap<usize, Held>,
    /// When each write was made, by its stamp.
    written: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Held {
    stamp: String,
    deleted: bool,
}

/// Stamps kept for one key, at most.
const MAX_STAMPS: usize = 100_000;

impl Holders {
    /// Nobody holds anything. The number of nodes may be unknown (0): it grows with what is seen.
    pub fn new(nodes: usize) -> Self {
        Self { nodes, ..Self::default() }
    }

    /// True if an event changes who holds what.
    pub fn concerns(step: &Step) -> bool {
        matches!(step.what, What::Write | What::Hold | What::DiskLost)
    }

    /// Takes in an event.
    pub fn take_in(&mut self, step: &Step) {
        let Some(node) = step.node else { return };
        self.nodes = self.nodes.max(node.saturating_add(1));
        if step.what == What::DiskLost {
            self.keys.values_mut().for_each(|key| {
                key.held.remove(&node);
            });
            return;
        }
        let (Some(key), Some(stamp)) = (&step.key, &step.stamp) else { return };
        if !self.keys.contains_key(key) && self.keys.len() >= MAX_KEYS {
            return;
        }
        let entry = self.keys.entry(key.clone()).or_default();
        if step.what == What::Write && entry.written.len() < MAX_STAMPS {
            entry.written.insert(stamp.clone(), step.at);
        }
        let held = Held { stamp: stamp.clone(), deleted: step.is_delete() };
        entry.held.insert(node, held);
    }

    /// Who holds what under a key now, in one line.
    pub fn state(&self, key: &str) -> String {
        let Some(entry) = self.keys.get(key) else { return format!("nobody holds {key}") };
        let mut by_stamp: BTreeMap<(u64, u64, &str), (bool, Vec<String>)> = BTreeMap::new();
        for (node, held) in &entry.held {
            let group = by_stamp.entry(order(&held.stamp)).or_insert((held.deleted, Vec::new()));
            group.1.push(format!("n{node}"));
        }
        // The newest first.
        let mut parts: Vec<String> = by_stamp
            .into_iter()
            .rev()
            .map(|((.., stamp), (deleted, nodes))| {
                let what = if deleted { "deleted " } else { "" };
                format!("{what}{stamp} at {} of {}: {}", nodes.len(), self.nodes, list(&nodes))
            })
            .collect();
        let without: Vec<String> = (0..self.nodes)
            .filter(|node| !entry.held.contains_key(node))
            .map(|node| format!("n{node}"))
            .collect();
        if !without.is_empty() {
            parts.push(format!("nothing at {}", list(&without)));
        }
        format!("{key}: {}", parts.join("; "))
    }

    /// What an event means for its key, in words. To be asked after it was taken in.
    pub fn tell(&self, step: &Step) -> String {
        let at = format!("{:>12.6} s", step.at as f64 / 1e6);
        let node = step.node.map_or("-".into(), |node| format!("n{node}"));
        let (Some(key), Some(stamp)) = (&step.key, &step.stamp) else {
            return format!("{at}  {node} {}", step.what.name());
        };
        let entry = self.keys.get(key);
        let holders = entry
            .map_or(0, |entry| entry.held.values().filter(|held| held.stamp == *stamp).count());
        let size = step.size.map_or("a delete".to_owned(), |size| format!("{size} B"));
        if step.what == What::Write {
            let verb = if step.is_delete() { "deletes" } else { "writes" };
            return format!("{at}  {node} {verb} {stamp} ({size})");
        }
        let from = step.peer.map_or("somebody".into(), |peer| format!("n{peer}"));
        let after = match entry.and_then(|entry| entry.written.get(stamp)) {
            Some(written) => format!("{:.3} ms", step.at.saturating_sub(*written) as f64 / 1e3),
            None => "?".into(),
        };
        format!(
            "{at}  {node} hears {stamp} from {from}, {after} after the write ({holders} of {} hold \
             it)",
            self.nodes
        )
    }
}

/// Stamps sort by time, counter and writer.
fn order(stamp: &str) -> (u64, u64, &str) {
    let (time, _) = stamp.split_once('@').unwrap_or((stamp, ""));
    let (ms, counter) = time.split_once('.').unwrap_or((time, "0"));
    (ms.parse().unwrap_or(0), counter.parse().unwrap_or(0), stamp)
}

fn list(nodes: &[String]) -> String {
    const SHOWN: usize = 24;
    match nodes.len() {
        many if many > SHOWN => format!("{} and {} more", nodes[..SHOWN].join(" "), many - SHOWN),
        _ => nodes.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(holders: &mut Holders, line: &str) -> String {
        let step: Step = line.parse().unwrap();
        holders.take_in(&step);
        holders.tell(&step)
    }

    #[test]
    fn the_story_of_a_key() {
        let mut holders = Holders::new(4);
        assert_eq!(holders.state("a"), "nobody holds a");
        let told = take(&mut holders, "1.000000 n0 write key=a stamp=9.0@n0 size=5");
        assert_eq!(told, "    1.000000 s  n0 writes 9.0@n0 (5 B)");
        let told = take(&mut holders, "1.001500 n2 hold peer=n0 key=a stamp=9.0@n0 size=5");
        let heard = "n2 hears 9.0@n0 from n0, 1.500 ms after the write (2 of 4 hold it)";
        assert_eq!(told, format!("    1.001500 s  {heard}"));
        take(&mut holders, "1.100000 n1 write key=a stamp=10.0@n1");
        assert_eq!(
            holders.state("a"),
            "a: deleted 10.0@n1 at 1 of 4: n1; 9.0@n0 at 2 of 4: n0 n2; nothing at n3"
        );
        take(&mut holders, "1.200000 n0 disk-lost");
        assert!(holders.state("a").ends_with("nothing at n0 n3"));
    }
}
