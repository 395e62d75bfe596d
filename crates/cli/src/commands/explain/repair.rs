//! `rumormill explain repair`: what repair did lately and what it cost.

use crate::args::{ExplainRepairArgs, Format};
use crate::client::Client;
use crate::encoding::printable;
use crate::output::{Output, bytes, count};
use serde_json::Value;
use std::time::{Duration, UNIX_EPOCH};

pub fn run(args: &ExplainRepairArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let story = client.repair_events(args.peer.as_deref(), args.calm, args.limit)?;
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(&story)?;
        return out.flush();
    }
    for line in diverged(&story) {
        out.line(line)?;
    }
    let sessions: Vec<Vec<String>> =
        list(&story, "sessions").map(|session| row(session, &story)).collect();
    match sessions.is_empty() {
        true => out.line("no exchange lately in which anything differed")?,
        false => out.table(&HEADER, sessions)?,
    }
    for line in totals(&story) {
        out.line(line)?;
    }
    if story.get("more").and_then(Value::as_bool).unwrap_or(false) {
        out.line("There is more, and older; --limit 576 shows all that is kept.")?;
    }
    out.flush()
}

const HEADER: [&str; 11] = [
    "time",
    "with",
    "begun",
    "method",
    "direction",
    "outcome",
    "differences",
    "sent",
    "received",
    "round trips",
    "took",
];

fn list<'a>(story: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    story.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> u64 {
    value.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// The name of a member, or its id.
fn name(story: &Value, id: &str) -> String {
    let name = story.get("names").and_then(|names| names.get(id)).and_then(Value::as_str);
    printable(name.unwrap_or(id).as_bytes())
}

fn time(ms: u64) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ms)).to_string()
}

fn row(session: &Value, story: &Value) -> Vec<String> {
    let here = session.get("begun_here").and_then(Value::as_bool).unwrap_or(false);
    let way = |way: &str| {
        let messages = number(session, &format!("{way}_messages"));
        format!("{} in {messages}", bytes(number(session, &format!("{way}_bytes"))))
    };
    vec![
        time(number(session, "at_ms")),
        name(story, text(session, "peer")),
        if here { "here".into() } else { "there".into() },
        text(session, "method").into(),
        text(session, "direction").into(),
        text(session, "outcome").into(),
        count(number(session, "differences")),
        way("sent"),
        way("received"),
        number(session, "round_trips").to_string(),
        format!("{} ms", number(session, "took_ms")),
    ]
}

fn diverged(story: &Value) -> impl Iterator<Item = String> {
    list(story, "diverged").map(|told| {
        format!(
            "{} has been different since {} in key hashes {} to {}, and repair does not see it; \
             these are being exchanged in full",
            name(story, text(told, "peer")),
            time(number(told, "since_ms")),
            text(told, "first_hash"),
            text(told, "last_hash"),
        )
    })
}

/// A line for each method that was used.
fn totals(story: &Value) -> Vec<String> {
    let Some(totals) = story.get("totals").and_then(Value::as_object) else { return Vec::new() };
    let used = totals.iter().filter(|(_, sums)| number(sums, "sessions") > 0);
    used.map(|(method, sums)| {
        let outcomes = sums.get("outcomes").and_then(Value::as_object).into_iter().flatten();
        let outcomes: Vec<String> = outcomes
            .filter_map(|(outcome, number)| {
                let number = number.as_u64().filter(|number| *number > 0)?;
                Some(format!("{} {outcome}", count(number)))
            })
            .collect();
        format!(
            "{method} since the start: {} exchanges ({}), {} differences, {} sent, {} received, \
             {} messages, {} round trips",
            count(number(sums, "sessions")),
            outcomes.join(", "),
            count(number(sums, "differences")),
            bytes(number(sums, "sent_bytes")),
            bytes(number(sums, "received_bytes")),
            count(number(sums, "messages")),
            count(number(sums, "round_trips")),
        )
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_exchange_is_one_line_and_a_divergence_names_its_range() {
        let session = json!({
            "at_ms": 1_800_000_000_000_u64, "peer": "0b", "begun_here": true, "method": "sketch",
            "direction": "push-pull", "outcome": "solved", "differences": 10, "sent_bytes": 220,
            "received_bytes": 1300, "sent_messages": 2, "received_messages": 3, "round_trips": 2,
            "took_ms": 4,
        });
        let told = json!({
            "peer": "0c", "since_ms": 0, "first_hash": "03", "last_hash": "03ff",
        });
        let sums = json!({ "sessions": 2, "outcomes": { "equal": 1, "quiet": 0, "solved": 1 } });
        let totals_of = json!({ "sketch": sums, "full": { "sessions": 0 } });
        let story = json!({
            "sessions": [session], "diverged": [told], "names": { "0b": "b" }, "totals": totals_of,
        });
        let cells = row(&story["sessions"][0], &story).join("|");
        assert_eq!(
            cells,
            "2027-01-15T08:00:00.000Z|b|here|sketch|push-pull|solved|10|220 B in 2|1.27 KiB in 3|2\
             |4 ms"
        );
        let lines: Vec<String> = diverged(&story).collect();
        assert!(
            lines[0].starts_with("0c has been different since 1970-01-01T00:00:00.000Z in key")
        );
        let lines = totals(&story);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].starts_with("sketch since the start: 2 exchanges (1 equal, 1 solved)"));
    }
}
