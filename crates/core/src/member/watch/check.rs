//! What holds of the watch over the members between turns.

use super::Watch;
use crate::member::record::MAX_INCARNATION;
use crate::member::{State, Table};

impl Watch {
    /// Checks that what this node says of itself is in the table, that those are sought who are held
    /// dead, and that nothing is left unsaid.
    pub(crate) fn check(&self, table: &Table) {
        let id = self.identity.id;
        assert_eq!(table.own(), id, "whose table it is, and who watches");
        assert!(self.news.is_empty(), "{} entries were not told", self.news.len());
        let said = table.get(id).map(|own| (own.state, own.incarnation));
        let state = if self.left { State::Left } else { State::Alive };
        let right = Some((state, self.incarnation.min(MAX_INCARNATION)));
        assert_eq!(said, right, "what this node says of itself, and what it is");
        let others = table.not_alive().filter(|member| member.id != id);
        let dead = others.filter(|member| member.state == State::Dead).count();
        assert_eq!(self.rejoin.lost_members(), dead, "those that are sought, and the dead");
    }
}
