//! What goes out of the gossip port sealed, and what is let in.

use super::cluster::{ClusterKey, ClusterRing, SEALED};
use super::counters::{DoorCounters, Drop, Refusals};
use super::datagram::{Opener, Sealer};
use super::key::KeyId;
use super::ring::KeyRing;
use rumormill_core::NodeId;
use rumormill_core::wire::version::LARGEST;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Peers that are remembered to seal with another key than this node.
const MAX_ODD: usize = 4096;
/// How often the log says the same again.
const TELL: Duration = Duration::from_secs(60);

/// What a node with keys does; the steps by which a running cluster gets encrypted node by node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// Send sealed, and drop what is not.
    #[default]
    Require,
    /// Send sealed, let both in.
    Send,
    /// Send plain, let both in.
    Accept,
}

impl Encryption {
    /// `require`, `send` or `accept`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::Send => "send",
            Self::Accept => "accept",
        }
    }

    /// True if what is sent is sealed.
    #[must_use]
    pub fn seals(self) -> bool {
        self != Self::Accept
    }
}

/// The state of the lock on the gossip port, as `/v1/status` serves it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptionStatus {
    /// `require`, `send` or `accept`, or `off` without keys.
    pub mode: String,
    /// The id of the key that this node seals with.
    pub primary: Option<String>,
    /// The ids of all keys that it opens with, the primary first.
    pub keys: Vec<String>,
    /// Datagrams and streams that came in plain while there are keys, let in or not.
    pub plaintext_received: u64,
    /// What was dropped unread, by reason.
    pub dropped: Refusals,
    /// What is wrong with the key file, if it could not be written after a rotation.
    pub key_file_error: Option<String>,
}

/// What the streams need of the lock; shared with their tasks.
#[derive(Debug)]
pub(crate) struct Lock {
    pub(crate) mode: Encryption,
    pub(crate) own: NodeId,
    pub(crate) counters: DoorCounters,
    ring: RwLock<Arc<ClusterRing>>,
}

impl Lock {
    pub(crate) fn new(mode: Encryption, own: NodeId, ring: ClusterRing) -> Self {
        let ring = RwLock::new(Arc::new(ring));
        Self { mode, own, counters: DoorCounters::default(), ring }
    }

    pub(crate) fn ring(&self) -> Arc<ClusterRing> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn status(&self) -> EncryptionStatus {
        let ids = self.ring().ring.ids();
        EncryptionStatus {
            mode: self.mode.name().into(),
            primary: ids.first().map(ToString::to_string),
            keys: ids.iter().map(ToString::to_string).collect(),
            plaintext_received: self.counters.plaintext_received(),
            dropped: self.counters.refusals(),
            key_file_error: None,
        }
    }
}

/// The lock, as the driver's loop uses it. Without keys everything passes as it is.
#[derive(Default)]
pub(crate) struct Door {
    keyed: Option<Keyed>,
}

struct Keyed {
    lock: Arc<Lock>,
    ring: Arc<ClusterRing>,
    cluster: String,
    sealer: Sealer,
    opener: Opener,
    /// Peers that seal with another key of the ring than this node, and so may not have its own:
    /// they are answered with theirs.
    odd: HashMap<SocketAddr, KeyId>,
    told: HashMap<&'static str, Instant>,
}

/// What was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passed<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) sealed: bool,
}

impl Door {
    pub(crate) fn new(lock: Arc<Lock>, cluster: &str) -> Self {
        let keyed = Keyed {
            ring: lock.ring(),
            lock,
            cluster: cluster.into(),
            sealer: Sealer::default(),
            opener: Opener::default(),
            odd: HashMap::new(),
            told: HashMap::new(),
        };
        Self { keyed: Some(keyed) }
    }

    /// The ring, if there is one.
    pub(crate) fn ring(&self) -> Option<&ClusterRing> {
        self.keyed.as_ref().map(|keyed| &*keyed.ring)
    }

