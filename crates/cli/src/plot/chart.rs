//! What a chart says: axes, and series of points.

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
