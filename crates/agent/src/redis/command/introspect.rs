//! `COMMAND` and the `HELP` of containers, from the one table.

use super::glob;
use super::table::{self, COMMANDS, Command, Id};
use crate::redis::fault::Fault;
use crate::redis::session::Session;
use crate::redis::wire::reply::Out;
use crate::redis::wire::resp::Request;

/// `COMMAND` and its subcommands.
pub(crate) fn run(session: &mut Session, id: Id, request: &Request<'_>) -> Result<(), Fault> {
    let out = &mut session.out;
    match id {
        Id::CommandCount => out.count(COMMANDS.len()),
        Id::CommandInfo if request.len() > 2 => {
            out.array(request.len() - 2);
            for name in request.from(2) {
                match named(name) {
                    Some(command) => entry(out, command),
                    None => out.null_array(),
                }
            }
        }
        Id::Command | Id::CommandInfo => {
            out.array(COMMANDS.len());
            for command in COMMANDS {
                entry(out, command);
            }
        }
        Id::CommandDocs => {
            let asked: Vec<_> = match request.len() {
                2 => COMMANDS.iter().collect(),
                _ => request.from(2).filter_map(named).collect(),
            };
            docs(out, &asked);
        }
        Id::CommandGetkeys => getkeys(out, request)?,
        _ => list(out, request)?,
    }
    Ok(())
}

/// `CLIENT HELP` and the like.
pub(crate) fn help(session: &mut Session, request: &Request<'_>) {
    let Some(container) = table::find(request.arg(0)) else { return };
    let out = &mut session.out;
    out.array(1 + 2 * container.subcommands.len());
    let name = container.name.to_ascii_uppercase();
    out.simple(&format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for sub in container.subcommands {
        out.simple(&own_name(sub).to_ascii_uppercase());
        out.simple(&format!("    {}", sub.summary));
    }
}

fn own_name(command: &Command) -> &str {
    command.name.split_once('|').map_or(command.name, |(_, own)| own)
}

/// A command by name, or a subcommand by `container|name`.
fn named(name: &[u8]) -> Option<&'static Command> {
    match name.iter().position(|byte| *byte == b'|') {
        None => table::find(name),
        Some(bar) => {
            let (container, rest) = name.split_at_checked(bar)?;
            table::find(container)?.subcommand(rest.get(1..)?)
        }
    }
}

fn entry(out: &mut Out, command: &Command) {
    out.array(10);
    out.bulk(command.name.as_bytes());
    out.int(command.arity.into());
    words(out, &command.flag_names());
    let (first, last, step) = command.keys;
    for position in [first, last, step] {
        out.int(position.into());
    }
    words(out, &command.categories());
    out.set(0);
    out.set(0);
    out.array(command.subcommands.len());
    for sub in command.subcommands {
        entry(out, sub);
    }
}

fn words(out: &mut Out, words: &[&str]) {
    out.set(words.len());
    for word in words {
        out.simple(word);
    }
}

fn docs(out: &mut Out, commands: &[&'static Command]) {
    out.map(commands.len());
    for command in commands {
        out.bulk(command.name.as_bytes());
        out.map(3 + usize::from(!command.subcommands.is_empty()));
        for (field, text) in
            [("summary", command.summary), ("since", command.since), ("group", command.group)]
        {
            out.bulk(field.as_bytes());
            out.bulk(text.as_bytes());
        }
        if !command.subcommands.is_empty() {
            out.bulk(b"subcommands");
            let subcommands: Vec<_> = command.subcommands.iter().collect();
            docs(out, &subcommands);
        }
    }
}

/// `COMMAND GETKEYS command [args]`
fn getkeys(out: &mut Out, request: &Request<'_>) -> Result<(), Fault> {
    let mut command =
        table::find(request.arg(2)).ok_or(Fault::from("ERR Invalid command specified"))?;
    if !command.subcommands.is_empty() {
        let sub = command.subcommand(request.arg(3));
        command = sub.ok_or(Fault::from("ERR Invalid command specified"))?;
    }
    let args = request.len() - 2;
    if !command.takes(args) {
        return Err("ERR Invalid number of arguments specified for command".into());
    }
    let (first, last, step) = command.keys;
    let (Ok(first @ 1..), Ok(step @ 1..)) = (usize::try_from(first), usize::try_from(step)) else {
        return Err("ERR The command has no key arguments".into());
    };
    let last = match usize::try_from(last) {
        Ok(last) => last,
        Err(_) => args.saturating_sub(usize::from(last.unsigned_abs())),
    };
    let keys = (first..=last).step_by(step);
    out.array(keys.clone().count());
    for index in keys {
        out.bulk(request.arg(2 + index));
    }
    Ok(())
}

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`
fn list(out: &mut Out, request: &Request<'_>) -> Result<(), Fault> {
    let value = request.arg(4);
    let chosen: Vec<_> = match request.len() {
        2 => COMMANDS.iter().collect(),
        5 if request.is(2, "filterby") && request.is(3, "module") => Vec::new(),
        5 if request.is(2, "filterby") && request.is(3, "aclcat") => {
            let category = format!("@{}", String::from_utf8_lossy(value).to_ascii_lowercase());
            COMMANDS.iter().filter(|c| c.categories().contains(&category.as_str())).collect()
        }
        5 if request.is(2, "filterby") && request.is(3, "pattern") => {
            if value.len() > glob::MAX_PATTERN {
                return Err("ERR the pattern is too long".into());
            }
            let pattern = value.to_ascii_lowercase();
            COMMANDS.iter().filter(|c| glob::matches(&pattern, c.name.as_bytes())).collect()
        }
        _ => return Err(Fault::SYNTAX),
    };
    out.array(chosen.len());
    for command in chosen {
        out.bulk(command.name.as_bytes());
    }
    Ok(())
}
