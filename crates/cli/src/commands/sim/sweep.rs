//! `rumormill sim sweep`.

use crate::args::{Format, SweepArgs};

pub fn run(args: &SweepArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
