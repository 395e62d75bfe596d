//! `rumormill sim plan`: what a deployment will cost and how fast it will be.

mod advice;
mod scenarios;
mod words;

use super::cluster::{run_all, setup};
use super::interrupt;
use crate::args::{Format, PlanArgs};
use crate::output::Output;
use advice::Warning;
use rumormill_sim::{Report, Trial};
use scenarios::{Kind, Scenario};
use serde::Serialize;
use serde_json::json;
use std::sync::atomic::Ordering;

/// What to expect of the whole cluster. Times are null where nothing was measured.
#[derive(Debug, Default, Serialize)]
struct Expect {
    delivery_ms: Delivery,
    /// The same with 1 % and 5 % of datagrams lost on top.
    delivery_ms_loss_1: Delivery,
    delivery_ms_loss_5: Delivery,
    delivery_ms_tenth_crashed: Delivery,
    delivery_ms_slow_node: Delivery,
    bytes_per_node_per_second: Load,
    messages_per_node_per_second: Load,
    copies_per_node: f64,
    amplification: Option<f64>,
    /// From a crash until all live nodes hold the crashed one dead.
    detection_ms: Option<f64>,
    /// From the end of a partition until all nodes agree.
    heal_ms: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Delivery {
    p50: Option<f64>,
    p99: Option<f64>,
    last: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Load {
    idle: Option<f64>,
    loaded: Option<f64>,
}

/// Everything that a plan says.
struct Plan<'a> {
    args: &'a PlanArgs,
    simulated: usize,
    /// What delivery times of the simulated cluster are multiplied by.
    scale: f64,
    done: Vec<(&'a Scenario, Report)>,
    expect: Expect,
    warnings: Vec<Warning>,
}

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

fn expect(done: &[(&Scenario, Report)], scale: f64) -> Expect {
    let of = |kind: Kind| {
        let found = done.iter().find(|(scenario, _)| scenario.kind == kind);
        found.map(|(_, report)| report)
    };
    let delivery = |kind: Kind| {
        let figures = of(kind).map(|report| report.delivery_ms).unwrap_or_default();
        let scaled = |time: Option<f64>| time.map(|ms| ms * scale);
        Delivery { p50: scaled(figures.p50), p99: scaled(figures.p99), last: scaled(figures.max) }
    };
    let load = |figure: fn(&Report) -> f64| Load {
        idle: of(Kind::Idle).map(figure),
        loaded: of(Kind::AsIs).map(figure),
    };
    let as_is = of(Kind::AsIs);
    Expect {
        delivery_ms: delivery(Kind::AsIs),
        delivery_ms_loss_1: delivery(Kind::LossOne),
        delivery_ms_loss_5: delivery(Kind::LossFive),
        delivery_ms_tenth_crashed: delivery(Kind::Crashed),
        delivery_ms_slow_node: delivery(Kind::SlowNode),
        bytes_per_node_per_second: load(|report| report.bytes.per_node_per_second),
        messages_per_node_per_second: load(|report| report.messages_per_node_per_second),
        copies_per_node: as_is.map_or(0.0, |report| report.copies_per_node),
        amplification: as_is.and_then(|report| report.amplification),
        detection_ms: of(Kind::Crashed).and_then(|report| report.detection_ms.all),
        heal_ms: of(Kind::Divided).and_then(|report| report.settle_ms),
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
