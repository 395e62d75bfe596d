//! Runs epidemics while somebody looks on: progress, and an end on demand.

use super::epidemic::settings::usage;
use rumormill_sim::epidemic::{Model, Summary, THREADS, Watch, run};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// How a run is carried out.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    pub trials: u64,
    pub seed: u64,
    pub threads: usize,
}

/// Runs trials until they are done or `stop` is raised. `look` is called now and then, and at the
/// end, with what is done.
///
/// # Errors
/// If the settings make no epidemic.
pub fn watched(
    model: &Model,
    effort: Effort,
    stop: &AtomicBool,
    look: impl Fn(&Watch) + Sync,
) -> anyhow::Result<Summary> {
    let watch = Watch::default();
    let over = AtomicBool::new(false);
    let result = std::thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            while !over.load(Ordering::Acquire) {
                if stop.load(Ordering::Relaxed) {
                    watch.stop.store(true, Ordering::Relaxed);
                }
                look(&watch);
                std::thread::park_timeout(LOOK);
            }
        });
        let result = run(model, effort.trials, effort.seed, effort.threads, &watch);
        over.store(true, Ordering::Release);
        watcher.thread().unpark();
        result
    });
    look(&watch);
    result.map_err(usage)
}

/// The threads that are meant: 0 is one per core.
pub fn threads(asked: usize) -> usize {
    match asked {
        0 => std::thread::available_parallelism().map_or(1, usize::from).min(THREADS),
        asked => asked,
    }
}
