//! Entries as lines of JSON: what bulk writes take in, and what lists and exports show. Bytes that are
//! UTF-8 stand there as text, others as base64 in fields of other names. What is shown can be taken in
//! again as it is.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use rumormill_core::data::Entry;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::time::Duration;

/// The longest time to live.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(100 * 366 * 24 * 3600);

/// Base64 as RFC 4648 has it; padding is written, and may be absent in what is read.
const BASE64: GeneralPurpose = GeneralPurpose::new(&ALPHABET, READ);
const READ: GeneralPurposeConfig = PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// A write that a line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The key.
    pub key: Cow<'a, [u8]>,
    /// The value.
    pub value: Cow<'a, [u8]>,
    /// When the value hides itself.
    pub expiry: Expiry,
    /// Whether it is seen only while the node that writes it is there.
    pub owned: bool,
}

/// When a value hides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    /// Never.
    #[default]
    Never,
    /// This long after it was written.
    After(Duration),
    /// At this time, milliseconds since 1970.
    At(u64),
}

/// The fields of a line.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    key: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    key_base64: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, str>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    value_base64: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    owned: bool,
    #[serde(skip_serializing)]
    kind: Option<u64>,
    #[serde(rename = "body_base64", skip_serializing)]
    _body: Option<IgnoredAny>,
    // They were said of another write.
    #[serde(rename = "fields_base64", skip_serializing)]
    _fields: Option<IgnoredAny>,
    // An export has them; who writes a line again is its writer.
    #[serde(rename = "stamp", skip_serializing)]
    _stamp: Option<IgnoredAny>,
    #[serde(rename = "origin", skip_serializing)]
    _origin: Option<IgnoredAny>,
}

impl<'a> Line<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// In words, what is wrong with it; the number of the line is for whoever knows it.
    pub fn parse(text: &'a [u8]) -> Result<Self, String> {
        let fields: Fields<'a> = serde_json::from_slice(text).map_err(|error| {
            let error = error.to_string();
            // Each line is read by itself: its "line 1" would mislead.
            format!("no entry as JSON: {}", error.replace(" at line 1 column", " at column"))
        })?;
        if let Some(kind) = fields.kind {
            return Err(format!("an entry of kind {kind}, which this version cannot write"));
        }
        let key = bytes("key", fields.key, fields.key_base64)?;
        let value = bytes("value", fields.value, fields.value_base64)?;
        let expiry = match (fields.ttl, fields.expires_at_ms) {
            (None, None) => Expiry::Never,
            (None, Some(at)) => Expiry::At(at),
            (Some(Value::String(text)), None) => Expiry::After(ttl(&text)?),
            (Some(other), None) => Expiry::After(ttl(&other.to_string())?),
            (Some(_), Some(_)) => return Err("give ttl or expires_at_ms, not both".into()),
        };
        Ok(Self { key, value, expiry, owned: fields.owned })
    }

    /// Appends it, with the line's end.
    pub fn write(&self, to: &mut Vec<u8>) {
        let (key, key_base64) = text_or_base64(&self.key);
        let (value, value_base64) = text_or_base64(&self.value);
        let (ttl, expires_at_ms) = match self.expiry {
            Expiry::Never => (None, None),
            Expiry::After(ttl) => (Some(format!("{}ms", ttl.as_millis()).into()), None),
            Expiry::At(at) => (None, Some(at)),
        };
        let fields = Fields {
            key: key.map(Cow::Borrowed),
            key_base64: key_base64.map(Cow::Owned),
            value: value.map(Cow::Borrowed),
            value_base64: value_base64.map(Cow::Owned),
            ttl,
            expires_at_ms,
            owned: self.owned,
            ..Fields::default()
        };
        // Writing these fields to memory cannot fail.
        let _ = serde_json::to_writer(&mut *to, &fields);
        to.push(b'\n');
    }
}

