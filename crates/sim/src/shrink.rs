//! The shortest scenario that still shows the same: everything that can go without the property
//! holding again is left out.
//!
//! After Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing input" (ddmin):
//! halves first, then smaller and smaller parts, then single steps.

use crate::checkers::Violation;
use crate::faults::Fault;
use crate::latency::Latency;
use crate::options::Options;
use crate::scenario::{Found, Scenario, Trouble, Write, within};
use std::time::Duration;

/// What shrinking came to.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The shortest scenario found. It violates the same property.
    pub scenario: Scenario,
    /// What it violates.
    pub violation: Violation,
    /// Runs that it took.
    pub runs: u32,
    /// True if nothing more can be left out, false if time was up.
    pub finished: bool,
}

/// Shrinks a scenario that showed `violation`, as long as `go_on` says so.
pub fn shrink(
    scenario: &Scenario,
    violation: &Violation,
    go_on: &mut dyn FnMut() -> bool,
) -> Shrunk {
    let scenario = Scenario { found: Some(Found::from(violation)), ..scenario.clone() };
    let mut shrink = Shrink { best: scenario, violation: violation.clone(), runs: 0, go_on };
    let finished = shrink.all().is_some();
    let Shrink { best: scenario, violation, runs, .. } = shrink;
    Shrunk { scenario, violation, runs, finished }
}

struct Shrink<'a> {
    best: Scenario,
    violation: Violation,
    runs: u32,
    go_on: &'a mut dyn FnMut() -> bool,
}

/// None: time is up.
type More<T> = Option<T>;

