//! Entries as JSON: bytes that are UTF-8 as text, others as base64 in fields of other names.

use crate::view::{Event, EventKind};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rumormill_core::data::Entry;
use serde::Serialize;

/// An entry as lists, exports and watches show it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    stamp: String,
    origin: String,
    expires_at_ms: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    owned: bool,
}

/// An entry, with its value if it has one and it is wanted.
pub(crate) fn entry(entry: &Entry, with_value: bool) -> Vec<u8> {
    let (key, key_base64) = text_or_base64(entry.key());
    let value = entry.value().filter(|_| with_value).map(text_or_base64);
    let (value, value_base64) = value.unwrap_or_default();
    let stamp = entry.stamp();
    to_vec(&Shown {
        key,
        key_base64,
        value,
        value_base64,
        stamp: stamp.to_string(),
        origin: stamp.node.to_string(),
        expires_at_ms: entry.expires_at(),
        owned: entry.owner().is_some(),
    })
}

/// The entry of an event: with its value only if there is one from now on.
pub(crate) fn event(event: &Event, with_value: bool) -> Vec<u8> {
    entry(&event.entry, with_value && event.kind == EventKind::Put)
}

/// Any JSON value as bytes.
pub(crate) fn to_vec(value: &impl Serialize) -> Vec<u8> {
    // Fails for maps with keys that are no text; there are none here.
    serde_json::to_vec(value).unwrap_or_else(|_| b"null".to_vec())
}

/// An answer of JSON that is ready made.
pub(crate) fn answer(json: impl Into<Body>) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], json.into()).into_response()
}

/// JSON that nobody keeps.
pub(crate) fn fresh(value: &impl Serialize) -> Response {
    let mut response = answer(to_vec(value));
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, no_store);
    response
}

/// Bytes as text, or else as base64.
pub(crate) fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}

/// The bytes that a base64 text stands for.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

const BASE64: &str = "base64:";

/// A key as one text that [`from_cursor`] reads again: itself, or `base64:` and its base64 if it
/// is not UTF-8 (or looks like that already).
pub(crate) fn to_cursor(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.starts_with(BASE64) => text.to_owned(),
        _ => format!("{BASE64}{}", STANDARD.encode(key)),
    }
}

/// The key that a text of [`to_cursor`] stands for.
pub(crate) fn from_cursor(text: &[u8]) -> Option<Vec<u8>> {
    match text.strip_prefix(BASE64.as_bytes()) {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(text.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::Stamp;

    #[test]
    fn text_stays_text_and_the_rest_is_base64() {
        let stamp = Stamp { time: 5 << 16 | 1, node: NodeId(10) };
        let shown =
            |shown: &Entry, with_value| String::from_utf8(entry(shown, with_value)).unwrap();
        assert_eq!(
            shown(&Entry::new(b"a\"b", b"\xff\x00", stamp, Some(9)), true),
            concat!(
                r#"{"key":"a\"b","value_base64":"/wA=","stamp":"5.1@000000000000000a","#,
                r#""origin":"000000000000000a","expires_at_ms":9}"#
            )
        );
        assert_eq!(
            shown(&Entry::tombstone(b"\xfe", stamp), true),
            concat!(
                r#"{"key_base64":"/g==","stamp":"5.1@000000000000000a","#,
                r#""origin":"000000000000000a","expires_at_ms":null}"#
            )
        );
        let plain = shown(&Entry::new(b"k", b"v", stamp, None), false);
        assert!(!plain.contains("value") && !plain.contains("owned"));
        let owned = shown(&Entry::new(b"k", b"v", stamp, None).owned(), true);
        assert!(owned.ends_with(r#","owned":true}"#), "{owned}");
    }

    proptest! {
        #[test]
        fn cursors_survive_the_trip(key: Vec<u8>, escaped: bool) {
            let key = if escaped { [BASE64.as_bytes(), &key].concat() } else { key };
            prop_assert_eq!(from_cursor(to_cursor(&key).as_bytes()), Some(key));
        }
    }
}
