//! One trial of an epidemic: which of the methods runs it.

use super::model::{Contacts, Method, Model, Stop, Watch};
use super::outcome::Outcome;
use super::{complex, gossip, mail, phone_call, ring, simple, tree};
use rumormill_core::base::rng::Rng;

/// Which code runs a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Simple,
    Complex,
    Gossip,
    PhoneCall,
    Mail,
    Tree,
    Ring,
}

impl Engine {
    /// The fastest that does what the model asks for.
    pub fn of(model: &Model) -> Self {
        match model.method {
            Method::DirectMail => Self::Mail,
            Method::Tree => Self::Tree,
            Method::Ring => Self::Ring,
            Method::Rumor if model.median_counter => Self::PhoneCall,
            _ if !is_plain(model) => Self::Gossip,
            Method::AntiEntropy => Self::Simple,
            Method::Rumor if model.stop == Stop::None => Self::Simple,
            Method::Rumor | Method::Combined if complex::fits(model) => Self::Complex,
            Method::Rumor | Method::Combined => Self::Gossip,
        }
    }
}

/// True if all can call all, and every contact succeeds.
fn is_plain(model: &Model) -> bool {
    matches!(model.contacts, Contacts::Complete)
        && model.fanout == 1
        && model.connection_limit.is_none()
        && !model.never_repeat
        && !model.no_return
        && model.loss == 0.0
        && model.live() == model.nodes
}

/// Runs one trial.
pub(super) fn run(model: &Model, seed: u64, watch: &Watch) -> Outcome {
    run_on(Engine::of(model), model, seed, watch)
}

/// Runs one trial on this engine, which must be one that can.
pub(super) fn run_on(engine: Engine, model: &Model, seed: u64, watch: &Watch) -> Outcome {
    let rng = Rng::new(seed);
    match engine {
        Engine::Simple => simple::run(model, rng, watch),
        Engine::Complex => complex::run(model, rng, watch),
        Engine::Gossip => gossip::run(model, rng, watch),
        Engine::PhoneCall => phone_call::run(model, rng, watch),
        Engine::Mail => mail::run(model, rng, watch),
        Engine::Tree => tree::run(model, rng, watch),
        Engine::Ring => ring::run(model, rng, watch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::epidemic::{Contact, Moments, Sample};

    fn moments(engine: Engine, model: &Model, trials: u64) -> [Moments; 5] {
        let live = model.live();
        let run = |seed| run_on(engine, model, seed, &Watch::default()).sample(live);
        let samples: Vec<Sample> = (0..trials).map(run).collect();
        let of = |pick: fn(&Sample) -> f64| Moments::of(samples.iter().map(pick));
        [
            of(|sample| sample.residue),
            of(|sample| sample.traffic),
            of(|sample| sample.t_avg),
            of(|sample| sample.t_last as f64),
            of(|sample| sample.requests as f64),
        ]
    }

    /// The fast paths and the general one draw differently and must mean the same.
    #[test]
    fn all_engines_run_the_same_epidemic() {
        for contact in [Contact::Push, Contact::Pull, Contact::PushPull] {
            for (method, stop, feedback, k) in [
                (Method::AntiEntropy, Stop::None, true, 1),
                (Method::Rumor, Stop::None, true, 1),
                (Method::Rumor, Stop::Coin, true, 2),
                (Method::Rumor, Stop::Coin, false, 3),
                (Method::Rumor, Stop::Counter, true, 2),
                (Method::Rumor, Stop::Counter, false, 3),
                (Method::Combined, Stop::Counter, true, 1),
            ] {
                let plain = Model { nodes: 130, start: 2, contact, ..Model::default() };
                let model = Model { method, stop, feedback, k, ..plain };
                let fast = Engine::of(&model);
                assert!(fast != Engine::Gossip);
                let trials = 400;
                let fast = moments(fast, &model, trials);
                let slow = moments(Engine::Gossip, &model, trials);
                for (a, b) in fast.iter().zip(&slow) {
                    // Four and a half standard errors: a hundred comparisons are made.
                    let allowed = 4.5 * a.error(trials).hypot(b.error(trials)) + 1e-9;
                    assert!((a.mean - b.mean).abs() < allowed, "{model:?} {a:?} {b:?}");
                }
            }
        }
    }
}
