//! Entries from files: JSON lines, CSV, plain lines.

mod csv;
mod jsonl;
mod lines;

use crate::args::{InputFormat, TtlText};
use rumormill::jsonl::{Expiry as LineExpiry, Line};
use std::borrow::Cow;
use std::io::{self, BufRead};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFormat {
    /// One JSON object per line.
    Jsonl,
    /// key,value[,ttl[,owned]].
    Csv,
    /// Each line is a value; its number is in its key.
    Lines,
}

impl RowFormat {
    /// What the name of a file says that it holds.
    pub fn of(path: &std::path::Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }
}

impl From<InputFormat> for RowFormat {
    fn from(format: InputFormat) -> Self {
        match format {
            InputFormat::Jsonl => Self::Jsonl,
            InputFormat::Csv => Self::Csv,
        }
    }
}

/// An entry to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins, from 1.
    pub line: u64,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub expiry: Expiry,
    /// Whether the agent that takes it owns it.
    pub owned: bool,
}

/// When an entry hides itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Expiry {
    #[default]
    Never,
    After(TtlText),
    /// At this time, milliseconds since 1970.
    At(u64),
}

impl Row {
    pub fn new(line: u64, key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { line, key: key.into(), value: value.into(), expiry: Expiry::Never, owned: false }
    }

    /// Appends the row as a line of JSON, as the API takes it.
    pub fn write_json(&self, to: &mut Vec<u8>) {
        let expiry = match self.expiry {
            Expiry::Never => LineExpiry::Never,
            Expiry::After(ttl) => LineExpiry::After(ttl.0),
            Expiry::At(at) => LineExpiry::At(at),
        };
        let (key, value) = (Cow::from(&self.key), Cow::from(&self.value));
        Line { key, value, expiry, owned: self.owned }.write(to);
    }
}

/// Why there is no row.
#[derive(Debug)]
pub enum RowError {
    /// This line is none; the next one may be.
    Bad { line: u64, message: String },
    /// The file cannot be read on.
    Io(io::Error),
}

impl RowError {
    fn bad(line: u64, message: impl Into<String>) -> Self {
        Self::Bad { line, message: message.into() }
    }
}

