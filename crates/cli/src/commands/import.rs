//! `rumormill import`, and the batches that carry its rows.

use super::progress;
use crate::args::{Format, ImportArgs};
use crate::client::{BulkError, Client};
use crate::failure::{Code, Failure};
use crate::output::{Output, count};
use crate::rows::{self, Row, RowError, RowFormat};
use anyhow::Context as _;
use indicatif::ProgressBar;
use std::io::{self, BufReader, Read};
use std::time::Instant;

/// A batch is sent when it has this many rows, or this many bytes.
const BATCH_ROWS: usize = 1000;
const BATCH_BYTES: usize = 512 * 1024;

pub fn run(args: &ImportArgs, format: Format) -> anyhow::Result<()> {
    let stdin = args.file.as_os_str() == "-";
    let name = if stdin { "standard input".into() } else { args.file.display().to_string() };
    if !stdin {
        // Before the question what it holds: there may be nothing.
        std::fs::metadata(&args.file).with_context(|| format!("cannot read {name}"))?;
    }
    let rows_format = args.input_format.map(RowFormat::from).or_else(|| RowFormat::of(&args.file));
    let rows_format = rows_format.ok_or_else(|| {
        Failure::usage(format!("what does {name} hold? Say --input-format jsonl or csv"))
    })?;
    let client = Client::new(&args.client)?;
    let (input, bar) = open(args, stdin, &name)?;
    let started = Instant::now();
    let mut import = Import::new(&client, args.skip_bad, &name, bar.clone());
    let result = import.all(rows::read(rows_format, BufReader::with_capacity(1 << 16, input)));
    bar.finish_and_clear();
    let (written, bad) = (import.written, import.bad);
    result.with_context(|| format!("stopped after {} entries", count(written)))?;
    let seconds = started.elapsed().as_secs_f64();
    let mut out = Output::new(format);
    if out.is_json() {
        out.json(&serde_json::json!({ "written": written, "bad": bad, "seconds": seconds }))?;
    } else {
        let rate = count((written as f64 / seconds.max(1e-6)) as u64);
        let skipped = match bad {
            0 => String::new(),
            bad => format!("; {} bad lines skipped", count(bad)),
        };
        out.line(format!(
            "{} entries written in {seconds:.2} s ({rate}/s){skipped}",
            count(written)
        ))?;
    }
    out.flush()?;
    if written == 0 && bad > 0 {
        anyhow::bail!("nothing was written: every line of {name} is bad");
    }
    Ok(())
}

fn open(
    args: &ImportArgs,
    stdin: bool,
    name: &str,
) -> anyhow::Result<(Box<dyn Read + Send>, ProgressBar)> {
    if stdin {
        let bar = progress::bytes(None);
        return Ok((Box::new(bar.wrap_read(io::stdin())), bar));
    }
    let opened = std::fs::File::open(&args.file).and_then(|file| Ok((file.metadata()?, file)));
    let (about, file) = opened.with_context(|| format!("cannot read {name}"))?;
    let bar = progress::bytes(about.is_file().then_some(about.len()));
    Ok((Box::new(bar.wrap_read(file)), bar))
}

/// An import under way.
pub struct Import<'a> {
    client: &'a Client,
    skip_bad: bool,
    name: &'a str,
    bar: ProgressBar,
    batch: Vec<Row>,
    bytes: usize,
    pub written: u64,
    pub bad: u64,
}

impl<'a> Import<'a> {
    pub fn new(client: &'a Client, skip_bad: bool, name: &'a str, bar: ProgressBar) -> Self {
        Self { client, skip_bad, name, bar, batch: Vec::new(), bytes: 0, written: 0, bad: 0 }
    }

    /// Writes all rows. What comes before a failure is written.
    pub fn all(&mut self, rows: impl Iterator<Item = Result<Row, RowError>>) -> anyhow::Result<()> {
        for row in rows {
            match row {
                Ok(row) => self.add(row)?,
                Err(RowError::Bad { line, message }) => {
                    if !self.skip_bad {
                        self.send()?;
                    }
                    self.bad(line, &message)?;
                }
                Err(RowError::Io(error)) => {
                    self.send()?;
                    return Err(error).with_context(|| format!("cannot read on in {}", self.name));
                }
            }
        }
        self.send()
    }

    fn add(&mut self, row: Row) -> anyhow::Result<()> {
        self.bytes += row.key.len() + row.value.len();
        self.batch.push(row);
        match self.batch.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
            true => self.send(),
            false => Ok(()),
        }
    }

    /// Sends the batch; where the agent refuses a row, goes on behind it.
    fn send(&mut self) -> anyhow::Result<()> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        let mut rest = batch.as_slice();
        while !rest.is_empty() {
            let mut lines = Vec::new();
            rest.iter().for_each(|row| row.write_json(&mut lines));
            match self.client.bulk(&lines) {
                Ok(()) => {
                    self.written += rest.len() as u64;
                    break;
                }
                Err(BulkError::Line { line, message }) => {
                    let refused = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
                    let Some((row, behind)) =
                        rest.get(refused..).and_then(|tail| tail.split_first())
                    else {
                        anyhow::bail!("the agent refused line {line} of {}", rest.len());
                    };
                    self.written += refused as u64;
                    self.bad(row.line, &message)?;
                    rest = behind;
                }
                Err(BulkError::Other(error)) => return Err(error),
            }
        }
        self.bar.set_message(format!("{} entries", count(self.written)));
        Ok(())
    }

    fn bad(&mut self, line: u64, message: &str) -> anyhow::Result<()> {
        self.bad += 1;
        let message = format!("{}:{line}: {message}", self.name);
        if !self.skip_bad {
            let hint = "mend it, or pass --skip-bad";
            return Err(Failure::new(Code::Failed, format!("{message} ({hint})")).into());
        }
        self.bar.suspend(|| eprint_line(&message));
        Ok(())
    }
}

fn eprint_line(line: &str) {
    // There is nowhere left to say that standard error is closed.
    let _ = io::Write::write_all(&mut io::stderr(), format!("{line}\n").as_bytes());
}
