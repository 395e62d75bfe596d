//! A key of a cluster, and its text form.

use aws_lc_rs::{digest, hkdf, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// What the text of a key begins with.
const PREFIX: &str = "rmk1_";
/// Bytes of the checksum behind the key, so that a typo is told.
const CHECK: usize = 4;
/// Letters of the text behind the prefix.
const LETTERS: usize = (KEY_LEN + CHECK) * 4 / 3;

/// A secret that all nodes of a cluster share: 256 random bits. It is wiped from memory when it is
/// dropped, and `Debug` shows only its [`KeyId`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; KEY_LEN]>);

/// Tells keys apart without giving anything of them away: 64 bits derived from the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub(crate) [u8; 8]);

/// A text that is no key. The text itself is not repeated: it may be nearly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// It does not begin as keys do.
    #[error("this is no key: a key begins with {PREFIX}; `rumormill keygen` makes one")]
    Prefix,
    /// It is too short or too long.
    #[error(
        "this key has {0} letters behind {PREFIX}, not {LETTERS}: part of it is missing or \
             something was added"
    )]
    Length(usize),
    /// Letters were changed.
    #[error("this key has a typo in it: its checksum does not fit")]
    Checksum,
}

impl Key {
    /// A new random key. (Where the operating system gives no random numbers, which no known one does,
    /// the process ends.)
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LEN]);
        fill_random(bytes.as_mut());
        Self(bytes)
    }

    /// A key from its bytes. They must be random: a password is not strong enough.
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_LEN]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The key's text, for a key file. It is the secret itself.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; KEY_LEN + CHECK]);
        let (key, check) = bytes.split_at_mut(KEY_LEN);
        key.copy_from_slice(self.0.as_ref());
        check.copy_from_slice(&checksum(&self.0));
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + LETTERS));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_ref(), &mut text);
        text
    }

    /// What tells this key apart from others.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        expand(&self.root(), &[b"id"], &mut id);
        KeyId(id)
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LEN] {
        &self.0
    }

    /// What everything is derived from.
    pub(super) fn root(&self) -> hkdf::Prk {
        hkdf::Salt::new(hkdf::HKDF_SHA256, b"rumormill key 1").extract(self.0.as_ref())
    }
}

/// Fills bytes with random ones.
pub(crate) fn fill_random(bytes: &mut [u8]) {
    if rand::fill(bytes).is_err() {
        // A key that is not random, or a nonce that comes twice, would be worse than no process.
        std::process::abort();
    }
}

fn checksum(key: &[u8; KEY_LEN]) -> [u8; CHECK] {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"rumormill key checksum");
    context.update(key);
    let mut check = [0; CHECK];
    for (to, from) in check.iter_mut().zip(context.finish().as_ref()) {
        *to = *from;
    }
    check
}

struct Len(usize);

impl hkdf::KeyType for Len {
    fn len(&self) -> usize {
        self.0
    }
}

/// Derives bytes from a key. Each part is put behind its length, so that no two lists of parts look
/// alike.
pub(super) fn expand(root: &hkdf::Prk, parts: &[&[u8]], out: &mut [u8]) {
    let mut info = Vec::with_capacity(64);
    for part in parts {
        info.extend_from_slice(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes());
        info.extend_from_slice(part);
    }
    let done = root.expand(&[&info], Len(out.len())).and_then(|derived| derived.fill(out));
    // Fails only for more than 8 kB.
    debug_assert!(done.is_ok());
    if done.is_err() {
        std::process::abort();
    }
}

impl FromStr for Key {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let letters = text.strip_prefix(PREFIX).ok_or(KeyError::Prefix)?;
        if letters.len() != LETTERS {
            return Err(KeyError::Length(letters.chars().count()));
        }
        let mut bytes = Zeroizing::new([0; KEY_LEN + CHECK]);
        let decoded = URL_SAFE_NO_PAD.decode_slice(letters, bytes.as_mut());
        let mut key = [0; KEY_LEN];
        let (given, check) = bytes.split_at(KEY_LEN);
        key.copy_from_slice(given);
        let found = Self::from_bytes(key);
        key.zeroize();
        match decoded {
            Ok(_) if checksum(&found.0) == *check => Ok(found),
            _ => Err(KeyError::Checksum),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", u64::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for KeyId {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let id = u64::from_str_radix(text, 16).ok().filter(|_| digits);
        id.map(|id| Self(id.to_be_bytes()))
            .ok_or("a key id is 16 hexadecimal digits; `rumormill keyring list` shows them")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_and_ids_are_pinned() {
        let key = Key::from_bytes([7; KEY_LEN]);
        assert_eq!(key.to_text().as_str(), TEXT);
        assert_eq!(key.id().to_string(), ID);
        assert_eq!(TEXT.parse(), Ok(key));
        assert_eq!(ID.parse::<KeyId>().map(|id| id.to_string()), Ok(ID.to_owned()));
    }

    const TEXT: &str = "rmk1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwf0LnTp";
    const ID: &str = "dc360b75fee7e3a6";

    #[test]
    fn nothing_shows_the_key() {
        let key = Key::generate();
        let text = key.to_text();
        let secret = &text[PREFIX.len()..];
        let shown = format!("{key:?} {}", key.id());
        for part in secret.as_bytes().windows(6) {
            assert!(!shown.contains(std::str::from_utf8(part).unwrap()));
        }
        let mut typo = text.to_string();
        typo.pop();
        for bad in [typo.clone(), format!("{typo}\u{e9}"), format!("x{}", *text)] {
            let error = bad.parse::<Key>().unwrap_err();
            assert!(!format!("{error} {error:?}").contains(&secret[..6]));
        }
        assert_ne!(key, Key::generate());
    }

    proptest! {
        #[test]
        fn every_typo_is_told(bytes: [u8; 32], at in 0_usize..53, letter in "[A-Za-z0-9_-]") {
            let key = Key::from_bytes(bytes);
            let text = key.to_text();
            prop_assert_eq!(text.parse::<Key>(), Ok(key));
            let mut typo = text.to_string();
            typo.replace_range(at..=at, &letter);
            if typo != *text {
                prop_assert!(typo.parse::<Key>().is_err());
            }
        }

        #[test]
        fn any_text_is_read_without_panic(text: String, tail in "\\PC{0,60}") {
            prop_assert_eq!(text.parse::<Key>(), Err(KeyError::Prefix));
            // Nobody guesses a checksum.
            let letters = tail.chars().count();
            let error = match tail.len() == LETTERS {
                true => KeyError::Checksum,
                false => KeyError::Length(letters),
            };
            prop_assert_eq!(format!("{PREFIX}{tail}").parse::<Key>(), Err(error));
            let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            prop_assert_eq!(text.parse::<KeyId>().is_ok(), digits);
        }
    }
}
