//! The names of all settings, and values as text.

use crate::tags::parse_tag;
use rumormill_core::Config;
use serde::de::DeserializeOwned;
use toml::Value;

/// Settings of the agent itself; those of the protocol are found in [`Config`].
const OWN: [&str; 32] = [
    "name",
    "gossip",
    "advertise",
    "redis",
    "http",
    "http_hosts",
    "loading",
    "data",
    "join",
    "tags",
    "insecure",
    "ephemeral",
    "allow_shared_name",
    "on_terminate",
    "leave_timeout",
    "fsync",
    "key_file",
    "encryption",
    "redis_password_file",
    "http_token_file",
    "tls.cert",
    "tls.key",
    "tls.client_ca",
    "tls.redis.cert",
    "tls.redis.key",
    "tls.redis.client_ca",
    "tls.http.cert",
    "tls.http.key",
    "tls.http.client_ca",
    "log",
    "log_format",
    "protocol",
];

/// The names of all settings, as dotted paths.
#[must_use]
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = OWN.iter().map(|&name| name.into()).collect();
    collect(&protocol(), "", &mut names);
    names
}

/// The environment variable of a setting.
#[must_use]
pub fn env_name(field: &str) -> String {
    format!("RUMORMILL_{}", field.replace('.', "_").to_ascii_uppercase())
}

fn protocol() -> toml::Table {
    toml::Table::try_from(Config::default()).unwrap_or_default()
}

fn collect(table: &toml::Table, under: &str, names: &mut Vec<String>) {
    for (key, value) in table {
        let path = if under.is_empty() { key.clone() } else { format!("{under}.{key}") };
        match value {
            Value::Table(inner) => collect(inner, &path, names),
            _ => names.push(path),
        }
    }
}

/// A value written as text, in the type that the setting has by default.
pub(super) fn from_text(field: &str, text: &str) -> Result<Value, String> {
    let boolean = || match text {
        "true" | "1" | "yes" => Ok(Value::Boolean(true)),
        "false" | "0" | "no" => Ok(Value::Boolean(false)),
        _ => Err(format!("{text:?} is neither true nor false")),
    };
    match field {
        "join" | "http_hosts" => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            return Ok(Value::Array(parts.map(|part| Value::String(part.into())).collect()));
        }
        "tags" => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let tags = parts.map(parse_tag).collect::<Result<Vec<_>, _>>()?;
            let tags = tags.into_iter().map(|(name, value)| (name, Value::String(value)));
            return Ok(Value::Table(tags.collect()));
        }
        "insecure" | "ephemeral" | "allow_shared_name" => return boolean(),
        _ => {}
    }
    let table = Value::Table(protocol());
    match field.split('.').try_fold(&table, |value, part| value.get(part)) {
        Some(Value::Boolean(_)) => boolean(),
        Some(Value::Integer(_)) => {
            let number = text.replace('_', "").parse().map(Value::Integer);
            number.map_err(|_| format!("{text:?} is no whole number"))
        }
        Some(Value::Float(_)) => {
            text.parse().map(Value::Float).map_err(|_| format!("{text:?} is no number"))
        }
        _ => Ok(Value::String(text.into())),
    }
}

/// A value in the type of its field.
pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    value.try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

/// A known name that looks like a mistyped one.
pub(super) fn nearest(field: &str) -> Option<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    // A mistyped last part counts fully; a right one in a wrong table is the next best guess.
    let known = names();
    if let Some(name) = like(field, known.iter()) {
        return Some(name.into());
    }
    known.into_iter().find(|name| last(name) == last(field))
}

/// The one of `known` that looks like a mistyped `name`.
pub(super) fn like<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> Option<&'a str> {
    let (wrong, near) = known.map(|near| (distance(near, name), near)).min()?;
    (wrong <= 2.max(name.len() / 4)).then_some(near)
}

/// Letters to change, add or drop to make one of the other (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(64).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (j, b) in right.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX - 1);
            let here = (diagonal + usize::from(a != *b)).min(above + 1).min(before + 1);
            diagonal = above;
            before = here;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = here;
            }
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