impl Shrink<'_> {
    /// Does all that there is, again and again until nothing helps any more.
    fn all(&mut self) -> More<()> {
        loop {
            let before = self.best.clone();
            self.shorter()?;
            self.fewer_nodes()?;
            self.fewer_faults()?;
            self.single_writes()?;
            self.fewer_writes()?;
            self.calmer_network()?;
            self.plainer_settings()?;
            let found = before.found.clone();
            if (Scenario { found, ..self.best.clone() }) == before {
                return Some(());
            }
        }
    }

    /// Takes another scenario if it violates the same property.
    fn try_it(&mut self, mut other: Scenario) -> More<bool> {
        if !(self.go_on)() {
            return None;
        }
        other.found = None;
        if other.check().is_err() {
            return Some(false);
        }
        self.runs += 1;
        let Err(violation) = other.run().outcome else { return Some(false) };
        if violation.property != self.violation.property {
            return Some(false);
        }
        other.found = Some(Found::from(&violation));
        (self.best, self.violation) = (other, violation);
        Some(true)
    }

    /// What came after the violation goes; then half of the time, as long as that helps.
    fn shorter(&mut self) -> More<()> {
        if self.violation.at < self.best.duration {
            self.cut_at(self.violation.at)?;
        }
        while self.best.duration > Duration::from_millis(1) {
            let half = Duration::from_micros(self.best.duration.as_micros() as u64 / 2);
            if !self.cut_at(half)? {
                break;
            }
        }
        let last_fault = self.best.faults.last().map(|trouble| trouble.at);
        let last_write = self.best.writes.last().map(|write| write.at);
        if self.best.load.is_none()
            && let Some(last) = last_fault.max(last_write)
            && last < self.best.duration
        {
            self.cut_at(last)?;
        }
        Some(())
    }

    fn cut_at(&mut self, duration: Duration) -> More<bool> {
        let mut other = self.best.clone();
        other.duration = duration;
        other.faults.retain(|trouble| trouble.at <= duration);
        other.writes.retain(|write| write.at <= duration);
        self.try_it(other)
    }

    fn fewer_nodes(&mut self) -> More<()> {
        let mut nodes = 1;
        while nodes < self.best.world.nodes {
            let mut other = self.best.clone();
            // The last ones go first, and they are those who are late.
            let gone = other.world.nodes - nodes;
            other.world.late = other.world.late.saturating_sub(gone);
            other.world.nodes = nodes;
            other.faults.retain_mut(|trouble| match within(&trouble.fault, nodes) {
                Some(fault) => {
                    trouble.fault = fault;
                    true
                }
                None => false,
            });
            other.writes.retain(|write| write.node < nodes);
            other.world.zones = other.world.zones.map(|zones| zones.first(nodes));
            if let crate::Start::Join { seeds } = &mut other.world.start {
                *seeds = nodes.min(*seeds);
            }
            if self.try_it(other)? {
                break;
            }
            nodes += 1;
        }
        Some(())
    }

    fn fewer_faults(&mut self) -> More<()> {
        let put = |scenario: &Scenario, faults: &[Trouble]| {
            // The end of all faults stays where it is, or a cluster would be judged in mid-trouble.
            let ends = scenario.faults.iter().filter(|trouble| trouble.fault == Fault::Calm);
            let mut faults: Vec<Trouble> = faults.iter().chain(ends).cloned().collect();
            faults.sort_by_key(|trouble| trouble.at);
            Scenario { faults, ..scenario.clone() }
        };
        let all = self.best.faults.iter().filter(|trouble| trouble.fault != Fault::Calm);
        self.fewer(all.cloned().collect(), put)
    }

    fn fewer_writes(&mut self) -> More<()> {
        let put = |scenario: &Scenario, writes: &[Write]| Scenario {
            writes: writes.to_vec(),
            ..scenario.clone()
        };
        self.fewer(self.best.writes.clone(), put)
    }

    /// Leaves out halves, then smaller parts, then single ones.
    fn fewer<T: Clone>(
        &mut self,
        mut all: Vec<T>,
        put: impl Fn(&Scenario, &[T]) -> Scenario,
    ) -> More<()> {
        let mut part = all.len();
        while part > 0 {
            let mut from = 0;
            while from < all.len() {
                let to = (from + part).min(all.len());
                let mut rest = all.clone();
                rest.drain(from..to);
                if self.try_it(put(&self.best, &rest))? {
                    all = rest;
                } else {
                    from = to;
                }
            }
            part /= 2;
        }
        Some(())
    }

    /// The writes that the load made, one by one in its place; or at least fewer of them.
    fn single_writes(&mut self) -> More<()> {
        let Some(mut load) = self.best.load else { return Some(()) };
        if self.try_it(Scenario { load: None, ..self.best.clone() })? {
            return Some(());
        }
        self.runs += 1;
        if let Some(world) = self.best.run().world {
            let mut writes = self.best.writes.clone();
            writes.extend(Scenario::writes_of(world.ledger()));
            writes.sort_by_key(|write| write.at);
            writes.dedup();
            if self.try_it(Scenario { load: None, writes, ..self.best.clone() })? {
                return Some(());
            }
        }
        while load.every < self.best.duration {
            load.every *= 2;
            if !self.try_it(Scenario { load: Some(load), ..self.best.clone() })? {
                break;
            }
        }
        Some(())
    }

    fn calmer_network(&mut self) -> More<()> {
        let calm: [fn(&mut Options); 10] = [
            |world| world.late = 0,
            |world| world.zones = None,
            |world| world.other = None,
            |world| world.bandwidth = None,
            |world| world.clock_skew = Duration::ZERO,
            |world| world.reorder = 0.0,
            |world| world.duplicate = 0.0,
            |world| world.loss = 0.0,
            |world| world.latency = Latency::Fixed(Duration::from_millis(1)),
            |world| world.start = crate::Start::Prefilled,
        ];
        for change in calm {
            let mut other = self.best.clone();
            change(&mut other.world);
            if other.world != self.best.world {
                self.try_it(other)?;
            }
        }
        Some(())
    }

    fn plainer_settings(&mut self) -> More<()> {
        // Of the settings that differ, those at the end may still go after one at the front stays.
        let mut kept = 0;
        while let Some(config) = self.best.plainer_configs().into_iter().nth(kept) {
            let mut other = self.best.clone();
            other.world.config = config;
            if !self.try_it(other)? {
                kept += 1;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuzz::Draw;
    use rumormill_core::Config;
    use rumormill_core::spread::Method;

    /// Direct mail with an outbox for next to nothing, and nothing that makes up for what it drops.
    fn harmful() -> Draw {
        let mut config = Config::default();
        config.repair.interval = Duration::ZERO;
        config.ring.interval = Duration::ZERO;
        config.spread.method = Method::DirectMail;
        config.spread.mail.outbox_bytes = 200;
        let (duration, settle) = (Duration::from_secs(3), Duration::from_secs(10));
        let (config, edges, hardships) = (Some(config), false, false);
        Draw { nodes: (3, 6), duration, settle, config, edges, hardships, ..Draw::default() }
    }

    #[test]
    fn a_harmful_configuration_is_found_and_shrunk_to_next_to_nothing() {
        let draw = harmful();
        let (scenario, violation) = (0..20)
            .find_map(|seed| {
                let scenario = draw.scenario(seed);
                let violation = scenario.run().outcome.err()?;
                (violation.property == "no lost write").then_some((scenario, violation))
            })
            .expect("a lost write is found");
        let shrunk = shrink(&scenario, &violation, &mut || true);
        assert!(shrunk.finished);
        let small = &shrunk.scenario;
        assert!(small.load.is_none() && small.writes.len() <= 2, "{small}");
        assert!(small.world.nodes <= 3 && small.faults.len() <= 3, "{small}");
        assert!(small.duration < scenario.duration);
        // It still shows the same, also when it has been written and read.
        let again = Scenario::from_toml(&small.to_toml().unwrap()).unwrap();
        let found = again.run().outcome.unwrap_err();
        assert_eq!((found.property, &found), ("no lost write", &shrunk.violation));
        assert!(small.settings().contains(&"repair.interval = 0s".to_owned()), "{small}");
    }

    #[test]
    fn shrinking_ends_when_time_is_up() {
        let draw = harmful();
        let seed = (0..20).find(|&seed| draw.scenario(seed).run().outcome.is_err()).unwrap();
        let scenario = draw.scenario(seed);
        let violation = scenario.run().outcome.unwrap_err();
        let mut left = 3;
        let mut go_on = || {
            left -= 1;
            left >= 0
        };
        let shrunk = shrink(&scenario, &violation, &mut go_on);
        assert!(!shrunk.finished && shrunk.runs <= 4);
        assert_eq!(shrunk.violation.property, violation.property);
    }
}
