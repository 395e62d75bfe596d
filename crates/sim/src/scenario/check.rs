//! What a scenario may be.

use super::{Scenario, ScenarioError, VERSION};
use crate::faults::{Fault, MAX_COPIES, MAX_STRANGE};
use crate::options::Start;
use rumormill_core::Config;
use rumormill_core::config::ConfigError;
use rumormill_core::data::entry::{MAX_KEY, MAX_VALUE};
use rumormill_core::member::notes::MAX_NOTE;
use std::time::Duration;

/// Nodes at most (guess: about what the memory of a large machine takes).
const MAX_NODES: usize = 100_000;
/// Faults and writes at most, each.
const MAX_STEPS: usize = 1_000_000;
const SOUND: &str = "shares 0 to 1, times up to 1day, power cuts of up to 1s, 8 copies, 100,000 packets \
                     of strangers a second, names of notes of 1 to 8 bytes but not 4, notes of up to 4,096";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Scenario {
    /// Checks every bound.
    ///
    /// # Errors
    /// The first value that cannot be, with what it may be.
    pub fn check(&self) -> Result<(), ScenarioError> {
        let world = &self.world;
        let versions = format!("this program reads version {VERSION}");
        good("version", self.version == VERSION, &versions)?;
        good("world.seed", i64::try_from(world.seed).is_ok(), "0 to 2^63 - 1")?;
        good("world.nodes", (1..=MAX_NODES).contains(&world.nodes), "1 to 100,000")?;
        good("world.late", world.late < world.nodes, "fewer than there are nodes")?;
        good("duration", self.duration <= DAY, "1day at most")?;
        good("settle", self.settle <= DAY, "1day at most")?;
        sound("world.config", &world.config)?;
        if let Some(other) = &world.other {
            sound("world.other", other)?;
            let same = other.cluster == world.config.cluster && other.ring == world.config.ring;
            good(
                "world.other",
                same,
                "the cluster and the settings of the ring as in world.config",
            )?;
        }
        if let Start::Join { seeds } = world.start {
            good("world.start", (1..=world.nodes).contains(&seeds), "1 seed to all nodes")?;
        }
        for (field, share) in
            [("loss", world.loss), ("duplicate", world.duplicate), ("reorder", world.reorder)]
        {
            good(&format!("world.{field}"), is_share(share), "0 to 1")?;
        }
        if let Some(zones) = &world.zones {
            good("world.zones", zones.nodes() == world.nodes, "a place for each node")?;
        }
        let bandwidth = world.bandwidth.is_none_or(|rate| (1..1 << 40).contains(&rate));
        good("world.bandwidth", bandwidth, "1 to 2^40 bytes a second")?;
        good(
            "world.latency",
            world.latency.is_sound(),
            "up to 1h, the smaller time first, sigma 0 to 5",
        )?;
        for (field, time) in [
            ("reorder_delay", world.reorder_delay),
            ("clock_skew", world.clock_skew),
            ("stream_timeout", world.stream_timeout),
        ] {
            good(&format!("world.{field}"), time <= DAY, "1day at most")?;
        }
        self.check_load()?;
        self.check_steps()
    }

    fn check_load(&self) -> Result<(), ScenarioError> {
        let Some(load) = &self.load else { return Ok(()) };
        let every = Duration::from_micros(1)..=DAY;
        good("load.every", every.contains(&load.every), "1us to 1day")?;
        good("load.keys", (1..1 << 40).contains(&load.keys), "1 to 2^40")?;
        good("load.value", load.value <= MAX_VALUE, "8 MiB at most")?;
        good("load.deletes", is_share(load.deletes), "0 to 1")
    }

    fn check_steps(&self) -> Result<(), ScenarioError> {
        let (faults, writes, nodes) = (&self.faults, &self.writes, self.world.nodes);
        good("faults", faults.len() <= MAX_STEPS, "1,000,000 at most")?;
        good("writes", writes.len() <= MAX_STEPS, "1,000,000 at most")?;
        good("faults", faults.is_sorted_by_key(|trouble| trouble.at), "in the order of time")?;
        good("writes", writes.is_sorted_by_key(|write| write.at), "in the order of time")?;
        for (index, trouble) in faults.iter().enumerate() {
            let field = format!("faults[{index}]");
            good(&field, trouble.at <= self.duration, "not after the duration")?;
            let same = within(&trouble.fault, nodes).as_ref() == Some(&trouble.fault);
            good(&field, same, &format!("nodes 0 to {}", nodes - 1))?;
            good(&field, is_sound(&trouble.fault), SOUND)?;
        }
        for (index, write) in writes.iter().enumerate() {
            let field = format!("writes[{index}]");
            good(&field, write.at <= self.duration, "not after the duration")?;
            good(&field, write.node < nodes, &format!("nodes 0 to {}", nodes - 1))?;
            good(&field, write.key.len() <= MAX_KEY, "a key of 4,096 bytes at most")?;
            good(&field, write.size.is_none_or(|size| size <= MAX_VALUE), "8 MiB at most")?;
        }
        Ok(())
    }
}

