//! `rumormill set`.

use crate::args::{Format, SetArgs};
use crate::client::Client;
use crate::encoding::printable;
use crate::failure::Failure;
use crate::output::{Output, bytes};
use anyhow::Context as _;
use rumormill_core::data::entry::MAX_VALUE;
use std::io::{self, Read};

pub fn run(args: &SetArgs, format: Format) -> anyhow::Result<()> {
    let key = args.key.as_encoded_bytes();
    let value = value(args)?;
    let client = Client::new(&args.client)?;
    let written = client.put_waiting(key, &value, args.ttl, args.owned, Some(&args.wait))?;
    let stamp = written.stamp;
    let mut out = Output::new(format);
    match out.is_json() {
        true => {
            let mut json = serde_json::json!({ "written": true, "stamp": stamp });
            if let (Some((held, of)), Some(json)) = (written.held, json.as_object_mut()) {
                json.insert("held".into(), held.into());
                json.insert("of".into(), of.into());
            }
            out.json(&json)?;
        }
        false if out.terminal => {
            let size = bytes(value.len() as u64);
            let held = written.held.map(|(held, of)| format!(", held by {held} of {of} members"));
            let held = held.unwrap_or_default();
            out.line(format!("{}: {size}, stamp {stamp}{held}", printable(key)))?;
        }
        // A script wants the exit code.
        false => {}
    }
    out.flush()
}

fn value(args: &SetArgs) -> anyhow::Result<Vec<u8>> {
    if let Some(path) = &args.file {
        let file = std::fs::File::open(path);
        return file
            .map_err(anyhow::Error::from)
            .and_then(bounded)
            .with_context(|| format!("cannot read the value from {}", path.display()));
    }
    match &args.value {
        Some(text) if text == "-" => {
            bounded(io::stdin().lock()).context("cannot read the value from standard input")
        }
        Some(text) => Ok(text.as_encoded_bytes().to_vec()),
        None => Err(Failure::usage("give a value, - or --file")),
    }
}

/// Reads to the end, though no more than any agent would take.
fn bounded(from: impl Read) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MAX_VALUE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_VALUE {
        anyhow::bail!("it is over 8 MiB, which no agent takes");
    }
    Ok(bytes)
}
