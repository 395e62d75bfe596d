//! The comparison, drawn.

use super::super::epidemic::course::command_line;
use super::super::epidemic::figures::Figure;
use super::grid::Point;
use super::pictures::{Picture, X};
use super::vary::{Vary, number};
use crate::output::count;
use crate::plot::{Axis, Chart, MOST_SERIES, Series, Style};

/// Values of a line of theory that is a curve.
const CURVE: usize = 120;
/// Lines that have theory of their own; with more, the plot would be full of it.
const OWN_THEORY: usize = 4;

/// All charts.
pub fn charts(varied: &[Vary], points: &[Point], pictures: &[Picture]) -> Vec<Chart> {
    pictures.iter().map(|picture| chart(varied, points, picture)).collect()
}

/// Points of one line.
struct Line<'a> {
    /// What it has in common: "contact=push", or nothing if there is only one line.
    name: String,
    points: Vec<&'a Point>,
}

fn chart(varied: &[Vary], points: &[Point], picture: &Picture) -> Chart {
    let lines = lines(varied, points, picture);
    let mut series = Vec::new();
    for figure in &picture.y {
        for line in &lines {
            series.push(measured(line, *figure, picture));
        }
    }
    let ys: Vec<f64> = series.iter().flat_map(|one| one.points.iter().map(|at| at.1)).collect();
    let missing = ys.iter().filter(|y| **y <= 0.0).count();
    let mostly_positive = missing * 2 <= ys.len();
    let theory = theory(&lines, picture, &series, mostly_positive);
    series.extend(theory);
    series.truncate(MOST_SERIES);
    let positive = |axis: fn(&(f64, f64)) -> f64| {
        let points = series.iter().flat_map(|series| series.points.iter().map(axis));
        points.filter(|value| *value > 0.0).collect::<Vec<f64>>()
    };
    let wide = |values: &[f64]| {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        values.iter().any(|value| *value >= 50.0 * low)
    };
    let patience = match picture.x {
        X::Varied(index) => varied.get(index).is_some_and(|vary| vary.name == "k"),
        X::Figure(figure) => figure == Figure::Traffic,
    };
    // It falls with a power of e.
    let falls = patience && picture.y.contains(&Figure::Residue);
    let (x_label, x_word) = horizontal(varied, picture.x);
    let y_word: Vec<&str> = picture.y.iter().map(|figure| word(*figure)).collect();
    let xs = positive(|point| point.0);
    let all_positive = xs.len() == series.iter().map(|series| series.points.len()).sum::<usize>();
    Chart {
        title: capital(&format!("{} against {x_word}", y_word.join(" and "))),
        subtitle: format!("{}{}", spread(points, picture), command_line()),
        x: Axis { label: x_label, log: all_positive && wide(&xs), range: None },
        y: Axis {
            label: match picture.y.as_slice() {
                [figure] => figure.label().into(),
                _ => "time (rounds)".into(),
            },
            // What a log axis cannot show should be the exception.
            log: (falls && mostly_positive) || (missing == 0 && wide(&ys)),
            range: None,
        },
        series,
    }
}

/// What the bands are.
fn spread(points: &[Point], picture: &Picture) -> String {
    let trials = points.iter().map(|point| point.summary.trials).max().unwrap_or(0);
    match trials > 1 && picture.y.iter().any(|figure| figure.varies()) {
        true => {
            format!("mean of {} trials, bands: one standard deviation of a trial\n", count(trials))
        }
        false => String::new(),
    }
}

fn lines<'a>(varied: &[Vary], points: &'a [Point], picture: &Picture) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    for point in points {
        let pairs = varied.iter().zip(&point.values).enumerate();
        let others = pairs.filter(|(index, _)| Some(*index) != picture.along);
        let name: Vec<String> =
            others.map(|(_, (vary, value))| format!("{}={value}", vary.name)).collect();
        let name = name.join(", ");
        match lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line { name, points: vec![point] }),
        }
    }
    lines
}

fn measured(line: &Line<'_>, figure: Figure, picture: &Picture) -> Series {
    let name = match (picture.y.len(), line.name.as_str()) {
        (_, "") => word(figure).into(),
        (1, name) => name.into(),
        (_, name) => format!("{}, {name}", figure.name()),
    };
    let values = || line.points.iter().map(|point| figure.of(&point.summary));
    let spread = figure.varies() && line.points.iter().all(|point| point.summary.trials > 1);
    let spread = match spread {
        true => values().map(|v| ((v.mean - v.sd).max(0.0), v.mean + v.sd)).collect(),
        false => Vec::new(),
    };
    let xs = line.points.iter().map(|point| place(point, picture.x));
    Series {
        name,
        points: xs.zip(values().map(|value| value.mean)).collect(),
        spread,
        style: Style::LineAndPoints,
    }
}

/// Where a point is from left to right.
fn place(point: &Point, x: X) -> f64 {
    match x {
        X::Figure(figure) => figure.of(&point.summary).mean,
        X::Varied(index) => {
            point.values.get(index).and_then(|value| number(value)).unwrap_or(f64::NAN)
        }
    }
}

