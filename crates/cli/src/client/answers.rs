//! What an agent answers, as far as commands read it.

use crate::encoding::from_base64;
use rumormill::RingStatus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The part of `/v1/status` that commands read.
#[derive(Clone, Debug, Deserialize)]
pub struct Status {
    pub entries: u64,
    pub digest: String,
    pub members: Counts,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Counts {
    pub alive: u64,
    #[serde(default)]
    pub suspect: u64,
    #[serde(default)]
    pub dead: u64,
    #[serde(default)]
    pub left: u64,
}

/// A part of an agent's flight recorder.
#[derive(Clone, Debug, Deserialize)]
pub struct MemberEvents {
    pub seen_by: String,
    pub seen_by_name: String,
    pub events: Vec<MemberEvent>,
    #[serde(default)]
    pub names: BTreeMap<String, String>,
    #[serde(default)]
    pub more: bool,
}

/// Something that happened to a member. What a later version adds is kept for JSON.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct MemberEvent {
    pub at_ms: u64,
    pub about: String,
    pub what: String,
    #[serde(flatten)]
    pub more: serde_json::Map<String, serde_json::Value>,
}

/// An entry as the API writes it in JSON.
#[derive(Clone, Debug, Deserialize)]
pub struct EntryJson {
    key: Option<String>,
    key_base64: Option<String>,
    value: Option<String>,
    value_base64: Option<String>,
    #[serde(default)]
    pub stamp: String,
    #[serde(default)]
    pub origin: String,
    pub expires_at_ms: Option<u64>,
    #[serde(default)]
    pub owned: bool,
    /// What it holds, if that is nothing that the agent knows: then it shows no value.
    pub kind: Option<u64>,
}

impl EntryJson {
    pub fn key(&self) -> anyhow::Result<Vec<u8>> {
        bytes_of("key", self.key.as_deref(), self.key_base64.as_deref())
    }

    /// The value; `None` where there is none (a deletion, or keys only).
    pub fn value(&self) -> anyhow::Result<Option<Vec<u8>>> {
        if self.value.is_none() && self.value_base64.is_none() {
            return Ok(None);
        }
        bytes_of("value", self.value.as_deref(), self.value_base64.as_deref()).map(Some)
    }
}

fn bytes_of(what: &str, text: Option<&str>, base64: Option<&str>) -> anyhow::Result<Vec<u8>> {
    match (text, base64) {
        (Some(text), _) => Ok(text.as_bytes().to_vec()),
        (None, Some(base64)) => from_base64(base64)
            .ok_or_else(|| anyhow::anyhow!("the agent's answer has a {what}_base64 that is none")),
        (None, None) => anyhow::bail!("the agent's answer has an entry without {what}"),
    }
}

/// A page of `/v1/kv`. Entries are kept as they came, so that JSON output passes them on.
#[derive(Debug, Deserialize)]
pub struct Page {
    pub entries: Vec<serde_json::Value>,
    pub next: Option<String>,
}

/// A value with where it comes from.
#[derive(Debug)]
pub struct Found {
    pub value: Vec<u8>,
    pub stamp: String,
    pub origin: String,
    pub expires_at_ms: Option<u64>,
    pub owned: bool,
}

/// A write that was made.
#[derive(Debug)]
pub struct Written {
    pub stamp: String,
    /// How many members hold it, and of how many, if that was waited for.
    pub held: Option<(u64, u64)>,
}

/// What became of the wish for a pass of ring repair.
#[derive(Debug)]
pub enum Begun {
    /// One has begun.
    Now(Box<RingStatus>),
    /// One is under way.
    Before,
}

/// Why lines were not all written.
#[derive(Debug)]
pub enum BulkError {
    /// The agent refused this line, counted from 1; those before it are written.
    Line { line: u64, message: String },
    /// Anything else.
    Other(anyhow::Error),
}
