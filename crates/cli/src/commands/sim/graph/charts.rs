//! Diagrams of a network: pairs by distance, six degrees, contacts per node.

use super::report::{DistanceRow, Report, SIX, rows};
use super::words::percent;
use crate::output::count;
use crate::plot::{Axis, Chart, Series, Style};

/// Bars up to here; more distances are a line.
const BARS: usize = 60;
/// The highest value leaves some room above.
const ROOM: f64 = 1.05;
/// The most points of a line.
const POINTS: usize = 1000;

/// None if there is nothing to draw.
pub fn charts(report: &Report) -> Vec<Chart> {
    let rows = rows(&report.raw, POINTS);
    if rows.is_empty() {
        return Vec::new();
    }
    let mut charts = vec![distances(report, &rows), six(report, &rows)];
    if report.contacts.distribution.len() > 1 {
        charts.push(contacts(report));
    }
    charts
}

fn axis(label: impl Into<String>) -> Axis {
    Axis { label: label.into(), ..Axis::default() }
}

fn network(report: &Report) -> String {
    let seed = report.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
    format!(
        "{}, n = {}, {:.1} contacts per node{seed}",
        report.topology,
        count(report.nodes as u64),
        report.contacts.mean
    )
}

fn searched(report: &Report) -> String {
    let sources = match report.distances.exact {
        true => "from every node".into(),
        false => format!("from {} nodes at random", count(report.distances.sources as u64)),
    };
    format!("{}, searched {sources}", network(report))
}

fn distances(report: &Report, rows: &[DistanceRow]) -> Chart {
    let few = report.raw.longest() <= BARS;
    // Rows that hold several distances show the share of one.
    let share = |row: &DistanceRow| row.share * 100.0 / (row.distance - row.from + 1) as f64;
    let points = rows.iter().map(|row| (row.distance as f64, share(row))).collect();
    let top = rows.iter().map(share).fold(0.0, f64::max) * ROOM;
    let style = if few { Style::Bars } else { Style::Line };
    Chart {
        title: "How far apart nodes are".into(),
        subtitle: searched(report),
        x: axis("distance (links)"),
        y: Axis { range: Some((0.0, top)), ..axis("share of pairs (%)") },
        series: vec![Series {
            name: "pairs at this distance".into(),
            points,
            style,
            ..Series::default()
        }],
    }
}

fn six(report: &Report, rows: &[DistanceRow]) -> Chart {
    let mut points = vec![(0.0, 0.0)];
    points.extend(rows.iter().map(|row| (row.distance as f64, row.cumulative * 100.0)));
    let six = SIX as f64;
    // Where all distances are shorter, everyone stays reached up to six.
    if let Some((last, reached)) = points.last().copied().filter(|(last, _)| *last < six) {
        points.extend((last as usize + 1..=SIX).map(|distance| (distance as f64, reached)));
    }
    let few = report.raw.longest() <= BARS;
    Chart {
        title: "Six degrees".into(),
        subtitle: searched(report),
        x: axis("distance (links)"),
        y: Axis { range: Some((0.0, 100.0)), ..axis("share of pairs (%)") },
        series: vec![
            Series {
                name: "pairs within this distance".into(),
                points,
                style: if few { Style::LineAndPoints } else { Style::Line },
                ..Series::default()
            },
            Series {
                name: format!("six steps: {}", percent(report.six_degrees.share_within_six)),
                points: vec![(six, 0.0), (six, 100.0)],
                style: Style::Dashed,
                ..Series::default()
            },
        ],
    }
}

fn contacts(report: &Report) -> Chart {
    let rows = &report.contacts.distribution;
    // Hubs: both axes by orders of magnitude, which leave no place for 0.
    let hubs = report.contacts.max as f64 > 8.0 * report.contacts.mean.max(1.0);
    let shown = rows.iter().filter(|row| !hubs || row.contacts > 0);
    let style = match (hubs, rows.len() <= BARS) {
        (true, _) => Style::Points,
        (false, true) => Style::Bars,
        (false, false) => Style::Line,
    };
    Chart {
        title: "Contacts per node".into(),
        subtitle: network(report),
        x: Axis { log: hubs, ..axis("contacts") },
        y: Axis { log: hubs, ..axis("nodes") },
        series: vec![Series {
            name: "nodes with as many contacts".into(),
            points: shown.map(|row| (row.contacts as f64, row.nodes as f64)).collect(),
            style,
            ..Series::default()
        }],
    }
}