/// `is_left`: there is a residue, so that something can be said of it.
fn theory(
    lines: &[Line<'_>],
    picture: &Picture,
    measured: &[Series],
    is_left: bool,
) -> Vec<Series> {
    match (picture.x, picture.y.as_slice()) {
        (X::Figure(Figure::Traffic), [Figure::Residue]) if is_left => push_curves(lines, measured),
        (X::Varied(_), figures) => {
            figures.iter().flat_map(|figure| known(lines, *figure, picture)).collect()
        }
        _ => Vec::new(),
    }
}

/// s = e^-m, and what a connection limit makes of it, over the traffic that was seen.
fn push_curves(lines: &[Line<'_>], measured: &[Series]) -> Vec<Series> {
    let seen = || measured.iter().flat_map(|series| series.points.iter().copied());
    let from = seen().map(|(m, _)| m).fold(f64::INFINITY, f64::min);
    let to = seen().map(|(m, _)| m).fold(0.0, f64::max);
    let least = seen().map(|(_, s)| s).filter(|s| *s > 0.0).fold(1.0, f64::min);
    let limited = "s = e^(-m/(1-1/e))";
    let told = |formula: &str| {
        let theories = lines.iter().flat_map(|line| &line.points).flat_map(|point| &point.theory);
        theories.into_iter().any(|theory| theory.formula == formula)
    };
    let curve = |name: &str, speed: f64| {
        // Where there is one value of traffic only, a curve needs some room.
        let (from, to) = if to - from < 0.5 { (from * 0.7, to * 1.3) } else { (from, to) };
        let at = |index: usize| from + (to - from) * index as f64 / CURVE as f64;
        let points = (0..=CURVE).map(at).map(|m| (m, (-speed * m).exp()));
        Series {
            name: name.into(),
            // Far below what was measured there is nothing to compare.
            points: points.filter(|(_, s)| *s >= least * 0.3).collect(),
            spread: Vec::new(),
            style: Style::Dashed,
        }
    };
    let mut curves = vec![curve("theory: s = e^-m", 1.0)];
    if told(limited) {
        curves.push(curve(&format!("theory: {limited}"), 1.0 / (1.0 - (-1f64).exp())));
    }
    curves.retain(|curve| !curve.points.is_empty());
    curves
}

/// What is known at the points, one line for each formula, or for each formula and line where they
/// differ.
fn known(lines: &[Line<'_>], figure: Figure, picture: &Picture) -> Vec<Series> {
    // By formula: the lines that it speaks of, each with its values.
    type Told = Vec<(String, Vec<(f64, f64)>)>;
    let mut formulas: Vec<(String, Told)> = Vec::new();
    for line in lines {
        for point in &line.points {
            let said = point.theory.iter().filter(|theory| theory.figure == figure.name());
            for theory in said {
                let at = (place(point, picture.x), theory.value);
                let formula = match formulas.iter_mut().find(|(f, _)| *f == theory.formula) {
                    Some((_, told)) => told,
                    None => {
                        formulas.push((theory.formula.clone(), Vec::new()));
                        match formulas.last_mut() {
                            Some((_, told)) => told,
                            None => continue,
                        }
                    }
                };
                match formula.iter_mut().find(|(name, _)| *name == line.name) {
                    Some((_, values)) => values.push(at),
                    None => formula.push((line.name.clone(), vec![at])),
                }
            }
        }
    }
    let mut series = Vec::new();
    for (formula, told) in formulas {
        let same = told.windows(2).all(|pair| matches!(pair, [a, b] if alike(&a.1, &b.1)));
        let own = if same { 1 } else { told.len() };
        if own > OWN_THEORY {
            continue;
        }
        for (name, points) in told.into_iter().take(own) {
            let of = if own > 1 { format!(" ({name})") } else { String::new() };
            let name = format!("theory: {formula}{of}");
            series.push(Series { name, points, spread: Vec::new(), style: Style::Dashed });
        }
    }
    series
}

/// True for lines that would hide each other: what follows from measured traffic is never quite
/// the same.
fn alike(a: &[(f64, f64)], b: &[(f64, f64)]) -> bool {
    let near = |x: f64, y: f64| (x - y).abs() <= 0.15 * x.abs().max(y.abs());
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && near(a.1, b.1))
}

/// What the axis says, and the word in the title.
fn horizontal(varied: &[Vary], x: X) -> (String, String) {
    match x {
        X::Figure(figure) => (figure.label().into(), word(figure).into()),
        X::Varied(index) => {
            let name = varied.get(index).map_or("", |vary| vary.name.as_str());
            let label = match name {
                "k" => "k (patience: calls in vain, or 1 / probability)",
                "nodes" => "nodes n",
                "loss" => "loss (probability)",
                "crash" => "share of nodes that are down",
                "fanout" => "fan-out (partners in a round)",
                "width" => "width (contacts per node)",
                "connection-limit" => "connection limit (calls per round)",
                "hunt" => "hunting (further tries in a round)",
                "start" => "nodes that know at the start",
                "spatial" => "spatial exponent a",
                name => name,
            };
            (label.into(), name.into())
        }
    }
}

fn word(figure: Figure) -> &'static str {
    match figure {
        Figure::Complete => "share of complete trials",
        Figure::Refused => "refused calls",
        figure => figure.name(),
    }
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        // The names of figures stay as they are.
        Some(first) if !text.starts_with("t_") => first.to_uppercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}
