//! An epidemic in words, tables and JSON.

use super::figures::{FIGURES, Figure, nodes, short};
use super::theory::Theory;
use crate::output::{Output, count};
use rumormill_sim::epidemic::{Contact, Contacts, Method, Model, Round, Stop, Summary};
use serde::Serialize;

/// Rounds that people are shown.
const ROUNDS: usize = 24;

/// For programs.
#[derive(Serialize)]
pub struct Json<'a> {
    #[serde(flatten)]
    pub summary: &'a Summary,
    /// What the literature says, where it says something.
    pub theory: &'a [Theory],
    /// It was ended before all trials were done.
    pub interrupted: bool,
}

/// For people. `asked` is how many trials there should be.
pub fn people(
    out: &mut Output,
    model: &Model,
    summary: &Summary,
    theory: &[Theory],
    asked: u64,
) -> anyhow::Result<()> {
    out.line(format!("{}.", title(model)))?;
    if summary.trials == 0 {
        return out.line("Nothing was done yet when it was ended.");
    }
    for line in words(model, summary, asked) {
        out.line(line)?;
    }
    out.line("")?;
    figures(out, summary, theory)?;
    out.line("")?;
    rounds(out, summary)
}

/// What was run: "1,000 nodes, rumor by push, feedback, counter, k = 2".
pub fn title(model: &Model) -> String {
    let plural = if model.nodes == 1 { "" } else { "s" };
    let mut parts = vec![format!("{} node{plural}", count(model.nodes as u64))];
    let contact = match model.contact {
        Contact::Push => "push",
        Contact::Pull => "pull",
        Contact::PushPull => "push-pull",
    };
    parts.push(match model.method {
        Method::Rumor => format!("rumor mongering by {contact}"),
        Method::AntiEntropy => format!("anti-entropy by {contact}"),
        Method::DirectMail => "direct mail".into(),
        Method::Tree => format!("tree rumor, fan-out {}", model.fanout),
        Method::Ring => "a pass round the ring".into(),
        Method::Combined => format!("rumor mongering, then anti-entropy, by {contact}"),
    });
    if model.median_counter {
        parts.push("median counter".into());
    } else if matches!(model.method, Method::Rumor | Method::Combined) {
        let whom = if model.feedback { "feedback" } else { "blind" };
        parts.push(match model.stop {
            Stop::None => "nobody stops".into(),
            Stop::Coin => format!("{whom}, coin, k = {}", model.k),
            Stop::Counter => format!("{whom}, counter, k = {}", model.k),
        });
    }
    if model.method.is_gossip() && model.fanout > 1 {
        parts.push(format!("fan-out {}", model.fanout));
    }
    let limit = model.connection_limit.map(|limit| format!("connection limit {limit}"));
    let more = [
        (model.minimization, "minimization".into()),
        (limit.is_some(), limit.unwrap_or_default()),
        (model.hunt > 0, format!("hunting {}", model.hunt)),
        (model.never_repeat, "never twice to the same".into()),
        (model.no_return, "never back".into()),
        (model.retries > 0, counted(model.retries.into(), "retry", "retries")),
        (model.loss > 0.0, format!("loss {}", model.loss)),
        (model.crash > 0.0, format!("{} % down", short(model.crash * 100.0))),
        (model.start > 1, format!("{} know at the start", count(model.start as u64))),
    ];
    parts.extend(more.into_iter().filter(|(set, _)| *set).map(|(_, text)| text));
    match &model.contacts {
        Contacts::Complete => {}
        Contacts::Graph(graph) => {
            parts.push(format!("network with {} contacts per node", short(graph.width())));
        }
        _ => parts.push("partners by distance".into()),
    }
    parts.join(", ")
}

