//! `rumormill sim graph`: draws or reads a network and measures it.

mod charts;
mod report;
mod words;

use super::memory;
use super::network::{Built, NODES};
use crate::args::{Format, GraphArgs};
use crate::commands::{interrupt, progress};
use crate::failure::Failure;
use crate::output::{Output, count};
use crate::plot;
use report::Report;
use rumormill_sim::epidemic::{Distances, Graph, Network, anatomy, distances, spatial};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

/// Visits of nodes and contacts that searches may take, unless more are asked for: a few seconds.
const BUDGET: u64 = 2_500_000_000;
/// The fewest searches, whatever they take.
const FEWEST: usize = 16;
/// The most nodes around which links between contacts are counted.
const CLUSTERED: usize = 100_000;
/// The most comparisons of contacts for it.
const COMPARISONS: f64 = 1e9;

pub fn run(args: &GraphArgs, format: Format) -> anyhow::Result<()> {
    check(args)?;
    let stop = interrupt::flag()?;
    let built = args.network.build(args.nodes, args.seed)?;
    let report = measure(args, &built, &stop)?;
    // First what was found: a file that cannot be written must not cost it.
    let mut output = Output::new(format);
    if output.is_json() {
        output.json(&report)?;
    } else {
        words::show(&report, &mut output)?;
    }
    output.flush()?;
    if let Some(path) = &args.csv {
        plot::write_rows(path, &["distance", "pairs", "share", "cumulative"], report.csv())?;
    }
    if let Some(path) = &args.plot {
        let charts = charts::charts(&report);
        if charts.is_empty() {
            let shown = path.display();
            anyhow::bail!("{shown} was not written: no pair of nodes was seen to reach each other");
        }
        plot::write(path, &charts)?;
    }
    if !output.is_json() {
        output.files([&args.plot, &args.csv].into_iter().flatten())?;
    }
    output.flush()
}

/// What can be known before anything is built.
fn check(args: &GraphArgs) -> anyhow::Result<()> {
    plot::are_writable(args.plot.as_deref(), args.csv.as_deref())?;
    if args.sample == Some(0) {
        return Err(Failure::usage("--sample 0 measures nothing: search from at least 1 node"));
    }
    let usage = |error: rumormill_sim::epidemic::Invalid| Failure::usage(error.0);
    let Some(topology) = args.network.named() else { return Ok(()) };
    let nodes = args.nodes.unwrap_or(NODES);
    let width = args.network.width(nodes);
    topology.check(nodes, width).map_err(usage)?;
    let mut needed = topology.bytes(nodes, width);
    if let Some(a) = args.spatial {
        spatial::check(Some(topology), nodes, a).map_err(usage)?;
        needed = needed.saturating_add(spatial::Spatial::bytes(Some(topology), nodes));
    }
    if needed > 0 {
        let searches = distances::bytes_per_search(nodes) * rayon::current_num_threads() as u64;
        needed = needed.saturating_add(searches);
    }
    let what = format!("measuring a {} network of {} nodes", topology.name(), count(nodes as u64));
    memory::ensure(needed, &what)
}

fn measure(args: &GraphArgs, built: &Built, stop: &AtomicBool) -> anyhow::Result<Report> {
    let nodes = built.network.nodes();
    let mut report = Report::new(built, args.network.named().map(|_| args.seed));
    if let Some(a) = args.spatial {
        let spinner = progress::spinner("computing distances for calls");
        report.set_spatial(a, &args.network.spatial(built, a)?, &args.network.spatial(built, 0.0)?);
        spinner.finish_and_clear();
    }
    match &built.network {
        Network::Complete(nodes) => {
            report.set_contacts(&BTreeMap::from([(nodes - 1, *nodes)]));
            report.set_components(&[*nodes]);
            report.set_clustering(if *nodes > 2 { 1.0 } else { 0.0 }, *nodes);
            report.set_distances(Distances::complete(*nodes));
        }
        Network::Graph(graph) => {
            let contacts = anatomy::contacts(graph);
            report.set_contacts(&contacts);
            report.set_components(&anatomy::components(graph));
            let around = distances::sample(nodes, clustered(graph, &contacts), args.seed);
            report.set_clustering(anatomy::clustering(graph, &around), around.len());
            report.set_distances(search(graph, args, stop));
        }
    }
    report.interrupted = stop.load(Ordering::Relaxed);
    Ok(report)
}

/// Around how many nodes to count links between contacts: comparing the contacts of a node takes
/// about the square of their number.
fn clustered(graph: &Graph, contacts: &BTreeMap<usize, usize>) -> usize {
    let squares: f64 =
        contacts.iter().map(|(contacts, nodes)| (*contacts as f64).powi(2) * *nodes as f64).sum();
    let affordable = COMPARISONS / (squares / graph.nodes() as f64).max(1.0);
    (affordable as usize).clamp(100, CLUSTERED).min(graph.nodes())
}

fn search(graph: &Graph, args: &GraphArgs, stop: &AtomicBool) -> Distances {
    let affordable = distances::affordable(graph, BUDGET).max(FEWEST);
    let wanted = args.sample.unwrap_or(affordable);
    let sources = distances::sample(graph.nodes(), wanted, args.seed);
    let bar = progress::steps("searches", sources.len() as u64);
    let found = Distances::measure(graph, &sources, stop, || bar.inc(1));
    bar.finish_and_clear();
    found
}
