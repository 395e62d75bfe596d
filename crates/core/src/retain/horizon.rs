//! The stable horizon, and the roster's entry that says where it is.

use super::Holding;
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::data::{self, Entry, Fate, Space, Stamp};
use crate::output::applied;
use std::cmp::{Ordering, Reverse};
use std::sync::Arc;

/// The key of the roster's entry that says which pass is the latest complete one.
pub const KEY: &[u8] = b"horizon";

/// A complete pass, in short. The greater is the later one: of two chains the one that was begun
/// first, in it the one after more forced passes, then the one with the larger time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Stamps up to this time are covered.
    pub time: u64,
    /// The pass.
    pub pass: u64,
    /// The horizon of the first pass of its chain; zero for chains from before this was kept.
    pub chain: u64,
    /// How many of the passes up to it were forced by an operator.
    pub forced: u32,
    /// The number of passes up to it.
    pub number: u32,
}

impl Horizon {
    fn rank(&self) -> impl Ord {
        (Reverse(self.chain), self.forced, self.time, self.pass, self.number)
    }

    /// As an entry of the roster, the same whoever makes it. Builds of before said how many members the
    /// pass had; nobody reads that.
    #[must_use]
    pub fn to_entry(self) -> Entry {
        let mut value = vec![2];
        value.put_varint(0);
        value.put(&self.chain.to_le_bytes());
        value.put_varint(self.forced.into());
        value.put_varint(self.number.into());
        Entry::new(KEY, &value, Stamp { time: self.time, node: NodeId(self.pass) }, None)
    }

    /// What an entry of the roster says, if it is this one. What this build cannot read is of a chain
    /// from before chains were kept.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let Stamp { time, node } = entry.stamp();
        let (chain, forced, number) = Self::place(entry.value()?).unwrap_or_default();
        let pass = node.0;
        (entry.key() == KEY).then_some(Self { time, pass, chain, forced, number })
    }

    fn place(value: &[u8]) -> Option<(u64, u32, u32)> {
        let mut from = Reader::new(value);
        let (version, _) = (from.u8().ok()?, from.varint().ok()?);
        let small = |from: &mut Reader<'_>| u32::try_from(from.varint().ok()?).ok();
        let read = |from: &mut Reader<'_>| Some((from.u64().ok()?, small(from)?, small(from)?));
        if version < 2 { None } else { read(&mut from) }
    }

    /// Appends it: 18 bytes and more.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.time.to_le_bytes());
        to.put(&self.pass.to_le_bytes());
        to.put(&self.chain.to_le_bytes());
        to.put_varint(self.forced.into());
        to.put_varint(self.number.into());
    }

    /// Reads what [`Horizon::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or a count is too large.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (time, pass, chain) = (from.u64()?, from.u64()?, from.u64()?);
        let count = |from: &mut Reader<'_>| from.bounded("passes", u32::MAX as usize);
        let (forced, number) = (count(from)? as u32, count(from)? as u32);
        Ok(Self { time, pass, chain, forced, number })
    }
}

impl Ord for Horizon {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Horizon {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Offers a peer's entry that says which pass is complete to the roster.
pub fn offer(entry: &Arc<Entry>, from: NodeId, hold: &mut Holding<'_>) -> Fate {
    let Some(horizon) = Horizon::of(entry) else { return Fate::Useless };
    // A token may have told this node of it before.
    let held = hold.replica.roster.get(KEY).and_then(|held| Horizon::of(held));
    match held.map(|held| held.cmp(&horizon)) {
        Some(Ordering::Equal) => return Fate::Known,
        Some(Ordering::Greater) => return Fate::Useless,
        Some(Ordering::Less) | None => {}
    }
    // It moves the clock of everyone who hears of it.
    if !hold.replica.clock.leads(entry.stamp().time, hold.wall_ms) {
        hold.env.stats.refused_skew += 1;
        return Fate::Useless;
    }
    // The later pass may be the one with the smaller stamp, where an operator has forced one.
    if let Some(stamp) = hold.replica.roster.get(KEY).map(|held| held.stamp())
        && stamp > entry.stamp()
    {
        hold.replica.roster.remove(KEY, stamp);
    }
    let data::Merged::New(replaced) = hold.replica.roster.apply(Arc::clone(entry)) else {
        return Fate::Known;
    };
    hold.out.push(applied(Space::Roster, entry, replaced, Some(from)));
    Fate::New
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::tests::{Ground, H};

    fn horizon(chain: u64, forced: u32, time: u64) -> Horizon {
        Horizon { time, pass: 7, chain, forced, number: 3 }
    }

    #[test]
    fn the_older_chain_is_later_then_what_was_forced_then_the_time() {
        let order = [(9, 5, H + 9), (4, 0, H + 1), (4, 0, H + 2), (4, 1, H)];
        let order = order.map(|(chain, forced, time)| horizon(chain, forced, time));
        assert!(order.is_sorted());
        for horizon in order {
            assert_eq!(Horizon::of(&horizon.to_entry()), Some(horizon));
            let mut bytes = Vec::new();
            horizon.encode(&mut bytes);
            assert_eq!(Horizon::decode(&mut Reader::new(&bytes)), Ok(horizon));
        }
    }

    #[test]
    fn what_the_version_before_says_is_of_the_oldest_chain() {
        let stamp = Stamp { time: H, node: NodeId(7) };
        let old = Entry::new(KEY, &[1, 3], stamp, None);
        let read = Horizon { time: H, pass: 7, chain: 0, forced: 0, number: 0 };
        assert_eq!(Horizon::of(&old), Some(read));
        assert_eq!(Horizon::of(&Entry::tombstone(KEY, stamp)), None);
    }

    #[test]
    fn the_roster_keeps_the_later_pass_whatever_its_stamp() {
        let mut ground = Ground::new(1, 3);
        let (plain, forced) = (horizon(4, 0, H + 9), horizon(4, 1, H));
        let mut offer = |horizon: Horizon| {
            let entry = Arc::new(horizon.to_entry());
            let fate = offer(&entry, NodeId(2), &mut ground.holding());
            (fate, ground.replica.roster.get(KEY).and_then(|held| Horizon::of(held)))
        };
        assert_eq!(offer(plain), (Fate::New, Some(plain)));
        assert_eq!(offer(forced), (Fate::New, Some(forced)));
        assert_eq!(offer(plain), (Fate::Useless, Some(forced)));
        assert_eq!(offer(forced), (Fate::Known, Some(forced)));
    }

    #[test]
    fn two_builds_words_for_one_pass_are_one() {
        let pass = horizon(4, 0, H);
        let ours = Arc::new(pass.to_entry());
        let value = [&[2, 5], &ours.value().unwrap()[2..]].concat();
        let theirs = Arc::new(Entry::new(KEY, &value, ours.stamp(), None));
        let mut digests = Vec::new();
        for (first, second) in [(&ours, &theirs), (&theirs, &ours)] {
            let mut ground = Ground::new(1, 3);
            assert_eq!(offer(first, NodeId(2), &mut ground.holding()), Fate::New);
            assert_eq!(offer(second, NodeId(2), &mut ground.holding()), Fate::Known);
            assert_eq!(ground.replica.roster.get(KEY).and_then(|e| Horizon::of(e)), Some(pass));
            digests.push(ground.replica.roster.digest());
        }
        assert_eq!(digests[0], digests[1]);
    }
}
