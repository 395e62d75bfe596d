//! `rumormill status`.

use crate::args::{Format, StatusArgs};
use crate::client::Client;
use crate::encoding::printable;
use crate::output::{self, Output, bytes, count};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn run(args: &StatusArgs, format: Format) -> anyhow::Result<()> {
    let status = Client::new(&args.client)?.status_json()?;
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&status)?,
        false => out.table(&[], rows(&status))?,
    }
    out.flush()
}

/// How far the replica has been filled, while that goes on.
fn joining(status: &Value) -> Option<String> {
    let joining = status.get("joining").filter(|joining| !joining.is_null())?;
    let percent = joining.get("percent").and_then(Value::as_f64).unwrap_or(0.0);
    let entries = joining.get("entries").and_then(Value::as_u64).unwrap_or(0);
    let from = joining.get("from").and_then(Value::as_str).unwrap_or_default();
    Some(format!("{percent:.0} % of {} entries, from {from}", short(entries)))
}

/// To whom not every datagram gets that the settings allow, and how large they may be.
fn narrow_paths(status: &Value) -> Option<String> {
    let paths = status.get("narrow_paths").and_then(Value::as_array)?;
    let words = paths.iter().map(|path| {
        let name = path.get("member").and_then(Value::as_str).unwrap_or_default();
        let datagram = path.get("datagram").and_then(Value::as_u64).unwrap_or(0);
        format!("{} {} bytes", printable(name.as_bytes()), count(datagram))
    });
    let words: Vec<String> = words.collect();
    (!words.is_empty()).then(|| format!("{}; what is larger goes over streams", words.join(", ")))
}

/// A count of entries in few digits.
fn short(entries: u64) -> String {
    match entries {
        0..10_000 => count(entries),
        10_000..1_000_000 => format!("{} k", entries / 1000),
        _ => format!("{:.1} M", entries as f64 / 1e6),
    }
}

/// What is done with the keys, and what that kept out.
fn encryption(status: &Value) -> String {
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let mode = status.pointer("/encryption/mode").and_then(Value::as_str).unwrap_or("off");
    if mode == "off" {
        return mode.into();
    }
    let dropped = status.pointer("/encryption/dropped").and_then(Value::as_object);
    let dropped = dropped.map_or(0, |all| all.values().filter_map(Value::as_u64).sum());
    let plain = number("/encryption/plaintext_received");
    let (plain, dropped) = (count(plain), count(dropped));
    let file = status.pointer("/encryption/key_file_error").and_then(Value::as_str);
    let file = file.map(|error| format!("; {error}")).unwrap_or_default();
    format!("{mode}; {plain} came in plain, {dropped} dropped unread{file}")
}

/// Deleted keys that are kept, and because of whom.
fn tombstones(status: &Value) -> String {
    let kept = count(status.get("tombstones").and_then(Value::as_u64).unwrap_or(0));
    let names = status.get("tombstones_held_by").and_then(Value::as_array).into_iter().flatten();
    let names: Vec<String> =
        names.filter_map(Value::as_str).map(|name| printable(name.as_bytes())).collect();
    match names.is_empty() {
        true => kept,
        false => format!("{kept}; held by {}", names.join(", ")),
    }
}

/// What is kept aside.
fn strays(status: &Value) -> String {
    let number = |name: &str| status.get(name).and_then(Value::as_u64).unwrap_or(0);
    match number("strays") {
        0 => "none".into(),
        kept => format!("{} kept aside, {}", count(kept), bytes(number("strays_bytes"))),
    }
}

/// Up to when everyone is known to hold everything.
fn horizon(status: &Value) -> String {
    let Some(at) = status.get("horizon_ms").and_then(Value::as_u64) else {
        return "none: no pass of ring repair was complete yet".into();
    };
    let age = SystemTime::now()
        .duration_since(UNIX_EPOCH + Duration::from_millis(at))
        .map(|age| humantime::format_duration(Duration::from_secs(age.as_secs())).to_string());
    let age = age.unwrap_or_else(|_| "0s".into());
    match status.get("covered").and_then(Value::as_bool) {
        Some(false) => format!("{age} ago; this node is being brought back to it"),
        _ => format!("{age} ago"),
    }
}