/// The rows of a file.
pub fn read<'a>(
    format: RowFormat,
    from: impl BufRead + Send + 'a,
) -> Box<dyn Iterator<Item = Result<Row, RowError>> + Send + 'a> {
    match format {
        RowFormat::Jsonl => Box::new(jsonl::Jsonl::new(from)),
        RowFormat::Csv => Box::new(csv::Csv::new(from)),
        RowFormat::Lines => Box::new(lines::PlainLines::new(from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn all(format: RowFormat, text: &[u8]) -> Vec<Result<Row, String>> {
        let shown = |row: Result<Row, RowError>| {
            row.map_err(|error| match error {
                RowError::Bad { line, message } => format!("{line}: {message}"),
                RowError::Io(error) => error.to_string(),
            })
        };
        read(format, text).map(shown).collect()
    }

    fn row(line: u64, key: &str, value: &str, expiry: Expiry) -> Result<Row, String> {
        Ok(Row { expiry, ..Row::new(line, key, value) })
    }

    fn after(seconds: u64) -> Expiry {
        Expiry::After(TtlText(Duration::from_secs(seconds)))
    }

    #[test]
    fn jsonl_rows() {
        let text = br#"{"key":"a","value":"1"}

{"key":"b","value":"2","ttl":30}
{"key":"c","value":"3","ttl":"5m"}
{"key_base64":"/w==","value_base64":"AAE="}
{"key":"d","value":"4","stamp":"1.0@0a","origin":"0a","expires_at_ms":77}
{"key":"e","value":"5","stamp":"1.0@0a","origin":"0a","expires_at_ms":null}"#;
        let bytes = Row::new(5, [0xff], [0, 1]);
        assert_eq!(
            all(RowFormat::Jsonl, text),
            [
                row(1, "a", "1", Expiry::Never),
                row(3, "b", "2", after(30)),
                row(4, "c", "3", after(300)),
                Ok(bytes),
                row(6, "d", "4", Expiry::At(77)),
                row(7, "e", "5", Expiry::Never),
            ]
        );
    }

    #[test]
    fn bad_jsonl_lines_have_numbers_and_the_rest_goes_on() {
        let text = b"{\n{\"key\":\"a\"}\n{\"key\":\"a\",\"value\":7}\n{\"key\":\"a\",\"value\":\"\",\"tll\":1}\n\
            {\"key\":\"a\",\"value\":\"\",\"ttl\":\"soon\"}\n\xff\n{\"key\":\"a\",\"value_base64\":\"*\"}\n{\"key\":\"z\",\"value\":\"1\"}\n";
        let rows = all(RowFormat::Jsonl, text);
        for (row, expected) in rows.iter().zip([
            "1: no entry as JSON: EOF while parsing",
            "2: value is missing; give value or value_base64",
            "3: no entry as JSON: invalid type: integer `7`, expected a string",
            "4: no entry as JSON: unknown field `tll`",
            "5: ttl \"soon\" is no duration; write whole seconds (30) or a unit",
            "6: no entry as JSON: ",
            "7: value_base64 is no base64",
        ]) {
            let error = row.as_ref().unwrap_err();
            assert!(error.starts_with(expected), "{error} / {expected}");
        }
        assert_eq!(rows[7], row(8, "z", "1", Expiry::Never));
    }

    #[test]
    fn csv_rows_and_bad_lines() {
        let text = b"key,value,ttl\na,1\n\"b,c\",\"two\nlines\"\nd,4,30s\nonly\ne,5,6,owned,7\nf,7,soon\n,8\nk\xff,v\xfe\n";
        let rows = all(RowFormat::Csv, text);
        let bytes = Row::new(10, *b"k\xff", *b"v\xfe");
        assert_eq!(rows[0], row(2, "a", "1", Expiry::Never));
        assert_eq!(rows[1], row(3, "b,c", "two\nlines", Expiry::Never));
        assert_eq!(rows[2], row(5, "d", "4", after(30)));
        assert_eq!(rows[3], Err("6: 1 field; a line has key,value[,ttl[,owned]]".into()));
        assert_eq!(rows[4], Err("7: 5 fields; a line has key,value[,ttl[,owned]]".into()));
        assert!(rows[5].as_ref().is_err_and(|error| error.starts_with("8: ttl: ")));
        // As every other door takes it.
        assert_eq!(rows[6], row(9, "", "8", Expiry::Never));
        assert_eq!(rows[7], Ok(bytes));
        assert_eq!(rows.len(), 8);
    }

    #[test]
    fn csv_says_who_owns_a_row() {
        let rows = all(RowFormat::Csv, b"a,1,,owned\nb,2,30s,owned\nc,3,,\nd,4,,perhaps\n");
        let owned = |row: Result<Row, String>| row.map(|row| Row { owned: true, ..row });
        assert_eq!(rows[0], owned(row(1, "a", "1", Expiry::Never)));
        assert_eq!(rows[1], owned(row(2, "b", "2", after(30))));
        assert_eq!(rows[2], row(3, "c", "3", Expiry::Never));
        assert!(rows[3].as_ref().is_err_and(|error| error.starts_with("4: the fourth field")));
    }

    #[test]
    fn a_csv_heading_is_only_one_in_the_first_line() {
        assert_eq!(all(RowFormat::Csv, b"KEY, Value\n"), []);
        assert_eq!(all(RowFormat::Csv, b"a,b\nkey,value\n").len(), 2);
    }

    #[test]
    fn plain_lines_are_values() {
        assert_eq!(
            all(RowFormat::Lines, b"one\r\n\ntwo"),
            [
                row(1, "line/0000001", "one", Expiry::Never),
                row(3, "line/0000003", "two", Expiry::Never)
            ]
        );
    }

    #[test]
    fn rows_survive_the_trip_as_json() {
        let sent = [
            Row { expiry: after(3), ..Row::new(1, "a\"\n", "1") },
            Row { owned: true, expiry: Expiry::At(5), ..Row::new(2, *b"\xff", *b"\xfe\x00") },
        ];
        let mut lines = Vec::new();
        sent.iter().for_each(|row| row.write_json(&mut lines));
        assert_eq!(all(RowFormat::Jsonl, &lines), sent.map(Ok));
    }

    #[test]
    fn names_of_files_say_what_they_hold() {
        let of = |name: &str| RowFormat::of(name.as_ref());
        assert_eq!(of("a.CSV"), Some(RowFormat::Csv));
        assert_eq!(of("a.ndjson"), Some(RowFormat::Jsonl));
        assert_eq!(of("a.txt"), None);
        assert_eq!(of("-"), None);
    }
}
