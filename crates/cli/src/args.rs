//! What can be said on the command line. Help and completions come from here.

mod agent;
mod bench;
mod client;
mod keys;
mod ring;
mod sim;
mod strays;

pub use agent::AgentArgs;
pub use bench::{BenchCommand, BenchEpidemicArgs, BenchReconcileArgs, BenchSpreadArgs};
pub use client::{
    ClientArgs, DelArgs, ExplainCommand, ExplainKeyArgs, ExplainNodeArgs, ExplainRepairArgs,
    ExportArgs, GetArgs, ImportArgs, InputFormat, LeaveArgs, MembersArgs, ScanArgs, SetArgs,
    StatusArgs, TagArgs, TtlText, WaitArgs, WatchArgs,
};

pub use keys::{KeygenArgs, KeyringCommand};
pub use ring::{ForgetArgs, RepairCommand, RepairRingArgs};
pub use sim::{
    Begin, ClusterArgs, ConfigArgs, DrawArgs, EpidemicArgs, ExchangeArgs, FuzzArgs, GraphArgs, Hop,
    Kinds, LifeguardArgs, LoadArgs, MethodArg, Name, NetworkArgs, PlanArgs, PointArgs, ReplayArgs,
    Seeds, SettingsArgs, SimCommand, Source, SweepArgs, TopologyArgs,
};

pub use strays::{StraysCommand, StraysDropArgs, StraysListArgs, StraysRestoreArgs};

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

/// One key-value map, the same on every node of a fleet, by gossip: no leader, no quorum.
#[derive(Debug, Parser)]
#[command(name = "rumormill", version, max_term_width = 100, after_help = EXIT_CODES)]
pub struct Cli {
    /// How results and errors are written: for people, or as JSON for programs.
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub format: Format,
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong arguments or settings, 3 no agent answers,
            4 the key does not exist (get), 5 the agent refused, 130 ended by Ctrl-C (sim).

Tables are for terminals: in a pipe the cells have tabs between them and headings are in small
letters; --format json has everything.

Examples:
  rumormill demo                        five agents on this machine, with real data
  rumormill agent --data ./data         one agent
  rumormill set greeting hello          then: rumormill get greeting";

/// How things are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs: one JSON value per line.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run an agent: a node with a Redis port and an HTTP port.
    Agent(Box<AgentArgs>),
    /// Start a cluster on this machine, give it real data, and show how it spreads.
    Demo(DemoArgs),
    /// Show the state of an agent.
    Status(StatusArgs),
    /// List the members of the cluster, as one agent sees them.
    Members(MembersArgs),
    /// Show the tags of an agent, or change them.
    Tag(TagArgs),
    /// Say why things are as they are.
    #[command(subcommand)]
    Explain(ExplainCommand),
    /// Print the value of a key, byte for byte.
    Get(GetArgs),
    /// Write a value.
    Set(SetArgs),
    /// Delete keys.
    Del(DelArgs),
    /// List keys and values in the order of the keys.
    Scan(ScanArgs),
    /// Print changes as they happen, from whichever node they come.
    Watch(WatchArgs),
    /// Write many entries, from JSON lines or CSV.
    Import(ImportArgs),
    /// Read all entries, as JSON lines or CSV.
    Export(ExportArgs),
    /// Make an agent hand over what it has, say goodbye to its cluster and stop.
    Leave(LeaveArgs),
    /// Wait no longer for a member that is gone for good.
    Forget(ForgetArgs),
    /// Make all members hold the same, and show how it goes on.
    #[command(subcommand)]
    Repair(RepairCommand),
    /// List what an agent keeps aside since nothing proves what is right, and decide on it.
    #[command(subcommand)]
    Strays(StraysCommand),
    /// Make a key by which a cluster encrypts its gossip.
    Keygen(KeygenArgs),
    /// Show or change the keys of a running cluster.
    #[command(subcommand)]
    Keyring(KeyringCommand),
    /// See how news spreads before you live it: models of epidemics, and the real protocol in
    /// virtual time.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Measure what this machine can do.
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print completions for a shell.
    #[command(after_help = "\
Examples:
  rumormill completions bash > ~/.local/share/bash-completion/completions/rumormill
  rumormill completions zsh > ~/.zfunc/_rumormill
  rumormill completions fish > ~/.config/fish/completions/rumormill.fish")]
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Debug, Args)]
#[command(after_help = "\
The agents are processes of their own with folders of their own, on loopback and free ports. The
input is the package list of this machine, or --import FILE (.jsonl, .csv, or plain lines).
Ctrl-C stops them all. An agent that is killed meanwhile is told of, and what the others make of it;
the demo goes on.

Examples:
  rumormill demo
  rumormill demo --nodes 9 --for 1m
  rumormill demo --chaos --for 0s       kill -9 one agent under load, and check that nothing is lost
  rumormill demo --import users.csv --data ./demo")]
pub struct DemoArgs {
    /// How many agents.
    #[arg(long, value_name = "N", default_value_t = 5,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    pub nodes: u16,
    /// Keep the agents' folders here; otherwise they go with the demo.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Stop by itself after this long (30s, 5m); otherwise Ctrl-C stops it.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub stay: Option<Duration>,
    /// The input, instead of this machine's package list.
    #[arg(long, value_name = "FILE")]
    pub import: Option<PathBuf>,
    /// Kill one agent with SIGKILL while it takes writes, restart it, and check that every
    /// acknowledged write is on every node. Exit code 1 if not.
    #[arg(long)]
    pub chaos: bool,
}
