//! Plots as SVG, good enough to publish: labelled axes, units, a legend, colours that print.
//! The same data as CSV.

mod chart;
mod data;
mod draw;
mod file;
mod layout;
mod legend;
mod marks;
mod pen;
mod scale;
mod text;

pub use chart::{Axis, Chart, Series, Style};
pub use file::{are_writable, write_rows};
pub use marks::MOST_SERIES;

use anyhow::Context as _;
use std::path::Path;

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
