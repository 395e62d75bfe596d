//! `rumormill members`.

use crate::args::{Format, MembersArgs};
use crate::client::Client;
use crate::encoding::printable;
use crate::output::{self, Output};
use serde_json::Value;

pub fn run(args: &MembersArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let mut members = client.members_with(&args.tag, args.state.as_deref())?;
    if !args.all
        && args.state.is_none()
        && let Some(list) = members.get_mut("members").and_then(Value::as_array_mut)
    {
        list.retain(|member| member.get("state").and_then(Value::as_str) != Some("forgotten"));
    }
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(&members)?;
        return out.flush();
    }
    let list = members.get("members").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut list: Vec<&Value> = list.iter().collect();
    list.sort_by_key(|member| cell(member, "name"));
    let header = ["name", "id", "state", "incarnation", "gossip", "redis", "http", "tags"];
    let rows = list.iter().map(|member| header.map(|field| cell(member, field)).to_vec());
    out.table(&header, rows.collect())?;
    out.flush()
}

fn cell(member: &Value, field: &str) -> String {
    let text = match member.get(field) {
        None | Some(Value::Null) => "-".into(),
        Some(Value::Object(tags)) => output::tags(tags),
        Some(Value::String(text)) => printable(text.as_bytes()),
        Some(other) => other.to_string(),
    };
    let is_self = member.get("is_self").and_then(Value::as_bool).unwrap_or(false);
    let passes = member.get("ephemeral").and_then(Value::as_bool).unwrap_or(false);
    match field {
        "name" if is_self => format!("{text} (answers)"),
        "state" if passes => format!("{text}, ephemeral"),
        _ => text,
    }
}
