//! The divergence alarm in a small cluster: what it notices, tells and heals.

use super::super::Node;
use crate::base::check::Depth;
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::base::time::Now;
use crate::config::Config;
use crate::data::{Cut, Space};
use crate::data::{Entry, Expiry, Fields, Kind, Op, Stamp};
use crate::input::Input;
use crate::member::Identity;
use crate::output::Output;
use crate::output::Via;
use crate::reconcile::Message;
use crate::reconcile::audit::{Checked, Stand};
use crate::spread::entropy::Compare;
use crate::wire::Origin;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Nodes that hear each other at once, and a clock.
struct Cluster {
    nodes: Vec<Node>,
    ms: u64,
}

fn address(node: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, node as u8 + 1], 1))
}

impl Cluster {
    fn new(count: usize, compare: Compare) -> Self {
        let mut config = Config::default();
        config.repair.compare = compare;
        // A pass lets go of the tombstones that these tests compare.
        config.ring.interval = Duration::ZERO;
        config.repair.idle_interval = Duration::from_millis(200);
        config.repair.audit_interval = Duration::from_secs(1);
        let node = |at: usize| {
            let identity = Identity::new(NodeId(at as u64 + 1), "n", address(at));
            Node::new(config.clone(), identity, at as u64, now(0))
        };
        let mut cluster = Self { nodes: (0..count).map(node).collect(), ms: 0 };
        for at in 1..count {
            let join = Input::Join { seeds: &[address(0)] };
            cluster.nodes[at].handle(join, now(0), &mut Vec::new());
        }
        cluster.run(2000);
        cluster
    }

    fn run(&mut self, ms: u64) {
        let end = self.ms + ms;
        while self.ms < end {
            self.ms += 20;
            let now = now(self.ms);
            let mut letters = VecDeque::new();
            for at in 0..self.nodes.len() {
                self.turn(at, |node, out| node.handle(Input::Tick, now, out), &mut letters);
            }
            while let Some((from, packet)) = letters.pop_front() {
                let to = (0..self.nodes.len()).find(|at| address(*at) == packet.to).unwrap();
                let bytes = &packet.bytes;
                let input = match packet.via {
                    Via::Datagram => Input::Datagram { from: address(from), bytes },
                    Via::Stream => Input::Frame { from: address(from), bytes },
                };
                self.turn(to, |node, out| node.handle(input, now, out), &mut letters);
            }
        }
    }

    fn turn(
        &mut self,
        at: usize,
        work: impl FnOnce(&mut Node, &mut Vec<Output>),
        letters: &mut VecDeque<(usize, crate::output::Send)>,
    ) {
        let mut out = Vec::new();
        work(&mut self.nodes[at], &mut out);
        self.nodes[at].flush(now(self.ms), &mut out);
        // Closer looks would find what these tests plant.
        self.nodes[at].check(now(self.ms), Depth::Glance);
        letters.extend(out.into_iter().filter_map(|output| match output {
            Output::Send(packet) => Some((at, packet)),
            _ => None,
        }));
    }

    /// Puts entries under keys from 0 on, the same at each node.
    fn fill(&mut self, count: u64) {
        for key in 0..count {
            let stamp = Stamp { time: (WALL + 1) << 16 | key, node: NodeId(1) };
            let entry = Arc::new(Entry::new(&key.to_be_bytes(), &[7; 100], stamp, None));
            for node in &mut self.nodes {
                node.restore(Space::Data, Arc::clone(&entry), now(self.ms));
            }
        }
    }

    fn write(&mut self, at: usize, key: u64) {
        let (key, value) = (key.to_be_bytes().into(), b"new".as_slice().into());
        let op = Op::Put { key, value, expiry: Expiry::Never };
        self.nodes[at].write(op, now(self.ms), &mut Vec::new()).unwrap();
    }

