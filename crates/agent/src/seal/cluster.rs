//! What a node derives from its ring for its cluster.

use super::key::{Key, KeyId, expand};
use super::ring::KeyRing;
use aws_lc_rs::aead::{AES_256_GCM, LessSafeKey, UnboundKey};
use aws_lc_rs::hkdf;
use std::fmt;
use std::sync::Arc;
use zeroize::Zeroizing;

/// What a sealed datagram begins with. The highest bit is set: a plain one begins with the protocol
/// version, which never gets there.
pub(crate) const SEALED: u8 = 0x81;
/// Bytes that say how a datagram or stream is sealed: [`SEALED`], two of the key, two of the
/// cluster.
pub(crate) const HEAD: usize = 5;
/// Bytes of a datagram's nonce that are the same for a whole session and select its subkey.
pub(crate) const SALT: usize = 12;

pub(crate) type Head = [u8; HEAD];
pub(crate) type Salt = [u8; SALT];

/// A key of the ring with what is derived from it. Everything depends on the cluster's name, so that
/// two clusters with one key stay strangers.
pub(crate) struct ClusterKey {
    pub(crate) id: KeyId,
    /// See [`HEAD`].
    pub(crate) head: Head,
    /// Authenticated with every datagram: the head and the cluster's name.
    pub(crate) bound: Box<[u8]>,
    /// The pre-shared key of streams.
    pub(crate) psk: Zeroizing<[u8; 32]>,
    /// Seals keys that travel in the roster.
    pub(crate) wrap: LessSafeKey,
    root: hkdf::Prk,
    cluster: Box<[u8]>,
}

impl ClusterKey {
    fn new(key: &Key, cluster: &str) -> Self {
        let (root, cluster) = (key.root(), cluster.as_bytes());
        let mut hints = [0; 4];
        let (of_key, of_cluster) = hints.split_at_mut(2);
        expand(&root, &[b"hint"], of_key);
        expand(&root, &[b"cluster hint", cluster], of_cluster);
        let [a, b, c, d] = hints;
        let head = [SEALED, a, b, c, d];
        let mut psk = Zeroizing::new([0; 32]);
        expand(&root, &[b"stream", cluster], psk.as_mut());
        let bound = [b"rumormill datagram 1".as_slice(), &head, cluster].concat().into();
        let wrap = subkey(&root, &[b"wrap", cluster]);
        Self { id: key.id(), head, bound, psk, wrap, root, cluster: cluster.into() }
    }

    /// The subkey of a session: of one sender between two of its starts, at most.
    pub(crate) fn session(&self, salt: &Salt) -> LessSafeKey {
        subkey(&self.root, &[b"datagram", &self.cluster, salt])
    }
}

fn subkey(root: &hkdf::Prk, parts: &[&[u8]]) -> LessSafeKey {
    let mut bytes = Zeroizing::new([0; 32]);
    expand(root, parts, bytes.as_mut());
    match UnboundKey::new(&AES_256_GCM, bytes.as_ref()) {
        Ok(key) => LessSafeKey::new(key),
        // Fails only for another length.
        Err(_) => std::process::abort(),
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClusterKey({})", self.id)
    }
}

/// How a stranger's head fails to fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// No key of the ring.
    Key,
    /// A key of the ring, and another cluster's name.
    Cluster,
}

/// A ring, ready for use in a cluster. Immutable: a changed ring is a new one.
#[derive(Debug)]
pub(crate) struct ClusterRing {
    pub(crate) ring: KeyRing,
    keys: Vec<Arc<ClusterKey>>,
}

impl ClusterRing {
    pub(crate) fn new(ring: KeyRing, cluster: &str) -> Self {
        let keys = ring.keys().iter().map(|key| Arc::new(ClusterKey::new(key, cluster))).collect();
        Self { ring, keys }
    }

    pub(crate) fn keys(&self) -> &[Arc<ClusterKey>] {
        &self.keys
    }

    pub(crate) fn get(&self, id: KeyId) -> Option<&Arc<ClusterKey>> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// The keys that a head may stand for: nearly always one.
    pub(crate) fn of_head(&self, head: &[u8]) -> Result<Vec<Arc<ClusterKey>>, Misfit> {
        let hinted = |key: &&Arc<ClusterKey>| key.head.get(..3) == head.get(..3);
        let found: Vec<_> = self.keys.iter().filter(|key| key.head == head).cloned().collect();
        match found.is_empty() {
            false => Ok(found),
            true if self.keys.iter().any(|key| hinted(&key)) => Err(Misfit::Cluster),
            true => Err(Misfit::Key),
        }
    }
}
