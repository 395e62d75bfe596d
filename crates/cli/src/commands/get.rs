//! `rumormill get`.

use crate::args::{Format, GetArgs};
use crate::client::Client;
use crate::encoding::{base64, printable};
use crate::failure::{Code, Failure};
use crate::output::Output;
use serde_json::{Value, json};

pub fn run(args: &GetArgs, format: Format) -> anyhow::Result<()> {
    let key = args.key.as_encoded_bytes();
    let Some(found) = Client::new(&args.client)?.value(key)? else {
        let message = format!("there is no key {}", printable(key));
        return Err(Failure::new(Code::NotFound, message).into());
    };
    let mut out = Output::new(format);
    if out.is_json() {
        let mut object = serde_json::Map::new();
        put_bytes(&mut object, "key", key);
        put_bytes(&mut object, "value", &found.value);
        object.insert("stamp".into(), json!(found.stamp));
        object.insert("origin".into(), json!(found.origin));
        object.insert("expires_at_ms".into(), json!(found.expires_at_ms));
        object.insert("owned".into(), json!(found.owned));
        out.json(&object)?;
    } else {
        out.bytes(&found.value)?;
        // On a terminal the prompt must not stand behind the value.
        if out.terminal && !found.value.ends_with(b"\n") {
            out.bytes(b"\n")?;
        }
    }
    out.flush()
}

/// Bytes in a JSON object: as text where they are text, otherwise as base64 under another name.
fn put_bytes(object: &mut serde_json::Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.into(), json!(text)),
        Err(_) => object.insert(format!("{name}_base64"), json!(base64(bytes))),
    };
}
