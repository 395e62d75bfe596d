//! Many entries at once, one JSON object per line: written as they arrive, exported as they are
//! read, in bounded memory both ways.

use super::coverage::loaded;
use crate::clock::wall_ms;
use crate::handle::Rumormill;
use crate::http::app::{App, Shutdown};
use crate::http::wire::body::{Feeder, PIECE, Upload, fed};
use crate::http::wire::json;
use crate::http::wire::problem::Problem;
use crate::http::wire::query::Query;
use crate::jsonl::{self, Line};
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use rumormill_core::base::time::millis;
use rumormill_core::data::{Expiry, Op, Refused};
use rumormill_core::limits::Limits;
use std::io;
use std::sync::Arc;

/// A batch is written when it has this many entries, or this many bytes.
const BATCH: usize = 1000;
const BATCH_BYTES: usize = 1 << 20;
/// Entries exported before the readers' locks are given back.
const STEP: usize = 256;
/// Room in a line for all but key and value.
const LINE_ROOM: usize = 4096;

/// `POST` of lines to write.
pub(crate) async fn import(
    State(app): State<Arc<App>>,
    uri: Uri,
    request: Request,
) -> Result<Response, Problem> {
    Query::parse(uri.query(), &[])?;
    let mut upload = Upload::new(request.into_body(), app.options.body_timeout);
    let mut import = Import::new(&app.node);
    match import.run(&mut upload).await {
        Ok(()) => {
            let json = json::to_vec(&serde_json::json!({ "written": import.written }));
            Ok(json::answer(json))
        }
        Err(problem) => {
            upload.drain();
            Err(problem.with("written", import.written))
        }
    }
}

/// `GET` of everything under a prefix, in the order of the keys.
pub(crate) async fn export(State(app): State<Arc<App>>, uri: Uri) -> Result<Response, Problem> {
    let query = Query::parse(uri.query(), &["prefix", "keys"])?;
    let with_values = !query.flag("keys")?;
    loaded(&app)?;
    let (feeder, body) = fed();
    let (node, prefix) = (app.node.clone(), query.prefix().to_vec());
    tokio::spawn(feed(node, prefix, with_values, feeder, app.shutdown.clone()));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], body).into_response())
}

async fn feed(
    node: Rumormill,
    prefix: Vec<u8>,
    with_values: bool,
    feeder: Feeder,
    shutdown: Shutdown,
) {
    let mut after: Option<Vec<u8>> = None;
    let mut piece = Vec::with_capacity(PIECE);
    loop {
        if *shutdown.borrow() {
            let _ = feeder.send(Err(io::Error::other("the node is shutting down"))).await;
            return;
        }
        let entries = node.scan(&prefix, after.as_deref(), STEP);
        for entry in &entries {
            piece.extend_from_slice(&jsonl::shown(entry, with_values));
            piece.push(b'\n');
            if piece.len() >= PIECE && feeder.send(Ok(take(&mut piece))).await.is_err() {
                return;
            }
        }
        match entries.last() {
            Some(last) => after = Some(last.key().to_vec()),
            None => break,
        }
    }
    let _ = feeder.send(Ok(take(&mut piece))).await;
}

fn take(piece: &mut Vec<u8>) -> Bytes {
    Bytes::from(std::mem::take(piece))
}

/// A bulk write under way.
struct Import<'a> {
    node: &'a Rumormill,
    lines: Lines,
    /// Operations that wait to be written, each with the number of its line.
    batch: Vec<(u64, Op)>,
    batch_bytes: usize,
    written: u64,
}

impl<'a> Import<'a> {
    fn new(node: &'a Rumormill) -> Self {
        let lines = Lines::new(longest_line(node.limits()));
        Self { node, lines, batch: Vec::new(), batch_bytes: 0, written: 0 }
    }

    async fn run(&mut self, upload: &mut Upload) -> Result<(), Problem> {
        loop {
            let piece = match upload.next().await {
                Ok(piece) => piece,
                // What arrived whole is kept, and counted in the answer.
                Err(problem) => {
                    self.write().await?;
                    return Err(problem.with("line", self.lines.number + 1));
                }
            };
            let last = piece.is_none();
            match piece {
                Some(piece) => self.lines.push(&piece),
                None => self.lines.end(),
            }
            self.take_lines().await?;
            if last {
                return self.write().await;
            }
        }
    }

