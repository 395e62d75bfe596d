//! What holds for every epidemic, whatever its settings.

use crate::epidemic_figures::trials;
use rumormill_sim::epidemic::{
    Contact, Contacts, Graph, Invalid, Method, Model, Stop, Summary, Watch, run,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

const CONTACTS: [Contact; 3] = [Contact::Push, Contact::Pull, Contact::PushPull];
const METHODS: [Method; 6] = [
    Method::Rumor,
    Method::AntiEntropy,
    Method::DirectMail,
    Method::Tree,
    Method::Ring,
    Method::Combined,
];

/// Models with each option, alone and with others.
fn models() -> Vec<Model> {
    let mut models = Vec::new();
    for nodes in [1, 2, 3, 64, 130] {
        for method in METHODS {
            models.push(Model { nodes, method, ..Model::default() });
            models.push(Model { nodes, method, loss: 0.2, ..Model::default() });
            models.push(Model { nodes, method, crash: 0.3, ..Model::default() });
        }
        for method in [Method::Rumor, Method::AntiEntropy, Method::Combined] {
            for contact in CONTACTS {
                let plain = Model { nodes, method, contact, k: 2, ..Model::default() };
                models.push(plain.clone());
                models.push(Model { stop: Stop::Coin, ..plain.clone() });
                models.push(Model { stop: Stop::Coin, feedback: false, ..plain.clone() });
                models.push(Model { feedback: false, ..plain.clone() });
                models.push(Model { connection_limit: Some(1), hunt: 2, ..plain.clone() });
                models.push(Model { never_repeat: true, no_return: true, ..plain.clone() });
                models.push(Model { k: 300, max_rounds: 50, ..plain.clone() });
                models.push(Model {
                    fanout: (nodes - 1).clamp(1, 3),
                    start: nodes.min(3),
                    loss: 0.1,
                    connection_limit: Some(2),
                    never_repeat: true,
                    ..plain
                });
            }
        }
        let both = Model { nodes, contact: Contact::PushPull, ..Model::default() };
        models.push(Model { minimization: true, ..both.clone() });
        models.push(Model { median_counter: true, ..both });
    }
    models
}

#[test]
fn states_always_add_up_to_the_live_nodes() {
    for model in models() {
        let summary = trials(&model, 5);
        assert_eq!(summary.trials, 5, "{model:?}");
        for round in &summary.rounds {
            let sum = round.susceptible + round.infective + round.removed;
            assert!((sum - model.live() as f64).abs() < 1e-6, "{round:?} {model:?}");
        }
        for sample in &summary.samples {
            assert!((0.0..=1.0).contains(&sample.residue));
            assert!(sample.traffic >= 0.0 && sample.t_avg <= sample.t_last as f64);
        }
        let complete = summary.samples.iter().filter(|sample| sample.residue == 0.0).count();
        assert_eq!(summary.complete, complete as f64 / 5.0);
        let sent: f64 = summary.rounds.iter().map(|round| round.updates).sum();
        assert!((sent - summary.messages.updates).abs() < 1e-6, "{model:?}");
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for model in models().into_iter().step_by(7) {
        let with = |threads| run(&model, 100, 5, threads, &Watch::default()).unwrap();
        let one: Summary = with(1);
        assert_eq!(one, with(2), "{model:?}");
        assert_eq!(one, with(5), "{model:?}");
    }
    let of_seed = |seed| run(&Model::default(), 10, seed, 1, &Watch::default()).unwrap();
    assert_ne!(of_seed(1).samples, of_seed(2).samples);
}

#[test]
fn anti_entropy_leaves_nobody() {
    for model in models() {
        if matches!(model.method, Method::AntiEntropy | Method::Combined)
            && !model.never_repeat
            && model.max_rounds > 50
        {
            let summary = trials(&model, 5);
            assert_eq!((summary.residue.mean, summary.complete), (0.0, 1.0), "{model:?}");
            // One that is alone among the dead gets no answer and never loses interest.
            assert!(summary.unfinished == 0 || model.live() == 1, "{model:?}");
        }
    }
}

#[test]
fn a_tree_sends_one_copy_to_each_in_few_hops() {
    for nodes in [1_usize, 2, 3, 8, 9, 64, 65, 585, 586, 1000] {
        for fanout in [1, 2, 3, 8] {
            let fanout = fanout.min(nodes.saturating_sub(1)).max(1);
            let model = Model { nodes, fanout, method: Method::Tree, ..Model::default() };
            let summary = trials(&model, 3);
            assert_eq!(summary.messages.updates, nodes as f64 - 1.0);
            assert_eq!(summary.complete, 1.0);
            let (mut reached, mut level, mut hops, mut logarithm, mut power) = (1, 1, 0, 0, 1);
            while reached < nodes {
                level *= fanout;
                reached += level;
                hops += 1;
            }
            while power < nodes && fanout > 1 {
                power *= fanout;
                logarithm += 1;
            }
            assert_eq!(summary.t_last.mean, f64::from(hops), "{nodes} {fanout}");
            assert!(fanout == 1 || hops <= logarithm, "{nodes} {fanout}");
        }
    }
}

#[test]
fn a_ring_pass_takes_two_rounds_less_two_hops() {
    for nodes in [1_usize, 2, 3, 64, 1000, 3000] {
        let summary = trials(&Model { nodes, method: Method::Ring, ..Model::default() }, 20);
        assert_eq!(summary.rounds.last().unwrap().round, 2 * nodes as u64 - 2);
        assert_eq!(summary.messages.requests, 2.0 * nodes as f64 - 2.0);
        assert_eq!(summary.messages.updates, nodes as f64 - 1.0);
        assert_eq!(summary.complete, 1.0);
        assert!(summary.rounds.len() <= 2050);
    }
}

/// On a star whose middle knows the news, each of its sends goes to another leaf; a leaf has
/// nobody to tell but the middle.
#[test]
fn nobody_is_told_twice_and_nothing_goes_back() {
    let links: Vec<(u32, u32)> = (1..40).map(|leaf| (0, leaf)).collect();
    let contacts = Contacts::Graph(Arc::new(Graph::from_links(40, &links).unwrap()));
    let star = Model { nodes: 40, contacts, stop: Stop::None, ..Model::default() };
    let never = Model { never_repeat: true, no_return: true, ..star };
    for sample in trials(&never, 50).samples {
        // From the middle: 39 copies in 39 cycles. From a leaf: one more copy.
        assert_eq!((sample.residue, sample.updates), (0.0, 39));
        assert_eq!(sample.t_last, 39);
    }
    // Two nodes: one copy, and none back.
    for no_return in [false, true] {
        let pair = Model { nodes: 2, no_return, feedback: false, k: 1, ..Model::default() };
        assert_eq!(trials(&pair, 5).messages.updates, if no_return { 1.0 } else { 2.0 });
    }
}

#[test]
fn nothing_hangs_when_nothing_arrives() {
    for method in METHODS {
        for contact in CONTACTS {
            let model = Model {
                nodes: 50,
                method,
                contact,
                loss: 1.0,
                max_rounds: 300,
                ..Model::default()
            };
            let summary = trials(&model, 2);
            assert_eq!(summary.residue.mean, 0.98, "{method:?}");
            assert_eq!(summary.complete, 0.0);
        }
    }
    // Nor where the network falls apart.
    let graph = Arc::new(Graph::from_links(6, &[(0, 1), (2, 3)]).unwrap());
    for method in [Method::Rumor, Method::AntiEntropy, Method::Combined] {
        for contact in CONTACTS {
            let contacts = Contacts::Graph(Arc::clone(&graph));
            let model = Model { nodes: 6, method, contact, contacts, ..Model::default() };
            assert_eq!(trials(&model, 20).unfinished, 0, "{method:?} {contact:?}");
        }
    }
}

#[test]
fn a_run_can_be_ended_early() {
    let watch = Watch::default();
    watch.stop.store(true, Ordering::Relaxed);
    let summary = run(&Model::default(), 100, 1, 1, &watch).unwrap();
    assert_eq!(summary.trials, 0);
    assert!(summary.rounds.is_empty());
    assert!(matches!(run(&Model::default(), 0, 1, 1, &watch), Err(Invalid(_))));
}
