//! All members in the order of their ids, in chunks that clones share.
//!
//! A clone costs nothing; a change at either side copies one chunk. Members that are present are
//! counted per chunk, so that the n-th of them is found without going through the others. The n-th
//! of a zone is found by going through the chunks, in each of which a zone is a set of bits.

mod check;

use super::known::Member;
use super::record::{self, State};
use super::zone::Zone;
use crate::base::hash::Fixed;
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::Entry;
use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::sync::Arc;

/// Members in a chunk at most: a bit each in its sets.
const CHUNK: usize = 64;

/// Which of the present members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Among {
    /// All.
    #[default]
    All,
    /// Those of a zone.
    In(Zone),
    /// Those of all other zones.
    Out(Zone),
}

/// The members.
#[derive(Clone, Debug, Default)]
pub(super) struct Roll {
    chunks: Vec<Arc<Chunk>>,
    /// The first id of each chunk.
    firsts: Vec<NodeId>,
    /// Present members before each chunk.
    before: Vec<usize>,
    len: usize,
    present: usize,
    /// Zones with present members, and how many those are.
    zones: Vec<(Zone, usize)>,
}

#[derive(Clone, Debug)]
struct Chunk {
    ids: Vec<NodeId>,
    held: Vec<Held>,
    present: u64,
    alive: u64,
    /// Who is in which zone, but for those in none.
    zones: Vec<(Zone, u64)>,
    /// Short hashes of the gossip addresses.
    addrs: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Held {
    entry: Arc<Entry>,
    since: Instant,
}

/// What is said of a member.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) state: State,
    pub(super) zone: Zone,
    pub(super) entry: Arc<Entry>,
}

impl Roll {
    /// Members.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Members that are present, of some zones.
    pub(super) fn count(&self, among: Among) -> usize {
        let of = |zone| {
            let found = self.zones.binary_search_by_key(&zone, |(zone, _)| *zone).ok();
            found.and_then(|at| self.zones.get(at)).map_or(0, |(_, count)| *count)
        };
        match among {
            Among::All => self.present,
            Among::In(zone) => of(zone),
            Among::Out(zone) => self.present - of(zone),
        }
    }

    /// Zones with present members, and how many those are.
    pub(super) fn zones(&self) -> &[(Zone, usize)] {
        &self.zones
    }

