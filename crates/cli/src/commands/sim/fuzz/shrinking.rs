//! The shortest scenario of each failing seed, and the files that they are saved in.

use super::report::Failed;
use crate::args::FuzzArgs;
use crate::commands::progress;
use rumormill_sim::fuzz::Draw;
use rumormill_sim::scenario::Found;
use rumormill_sim::shrink::shrink;
use rumormill_sim::{Scenario, Violation};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Shrinks the first of them, and saves all if asked to.
pub fn all(
    args: &FuzzArgs,
    draw: &Draw,
    violations: Vec<Violation>,
    stop: &AtomicBool,
) -> Vec<Failed> {
    let spinner = progress::spinner("");
    let mut done = Vec::new();
    for (index, violation) in violations.into_iter().enumerate() {
        let seed = violation.seed;
        let scenario = draw.scenario(seed);
        let mut failed = Failed::from(violation);
        if index < args.shrink && !args.shrink_for.is_zero() && !stop.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let mut go_on = || {
                let going = begun.elapsed() < args.shrink_for && !stop.load(Ordering::Relaxed);
                spinner.set_message(format!("shrinking seed {seed}"));
                spinner.tick();
                going
            };
            let shrunk = shrink(&scenario, &failed.violation, &mut go_on);
            failed.shrunk = Some(shrunk);
        }
        if let Some(folder) = &args.save {
            let found = Some(Found::from(&failed.violation));
            let whole = Scenario { found, ..scenario };
            let scenario = failed.shrunk.as_ref().map_or(&whole, |shrunk| &shrunk.scenario);
            failed.file = save(folder, seed, scenario).map(Some);
        }
        done.push(failed);
    }
    spinner.finish_and_clear();
    done
}

fn save(folder: &Path, seed: u64, scenario: &Scenario) -> Result<PathBuf, String> {
    let path = folder.join(format!("seed-{seed}.toml"));
    let text = scenario.to_toml().map_err(|error| error.to_string())?;
    let head = "# Found by `rumormill sim fuzz`; `rumormill sim replay` shows it.\n";
    match std::fs::write(&path, format!("{head}{text}")) {
        Ok(()) => Ok(path),
        Err(error) => Err(format!("cannot write {}: {error}", path.display())),
    }
}
