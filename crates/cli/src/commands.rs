//! The commands, one file each.

mod agent;
mod bench;
mod completions;
mod del;
mod demo;
mod explain;
mod export;
mod forget;
mod get;
mod import;
mod interrupt;
mod keygen;
mod keyring;
mod leave;
mod members;
mod progress;
mod repair;
mod scan;
mod set;
mod sim;
mod status;
mod strays;
mod tag;
mod watch;

use crate::args::{Cli, Command};

/// Carries out what the command line says.
pub fn run(cli: Cli) -> anyhow::Result<()> {
    let format = cli.format;
    match cli.command {
        Command::Agent(args) => agent::run(&args, format),
        Command::Demo(args) => demo::run(&args, format),
        Command::Status(args) => status::run(&args, format),
        Command::Members(args) => members::run(&args, format),
        Command::Tag(args) => tag::run(&args, format),
        Command::Explain(command) => explain::run(&command, format),
        Command::Get(args) => get::run(&args, format),
        Command::Set(args) => set::run(&args, format),
        Command::Del(args) => del::run(&args, format),
        Command::Scan(args) => scan::run(&args, format),
        Command::Watch(args) => watch::run(&args, format),
        Command::Import(args) => import::run(&args, format),
        Command::Export(args) => export::run(&args, format),
        Command::Leave(args) => leave::run(&args, format),
        Command::Forget(args) => forget::run(&args, format),
        Command::Repair(command) => repair::run(&command, format),
        Command::Strays(command) => strays::run(&command, format),
        Command::Keygen(args) => keygen::run(&args, format),
        Command::Keyring(command) => keyring::run(&command, format),
        Command::Sim(command) => sim::run(&command, format),
        Command::Bench(command) => bench::run(&command, format),
        Command::Completions { shell } => completions::run(shell, format),
    }
}
