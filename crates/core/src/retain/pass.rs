//! One pass of ring repair: whom it visits, and up to where it covers what they hold.

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::data::{Map, Stamp};
use std::sync::Arc;

/// Members of a pass, at most.
pub const MAX_ORDER: usize = 65_536;

/// One pass over all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// A random number.
    pub id: u64,
    /// Stamps up to this time are covered.
    pub horizon: u64,
    /// The pass before, and its horizon: whoever that has not covered is brought back first.
    pub after: Option<(u64, u64)>,
    /// When it began, by the wall clock of who began it.
    pub started_ms: u64,
    /// Who began it, and is told how it goes on.
    pub by: NodeId,
    /// The members in the order of their visits, at least one.
    pub order: Arc<[NodeId]>,
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

    /// True if every member of this pass, once it is complete, holds a write, or what took its
    /// place; asked at one of them, which holds `data`. Under a key that is gone there was a
    /// tombstone, which all have dropped.
    #[must_use]
    pub fn proves(&self, key: &[u8], stamp: Stamp, data: &Map) -> bool {
        let held = data.get(key).map(|held| held.stamp());
        let below = |stamp: Stamp| stamp.time <= self.horizon;
        below(stamp) && held.is_none_or(|held| held >= stamp && below(held))
    }

    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.id.to_le_bytes());
        to.put(&self.horizon.to_le_bytes());
        let (horizon, pass) = self.after.unwrap_or_default();
        to.put(&horizon.to_le_bytes());
        to.put(&pass.to_le_bytes());
        to.put_varint(self.started_ms);
        to.put(&self.by.0.to_le_bytes());
        to.put_varint(self.order.len() as u64);
        self.order.iter().for_each(|id| to.put(&id.0.to_le_bytes()));
    }

    /// Reads what [`Pass::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or lists nobody or more than [`MAX_ORDER`].
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, horizon) = (from.u64()?, from.u64()?);
        let after = Some((from.u64()?, from.u64()?)).filter(|(horizon, _)| *horizon > 0);
        let (started_ms, by) = (from.varint()?, NodeId(from.u64()?));
        let count = from.bounded("members of a pass", MAX_ORDER)?;
        let order = (0..count).map(|_| from.u64().map(NodeId)).collect::<Result<Arc<[_]>, _>>()?;
        if order.is_empty() {
            return Err(DecodeError::Invalid("pass of nobody"));
        }
        Ok(Self { id, horizon, after, started_ms, by, order })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::base::hash::Keyed;
    use crate::data::Entry;

    pub(crate) fn pass(horizon: u64) -> Pass {
        let order = [NodeId(1), NodeId(2), NodeId(3)].into();
        Pass { id: 77, horizon, after: Some((3, 4)), started_ms: 5, by: NodeId(2), order }
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
