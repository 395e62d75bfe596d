//! What came of the experiments, for people and for programs.

use super::runs::{Detection, Outcome, Row, mean, ms};
use crate::args::LifeguardArgs;
use crate::output::{Output, count};
use crate::plot;
use serde_json::{Map, Value, json};
use std::path::Path;

pub fn json(args: &LifeguardArgs, outcomes: &[Outcome], interrupted: bool) -> Value {
    let mut report = Map::new();
    for outcome in outcomes {
        report.insert(outcome.variant.name().into(), of(outcome));
    }
    let times = |times: &[std::time::Duration]| times.iter().map(|time| ms(*time)).collect();
    let pauses: Vec<u64> = times(&args.pauses);
    let awake: Vec<u64> = times(&args.awake);
    let facts = [
        ("nodes", json!(args.nodes)),
        ("starved", json!(args.starved)),
        ("pauses_ms", json!(pauses)),
        ("awake_ms", json!(awake)),
        ("stopped", json!(args.stopped)),
        ("duration_ms", json!(ms(args.duration))),
        ("trials", json!(args.trials)),
        ("seed", json!(args.seed)),
        ("seeds", json!([args.seed, args.seed.wrapping_add(u64::from(args.trials) - 1)])),
        ("interrupted", json!(interrupted)),
    ];
    report.extend(facts.map(|(name, value)| (name.into(), value)));
    if args.rows {
        let rows: Vec<&Row> = outcomes.iter().flat_map(|outcome| &outcome.rows).collect();
        report.insert("rows".into(), json!(rows));
        let detections = outcomes.iter().flat_map(|outcome| {
            let name = outcome.variant.name();
            outcome.detections.iter().map(move |detection| {
                let mut row = figures(&detection.seconds, detection.missed);
                row.insert("variant".into(), name.into());
                row.insert("crashed".into(), detection.crashed.into());
                row.insert("mean_s".into(), json!(mean(&detection.seconds)));
                Value::Object(row)
            })
        });
        report.insert("detections".into(), detections.collect());
    }
    Value::Object(report)
}

fn of(outcome: &Outcome) -> Value {
    let seconds = seconds(&outcome.detections);
    let missed = outcome.detections.iter().map(|detection| detection.missed).sum();
    json!({
        "false_positives": outcome.false_positives(),
        "first_detection_s": mean(&seconds),
        "at_healthy": outcome.at_healthy(),
        "detection": figures(&seconds, missed),
    })
}

/// All crashes of a variant, in order.
fn seconds(detections: &[Detection]) -> Vec<f64> {
    let mut all: Vec<f64> = detections.iter().flat_map(|d| d.seconds.iter().copied()).collect();
    all.sort_by(f64::total_cmp);
    all
}

fn figures(seconds: &[f64], missed: u64) -> Map<String, Value> {
    let figures = [
        ("median_s", json!(quantile(seconds, 0.5))),
        ("p99_s", json!(quantile(seconds, 0.99))),
        ("max_s", json!(seconds.last())),
        ("crashes", json!(seconds.len() as u64 + missed)),
        ("missed", json!(missed)),
    ];
    figures.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

/// The value that this share of all does not exceed.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

pub fn people(
    args: &LifeguardArgs,
    outcomes: &[Outcome],
    interrupted: bool,
    out: &mut Output,
) -> anyhow::Result<()> {
    let how = if args.stopped { "stand still" } else { "are starved" };
    out.line(format!(
        "{} members, of which {:?} {how} for {:?} at a time and run for {:?} in between, {:?} each",
        args.nodes, args.starved, args.pauses, args.awake, args.duration
    ))?;
    let swim = outcomes.first().map_or(0, Outcome::false_positives);
    let rows = outcomes.iter().map(|outcome| {
        let seconds = seconds(&outcome.detections);
        let shown = |value: Option<f64>| value.map_or("-".into(), |s| format!("{s:.2} s"));
        vec![
            outcome.variant.name().into(),
            count(outcome.false_positives()),
            share(outcome.false_positives(), swim),
            count(outcome.at_healthy()),
            shown(mean(&seconds)),
            shown(quantile(&seconds, 0.99)),
        ]
    });
    let header =
        ["variant", "false positives", "of plain SWIM's", "at healthy", "first detection", "p99"];
    out.table(&header, rows.collect())?;
    if args.rows {
        let all = outcomes.iter().flat_map(|outcome| &outcome.rows);
        let rows = all.map(|row| {
            vec![
                row.variant.into(),
                count(row.starved.into()),
                format!("{} ms", count(row.pause_ms)),
                format!("{} ms", count(row.awake_ms)),
                count(row.false_positives),
                count(row.at_healthy),
            ]
        });
        let header = ["variant", "starved", "for", "awake", "false positives", "at healthy"];
        out.table(&header, rows.collect())?;
    }
    if interrupted {
        out.line("interrupted: this is what was done until then")?;
    }
    Ok(())
}

fn share(found: u64, swim: u64) -> String {
    match swim {
        0 => "-".into(),
        swim => format!("{:.2} %", found as f64 / swim as f64 * 100.0),
    }
}

pub fn write_csv(path: &Path, outcomes: &[Outcome]) -> anyhow::Result<()> {
    let header =
        ["variant", "starved", "pause_ms", "awake_ms", "trials", "false_positives", "at_healthy"];
    let rows = outcomes.iter().flat_map(|outcome| &outcome.rows).map(|row| {
        let figures = [
            u64::from(row.starved),
            row.pause_ms,
            row.awake_ms,
            u64::from(row.trials),
            row.false_positives,
            row.at_healthy,
        ];
        let figures = figures.map(|figure| figure.to_string());
        [row.variant.to_owned()].into_iter().chain(figures).collect()
    });
    plot::write_rows(path, &header, rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_were_there() {
        let values: Vec<f64> = (1..=200).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.5), Some(100.0));
        assert_eq!(quantile(&values, 0.99), Some(198.0));
        assert_eq!(quantile(&[7.0], 0.5), Some(7.0));
        assert_eq!(quantile(&[], 0.99), None);
    }

    #[test]
    fn of_nothing_there_is_no_share() {
        assert_eq!(share(3, 200), "1.50 %");
        assert_eq!(share(0, 0), "-");
    }
}
