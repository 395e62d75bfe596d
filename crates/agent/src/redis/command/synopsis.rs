//! How a command is written, in the notation of Redis' manual, and the arguments that `COMMAND DOCS`
//! tells of it: `key [EX seconds|KEEPTTL] [PAIRS (name value)...]`.
//!
//! Words in capitals are tokens, and the word behind one is its value; `[...]` may be left out, `|`
//! stands between what excludes each other, `(...)` binds together, and `...` says once or more
//! often.

/// One argument, as `COMMAND DOCS` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Arg {
    pub name: String,
    /// `key`, `string`, `integer`, `pattern`, `unix-time`, `pure-token`, `oneof` or `block`.
    pub kind: &'static str,
    /// The word in capitals before it, or that it is.
    pub token: Option<&'static str>,
    pub optional: bool,
    pub multiple: bool,
    /// Of `oneof` and `block`.
    pub args: Vec<Self>,
}

/// Reads a synopsis of the table.
pub(crate) fn args(synopsis: &'static str) -> Vec<Arg> {
    let (mut args, _) = alternatives(synopsis);
    args.pop().unwrap_or_default()
}

/// What stands between bars, and what comes after the bracket that ends it.
fn alternatives(text: &'static str) -> (Vec<Vec<Arg>>, &'static str) {
    let (mut all, mut rest) = (vec![Vec::new()], text);
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return (all, rest) };
        let Some(args) = all.last_mut() else { return (all, rest) };
        match first {
            '|' => {
                rest = behind(rest, 1);
                all.push(Vec::new());
            }
            ']' | ')' => return (all, behind(rest, 1)),
            '.' => {
                rest = rest.trim_start_matches('.');
                if let Some(last) = args.last_mut() {
                    last.multiple = true;
                }
            }
            '[' | '(' => {
                let (inner, after) = alternatives(behind(rest, 1));
                args.push(Arg { optional: first == '[', ..group(inner) });
                rest = after;
            }
            _ => {
                let (word, after) = word(rest);
                // The table's own test finds what is no synopsis.
                if word.is_empty() {
                    return (all, "");
                }
                rest = after;
                args.push(match is_token(word) {
                    false => leaf(word, None),
                    true => {
                        let (value, behind) = self::word(after.trim_start());
                        if value.is_empty() || is_token(value) {
                            Arg { kind: "pure-token", token: Some(word), ..leaf(word, None) }
                        } else {
                            rest = behind;
                            leaf(value, Some(word))
                        }
                    }
                });
            }
        }
    }
}

/// What a pair of brackets makes of what is in it.
fn group(mut inner: Vec<Vec<Arg>>) -> Arg {
    let (kind, mut args) = match inner.len() {
        1 => ("block", inner.pop().unwrap_or_default()),
        _ => ("oneof", inner.into_iter().map(|args| group(vec![args])).collect()),
    };
    match args.pop() {
        Some(arg) if args.is_empty() => arg,
        last => {
            args.extend(last);
            let name = args.iter().map(|arg| arg.name.as_str()).collect::<Vec<_>>().join("_");
            Arg { name, kind, token: None, optional: false, multiple: false, args }
        }
    }
}

fn leaf(word: &str, token: Option<&'static str>) -> Arg {
    let name = word.to_ascii_lowercase();
    let kind = match word {
        "key" => "key",
        "pattern" => "pattern",
        "unix-time-seconds" | "unix-time-milliseconds" => "unix-time",
        "seconds" | "milliseconds" | "count" | "cursor" | "start" | "end" | "index" | "timeout"
        | "numreplicas" | "protover" | "client-id" => "integer",
        _ => "string",
    };
    Arg { name, kind, token, optional: false, multiple: false, args: Vec::new() }
}

fn is_token(word: &str) -> bool {
    word.starts_with(|first: char| first.is_ascii_uppercase())
}

fn word(text: &'static str) -> (&'static str, &'static str) {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    text.split_at_checked(end.unwrap_or(text.len())).unwrap_or_default()
}

fn behind(text: &'static str, bytes: usize) -> &'static str {
    text.get(bytes..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::table::COMMANDS;
    use super::*;

    /// As `redis-cli` shows what it was told.
    fn shown(args: &[Arg], between: &str) -> String {
        let shown = |arg: &Arg| {
            let inner = match arg.kind {
                "pure-token" => String::new(),
                "oneof" => shown(&arg.args, "|"),
                "block" => shown(&arg.args, " "),
                _ => arg.name.clone(),
            };
            let token = arg.token.unwrap_or_default();
            let text = [token, &inner].join(" ").trim().to_owned();
            let text = match (arg.kind, arg.optional) {
                ("oneof" | "block", false) => format!("({text})"),
                _ => text,
            };
            let text = if arg.multiple { text + "..." } else { text };
            if arg.optional { format!("[{text}]") } else { text }
        };
        args.iter().map(shown).collect::<Vec<_>>().join(between)
    }

    #[test]
    fn what_is_read_says_the_same() {
        for command in COMMANDS {
            for command in std::iter::once(command).chain(command.subcommands) {
                let args = args(command.synopsis);
                assert_eq!(shown(&args, " "), command.synopsis, "{}", command.name);
                // Where keys are said to be there are some, and the least that is asked for is
                // taken.
                let keys = args.iter().any(|arg| arg.kind == "key" || arg.name.contains("key_"));
                assert_eq!(keys, command.keys.0 > 0, "{}", command.name);
                if command.subcommands.is_empty() {
                    let least: usize = args.iter().map(least).sum();
                    let words = 1 + command.name.matches('|').count();
                    assert!(command.takes(words + least), "{}", command.name);
                    assert!(!command.takes(words + least - 1) || least == 0, "{}", command.name);
                }
            }
        }
    }

    fn least(arg: &Arg) -> usize {
        let inner = match arg.kind {
            "oneof" => arg.args.iter().map(least).min().unwrap_or_default(),
            "block" => arg.args.iter().map(least).sum(),
            "pure-token" => 0,
            _ => 1,
        };
        if arg.optional { 0 } else { inner + usize::from(arg.token.is_some()) }
    }

    #[test]
    fn arguments_of_every_kind() {
        let args = args("key [EX seconds|KEEPTTL] (field value)... [GET]");
        let kinds: Vec<_> = args.iter().map(|arg| (arg.kind, arg.optional, arg.multiple)).collect();
        let wanted = [
            ("key", false, false),
            ("oneof", true, false),
            ("block", false, true),
            ("pure-token", true, false),
        ];
        assert_eq!(kinds, wanted);
        assert_eq!(args[1].name, "seconds_keepttl");
        let (seconds, keep) = (&args[1].args[0], &args[1].args[1]);
        assert_eq!(
            (seconds.kind, seconds.token, &*seconds.name),
            ("integer", Some("EX"), "seconds")
        );
        assert_eq!(
            (keep.kind, keep.token, &*keep.name),
            ("pure-token", Some("KEEPTTL"), "keepttl")
        );
        assert_eq!(args[3].token, Some("GET"));
        assert!(super::args("").is_empty());
    }
}
