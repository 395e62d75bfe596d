//! Lifeguard's experiment on the real core: some members are starved again and again and in lock
//! step, and what is counted is how often healthy members are held dead for it.
//!
//! A starved member can neither send nor receive, while its timers run on. What it wanted to send
//! gets out when it is let go, before it reads what has come in. Or it stands still altogether, its
//! timers as well, as a stopped process does.
//!
//! What is not of the paper and is on in all variants: a silent member is pinged over a stream too
//! (as memberlist does), and whoever is held dead and talks is told so. Where suspicions shrink, a
//! few of those who hear of one probe the suspect at once; and of members that found one silent
//! independently, before they heard of each other, only one counts, which errs to patience.
//!
//! Source: Dadgar, Phillips, Currey 2017, "Lifeguard: Local Health Awareness for More Accurate
//! Failure Detection", section 5: the interval experiment.

use crate::checkers::Violation;
use crate::checks::Checks;
use crate::options::Options;
use crate::trace::Kind;
use crate::world::World;
use rumormill_core::base::hash::Map;
use rumormill_core::base::rng::Rng;
use rumormill_core::member::{self, State};
use rumormill_core::{Config, NodeId};
use std::cell::{Cell, RefCell};
use std::ops::AddAssign;
use std::rc::Rc;
use std::time::Duration;

/// Longest wait for a death to be noticed.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which of the mechanisms are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// None: plain SWIM. A suspect always has the least time that it has with Lifeguard.
    Swim,
    /// Probes slow down with the doubt of a node in itself, and wait longer for an answer.
    Probe,
    /// Suspicions begin with the most time and shrink to the least with confirmations.
    Suspicion,
    /// Suspects are told first.
    Buddy,
    /// All three.
    Lifeguard,
    /// All three, a node that stood still gives the others the time back, and a silence that enough
    /// have confirmed is believed sooner: the defaults.
    Rumormill,
}

impl Variant {
    /// All, in the order of the paper.
    pub const ALL: [Self; 6] =
        [Self::Swim, Self::Probe, Self::Suspicion, Self::Buddy, Self::Lifeguard, Self::Rumormill];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Swim => "swim",
            Self::Probe => "probe",
            Self::Suspicion => "suspicion",
            Self::Buddy => "buddy",
            Self::Lifeguard => "lifeguard",
            Self::Rumormill => "rumormill",
        }
    }

    /// Switches off what does not belong to it.
    pub fn limit(self, config: &mut member::Config) {
        let all = matches!(self, Self::Lifeguard | Self::Rumormill);
        if !all && self != Self::Probe {
            config.doubt = 0;
        }
        if !all && self != Self::Suspicion {
            config.confirmations = 0;
        }
        config.buddy &= all || self == Self::Buddy;
        config.forgive_stalls &= self == Self::Rumormill;
        if self != Self::Rumormill {
            config.confirmed_timeout = Duration::ZERO;
        }
    }
}

/// One run.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Members.
    pub nodes: usize,
    /// How many of them are starved.
    pub starved: usize,
    /// For how long at a time.
    pub pause: Duration,
    /// For how long they may run in between.
    pub awake: Duration,
    /// Whether their timers stand still too.
    pub stopped: bool,
    /// How long the experiment lasts.
    pub duration: Duration,
    /// Everything random follows from it.
    pub seed: u64,
    /// The settings of every node.
    pub config: Config,
}

/// What was counted in one run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Times that any member, starved ones included, came to hold a healthy one dead: FP in the
    /// paper.
    pub false_positives: u64,
    /// Those of them at healthy members: FP- in the paper.
    pub at_healthy: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.false_positives += other.false_positives;
        self.at_healthy += other.at_healthy;
    }
}

impl Setup {
    fn world(&self, variant: Variant) -> World {
        let mut config = self.config.clone();
        variant.limit(&mut config.member);
        let (nodes, seed, check) = (self.nodes, self.seed, Checks::Off);
        let options = Options { nodes, seed, config, check, ..Options::default() };
        World::new(options)
    }

    /// Those who are starved, or crash: the same in all variants.
    fn chosen(&self) -> Vec<usize> {
        let mut nodes: Vec<usize> = (0..self.nodes).collect();
        Rng::new(self.seed ^ 0x7374_6172_7665).shuffle(&mut nodes);
        nodes.truncate(self.starved);
        nodes
    }

