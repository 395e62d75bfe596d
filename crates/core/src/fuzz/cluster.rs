//! Three nodes and the worst of networks, clocks and disks between them.

use super::{Choices, Disk, check_size};
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now};
use crate::config::Config;
use crate::data::{Expiry, Kind, Op, Refused, Space};
use crate::input::Input;
use crate::member::Identity;
use crate::node::Node;
use crate::output::{Output, Send, Via};
use crate::spread::Method;
use crate::spread::entropy::{Compare, Direction};
use crate::spread::rumor::{Contact, Stop};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

const NODES: usize = 3;
const WALL_MS: u64 = 1_800_000_000_000;
/// Packets on their way at once; over that the oldest are lost.
const AIR: usize = 2000;
/// How long peace takes at most, far above what any setting here needs.
const PEACE: Duration = Duration::from_secs(300);

/// Writes, restarts, joins and packets that are lost, repeated, late, cut or changed, in the order
/// that the bytes say. No node panics, loses an entry or holds one that it was not given. If no
/// packet was changed, all hold the same in the end.
pub fn cluster(data: &[u8]) {
    let mut choices = Choices(data);
    let (Some(kind), Some(forging)) = (choices.byte(), choices.byte()) else { return };
    let mut lab = Lab::new(kind);
    lab.forging = forging & 1 == 1;
    while let Some(step) = choices.byte() {
        lab.step(step, &mut choices);
    }
    for machine in &lab.machines {
        machine.disk.compare(&machine.node);
    }
    if !lab.forged {
        lab.settle();
    }
}

fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 1 + index as u16))
}

struct Machine {
    node: Node,
    disk: Disk,
    /// How far its wall clock is off, milliseconds.
    off: i64,
    started: u64,
}

struct Lab {
    config: Config,
    machines: Vec<Machine>,
    air: VecDeque<(SocketAddr, Send)>,
    mono: u64,
    /// Whether packets may be changed.
    forging: bool,
    /// True once a changed packet was delivered: it may have brought any entry.
    forged: bool,
}

fn config_of(kind: u8) -> Config {
    let mut config = Config::default();
    config.spread.method = match kind % 4 {
        0 => Method::Tree,
        1 => Method::Rumor,
        2 => Method::DirectMail,
        _ => Method::None,
    };
    config.repair.compare = match (kind & 4, kind & 16) {
        (0, 0) => Compare::Checksum,
        (0, _) => Compare::Sketch,
        _ => Compare::Full,
    };
    config.repair.direction = match kind >> 3 & 3 {
        0 | 1 => Direction::PushPull,
        2 => Direction::Push,
        _ => Direction::Pull,
    };
    config.spread.rumor.contact = if kind & 32 == 0 { Contact::Blind } else { Contact::Feedback };
    config.spread.rumor.stop = if kind & 64 == 0 { Stop::Counter } else { Stop::Coin };
    config.spread.rumor.max_hot = 20;
    config.spread.mail.outbox_bytes = 2000;
    // Small, so that a few writes fill several datagrams and pieces.
    if kind & 128 != 0 {
        config.limits.datagram = 576;
        config.limits.burst = 1200;
        config.repair.piece_bytes = 1024;
    }
    config
}

impl Lab {
    fn new(kind: u8) -> Self {
        let mut lab = Self {
            config: config_of(kind),
            machines: Vec::new(),
            air: VecDeque::new(),
            mono: 1,
            forging: false,
            forged: false,
        };
        for index in 0..NODES {
            let node = lab.start(index, WALL_MS);
            lab.machines.push(Machine { node, disk: Disk::default(), off: 0, started: 0 });
            lab.turn(index, |node, now, out| {
                node.handle(Input::Join { seeds: &[address(0)] }, now, out);
            });
        }
        lab
    }

    fn start(&self, index: usize, wall_ms: u64) -> Node {
        let id = NodeId([7, 1 << 63, u64::MAX].get(index).copied().unwrap_or(9));
        let identity = Identity::new(id, format!("n{index}"), address(index));
        let now = Now { mono: Instant(self.mono), wall_ms };
        Node::new(self.config.clone(), identity, index as u64, now)
    }

    fn now(&self, index: usize) -> Now {
        let off = self.machines.get(index).map_or(0, |machine| machine.off);
        let wall_ms = (WALL_MS + self.mono / 1000).saturating_add_signed(off);
        Now { mono: Instant(self.mono), wall_ms }
    }

