//! Rotation: what the nodes of a cluster tell each other about its keys.
//!
//! Three kinds of notes travel in the roster. One per key says that it is in the ring, and holds the
//! key itself, wrapped once under every key of the ring, so that whoever holds any of them can take
//! it; or it says that the key was removed. One says which key is primary. And one per node says
//! which keys it holds. The bigger stamp of each wins, and the outcome does not depend on the order
//! in which they come.

mod note;
mod told;

pub(crate) use note::Note;
pub(crate) use told::{Action, Holder};
pub use told::{Keyring, KeyringError, KeyringMember};

use super::cluster::ClusterRing;
use super::door::Encryption;
use super::key::{KEY_LEN, Key, KeyId};
use super::ring::KeyRing;
use note::{Envelope, Known, OF_KEY, OF_NODE, OF_PRIMARY, Report, note_of_key};
use rumormill_core::NodeId;
use rumormill_core::data::Entry;
use std::collections::BTreeMap;

/// Keys that are remembered, removed ones included.
const MAX_KNOWN: usize = 1024;

/// What one node has heard of the ring.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    keys: BTreeMap<KeyId, Known>,
    primary: Option<KeyId>,
    reports: BTreeMap<NodeId, Report>,
}

impl Rotation {
    /// Takes in a note, whichever way it came; one that is not understood changes nothing.
    pub(crate) fn learn(&mut self, entry: &Entry) {
        let (key, Some(value)) = (entry.key(), entry.value()) else { return };
        if let Some(id) = key.strip_prefix(OF_KEY).and_then(|id| id.try_into().ok().map(KeyId)) {
            let room = self.keys.len() < MAX_KNOWN || self.keys.contains_key(&id);
            if let (Ok(known), true) = (Known::decode(value), room) {
                self.keys.insert(id, known);
            }
        } else if key == OF_PRIMARY {
            self.primary = value.try_into().ok().map(KeyId);
        } else if let Some(id) = key.strip_prefix(OF_NODE).and_then(|id| id.try_into().ok()) {
            let id = NodeId(u64::from_be_bytes(id));
            // Only a node itself says what it holds.
            match Report::decode(value).ok().filter(|_| entry.stamp().node == id) {
                Some(report) => self.reports.insert(id, report),
                None => self.reports.remove(&id),
            };
        }
    }

    /// The ring that follows from what was heard, if it is not the one that is in use.
    pub(crate) fn settle(&self, ring: &KeyRing, cluster: &str) -> Option<KeyRing> {
        let mut new = ring.clone();
        // A key that was found may open others.
        while let Some(found) = self.find(&new, cluster) {
            if new.add(found).is_err() {
                tracing::warn!("the key ring is full; a key that another node added is left out");
                break;
            }
        }
        let usable = |id: &KeyId| self.keys.get(id) != Some(&Known::Removed);
        let wanted = self.primary.filter(|id| usable(id) && new.holds(*id));
        let primary = wanted.or_else(|| new.ids().into_iter().find(usable))?;
        new.promote(primary);
        for id in new.ids() {
            if id != primary && !usable(&id) {
                new.remove(id);
            }
        }
        (new != *ring).then_some(new)
    }

    /// A key that is in the cluster's ring and not in this one, and can be unwrapped.
    fn find(&self, ring: &KeyRing, cluster: &str) -> Option<Key> {
        let lacking = self.keys.iter().filter(|(id, _)| !ring.holds(**id));
        let lacking: Vec<_> = lacking
            .filter_map(|(id, known)| match known {
                Known::Held(envelopes) => Some((*id, envelopes)),
                Known::Removed => None,
            })
            .collect();
        if lacking.is_empty() {
            return None;
        }
        let ring = ClusterRing::new(ring.clone(), cluster);
        lacking.into_iter().find_map(|(id, envelopes)| {
            envelopes.iter().find_map(|envelope| envelope.open(id, ring.get(envelope.under)?))
        })
    }

    /// The note by which this node says what it holds, unless it has said just that.
    pub(crate) fn report(&self, own: NodeId, ring: &KeyRing) -> Option<Note> {
        let report = Report::of(ring)?;
        let key = [OF_NODE, &own.0.to_be_bytes()].concat();
        (self.reports.get(&own) != Some(&report)).then(|| (key, report.encode()))
    }

