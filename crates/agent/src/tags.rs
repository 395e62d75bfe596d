//! Changing the tags of a running node.

use rumormill_core::member::Tags;
use rumormill_core::member::tags::BadTags;
use std::collections::BTreeMap;
use thiserror::Error;

/// What is to become of a node's tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagChange {
    /// Whether those that are not named go.
    pub replace: bool,
    /// Tags by name: a value to have, or `None` to go. Taking off one that is not there is fine.
    pub tags: BTreeMap<String, Option<String>>,
}

/// Tags were not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TagsError {
    /// They pass a bound.
    #[error(transparent)]
    Bad(#[from] BadTags),
    /// The node has left or shut down.
    #[error("the node has left or shut down")]
    Closed,
}

impl TagChange {
    /// What becomes of `held`.
    ///
    /// # Errors
    /// If the tags would pass a bound.
    pub(crate) fn of(&self, held: &Tags) -> Result<Tags, BadTags> {
        let stays = |name: &str| !self.replace && !self.tags.contains_key(name);
        let kept = held.iter().filter(|(name, _)| stays(name));
        let given = self.tags.iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        Tags::new(kept.chain(given.map(|(name, value)| (name.as_str(), value))))
    }
}

/// A tag as people write it, `NAME=VALUE`.
///
/// # Errors
/// If there is no name before a `=`.
pub fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("{text:?} is no tag; write NAME=VALUE, such as zone=a")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(replace: bool, tags: &[(&str, Option<&str>)]) -> TagChange {
        let owned =
            |(name, value): &(&str, Option<&str>)| ((*name).to_owned(), value.map(str::to_owned));
        TagChange { replace, tags: tags.iter().map(owned).collect() }
    }

    #[test]
    fn named_tags_change_and_the_others_stay_unless_all_are_replaced() {
        let held = Tags::new([("zone", "a"), ("role", "db")]).unwrap();
        let wanted = [("zone", Some("b")), ("role", None), ("none", None), ("rack", Some("7"))];
        let after = Tags::new([("zone", "b"), ("rack", "7")]).unwrap();
        assert_eq!(change(false, &wanted).of(&held), Ok(after));
        let after = Tags::new([("zone", "a"), ("role", "web")]).unwrap();
        assert_eq!(change(false, &[("role", Some("web"))]).of(&held), Ok(after));
        let after = Tags::new([("role", "web")]).unwrap();
        assert_eq!(change(true, &[("role", Some("web"))]).of(&held), Ok(after));
        let long = "x".repeat(200);
        assert!(change(false, &[("role", Some(&long))]).of(&held).is_err());
    }

    #[test]
    fn tags_as_people_write_them() {
        let tag = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(parse_tag("zone=a"), tag("zone", "a"));
        assert_eq!(parse_tag(" zone = a=b "), tag("zone", "a=b"));
        assert_eq!(parse_tag("empty="), tag("empty", ""));
        assert!(parse_tag("zone").unwrap_err().contains("NAME=VALUE"));
        assert!(parse_tag("=a").is_err());
    }
}
