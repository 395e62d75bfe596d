//! `rumormill sim lifeguard`.

mod charts;
mod report;
mod runs;

use super::cluster::setup::{flags, load};
use crate::args::{Format, LifeguardArgs};
use crate::commands::{interrupt, progress};
use crate::failure::Failure;
use crate::output::Output;
use crate::plot;
use rumormill::settings::Flag;
use rumormill_core::Config;
use rumormill_sim::lifeguard::Variant;
use runs::Runs;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub fn run(args: &LifeguardArgs, format: Format) -> anyhow::Result<()> {
    let config = check(args)?;
    plot::are_writable(args.plot.as_deref(), args.csv.as_deref())?;
    let stop = interrupt::flag()?;
    let runs = Runs { args, config: &config, stop: &stop };
    let bar = progress::steps("experiments", runs.steps() * Variant::ALL.len() as u64);
    let mut outcomes = Vec::new();
    for variant in Variant::ALL {
        bar.set_message(variant.name());
        outcomes.push(runs.all(variant, &|| bar.inc(1))?);
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        report::write_csv(path, &outcomes)?;
    }
    // An interrupted run may have counted nothing yet: there is nothing to draw then.
    let drawn = outcomes.iter().any(|outcome| !outcome.rows.is_empty());
    if let (Some(path), true) = (&args.plot, drawn) {
        plot::write(path, &charts::of(args, &outcomes))?;
    }
    let mut out = Output::new(format);
    let interrupted = stop.load(Ordering::Relaxed);
    match out.is_json() {
        true => out.json(&report::json(args, &outcomes, interrupted))?,
        false => {
            report::people(args, &outcomes, interrupted, &mut out)?;
            out.files(args.plot.iter().filter(|_| drawn).chain(&args.csv))?;
        }
    }
    out.flush()?;
    if interrupted { interrupt::end() } else { Ok(()) }
}

fn check(args: &LifeguardArgs) -> anyhow::Result<Config> {
    if let Some(starved) = args.starved.iter().find(|starved| **starved >= args.nodes) {
        return Err(Failure::usage(format!(
            "--starved {starved}: of {} members at least one must be healthy (--nodes)",
            args.nodes
        )));
    }
    let shortest = args.pauses.iter().chain(&args.awake).min().copied().unwrap_or_default();
    if shortest < Duration::from_millis(1) {
        return Err(Failure::usage("--pauses and --awake are at least 1ms"));
    }
    if args.duration > Duration::from_secs(24 * 3600) {
        return Err(Failure::usage("--for is at most a day"));
    }
    let ours = [("member.suspicion_mult", "5"), ("member.probe_timeout", "500ms")];
    let given = load(args.config.config.as_deref(), &[])?.config.member;
    let default = Config::default().member;
    let untouched = [
        given.suspicion_mult == default.suspicion_mult,
        given.probe_timeout == default.probe_timeout,
    ];
    let mut all: Vec<Flag> = ours
        .into_iter()
        .zip(untouched)
        .filter(|(_, untouched)| *untouched)
        .map(|((field, value), _)| Flag {
            flag: "the experiment".into(),
            field: field.into(),
            value: value.into(),
        })
        .collect();
    all.extend(flags(&args.config, None, None)?);
    Ok(load(args.config.config.as_deref(), &all)?.config)
}
