//! `rumormill sim plan`.

use crate::args::{Format, PlanArgs};

pub fn run(args: &PlanArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
