//! All members in the order of their ids, in chunks that clones share.
//!
//! A clone costs nothing; a change at either side copies one chunk. Members that are present are
//! counted per chunk, so that the n-th of them is found without going through the others.

use super::record::State;
use super::table::Member;
use crate::base::id::NodeId;
use crate::base::time::Instant;
use crate::data::Entry;
use std::sync::Arc;

/// Members in a chunk at most: a bit each in its sets.
const CHUNK: usize = 64;

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
}

#[derive(Clone, Debug)]
struct Chunk {
    ids: Vec<NodeId>,
    held: Vec<Held>,
    present: u64,
    alive: u64,
}

#[derive(Clone, Debug)]
struct Held {
    entry: Arc<Entry>,
    since: Instant,
}

impl Roll {
    /// Members.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Members that are present.
    pub(super) fn present(&self) -> usize {
        self.present
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
    pub(super) fn rank(&self, id: NodeId) -> usize {
        let at = self.chunk_of(id);
        let (Some(chunk), Some(before)) = (self.chunks.get(at), self.before.get(at)) else {
            return 0;
        };
        let place = chunk.ids.partition_point(|held| *held < id);
        before + (chunk.present & below(place)).count_ones() as usize
    }

    /// The present member with so many present ones before it, and whether it is alive.
    pub(super) fn nth(&self, rank: usize) -> Option<(NodeId, &Arc<Entry>, bool)> {
        let at = self.before.partition_point(|before| *before <= rank).checked_sub(1)?;
        let chunk = self.chunks.get(at)?;
        let place = nth_bit(chunk.present, rank - self.before.get(at)?)?;
        let held = chunk.held.get(place)?;
        Some((*chunk.ids.get(place)?, &held.entry, bit(chunk.alive, place)))
    }

    /// The id of the present member with so many present ones before it.
    pub(super) fn nth_id(&self, rank: usize) -> Option<NodeId> {
        let at = self.before.partition_point(|before| *before <= rank).checked_sub(1)?;
        let chunk = self.chunks.get(at)?;
        chunk.ids.get(nth_bit(chunk.present, rank - self.before.get(at)?)?).copied()
    }

    /// Puts what is said of a member in place of what was said before.
    pub(super) fn put(&mut self, id: NodeId, state: State, entry: Arc<Entry>, now: Instant) {
        let mut at = self.chunk_of(id);
        let Some(chunk) = self.chunks.get_mut(at) else {
            self.chunks.push(Arc::new(Chunk::of(id, state, entry, now)));
            return self.count_from(0);
        };
        if let Ok(place) = chunk.ids.binary_search(&id) {
            Arc::make_mut(chunk).replace(place, state, entry, now);
            return self.count_from(at);
        }
        if chunk.ids.len() == CHUNK {
            if chunk.ids.last().is_some_and(|last| *last < id) {
                // Ids that come in their order leave full chunks behind.
                self.chunks.insert(at + 1, Arc::new(Chunk::of(id, state, entry, now)));
                return self.count_from(at);
            }
            let upper = Arc::make_mut(chunk).split();
            let in_upper = upper.ids.first().is_some_and(|first| *first < id);
            self.chunks.insert(at + 1, Arc::new(upper));
            at += usize::from(in_upper);
        }
        if let Some(chunk) = self.chunks.get_mut(at) {
            Arc::make_mut(chunk).insert(id, state, entry, now);
        }
        self.count_from(at.saturating_sub(1));
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
    fn of(id: NodeId, state: State, entry: Arc<Entry>, now: Instant) -> Self {
        let mut chunk = Self { ids: Vec::new(), held: Vec::new(), present: 0, alive: 0 };
        chunk.insert(id, state, entry, now);
        chunk
    }

    fn member(&self, place: usize) -> Option<Member<'_>> {
        let held = self.held.get(place)?;
        Some(Member::new(*self.ids.get(place)?, &held.entry, held.since))
    }

    fn insert(&mut self, id: NodeId, state: State, entry: Arc<Entry>, since: Instant) {
        let place = self.ids.partition_point(|held| *held < id);
        self.ids.insert(place, id);
        self.held.insert(place, Held { entry, since });
        for bits in [&mut self.present, &mut self.alive] {
            let low = *bits & below(place);
            *bits = low | (*bits - low) << 1;
        }
        self.mark(place, state);
    }

    fn replace(&mut self, place: usize, state: State, entry: Arc<Entry>, now: Instant) {
        let Some(held) = self.held.get_mut(place) else { return };
        if State::of(held.entry.stamp()) != state {
            held.since = now;
        }
        held.entry = entry;
        self.mark(place, state);
    }

    fn mark(&mut self, place: usize, state: State) {
        let mark = 1 << (place % CHUNK);
        for (bits, set) in
            [(&mut self.present, state.is_present()), (&mut self.alive, state == State::Alive)]
        {
            *bits = if set { *bits | mark } else { *bits & !mark };
        }
    }

    /// Parts with the upper half.
    fn split(&mut self) -> Self {
        let half = self.ids.len() / 2;
        let upper = Self {
            ids: self.ids.split_off(half),
            held: self.held.split_off(half),
            present: self.present >> half,
            alive: self.alive >> half,
        };
        self.present &= below(half);
        self.alive &= below(half);
        upper
    }
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

    fn put(roll: &mut Roll, id: u64, incarnation: u64, state: State) {
        let entry = Arc::new(record(id, incarnation, state).to_entry());
        roll.put(NodeId(id), state, entry, Instant(incarnation));
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
        let mut rank = 0;
        for (id, (_, state)) in model {
            prop_assert_eq!(roll.rank(NodeId(*id)), rank);
            if state.is_present() {
                let (found, entry, alive) = roll.nth(rank).unwrap();
                prop_assert_eq!((found, alive), (NodeId(*id), *state == State::Alive));
                prop_assert_eq!(entry.stamp().node, found);
                prop_assert_eq!(roll.nth_id(rank), Some(found));
                rank += 1;
            }
        }
        prop_assert_eq!((roll.present(), roll.nth(rank).is_none()), (rank, true));
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
