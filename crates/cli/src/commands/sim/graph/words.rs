//! What `sim graph` says to people.

use super::report::{Contacts, Report, rows};
use crate::output::{Output, count};

/// Rows of the table of distances.
const ROWS: usize = 24;

pub fn show(report: &Report, output: &mut Output) -> anyhow::Result<()> {
    let row = |name: &str, value: String| vec![name.to_owned(), value];
    let mut facts = vec![
        row("topology", report.topology.into()),
        row("nodes", count(report.nodes as u64)),
        row("links", count(report.links)),
        row("contacts per node", contacts(&report.contacts, report.nodes)),
        row("components", components(report)),
        row("clustering", clustering(report)),
        row("mean distance", mean(report)),
        row("longest distance", longest(report)),
        row("within six steps", percent(report.six_degrees.share_within_six)),
        row("W^6", formula(report)),
    ];
    if let Some(calls) = &report.spatial {
        facts.push(row(
            "links per call",
            format!(
                "{:.2} with a = {}; {:.2} if everyone is equally likely",
                calls.mean_distance, calls.exponent, calls.mean_distance_uniform
            ),
        ));
        facts.push(row(
            "calls per link",
            format!(
                "{:.3} a round; {:.3} if everyone is equally likely",
                calls.calls_per_link, calls.calls_per_link_uniform
            ),
        ));
    }
    output.table(&[], facts)?;
    let table = rows(&report.raw, ROWS).into_iter().map(|row| {
        let distance = match row.from == row.distance {
            true => row.distance.to_string(),
            false => format!("{}-{}", row.from, row.distance),
        };
        vec![distance, count(row.pairs), percent(row.share), percent(row.cumulative)]
    });
    output.line("")?;
    output.table(&["distance", "pairs", "share", "within"], table.collect())?;
    output.line("")?;
    for sentence in sentences(report) {
        output.line(sentence)?;
    }
    Ok(())
}

fn contacts(contacts: &Contacts, nodes: usize) -> String {
    if contacts.min == contacts.max {
        return format!("{} each", count(contacts.min as u64));
    }
    format!(
        "{} to {}, mean {:.2}, median {}, 99 % have at most {}",
        count(contacts.min as u64),
        count(contacts.max as u64),
        contacts.mean,
        quantile(contacts, nodes, 0.5),
        quantile(contacts, nodes, 0.99),
    )
}

/// The number of contacts that this share of the nodes do not exceed.
fn quantile(contacts: &Contacts, nodes: usize, share: f64) -> usize {
    let wanted = (share * nodes as f64).ceil() as usize;
    let mut sum = 0;
    let mut rows = contacts.distribution.iter();
    let found = rows.find(|row| {
        sum += row.nodes;
        sum >= wanted
    });
    found.map_or(contacts.max, |row| row.contacts)
}

fn components(report: &Report) -> String {
    let components = &report.components;
    if components.count == 1 {
        return "1: everyone can reach everyone".into();
    }
    let alone = match components.alone {
        1 => "1 node has no contact".into(),
        alone => format!("{} nodes have no contact", count(alone as u64)),
    };
    format!(
        "{}; the biggest has {} of all nodes, {alone}",
        count(components.count as u64),
        percent(components.share_in_biggest),
    )
}

fn clustering(report: &Report) -> String {
    let of = match report.clustering.exact {
        true => "all nodes".into(),
        false => format!("{} nodes at random", count(report.clustering.sampled as u64)),
    };
    format!("{:.4} ({of})", report.clustering.coefficient)
}

fn mean(report: &Report) -> String {
    let found = &report.distances;
    let Some(mean) = found.mean else { return "none: no pair was seen to reach each other".into() };
    let mut text = format!("{mean:.3}");
    if let Some(expected) = found.ln_n_over_ln_w {
        text += &format!("; ln n / ln W = {expected:.3} with W = {}", round(report.width));
    }
    if let Some(expected) = found.ln_n_over_ln_contacts
        && (report.width - report.contacts.mean).abs() > 0.05
    {
        text += &format!(", {expected:.3} with the mean of {:.2}", report.contacts.mean);
    }
    text
}

fn longest(report: &Report) -> String {
    let found = &report.distances;
    match found.diameter {
        Some(diameter) => {
            format!("{} (the diameter: searched from every node)", count(diameter as u64))
        }
        None => format!(
            "{} seen, from {} of {} nodes at random",
            count(found.longest as u64),
            count(found.sources as u64),
            count(report.nodes as u64)
        ),
    }
}

fn formula(report: &Report) -> String {
    let six = report.six_degrees.w_to_the_6;
    let number = if six < 1e6 { format!("{six:.0}") } else { format!("{six:.3e}") };
    format!("{number} (W = {})", round(report.width))
}

fn sentences(report: &Report) -> Vec<String> {
    let six = &report.six_degrees;
    let share = percent(six.share_within_six);
    let mut said = vec![match six.formula_reaches_all {
        true => format!(
            "W^6 is whom six steps reach if no two nodes share a contact: more than the {} there \
             are. Here they reach {share} of all pairs.",
            count(report.nodes as u64)
        ),
        false => format!(
            "W^6 is whom six steps reach if no two nodes share a contact: fewer than the {} there \
             are. Here they reach {share} of all pairs.",
            count(report.nodes as u64)
        ),
    }];
    if !report.distances.exact {
        said.push(
            "Distances are from a sample of nodes: shares and mean are estimates, and the diameter \
             may be longer; --sample N searches from more."
                .into(),
        );
    }
    if report.components.count > 1 {
        said.push(format!(
            "The network falls apart into {} components: {} of the pairs never reach each other.",
            count(report.components.count as u64),
            percent(report.distances.unreachable)
        ));
    }
    said.extend(report.notes.iter().map(|note| format!("Note: {note}.")));
    if report.interrupted {
        said.push("Stopped early: this is what was found until then.".into());
    }
    said
}

/// A share in percent. Not quite all is not all, and little is not nothing.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if share >= 1.0 => "100 %".into(),
        _ if percent > 99.99 => format!("{:.6} %", percent.min(99.999_999)),
        _ if percent > 0.0 && percent < 0.01 => format!("{percent:.2e} %"),
        _ => format!("{percent:.2} %"),
    }
}

fn round(width: f64) -> String {
    if width.fract() == 0.0 { format!("{width:.0}") } else { format!("{width:.2}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_not_rounded_to_all_or_nothing() {
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.999_999_999_9), "99.999999 %");
        assert_eq!(percent(0.5), "50.00 %");
        assert_eq!(percent(0.000_002), "2.00e-4 %");
        assert_eq!(percent(0.0), "0.00 %");
    }
}
