//! `rumormill sim fuzz`.

use crate::args::{Format, FuzzArgs};

pub fn run(args: &FuzzArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
