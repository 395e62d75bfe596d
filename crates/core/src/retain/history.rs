//! What is remembered of members that the latest pass does not list, and of what members may have
//! lost: it is handed to whoever is brought back. See docs/chain.md.

use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;

/// Members and gaps that are remembered, each. What is forgotten makes strays of what could have
/// been dropped, and nothing worse.
pub const MAX_HISTORY: usize = 4096;
/// Gaps of one member; more become one.
const GAPS_OF_ONE: usize = 8;

/// Stamps of its own that a member may have lost: above `from`, up to `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// The member.
    pub id: NodeId,
    /// The largest stamp on its disk when it started.
    pub from: u64,
    /// When that was.
    pub to: u64,
}

/// The memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Members and up to where the last pass that visited each went, in the order of their ids.
    former: Vec<(NodeId, u64)>,
    /// In the order of the members.
    gaps: Vec<Gap>,
}

impl History {
    /// Up to where passes have visited a member that the latest does not list.
    #[must_use]
    pub fn visited(&self, id: NodeId) -> u64 {
        let place = self.former.binary_search_by_key(&id, |(id, _)| *id);
        place.ok().and_then(|at| self.former.get(at)).map_or(0, |(_, upto)| *upto)
    }

    /// True if a member may have lost what it had written at this time.
    #[must_use]
    pub fn is_in_gap(&self, id: NodeId, time: u64) -> bool {
        let from = self.gaps.partition_point(|gap| gap.id < id);
        let own = self.gaps.iter().skip(from).take_while(|gap| gap.id == id);
        own.into_iter().any(|gap| gap.from < time && time <= gap.to)
    }

    /// Members that the latest pass does not list, and up to where the last one that did went.
    #[must_use]
    pub fn former(&self) -> &[(NodeId, u64)] {
        &self.former
    }

    /// All gaps.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// A pass has visited a member.
    pub fn visit(&mut self, id: NodeId, upto: u64) {
        match self.former.binary_search_by_key(&id, |(id, _)| *id) {
            Ok(at) => self.former.iter_mut().skip(at).take(1).for_each(|(_, held)| {
                *held = upto.max(*held);
            }),
            Err(at) => self.former.insert(at, (id, upto)),
        }
    }

    /// A member may have lost something.
    pub fn note_gap(&mut self, gap: Gap) {
        if gap.from >= gap.to {
            return;
        }
        let first = self.gaps.partition_point(|held| held.id < gap.id);
        let count = self.gaps.iter().skip(first).take_while(|held| held.id == gap.id).count();
        // What touches becomes one, and with too many so does the rest.
        let mut own: Vec<Gap> = self.gaps.splice(first..first + count, []).collect();
        own.push(gap);
        own.sort_unstable();
        own.dedup_by(|later, earlier| {
            let touches = later.from <= earlier.to;
            earlier.to = if touches { later.to.max(earlier.to) } else { earlier.to };
            touches
        });
        while own.len() > GAPS_OF_ONE {
            let width = |pair: &[Gap]| match pair {
                [one, other] => other.from - one.to,
                _ => u64::MAX,
            };
            let pairs = own.windows(2).enumerate().min_by_key(|(_, pair)| width(pair));
            let Some((at, _)) = pairs else { break };
            let later = own.remove(at + 1);
            own.iter_mut().skip(at).take(1).for_each(|gap| gap.to = later.to);
        }
        self.gaps.splice(first..first, own);
    }

    /// Takes in what another remembers.
    pub fn absorb(&mut self, other: &Self) {
        other.former.iter().for_each(|(id, upto)| self.visit(*id, *upto));
        other.gaps.iter().for_each(|gap| self.note_gap(*gap));
        self.make_room();
    }

    /// A pass lists these members: they are known by it.
    pub fn retain_former(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.former.retain(|(id, _)| keep(*id));
        self.make_room();
    }

    /// The oldest visits go, and of members with gaps the ones that have the oldest become one.
    fn make_room(&mut self) {
        while self.former.len() > MAX_HISTORY {
            let oldest = self.former.iter().enumerate().min_by_key(|(_, (_, upto))| *upto);
            let Some((at, _)) = oldest else { break };
            self.former.remove(at);
        }
        // Each member's become one gap first; a gap is never dropped before its member's visits are.
        if self.gaps.len() > MAX_HISTORY {
            self.gaps.dedup_by(|later, earlier| {
                let same = later.id == earlier.id;
                earlier.to = if same { later.to.max(earlier.to) } else { earlier.to };
                same
            });
        }
        while self.gaps.len() > MAX_HISTORY {
            let oldest = self.gaps.iter().enumerate().min_by_key(|(_, gap)| gap.to);
            let Some((at, gap)) = oldest.map(|(at, gap)| (at, *gap)) else { break };
            self.gaps.remove(at);
            // Without its gap nothing is known of it any more.
            self.former.retain(|(id, _)| *id != gap.id);
        }
    }

