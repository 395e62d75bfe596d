//! `rumormill sim cluster`.

use crate::args::{ClusterArgs, Format};

pub fn run(args: &ClusterArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