    /// Runs until a condition holds, or fails.
    fn until(&mut self, what: &str, holds: impl Fn(&[Node]) -> bool) {
        for _ in 0..1000 {
            if holds(&self.nodes) {
                return;
            }
            self.run(100);
        }
        panic!("after 100 s still not: {what}");
    }

    fn value(&self, at: usize, key: u64) -> Option<&[u8]> {
        self.nodes[at].data().get(&key.to_be_bytes())?.value()
    }
}

const WALL: u64 = 1_800_000_000_000;

fn now(ms: u64) -> Now {
    Now { mono: Instant(ms * 1000), wall_ms: WALL + 1000 + ms }
}

fn alarmed(node: &Node) -> bool {
    node.divergences().next().is_some()
}

const BOTH: [Compare; 2] = [Compare::Checksum, Compare::Sketch];

#[test]
fn another_value_under_the_same_stamp_is_noticed_told_and_healed() {
    for compare in BOTH {
        for (value, wins) in [(&b"a value from elsewhere"[..], true), (&b"\x01"[..], false)] {
            let mut cluster = Cluster::new(2, compare);
            cluster.fill(3000);
            let key = 77_u64;
            cluster.nodes[1].replica.data.tamper(&key.to_be_bytes(), Some(value));
            assert_eq!(cluster.nodes[0].digest(Space::Data), cluster.nodes[1].digest(Space::Data));
            cluster.until("alarm", |nodes| nodes.iter().any(alarmed));
            let alarmed = cluster.nodes.iter().find(|node| alarmed(node)).unwrap();
            let told = alarmed.divergences().next().unwrap();
            let hash = alarmed.data().hash(&key.to_be_bytes());
            assert!(told.range.contains(hash) && told.range.depth() == 2);
            assert!(told.peer != alarmed.identity().id);
            assert!((WALL..now(cluster.ms).wall_ms).contains(&told.since_ms));
            cluster.until("healed", |nodes| {
                let healed = nodes.iter().map(|node| node.stats().divergences_healed);
                let told = nodes.iter().map(|node| node.stats().divergences);
                nodes.iter().all(|node| !super::alarm_tests::alarmed(node))
                    && healed.sum::<u64>() == told.sum::<u64>()
            });
            let kept = if wins { value } else { &[7; 100][..] };
            assert_eq!([0, 1].map(|at| cluster.value(at, key)), [Some(kept); 2]);
            let faults: u64 =
                cluster.nodes.iter().map(|node| node.stats().audit_content_faults).sum();
            let conflicts: u64 =
                cluster.nodes.iter().map(|node| node.stats().stamp_conflicts).sum();
            assert_eq!((faults, conflicts), (1, 1));
        }
    }
}

/// What two entries of one key and stamp can differ in but for the value, the heavier one last.
fn pairs() -> Vec<[Entry; 2]> {
    let stamp = Stamp { time: (WALL + 2) << 16, node: NodeId(1) };
    let entry = |at: u8| Entry::new(&[b'p', at], b"v", stamp, None);
    let fields = Fields::new(&[3, 1, 9]).unwrap();
    let gone = |at: u8| Entry::tombstone(&[b'p', at], stamp);
    vec![
        [entry(0), entry(0).owned()],
        [entry(1), entry(1).extended(Kind(7), Fields::NONE)],
        [entry(2).extended(Kind(7), Fields::NONE), entry(2).extended(Kind(8), Fields::NONE)],
        [entry(3), entry(3).extended(Kind::PLAIN, fields)],
        [entry(4), Entry::new(&[b'p', 4], b"v", stamp, Some(1 << 50))],
        [gone(5), Entry::new(&[b'p', 5], b"", stamp, None)],
        [gone(6), gone(6).extended(Kind(7), fields)],
    ]
}

