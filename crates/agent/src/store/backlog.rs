//! Changes that could not be written, kept until the store can write again.

use super::change::{Change, Place};
use rumormill_core::data::Entry;
use std::collections::HashMap;
use std::sync::Arc;

/// What an entry costs beside its key and value, roughly.
const OVERHEAD: usize = 160;

/// The last change of every key that waits, and what is to be kept, up to a bound. Past it nothing
/// is held, and everything in memory has to be written again instead.
#[derive(Default)]
pub(super) struct Backlog {
    changes: HashMap<(Place, Box<[u8]>), Change>,
    kept: Option<Arc<[u8]>>,
    bytes: usize,
    overflown: bool,
}

impl Backlog {
    /// Holds a change, in place of an earlier one of its key.
    pub(super) fn hold(&mut self, change: &Change, most_bytes: usize) {
        if self.overflown {
            return;
        }
        match change {
            Change::Put(..) | Change::Remove(_) | Change::Stray(_) | Change::StrayGone(_) => {
                if let Some((place, entry)) = change.entry() {
                    self.hold_entry(place, entry, change);
                }
            }
            Change::Keep(bytes) => {
                let freed = self.kept.as_ref().map_or(0, |kept| kept.len());
                self.bytes = self.bytes + bytes.len() - freed;
                self.kept = Some(Arc::clone(bytes));
            }
            // What it is about is on disk; it comes again with everything.
            Change::Retain(..) => return self.give_up(),
        }
        if self.bytes > most_bytes {
            self.give_up();
        }
    }

    fn hold_entry(&mut self, place: Place, entry: &Entry, change: &Change) {
        let key = (place, entry.key().into());
        let freed = match self.changes.get(&key) {
            Some(held) if !change.succeeds(held) => return,
            Some(held) => held.entry().map_or(0, |(_, entry)| cost(entry)),
            None => 0,
        };
        self.bytes = self.bytes + cost(entry) - freed;
        self.changes.insert(key, change.clone());
    }

    /// Forgets the changes: everything has to be written again.
    pub(super) fn give_up(&mut self) {
        *self = Self { overflown: true, ..Self::default() };
    }

    /// True if everything has to be written again.
    pub(super) fn overflown(&self) -> bool {
        self.overflown
    }

    /// The changes, in pieces of about `piece` bytes. What is put aside comes first, and what is
    /// taken from there after what is written in its place: none is ever nowhere. What is kept
    /// comes last: it speaks of entries that have to be there by then.
    pub(super) fn pieces(&self, piece: usize) -> Vec<Vec<Change>> {
        let mut pieces = vec![Vec::new()];
        let mut left = piece;
        let mut changes: Vec<&Change> = self.changes.values().collect();
        changes.sort_by_key(|change| match change {
            Change::Stray(_) => 0,
            Change::StrayGone(_) => 2,
            _ => 1,
        });
        for change in changes {
            let cost = change.entry().map_or(0, |(_, entry)| cost(entry));
            if cost > left {
                pieces.push(Vec::new());
                left = piece;
            }
            left = left.saturating_sub(cost);
            if let Some(last) = pieces.last_mut() {
                last.push(change.clone());
            }
        }
        if let Some(last) = pieces.last_mut() {
            last.extend(self.kept.iter().map(|bytes| Change::Keep(Arc::clone(bytes))));
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
    use rumormill_core::data::{Space, Stamp};

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
            backlog.hold(&Change::Put(space, entry(key, time)), 10_000);
        }
        let mut kept: Vec<_> = backlog
            .pieces(1)
            .into_iter()
            .flatten()
            .map(|change| {
                let (place, entry) = change.entry().unwrap();
                (place, entry.key().to_vec(), entry.stamp().time)
            })
            .collect();
        kept.sort();
        let key = |key: &str| key.as_bytes().to_vec();
        let roster = Place::Map(Space::Roster);
        let wanted =
            [(Place::DATA, key("a"), 3), (Place::DATA, key("b"), 1), (roster, key("a"), 1)];
        assert_eq!(kept, wanted);
        assert!(!backlog.overflown());
        assert_eq!(backlog.pieces(10_000).len(), 1);
    }

    #[test]
    fn past_its_bound_it_keeps_nothing_and_says_so() {
        let mut backlog = Backlog::default();
        let most = 3 * cost(&entry("00", 1));
        for time in 1..100 {
            backlog.hold(&Change::Put(Space::Data, entry("00", time)), most);
        }
        assert!(!backlog.overflown());
        for key in 10..14 {
            backlog.hold(&Change::Put(Space::Data, entry(&key.to_string(), 1)), most);
        }
        assert!(backlog.overflown());
        assert!(backlog.pieces(1).concat().is_empty());
    }

    #[test]
    fn what_is_put_aside_comes_first_and_goes_last() {
        let mut backlog = Backlog::default();
        for change in [
            Change::StrayGone(entry("restored", 1)),
            Change::Put(Space::Data, entry("restored", 9)),
            Change::Remove(entry("aside", 2)),
            Change::Stray(entry("aside", 2)),
            Change::Stray(entry("came and went", 3)),
            Change::StrayGone(entry("came and went", 3)),
        ] {
            backlog.hold(&change, 10_000);
        }
        // Each in a piece of its own: wherever it breaks off, an entry is in one place or the other.
        let pieces = backlog.pieces(1).concat();
        let kinds: Vec<u8> = pieces
            .iter()
            .map(|change| match change {
                Change::Stray(_) => 0,
                Change::StrayGone(_) => 2,
                _ => 1,
            })
            .collect();
        assert_eq!(kinds, [0, 1, 1, 2, 2], "{pieces:?}");
    }

    #[test]
    fn removals_are_held_and_what_is_kept_comes_last() {
        let mut backlog = Backlog::default();
        let put = |key, time| Change::Put(Space::Data, entry(key, time));
        for change in [
            Change::Keep(b"one"[..].into()),
            put("a", 1),
            Change::Remove(entry("a", 1)),
            put("b", 5),
            Change::Remove(entry("b", 4)),
            Change::Remove(entry("c", 5)),
            put("c", 3),
            Change::Keep(b"two"[..].into()),
        ] {
            backlog.hold(&change, 10_000);
        }
        let mut pieces = backlog.pieces(1).concat();
        assert!(matches!(pieces.pop(), Some(Change::Keep(bytes)) if *bytes == *b"two"));
        let mut held: Vec<_> = pieces
            .iter()
            .map(|change| {
                let (_, entry) = change.entry().unwrap();
                let put = matches!(change, Change::Put(..));
                (entry.key().to_vec(), entry.stamp().time, put)
            })
            .collect();
        held.sort();
        let wanted = [("a", 1, false), ("b", 5, true), ("c", 3, true)];
        assert_eq!(held, wanted.map(|(key, time, put)| (key.as_bytes().to_vec(), time, put)));
        assert!(backlog.pieces(10_000).len() == 1 && !backlog.overflown());
    }
}
