//! `rumormill sim epidemic`.

use crate::args::{EpidemicArgs, Format};

pub fn run(args: &EpidemicArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
