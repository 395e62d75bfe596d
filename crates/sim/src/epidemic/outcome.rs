//! What a trial leaves behind, put together cycle by cycle.

use super::course::{Course, State};
use super::model::{Model, Watch};
use super::summary::Sample;
use std::sync::atomic::Ordering;

/// What came of a trial.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub course: Course,
    /// Sum of the cycles of all arrivals, their number, and the last of them.
    pub arrival_sum: u64,
    pub arrivals: u64,
    pub last_arrival: u64,
    pub updates: u64,
    pub requests: u64,
    pub refused: u64,
    /// It was ended at the bound of rounds.
    pub bounded: bool,
    /// It was ended from outside.
    pub stopped: bool,
}

/// What happened in one cycle.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cycle {
    pub arrivals: u64,
    pub updates: u64,
    pub requests: u64,
    pub refused: u64,
}

impl Outcome {
    pub fn new(start: State) -> Self {
        Self {
            course: Course::new(start),
            arrival_sum: 0,
            arrivals: 0,
            last_arrival: 0,
            updates: 0,
            requests: 0,
            refused: 0,
            bounded: false,
            stopped: false,
        }
    }

    /// A cycle that ended in `state`.
    pub fn push(&mut self, state: State, cycle: Cycle) {
        self.course.push(state, cycle.updates);
        self.updates += cycle.updates;
        self.requests += cycle.requests;
        self.refused += cycle.refused;
        if cycle.arrivals > 0 {
            self.last_arrival = self.course.rounds();
            self.arrivals += cycle.arrivals;
            self.arrival_sum += cycle.arrivals * self.last_arrival;
        }
    }

    /// True if the trial must end now: it is at its bound, or somebody wishes so.
    pub fn must_end(&mut self, model: &Model, watch: &Watch) -> bool {
        self.bounded = self.course.rounds() >= model.max_rounds;
        self.is_stopped(watch) || self.bounded
    }

    /// True if the trial must end now, since somebody wishes so.
    pub fn is_stopped(&mut self, watch: &Watch) -> bool {
        watch.rounds.fetch_add(1, Ordering::Relaxed);
        self.stopped = watch.stop.load(Ordering::Relaxed);
        self.stopped
    }

    pub fn sample(&self, live: usize) -> Sample {
        let live = live.max(1) as f64;
        Sample {
            residue: self.course.state().susceptible as f64 / live,
            traffic: self.updates as f64 / live,
            t_avg: self.arrival_sum as f64 / self.arrivals.max(1) as f64,
            t_last: self.last_arrival,
            updates: self.updates,
            requests: self.requests,
            refused: self.refused,
            ended: !self.bounded && !self.stopped,
        }
    }
}
