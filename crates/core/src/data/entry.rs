//! The replicated primitive.

use super::fields::{self, Fields};
use super::stamp::Stamp;
use crate::base::hash::Keyed;
use crate::base::id::NodeId;
use std::fmt;

/// Longest key on the wire and on disk, bytes.
pub const MAX_KEY: usize = 4 * 1024;
/// Longest value on the wire and on disk, bytes; nodes accept up to their configured
/// [`crate::limits::Limits::max_value`] from their own users.
pub const MAX_VALUE: usize = 8 * 1024 * 1024;

/// What the body of an entry is.
///
/// The rest of an entry means the same in all kinds: key, stamp, expiry, whether it is a tombstone
/// or owned. So who wins, who sees it and when it goes does not hang on whether a node knows the
/// kind, and an entry of an unknown one is kept, compared and handed on unopened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// The body is the value itself.
    pub const PLAIN: Self = Self(0);

    /// True if this build can say what such a body means.
    #[must_use]
    pub fn is_known(self) -> bool {
        self == Self::PLAIN
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One key with its latest known write. Immutable; key, body and fields share one allocation.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    stamp: Stamp,
    expires_at: Option<std::num::NonZeroU64>,
    tombstone: bool,
    owned: bool,
    kind: Kind,
    key_len: u16,
    fields_len: u16,
    /// Key, body, fields.
    bytes: Box<[u8]>,
}

impl Entry {
    /// A key with a value, hidden from `expires_at` (wall milliseconds, if given) on.
    ///
    /// The caller has checked the lengths: a key is at most [`MAX_KEY`] bytes long.
    #[must_use]
    pub fn new(key: &[u8], value: &[u8], stamp: Stamp, expires_at: Option<u64>) -> Self {
        let mut bytes = Vec::with_capacity(key.len() + value.len());
        bytes.extend_from_slice(key);
        bytes.extend_from_slice(value);
        // An expiry in 1970 means "at once"; 0 is the one value that cannot be stored.
        let expires_at = expires_at.map(|at| {
            std::num::NonZeroU64::MIN.max(at.try_into().unwrap_or(std::num::NonZeroU64::MIN))
        });
        let (key_len, bytes) = (key_len(key), bytes.into());
        let (kind, fields_len) = (Kind::PLAIN, 0);
        Self { stamp, expires_at, tombstone: false, owned: false, kind, key_len, fields_len, bytes }
    }

    /// The same, seen only while the node that wrote it is a live member. A tombstone has no owner.
    #[must_use]
    pub fn owned(mut self) -> Self {
        self.owned = !self.tombstone;
        self
    }

    /// A deleted key.
    #[must_use]
    pub fn tombstone(key: &[u8], stamp: Stamp) -> Self {
        let (key_len, bytes) = (key_len(key), key.into());
        let (kind, fields_len) = (Kind::PLAIN, 0);
        let (expires_at, tombstone, owned) = (None, true, false);
        Self { stamp, expires_at, tombstone, owned, kind, key_len, fields_len, bytes }
    }

    /// The same, of another kind and with other fields.
    #[must_use]
    pub fn extended(self, kind: Kind, fields: Fields<'_>) -> Self {
        let fields_len = u16::try_from(fields.bytes().len()).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(self.bytes.len() + fields.bytes().len());
        bytes.extend_from_slice(self.key());
        bytes.extend_from_slice(self.body().unwrap_or_default());
        bytes.extend_from_slice(fields.bytes());
        Self { kind, fields_len, bytes: bytes.into(), ..self }
    }

    /// The same write, counted from a later time on: see [`Entry::age`]. `None` if there is no room
    /// for saying so.
    #[must_use]
    pub fn anew(&self, since: u64) -> Option<Self> {
        let fields = self.fields().with(fields::SINCE, Some(&since.to_be_bytes()));
        let fields = Fields::new(&fields).ok()?;
        Some(self.clone().extended(self.kind, fields))
    }

    /// The time from which on passes of ring repair count it: that of its stamp, or a later one if
    /// its writer has written it anew since nobody had it. Which write wins is for the stamps to say.
    #[must_use]
    pub fn age(&self) -> u64 {
        if self.fields_len == 0 {
            return self.stamp.time;
        }
        let since = self.fields().get(fields::SINCE).and_then(|since| since.try_into().ok());
        since.map_or(self.stamp.time, |since| u64::from_be_bytes(since).max(self.stamp.time))
    }

    /// True if it was written anew.
    #[must_use]
    pub fn is_anew(&self) -> bool {
        self.age() > self.stamp.time
    }

