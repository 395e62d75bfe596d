//! `rumormill sim replay`.

mod filter;
mod source;
mod stepper;
mod story;

use super::draw;
use crate::args::{Format, ReplayArgs};
use crate::failure::Failure;
use crate::output::Output;
use anyhow::Context as _;
use filter::Filter;
use rumormill_sim::{Scenario, Step, Violation};
use serde_json::json;
use source::{MAX_STEPS, Played, Source};
use std::io::{self, IsTerminal as _};
use story::Holders;

/// Events shown before a property that does not hold.
const LAST: usize = 12;

pub fn run(args: &ReplayArgs, format: Format) -> anyhow::Result<()> {
    let source = match (&args.file, args.seed) {
        (Some(file), _) => source::open(file)?,
        (None, Some(seed)) => {
            let scenario = draw::draw(&args.draw)?.scenario(seed);
            scenario.check().map_err(|error| Failure::usage(error.to_string()))?;
            Source::Scenario(Box::new(scenario))
        }
        (None, None) => return Err(Failure::usage("give a file, or --seed N")),
    };
    let mut out = Output::new(format);
    let asks = out.terminal && !out.is_json() && io::stdin().is_terminal();
    let filter = Filter::new(args);
    match source {
        Source::Trace(trace) if asks => {
            let nodes = trace.nodes;
            let steps = keep(trace, &filter)?;
            step_through(&steps, nodes, &filter)
        }
        Source::Trace(trace) => {
            let mut printer = Printer::new(&filter, trace.nodes, &mut out);
            for step in trace {
                let step = step?;
                if filter.is_over(&step) {
                    break;
                }
                printer.step(&step)?;
            }
            printer.finish()?;
            out.flush()
        }
        Source::Scenario(scenario) => replay(&scenario, args, &filter, asks, &mut out),
    }
}

/// The events of a trace that stepping through it needs.
fn keep(
    trace: impl Iterator<Item = anyhow::Result<Step>>,
    filter: &Filter,
) -> anyhow::Result<Vec<Step>> {
    let mut steps = Vec::new();
    for step in trace {
        let step = step?;
        if filter.is_over(&step) {
            break;
        }
        if filter.shows(&step) || Holders::concerns(&step) {
            steps.push(step);
        }
        if steps.len() > MAX_STEPS {
            return Err(Failure::usage(format!(
                "more than {MAX_STEPS} events to step through: look at a part of them with --until"
            )));
        }
    }
    Ok(steps)
}

fn step_through(steps: &[Step], nodes: usize, filter: &Filter) -> anyhow::Result<()> {
    if !steps.iter().any(|step| filter.shows(step)) {
        println!("nothing to show");
        return Ok(());
    }
    // A terminal gives short lines.
    stepper::run(steps, nodes, filter, &mut io::stdin().lock(), &mut io::stdout().lock())
        .map(|_| ())
        .context("stepping")
}

fn replay(
    scenario: &Scenario,
    args: &ReplayArgs,
    filter: &Filter,
    asks: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    if !out.is_json() {
        out.bytes(scenario.to_string().as_bytes())?;
        out.flush()?;
    }
    let played = source::play(scenario, Filter::new(args));
    if played.left_out > 0 {
        eprintln!(
            "{} events are left out: look at a part of them with --from and --until",
            played.left_out
        );
    }
    let nodes = scenario.world.nodes;
    if asks {
        step_through(&played.steps, nodes, filter)?;
    } else {
        let mut printer = Printer::new(filter, nodes, out);
        for step in &played.steps {
            printer.step(step)?;
        }
        printer.finish()?;
    }
    match out.is_json() {
        true => out.json(&outcome(scenario, &played))?,
        false => conclude(scenario, &played, out)?,
    }
    out.flush()
}

