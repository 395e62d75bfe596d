//! `rumormill bench reconcile`: what it costs to learn what differs.

mod trial;

use crate::args::BenchReconcileArgs;
use crate::commands::interrupt;
use crate::commands::progress;
use crate::failure::Failure;
use crate::output::Output;
use serde::Serialize;
use std::sync::atomic::Ordering;
use trial::{Cost, Pair};

/// What is measured for a number of entries and of differences.
#[derive(Debug, Serialize)]
struct Row {
    entries: u64,
    differences: u64,
    trials: usize,
    bytes: Spread,
    /// Bytes / (differences x 8); 0 where nothing differs.
    ratio: f64,
    messages: f64,
    round_trips: f64,
    /// Median over the trials, both sides together.
    cpu_us: f64,
    /// Of one overwrite: an item taken out and one taken in.
    upkeep_ns: f64,
    /// Sessions that ended without an answer, which ranges would go on with.
    handed_over: u64,
    /// Differences that were not found, and such that were and are none, over all trials.
    left_different: u64,
}

#[derive(Debug, Serialize)]
struct Spread {
    mean: f64,
    p99: f64,
}

pub fn run(args: &BenchReconcileArgs, out: &mut Output) -> anyhow::Result<()> {
    let impossible = |entries: u64| args.differences.iter().all(|count| *count > entries);
    if let Some(entries) = args.entries.iter().find(|entries| impossible(**entries)) {
        return Err(Failure::usage(format!(
            "{entries} entries cannot differ in so many places: give --differences up to {entries}"
        )));
    }
    let stop = interrupt::flag()?;
    let spinner = progress::spinner("");
    spinner.enable_steady_tick(std::time::Duration::from_millis(100));
    let mut rows = Vec::new();
    'all: for entries in &args.entries {
        spinner.set_message(format!("{entries} entries: filling two replicas"));
        let mut pair = Pair::new(*entries, args.seed);
        let upkeep_ns = pair.upkeep_ns();
        for differences in args.differences.iter().filter(|count| *count <= entries) {
            let trials = args.trials.map_or_else(|| trials(*differences), |trials| trials as usize);
            let mut costs = Vec::with_capacity(trials);
            for trial in 0..trials {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                spinner.set_message(format!(
                    "{entries} entries, {differences} differences: {trial} of {trials} trials"
                ));
                costs.push(pair.trial(*differences));
            }
            if !costs.is_empty() {
                rows.push(row(*entries, *differences, upkeep_ns, &costs));
            }
            if stop.load(Ordering::Relaxed) {
                break 'all;
            }
        }
    }
    spinner.finish_and_clear();
    print(&rows, out)
}

/// Enough for the percentiles where a trial is cheap.
fn trials(differences: u64) -> usize {
    match differences {
        0..=100 => 1000,
        101..=1000 => 200,
        1001..=10_000 => 30,
        _ => 5,
    }
}

fn row(entries: u64, differences: u64, upkeep_ns: f64, costs: &[Cost]) -> Row {
    let count = costs.len() as f64;
    let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / count;
    let sorted = |of: fn(&Cost) -> f64| {
        let mut all: Vec<f64> = costs.iter().map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    };
    let at = |all: &[f64], share: f64| {
        let last = all.len().saturating_sub(1);
        all.get((last as f64 * share).ceil() as usize).copied().unwrap_or(0.0)
    };
    let bytes = mean(|cost| cost.bytes as f64);
    Row {
        entries,
        differences,
        trials: costs.len(),
        bytes: Spread { mean: bytes, p99: at(&sorted(|cost| cost.bytes as f64), 0.99) },
        ratio: if differences == 0 { 0.0 } else { bytes / (8.0 * differences as f64) },
        messages: mean(|cost| cost.messages as f64),
        round_trips: mean(|cost| cost.round_trips as f64),
        cpu_us: at(&sorted(|cost| cost.cpu_us), 0.5),
        upkeep_ns,
        handed_over: costs.iter().map(|cost| u64::from(cost.handed_over)).sum(),
        left_different: costs.iter().map(|cost| cost.left_different).sum(),
    }
}

fn print(rows: &[Row], out: &mut Output) -> anyhow::Result<()> {
    if out.is_json() {
        out.json(&rows)?;
        return out.flush();
    }
    let header = [
        "entries",
        "differences",
        "trials",
        "bytes",
        "p99",
        "x floor",
        "messages",
        "round trips",
        "cpu",
        "upkeep",
        "left different",
    ];
    let cells = |row: &Row| {
        vec![
            row.entries.to_string(),
            row.differences.to_string(),
            row.trials.to_string(),
            format!("{:.0}", row.bytes.mean),
            format!("{:.0}", row.bytes.p99),
            if row.differences == 0 { "-".into() } else { format!("{:.2}", row.ratio) },
            format!("{:.2}", row.messages),
            format!("{:.2}", row.round_trips),
            format!("{:.1} us", row.cpu_us),
            format!("{:.0} ns", row.upkeep_ns),
            row.left_different.to_string(),
        ]
    };
    out.table(&header, rows.iter().map(cells).collect())?;
    out.flush()
}
