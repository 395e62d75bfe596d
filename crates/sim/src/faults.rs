//! Faults, and scripts of them drawn from a seed.

use rumormill_core::base::rng::Rng;
use rumormill_core::base::time::{micros, text};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Copies of one disk that a world keeps for later, at most: the oldest goes.
pub(crate) const MAX_COPIES: usize = 8;

/// Packets of strangers a second, at most.
pub(crate) const MAX_STRANGE: u32 = 100_000;

/// Something that goes wrong, or right again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// The process dies. What it persisted stays.
    Crash(usize),
    /// The process dies after it has carried out this many more outputs.
    CrashMidway {
        /// The node.
        node: usize,
        /// Outputs until then.
        outputs: u32,
    },
    /// The process dies and its disk is lost: when it boots, it is a new node.
    LoseDisk(usize),
    /// The power fails: the process dies, and what its disk was given in this time, one second at
    /// most, is gone, but for what it had waited for.
    PowerCut {
        /// The node.
        node: usize,
        /// How far back.
        #[serde(with = "text")]
        back: Duration,
    },
    /// The node's disk is copied. The last eight copies of each are kept.
    CopyDisk(usize),
    /// The process dies and the last copy of its disk takes the place of it, if there is one: when
    /// it boots, it is the same node and has forgotten what came after.
    PutBack(usize),
    /// The process dies and a copy of a disk takes the place of its own, if there is one.
    Restore {
        /// The node.
        node: usize,
        /// Whose disk was copied.
        from: usize,
        /// How many copies before the last one.
        before: usize,
        /// True: what boots there is a new node. False: it is who it was, which it can only be at
        /// its own place.
        fresh: bool,
    },
    /// The node says goodbye and stops.
    Leave(usize),
    /// The node hands over what it has written and its vote, for ten seconds at most, and leaves.
    Depart(usize),
    /// An operator tells the first node that runs, from one on, to forget the latest member at
    /// another's place that is not there any more.
    Forget {
        /// Who is told.
        by: usize,
        /// Whose place.
        node: usize,
        /// True: whatever the others say. That is the operator's word that it is gone for good.
        force: bool,
    },
    /// An operator tells a node to begin a pass of ring repair.
    Pass {
        /// The node.
        by: usize,
        /// True: an operator's word that nobody is missing from the first pass.
        waive: bool,
    },
    /// A node that is down boots from its disk and joins again.
    Boot(usize),
    /// A node boots if it is down, and joins through these.
    Join {
        /// The node.
        node: usize,
        /// Whose addresses it is given.
        seeds: Vec<usize>,
    },
    /// The process stands still.
    Pause(usize),
    /// The process goes on.
    Resume(usize),
    /// Everything from and to the node takes longer by this.
    Slow {
        /// The node.
        node: usize,
        /// By how much.
        #[serde(with = "text")]
        extra: Duration,
    },
    /// Larger datagrams from and to the node vanish.
    Narrow {
        /// The node.
        node: usize,
        /// The largest that arrives, bytes; 0 ends it.
        bytes: usize,
    },
    /// Nothing gets from these nodes to those; the other way stays open.
    Cut {
        /// From these.
        from: Vec<usize>,
        /// To these.
        to: Vec<usize>,
    },
    /// Datagrams do not get from these nodes to those, or streams not through between them.
    CutWay {
        /// From these.
        from: Vec<usize>,
        /// To these.
        to: Vec<usize>,
        /// True: streams. False: datagrams.
        streams: bool,
    },
    /// Nothing gets through between these nodes and those, either way.
    Partition {
        /// One side.
        one: Vec<usize>,
        /// The other.
        other: Vec<usize>,
    },
    /// All cuts and partitions end.
    Heal,
    /// Share of datagrams lost from now on.
    Loss(f64),
    /// Share of datagrams doubled from now on.
    Duplicate(f64),
    /// Share of datagrams held back from now on.
    Reorder(f64),
    /// A wall clock is set forwards or back.
    ClockJump {
        /// The node.
        node: usize,
        /// By how many milliseconds.
        ms: i64,
    },
    /// The process dies and boots at once with the other settings of the world, or with the first
    /// ones again. One that is down has them from its next boot on.
    Settings {
        /// The node.
        node: usize,
        /// True: [`crate::Options::other`], if there are any.
        other: bool,
    },
    /// The machine has little room: so many bytes of datagrams wait for its process at most while that
    /// stands still, so many on each stream that it sends by, and so many for its disk.
    Squeeze {
        /// The node.
        node: usize,
        /// Bytes; 0 ends it.
        bytes: usize,
    },
    /// The node's disk hangs or fails, or works again. A process that dies loses what has not got there;
    /// when it boots, its disk works.
    Disk {
        /// The node.
        node: usize,
        /// What the disk does from now on.
        does: Does,
    },
    /// Somebody from outside sends packets that he has made up to all nodes.
    Strangers {
        /// How he makes them up.
        forge: Forge,
        /// How many of them a second; 0 ends it.
        per_second: u32,
    },
    /// A member means harm: it sends all nodes packets that it has made up, as strangers do, but sealed, and
    /// with users' data in them. From then on it is only judged whether nodes go on, are sound, and stay
    /// within their bounds.
    Traitor {
        /// How it makes them up.
        forge: Forge,
        /// How many of them a second; 0 ends it.
        per_second: u32,
    },
    /// The process dies and boots at once with another lock on its gossip port. One that is down has it
    /// from its next boot on.
    Lock {
        /// The node.
        node: usize,
        /// The lock.
        lock: Lock,
    },
    /// A node that seals writes a note about the key ring.
    Note {
        /// The node.
        node: usize,
        /// What follows `ring` in its key; behind a `?` the node's own id does.
        name: String,
        /// Bytes of its value.
        size: usize,
    },
    /// Every fault ends: all nodes run, the network is as at the start. What nodes are set to stays, but
    /// where some have a lock all close it.
    Calm,
}

