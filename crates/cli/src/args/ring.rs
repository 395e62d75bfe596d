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

It is complete only if more than half of those whom the last one covered take part, counted as they
were: so two sides of a cluster never both go on. The first pass needs everybody that anybody knows
of. If too few are there it is given up, and it is said who is missing.

If a pass that this agent began is under way, the command watches that one. Ctrl-C ends the watching;
the pass goes on.

Examples:
  rumormill repair ring
  rumormill repair ring --no-wait           begin one, and look later
  rumormill repair ring --first             a new cluster, of which a member is gone for good
  rumormill repair ring --format json | jq .tombstones")]
pub struct RepairRingArgs {
    /// Wait for the end of the pass; this is the default.
    #[arg(long, overrides_with = "no_wait")]
    pub wait: bool,
    /// Return when the pass has begun.
    #[arg(long, overrides_with = "wait")]
    pub no_wait: bool,
    /// Make the first pass of a cluster without members that are missing. You say that whoever is
    /// missing holds nothing that counts, and that no others make a first pass of their own; what
    /// only they hold is kept aside should they return. Of no effect once a pass was complete.
    #[arg(long)]
    pub first: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Passes of ring repair wait for every member that is dead, and tombstones are kept meanwhile. One that
is gone for good is forgotten, by this command or after ring.reap_after (three days): then it is in no
pass any more. It still counts among those of whom more than half must take part in the next pass, until
one without it is complete. Should it come back after all, it is brought back to what the others hold:
what was deleted meanwhile stays deleted, what only it had written since is kept, and what nothing
proves is kept aside (`rumormill strays`).

--force is for when too few are left for that half: it says that the member is gone for good, and that
no others go on with it. If that is wrong, what was deleted may come back and what was written may be
lost. Passes remember that they were forced.

Examples:
  rumormill status                          names whom tombstones are held by
  rumormill forget db-3
  rumormill forget 9c1d3a0be52f7d46         by its id, where two go by one name
  rumormill forget db-3 --force             its vote in passes does not count any more either")]
pub struct ForgetArgs {
    /// Its name, or its id.
    pub member: String,
    /// Waive its vote as well: it is gone for good, and no others go on with it. If it is on the far
    /// side of a partition, what was deleted may come back, and what was written there be lost.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
