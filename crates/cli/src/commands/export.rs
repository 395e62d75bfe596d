//! `rumormill export`.

use super::progress;
use crate::args::{ExportArgs, Format, InputFormat};
use crate::client::{Client, EntryJson};
use crate::encoding::printable;
use crate::output::{Output, count};
use anyhow::Context as _;
use indicatif::ProgressBar;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

pub fn run(args: &ExportArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let file = args.file.as_deref().filter(|path| path.as_os_str() != "-");
    let by_name = file.and_then(|path| path.extension()).is_some_and(|ext| ext == "csv");
    let csv = args.output_format.map_or(by_name, |format| format == InputFormat::Csv);
    let prefix = args.prefix.as_encoded_bytes();
    let bar = progress::bytes(None);
    let lines = BufReader::with_capacity(1 << 16, bar.wrap_read(client.export(prefix)?));
    let mut out = Output::new(format);
    let Some(path) = file else {
        let write = |line: &[u8]| out.bytes(line);
        copy(&client, lines, csv, &bar, write)?;
        bar.finish_and_clear();
        return out.flush();
    };
    let exported =
        to_file(path, |to| copy(&client, lines, csv, &bar, |line| Ok(to.write_all(line)?)))?;
    bar.finish_and_clear();
    match out.is_json() {
        true => out.json(&serde_json::json!({ "exported": exported, "file": path }))?,
        false => out.line(format!("{} entries in {}", count(exported), path.display()))?,
    }
    out.flush()
}

/// Writes a file beside its name and gives it the name when it is complete.
fn to_file(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<File>) -> anyhow::Result<u64>,
) -> anyhow::Result<u64> {
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let written = (|| -> anyhow::Result<u64> {
        let mut to = BufWriter::with_capacity(1 << 16, File::create_new(&part)?);
        let exported = write(&mut to)?;
        to.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&part, path)?;
        Ok(exported)
    })();
    if written.is_err() {
        // The error that is told is the one that came first.
        let _ = std::fs::remove_file(&part);
    }
    written.with_context(|| format!("cannot export to {}", path.display()))
}

/// Copies lines of entries; returns how many.
fn copy(
    client: &Client,
    mut lines: impl BufRead,
    csv: bool,
    bar: &ProgressBar,
    mut write: impl FnMut(&[u8]) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let mut exported = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        if lines.read_until(b'\n', &mut line).map_err(|error| client.cut(&error))? == 0 {
            return Ok(exported);
        }
        match csv {
            true => write(&csv_line(&line)?)?,
            false => write(&line)?,
        }
        exported += 1;
        if exported % 256 == 0 {
            bar.set_message(format!("{} entries", count(exported)));
        }
    }
}

/// An entry as CSV; one that hides itself has the time that is left to it.
fn csv_line(line: &[u8]) -> anyhow::Result<Vec<u8>> {
    let entry: EntryJson =
        serde_json::from_slice(line).context("the agent's answer has a line that is no entry")?;
    let mut record = csv::ByteRecord::new();
    if let Some(kind) = entry.kind {
        let key = printable(&entry.key()?);
        anyhow::bail!(
            "{key} holds an entry of kind {kind}, which CSV cannot carry: export JSON lines"
        );
    }
    record.push_field(&entry.key()?);
    record.push_field(&entry.value()?.unwrap_or_default());
    if entry.expires_at_ms.is_none() && entry.owned {
        record.push_field(b"");
    }
    if let Some(at) = entry.expires_at_ms {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let left = u128::from(at).saturating_sub(now).max(1);
        record.push_field(format!("{left}ms").as_bytes());
    }
    if entry.owned {
        record.push_field(b"owned");
    }
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_byte_record(&record)?;
    Ok(writer.into_inner().map_err(csv::IntoInnerError::into_error)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csv_lines_quote_what_needs_it() {
        let line =
            br#"{"key":"a,b","value":"say \"x\"","stamp":"","origin":"","expires_at_ms":null}"#;
        assert_eq!(csv_line(line).unwrap(), b"\"a,b\",\"say \"\"x\"\"\"\n");
        let line = br#"{"key":"a","value_base64":"/w==","expires_at_ms":1}"#;
        assert_eq!(csv_line(line).unwrap(), b"a,\xff,1ms\n");
        let line = br#"{"key":"a","value":"v","owned":true}"#;
        assert_eq!(csv_line(line).unwrap(), b"a,v,,owned\n");
        let line = br#"{"key":"a","value":"v","owned":true,"expires_at_ms":1}"#;
        assert_eq!(csv_line(line).unwrap(), b"a,v,1ms,owned\n");
        assert!(csv_line(b"{").is_err());
        assert!(csv_line(br#"{"key":"a","kind":7,"body_base64":"dg=="}"#).is_err());
    }

    #[test]
    fn a_failed_export_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jsonl");
        let failed = to_file(&path, |to| {
            to.write_all(b"half")?;
            anyhow::bail!("broke off")
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        to_file(&path, |to| Ok(to.write_all(b"x").map(|()| 1)?)).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"x");
    }
}
