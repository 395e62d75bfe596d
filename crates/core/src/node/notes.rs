//! Notes: what the owners of nodes tell each other in the roster beside the members.
//!
//! A note's key begins with [`PREFIX`], so that it is no member's. Its value is opaque here and
//! the bigger stamp wins, as with users' data. Notes are for what only holders of the cluster's keys
//! may say: they are taken in only from packets that came sealed ([`Node::handle_sealed`]).

use super::Node;
use crate::base::time::Now;
use crate::data::{self, Entry, Fate, Range, Space, Stamp};
use crate::output::{Output, applied};
use crate::wire::Origin;
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
    let value = entry.value().map(<[u8]>::len);
    let plain = entry.expires_at().is_none() && entry.owner().is_none();
    plain && value.is_some_and(|len| len <= MAX_NOTE) && entry.key().len() <= MAX_NOTE_KEY
}

impl Node {
    /// Writes a note, which spreads with the next [`Node::flush`]. Key and value are within
    /// [`MAX_NOTE_KEY`] and [`MAX_NOTE`], and the key begins with [`PREFIX`]; others are passed
    /// over.
    pub fn write_note(
        &mut self,
        key: &[u8],
        value: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Option<Stamp> {
        let entry = Entry::new(key, value, self.replica.clock.tick(now.wall_ms), None);
        if !is_note(&entry) || !is_sound(&entry) {
            return None;
        }
        let (stamp, entry) = (entry.stamp(), Arc::new(entry));
        if let data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(&entry)) {
            self.notes += u64::from(replaced.is_none());
            out.push(applied(Space::Roster, &entry, replaced, None));
            self.spread(Space::Roster, entry, None, now);
        }
        Some(stamp)
    }

    /// All notes that this node holds.
    #[must_use]
    pub fn notes(&self) -> Vec<Arc<Entry>> {
        let mut notes = Vec::new();
        if self.notes > 0 {
            self.replica.roster.walk(Range::ALL, &mut |_, entry| {
                notes.extend(is_note(entry).then(|| Arc::clone(entry)));
                ControlFlow::Continue(())
            });
        }
        notes
    }

    pub(super) fn restore_note(&mut self, entry: &Arc<Entry>) {
        self.replica.clock.observe(entry.stamp());
        if let data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(entry)) {
            self.notes += u64::from(replaced.is_none());
        }
    }

    /// Offers a peer's note to the roster.
    pub(super) fn apply_note(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Fate {
        let held = self.replica.roster.get(entry.key());
        match held.map(|held| held.stamp().cmp(&entry.stamp())) {
            Some(std::cmp::Ordering::Equal) => return Fate::Known,
            Some(std::cmp::Ordering::Greater) => return Fate::Useless,
            Some(std::cmp::Ordering::Less) | None => {}
        }
        let full = self.notes >= self.config.limits.max_members as u64 + SPARE;
        if !from.sealed || !is_sound(entry) || held.is_none() && full {
            self.stats.refused_notes += 1;
            return Fate::Useless;
        }
        if !self.replica.clock.admits(entry.stamp(), now.wall_ms) {
            self.stats.refused_skew += 1;
            return Fate::Useless;
        }
        self.replica.clock.observe(entry.stamp());
        if let data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(entry)) {
            self.notes += u64::from(replaced.is_none());
            self.entropy.stir(now.mono, &mut self.rng);
            out.push(applied(Space::Roster, entry, replaced, Some(from.peer)));
        }
        Fate::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::input::Input;
    use crate::node::Identity;
    use crate::output::Via;
    use std::net::SocketAddr;

    fn at(ms: u64) -> Now {
        Now { mono: Instant(ms * 1000), wall_ms: 1_800_000_000_000 + ms }
    }

    fn node(id: u64) -> Node {
        let gossip = SocketAddr::from(([10, 0, 0, 1], id as u16));
        let id = NodeId(id);
        let identity = Identity::new(id, "n", gossip);
        Node::new(Config::default(), identity, id.0, at(0))
    }

    /// Carries packets both ways for a while.
    fn talk(nodes: &mut [Node; 2], sealed: bool) {
        for ms in 0..3000 {
            for index in 0..2 {
                let mut out = Vec::new();
                nodes[index].handle(Input::Tick, at(ms), &mut out);
                nodes[index].flush(at(ms), &mut out);
                for output in out {
                    let Output::Send(packet) = output else { continue };
                    let (from, bytes) = (nodes[index].identity.gossip, packet.bytes.as_slice());
                    let input = match packet.via {
                        Via::Datagram => Input::Datagram { from, bytes },
                        Via::Stream => Input::Frame { from, bytes },
                    };
                    let other = &mut nodes[1 - index];
                    let mut out = Vec::new();
                    match sealed {
                        true => other.handle_sealed(input, at(ms), &mut out),
                        false => other.handle(input, at(ms), &mut out),
                    }
                }
            }
        }
    }

    #[test]
    fn notes_travel_sealed_only_and_the_bigger_stamp_wins() {
        for sealed in [false, true] {
            let mut nodes = [node(1), node(2)];
            let seed = [nodes[1].identity.gossip];
            let mut out = Vec::new();
            nodes[0].handle(Input::Join { seeds: &seed }, at(0), &mut out);
            nodes[0].write_note(b"ring/a", b"old", at(0), &mut out).unwrap();
            nodes[1].write_note(b"ring/a", b"new", at(5), &mut out).unwrap();
            nodes[0].write_note(b"ring!", b"1", at(5), &mut out).unwrap();
            talk(&mut nodes, sealed);
            assert_eq!(nodes[0].members().count(), 2);
            let values = |node: &Node| -> Vec<Vec<u8>> {
                let mut all: Vec<_> = node
                    .notes()
                    .iter()
                    .map(|note| [note.key(), note.value().unwrap()].concat())
                    .collect();
                all.sort();
                all
            };
            let both = values(&nodes[0]) == values(&nodes[1]);
            assert_eq!(both, sealed);
            assert_eq!(nodes[1].stats().refused_notes > 0, !sealed);
            if sealed {
                assert_eq!(values(&nodes[0]), [b"ring!1".to_vec(), b"ring/anew".to_vec()]);
                assert_eq!(nodes[0].digest(Space::Roster), nodes[1].digest(Space::Roster));
            }
        }
    }

    #[test]
    fn what_is_no_note_is_not_written() {
        let mut node = node(1);
        let mut out = Vec::new();
        let long = [b'x'; MAX_NOTE + 1];
        assert!(node.write_note(b"other", b"", at(0), &mut out).is_none());
        assert!(node.write_note(b"ring", b"", at(0), &mut out).is_none());
        // As long as a member's id.
        assert!(node.write_note(b"ring/abc", b"", at(0), &mut out).is_none());
        assert!(node.write_note(b"ring/a", &long, at(0), &mut out).is_none());
        assert!(node.notes().is_empty() && out.is_empty());
    }
}
