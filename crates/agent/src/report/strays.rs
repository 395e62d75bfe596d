//! What a node keeps aside, and what became of entries, as it tells of them.

use serde::Serialize;

/// What is held under the key of a stray.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeldInstead {
    /// True if that is a deletion.
    pub deletion: bool,
    /// Its stamp.
    pub stamp: String,
    /// The id of its writer.
    pub writer: String,
    /// Bytes of key and value.
    pub size: u64,
}

/// One entry that is kept aside: this node brought it back, the others do not hold it, and nothing
/// proves what is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StrayInfo {
    /// Its key.
    #[serde(skip)]
    pub key: Box<[u8]>,
    /// `value` or `deletion`.
    pub kind: &'static str,
    /// Bytes of key and value.
    pub size: u64,
    /// Its stamp.
    pub stamp: String,
    /// When it was written, wall milliseconds since 1970.
    pub written_ms: u64,
    /// The id of its writer.
    pub writer: String,
    /// The name of its writer, if that is known.
    pub writer_name: Option<String>,
    /// When the value hides itself, wall milliseconds since 1970.
    pub expires_at_ms: Option<u64>,
    /// Why it is kept aside, in a sentence.
    pub why: String,
    /// What the others hold under its key now, as far as this node does as well.
    pub held: Option<HeldInstead>,
}

/// A part of what is kept aside.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Strays {
    /// The entries, by the hashes of their keys.
    pub strays: Vec<StrayInfo>,
    /// How many there are in all.
    pub count: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Where to go on, if there are more.
    pub next: Option<u64>,
}

/// What was put back or dropped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StraysDone {
    /// How many.
    pub done: u64,
    /// Keys under which nothing is kept aside, a few of them.
    pub unknown: Vec<Box<[u8]>>,
    /// Keys that were not put back, and why; a few of them. They stay aside.
    pub refused: Vec<(Box<[u8]>, String)>,
}

/// Keys that are named of those without success at most.
const MAX_NAMED: usize = 100;

impl StraysDone {
    pub(crate) fn unknown(&mut self, key: &[u8]) {
        if self.unknown.len() < MAX_NAMED {
            self.unknown.push(key.into());
        }
    }

    pub(crate) fn refused(&mut self, key: &[u8], why: String) {
        if self.refused.len() < MAX_NAMED {
            self.refused.push((key.into(), why));
        }
    }
}

/// What became of an entry of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyStory {
    /// When, wall milliseconds since 1970.
    pub at_ms: u64,
    /// `collected`, `placed`, `visited`, `confirmed` (let go when this node was brought back),
    /// `anew`, `aside`, `restored` or `dropped`.
    pub end: &'static str,
    /// The stamp of the entry.
    pub stamp: String,
    /// True if it was a deletion.
    pub deletion: bool,
    /// The id of its writer.
    pub writer: String,
    /// The pass that decided, 16 hexadecimal digits.
    pub pass: Option<String>,
    /// Up to when that pass covers, wall milliseconds since 1970.
    pub horizon_ms: Option<u64>,
    /// The id of the member that brought this node back, if that was when.
    pub giver: Option<String>,
    /// What happened and why, in a sentence.
    pub why: String,
}
