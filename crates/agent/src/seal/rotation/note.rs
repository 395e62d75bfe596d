//! Notes about the ring, as they travel: what is in them, and its bytes.

use crate::seal::cluster::ClusterKey;
use crate::seal::key::{KEY_LEN, Key, KeyId, fill_random};
use crate::seal::ring::{KeyRing, MAX_KEYS};
use aws_lc_rs::aead::{Aad, Nonce};
use rumormill_core::base::codec::{DecodeError, Reader};
use zeroize::Zeroizing;

pub(super) const OF_KEY: &[u8] = b"ring/";
pub(super) const OF_PRIMARY: &[u8] = b"ring!";
pub(super) const OF_NODE: &[u8] = b"ring?";
pub(super) const VERSION: u8 = 1;
const NONCE: usize = 12;
const WRAPPED: usize = KEY_LEN + 16;

/// A note to be written: key and value.
pub(crate) type Note = (Vec<u8>, Vec<u8>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Held(Vec<Envelope>),
    Removed,
}

/// A key, wrapped under another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) under: KeyId,
    pub(super) nonce: [u8; NONCE],
    pub(super) wrapped: [u8; WRAPPED],
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) primary: KeyId,
    pub(super) keys: Vec<KeyId>,
}

fn invalid<T>(what: &'static str) -> Result<T, DecodeError> {
    Err(DecodeError::Invalid(what))
}

fn key_id(from: &mut Reader<'_>) -> Result<KeyId, DecodeError> {
    Ok(KeyId(from.u64()?.to_le_bytes()))
}

fn array<const N: usize>(from: &mut Reader<'_>) -> Result<[u8; N], DecodeError> {
    from.take(N)?.try_into().map_err(|_| DecodeError::Invalid("array"))
}

impl Known {
    pub(super) fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut value = Reader::new(value);
        if value.u8()? != VERSION {
            return invalid("version of a ring note");
        }
        let count = match value.u8()? {
            0 => return Ok(Self::Removed),
            1 => usize::from(value.u8()?),
            _ => return invalid("state of a key"),
        };
        if count > MAX_KEYS {
            return invalid("number of envelopes");
        }
        let envelope = |from: &mut Reader<'_>| {
            let under = key_id(from)?;
            Ok(Envelope { under, nonce: array(from)?, wrapped: array(from)? })
        };
        (0..count).map(|_| envelope(&mut value)).collect::<Result<_, _>>().map(Self::Held)
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let Self::Held(envelopes) = self else { return vec![VERSION, 0] };
        let mut value = vec![VERSION, 1, u8::try_from(envelopes.len()).unwrap_or(u8::MAX)];
        for Envelope { under, nonce, wrapped } in envelopes {
            value.extend_from_slice(&under.0);
            value.extend_from_slice(nonce);
            value.extend_from_slice(wrapped);
        }
        value
    }
}

impl Report {
    pub(super) fn of(ring: &KeyRing) -> Option<Self> {
        let keys = ring.ids();
        Some(Self { primary: *keys.first()?, keys })
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, DecodeError> {
        let mut value = Reader::new(value);
        if value.u8()? != VERSION {
            return invalid("version of a ring note");
        }
        let primary = key_id(&mut value)?;
        let count = usize::from(value.u8()?);
        if count > MAX_KEYS {
            return invalid("number of keys");
        }
        let keys = (0..count).map(|_| key_id(&mut value)).collect::<Result<_, _>>()?;
        Ok(Self { primary, keys })
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut value = vec![VERSION];
        value.extend_from_slice(&self.primary.0);
        value.push(u8::try_from(self.keys.len()).unwrap_or(u8::MAX));
        self.keys.iter().for_each(|key| value.extend_from_slice(&key.0));
        value
    }
}

impl Envelope {
    pub(super) fn seal(key: &Key, under: &ClusterKey) -> Option<Self> {
        let mut nonce = [0; NONCE];
        fill_random(&mut nonce);
        let mut wrapped = [0; WRAPPED];
        let (body, tag_to) = wrapped.split_at_mut(KEY_LEN);
        body.copy_from_slice(key.bytes());
        let bound = Aad::from(key.id().0);
        let tag =
            under.wrap.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), bound, body);
        tag_to.copy_from_slice(tag.ok()?.as_ref());
        Some(Self { under: under.id, nonce, wrapped })
    }

    pub(super) fn open(&self, id: KeyId, under: &ClusterKey) -> Option<Key> {
        let (body, tag) = self.wrapped.split_at_checked(KEY_LEN)?;
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let opened =
            under.wrap.open_separate_gather(nonce, Aad::from(id.0), body, tag, bytes.as_mut());
        let key = opened.ok().map(|()| Key::from_bytes(*bytes))?;
        (key.id() == id).then_some(key)
    }
}

pub(super) fn note_of_key(id: KeyId, known: &Known) -> Note {
    ([OF_KEY, &id.0].concat(), known.encode())
}