    /// True if what is sent is sealed.
    pub(crate) fn seals(&self) -> bool {
        self.keyed.as_ref().is_some_and(|keyed| keyed.lock.mode.seals())
    }

    /// Lets a datagram in, or drops and counts it.
    pub(crate) fn open<'a>(&'a mut self, from: SocketAddr, bytes: &'a [u8]) -> Option<Passed<'a>> {
        let Some(keyed) = &mut self.keyed else { return Some(Passed { bytes, sealed: false }) };
        let why = match bytes.first() {
            Some(&SEALED) => match keyed.opener.open(&keyed.ring, bytes) {
                Ok(id) => {
                    let primary = keyed.ring.keys().first().is_some_and(|key| key.id == id);
                    if !primary || !keyed.odd.is_empty() {
                        note(&mut keyed.odd, primary, from, id);
                    }
                    return Some(Passed { bytes: keyed.opener.opened(), sealed: true });
                }
                Err(why) => why,
            },
            // No packet begins so.
            Some(first) if *first > LARGEST => Drop::OtherVersion,
            Some(_) => {
                keyed.lock.counters.came_plain();
                if keyed.lock.mode != Encryption::Require {
                    keyed.tell_of_plain(from);
                    return Some(Passed { bytes, sealed: false });
                }
                Drop::Plaintext
            }
            None => Drop::Short,
        };
        keyed.lock.counters.dropped(why);
        keyed.tell_of_stranger(from, why);
        None
    }

    /// A peer has proved over a stream that it has a key.
    pub(crate) fn heard(&mut self, from: SocketAddr, id: KeyId) {
        if let Some(keyed) = &mut self.keyed {
            let primary = keyed.ring.keys().first().is_some_and(|key| key.id == id);
            note(&mut keyed.odd, primary, from, id);
        }
    }

    /// The key to seal with for a peer; `None` to send plain.
    pub(crate) fn key_for(&self, to: SocketAddr) -> Option<&Arc<ClusterKey>> {
        let keyed = self.keyed.as_ref().filter(|keyed| keyed.lock.mode.seals())?;
        let odd = match keyed.odd.is_empty() {
            true => None,
            false => keyed.odd.get(&to).and_then(|id| keyed.ring.get(*id)),
        };
        odd.or_else(|| keyed.ring.keys().first())
    }

    /// What goes out for a datagram; `None` if it is too large to be sealed.
    pub(crate) fn seal<'a>(&'a mut self, to: SocketAddr, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let Some(key) = self.key_for(to).cloned() else { return Some(bytes) };
        self.keyed.as_mut()?.sealer.seal(&key, bytes)
    }

    /// Ends the sessions of what is sent.
    pub(crate) fn begin_anew(&mut self) {
        self.keyed.iter_mut().for_each(|keyed| keyed.sealer.begin_anew());
    }

    /// Takes another ring into use.
    pub(crate) fn set_ring(&mut self, ring: KeyRing) {
        let Some(keyed) = &mut self.keyed else { return };
        let ring = Arc::new(ClusterRing::new(ring, &keyed.cluster));
        keyed.sealer.retain(&ring);
        keyed.opener.retain(&ring);
        keyed.odd.retain(|_, id| ring.get(*id).is_some());
        let mut shared = keyed.lock.ring.write().unwrap_or_else(PoisonError::into_inner);
        *shared = Arc::clone(&ring);
        keyed.ring = ring;
    }
}

/// Remembers which key a peer seals with, if it is not this node's.
fn note(odd: &mut HashMap<SocketAddr, KeyId>, primary: bool, from: SocketAddr, id: KeyId) {
    if primary {
        odd.remove(&from);
    } else if odd.len() < MAX_ODD || odd.contains_key(&from) {
        odd.insert(from, id);
    }
}

impl Keyed {
    /// True if the log has not heard of this for a while.
    fn is_news(&mut self, what: &'static str) -> bool {
        let now = Instant::now();
        let before = self.told.get(what);
        let news = before.is_none_or(|before| now.duration_since(*before) >= TELL);
        if news {
            self.told.insert(what, now);
        }
        news
    }

