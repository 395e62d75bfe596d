//! `rumormill bench epidemic`: what one contact of the abstract epidemic costs.

use crate::args::{BenchEpidemicArgs, Format};
use crate::commands::progress;
use crate::failure::Failure;
use crate::output::Output;
use rumormill_sim::epidemic::bench::{self, Pace};
use serde::Serialize;
use std::time::{Duration, Instant};

/// One line of the result, for programs.
#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    pace: Pace,
    push_ratio: f64,
    pull_ratio: f64,
    push_pull_ratio: f64,
}

/// Time that this thread has had a processor, so that other work on the machine counts little;
/// elsewhere than on Linux the time that has passed.
fn clock(begun: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let running = stat.split(' ').next().and_then(|nanos| nanos.parse().ok());
    running.map_or_else(|| begun.elapsed(), Duration::from_nanos)
}

pub fn run(args: &BenchEpidemicArgs, format: Format) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    let begun = Instant::now();
    let mut rows = Vec::with_capacity(args.nodes.len());
    for nodes in &args.nodes {
        let spinner = progress::spinner(format!("{nodes} nodes"));
        spinner.enable_steady_tick(Duration::from_millis(100));
        let pace = bench::measure(*nodes as usize, args.seed, &|| clock(begun))
            .map_err(|error| Failure::usage(error.to_string()))?;
        spinner.finish_and_clear();
        rows.push(Row {
            pace,
            push_ratio: pace.ratio(pace.push_ns),
            pull_ratio: pace.ratio(pace.pull_ns),
            push_pull_ratio: pace.ratio(pace.push_pull_ns),
        });
    }
    if out.is_json() {
        out.json(&rows)?;
        return out.flush();
    }
    let header = ["nodes", "contacts", "plain", "push", "", "pull", "", "push-pull", ""];
    let cells = |row: &Row| {
        let mut cells = vec![row.pace.nodes.to_string(), row.pace.contacts.to_string()];
        cells.push(format!("{:.2} ns", row.pace.plain_ns));
        for (ns, ratio) in [
            (row.pace.push_ns, row.push_ratio),
            (row.pace.pull_ns, row.pull_ratio),
            (row.pace.push_pull_ns, row.push_pull_ratio),
        ] {
            cells.push(format!("{ns:.2} ns"));
            cells.push(format!("{ratio:.2}x"));
        }
        cells
    };
    out.table(&header, rows.iter().map(cells).collect())?;
    out.flush()
}
