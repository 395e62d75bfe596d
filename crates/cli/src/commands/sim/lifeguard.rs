//! `rumormill sim lifeguard`.

use super::cluster::setup::{flags, load};
use super::interrupt;
use crate::args::{Format, LifeguardArgs};
use crate::commands::progress;
use crate::failure::Failure;
use crate::output::{Output, count};
use rayon::prelude::*;
use rumormill::settings::Flag;
use rumormill_core::Config;
use rumormill_sim::lifeguard::{Counts, Setup, Variant};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Crashes over which the first detection is averaged, at least.
const CRASHES: u32 = 10;

/// One experiment of one variant.
#[derive(Debug, Serialize)]
struct Row {
    variant: &'static str,
    starved: usize,
    pause_ms: u64,
    trials: u32,
    /// Healthy members about healthy members.
    false_positives: u64,
    /// All members about healthy members.
    everywhere: u64,
}

/// What came of a variant.
#[derive(Debug)]
struct Outcome {
    variant: Variant,
    rows: Vec<Row>,
    first_detection_s: Option<f64>,
}

impl Outcome {
    fn false_positives(&self) -> u64 {
        self.rows.iter().map(|row| row.false_positives).sum()
    }
}

pub fn run(args: &LifeguardArgs, format: Format) -> anyhow::Result<()> {
    let config = check(args)?;
    let stop = interrupt::flag()?;
    let cases = args.starved.len() * args.pauses.len() * Variant::ALL.len();
    let detections = Variant::ALL.len() * args.trials.max(CRASHES) as usize;
    let bar = progress::steps("experiments", (cases * args.trials as usize + detections) as u64);
    let mut outcomes = Vec::new();
    for variant in Variant::ALL {
        bar.set_message(variant.name());
        let rows = starve(args, &config, variant, &stop, &|| bar.inc(1))?;
        let first_detection_s = detect(args, &config, variant, &stop, &|| bar.inc(1))?;
        outcomes.push(Outcome { variant, rows, first_detection_s });
        if stop.load(Ordering::Relaxed) {
            break;
        }
    }
    bar.finish_and_clear();
    if let Some(path) = &args.csv {
        let mut csv = csv::Writer::from_path(path)
            .map_err(|error| Failure::usage(format!("--csv {}: {error}", path.display())))?;
        for row in outcomes.iter().flat_map(|outcome| &outcome.rows) {
            csv.serialize(row)?;
        }
        csv.flush()?;
    }
    let mut out = Output::new(format);
    let interrupted = stop.load(Ordering::Relaxed);
    match out.is_json() {
        true => out.json(&report(args, &outcomes, interrupted))?,
        false => show(args, &outcomes, interrupted, &mut out)?,
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
    let shortest = args.pauses.iter().chain([&args.awake]).min().copied().unwrap_or_default();
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

fn setup(args: &LifeguardArgs, config: &Config, trial: u32) -> Setup {
    Setup {
        nodes: args.nodes as usize,
        starved: 0,
        pause: Duration::ZERO,
        awake: args.awake,
        duration: args.duration,
        seed: args.seed.wrapping_add(u64::from(trial)),
        config: config.clone(),
    }
}

/// Runs every experiment of a variant on all cores.
fn starve(
    args: &LifeguardArgs,
    config: &Config,
    variant: Variant,
    stop: &AtomicBool,
    done: &(impl Fn() + Sync),
) -> anyhow::Result<Vec<Row>> {
    let pairs = args.starved.iter().flat_map(|c| args.pauses.iter().map(|d| (*c as usize, *d)));
    let cases: Vec<(usize, Duration)> = pairs.collect();
    let row = |(starved, pause): (usize, Duration)| -> anyhow::Result<Row> {
        let (mut sum, mut trials) = (Counts::default(), 0);
        for trial in 0..args.trials {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let setup = Setup { starved, pause, ..setup(args, config, trial) };
            let counts = setup.starve(variant)?;
            sum.false_positives += counts.false_positives;
            sum.everywhere += counts.everywhere;
            trials += 1;
            done();
        }
        Ok(Row {
            variant: variant.name(),
            starved,
            pause_ms: u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            trials,
            false_positives: sum.false_positives,
            everywhere: sum.everywhere,
        })
    };
    cases.into_par_iter().map(row).collect()
}

/// The mean time until a crash is first noticed.
fn detect(
    args: &LifeguardArgs,
    config: &Config,
    variant: Variant,
    stop: &AtomicBool,
    done: &(impl Fn() + Sync),
) -> anyhow::Result<Option<f64>> {
    let seconds = |trial: u32| -> anyhow::Result<Option<f64>> {
        if stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let found = setup(args, config, trial).detect(variant)?;
        done();
        Ok(found.map(|found| found.as_secs_f64()))
    };
    let trials: Vec<u32> = (0..args.trials.max(CRASHES)).collect();
    let found: Vec<Option<f64>> =
        trials.into_par_iter().map(seconds).collect::<anyhow::Result<_>>()?;
    let found: Vec<f64> = found.into_iter().flatten().collect();
    Ok((!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64))
}

fn report(args: &LifeguardArgs, outcomes: &[Outcome], interrupted: bool) -> Value {
    let mut report = Map::new();
    for outcome in outcomes {
        report.insert(
            outcome.variant.name().into(),
            json!({
                "false_positives": outcome.false_positives(),
                "first_detection_s": outcome.first_detection_s,
            }),
        );
    }
    let ms = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    report.insert("nodes".into(), args.nodes.into());
    report.insert("starved".into(), args.starved.clone().into());
    report.insert("pauses_ms".into(), args.pauses.iter().map(ms).collect::<Vec<_>>().into());
    report.insert("awake_ms".into(), ms(&args.awake).into());
    report.insert("duration_ms".into(), ms(&args.duration).into());
    report.insert("trials".into(), args.trials.into());
    report.insert("seed".into(), args.seed.into());
    report.insert("interrupted".into(), interrupted.into());
    if args.rows {
        let rows: Vec<&Row> = outcomes.iter().flat_map(|outcome| &outcome.rows).collect();
        report.insert("rows".into(), json!(rows));
    }
    Value::Object(report)
}

fn show(
    args: &LifeguardArgs,
    outcomes: &[Outcome],
    interrupted: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    out.line(format!(
        "{} members, of which {:?} are starved for {:?} at a time and run for {:?} in between",
        args.nodes, args.starved, args.pauses, args.awake
    ))?;
    let swim = outcomes.first().map_or(0, Outcome::false_positives);
    let rows = outcomes.iter().map(|outcome| {
        let found = outcome.false_positives();
        let share = match swim {
            0 => "-".into(),
            swim => format!("{:.2} %", found as f64 / swim as f64 * 100.0),
        };
        let first = outcome.first_detection_s.map_or("-".into(), |s| format!("{s:.2} s"));
        vec![outcome.variant.name().into(), count(found), share, first]
    });
    let header = ["variant", "false positives", "of plain SWIM's", "first detection"];
    out.table(&header, rows.collect())?;
    if interrupted {
        out.line("interrupted: this is what was done until then")?;
    }
    Ok(())
}
