//! Many trials of one epidemic, on all cores.

use super::course::MeanCourse;
use super::invalid::Invalid;
use super::model::{Model, Watch};
use super::outcome::Outcome;
use super::summary::{Messages, Moments, Sample, Summary};
use super::trial;
use rayon::prelude::*;
use std::sync::atomic::Ordering;

/// Trials of one run at most: their samples are kept.
pub const TRIALS: u64 = 10_000_000;
/// Threads at most.
pub const THREADS: usize = 1024;

/// Runs `trials` of `model` on `threads` threads (0: one per core). The result follows from the
/// seed, whatever the number of threads. Raising `watch.stop` ends it with the trials that are
/// done; if none is, with those begun, as far as they are.
///
/// # Errors
/// If the settings make no epidemic.
pub fn run(
    model: &Model,
    trials: u64,
    seed: u64,
    threads: usize,
    watch: &Watch,
) -> Result<Summary, Invalid> {
    model.check()?;
    if trials == 0 || trials > TRIALS {
        return Err(Invalid(format!("{trials} trials: ask for 1 to {TRIALS}")));
    }
    if threads > THREADS {
        return Err(Invalid(format!("{threads} threads: ask for at most {THREADS}, or 0")));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(|error| {
        Invalid(format!("cannot start {threads} threads ({error}): ask for fewer"))
    })?;
    let mut tally = Tally::new(model, seed);
    // A batch is summed in the order of its trials before the next begins, so that memory is
    // bounded and the sums do not depend on which thread was faster.
    let batch = (pool.current_num_threads() as u64 * 16).max(64);
    let mut begun = Vec::new();
    for from in (0..trials).step_by(batch as usize) {
        let numbers = from..(from + batch).min(trials);
        let outcomes: Vec<Option<Outcome>> = pool.install(|| {
            numbers.into_par_iter().map(|number| one(model, seed, number, watch)).collect()
        });
        for outcome in outcomes.into_iter().flatten() {
            match outcome.stopped {
                true => begun.push(outcome),
                false => tally.add(outcome),
            }
        }
        if watch.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    if tally.summary.samples.is_empty() {
        begun.into_iter().for_each(|outcome| tally.add(outcome));
    }
    Ok(tally.finish())
}

/// One trial, unless the run is to end.
fn one(model: &Model, seed: u64, number: u64, watch: &Watch) -> Option<Outcome> {
    if watch.stop.load(Ordering::Relaxed) {
        return None;
    }
    let outcome = trial::run(model, trial_seed(seed, number), watch);
    watch.trials.fetch_add(u64::from(!outcome.stopped), Ordering::Relaxed);
    Some(outcome)
}

/// The seed of one trial: neighbouring runs share no trials.
fn trial_seed(seed: u64, number: u64) -> u64 {
    mixed(mixed(seed) ^ number)
}

/// The finalizer of splitmix64: a bijection without visible pattern.
fn mixed(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// Sums over trials.
struct Tally {
    summary: Summary,
    course: MeanCourse,
}

impl Tally {
    fn new(model: &Model, seed: u64) -> Self {
        let (nodes, live) = (model.nodes, model.live());
        let summary = Summary { nodes, live, seed, ..Summary::default() };
        Self { summary, course: MeanCourse::default() }
    }

    fn add(&mut self, outcome: Outcome) {
        let sample = outcome.sample(self.summary.live);
        self.summary.samples.push(sample);
        self.course.add(outcome.course);
    }

    fn finish(mut self) -> Summary {
        let of = |pick: fn(&Sample) -> f64| Moments::of(self.summary.samples.iter().map(pick));
        let residue = of(|sample| sample.residue);
        let traffic = of(|sample| sample.traffic);
        let t_avg = of(|sample| sample.t_avg);
        let t_last = of(|sample| sample.t_last as f64);
        let complete = of(|sample| f64::from(u8::from(sample.residue == 0.0))).mean;
        let messages = Messages {
            updates: of(|sample| sample.updates as f64).mean,
            requests: of(|sample| sample.requests as f64).mean,
            refused: of(|sample| sample.refused as f64).mean,
        };
        let unfinished = self.summary.samples.iter().filter(|sample| !sample.ended).count();
        self.summary.trials = self.summary.samples.len() as u64;
        self.summary.unfinished = unfinished as u64;
        self.summary.rounds = self.course.rounds();
        Summary { residue, traffic, t_avg, t_last, complete, messages, ..self.summary }
    }
}
