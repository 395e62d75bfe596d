//! Plots as SVG, good enough to publish: labelled axes, units, a legend, colours that print.
//! The same data as CSV.

mod data;
mod draw;
mod file;
mod layout;
mod legend;
mod marks;
mod pen;
mod scale;
mod text;

pub use file::{writable, write_rows};
pub use marks::MOST_SERIES;

use anyhow::Context as _;
use std::path::Path;

/// One diagram.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    pub title: String,
    /// What was run, in small print beneath the title; it may have several lines.
    pub subtitle: String,
    pub x: Axis,
    pub y: Axis,
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Clone, Debug, Default)]
pub struct Axis {
    /// What it shows, with its unit: "time (ms)".
    pub label: String,
    pub log: bool,
    /// From here to there, where the data should not decide.
    pub range: Option<(f64, f64)>,
}

/// One line, or set of points.
#[derive(Clone, Debug, Default)]
pub struct Series {
    /// Its name in the legend.
    pub name: String,
    pub points: Vec<(f64, f64)>,
    /// The spread around each point: lowest and highest, in the order of `points`; empty if none
    /// is shown.
    pub spread: Vec<(f64, f64)>,
    pub style: Style,
}

/// How a series is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    #[default]
    Line,
    /// For theory beside what was measured.
    Dashed,
    Points,
    LineAndPoints,
    /// For counts by a whole number.
    Bars,
}

/// Writes charts into one SVG file, one below the other. An existing file is replaced; a file is
/// there whole or not at all.
///
/// # Errors
/// If a chart has nothing to draw, or the file cannot be written.
pub fn write(path: &Path, charts: &[Chart]) -> anyhow::Result<()> {
    let svg = draw::svg(charts).with_context(|| format!("cannot draw {}", path.display()))?;
    file::replace(path, svg.as_bytes())
}

/// Writes the data of charts as CSV: chart, series, x, y, and the spread around y.
///
/// # Errors
/// If the file cannot be written.
pub fn write_csv(path: &Path, charts: &[Chart]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for chart in charts {
        for series in &chart.series {
            for (index, (x, y)) in series.points.iter().enumerate() {
                let spread = series.spread.get(index);
                let mut row = vec![chart.title.clone(), series.name.clone()];
                row.extend([Some(*x), Some(*y), spread.map(|s| s.0), spread.map(|s| s.1)].map(
                    |value| match value {
                        Some(value) if value.is_finite() => value.to_string(),
                        _ => String::new(),
                    },
                ));
                rows.push(row);
            }
        }
    }
    write_rows(path, &["chart", "series", "x", "y", "low", "high"], rows)
}
