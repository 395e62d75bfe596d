//! How the divergence alarm is joined to a node.

use super::Node;
use crate::base::time::{Now, millis};
use crate::data::{Cut, Space};
use crate::output::Via;
use crate::reconcile::audit::{Check, Checked, Stand};
use crate::reconcile::{Flow, full};
use crate::spread::audit::YOUNG;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;
use std::time::Duration;

/// Entries of the own replica that are read at once, about.
const ENTRIES: u64 = 4096;
/// No cut begins longer ago than this: it is still to be had when the question arrives.
const OLDEST: Duration = Duration::from_secs(5);

impl Node {
    /// Verifies a part of the own replica and asks a member whether it holds the same, if it is
    /// time.
    pub(super) fn begin_audit(&mut self, now: Now) {
        let Some((part, peer)) = self.auditor.poll(now.mono, &self.table) else { return };
        let verified = self.replica.data.verify(part, ENTRIES);
        self.auditor.verified(verified.next);
        self.stats.audit_content_faults += u64::from(verified.content.is_some());
        if verified.digest.is_some() {
            self.stats.audit_digest_faults += 1;
            self.replica.data.rebuild();
        }
        let Some(peer) = peer.filter(|_| !self.is_excused(now)) else { return };
        let young = millis(YOUNG).max(millis(self.config.repair.settle)).min(millis(OLDEST));
        let cut = Cut::from(now.wall_ms, young);
        // After a wall clock was set back, nothing is known of its time until it has caught up.
        let Some(total) = self.replica.data.audit_at(cut).map(|sums| sums.total()) else { return };
        self.auditor.ask(peer.id, cut);
        let body = Check { cut, total }.encode();
        self.desk(Space::Data, peer.gossip, now).push_via(Via::Datagram, kind::CHECK, &[&body]);
    }

    /// True while it is known why this replica differs from others, or may seem to: what a write
    /// from far ahead has replaced is not known any more to who has restarted since.
    fn is_excused(&self, now: Now) -> bool {
        let behind = self.standing.is_behind() || self.standing.is_collecting();
        let ahead = self.replica.clock.last() >> 16 > now.wall_ms.saturating_add(millis(YOUNG));
        self.entropy.in_bulk(Space::Data) || behind || ahead
    }

    pub(super) fn on_check(&mut self, from: SocketAddr, check: Check, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let filling = self.is_excused(now);
        let sums = self.replica.data.audit_at(check.cut).filter(|_| !filling);
        if let Some(desk) = &mut self.open_desk(Space::Data, from, now) {
            let body = Checked::of(check, sums.as_ref()).encode();
            desk.push_via(Via::Datagram, kind::CHECKED, &[&body]);
        }
    }

    pub(super) fn on_checked(&mut self, from: &Origin, checked: &Checked, now: Now) {
        if !self.auditor.answered(from.peer, checked.cut) {
            return;
        }
        self.replica.data.advance(now.wall_ms);
        let mine = self.replica.data.audit_at(checked.cut);
        let filling = self.is_excused(now);
        let differences = match (&checked.stand, mine) {
            (Stand::Equal, _) => Vec::new(),
            (Stand::Different(theirs), Some(mine)) if !filling => {
                Checked::differences(theirs, &mine)
            }
            _ => return self.auditor.forget(from.peer),
        };
        self.stats.audit_checks += 1;
        self.stats.audit_different += u64::from(!differences.is_empty());
        let findings = self.auditor.learn(from.peer, &differences, now.mono, now.wall_ms);
        self.stats.divergences += findings.told;
        self.stats.divergences_healed += findings.healed;
        if let Some(first) = findings.exchange {
            let mut desk = self.desk(Space::Data, from.address, now);
            full::pull(&mut desk, true, false, first, Via::Stream);
        }
        // What repair can see between just these two, it is to mend before the next check.
        if let Some(peer) = self.table.peer(from.peer)
            && !differences.is_empty()
            && !self.comparisons.is_open(from.peer)
        {
            self.compare_with(peer, Flow { mine: true, yours: true }, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::data::{Entry, Expiry, Op, Stamp};
    use crate::input::Input;
    use crate::member::Identity;
    use crate::output::Output;
    use crate::spread::entropy::Compare;
    use std::collections::VecDeque;
    use std::sync::Arc;

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
            letters.extend(out.into_iter().filter_map(|output| match output {
                Output::Send(packet) => Some((at, packet)),
                Output::Applied(_) | Output::Removed(_) | Output::Keep(_) | Output::Covered(_) => {
                    None
                }
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
                assert_eq!(
                    cluster.nodes[0].digest(Space::Data),
                    cluster.nodes[1].digest(Space::Data)
                );
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
                    nodes.iter().all(|node| !super::tests::alarmed(node))
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
        let stand = Stand::Different(vec![9; crate::data::audit::PARTS]);
        let checked = Checked { cut: Cut::NONE, stand };
        let node = &mut cluster.nodes[0];
        node.auditor.ask(NodeId(2), Cut::around(WALL, 300));
        for (peer, at) in [(2, 1), (3, 2)] {
            let from = Origin::new(NodeId(peer), address(at), Via::Datagram, false);
            node.on_checked(&from, &checked, now(9000));
        }
        assert_eq!(node.stats().audit_checks, checks);
    }
}