fn outcome(scenario: &Scenario, played: &Played) -> serde_json::Value {
    let violation = played.outcome.as_ref().err().map(|violation| {
        let Violation { seed, at, node, property, what } = violation;
        let (us, key) = (at.as_micros() as u64, key_in(what, &played.keys));
        json!({
            "seed": seed, "us": us, "node": node, "property": property, "what": what, "key": key,
        })
    });
    let settled = played.outcome.as_ref().ok().map(|took| took.as_secs_f64() * 1000.0);
    let expected = scenario.found.as_ref().map(|found| &found.property);
    json!({ "violation": violation, "settled_ms": settled, "expected": expected })
}

/// Says how it ended, and what went before it.
fn conclude(scenario: &Scenario, played: &Played, out: &mut Output) -> anyhow::Result<()> {
    let violation = match &played.outcome {
        Ok(took) => {
            out.line(format!("all holds: settled {took:?} after the end of the faults"))?;
            if let Some(found) = &scenario.found {
                out.line(format!("what was found before does not happen: {}", found.property))?;
            }
            return Ok(());
        }
        Err(violation) => violation,
    };
    let key = key_in(&violation.what, &played.keys);
    let concerns = |step: &&Step| {
        let node = violation.node.is_none() || step.node == violation.node || step.node.is_none();
        match key {
            Some(key) => step.key.as_deref() == Some(key) || step.key.is_none() && node,
            None => node,
        }
    };
    let mut last: Vec<&Step> = played.tail.iter().rev().filter(concerns).take(LAST).collect();
    last.reverse();
    let about = match (violation.node, key) {
        (Some(node), Some(key)) => format!(" of n{node} and {key}"),
        (Some(node), None) => format!(" of n{node}"),
        (None, Some(key)) => format!(" of {key}"),
        (None, None) => String::new(),
    };
    out.line(format!("the last events{about}:"))?;
    for step in last {
        out.line(format!("  {step}"))?;
    }
    if let Some(key) = key {
        let mut holders = Holders::new(scenario.world.nodes);
        played.steps.iter().for_each(|step| holders.take_in(step));
        out.line(format!("  {}", holders.state(key)))?;
    }
    out.line(format!("FAILED: {violation}"))
}

/// The longest key that a text names.
fn key_in<'a>(text: &str, keys: &'a [String]) -> Option<&'a str> {
    let named = keys.iter().filter(|key| !key.is_empty() && text.contains(key.as_str()));
    named.max_by_key(|key| key.len()).map(String::as_str)
}

/// Writes all that is to be shown.
struct Printer<'a> {
    filter: &'a Filter,
    holders: Holders,
    shown: u64,
    out: &'a mut Output,
}

impl<'a> Printer<'a> {
    fn new(filter: &'a Filter, nodes: usize, out: &'a mut Output) -> Self {
        Self { filter, holders: Holders::new(nodes), shown: 0, out }
    }

    fn step(&mut self, step: &Step) -> anyhow::Result<()> {
        // Only the story of a key needs to know who holds what.
        if self.filter.key.is_some() && (step.key == self.filter.key || step.key.is_none()) {
            self.holders.take_in(step);
        }
        if !self.filter.shows(step) {
            return Ok(());
        }
        self.shown += 1;
        match (self.out.is_json(), &self.filter.key) {
            (true, _) => self.out.json(step),
            (false, Some(_)) => self.out.line(self.holders.tell(step)),
            (false, None) => self.out.line(step.to_string()),
        }
    }

    fn finish(self) -> anyhow::Result<()> {
        match (self.out.is_json(), &self.filter.key) {
            (true, _) => Ok(()),
            (false, Some(key)) => self.out.line(self.holders.state(key)),
            (false, None) if self.shown == 0 => self.out.line("nothing to show"),
            (false, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_key_named_is_meant() {
        let keys = ["key-1", "key-10", "x"].map(str::to_owned);
        assert_eq!(key_in("holds key-10=5 B", &keys), Some("key-10"));
        assert_eq!(key_in("holds nothing", &keys), None);
    }
}