    /// The key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.bytes.split_at_checked(usize::from(self.key_len)).map_or(&[], |(key, _)| key)
    }

    /// The value; `None` for a tombstone, and where this build does not know what the body means.
    /// Whether it has expired is for [`Entry::live_at`] to say.
    #[must_use]
    pub fn value(&self) -> Option<&[u8]> {
        self.body().filter(|_| self.kind == Kind::PLAIN)
    }

    /// What stands where the value stands, whatever it means; `None` for a tombstone.
    #[must_use]
    pub fn body(&self) -> Option<&[u8]> {
        if self.tombstone {
            return None;
        }
        self.bytes.get(usize::from(self.key_len)..self.fields_at())
    }

    /// What the body is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// True if there is a body that this build cannot show.
    #[must_use]
    pub fn is_opaque(&self) -> bool {
        !self.tombstone && !self.kind.is_known()
    }

    /// What else is said of this write. It belongs to it: another write of the key has its own.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        Fields::checked(self.bytes.get(self.fields_at()..).unwrap_or_default())
    }

    fn fields_at(&self) -> usize {
        self.bytes.len().saturating_sub(usize::from(self.fields_len))
    }

    /// True if there is nothing that the first account of contents leaves out: see
    /// [`Entry::content_hash`].
    #[must_use]
    pub(crate) fn is_simple(&self) -> bool {
        !self.owned && self.kind == Kind::PLAIN && self.fields_len == 0
    }

    /// The stamp.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// True if the entry says that its key was deleted.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        self.tombstone
    }

    /// The node that must be a live member for the entry to be seen, if it is an owned one: its
    /// writer.
    #[must_use]
    pub fn owner(&self) -> Option<NodeId> {
        self.owned.then_some(self.stamp.node)
    }

    /// When the entry hides itself, wall milliseconds since 1970.
    #[must_use]
    pub fn expires_at(&self) -> Option<u64> {
        self.expires_at.map(std::num::NonZeroU64::get)
    }

    /// True if there is a body at this wall time: no tombstone and not expired. Whether an owned
    /// one is seen is for [`crate::Node::shows`] to say.
    #[must_use]
    pub fn live_at(&self, wall_ms: u64) -> bool {
        !self.tombstone && self.expires_at().is_none_or(|at| at > wall_ms)
    }

    /// Bytes of key, body and fields.
    #[must_use]
    pub fn size(&self) -> usize {
        self.bytes.len()
    }

    /// The hash that stands for (key, stamp) in digests, and for its age where it was written anew.
    /// The value is not in it: equal stamps mean the same write.
    #[must_use]
    pub fn item_hash(&self, keyed: &Keyed) -> u128 {
        match self.is_anew() {
            false => keyed.hash128(&[&self.stamp.to_bytes(), self.key()]),
            true => keyed.hash128(&[&self.stamp.to_bytes(), self.key(), &self.age().to_le_bytes()]),
        }
    }

    /// A hash of all that the entry says, under a seed: see [`crate::data::account`]. Of an entry that
    /// is neither owned nor of a kind nor has fields it is what builds before those computed.
    #[must_use]
    pub fn content_hash(&self, seed: u64) -> u64 {
        // Whoever adds a part of an entry is asked here what the account says of it.
        let Self { stamp, expires_at, tombstone, owned, kind, key_len, fields_len, bytes } = self;
        let bytes = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, seed);
        let form = u64::from(*tombstone)
            | u64::from(*key_len) << 1
            | u64::from(*owned) << 17
            | u64::from(kind.0) << 24
            | u64::from(*fields_len) << 32;
        let expiry = expires_at.map_or(0, std::num::NonZeroU64::get);
        [stamp.time, stamp.node.0, form, expiry].into_iter().fold(bytes ^ seed.rotate_left(32), mix)
    }

    /// True if this entry is to be kept where another one claims to be the same write and is not.
    /// Any order does, as long as all nodes have the same and entries that differ are never equal in
    /// it: the greater body, and a body rather than none, so that nothing is lost.
    #[must_use]
    pub fn outweighs(&self, other: &Self) -> bool {
        self.weight() > other.weight()
    }

    /// All that two entries of one key and stamp can differ in.
    fn weight(&self) -> impl Ord + '_ {
        (self.body(), self.expires_at, self.owned, self.kind, self.age(), self.fields().bytes())
    }
}

/// Folds a number into a hash (multiply and fold, as in wyhash).
fn mix(hash: u64, number: u64) -> u64 {
    let product =
        u128::from(hash ^ 0x9e37_79b9_7f4a_7c15) * u128::from(number ^ 0xd6e8_feb8_6659_fd93);
    hash.rotate_left(23) ^ (product >> 64) as u64 ^ product as u64
}