    fn tell_of_plain(&mut self, from: SocketAddr) {
        if self.is_news("let in plain") {
            tracing::warn!(
                mode = self.lock.mode.name(),
                plaintext_received = self.lock.counters.plaintext_received(),
                %from,
                "plaintext comes in; once it has stopped on all nodes, set encryption = \"require\""
            );
        }
    }

    fn tell_of_stranger(&mut self, from: SocketAddr, why: Drop) {
        let what = match why {
            Drop::Plaintext => "it is not encrypted; does a node run without key there?",
            Drop::UnknownKey => "it is sealed with a key that this node does not hold",
            Drop::OtherCluster => "it is of a cluster of another name with the same key",
            Drop::Short | Drop::Forged => "it does not open: forged or damaged",
            Drop::OtherVersion => {
                "it is sealed in a way of another version; is the program older here?"
            }
            Drop::Replayed => return,
        };
        if self.is_news(what) {
            tracing::warn!(%from, "dropped what came in: {what}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::datagram::tests::ring;
    use super::super::key::Key;
    use super::*;

    fn door(mode: Encryption, keys: &[u8]) -> Door {
        Door::new(Arc::new(Lock::new(mode, NodeId(1), ring(keys, "c"))), "c")
    }

    fn addr(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    fn pass(from: &mut Door, to: &mut Door) -> bool {
        let sent = from.seal(addr(2), b"\x01packet").unwrap().to_vec();
        to.open(addr(1), &sent).is_some_and(|passed| passed.bytes == b"\x01packet")
    }

    #[test]
    fn neighbours_in_a_move_understand_each_other() {
        use Encryption::{Accept, Require, Send};
        let all = [None, Some(Accept), Some(Send), Some(Require)];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                let make = |mode: &Option<Encryption>| match mode {
                    Some(mode) => door(*mode, &[1]),
                    None => Door::default(),
                };
                let (mut one, mut other) = (make(one), make(other));
                let both = pass(&mut one, &mut other) && pass(&mut other, &mut one);
                // Without keys a sealed packet passes the door, and is the core's stranger.
                let apart = at.abs_diff(other_at);
                assert!(both || apart > 1, "{at} {other_at}");
                assert!(!both || apart < 2 || at == 0 || other_at == 0, "{at} {other_at}");
            }
        }
    }

    #[test]
    fn who_has_an_older_key_is_answered_with_it() {
        let (mut old, mut new) =
            (door(Encryption::Require, &[1]), door(Encryption::Require, &[2, 1]));
        assert!(!pass(&mut new, &mut old));
        assert!(pass(&mut old, &mut new));
        let id = Key::from_bytes([1; 32]).id();
        assert_eq!(new.key_for(addr(1)).map(|key| key.id), Some(id));
        assert_ne!(new.key_for(addr(3)).map(|key| key.id), Some(id));
        // It has learnt the newer one.
        old.set_ring(ring(&[2, 1], "c").ring.clone());
        assert!(pass(&mut old, &mut new));
        assert_ne!(new.key_for(addr(1)).map(|key| key.id), Some(id));
        // The older one is gone.
        new.heard(addr(1), id);
        new.set_ring(ring(&[2], "c").ring.clone());
        assert_ne!(new.key_for(addr(1)).map(|key| key.id), Some(id));
    }

    #[test]
    fn what_is_dropped_is_counted_by_reason() {
        let mut door = door(Encryption::Require, &[1]);
        for bytes in [&b""[..], b"\x01plain", b"\x81", &[0x81; 100], &[0x82; 100]] {
            assert_eq!(door.open(addr(9), bytes), None);
        }
        let status = door.keyed.as_ref().unwrap().lock.status();
        let expected = Refusals {
            short: 2,
            plaintext: 1,
            unknown_key: 1,
            other_version: 1,
            ..Refusals::default()
        };
        assert_eq!(status.dropped, expected);
        assert_eq!((status.plaintext_received, status.keys.len()), (1, 1));
    }
}
