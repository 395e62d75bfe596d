//! Where the parts of a chart go, so that none covers another.

use super::chart::{Chart, Style};
use super::data::Point;
use super::legend;
use super::marks::MOST_SERIES;
use super::scale::{Ends, Scale, is_drawable};
use super::text::{SMALL, TICK, TITLE, width, wrap};
use anyhow::{Context as _, bail};

/// How wide the paper is.
pub const PAPER: f64 = 880.0;

const MARGIN: f64 = 18.0;
const HEIGHT: f64 = 360.0;

/// A line of text and the height of its middle.
type Line = (String, f64);

/// One chart's places.
pub struct Layout {
    pub title: Vec<Line>,
    pub subtitle: Vec<Line>,
    pub notes: Vec<Line>,
    /// The frame.
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    /// The middle of the name of the y axis.
    pub y_label: f64,
    pub x: Scale,
    pub y: Scale,
    pub legend: legend::Place,
    /// Where the next chart begins.
    pub end: f64,
    logs: (bool, bool),
    /// A bar's whole width on a linear axis, in its values.
    slot: f64,
}

impl Layout {
    pub fn new(chart: &Chart, top: f64) -> anyhow::Result<Self> {
        let what = || format!("chart \"{}\"", chart.title);
        if chart.series.len() > MOST_SERIES {
            bail!("{}: {} lines are more than one can tell apart", what(), chart.series.len());
        }
        let (x, y, slot) = scales(chart).with_context(what).map_err(flat)?;
        let names = y.ticks.iter().map(|(_, name)| width(name, TICK)).fold(0.0, f64::max);
        let y_label = MARGIN + 6.0;
        let left = y_label + 16.0 + names + 8.0;
        let legend = legend::Place::new(chart, left, PAPER - MARGIN);
        let right = legend.right_of_frame(PAPER - MARGIN);
        let room = PAPER - MARGIN - left;
        let mut at = top + MARGIN;
        let mut lines = |text: &str, size: f64| -> Vec<Line> {
            let lines = text.lines().flat_map(|line| wrap(line, size, room)).map(|line| {
                let middle = at + size * 0.6;
                at += size * 1.35;
                (line, middle)
            });
            lines.collect()
        };
        // Bold letters are wider.
        let title = lines(&chart.title, TITLE * 1.08);
        let subtitle = lines(&chart.subtitle, SMALL);
        let top = at + 8.0;
        let bottom = top + HEIGHT.max(legend.beside());
        let mut end = bottom + 46.0;
        let legend = legend.below(end);
        end += legend.beneath();
        let mut notes = Vec::new();
        if let Some(note) = left_out(chart) {
            for line in wrap(&note, SMALL, room) {
                notes.push((line, end + SMALL * 0.6));
                end += SMALL * 1.35;
            }
        }
        end += MARGIN * 0.7;
        let logs = (chart.x.log, chart.y.log);
        Ok(Self {
            title,
            subtitle,
            notes,
            left,
            top,
            right,
            bottom,
            y_label,
            x,
            y,
            legend,
            end,
            logs,
            slot,
        })
    }

    /// A point within the frame, from 0 to 1; none if it cannot be shown.
    pub fn share(&self, (x, y): Point) -> Option<Point> {
        let shown = is_drawable(x, self.logs.0) && is_drawable(y, self.logs.1);
        shown.then(|| (self.x.place(x), self.y.place(y)))
    }

    /// The ends of a spread, cut off at the frame. Its lower end may reach below a log axis.
    pub fn ends(&self, x: f64, low: f64, high: f64) -> Option<(Point, Point)> {
        let low = if self.logs.1 && low <= 0.0 { self.y.low() } else { low };
        let (low, high) = (self.share((x, low))?, self.share((x, high))?);
        let cut = |share: Point| (share.0, share.1.clamp(0.0, 1.0));
        (-1e-9..=1.0 + 1e-9).contains(&low.0).then_some((cut(low), cut(high)))
    }

    /// On the paper.
    pub fn place(&self, (x, y): Point) -> Point {
        (self.left + x * (self.right - self.left), self.bottom - y * (self.bottom - self.top))
    }

    /// The share of the frame that all bars at a value take together.
    pub fn bar(&self, x: f64) -> f64 {
        let share = match self.logs.0 {
            true => 0.02,
            false => self.x.place(x + self.slot) - self.x.place(x),
        };
        (share * 0.8).clamp(0.001, 1.0)
    }
}

/// One error instead of a chain, since it is one sentence.
fn flat(error: anyhow::Error) -> anyhow::Error {
    anyhow::anyhow!("{error:#}")
}

/// Both axes, and the width of a bar.
fn scales(chart: &Chart) -> anyhow::Result<(Scale, Scale, f64)> {
    let drawable = |(x, y): &&Point| is_drawable(*x, chart.x.log) && is_drawable(*y, chart.y.log);
    let points = || chart.series.iter().flat_map(|series| series.points.iter()).filter(drawable);
    if points().next().is_none() {
        bail!("there is no value to draw");
    }
    let mut xs: Vec<f64> = points().map(|point| point.0).collect();
    let mut ys: Vec<f64> = points().map(|point| point.1).collect();
    let spreads = chart.series.iter().flat_map(|series| series.spread.iter());
    ys.extend(spreads.flat_map(|(low, high)| {
        // On a log axis the lower edge would stretch it for nothing.
        [*high, if chart.y.log { *high } else { *low }]
    }));
    let mut slot = 1.0;
    if chart.series.iter().any(|series| series.style == Style::Bars) {
        slot = smallest_gap(&xs);
        if !chart.x.log {
            let beyond: Vec<f64> =
                xs.iter().flat_map(|x| [x - slot / 2.0, x + slot / 2.0]).collect();
            xs.extend(beyond);
        }
        if !chart.y.log {
            ys.push(0.0);
        }
    }
    let x = Scale::new(&chart.x, &xs, Ends::Close, 9)?;
    let y = Scale::new(&chart.y, &ys, Ends::Round, 7)?;
    Ok((x, y, slot))
}

fn smallest_gap(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let gaps = sorted.windows(2).filter_map(|pair| match pair {
        [a, b] if b > a => Some(b - a),
        _ => None,
    });
    let smallest = gaps.fold(f64::INFINITY, f64::min);
    if smallest.is_finite() { smallest } else { 1.0 }
}

/// Tells of points that an axis cannot show.
fn left_out(chart: &Chart) -> Option<String> {
    let points = || chart.series.iter().flat_map(|series| series.points.iter());
    let count = |bad: &dyn Fn(&Point) -> bool| points().filter(|point| bad(point)).count();
    let no_number = count(&|(x, y)| !is_drawable(*x, false) || !is_drawable(*y, false));
    let not_positive = count(&|(x, y)| {
        is_drawable(*x, false)
            && is_drawable(*y, false)
            && !(is_drawable(*x, chart.x.log) && is_drawable(*y, chart.y.log))
    });
    let mut reasons = Vec::new();
    if not_positive > 0 {
        let points = if not_positive == 1 { "point" } else { "points" };
        reasons
            .push(format!("{not_positive} {points} at or below 0, which a log axis cannot show"));
    }
    if no_number > 0 {
        reasons.push(format!("{no_number} without a value"));
    }
    (!reasons.is_empty()).then(|| format!("left out: {}", reasons.join("; ")))
}
