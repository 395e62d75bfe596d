//! `rumormill explain key`: who holds what an agent holds under a key, and who does not.

use crate::args::{ExplainKeyArgs, Format};
use crate::client::Client;
use crate::encoding::printable;
use crate::failure::{Code, Failure};
use crate::output::Output;

pub fn run(args: &ExplainKeyArgs, format: Format) -> anyhow::Result<()> {
    let key = args.key.as_encoded_bytes();
    let client = Client::new(&args.client)?;
    let Some(json) = client.coverage(key, args.timeout)? else {
        let message = format!("the agent holds nothing under {}", printable(key));
        return Err(Failure::new(Code::NotFound, message).into());
    };
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(&json)?;
        return out.flush();
    }
    let text = |name: &str| json.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
    let number = |name: &str| json.get(name).and_then(serde_json::Value::as_u64).unwrap_or(0);
    let yes = |name: &str| json.get(name).and_then(serde_json::Value::as_bool).unwrap_or(false);
    let (held, of) = (number("held"), number("of"));
    let what = if yes("deleted") { "the deletion of" } else { "the value of" };
    out.line(format!("{what} {}: stamp {}", printable(key), text("stamp")))?;
    out.line(format!("{held} of {of} members are known to hold it, or a newer write"))?;
    let without = json.get("members_without").and_then(serde_json::Value::as_array);
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
    out.flush()
}