    /// The zone of a member.
    pub(super) fn zone_of(&self, id: NodeId) -> Option<Zone> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        Some(chunk.zone(chunk.ids.binary_search(&id).ok()?))
    }

    /// The zone of the member at an address.
    pub(super) fn zone_at(&self, addr: SocketAddr) -> Option<Zone> {
        let hash = short(addr);
        self.chunks.iter().find_map(|chunk| {
            let mut places = (0..).zip(&chunk.addrs).filter(|(_, held)| **held == hash);
            let (place, _) = places.find(|(place, _)| {
                let held = chunk.held.get(*place);
                held.is_some_and(|held| record::gossip(&held.entry) == Some(addr))
            })?;
            Some(chunk.zone(place))
        })
    }

    /// The member with this id.
    pub(super) fn get(&self, id: NodeId) -> Option<Member<'_>> {
        let chunk = self.chunks.get(self.chunk_of(id))?;
        chunk.member(chunk.ids.binary_search(&id).ok()?)
    }

    /// Everyone.
    pub(super) fn iter(&self) -> impl Iterator<Item = Member<'_>> {
        self.chunks
            .iter()
            .flat_map(|chunk| (0..chunk.ids.len()).filter_map(move |place| chunk.member(place)))
    }

    /// Everyone who is not alive.
    pub(super) fn not_alive(&self) -> impl Iterator<Item = Member<'_>> {
        self.chunks.iter().flat_map(|chunk| {
            let places = (0..chunk.ids.len()).filter(|place| !bit(chunk.alive, *place));
            places.filter_map(move |place| chunk.member(place))
        })
    }

    /// Present members with smaller ids.
    pub(super) fn rank(&self, among: Among, id: NodeId) -> usize {
        let at = self.chunk_of(id);
        let (Some(chunk), Some(before)) = (self.chunks.get(at), self.before.get(at)) else {
            return 0;
        };
        let before = match among {
            Among::All => *before,
            _ => self.chunks.iter().take(at).map(|chunk| ones(chunk.among(among))).sum(),
        };
        let place = chunk.ids.partition_point(|held| *held < id);
        before + ones(chunk.among(among) & below(place))
    }

    /// The present member with so many present ones before it, and whether it is alive.
    pub(super) fn nth(&self, among: Among, rank: usize) -> Option<(NodeId, &Arc<Entry>, bool)> {
        let (chunk, place) = self.find(among, rank)?;
        let held = chunk.held.get(place)?;
        Some((*chunk.ids.get(place)?, &held.entry, bit(chunk.alive, place)))
    }

    /// The id of the present member with so many present ones before it.
    pub(super) fn nth_id(&self, among: Among, rank: usize) -> Option<NodeId> {
        let (chunk, place) = self.find(among, rank)?;
        chunk.ids.get(place).copied()
    }

    fn find(&self, among: Among, mut rank: usize) -> Option<(&Chunk, usize)> {
        if among == Among::All {
            let at = self.before.partition_point(|before| *before <= rank).checked_sub(1)?;
            let chunk = self.chunks.get(at)?;
            return Some((chunk, nth_bit(chunk.present, rank - self.before.get(at)?)?));
        }
        self.chunks.iter().find_map(|chunk| {
            let bits = chunk.among(among);
            let found = nth_bit(bits, rank);
            rank = rank.saturating_sub(ones(bits));
            Some((chunk.as_ref(), found?))
        })
    }

    /// Puts what is said of a member in place of what was said before.
    pub(super) fn put(&mut self, id: NodeId, said: Said, now: Instant) {
        let mut at = self.chunk_of(id);
        if let Some(chunk) = self.chunks.get(at)
            && let Ok(place) = chunk.ids.binary_search(&id)
            && bit(chunk.present, place)
        {
            let zone = chunk.zone(place);
            self.count_zone(zone, false);
        }
        if said.state.is_present() {
            self.count_zone(said.zone, true);
        }
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Arc::new(Chunk::of(id, said, now)));
            return self.count_from(0);
        };
        if let Ok(place) = chunk.ids.binary_search(&id) {
            Arc::make_mut(chunk).replace(place, said, now);
            return self.count_from(at);
        }
        if chunk.ids.len() == CHUNK {
            if chunk.ids.last().is_some_and(|last| *last < id) {
                // Ids that come in their order leave full chunks behind.
                self.chunks.insert(at + 1, Arc::new(Chunk::of(id, said, now)));
                return self.count_from(at);
            }
            let upper = Arc::make_mut(chunk).split();
            let in_upper = upper.ids.first().is_some_and(|first| *first < id);
            self.chunks.insert(at + 1, Arc::new(upper));
            at += usize::from(in_upper);
        }
        if let Some(chunk) = self.chunks.get_mut(at) {
            Arc::make_mut(chunk).insert(id, said, now);
        }
        self.count_from(at.saturating_sub(1));
    }

    /// One more or one less is present in a zone.
    fn count_zone(&mut self, zone: Zone, more: bool) {
        match self.zones.binary_search_by_key(&zone, |(zone, _)| *zone) {
            Err(at) if more => self.zones.insert(at, (zone, 1)),
            Err(_) => {}
            Ok(at) => {
                let Some((_, count)) = self.zones.get_mut(at) else { return };
                *count = if more { *count + 1 } else { *count - 1 };
                if *count == 0 {
                    self.zones.remove(at);
                }
            }
        }
    }

    /// The chunk that holds an id or would.
    fn chunk_of(&self, id: NodeId) -> usize {
        self.firsts.partition_point(|first| *first <= id).saturating_sub(1)
    }

    /// Brings what is known of the chunks from one on up to date.
    fn count_from(&mut self, at: usize) {
        self.firsts.truncate(at);
        self.before.truncate(at + 1);
        let mut before = self.before.pop().unwrap_or(0);
        for chunk in self.chunks.iter().skip(at) {
            self.firsts.extend(chunk.ids.first());
            self.before.push(before);
            before += chunk.present.count_ones() as usize;
        }
        self.present = before;
        self.len = self.chunks.iter().map(|chunk| chunk.ids.len()).sum();
    }
}

