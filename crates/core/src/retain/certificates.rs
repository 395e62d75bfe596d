//! Tombstones that go by their age: all of them (`timed`), or all but those at a few members per
//! key, where they lie dormant (after Demers et al. 1987, "Epidemic Algorithms for Replicated
//! Database Maintenance", section 2).
//!
//! Here a certificate is a tombstone, or an expired entry, that is older than is kept. Certificates
//! lie apart from the data and are in no digest, since members differ in them by right. One that
//! meets an older write of its key is activated: the sender gets it at once and all others as a
//! rumor, with its first stamp, so that it undoes nothing that was written later. Who holds
//! something older lets that go and keeps the certificate for a while; all others pass it by.

use super::{Holding, Policy};
use crate::base::codec::Write as _;
use crate::base::hash::{self, Keyed, Set};
use crate::base::id::NodeId;
use crate::base::time::{Instant, millis};
use crate::data::{self, Entry, Fate, Map, Range, Space, block, is_mortal};
use crate::member::{State, Table};
use crate::output::{Class, Output, Removed, Via, applied};
use crate::wire::{Origin, kind};
use std::collections::VecDeque;
use std::ops::ControlFlow;
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

/// The machine.
#[derive(Debug)]
pub struct Certificates {
    policy: Policy,
    map: Map,
    /// Of activated ones, by the hash of the key: wall milliseconds when that was last.
    awake: hash::Map<u64, u64>,
    /// What is to be judged by its age.
    queue: VecDeque<Arc<Entry>>,
    look: Instant,
    /// Of the last look.
    cutoff: u64,
}

/// What became of a peer's entry where ages count.
#[derive(Debug)]
pub struct ByAge {
    /// What became of it.
    pub fate: Fate,
    /// The certificate that it has activated, to be spread.
    pub activated: Option<Arc<Entry>>,
}

impl From<Fate> for ByAge {
    fn from(fate: Fate) -> Self {
        Self { fate, activated: None }
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

impl Certificates {
    /// A node that keeps none.
    #[must_use]
    pub fn new(policy: Policy, keyed: Keyed, now: Instant) -> Self {
        let (awake, queue) = (hash::Map::default(), VecDeque::new());
        Self { policy, map: Map::new(keyed), awake, queue, look: now, cutoff: 0 }
    }

    /// Old tombstones and expired entries that are kept apart from the data: dormant ones, and
    /// activated ones that were taken.
    #[must_use]
    pub fn map(&self) -> &Map {
        &self.map
    }

    /// A newer write has taken the key.
    pub fn succeed(&mut self, key: &[u8]) {
        if let Some(stamp) = self.map.get(key).map(|held| held.stamp()) {
            self.map.remove(key, stamp);
            let hash = self.map.hash(key);
            self.awake.remove(&hash);
        }
    }

    /// True while ages are being looked at.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.queue.is_empty()
    }

    fn step_ms(&self) -> u64 {
        (millis(self.policy.keep_for) / STEPS).max(MIN_STEP_MS)
    }

    /// What ended before this is old. The same at all nodes but for what their clocks differ, so
    /// that they drop it together and do not offer it to each other meanwhile.
    fn cutoff(&self, wall_ms: u64) -> u64 {
        let (kept, step) = (millis(self.policy.keep_for), self.step_ms());
        wall_ms.saturating_sub(kept) / step * step
    }

    /// True for a restored entry that belongs here.
    #[must_use]
    pub fn is_one(&self, entry: &Entry, wall_ms: u64) -> bool {
        self.policy.has_dormant() && is_before(entry, self.cutoff(wall_ms))
    }

    /// Takes in a certificate that this node had persisted.
    pub fn restore(&mut self, entry: Arc<Entry>) {
        let _ = self.map.apply(entry);
    }

    /// When ages are to be looked at.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let due = if self.is_busy() { Instant(0) } else { self.look };
        self.policy.goes_by_age().then_some(due)
    }

    /// Lets go what is too old, some of it in one turn.
    pub fn poll(&mut self, hold: &mut Holding<'_>) {
        if !self.policy.goes_by_age() {
            return;
        }
        if self.look <= hold.env.now && !self.is_busy() {
            self.look_for_old(hold);
        }
        for _ in 0..CHUNK {
            let Some(entry) = self.queue.pop_front() else { return };
            self.judge_by_age(entry, hold);
        }
    }

