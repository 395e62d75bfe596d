//! `COMMAND` and the `HELP` of containers, from the one table.

use super::glob::{self, Glob};
use super::synopsis::{self, Arg};
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
        let usage = [&own_name(sub).to_ascii_uppercase(), sub.synopsis].join(" ");
        out.simple(usage.trim_end());
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
    let tips: Vec<_> = command.tips.split_whitespace().collect();
    out.set(tips.len());
    tips.iter().for_each(|tip| out.bulk(tip.as_bytes()));
    key_specifications(out, command);
    out.array(command.subcommands.len());
    for sub in command.subcommands {
        entry(out, sub);
    }
}

/// Where the keys are and what is done with them, the way of Redis 7: from the first on, so many
/// behind it or from the end.
fn key_specifications(out: &mut Out, command: &Command) {
    let (first, last, step) = command.keys;
    if first == 0 {
        return out.set(0);
    }
    out.set(1);
    out.map(3);
    out.bulk(b"flags");
    let access: Vec<_> = command.access.split_whitespace().collect();
    words(out, &access);
    let last = if last < 0 { last } else { last - first };
    let spec = |out: &mut Out, name: &str, kind: &str, numbers: &[(&str, i8)]| {
        out.bulk(name.as_bytes());
        out.map(2);
        out.bulk(b"type");
        out.bulk(kind.as_bytes());
        out.bulk(b"spec");
        out.map(numbers.len());
        for (name, number) in numbers {
            out.bulk(name.as_bytes());
            out.int((*number).into());
        }
    };
    spec(out, "begin_search", "index", &[("index", first)]);
    spec(out, "find_keys", "range", &[("lastkey", last), ("keystep", step), ("limit", 0)]);
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
        let args = synopsis::args(command.synopsis);
        let (parts, whole) = (!args.is_empty(), !command.subcommands.is_empty());
        out.map(3 + usize::from(parts) + usize::from(whole));
        for (field, text) in
            [("summary", command.summary), ("since", command.since), ("group", command.group)]
        {
            out.bulk(field.as_bytes());
            out.bulk(text.as_bytes());
        }
        if parts {
            out.bulk(b"arguments");
            arguments(out, &args);
        }
        if whole {
            out.bulk(b"subcommands");
            let subcommands: Vec<_> = command.subcommands.iter().collect();
            docs(out, &subcommands);
        }
    }
}

fn arguments(out: &mut Out, args: &[Arg]) {
    out.array(args.len());
    for arg in args {
        let contains = !arg.args.is_empty();
        let text = |out: &mut Out, field: &str, text: &str| {
            out.bulk(field.as_bytes());
            out.bulk(text.as_bytes());
        };
        let (is_key, has_flags) = (arg.kind == "key", arg.optional || arg.multiple);
        let more = [true, is_key, arg.token.is_some(), has_flags];
        out.map(2 + more.iter().filter(|there| **there).count());
        text(out, "name", &arg.name);
        text(out, "type", arg.kind);
        if !contains {
            text(out, "display_text", &arg.name);
        }
        if is_key {
            out.bulk(b"key_spec_index");
            out.int(0);
        }
        if let Some(token) = arg.token {
            text(out, "token", token);
        }
        if has_flags {
            out.bulk(b"flags");
            let flags = [(arg.optional, "optional"), (arg.multiple, "multiple")];
            let flags: Vec<_> = flags.iter().filter(|(is, _)| *is).map(|(_, name)| *name).collect();
            words(out, &flags);
        }
        if contains {
            out.bulk(b"arguments");
            arguments(out, &arg.args);
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

/// `COMMAND LIST [FILTERBY MODULE name | ACLCAT category | PATTERN pattern]`, subcommands included.
fn list(out: &mut Out, request: &Request<'_>) -> Result<(), Fault> {
    let value = request.arg(4);
    let all =
        COMMANDS.iter().flat_map(|command| std::iter::once(command).chain(command.subcommands));
    let chosen: Vec<_> = match request.len() {
        2 => all.collect(),
        5 if request.is(2, "filterby") && request.is(3, "module") => Vec::new(),
        5 if request.is(2, "filterby") && request.is(3, "aclcat") => {
            let category = format!("@{}", String::from_utf8_lossy(value).to_ascii_lowercase());
            all.filter(|c| c.categories().contains(&category.as_str())).collect()
        }
        5 if request.is(2, "filterby") && request.is(3, "pattern") => {
            if value.len() > glob::MAX_PATTERN {
                return Err("ERR the pattern is too long".into());
            }
            let pattern = Glob::new(&value.to_ascii_lowercase());
            all.filter(|c| pattern.matches(c.name.as_bytes())).collect()
        }
        _ => return Err(Fault::SYNTAX),
    };
    out.array(chosen.len());
    for command in chosen {
        out.bulk(command.name.as_bytes());
    }
    Ok(())
}
