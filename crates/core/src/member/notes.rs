//! Notes: what the owners of nodes tell each other in the roster beside the members.
//!
//! A note's key begins with [`PREFIX`], so that it is no member's. Its value is opaque here, of
//! whatever kind, and the bigger stamp wins, as with users' data. Notes are for what only holders of the cluster's keys
//! may say: they are taken in only from packets that came sealed ([`crate::Node::handle_sealed`]).

use super::env::Registry;
use crate::data::{Entry, Fate, Map, Merged, Range, Replica, Space};
use crate::output::applied;
use crate::wire::Origin;
use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What the key of every note begins with. It goes on after that, and is never as long as the id of
/// a member.
pub const PREFIX: &[u8] = b"ring";
/// Longest key of a note, bytes.
pub const MAX_NOTE_KEY: usize = 32;
/// Longest value of a note, bytes.
pub const MAX_NOTE: usize = 4096;
/// Notes that a node takes in beside one for each member that it may know.
const SPARE: u64 = 1024;

/// True if this is a note and no member.
#[must_use]
pub fn is_note(entry: &Entry) -> bool {
    let key = entry.key();
    key.starts_with(PREFIX) && key.len() > PREFIX.len() && key.len() != 8
}

fn is_sound(entry: &Entry) -> bool {
    let value = entry.body().map(<[u8]>::len);
    let plain = entry.expires_at().is_none() && entry.owner().is_none();
    plain && value.is_some_and(|len| len <= MAX_NOTE) && entry.key().len() <= MAX_NOTE_KEY
}

/// What a node knows of the notes in its roster.
#[derive(Debug, Default)]
pub struct Notes {
    /// How many there are.
    count: u64,
}

impl Notes {
    /// Writes a note, which everyone is to hear of: see [`crate::Node::write_note`].
    pub fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        registry: &mut Registry<'_>,
    ) -> Option<Arc<Entry>> {
        let stamp = registry.replica.clock.tick(registry.now.wall_ms);
        let entry = Entry::new(key, value, stamp, None);
        if !is_note(&entry) || !is_sound(&entry) {
            return None;
        }
        let entry = Arc::new(entry);
        if let Merged::New(replaced) = registry.replica.roster.apply(Arc::clone(&entry)) {
            self.count += u64::from(replaced.is_none());
            registry.out.push(applied(Space::Roster, &entry, replaced, None));
        }
        Some(entry)
    }

    /// All notes of a roster.
    #[must_use]
    pub fn all(&self, roster: &Map) -> Vec<Arc<Entry>> {
        let mut notes = Vec::new();
        if self.count > 0 {
            roster.walk(Range::ALL, &mut |_, entry| {
                notes.extend(is_note(entry).then(|| Arc::clone(entry)));
                ControlFlow::Continue(())
            });
        }
        notes
    }

    /// Takes in a note that this node had persisted.
    pub fn restore(&mut self, entry: &Arc<Entry>, replica: &mut Replica, wall_ms: u64) {
        replica.clock.restore(entry.stamp(), wall_ms);
        if let Merged::New(replaced) = replica.roster.apply(Arc::clone(entry)) {
            self.count += u64::from(replaced.is_none());
        }
    }

    /// Offers a peer's note to the roster.
    pub fn offer(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        registry: &mut Registry<'_>,
    ) -> Fate {
        let replica = &mut *registry.replica;
        let held = replica.roster.get(entry.key());
        match held.map(|held| held.stamp().cmp(&entry.stamp())) {
            Some(Ordering::Equal) => return Fate::Known,
            Some(Ordering::Greater) => return Fate::Useless,
            Some(Ordering::Less) | None => {}
        }
        let full = self.count >= registry.limits.max_members as u64 + SPARE;
        if !from.sealed || !is_sound(entry) || held.is_none() && full {
            registry.stats.refused_notes += 1;
            return Fate::Useless;
        }
        if !replica.clock.admits(entry.stamp(), registry.now.wall_ms) {
            registry.stats.refused_skew += 1;
            return Fate::Useless;
        }
        replica.clock.observe(entry.stamp(), registry.now.wall_ms);
        if let Merged::New(replaced) = replica.roster.apply(Arc::clone(entry)) {
            self.count += u64::from(replaced.is_none());
            registry.out.push(applied(Space::Roster, entry, replaced, Some(from.peer)));
        }
        Fate::New
    }

    /// How many there are.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// Checks that there are as many as are counted.
    pub(crate) fn check(&self, roster: &Map) {
        let mut held = 0;
        roster.walk(Range::ALL, &mut |_, entry| {
            held += u64::from(is_note(entry));
            ControlFlow::Continue(())
        });
        assert_eq!(self.count, held, "notes, as counted and as they are");
    }
}
