//! Tombstones that go by their age: all of them (`timed`), or all but those at a few members per
//! key, where they lie dormant (after Demers et al. 1987, "Epidemic Algorithms for Replicated
//! Database Maintenance", section 2).
//!
//! Here a certificate is a tombstone, or an expired entry, that is older than is kept. Certificates
//! lie apart from the data and are in no digest, since members differ in them by right. One that
//! meets an older write of its key is activated: the sender gets it at once and all others as a
//! rumor, with its first stamp, so that it undoes nothing that was written later. Who holds
//! something older lets that go and keeps the certificate for a while; all others pass it by.

use super::Node;
use crate::base::codec::Write as _;
use crate::base::hash::{self, Keyed};
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now, millis};
use crate::data::{self, Entry, Fate, Map, Space, block, is_mortal};
use crate::member::State;
use crate::output::{Class, Output, Removed, Via, applied};
use crate::spread::ring::Tombstones;
use crate::wire::{Origin, kind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

/// Entries looked at in one turn, so that the others of the turn do not wait.
const CHUNK: usize = 2000;
/// Activated certificates that a node remembers; of more it knows the age only.
const MAX_AWAKE: usize = 65_536;
/// An activated certificate is not spread again within this time (guess: a rumor is over by then).
const REPEAT_MS: u64 = 10_000;
/// Ages are looked at this often per time that tombstones are kept.
const STEPS: u64 = 16;
/// The shortest time between two looks.
const MIN_STEP_MS: u64 = 50;
/// The longest: a wall clock may jump.
const MAX_PAUSE_MS: u64 = 60_000;

/// What a node knows of certificates.
#[derive(Debug)]
pub(super) struct Certificates {
    map: Map,
    /// Of activated ones, by the hash of the key: wall milliseconds when that was last.
    awake: hash::Map<u64, u64>,
    /// What is to be judged by its age.
    queue: VecDeque<Arc<Entry>>,
    look: Instant,
    /// Of the last look.
    cutoff: u64,
}

impl Certificates {
    pub(super) fn new(keyed: Keyed, now: Instant) -> Self {
        let (awake, queue) = (hash::Map::default(), VecDeque::new());
        Self { map: Map::new(keyed), awake, queue, look: now, cutoff: 0 }
    }

    /// A newer write has taken the key.
    pub(super) fn succeed(&mut self, key: &[u8]) {
        if let Some(stamp) = self.map.get(key).map(|held| held.stamp()) {
            self.map.remove(key, stamp);
            let hash = self.map.hash(key);
            self.awake.remove(&hash);
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }
}

/// When an entry came to its end: a tombstone with its stamp, an expiring one when it expired.
fn end_ms(entry: &Entry) -> u64 {
    entry.stamp().wall_ms().max(entry.expires_at().unwrap_or(0))
}

/// True for a tombstone or an expired entry from before a time.
fn is_before(entry: &Entry, cutoff: u64) -> bool {
    is_mortal(entry) && end_ms(entry) < cutoff
}

impl Node {
    /// Old tombstones and expired entries that this node keeps apart from its data: dormant ones,
    /// and activated ones that it took.
    #[must_use]
    pub fn certificates(&self) -> &Map {
        &self.certificates.map
    }

    /// True if tombstones go by their age.
    fn goes_by_age(&self) -> bool {
        matches!(self.config.ring.tombstones, Tombstones::Timed | Tombstones::Dormant)
    }

    fn has_dormant(&self) -> bool {
        self.config.ring.tombstones == Tombstones::Dormant
    }

    fn step_ms(&self) -> u64 {
        (millis(self.config.ring.keep_for) / STEPS).max(MIN_STEP_MS)
    }

    /// What ended before this is old. The same at all nodes but for what their clocks differ, so
    /// that they drop it together and do not offer it to each other meanwhile.
    fn cutoff(&self, now: Now) -> u64 {
        let (kept, step) = (millis(self.config.ring.keep_for), self.step_ms());
        now.wall_ms.saturating_sub(kept) / step * step
    }

    /// True for a restored entry that belongs to the certificates.
    pub(super) fn is_certificate(&self, entry: &Entry, now: Now) -> bool {
        self.has_dormant() && is_before(entry, self.cutoff(now))
    }

    /// Takes in a certificate that this node had persisted.
    pub(super) fn restore_certificate(&mut self, entry: Arc<Entry>) {
        let _ = self.certificates.map.apply(entry);
    }

    /// When ages are to be looked at.
    pub(super) fn certificates_deadline(&self) -> Option<Instant> {
        let certificates = &self.certificates;
        let due = if certificates.is_busy() { Instant(0) } else { certificates.look };
        self.goes_by_age().then_some(due)
    }

    /// Lets go what is too old, some of it in one turn.
    pub(super) fn watch_certificates(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.goes_by_age() {
            return;
        }
        if self.certificates.look <= now.mono && !self.certificates.is_busy() {
            self.look_for_old(now);
        }
        for _ in 0..CHUNK {
            let Some(entry) = self.certificates.queue.pop_front() else { return };
            self.judge_by_age(entry, now, out);
        }
    }

    fn look_for_old(&mut self, now: Now) {
        let (kept, step, cutoff) =
            (millis(self.config.ring.keep_for), self.step_ms(), self.cutoff(now));
        let pause = step - now.wall_ms.saturating_sub(kept) % step;
        let certificates = &mut self.certificates;
        certificates.look = now.mono.after(Duration::from_millis(pause.min(MAX_PAUSE_MS)));
        if certificates.cutoff == cutoff {
            return;
        }
        certificates.cutoff = cutoff;
        certificates.awake.retain(|_, at| now.wall_ms < at.saturating_add(kept));
        let old = self.replica.data.mortal().into_iter().filter(|entry| is_before(entry, cutoff));
        certificates.queue = old.chain(certificates.map.mortal()).collect();
    }

    fn judge_by_age(&mut self, entry: Arc<Entry>, now: Now, out: &mut Vec<Output>) {
        let (key, stamp) = (entry.key(), entry.stamp());
        let aside = self.certificates.map.get(key).is_some_and(|held| held.stamp() == stamp);
        if !aside && self.replica.data.remove(key, stamp).is_none() {
            return;
        }
        match (aside, self.keeps(&entry, now)) {
            (true, true) => return,
            (false, true) => {
                self.stats.tombstones_dormant += 1;
                // It stays on the disk: after a restart its age tells what it is.
                let _ = self.certificates.map.apply(entry);
                return;
            }
            (true, false) => self.certificates.succeed(key),
            (false, false) => {}
        }
        self.stats.tombstones_collected += 1;
        out.push(Output::Removed(Removed { entry, collected: true }));
    }

    /// True for an old tombstone that this node is to go on keeping.
    fn keeps(&self, entry: &Entry, now: Now) -> bool {
        if !self.has_dormant() {
            return false;
        }
        let hash = self.replica.data.hash(entry.key());
        let dormant = millis(self.config.ring.keep_dormant);
        self.certificates.awake.contains_key(&hash)
            || end_ms(entry) >= self.cutoff(now).saturating_sub(dormant) && self.retains(hash)
    }

    /// True if this node is one of the members that keep old tombstones of a key. All that know the
    /// same members find the same ones: those whose hash together with the key's is the largest.
    fn retains(&self, key: u64) -> bool {
        let weight = |id: NodeId| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&key.to_le_bytes());
            bytes[8..].copy_from_slice(&id.0.to_le_bytes());
            (self.replica.data.hash(&bytes), id)
        };
        let own = weight(self.identity.id);
        let stays = |state| !matches!(state, State::Left | State::Forgotten);
        let members = self.table.members().filter(|member| stays(member.state));
        let ahead = members.filter(|member| weight(member.id) > own);
        // The first few that are ahead settle it.
        ahead.take(self.config.ring.retention).count() < self.config.ring.retention
    }

    /// Judges a peer's entry where ages count. `None` if it goes the ordinary way.
    pub(super) fn accept_by_age(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Option<Fate> {
        if !self.goes_by_age() {
            return None;
        }
        let old = is_before(entry, self.cutoff(now));
        let certificate = self.certificates.map.get(entry.key()).cloned();
        if let Some(certificate) = certificate.filter(|held| held.stamp() >= entry.stamp()) {
            self.stats.entries_stale += 1;
            if certificate.stamp() == entry.stamp() {
                return Some(Fate::Known);
            }
            if !old {
                self.activate(&certificate, from.peer, now);
            }
            return Some(Fate::Useless);
        }
        if !old {
            return None;
        }
        let held = self.replica.data.get(entry.key()).cloned();
        match held {
            Some(held) if held.stamp() >= entry.stamp() => None,
            Some(held) if self.has_dormant() => {
                self.take_certificate(entry, held, from, now, out);
                Some(Fate::New)
            }
            _ => {
                self.stats.refused_old += 1;
                Some(if self.has_dormant() { Fate::Old } else { Fate::Useless })
            }
        }
    }

    /// An activated certificate does its work.
    fn take_certificate(
        &mut self,
        entry: &Arc<Entry>,
        held: Arc<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        self.replica.data.remove(held.key(), held.stamp());
        self.wake(self.replica.data.hash(entry.key()), now);
        if let data::Applied::New(_) = self.certificates.map.apply(Arc::clone(entry)) {
            self.replica.clock.observe(entry.stamp());
            self.stats.entries_new += 1;
            self.stats.tombstones_retaken += 1;
            self.entropy.news(now.mono, &mut self.rng);
            out.push(applied(Space::Data, entry, Some(held), Some(from.peer)));
        }
    }

    /// Remembers that a certificate is at work; true if it was not a moment ago.
    fn wake(&mut self, key: u64, now: Now) -> bool {
        let awake = &mut self.certificates.awake;
        if awake.len() >= MAX_AWAKE && !awake.contains_key(&key) {
            return false;
        }
        let before = awake.insert(key, now.wall_ms);
        let again = before.is_none_or(|at| now.wall_ms >= at.saturating_add(REPEAT_MS));
        if let (false, Some(before)) = (again, before) {
            awake.insert(key, before);
        }
        again
    }

    /// A peer has sent something that this certificate undoes.
    fn activate(&mut self, certificate: &Arc<Entry>, from: NodeId, now: Now) {
        if let Some(to) = self.table.get(from).map(|member| member.gossip()) {
            let limits = &self.config.limits;
            let small = 2 * block::max_len(certificate) <= limits.datagram;
            let via = if small { Via::Datagram } else { Via::Stream };
            for block in block::chunks([&**certificate], usize::MAX) {
                let mut body = vec![];
                body.put(&[Space::Data.code()]);
                body.put(&block);
                self.outbox.push(to, Class::Repair, via, kind::ENTRIES, &[&body]);
            }
        }
        if self.wake(self.replica.data.hash(certificate.key()), now) {
            self.stats.tombstones_activated += 1;
            self.spread(Space::Data, Arc::clone(certificate), None, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::data::Stamp;
    use crate::member::record::tests::record;
    use crate::node::Identity;
    use std::net::SocketAddr;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    const PEER: NodeId = NodeId(9);

    fn at(wall_ms: u64) -> Now {
        Now { mono: Instant(wall_ms * 1000), wall_ms: 1_800_000_000_000 + wall_ms }
    }

    /// One of the nodes 1 to `of`, as it knows them.
    fn node(id: u64, of: u64, tombstones: Tombstones) -> Node {
        let mut config = Config::default();
        config.ring.tombstones = tombstones;
        let gossip = SocketAddr::from(([10, 0, 0, 1], 1));
        let mut node = Node::new(config, Identity::new(NodeId(id), "n", gossip), id, at(0));
        for other in (1..=of).filter(|other| *other != id) {
            let entry = record(other, 1, State::Alive).to_entry();
            node.restore(Space::Roster, Arc::new(entry), at(0));
        }
        node
    }

    fn origin() -> Origin {
        Origin::new(PEER, SocketAddr::from(([10, 0, 0, 9], 9)), Via::Datagram, false)
    }

    fn stamp(now: Now) -> Stamp {
        Stamp { time: now.wall_ms << 16, node: PEER }
    }

    #[test]
    fn each_key_is_retained_by_as_many_as_are_set() {
        for of in [1, 3, 20] {
            let nodes: Vec<Node> = (1..=of).map(|id| node(id, of, Tombstones::Dormant)).collect();
            let mut kept = vec![0; nodes.len()];
            for key in 0..200_u64 {
                let hash = nodes[0].replica.data.hash(&key.to_le_bytes());
                let sites = (0..nodes.len()).filter(|index| nodes[*index].retains(hash));
                let sites: Vec<usize> = sites.collect();
                assert_eq!(sites.len() as u64, of.min(4));
                sites.iter().for_each(|index| kept[*index] += 1);
            }
            assert!(kept.iter().all(|kept| *kept > 0), "{kept:?}");
        }
    }

    #[test]
    fn an_old_tombstone_is_taken_only_where_it_undoes_something() {
        let later = at(10 * DAY_MS);
        for (tombstones, undoes) in [(Tombstones::Dormant, true), (Tombstones::Timed, false)] {
            let mut node = node(1, 20, tombstones);
            let mut out = Vec::new();
            let old = Arc::new(Entry::new(b"held", b"v", stamp(at(1)), None));
            assert_eq!(node.accept_data(&old, &origin(), later, &mut out), Fate::New);
            let fate = |node: &mut Node, key: &[u8], now: Now, out: &mut Vec<Output>| {
                let gone = Arc::new(Entry::tombstone(key, stamp(now)));
                node.accept_data(&gone, &origin(), later, out)
            };
            let refused = if undoes { Fate::Old } else { Fate::Useless };
            assert_eq!(fate(&mut node, b"other", at(2), &mut out), refused);
            assert_eq!(fate(&mut node, b"young", at(9 * DAY_MS), &mut out), Fate::New);
            let taken = fate(&mut node, b"held", at(2), &mut out);
            assert_eq!(taken, if undoes { Fate::New } else { refused });
            assert_eq!(node.replica.data.get(b"held").is_none(), undoes);
            assert_eq!(node.certificates().get(b"held").is_some(), undoes);
            // What it undid does not come back, and a newer write does.
            let again = node.accept_data(&old, &origin(), later, &mut out);
            assert_eq!(again, if undoes { Fate::Useless } else { Fate::Known });
            assert_eq!(node.stats.tombstones_activated, 0, "it has just been at work");
            let new = Arc::new(Entry::new(b"held", b"w", stamp(at(3)), None));
            assert_eq!(node.accept_data(&new, &origin(), later, &mut out), Fate::New);
            assert!(node.certificates().get(b"held").is_none());
        }
    }
}
