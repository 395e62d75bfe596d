//! Sealed datagrams: AES-256-GCM under a subkey of the sender's session.
//!
//! A nonce has 192 bits. The first half, the salt, is drawn at random when a session begins and
//! selects the subkey; the second half is a counter from a random start. So no two datagrams share
//! key and nonce, however many are sent, and the counter lets the receiver drop what comes twice.

use super::cluster::{ClusterKey, ClusterRing, HEAD, Head, Misfit, SALT, Salt};
use super::counters::Drop;
use super::key::{Key, KeyId, fill_random};
use super::ring::KeyRing;
use super::window::Window;
use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use std::collections::HashMap;
use std::sync::Arc;

const COUNTER: usize = 12;
const TAG: usize = 16;
/// Where the ciphertext begins.
const BODY: usize = HEAD + SALT + COUNTER;
/// Bytes that sealing adds to a datagram.
pub const OVERHEAD: usize = BODY + TAG;
/// Largest datagram that can be opened; UDP carries no larger ones.
const MAX_DATAGRAM: usize = 65_535;
/// Datagrams after which a session ends and a fresh subkey is used: well below the 2^32 to which
/// NIST SP 800-38D, section 8.3, limits a key with random nonces, though these are none.
const SESSION: u64 = 1 << 28;
/// Sessions of others that are remembered: more than there are members. About 900 bytes each.
const MAX_SESSIONS: usize = 32_768;

/// Seals what this node sends.
pub(crate) struct Sealer {
    /// One per key that was used: nearly always one.
    sessions: Vec<Sending>,
    buffer: Vec<u8>,
    renew: u64,
}

struct Sending {
    key: Arc<ClusterKey>,
    salt: Salt,
    subkey: LessSafeKey,
    counter: u128,
    left: u64,
}

impl Sending {
    fn new(key: Arc<ClusterKey>, left: u64) -> Self {
        let mut salt = [0; SALT];
        fill_random(&mut salt);
        let mut start = [0; 16];
        fill_random(&mut start);
        // The topmost of the 96 bits stays clear, so that the counter never wraps.
        let counter = u128::from_le_bytes(start) >> 33;
        Self { subkey: key.session(&salt), key, salt, counter, left }
    }
}

impl Default for Sealer {
    fn default() -> Self {
        Self { sessions: Vec::new(), buffer: Vec::with_capacity(2048), renew: SESSION }
    }
}

impl Sealer {
    /// The sealed datagram; `None` if it is too large for one.
    pub(crate) fn seal(&mut self, key: &Arc<ClusterKey>, plain: &[u8]) -> Option<&[u8]> {
        if plain.len() > MAX_DATAGRAM - OVERHEAD {
            return None;
        }
        let at = self.session(key);
        let session = self.sessions.get_mut(at)?;
        session.counter += 1;
        session.left -= 1;
        let counter = counter_bytes(session.counter);
        let buffer = &mut self.buffer;
        buffer.clear();
        buffer.extend_from_slice(&session.key.head);
        buffer.extend_from_slice(&session.salt);
        buffer.extend_from_slice(&counter);
        buffer.extend_from_slice(plain);
        let nonce = Nonce::assume_unique_for_key(counter);
        let bound = Aad::from(&*session.key.bound);
        let body = buffer.get_mut(BODY..)?;
        let tag = session.subkey.seal_in_place_separate_tag(nonce, bound, body).ok()?;
        buffer.extend_from_slice(tag.as_ref());
        Some(buffer)
    }

    fn session(&mut self, key: &Arc<ClusterKey>) -> usize {
        let renew = self.renew;
        match self.sessions.iter().position(|session| session.key.id == key.id) {
            Some(at) => {
                if let Some(session) = self.sessions.get_mut(at).filter(|held| held.left == 0) {
                    *session = Sending::new(Arc::clone(key), renew);
                }
                at
            }
            None => {
                self.sessions.push(Sending::new(Arc::clone(key), renew));
                self.sessions.len() - 1
            }
        }
    }

