//! The points of a sweep as a table, as CSV and as JSON.

use super::super::epidemic::figures::{FIGURES, short};
use super::super::epidemic::theory::Theory;
use super::super::watched::Effort;
use super::grid::Point;
use super::vary::{Vary, number};
use crate::output::{Output, count};
use crate::plot;
use rumormill_sim::epidemic::Summary;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::path::Path;

#[derive(Serialize)]
struct PointJson<'a> {
    vary: Map<String, Value>,
    #[serde(flatten)]
    summary: &'a Summary,
    theory: &'a [Theory],
}

/// For programs: an object with the points in the order of the grid.
pub fn json(
    varied: &[Vary],
    points: &[Point],
    effort: Effort,
    interrupted: bool,
) -> anyhow::Result<Value> {
    let point = |point: &Point| {
        let pairs = varied.iter().zip(&point.values);
        serde_json::to_value(PointJson {
            vary: pairs.map(|(vary, value)| (vary.name.clone(), typed(value))).collect(),
            summary: &point.summary,
            theory: &point.theory,
        })
    };
    let names: Vec<&str> = varied.iter().map(|vary| vary.name.as_str()).collect();
    let points = points.iter().map(point).collect::<Result<Vec<_>, _>>()?;
    Ok(json!({
        "vary": names,
        "trials": effort.trials,
        "seed": effort.seed,
        "interrupted": interrupted,
        "points": points,
    }))
}

/// A value of an option: a number, true or false, or text.
fn typed(value: &str) -> Value {
    match (value, number(value)) {
        ("true", _) => true.into(),
        ("false", _) => false.into(),
        // Whole numbers without a point, as they were meant.
        (_, Some(number)) if number.fract() == 0.0 && number.abs() < 9e15 => (number as i64).into(),
        (_, Some(number)) => number.into(),
        _ => value.into(),
    }
}

/// For people. `trials` were asked for at each of `places` points.
pub fn people(
    out: &mut Output,
    varied: &[Vary],
    points: &[Point],
    trials: u64,
    places: usize,
) -> anyhow::Result<()> {
    let short_of = points.iter().any(|point| point.summary.trials < trials);
    if short_of || points.len() < places {
        let (done, all) = (count(points.len() as u64), count(places as u64));
        out.line(format!("Ended early: {done} of {all} points, the last with fewer trials."))?;
    }
    let unfinished = points.iter().filter(|point| point.summary.unfinished > 0).count();
    if unfinished > 0 {
        out.line(format!(
            "At {unfinished} of the points trials were ended at --max-rounds: the news could \
             still have spread."
        ))?;
    }
    let figures = FIGURES.into_iter().filter(|figure| {
        figure.varies() || points.iter().any(|point| figure.of(&point.summary).mean != 0.0)
    });
    let figures: Vec<_> = figures.collect();
    let theories = theories(points);
    let mut header: Vec<&str> = varied.iter().map(|vary| vary.name.as_str()).collect();
    header.extend(short_of.then_some("trials"));
    header.extend(figures.iter().map(|figure| figure.name()));
    let headings: Vec<String> = theories.iter().map(Told::heading).collect();
    header.extend(headings.iter().map(String::as_str));
    let row = |point: &Point| -> Vec<String> {
        let mut cells = point.values.clone();
        cells.extend(short_of.then(|| count(point.summary.trials)));
        cells.extend(figures.iter().map(|figure| short(figure.of(&point.summary).mean)));
        cells.extend(theories.iter().map(|told| told.at(point).map_or("-".into(), short)));
        cells
    };
    out.table(&header, points.iter().map(row).collect())?;
    for told in theories.iter().filter(|told| told.formulas.len() > 1) {
        out.line(format!("{}: {}", told.heading(), told.formulas.join("; ")))?;
    }
    Ok(())
}

/// A column of theory: what is said of a figure first, or second, at each point.
struct Told {
    figure: &'static str,
    rank: usize,
    /// What is said at some point or other.
    formulas: Vec<String>,
}

impl Told {
    fn heading(&self) -> String {
        match self.formulas.as_slice() {
            [formula] => format!("{}: {formula}", self.figure),
            _ => format!("theory of {}", self.figure),
        }
    }

    /// Its name in a file, which does not depend on what is said.
    fn column(&self) -> String {
        match self.rank {
            0 => format!("{}_theory", self.figure),
            rank => format!("{}_theory_{}", self.figure, rank + 1),
        }
    }

    fn of<'a>(&self, point: &'a Point) -> Option<&'a Theory> {
        point.theory.iter().filter(|theory| theory.figure == self.figure).nth(self.rank)
    }

    fn at(&self, point: &Point) -> Option<f64> {
        self.of(point).map(|theory| theory.value)
    }
}

/// What theory speaks of at some point.
fn theories(points: &[Point]) -> Vec<Told> {
    let mut found: Vec<Told> = Vec::new();
    for point in points {
        for (index, theory) in point.theory.iter().enumerate() {
            let before = point.theory.iter().take(index);
            let rank = before.filter(|other| other.figure == theory.figure).count();
            let same = |told: &&mut Told| told.figure == theory.figure && told.rank == rank;
            match found.iter_mut().find(same) {
                Some(told) if told.formulas.contains(&theory.formula) => {}
                Some(told) => told.formulas.push(theory.formula.clone()),
                None => found.push(Told {
                    figure: theory.figure,
                    rank,
                    formulas: vec![theory.formula.clone()],
                }),
            }
        }
    }
    found
}

/// One row for each point.
pub fn write_csv(path: &Path, varied: &[Vary], points: &[Point]) -> anyhow::Result<()> {
    let mut header: Vec<String> = varied.iter().map(|vary| vary.name.clone()).collect();
    let has_nodes = header.iter().any(|name| name == "nodes");
    header.extend((!has_nodes).then(|| "nodes".to_owned()));
    header.extend(["live", "trials", "unfinished"].map(str::to_owned));
    for figure in FIGURES {
        header.push(figure.name().into());
        header.extend(figure.varies().then(|| format!("{}_sd", figure.name())));
    }
    let theories = theories(points);
    header.extend(theories.iter().map(Told::column));
    let row = |point: &Point| {
        let summary = &point.summary;
        let mut cells = point.values.clone();
        cells.extend((!has_nodes).then(|| summary.nodes.to_string()));
        cells.push(summary.live.to_string());
        cells.extend([summary.trials, summary.unfinished].map(|value| value.to_string()));
        for figure in FIGURES {
            let value = figure.of(summary);
            cells.push(value.mean.to_string());
            cells.extend(figure.varies().then(|| value.sd.to_string()));
        }
        let told = theories.iter().map(|told| told.at(point));
        cells.extend(told.map(|value| value.map_or(String::new(), |value| value.to_string())));
        cells
    };
    let header: Vec<&str> = header.iter().map(String::as_str).collect();
    plot::write_rows(path, &header, points.iter().map(row))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_their_types() {
        assert_eq!(typed("1e3"), json!(1000));
        assert_eq!(typed("0.5"), json!(0.5));
        assert_eq!(typed("true"), json!(true));
        assert_eq!(typed("push"), json!("push"));
    }
}
