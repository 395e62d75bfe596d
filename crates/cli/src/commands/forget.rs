//! `rumormill forget`.

use crate::args::{ForgetArgs, Format};
use crate::client::Client;
use crate::encoding::printable;
use crate::output::Output;

pub fn run(args: &ForgetArgs, format: Format) -> anyhow::Result<()> {
    let answer = Client::new(&args.client)?.forget(&args.member, args.force)?;
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&answer)?,
        false => out.line(format!(
            "{} is forgotten: passes of ring repair go on without it",
            printable(args.member.as_bytes())
        ))?,
    }
    out.flush()
}
