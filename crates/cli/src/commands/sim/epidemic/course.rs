//! The rounds of an epidemic, as a plot and as CSV.

use super::report;
use crate::plot::{self, Axis, Chart, Series, Style};
use rumormill_sim::epidemic::{Method, Model, Round, Spread, Summary};
use std::path::Path;

/// Susceptible, infective and removed nodes over the rounds.
pub fn chart(model: &Model, summary: &Summary) -> Chart {
    let live = summary.live as f64;
    let series = |name: &str, mean: fn(&Round) -> f64, sd: fn(&Spread) -> f64| Series {
        name: name.into(),
        points: summary.rounds.iter().map(|round| (round.round as f64, mean(round))).collect(),
        spread: match summary.trials > 1 {
            true => summary
                .rounds
                .iter()
                .map(|round| around(mean(round), sd(&round.sd), live))
                .collect(),
            false => Vec::new(),
        },
        style: Style::Line,
    };
    let around = match summary.trials {
        0 | 1 => String::new(),
        trials => format!(
            "mean of {} trials, bands: one standard deviation of a trial\n",
            crate::output::count(trials)
        ),
    };
    let time = if model.method == Method::Ring { "time (hops)" } else { "time (rounds)" };
    Chart {
        title: report::title(model),
        subtitle: format!("{around}{}", command_line()),
        x: Axis { label: time.into(), ..Axis::default() },
        y: Axis { label: "nodes".into(), ..Axis::default() },
        series: vec![
            series("susceptible", |round| round.susceptible, |sd| sd.susceptible),
            series("infective", |round| round.infective, |sd| sd.infective),
            series("removed", |round| round.removed, |sd| sd.removed),
        ],
    }
}

/// No fewer nodes than none, and no more than there are.
fn around(mean: f64, sd: f64, live: f64) -> (f64, f64) {
    ((mean - sd).max(0.0), (mean + sd).min(live))
}

/// One row for each round.
pub fn write_csv(path: &Path, summary: &Summary) -> anyhow::Result<()> {
    let header = [
        "round",
        "susceptible",
        "infective",
        "removed",
        "updates",
        "susceptible_sd",
        "infective_sd",
        "removed_sd",
    ];
    let row = |round: &Round| {
        let sd = round.sd;
        let nodes = [round.susceptible, round.infective, round.removed, round.updates];
        let deviations = [sd.susceptible, sd.infective, sd.removed];
        let values = nodes.into_iter().chain(deviations).map(|value| value.to_string());
        std::iter::once(round.round.to_string()).chain(values).collect()
    };
    plot::write_rows(path, &header, summary.rounds.iter().map(row))
}

/// What was typed, for the small print.
pub fn command_line() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=.,:/+*%@".contains(c);
        match !word.is_empty() && word.chars().all(plain) {
            true => word,
            false => format!("'{}'", word.replace('\'', "'\\''")),
        }
    });
    std::iter::once("rumormill".into()).chain(words).collect::<Vec<String>>().join(" ")
}
