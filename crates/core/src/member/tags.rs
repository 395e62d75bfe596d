//! Tags: what an operator says of a member, such as its zone and role.

use crate::base::codec::{DecodeError, Reader, Write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use thiserror::Error;

/// Most tags of one member.
pub const MAX_TAGS: usize = 32;
/// Longest name or value of a tag, bytes.
pub const MAX_TEXT: usize = 128;
/// Most bytes that all tags of a member take together on the wire: a record must fit a datagram.
pub const MAX_BYTES: usize = 512;
/// The tag whose value is the zone of a member.
pub const ZONE: &str = "zone";

/// The tags of a member, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tags(BTreeMap<String, String>);

/// Tags that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadTags {
    /// Too many.
    #[error("{got} tags: a member has at most {MAX_TAGS}")]
    TooMany {
        /// How many there are.
        got: usize,
    },
    /// A name or value out of its bounds.
    #[error(
        "tag {name:?}: its name has 1 to {MAX_TEXT} bytes, its value at most as many, and \
             neither holds control characters"
    )]
    BadText {
        /// The name, shortened.
        name: String,
    },
    /// Too long together.
    #[error("all tags of a member take {got} bytes together: at most {MAX_BYTES}")]
    TooLong {
        /// How many bytes.
        got: usize,
    },
}

impl Tags {
    /// Tags from names and values; of two with one name the later counts.
    ///
    /// # Errors
    /// If a bound is passed.
    pub fn new(
        tags: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Self, BadTags> {
        let tags =
            Self(tags.into_iter().map(|(name, value)| (name.into(), value.into())).collect());
        tags.check()?;
        Ok(tags)
    }

    /// Checks every bound.
    ///
    /// # Errors
    /// The first bound that is passed.
    pub fn check(&self) -> Result<(), BadTags> {
        if self.0.len() > MAX_TAGS {
            return Err(BadTags::TooMany { got: self.0.len() });
        }
        let good = |text: &str| text.len() <= MAX_TEXT && !text.contains(char::is_control);
        for (name, value) in &self.0 {
            if name.is_empty() || !good(name) || !good(value) {
                return Err(BadTags::BadText { name: name.chars().take(40).collect() });
            }
        }
        let got = self.0.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        if got > MAX_BYTES { Err(BadTags::TooLong { got }) } else { Ok(()) }
    }

    /// The value of a tag.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The zone that a member says it is in; "" for none.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.get(ZONE).unwrap_or_default()
    }

    /// Names and values in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// True if there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the encoding: count, then names and values.
    pub(super) fn encode(&self, to: &mut Vec<u8>) {
        to.put_varint(self.0.len() as u64);
        for (name, value) in &self.0 {
            to.put_bytes(name.as_bytes());
            to.put_bytes(value.as_bytes());
        }
    }

    /// Reads what [`Tags::encode`] wrote.
    pub(super) fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.varint()?;
        if count > MAX_TAGS as u64 {
            return Err(DecodeError::Invalid("number of tags"));
        }
        let mut tags = BTreeMap::new();
        for _ in 0..count {
            let mut text = |what| {
                let bytes = from.bytes(what, MAX_TEXT)?;
                let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Invalid(what))?;
                Ok(text.to_owned())
            };
            let (name, value) = (text("tag name")?, text("tag value")?);
            tags.insert(name, value);
        }
        let tags = Self(tags);
        tags.check().map_err(|_| DecodeError::Invalid("tags"))?;
        Ok(tags)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bounds_are_kept() {
        assert!(Tags::new([("zone", "a"), ("role", "")]).is_ok());
        assert!(matches!(Tags::new([("", "a")]), Err(BadTags::BadText { .. })));
        assert!(matches!(Tags::new([("a\n", "a")]), Err(BadTags::BadText { .. })));
        assert!(matches!(Tags::new([("a", "x".repeat(129))]), Err(BadTags::BadText { .. })));
        let many = (0..33).map(|i| (i.to_string(), "v"));
        assert!(matches!(Tags::new(many), Err(BadTags::TooMany { got: 33 })));
        let long = (0..5).map(|i| (i.to_string(), "x".repeat(128)));
        assert!(matches!(Tags::new(long), Err(BadTags::TooLong { .. })));
    }

    #[test]
    fn the_zone_is_a_tag() {
        assert_eq!(Tags::new([("zone", "eu")]).unwrap().zone(), "eu");
        assert_eq!(Tags::default().zone(), "");
    }

    proptest! {
        #[test]
        fn tags_survive_the_trip(tags in prop::collection::btree_map("[a-z]{1,9}", ".{0,9}", 0..9)) {
            let Ok(sent) = Tags::new(tags) else { return Ok(()) };
            let mut bytes = Vec::new();
            sent.encode(&mut bytes);
            prop_assert_eq!(Tags::decode(&mut Reader::new(&bytes)), Ok(sent));
        }

        #[test]
        fn what_any_bytes_say_keeps_the_bounds(
            count in 0_u8..9,
            texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..9), 0..9),
        ) {
            let mut bytes = vec![count];
            texts.iter().for_each(|text| bytes.put_bytes(text));
            if let Ok(tags) = Tags::decode(&mut Reader::new(&bytes)) {
                prop_assert_eq!(tags.check(), Ok(()));
                let mut again = Vec::new();
                tags.encode(&mut again);
                prop_assert_eq!(Tags::decode(&mut Reader::new(&again)), Ok(tags));
            }
        }
    }
}
