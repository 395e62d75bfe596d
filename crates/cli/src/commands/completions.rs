//! `rumormill completions`.

use crate::args::{Cli, Format};
use crate::output::Output;
use clap::CommandFactory as _;
use clap_complete::Shell;

pub fn run(shell: Shell, format: Format) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rumormill", &mut script);
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&serde_json::json!({ "script": String::from_utf8_lossy(&script) }))?,
        false => out.bytes(&script)?,
    }
    out.flush()
}
