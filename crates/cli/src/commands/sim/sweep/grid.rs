//! The points of a grid, and running them all.

use super::super::epidemic::settings::Plan;
use super::super::epidemic::theory::{self, Theory};
use super::super::watched::{Effort, watched};
use super::vary::Vary;
use crate::args::PointArgs;
use crate::failure::Failure;
use crate::output::count;
use anyhow::Context as _;
use indicatif::ProgressBar;
use rumormill_sim::epidemic::Summary;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Points at most: their courses are kept.
const POINTS: usize = 2000;

/// A point before it is run.
#[derive(Clone, Debug)]
pub struct Place {
    /// One for each that is varied.
    pub values: Vec<String>,
    pub args: PointArgs,
}

impl Place {
    /// "k=1, nodes=1000".
    pub fn text(&self, varied: &[Vary]) -> String {
        let pairs = varied.iter().zip(&self.values);
        pairs.map(|(vary, value)| format!("{}={value}", vary.name)).collect::<Vec<_>>().join(", ")
    }
}

/// A point that was run.
#[derive(Clone, Debug)]
pub struct Point {
    pub values: Vec<String>,
    pub summary: Summary,
    pub theory: Vec<Theory>,
}

/// All combinations; what is varied first changes last.
///
/// # Errors
/// If there are too many, or a value does not fit its option.
pub fn places(varied: &[Vary], base: &PointArgs) -> anyhow::Result<Vec<Place>> {
    let size = varied.iter().map(|vary| vary.values.len()).fold(1, usize::saturating_mul);
    if size > POINTS {
        return Err(Failure::usage(format!(
            "the grid has {} points and may have {}: vary less, or take larger steps",
            count(size as u64),
            count(POINTS as u64)
        )));
    }
    let mut places = vec![Place { values: Vec::new(), args: base.clone() }];
    for vary in varied {
        let mut next = Vec::with_capacity(places.len() * vary.values.len());
        for place in &places {
            for value in &vary.values {
                let mut place = place.clone();
                place.args.set(&vary.name, value).map_err(|why| {
                    Failure::usage(format!("--vary {}={value}: {why}", vary.name))
                })?;
                place.values.push(value.clone());
                next.push(place);
            }
        }
        places = next;
    }
    Ok(places)
}

/// How the work is shared out. Trials of a point are spread over threads; points are run beside
/// each other only where there are too few trials for that, since each needs memory of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Points at once.
    pub points: usize,
    /// Threads for each.
    pub threads: usize,
}

impl Load {
    pub fn new(threads: usize, trials: usize, points: usize) -> Self {
        let each = threads.min(trials).max(1);
        Self { points: (threads / each).clamp(1, points.max(1)), threads: each }
    }

    pub fn trials_at_once(self) -> usize {
        self.points * self.threads
    }
}

/// Runs all points; the order of the answer is that of `places`. If `stop` is raised, the points
/// of which at least one trial is done are answered.
///
/// # Errors
/// If a point cannot be run: the network that it asks for cannot be made.
pub fn run_all(
    places: &[Place],
    plans: &[Plan],
    effort: Effort,
    load: Load,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Point>> {
    let next = AtomicUsize::new(0);
    let failed = AtomicBool::new(false);
    let results: Vec<Mutex<Option<anyhow::Result<Option<Point>>>>> =
        places.iter().map(|_| Mutex::new(None)).collect();
    let work = || {
        while !stop.load(Ordering::Relaxed) && !failed.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let (Some(place), Some(plan), Some(result)) =
                (places.get(index), plans.get(index), results.get(index))
            else {
                return;
            };
            let point = run_one(place, plan, effort, load, stop, bar);
            failed.fetch_or(point.is_err(), Ordering::Relaxed);
            *result.lock().unwrap_or_else(PoisonError::into_inner) = Some(point);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..load.points {
            scope.spawn(work);
        }
    });
    let results = results
        .into_iter()
        .map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner));
    let points: Vec<Option<Point>> = results.flatten().collect::<anyhow::Result<_>>()?;
    Ok(points.into_iter().flatten().collect())
}

/// One point; none if it was ended before its first trial was done.
fn run_one(
    place: &Place,
    plan: &Plan,
    effort: Effort,
    load: Load,
    stop: &AtomicBool,
    bar: &ProgressBar,
) -> anyhow::Result<Option<Point>> {
    let seen = AtomicU64::new(0);
    let model = plan
        .build(effort.seed, load.trials_at_once())
        .with_context(|| format!("at {}", place.values.join(", ")))?;
    let mut summary = watched(&model, effort, stop, |watch| {
        let done = watch.trials.load(Ordering::Relaxed);
        bar.inc(done - seen.swap(done, Ordering::Relaxed));
    })?;
    if seen.load(Ordering::Relaxed) == 0 {
        return Ok(None);
    }
    let theory = theory::of(&model, &summary);
    // Nobody asks for the single trials any more.
    summary.samples = Vec::new();
    Ok(Some(Point { values: place.values.clone(), summary, theory }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shared_out_by_what_there_is_most_of() {
        let load = |threads, trials, points| {
            let load = Load::new(threads, trials, points);
            (load.points, load.threads)
        };
        assert_eq!(load(8, 100, 5), (1, 8));
        assert_eq!(load(8, 1, 5), (5, 1));
        assert_eq!(load(8, 3, 100), (2, 3));
        assert_eq!(load(1, 100, 5), (1, 1));
        assert_eq!(load(2, 0, 0), (1, 1));
    }
}