fn key_len(key: &[u8]) -> u16 {
    debug_assert!(key.len() <= MAX_KEY, "callers check lengths at the door");
    u16::try_from(key.len()).unwrap_or(u16::MAX)
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = String::from_utf8_lossy(self.key());
        match self.body() {
            Some(body) => write!(f, "{key}={} B {}", body.len(), self.stamp)?,
            None => write!(f, "{key} deleted {}", self.stamp)?,
        }
        match self.kind {
            Kind::PLAIN => Ok(()),
            kind => write!(f, " kind {kind}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block::tests::any_entry;
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_rarely_there_takes_no_room() {
        assert_eq!(size_of::<Entry>(), 48);
    }

    #[test]
    fn a_body_of_an_unknown_kind_is_no_value() {
        let stamp = Stamp { time: 5, node: NodeId(1) };
        let plain = Entry::new(b"k", b"body", stamp, None);
        let fields = Fields::NONE.with(3, Some(b"more"));
        let noted = plain.clone().extended(Kind::PLAIN, Fields::checked(&fields));
        assert_eq!((noted.value(), noted.is_opaque()), (Some(&b"body"[..]), false));
        let other = noted.clone().extended(Kind(7), noted.fields());
        assert_eq!((other.value(), other.body()), (None, Some(&b"body"[..])));
        assert!(other.is_opaque() && other.live_at(9) && !other.is_tombstone());
        assert_eq!(other.fields().get(3), Some(&b"more"[..]));
        assert_eq!(other.size(), 1 + 4 + fields.len());
        assert_eq!(other.clone().extended(Kind::PLAIN, Fields::NONE), plain);
        let gone = Entry::tombstone(b"k", stamp).extended(Kind(7), noted.fields());
        assert!(!gone.is_opaque() && gone.is_tombstone());
        assert_eq!((gone.key(), gone.body(), gone.fields()), (&b"k"[..], None, noted.fields()));
    }

    proptest! {
        #[test]
        fn of_two_that_differ_under_one_stamp_one_outweighs(one in any_entry(), other in any_entry()) {
            // Of the other, all but key and stamp.
            let same = |entry: &Entry| {
                let made = match entry.body() {
                    None => Entry::tombstone(one.key(), one.stamp()),
                    Some(body) => Entry::new(one.key(), body, one.stamp(), entry.expires_at()),
                };
                let made = if entry.owner().is_some() { made.owned() } else { made };
                made.extended(entry.kind(), entry.fields())
            };
            prop_assert_eq!(&same(&one), &one);
            let other = same(&other);
            prop_assert_eq!(one.outweighs(&other) || other.outweighs(&one), one != other);
            prop_assert!(!(one.outweighs(&other) && other.outweighs(&one)));
            prop_assert_eq!(one.content_hash(1) == other.content_hash(1), one == other);
        }
    }

    #[test]
    fn what_is_written_anew_keeps_its_place_among_the_writes() {
        let keyed = Keyed::for_cluster("test");
        let stamp = Stamp { time: 5, node: NodeId(1) };
        let fields = Fields::NONE.with(3, Some(b"more"));
        for entry in [
            Entry::new(b"k", b"v", stamp, Some(9)),
            Entry::tombstone(b"k", stamp),
            Entry::new(b"k", b"v", stamp, None).extended(Kind(7), Fields::checked(&fields)),
        ] {
            assert_eq!((entry.age(), entry.is_anew()), (5, false));
            let (anew, later) = (entry.anew(0x0100).unwrap(), entry.anew(0x0201).unwrap());
            assert_eq!((anew.age(), anew.is_anew(), anew.stamp()), (0x0100, true, stamp));
            assert_eq!(anew.anew(0x0201).unwrap(), later);
            assert_eq!((anew.body(), anew.expires_at()), (entry.body(), entry.expires_at()));
            assert_ne!(
                anew.item_hash(&keyed),
                entry.item_hash(&keyed),
                "two that differ are told apart"
            );
            assert!(later.outweighs(&anew) && anew.outweighs(&entry));
            assert_eq!(entry.anew(4).unwrap().age(), 5, "no time before its stamp counts");
        }
        let full = Fields::NONE.with(3, Some(&[7; fields::MAX_FIELDS - 4]));
        let full =
            Entry::new(b"k", b"v", stamp, None).extended(Kind::PLAIN, Fields::new(&full).unwrap());
        assert_eq!(full.anew(9), None);
    }

    #[test]
    fn the_account_of_what_was_always_there_stays() {
        let stamp = Stamp { time: 0x0102_0304, node: NodeId(9) };
        let plain = Entry::new(b"key", b"value", stamp, Some(77));
        // As version 0.1 computes them.
        assert_eq!(plain.content_hash(5), 0xf162_6487_a17f_1656);
        assert_eq!(Entry::tombstone(b"key", stamp).content_hash(5), 0x048f_064f_158f_096e);
        let owned = plain.clone().owned();
        assert_ne!(owned.content_hash(5), 0xf162_6487_a17f_1656);
        assert!(owned.outweighs(&plain) && !plain.outweighs(&owned));
    }
}
