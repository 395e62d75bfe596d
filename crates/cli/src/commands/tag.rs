//! `rumormill tag`.

use crate::args::{Format, TagArgs};
use crate::client::Client;
use crate::failure::Failure;
use crate::output::{self, Output};
use serde_json::Value;
use std::collections::BTreeMap;

pub fn run(args: &TagArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let mut change: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    for (name, value) in &args.tags {
        change.insert(name, Some(value));
    }
    for name in &args.remove {
        if change.insert(name, None).flatten().is_some() {
            let message = format!("{name:?} is to be set and to be removed; say one of them");
            return Err(Failure::usage(message));
        }
    }
    let tags = match change.is_empty() {
        true => client.tags()?,
        false => client.change_tags(&change)?,
    };
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&tags)?,
        false => {
            let tags = tags.get("tags").and_then(Value::as_object).cloned().unwrap_or_default();
            match tags.is_empty() {
                true => out.line("no tags; set one with `rumormill tag NAME=VALUE`")?,
                false => out.line(output::tags(&tags))?,
            }
        }
    }
    out.flush()
}
