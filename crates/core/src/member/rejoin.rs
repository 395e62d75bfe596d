//! The way back: seeds and lost members are tried for ever, so that no node stays alone.

mod check;

use super::table::Table;
use crate::base::id::NodeId;
use crate::base::lately::Lately;
use crate::base::rng::Rng;
use crate::base::time::Instant;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

/// A stranger that talks is asked in again after this long, and not at each of its messages: what
/// makes it known may be on its way still, behind much else (guess: some round trips).
const ASK_AGAIN: Duration = Duration::from_millis(500);
/// Strangers that are remembered for that.
const MAX_ASKED: usize = 64;

/// The machine.
#[derive(Debug)]
pub struct Rejoin {
    interval: Duration,
    next: Instant,
    seeds: Vec<SocketAddr>,
    /// Seeds whose names are not found.
    nameless: usize,
    dead: BTreeSet<NodeId>,
    /// Strangers that were asked in lately.
    asked: Lately,
}

impl Rejoin {
    /// A machine that knows neither seeds nor lost members.
    #[must_use]
    pub fn new(interval: Duration, now: Instant) -> Self {
        Self {
            interval,
            next: now.after(interval),
            seeds: Vec::new(),
            nameless: 0,
            dead: BTreeSet::new(),
            asked: Lately::new(ASK_AGAIN, MAX_ASKED),
        }
    }

    /// Addresses to try for as long as no member is known there, and how many more there would be
    /// if their names were found.
    pub fn set_seeds(&mut self, seeds: &[SocketAddr], nameless: usize) {
        self.seeds = seeds.to_vec();
        self.nameless = nameless;
    }

    /// The addresses that are tried.
    #[must_use]
    pub fn seeds(&self) -> &[SocketAddr] {
        &self.seeds
    }

    /// Seeds that no name leads to.
    #[must_use]
    pub fn nameless(&self) -> usize {
        self.nameless
    }

    /// Seeds at which no member is or was. Those of the other family of addresses do not count: a
    /// name may lead to both addresses of one member.
    #[must_use]
    pub fn strange_seeds(&self, table: &Table) -> Vec<SocketAddr> {
        let Some(own) = table.get(table.own()).map(|own| own.gossip()) else { return Vec::new() };
        let known: BTreeSet<SocketAddr> = table.members().map(|member| member.gossip()).collect();
        let strange = |seed: &&SocketAddr| !known.contains(*seed);
        let seeds = self.seeds.iter().filter(|seed| seed.is_ipv4() == own.is_ipv4());
        seeds.filter(strange).copied().collect()
    }

    /// True if whoever talks from an address and is not known is to be asked in now.
    pub fn wants_in(&mut self, from: SocketAddr, now: Instant) -> bool {
        self.asked.may_tell(from, now)
    }

    /// True if it was asked in lately; if not, too many others were.
    #[must_use]
    pub fn was_asked(&self, at: SocketAddr) -> bool {
        self.asked.has_told(at)
    }

    /// A member is held dead.
    pub fn lost(&mut self, id: NodeId) {
        self.dead.insert(id);
    }

    /// A member is not held dead any more, or is gone for good.
    pub fn found(&mut self, id: NodeId) {
        self.dead.remove(&id);
    }

    /// Members that are held dead.
    #[must_use]
    pub fn lost_members(&self) -> usize {
        self.dead.len()
    }

    /// When something is tried next.
    #[must_use]
    pub fn deadline(&self) -> Instant {
        self.next
    }

    /// The addresses to try now. Whoever knows nobody tries all seeds, and others a seed at which
    /// they know nobody: it may be a cluster of its own that has no seed in turn. And one of the
    /// dead is tried, so that both sides of a partition that lasted find each other again.
    pub fn poll(&mut self, now: Instant, table: &Table, rng: &mut Rng) -> Vec<SocketAddr> {
        if self.next > now {
            return Vec::new();
        }
        // Not all in step, or a cluster that was cut apart tries and rests as one.
        let spread = crate::base::time::micros(self.interval) / 4;
        self.next = Instant(now.after(self.interval).0 + rng.below(spread + 1));
        let mut tried = Vec::new();
        if table.peer_count() == 0 {
            tried.extend(&self.seeds);
        } else if !self.seeds.is_empty() {
            let own = table.get(table.own()).map(|own| own.gossip());
            let known = |seed| table.peers().any(|peer| peer.gossip == seed);
            let strange = |seed: &&SocketAddr| Some(**seed) != own && !known(**seed);
            let strange: Vec<_> = self.seeds.iter().filter(strange).collect();
            tried.extend(strange.get(rng.index(strange.len())).copied());
        }
        let dead = self.dead.iter().nth(rng.index(self.dead.len()));
        tried.extend(dead.and_then(|id| table.get(*id)).map(|member| member.gossip()));
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::super::record::tests::record;
    use super::*;
    use std::sync::Arc;

    fn at(address: &str) -> SocketAddr {
        address.parse().unwrap()
    }

    fn believe(table: &mut Table, id: u64, state: State) -> SocketAddr {
        let record = record(id, 1, state);
        table.update(&record, &Arc::new(record.to_entry()), Instant(0));
        record.gossip
    }

    #[test]
    fn who_is_alone_tries_all_seeds_again_and_again() {
        let mut rejoin = Rejoin::new(Duration::from_secs(2), Instant(0));
        let seeds = [at("10.0.0.1:1"), at("10.0.0.2:1")];
        rejoin.set_seeds(&seeds, 0);
        let (table, mut rng) = (Table::new(NodeId(0)), Rng::new(1));
        assert!(rejoin.poll(Instant(1), &table, &mut rng).is_empty());
        for _ in 0..3 {
            let due = rejoin.deadline();
            assert_eq!(rejoin.poll(due, &table, &mut rng), seeds);
            let pause = rejoin.deadline().since(due);
            assert!((2.0..=2.5).contains(&pause.as_secs_f64()));
        }
    }

    #[test]
    fn a_stranger_is_asked_in_now_and_then() {
        let mut rejoin = Rejoin::new(Duration::from_secs(2), Instant(0));
        let asked = |rejoin: &mut Rejoin, host: u8, ms: u64| {
            rejoin.wants_in(SocketAddr::from(([10, 0, 0, host], 1)), Instant(ms * 1000))
        };
        let first = [0, 1, 499, 500].map(|ms| asked(&mut rejoin, 1, ms));
        assert_eq!(first, [true, false, false, true]);
        let others = (2..=100).filter(|host| asked(&mut rejoin, *host, 600)).count();
        assert_eq!(others, MAX_ASKED - 1, "a flood of strangers is bounded");
    }

    #[test]
    fn who_knows_others_tries_strange_seeds_and_the_lost() {
        let mut rejoin = Rejoin::new(Duration::from_secs(2), Instant(0));
        let (mut table, mut rng) = (Table::new(NodeId(0)), Rng::new(1));
        let known = believe(&mut table, 1, State::Alive);
        let lost = believe(&mut table, 2, State::Dead);
        rejoin.set_seeds(&[known, at("10.9.9.9:1")], 0);
        rejoin.lost(NodeId(2));
        let due = rejoin.deadline();
        assert_eq!(rejoin.poll(due, &table, &mut rng), [at("10.9.9.9:1"), lost]);
        rejoin.found(NodeId(2));
        rejoin.set_seeds(&[known], 0);
        let due = rejoin.deadline();
        assert!(rejoin.poll(due, &table, &mut rng).is_empty());
    }
}
