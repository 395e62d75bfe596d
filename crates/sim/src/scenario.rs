//! Everything that defines a run, as one value with a text form: seed, world, settings, load and
//! faults. What was found once can be saved, read and shown again exactly.

use crate::caught::caught;
use crate::checkers::Violation;
use crate::faults::{Fault, Plan};
use crate::latency::Latency;
use crate::ledger::Ledger;
use crate::options::{Options, Start};
use crate::workload::Workload;
use crate::world::World;
use rumormill_core::Config;
use rumormill_core::base::time::text;
use rumormill_core::data::{Expiry, Op};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

mod check;
mod form;

pub use check::within;
pub use form::copied;

/// The version of the text form.
pub const VERSION: u32 = 1;
/// Longest text that is read, bytes.
pub const MAX_TEXT: usize = 16 << 20;

/// Faults and writes that people are shown.
const SHOWN: usize = 60;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The version of the text form.
    pub version: u32,
    /// How long faults and writes go on.
    #[serde(with = "text")]
    pub duration: Duration,
    /// How long the cluster has afterwards, without faults, to become one again.
    #[serde(with = "text")]
    pub settle: Duration,
    /// What happens when, in the order of time. Faults that nothing ends before end with
    /// [`Scenario::duration`].
    #[serde(default)]
    pub faults: Vec<Trouble>,
    /// Single writes, in the order of time.
    #[serde(default)]
    pub writes: Vec<Write>,
    /// The world, with its seed.
    pub world: Options,
    /// Random writes.
    #[serde(default)]
    pub load: Option<Workload>,
    /// What was found when this ran.
    #[serde(default)]
    pub found: Option<Found>,
}

/// A fault and when it happens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// Time since the start.
    #[serde(with = "text")]
    pub at: Duration,
    /// What happens.
    #[serde(rename = "do")]
    pub fault: Fault,
}

/// A write and when it happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Time since the start.
    #[serde(with = "text")]
    pub at: Duration,
    /// Where.
    pub node: usize,
    /// The key.
    pub key: String,
    /// Bytes of the value; without it the key is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
}

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// The property.
    pub property: String,
    /// When it was found.
    #[serde(with = "text")]
    pub at: Duration,
    /// At which node, where one can say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<usize>,
    /// What was wrong.
    pub what: String,
}

impl From<&Violation> for Found {
    fn from(violation: &Violation) -> Self {
        let Violation { at, node, property, what, .. } = violation;
        Self { property: (*property).into(), at: *at, node: *node, what: what.clone() }
    }
}

/// Why a scenario cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// The text is too long.
    #[error("a scenario has {MAX_TEXT} bytes at most, this has {0}")]
    TooLong(usize),
    /// The text is no scenario.
    #[error("not a scenario: {0}")]
    Syntax(String),
    /// A value cannot be.
    #[error("{field}: {what}")]
    Bad {
        /// Where.
        field: String,
        /// What is wrong, and what would be right.
        what: String,
    },
}

/// What came of a run.
#[derive(Debug)]
pub struct Ran {
    /// How long it took after the end of the faults until the cluster had settled, or the first
    /// property that did not hold. A panic counts as one, called `panic`.
    pub outcome: Result<Duration, Violation>,
    /// The world as it was at the end; none if it could not even be made.
    pub world: Option<World>,
}

impl Scenario {
    /// A scenario without faults and writes.
    #[must_use]
    pub fn new(world: Options, duration: Duration, settle: Duration) -> Self {
        Self {
            version: VERSION,
            duration,
            settle,
            faults: Vec::new(),
            writes: Vec::new(),
            world,
            load: None,
            found: None,
        }
    }

    /// Runs it, and answers what came of it.
    #[must_use]
    pub fn run(&self) -> Ran {
        self.run_watched(|_| {})
    }

    /// Runs it; `prepare` is given the world before anything happens to it.
    pub fn run_watched(&self, prepare: impl FnOnce(&mut World)) -> Ran {
        let panicked = |at, what| {
            let (seed, node, property) = (self.world.seed, None, "panic");
            Err(Violation { seed, at, node, property, what })
        };
        let mut world = match caught(|| {
            let mut world = World::new(self.world.clone());
            prepare(&mut world);
            world
        }) {
            Ok(world) => world,
            Err(what) => return Ran { outcome: panicked(Duration::ZERO, what), world: None },
        };
        let outcome = caught(|| self.drive(&mut world));
        let outcome = outcome.unwrap_or_else(|what| panicked(world.now(), what));
        Ran { outcome, world: Some(world) }
    }

