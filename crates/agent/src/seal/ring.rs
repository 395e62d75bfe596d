//! Several keys of a cluster, one of them primary.

use super::key::{Key, KeyId};

/// Keys in a ring at most.
pub const MAX_KEYS: usize = 16;

/// Keys that a node opens with, the first of which, the primary, it seals with. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRing {
    keys: Vec<Key>,
}

impl KeyRing {
    /// A ring of one key.
    #[must_use]
    pub fn new(primary: Key) -> Self {
        Self { keys: vec![primary] }
    }

    /// A ring of these keys, the first being primary; a repeated key counts once.
    ///
    /// # Errors
    /// In words, if there is none or there are more than a ring holds.
    pub fn from_keys(keys: impl IntoIterator<Item = Key>) -> Result<Self, String> {
        let mut keys = keys.into_iter();
        let first = keys.next().ok_or("there is no key in it; `rumormill keygen` makes one")?;
        let mut ring = Self::new(first);
        for key in keys {
            ring.add(key)?;
        }
        Ok(ring)
    }

    /// Adds a key as the last one; returns whether it is new.
    ///
    /// # Errors
    /// In words, if the ring is full.
    pub fn add(&mut self, key: Key) -> Result<bool, String> {
        if self.keys.contains(&key) {
            return Ok(false);
        }
        if self.keys.len() >= MAX_KEYS {
            return Err(format!("a ring holds at most {MAX_KEYS} keys; remove one first"));
        }
        self.keys.push(key);
        Ok(true)
    }

    /// Makes a held key primary; returns whether it is held.
    pub fn promote(&mut self, id: KeyId) -> bool {
        let Some(at) = self.keys.iter().position(|key| key.id() == id) else { return false };
        let key = self.keys.remove(at);
        self.keys.insert(0, key);
        true
    }

    /// Takes a key out, unless it is the last one; returns whether it did.
    pub fn remove(&mut self, id: KeyId) -> bool {
        let before = self.keys.len();
        if before > 1 {
            self.keys.retain(|key| key.id() != id);
        }
        self.keys.len() < before
    }

    /// The keys, the primary first.
    #[must_use]
    pub fn keys(&self) -> &[Key] {
        &self.keys
    }

    /// The ids of the keys, the primary first.
    #[must_use]
    pub fn ids(&self) -> Vec<KeyId> {
        self.keys.iter().map(Key::id).collect()
    }

    /// The key that this node seals with.
    #[must_use]
    pub fn primary(&self) -> Option<&Key> {
        self.keys.first()
    }

    /// True if the ring holds a key with this id.
    #[must_use]
    pub fn holds(&self, id: KeyId) -> bool {
        self.keys.iter().any(|key| key.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> Key {
        Key::from_bytes([byte; 32])
    }

    #[test]
    fn a_ring_is_bounded_and_never_empty() {
        let mut ring = KeyRing::from_keys((0..MAX_KEYS as u8).map(key)).unwrap();
        assert!(ring.add(key(99)).is_err());
        assert_eq!(ring.add(key(3)), Ok(false));
        assert!(KeyRing::from_keys([]).is_err());
        assert!(ring.promote(key(5).id()) && !ring.promote(key(99).id()));
        assert_eq!(ring.primary(), Some(&key(5)));
        for byte in 0..MAX_KEYS as u8 {
            ring.remove(key(byte).id());
        }
        assert_eq!(ring.keys().len(), 1);
    }
}
