//! `rumormill sim cluster`: the real protocol on many nodes, in virtual time.

mod charts;
pub(super) mod setup;
pub(super) mod table;

use super::trace_file::TraceFile;
use crate::args::{ClusterArgs, Format};
use crate::commands::{interrupt, progress};
use crate::failure::{Code, Failure};
use crate::output::Output;
use crate::plot;
use indicatif::ProgressBar;
use rayon::prelude::*;
use rumormill_sim::{Progress, Report, Trial, World};
use serde_json::{Value, json};
use setup::Variant;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub fn run(args: &ClusterArgs, format: Format) -> anyhow::Result<()> {
    plot::are_writable(args.plot.as_deref(), args.csv.as_deref())?;
    let variants = setup::variants(args)?;
    let ignored = setup::without_meaning(&args.config);
    if !ignored.is_empty() && format == Format::Human {
        eprintln!(
            "note: simulated nodes have no {}: disks are at once, addresses are made up",
            ignored.join(", ")
        );
    }
    let trials: Vec<&Trial> = variants.iter().map(|variant| &variant.trial).collect();
    setup::ensure_trials(&trials, rayon::current_num_threads())?;
    let file = match (&args.trace.trace, &variants[..]) {
        (Some(path), [_]) => Some(TraceFile::create(path, args.trace.trace_lines)?),
        (Some(_), _) => {
            return Err(Failure::usage("--trace is of one run: leave out --compare"));
        }
        (None, _) => None,
    };
    let stop = interrupt::flag()?;
    let reports = match (&file, &trials[..]) {
        (Some(file), [trial]) => vec![Some(run_traced(trial, file, &stop))],
        _ => run_all(&trials, &stop),
    };
    let done: Vec<(&Variant, Report)> = variants
        .iter()
        .zip(reports)
        .filter_map(|(variant, report)| Some((variant, report?)))
        .collect();
    show(args, format, &done, &ignored)?;
    if let Some(file) = file {
        let traced = file.finish()?;
        if traced.left_out > 0 && format == Format::Human {
            eprintln!("note: the trace holds the first {} lines only", traced.lines);
        }
    }
    write_files(args, &done)?;
    verdict(&done)?;
    if stop.load(Ordering::Relaxed) {
        interrupt::end();
    }
    Ok(())
}

/// Runs them all, as many at once as there are cores; those that were not begun when it was
/// interrupted have no report.
pub(super) fn run_all(trials: &[&Trial], stop: &AtomicBool) -> Vec<Option<Report>> {
    let bar = progress::virtual_time(trials.iter().map(|trial| trial.longest()).sum());
    let reports = trials
        .par_iter()
        .map(|trial| {
            let begins = !stop.load(Ordering::Relaxed);
            begins.then(|| run_one(trial, |_| (), stop, &bar))
        })
        .collect();
    bar.finish_and_clear();
    reports
}

fn run_traced(trial: &Trial, file: &TraceFile, stop: &AtomicBool) -> Report {
    let bar = progress::virtual_time(trial.longest());
    let report = run_one(trial, |world| file.attach(world), stop, &bar);
    bar.finish_and_clear();
    report
}

fn run_one(
    trial: &Trial,
    prepare: impl FnOnce(&mut World),
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> Report {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let begun = Instant::now();
    let mut seen = 0;
    let mut report = trial.run_in(prepare, |Progress { done, phase, .. }| {
        bar.inc(ms(done).saturating_sub(seen));
        seen = seen.max(ms(done));
        bar.set_message(phase);
        !stop.load(Ordering::Relaxed)
    });
    report.wall_ms = ms(begun.elapsed());
    // Settling is mostly over long before its bound.
    bar.inc(ms(trial.longest()).saturating_sub(seen));
    report
}

fn show(
    args: &ClusterArgs,
    format: Format,
    done: &[(&Variant, Report)],
    ignored: &[String],
) -> anyhow::Result<()> {
    let mut out = Output::new(format);
    let compared = !args.compare.is_empty();
    if out.is_json() {
        let mut values = Vec::new();
        for (variant, report) in done {
            values.push(value(variant, report, ignored)?);
        }
        match (compared, values.pop()) {
            (false, Some(value)) => out.json(&value)?,
            (_, last) => {
                values.extend(last);
                out.json(&json!({ "seed": args.seed, "variants": values }))?;
            }
        }
    } else if compared {
        table::side_by_side(&mut out, done)?;
    } else if let [(variant, report)] = done {
        table::one(&mut out, variant, report)?;
    }
    if !out.is_json() {
        out.files(args.plot.iter().chain(&args.csv))?;
    }
    out.flush()
}

fn value(variant: &Variant, report: &Report, ignored: &[String]) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(report)?;
    if let Value::Object(keys) = &mut value {
        keys.insert("spread".into(), {
            use setup::SpreadName as _;
            variant.trial.options.config.spread_name().into()
        });
        keys.insert("faults".into(), faults(report).into());
        if !variant.changes.is_empty() {
            let changes = variant.changes.iter().cloned();
            let changes: serde_json::Map<_, _> =
                changes.map(|(name, value)| (name, Value::from(value))).collect();
            keys.insert("variant".into(), changes.into());
        }
        if !ignored.is_empty() {
            keys.insert("ignored_settings".into(), ignored.into());
        }
    }
    Ok(value)
}

fn faults(report: &Report) -> Vec<Value> {
    let faults = report.faults.iter();
    faults.map(|(at, what)| json!({ "at_ms": at * 1000.0, "what": what })).collect()
}

fn write_files(args: &ClusterArgs, done: &[(&Variant, Report)]) -> anyhow::Result<()> {
    if args.plot.is_none() && args.csv.is_none() {
        return Ok(());
    }
    let charts = charts::of(done);
    if let Some(file) = &args.plot {
        plot::write(file, &charts)?;
    }
    if let Some(file) = &args.csv {
        plot::write_csv(file, &charts)?;
    }
    Ok(())
}

/// A failure if something did not hold that should.
fn verdict(done: &[(&Variant, Report)]) -> anyhow::Result<()> {
    let failed = |what: String| Err(Failure::new(Code::Failed, what).into());
    let finished = || done.iter().filter(|(_, report)| !report.interrupted);
    if let Some((variant, report)) = done.iter().find(|(_, report)| !report.violations.is_empty()) {
        let found = &report.violations[0];
        let node = found.node.map_or(String::new(), |node| format!(" at n{node}"));
        return failed(format!(
            "{}: the property {:?} does not hold{node} after {:.3} s; the same arguments with --seed {} show it \
             again",
            variant.name(),
            found.property,
            found.at_ms / 1000.0,
            report.seed
        ));
    }
    match finished().find(|(_, report)| !report.converged) {
        Some((variant, report)) => failed(format!(
            "{}: the nodes do not agree, {} digests are left; --settle gives them longer",
            variant.name(),
            report.digests
        )),
        None => Ok(()),
    }
}
