//! `rumormill sim fuzz`.

mod report;
mod shrinking;

use super::draw;
use super::trace_file::TraceFile;
use crate::args::{Format, FuzzArgs, Seeds};
use crate::commands::{interrupt, progress};
use crate::failure::{Code, Failure};
use crate::output::Output;
use indicatif::ProgressBar;
use report::Report;
use rumormill_sim::fuzz::Draw;
use rumormill_sim::{Scenario, Violation};
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

pub fn run(args: &FuzzArgs, format: Format) -> anyhow::Result<()> {
    let Seeds { first, end } = args.seeds;
    if end.is_none() && args.minutes.is_none() {
        return Err(Failure::usage(
            "--seeds without an end goes on for ever: give an end (0..1000), or --minutes",
        ));
    }
    let single = end == Some(first + 1);
    if args.trace.trace.is_some() && !single {
        return Err(Failure::usage("--trace takes one seed: --seeds 17 --trace FILE"));
    }
    if let Some(folder) = &args.save {
        std::fs::create_dir_all(folder).map_err(|error| {
            Failure::usage(format!("--save {}: cannot be made: {error}", folder.display()))
        })?;
    }
    let draw = draw::draw(&args.draw)?;
    let scenario = draw.scenario(first);
    scenario.check().map_err(|error| Failure::usage(error.to_string()))?;
    let stop = interrupt::flag()?;
    let begun = Instant::now();
    let mut out = Output::new(format);
    let show = (args.verbose || single) && !out.is_json();
    if show && single {
        out.bytes(scenario.to_string().as_bytes())?;
        out.flush()?;
    }
    let (ran, failed) = match single {
        true => (1, run_single(&scenario, args)?.into_iter().collect()),
        false => {
            let hunt = Hunt::new(args, &draw, &stop, show);
            hunt.run();
            hunt.done()
        }
    };
    let wall = begun.elapsed();
    let interrupted = stop.load(Ordering::Relaxed);
    let failures = shrinking::all(args, &draw, failed, &stop);
    let report = Report { seeds: args.seeds, ran, wall, interrupted, single, failures };
    report.write(args, &draw, &mut out)?;
    out.flush()?;
    match report.failures.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Code::Failed, format!("1 of {ran} seeds failed")).into()),
        failed => Err(Failure::new(Code::Failed, format!("{failed} of {ran} seeds failed")).into()),
    }
}

fn run_single(scenario: &Scenario, args: &FuzzArgs) -> anyhow::Result<Option<Violation>> {
    let Some(path) = &args.trace.trace else { return Ok(scenario.run().outcome.err()) };
    let file = TraceFile::create(path, args.trace.trace_lines)?;
    let outcome = scenario.run_watched(|world| file.attach(world)).outcome;
    tell_of_trace(path, file)?;
    Ok(outcome.err())
}

fn tell_of_trace(path: &Path, file: TraceFile) -> anyhow::Result<()> {
    let traced = file.finish()?;
    if traced.left_out > 0 {
        eprintln!(
            "{}: {} lines, {} more are left out (--trace-lines)",
            path.display(),
            traced.lines,
            traced.left_out
        );
    }
    Ok(())
}

/// Many seeds on many threads.
struct Hunt<'a> {
    draw: &'a Draw,
    seeds: Seeds,
    threads: usize,
    deadline: Option<Instant>,
    stop: &'a AtomicBool,
    /// True if the options of each seed are printed first.
    show: bool,
    next: AtomicU64,
    ran: AtomicU64,
    found: Mutex<Vec<Violation>>,
    bar: ProgressBar,
}

impl<'a> Hunt<'a> {
    fn new(args: &FuzzArgs, draw: &'a Draw, stop: &'a AtomicBool, show: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
        let total = args.seeds.end.map(|end| end - args.seeds.first);
        Self {
            draw,
            seeds: args.seeds,
            threads: args.threads.map_or(cores, usize::from),
            deadline: args.minutes.and_then(|minutes| Instant::now().checked_add(minutes)),
            stop,
            show,
            next: AtomicU64::new(args.seeds.first),
            ran: AtomicU64::new(0),
            found: Mutex::new(Vec::new()),
            bar: progress::seeds(total),
        }
    }

    fn run(&self) {
        self.bar.set_message("0 failed");
        self.bar.enable_steady_tick(Duration::from_millis(200));
        std::thread::scope(|scope| {
            for _ in 1..self.threads {
                scope.spawn(|| self.work());
            }
            self.work();
        });
        self.bar.finish_and_clear();
    }

    fn work(&self) {
        while let Some(seed) = self.next() {
            let scenario = self.draw.scenario(seed);
            if self.show {
                let text = scenario.to_string();
                // Lines of two seeds must not mix; a closed standard output is told at the end.
                self.bar.suspend(|| {
                    let _ = std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes());
                });
            }
            if let Err(violation) = scenario.run().outcome {
                let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
                found.push(violation);
                self.bar.set_message(format!("{} failed", found.len()));
            }
            self.ran.fetch_add(1, Ordering::Relaxed);
            self.bar.inc(1);
        }
    }

    fn next(&self) -> Option<u64> {
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        if late || self.stop.load(Ordering::Relaxed) {
            return None;
        }
        let end = self.seeds.end.unwrap_or(u64::MAX);
        let seed = self.next.fetch_add(1, Ordering::Relaxed);
        (seed < end.min(i64::MAX as u64)).then_some(seed)
    }

    /// How many seeds ran, and what they showed, by their order.
    fn done(self) -> (u64, Vec<Violation>) {
        let mut found = self.found.into_inner().unwrap_or_else(PoisonError::into_inner);
        found.sort_by_key(|violation| violation.seed);
        (self.ran.into_inner(), found)
    }
}