    /// Ends all sessions: what is sealed next is sealed under a fresh salt.
    pub(crate) fn begin_anew(&mut self) {
        self.sessions.clear();
    }

    /// Forgets sessions of keys that the ring no longer holds.
    pub(crate) fn retain(&mut self, ring: &ClusterRing) {
        self.sessions.retain(|session| ring.get(session.key.id).is_some());
    }
}

fn counter_bytes(counter: u128) -> [u8; COUNTER] {
    let [_, _, _, _, bytes @ ..] = counter.to_be_bytes();
    bytes
}

/// Opens what comes in.
pub(crate) struct Opener {
    /// Those used lately, and those used before: when the first table is full it becomes the
    /// second, and what the second still held is forgotten.
    young: HashMap<Salt, Receiving>,
    old: HashMap<Salt, Receiving>,
    buffer: Vec<u8>,
    filled: usize,
    most: usize,
}

struct Receiving {
    key: Arc<ClusterKey>,
    subkey: LessSafeKey,
    window: Window,
}

/// The parts of a sealed datagram.
struct Parts<'a> {
    head: Head,
    salt: Salt,
    counter: [u8; COUNTER],
    body: &'a [u8],
    tag: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk()?;
        let (salt, rest) = rest.split_first_chunk()?;
        let (counter, rest) = rest.split_first_chunk()?;
        let (body, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        Some(Self { head: *head, salt: *salt, counter: *counter, body, tag })
    }

    fn number(&self) -> u128 {
        self.counter.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    fn open(&self, key: &ClusterKey, subkey: &LessSafeKey, to: &mut [u8]) -> Result<(), Drop> {
        let (nonce, bound) = (Nonce::assume_unique_for_key(self.counter), Aad::from(&*key.bound));
        let opened = subkey.open_separate_gather(nonce, bound, self.body, self.tag, to);
        opened.map_err(|_| Drop::Forged)
    }
}

impl Default for Opener {
    fn default() -> Self {
        Self {
            young: HashMap::new(),
            old: HashMap::new(),
            // Pages that no datagram is large enough to touch cost nothing.
            buffer: vec![0; MAX_DATAGRAM],
            filled: 0,
            most: MAX_SESSIONS,
        }
    }
}

impl Opener {
    /// Opens a datagram; [`Opener::opened`] has what was in it. Returns the key that it was sealed
    /// with.
    pub(crate) fn open(&mut self, ring: &ClusterRing, bytes: &[u8]) -> Result<KeyId, Drop> {
        let parts = Parts::of(bytes).ok_or(Drop::Short)?;
        let to = self.buffer.get_mut(..parts.body.len()).ok_or(Drop::Forged)?;
        let number = parts.number();
        let held = match self.young.get_mut(&parts.salt) {
            Some(session) => Some(session),
            None => self.old.get_mut(&parts.salt),
        };
        if let Some(session) = held.filter(|session| session.key.head == parts.head) {
            if session.window.has_seen(number) {
                return Err(Drop::Replayed);
            }
            parts.open(&session.key, &session.subkey, to)?;
            session.window.see(number);
            let id = session.key.id;
            self.filled = parts.body.len();
            self.touch(&parts.salt);
            return Ok(id);
        }
        let keys = ring.of_head(&parts.head).map_err(|misfit| match misfit {
            Misfit::Key => Drop::UnknownKey,
            Misfit::Cluster => Drop::OtherCluster,
        })?;
        for key in keys {
            let subkey = key.session(&parts.salt);
            if parts.open(&key, &subkey, to).is_ok() {
                let id = key.id;
                self.learn(parts.salt, Receiving { key, subkey, window: Window::new(number) });
                self.filled = parts.body.len();
                return Ok(id);
            }
        }
        Err(Drop::Forged)
    }

