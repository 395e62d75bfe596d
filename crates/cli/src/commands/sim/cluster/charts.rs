//! The charts of a run: how soon writes were everywhere, what was sent, who agreed when.

use super::setup::Variant;
use crate::commands::sim::epidemic::course::command_line;
use crate::plot::{Axis, Chart, Series, Style};
use rumormill_core::output::Class;
use rumormill_sim::Report;

/// Marks of faults in a chart, at most: more would hide what they explain.
const MARKS: usize = 12;

pub fn of(variants: &[(&Variant, Report)]) -> Vec<Chart> {
    let subtitle = subtitle(variants);
    let mut charts = vec![delivery(variants), agreement(variants)];
    charts.splice(1..1, traffic(variants));
    for chart in &mut charts {
        chart.subtitle.clone_from(&subtitle);
    }
    // A chart without a point cannot be drawn.
    charts.retain(|chart| chart.series.iter().any(|series| !series.points.is_empty()));
    charts
}

fn subtitle(variants: &[(&Variant, Report)]) -> String {
    let Some((variant, report)) = variants.first() else { return String::new() };
    let load = match variant.trial.load {
        Some(load) => format!("{:.0} writes/s", 1.0 / load.every.as_secs_f64()),
        None => "no writes".into(),
    };
    let hops = match &variant.trial.options.zones {
        Some(zones) => format!("{} zones", zones.names().len()),
        None => format!("hop {}", variant.trial.options.latency),
    };
    let varied = |name: &str| variant.changes.iter().any(|(varied, _)| varied == name);
    let parts = [
        ("nodes", format!("{} nodes", report.nodes)),
        ("latency", hops),
        ("loss", format!("loss {} %", variant.trial.options.loss * 100.0)),
        ("load", load),
        ("seed", format!("seed {}", report.seed)),
    ];
    let same = parts.into_iter().filter(|(name, _)| !varied(name)).map(|(_, part)| part);
    format!("{}\n{}", same.collect::<Vec<_>>().join(", "), command_line())
}

fn name(variants: &[(&Variant, Report)], variant: &Variant, otherwise: &str) -> String {
    if variants.len() > 1 { variant.name() } else { otherwise.to_owned() }
}

fn delivery(variants: &[(&Variant, Report)]) -> Chart {
    let series = variants.iter().map(|(variant, report)| Series {
        name: with_end(name(variants, variant, "delivered"), report.curve.last()),
        // A logarithmic axis has no zero.
        points: report.curve.iter().map(|&(ms, share)| (ms.max(0.001), share * 100.0)).collect(),
        ..Series::default()
    });
    Chart {
        title: "How soon writes are delivered".into(),
        x: Axis { label: "time since the write (ms)".into(), log: true, range: None },
        y: Axis { label: "deliveries done (%)".into(), range: Some((0.0, 100.0)), log: false },
        series: series.collect(),
        ..Chart::default()
    }
}

/// A line that stops short of everything would look as if it went on there.
fn with_end(name: String, last: Option<&(f64, f64)>) -> String {
    match last {
        Some((_, share)) if *share < 1.0 => {
            // Rounded down: what is missing is not to become nothing.
            let percent = (share * 10_000.0).floor() / 100.0;
            format!("{name} (ends at {percent} %)")
        }
        _ => name,
    }
}

fn traffic(variants: &[(&Variant, Report)]) -> Vec<Chart> {
    let chart = |title: String, series: Vec<Series>| Chart {
        title,
        x: Axis { label: "time since the warm-up (s)".into(), ..Axis::default() },
        y: Axis { label: "sent per node (kB/s)".into(), ..from_zero(&series) },
        series,
        ..Chart::default()
    };
    let line = |report: &Report, name: String, class: Class| Series {
        name,
        points: report
            .samples
            .iter()
            .map(|sample| (sample.at, sample.bytes[class as usize] / report.nodes as f64 / 1000.0))
            .collect(),
        ..Series::default()
    };
    let named =
        [(Class::Membership, "membership"), (Class::Updates, "updates"), (Class::Repair, "repair")];
    if let [(_, report)] = variants {
        let lines = named.map(|(class, name)| line(report, name.into(), class));
        return vec![chart("What nodes send".into(), lines.into())];
    }
    let chart_of = |(class, title): (Class, &str)| {
        let lines = variants
            .iter()
            .map(|(variant, report)| line(report, name(variants, variant, title), class));
        chart(format!("What nodes send: {title}"), lines.collect())
    };
    named.map(chart_of).into()
}

/// An axis on which heights can be compared.
fn from_zero(series: &[Series]) -> Axis {
    let values = series.iter().flat_map(|series| &series.points).map(|(_, y)| *y);
    let most = values.fold(0.0, f64::max);
    Axis { range: (most > 0.0).then_some((0.0, most * 1.05)), ..Axis::default() }
}

fn agreement(variants: &[(&Variant, Report)]) -> Chart {
    let mut series: Vec<Series> = variants
        .iter()
        .map(|(variant, report)| Series {
            name: name(variants, variant, "nodes that agree"),
            points: report.samples.iter().map(|at| (at.at, at.agree * 100.0)).collect(),
            ..Series::default()
        })
        .collect();
    if let Some((_, report)) = variants.first() {
        let mut marks: Vec<(f64, &String)> =
            report.faults.iter().map(|(at, what)| (*at, what)).collect();
        marks.dedup_by_key(|(at, _)| *at);
        series.extend(marks.into_iter().take(MARKS).map(|(at, what)| Series {
            name: format!("{at} s: {}", shortened(what)),
            points: vec![(at, 0.0), (at, 100.0)],
            style: Style::Dashed,
            ..Series::default()
        }));
    }
    Chart {
        title: "Live nodes that hold the same data".into(),
        x: Axis { label: "time since the warm-up (s)".into(), ..Axis::default() },
        y: Axis { label: "nodes (%)".into(), range: Some((0.0, 100.0)), log: false },
        series,
        ..Chart::default()
    }
}

/// Long lists of nodes say nothing in a legend.
fn shortened(what: &str) -> String {
    match what.split_once('[') {
        Some((before, _)) => match before.trim_end() {
            "nothing between" => "partition".into(),
            "nothing from" => "cut".into(),
            "no datagrams from" => "cut-udp".into(),
            "no streams between" => "cut-tcp".into(),
            other => other.to_owned(),
        },
        None => what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_that_ends_early_says_so() {
        let ended = |share| with_end("tree".into(), Some(&(5.0, share)));
        assert_eq!(ended(1.0), "tree");
        assert_eq!(ended(0.973), "tree (ends at 97.3 %)");
        assert_eq!(ended(0.99999), "tree (ends at 99.99 %)");
    }

    #[test]
    fn traffic_is_measured_from_nothing() {
        let series = Series { points: vec![(0.0, 30.0), (1.0, 40.0)], ..Series::default() };
        assert_eq!(from_zero(&[series]).range, Some((0.0, 42.0)));
        assert_eq!(from_zero(&[]).range, None);
    }
}
