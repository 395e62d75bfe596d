//! The stable horizon, and the roster's entry that says where it is.

use super::Holding;
use crate::base::codec::Write as _;
use crate::base::id::NodeId;
use crate::data::{self, Entry, Fate, Space, Stamp};
use crate::output::applied;
use std::cmp::Ordering;
use std::sync::Arc;

/// The key of the roster's entry that says which pass is the latest complete one.
pub const KEY: &[u8] = b"horizon";

/// The latest complete pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Horizon {
    /// Stamps up to this time are covered.
    pub time: u64,
    /// The pass.
    pub pass: u64,
}

impl Horizon {
    /// As an entry of the roster.
    #[must_use]
    pub fn to_entry(self, members: usize) -> Entry {
        let mut value = vec![1];
        value.put_varint(members as u64);
        Entry::new(KEY, &value, Stamp { time: self.time, node: NodeId(self.pass) }, None)
    }

    /// What an entry of the roster says, if it is this one.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let Stamp { time, node } = entry.stamp();
        (entry.key() == KEY).then_some(Self { time, pass: node.0 })
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
    let plain = entry.value().is_some();
    if !hold.replica.clock.admits(entry.stamp(), hold.wall_ms) || !plain {
        hold.env.stats.refused_skew += 1;
        return Fate::Useless;
    }
    if let data::Merged::New(replaced) = hold.replica.roster.apply(Arc::clone(entry)) {
        hold.out.push(applied(Space::Roster, entry, replaced, Some(from)));
    }
    Fate::New
}
