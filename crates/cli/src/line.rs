//! The command line as it was typed: read, and refused in the format that was asked for.

use crate::args::{Cli, Format};
use crate::failure::Code;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, CommandFactory as _, FromArgMatches as _};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

/// What the command line says; an exit code if there is nothing to carry out.
pub fn read() -> Result<Cli, ExitCode> {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let command = Cli::command();
    let words = negative(typed.clone(), &with_values(&command));
    let matches = command.try_get_matches_from(words);
    matches
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| tell(&error, format_of(&typed)))
}

/// The format that was asked for, as far as it can be told where the line cannot be read.
fn format_of(words: &[OsString]) -> Format {
    let mut words = words.iter().skip(1).map(|word| word.to_string_lossy());
    let mut format = Format::Human;
    while let Some(word) = words.next().filter(|word| word != "--") {
        let value = match word.strip_prefix("--format=") {
            Some(value) => value.to_owned(),
            None if word == "--format" => words.next().unwrap_or_default().into_owned(),
            None => continue,
        };
        format = if value == "json" { Format::Json } else { Format::Human };
    }
    format
}

/// The names of all options that take a value.
fn with_values(command: &clap::Command) -> BTreeSet<String> {
    let takes = |arg: &&clap::Arg| {
        matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) && !arg.is_positional()
    };
    let mut found = BTreeSet::new();
    for arg in command.get_arguments().filter(takes) {
        let names = arg.get_long_and_visible_aliases().unwrap_or_default();
        found.extend(names.into_iter().map(|name| format!("--{name}")));
    }
    for command in command.get_subcommands() {
        found.extend(with_values(command));
    }
    found
}

/// Joins options to negative values behind them: `--ttl -5s` is `--ttl=-5s`, so that the option's own
/// reader says what is wrong with it.
fn negative(words: Vec<OsString>, options: &BTreeSet<String>) -> Vec<OsString> {
    let mut joined: Vec<OsString> = Vec::with_capacity(words.len());
    let mut over = false;
    for word in words {
        let text = word.to_string_lossy();
        let is_negative = text.strip_prefix('-').is_some_and(|rest| {
            let rest = rest.strip_prefix('.').unwrap_or(rest);
            rest.starts_with(|first: char| first.is_ascii_digit())
        });
        let before = joined.last_mut().filter(|_| is_negative && !over);
        match before.filter(|before| options.contains(&*before.to_string_lossy())) {
            Some(before) => {
                before.push("=");
                before.push(&word);
            }
            None => {
                over |= text == "--";
                joined.push(word);
            }
        }
    }
    joined
}

/// Writes what clap has to say, and answers the exit code.
fn tell(error: &clap::Error, format: Format) -> ExitCode {
    let shown = error.render();
    let is_answer = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let code = if is_answer { 0 } else { Code::Usage as u8 };
    // There is nowhere left to say that an output is closed.
    let _ = match (format, error.kind()) {
        (Format::Json, ErrorKind::DisplayVersion) => {
            let version = env!("CARGO_PKG_VERSION");
            let json = serde_json::json!({ "name": "rumormill", "version": version });
            writeln!(std::io::stdout(), "{json}")
        }
        (Format::Json, ErrorKind::DisplayHelp) => {
            let json = serde_json::json!({ "help": shown.to_string() });
            writeln!(std::io::stdout(), "{json}")
        }
        (Format::Json, _) => {
            let message = reason(error).unwrap_or_else(|| message(&shown.to_string()));
            let json = serde_json::json!({ "error": message, "code": code });
            writeln!(std::io::stderr(), "{json}")
        }
        (Format::Human, _) => match reason(error) {
            Some(reason) => writeln!(std::io::stderr(), "error: {reason}"),
            None => error.print(),
        },
    };
    ExitCode::from(code)
}

/// What clap says without its heading, and without the usage below.
fn message(shown: &str) -> String {
    let text = shown.strip_prefix("error: ").unwrap_or(shown);
    let text = text.split("\nUsage: ").next().unwrap_or(text);
    let text = text.split("\nFor more information").next().unwrap_or(text);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Why a negative value is refused, where its reader says no more than that it is no number or time.
fn reason(error: &clap::Error) -> Option<String> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let (value, arg) = (text(ContextKind::InvalidValue)?, text(ContextKind::InvalidArg)?);
    let why = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let says_little = ["invalid digit", "expected number", "begin with a number"]
        .iter()
        .any(|words| why.contains(words));
    (error.kind() == ErrorKind::ValueValidation && value.starts_with('-') && says_little)
        .then(|| format!("invalid value '{value}' for '{arg}': it cannot be negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn negative_values_go_to_their_options() {
        let options = with_values(&Cli::command());
        for (typed, read) in [
            ("x set a b --ttl -5", "x set a b --ttl=-5"),
            ("x set a b --ttl -5s", "x set a b --ttl=-5s"),
            ("x scan --limit -.5", "x scan --limit=-.5"),
            ("x set a -5", "x set a -5"),
            ("x set a --owned -5", "x set a --owned -5"),
            ("x set a --ttl --owned", "x set a --ttl --owned"),
            ("x set -- --ttl -5", "x set -- --ttl -5"),
        ] {
            assert_eq!(negative(words(typed), &options), words(read), "{typed}");
        }
    }

    #[test]
    fn the_format_is_known_where_the_line_is_wrong() {
        for (line, format) in [
            ("x --format json nonsense", Format::Json),
            ("x nonsense --format=json", Format::Json),
            ("x get", Format::Human),
            ("x set a -- --format json", Format::Human),
            ("x --format", Format::Human),
        ] {
            assert_eq!(format_of(&words(line)), format, "{line}");
        }
    }
}