    fn drive(&self, world: &mut World) -> Result<Duration, Violation> {
        if let Some(load) = self.load {
            world.start_load(load);
        }
        let steps = self.faults.iter().map(|trouble| (trouble.at, trouble.fault.clone()));
        let (seed, duration) = (self.world.seed, Duration::ZERO);
        world.run_plan(&Plan { seed, duration, steps: steps.collect() })?;
        for (index, write) in self.writes.iter().enumerate() {
            world.run_for(write.at.saturating_sub(world.now()))?;
            let key = write.key.as_bytes().into();
            let op = match write.size {
                None => Op::Delete { key },
                Some(size) => {
                    let value = vec![index as u8; size].into();
                    Op::Put { key, value, expiry: Expiry::Never }
                }
            };
            // A node that is down takes no writes, and a delete may find nothing.
            let _ = world.operate(write.node, op);
        }
        world.run_for(self.duration.saturating_sub(world.now()))?;
        world.stop_load();
        if self.faults.last().is_some_and(|last| last.fault != Fault::Calm) {
            world.calm();
        }
        world.settle(self.settle)
    }

    /// The writes that were made in a world, so that a run can be repeated without its load.
    #[must_use]
    pub fn writes_of(ledger: &Ledger) -> Vec<Write> {
        let mut writes: Vec<Write> = ledger
            .writes()
            .map(|(_, written)| Write {
                at: Duration::from_micros(written.at.0),
                node: written.by,
                key: String::from_utf8_lossy(written.entry.key()).into_owned(),
                size: written.entry.value().map(<[u8]>::len),
            })
            .collect();
        writes.sort_by_key(|write| write.at);
        writes
    }

    /// Settings that differ from the defaults, as `name = value`.
    #[must_use]
    pub fn settings(&self) -> Vec<String> {
        form::changed(&self.world.config, &Config::default())
    }

    /// Other settings, each with one setting less that differs from the defaults.
    #[must_use]
    pub fn plainer_configs(&self) -> Vec<Config> {
        form::plainer(&self.world.config)
    }
}

impl fmt::Display for Scenario {
    /// For people: everything that was drawn, then the faults.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Options { seed, nodes, start, latency, .. } = &self.world;
        let start = match start {
            Start::Prefilled => "all know each other".to_owned(),
            Start::Strangers => "strangers".to_owned(),
            Start::Join { seeds: 1 } => "all join by n0".to_owned(),
            Start::Join { seeds } => format!("all join by n0 to n{}", seeds - 1),
        };
        let start = match self.world.late {
            0 => start,
            late => format!("{start}, the last {late} come later"),
        };
        let (duration, settle) = (self.duration, self.settle);
        writeln!(
            f,
            "seed {seed}: {nodes} nodes, {start}; {duration:?}, then {settle:?} to settle"
        )?;
        let hop = |latency: &Latency| match latency {
            Latency::Fixed(time) => format!("{time:?}"),
            Latency::Uniform(least, most) => format!("{least:?} to {most:?}"),
            Latency::LogNormal { median, sigma } => {
                format!("half below {median:?}, long tail (sigma {sigma})")
            }
        };
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        writeln!(
            f,
            "  network   hop {}; lost {}, doubled {}, held back {} (up to {:?})",
            hop(latency),
            percent(self.world.loss),
            percent(self.world.duplicate),
            percent(self.world.reorder),
            self.world.reorder_delay,
        )?;
        if let Some(zones) = &self.world.zones {
            let counts: Vec<String> = zones.counts().iter().map(usize::to_string).collect();
            let inside = hop(&zones.between(0, 0));
            writeln!(
                f,
                "  zones     of {} nodes; a hop inside {inside}, between up to {:?}",
                counts.join(", "),
                zones.longest()
            )?;
        }
        if let Some(rate) = self.world.bandwidth {
            writeln!(f, "  bandwidth {rate} bytes a second each way")?;
        }
        if self.world.sealed {
            writeln!(f, "  gossip    sealed")?;
        }
        writeln!(f, "  clocks    off by up to {:?}", self.world.clock_skew)?;
        match self.settings() {
            settings if settings.is_empty() => writeln!(f, "  settings  the defaults")?,
            settings => writeln!(f, "  settings  {}", settings.join(", "))?,
        }
        if let Some(other) = &self.world.other {
            let changed = form::changed(other, &self.world.config);
            writeln!(f, "  others    {}", changed.join(", "))?;
        }
        if let Some(Workload { every, keys, value, deletes }) = self.load {
            let deletes = percent(deletes);
            writeln!(
                f,
                "  load      a write every {every:?}, {keys} keys, values of {value} B, {deletes} \
                 deletes"
            )?;
        }
        let mut steps: Vec<(Duration, String)> = Vec::new();
        for Write { at, node, key, size } in &self.writes {
            let what = match size {
                Some(size) => format!("n{node} writes {size} B to {key}"),
                None => format!("n{node} deletes {key}"),
            };
            steps.push((*at, what));
        }
        steps.extend(self.faults.iter().map(|trouble| (trouble.at, trouble.fault.to_string())));
        steps.sort_by_key(|(at, _)| *at);
        for (at, what) in steps.iter().take(SHOWN) {
            writeln!(f, "  {:>10.6} s  {what}", at.as_secs_f64())?;
        }
        if steps.len() > SHOWN {
            writeln!(f, "  ... and {} more", steps.len() - SHOWN)?;
        }
        Ok(())
    }
}
