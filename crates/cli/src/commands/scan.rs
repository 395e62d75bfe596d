//! `rumormill scan`.

use crate::args::{Format, ScanArgs};
use crate::client::{Client, EntryJson};
use crate::encoding::{printable, shorten};
use crate::output::Output;

/// Entries per request.
const PAGE: u64 = 1000;
/// Widest key and value in a table; longer ones are cut, on terminals only.
const WIDEST: usize = 60;

pub fn run(args: &ScanArgs, format: Format) -> anyhow::Result<()> {
    let client = Client::new(&args.client)?;
    let prefix = args.prefix.as_encoded_bytes();
    let mut out = Output::new(format);
    let mut left = args.limit.unwrap_or(u64::MAX);
    let mut after: Option<String> = None;
    while left > 0 {
        let page = client.page(prefix, after.as_deref(), left.min(PAGE), args.keys)?;
        left = left.saturating_sub(page.entries.len() as u64);
        print(&mut out, page.entries, args.keys, after.is_none())?;
        // Whoever reads along sees each page at once.
        out.flush()?;
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(())
}

fn print(
    out: &mut Output,
    entries: Vec<serde_json::Value>,
    keys: bool,
    first: bool,
) -> anyhow::Result<()> {
    if out.is_json() {
        return entries.iter().try_for_each(|entry| out.json(entry));
    }
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let entry: EntryJson = serde_json::from_value(entry)?;
        let mut row = vec![printable(&entry.key()?)];
        if !keys {
            row.push(match entry.kind {
                Some(kind) => format!("(of kind {kind})"),
                None => printable(&entry.value()?.unwrap_or_default()),
            });
        }
        if out.terminal {
            row = row.iter().map(|cell| shorten(cell, WIDEST)).collect();
            row.push(entry.origin);
        }
        rows.push(row);
    }
    let header: &[&str] = match (out.terminal && first && !rows.is_empty(), keys) {
        (false, _) => &[],
        (true, true) => &["key", "origin"],
        (true, false) => &["key", "value", "origin"],
    };
    out.table(header, rows)
}
