//! `rumormill bench`.

mod epidemic;
mod reconcile;
mod spread;

use super::progress;
use crate::args::{BenchCommand, BenchSpreadArgs, Format};
use crate::output::Output;

pub fn run(command: &BenchCommand, format: Format) -> anyhow::Result<()> {
    match command {
        BenchCommand::Spread(args) => spread(args, format),
        BenchCommand::Epidemic(args) => epidemic::run(args, format),
        BenchCommand::Reconcile(args) => reconcile::run(args, &mut Output::new(format)),
    }
}

fn spread(args: &BenchSpreadArgs, format: Format) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    let mut rows = Vec::new();
    for nodes in &args.nodes {
        let options = spread::Options {
            nodes: usize::from(*nodes),
            updates: args.updates as usize,
            burst: args.burst as usize,
            bursts: usize::from(args.bursts),
            import: u64::from(args.import),
            idle: args.idle,
            sealed: args.sealed,
            seed: args.seed,
        };
        let spinner = progress::spinner(format!("{nodes} nodes"));
        spinner.enable_steady_tick(std::time::Duration::from_millis(100));
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let tell = |what: &str| spinner.set_message(format!("{nodes} nodes: {what}"));
        let report = runtime.block_on(spread::run(&options, tell))?;
        spinner.finish_and_clear();
        if out.is_json() {
            out.json(&report)?;
            out.flush()?;
        }
        rows.push(row(&report));
    }
    if !out.is_json() {
        let mut header = vec![
            "nodes",
            "t50",
            "t99",
            "t100",
            "amplification",
            "last delivery",
            "lost",
            "cpu",
            "idle",
        ];
        if args.import > 0 {
            header.extend(["written", "everywhere", "received"]);
        }
        out.table(&header, rows)?;
    }
    out.flush()
}

fn row(report: &spread::Report) -> Vec<String> {
    let mut row = vec![
        report.nodes.to_string(),
        format!("{:.2} ms", report.t50_ms),
        format!("{:.2} ms", report.t99_ms),
        format!("{:.2} ms", report.t100_ms),
        format!("{:.3}", report.amplification),
        format!("{:.1} ms", report.last_delivery_ms),
        report.lost.to_string(),
        format!("{:.2} us", report.cpu_us_per_delivery),
        format!("{:.0} B/s", report.idle_bytes_per_second),
    ];
    if let Some(import) = &report.import {
        row.extend([
            format!("{:.0} ms", import.written_ms),
            format!("{:.0} ms", import.everywhere_ms),
            format!("{:.3}", import.received_per_byte),
        ]);
    }
    row
}
