//! What holds of the member table, by itself and with the roster beside it.

use super::{Among, Table};
use crate::base::check::Depth;
use crate::data::Map;

impl Table {
    /// Checks what must hold, given the roster of which it is a view, and how many of that one's
    /// entries are no members.
    pub(crate) fn check(&self, roster: &Map, others: u64, depth: Depth) {
        let (members, entries) = (self.len() as u64, roster.digest().count);
        assert_eq!(members + others, entries, "{members} members and {others} others, and entries");
        self.roll.check(depth);
        let own = self.roll.get(self.own).filter(|own| own.state.is_present());
        let rank = own.map(|_| self.roll.rank(Among::All, self.own));
        assert_eq!(self.own_rank, rank, "this node's own rank, as kept and as it is");
        let zone = self.roll.zone_of(self.own).unwrap_or_default();
        assert_eq!(self.own_zone, zone, "this node's own zone, as kept and as it is");
        for (place, member) in self.members().enumerate() {
            if depth.picks(place, self.len()) {
                let held = roster.get(member.entry.key());
                assert_eq!(
                    held,
                    Some(member.entry),
                    "{} in the roster and in the table",
                    member.id
                );
            }
        }
    }
}