fn rows(status: &Value) -> Vec<Vec<String>> {
    let text = |pointer: &str| match status.pointer(pointer) {
        None | Some(Value::Null) => "off".into(),
        Some(Value::String(text)) => crate::encoding::printable(text.as_bytes()),
        Some(other) => other.to_string(),
    };
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let uptime = Duration::from_secs(number("/uptime_ms") / 1000);
    let traffic = |way: &str| {
        let total = bytes(number(&format!("/traffic/{way}_bytes")));
        let messages = count(number(&format!("/traffic/{way}_messages")));
        format!("{total} in {messages} messages")
    };
    let doubt = match number("/doubt") {
        0 => "none".into(),
        doubt => format!("{doubt}: its probes wait so many times longer before it blames others"),
    };
    let tags = status.get("tags").and_then(Value::as_object).map_or("-".into(), output::tags);
    let members = ["alive", "suspect", "dead", "left"]
        .map(|state| format!("{} {state}", number(&format!("/members/{state}"))));
    let members = match number("/members/forgotten") {
        0 => members.join(", "),
        forgotten => format!("{}, {forgotten} forgotten", members.join(", ")),
    };
    let warnings = status.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let warnings = warnings.filter_map(Value::as_str);
    let warnings = warnings.map(|text| ("warning", crate::encoding::printable(text.as_bytes())));
    let entries = match (count(number("/entries")), number("/hidden")) {
        (entries, 0) => entries,
        (entries, hidden) => format!("{entries}, and {} hidden: owners away", count(hidden)),
    };
    let mut rows = vec![
        ("name", text("/name")),
        ("id", text("/id")),
        ("version", text("/version")),
        ("cluster", text("/cluster")),
        ("gossip", text("/gossip")),
        ("redis", text("/redis")),
        ("http", text("/http")),
        ("encryption", encryption(status)),
        ("uptime", humantime::format_duration(uptime).to_string()),
        ("entries", entries),
        ("tombstones", tombstones(status)),
        ("strays", strays(status)),
        ("horizon", horizon(status)),
        ("digest", text("/digest")),
        ("store", text("/store")),
        ("tags", tags),
        ("members", members),
        ("doubt in itself", doubt),
        ("sent", traffic("sent")),
        ("received", traffic("received")),
    ];
    // Where all members are in one zone it would only puzzle.
    let across = ["membership", "update", "repair"]
        .map(|class| number(&format!("/counters/sent_cross_zone_{class}_bytes")));
    if across.iter().sum::<u64>() > 0 {
        let [membership, updates, repair] = across.map(bytes);
        let words = format!("updates {updates}, repair {repair}, membership {membership}");
        rows.push(("to other zones", words));
    }
    if let Some(narrow) = narrow_paths(status) {
        rows.push(("narrow paths", narrow));
    }
    if let Some(joining) = joining(status) {
        rows.push(("joining", joining));
    }
    let held = ["membership", "updates", "repair"].map(|class| {
        let packets = |what: &str| number(&format!("/counters/budget_{class}_{what}"));
        (class, packets("delayed"), packets("shed"))
    });
    let held = held.into_iter().filter(|(_, delayed, shed)| delayed + shed > 0);
    let held = held.map(|(class, delayed, shed)| {
        format!("{class} {} packets late, {} dropped", count(delayed), count(shed))
    });
    let held: Vec<String> = held.collect();
    if !held.is_empty() {
        rows.push(("over budget", held.join("; ")));
    }
    if let Some(words) = status.pointer("/pass_refused/words").and_then(Value::as_str) {
        rows.push(("no pass", crate::encoding::printable(words.as_bytes())));
    }
    if let Some(leaving) = status.get("leaving").filter(|leaving| !leaving.is_null()) {
        let leaves = leaving.get("leaves").and_then(Value::as_bool).unwrap_or(false);
        let by = leaving.get("by").and_then(Value::as_str).unwrap_or_default();
        let what = if leaves { "it leaves" } else { "it stops" };
        let words = format!("{what}, and takes no more writes; asked for by {by}");
        rows.push(("leaving", crate::encoding::printable(words.as_bytes())));
    }
    rows.extend(warnings);
    rows.into_iter().map(|(name, value)| vec![name.into(), value]).collect()
}