    /// Starves some members and counts who is held dead for it.
    ///
    /// # Errors
    /// If a promise of the protocol is broken meanwhile.
    pub fn starve(&self, variant: Variant) -> Result<Counts, Violation> {
        let mut world = self.world(variant);
        let nodes = self.chosen();
        let mut healthy = vec![true; self.nodes];
        nodes.iter().for_each(|&node| healthy[node] = false);
        let counts = Rc::new(Cell::new(Counts::default()));
        let count = Rc::clone(&counts);
        on_deaths(&mut world, move |at, about, _| {
            let at_healthy = u64::from(healthy[at] && healthy[about]);
            let mut counts = count.get();
            counts += Counts { false_positives: u64::from(healthy[about]), at_healthy };
            count.set(counts);
        });
        world.run_for(Duration::from_secs(3))?;
        let end = world.now() + self.duration;
        while world.now() < end {
            nodes.iter().for_each(|&node| match self.stopped {
                true => world.pause(node),
                false => world.choke(node),
            });
            world.run_for(self.pause.min(end - world.now()))?;
            nodes.iter().for_each(|&node| match self.stopped {
                true => world.resume(node),
                false => world.unchoke(node),
            });
            world.run_for(self.awake.min(end.saturating_sub(world.now())))?;
        }
        Ok(counts.get())
    }

    /// Crashes at once, in a healthy cluster, as many members as are starved otherwise: the time
    /// until the first other one holds it dead, for each. `None` if nobody does within five minutes.
    ///
    /// # Errors
    /// If a promise of the protocol is broken meanwhile.
    pub fn detect(&self, variant: Variant) -> Result<Vec<Option<Duration>>, Violation> {
        let mut world = self.world(variant);
        let nodes = self.chosen();
        let first = Rc::new(RefCell::new(vec![None; self.nodes]));
        let found = Rc::clone(&first);
        on_deaths(&mut world, move |_, about, now| {
            found.borrow_mut()[about].get_or_insert(now);
        });
        // Not always at the same point of the others' periods.
        let warm = 3000 + Rng::new(self.seed).below(1000);
        world.run_for(Duration::from_millis(warm))?;
        nodes.iter().for_each(|&node| world.crash(node));
        let start = world.now();
        while nodes.iter().any(|&node| first.borrow()[node].is_none())
            && world.now() < start + PATIENCE
        {
            world.run_for(Duration::from_millis(100))?;
        }
        let first = first.borrow();
        Ok(nodes.iter().map(|&node| first[node].map(|at| at.saturating_sub(start))).collect())
    }
}

