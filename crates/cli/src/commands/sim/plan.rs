//! `rumormill sim plan`: what a deployment will cost and how fast it will be.

mod advice;
mod expect;
mod scenarios;
mod words;

use super::cluster::{run_all, setup};
use crate::args::{Format, PlanArgs};
use crate::commands::interrupt;
use crate::output::Output;
use expect::{Plan, expect};
use rumormill_sim::{Report, Trial};
use scenarios::Scenario;
use serde_json::json;
use std::sync::atomic::Ordering;

pub fn run(args: &PlanArgs, format: Format) -> anyhow::Result<()> {
    let flags = setup::flags(&args.config, None, None)?;
    let settings = setup::load(args.config.config.as_deref(), &flags)?;
    let config = &settings.config;
    let scenarios = scenarios::all(args, config)?;
    let trials: Vec<&Trial> = scenarios.iter().map(|scenario| &scenario.trial).collect();
    setup::ensure_trials(&trials, rayon::current_num_threads())?;
    let stop = interrupt::flag()?;
    let reports = run_all(&trials, &stop);
    let done: Vec<(&Scenario, Report)> = scenarios
        .iter()
        .zip(reports)
        .filter_map(|(scenario, report)| Some((scenario, report?)))
        .collect();
    let simulated = scenarios.first().map_or(0, |scenario| scenario.trial.options.nodes);
    let scale = scenarios::scale(args.nodes as usize, simulated);
    let mut warnings = advice::of_settings(&settings, args, slowest_hop(&scenarios));
    warnings.extend(advice::of_runs(&done, args));
    let expect = expect(&done, scale);
    let plan = Plan { args, simulated, scale, done, expect, warnings };
    let mut out = Output::new(format);
    match out.is_json() {
        true => out.json(&value(&plan)?)?,
        false => words::say(&mut out, &plan)?,
    }
    out.flush()?;
    if stop.load(Ordering::Relaxed) {
        interrupt::end();
    }
    Ok(())
}

/// How long the slowest hops take, in seconds.
fn slowest_hop(scenarios: &[Scenario]) -> f64 {
    let Some(scenario) = scenarios.first() else { return 0.0 };
    match &scenario.trial.options.zones {
        Some(zones) => zones.longest().as_secs_f64() * 1.2,
        None => scenarios::slow_hop(scenario.trial.options.latency),
    }
}

fn value(plan: &Plan<'_>) -> anyhow::Result<serde_json::Value> {
    let mut scenarios = Vec::new();
    for (scenario, report) in &plan.done {
        let mut value = serde_json::to_value(report)?;
        if let serde_json::Value::Object(keys) = &mut value {
            keys.insert("name".into(), scenario.kind.name().into());
        }
        scenarios.push(value);
    }
    Ok(json!({
        "nodes": plan.args.nodes,
        "simulated": plan.simulated,
        "scaled": plan.scale != 1.0,
        "delivery_scale": plan.scale,
        "seed": plan.args.seed,
        "writes_per_second": plan.args.load.writes_per_second,
        "scenarios": scenarios,
        "expect": plan.expect,
        "warnings": plan.warnings,
    }))
}
