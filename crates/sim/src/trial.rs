//! One measured run of a cluster: warm up, load with faults, settle, check.

use crate::checkers::Violation;
use crate::faults::Plan;
use crate::options::{Options, Start};
use crate::report::{Baseline, Found, Report, ms};
use crate::workload::Workload;
use crate::world::World;
use rumormill_core::member::State;
use std::time::Duration;

/// What to run.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The cluster and its network.
    pub options: Options,
    /// Time before anything is measured, so that the start is not. A cluster that joins takes this
    /// long after everyone knows everyone.
    pub warm_up: Duration,
    /// The load, if there is any.
    pub load: Option<Workload>,
    /// Faults, counted from the end of the warm-up; its duration is that of the load.
    pub plan: Plan,
    /// How long it may take, after the load and the faults, until everything agrees.
    pub settle: Duration,
}

/// How far a run has got.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Virtual time that is done.
    pub done: Duration,
    /// Virtual time in all, if settling takes as long as it may.
    pub total: Duration,
    /// What is going on.
    pub phase: &'static str,
}

/// Joining takes this long at most.
const JOIN: Duration = Duration::from_secs(120);
/// How often settling is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Samples of the load, about.
const SAMPLES: u32 = 120;

/// Why a run ended early.
enum Stop {
    Asked,
    Broken(Violation),
}

impl From<Violation> for Stop {
    fn from(violation: Violation) -> Self {
        Self::Broken(violation)
    }
}

struct Run<'a, W> {
    trial: &'a Trial,
    world: World,
    watch: W,
    sample_every: Duration,
    settle_ms: Option<f64>,
}

impl Trial {
    /// Virtual time of a run, if settling takes as long as it may.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.warm_up + self.plan.duration + self.settle
    }

    /// Runs it. `watch` is told how far it has got, every little while, and says whether to go on.
    #[must_use]
    pub fn run(&self, watch: impl FnMut(Progress) -> bool) -> Report {
        self.run_in(|_| (), watch)
    }

    /// Runs it in a world that somebody has put their hands on before.
    #[must_use]
    pub fn run_in(
        &self,
        prepare: impl FnOnce(&mut World),
        watch: impl FnMut(Progress) -> bool,
    ) -> Report {
        let sample_every = (self.plan.duration / SAMPLES)
            .clamp(Duration::from_millis(100), Duration::from_secs(10));
        let mut world = World::new(self.options.clone());
        prepare(&mut world);
        let mut run = Run { trial: self, world, watch, sample_every, settle_ms: None };
        let warm = run.warm_up();
        let mut baseline = Baseline::of(&run.world);
        let mut samples = Vec::new();
        let ended = warm.and_then(|()| {
            run.load(&mut |world| samples.extend(baseline.sample(world)))?;
            run.settle(&mut |world| samples.extend(baseline.sample(world)))
        });
        let mut report = baseline.report(&run.world);
        report.settle_ms = run.settle_ms;
        report.samples = samples;
        let steps = self.plan.steps.iter();
        report.faults = steps.map(|(at, what)| (at.as_secs_f64(), what.to_string())).collect();
        match ended {
            Ok(()) => {}
            Err(Stop::Asked) => report.interrupted = true,
            Err(Stop::Broken(violation)) => report.violations.push(Found::from(violation)),
        }
        report
    }
}

