//! The messages of the tree rumor: the rumor and its answer.

use super::Scope;
use crate::base::codec::{Coded as _, DecodeError, Reader, Write};
use crate::data::Space;

/// Answers in one message.
pub(super) const MAX_ANSWERS: usize = 256;

/// A rumor as it arrives.
#[derive(Clone, Debug)]
pub struct Rumor<'a> {
    /// Which map.
    pub space: Space,
    /// What to answer with; 0 if no answer is wanted.
    pub token: u64,
    /// What the receiver is to pass it on to.
    pub scope: Scope,
    /// The entries as they stand in the message.
    pub block: &'a [u8],
    /// Scope and entries, which tell rumors apart.
    pub(super) told: &'a [u8],
}

impl<'a> Rumor<'a> {
    /// Reads the body of a tree rumor, but for its entries.
    ///
    /// # Errors
    /// If it is truncated or names no space.
    pub fn decode(kind: u8, mut body: Reader<'a>) -> Result<Self, DecodeError> {
        let space = Space::decode(&mut body)?;
        let token = body.varint()?;
        let told = body.clone().take(body.remaining())?;
        let scope = Scope::decode(kind, &mut body)?;
        let block = body.take(body.remaining())?;
        Ok(Self { space, token, scope, block, told })
    }
}

/// An answer as it arrives: the tokens of the rumors that have arrived.
#[derive(Clone, Debug)]
pub struct Answer<'a>(Reader<'a>);

impl<'a> Answer<'a> {
    /// Reads the body of an answer.
    ///
    /// # Errors
    /// If it is truncated, or holds more than this machine writes.
    pub fn decode(body: Reader<'a>) -> Result<Self, DecodeError> {
        let answer = Self(body);
        let mut body = answer.0.clone();
        for _ in 0..MAX_ANSWERS {
            if body.is_empty() {
                return Ok(answer);
            }
            body.varint()?;
        }
        match body.is_empty() {
            true => Ok(answer),
            false => Err(DecodeError::Invalid("number of answers")),
        }
    }

    /// The tokens.
    pub fn tokens(mut self) -> impl Iterator<Item = u64> {
        std::iter::from_fn(move || self.0.varint().ok())
    }
}

/// What stands before the entries of a rumor. There is one for each copy, so it is made in place.
pub(super) struct Head {
    bytes: [u8; HEAD],
    len: usize,
}

/// Space, token and the longest scope.
const HEAD: usize = 1 + 10 + 20;

impl Head {
    pub(super) fn new(space: Space, token: u64, scope: Scope) -> Self {
        let mut head = Self { bytes: [0; HEAD], len: 0 };
        head.put(&[space.code()]);
        head.put_varint(token);
        scope.encode(&mut head);
        head
    }

    /// One token, as the body of an answer.
    pub(super) fn answer(token: u64) -> Self {
        let mut head = Self { bytes: [0; HEAD], len: 0 };
        head.put_varint(token);
        head
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Write for Head {
    fn put(&mut self, bytes: &[u8]) {
        let behind = self.len + bytes.len();
        debug_assert!(behind <= HEAD, "a head has room for the longest scope");
        if let Some(room) = self.bytes.get_mut(self.len..behind) {
            room.copy_from_slice(bytes);
            self.len = behind;
        }
    }
}
