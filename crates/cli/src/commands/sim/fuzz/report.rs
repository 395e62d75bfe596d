//! What a hunt for failing seeds found, for people and programs.

use super::super::draw::{quoted, typed};
use crate::args::{FuzzArgs, Seeds};
use crate::output::{self, Output};
use rumormill_sim::fuzz::Draw;
use rumormill_sim::shrink::Shrunk;
use rumormill_sim::{Scenario, Violation};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::Duration;

/// A seed at which something went wrong.
pub struct Failed {
    pub violation: Violation,
    pub shrunk: Option<Shrunk>,
    /// Where its scenario is, or why it could not be saved.
    pub file: Result<Option<PathBuf>, String>,
}

impl From<Violation> for Failed {
    fn from(violation: Violation) -> Self {
        Self { violation, shrunk: None, file: Ok(None) }
    }
}

/// Everything.
pub struct Report {
    pub seeds: Seeds,
    pub ran: u64,
    pub wall: Duration,
    pub interrupted: bool,
    /// True for one seed, whose options have been shown already.
    pub single: bool,
    pub failures: Vec<Failed>,
}

impl Report {
    pub fn write(&self, args: &FuzzArgs, draw: &Draw, out: &mut Output) -> anyhow::Result<()> {
        match out.is_json() {
            true => out.json(&self.json(args, draw)),
            false => self.text(args, draw, out),
        }
    }

    fn per_second(&self) -> f64 {
        self.ran as f64 / self.wall.as_secs_f64().max(0.001)
    }

    fn json(&self, args: &FuzzArgs, draw: &Draw) -> Value {
        let failures: Vec<Value> =
            self.failures.iter().map(|failed| failed.json(args, draw)).collect();
        json!({
            "seeds": { "first": self.seeds.first, "end": self.seeds.end },
            "ran": self.ran,
            "failed": self.failures.len(),
            "wall_ms": self.wall.as_millis() as u64,
            "seeds_per_second": self.per_second(),
            "interrupted": self.interrupted,
            "failures": failures,
        })
    }

    fn text(&self, args: &FuzzArgs, draw: &Draw, out: &mut Output) -> anyhow::Result<()> {
        for failed in &self.failures {
            failed.text(args, draw, self.single, out)?;
        }
        let end = self.seeds.end.map_or(String::new(), |end| end.to_string());
        let which = match self.single {
            true => format!("seed {}", self.seeds.first),
            false => format!("seeds {}..{end}", self.seeds.first),
        };
        let how = if self.interrupted { ", interrupted" } else { "" };
        out.line(format!(
            "{which}: {} ran in {:.1} s ({:.1}/s){how}, {} failed",
            output::count(self.ran),
            self.wall.as_secs_f64(),
            self.per_second(),
            self.failures.len()
        ))
    }
}

impl Failed {
    /// The command that shows it.
    fn replay(&self, args: &FuzzArgs) -> String {
        match &self.file {
            Ok(Some(file)) => format!("rumormill sim replay {}", quoted(&file.to_string_lossy())),
            _ => {
                format!("rumormill sim replay --seed {}{}", self.violation.seed, typed(&args.draw))
            }
        }
    }

    fn json(&self, args: &FuzzArgs, draw: &Draw) -> Value {
        let Violation { seed, at, node, property, what } = &self.violation;
        let text = |scenario: &Scenario| scenario.to_toml().ok();
        let shrunk = self.shrunk.as_ref().map(|shrunk| {
            let small = &shrunk.scenario;
            json!({
                "nodes": small.world.nodes,
                "faults": small.faults.len(),
                "writes": small.load.is_none().then_some(small.writes.len()),
                "duration_ms": small.duration.as_millis() as u64,
                "runs": shrunk.runs,
                "finished": shrunk.finished,
                "at_ms": ms(shrunk.violation.at),
                "node": shrunk.violation.node,
                "property": shrunk.violation.property,
                "what": shrunk.violation.what,
                "scenario": text(small),
            })
        });
        json!({
            "seed": seed,
            "property": property,
            "node": node,
            "at_ms": ms(*at),
            "what": what,
            "scenario": text(&draw.scenario(*seed)),
            "shrunk": shrunk,
            "file": self.file.as_ref().ok(),
            "error": self.file.as_ref().err(),
            "replay": self.replay(args),
        })
    }

    fn text(
        &self,
        args: &FuzzArgs,
        draw: &Draw,
        shown: bool,
        out: &mut Output,
    ) -> anyhow::Result<()> {
        if !shown {
            out.bytes(draw.scenario(self.violation.seed).to_string().as_bytes())?;
        }
        out.line(format!("FAILED: {}", self.violation))?;
        if let Some(shrunk) = &self.shrunk {
            let small = &shrunk.scenario;
            let all = if shrunk.finished { "" } else { ", more with more time (--shrink-for)" };
            let writes = match small.load {
                Some(_) => "its load".to_owned(),
                None => format!("{} writes", small.writes.len()),
            };
            out.line(format!(
                "shrunk to {} nodes, {} faults, {writes} and {:?} in {} runs{all}:",
                small.world.nodes,
                small.faults.len(),
                small.duration,
                shrunk.runs
            ))?;
            out.bytes(small.to_string().as_bytes())?;
            out.line(format!("FAILED: {}", shrunk.violation))?;
        }
        if let Err(error) = &self.file {
            out.line(format!("not saved: {error}"))?;
        }
        out.line(format!("show it: {}\n", self.replay(args)))
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
