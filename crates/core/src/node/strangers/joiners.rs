//! Those that ask to be let in where nothing is sealed: how many of one host may, and who asks in
//! vain.

use crate::base::hash::Map;
use crate::base::id::NodeId;
use crate::base::time::{Instant, micros};
use crate::data::Entry;
use crate::member::Record;
use crate::wire::Origin;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// Joiners that are remembered because nobody has answered where they say that they receive.
const MAX: usize = 16;
/// One is told after so many tries in vain, and no more after this time without another.
const TOLD: (u32, Duration) = (3, Duration::from_secs(60));
/// New members of one host at once, whatever their ports (guess: a cluster on one machine that is
/// started by a script).
const AT_ONCE: u64 = 256;
/// And one more after each of these.
const EACH: Duration = Duration::from_millis(100);
/// Hosts of which that is counted; others wait until one of these has been quiet.
const MAX_HOSTS: usize = 1024;

/// Who asks to be let in, and cannot be reached where it says that it receives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joiner {
    /// Its name, as it says.
    pub name: String,
    /// Where it says that it receives.
    pub claimed: SocketAddr,
    /// Where it talks from.
    pub from: SocketAddr,
    tries: u32,
    last: Instant,
}

/// What is known of them.
#[derive(Debug, Default)]
pub(in crate::node) struct Joiners {
    in_vain: BTreeMap<NodeId, Joiner>,
    /// When each host will have room for [`AT_ONCE`] again.
    hosts: Map<IpAddr, Instant>,
}

impl Joiners {
    /// Somebody asks to be let in and has not proved that it receives where it says.
    pub(super) fn refused(&mut self, from: &Origin, entry: &Entry, now: Instant) {
        let Ok(record) = Record::from_entry(entry) else { return };
        self.in_vain.retain(|_, joiner| now < joiner.last.after(TOLD.1));
        let full = self.in_vain.len() >= MAX && !self.in_vain.contains_key(&from.peer);
        if full || record.id != from.peer {
            return;
        }
        let (name, claimed) = (record.name, record.gossip);
        let new = Joiner { name, claimed, from: from.address, tries: 0, last: now };
        let joiner = self.in_vain.entry(from.peer).or_insert(new);
        joiner.tries = joiner.tries.saturating_add(1);
        joiner.last = now;
    }

    /// Somebody has proved it.
    pub(super) fn proved(&mut self, id: NodeId) {
        self.in_vain.remove(&id);
    }

    /// Those that ask in vain.
    pub(super) fn told(&self, now: Instant) -> impl Iterator<Item = &Joiner> {
        let told =
            move |joiner: &&Joiner| joiner.tries >= TOLD.0 && now < joiner.last.after(TOLD.1);
        self.in_vain.values().filter(told)
    }

    /// One more new member of a host: true if it may be let in now.
    pub(super) fn admits(&mut self, host: IpAddr, now: Instant) -> bool {
        if !self.hosts.contains_key(&host) && self.hosts.len() >= MAX_HOSTS {
            self.hosts.retain(|_, full| *full > now);
        }
        if self.hosts.len() >= MAX_HOSTS && !self.hosts.contains_key(&host) {
            return false;
        }
        let full = self.hosts.entry(host).or_insert(now);
        let next = (*full).max(now).after(EACH);
        let room = next.since(now) <= Duration::from_micros(micros(EACH) * AT_ONCE);
        if room {
            *full = next;
        }
        room
    }

    /// Checks what must hold at any time.
    pub(super) fn check(&self) {
        assert!(self.in_vain.len() <= MAX, "too many joiners are remembered");
        assert!(self.hosts.len() <= MAX_HOSTS, "too many hosts are counted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::State;
    use crate::member::record::tests::record;
    use crate::output::Via;

    fn at(ms: u64) -> Instant {
        Instant(ms * 1000)
    }

    #[test]
    fn who_asks_in_vain_is_told_until_it_proves_itself_or_gives_up() {
        let mut joiners = Joiners::default();
        let talks = SocketAddr::from(([10, 0, 0, 3], 3));
        let ask = |joiners: &mut Joiners, id: u64, ms: u64| {
            let from = Origin::new(NodeId(id), talks, Via::Datagram, false);
            joiners.refused(&from, &record(id, 1, State::Alive).to_entry(), at(ms));
        };
        let told = |joiners: &Joiners, ms: u64| {
            joiners.told(at(ms)).map(|joiner| joiner.name.clone()).collect::<Vec<_>>()
        };
        [0, 1000].into_iter().for_each(|ms| ask(&mut joiners, 1, ms));
        assert!(told(&joiners, 1000).is_empty(), "it may be about to");
        ask(&mut joiners, 1, 2000);
        assert_eq!(told(&joiners, 61_999), ["n1"]);
        assert!(told(&joiners, 62_000).is_empty());
        joiners.proved(NodeId(1));
        assert!(told(&joiners, 2000).is_empty());
        (0..100).for_each(|id| ask(&mut joiners, id, 3000));
        joiners.check();
        assert_eq!(joiners.in_vain.len(), MAX);
    }

    #[test]
    fn one_host_brings_so_many_at_once_and_then_one_after_the_other() {
        let mut joiners = Joiners::default();
        let host = |last: u8| IpAddr::from([10, 0, 0, last]);
        let admitted = |joiners: &mut Joiners, last: u8, ms: u64| {
            (0..1000).filter(|_| joiners.admits(host(last), at(ms))).count()
        };
        assert_eq!(admitted(&mut joiners, 1, 0), 256);
        assert_eq!(admitted(&mut joiners, 2, 0), 256, "another host");
        assert_eq!(admitted(&mut joiners, 1, 1000), 10);
        assert_eq!(admitted(&mut joiners, 1, 60_000), 256);
        for host in 0..2000_u32 {
            joiners.admits(IpAddr::from(host.to_be_bytes()), at(60_000));
        }
        joiners.check();
        assert!(joiners.admits(host(3), at(90_000)), "those from before are quiet");
    }
}
