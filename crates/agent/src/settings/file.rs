//! Settings from a TOML file, each with the line that it stands on.

use super::error::{Origin, SettingsError};
use super::given::Given;
use super::names::names;
use std::io::Read as _;
use std::path::Path;
use toml::Value;
use toml::de::{DeTable, DeValue};

/// Longest file, bytes.
const MAX_FILE: u64 = 1 << 20;

pub(super) fn load(path: &Path) -> Result<Vec<Given>, SettingsError> {
    let unreadable = |reason: String| SettingsError::Unreadable { path: path.to_owned(), reason };
    let mut bytes = Vec::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(unreadable("it is over 1 MiB".into()));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".into()))?;
    parse(path, &text)
}

pub(super) fn parse(path: &Path, text: &str) -> Result<Vec<Given>, SettingsError> {
    let syntax = |error: toml::de::Error| SettingsError::Syntax {
        path: path.to_owned(),
        line: line_of(text, error.span().map_or(0, |span| span.start)),
        message: error.message().to_owned(),
    };
    let values = text.parse::<toml::Table>().map_err(syntax)?;
    let spans = DeTable::parse(text).map_err(syntax)?;
    let mut reader = Reader { path, text, names: names(), given: Vec::new() };
    reader.walk(spans.get_ref(), &values, "")?;
    reader.given.sort_by_key(|given| match given.origin {
        Origin::File(_, line) => line,
        _ => 0,
    });
    Ok(reader.given)
}

struct Reader<'a> {
    path: &'a Path,
    text: &'a str,
    names: Vec<String>,
    given: Vec<Given>,
}

impl Reader<'_> {
    fn walk(
        &mut self,
        spans: &DeTable<'_>,
        values: &toml::Table,
        under: &str,
    ) -> Result<(), SettingsError> {
        for (key, span) in spans {
            let name = key.get_ref().as_ref();
            let Some(value) = values.get(name) else { continue };
            let field = if under.is_empty() { name.into() } else { format!("{under}.{name}") };
            let line = line_of(self.text, key.span().start);
            let origin = Origin::File(self.path.to_owned(), line);
            if self.names.contains(&field) {
                self.given.push(Given { origin, field, value: value.clone() });
                continue;
            }
            if !self.names.iter().any(|name| is_inside(name, &field)) {
                return Err(SettingsError::unknown(origin, &field));
            }
            let (DeValue::Table(spans), Value::Table(values)) = (span.get_ref(), value) else {
                let message = format!("is a table; write [{field}] above its settings");
                return Err(SettingsError::bad(&origin, &field, message));
            };
            self.walk(spans, values, &field)?;
        }
        Ok(())
    }
}

/// True if the setting `name` lies in the table `table`.
fn is_inside(name: &str, table: &str) -> bool {
    name.strip_prefix(table).is_some_and(|rest| rest.starts_with('.'))
}

/// The line of a byte offset, counted from 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}
