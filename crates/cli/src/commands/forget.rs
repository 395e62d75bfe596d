//! `rumormill forget`.

use crate::args::{ForgetArgs, Format};
use crate::client::Client;
use crate::encoding::printable;
use crate::output::Output;

pub fn run(args: &ForgetArgs, format: Format) -> anyhow::Result<()> {
    let answer = Client::new(&args.client)?.forget(&args.member, args.force)?;
    let mut out = Output::new(format);
    let name = printable(args.member.as_bytes());
    match (out.is_json(), args.force) {
        (true, _) => out.json(&answer)?,
        (false, false) => out.line(format!(
            "{name} is forgotten: passes of ring repair go on without it, if more than half of \
             those whom the last one covered take part"
        ))?,
        (false, true) => out.line(format!(
            "{name} is forgotten, and its vote is waived: passes of ring repair go on without it"
        ))?,
    }
    if args.force && !out.is_json() {
        out.flush()?;
        eprintln!(
            "warning: this is right only if {name} is gone for good and no other members go on \
             with it; otherwise stop those before they meet again"
        );
    }
    out.flush()
}
