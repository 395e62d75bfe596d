//! Arguments of the commands about ring repair and members that are gone for good.

use super::ClientArgs;
use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Examples:
  rumormill repair ring                     a pass over all members, and wait for its end")]
pub enum RepairCommand {
    /// Make a pass over all members, after which each holds everything that any of them held, and
    /// tombstones go.
    Ring(RepairRingArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
A token goes round all members twice, and each gives the next what it lacks: 2N - 2 hops for N
members. Agents do so by themselves (ring.interval, once an hour); this command does it now. A pass
visits every member, so it does not begin while one is dead, and it waits for one that falls silent:
start that member again, or go on without it (`rumormill forget NAME`).

If a pass that this agent began is under way, the command watches that one. Ctrl-C ends the watching;
the pass goes on.

Examples:
  rumormill repair ring
  rumormill repair ring --no-wait           begin one, and look later
  rumormill repair ring --format json | jq .tombstones")]
pub struct RepairRingArgs {
    /// Wait for the end of the pass; this is the default.
    #[arg(long, overrides_with = "no_wait")]
    pub wait: bool,
    /// Return when the pass has begun.
    #[arg(long, overrides_with = "wait")]
    pub no_wait: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Passes of ring repair wait for every member that is dead, and tombstones are kept meanwhile. One that
is gone for good is forgotten, by this command or after ring.reap_after (three days). Should it come
back after all, it is brought back to what the others hold: what was deleted meanwhile stays deleted,
and what only it had written since is kept.

Examples:
  rumormill status                          names whom tombstones are held by
  rumormill forget db-3
  rumormill forget 9c1d3a0be52f7d46         by its id, where two go by one name
  rumormill forget db-3 --force             although most members are away")]
pub struct ForgetArgs {
    /// Its name, or its id.
    pub member: String,
    /// Do so even if the members that are here are no majority. If the others are on the far side of
    /// a partition, what they have written may be lost.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
