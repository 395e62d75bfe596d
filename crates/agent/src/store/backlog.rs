//! Entries that could not be written, kept until the store can write again.

use rumormill_core::data::{Entry, Space};
use std::collections::HashMap;
use std::sync::Arc;

/// What an entry costs beside its key and value, roughly.
const OVERHEAD: usize = 160;

/// The latest entry of every key that waits, up to a bound. Past it nothing is kept, and
/// everything in memory has to be written again instead.
#[derive(Default)]
pub(super) struct Backlog {
    entries: HashMap<(Space, Box<[u8]>), Arc<Entry>>,
    bytes: usize,
    overflown: bool,
}

impl Backlog {
    /// Keeps an entry if it is the latest of its key.
    pub(super) fn keep(&mut self, space: Space, entry: &Arc<Entry>, most_bytes: usize) {
        if self.overflown {
            return;
        }
        let held = self.entries.get(&(space, entry.key().into()));
        let freed = match held {
            Some(held) if held.stamp() >= entry.stamp() => return,
            Some(held) => cost(held),
            None => 0,
        };
        self.bytes = self.bytes + cost(entry) - freed;
        if self.bytes > most_bytes {
            self.give_up();
        } else {
            self.entries.insert((space, entry.key().into()), Arc::clone(entry));
        }
    }

    /// Forgets the entries: everything has to be written again.
    pub(super) fn give_up(&mut self) {
        *self = Self { overflown: true, ..Self::default() };
    }

    /// True if everything has to be written again.
    pub(super) fn overflown(&self) -> bool {
        self.overflown
    }

    /// The entries, in pieces of about `piece` bytes.
    pub(super) fn pieces(&self, piece: usize) -> Vec<Vec<(Space, Arc<Entry>)>> {
        let mut pieces = vec![Vec::new()];
        let mut left = piece;
        for ((space, _), entry) in &self.entries {
            if cost(entry) > left {
                pieces.push(Vec::new());
                left = piece;
            }
            left = left.saturating_sub(cost(entry));
            if let Some(last) = pieces.last_mut() {
                last.push((*space, Arc::clone(entry)));
            }
        }
        pieces
    }
}

fn cost(entry: &Entry) -> usize {
    2 * entry.key().len() + entry.size() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::Stamp;

    fn entry(key: &str, time: u64) -> Arc<Entry> {
        let stamp = Stamp { time, node: NodeId(1) };
        Arc::new(Entry::new(key.as_bytes(), b"value", stamp, None))
    }

    #[test]
    fn the_latest_of_every_key_and_space_is_kept() {
        let mut backlog = Backlog::default();
        for (space, key, time) in [
            (Space::Data, "a", 1),
            (Space::Data, "a", 3),
            (Space::Data, "a", 2),
            (Space::Roster, "a", 1),
            (Space::Data, "b", 1),
        ] {
            backlog.keep(space, &entry(key, time), 10_000);
        }
        let mut kept: Vec<_> = backlog
            .pieces(1)
            .into_iter()
            .flatten()
            .map(|(space, entry)| (space, entry.key().to_vec(), entry.stamp().time))
            .collect();
        kept.sort();
        let key = |key: &str| key.as_bytes().to_vec();
        let wanted =
            [(Space::Data, key("a"), 3), (Space::Data, key("b"), 1), (Space::Roster, key("a"), 1)];
        assert_eq!(kept, wanted);
        assert!(!backlog.overflown());
        assert_eq!(backlog.pieces(10_000).len(), 1);
    }

    #[test]
    fn past_its_bound_it_keeps_nothing_and_says_so() {
        let mut backlog = Backlog::default();
        let most = 3 * cost(&entry("00", 1));
        for time in 1..100 {
            backlog.keep(Space::Data, &entry("00", time), most);
        }
        assert!(!backlog.overflown());
        for key in 10..14 {
            backlog.keep(Space::Data, &entry(&key.to_string(), 1), most);
        }
        assert!(backlog.overflown());
        assert!(backlog.pieces(1).concat().is_empty());
    }
}
