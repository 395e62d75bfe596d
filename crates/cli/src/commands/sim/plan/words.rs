//! The plan in words and numbers.

use super::expect::{Delivery, Plan};
use super::scenarios::Kind;
use crate::commands::sim::cluster::table::ms;
use crate::output::{Output, bytes, count};

pub fn say(out: &mut Output, plan: &Plan<'_>) -> anyhow::Result<()> {
    let (args, expect) = (plan.args, &plan.expect);
    out.line(format!(
        "{} nodes, {} writes/s of {} bytes, seed {}",
        count(args.nodes.into()),
        args.load.writes_per_second,
        args.load.value_size,
        args.seed
    ))?;
    if plan.scale != 1.0 {
        out.line(format!(
            "{} nodes were simulated. Delivery times are theirs x {:.2}: each way to spread takes \
             steps in proportion to the logarithm of the cluster. Bytes and messages per node and \
             times of detection and healing do not depend on its size, and stand as measured.",
            count(plan.simulated as u64),
            plan.scale
        ))?;
    }
    out.line("")?;
    out.line("A write is readable at half / 99 % / the last of the nodes after:")?;
    let rows = [
        ("as is", expect.delivery_ms),
        ("with 1 % more loss", expect.delivery_ms_loss_1),
        ("with 5 % more loss", expect.delivery_ms_loss_5),
        ("a tenth crashed, unnoticed", expect.delivery_ms_tenth_crashed),
        ("one node slow by 300 ms", expect.delivery_ms_slow_node),
    ];
    let row = |(name, times): (&str, Delivery)| {
        vec![format!("  {name}"), ms(times.p50), ms(times.p99), ms(times.last)]
    };
    out.table(&[], rows.map(row).into())?;
    out.line("")?;
    costs(out, plan)?;
    troubles(out, plan)?;
    out.line("")?;
    if plan.warnings.is_empty() {
        return out.line("No warnings.");
    }
    let s = if plan.warnings.len() == 1 { "" } else { "s" };
    out.line(format!("{} warning{s}:", plan.warnings.len()))?;
    for warning in &plan.warnings {
        out.line(format!("  {}: {}", warning.about, warning.problem))?;
        out.line(format!("    -> {}", warning.change))?;
    }
    Ok(())
}

fn costs(out: &mut Output, plan: &Plan<'_>) -> anyhow::Result<()> {
    let expect = &plan.expect;
    let (sent, messages) = (expect.bytes_per_node_per_second, expect.messages_per_node_per_second);
    if let (Some(rate), Some(messages)) = (sent.idle, messages.idle) {
        let rate = bytes(rate as u64);
        out.line(format!("Idle, a node sends {rate}/s in {messages:.1} messages/s."))?;
    }
    if let (Some(rate), Some(messages)) = (sent.loaded, messages.loaded) {
        let rate = bytes(rate as u64);
        out.line(format!(
            "Under this load it sends {rate}/s in {messages:.1} messages/s, and receives as much; \
             {:.2} copies of each update.",
            expect.copies_per_node
        ))?;
    }
    Ok(())
}

fn troubles(out: &mut Output, plan: &Plan<'_>) -> anyhow::Result<()> {
    let expect = &plan.expect;
    match expect.detection_ms {
        Some(time) => {
            out.line(format!("A crash is known to all after {}.", ms(Some(time))))?;
        }
        None => out.line("A crash was not noticed by all in the time that was given.")?,
    }
    let divided = plan.done.iter().find(|(scenario, _)| scenario.kind == Kind::Divided);
    let Some((scenario, report)) = divided else { return Ok(()) };
    let zones = scenario.trial.options.zones.as_ref().map(|zones| zones.names());
    let side = match zones.and_then(<[String]>::last) {
        Some(zone) => format!("zone {zone}"),
        None => "a third of the nodes".into(),
    };
    match expect.heal_ms {
        Some(time) if report.converged => out.line(format!(
            "With {side} cut off for 15 s both sides take writes; {} after the cut ends all nodes \
             agree again.",
            ms(Some(time))
        )),
        _ => out.line(format!("With {side} cut off for 15 s the nodes do not agree afterwards.")),
    }
}