/// What a disk does with what is written to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Does {
    /// It takes it at once.
    #[default]
    Works,
    /// It does not answer: what waits for it waits on.
    Hangs,
    /// It answers that it could not. The process keeps what was not written, and writes it once the
    /// disk works.
    Fails,
}

/// How packets are made up by somebody who can send any, from and to any address, and does not get
/// what is sent to others than himself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Forge {
    /// Random bytes, mostly behind a sound header.
    Noise,
    /// Messages of every kind, with bodies that are made up of ids, numbers and records.
    Message,
    /// Packets that were sent lately, once more, as they were.
    Replay,
    /// Such packets with some bytes changed, or their messages put together anew.
    Change,
}

impl Forge {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Noise, Self::Message, Self::Replay, Self::Change];

    fn what(self) -> &'static str {
        match self {
            Self::Noise => "noise",
            Self::Message => "messages",
            Self::Replay => "replays",
            Self::Change => "changed packets",
        }
    }
}

/// What a node does on its gossip port: the steps by which a running cluster gets a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Lock {
    /// It has no key: it sends plain, and cannot read what is sealed.
    #[default]
    Open,
    /// It has a key, sends plain, and lets both in.
    Accept,
    /// It sends sealed, and lets both in.
    Send,
    /// It sends sealed, and drops what is plain.
    Require,
}

impl Lock {
    /// True if it has a key.
    #[must_use]
    pub fn is_keyed(self) -> bool {
        self > Self::Open
    }

    /// True if what it sends is sealed.
    #[must_use]
    pub fn seals(self) -> bool {
        self >= Self::Send
    }

