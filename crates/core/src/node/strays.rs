//! What is kept aside, as users see it and decide on it.

use super::Node;
use crate::base::time::Now;
use crate::data::{Entry, Expiry, Map, Op, Refused};
use crate::output::Output;
use crate::retain::story::story;
use crate::retain::{End, Story};
use std::sync::Arc;

impl Node {
    /// What this node brought back and the others do not hold, where nothing proves what is right.
    /// It is not part of the data, and waits for [`Node::put_stray_back`] or [`Node::drop_stray`].
    #[must_use]
    pub fn strays(&self) -> &Map {
        self.strays.map()
    }

    /// Gives back what the node had asked to keep aside with [`Output::Stray`]. Comes before all
    /// input.
    pub fn restore_stray(&mut self, entry: Arc<Entry>) {
        // Those of others are above nothing that is given here: a write in their place is new.
        self.replica.clock.restore(entry.stamp(), 0);
        self.strays.restore(entry);
    }

    /// Makes what is kept aside under a key a new write of this node: the value with its expiry, or
    /// the deletion. False if there is nothing.
    ///
    /// # Errors
    /// As [`Node::write`]; it stays aside then.
    pub fn put_stray_back(
        &mut self,
        key: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<bool, Refused> {
        let Some(entry) = self.strays.map().get(key).cloned() else { return Ok(false) };
        let op = match entry.body() {
            None => Op::Delete { key: key.into() },
            Some(body) => {
                let expiry = entry.expires_at().map_or(Expiry::Never, Expiry::At);
                let put = Op::put(key.into(), body.into(), expiry, entry.owner().is_some());
                let fields = entry.fields().bytes().into();
                Op::Extended { op: Box::new(put), kind: entry.kind(), fields }
            }
        };
        self.write(op, now, out)?;
        self.strays.take(key, out);
        self.stats.strays_restored += 1;
        self.tell(&entry, End::Restored, now);
        Ok(true)
    }

    /// Drops what is kept aside under a key. False if there is nothing.
    pub fn drop_stray(&mut self, key: &[u8], now: Now, out: &mut Vec<Output>) -> bool {
        let taken = self.strays.take(key, out);
        if let Some(entry) = &taken {
            self.stats.strays_dropped += 1;
            self.tell(entry, End::Dropped, now);
        }
        taken.is_some()
    }

    /// What became of entries of a key here that were collected, dropped, kept aside or written anew,
    /// as far as it is remembered; the oldest first.
    pub fn stories(&self, key: &[u8]) -> impl Iterator<Item = &Story> {
        self.stories.of(self.replica.data.hash(key))
    }

    fn tell(&mut self, entry: &Entry, end: End, now: Now) {
        let hash = self.replica.data.hash(entry.key());
        self.stories.tell(story(hash, entry, end, (0, 0), now.wall_ms));
    }
}
