//! The short simulations of a plan, and how their figures grow with the cluster.

use crate::args::PlanArgs;
use crate::commands::sim::cluster::setup;
use rumormill_core::Config;
use rumormill_core::member::suspicion::Suspicions;
use rumormill_sim::{Latency, Options, Script, Trial};
use std::time::Duration;

/// What is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Idle,
    AsIs,
    LossOne,
    LossFive,
    Crashed,
    Divided,
    SlowNode,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Idle,
        Self::AsIs,
        Self::LossOne,
        Self::LossFive,
        Self::Crashed,
        Self::Divided,
        Self::SlowNode,
    ];

    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::AsIs => "as-is",
            Self::LossOne => "loss-1%",
            Self::LossFive => "loss-5%",
            Self::Crashed => "tenth-crashed",
            Self::Divided => "partition",
            Self::SlowNode => "slow-node",
        }
    }
}

/// One simulation.
pub struct Scenario {
    pub kind: Kind,
    pub trial: Trial,
}

/// A load goes on for this long, if the deliveries stay below [`DELIVERIES`].
const LOAD: f64 = 8.0;
/// Deliveries of one simulation, about, at most.
const DELIVERIES: f64 = 1e6;
/// How long a zone is cut off: long enough that it is held dead with the default settings.
const DIVIDED: Duration = Duration::from_secs(15);
/// How much slower the slow node is.
const SLOW: Duration = Duration::from_millis(300);

/// All simulations of a plan.
pub fn all(args: &PlanArgs, config: &Config) -> anyhow::Result<Vec<Scenario>> {
    let nodes = args.nodes.min(args.simulate);
    let options = setup::options(nodes, args.seed, config.clone(), &args.network)?;
    let scenario = |&kind: &Kind| Ok(Scenario { kind, trial: trial(kind, args, &options)? });
    Kind::ALL.iter().map(scenario).collect()
}

fn trial(kind: Kind, args: &PlanArgs, options: &Options) -> anyhow::Result<Trial> {
    let mut options = options.clone();
    let rate = args.load.writes_per_second * options.nodes as f64;
    let load = (DELIVERIES / rate.max(1.0)).clamp(2.0, LOAD);
    let mut duration = Duration::from_millis((load * 1000.0) as u64);
    // A crash must not be noticed while the load goes on: then the rest is as in calm times.
    let unnoticed = suspicion(&options.config, options.nodes).0;
    let unnoticed = unnoticed.clamp(Duration::from_secs(1), Duration::from_secs(4));
    let mut script = String::new();
    match kind {
        Kind::Idle => duration = Duration::from_secs(20),
        Kind::AsIs => {}
        Kind::LossOne => options.loss = (options.loss + 0.01).min(1.0),
        Kind::LossFive => options.loss = (options.loss + 0.05).min(1.0),
        Kind::Crashed => {
            duration = duration.min(unnoticed);
            script = "crash:10%@0s".into();
        }
        Kind::Divided => {
            duration = DIVIDED + Duration::from_secs(1);
            let side = options.zones.as_ref().map(|zones| zones.names());
            let side = side.filter(|names| names.len() > 1).and_then(|names| names.last());
            let side = side.map_or("30%".to_owned(), Clone::clone);
            script = format!("partition:{side}@1s..{}s", 1 + DIVIDED.as_secs());
        }
        Kind::SlowNode => {
            script = format!("slow:n0,{}ms@0s..{}ms", SLOW.as_millis(), duration.as_millis());
        }
    }
    let script: Script = script.parse()?;
    let plan = setup::plan(&options, &script, duration)?;
    let load = match kind {
        Kind::Idle => None,
        _ => setup::workload(&args.load, &options.config)?,
    };
    let settle = Duration::from_secs(60) + 2 * suspicion(&options.config, options.nodes).1;
    Ok(Trial { options, warm_up: Duration::from_secs(5), load, plan, settle })
}

/// How long a suspect has at least, and at most, before it is held dead.
pub fn suspicion(config: &Config, nodes: usize) -> (Duration, Duration) {
    let after = |confirmations| Suspicions::patience(&config.member, nodes, confirmations);
    (after(config.member.confirmations), after(0))
}

/// What delivery times grow by from the simulated cluster to the whole: every method here takes
/// steps in proportion to the logarithm of the cluster.
pub fn scale(nodes: usize, simulated: usize) -> f64 {
    match nodes > simulated && simulated > 1 {
        true => (nodes as f64).ln() / (simulated as f64).ln(),
        false => 1.0,
    }
}

/// What one hop of a hundred exceeds, in seconds.
pub fn slow_hop(latency: Latency) -> f64 {
    match latency {
        Latency::Fixed(time) | Latency::Uniform(_, time) => time.as_secs_f64(),
        Latency::LogNormal { median, sigma } => median.as_secs_f64() * (2.33 * sigma).exp(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_larger_cluster_is_scaled_and_by_its_logarithm() {
        assert_eq!(scale(100, 100), 1.0);
        assert!((scale(10_000, 100) - 2.0).abs() < 1e-9);
        assert_eq!(scale(10, 1), 1.0);
    }

    #[test]
    fn the_slow_hops_of_a_tail_are_above_its_middle() {
        let median = Duration::from_millis(10);
        assert!(slow_hop(Latency::LogNormal { median, sigma: 0.5 }) > 0.03);
        assert_eq!(slow_hop(Latency::Fixed(median)), 0.01);
    }
}