impl<W: FnMut(Progress) -> bool> Run<'_, W> {
    fn warm_up(&mut self) -> Result<(), Stop> {
        if matches!(self.trial.options.start, Start::Join { .. }) {
            let nodes = self.world.nodes();
            let joined = |world: &World| {
                world.live().all(|(_, node)| {
                    node.members().filter(|member| member.state == State::Alive).count() == nodes
                })
            };
            while !joined(&self.world) {
                if self.world.now() >= JOIN {
                    let what = format!("not everyone knew everyone {JOIN:?} after the start");
                    return Err(self.world.violation(None, "joining", what).into());
                }
                self.go(Duration::from_millis(100), "joining")?;
            }
        }
        let end = self.world.now() + self.trial.warm_up;
        self.go_to(end, Duration::from_millis(100), "warming up", &mut |_| ())
    }

    fn load(&mut self, sample: &mut impl FnMut(&World)) -> Result<(), Stop> {
        let end = self.world.now() + self.trial.plan.duration;
        self.world.schedule(&self.trial.plan);
        if let Some(load) = self.trial.load {
            self.world.start_load(load);
        }
        let done = self.go_to(end, self.sample_every, "under load", sample);
        self.world.stop_load();
        done
    }

    /// Waits until everything agrees, and checks all that must hold then.
    fn settle(&mut self, sample: &mut impl FnMut(&World)) -> Result<(), Stop> {
        let begun = self.world.now();
        let mut next_sample = begun + self.sample_every;
        while !self.settled() && self.world.now() - begun < self.trial.settle {
            self.go(LOOK, "settling")?;
            if self.world.now() >= next_sample {
                sample(&self.world);
                next_sample += self.sample_every;
            }
        }
        sample(&self.world);
        self.world.check()?;
        self.settle_ms = Some(ms(self.world.now() - begun));
        Ok(())
    }

    /// Equal rosters make equal tables, so one node speaks for all.
    fn settled(&self) -> bool {
        let live = self.world.live().count();
        let alive = self.world.live().next().map_or(0, |(_, node)| {
            let members = node.members();
            members.filter(|member| member.state == State::Alive).count()
        });
        alive == live && self.world.settled()
    }

    fn go_to(
        &mut self,
        end: Duration,
        step: Duration,
        phase: &'static str,
        after: &mut impl FnMut(&World),
    ) -> Result<(), Stop> {
        while self.world.now() < end {
            self.go(step.min(end - self.world.now()), phase)?;
            after(&self.world);
        }
        Ok(())
    }

    fn go(&mut self, time: Duration, phase: &'static str) -> Result<(), Stop> {
        self.world.run_for(time)?;
        let progress = Progress { done: self.world.now(), total: self.trial.longest(), phase };
        match (self.watch)(progress) {
            true => Ok(()),
            false => Err(Stop::Asked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::Latency;
    use crate::script::Setting;
    use crate::zones::Zones;
    use rumormill_core::spread::Method;

    fn trial(script: &str, change: impl FnOnce(&mut Options)) -> Trial {
        let mut options = Options { seed: 3, nodes: 10, ..Options::default() };
        change(&mut options);
        let duration = Duration::from_secs(4);
        let base = [options.loss, options.duplicate, options.reorder];
        let setting = Setting { nodes: options.nodes, seed: 3, zones: None, base, duration };
        let plan = script.parse::<crate::Script>().unwrap().plan(&setting).unwrap();
        let load = Workload { every: Duration::from_millis(20), keys: 50, ..Workload::default() };
        Trial {
            options,
            warm_up: Duration::from_secs(2),
            load: Some(load),
            plan,
            settle: Duration::from_secs(30),
        }
    }

    fn json(report: &Report) -> String {
        format!("{report:?}")
    }

    #[test]
    fn a_calm_run_delivers_everything_once_and_repeats_itself() {
        let trial = trial("", |_| ());
        let report = trial.run(|_| true);
        assert!(report.converged && report.violations.is_empty(), "{:?}", report.violations);
        assert_eq!(report.digests, 1);
        assert!((150..250).contains(&report.writes), "{}", report.writes);
        // A write that came after a bigger one of its key is never held.
        assert!(report.delivered >= report.deliveries_possible * 98 / 100);
        assert!((0.95..1.2).contains(&report.copies_per_node), "{}", report.copies_per_node);
        assert!(report.amplification.is_some_and(|times| times > 1.0));
        assert!(report.delivery_ms.p50 < report.delivery_ms.p99);
        assert_eq!(report.detection_ms.crashes, 0);
        // While a write is under way, those that have it hold one old entry less.
        let agree: f64 = report.samples.iter().map(|sample| sample.agree).sum();
        assert!(agree > 0.98 * report.samples.len() as f64, "{agree} of {}", report.samples.len());
        assert_eq!(json(&report), json(&trial.run(|_| true)));
    }

    #[test]
    fn writes_on_the_disk_of_a_node_that_stays_down_are_not_lost() {
        let report = trial("cut:n0@1s..4s; crash:n0@2s", |_| ()).run(|_| true);
        assert!(report.converged && report.violations.is_empty(), "{:?}", report.violations);
        assert_eq!(report.detection_ms.crashes, 1);
        assert_eq!(report.detection_ms.noticed_by_all, 1, "the death is noticed");
    }

    #[test]
    fn replicas_that_nothing_repairs_stay_different() {
        let mut trial = trial("partition:30%@0s..2500ms", |options| {
            options.config.spread.method = Method::Rumor;
            options.config.spread.rumor.period = Duration::from_millis(200);
            options.config.repair.interval = Duration::ZERO;
            options.config.ring.interval = Duration::ZERO;
        });
        trial.load = Some(Workload { keys: 1_000_000, ..Workload::default() });
        let report = trial.run(|_| true);
        assert!(!report.converged && report.digests > 1);
        let found = &report.violations[0];
        assert!(["no lost write", "convergence"].contains(&found.property), "{found:?}");
        assert!(report.samples.iter().any(|sample| sample.agree < 0.8));
    }

    #[test]
    fn a_run_that_is_asked_to_stop_reports_what_is_done() {
        let report = trial("", |_| ()).run(|progress| progress.done < Duration::from_secs(3));
        assert!(report.interrupted && report.writes > 0);
        assert_eq!((report.virtual_ms, report.settle_ms), (3000.0, None));
    }

    #[test]
    fn a_cluster_that_joins_is_measured_from_when_it_is_whole() {
        let start = Start::Join { seeds: 2 };
        let report = trial("", |options| options.start = start).run(|_| true);
        assert!(report.converged && report.violations.is_empty(), "{:?}", report.violations);
        assert!(report.virtual_ms - report.measured_ms >= 2000.0);
    }

    #[test]
    fn far_zones_and_thin_links_show_in_the_delivery_time() {
        let near = trial("", |_| ()).run(|_| true).delivery_ms;
        let zones = "between = '50ms'\n[[zone]]\nname='a'\ninside='1ms'\n[[zone]]\nname='b'\n\
                     inside='1ms'";
        let placed = Zones::parse(zones).unwrap().place(10).unwrap();
        let far = trial("", |options| options.zones = Some(placed)).run(|_| true);
        assert!(near.max < Some(40.0) && far.delivery_ms.max >= Some(50.0), "{near:?}");
        assert!(far.delivery_ms.p50 > near.p50 && far.converged);
        let thin = trial("", |options| {
            options.bandwidth = Some(20_000);
            options.latency = Latency::Fixed(Duration::from_millis(1));
        })
        .run(|_| true);
        assert!(thin.delivery_ms.p50 > near.p50, "{:?}", thin.delivery_ms);
        // A link takes no more than it can, headers and the queue's last bytes aside.
        assert!(thin.bytes.per_node_per_second < 20_000.0, "{:?}", thin.bytes);
        let mut starved = trial("", |options| options.bandwidth = Some(2_000));
        starved.load = Some(Workload { value: 1000, ..Workload::default() });
        starved.settle = Duration::from_secs(1);
        let starved = starved.run(|_| true);
        assert!(starved.shed["uplink_full"] > 0, "{:?}", starved.shed);
    }
}
