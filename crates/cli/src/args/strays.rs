//! Arguments of the commands about what is kept aside.

use super::ClientArgs;
use clap::{Args, Subcommand};
use std::ffi::OsString;

#[derive(Debug, Subcommand)]
#[command(after_help = "\
An agent that was away while the others completed passes of ring repair may hold what they do not, and
sometimes nothing proves whether that was deleted or was never known to them. Such entries are kept
aside on that agent: they are not served and not spread, until somebody decides.

Examples:
  rumormill strays list
  rumormill strays restore user/17 user/18  write them again
  rumormill strays drop --all --yes         let all of them go")]
pub enum StraysCommand {
    /// List what an agent keeps aside: what it is, who wrote it when, why it is there, and what the
    /// others hold now.
    List(StraysListArgs),
    /// Make what is kept aside new writes, which all members get.
    Restore(StraysRestoreArgs),
    /// Drop what is kept aside, for good.
    Drop(StraysDropArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Strays are listed by the hashes of their keys.

Examples:
  rumormill strays list
  rumormill strays list --limit 1000 --format json | jq -r '.strays[].key'
  rumormill strays list --http 10.0.0.7:7480")]
pub struct StraysListArgs {
    /// At most this many.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    pub limit: u64,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Each becomes a new write of this agent: the value with its expiry, or the deletion. It takes the place
of what the others hold under its key.

Examples:
  rumormill strays restore user/17
  rumormill strays restore --all")]
pub struct StraysRestoreArgs {
    /// The keys.
    #[arg(value_name = "KEY", required_unless_present = "all", conflicts_with = "all")]
    pub keys: Vec<OsString>,
    /// All that is kept aside.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is dropped is gone, unless another member holds it.

Examples:
  rumormill strays drop user/17
  rumormill strays drop --all --yes")]
pub struct StraysDropArgs {
    /// The keys.
    #[arg(value_name = "KEY", required_unless_present = "all", conflicts_with = "all")]
    pub keys: Vec<OsString>,
    /// All that is kept aside.
    #[arg(long)]
    pub all: bool,
    /// Do not ask before all are dropped.
    #[arg(long)]
    pub yes: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