fn sound(field: &str, config: &Config) -> Result<(), ScenarioError> {
    let bad = |error: ConfigError| ScenarioError::Bad {
        field: format!("{field}.{}", error.field),
        what: format!("{} is not {}", error.got, error.expected),
    };
    config.check().map_err(bad)
}

fn good(field: &str, good: bool, expected: &str) -> Result<(), ScenarioError> {
    match good {
        true => Ok(()),
        false => Err(ScenarioError::Bad {
            field: field.to_owned(),
            what: format!("this cannot be; expected: {expected}"),
        }),
    }
}

fn is_share(share: f64) -> bool {
    (0.0..=1.0).contains(&share)
}

fn is_sound(fault: &Fault) -> bool {
    let day_ms = DAY.as_millis() as u64;
    match fault {
        Fault::Loss(share) | Fault::Duplicate(share) | Fault::Reorder(share) => is_share(*share),
        Fault::Slow { extra, .. } => *extra <= DAY,
        Fault::PowerCut { back, .. } => *back <= Duration::from_secs(1),
        Fault::Restore { before, .. } => *before < MAX_COPIES,
        Fault::ClockJump { ms, .. } => ms.unsigned_abs() <= day_ms,
        Fault::Strangers { per_second, .. } | Fault::Traitor { per_second, .. } => {
            *per_second <= MAX_STRANGE
        }
        // Four letters more would be the key of a member.
        Fault::Note { name, size, .. } => {
            (1..=8).contains(&name.len()) && name.len() != 4 && *size <= MAX_NOTE
        }
        _ => true,
    }
}

