//! `rumormill sim sweep`.

mod draw;
mod grid;
mod pictures;
mod report;
mod vary;

use super::epidemic::settings::{Plan, idle};
use super::watched::{Effort, threads};
use crate::args::{Format, SweepArgs};
use crate::commands::{interrupt, progress};
use crate::output::Output;
use crate::plot;
use anyhow::Context as _;
use grid::{Load, Place, places, run_all};
use pictures::pictures;
use std::sync::atomic::Ordering;
use vary::Vary;

pub fn run(args: &SweepArgs, format: Format) -> anyhow::Result<()> {
    let varied = vary::all(&args.vary, std::env::args().skip(1))?;
    let places = places(&varied, &args.point)?;
    plot::are_writable(args.plot.as_deref(), args.csv.as_deref())?;
    let pictures = match args.plot {
        Some(_) => pictures(&varied, args.x.as_deref(), &args.y)?,
        None => Vec::new(),
    };
    let trials = args.run.trials as u64;
    let load = Load::new(threads(args.run.threads), args.run.trials, places.len());
    let plans = plans(&places, &varied, load)?;
    let stop = interrupt::flag()?;
    let bar = progress::steps("trials", trials.saturating_mul(places.len() as u64));
    let effort = Effort { trials, seed: args.run.seed, threads: load.threads };
    let points = run_all(&places, &plans, effort, load, &stop, &bar)?;
    bar.finish_and_clear();
    let done = |point: &grid::Point| point.summary.trials == trials;
    let interrupted = stop.load(Ordering::Relaxed) || !points.iter().all(done);
    let interrupted = interrupted || points.len() < places.len();
    if let Some(path) = &args.csv {
        report::write_csv(path, &varied, &points)?;
    }
    if let (Some(path), false) = (&args.plot, points.is_empty()) {
        plot::write(path, &draw::charts(&varied, &points, &pictures))?;
    }
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&report::json(&varied, &points, effort, interrupted)?)?,
        false => {
            report::people(&mut out, &varied, &points, trials, places.len())?;
            out.files(args.plot.iter().chain(&args.csv))?;
        }
    }
    out.flush()?;
    if interrupted {
        interrupt::end();
    }
    Ok(())
}

/// Checks all points before the first is run. An option may do nothing at some of them (k, where
/// the method is varied), but not at all.
fn plans(places: &[Place], varied: &[Vary], load: Load) -> anyhow::Result<Vec<Plan>> {
    let idle: Vec<_> = places.iter().map(|place| idle(&place.args)).collect();
    if let Some(first) = idle.first() {
        let everywhere =
            |name: &str| idle.iter().all(|found| found.iter().any(|idle| idle.name == name));
        if let Some(useless) = first.iter().find(|idle| everywhere(idle.name)) {
            return Err(useless.failure());
        }
    }
    let plan = |(place, idle): (&Place, &Vec<_>)| {
        let at = || format!("at {}", place.text(varied));
        Plan::new(&place.args, idle, load.trials_at_once()).with_context(at)
    };
    places.iter().zip(&idle).map(plan).collect()
}