#[test]
fn whatever_two_entries_of_one_stamp_differ_in_is_noticed_and_healed() {
    for compare in BOTH {
        let mut cluster = Cluster::new(3, compare);
        cluster.fill(100);
        let pairs = pairs();
        for (turn, pair) in pairs.iter().enumerate() {
            for at in 0..3 {
                let entry = pair[usize::from(at == turn % 3)].clone();
                cluster.nodes[at].restore(Space::Data, Arc::new(entry), now(cluster.ms));
            }
        }
        let digests = cluster.nodes.iter().map(|node| node.digest(Space::Data));
        assert!(digests.is_sorted_by(|one, other| one == other), "repair sees nothing");
        let held = |node: &Node, entry: &Entry| node.data().get(entry.key()).cloned();
        cluster.until("healed", |nodes| {
            let winner = |node: &Node, [_, winner]: &[Entry; 2]| {
                held(node, winner).is_some_and(|held| *held == *winner)
            };
            nodes.iter().all(|node| pairs.iter().all(|pair| winner(node, pair)))
        });
        cluster.until("calm", |nodes| !nodes.iter().any(alarmed));
        let stats = |of: fn(&crate::stats::Stats) -> u64| -> u64 {
            cluster.nodes.iter().map(|node| of(node.stats())).sum()
        };
        assert!(stats(|stats| stats.divergences) > 0);
        assert_eq!(stats(|stats| stats.stamp_conflicts), 2 * pairs.len() as u64);
        assert_eq!(stats(|stats| stats.audit_content_faults), 0);
    }
}

#[test]
fn an_entry_that_is_gone_without_a_trace_is_noticed_and_comes_back() {
    for compare in BOTH {
        for count in [100, 20_000] {
            let mut cluster = Cluster::new(2, compare);
            cluster.fill(count);
            let digest = cluster.nodes[0].digest(Space::Data);
            let key = 42_u64;
            cluster.nodes[1].replica.data.tamper(&key.to_be_bytes(), None);
            assert_eq!(cluster.nodes[1].digest(Space::Data), digest, "nothing tells");
            cluster.until("back", |nodes| nodes[1].data().get(&key.to_be_bytes()).is_some());
            assert_eq!(cluster.nodes[1].stats().audit_digest_faults, 1);
            let digests = [0, 1].map(|at| cluster.nodes[at].digest(Space::Data));
            assert_eq!(digests, [digest; 2], "and the digest counts it once");
            cluster.run(60_000);
            assert!(!cluster.nodes.iter().any(alarmed));
            assert_eq!(cluster.nodes[1].stats().audit_digest_faults, 1);
        }
    }
}

#[test]
fn nobody_is_alarmed_while_all_is_well() {
    let mut cluster = Cluster::new(4, Compare::Sketch);
    cluster.fill(2000);
    for round in 0..600 {
        for at in 0..4 {
            cluster.write(at, (round * 7 + at as u64) % 500);
        }
        cluster.run(100);
    }
    let stats = cluster.nodes.iter().map(Node::stats);
    let [checks, told, faults] = stats
        .map(|it| {
            [it.audit_checks, it.divergences, it.audit_content_faults + it.audit_digest_faults]
        })
        .fold([0; 3], |sum, next| std::array::from_fn(|at| sum[at] + next[at]));
    assert!(checks > 150, "{checks}");
    assert_eq!((told, faults), (0, 0));
}

#[test]
fn only_the_answer_that_was_asked_for_is_taken_in() {
    let mut cluster = Cluster::new(2, Compare::Sketch);
    cluster.fill(100);
    let checks = cluster.nodes[0].stats().audit_checks;
    let stand = Stand::Different(vec![9; crate::data::account::PARTS], 0);
    let checked = Checked { cut: Cut::NONE, stand };
    let node = &mut cluster.nodes[0];
    node.repair.auditor.ask(NodeId(2), Cut::around(WALL, 300));
    for (peer, at) in [(2, 1), (3, 2)] {
        let from = Origin::new(NodeId(peer), address(at), Via::Datagram, false);
        let message = Message::Checked(checked.clone());
        node.on_repair(&from, message, now(9000), &mut Vec::new());
    }
    assert_eq!(node.stats().audit_checks, checks);
}