    /// The notes that carry out an operator's wish.
    pub(crate) fn act(
        &self,
        action: &Action,
        mode: Encryption,
        ring: &KeyRing,
        cluster: &str,
        members: &[Holder],
    ) -> Result<Vec<Note>, KeyringError> {
        if !mode.seals() && !matches!(action, Action::List) {
            return Err(KeyringError::Plain);
        }
        match action {
            Action::List => Ok(Vec::new()),
            Action::Add(key) => {
                let mut ring = ring.clone();
                let key = key.clone().unwrap_or_else(Key::generate);
                ring.add(key).map_err(KeyringError::Full)?;
                Ok(wrapped(&ring, cluster))
            }
            Action::Use(id) => {
                self.may_use(*id, ring, members)?;
                // Keys that came by files alone are made known with it.
                let mut notes = wrapped(ring, cluster);
                notes.push((OF_PRIMARY.to_vec(), id.0.to_vec()));
                Ok(notes)
            }
            Action::Remove { id, force } => {
                self.may_remove(*id, *force, ring, members)?;
                let mut rest = ring.clone();
                rest.remove(*id);
                // The others are wrapped anew: not under the one that goes.
                let mut notes = wrapped(&rest, cluster);
                notes.push(note_of_key(*id, &Known::Removed));
                Ok(notes)
            }
        }
    }

    fn may_use(&self, id: KeyId, ring: &KeyRing, members: &[Holder]) -> Result<(), KeyringError> {
        if !ring.holds(id) {
            return Err(KeyringError::Unknown(id.to_string()));
        }
        let lacks = |report: Option<&Report>| report.is_none_or(|held| !held.keys.contains(&id));
        let missing = self.named(members, lacks);
        match missing.is_empty() {
            true => Ok(()),
            false => Err(KeyringError::Missing { id: id.to_string(), members: missing }),
        }
    }

    fn may_remove(
        &self,
        id: KeyId,
        force: bool,
        ring: &KeyRing,
        members: &[Holder],
    ) -> Result<(), KeyringError> {
        let primary = ring.primary().map(Key::id);
        if primary == Some(id) {
            return Err(KeyringError::Primary(id.to_string()));
        }
        if !ring.holds(id) && !matches!(self.keys.get(&id), Some(Known::Held(_))) {
            return Err(KeyringError::Unknown(id.to_string()));
        }
        // One that lacks the primary may have nothing else.
        let uses = |report: Option<&Report>| {
            report.is_none_or(|held| {
                held.primary == id || !held.keys.iter().any(|key| Some(*key) == primary)
            })
        };
        let using = self.named(members, uses);
        match using.is_empty() || force {
            true => Ok(()),
            false => Err(KeyringError::InUse { id: id.to_string(), members: using }),
        }
    }

    /// The names of the present members for whose reports this holds.
    fn named(&self, members: &[Holder], holds: impl Fn(Option<&Report>) -> bool) -> Vec<String> {
        let present = members.iter().filter(|member| member.present);
        present
            .filter(|member| holds(self.reports.get(&member.id)))
            .map(|member| member.name.clone())
            .collect()
    }

