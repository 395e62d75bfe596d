//! What a test can see of a world.

use crate::checkers::{
    Found, Violation, bounded, convergence, faithful_replica, membership, no_false_alarm,
    no_lost_note, no_lost_write, no_resurrection, no_stranger, well_formed,
};
use crate::delivery::Delivery;
use crate::host::Host;
use crate::ledger::{Ledger, WriteId};
use crate::meter;
use crate::trace::{Line, Persisted};
use crate::traffic::Traffic;
use crate::world::World;
use rumormill_core::base::hash::Set;
use rumormill_core::data::{Digest, Space, Stamp};
use rumormill_core::member::State;
use rumormill_core::spread::Method;
use rumormill_core::{Node, NodeId, Stats};
use std::net::SocketAddr;
use std::time::Duration;

/// How long a cluster is watched that a member of its own has harmed (guess).
const OUTLIVE: Duration = Duration::from_secs(20);

impl World {
    /// Time since the start of the world.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_micros(self.now.0)
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.options.seed
    }

    /// Nodes, up or down.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.hosts.len()
    }

    /// A node; `None` if it is down.
    #[must_use]
    pub fn node(&self, node: usize) -> Option<&Node> {
        self.hosts[node].node.as_ref()
    }

    /// The gossip address of a node.
    #[must_use]
    pub fn address(&self, node: usize) -> SocketAddr {
        self.hosts[node].identity.gossip
    }

    /// The id of a node; it has another one after its disk was lost.
    #[must_use]
    pub fn id(&self, node: usize) -> NodeId {
        self.hosts[node].identity.id
    }

    /// The nodes that run: neither down nor standing still.
    pub fn live(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.hosts.iter().enumerate();
        nodes.filter_map(|(index, host)| Some((index, host.running()?)))
    }

    /// What a reader at a node gets for a key.
    #[must_use]
    pub fn read(&self, node: usize, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        let entry = self.hosts[node].running()?.data().get(key.as_ref())?;
        let wall_ms = self.clocks.wall_ms(node, self.now);
        entry.value().filter(|_| entry.live_at(wall_ms))
    }

    /// How many members a node holds for alive, itself included.
    #[must_use]
    pub fn alive_at(&self, node: usize) -> usize {
        let alive = |node: &Node| node.members().filter(|m| m.state == State::Alive).count();
        self.node(node).map_or(0, alive)
    }

    /// The different digests of the users' data among the live nodes.
    #[must_use]
    pub fn digests(&self) -> Vec<Digest> {
        let mut all: Vec<Digest> = Vec::new();
        for (_, node) in self.live() {
            let digest = node.digest(Space::Data);
            if !all.contains(&digest) {
                all.push(digest);
            }
        }
        all
    }

    /// True if the digests of all live nodes agree, for the users' data and for the roster.
    #[must_use]
    pub fn converged(&self) -> bool {
        let mut digests =
            self.live().map(|(_, node)| Space::ALL.map(|space| convergence::digest(node, space)));
        let first = digests.next();
        digests.all(|digest| Some(digest) == first)
    }

    /// True if the live nodes have converged and hold exactly each other for alive.
    #[must_use]
    pub fn settled(&self) -> bool {
        // If nobody is covered, because all who were lost their disks, nobody can be brought back.
        let covered = self.live().filter(|(_, node)| node.is_covered()).count();
        if !self.converged() || covered > 0 && covered < self.live().count() {
            return false;
        }
        let live = self.live_ids();
        self.live().all(|(_, node)| membership::settled(&live, node).is_ok())
    }

    fn live_ids(&self) -> Vec<NodeId> {
        let mut ids: Vec<NodeId> = self.live().map(|(index, _)| self.id(index)).collect();
        ids.sort_unstable();
        ids
    }

    /// Waits until the cluster has settled and then checks all that must hold.
    ///
    /// # Errors
    /// The first property that does not hold; convergence and membership have until the limit.
    pub fn settle(&mut self, limit: Duration) -> Result<Duration, Violation> {
        if self.strangers.betrayed {
            return self.outlive(limit).map(|()| limit);
        }
        let (begun, patience) = (self.now(), limit / 2);
        let over = |world: &Self, time| world.settled() || world.now() >= begun + time;
        let mut ended = self.run_until(|world| over(world, limit / 4), limit);
        if ended.is_ok() && !self.settled() {
            self.let_strangers_join();
            if self.waits_for_the_first_pass() {
                self.go_on_from_here();
            }
            let done = |world: &Self| over(world, patience) && world.is_stuck();
            ended = self.run_until(done, limit.saturating_sub(self.now() - begun));
        }
        if ended.is_ok() && !self.settled() {
            self.go_on_from_here();
            let rest = limit.saturating_sub(self.now() - begun);
            ended = self.run_until(Self::settled, rest).map(|_| self.now() - begun);
        }
        match ended {
            Ok(took) => self.check().map(|()| took),
            Err(violation) if violation.property == "time limit" => {
                // What is missing says more than that time is up.
                self.check()?;
                let uncovered = self.live().filter(|(_, node)| !node.is_covered());
                let nodes: Vec<String> = uncovered.map(|(node, _)| format!("n{node}")).collect();
                let what = match nodes.is_empty() {
                    true => violation.what,
                    false => format!("{}: {} not covered", violation.what, nodes.join(", ")),
                };
                Err(Violation { what, ..violation })
            }
            Err(violation) => Err(violation),
        }
    }

    /// Lets time pass in a cluster that a member of its own has harmed. Nothing is promised there but that
    /// nodes go on and stay within their bounds.
    fn outlive(&mut self, limit: Duration) -> Result<(), Violation> {
        self.run_for(limit.min(OUTLIVE))?;
        for (index, node) in self.live() {
            bounded::held(self.config_at(index), node)
                .map_err(|what| self.violation(Some(index), "bounded", what))?;
        }
        Ok(())
    }

    /// An operator sees clusters that know nothing of each other, as nobody looks for whom he has
    /// forgotten or never heard of, and joins them.
    fn let_strangers_join(&mut self) {
        let knows = |node: &Node, id| {
            let mut members = node.members().filter(|member| member.state != State::Forgotten);
            members.any(|member| member.id == id)
        };
        let live: Vec<(usize, &Node)> = self.live().collect();
        let Some(&(first, model)) = live.first() else { return };
        let strange = |&&(index, node): &&(usize, &Node)| {
            !knows(node, self.id(first)) && !knows(model, self.id(index))
        };
        let strangers: Vec<usize> = live.iter().filter(strange).map(|(index, _)| *index).collect();
        for node in strangers {
            self.boot_and_join(node, &[first]);
        }
    }

    /// True if all has settled, or nobody runs whom the latest pass covers: all are behind, and nobody
    /// can bring them back.
    fn is_stuck(&self) -> bool {
        let behind = |node: &Node| node.horizon().is_some() && !node.is_covered();
        let all = !self.live().any(|(_, node)| node.is_covered());
        self.settled() || all && self.live().any(|(_, node)| behind(node))
    }

    /// True if nothing moves data but passes of ring repair, and none has been made: the first one
    /// waits for somebody whose disk was lost, which only an operator knows.
    fn waits_for_the_first_pass(&self) -> bool {
        let config = &self.options.config;
        config.spread.method == Method::None
            && config.repair.interval.is_zero()
            && self.live().all(|(_, node)| node.horizon().is_none())
    }

    /// An operator reads that all who were covered are gone, or who the first pass waits for, and does
    /// what docs/chain.md says.
    fn go_on_from_here(&mut self) {
        let first = self.live().next().map(|(node, _)| node);
        if let Some(node) = first {
            let _ = self.begin_pass_with(node, true);
        }
    }

    /// Checks all that must hold when no fault is left and the dust has settled.
    ///
    /// # Errors
    /// The first property that does not hold.
    pub fn check(&self) -> Result<(), Violation> {
        let live: Vec<(usize, &Node)> = self.live().collect();
        let ids = self.live_ids();
        let away = self.away();
        let all = self.hosts.iter().flat_map(Host::ids).collect();
        let fail = |property, (node, what): Found| self.violation(node, property, what);
        for &(index, node) in &live {
            let at = |what| (Some(index), what);
            bounded::held(self.config_at(index), node).map_err(|what| fail("bounded", at(what)))?;
            faithful_replica::settled(&self.ledger, index, node)
                .map_err(|what| fail("faithful replica", at(what)))?;
            // Where strangers send what is none, that is dropped and counted, as it must be.
            if !self.strangers.came {
                well_formed::settled(node.stats()).map_err(|what| fail("well formed", at(what)))?;
            }
            no_stranger::settled(&all, node).map_err(|what| fail("no stranger", at(what)))?;
            no_lost_note::settled(&self.noted, node)
                .map_err(|what| fail("no lost note", at(what)))?;
            no_false_alarm::settled(node).map_err(|what| fail("no false alarm", at(what)))?;
            no_resurrection::settled(&self.ledger, index, node, &away)
                .map_err(|what| fail("no resurrection", at(what)))?;
            no_lost_write::settled(&self.ledger, node, &away)
                .map_err(|what| fail("no lost write", at(what)))?;
        }
        convergence::settled(&live).map_err(|found| fail("convergence", found))?;
        for &(index, node) in &live {
            membership::settled(&ids, node)
                .map_err(|what| fail("membership", (Some(index), what)))?;
        }
        Ok(())
    }

    /// Writes that stand only on the disks of nodes that do not run now: nobody can have them until
    /// those are back, and they are not lost.
    fn away(&self) -> Set<Stamp> {
        let (live, down): (Vec<usize>, Vec<usize>) =
            (0..self.hosts.len()).partition(|&node| self.hosts[node].running().is_some());
        let mut away = Set::default();
        if down.is_empty() {
            return away;
        }
        for required in self.ledger.required() {
            let stamp = required.entry.stamp();
            let Some(write) = self.ledger.find(stamp) else { continue };
            let holds = |&node: &usize| self.ledger.first_stamp_held(node, write) >= Some(stamp);
            if !live.iter().any(holds) && down.iter().any(holds) {
                away.insert(stamp);
            }
        }
        away
    }

    /// Everything that was acknowledged.
    #[must_use]
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// How one write spread so far.
    #[must_use]
    pub fn delivery(&self, write: WriteId) -> Delivery {
        Delivery::of(self.ledger.get(write).delays().collect(), self.hosts.len() - 1)
    }

    /// How all writes spread so far.
    #[must_use]
    pub fn deliveries(&self) -> Delivery {
        let delays = self.ledger.writes().flat_map(|(_, written)| written.delays()).collect();
        Delivery::of(delays, self.ledger.writes().count() * (self.hosts.len() - 1))
    }

    /// What a node sent and received, over all its boots.
    #[must_use]
    pub fn traffic(&self, node: usize) -> Traffic {
        self.hosts[node].traffic
    }

    /// What all nodes sent and received.
    #[must_use]
    pub fn total_traffic(&self) -> Traffic {
        let mut total = Traffic::default();
        self.hosts.iter().for_each(|host| total += host.traffic);
        total
    }

    /// The sum of a counter over all nodes that are up.
    #[must_use]
    pub fn total(&self, counter: impl Fn(&Stats) -> u64) -> u64 {
        self.hosts.iter().filter_map(|host| host.node.as_ref()).map(|n| counter(n.stats())).sum()
    }

    /// Every counter of all nodes together, those of processes that have ended included.
    #[must_use]
    pub fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut sums = self.meter.retired.clone();
        for node in self.hosts.iter().filter_map(|host| host.node.as_ref()) {
            meter::add(&mut sums, node.stats());
        }
        let names = Stats::default();
        let names = names.all().into_iter().map(|(name, _, _)| name);
        names.zip(sums.into_iter().chain(std::iter::repeat(0))).collect()
    }

    /// What the network dropped because there was no room: datagrams that found the link of their
    /// sender, the link of their receiver, or the socket of a paused process full.
    #[must_use]
    pub fn dropped_full(&self) -> [(&'static str, u64); 3] {
        [
            ("uplink_full", self.network.uplinks.dropped),
            ("downlink_full", self.network.downlinks.dropped),
            ("socket_full", self.meter.socket_full),
        ]
    }

    /// Events that have happened: packets that came to their end, wake-ups, faults, writes.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.queue.pushed() - self.queue.len() as u64
    }

    /// Packets on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.packets.len()
    }

    /// Hash over everything that has happened: equal for two runs of one seed.
    #[must_use]
    pub fn trace_hash(&self) -> u128 {
        self.trace.hash()
    }

    /// Gives every event from now on to a listener.
    pub fn on_trace(&mut self, mut listener: impl FnMut(&Line<'_>) + 'static) {
        self.trace.listen(Box::new(move |line, _| listener(line)));
    }

    /// Gives every event from now on to a listener, with the entry that it tells of.
    pub fn on_entries(&mut self, listener: impl FnMut(&Line<'_>, Option<Persisted<'_>>) + 'static) {
        self.trace.listen(Box::new(listener));
    }
}

#[cfg(test)]
mod tests {
    use crate::{Options, World};
    use std::time::Duration;

    #[test]
    fn counters_outlive_their_process() {
        let mut world = World::new(Options { seed: 4, nodes: 8, ..Options::default() });
        world.run_for(Duration::from_secs(1)).unwrap();
        let probes = |world: &World| {
            world.counters().iter().find(|(name, _)| *name == "probes_sent").unwrap().1
        };
        let before = probes(&world);
        world.restart(1);
        assert!(before > 0);
        assert_eq!(probes(&world), before);
        assert!(world.events() > 0);
    }
}
