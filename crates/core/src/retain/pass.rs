//! One pass of ring repair: whom it visits, and up to where it covers what they hold.

use super::Horizon;
use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::data::{Map, Stamp};
use std::sync::Arc;

/// Members of a pass, at most.
pub const MAX_ORDER: usize = 65_536;

/// Forced passes that are remembered.
pub const MAX_FORCED: usize = 256;
/// What else a pass may be founded on than its link.
pub const MAX_BASES: usize = 64;

/// What a pass is founded on. See docs/chain.md.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grounds {
    /// The horizon of the first pass of its chain.
    pub chain: u64,
    /// Its number in that.
    pub number: u32,
    /// Passes after its link that may be complete, by their ids.
    pub bases: Vec<u64>,
    /// Passes up to this one that an operator has forced, the oldest first: the id, and the number
    /// of the pass that it grew from.
    pub forced: Vec<(u64, u32)>,
}

impl Grounds {
    fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.chain.to_le_bytes());
        to.put_varint(self.number.into());
        to.put_varint(self.bases.len() as u64);
        self.bases.iter().for_each(|id| to.put(&id.to_le_bytes()));
        to.put_varint(self.forced.len() as u64);
        for (id, from) in &self.forced {
            to.put(&id.to_le_bytes());
            to.put_varint((*from).into());
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let number = |from: &mut Reader<'_>| {
            from.bounded("number of a pass", u32::MAX as usize).map(|number| number as u32)
        };
        let (chain, own) = (from.u64()?, number(from)?);
        let count = from.bounded("bases of a pass", MAX_BASES)?;
        let bases = (0..count).map(|_| from.u64()).collect::<Result<_, _>>()?;
        let count = from.bounded("forced passes", MAX_FORCED)?;
        let forced = (0..count)
            .map(|_| Ok((from.u64()?, number(from)?)))
            .collect::<Result<_, DecodeError>>()?;
        Ok(Self { chain, number: own, bases, forced })
    }
}

/// One pass over all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// A random number.
    pub id: u64,
    /// Stamps up to this time are covered.
    pub horizon: u64,
    /// Its link: the pass before. Whoever that has not covered is brought back first.
    pub after: Option<Horizon>,
    /// What it is founded on, once all members have been visited.
    pub grounds: Grounds,
    /// When it began, by the wall clock of who began it.
    pub started_ms: u64,
    /// Who began it, and is told how it goes on.
    pub by: NodeId,
    /// The members in the order of their visits, at least one.
    pub order: Arc<[NodeId]>,
    /// Those of them without a vote in the next pass, not all: nothing of them outlives them, and
    /// there are others.
    pub voteless: Arc<[NodeId]>,
}

impl Pass {
    /// Hops between members: 2N - 2.
    #[must_use]
    pub fn hops(&self) -> u32 {
        (2 * self.order.len() as u32).saturating_sub(2)
    }

    /// Who is visited by a hop. Hop 0 brings the token to the first member; each later one goes
    /// from the receiver of the one before.
    #[must_use]
    pub fn receiver(&self, hop: u32) -> Option<NodeId> {
        let place = hop as usize % self.order.len().max(1);
        self.order.get(place).copied()
    }

    /// True if hop `hop` is the last visit to its receiver: from then on it holds everything.
    #[must_use]
    pub fn is_last_visit(&self, hop: u32) -> bool {
        hop as usize + 1 >= self.order.len()
    }

    /// True if a member is one of them. Looks through all.
    #[must_use]
    pub fn lists(&self, id: NodeId) -> bool {
        self.order.contains(&id)
    }

    /// True if a member is one of those of whom a majority decides on the next pass.
    #[must_use]
    pub fn votes(&self, id: NodeId) -> bool {
        self.lists(id) && !self.voteless.contains(&id)
    }

    /// Those of whom a majority decides on the next pass.
    #[must_use]
    pub fn voters(&self) -> Vec<NodeId> {
        let mute: Set<NodeId> = self.voteless.iter().copied().collect();
        self.order.iter().copied().filter(|id| !mute.contains(id)).collect()
    }

    /// True if every member of this pass, once it is complete, holds a write, or what took its
    /// place; asked at one of them, which holds `data`. Under a key that is gone there was a
    /// tombstone, which all have dropped.
    #[must_use]
    pub fn proves(&self, key: &[u8], stamp: Stamp, data: &Map) -> bool {
        let held = data.get(key).map(|held| held.stamp());
        let below = |stamp: Stamp| stamp.time <= self.horizon;
        below(stamp) && held.is_none_or(|held| held >= stamp && below(held))
    }