/// Calls back from now on whenever a member comes to hold another one dead: who, whom, and when.
fn on_deaths(world: &mut World, mut died: impl FnMut(usize, usize, Duration) + 'static) {
    let of: Map<NodeId, usize> = (0..world.nodes()).map(|node| (world.id(node), node)).collect();
    world.on_entries(move |line, persisted| {
        let Some(persisted) = persisted.filter(|_| line.kind == Kind::Roster) else { return };
        let stamp = persisted.entry.stamp();
        if let (State::Dead, Some(&about)) = (State::of(stamp), of.get(&stamp.node)) {
            died(line.node, about, Duration::from_micros(line.at.0));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use rumormill_core::member::suspicion::Suspicions;

    fn setup(starved: usize, pause: u64) -> Setup {
        let mut config = Config::default();
        config.member.suspicion_mult = 5;
        config.member.probe_timeout = Duration::from_millis(500);
        Setup {
            nodes: 48,
            starved,
            pause: Duration::from_secs(pause),
            awake: Duration::from_millis(16),
            stopped: false,
            duration: Duration::from_secs(90),
            seed: 1,
            config,
        }
    }

    #[test]
    fn variants_leave_on_what_is_theirs() {
        let limited = |variant: Variant| {
            let mut config = member::Config::default();
            variant.limit(&mut config);
            (config.doubt > 0, config.confirmations > 0, config.buddy, config.forgive_stalls)
        };
        assert_eq!(limited(Variant::Swim), (false, false, false, false));
        assert_eq!(limited(Variant::Probe), (true, false, false, false));
        assert_eq!(limited(Variant::Suspicion), (false, true, false, false));
        assert_eq!(limited(Variant::Buddy), (false, false, true, false));
        assert_eq!(limited(Variant::Lifeguard), (true, true, true, false));
        assert_eq!(limited(Variant::Rumormill), (true, true, true, true));
    }

    /// The paper's baseline has the least time, and suspicions that shrink begin with beta times
    /// it and end with it.
    #[test]
    fn plain_swim_has_the_least_time_that_a_shrinking_suspicion_comes_down_to() {
        let patience = |variant: Variant, confirmations| {
            let mut config = setup(0, 1).config.member;
            variant.limit(&mut config);
            Suspicions::patience(&config, 128, confirmations).as_secs_f64()
        };
        for fixed in [Variant::Swim, Variant::Probe, Variant::Buddy] {
            assert_eq!(patience(fixed, 0), patience(Variant::Suspicion, 3), "{fixed:?}");
            assert_eq!(patience(fixed, 3), patience(fixed, 0), "{fixed:?}");
        }
        for shrinking in [Variant::Suspicion, Variant::Lifeguard, Variant::Rumormill] {
            let ratio = patience(shrinking, 0) / patience(Variant::Swim, 0);
            assert!((ratio - 6.0).abs() < 0.01, "{shrinking:?}: {ratio}");
        }
    }

    #[test]
    fn each_mechanism_alone_changes_what_is_counted_and_all_together_save_nearly_everyone() {
        let setup = Setup { awake: Duration::from_millis(4), ..setup(8, 16) };
        let count = |variant| setup.starve(variant).unwrap();
        let swim = count(Variant::Swim);
        assert!(swim.false_positives > swim.at_healthy && swim.at_healthy > 100, "{swim:?}");
        let share = |variant| {
            let counts = count(variant);
            assert_ne!(counts, swim, "{variant:?} does nothing");
            counts.false_positives as f64 / swim.false_positives as f64
        };
        assert!(share(Variant::Probe) < 0.5);
        assert!(share(Variant::Suspicion) < 0.05);
        assert!((0.5..1.5).contains(&share(Variant::Buddy)));
        assert!(share(Variant::Lifeguard) <= 0.02);
        assert!(share(Variant::Rumormill) <= 0.02);
        assert_eq!(count(Variant::Swim), swim, "one seed, one outcome");
    }

    /// A starved member that wakes for a moment only: who is told with the first packet refutes in
    /// time, who has to hear of it from others does not.
    #[test]
    fn suspects_that_are_told_at_once_refute_in_time() {
        let setup = Setup { awake: Duration::from_millis(4), ..setup(8, 8) };
        let count = |variant| setup.starve(variant).unwrap().false_positives;
        let (swim, buddy) = (count(Variant::Swim), count(Variant::Buddy));
        assert!(swim >= 10 && buddy * 3 <= swim, "{buddy} of {swim}");
    }

    /// The zeros are earned: take from suspicions the time that they have more, or starve members
    /// for longer than it, and healthy ones are held dead again.
    #[test]
    fn patience_is_what_saves_the_healthy() {
        let count = |setup: &Setup| setup.starve(Variant::Lifeguard).unwrap().false_positives;
        let mut hasty = setup(8, 32);
        assert!(count(&hasty) < 25, "{}", count(&hasty));
        hasty.config.member.suspicion_max_mult = 1;
        assert!(count(&hasty) > 50, "{}", count(&hasty));
        let mut long = setup(8, 80);
        // Doubt alone would slow the probes down so far that few are suspected.
        long.config.member.doubt = 0;
        assert!(count(&long) > 50, "{}", count(&long));
    }

    /// Stopped for longer than a suspicion lasts, and awake for less than a refutation takes: the
    /// timer is over before what waits in the buffer is read, unless the time is given back.
    #[test]
    fn only_who_gives_the_time_back_spares_the_healthy_after_standing_still() {
        let awake = Duration::from_millis(1);
        let mut setup = Setup { stopped: true, awake, ..setup(12, 20) };
        setup.config.member.suspicion_max_mult = 1;
        let count = |variant| setup.starve(variant).unwrap().false_positives;
        let (lifeguard, rumormill) = (count(Variant::Lifeguard), count(Variant::Rumormill));
        assert!(lifeguard > 0 && rumormill == 0, "{lifeguard} {rumormill}");
    }

    #[test]
    fn nobody_starved_nobody_dead_and_a_crash_is_found_as_soon_by_all_variants() {
        let quiet = setup(0, 1);
        assert_eq!(quiet.starve(Variant::Swim).unwrap(), Counts::default());
        let crashes = |starved, variant: Variant| -> Vec<f64> {
            let seconds = |seed| Setup { seed, ..setup(starved, 1) }.detect(variant).unwrap();
            (1..=5).flat_map(seconds).map(|found| found.unwrap().as_secs_f64()).collect()
        };
        let mean = |found: &[f64]| found.iter().sum::<f64>() / found.len() as f64;
        let swim = crashes(1, Variant::Swim);
        assert!((8.0..13.0).contains(&mean(&swim)), "{swim:?}");
        assert!((mean(&crashes(1, Variant::Lifeguard)) - mean(&swim)).abs() < 3.0);
        // Where many die at once those who are asked to help do not answer either. They are found
        // dead as well, so that nobody doubts itself for that.
        let (swim, probe) = (crashes(12, Variant::Swim), crashes(12, Variant::Probe));
        assert_eq!(swim.len(), 60);
        assert!(mean(&probe) < 1.1 * mean(&swim), "{} {}", mean(&probe), mean(&swim));
        // And what enough have confirmed is believed sooner.
        let sooner = crashes(12, Variant::Rumormill);
        assert!(mean(&sooner) < 5.0, "{sooner:?}");
    }
}
