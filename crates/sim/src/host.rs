//! A machine: its address, its disk, and the process on it, if one runs.

mod check;

use crate::checks::Looks;
use crate::copies::Copied;
use crate::disk::{Disk, Journal};
use crate::event::Event;
use crate::faults::Lock;
use crate::store::Store;
use crate::traffic::Traffic;
use rumormill_core::member::Tags;
use rumormill_core::output::{Covered, Send};
use rumormill_core::{Identity, Instant, Node, NodeId};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The port of all nodes.
const PORT: u16 = 7946;

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) identity: Identity,
    pub(crate) node: Option<Node>,
    pub(crate) disk: Disk,
    /// What the node asked to keep beside its entries.
    pub(crate) kept: Vec<u8>,
    /// What came of questions about coverage.
    pub(crate) covered: Vec<Covered>,
    /// What a power cut would take back.
    pub(crate) journal: Journal,
    /// What waits for its disk.
    pub(crate) store: Store,
    /// True if it has the other settings of the world, or will have them from its next boot on.
    pub(crate) other: bool,
    /// The lock on its gossip port.
    pub(crate) lock: Lock,
    /// Bytes that it has room for, if that is little: see [`crate::Fault::Squeeze`].
    pub(crate) room: Option<usize>,
    /// Copies of its disk, the last one last.
    pub(crate) copies: Vec<Copied>,
    /// If the disk is an old copy of that of the same node: from when.
    pub(crate) set_back: Option<Instant>,
    /// Ids that it had before.
    pub(crate) former: Vec<NodeId>,
    /// While the node hands over before it leaves: until when it may.
    pub(crate) departing: Option<Instant>,
    /// How often a process was started here.
    pub(crate) boots: u64,
    /// When the process was started: its monotonic clock counts from there.
    pub(crate) started: Instant,
    pub(crate) paused: bool,
    /// True while its timers run but nothing gets in or out, and what waits to get out.
    pub(crate) choked: bool,
    pub(crate) held_back: Vec<Send>,
    pub(crate) held_bytes: usize,
    /// What came in while the process stood still, and the bytes of datagrams in it.
    pub(crate) backlog: VecDeque<Event>,
    pub(crate) backlog_bytes: usize,
    /// The wake-ups in the queue for this host, the next one last: they are only ever put in
    /// before all others.
    pub(crate) wakes: Vec<Instant>,
    /// When the node wanted to be woken at the end of its last turn.
    pub(crate) due: Option<Instant>,
    /// The last point in time at which the node was ticked, and how often.
    pub(crate) ticked: (Instant, u32),
    /// The last second in which the node sent something, and how many packets.
    pub(crate) sent: (u64, u32),
    /// How closely the process is looked at.
    pub(crate) looks: Looks,
    /// If set: the process dies after this many outputs.
    pub(crate) outputs_left: Option<u32>,
    pub(crate) traffic: Traffic,
}

impl Host {
    pub(crate) fn new(index: usize, id: NodeId, tags: Tags, disk: Disk) -> Self {
        let gossip = address(index);
        Self {
            identity: Identity { tags, ..Identity::new(id, format!("n{index}"), gossip) },
            node: None,
            disk,
            kept: Vec::new(),
            covered: Vec::new(),
            journal: Journal::default(),
            store: Store::default(),
            other: false,
            lock: Lock::default(),
            room: None,
            copies: Vec::new(),
            set_back: None,
            former: Vec::new(),
            departing: None,
            boots: 0,
            started: Instant(0),
            paused: false,
            choked: false,
            held_back: Vec::new(),
            held_bytes: 0,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            wakes: Vec::new(),
            due: None,
            ticked: (Instant(0), 0),
            sent: (0, 0),
            looks: Looks::default(),
            outputs_left: None,
            traffic: Traffic::default(),
        }
    }

    /// Ids that it has had, the present one last.
    pub(crate) fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.former.iter().copied().chain([self.identity.id])
    }

    /// The place is another member's from now on, or the same one's as before.
    pub(crate) fn takes_id(&mut self, id: NodeId) {
        let before = std::mem::replace(&mut self.identity.id, id);
        self.former.retain(|former| *former != id);
        if before != id {
            self.former.push(before);
        }
    }

    /// The node, unless it is down or stands still.
    pub(crate) fn running(&self) -> Option<&Node> {
        self.node.as_ref().filter(|_| !self.paused)
    }

    /// The process's monotonic clock.
    pub(crate) fn mono(&self, now: Instant) -> Instant {
        Instant(now.0 - self.started.0)
    }

    /// When the running node wants to be woken, in the world's time.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let deadline = self.running()?.deadline()?;
        Some(Instant(self.started.0.saturating_add(deadline.0)))
    }

    /// Counts a tick: how many there have been at this point in time.
    pub(crate) fn count_tick(&mut self, now: Instant) -> u32 {
        match &mut self.ticked {
            (at, times) if *at == now => *times += 1,
            ticked => *ticked = (now, 1),
        }
        self.ticked.1
    }

    /// Counts a packet that is sent: how many there have been in this second.
    pub(crate) fn count_sent(&mut self, now: Instant) -> u32 {
        let second = now.0 / 1_000_000;
        match &mut self.sent {
            (at, packets) if *at == second => *packets += 1,
            sent => *sent = (second, 1),
        }
        self.sent.1
    }
}

/// The gossip address of a node: 10.x.y.z by its index.
pub(crate) fn address(index: usize) -> SocketAddr {
    let [_, x, y, z] = (index as u32).to_be_bytes();
    SocketAddr::new(Ipv4Addr::new(10, x, y, z).into(), PORT)
}

/// The node with this address, if there can be one.
pub(crate) fn index_of(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) if address.port() == PORT => match ip.octets() {
            [10, x, y, z] => Some(u32::from_be_bytes([0, x, y, z]) as usize),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_indices_belong_together() {
        for index in [0, 1, 255, 256, 70_000, (1 << 24) - 1] {
            assert_eq!(index_of(address(index)), Some(index));
        }
        assert_eq!(index_of("10.0.0.1:1".parse().unwrap()), None);
        assert_eq!(index_of("127.0.0.1:7946".parse().unwrap()), None);
    }
}