    /// Takes in the lines that have arrived whole.
    async fn take_lines(&mut self) -> Result<(), Problem> {
        loop {
            let op = match self.lines.next() {
                Ok(None) => return Ok(()),
                Ok(Some([])) => continue,
                Ok(Some(line)) => operation(line, self.node.limits(), wall_ms()),
                Err(message) => Err(message),
            };
            match op {
                Ok(op) => self.batch_bytes += self.add(op),
                // The lines before the bad one are written, so that the count in the answer says
                // where to go on.
                Err(message) => {
                    let line = self.lines.number;
                    self.write().await?;
                    return Err(bad_line(line, &message));
                }
            }
            if self.batch.len() >= BATCH || self.batch_bytes >= BATCH_BYTES {
                self.write().await?;
            }
        }
    }

    fn add(&mut self, op: Op) -> usize {
        let value = match &op {
            Op::Put { value, .. } | Op::PutOwned { value, .. } => value.len(),
            _ => 0,
        };
        let size = op.key().len() + value;
        self.batch.push((self.lines.number, op));
        size
    }

    async fn write(&mut self) -> Result<(), Problem> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.batch_bytes = 0;
        let (numbers, ops): (Vec<u64>, Vec<Op>) =
            std::mem::take(&mut self.batch).into_iter().unzip();
        let first = numbers.first().copied().unwrap_or_default();
        let outcomes =
            self.node.write(ops).await.map_err(|error| Problem::from(error).with("line", first))?;
        let mut refused = None;
        for (line, outcome) in numbers.into_iter().zip(outcomes) {
            match outcome {
                Ok(_) => self.written += 1,
                Err(reason) => refused = refused.or(Some((line, reason))),
            }
        }
        refused.map_or(Ok(()), |(line, reason)| Err(bad_line(line, &reason.to_string())))
    }
}

fn bad_line(line: u64, message: &str) -> Problem {
    let message = format!(
        "line {line}: {message}. The lines before it are written; mend it and send the rest again"
    );
    Problem::bad(message).with("line", line)
}

/// The longest line that a key and a value within the limits can need: JSON may write a byte as
/// six (`\u0000`).
fn longest_line(limits: &Limits) -> usize {
    6 * (limits.max_key + limits.max_value) + LINE_ROOM
}

/// The write that a line asks for.
fn operation(line: &[u8], limits: &Limits, now: u64) -> Result<Op, String> {
    let Line { key, value, expiry, owned } = Line::parse(line)?;
    if key.len() > limits.max_key {
        return Err(Refused::KeyTooLong { got: key.len(), limit: limits.max_key }.to_string());
    }
    if value.len() > limits.max_value {
        let refused = Refused::ValueTooLong { got: value.len(), limit: limits.max_value };
        return Err(refused.to_string());
    }
    let expiry = match expiry {
        jsonl::Expiry::Never => Expiry::Never,
        jsonl::Expiry::After(ttl) => Expiry::At(now.saturating_add(millis(ttl))),
        jsonl::Expiry::At(at) => Expiry::At(at),
    };
    Ok(Op::put(key.into_owned().into(), value.into_owned().into(), expiry, owned))
}

/// Cuts what arrives into lines.
struct Lines {
    held: Vec<u8>,
    /// Where the next line begins in `held`, and up to where there is known to be no line's end.
    start: usize,
    seen: usize,
    ended: bool,
    longest: usize,
    /// The line that [`Lines::next`] gave last, from 1.
    number: u64,
}

impl Lines {
    fn new(longest: usize) -> Self {
        Self { held: Vec::new(), start: 0, seen: 0, ended: false, longest, number: 0 }
    }

    fn push(&mut self, piece: &[u8]) {
        self.held.drain(..self.start);
        self.seen -= self.start;
        self.start = 0;
        self.held.extend_from_slice(piece);
    }

    fn end(&mut self) {
        self.ended = true;
    }

