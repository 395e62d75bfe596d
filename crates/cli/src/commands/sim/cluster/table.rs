//! The report for people: one run in words, several side by side.

use super::setup::{SpreadName as _, Variant};
use crate::output::{Output, bytes, count};
use rumormill_sim::{CrossZone, Report};

/// One run.
pub fn one(out: &mut Output, variant: &Variant, report: &Report) -> anyhow::Result<()> {
    let trial = &variant.trial;
    let mut rows = vec![
        (
            "nodes",
            format!(
                "{}, {}, seed {}",
                count(report.nodes as u64),
                trial.options.config.spread_name(),
                report.seed
            ),
        ),
        ("time", time(variant, report)),
        ("converged", converged(report)),
        (
            "writes",
            format!(
                "{}, delivered {} of {} times",
                count(report.writes as u64),
                count(report.delivered as u64),
                count(report.deliveries_possible as u64)
            ),
        ),
        (
            "delivery",
            format!(
                "p50 {}, p99 {}, last {}",
                ms(report.delivery_ms.p50),
                ms(report.delivery_ms.p99),
                ms(report.delivery_ms.max)
            ),
        ),
        ("copies", format!("{:.3} of each update per node", report.copies_per_node)),
        ("traffic", traffic(report)),
        (
            "amplification",
            match report.amplification {
                Some(times) => format!("{times:.2} bytes sent for each byte delivered"),
                None => "nothing was delivered".into(),
            },
        ),
        ("detection", detection(report)),
        ("false alarms", count(report.false_positives)),
        ("tombstones", tombstones(report)),
        ("kept aside", format!("{} entries", count(report.strays as u64))),
        ("shed", shed(report)),
    ];
    if let Some(across) = report.cross_zone {
        let at = rows.iter().position(|(name, _)| *name == "amplification").unwrap_or(rows.len());
        rows.insert(at, ("across zones", crossed(&across)));
    }
    let rows = rows.into_iter().map(|(name, value)| vec![name.into(), value]).collect();
    out.table(&[], rows)?;
    violations(out, report)
}

/// One row for each variant.
pub fn side_by_side(out: &mut Output, variants: &[(&Variant, Report)]) -> anyhow::Result<()> {
    let header = [
        "variant",
        "converged",
        "p50",
        "p99",
        "last",
        "copies",
        "bytes/node/s",
        "across zones",
        "amplification",
        "detected",
        "false alarms",
        "tombstones",
        "resurrected",
        "shed",
        "violations",
    ];
    let row = |(variant, report): &(&Variant, Report)| {
        vec![
            variant.name(),
            match report.converged {
                true => "yes".into(),
                false => format!("no, {} digests", report.digests),
            },
            ms(report.delivery_ms.p50),
            ms(report.delivery_ms.p99),
            ms(report.delivery_ms.max),
            format!("{:.3}", report.copies_per_node),
            format!("{:.0}", report.bytes.per_node_per_second),
            report.cross_zone.map_or("-".into(), |across| {
                bytes(across.update_bytes + across.repair_bytes + across.membership_bytes)
            }),
            report.amplification.map_or("-".into(), |times| format!("{times:.2}")),
            ms(report.detection_ms.all),
            report.false_positives.to_string(),
            count(report.tombstones.kept),
            report.tombstones.resurrected.to_string(),
            count(report.shed.values().sum()),
            report.violations.len().to_string(),
        ]
    };
    out.table(&header, variants.iter().map(row).collect())?;
    for (variant, report) in variants.iter().filter(|(_, report)| !report.violations.is_empty()) {
        out.line(format!("{}:", variant.name()))?;
        violations(out, report)?;
    }
    Ok(())
}

fn crossed(across: &CrossZone) -> String {
    format!(
        "{}: updates {}, repair {}, membership {}",
        bytes(across.update_bytes + across.repair_bytes + across.membership_bytes),
        bytes(across.update_bytes),
        bytes(across.repair_bytes),
        bytes(across.membership_bytes)
    )
}

fn violations(out: &mut Output, report: &Report) -> anyhow::Result<()> {
    for found in &report.violations {
        let node = found.node.map_or(String::new(), |node| format!(", n{node}"));
        out.line(format!(
            "violation: {} at {:.3} s{node} (seed {}): {}",
            found.property,
            found.at_ms / 1000.0,
            found.seed,
            found.what
        ))?;
    }
    Ok(())
}

/// Milliseconds for people.
pub fn ms(time: Option<f64>) -> String {
    match time {
        None => "-".into(),
        Some(ms) if ms >= 10_000.0 => format!("{:.1} s", ms / 1000.0),
        Some(ms) if ms >= 100.0 => format!("{ms:.0} ms"),
        Some(ms) => format!("{ms:.1} ms"),
    }
}

fn time(variant: &Variant, report: &Report) -> String {
    let settled = match report.settle_ms {
        Some(settle) => format!("agreed {} later", ms(Some(settle))),
        None if report.interrupted => "interrupted".into(),
        None => "no agreement".into(),
    };
    let load = rumormill_sim::text::Time(variant.trial.plan.duration);
    format!(
        "{load} of load, {settled}; {:.1} s virtual in {:.1} s, {} events",
        report.virtual_ms / 1000.0,
        report.wall_ms as f64 / 1000.0,
        count(report.events)
    )
}

fn converged(report: &Report) -> String {
    match (report.converged, report.digests) {
        (true, _) => "yes: all live nodes hold the same".into(),
        (false, 1) => "no: the data is the same everywhere, the roster is not".into(),
        (false, digests) => format!("no: {digests} different digests among the live nodes"),
    }
}

fn traffic(report: &Report) -> String {
    let sent = &report.bytes;
    let all = (sent.membership + sent.updates + sent.repair).max(1) as f64;
    let share = |bytes: u64| 100.0 * bytes as f64 / all;
    format!(
        "{}/s and {:.1} messages/s per node: membership {:.0} %, updates {:.0} %, repair {:.0} %",
        bytes(sent.per_node_per_second as u64),
        report.messages_per_node_per_second,
        share(sent.membership),
        share(sent.updates),
        share(sent.repair)
    )
}

fn detection(report: &Report) -> String {
    let found = &report.detection_ms;
    match found.crashes {
        0 => "no crashes".into(),
        crashes => format!(
            "{crashes} crashes, {} noticed by all: first node after {}, all after {}, at worst {}",
            found.noticed_by_all,
            ms(found.first),
            ms(found.all),
            ms(found.worst)
        ),
    }
}

fn tombstones(report: &Report) -> String {
    let tombstones = &report.tombstones;
    let dormant = match tombstones.dormant {
        0 => String::new(),
        dormant => format!(" ({} of them apart from the data)", count(dormant)),
    };
    format!(
        "{} kept by all nodes{dormant}, {} dropped, {} keys came back",
        count(tombstones.kept),
        count(tombstones.collected),
        count(tombstones.resurrected as u64)
    )
}

fn shed(report: &Report) -> String {
    let some: Vec<String> = report
        .shed
        .iter()
        .filter(|(_, shed)| **shed > 0)
        .map(|(name, shed)| format!("{name} {}", count(*shed)))
        .collect();
    if some.is_empty() { "nothing".into() } else { some.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_as_exact_as_they_matter() {
        let shown = [None, Some(3.44), Some(312.4), Some(15_320.0)].map(ms);
        assert_eq!(shown, ["-", "3.4 ms", "312 ms", "15.3 s"]);
    }
}
