//! `rumormill explain key`: who holds what an agent holds under a key, who does not, and what became
//! of what was there before.

use crate::args::{ExplainKeyArgs, Format};
use crate::client::Client;
use crate::encoding::printable;
use crate::failure::{Code, Failure};
use crate::output::Output;
use serde_json::{Value, json};
use std::time::{Duration, UNIX_EPOCH};

pub fn run(args: &ExplainKeyArgs, format: Format) -> anyhow::Result<()> {
    let key = args.key.as_encoded_bytes();
    let client = Client::new(&args.client)?;
    let mut told = client.key_events(key)?;
    let events: Vec<Value> = match told.get_mut("events").map(Value::take) {
        Some(Value::Array(events)) => events,
        _ => Vec::new(),
    };
    let held = client.coverage(key, args.timeout)?;
    if held.is_none() && events.is_empty() {
        let message = format!(
            "the agent holds nothing under {}, and remembers nothing of it since it was started",
            printable(key)
        );
        return Err(Failure::new(Code::NotFound, message).into());
    }
    let mut out = Output::new(format);
    if out.is_json() {
        let mut all = match held {
            Some(Value::Object(held)) => held,
            // The same fields, with nothing held.
            _ => match told {
                Value::Object(mut told) => {
                    told.insert("stamp".into(), Value::Null);
                    told
                }
                _ => serde_json::Map::new(),
            },
        };
        all.insert("events".into(), json!(events));
        out.json(&all)?;
        return out.flush();
    }
    match &held {
        Some(held) => holders(&mut out, key, held)?,
        None => out.line(format!("the agent holds nothing under {} now", printable(key)))?,
    }
    for event in &events {
        out.line(happened(event))?;
    }
    out.flush()
}

/// Who holds it.
fn holders(out: &mut Output, key: &[u8], json: &Value) -> anyhow::Result<()> {
    let number = |name: &str| json.get(name).and_then(Value::as_u64).unwrap_or(0);
    let yes = |name: &str| json.get(name).and_then(Value::as_bool).unwrap_or(false);
    let (held, of) = (number("held"), number("of"));
    let what = if yes("deleted") { "the deletion of" } else { "the value of" };
    out.line(format!("{what} {}: stamp {}", printable(key), text(json, "stamp")))?;
    out.line(format!("{held} of {of} members are known to hold it, or a newer write"))?;
    let without = json.get("members_without").and_then(Value::as_array);
    let without: Vec<String> = without
        .into_iter()
        .flatten()
        .filter_map(|name| Some(printable(name.as_str()?.as_bytes())))
        .collect();
    if !without.is_empty() {
        let more = match (of - held.min(of)).saturating_sub(without.len() as u64) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let silent = if yes("all_answered") { "" } else { ", or silent" };
        out.line(format!("without it{silent}: {}{more}", without.join(", ")))?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// What became of an entry, as a line.
fn happened(event: &Value) -> String {
    let at = Duration::from_millis(event.get("at_ms").and_then(Value::as_u64).unwrap_or(0));
    let at = UNIX_EPOCH.checked_add(at).unwrap_or(UNIX_EPOCH);
    format!(
        "{} {}: {} (stamp {})",
        humantime::format_rfc3339_seconds(at),
        text(event, "end"),
        printable(text(event, "why").as_bytes()),
        text(event, "stamp")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_became_of_an_entry_is_one_line() {
        let event = json!({
            "at_ms": 1_800_000_000_000_u64, "end": "aside", "stamp": "9.0@0b",
            "why": "nothing proves it",
        });
        assert_eq!(
            happened(&event),
            "2027-01-15T08:00:00Z aside: nothing proves it (stamp 9.0@0b)"
        );
    }
}