impl Chunk {
    fn of(id: NodeId, said: Said, now: Instant) -> Self {
        let (zones, addrs) = (Vec::new(), Vec::new());
        let mut chunk =
            Self { ids: Vec::new(), held: Vec::new(), present: 0, alive: 0, zones, addrs };
        chunk.insert(id, said, now);
        chunk
    }

    fn member(&self, place: usize) -> Option<Member<'_>> {
        let held = self.held.get(place)?;
        Some(Member::new(*self.ids.get(place)?, &held.entry, held.since))
    }

    fn zone(&self, place: usize) -> Zone {
        let found = self.zones.iter().find(|(_, bits)| bit(*bits, place));
        found.map_or(Zone::NONE, |(zone, _)| *zone)
    }

    /// Those of the present members.
    fn among(&self, among: Among) -> u64 {
        let of = |zone| match zone {
            Zone::NONE => !self.zones.iter().fold(0, |all, (_, bits)| all | bits),
            zone => {
                let found = self.zones.iter().find(|(known, _)| *known == zone);
                found.map_or(0, |(_, bits)| *bits)
            }
        };
        match among {
            Among::All => self.present,
            Among::In(zone) => self.present & of(zone),
            Among::Out(zone) => self.present & !of(zone),
        }
    }

    fn insert(&mut self, id: NodeId, said: Said, since: Instant) {
        let place = self.ids.partition_point(|held| *held < id);
        self.ids.insert(place, id);
        self.addrs.insert(place, addr_of(&said.entry));
        let zones = self.zones.iter_mut().map(|(_, bits)| bits);
        for bits in [&mut self.present, &mut self.alive].into_iter().chain(zones) {
            let low = *bits & below(place);
            *bits = low | (*bits - low) << 1;
        }
        self.mark(place, &said);
        self.held.insert(place, Held { entry: said.entry, since });
    }

    fn replace(&mut self, place: usize, said: Said, now: Instant) {
        self.mark(place, &said);
        let Some(held) = self.held.get_mut(place) else { return };
        if State::of(held.entry.stamp()) != said.state {
            held.since = now;
        }
        if let Some(addr) = self.addrs.get_mut(place) {
            *addr = addr_of(&said.entry);
        }
        held.entry = said.entry;
    }

    fn mark(&mut self, place: usize, said: &Said) {
        let mark = 1 << (place % CHUNK);
        let states = [
            (&mut self.present, said.state.is_present()),
            (&mut self.alive, said.state == State::Alive),
        ];
        for (bits, set) in states {
            *bits = if set { *bits | mark } else { *bits & !mark };
        }
        if self.zone(place) == said.zone {
            return;
        }
        self.zones.iter_mut().for_each(|(_, bits)| *bits &= !mark);
        match self.zones.iter_mut().find(|(zone, _)| *zone == said.zone) {
            _ if said.zone == Zone::NONE => {}
            Some((_, bits)) => *bits |= mark,
            None => self.zones.push((said.zone, mark)),
        }
        self.zones.retain(|(_, bits)| *bits != 0);
    }

    /// Parts with the upper half.
    fn split(&mut self) -> Self {
        let half = self.ids.len() / 2;
        let upper = self.zones.iter().map(|(zone, bits)| (*zone, bits >> half));
        let upper = Self {
            ids: self.ids.split_off(half),
            held: self.held.split_off(half),
            present: self.present >> half,
            alive: self.alive >> half,
            zones: upper.filter(|(_, bits)| *bits != 0).collect(),
            addrs: self.addrs.split_off(half),
        };
        self.present &= below(half);
        self.alive &= below(half);
        self.zones.iter_mut().for_each(|(_, bits)| *bits &= below(half));
        self.zones.retain(|(_, bits)| *bits != 0);
        upper
    }
}

fn addr_of(entry: &Entry) -> u32 {
    record::gossip(entry).map_or(0, short)
}

fn short(addr: SocketAddr) -> u32 {
    Fixed.hash_one(addr) as u32
}

fn ones(bits: u64) -> usize {
    bits.count_ones() as usize
}

fn bit(bits: u64, place: usize) -> bool {
    bits >> (place % CHUNK) & 1 == 1
}

/// The bits below a place.
fn below(place: usize) -> u64 {
    1_u64.checked_shl(place as u32).map_or(u64::MAX, |bit| bit - 1)
}

