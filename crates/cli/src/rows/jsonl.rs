//! Rows of JSON lines, as `export` writes them.

use super::lines::{Line, Lines};
use super::{Expiry, Row, RowError};
use crate::args::TtlText;
use rumormill::jsonl;
use std::io::BufRead;

pub(super) struct Jsonl<R>(Lines<R>);

impl<R: BufRead> Jsonl<R> {
    pub(super) fn new(from: R) -> Self {
        Self(Lines::new(from))
    }
}

impl<R: BufRead> Iterator for Jsonl<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let number = self.0.number + 1;
            return match self.0.next() {
                Err(error) => Some(Err(RowError::Io(error))),
                Ok(Line::End) => None,
                Ok(Line::TooLong) => Some(Err(RowError::bad(number, "the line is too long"))),
                Ok(Line::Text(text)) if text.trim_ascii().is_empty() => continue,
                Ok(Line::Text(text)) => {
                    Some(row(number, text).map_err(|message| RowError::bad(number, message)))
                }
            };
        }
    }
}

fn row(line: u64, text: &[u8]) -> Result<Row, String> {
    let entry = jsonl::Line::parse(text)?;
    let expiry = match entry.expiry {
        jsonl::Expiry::Never => Expiry::Never,
        jsonl::Expiry::After(ttl) => Expiry::After(TtlText(ttl)),
        jsonl::Expiry::At(at) => Expiry::At(at),
    };
    let (key, value) = (entry.key.into_owned(), entry.value.into_owned());
    Ok(Row { line, key, value, expiry, owned: entry.owned })
}