fn bytes<'a>(
    name: &str,
    text: Option<Cow<'a, str>>,
    base64: Option<Cow<'a, str>>,
) -> Result<Cow<'a, [u8]>, String> {
    match (text, base64) {
        (Some(Cow::Borrowed(text)), None) => Ok(Cow::Borrowed(text.as_bytes())),
        (Some(Cow::Owned(text)), None) => Ok(Cow::Owned(text.into_bytes())),
        (None, Some(base64)) => match BASE64.decode(base64.as_bytes()) {
            Ok(bytes) => Ok(Cow::Owned(bytes)),
            Err(_) => Err(format!("{name}_base64 is no base64 (RFC 4648)")),
        },
        (None, None) => Err(format!("{name} is missing; give {name} or {name}_base64")),
        (Some(_), Some(_)) => Err(format!("give {name} or {name}_base64, not both")),
    }
}

/// Reads a time to live: seconds (`30`), or with a unit (`500ms`, `10m`, `1h 30m`).
///
/// # Errors
/// In words, what is wrong with it.
pub(crate) fn ttl(text: &str) -> Result<Duration, String> {
    let hint = "write whole seconds (30) or a unit (500ms, 10m, 1h 30m)";
    let ttl = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text)
            .map_err(|_| format!("ttl {text:?} is no duration; {hint}"))?,
    };
    if ttl < Duration::from_millis(1) {
        return Err(format!("ttl {text:?} is too short; use at least 1ms, or delete the key"));
    }
    if ttl > MAX_TTL {
        return Err(format!("ttl {text:?} is over 100 years; leave it out, or check its unit"));
    }
    Ok(ttl)
}

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
    // Only where this version does not know what the entry holds: then in place of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields_base64: Option<String>,
}

/// An entry, with its value if it has one and it is wanted; without a line's end.
pub(crate) fn shown(entry: &Entry, with_value: bool) -> Vec<u8> {
    let (key, key_base64) = text_or_base64(entry.key());
    let value = entry.value().filter(|_| with_value).map(text_or_base64);
    let (value, value_base64) = value.unwrap_or_default();
    let stamp = entry.stamp();
    let body = entry.body().filter(|_| with_value && entry.is_opaque());
    let fields = entry.fields().bytes();
    let shown = Shown {
        key,
        key_base64,
        value,
        value_base64,
        stamp: stamp.to_string(),
        origin: stamp.node.to_string(),
        expires_at_ms: entry.expires_at(),
        owned: entry.owner().is_some(),
        kind: entry.is_opaque().then_some(entry.kind().0),
        body_base64: body.map(|body| BASE64.encode(body)),
        fields_base64: (with_value && !fields.is_empty()).then(|| BASE64.encode(fields)),
    };
    // Writing these fields to memory cannot fail.
    serde_json::to_vec(&shown).unwrap_or_default()
}

/// Undoes base64; nothing if it is none.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok()
}

