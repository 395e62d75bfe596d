//! `rumormill strays`.

use crate::args::{Format, StraysCommand, StraysDropArgs, StraysListArgs, StraysRestoreArgs};
use crate::client::Client;
use crate::encoding::{from_base64, printable};
use crate::failure::{Code, Failure};
use crate::output::{Output, bytes, count};
use serde_json::Value;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::time::{Duration, UNIX_EPOCH};

/// Strays of one page.
const PAGE: u64 = 1000;

pub fn run(command: &StraysCommand, format: Format) -> anyhow::Result<()> {
    match command {
        StraysCommand::List(args) => list(args, format),
        StraysCommand::Restore(args) => restore(args, format),
        StraysCommand::Drop(args) => discard(args, format),
    }
}

fn list(args: &StraysListArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let (mut strays, mut after) = (Vec::new(), None::<String>);
    let (count_all, bytes_all, more) = loop {
        let left = args.limit.saturating_sub(strays.len() as u64);
        let mut page = client.strays(after.as_deref(), left.min(PAGE))?;
        if let Some(Value::Array(found)) = page.get_mut("strays").map(Value::take) {
            strays.extend(found);
        }
        after = page.get("next").and_then(Value::as_str).map(str::to_owned);
        if after.is_none() || strays.len() as u64 >= args.limit {
            break (number(&page, "count"), number(&page, "bytes"), after.is_some());
        }
    };
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(&serde_json::json!({
            "strays": strays, "count": count_all, "bytes": bytes_all, "more": more,
        }))?;
        return out.flush();
    }
    if strays.is_empty() {
        out.line("nothing is kept aside")?;
        return out.flush();
    }
    let header = ["key", "kind", "size", "written by", "written", "the others hold", "why"];
    out.table(&header, strays.iter().map(row).collect())?;
    if more {
        let shown = count(strays.len() as u64);
        out.line(format!("{shown} of {}; --limit shows more", count(count_all)))?;
    }
    out.line(format!(
        "{} kept aside, {}: `rumormill strays restore KEY` writes one again, `rumormill strays drop \
         KEY` lets it go",
        count(count_all),
        bytes(bytes_all)
    ))?;
    out.flush()
}

fn row(stray: &Value) -> Vec<String> {
    let writer = stray.get("writer_name").and_then(Value::as_str);
    let held = stray.get("held").filter(|held| !held.is_null());
    let held = held.map_or("nothing".into(), |held| {
        let deletion = held.get("deletion").and_then(Value::as_bool).unwrap_or(false);
        let what = if deletion { "a deletion" } else { "a value" };
        format!("{what}, stamp {}", text(held, "stamp"))
    });
    vec![
        printable(&key_of(stray)),
        text(stray, "kind").into(),
        bytes(number(stray, "size")),
        printable(writer.unwrap_or(text(stray, "writer")).as_bytes()),
        time(number(stray, "written_ms")),
        held,
        printable(text(stray, "why").as_bytes()),
    ]
}

fn restore(args: &StraysRestoreArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let answer = client.settle_strays("restore", &keys(&args.keys), args.all)?;
    done(&answer, "restored", format)
}

fn discard(args: &StraysDropArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    if args.all && !args.yes && !may_drop_all(&client)? {
        return Err(Failure::new(Code::Failed, "nothing was dropped").into());
    }
    let answer = client.settle_strays("drop", &keys(&args.keys), args.all)?;
    done(&answer, "dropped", format)
}

/// Asks whoever sits there.
fn may_drop_all(client: &Client) -> anyhow::Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage("to drop all that is kept aside, say --all --yes"));
    }
    let there = number(&client.strays(None, 1)?, "count");
    eprint!("drop all {} that {} keeps aside, for good? [y/N] ", count(there), client.base());
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn keys(keys: &[OsString]) -> Vec<&[u8]> {
    keys.iter().map(|key| key.as_encoded_bytes()).collect()
}

fn done(answer: &Value, what: &str, format: Format) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    let named = |field: &str| answer.get(field).and_then(Value::as_array).cloned();
    let (unknown, refused) = (named("unknown"), named("refused"));
    if out.is_json() {
        out.json(answer)?;
    } else {
        out.line(format!("{} {what}", count(number(answer, what))))?;
    }
    out.flush()?;
    let mut wrong = Vec::new();
    for one in refused.iter().flatten() {
        wrong.push(format!("{}: {}", printable(&key_of(one)), text(one, "error")));
    }
    let unknown: Vec<String> =
        unknown.iter().flatten().map(|one| printable(&key_of(one))).collect();
    if !unknown.is_empty() {
        wrong.push(format!("nothing is kept aside under {}", unknown.join(", ")));
    }
    match (wrong.is_empty(), refused.is_some_and(|refused| !refused.is_empty())) {
        (true, _) => Ok(()),
        (false, true) => Err(Failure::new(Code::Refused, wrong.join("; ")).into()),
        (false, false) => Err(Failure::new(Code::NotFound, wrong.join("; ")).into()),
    }
}

fn key_of(value: &Value) -> Vec<u8> {
    match value.get("key").and_then(Value::as_str) {
        Some(key) => key.as_bytes().to_vec(),
        None => from_base64(text(value, "key_base64")).unwrap_or_default(),
    }
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

fn time(ms: u64) -> String {
    // Stamps are bounded by clocks of nodes, and not by what can be shown.
    let at = UNIX_EPOCH.checked_add(Duration::from_millis(ms));
    at.map_or_else(|| ms.to_string(), |at| humantime::format_rfc3339_seconds(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stray_is_one_line() {
        let stray = json!({
            "key_base64": "AAE=", "kind": "value", "size": 2048, "writer": "0b",
            "writer_name": "db-3", "written_ms": 1_800_000_000_000_u64, "why": "it was away",
            "held": { "deletion": true, "stamp": "9.0@0c" },
        });
        assert_eq!(
            row(&stray).join("|"),
            "\\u{0}\\u{1}|value|2.00 KiB|db-3|2027-01-15T08:00:00Z|a deletion, stamp 9.0@0c|it was \
             away"
        );
        let bare = json!({ "key": "k", "kind": "deletion", "size": 1, "writer": "0b" });
        assert_eq!(row(&bare)[3..6], ["0b", "1970-01-01T00:00:00Z", "nothing"]);
    }
}