    /// What `rumormill keyring list` shows.
    pub(crate) fn list(&self, mode: Encryption, ring: &KeyRing, members: &[Holder]) -> Keyring {
        let shown = |ids: &[KeyId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
        let keys = shown(&ring.ids());
        let members = members.iter().filter(|member| member.state != "left").map(|member| {
            let report = self.reports.get(&member.id);
            KeyringMember {
                id: member.id.to_string(),
                name: member.name.clone(),
                state: member.state.into(),
                primary: report.map(|report| report.primary.to_string()),
                keys: report.map(|report| shown(&report.keys)).unwrap_or_default(),
            }
        });
        Keyring {
            mode: mode.name().into(),
            primary: keys.first().cloned().unwrap_or_default(),
            members: members.collect(),
            keys,
            added: None,
        }
    }
}

/// Notes of all keys of a ring, each wrapped under all of them.
fn wrapped(ring: &KeyRing, cluster: &str) -> Vec<Note> {
    let derived = ClusterRing::new(ring.clone(), cluster);
    let note = |key: &Key| {
        let envelopes = derived.keys().iter().filter_map(|under| Envelope::seal(key, under));
        note_of_key(key.id(), &Known::Held(envelopes.collect()))
    };
    ring.keys().iter().map(note).collect()
}

/// Reads a note that a fuzzer made up. See `crate::fuzz`.
pub(crate) fn fuzz(key: &[u8], value: &[u8]) {
    let stamp = rumormill_core::data::Stamp { time: 1, node: NodeId(1) };
    let ring = KeyRing::new(Key::from_bytes([1; KEY_LEN]));
    for prefix in [OF_KEY, OF_PRIMARY, OF_NODE] {
        let mut rotation = Rotation::default();
        rotation.learn(&Entry::new(&[prefix, key].concat(), value, stamp, None));
        let settled = rotation.settle(&ring, "fuzz");
        assert!(settled.is_none_or(|ring| !ring.keys().is_empty()), "a ring is never empty");
    }
    if let Ok(known) = Known::decode(value) {
        assert_eq!(Known::decode(&known.encode()), Ok(known), "a note survives the trip");
    }
    if let Ok(report) = Report::decode(value) {
        assert_eq!(Report::decode(&report.encode()), Ok(report), "a note survives the trip");
    }
}

#[cfg(test)]
mod tests {
    use super::note::VERSION;
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::data::Stamp;