    /// The same in short, should it be complete.
    #[must_use]
    pub fn to_horizon(&self) -> Horizon {
        let Grounds { chain, number, forced, .. } = &self.grounds;
        let forced = forced.len() as u32;
        Horizon { time: self.horizon, pass: self.id, chain: *chain, forced, number: *number }
    }

    /// True if what this pass covered is among what the other grew from. Where nothing was forced
    /// all earlier ones of a chain are.
    #[must_use]
    pub fn is_before(&self, later: &Self) -> bool {
        let (own, later) = (&self.grounds, &later.grounds);
        let mut forks = later.forced.iter().filter(|fork| !own.forced.contains(fork));
        own.chain == later.chain
            && own.forced.iter().all(|fork| later.forced.contains(fork))
            && forks.all(|(_, from)| own.number <= *from)
    }

    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.id.to_le_bytes());
        to.put(&self.horizon.to_le_bytes());
        // Builds of before refuse a pass in which some have no vote: they would count them.
        let some_have_none = !self.voteless.is_empty();
        to.put(&[u8::from(self.after.is_some()) | u8::from(some_have_none) << 1]);
        self.after.iter().for_each(|after| after.encode(to));
        self.grounds.encode(to);
        self.encode_rest(to);
        if some_have_none {
            put_ids(&self.voteless, to);
        }
    }

    fn encode_rest(&self, to: &mut Vec<u8>) {
        to.put_varint(self.started_ms);
        to.put(&self.by.0.to_le_bytes());
        to.put_varint(self.order.len() as u64);
        self.order.iter().for_each(|id| to.put(&id.0.to_le_bytes()));
    }

    /// Reads what [`Pass::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or lists nobody, somebody twice, or more than [`MAX_ORDER`].
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, horizon) = (from.u64()?, from.u64()?);
        let bits = from.u8()?;
        if bits > 3 {
            return Err(DecodeError::Invalid("link of a pass"));
        }
        let after = if bits & 1 == 0 { None } else { Some(Horizon::decode(from)?) };
        let grounds = Grounds::decode(from)?;
        let pass = Self::begun(id, horizon, after, grounds).decode_rest(from)?;
        let voteless: Arc<[NodeId]> = match bits & 2 {
            0 => [].into(),
            _ => read_ids(from)?.into(),
        };
        let listed: Set<NodeId> = pass.order.iter().copied().collect();
        let apart: Set<NodeId> = voteless.iter().copied().collect();
        let some = bits & 2 == 0 || !voteless.is_empty() && voteless.len() < pass.order.len();
        if !some || apart.len() < voteless.len() || !apart.is_subset(&listed) {
            return Err(DecodeError::Invalid("members of a pass without a vote"));
        }
        Ok(Self { voteless, ..pass })
    }

    fn begun(id: u64, horizon: u64, after: Option<Horizon>, grounds: Grounds) -> Self {
        let (order, voteless) = ([].into(), [].into());
        Self { id, horizon, after, grounds, started_ms: 0, by: NodeId(0), order, voteless }
    }

    /// Reads what the version before wrote: a pass of a chain whose beginning is not known.
    ///
    /// # Errors
    /// As [`Pass::decode`].
    pub fn decode_old(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, horizon) = (from.u64()?, from.u64()?);
        let (time, pass) = (from.u64()?, from.u64()?);
        let after = Horizon { time, pass, chain: 0, forced: 0, number: 0 };
        let (after, grounds) = (Some(after).filter(|after| after.time > 0), Grounds::default());
        Self::begun(id, horizon, after, grounds).decode_rest(from)
    }

    fn decode_rest(self, from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (started_ms, by) = (from.varint()?, NodeId(from.u64()?));
        let count = from.bounded("members of a pass", MAX_ORDER)?;
        let order = (0..count).map(|_| from.u64().map(NodeId)).collect::<Result<Arc<[_]>, _>>()?;
        if order.is_empty() {
            return Err(DecodeError::Invalid("pass of nobody"));
        }
        let apart: Set<NodeId> = order.iter().copied().collect();
        if apart.len() < order.len() {
            return Err(DecodeError::Invalid("pass with a member twice"));
        }
        Ok(Self { started_ms, by, order, ..self })
    }
}

pub(super) fn put_ids(ids: &[NodeId], to: &mut Vec<u8>) {
    to.put_varint(ids.len() as u64);
    ids.iter().for_each(|id| to.put(&id.0.to_le_bytes()));
}

