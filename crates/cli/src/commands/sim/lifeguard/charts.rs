//! The charts: false positives by how long and by how many are starved, and how soon crashes are
//! noticed.

use super::runs::{Outcome, Row, mean};
use crate::args::LifeguardArgs;
use crate::commands::sim::epidemic::course::command_line;
use crate::plot::{Axis, Chart, Series, Style};
use std::collections::BTreeMap;
use std::time::Duration;

pub fn of(args: &LifeguardArgs, outcomes: &[Outcome]) -> Vec<Chart> {
    let how = if args.stopped { "stand still" } else { "are starved" };
    let subtitle = format!(
        "{} members, {} of which {how} for {}, then run for {}, {} each, {} from seed {}\n{}",
        args.nodes,
        either(&args.starved),
        times(&args.pauses),
        times(&args.awake),
        times(&[args.duration]),
        if args.trials == 1 { "1 trial".into() } else { format!("{} trials", args.trials) },
        args.seed,
        command_line()
    );
    let mut charts = vec![
        counted(
            "False positives by how long members are starved",
            Axis { label: "starved at a time (s)".into(), log: true, range: None },
            outcomes,
            |row| row.pause_ms,
            1000.0,
        ),
        counted(
            "False positives by how many members are starved",
            Axis { label: "starved members".into(), log: true, range: None },
            outcomes,
            |row| u64::from(row.starved),
            1.0,
        ),
        detection(outcomes),
    ];
    // A chart without a point cannot be drawn.
    charts.retain(|chart| chart.series.iter().any(|series| !series.points.is_empty()));
    for chart in &mut charts {
        chart.subtitle.clone_from(&subtitle);
    }
    charts
}

fn times(times: &[Duration]) -> String {
    let words: Vec<String> =
        times.iter().map(|time| humantime::format_duration(*time).to_string()).collect();
    either(&words)
}

/// A list for people.
fn either(values: &[impl ToString]) -> String {
    let words: Vec<String> = values.iter().map(ToString::to_string).collect();
    match words.split_last() {
        Some((last, before)) if !before.is_empty() => format!("{} or {last}", before.join(", ")),
        Some((only, _)) => only.clone(),
        None => "none".into(),
    }
}

/// False positives over all else, by one thing. One is added to each, since a logarithmic axis has
/// no zero.
fn counted(
    title: &str,
    x: Axis,
    outcomes: &[Outcome],
    by: impl Fn(&Row) -> u64,
    unit: f64,
) -> Chart {
    let series = outcomes.iter().map(|outcome| {
        let mut sums: BTreeMap<u64, u64> = BTreeMap::new();
        for row in &outcome.rows {
            *sums.entry(by(row)).or_default() += row.false_positives;
        }
        let points = sums.into_iter().map(|(x, sum)| (x as f64 / unit, (sum + 1) as f64));
        line(outcome, points.collect())
    });
    let y = Axis { label: "false positives + 1".into(), log: true, range: None };
    Chart { title: title.into(), x, y, series: series.collect(), ..Chart::default() }
}

fn detection(outcomes: &[Outcome]) -> Chart {
    let series = outcomes.iter().map(|outcome| {
        let point = |detection: &super::runs::Detection| {
            Some((f64::from(detection.crashed), mean(&detection.seconds)?))
        };
        line(outcome, outcome.detections.iter().filter_map(point).collect())
    });
    Chart {
        title: "First detection by how many crash at once".into(),
        x: Axis { label: "crashed members".into(), log: true, range: None },
        y: Axis { label: "mean time until the first knows (s)".into(), ..Axis::default() },
        series: series.collect(),
        ..Chart::default()
    }
}

fn line(outcome: &Outcome, points: Vec<(f64, f64)>) -> Series {
    let name = outcome.variant.name().into();
    Series { name, points, style: Style::LineAndPoints, ..Series::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_for_people() {
        assert_eq!(either(&[1, 2, 4]), "1, 2 or 4");
        assert_eq!(times(&[Duration::from_millis(1500)]), "1s 500ms");
    }
}