    /// True if what comes sealed, or plain, gets in.
    #[must_use]
    pub fn admits(self, sealed: bool) -> bool {
        if sealed { self.is_keyed() } else { self < Self::Require }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Crash(node) => write!(f, "n{node} crashes"),
            Self::CrashMidway { node, outputs } => {
                write!(f, "n{node} crashes after {outputs} more outputs")
            }
            Self::LoseDisk(node) => write!(f, "n{node} crashes and loses its disk"),
            Self::PowerCut { node, back } => {
                write!(f, "a power cut takes the last {back:?} from the disk of n{node}")
            }
            Self::CopyDisk(node) => write!(f, "the disk of n{node} is copied"),
            Self::PutBack(node) => write!(f, "n{node} crashes and gets the copy of its disk back"),
            Self::Restore { node, from, before, fresh } => {
                let which = match before {
                    0 => "the last".into(),
                    before => format!("the {before}th before the last"),
                };
                let who = if *fresh { ", as a new node" } else { "" };
                write!(f, "n{node} crashes and gets {which} copy of the disk of n{from}{who}")
            }
            Self::Leave(node) => write!(f, "n{node} leaves"),
            Self::Depart(node) => write!(f, "n{node} hands over and leaves"),
            Self::Forget { by, node, force } => {
                let how = if *force { " by force" } else { "" };
                write!(f, "n{by} is told to forget n{node}{how}")
            }
            Self::Pass { by, waive } => {
                let how = if *waive { ", whoever is missing" } else { "" };
                write!(f, "n{by} is told to begin a pass{how}")
            }
            Self::Boot(node) => write!(f, "n{node} boots"),
            Self::Join { node, seeds } => write!(f, "n{node} boots and joins by {seeds:?}"),
            Self::Pause(node) => write!(f, "n{node} stands still"),
            Self::Resume(node) => write!(f, "n{node} goes on"),
            Self::Slow { node, extra } => write!(f, "n{node} is slower by {extra:?}"),
            Self::Narrow { node, bytes: 0 } => write!(f, "n{node} is as wide as it was"),
            Self::Narrow { node, bytes } => {
                write!(f, "no datagram above {bytes} bytes from or to n{node}")
            }
            Self::Cut { from, to } => write!(f, "nothing from {from:?} to {to:?}"),
            Self::CutWay { from, to, streams: false } => {
                write!(f, "no datagrams from {from:?} to {to:?}")
            }
            Self::CutWay { from, to, streams: true } => {
                write!(f, "no streams between {from:?} and {to:?}")
            }
            Self::Partition { one, other } => write!(f, "nothing between {one:?} and {other:?}"),
            Self::Heal => f.write_str("all cuts heal"),
            Self::Loss(share) => write!(f, "{:.1} % are lost", share * 100.0),
            Self::Duplicate(share) => write!(f, "{:.1} % are doubled", share * 100.0),
            Self::Reorder(share) => write!(f, "{:.1} % are held back", share * 100.0),
            Self::ClockJump { node, ms } => write!(f, "the clock of n{node} jumps by {ms} ms"),
            Self::Settings { node, other } => {
                let which = if *other { "other settings" } else { "its first settings" };
                write!(f, "n{node} restarts with {which}")
            }
            Self::Squeeze { node, bytes: 0 } => write!(f, "n{node} has room again"),
            Self::Squeeze { node, bytes } => write!(f, "n{node} has room for {bytes} bytes"),
            Self::Disk { node, does: Does::Works } => write!(f, "the disk of n{node} works again"),
            Self::Disk { node, does: Does::Hangs } => write!(f, "the disk of n{node} hangs"),
            Self::Disk { node, does: Does::Fails } => write!(f, "the disk of n{node} fails"),
            Self::Strangers { forge, per_second: 0 } => {
                write!(f, "strangers send no more {}", forge.what())
            }
            Self::Strangers { forge, per_second } => {
                write!(f, "strangers send {}, {per_second} a second", forge.what())
            }
            Self::Traitor { forge, per_second: 0 } => {
                write!(f, "a traitor sends no more {}", forge.what())
            }
            Self::Traitor { forge, per_second } => {
                write!(f, "a traitor sends {}, {per_second} a second", forge.what())
            }
            Self::Lock { node, lock } => {
                let how = match lock {
                    Lock::Open => "without a key",
                    Lock::Accept => "with a key, sends plain and lets both in",
                    Lock::Send => "with a key, seals and lets both in",
                    Lock::Require => "with a key, seals and drops what is plain",
                };
                write!(f, "n{node} restarts {how}")
            }
            Self::Note { node, name, size } => {
                write!(f, "n{node} writes the note ring{name}, {size} bytes")
            }
            Self::Calm => f.write_str("all faults end"),
        }
    }
}

/// A script of faults, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// How long it runs. All faults end before.
    pub duration: Duration,
    /// What happens when.
    pub steps: Vec<(Duration, Fault)>,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "faults of seed {}, {:?}:", self.seed, self.duration)?;
        for (at, fault) in &self.steps {
            writeln!(f, "  {:>8.3} s  {fault}", at.as_secs_f64())?;
        }
        Ok(())
    }
}

