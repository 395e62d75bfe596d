//! `rumormill watch`.

use crate::args::{Format, WatchArgs};
use crate::client::{Client, EntryJson};
use crate::encoding::printable;
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::sse::{Event, Events};
use std::io::BufReader;

pub fn run(args: &WatchArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let stream = client.watch(args.prefix.as_encoded_bytes())?;
    let mut events = Events::new(BufReader::with_capacity(64 * 1024, stream));
    let mut out = Output::new(format);
    let mut seen = 0;
    while args.count.is_none_or(|count| seen < count) {
        let Some(event) = events.next().map_err(|error| client.cut(&error))? else {
            let message = format!("the agent at {} ended the watch", client.base());
            return Err(Failure::new(Code::NoAgent, message).into());
        };
        // A gap is told, and is no change.
        seen += u64::from(event.kind != "missed");
        print(&mut out, &event)?;
        out.flush()?;
    }
    Ok(())
}

fn print(out: &mut Output, event: &Event) -> anyhow::Result<()> {
    let data: serde_json::Value = serde_json::from_str(&event.data)?;
    if out.is_json() {
        let mut line = serde_json::Map::from_iter([("event".into(), event.kind.clone().into())]);
        if let serde_json::Value::Object(fields) = data {
            line.extend(fields);
        }
        return out.json(&line);
    }
    if event.kind == "missed" {
        let missed = data.get("missed").and_then(serde_json::Value::as_u64).unwrap_or(0);
        return out.line(format!("missed   {missed} changes came faster than they were read"));
    }
    let entry: EntryJson = serde_json::from_value(data)?;
    let key = printable(&entry.key()?);
    let value = match (entry.kind, entry.value()?) {
        (Some(kind), _) => format!(" (of kind {kind})"),
        (None, Some(value)) => format!(" = {}", printable(&value)),
        (None, None) => String::new(),
    };
    out.line(format!("{:<8} {key}{value}   (stamp {})", event.kind, entry.stamp))
}