pub(super) fn read_ids(from: &mut Reader<'_>) -> Result<Vec<NodeId>, DecodeError> {
    let count = from.bounded("members", MAX_ORDER.min(from.remaining() / 8))?;
    (0..count).map(|_| from.u64().map(NodeId)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::hash::Keyed;
    use crate::data::Entry;

    pub(crate) fn pass(horizon: u64) -> Pass {
        let order = [NodeId(1), NodeId(2), NodeId(3)].into();
        let after = Some(Horizon { time: 3, pass: 4, chain: 1, forced: 1, number: 6 });
        let forced = vec![(9, 5)];
        let grounds = Grounds { chain: 1, number: 7, bases: vec![8], forced };
        let voteless = [].into();
        Pass { id: 77, horizon, after, grounds, started_ms: 5, by: NodeId(2), order, voteless }
    }

    #[test]
    fn a_pass_is_read_again_and_so_is_one_of_the_version_before() {
        let one = pass(50);
        let mut bytes = Vec::new();
        one.encode(&mut bytes);
        assert_eq!(Pass::decode(&mut Reader::new(&bytes)), Ok(one.clone()));
        let mut old = [[77_u64, 50, 3, 4].map(u64::to_le_bytes).concat()].concat();
        one.encode_rest(&mut old);
        let read = Pass::decode_old(&mut Reader::new(&old)).unwrap();
        assert_eq!((read.id, read.horizon, read.order), (77, 50, one.order.clone()));
        assert_eq!(read.after.map(|after| (after.time, after.pass, after.chain)), Some((3, 4, 0)));
        for (voteless, fits) in [
            (&[2_u64][..], true),
            (&[1, 3], true),
            (&[1, 2, 3], false),
            (&[4], false),
            (&[1, 1], false),
        ] {
            let voteless: Arc<[NodeId]> = voteless.iter().map(|id| NodeId(*id)).collect();
            let some = Pass { voteless, ..one.clone() };
            let mut bytes = Vec::new();
            some.encode(&mut bytes);
            let read = Pass::decode(&mut Reader::new(&bytes));
            assert_eq!(read.is_ok(), fits, "{some:?}");
            if let Ok(read) = read {
                assert_eq!((read.voters(), &read), (some.voters(), &some));
                assert!(read.order.iter().all(|id| read.votes(*id) != read.voteless.contains(id)));
            }
        }
        let twice = Pass { order: [NodeId(1), NodeId(1)].into(), ..one };
        let mut bytes = Vec::new();
        twice.encode(&mut bytes);
        assert!(Pass::decode(&mut Reader::new(&bytes)).is_err());
    }

    #[test]
    fn who_was_covered_before_an_operator_forced_a_pass_is_placed() {
        let at = |chain, number, forced: &[(u64, u32)]| {
            let grounds = Grounds { chain, number, forced: forced.to_vec(), ..Grounds::default() };
            Pass { grounds, ..pass(50) }
        };
        let later = at(1, 9, &[(20, 5)]);
        assert!(at(1, 5, &[]).is_before(&later), "it grew from that");
        assert!(!at(1, 6, &[]).is_before(&later), "the other side went on");
        assert!(at(1, 8, &[(20, 5)]).is_before(&later));
        assert!(!at(1, 5, &[(21, 4)]).is_before(&later), "forced by another side");
        assert!(!at(2, 1, &[]).is_before(&later), "another chain");
    }

    /// As the note on gossip has it: A to B, B to C, C to A, A to B.
    #[test]
    fn the_way_of_the_token() {
        let pass = pass(0);
        let way: Vec<u64> = (0..=pass.hops()).map(|hop| pass.receiver(hop).unwrap().0).collect();
        assert_eq!(way, [1, 2, 3, 1, 2]);
        let last: Vec<bool> = (0..=pass.hops()).map(|hop| pass.is_last_visit(hop)).collect();
        assert_eq!(last, [false, false, true, true, true]);
        let alone = Pass { order: [NodeId(9)].into(), ..pass };
        assert_eq!((alone.hops(), alone.is_last_visit(0)), (0, true));
    }

    #[test]
    fn a_pass_proves_what_is_held_from_below_its_horizon_or_gone() {
        let mut data = Map::new(Keyed::for_cluster("test"));
        let stamp = |time| Stamp { time, node: NodeId(7) };
        for (key, time) in [(b"old", 50), (b"new", 101)] {
            let _ = data.apply(Arc::new(Entry::new(key, b"v", stamp(time), None)));
        }
        let pass = pass(100);
        let proves = |key: &[u8], time| pass.proves(key, stamp(time), &data);
        assert!(proves(b"old", 50) && proves(b"old", 40), "it, or what took its place");
        assert!(!proves(b"old", 60), "this one is not held here");
        assert!(proves(b"gone", 100), "there was a tombstone");
        assert!(!proves(b"gone", 101) && !proves(b"new", 40), "above the horizon nothing is sure");
    }
}
