//! Standard output: for people or programs, and no panic when nobody reads it.

use crate::args::Format;
use crate::encoding::printable;
use comfy_table::{Table, presets};
use serde::Serialize;
use serde_json::{Map, Value};
use std::io::{self, BufWriter, IsTerminal as _, StdoutLock, Write};

/// Whoever read standard output has closed it.
#[derive(Debug)]
pub struct StdoutClosed;

impl std::fmt::Display for StdoutClosed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("standard output was closed")
    }
}

impl std::error::Error for StdoutClosed {}

/// Standard output.
pub struct Output {
    pub format: Format,
    /// True if a person looks at it.
    pub terminal: bool,
    to: BufWriter<StdoutLock<'static>>,
}

impl Output {
    pub fn new(format: Format) -> Self {
        let stdout = io::stdout();
        let terminal = stdout.is_terminal();
        Self { format, terminal, to: BufWriter::with_capacity(64 * 1024, stdout.lock()) }
    }

    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        written(self.to.write_all(bytes))
    }

    /// Writes a line.
    pub fn line(&mut self, line: impl AsRef<str>) -> anyhow::Result<()> {
        self.bytes(line.as_ref().as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes a value as one line of JSON.
    pub fn json(&mut self, value: &impl Serialize) -> anyhow::Result<()> {
        let line = serde_json::to_string(value)?;
        self.line(line)
    }

    /// Writes a table; rows of cells separated by tabs where nobody looks.
    pub fn table(&mut self, header: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        if !self.terminal {
            if !header.is_empty() {
                self.line(header.join("\t"))?;
            }
            for row in rows {
                self.line(row.join("\t"))?;
            }
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if !header.is_empty() {
            // A formula in capitals would be another one.
            table.set_header(header.iter().map(|title| match title.contains(['=', ':']) {
                true => (*title).to_owned(),
                false => title.to_uppercase(),
            }));
        }
        table.add_rows(rows);
        for line in table.lines() {
            self.line(line.trim_end())?;
        }
        Ok(())
    }

    /// Tells people which files were written.
    pub fn files<'a>(
        &mut self,
        paths: impl IntoIterator<Item = &'a std::path::PathBuf>,
    ) -> anyhow::Result<()> {
        for path in paths {
            self.line(format!("written: {}", path.display()))?;
        }
        Ok(())
    }

    /// Sends on what has been written.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        written(self.to.flush())
    }
}

fn written(result: io::Result<()>) -> anyhow::Result<()> {
    result.map_err(|error| match error.kind() {
        io::ErrorKind::BrokenPipe => StdoutClosed.into(),
        _ => anyhow::Error::new(error).context("cannot write to standard output"),
    })
}

/// A count of bytes for people.
pub fn bytes(count: u64) -> String {
    indicatif::BinaryBytes(count).to_string()
}

/// A count for people, with separators.
pub fn count(count: u64) -> String {
    indicatif::HumanCount(count).to_string()
}

/// Tags as people write them.
pub fn tags(tags: &Map<String, Value>) -> String {
    let tag = |(name, value): (&String, &Value)| {
        printable(format!("{name}={}", value.as_str().unwrap_or_default()).as_bytes())
    };
    match tags.is_empty() {
        true => "-".into(),
        false => tags.iter().map(tag).collect::<Vec<_>>().join(" "),
    }
}
