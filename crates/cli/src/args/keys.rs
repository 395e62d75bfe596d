//! Arguments of the commands about keys.

use super::ClientArgs;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
#[command(after_help = "\
A key is 256 random bits as one line of text. All nodes of a cluster need the same one:
`rumormill agent --key-file FILE`. Copy the file by a way that others cannot read. A file that
exists is never overwritten; a new one may be used by its owner only (mode 0600), as agents demand.

Examples:
  rumormill keygen /etc/rumormill.key
  rumormill keygen | ssh other 'umask 077; cat > /etc/rumormill.key'")]
pub struct KeygenArgs {
    /// Where to write it; standard output without.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
#[command(after_help = "\
Rotation, without a restart and at any one agent:
  rumormill keyring add                   a new key, known to all moments later
  rumormill keyring use 5f0c3a9d21b7e846  seal with it (once all have it)
  rumormill keyring remove 91ab…          take the old one out (once nobody seals with it)

Examples:
  rumormill keyring list
  rumormill keyring list --format json | jq -r '.keys[]'
  rumormill keyring add new.key")]
pub enum KeyringCommand {
    /// List the keys by their ids, and which member holds which.
    List(KeyringListArgs),
    /// Add a key to the ring: all open with it from then on.
    Add(KeyringAddArgs),
    /// Make a key primary: all seal with it from then on.
    Use(KeyringUseArgs),
    /// Remove a key from the ring.
    Remove(KeyringRemoveArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Keys are named by their ids, which give nothing of them away.

Examples:
  rumormill keyring list
  rumormill keyring list --http 10.0.0.7:7480 --format json")]
pub struct KeyringListArgs {
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Without FILE the agent makes a new key; it never leaves the agents and their key files. With FILE the
key in it goes to the agent over HTTP, which is not encrypted: do that on the agent's machine.

Examples:
  rumormill keyring add
  rumormill keyring add new.key")]
pub struct KeyringAddArgs {
    /// A file with one key, as `rumormill keygen FILE` writes it.
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Refused (exit code 5) while a member that is there is not known to have the key.

Examples:
  rumormill keyring use 5f0c3a9d21b7e846")]
pub struct KeyringUseArgs {
    /// The id of the key, 16 digits.
    #[arg(value_name = "ID")]
    pub id: String,
    #[command(flatten)]
    pub client: ClientArgs,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Refused (exit code 5) for the primary key, and while a member that is there may still seal with it.
A member that is away meanwhile, and had only this key, needs a new key file before it can come
back.

Examples:
  rumormill keyring remove 91ab02c46d3f58e7
  rumormill keyring remove 91ab02c46d3f58e7 --force")]
pub struct KeyringRemoveArgs {
    /// The id of the key, 16 digits.
    #[arg(value_name = "ID")]
    pub id: String,
    /// Remove it even if members may still seal with it: they are locked out.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub client: ClientArgs,
}
