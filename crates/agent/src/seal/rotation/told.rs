//! What an operator wants of the ring, and is told of it.

use crate::seal::key::{Key, KeyId};
use rumormill_core::NodeId;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What an operator wants of the ring.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    List,
    /// Add this key, or a new one.
    Add(Option<Key>),
    Use(KeyId),
    Remove {
        id: KeyId,
        force: bool,
    },
}

/// The ring of a cluster, as one node sees it. It holds ids, never keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keyring {
    /// `require`, `send` or `accept`.
    pub mode: String,
    /// The id of the key that this node seals with.
    pub primary: String,
    /// The ids of the keys that this node opens with, the primary first.
    pub keys: Vec<String>,
    /// The id of the key that was added by the request that this answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub added: Option<String>,
    /// Who holds what: all members but those that have left.
    pub members: Vec<KeyringMember>,
}

/// The keys of a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyringMember {
    /// Its node id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `alive`, `suspect` or `dead`.
    pub state: String,
    /// The id of the key that it seals with; `None` if it has not said.
    pub primary: Option<String>,
    /// The ids of the keys that it opens with.
    pub keys: Vec<String>,
}

/// A change of the ring that was not made. Nothing has changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KeyringError {
    /// There are no keys.
    #[error(
        "this node has no keys: start it with --key-file FILE; `rumormill keygen FILE` makes \
             one"
    )]
    Off,
    /// What the node sends is not sealed.
    #[error(
        "this node sends plain (encryption = \"accept\"), and keys do not travel so: restart \
             all nodes with encryption = \"send\" or \"require\" first"
    )]
    Plain,
    /// There is no such key.
    #[error("there is no key {0} in the ring; `rumormill keyring list` shows those there are")]
    Unknown(String),
    /// A member lacks the key.
    #[error("not all members have the key {id} yet: {}. It spreads within moments; if a member \
             stays without it, see to that first", members.join(", "))]
    Missing {
        /// The key.
        id: String,
        /// The names of the members.
        members: Vec<String>,
    },
    /// The key is the primary.
    #[error("{0} is the primary key: make another one primary first, with `rumormill keyring use`")]
    Primary(String),
    /// A member still seals with the key.
    #[error("these members seal with the key {id}, or have not said that they do not: {}. Wait a \
             moment, or remove it all the same with --force, which locks them out",
            members.join(", "))]
    InUse {
        /// The key.
        id: String,
        /// The names of the members.
        members: Vec<String>,
    },
    /// The ring is full.
    #[error("{0}")]
    Full(String),
    /// The node has shut down.
    #[error("the node has shut down")]
    Closed,
}

/// A member, as far as rotation cares.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) present: bool,
}
