//! What holds of the watch over the members between turns.

use super::Watch;
use crate::base::time::Instant;
use crate::member::record::MAX_INCARNATION;
use crate::member::{State, Table};

impl Watch {
    /// Checks that what this node says of itself is in the table, that the silent have a time to
    /// answer and the dead are sought, and nobody else, and that nothing is left unsaid.
    pub(crate) fn check(&self, table: &Table) {
        let id = self.identity.id;
        assert_eq!(table.own(), id, "whose table it is, and who watches");
        assert!(self.news.is_empty(), "{} entries were not told", self.news.len());
        let said = table.get(id).map(|own| (own.state, own.incarnation));
        let state = if self.left { State::Left } else { State::Alive };
        let right = Some((state, self.incarnation.min(MAX_INCARNATION)));
        assert_eq!(said, right, "what this node says of itself, and what it is");
        let of = |state: State| {
            let others = table.not_alive().filter(move |member| member.id != id);
            others.filter(move |member| member.state == state).map(|member| member.id)
        };
        let same = self.suspicions.suspects().eq(of(State::Suspect));
        assert!(same, "those with a time to answer are not the suspects: {:?}", self.suspicions);
        let same = self.rejoin.dead().eq(of(State::Dead));
        assert!(same, "those that are sought are not the dead: {:?}", self.rejoin);
        self.recorder.check();
        self.reach.check();
    }

    /// Checks that what is due was done, and that all that is awaited has an end.
    pub(crate) fn check_time(&self, now: Instant) {
        self.twin.check(now);
        self.patience.check(now);
        // Who has left waits for nothing.
        if !self.left {
            self.prober.check(self.identity.id, now);
            self.suspicions.check(now);
            self.rejoin.check(now);
        }
    }
}
