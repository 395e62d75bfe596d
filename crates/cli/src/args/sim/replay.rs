//! Arguments of `rumormill sim replay`.

use super::draw::DrawArgs;
use super::seeds::seed;
use clap::Args;
use rumormill_sim::step::What;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is a scenario that `rumormill sim fuzz --save` has written: it runs again, up to where the
property fails. Or it is what --trace has written. --seed runs a seed of `rumormill sim fuzz`; give
it the same --nodes, --for, --settle, --config and --set.

On a terminal it steps: Enter for the next event, a number for as many, /TEXT to search, `k KEY` for
who holds what under a key at that time, c to go on to the end, q to quit. Elsewhere it prints all.
Traffic and timers are left out unless --kind names them.

JSON: one object per event and line, {\"us\",\"node\",\"what\",\"peer\",\"key\",\"stamp\",\"member\",
\"state\",\"size\",\"count\",\"note\"} with those fields that there are; after the events of a run
{\"violation\",\"settled_ms\",\"expected\"}, where violation is null if all holds.

Examples:
  rumormill sim replay found/seed-17.toml
  rumormill sim replay --seed 17 --key key-000012       the story of one key: who heard it from whom
  rumormill sim replay 17.trace --node 3 --from 10s --until 12s
  rumormill sim replay 17.trace --kind all --format json")]
pub struct ReplayArgs {
    /// A scenario or a trace.
    #[arg(value_name = "FILE", required_unless_present = "seed", conflicts_with = "seed")]
    pub file: Option<PathBuf>,
    /// Run a seed of `rumormill sim fuzz`.
    #[arg(long, value_name = "N", value_parser = seed)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub draw: DrawArgs,
    /// Only what happens at these nodes, such as 0,3.
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub node: Vec<usize>,
    /// Only what is about this key, and who holds it.
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// Only what happens from this time on (10s, 1500ms).
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub from: Option<Duration>,
    /// Only what happens up to this time.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub until: Option<Duration>,
    /// Kinds of events: write, hold, member, boot, join, leave, down, disk-lost, pause, resume,
    /// network, clock, stream-lost, send, send-frame, lost, receive, receive-frame, tick; or all.
    #[arg(long, value_name = "KIND,...", value_delimiter = ',', value_parser = kind)]
    pub kind: Vec<Kinds>,
}

/// What `--kind` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kinds {
    All,
    One(What),
}

fn kind(text: &str) -> Result<Kinds, String> {
    if text == "all" {
        return Ok(Kinds::All);
    }
    What::from_name(text).map(Kinds::One).ok_or_else(|| {
        let names: Vec<&str> = What::ALL.iter().map(|(_, name)| *name).collect();
        format!("there are {}, and all", names.join(", "))
    })
}
