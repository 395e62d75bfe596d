//! A rumor on its way through a node: what of it goes on.

use super::Rumor;
use crate::data::{Entry, Fate, Space};
use std::sync::Arc;

/// A rumor whose entries are known already is still passed on while they are this young, since
/// anti-entropy may have been faster than the tree; later it can only be a repetition.
const STILL_NEWS_MS: u64 = 10_000;

/// A rumor that has come in for the first time.
#[derive(Debug)]
pub struct Passage<'a> {
    pub(super) rumor: Rumor<'a>,
    /// Entries that came with it.
    pub(super) count: usize,
    /// Those that are passed on.
    pub(super) news: Vec<Arc<Entry>>,
}

impl<'a> Passage<'a> {
    pub(super) fn new(rumor: Rumor<'a>, count: usize) -> Self {
        Self { rumor, count, news: Vec::with_capacity(count) }
    }

    /// Which map it is about.
    #[must_use]
    pub fn space(&self) -> Space {
        self.rumor.space
    }

    /// One of its entries has been judged, at a wall time.
    pub fn judged(&mut self, entry: Arc<Entry>, fate: Fate, wall_ms: u64) {
        let goes_on = match fate {
            Fate::New | Fate::Old => true,
            Fate::Known => {
                let age = wall_ms.saturating_sub(entry.stamp().wall_ms());
                self.rumor.space == Space::Data && age < STILL_NEWS_MS
            }
            Fate::Useless => false,
        };
        if goes_on {
            self.news.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{read_body, rumor_body};
    use super::*;
    use crate::base::id::NodeId;
    use crate::data::Stamp;

    #[test]
    fn what_others_may_lack_goes_on() {
        let body = rumor_body();
        let mut passage = Passage::new(read_body(&body), 5);
        let at = |wall_ms: u64| {
            let stamp = Stamp { time: wall_ms << 16, node: NodeId(1) };
            Arc::new(Entry::new(&wall_ms.to_be_bytes(), b"v", stamp, None))
        };
        let now = 100_000;
        for (wall_ms, fate) in [
            (1, Fate::New),
            (2, Fate::Old),
            (now, Fate::Useless),
            (now - STILL_NEWS_MS, Fate::Known),
            (now - STILL_NEWS_MS + 1, Fate::Known),
        ] {
            passage.judged(at(wall_ms), fate, now);
        }
        let went: Vec<u64> = passage.news.iter().map(|entry| entry.stamp().wall_ms()).collect();
        assert_eq!(went, [1, 2, now - STILL_NEWS_MS + 1], "a repetition of what is old does not");
    }
}