    fn look_for_old(&mut self, hold: &Holding<'_>) {
        let (kept, step, cutoff) =
            (millis(self.policy.keep_for), self.step_ms(), self.cutoff(hold.wall_ms));
        let pause = step - hold.wall_ms.saturating_sub(kept) % step;
        self.look = hold.env.now.after(Duration::from_millis(pause.min(MAX_PAUSE_MS)));
        if self.cutoff == cutoff {
            return;
        }
        self.cutoff = cutoff;
        self.awake.retain(|_, at| hold.wall_ms < at.saturating_add(kept));
        let old = hold.replica.data.mortal().into_iter().filter(|entry| is_before(entry, cutoff));
        self.queue = old.chain(self.map.mortal()).collect();
    }

    fn judge_by_age(&mut self, entry: Arc<Entry>, hold: &mut Holding<'_>) {
        let (key, stamp) = (entry.key(), entry.stamp());
        let aside = self.map.get(key).is_some_and(|held| held.stamp() == stamp);
        if !aside && hold.replica.data.remove(key, stamp).is_none() {
            return;
        }
        match (aside, self.keeps(&entry, hold.wall_ms, hold.env.table)) {
            (true, true) => return,
            (false, true) => {
                hold.env.stats.tombstones_dormant += 1;
                // It stays on the disk: after a restart its age tells what it is.
                let _ = self.map.apply(entry);
                return;
            }
            (true, false) => self.succeed(key),
            (false, false) => {}
        }
        debug_assert!(is_mortal(&entry), "only what has ended goes by its age");
        hold.env.stats.tombstones_collected += 1;
        hold.out.push(Output::Removed(Removed { entry, collected: true }));
    }

    /// True for an old tombstone that this node is to go on keeping.
    fn keeps(&self, entry: &Entry, wall_ms: u64, table: &Table) -> bool {
        if !self.policy.has_dormant() {
            return false;
        }
        let hash = self.map.hash(entry.key());
        let dormant = millis(self.policy.keep_dormant);
        self.awake.contains_key(&hash)
            || end_ms(entry) >= self.cutoff(wall_ms).saturating_sub(dormant)
                && self.is_site(hash, table)
    }

