//! Arguments that several simulations of the real protocol share.

use clap::Args;
use rumormill_sim::Checks;
use std::path::PathBuf;
use std::time::Duration;

/// What a seed draws, and what is fixed.
#[derive(Debug, Args)]
pub struct DrawArgs {
    /// Nodes: a number, or the least and the most, such as 3..20 (both included).
    #[arg(long, value_name = "N|A..B", default_value = "3..20", value_parser = nodes)]
    pub nodes: (usize, usize),
    /// How long faults and writes go on, in virtual time.
    #[arg(long = "for", value_name = "TIME", default_value = "20s",
          value_parser = humantime::parse_duration)]
    pub duration: Duration,
    /// How long the cluster then has, without faults, to become one again.
    #[arg(long, value_name = "TIME", default_value = "1m",
          value_parser = humantime::parse_duration)]
    pub settle: Duration,
    /// Take the protocol's settings from an agent's TOML file instead of drawing them.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Fix one setting of the protocol, such as repair.interval=1s; may be repeated.
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    pub set: Vec<(String, String)>,
    /// How much of its own every node checks after each of its turns: off, cheap, or full, which
    /// looks at everything every 1,024 turns, or every so many (full:16).
    #[arg(long, value_name = "WHAT", default_value = "full")]
    pub check: Checks,
}

/// Where to write what happens.
#[derive(Clone, Debug, Args)]
pub struct TraceArgs {
    /// Write one line per event to this file: seconds, node, what, and about which key, stamp or
    /// member. `rumormill sim replay FILE` steps through it.
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Stop tracing after this many lines (about 60 bytes each).
    #[arg(long, value_name = "N", default_value_t = 1_000_000, requires = "trace")]
    pub trace_lines: u64,
}

fn nodes(text: &str) -> Result<(usize, usize), String> {
    let number = |text: &str| {
        let number: usize = text.parse().map_err(|_| format!("{text:?} is no number"))?;
        match (1..=10_000).contains(&number) {
            true => Ok(number),
            false => Err(format!("{number} nodes: there can be 1 to 10000")),
        }
    };
    let (least, most) = match text.split_once("..") {
        Some((least, most)) => (number(least)?, number(most)?),
        None => (number(text)?, number(text)?),
    };
    match least <= most {
        true => Ok((least, most)),
        false => Err("the smaller number comes first, as in 3..20".into()),
    }
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.trim().into(), value.trim().into()))
}
