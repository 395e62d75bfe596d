//! Where events come from: a trace in a file, or a run.

use super::super::trace_file::MAGIC;
use super::filter::Filter;
use super::story::Holders;
use crate::failure::Failure;
use rumormill_core::base::hash::Set;
use rumormill_sim::scenario::MAX_TEXT;
use rumormill_sim::{Scenario, Step, Violation, step};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

/// Events that are kept in memory, at most.
pub const MAX_STEPS: usize = 2_000_000;
/// Longest line of a trace, bytes: keys are escaped to four times their length at most.
const MAX_LINE: u64 = 32 * 1024;
/// Events before the end that are looked through for the last ones of a node and a key.
const TAIL: usize = 20_000;

/// What a file holds.
pub enum Source {
    Trace(TraceReader),
    Scenario(Box<Scenario>),
}

/// Opens a file and looks what it is.
pub fn open(path: &Path) -> anyhow::Result<Source> {
    let unreadable =
        |error: std::io::Error| Failure::usage(format!("cannot read {}: {error}", path.display()));
    let mut from = BufReader::new(File::open(path).map_err(unreadable)?);
    if from.fill_buf().map_err(unreadable)?.starts_with(MAGIC.as_bytes()) {
        return TraceReader::new(path, from).map(Source::Trace);
    }
    let mut text = Vec::new();
    from.take(MAX_TEXT as u64 + 1).read_to_end(&mut text).map_err(unreadable)?;
    let refuse = |why: String| {
        Failure::usage(format!(
            "{}: neither a scenario nor a trace of rumormill: {why}",
            path.display()
        ))
    };
    let text = String::from_utf8(text).map_err(|_| refuse("the text is not UTF-8".into()))?;
    let scenario = Scenario::from_toml(&text).map_err(|error| refuse(error.to_string()))?;
    Ok(Source::Scenario(Box::new(scenario)))
}

/// Reads a trace line by line.
pub struct TraceReader {
    name: String,
    from: BufReader<File>,
    line: u64,
    /// Nodes of the world, if the head says so.
    pub nodes: usize,
}

impl TraceReader {
    fn new(path: &Path, from: BufReader<File>) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut reader = Self { name, from, line: 0, nodes: 0 };
        let head = reader.read()?.unwrap_or_default();
        let nodes = head.rsplit(", ").find_map(|part| part.strip_suffix(" nodes"));
        reader.nodes = nodes.and_then(|nodes| nodes.parse().ok()).unwrap_or(0);
        Ok(reader)
    }

    fn read(&mut self) -> anyhow::Result<Option<String>> {
        let mut bytes = Vec::new();
        self.line += 1;
        let bad = |what: String| Failure::usage(format!("{}:{}: {what}", self.name, self.line));
        let read = self.from.by_ref().take(MAX_LINE).read_until(b'\n', &mut bytes);
        match read {
            Err(error) => return Err(bad(error.to_string())),
            Ok(0) => return Ok(None),
            Ok(read) if read as u64 == MAX_LINE && !bytes.ends_with(b"\n") => {
                return Err(bad("the line is longer than any in a trace".into()));
            }
            Ok(_) => {}
        }
        let line = String::from_utf8(bytes).map_err(|_| bad("the line is not UTF-8".into()))?;
        Ok(Some(line.trim_end_matches(['\n', '\r']).to_owned()))
    }

    fn step(&mut self) -> anyhow::Result<Option<Step>> {
        while let Some(line) = self.read()? {
            if !line.is_empty() && !line.starts_with('#') {
                let step = line.parse::<Step>();
                return step.map(Some).map_err(|error| {
                    Failure::usage(format!("{}:{}: {error}", self.name, self.line))
                });
            }
        }
        Ok(None)
    }
}

impl Iterator for TraceReader {
    type Item = anyhow::Result<Step>;

    fn next(&mut self) -> Option<Self::Item> {
        self.step().transpose()
    }
}

/// A run, with what happened in it.
pub struct Played {
    /// The events that are shown, and those that say who holds what.
    pub steps: Vec<Step>,
    /// How many there was no room for.
    pub left_out: u64,
    /// The last changes, whatever is shown.
    pub tail: VecDeque<Step>,
    /// All keys of the run.
    pub keys: Vec<String>,
    pub outcome: Result<Duration, Violation>,
}

#[derive(Default)]
struct Kept {
    steps: Vec<Step>,
    left_out: u64,
    tail: VecDeque<Step>,
    keys: Set<String>,
}

/// Runs a scenario to its end or to the first property that does not hold.
pub fn play(scenario: &Scenario, filter: Filter) -> Played {
    let kept = Rc::new(RefCell::new(Kept::default()));
    let taking = Rc::clone(&kept);
    let ran = scenario.run_watched(|world| {
        step::watch(world, move |step| {
            let mut kept = taking.borrow_mut();
            if step.what.is_change() {
                if kept.tail.len() >= TAIL {
                    kept.tail.pop_front();
                }
                kept.tail.push_back(step.clone());
            }
            if let Some(key) = &step.key
                && !kept.keys.contains(key)
            {
                kept.keys.insert(key.clone());
            }
            if filter.shows(&step) || Holders::concerns(&step) && !filter.is_over(&step) {
                match kept.steps.len() < MAX_STEPS {
                    true => kept.steps.push(step),
                    false => kept.left_out += 1,
                }
            }
        });
    });
    let outcome = ran.outcome;
    // The world holds the listener.
    drop(ran.world);
    let Kept { steps, left_out, tail, keys } = std::mem::take(&mut *kept.borrow_mut());
    Played { steps, left_out, tail, keys: keys.into_iter().collect(), outcome }
}
