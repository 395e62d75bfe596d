//! All experiments of a variant, on all cores.

use crate::args::LifeguardArgs;
use rayon::prelude::*;
use rumormill_core::Config;
use rumormill_sim::lifeguard::{Counts, Setup, Variant};
use serde::Serialize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Crashes over which the first detection is averaged for each number of them, at least.
const CRASHES: u32 = 10;

/// One experiment of one variant.
#[derive(Debug, Serialize)]
pub struct Row {
    pub variant: &'static str,
    pub starved: u32,
    pub pause_ms: u64,
    pub awake_ms: u64,
    pub trials: u32,
    /// All members about healthy members.
    pub false_positives: u64,
    /// Healthy members about healthy members.
    pub at_healthy: u64,
}

/// How soon so many crashes at once were noticed.
#[derive(Debug)]
pub struct Detection {
    pub crashed: u32,
    /// From the crash until the first other one held it dead, in order, seconds.
    pub seconds: Vec<f64>,
    /// Crashes that nobody noticed within five minutes.
    pub missed: u64,
}

/// What came of a variant.
#[derive(Debug)]
pub struct Outcome {
    pub variant: Variant,
    pub rows: Vec<Row>,
    pub detections: Vec<Detection>,
}

impl Outcome {
    pub fn false_positives(&self) -> u64 {
        self.rows.iter().map(|row| row.false_positives).sum()
    }

    pub fn at_healthy(&self) -> u64 {
        self.rows.iter().map(|row| row.at_healthy).sum()
    }
}

/// What is to be run.
#[derive(Clone, Copy)]
pub struct Runs<'a> {
    pub args: &'a LifeguardArgs,
    pub config: &'a Config,
    pub stop: &'a AtomicBool,
}

impl Runs<'_> {
    /// Runs of one variant.
    pub fn steps(&self) -> u64 {
        let args = self.args;
        let cases = args.starved.len() * args.pauses.len() * args.awake.len();
        let crashes: u64 = self.crashed().iter().map(|(_, trials)| u64::from(*trials)).sum();
        cases as u64 * u64::from(args.trials) + crashes
    }

    pub fn all(&self, variant: Variant, done: &(impl Fn() + Sync)) -> anyhow::Result<Outcome> {
        let rows = self.starve(variant, done)?;
        Ok(Outcome { variant, rows, detections: self.detect(variant, done)? })
    }

    fn setup(&self, starved: u32, trial: u32) -> Setup {
        Setup {
            nodes: self.args.nodes as usize,
            starved: starved as usize,
            pause: Duration::ZERO,
            awake: Duration::ZERO,
            stopped: self.args.stopped,
            duration: self.args.duration,
            seed: self.args.seed.wrapping_add(u64::from(trial)),
            config: self.config.clone(),
        }
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    fn starve(&self, variant: Variant, done: &(impl Fn() + Sync)) -> anyhow::Result<Vec<Row>> {
        let mut cases = Vec::new();
        for starved in &self.args.starved {
            for pause in &self.args.pauses {
                cases.extend(self.args.awake.iter().map(|awake| (*starved, *pause, *awake)));
            }
        }
        let row = |(starved, pause, awake): (u32, Duration, Duration)| -> anyhow::Result<_> {
            let (mut sum, mut trials) = (Counts::default(), 0);
            while trials < self.args.trials && !self.stopped() {
                let setup = Setup { pause, awake, ..self.setup(starved, trials) };
                sum += setup.starve(variant)?;
                trials += 1;
                done();
            }
            Ok((trials > 0).then(|| Row {
                variant: variant.name(),
                starved,
                pause_ms: ms(pause),
                awake_ms: ms(awake),
                trials,
                false_positives: sum.false_positives,
                at_healthy: sum.at_healthy,
            }))
        };
        let rows: Vec<_> = cases.into_par_iter().map(row).collect::<anyhow::Result<_>>()?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// How many crash at once, and in how many trials.
    fn crashed(&self) -> Vec<(u32, u32)> {
        let mut counts: Vec<u32> = self.args.starved.iter().map(|count| (*count).max(1)).collect();
        counts.sort_unstable();
        counts.dedup();
        let trials = |count: u32| self.args.trials.max(CRASHES.div_ceil(count));
        counts.into_iter().map(|count| (count, trials(count))).collect()
    }

    fn detect(
        &self,
        variant: Variant,
        done: &(impl Fn() + Sync),
    ) -> anyhow::Result<Vec<Detection>> {
        let of = |(crashed, trials): (u32, u32)| -> anyhow::Result<Detection> {
            let found = |trial: u32| -> anyhow::Result<Vec<Option<Duration>>> {
                if self.stopped() {
                    return Ok(Vec::new());
                }
                let found = self.setup(crashed, trial).detect(variant)?;
                done();
                Ok(found)
            };
            let found: Vec<Vec<_>> =
                (0..trials).into_par_iter().map(found).collect::<anyhow::Result<_>>()?;
            let all = || found.iter().flatten();
            let mut seconds: Vec<f64> = all().flatten().map(Duration::as_secs_f64).collect();
            seconds.sort_by(f64::total_cmp);
            Ok(Detection { crashed, missed: (all().count() - seconds.len()) as u64, seconds })
        };
        self.crashed().into_par_iter().map(of).collect()
    }
}

pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
