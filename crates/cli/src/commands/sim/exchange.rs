//! `rumormill sim exchange`.

use crate::args::{ExchangeArgs, Format};
use crate::commands::interrupt;
use crate::failure::Failure;
use crate::output::{self, Output};
use rumormill_sim::exchange::{ExchangeError, Exchanged, Part, Setup, Turn, exchange};
use serde_json::json;
use std::sync::atomic::Ordering;

/// What may be used where the system does not say how much memory is free.
const FALLBACK_MEMORY: u64 = 2 << 30;

pub fn run(args: &ExchangeArgs, format: Format) -> anyhow::Result<()> {
    if args.differences > args.entries {
        return Err(Failure::usage(format!(
            "--differences {}: there are only {} entries (--entries)",
            args.differences, args.entries
        )));
    }
    let setup = Setup {
        direction: args.mode.into(),
        compare: args.compare,
        entries: args.entries,
        differences: args.differences,
        value_size: args.value_size as usize,
        piece_bytes: args.piece_bytes as usize,
        seed: args.seed,
    };
    let (needed, free) = (setup.memory(), free_memory());
    if needed > free {
        return Err(Failure::usage(format!(
            "{} entries with values of {} bytes need about {} of memory, and {} are free: take fewer \
             or smaller ones (--entries, --value-size)",
            output::count(args.entries),
            args.value_size,
            output::bytes(needed),
            output::bytes(free)
        )));
    }
    let stop = interrupt::flag()?;
    let exchanged = match exchange(&setup, &mut || !stop.load(Ordering::Relaxed)) {
        Ok(exchanged) => exchanged,
        Err(error @ ExchangeError::Interrupted) => return Err(error.into()),
        Err(error) => return Err(anyhow::Error::new(error).context("this is a defect")),
    };
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&report(&exchanged))?,
        false => show(args, &exchanged, &mut out)?,
    }
    out.flush()
}

/// Memory that the system can give, bytes.
fn free_memory() -> u64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = info.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.map_or(FALLBACK_MEMORY, |kib| kib.saturating_mul(1024))
}

const ENDS: [&str; 2] = ["here", "there"];

fn report(exchanged: &Exchanged) -> serde_json::Value {
    let step = |turn: &Turn| {
        json!({
            "from": ENDS[turn.from % 2],
            "to": ENDS[(turn.from + 1) % 2],
            "bytes": turn.bytes,
            "datagrams": turn.datagrams,
            "frames": turn.frames,
            "parts": turn.parts,
            "carries": carries(turn),
        })
    };
    json!({
        "messages": exchanged.turns.len(),
        "bytes": exchanged.bytes(),
        "rounds": exchanged.rounds(),
        "left_different": exchanged.left_different,
        "different": exchanged.different,
        "steps": exchanged.turns.iter().map(step).collect::<Vec<_>>(),
    })
}

fn show(args: &ExchangeArgs, exchanged: &Exchanged, out: &mut Output) -> anyhow::Result<()> {
    out.line(format!(
        "{} entries of {} B, {} differ between here and there",
        output::count(args.entries),
        args.value_size,
        output::count(exchanged.different)
    ))?;
    let row = |(index, turn): (usize, &Turn)| {
        let arrow = if turn.from == 0 { "here -> there" } else { "here <- there" };
        let kinds: Vec<&str> = turn.parts.iter().map(|part| part.kind).collect();
        vec![
            (index + 1).to_string(),
            arrow.to_owned(),
            kinds.join("+"),
            output::count(turn.bytes),
            packets(turn),
            carries(turn),
        ]
    };
    let rows = exchanged.turns.iter().enumerate().map(row).collect();
    out.table(&["message", "way", "kind", "bytes", "as", "carries"], rows)?;
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    out.line(format!(
        "{}, {} bytes, {}; {} left different",
        plural(exchanged.turns.len(), "message"),
        output::count(exchanged.bytes()),
        plural(exchanged.rounds(), "round trip"),
        output::count(exchanged.left_different)
    ))
}

fn packets(turn: &Turn) -> String {
    let some = |count: u64, word: &str| match count {
        0 => None,
        1 => Some(format!("1 {word}")),
        count => Some(format!("{count} {word}s")),
    };
    let both = [some(turn.datagrams, "datagram"), some(turn.frames, "frame")];
    both.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// What a message carries, in words.
fn carries(turn: &Turn) -> String {
    let parts: Vec<String> = turn.parts.iter().map(words).collect();
    parts.join("; ")
}

fn words(part: &Part) -> String {
    let Part { kind, messages, holds, .. } = *part;
    let count = output::count(holds);
    match kind {
        "digest" => format!("a checksum over {count} entries"),
        "split" if holds == 1 => "checksums of the 16 parts of one range".into(),
        "split" => format!("checksums of the 16 parts of {count} ranges each"),
        "items" => format!("hashes of {count} single entries, in {messages} ranges"),
        "want" => format!("asks for {count} entries"),
        "entries" => format!("{count} entries"),
        "pull" => "asks for everything".into(),
        "piece" => format!("all entries of a piece: {count}"),
        "sketch" => format!("a checksum and a sketch of {count} entries"),
        "sketch-reply" => format!("an estimate and the first {count} cells"),
        "sketch-ask" if holds == 0 => "asks for as many cells as an estimate says".into(),
        "sketch-ask" => format!("asks for {count} cells or more"),
        "sketch-batch" => format!("{count} cells"),
        "wants" => format!("asks for {count} entries"),
        kind => format!("{count} in {kind}"),
    }
}
