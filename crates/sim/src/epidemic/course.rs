//! The course of an epidemic: states round by round, in bounded memory however long it takes.

use super::summary::{Round, Spread};

/// Points kept at most; then every second one goes.
const LIMIT: usize = 2048;

/// Live nodes by state at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub susceptible: u64,
    pub infective: u64,
    pub removed: u64,
}

/// States at the rounds 0, stride, 2 stride, ..., and the updates sent since the one before.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Course {
    stride: u64,
    points: Vec<(State, u64)>,
    /// The last round, and what it adds to the points.
    last: u64,
    open: u64,
    state: State,
}

impl Course {
    pub fn new(start: State) -> Self {
        Self { stride: 1, points: vec![(start, 0)], last: 0, open: 0, state: start }
    }

    /// The next round ends in `state`, after `updates`.
    pub fn push(&mut self, state: State, updates: u64) {
        self.last += 1;
        self.open += updates;
        self.state = state;
        if self.last.is_multiple_of(self.stride) {
            self.points.push((state, std::mem::take(&mut self.open)));
            if self.points.len() > LIMIT {
                self.widen();
            }
        }
    }

    /// Rounds so far.
    pub fn rounds(&self) -> u64 {
        self.last
    }

    /// The state now.
    pub fn state(&self) -> State {
        self.state
    }

    /// Keeps every second point.
    fn widen(&mut self) {
        self.close();
        self.points = widened(&self.points, |(_, before), (state, after)| (*state, before + after));
        self.stride *= 2;
        // A point beyond the last round is opened again.
        if (self.points.len() as u64 - 1) * self.stride > self.last
            && let Some((_, updates)) = self.points.pop()
        {
            self.open = updates;
        }
    }

    /// Puts a last point for the rounds behind the last full stride.
    fn close(&mut self) {
        if !self.last.is_multiple_of(self.stride) {
            self.points.push((self.state, std::mem::take(&mut self.open)));
        }
    }
}

/// The first point, then each pair made one; the second of a missing pair stays what the first is.
fn widened<T: Clone>(points: &[T], join: impl Fn(&T, &T) -> T) -> Vec<T> {
    let Some((first, rest)) = points.split_first() else { return Vec::new() };
    let pairs = rest.chunks(2).map(|pair| match pair {
        [before, after] => join(before, after),
        [alone, ..] => alone.clone(),
        [] => first.clone(),
    });
    std::iter::once(first.clone()).chain(pairs).collect()
}

/// Mean and sum of squared distances of values that come one by one (Welford).
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    mean: f64,
    squares: f64,
}

impl Running {
    /// Adds the value number `count`, counted from 1.
    fn add(&mut self, value: f64, count: u64) {
        let before = value - self.mean;
        self.mean += before / count as f64;
        self.squares += before * (value - self.mean);
    }

    fn sd(&self, count: u64) -> f64 {
        (self.squares / count.saturating_sub(1).max(1) as f64).sqrt()
    }
}

/// One round, over trials.
#[derive(Clone, Copy, Debug, Default)]
struct Point {
    states: [Running; 3],
    updates: f64,
}

impl Point {
    fn add(&mut self, state: State, updates: u64, count: u64) {
        let values = [state.susceptible, state.infective, state.removed];
        for (running, value) in self.states.iter_mut().zip(values) {
            running.add(value as f64, count);
        }
        self.updates += updates as f64;
    }
}

/// The mean course of many trials; trials that ended earlier stay at their last state.
#[derive(Clone, Debug, Default)]
pub(super) struct MeanCourse {
    count: u64,
    stride: u64,
    last: u64,
    points: Vec<Point>,
    /// Where the trials so far ended.
    end: Point,
}

