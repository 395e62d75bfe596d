//! Passwords and tokens: from a file or the environment, never shown.

use std::fmt;
use std::io::Read as _;
use std::path::PathBuf;

/// Longest secret, bytes.
const MAX_SECRET: usize = 4096;

/// A password or token. It is not shown by `Debug` and has no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret; `None` if it is empty.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Self> {
        Some(Self(text.into())).filter(|secret| !secret.0.is_empty())
    }

    /// The secret itself, to compare with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Reads a secret from a file; a line break at its end is not part of it.
    ///
    /// # Errors
    /// In words, if the file cannot be read, is empty, too long or no text.
    pub fn read(path: &std::path::Path) -> Result<Self, String> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)
            .and_then(|file| file.take(MAX_SECRET as u64 + 3).read_to_end(&mut bytes))
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let text = String::from_utf8(bytes)
            .map_err(|_| format!("{} does not hold UTF-8 text", path.display()))?;
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        Self::checked(text).map_err(|message| format!("{}: {message}", path.display()))
    }

    fn checked(text: &str) -> Result<Self, String> {
        if text.len() > MAX_SECRET {
            return Err(format!("a secret is at most {MAX_SECRET} bytes long"));
        }
        if text.chars().any(char::is_control) {
            return Err("a secret is one line without control characters".into());
        }
        Self::new(text).ok_or_else(|| "the secret is empty".into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Where a secret is to be had.
pub(super) enum SecretSource {
    Text(String),
    File(PathBuf),
}

impl SecretSource {
    pub(super) fn read(self) -> Result<Secret, String> {
        match self {
            Self::Text(text) => Secret::checked(&text),
            Self::File(path) => Secret::read(&path),
        }
    }
}