    /// What was in the datagram that was opened last.
    pub(crate) fn opened(&self) -> &[u8] {
        self.buffer.get(..self.filled).unwrap_or_default()
    }

    /// Keeps a session among those used lately.
    fn touch(&mut self, salt: &Salt) {
        if !self.old.is_empty()
            && let Some(session) = self.old.remove(salt)
        {
            self.learn(*salt, session);
        }
    }

    fn learn(&mut self, salt: Salt, session: Receiving) {
        if self.young.len() >= self.most / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(salt, session);
    }

    /// Forgets sessions of keys that the ring no longer holds.
    pub(crate) fn retain(&mut self, ring: &ClusterRing) {
        for table in [&mut self.young, &mut self.old] {
            table.retain(|_, session| ring.get(session.key.id).is_some());
        }
    }
}

/// Offers a made-up datagram, with a head that fits and without. See `crate::fuzz`.
pub(crate) fn fuzz(data: &[u8]) {
    let ring = KeyRing::new(Key::from_bytes([1; 32]));
    let ring = ClusterRing::new(ring, "fuzz");
    let mut opener = Opener::default();
    let head = ring.keys().first().map(|key| key.head).unwrap_or_default();
    for datagram in [data, &[&head, data].concat()] {
        assert!(opener.open(&ring, datagram).is_err(), "nobody guesses the key");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::super::cluster::SEALED;
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    pub(crate) fn ring(keys: &[u8], cluster: &str) -> ClusterRing {
        let keys = keys.iter().map(|byte| Key::from_bytes([*byte; 32]));
        ClusterRing::new(KeyRing::from_keys(keys).unwrap(), cluster)
    }

    fn seal(sealer: &mut Sealer, ring: &ClusterRing, plain: &[u8]) -> Vec<u8> {
        sealer.seal(&ring.keys()[0], plain).unwrap().to_vec()
    }

    fn open(opener: &mut Opener, ring: &ClusterRing, bytes: &[u8]) -> Result<Vec<u8>, Drop> {
        opener.open(ring, bytes).map(|_| opener.opened().to_vec())
    }

    #[test]
    fn the_form_is_pinned() {
        let ring = ring(&[1], "demo");
        let key = &ring.keys()[0];
        let mut sealer = Sealer::default();
        let (salt, counter) = ([2; SALT], 5);
        let subkey = key.session(&salt);
        sealer.sessions.push(Sending { key: Arc::clone(key), salt, subkey, counter, left: 9 });
        let sealed = seal(&mut sealer, &ring, b"hello");
        assert_eq!(sealed.len(), 5 + OVERHEAD);
        let hex: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, GOLDEN);
    }

    const GOLDEN: &str = "81429fe253020202020202020202020202000000000000000000000006\
                          b3a305efd7f766aebf3cd938f8acc31e8082fa1782";

    #[test]
    fn what_comes_twice_is_dropped_and_what_comes_late_is_not() {
        let ring = ring(&[1, 2], "c");
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        let sent: Vec<_> = (0..50_u8).map(|n| seal(&mut sealer, &ring, &[n])).collect();
        for datagram in sent.iter().rev() {
            assert!(open(&mut opener, &ring, datagram).is_ok());
        }
        for datagram in &sent {
            assert_eq!(open(&mut opener, &ring, datagram), Err(Drop::Replayed));
        }
    }

    #[test]
    fn strangers_are_told_apart() {
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        let ours = ring(&[1, 2], "c");
        let sealed = seal(&mut sealer, &ours, b"x");
        assert_eq!(open(&mut opener, &ring(&[3], "c"), &sealed), Err(Drop::UnknownKey));
        assert_eq!(open(&mut opener, &ring(&[1], "d"), &sealed), Err(Drop::OtherCluster));
        assert_eq!(open(&mut opener, &ours, &sealed[..OVERHEAD - 1]), Err(Drop::Short));
        assert_eq!(open(&mut opener, &ours, &[]), Err(Drop::Short));
        assert_eq!(open(&mut opener, &ring(&[2, 1], "c"), &sealed), Ok(b"x".to_vec()));
        assert!(sealer.seal(&ours.keys()[0], &vec![0; MAX_DATAGRAM]).is_none());
    }

    #[test]
    fn no_nonce_comes_twice_and_subkeys_are_renewed() {
        let ring = ring(&[1], "c");
        let mut nonces = HashSet::new();
        let mut salts = HashSet::new();
        for _ in 0..3 {
            let mut sealer = Sealer { renew: 100, ..Sealer::default() };
            for _ in 0..1000 {
                let sealed = seal(&mut sealer, &ring, b"x");
                assert!(nonces.insert(sealed[HEAD..BODY].to_vec()));
                salts.insert(sealed[HEAD..HEAD + SALT].to_vec());
            }
        }
        assert_eq!(salts.len(), 30);
    }

    #[test]
    fn a_session_that_is_begun_anew_has_another_salt_and_is_understood() {
        let ring = ring(&[1, 2], "c");
        let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
        let mut salts = HashSet::new();
        for n in 0..5_u8 {
            sealer.begin_anew();
            for _ in 0..3 {
                let sealed = seal(&mut sealer, &ring, &[n]);
                assert_eq!(open(&mut opener, &ring, &sealed), Ok(vec![n]));
                salts.insert(sealed[HEAD..HEAD + SALT].to_vec());
            }
        }
        assert_eq!(salts.len(), 5);
    }

    #[test]
    fn sessions_are_bounded_and_those_in_use_stay() {
        let ring = ring(&[1], "c");
        let mut opener = Opener { most: 20, ..Opener::default() };
        let mut busy = Sealer::default();
        let first = seal(&mut busy, &ring, b"x");
        open(&mut opener, &ring, &first).unwrap();
        for _ in 0..200 {
            open(&mut opener, &ring, &seal(&mut Sealer::default(), &ring, b"x")).unwrap();
            open(&mut opener, &ring, &seal(&mut busy, &ring, b"x")).unwrap();
            assert!(opener.young.len() + opener.old.len() <= 20);
        }
        assert_eq!(open(&mut opener, &ring, &first), Err(Drop::Replayed));
        opener.retain(&self::ring(&[2], "c"));
        assert_eq!(opener.young.len() + opener.old.len(), 0);
    }

    proptest! {
        #[test]
        fn any_change_is_refused(
            plain in prop::collection::vec(any::<u8>(), 0..200),
            at: prop::sample::Index,
            bit in 0_u32..8,
            cut: prop::sample::Index,
            known: bool,
        ) {
            let ring = ring(&[1, 2], "c");
            let (mut sealer, mut opener) = (Sealer::default(), Opener::default());
            if known {
                let sealed = seal(&mut sealer, &ring, b"before");
                open(&mut opener, &ring, &sealed).unwrap();
            }
            let sealed = seal(&mut sealer, &ring, &plain);
            let mut bent = sealed.clone();
            let at = at.index(bent.len());
            bent[at] ^= 1 << bit;
            prop_assert!(open(&mut opener, &ring, &bent).is_err());
            prop_assert!(open(&mut opener, &ring, &sealed[..cut.index(sealed.len())]).is_err());
            // The true one still passes after all that.
            prop_assert_eq!(open(&mut opener, &ring, &sealed), Ok(plain));
        }

        #[test]
        fn any_bytes_are_refused_without_panic(mut bytes: Vec<u8>, hinted: bool) {
            let ring = ring(&[1], "c");
            if hinted && bytes.len() >= HEAD {
                bytes[..HEAD].copy_from_slice(&ring.keys()[0].head);
                prop_assert_eq!(bytes[0], SEALED);
            }
            prop_assert!(open(&mut Opener::default(), &ring, &bytes).is_err());
        }
    }
}