/// Bytes as text, or else as base64.
pub(crate) fn text_or_base64(bytes: &[u8]) -> (Option<&str>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text), None),
        Err(_) => (None, Some(BASE64.encode(bytes))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumormill_core::NodeId;
    use rumormill_core::data::{Kind, Stamp};

    const STAMP: Stamp = Stamp { time: 5 << 16 | 1, node: NodeId(10) };

    fn put<'a>(key: &'a [u8], value: &'a [u8], expiry: Expiry) -> Line<'a> {
        Line { key: key.into(), value: value.into(), expiry, owned: false }
    }

    #[test]
    fn lines_are_writes() {
        let parse = |text: &'static str| Line::parse(text.as_bytes()).unwrap();
        assert_eq!(parse(r#"{"key":"a","value":"b"}"#), put(b"a", b"b", Expiry::Never));
        let two = Expiry::After(Duration::from_secs(2));
        assert_eq!(
            parse(r#"{"key_base64":"/w==","value_base64":"AA","ttl":2}"#),
            put(b"\xff", b"\0", two)
        );
        let five = Expiry::After(Duration::from_millis(5));
        assert_eq!(parse(r#"{"key":"a","value":"","ttl":"5ms"}"#), put(b"a", b"", five));
        assert_eq!(
            parse(r#"{"key":"a\n","value":"b","expires_at_ms":7,"owned":true}"#),
            Line { owned: true, ..put(b"a\n", b"b", Expiry::At(7)) }
        );
        let noted = r#"{"key":"a","value":"b","fields_base64":"AQEJ"}"#;
        assert_eq!(parse(noted), put(b"a", b"b", Expiry::Never));
        let null = r#"{"key":"a","value":"b","stamp":"1.0@0a","origin":"0a","expires_at_ms":null}"#;
        assert_eq!(parse(null), put(b"a", b"b", Expiry::Never));
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        for (line, says) in [
            ("{", "no entry as JSON: EOF while parsing an object at column 1"),
            ("[]", "no entry"),
            (r#"{"key":"a","kind":7,"body_base64":"dg==","fields_base64":"AQEJ"}"#, "of kind 7"),
            (r#"{"key":"a"}"#, "value is missing; give value or value_base64"),
            (r#"{"value":"a"}"#, "key is missing; give key or key_base64"),
            (r#"{"key":"a","value":7}"#, "invalid type: integer `7`, expected a string"),
            (r#"{"key":"a","value":"b","tll":3}"#, "unknown field `tll`"),
            (r#"{"key":"a","key_base64":"","value":"b"}"#, "not both"),
            (r#"{"key":"a","value_base64":"*"}"#, "value_base64 is no base64"),
            (r#"{"key":"a","value":"b","ttl":0}"#, "too short"),
            (r#"{"key":"a","value":"b","ttl":1.5}"#, "no duration"),
            (r#"{"key":"a","value":"b","ttl":true}"#, "no duration"),
            (r#"{"key":"a","value":"b","ttl":"200y"}"#, "over 100 years"),
            (r#"{"key":"a","value":"b","ttl":1,"expires_at_ms":5}"#, "not both"),
        ] {
            let error = Line::parse(line.as_bytes()).unwrap_err();
            assert!(error.contains(says), "{line}: {error}");
        }
    }

    #[test]
    fn text_stays_text_and_the_rest_is_base64() {
        let shown =
            |entry: &Entry, with_value| String::from_utf8(shown(entry, with_value)).unwrap();
        assert_eq!(
            shown(&Entry::new(b"a\"b", b"\xff\x00", STAMP, Some(9)), true),
            concat!(
                r#"{"key":"a\"b","value_base64":"/wA=","stamp":"5.1@000000000000000a","#,
                r#""origin":"000000000000000a","expires_at_ms":9}"#
            )
        );
        assert_eq!(
            shown(&Entry::tombstone(b"\xfe", STAMP), true),
            concat!(
                r#"{"key_base64":"/g==","stamp":"5.1@000000000000000a","#,
                r#""origin":"000000000000000a","expires_at_ms":null}"#
            )
        );
        let plain = shown(&Entry::new(b"k", b"v", STAMP, None), false);
        assert!(!plain.contains("value") && !plain.contains("owned"));
        let owned = shown(&Entry::new(b"k", b"v", STAMP, None).owned(), true);
        assert!(owned.ends_with(r#","owned":true}"#), "{owned}");
        let fields = rumormill_core::data::Fields::new(&[1, 1, 9]).unwrap();
        let other = Entry::new(b"k", b"v", STAMP, None).extended(Kind(7), fields);
        assert_eq!(
            shown(&other, true),
            concat!(
                r#"{"key":"k","stamp":"5.1@000000000000000a","origin":"000000000000000a","#,
                r#""expires_at_ms":null,"kind":7,"body_base64":"dg==","fields_base64":"AQEJ"}"#
            )
        );
        assert!(shown(&other, false).ends_with(r#""kind":7}"#));
    }

    proptest! {
        #[test]
        fn what_is_written_or_shown_is_read_again(
            key: Vec<u8>, value: Vec<u8>, at in prop::option::of(any::<u64>()), owned: bool,
            ttl in 1..MAX_TTL.as_millis() as u64,
        ) {
            let at = at.map_or(Expiry::Never, Expiry::At);
            for expiry in [at, Expiry::After(Duration::from_millis(ttl))] {
                let line = Line { owned, ..put(&key, &value, expiry) };
                let mut text = Vec::new();
                line.write(&mut text);
                prop_assert_eq!(Line::parse(&text), Ok(line));
            }
            let expires_at = match at { Expiry::At(at) => Some(at), _ => None };
            let entry = Entry::new(&key, &value, STAMP, expires_at);
            let text = shown(&if owned { entry.owned() } else { entry }, true);
            prop_assert_eq!(Line::parse(&text), Ok(Line { owned, ..put(&key, &value, at) }));
        }
    }
}