    /// One turn of a node: what it persists is persisted, what it sends is in the air.
    fn turn(&mut self, index: usize, act: impl FnOnce(&mut Node, Now, &mut Vec<Output>)) {
        let now = self.now(index);
        let Some(machine) = self.machines.get_mut(index) else { return };
        let mut out = Vec::new();
        act(&mut machine.node, now, &mut out);
        machine.node.flush(now, &mut out);
        for output in out {
            match output {
                Output::Applied(applied) => machine.disk.persist(&applied),
                Output::Removed(removed) => machine.disk.remove(&removed.entry),
                Output::Keep { bytes, .. } => machine.disk.keep(bytes),
                Output::Stray(_) | Output::StrayGone(_) => {}
                Output::Covered(_) => {}
                Output::Send(packet) => {
                    check_size(&machine.node, &packet);
                    self.air.push_back((address(index), packet));
                }
            }
        }
        let over = self.air.len().saturating_sub(AIR);
        self.air.drain(..over);
    }

    fn step(&mut self, step: u8, choices: &mut Choices<'_>) {
        let index = usize::from(step >> 4) % NODES;
        match step & 15 {
            0..=2 => self.write(index, choices),
            3 => self.mono += 100 * u64::from(choices.byte().unwrap_or(0)),
            4 => self.mono += 20_000 * u64::from(choices.byte().unwrap_or(0)),
            5 => {
                if let Some(machine) = self.machines.get_mut(index) {
                    machine.off = (choices.number() as i64 - 32_768) * 3;
                }
            }
            6 | 7 => self.turn(index, |node, now, out| node.handle(Input::Tick, now, out)),
            8 | 9 => self.deliver(0, false),
            10 => {
                let at = choices.index(self.air.len());
                self.deliver(at, true);
            }
            11 => {
                let at = choices.index(self.air.len());
                self.air.remove(at);
            }
            12 if self.forging => self.flip(choices),
            12 | 13 => self.cut(choices),
            14 => self.restart(index),
            _ => self.disturb(index, choices),
        }
    }

    fn write(&mut self, index: usize, choices: &mut Choices<'_>) {
        let key: Box<[u8]> = Box::new([choices.byte().unwrap_or(0) % 40]);
        let kind = choices.byte().unwrap_or(0);
        let value = vec![kind; usize::from(kind) * 8];
        let wall = self.now(index).wall_ms;
        let expiry = match kind % 3 {
            0 => Expiry::Never,
            1 => Expiry::Keep,
            _ => Expiry::At((wall + 1000 * u64::from(kind)).saturating_sub(100_000)),
        };
        let op = match kind % 6 {
            0 => Op::Delete { key },
            1 => Op::Append { key, tail: value.into() },
            2 => Op::Expire { key, expiry },
            3 => Op::PutOwned { key, value: value.into(), expiry },
            4 => {
                let op = Op::Put { key, value: value.into(), expiry };
                Op::Extended { op: op.into(), kind: Kind(7), fields: [1, 1, 9].into() }
            }
            _ => Op::Put { key, value: value.into(), expiry },
        };
        self.turn(index, |node, now, out| {
            let refused = node.write(op, now, out).err();
            // Clocks are off, or are said to be by packets that were changed.
            let clocks = matches!(refused, Some(Refused::Clock { .. } | Refused::Ahead { .. }));
            let shut = matches!(refused, None | Some(Refused::OtherKind(_)));
            assert!(shut || clocks, "a small write is refused");
        });
    }

    /// Delivers a packet that is on its way; one that stays is delivered again later.
    fn deliver(&mut self, at: usize, stays: bool) {
        let Some((from, packet)) = self.air.get(at).cloned() else { return };
        if !stays {
            self.air.remove(at);
        }
        self.receive(from, &packet);
    }

    fn receive(&mut self, from: SocketAddr, packet: &Send) {
        let Some(index) = (0..NODES).find(|index| address(*index) == packet.to) else { return };
        let bytes = packet.bytes.as_slice();
        let input = match packet.via {
            Via::Datagram => Input::Datagram { from, bytes },
            Via::Stream => Input::Frame { from, bytes },
        };
        self.turn(index, |node, now, out| node.handle(input, now, out));
    }

    fn flip(&mut self, choices: &mut Choices<'_>) {
        let at = choices.index(self.air.len());
        let Some((from, mut packet)) = self.air.remove(at) else { return };
        let (place, byte) = (choices.number() as usize % packet.bytes.len(), choices.byte());
        if let (Some(slot), Some(byte)) = (packet.bytes.get_mut(place), byte) {
            self.forged |= *slot != byte;
            *slot = byte;
        }
        self.receive(from, &packet);
    }

    /// What is left of a packet that was cut brings nothing wrong: messages have lengths.
    fn cut(&mut self, choices: &mut Choices<'_>) {
        let at = choices.index(self.air.len());
        let Some((from, mut packet)) = self.air.remove(at) else { return };
        packet.bytes.truncate(choices.number() as usize % packet.bytes.len());
        self.receive(from, &packet);
    }

