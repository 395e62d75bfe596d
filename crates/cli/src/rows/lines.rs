//! Lines of bounded length, and plain lines as rows.

use super::{Row, RowError};
use std::io::{self, BufRead, Read as _};

/// Longest line, bytes: key and value at their largest, each byte written as six (`\u0000`).
pub(super) const MAX_LINE: usize = 6 * (8 << 20) + (64 << 10);

/// Reads line after line.
pub(super) struct Lines<R> {
    from: R,
    line: Vec<u8>,
    /// The number of the last line, from 1.
    pub(super) number: u64,
}

/// What a line is.
pub(super) enum Line<'a> {
    Text(&'a [u8]),
    TooLong,
    End,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, line: Vec::new(), number: 0 }
    }

    pub(super) fn next(&mut self) -> io::Result<Line<'_>> {
        self.line.clear();
        let mut bounded = (&mut self.from).take(MAX_LINE as u64 + 1);
        if bounded.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(Line::End);
        }
        self.number += 1;
        if self.line.pop_if(|last| *last == b'\n').is_none() && self.line.len() > MAX_LINE {
            self.line.clear();
            self.from.skip_until(b'\n')?;
            return Ok(Line::TooLong);
        }
        self.line.pop_if(|last| *last == b'\r');
        Ok(Line::Text(&self.line))
    }
}

/// Rows of lines that are values.
pub(super) struct PlainLines<R>(Lines<R>);

impl<R: BufRead> PlainLines<R> {
    pub(super) fn new(from: R) -> Self {
        Self(Lines::new(from))
    }
}

impl<R: BufRead> Iterator for PlainLines<R> {
    type Item = Result<Row, RowError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let number = self.0.number + 1;
            return match self.0.next() {
                Err(error) => Some(Err(RowError::Io(error))),
                Ok(Line::End) => None,
                Ok(Line::TooLong) => Some(Err(RowError::bad(number, "the line is too long"))),
                Ok(Line::Text([])) => continue,
                Ok(Line::Text(text)) => {
                    Some(Ok(Row::new(number, format!("line/{number:07}"), text)))
                }
            };
        }
    }
}
