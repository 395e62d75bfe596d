//! `rumormill sim replay`.

use crate::args::{Format, ReplayArgs};

pub fn run(args: &ReplayArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
