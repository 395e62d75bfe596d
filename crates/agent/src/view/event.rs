//! Changes, as watchers hear of them.

use rumormill_core::data::Entry;
use std::sync::Arc;

/// A change of one key, in the order in which this node applied them.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The entry: the new one; for [`EventKind::Expired`] and [`EventKind::Hidden`], or where a
    /// deletion was heard of without its tombstone, the one that is gone.
    pub entry: Arc<Entry>,
}

/// The ways a key changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A value was written, or an owned one is back with its owner.
    Put,
    /// The key was deleted.
    Delete,
    /// The value's time is over.
    Expired,
    /// The value is an owned one, and its owner is no live member any more.
    Hidden,
}

impl EventKind {
    /// `put`, `delete`, `expired` or `hidden`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Delete => "delete",
            Self::Expired => "expired",
            Self::Hidden => "hidden",
        }
    }
}