/// The place of the bit that has `n` set bits below it.
fn nth_bit(mut bits: u64, n: usize) -> Option<usize> {
    if n >= bits.count_ones() as usize {
        return None;
    }
    // Nearly always nobody is missing.
    if bits & below(n + 1) == below(n + 1) {
        return Some(n);
    }
    (0..n).for_each(|_| bits &= bits - 1);
    Some(bits.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn zone(id: u64, incarnation: u64) -> Zone {
        Zone(((id / 3 + incarnation / 100) % 3) as u32)
    }

    fn put(roll: &mut Roll, id: u64, incarnation: u64, state: State) {
        let entry = Arc::new(record(id, incarnation, state).to_entry());
        roll.put(
            NodeId(id),
            Said { state, zone: zone(id, incarnation), entry },
            Instant(incarnation),
        );
    }

    fn states() -> impl Strategy<Value = State> {
        use State::{Alive, Dead, Left, Suspect};
        prop::sample::select(vec![Alive, Alive, Alive, Suspect, Dead, Left])
    }

    fn check(roll: &Roll, model: &BTreeMap<u64, (u64, State)>) -> Result<(), TestCaseError> {
        prop_assert_eq!(roll.len(), model.len());
        let held: Vec<_> = roll.iter().map(|m| (m.id.0, m.incarnation, m.state)).collect();
        let wanted: Vec<_> = model.iter().map(|(id, (inc, state))| (*id, *inc, *state)).collect();
        prop_assert_eq!(held, wanted);
        let not_alive = model.values().filter(|(_, state)| *state != State::Alive).count();
        prop_assert_eq!(roll.not_alive().count(), not_alive);
        for zone in 0..4 {
            let wanted = |id: &u64| zone == 3 || self::zone(*id, model[id].0) == Zone(zone);
            let among = if zone == 3 { Among::All } else { Among::In(Zone(zone)) };
            check_among(roll, model, among, &wanted)?;
            if zone < 3 {
                check_among(roll, model, Among::Out(Zone(zone)), &|id| !wanted(id))?;
            }
        }
        for (id, (incarnation, _)) in model {
            let zone = Some(zone(*id, *incarnation));
            prop_assert_eq!(roll.zone_of(NodeId(*id)), zone);
            prop_assert_eq!(roll.zone_at(record(*id, 1, State::Alive).gossip), zone);
        }
        prop_assert!(roll.zones().is_sorted() && roll.zones().iter().all(|(_, count)| *count > 0));
        Ok(())
    }

    fn check_among(
        roll: &Roll,
        model: &BTreeMap<u64, (u64, State)>,
        among: Among,
        wanted: &dyn Fn(&u64) -> bool,
    ) -> Result<(), TestCaseError> {
        let mut rank = 0;
        for (id, (_, state)) in model {
            prop_assert_eq!(roll.rank(among, NodeId(*id)), rank);
            if state.is_present() && wanted(id) {
                let (found, entry, alive) = roll.nth(among, rank).unwrap();
                prop_assert_eq!((found, alive), (NodeId(*id), *state == State::Alive));
                prop_assert_eq!(entry.stamp().node, found);
                prop_assert_eq!(roll.nth_id(among, rank), Some(found));
                rank += 1;
            }
        }
        prop_assert_eq!((roll.count(among), roll.nth(among, rank).is_none()), (rank, true));
        Ok(())
    }

    proptest! {
        #[test]
        fn members_are_kept_in_order_and_counted(
            changes in prop::collection::vec((0_u64..700, states()), 0..900),
            sorted: bool,
        ) {
            let (mut roll, mut model) = (Roll::default(), BTreeMap::new());
            let (mut changes, mut snapshot) = (changes, None);
            if sorted {
                changes.sort_by_key(|(id, _)| *id);
            }
            let half = changes.len() / 2;
            for (incarnation, (id, state)) in (1..).zip(changes) {
                put(&mut roll, id, incarnation, state);
                model.insert(id, (incarnation, state));
                if incarnation == half as u64 {
                    snapshot = Some((roll.clone(), model.clone()));
                }
            }
            check(&roll, &model)?;
            if let Some((roll, model)) = snapshot {
                check(&roll, &model)?;
            }
        }
    }
}