    /// The next whole line, without the blanks around it; an error if it is too long.
    fn next(&mut self) -> Result<Option<&[u8]>, String> {
        let unseen = self.held.get(self.seen..).unwrap_or_default();
        let (end, next) = match unseen.iter().position(|byte| *byte == b'\n') {
            Some(at) => (self.seen + at, self.seen + at + 1),
            None if self.ended && self.start < self.held.len() => {
                (self.held.len(), self.held.len())
            }
            None => {
                self.seen = self.held.len();
                if self.seen - self.start > self.longest {
                    self.number += 1;
                    return Err(format!("longer than {} bytes", self.longest));
                }
                return Ok(None);
            }
        };
        self.number += 1;
        let line = self.start..end;
        (self.start, self.seen) = (next, next);
        if line.len() > self.longest {
            return Err(format!("longer than {} bytes", self.longest));
        }
        Ok(Some(self.held.get(line).unwrap_or_default().trim_ascii()))
    }
}

/// Reads any bytes as lines of a bulk write: cut in two pieces anywhere, they must give the same.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let limits = Limits { max_key: 8, max_value: 8, ..Limits::default() };
    let read = |cut: usize| {
        let mut lines = Lines::new(64);
        let mut ops = Vec::new();
        let (first, second) = bytes.split_at_checked(cut).unwrap_or((bytes, &[]));
        for piece in [Some(first), Some(second), None] {
            match piece {
                Some(piece) => lines.push(piece),
                None => lines.end(),
            }
            loop {
                match lines.next() {
                    Ok(None) => break,
                    Ok(Some(line)) => ops.push(operation(line, &limits, 1000)),
                    Err(_) => return (ops, lines.number),
                }
            }
        }
        (ops, lines.number)
    };
    let whole = read(bytes.len());
    assert_eq!(read(bytes.len() / 2), whole, "cuts make no difference");
    for op in whole.0.into_iter().flatten() {
        let (Op::Put { key, value, .. } | Op::PutOwned { key, value, .. }) = op else { continue };
        assert!(key.len() <= limits.max_key && value.len() <= limits.max_value, "bounds hold");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn op(line: &str) -> Result<Op, String> {
        operation(line.as_bytes(), &Limits::default(), 1000)
    }

    fn put(key: &[u8], value: &[u8], expiry: Expiry) -> Result<Op, String> {
        Ok(Op::Put { key: key.into(), value: value.into(), expiry })
    }

    #[test]
    fn lines_are_entries() {
        assert_eq!(op(r#"{"key":"a","value":"b"}"#), put(b"a", b"b", Expiry::Never));
        assert_eq!(
            op(r#"{"key_base64":"/w==","value_base64":"AA==","ttl":2}"#),
            put(b"\xff", b"\0", Expiry::At(3000))
        );
        assert_eq!(op(r#"{"key":"a","value":"","ttl":"5ms"}"#), put(b"a", b"", Expiry::At(1005)));
        // As an export writes it.
        assert_eq!(
            op(r#"{"key":"a","value":"b","stamp":"1.0@0a","origin":"0a","expires_at_ms":7}"#),
            put(b"a", b"b", Expiry::At(7))
        );
        let owned = Op::put(b"a"[..].into(), b"b"[..].into(), Expiry::Never, true);
        assert_eq!(op(r#"{"key":"a","value":"b","owned":true}"#), Ok(owned));
    }

    #[test]
    fn bad_lines_say_what_is_wrong() {
        assert!(op("{").unwrap_err().contains("no entry"));
        for (key, value) in [(5000, 1), (1, 2 << 20)] {
            let (key, value) = ("k".repeat(key), "v".repeat(value));
            let error = op(&format!(r#"{{"key":"{key}","value":"{value}"}}"#)).unwrap_err();
            assert!(error.contains("limit"), "{error}");
        }
    }

    #[test]
    fn long_lines_are_refused_whether_whole_or_not() {
        for input in [&b"ok\n123456789\nok\n"[..], b"ok\n123456789"] {
            let mut lines = Lines::new(8);
            lines.push(input);
            assert_eq!(lines.next(), Ok(Some(&b"ok"[..])));
            assert!(lines.next().is_err());
            assert_eq!(lines.number, 2);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            fuzz(&bytes);
        }

        #[test]
        fn anything_like_lines_is_read_without_panic(
            text in "([{}\":, \n\r]|key|value|_base64|[a-z0-9=]{0,4}|ttl|\\{\"key\":\"a\"){0,20}"
        ) {
            fuzz(text.as_bytes());
        }
    }
}