    /// True if this node is one of the members that keep old tombstones of a key. All that know the
    /// same members find the same ones: those whose hash together with the key's is the largest.
    fn is_site(&self, key: u64, table: &Table) -> bool {
        let weight = |id: NodeId| {
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&key.to_le_bytes());
            bytes[8..].copy_from_slice(&id.0.to_le_bytes());
            (self.map.hash(&bytes), id)
        };
        let own = weight(table.own());
        let stays = |state| !matches!(state, State::Left | State::Forgotten);
        let members = table.members().filter(|member| stays(member.state));
        let ahead = members.filter(|member| weight(member.id) > own);
        // The first few that are ahead settle it.
        ahead.take(self.policy.retention).count() < self.policy.retention
    }

    /// Judges a peer's entry where ages count. `None` if it goes the ordinary way.
    pub fn judge(
        &mut self,
        entry: &Arc<Entry>,
        from: &Origin,
        hold: &mut Holding<'_>,
    ) -> Option<ByAge> {
        if !self.policy.goes_by_age() {
            return None;
        }
        let old = is_before(entry, self.cutoff(hold.wall_ms));
        let certificate = self.map.get(entry.key()).cloned();
        if let Some(certificate) = certificate.filter(|held| held.stamp() >= entry.stamp()) {
            hold.env.stats.entries_stale += 1;
            if certificate.stamp() == entry.stamp() {
                return Some(Fate::Known.into());
            }
            let activated = (!old).then(|| self.activate(certificate, from.peer, hold)).flatten();
            return Some(ByAge { fate: Fate::Useless, activated });
        }
        if !old {
            return None;
        }
        let held = hold.replica.data.get(entry.key()).cloned();
        let fate = match held {
            Some(held) if held.stamp() >= entry.stamp() => return None,
            Some(held) if self.policy.has_dormant() => {
                self.take(entry, held, from.peer, hold);
                Fate::New
            }
            _ => {
                hold.env.stats.refused_old += 1;
                if self.policy.has_dormant() { Fate::Old } else { Fate::Useless }
            }
        };
        Some(fate.into())
    }

    /// An activated certificate does its work.
    fn take(&mut self, entry: &Arc<Entry>, held: Arc<Entry>, from: NodeId, hold: &mut Holding<'_>) {
        debug_assert!(held.stamp() < entry.stamp(), "it undoes only what is older");
        hold.replica.data.remove(held.key(), held.stamp());
        self.wake(self.map.hash(entry.key()), hold.wall_ms);
        if let data::Merged::New(_) = self.map.apply(Arc::clone(entry)) {
            hold.replica.clock.observe(entry.stamp(), hold.wall_ms);
            hold.env.stats.entries_new += 1;
            hold.env.stats.tombstones_retaken += 1;
            hold.out.push(applied(Space::Data, entry, Some(held), Some(from)));
        }
    }

    /// Remembers that a certificate is at work; true if it was not a moment ago.
    fn wake(&mut self, key: u64, wall_ms: u64) -> bool {
        let awake = &mut self.awake;
        if awake.len() >= MAX_AWAKE && !awake.contains_key(&key) {
            return false;
        }
        let before = awake.insert(key, wall_ms);
        let again = before.is_none_or(|at| wall_ms >= at.saturating_add(REPEAT_MS));
        if let (false, Some(before)) = (again, before) {
            awake.insert(key, before);
        }
        again
    }

    /// A peer has sent something that this certificate undoes: it is told at once. Returns the
    /// certificate if all others are to be told as well.
    fn activate(
        &mut self,
        certificate: Arc<Entry>,
        from: NodeId,
        hold: &mut Holding<'_>,
    ) -> Option<Arc<Entry>> {
        if let Some(to) = hold.env.table.get(from).map(|member| member.gossip()) {
            let small = 2 * block::max_len(&certificate) <= hold.env.limits.datagram;
            let via = if small { Via::Datagram } else { Via::Stream };
            for block in block::chunks([&*certificate], usize::MAX) {
                let mut body = vec![];
                body.put(&[Space::Data.code()]);
                body.put(&block);
                hold.env.outbox.push(to, Class::Repair, via, kind::ENTRIES, &[&body]);
            }
        }
        if !self.wake(self.map.hash(certificate.key()), hold.wall_ms) {
            return None;
        }
        hold.env.stats.tombstones_activated += 1;
        Some(certificate)
    }

    /// Panics unless what lies apart from the data belongs there. Costs as much as there is of it.
    pub(crate) fn check(&self, data: &Map) {
        assert!(self.awake.len() <= MAX_AWAKE, "too many are remembered to be awake");
        let mut keys = Set::default();
        self.map.walk(Range::ALL, &mut |hash, entry| {
            keys.insert(hash);
            assert!(is_mortal(entry), "no certificate: {entry:?}");
            assert_eq!(data.get(entry.key()), None, "a key is in the data and apart from it");
            ControlFlow::Continue(())
        });
        assert!(keys.is_empty() || self.policy.has_dormant(), "nothing lies dormant here");
        let awake = self.awake.keys().all(|key| keys.contains(key));
        assert!(awake, "what is not kept cannot be awake");
        assert!(self.queue.iter().all(|entry| is_mortal(entry)), "it has no age to be judged by");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::Tombstones;
    use crate::retain::tests::{Ground, assert_found, entry, policy};
    use std::net::SocketAddr;

    const DAY_MS: u64 = 24 * 60 * 60 * 1000;

    fn origin() -> Origin {
        let address = SocketAddr::from(([10, 0, 0, 9], 9));
        Origin::new(NodeId(9), address, Via::Datagram, false)
    }

    fn certificates(ground: &Ground, tombstones: Tombstones) -> Certificates {
        let keyed = Keyed::for_cluster("test");
        Certificates::new(policy(tombstones), keyed, ground.now.mono)
    }

    /// A stamp of so many days ago.
    fn days_ago(ground: &Ground, days: u64) -> u64 {
        (ground.now.wall_ms - days * DAY_MS) << 16
    }

    #[test]
    fn each_key_is_retained_by_as_many_as_are_set() {
        for of in [1, 3, 20] {
            let nodes: Vec<_> = (1..=of)
                .map(|id| Ground::new(id, of))
                .map(|ground| (certificates(&ground, Tombstones::Dormant), ground))
                .collect();
            let mut kept = vec![0; nodes.len()];
            for key in 0..200_u64 {
                let hash = nodes[0].0.map.hash(&key.to_le_bytes());
                let is_site =
                    |(one, ground): &(Certificates, Ground)| one.is_site(hash, &ground.table);
                let sites = (0..nodes.len()).filter(|index| is_site(&nodes[*index]));
                let sites: Vec<usize> = sites.collect();
                assert_eq!(sites.len() as u64, of.min(4));
                sites.iter().for_each(|index| kept[*index] += 1);
            }
            assert!(kept.iter().all(|kept| *kept > 0), "{kept:?}");
        }
    }

    #[test]
    fn a_certificate_meets_what_it_undoes() {
        let mut ground = Ground::new(1, 20);
        let mut machine = certificates(&ground, Tombstones::Dormant);
        let (old, gone) = (days_ago(&ground, 9), days_ago(&ground, 8));
        ground.put(&entry("k", old, 9, Some("v")));
        let certificate = entry("k", gone, 9, None);
        let fate = machine.judge(&certificate, &origin(), &mut ground.holding());
        assert_eq!(fate.map(|by_age| by_age.fate), Some(Fate::New));
        machine.check(&ground.replica.data);
        assert!(ground.replica.data.get(b"k").is_none());
        // It has just been at work, and is spread again only later.
        for (later, activated) in [(0, false), (REPEAT_MS, true), (REPEAT_MS + 1, false)] {
            ground.now.wall_ms += later;
            let again = entry("k", old, 9, Some("v"));
            let by_age = machine.judge(&again, &origin(), &mut ground.holding()).unwrap();
            assert_eq!((by_age.fate, by_age.activated.is_some()), (Fate::Useless, activated));
            ground.now.wall_ms -= later;
        }
        // A newer write takes the key.
        let newer = entry("k", gone + 1, 9, Some("w"));
        assert!(machine.judge(&newer, &origin(), &mut ground.holding()).is_none());
        ground.put(&newer);
        machine.succeed(b"k");
        machine.check(&ground.replica.data);
        assert_eq!(machine.map().digest().count, 0);
    }

    #[test]
    fn what_is_too_old_goes_or_lies_dormant_at_its_sites() {
        for (tombstones, of, dormant) in
            [(Tombstones::Timed, 3, 0), (Tombstones::Dormant, 3, 50), (Tombstones::Keep, 3, 0)]
        {
            let mut ground = Ground::new(1, of);
            let mut machine = certificates(&ground, tombstones);
            for key in 0..50 {
                ground.put(&entry(&format!("old{key}"), days_ago(&ground, 5), 2, None));
            }
            ground.put(&entry("young", days_ago(&ground, 1), 2, None));
            machine.poll(&mut ground.holding());
            machine.check(&ground.replica.data);
            let left = if tombstones == Tombstones::Keep { 51 } else { 1 };
            assert_eq!(ground.replica.data.digest().count, left, "{tombstones:?}");
            assert_eq!(machine.map().digest().count, dormant);
            assert_eq!(ground.stats.tombstones_collected, 51 - left - dormant);
            assert_eq!(ground.out.len() as u64, 51 - left - dormant);
        }
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = (&'static str, fn(&mut Certificates, &mut Ground));
        let plants: [Plant; 4] = [
            ("in the data and apart from it", |_, ground| {
                ground.put(&entry("k", 1 << 60, 2, Some("v")));
            }),
            ("what is not kept cannot be awake", |machine, _| {
                machine.awake.insert(7, 1);
            }),
            ("no certificate", |machine, _| machine.restore(entry("new", 1, 2, Some("v")))),
            ("nothing lies dormant here", |machine, _| machine.policy = policy(Tombstones::Timed)),
        ];
        for (what, plant) in plants {
            let mut ground = Ground::new(1, 1);
            let mut machine = certificates(&ground, Tombstones::Dormant);
            machine.restore(entry("k", days_ago(&ground, 8), 2, None));
            machine.check(&ground.replica.data);
            plant(&mut machine, &mut ground);
            assert_found(what, || machine.check(&ground.replica.data));
        }
    }
}
