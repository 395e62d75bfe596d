//! What a user can ask of one key on one node.

use super::entry::{Entry, Kind};
use super::fields::Fields;
use super::stamp::Stamp;
use crate::base::time::date;
use std::borrow::Cow;
use std::sync::Arc;
use thiserror::Error;

/// When a written value hides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never; an earlier expiry is lifted.
    #[default]
    Never,
    /// At this wall time, milliseconds since 1970.
    At(u64),
    /// As the key had it before, if it had one.
    Keep,
}

/// One local operation, carried out at once against this node's replica. Atomic on this node;
/// between nodes the bigger stamp wins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Write a value.
    Put {
        /// The key.
        key: Box<[u8]>,
        /// The new value.
        value: Box<[u8]>,
        /// When it hides itself.
        expiry: Expiry,
    },
    /// Write a value that is seen only while this node is a live member.
    PutOwned {
        /// The key.
        key: Box<[u8]>,
        /// The new value.
        value: Box<[u8]>,
        /// When it hides itself in any case.
        expiry: Expiry,
    },
    /// Delete a key; nothing happens if it is not there. One that is hidden because its owner is
    /// away is deleted too, and counts as not there.
    Delete {
        /// The key.
        key: Box<[u8]>,
    },
    /// Add bytes to the end of a value (an absent one is empty); the expiry stays,
    /// and an owned entry becomes this node's own.
    Append {
        /// The key.
        key: Box<[u8]>,
        /// What to add.
        tail: Box<[u8]>,
    },
    /// Change when a key hides itself; nothing happens if it is not there. An owned entry becomes
    /// this node's own.
    Expire {
        /// The key.
        key: Box<[u8]>,
        /// The new expiry.
        expiry: Expiry,
    },
    /// Carry out another operation, unless the key holds what this build cannot show: for whoever is
    /// to be given what was there before.
    Showing(Box<Self>),
    /// Carry out another operation and make what it writes an entry of another kind, with these
    /// fields: as a later version will. The caller has checked that they are [`super::Fields`].
    #[doc(hidden)]
    Extended {
        /// The operation.
        op: Box<Self>,
        /// The kind.
        kind: Kind,
        /// The fields.
        fields: Box<[u8]>,
    },
}

impl Op {
    /// [`Op::PutOwned`] or [`Op::Put`].
    #[must_use]
    pub fn put(key: Box<[u8]>, value: Box<[u8]>, expiry: Expiry, owned: bool) -> Self {
        match owned {
            true => Self::PutOwned { key, value, expiry },
            false => Self::Put { key, value, expiry },
        }
    }

    /// True if the operation has something to do with the value that was there before.
    #[must_use]
    pub fn opens(&self) -> bool {
        match self {
            Self::Append { .. } | Self::Expire { .. } | Self::Showing(_) => true,
            Self::Extended { op, .. } => op.opens(),
            Self::Put { .. } | Self::PutOwned { .. } | Self::Delete { .. } => false,
        }
    }

    /// The key that the operation is about.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. }
            | Self::PutOwned { key, .. }
            | Self::Delete { key }
            | Self::Append { key, .. }
            | Self::Expire { key, .. } => key,
            Self::Showing(op) | Self::Extended { op, .. } => op.key(),
        }
    }

    /// What it leaves of what readers see under the key; `None` if it has nothing to do. `hidden`
    /// says that there is an entry that they do not see.
    #[must_use]
    pub fn leaves<'a>(&'a self, seen: Option<&'a Entry>, hidden: bool) -> Option<Left<'a>> {
        let old_expiry = seen.and_then(Entry::expires_at);
        let resolve = |expiry: Expiry| match expiry {
            Expiry::Never => None,
            Expiry::At(at) => Some(at),
            Expiry::Keep => old_expiry,
        };
        let was_owned = seen.is_some_and(|seen| seen.owner().is_some());
        let (value, expires_at, owned) = match self {
            Self::Put { value, expiry, .. } => {
                (Some(Cow::Borrowed(&**value)), resolve(*expiry), false)
            }
            Self::PutOwned { value, expiry, .. } => {
                (Some(Cow::Borrowed(&**value)), resolve(*expiry), true)
            }
            Self::Delete { .. } => (seen.is_some() || hidden).then_some((None, None, false))?,
            Self::Append { tail, .. } => {
                let head = seen.and_then(Entry::value).unwrap_or_default();
                (Some(Cow::Owned([head, tail].concat())), old_expiry, was_owned)
            }
            Self::Expire { expiry, .. } => {
                (seen?.value().map(Cow::Borrowed), resolve(*expiry), was_owned)
            }
            Self::Showing(op) => return op.leaves(seen, hidden),
            Self::Extended { op, kind, fields } => {
                let extended = Some((*kind, Fields::checked(fields)));
                return op.leaves(seen, hidden).map(|left| Left { extended, ..left });
            }
        };
        Some(Left { value, expires_at, owned, extended: None })
    }
}

/// What an operation leaves.
#[derive(Debug)]
pub struct Left<'a> {
    /// `None`: deleted.
    pub value: Option<Cow<'a, [u8]>>,
    expires_at: Option<u64>,
    owned: bool,
    extended: Option<(Kind, Fields<'a>)>,
}

impl Left<'_> {
    /// As an entry.
    #[must_use]
    pub fn entry(&self, key: &[u8], stamp: Stamp) -> Entry {
        let entry = match &self.value {
            Some(value) if self.owned => Entry::new(key, value, stamp, self.expires_at).owned(),
            Some(value) => Entry::new(key, value, stamp, self.expires_at),
            None => Entry::tombstone(key, stamp),
        };
        match self.extended {
            Some((kind, fields)) => entry.extended(kind, fields),
            None => entry,
        }
    }
}

/// What an operation found and left.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// The entry that readers saw before, if there was one.
    pub previous: Option<Arc<Entry>>,
    /// The entry that was written; `None` if the operation had nothing to do.
    pub written: Option<Arc<Entry>>,
}

/// An operation that was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The key is too long.
    #[error("key of {got} bytes is over the limit of {limit}")]
    KeyTooLong {
        /// Its length.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The value is too long.
    #[error("value of {got} bytes is over the limit of {limit} (limits.max_value)")]
    ValueTooLong {
        /// Its length.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// The key holds an entry of a kind that this build does not know, and the operation has
    /// something to do with what is in it.
    #[error("the key holds an entry of kind {0}, which this version does not know")]
    OtherKind(Kind),
    /// This node's clock is so far off that others would refuse what it writes, or that it would win
    /// over what they write.
    #[error(
        "this node's clock reads {}, but it is {} by the clocks of the others: set it \
         (limits.max_clock_skew)",
        date(*.own_ms),
        date(*.cluster_ms)
    )]
    Clock {
        /// What its wall clock reads, milliseconds since 1970.
        own_ms: u64,
        /// The cluster's time.
        cluster_ms: u64,
    },
    /// What the write would take the place of, or a pass of ring repair, is stamped so far ahead that
    /// others might refuse a stamp above it.
    #[error(
        "what is above is stamped {}, and it is {} here: the write would be stamped further ahead \
         than others are sure to take (half of limits.max_clock_skew); try again in {} s",
        date(*.stamp_ms),
        date(*.time_ms),
        .wait_ms.div_ceil(1000)
    )]
    Ahead {
        /// The time that the write's stamp would have, milliseconds since 1970.
        stamp_ms: u64,
        /// The time that this node goes by.
        time_ms: u64,
        /// After so many milliseconds it will do.
        wait_ms: u64,
    },
}
