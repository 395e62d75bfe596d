//! Rows of CSV: key,value[,ttl[,owned]] (RFC 4180), with or without a heading.

use super::{Expiry, Row, RowError};
use crate::args::TtlText;
use csv::{ByteRecord, Reader, ReaderBuilder};
use std::io::BufRead;

pub(super) struct Csv<R> {
    reader: Reader<R>,
    record: ByteRecord,
    first: bool,
}

impl<R: BufRead> Csv<R> {
    pub(super) fn new(from: R) -> Self {
        let reader = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(from);
        Self { reader, record: ByteRecord::new(), first: true }
    }
}

impl<R: BufRead> Iterator for Csv<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.reader.position().line();
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                Ok(true) => {}
                Err(error) => return Some(Err(failed(line, error))),
            }
            if std::mem::take(&mut self.first) && is_heading(&self.record) {
                continue;
            }
            let line = self.record.position().map_or(line, csv::Position::line);
            let row = row(line, &self.record);
            return Some(row.map_err(|message| RowError::bad(line, message)));
        }
    }
}

fn failed(line: u64, error: csv::Error) -> RowError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => RowError::Io(error),
        other => RowError::bad(line, format!("{other:?}")),
    }
}

fn is_heading(record: &ByteRecord) -> bool {
    let heading = [&b"key"[..], b"value", b"ttl", b"owned"];
    let is = |(field, word): (&[u8], &[u8])| field.trim_ascii().eq_ignore_ascii_case(word);
    (2..=4).contains(&record.len()) && record.iter().zip(heading).all(is)
}

fn row(line: u64, record: &ByteRecord) -> Result<Row, String> {
    let (Some(key), Some(value), None) = (record.get(0), record.get(1), record.get(4)) else {
        let s = if record.len() == 1 { "" } else { "s" };
        return Err(format!("{} field{s}; a line has key,value[,ttl[,owned]]", record.len()));
    };
    let ttl = record.get(2).map(<[u8]>::trim_ascii).filter(|ttl| !ttl.is_empty());
    let expiry = match ttl {
        None => Expiry::Never,
        Some(ttl) => {
            let ttl = String::from_utf8_lossy(ttl).parse::<TtlText>();
            Expiry::After(ttl.map_err(|error| format!("ttl: {error}"))?)
        }
    };
    let owned = match record.get(3).map(<[u8]>::trim_ascii) {
        None | Some(b"") => false,
        Some(b"owned" | b"true") => true,
        Some(_) => return Err("the fourth field is \"owned\" or empty".into()),
    };
    Ok(Row { expiry, owned, ..Row::new(line, key, value) })
}