    /// Appends it: 16 bytes a member, 24 a gap.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put_varint(self.former.len() as u64);
        for (id, upto) in &self.former {
            to.put(&id.0.to_le_bytes());
            to.put(&upto.to_le_bytes());
        }
        to.put_varint(self.gaps.len() as u64);
        for gap in &self.gaps {
            [gap.id.0, gap.from, gap.to].iter().for_each(|number| to.put(&number.to_le_bytes()));
        }
    }

    /// Reads what [`History::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, has more than [`MAX_HISTORY`] of either, or another order.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let count = from.bounded("former members", MAX_HISTORY)?;
        let former: Vec<(NodeId, u64)> = (0..count)
            .map(|_| Ok((NodeId(from.u64()?), from.u64()?)))
            .collect::<Result<_, DecodeError>>()?;
        let count = from.bounded("gaps", MAX_HISTORY)?;
        let gaps: Vec<Gap> = (0..count)
            .map(|_| Ok(Gap { id: NodeId(from.u64()?), from: from.u64()?, to: from.u64()? }))
            .collect::<Result<_, DecodeError>>()?;
        let history = Self { former, gaps };
        match history.is_sound() {
            true => Ok(history),
            false => Err(DecodeError::Invalid("history of passes")),
        }
    }

    fn is_sound(&self) -> bool {
        self.former.len() <= MAX_HISTORY
            && self.former.is_sorted_by(|(one, _), (other, _)| one < other)
            && self.gaps.is_sorted()
            && self.gaps.iter().all(|gap| gap.from < gap.to)
            && self.gaps.is_sorted_by(|one, other| one.id < other.id || one.to < other.from)
    }

    /// Panics unless it is in order and within its bounds.
    pub(crate) fn check(&self) {
        assert!(self.is_sound(), "what is remembered of members is not in order: {self:?}");
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gap(id: u64, from: u64, to: u64) -> Gap {
        Gap { id: NodeId(id), from, to }
    }

    #[test]
    fn the_latest_visit_counts_and_gaps_are_open_below() {
        let mut history = History::default();
        history.visit(NodeId(5), 10);
        history.visit(NodeId(5), 7);
        history.note_gap(gap(5, 20, 30));
        assert_eq!((history.visited(NodeId(5)), history.visited(NodeId(6))), (10, 0));
        let lost = [20, 21, 30, 31].map(|time| history.is_in_gap(NodeId(5), time));
        assert_eq!(lost, [false, true, true, false]);
        assert!(!history.is_in_gap(NodeId(6), 25));
        history.retain_former(|id| id != NodeId(5));
        assert_eq!((history.visited(NodeId(5)), history.gaps().len()), (0, 1), "gaps stay");
    }

    #[test]
    fn many_gaps_of_one_become_wider_and_never_fewer_times() {
        let mut history = History::default();
        for at in 0..100 {
            history.note_gap(gap(5, 1000 - 10 * at, 1003 - 10 * at));
            history.check();
        }
        assert_eq!(history.gaps().len(), GAPS_OF_ONE);
        assert!((0..100).all(|at| history.is_in_gap(NodeId(5), 1002 - 10 * at)));
    }

    #[test]
    fn what_is_forgotten_is_never_taken_for_certain() {
        let mut history = History::default();
        for id in 0..MAX_HISTORY as u64 + 9 {
            history.absorb(&History {
                former: vec![(NodeId(id), 100 + id)],
                gaps: vec![gap(id, id, 50 + id)],
            });
        }
        history.check();
        assert_eq!(history.former().len(), MAX_HISTORY);
        assert_eq!((history.visited(NodeId(0)), history.visited(NodeId(9))), (0, 109));
    }

    proptest! {
        #[test]
        fn gaps_cover_what_was_noted(
            noted in prop::collection::vec((0_u64..4, 0_u64..300, 1_u64..9), 0..60),
        ) {
            let mut history = History::default();
            for (id, from, width) in &noted {
                history.note_gap(gap(*id, *from, from + width));
                history.check();
            }
            for (id, from, width) in &noted {
                prop_assert!((from + 1..=from + width).all(|t| history.is_in_gap(NodeId(*id), t)));
            }
            let mut bytes = Vec::new();
            history.encode(&mut bytes);
            prop_assert_eq!(History::decode(&mut Reader::new(&bytes)), Ok(history));
        }

        #[test]
        fn any_bytes_are_read_in_order_or_not_at_all(bytes: Vec<u8>) {
            if let Ok(history) = History::decode(&mut Reader::new(&bytes)) {
                history.check();
            }
        }
    }
}