/// The fault as far as it concerns the first `nodes` nodes; none if it does not.
#[must_use]
pub fn within(fault: &Fault, nodes: usize) -> Option<Fault> {
    let some = |all: &[usize]| -> Option<Vec<usize>> {
        let some: Vec<usize> = all.iter().copied().filter(|&node| node < nodes).collect();
        (!some.is_empty()).then_some(some)
    };
    let there = match fault {
        Fault::Crash(node)
        | Fault::LoseDisk(node)
        | Fault::CopyDisk(node)
        | Fault::PutBack(node)
        | Fault::Leave(node)
        | Fault::Depart(node)
        | Fault::PowerCut { node, .. }
        | Fault::Boot(node)
        | Fault::Pause(node)
        | Fault::Resume(node)
        | Fault::CrashMidway { node, .. }
        | Fault::Slow { node, .. }
        | Fault::Narrow { node, .. }
        | Fault::ClockJump { node, .. }
        | Fault::Settings { node, .. }
        | Fault::Squeeze { node, .. }
        | Fault::Disk { node, .. }
        | Fault::Lock { node, .. }
        | Fault::Note { node, .. } => *node < nodes,
        Fault::Restore { node, from, .. } => node.max(from) < &nodes,
        Fault::Forget { by, node, .. } => by.max(node) < &nodes,
        Fault::Pass { by, .. } => *by < nodes,
        Fault::Join { node, seeds } => {
            let seeds = some(seeds)?;
            return (*node < nodes).then_some(Fault::Join { node: *node, seeds });
        }
        Fault::Cut { from, to } => {
            return Some(Fault::Cut { from: some(from)?, to: some(to)? });
        }
        Fault::CutWay { from, to, streams } => {
            let (from, to) = (some(from)?, some(to)?);
            return Some(Fault::CutWay { from, to, streams: *streams });
        }
        Fault::Partition { one, other } => {
            return Some(Fault::Partition { one: some(one)?, other: some(other)? });
        }
        Fault::Heal
        | Fault::Loss(_)
        | Fault::Duplicate(_)
        | Fault::Reorder(_)
        | Fault::Strangers { .. }
        | Fault::Traitor { .. }
        | Fault::Calm => true,
    };
    there.then(|| fault.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::Forge;
    use crate::options::Options;
    use crate::scenario::Trouble;

    const HOUR: Duration = Duration::from_secs(60 * 60);

    #[test]
    fn faults_of_nodes_that_are_not_there_go() {
        let sides = Fault::Partition { one: vec![0, 4], other: vec![1, 5] };
        let left = Fault::Partition { one: vec![0], other: vec![1] };
        assert_eq!(within(&sides, 3), Some(left));
        assert_eq!(within(&sides, 1), None);
        let join = |seeds: &[usize]| Fault::Join { node: 2, seeds: seeds.to_vec() };
        assert_eq!(within(&join(&[0, 5]), 3), Some(join(&[0])));
        assert_eq!((within(&join(&[5]), 3), within(&join(&[0]), 2)), (None, None));
        assert_eq!(within(&Fault::Forget { by: 0, node: 3, force: true }, 3), None);
        assert_eq!(within(&Fault::Crash(3), 3), None);
        assert_eq!(within(&Fault::Heal, 1), Some(Fault::Heal));
    }

    #[test]
    fn what_hardships_cannot_be_is_refused() {
        let refused = |fault| {
            let mut bad = Scenario::new(Options::default(), HOUR, HOUR);
            bad.faults = vec![Trouble { at: HOUR, fault }];
            bad.check().is_err()
        };
        let note = |name: &str, size| Fault::Note { node: 0, name: name.into(), size };
        assert!(!refused(note("/a", 9)));
        // A key of eight bytes is a member's.
        assert!(refused(note("/abc", 9)) && refused(note("", 9)) && refused(note("/a", 5000)));
        assert!(refused(Fault::Settings { node: 5, other: true }));
        let strangers = |per_second| Fault::Strangers { forge: Forge::Noise, per_second };
        assert!(refused(strangers(MAX_STRANGE + 1)) && !refused(strangers(MAX_STRANGE)));
        let mut other = Scenario::new(Options::default(), HOUR, HOUR);
        other.world.other = Some(Config::default());
        assert_eq!(other.check(), Ok(()));
        other.world.other.as_mut().unwrap().ring.interval = HOUR * 2;
        assert!(other.check().unwrap_err().to_string().starts_with("world.other"));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let good = Scenario::new(Options::default(), HOUR, HOUR);
        assert_eq!(good.check(), Ok(()));
        let refused = |change: fn(&mut Scenario)| {
            let mut bad = good.clone();
            change(&mut bad);
            match bad.check() {
                Err(ScenarioError::Bad { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(refused(|s| s.world.nodes = 0), "world.nodes");
        assert_eq!(refused(|s| s.world.late = s.world.nodes), "world.late");
        assert_eq!(refused(|s| s.world.loss = 1.5), "world.loss");
        assert_eq!(refused(|s| s.world.loss = f64::NAN), "world.loss");
        assert_eq!(refused(|s| s.world.seed = u64::MAX), "world.seed");
        assert_eq!(
            refused(|s| s.world.config.repair.piece_bytes = 1),
            "world.config.repair.piece_bytes"
        );
        let trouble = |at, fault| Trouble { at, fault };
        assert_eq!(refused(|s| s.version = 2), "version");
        let crash = trouble(HOUR, Fault::Crash(5));
        let mut bad = good.clone();
        bad.faults = vec![crash];
        assert!(bad.check().unwrap_err().to_string().contains("nodes 0 to 4"));
        bad.faults = vec![trouble(DAY, Fault::Heal)];
        assert!(bad.check().unwrap_err().to_string().contains("duration"));
        bad.faults = vec![trouble(HOUR, Fault::Heal), trouble(Duration::ZERO, Fault::Heal)];
        assert!(bad.check().unwrap_err().to_string().contains("order of time"));
    }
}