/// Draws a script of three to ten troubles for a cluster. Everything is over at nine tenths of its
/// duration.
#[must_use]
pub fn random_plan(seed: u64, nodes: usize, duration: Duration) -> Plan {
    let mut rng = Rng::new(seed ^ 0x6661_756c_7473);
    let mut steps = Vec::new();
    for _ in 0..3 + rng.index(8) {
        let start = share(duration, 0.05 + 0.6 * rng.unit());
        let end = start + share(share(duration, 0.9) - start, rng.unit());
        draw_trouble(&mut rng, nodes, start, end, &mut steps);
    }
    steps.sort_by_key(|(at, _)| *at);
    steps.push((share(duration, 0.9), Fault::Calm));
    Plan { seed, duration, steps }
}

fn share(duration: Duration, share: f64) -> Duration {
    Duration::from_micros((micros(duration) as f64 * share) as u64)
}

fn draw_trouble(
    rng: &mut Rng,
    nodes: usize,
    start: Duration,
    end: Duration,
    steps: &mut Vec<(Duration, Fault)>,
) {
    let node = rng.index(nodes);
    let (begins, ends) = match rng.below(14) {
        0 | 1 => (Fault::Crash(node), Fault::Boot(node)),
        2 => {
            let outputs = rng.below(40) as u32;
            (Fault::CrashMidway { node, outputs }, Fault::Boot(node))
        }
        3 => (Fault::LoseDisk(node), Fault::Boot(node)),
        4 => (Fault::Leave(node), Fault::Boot(node)),
        5 => (Fault::Pause(node), Fault::Resume(node)),
        6 | 7 => {
            let (one, other) = draw_sides(rng, nodes);
            (Fault::Partition { one, other }, Fault::Heal)
        }
        8 => {
            let (from, to) = draw_sides(rng, nodes);
            (Fault::Cut { from, to }, Fault::Heal)
        }
        9 => (Fault::Loss(0.4 * rng.unit()), Fault::Loss(0.0)),
        10 => (Fault::Duplicate(0.3 * rng.unit()), Fault::Reorder(0.3 * rng.unit())),
        11 => {
            let extra = Duration::from_micros(rng.below(300_000));
            (Fault::Slow { node, extra }, Fault::Slow { node, extra: Duration::ZERO })
        }
        12 => {
            // Boots at once, with a clock that is behind what it wrote before.
            let ms = -(rng.below(5000) as i64);
            steps.extend([(start, Fault::Crash(node)), (start, Fault::ClockJump { node, ms })]);
            (Fault::Boot(node), Fault::ClockJump { node, ms: -ms })
        }
        _ => {
            let ms = rng.below(4001) as i64 - 2000;
            let other = rng.index(nodes);
            (Fault::ClockJump { node, ms }, Fault::ClockJump { node: other, ms: -ms })
        }
    };
    steps.push((start, begins));
    steps.push((end, ends));
}

/// Two sides of a cut through the cluster; neither is empty if there are two nodes.
fn draw_sides(rng: &mut Rng, nodes: usize) -> (Vec<usize>, Vec<usize>) {
    let mut all: Vec<usize> = (0..nodes).collect();
    rng.shuffle(&mut all);
    let mut other = all.split_off(1 + rng.index(nodes.saturating_sub(1)));
    all.sort_unstable();
    other.sort_unstable();
    (all, other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_plan_and_plans_differ() {
        let plan = |seed| random_plan(seed, 5, Duration::from_secs(20));
        assert_eq!(plan(3), plan(3));
        assert_ne!(plan(3).steps, plan(4).steps);
    }

    #[test]
    fn plans_are_in_order_and_end_calmly() {
        for seed in 0..200 {
            let plan = random_plan(seed, 7, Duration::from_secs(10));
            assert!(plan.steps.is_sorted_by_key(|(at, _)| *at), "{plan}");
            assert_eq!(plan.steps.last(), Some(&(Duration::from_secs(9), Fault::Calm)));
        }
    }

    #[test]
    fn two_sides_make_the_whole_cluster() {
        let mut rng = Rng::new(1);
        for _ in 0..100 {
            let (one, other) = draw_sides(&mut rng, 4);
            assert!(!one.is_empty() && !other.is_empty());
            let mut all = [one, other].concat();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3]);
        }
    }

    #[test]
    fn a_plan_can_be_read() {
        let steps = vec![(Duration::from_millis(1500), Fault::Crash(2))];
        let plan = Plan { seed: 8, duration: Duration::from_secs(3), steps };
        assert_eq!(plan.to_string(), "faults of seed 8, 3s:\n     1.500 s  n2 crashes\n");
    }
}
