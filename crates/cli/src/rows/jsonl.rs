//! Rows of JSON lines, as `export` writes them.

use super::lines::{Line, Lines};
use super::{Expiry, Row, RowError};
use crate::args::TtlText;
use crate::encoding::from_base64;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::borrow::Cow;
use std::io::BufRead;

pub(super) struct Jsonl<R>(Lines<R>);

impl<R: BufRead> Jsonl<R> {
    pub(super) fn new(from: R) -> Self {
        Self(Lines::new(from))
    }
}

impl<R: BufRead> Iterator for Jsonl<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let number = self.0.number + 1;
            return match self.0.next() {
                Err(error) => Some(Err(RowError::Io(error))),
                Ok(Line::End) => None,
                Ok(Line::TooLong) => Some(Err(RowError::bad(number, "the line is too long"))),
                Ok(Line::Text(text)) if text.trim_ascii().is_empty() => continue,
                Ok(Line::Text(text)) => {
                    Some(row(number, text).map_err(|message| RowError::bad(number, message)))
                }
            };
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Object<'a> {
    #[serde(borrow)]
    key: Option<Cow<'a, str>>,
    #[serde(borrow)]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value: Option<Cow<'a, str>>,
    #[serde(borrow)]
    value_base64: Option<Cow<'a, str>>,
    ttl: Option<Ttl>,
    expires_at_ms: Option<u64>,
    #[serde(default)]
    owned: bool,
    #[serde(rename = "stamp")]
    _stamp: Option<IgnoredAny>,
    #[serde(rename = "origin")]
    _origin: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ttl {
    Seconds(u64),
    Text(String),
}

fn row(line: u64, text: &[u8]) -> Result<Row, String> {
    let object: Object<'_> = serde_json::from_slice(text).map_err(|error| {
        // Each line is read by itself: the parser's "line 1" would mislead.
        format!("no entry: {}", error.to_string().replace(" at line 1 column", " at column"))
    })?;
    let key = bytes("key", object.key, object.key_base64)?;
    let value = bytes("value", object.value, object.value_base64)?;
    let expiry = match (object.ttl, object.expires_at_ms) {
        (None, None) => Expiry::Never,
        (None, Some(at)) => Expiry::At(at),
        (Some(_), Some(_)) => return Err("give ttl or expires_at_ms, not both".into()),
        (Some(ttl), None) => {
            let text = match ttl {
                Ttl::Seconds(seconds) => seconds.to_string(),
                Ttl::Text(text) => text,
            };
            Expiry::After(text.parse::<TtlText>().map_err(|error| format!("ttl: {error}"))?)
        }
    };
    Ok(Row { line, key, value, expiry, owned: object.owned })
}

fn bytes(
    what: &str,
    text: Option<Cow<'_, str>>,
    base64: Option<Cow<'_, str>>,
) -> Result<Vec<u8>, String> {
    match (text, base64) {
        (Some(text), None) => Ok(text.into_owned().into_bytes()),
        (None, Some(base64)) => {
            from_base64(&base64).ok_or_else(|| format!("{what}_base64 is no base64"))
        }
        (None, None) => Err(format!("there is no {what}")),
        (Some(_), Some(_)) => Err(format!("give {what} or {what}_base64, not both")),
    }
}
