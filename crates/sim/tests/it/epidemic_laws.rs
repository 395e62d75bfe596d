//! Laws of epidemics from the literature, within the standard error of the trials.

use crate::epidemic_figures::{Z, trials};
use rumormill_sim::epidemic::{Contact, Method, Model, Stop};

fn ln(nodes: usize) -> f64 {
    (nodes as f64).ln()
}

#[test]
fn every_push_leaves_the_share_that_its_traffic_misses() {
    for (stop, feedback, k) in [
        (Stop::Coin, true, 2),
        (Stop::Coin, false, 3),
        (Stop::Counter, true, 2),
        (Stop::Counter, false, 3),
    ] {
        let summary = trials(&Model { nodes: 5000, stop, feedback, k, ..Model::default() }, 60);
        let (s, m) = (summary.residue, summary.traffic);
        let law = (-m.mean).exp();
        // An error of m moves e^-m by as much times e^-m; and n is finite.
        let allowed = Z * (s.error(60) + law * m.error(60)) + law * 5.0 / 5000.0_f64.sqrt();
        assert!((s.mean - law).abs() < allowed, "{stop:?} {feedback}: {} {law}", s.mean);
    }
}

/// If nearly all are infective, those that a limit of one connection refuses would have told
/// nobody new.
#[test]
fn a_connection_limit_makes_a_push_worth_more() {
    let (nodes, start) = (50_000, 49_500);
    let plain =
        Model { nodes, start, stop: Stop::Counter, feedback: false, k: 1, ..Model::default() };
    let lambda = |model: &Model| {
        let summary = trials(model, 20);
        let before = (nodes - start) as f64 / nodes as f64;
        (summary.residue.mean / before).ln() / -summary.traffic.mean
    };
    let limited = lambda(&Model { connection_limit: Some(1), ..plain.clone() });
    let expected = 1.0 / (1.0 - (-1.0_f64).exp());
    // One node in a hundred is not infective at first, and some 360 nodes per trial hear late.
    assert!((limited - expected).abs() < 0.05, "{limited} {expected}");
    assert!((lambda(&plain) - 1.0).abs() < 0.05);
}

/// With one connection each and as much hunting as it takes, a cycle is a permutation, and it does
/// not matter who gives.
#[test]
fn hunting_makes_push_and_pull_equal() {
    let limited = Model { connection_limit: Some(1), k: 2, ..Model::default() };
    let hunting = Model { hunt: u32::MAX, ..limited.clone() };
    let push = trials(&hunting, 300);
    let pull = trials(&Model { contact: Contact::Pull, ..hunting.clone() }, 300);
    for (a, b) in [(push.residue, pull.residue), (push.traffic, pull.traffic)] {
        assert!((a.mean - b.mean).abs() < Z * a.error(300).hypot(b.error(300)), "{a:?} {b:?}");
    }
    // Pull suffers from a limit and recovers by hunting.
    let pull_limited = trials(&Model { contact: Contact::Pull, ..limited }, 300);
    assert!(pull.residue.mean < pull_limited.residue.mean / 2.0);
    let simple = Model { method: Method::AntiEntropy, ..hunting };
    let [push, pull] = [Contact::Push, Contact::Pull]
        .map(|contact| trials(&Model { contact, ..simple.clone() }, 300).t_last);
    let error = push.error(300).hypot(pull.error(300));
    assert!((push.mean - pull.mean).abs() < Z * error, "{push:?} {pull:?}");
}

/// Doerr, Künnemann: tight bounds on the expected rounds of push.
#[test]
fn push_takes_log2_n_and_ln_n_rounds() {
    for (nodes, count) in [(100, 400), (1000, 400), (1 << 14, 60), (100_000, 20)] {
        let model = Model { nodes, method: Method::AntiEntropy, ..Model::default() };
        let last = trials(&model, count).t_last;
        let log2 = (nodes as f64).log2();
        let low = log2.floor() + ln(nodes) - 1.116;
        let high = log2.ceil() + ln(nodes) + 2.765;
        let error = Z * last.error(count);
        assert!(last.mean > low - error && last.mean < high + error, "{nodes}: {last:?}");
    }
}

#[test]
fn the_tail_of_pull_is_squared_and_that_of_push_divided_by_e() {
    let (nodes, start) = (20_000, 19_000);
    let share = 1.0 - start as f64 / nodes as f64;
    for (contact, expected) in
        [(Contact::Pull, share * share), (Contact::Push, share * (share - 1.0).exp())]
    {
        let method = Method::AntiEntropy;
        let summary = trials(&Model { nodes, start, contact, method, ..Model::default() }, 100);
        let round = summary.rounds[1];
        let expected = expected * nodes as f64;
        let error = round.sd.susceptible / 10.0;
        assert!((round.susceptible - expected).abs() < Z * error, "{contact:?} {round:?}");
    }
}

/// Karp, Schindelhauer, Shenker, Vöcking: log3 n + O(ln ln n).
#[test]
fn push_pull_takes_log3_n_rounds_and_little_more() {
    let mut beyond = Vec::new();
    for (nodes, count) in [(1000, 200), (10_000, 60), (100_000, 20)] {
        let contact = Contact::PushPull;
        let model = Model { nodes, contact, method: Method::AntiEntropy, ..Model::default() };
        let more = trials(&model, count).t_last.mean - (nodes as f64).log(3.0);
        assert!(more > 0.0 && more < 2.0 * ln(nodes).ln(), "{nodes}: {more}");
        beyond.push(more);
    }
    // A hundred times the nodes: ln ln n has grown by half a round.
    assert!(beyond[2] - beyond[0] < 1.5, "{beyond:?}");
}

/// ... and with the median counter everyone hears at O(n ln ln n) transmissions.
#[test]
fn the_median_counter_leaves_nobody_at_few_transmissions() {
    for (nodes, count) in [(1000, 100), (10_000, 20), (60_000, 5)] {
        let contact = Contact::PushPull;
        let model = Model { nodes, contact, median_counter: true, ..Model::default() };
        let summary = trials(&model, count);
        assert_eq!(summary.residue.mean, 0.0, "{nodes}");
        assert_eq!(summary.complete, 1.0);
        let per_node = summary.traffic.mean / ln(nodes).ln();
        assert!(per_node > 5.0 && per_node < 12.0, "{nodes}: {per_node}");
    }
}

/// Demers et al.: the smallest residue they had seen, for the traffic.
#[test]
fn minimization_leaves_less() {
    let plain = Model { contact: Contact::PushPull, k: 1, ..Model::default() };
    let minimized = trials(&Model { minimization: true, ..plain.clone() }, 300);
    assert!(minimized.residue.mean < trials(&plain, 300).residue.mean);
}

#[test]
fn loss_thins_a_push_and_mail() {
    let blind = Model { loss: 0.3, stop: Stop::Counter, feedback: false, k: 4, ..Model::default() };
    let summary = trials(&Model { nodes: 5000, ..blind }, 60);
    let law = (-0.7 * summary.traffic.mean).exp();
    let allowed = Z * summary.residue.error(60) + law * 5.0 / 5000.0_f64.sqrt();
    assert!((summary.residue.mean - law).abs() < allowed, "{:?} {law}", summary.residue);
    let mail = Model { method: Method::DirectMail, loss: 0.1, ..Model::default() };
    let once = trials(&mail, 100).residue;
    assert!((once.mean - 0.0999).abs() < Z * once.error(100), "{once:?}");
    let again = trials(&Model { retries: 2, ..mail }, 100).residue;
    assert!((again.mean - 0.000_999).abs() < Z * again.error(100), "{again:?}");
}
