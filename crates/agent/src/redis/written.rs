//! What a connection has written, as far as `WAIT` has to ask for it.

use rumormill_core::data::{Entry, Stamp};
use rumormill_core::spread::coverage::About;
use std::collections::VecDeque;

/// Writes of a connection that are asked for by name; earlier ones are covered by comparing whole
/// replicas (see [`About::upto`]).
const NAMED: usize = 256;
/// Bytes of their keys.
const NAMED_BYTES: usize = 32 * 1024;

/// What a connection has written and does not know to be everywhere.
#[derive(Debug, Default)]
pub(super) struct Written {
    latest: VecDeque<(Box<[u8]>, Stamp)>,
    bytes: usize,
    /// The time of the last write before those.
    earlier: Option<u64>,
    /// True once there were too many, for a client that has not waited yet: most never do, and
    /// their writes cost nothing more then.
    pub(super) unnamed: bool,
}

impl Written {
    /// Takes a write down.
    pub(super) fn note(&mut self, entry: &Entry) {
        let stamp = entry.stamp();
        if self.unnamed {
            self.earlier = self.earlier.max(Some(stamp.time));
            return;
        }
        self.bytes += entry.key().len();
        self.latest.push_back((entry.key().into(), stamp));
        if self.latest.len() > NAMED || self.bytes > NAMED_BYTES {
            self.unnamed = true;
            self.earlier = self.earlier.max(Some(stamp.time));
            self.latest = VecDeque::new();
            self.bytes = 0;
        }
    }

    /// What to ask for; `None` if there is nothing.
    pub(super) fn about(&self) -> Option<About> {
        if self.latest.is_empty() && self.earlier.is_none() {
            return None;
        }
        let mut writes: Vec<(Box<[u8]>, Stamp)> = self.latest.iter().cloned().collect();
        // Of one key the last write is enough.
        writes.sort_unstable_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
        writes.dedup_by(|one, other| one.0 == other.0);
        Some(About { writes, upto: self.earlier })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::NodeId;

    fn entry(key: &str, time: u64) -> Entry {
        Entry::new(key.as_bytes(), b"v", Stamp { time, node: NodeId(1) }, None)
    }

    #[test]
    fn the_last_write_of_each_key_is_asked_for() {
        let mut written = Written::default();
        assert_eq!(written.about(), None);
        for (key, time) in [("a", 1), ("b", 2), ("a", 3)] {
            written.note(&entry(key, time));
        }
        let about = written.about().unwrap();
        let asked: Vec<_> = about.writes.iter().map(|(key, stamp)| (&**key, stamp.time)).collect();
        assert_eq!(asked, [(&b"a"[..], 3), (b"b", 2)]);
        assert_eq!(about.upto, None);
    }

    #[test]
    fn too_many_are_covered_as_a_whole_and_later_ones_named_again() {
        let mut written = Written::default();
        (0..2000).for_each(|time| written.note(&entry(&time.to_string(), time)));
        assert_eq!(written.about(), Some(About { writes: Vec::new(), upto: Some(1999) }));
        written.unnamed = false;
        written.note(&entry("later", 3000));
        let about = written.about().unwrap();
        assert_eq!((about.writes.len(), about.upto), (1, Some(1999)));
    }
}
