//! Planted faults, and who finds them first: the checks of the nodes by themselves, or the checkers
//! of what the cluster does as a whole. Only in debug builds: in others nothing can be planted.

use crate::checkers::Violation;
use crate::checks::Checks;
use crate::fuzz::Draw;
use crate::scenario::Scenario;
use rumormill_core::base::planted::{Fault, plant};
use rumormill_core::spread::{Method, rumor};
use std::time::Duration;

/// Seeds of random scenarios that each fault is planted in.
pub const SEEDS: std::ops::Range<u64> = 4..8;

/// What came of a scenario with a fault in all nodes.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The seed.
    pub seed: u64,
    /// What was found with checks.
    pub checked: Option<Violation>,
    /// What was found without.
    pub unchecked: Option<Violation>,
}

/// Runs the scenarios with a fault, each with and without checks.
#[must_use]
pub fn try_fault(fault: Fault) -> Vec<Trial> {
    let trial = |seed| {
        let [checked, unchecked] = [Checks::default(), Checks::Off].map(|check| {
            let mut scenario = scenario(fault, seed);
            scenario.world.check = check;
            plant(Some(fault));
            let ran = scenario.run();
            plant(None);
            ran.outcome.err()
        });
        Trial { seed, checked, unchecked }
    };
    SEEDS.map(trial).collect()
}

/// What seeds drew when the tables of docs/simulator.md were made.
#[must_use]
pub fn plain() -> Draw {
    Draw { hardships: false, ..Draw::default() }
}

/// The first seed of these whose random scenario fails with a fault in all nodes, and how.
#[must_use]
pub fn first_found(fault: Fault, seeds: std::ops::Range<u64>) -> Option<(u64, Violation)> {
    plant(Some(fault));
    let mut each = seeds.map(|seed| (seed, plain().scenario(seed).run().outcome));
    let found = each.find_map(|(seed, outcome)| Some((seed, outcome.err()?)));
    plant(None);
    found
}

/// The scenario of a seed, in which the machine that a fault is in has something to do.
fn scenario(fault: Fault, seed: u64) -> Scenario {
    let mut scenario = plain().scenario(seed);
    let config = &mut scenario.world.config;
    match fault {
        Fault::Hot => {
            let rumor = rumor::Config { fanout: 1, ..rumor::Config::default() };
            (config.spread.method, config.spread.rumor) = (Method::Rumor, rumor);
        }
        Fault::Mail => config.spread.method = Method::DirectMail,
        Fault::Scope => config.spread.method = Method::Tree,
        Fault::Account | Fault::Floor => config.ring.interval = Duration::from_secs(1),
        _ => {}
    }
    scenario
}

/// Where each fault of the chain was found first, as a table, for people.
#[must_use]
pub fn chain_table(found: &[(&str, Option<(u64, Violation)>)]) -> String {
    let mut table = String::from(
        "| what is left out or done instead | found by | first seed |\n|---|---|---|\n",
    );
    for (what, found) in found {
        let (by, seed) = match found {
            Some((seed, violation)) => (violation.property, seed.to_string()),
            None => ("", "none".into()),
        };
        table.push_str(&format!("| {what} | {by} | {seed} |\n"));
    }
    table
}

/// The trials of all faults as a table, for people.
#[must_use]
pub fn table(trials: &[(Fault, Vec<Trial>)]) -> String {
    let mut table = String::from(
        "| file | fault | found by checks | by | by the checkers of the whole, without checks |\n\
         |---|---|---|---|---|\n",
    );
    for (fault, trials) in trials {
        let words = Fault::ALL.iter().find(|(known, ..)| known == fault);
        let (file, what) = words.map_or(("", ""), |(_, file, what)| (*file, *what));
        let checked = trials.iter().filter_map(|trial| trial.checked.as_ref());
        let unchecked = trials.iter().filter_map(|trial| trial.unchecked.as_ref());
        let by = checked.clone().min_by_key(|violation| violation.at);
        let by = by.map_or("", |violation| violation.property);
        let row = [file, what, &times(checked, trials), by, &times(unchecked, trials)].join(" | ");
        table.push_str(&format!("| {row} |\n"));
    }
    table
}

/// In how many of the trials something was found, and when.
fn times<'a>(found: impl Iterator<Item = &'a Violation>, trials: &[Trial]) -> String {
    let mut at: Vec<Duration> = found.map(|violation| violation.at).collect();
    at.sort_unstable();
    let seconds = |at: &Duration| format!("{:.2} s", at.as_secs_f64());
    match (at.first(), at.last()) {
        (Some(first), Some(last)) => {
            let (count, of) = (at.len(), trials.len());
            format!("{count} of {of}, {} to {}", seconds(first), seconds(last))
        }
        _ => "never".into(),
    }
}