/// Who heard, what it cost, how long it took.
fn words(model: &Model, summary: &Summary, asked: u64) -> Vec<String> {
    let mut lines = Vec::new();
    let trials = summary.trials;
    let heard = (1.0 - summary.residue.mean) * 100.0;
    let all = (summary.complete * trials as f64).round() as u64;
    let live = if summary.live < summary.nodes { "live " } else { "" };
    lines.push(match all == trials {
        true => format!("Every {live}node heard, in every trial ({}).", count(trials)),
        false => format!(
            "{} % of the {live}nodes heard; everyone did in {} of {} {}.",
            short(heard),
            count(all),
            count(trials),
            if trials == 1 { "trial" } else { "trials" }
        ),
    });
    let requests = match summary.messages.requests {
        0.0 => String::new(),
        requests => {
            let each = requests / summary.live.max(1) as f64;
            format!(" and {}", counted(each, "request", "requests"))
        }
    };
    let (one, many) = match model.method {
        Method::Ring => ("hop", "hops"),
        _ => ("round", "rounds"),
    };
    lines.push(format!(
        "It took {}{requests} per node; a node heard after {} on average, the last after {}.",
        counted(summary.traffic.mean, "update", "updates"),
        counted(summary.t_avg.mean, one, many),
        short(summary.t_last.mean)
    ));
    if trials < asked {
        lines.push(format!("Ended early: {} of {} trials.", count(trials), count(asked)));
    }
    if summary.unfinished > 0 {
        lines.push(format!(
            "{} of these trials did not come to their end: the news could still have spread (see \
             --max-rounds).",
            count(summary.unfinished)
        ));
    }
    lines
}

/// A number with its word: 1 round, 2 rounds.
fn counted(value: f64, one: &str, many: &str) -> String {
    let number = short(value);
    let word = if number == "1" { one } else { many };
    format!("{number} {word}")
}

fn figures(out: &mut Output, summary: &Summary, theory: &[Theory]) -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for figure in FIGURES {
        let value = figure.of(summary);
        let said = theory.iter().filter(|theory| theory.figure == figure.name());
        let said: Vec<String> =
            said.map(|theory| format!("{} ({})", short(theory.value), theory.formula)).collect();
        let seldom = matches!(figure, Figure::Requests | Figure::Refused);
        if seldom && value.mean == 0.0 && said.is_empty() {
            continue;
        }
        let (sd, se) = match figure.varies() && summary.trials > 1 {
            // What is left of equal numbers is rounding.
            true if value.sd < 1e-9 * value.mean.abs() => ("0".into(), "0".into()),
            true => (short(value.sd), short(value.error(summary.trials))),
            false => ("-".into(), "-".into()),
        };
        rows.push(vec![figure.name().into(), short(value.mean), sd, se, said.join("; ")]);
    }
    out.table(&["figure", "mean", "sd", "se", "theory"], rows)
}

fn rounds(out: &mut Output, summary: &Summary) -> anyhow::Result<()> {
    let shown = thinned(&summary.rounds);
    let row = |round: &&Round| {
        let cells = [round.susceptible, round.infective, round.removed, round.updates];
        let cells = cells.into_iter().map(nodes);
        std::iter::once(round.round.to_string()).chain(cells).collect()
    };
    let rows = shown.iter().map(row).collect();
    out.table(&["round", "susceptible", "infective", "removed", "updates"], rows)?;
    if shown.len() < summary.rounds.len() {
        out.line(format!(
            "{} of {} rounds; --csv and --format json have all",
            shown.len(),
            summary.rounds.len()
        ))?;
    }
    Ok(())
}

/// Evenly spread rounds, the first and the last among them.
fn thinned(rounds: &[Round]) -> Vec<&Round> {
    if rounds.len() <= ROUNDS {
        return rounds.iter().collect();
    }
    let last = rounds.len() - 1;
    let mut places: Vec<usize> =
        (0..ROUNDS).map(|place| (place * last + (ROUNDS - 1) / 2) / (ROUNDS - 1)).collect();
    places.dedup();
    places.into_iter().filter_map(|place| rounds.get(place)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinned_rounds_keep_both_ends() {
        for count in [1, 24, 25, 47, 1000] {
            let rounds: Vec<Round> =
                (0..count).map(|round| Round { round, ..Round::default() }).collect();
            let shown = thinned(&rounds);
            assert!(shown.len() <= ROUNDS && shown.len() as u64 >= count.min(ROUNDS as u64));
            assert!(shown.windows(2).all(|pair| pair[0].round < pair[1].round));
            assert_eq!((shown[0].round, shown[shown.len() - 1].round), (0, count - 1));
        }
    }

    #[test]
    fn a_title_says_what_was_set() {
        let model = Model { fanout: 3, connection_limit: Some(2), hunt: 1, ..Model::default() };
        let title = title(&model);
        for part in ["1,000 nodes", "push", "counter, k = 1", "fan-out 3", "limit 2", "hunting 1"] {
            assert!(title.contains(part), "{title}");
        }
    }
}
