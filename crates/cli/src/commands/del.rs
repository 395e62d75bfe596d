//! `rumormill del`.

use crate::args::{DelArgs, Format};
use crate::client::Client;
use crate::output::Output;

pub fn run(args: &DelArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let mut deleted = 0_u64;
    for key in &args.keys {
        deleted += u64::from(client.delete(key.as_encoded_bytes(), Some(&args.wait))?);
    }
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&serde_json::json!({ "deleted": deleted }))?,
        false => out.line(format!("{deleted} deleted"))?,
    }
    out.flush()
}