impl MeanCourse {
    /// Adds a trial; the order matters in the last bits.
    pub fn add(&mut self, mut course: Course) {
        self.stride = self.stride.max(1);
        while self.stride < course.stride {
            self.points = widened(&self.points, |before, after| Point {
                updates: before.updates + after.updates,
                ..*after
            });
            self.stride *= 2;
        }
        course.close();
        while course.stride < self.stride {
            course.points =
                widened(&course.points, |(_, before), (state, after)| (*state, before + after));
            course.stride *= 2;
        }
        self.count += 1;
        self.last = self.last.max(course.last);
        // Nothing was sent by the earlier trials in rounds that they did not see.
        let end = Point { updates: 0.0, ..self.end };
        self.points.resize(self.points.len().max(course.points.len()), end);
        let ended = std::iter::repeat((course.state, 0));
        for (point, (state, updates)) in
            self.points.iter_mut().zip(course.points.iter().copied().chain(ended))
        {
            point.add(state, updates, self.count);
        }
        self.end.add(course.state, 0, self.count);
    }

    /// The mean course.
    pub fn rounds(&self) -> Vec<Round> {
        let number = |at: usize| (at as u64 * self.stride).min(self.last);
        let round = |(at, point): (usize, &Point)| {
            let [susceptible, infective, removed] = point.states;
            Round {
                round: number(at),
                susceptible: susceptible.mean,
                infective: infective.mean,
                removed: removed.mean,
                updates: point.updates / self.count.max(1) as f64,
                sd: Spread {
                    susceptible: susceptible.sd(self.count),
                    infective: infective.sd(self.count),
                    removed: removed.sd(self.count),
                },
            }
        };
        self.points.iter().enumerate().map(round).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(knows: u64) -> State {
        State { susceptible: 1_000_000 - knows, infective: knows, removed: 0 }
    }

    fn course(rounds: u64) -> Course {
        let mut course = Course::new(state(0));
        for round in 1..=rounds {
            course.push(state(round), 1);
        }
        course
    }

    #[test]
    fn trials_that_ended_stay_where_they_were() {
        let mut mean = MeanCourse::default();
        mean.add(course(2));
        mean.add(course(4));
        let rounds = mean.rounds();
        let infective: Vec<f64> = rounds.iter().map(|round| round.infective).collect();
        let updates: Vec<f64> = rounds.iter().map(|round| round.updates).collect();
        assert_eq!(infective, [0.0, 1.0, 2.0, 2.5, 3.0]);
        assert_eq!(updates, [0.0, 1.0, 1.0, 0.5, 0.5]);
        assert_eq!(rounds[4].sd.infective, 2.0_f64.sqrt());
        assert_eq!(rounds[4].round, 4);
    }

    #[test]
    fn a_long_course_is_thinned_and_keeps_its_sums() {
        for lengths in [[100_001_u64, 3], [3, 100_001], [5000, 70_003]] {
            let mut mean = MeanCourse::default();
            lengths.iter().for_each(|length| mean.add(course(*length)));
            let rounds = mean.rounds();
            assert!(rounds.len() <= LIMIT + 1 && rounds.len() > LIMIT / 4, "{}", rounds.len());
            let updates: f64 = rounds.iter().map(|round| round.updates).sum();
            let total: u64 = lengths.iter().sum();
            assert_eq!(updates, total as f64 / 2.0);
            let last = rounds.last().unwrap();
            assert_eq!(last.round, *lengths.iter().max().unwrap());
            assert_eq!(last.infective, total as f64 / 2.0);
            assert!(rounds.windows(2).all(|pair| pair[0].round < pair[1].round));
            assert!(rounds.windows(2).all(|pair| pair[0].infective <= pair[1].infective));
        }
    }

    #[test]
    fn every_length_keeps_its_sums() {
        for length in (0..9000).step_by(37) {
            let mut mean = MeanCourse::default();
            mean.add(course(length));
            let updates: f64 = mean.rounds().iter().map(|round| round.updates).sum();
            assert_eq!(updates, length as f64);
            assert_eq!(mean.rounds().last().unwrap().round, length);
        }
    }
}
