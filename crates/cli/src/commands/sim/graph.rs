//! `rumormill sim graph`.

use crate::args::{Format, GraphArgs};

pub fn run(args: &GraphArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
