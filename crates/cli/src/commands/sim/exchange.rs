//! `rumormill sim exchange`.

use crate::args::{ExchangeArgs, Format};

pub fn run(args: &ExchangeArgs, _format: Format) -> anyhow::Result<()> {
    anyhow::bail!("not built yet (seed {})", args.seed)
}
