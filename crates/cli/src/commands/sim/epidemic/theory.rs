//! What the literature says about an epidemic, beside what was measured.

use rumormill_sim::epidemic::{Contact, Contacts, Method, Model, Stop, Summary};
use serde::Serialize;

/// What a figure should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Theory {
    /// The figure: residue, t_last, updates …
    pub figure: &'static str,
    pub formula: String,
    pub value: f64,
}

/// What is known of this epidemic. `m` is its measured traffic.
pub fn of(model: &Model, summary: &Summary) -> Vec<Theory> {
    let mut known = Vec::new();
    let mut say = |figure, formula: &str, value: f64| {
        if value.is_finite() {
            known.push(Theory { figure, formula: formula.into(), value });
        }
    };
    if !matches!(model.contacts, Contacts::Complete) || model.nodes < 2 {
        return known;
    }
    let n = model.nodes as f64;
    let calm = model.loss == 0.0 && model.crash == 0.0;
    match model.method {
        Method::Tree if calm => {
            say("updates", "n - 1", n - 1.0);
            let (formula, depth) = depth(model);
            say("t_last", &formula, depth);
        }
        Method::Ring if calm => say("requests", "2n - 2 hops", 2.0 * n - 2.0),
        Method::DirectMail => {
            let lost = model.loss.powf(f64::from(model.retries) + 1.0);
            let letters = (model.live().saturating_sub(model.start)) as f64;
            if model.start == 1 {
                let formula = if model.retries == 0 { "loss" } else { "loss^(retries + 1)" };
                say("residue", formula, lost * letters / model.live().max(1) as f64);
            }
            if calm {
                say("updates", "n - 1", (n - 1.0) * model.start as f64);
            }
        }
        Method::Rumor if model.median_counter => {
            say("traffic", "grows as ln ln n", n.ln().ln());
        }
        _ => {}
    }
    if let Some((formula, residue)) = residue(model, summary.traffic.mean) {
        say("residue", &formula, residue);
    }
    if let Some(residue) = coin_residue(model) {
        say("residue", "s = e^(-(k+1)(1-s))", residue);
    }
    if let Some((formula, rounds)) = rounds(model, n) {
        say("t_last", formula, rounds);
    }
    known
}

/// Every push variant: a node is missed by all updates, s = e^-m. With a connection limit of 1
/// updates go to different nodes, which is better: s = e^(-m / (1 - 1/e)).
pub fn residue(model: &Model, m: f64) -> Option<(String, f64)> {
    let is_push = model.method == Method::Rumor && model.contact == Contact::Push;
    if !is_push || model.median_counter || model.stop == Stop::None {
        return None;
    }
    if !matches!(model.contacts, Contacts::Complete) {
        return None;
    }
    let arriving = (1.0 - model.loss) * (1.0 - model.crash);
    let (mut formula, mut better) = (String::from("s = e^-m"), 1.0);
    match model.connection_limit {
        None => {}
        Some(1) if model.hunt == 0 => {
            better = 1.0 / (1.0 - (-1f64).exp());
            formula = "s = e^(-m/(1-1/e))".into();
        }
        Some(_) => return None,
    }
    if arriving < 1.0 {
        formula = format!("{formula} of the m that arrive");
    }
    Some((formula, (-m * arriving * better).exp()))
}

/// Feedback and coin, for many nodes.
fn coin_residue(model: &Model) -> Option<f64> {
    let fits = model.method == Method::Rumor
        && model.contact == Contact::Push
        && model.stop == Stop::Coin
        && model.feedback
        && model.connection_limit.is_none()
        && model.fanout == 1
        && model.loss == 0.0
        && model.crash == 0.0;
    // The other solution is s = 1; from 0 it is never reached.
    let step = |s: f64| (-(f64::from(model.k) + 1.0) * (1.0 - s)).exp();
    fits.then(|| (0..200).fold(0.0, |s, _| step(s)))
}

/// Rounds until everyone has heard, when nobody loses interest.
pub fn rounds(model: &Model, n: f64) -> Option<(&'static str, f64)> {
    let keeps_on = model.method == Method::AntiEntropy
        || (model.method == Method::Rumor && model.stop == Stop::None && !model.median_counter);
    let plain = model.loss == 0.0
        && model.crash == 0.0
        && model.fanout == 1
        && model.start == 1
        && model.connection_limit.is_none()
        && matches!(model.contacts, Contacts::Complete);
    if !keeps_on || !plain || n < 3.0 {
        return None;
    }
    Some(match model.contact {
        Contact::Push => ("log2 n + ln n", n.log2() + n.ln()),
        Contact::Pull => ("log2 n + log2 ln n", n.log2() + n.ln().log2()),
        Contact::PushPull => ("log3 n + log2 ln n", n.ln() / 3f64.ln() + n.ln().log2()),
    })
}

/// Hops from the root of a tree to the last leaf, at most.
pub fn depth(model: &Model) -> (String, f64) {
    let (n, parts) = (model.nodes as f64, model.fanout as f64);
    match model.fanout {
        0 | 1 => ("n - 1".into(), n - 1.0),
        fanout => {
            (format!("at most log{fanout} n, rounded up"), (n.ln() / parts.ln() - 1e-9).ceil())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(change: impl FnOnce(&mut Model)) -> Model {
        let mut model = Model::default();
        change(&mut model);
        model
    }

    #[test]
    fn push_leaves_e_to_the_minus_m() {
        let (formula, value) = residue(&Model::default(), 1.7).unwrap();
        assert_eq!(formula, "s = e^-m");
        assert!((value - 0.1827).abs() < 1e-4);
        let limited = model(|model| model.connection_limit = Some(1));
        assert!(residue(&limited, 1.7).unwrap().1 < value);
        assert_eq!(residue(&model(|model| model.contact = Contact::Pull), 1.7), None);
        let lossy = model(|model| model.loss = 0.5);
        assert!((residue(&lossy, 3.4).unwrap().1 - value).abs() < 1e-12);
    }

    #[test]
    fn a_coin_leaves_a_fifth_and_six_in_a_hundred() {
        // Demers et al. 1987: 20 % miss it with k = 1, 6 % with k = 2.
        let coin = |k| coin_residue(&model(|model| (model.stop, model.k) = (Stop::Coin, k)));
        assert!((coin(1).unwrap() - 0.203).abs() < 0.001);
        assert!((coin(2).unwrap() - 0.0595).abs() < 0.001);
    }

    #[test]
    fn rounds_follow_the_logarithm() {
        let si = |contact| model(|m| (m.method, m.contact) = (Method::AntiEntropy, contact));
        let rounds = |contact| rounds(&si(contact), 1024.0).unwrap().1;
        assert!((rounds(Contact::Push) - 16.93).abs() < 0.01);
        assert!(rounds(Contact::PushPull) < rounds(Contact::Pull));
        let tree = model(|m| (m.method, m.fanout, m.nodes) = (Method::Tree, 4, 1024));
        assert_eq!(depth(&tree).1, 5.0);
        let of = of(&tree, &Summary::default());
        assert_eq!((of[0].value, of[1].value), (1023.0, 5.0));
    }
}
