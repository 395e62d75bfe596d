//! Answers as JSON, and keys as texts that are read again.

use crate::jsonl::shown;
use crate::view::{Event, EventKind};
use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// The entry of an event: with its value only if there is one from now on.
pub(crate) fn event(event: &Event, with_value: bool) -> Vec<u8> {
    shown(&event.entry, with_value && event.kind == EventKind::Put)
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

    proptest! {
        #[test]
        fn cursors_survive_the_trip(key: Vec<u8>, escaped: bool) {
            let key = if escaped { [BASE64.as_bytes(), &key].concat() } else { key };
            prop_assert_eq!(from_cursor(to_cursor(&key).as_bytes()), Some(key));
        }
    }
}
