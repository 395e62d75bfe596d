//! Variables of the environment that were meant for us.

use crate::args::{Cli, Command};
use crate::failure::Failure;
use clap::CommandFactory as _;
use std::collections::BTreeSet;

/// Refuses mistyped variables, where a command reads any.
pub fn check(command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Demo(_)
        | Command::Sim(_)
        | Command::Bench(_)
        | Command::Keygen(_)
        | Command::Completions { .. } => Ok(()),
        _ => rumormill::settings::check_variables(std::env::vars_os(), read_by_flags())
            .map_err(|error| Failure::usage(error.to_string())),
    }
}

/// The variables that flags are read from.
fn read_by_flags() -> BTreeSet<String> {
    fn walk(command: &clap::Command, found: &mut BTreeSet<String>) {
        let names = command.get_arguments().filter_map(clap::Arg::get_env);
        found.extend(names.map(|name| name.to_string_lossy().into_owned()));
        command.get_subcommands().for_each(|command| walk(command, found));
    }
    let mut found = BTreeSet::new();
    walk(&Cli::command(), &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_read_from_variables() {
        let found = read_by_flags();
        for name in ["RUMORMILL_HTTP", "RUMORMILL_CA", "RUMORMILL_CLIENT_KEY"] {
            assert!(found.contains(name), "{name} in {found:?}");
        }
    }
}