    const CLUSTER: &str = "c";

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; KEY_LEN])
    }

    fn ring(bytes: &[u8]) -> KeyRing {
        KeyRing::from_keys(bytes.iter().map(|byte| key(*byte))).unwrap()
    }

    fn holder(id: u64) -> Holder {
        Holder { id: NodeId(id), name: format!("n{id}"), state: "alive", present: true }
    }

    fn entry(note: &Note, node: u64) -> Entry {
        Entry::new(&note.0, &note.1, Stamp { time: 1, node: NodeId(node) }, None)
    }

    /// A node: what it has heard, and its ring.
    struct Peer {
        id: u64,
        rotation: Rotation,
        ring: KeyRing,
    }

    impl Peer {
        fn new(id: u64, keys: &[u8]) -> Self {
            Self { id, rotation: Rotation::default(), ring: ring(keys) }
        }

        fn hear(&mut self, notes: &[Note], from: u64) {
            notes.iter().for_each(|note| self.rotation.learn(&entry(note, from)));
            if let Some(ring) = self.rotation.settle(&self.ring, CLUSTER) {
                self.ring = ring;
            }
        }

        fn act(&self, action: &Action, members: &[Holder]) -> Result<Vec<Note>, KeyringError> {
            self.rotation.act(action, Encryption::Require, &self.ring, CLUSTER, members)
        }
    }

    /// Everyone hears the notes, then says what it holds.
    fn tell(peers: &mut [Peer], notes: &[Note], from: u64) {
        peers.iter_mut().for_each(|peer| peer.hear(notes, from));
        let reports: Vec<_> = peers
            .iter()
            .filter_map(|peer| Some((peer.rotation.report(NodeId(peer.id), &peer.ring)?, peer.id)))
            .collect();
        for (report, from) in &reports {
            peers.iter_mut().for_each(|peer| peer.hear(std::slice::from_ref(report), *from));
        }
    }

    #[test]
    fn a_rotation_from_end_to_end() {
        let mut peers = [Peer::new(1, &[1]), Peer::new(2, &[1])];
        let members = [holder(1), holder(2)];
        let notes = peers[0].act(&Action::Add(Some(key(2))), &members).unwrap();
        // Until the other one has said that it holds the key, it is not used.
        peers[0].hear(&notes, 1);
        let (old, new) = (key(1).id(), key(2).id());
        let error = peers[0].act(&Action::Use(new), &members).unwrap_err();
        assert!(matches!(error, KeyringError::Missing { members, .. } if members.len() == 2));
        tell(&mut peers, &notes, 1);
        let notes = peers[1].act(&Action::Use(new), &members).unwrap();
        let gone = Action::Remove { id: old, force: false };
        assert!(matches!(peers[0].act(&gone, &members), Err(KeyringError::Primary(_))));
        // One that has not heard of it yet still seals with the old one.
        peers[1].hear(&notes, 2);
        assert!(matches!(peers[1].act(&gone, &members), Err(KeyringError::InUse { .. })));
        tell(&mut peers, &notes, 2);
        assert!(peers.iter().all(|peer| peer.ring == ring(&[2, 1])));
        // Who joins with the old key alone learns the new one.
        let mut late = Peer::new(3, &[1]);
        late.hear(&peers[0].act(&Action::Add(Some(key(2))), &members).unwrap(), 1);
        late.hear(&notes, 2);
        assert_eq!(late.ring, ring(&[2, 1]));
        let notes = peers[0].act(&gone, &members).unwrap();
        tell(&mut peers, &notes, 1);
        assert!(peers.iter().all(|peer| peer.ring == ring(&[2])));
        // And later not.
        let mut later = Peer::new(4, &[1]);
        later.hear(&notes, 1);
        assert_eq!(later.ring, ring(&[1]));
        let list = peers[0].rotation.list(Encryption::Require, &peers[0].ring, &members);
        assert!(list.members.iter().all(|member| member.keys == [new.to_string()]));
    }

    #[test]
    fn nothing_happens_in_the_plain() {
        let peer = Peer::new(1, &[1]);
        for (action, good) in [(Action::List, true), (Action::Add(None), false)] {
            let done =
                peer.rotation.act(&action, Encryption::Accept, &peer.ring, CLUSTER, &[holder(1)]);
            assert_eq!(done.is_ok(), good);
        }
        assert!(matches!(peer.act(&Action::Use(key(9).id()), &[]), Err(KeyringError::Unknown(_))));
    }

    #[test]
    fn notes_hold_no_key_in_the_open_and_only_a_node_speaks_for_itself() {
        let mut peer = Peer::new(1, &[1, 2]);
        let notes = peer.act(&Action::Add(Some(key(3))), &[holder(1)]).unwrap();
        assert_eq!(notes.len(), 3);
        for byte in 1..=3 {
            assert!(!notes.iter().any(|(_, value)| value.windows(8).any(|part| part == [byte; 8])));
        }
        let report = peer.rotation.report(NodeId(1), &peer.ring).unwrap();
        peer.hear(std::slice::from_ref(&report), 2);
        assert!(peer.rotation.report(NodeId(1), &peer.ring).is_some());
        peer.hear(std::slice::from_ref(&report), 1);
        assert!(peer.rotation.report(NodeId(1), &peer.ring).is_none());
    }

    proptest! {
        #[test]
        fn the_order_of_notes_does_not_matter(
            order in Just((0..8_usize).collect::<Vec<_>>()).prop_shuffle(),
            removed in 0_u8..4,
            primary in 0_u8..4,
        ) {
            let all = ring(&[0, 1, 2, 3]);
            let mut notes = wrapped(&all, CLUSTER);
            notes[usize::from(removed)] = note_of_key(key(removed).id(), &Known::Removed);
            notes.push((OF_PRIMARY.to_vec(), key(primary).id().0.to_vec()));
            // Repetitions do not matter either.
            let order: Vec<_> = order.into_iter().map(|at| notes[at % 5].clone()).collect();
            let mut rings = Vec::new();
            for order in [order, notes] {
                let mut peer = Peer::new(1, &[3, 2]);
                order.iter().for_each(|note| peer.hear(std::slice::from_ref(note), 9));
                let mut ids = peer.ring.ids();
                let first = ids.remove(0);
                ids.sort();
                rings.push((first, ids));
            }
            // Where the primary is removed, the next best key that is held takes its place.
            if primary != removed {
                prop_assert_eq!(rings[0].0, key(primary).id());
                prop_assert_eq!(&rings[0], &rings[1]);
            }
            prop_assert_eq!(rings[0].1.len(), 2);
            prop_assert!(rings.iter().all(|(_, rest)| !rest.contains(&key(removed).id())));
        }

        #[test]
        fn any_note_is_read_without_panic(key: Vec<u8>, value: Vec<u8>, sound: bool) {
            let mut value = value;
            if sound && value.len() > 2 {
                (value[0], value[1]) = (VERSION, value[1] % 2);
            }
            let id = if sound { vec![7; 8] } else { key };
            fuzz(&id, &value);
        }
    }
}
