//! `rumormill sim epidemic`.

pub mod course;
pub mod figures;
pub mod report;
pub mod settings;
pub mod theory;

use super::watched::{Effort, threads, watched};
use crate::args::{EpidemicArgs, Format};
use crate::commands::{interrupt, progress};
use crate::output::{Output, count};
use crate::plot;
use settings::{Plan, idle};
use std::sync::atomic::Ordering;

pub fn run(args: &EpidemicArgs, format: Format) -> anyhow::Result<()> {
    if let Some(idle) = idle(&args.point).first() {
        return Err(idle.failure());
    }
    plot::are_writable(args.plot.as_deref(), args.csv.as_deref())?;
    let threads = threads(args.run.threads);
    let at_once = threads.min(args.run.trials.max(1));
    let model = Plan::new(&args.point, &[], at_once)?.build(args.run.seed, at_once)?;
    let trials = args.run.trials as u64;
    let stop = interrupt::flag()?;
    let bar = progress::steps("trials", trials);
    let effort = Effort { trials, seed: args.run.seed, threads };
    let summary = watched(&model, effort, &stop, |watch| {
        bar.set_position(watch.trials.load(Ordering::Relaxed));
        bar.set_message(format!("{} rounds", count(watch.rounds.load(Ordering::Relaxed))));
    })?;
    bar.finish_and_clear();
    let interrupted = summary.trials < trials || stop.load(Ordering::Relaxed);
    let theory = theory::of(&model, &summary);
    if let Some(path) = &args.csv {
        course::write_csv(path, &summary)?;
    }
    if let (Some(path), true) = (&args.plot, summary.trials > 0) {
        plot::write(path, &[course::chart(&model, &summary)])?;
    }
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&report::Json { summary: &summary, theory: &theory, interrupted })?,
        false => {
            report::people(&mut out, &model, &summary, &theory, trials)?;
            out.files(args.plot.iter().chain(&args.csv))?;
        }
    }
    out.flush()?;
    if interrupted {
        interrupt::end();
    }
    Ok(())
}
