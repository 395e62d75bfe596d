//! What people are told while a demo runs.

use crate::output::Output;

/// Tells people what goes on; programs get results only.
pub fn say(out: &mut Output, line: impl AsRef<str>) -> anyhow::Result<()> {
    if !out.is_json() {
        out.line(line)?;
        out.flush()?;
    }
    Ok(())
}
