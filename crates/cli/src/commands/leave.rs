//! `rumormill leave`.

use crate::args::{Format, LeaveArgs};
use crate::client::Client;
use crate::output::Output;

pub fn run(args: &LeaveArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    client.leave()?;
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&serde_json::json!({ "left": true }))?,
        false => out.line(format!("the agent at {} has left and stops", client.base()))?,
    }
    out.flush()
}
