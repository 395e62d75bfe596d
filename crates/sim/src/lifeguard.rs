//! Lifeguard's experiment on the real core: some members are starved again and again and in lock
//! step, and what is counted is how often healthy members are held dead for it.
//!
//! A starved member can neither send nor receive, while its timers run on. What it wanted to send
//! gets out when it is let go, before it reads what has come in.
//!
//! Source: Dadgar, Phillips, Currey 2017, "Lifeguard: Local Health Awareness for More Accurate
//! Failure Detection", section 5: the interval experiment.

use crate::checkers::Violation;
use crate::options::Options;
use crate::trace::Kind;
use crate::world::World;
use rumormill_core::base::hash::Map;
use rumormill_core::base::rng::Rng;
use rumormill_core::member::{self, State};
use rumormill_core::{Config, NodeId};
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

/// Longest wait for a death to be noticed.
const PATIENCE: Duration = Duration::from_secs(300);

/// Which of the mechanisms are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// None: plain SWIM.
    Swim,
    /// Probes slow down with the doubt of a node in itself.
    Probe,
    /// Suspicions shrink with confirmations.
    Suspicion,
    /// Suspects are told first.
    Buddy,
    /// All three.
    Lifeguard,
    /// All three, and a node that stood still gives the others the time back: the defaults.
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
    /// Times that a healthy member came to hold another healthy member dead.
    pub false_positives: u64,
    /// Times that any member, starved ones included, came to hold a healthy one dead.
    pub everywhere: u64,
}

impl Setup {
    fn world(&self, variant: Variant) -> World {
        let mut config = self.config.clone();
        variant.limit(&mut config.member);
        let options = Options { nodes: self.nodes, seed: self.seed, config, ..Options::default() };
        World::new(options)
    }

    /// Starves some members and counts who is held dead for it.
    ///
    /// # Errors
    /// If a promise of the protocol is broken meanwhile.
    pub fn starve(&self, variant: Variant) -> Result<Counts, Violation> {
        let mut world = self.world(variant);
        let mut nodes: Vec<usize> = (0..self.nodes).collect();
        Rng::new(self.seed ^ 0x7374_6172_7665).shuffle(&mut nodes);
        nodes.truncate(self.starved);
        let mut healthy = vec![true; self.nodes];
        nodes.iter().for_each(|&node| healthy[node] = false);
        let counts = Rc::new(Cell::new(Counts::default()));
        count_deaths(&mut world, healthy, Rc::clone(&counts));
        world.run_for(Duration::from_secs(3))?;
        let end = world.now() + self.duration;
        while world.now() < end {
            nodes.iter().for_each(|&node| world.choke(node));
            world.run_for(self.pause.min(end - world.now()))?;
            nodes.iter().for_each(|&node| world.unchoke(node));
            world.run_for(self.awake.min(end.saturating_sub(world.now())))?;
        }
        Ok(counts.get())
    }

    /// Crashes a member of a healthy cluster: the time until the first other one holds it dead.
    /// `None` if nobody does within five minutes.
    ///
    /// # Errors
    /// If a promise of the protocol is broken meanwhile.
    pub fn detect(&self, variant: Variant) -> Result<Option<Duration>, Violation> {
        let mut world = self.world(variant);
        let healthy = vec![true; self.nodes];
        let counts = Rc::new(Cell::new(Counts::default()));
        count_deaths(&mut world, healthy, Rc::clone(&counts));
        // Not always at the same point of the others' periods.
        let warm = 3000 + Rng::new(self.seed).below(1000);
        world.run_for(Duration::from_millis(warm))?;
        world.crash(self.nodes - 1);
        let start = world.now();
        let limit = start + PATIENCE;
        while counts.get().everywhere == 0 && world.now() < limit {
            world.run_for(Duration::from_millis(10))?;
        }
        Ok((counts.get().everywhere > 0).then(|| world.now() - start))
    }
}

/// Counts from now on whenever a member comes to hold another one dead.
fn count_deaths(world: &mut World, healthy: Vec<bool>, counts: Rc<Cell<Counts>>) {
    let of: Map<NodeId, usize> = (0..world.nodes()).map(|node| (world.id(node), node)).collect();
    world.on_entries(move |line, persisted| {
        let Some(persisted) = persisted.filter(|_| line.kind == Kind::Roster) else { return };
        let stamp = persisted.entry.stamp();
        let Some(&about) = of.get(&stamp.node) else { return };
        if State::of(stamp) == State::Dead && healthy[about] {
            let Counts { false_positives, everywhere } = counts.get();
            let here = u64::from(healthy[line.node]);
            counts.set(Counts {
                false_positives: false_positives + here,
                everywhere: everywhere + 1,
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(starved: usize, pause: u64) -> Setup {
        let mut config = Config::default();
        config.member.suspicion_mult = 5;
        config.member.probe_timeout = Duration::from_millis(500);
        Setup {
            nodes: 48,
            starved,
            pause: Duration::from_secs(pause),
            awake: Duration::from_millis(16),
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

    #[test]
    fn starved_members_bring_healthy_ones_down_in_plain_swim_only() {
        let setup = setup(12, 16);
        let swim = setup.starve(Variant::Swim).unwrap();
        assert!(swim.false_positives > 100, "{swim:?}");
        for variant in [Variant::Lifeguard, Variant::Rumormill] {
            let counts = setup.starve(variant).unwrap();
            assert!(counts.false_positives * 50 <= swim.false_positives, "{counts:?} {swim:?}");
        }
        assert_eq!(setup.starve(Variant::Swim).unwrap(), swim, "one seed, one outcome");
    }

    #[test]
    fn nobody_starved_nobody_dead_and_a_crash_is_found_as_soon_by_all_variants() {
        let setup = setup(0, 1);
        assert_eq!(setup.starve(Variant::Swim).unwrap(), Counts::default());
        let seconds = |variant| setup.detect(variant).unwrap().unwrap().as_secs_f64();
        let swim = seconds(Variant::Swim);
        assert!((8.0..13.0).contains(&swim), "{swim}");
        assert!((seconds(Variant::Lifeguard) - swim).abs() < 3.0);
    }
}