    /// A crash, and a start with what was persisted.
    fn restart(&mut self, index: usize) {
        let now = self.now(index);
        let mut node = self.start(index, now.wall_ms);
        let Some(machine) = self.machines.get_mut(index) else { return };
        machine.disk.restore(&mut node, now);
        machine.node = node;
        machine.disk.compare(&machine.node);
        machine.started += 1;
        self.turn(index, |node, now, out| {
            node.handle(Input::Join { seeds: &[address(0)] }, now, out);
        });
    }

    fn disturb(&mut self, index: usize, choices: &mut Choices<'_>) {
        let other = address(choices.index(NODES));
        let leave = choices.index(4) == 0 && index == NODES - 1;
        self.turn(index, |node, now, out| {
            node.handle(Input::StreamLost { to: other }, now, out);
            if leave {
                node.handle(Input::Leave, now, out);
            } else {
                node.handle(Input::Join { seeds: &[address(0), other] }, now, out);
            }
        });
    }

    /// Clocks are right again and nothing is lost: soon all that have not left hold the same.
    fn settle(&mut self) {
        self.machines.iter_mut().for_each(|machine| machine.off = 0);
        // Stamps from clocks that were ahead have become the past.
        self.mono += 200_000_000;
        let end = self.mono + u64::try_from(PEACE.as_micros()).unwrap_or(u64::MAX);
        while !self.is_settled() {
            assert!(self.mono < end, "the nodes do not come to hold the same: {}", self.describe());
            while !self.air.is_empty() {
                self.mono += 100;
                self.deliver(0, false);
            }
            let due = self.machines.iter().filter_map(|machine| machine.node.deadline()).min();
            self.mono = self.mono.max(due.map_or(end, |due| due.0));
            for index in 0..NODES {
                self.turn(index, |node, now, out| node.handle(Input::Tick, now, out));
            }
        }
        for machine in &self.machines {
            machine.disk.compare(&machine.node);
        }
    }

    fn is_settled(&self) -> bool {
        let digests = |machine: &Machine| Space::ALL.map(|space| machine.node.digest(space));
        let mut there = self.machines.iter().filter(|machine| !machine.node.has_left());
        let first = there.next().map(digests);
        there.all(|machine| Some(digests(machine)) == first)
    }

    fn describe(&self) -> String {
        let one = |machine: &Machine| {
            let members: Vec<_> = machine
                .node
                .members()
                .map(|member| (member.id, member.state, member.incarnation))
                .collect();
            let digests = Space::ALL.map(|space| machine.node.digest(space));
            format!("{digests:?} {members:?} after {} restarts", machine.started)
        };
        self.machines.iter().map(one).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn any_order_of_events(data in prop::collection::vec(any::<u8>(), 1..400)) {
            cluster(&data);
        }

        #[test]
        fn without_forged_packets(
            kind: u8,
            steps in prop::collection::vec((any::<u8>(), any::<[u8; 3]>()), 0..200),
        ) {
            let mut data = vec![kind, 0];
            for (step, args) in steps {
                data.push(step);
                data.extend(args.iter().take(arguments(step)));
            }
            cluster(&data);
        }
    }

    /// What was found before.
    #[test]
    fn old_troubles() {
        // Repair of the data used up what might be sent, so that the roster never was.
        cluster(&[
            140, 0, 45, 0, 0, 0, 48, 0, 178, 80, 0, 124, 3, 0, 0, 1, 75, 0, 0, 71, 64, 0, 0, 91, 0,
            96, 0, 126,
        ]);
        // Nobody heard of a node that knew somebody: all only pulled.
        cluster(&[
            25, 0, 238, 109, 4, 0, 0, 63, 44, 0, 104, 126, 75, 4, 152, 88, 136, 136, 213, 0, 0, 24,
            16, 0, 0, 0, 0, 0, 0, 0, 0, 32, 0, 0, 96, 0, 0, 29, 0, 0, 0, 0, 0, 0, 61, 56, 0, 0,
        ]);
    }

    #[test]
    fn a_seed_that_was_away_is_not_forgotten() {
        // The seed itself has no seed; the others had found each other meanwhile.
        cluster(&[
            3, 74, 48, 0, 0, 43, 0, 11, 0, 5, 0, 0, 0, 0, 0, 22, 48, 0, 0, 79, 53, 0, 44, 20, 0, 0,
            15, 3, 0, 240, 0, 0, 24, 216, 14, 60, 74, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 48, 0, 0,
            48, 0, 0, 5, 0, 0, 120, 0,
        ]);
    }

    /// Bytes that a step takes.
    fn arguments(step: u8) -> usize {
        match step & 15 {
            0..=2 | 5 | 15 => 2,
            3 | 4 | 10 | 11 => 1,
            12 | 13 => 3,
            _ => 0,
        }
    }
}
