//! What became of entries that were collected, dropped, kept aside or written anew here: the last
//! of them, for whoever asks what happened to a key. In memory: a restart forgets it.

use crate::base::id::NodeId;
use crate::data::{Entry, Stamp};
use std::collections::VecDeque;

/// Entries whose end is remembered (guess: a day of an operator's questions; 64 bytes each).
const REMEMBERED: usize = 16_384;

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All members held it, and it was deleted or had expired: it went.
    Collected,
    /// Brought back to a pass, this node let it go: its own pass had covered it, and something has
    /// taken its place since.
    Placed,
    /// The same: its writer was visited and held it.
    Visited,
    /// The same: a majority of the members had it.
    Confirmed,
    /// Nobody can have seen it: it was written anew, with the stamp that it had.
    Anew,
    /// Nothing proved either: it is kept aside.
    Aside,
    /// The operator has put what was kept aside back.
    Restored,
    /// The operator has dropped what was kept aside.
    Dropped,
}

impl End {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Collected => "collected",
            Self::Placed => "placed",
            Self::Visited => "visited",
            Self::Confirmed => "confirmed",
            Self::Anew => "anew",
            Self::Aside => "aside",
            Self::Restored => "restored",
            Self::Dropped => "dropped",
        }
    }
}

/// What became of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Story {
    /// The hash of its key.
    pub key: u64,
    /// Its stamp.
    pub stamp: Stamp,
    /// True if it was a tombstone.
    pub deletes: bool,
    /// What became of it.
    pub end: End,
    /// The pass that decided, and up to where it covers; zeros if none did.
    pub pass: u64,
    /// See `pass`.
    pub horizon: u64,
    /// Who had brought this node back, if that was when.
    pub giver: Option<NodeId>,
    /// When, wall milliseconds since 1970.
    pub wall_ms: u64,
}

/// The machine.
#[derive(Debug, Default)]
pub struct Stories {
    last: VecDeque<Story>,
}

impl Stories {
    /// Remembers one.
    pub fn tell(&mut self, story: Story) {
        if self.last.len() >= REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(story);
    }

    /// What is remembered of a key, by its hash; the oldest first.
    pub fn of(&self, key: u64) -> impl Iterator<Item = &Story> {
        self.last.iter().filter(move |story| story.key == key)
    }

    /// Panics unless the bound holds.
    pub(crate) fn check(&self) {
        assert!(self.last.len() <= REMEMBERED, "too many stories are remembered");
    }
}

/// The story of an entry.
#[must_use]
pub fn story(key: u64, entry: &Entry, end: End, pass: (u64, u64), wall_ms: u64) -> Story {
    let (horizon, pass) = pass;
    let (stamp, deletes) = (entry.stamp(), entry.is_tombstone());
    Story { key, stamp, deletes, end, pass, horizon, giver: None, wall_ms }
}
