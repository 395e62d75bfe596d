//! Who is known to hold what this node has written, of whom a majority counts.

use super::Standing;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault};
use crate::data::Cut;
use crate::member::{State, Table};
use crate::retain::Holding;

impl Standing {
    /// A peer was found to hold all that this node had written before a cut. `last` is the largest
    /// stamp that this node knows of. Who may have been set back does not count, this node neither:
    /// what it has accepted it may have forgotten, and a pass without it may go on from that.
    pub fn confirm(&mut self, peer: NodeId, cut: Cut, last: u64, hold: &Holding<'_>) {
        let table = hold.env.table;
        let time = match cut.is_none() {
            true => last,
            false => (cut.first_ms() << 16).saturating_sub(1).min(last),
        };
        let Some(member) = table.get(peer) else { return };
        // Of the voters of the link as they were listed, this node among them if it was.
        let counts = |id| match &self.covered {
            Some(pass) => pass.votes(id),
            None => table.get(id).is_some_and(|member| member.state != State::Left),
        };
        let in_doubt = member.is_in_doubt() && !planted::has(Fault::Doubt);
        if counts(peer) && !in_doubt {
            let of = self.electorate(table);
            let own = counts(self.own) && !self.doubt;
            let needed = (of / 2 + 1).saturating_sub(usize::from(own)).max(1);
            self.confirmed.agree((peer, member.incarnation), time, needed, hold.env.now);
        }
    }

    /// How many members count where a majority is to hold something.
    fn electorate(&self, table: &Table) -> usize {
        match &self.covered {
            Some(pass) => pass.order.len() - pass.voteless.len(),
            None => table.members().filter(|member| member.state != State::Left).count(),
        }
    }

    /// How many members, this node included, are known to hold its writes up to a time, of how many
    /// a majority is needed.
    #[must_use]
    pub fn holders(&self, upto: u64, table: &Table) -> (usize, usize) {
        let of = self.electorate(table);
        let held = match self.confirmed.upto() >= upto {
            true => of / 2 + 1,
            false => self.confirmed.holders(upto) + 1,
        };
        (held.min(of.max(1)), of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::record::tests::record;
    use crate::retain::Tombstones;
    use crate::retain::tests::{Ground, H, NOW, pass, policy};
    use std::sync::Arc;
    use std::time::Duration;

    fn standing() -> Standing {
        Standing::new(NodeId(1), policy(Tombstones::Horizon))
    }

    #[test]
    fn only_members_of_the_pass_confirm() {
        let (mut ground, mut standing) = (Ground::new(1, 9), standing());
        standing.cover(pass(1, H, &[1, 2, 3, 4, 5]), &mut ground.replica);
        let last = NOW.wall_ms << 16;
        let cut = |ms| Cut::around(NOW.wall_ms + ms, 0);
        let mut confirm = |peer, ms| {
            standing.confirm(NodeId(peer), cut(ms), last, &ground.holding());
            standing.confirmed.poll(NOW.mono.after(Duration::from_secs(9)), |_| Some(1));
            standing.confirmed()
        };
        assert_eq!([confirm(9, 0), confirm(2, 0), confirm(2, 500)], [H; 3]);
        let confirmed = confirm(3, 500);
        assert!(confirmed > H && confirmed < last);
        standing.check(&ground.replica);
    }

    #[test]
    fn who_may_have_been_set_back_confirms_nothing() {
        let last = NOW.wall_ms << 16;
        // Two of three make a majority, and three of three without this node.
        let cases = [(false, false, true), (false, true, false), (true, false, false)];
        for (own, other, confirms) in cases {
            let (mut ground, mut standing) = (Ground::new(1, 3), standing());
            standing.cover(pass(1, H, &[1, 2, 3]), &mut ground.replica);
            standing.doubt = own;
            let said = record(2, 2, State::Alive).doubting(other);
            ground.table.update(&said, &Arc::new(said.to_entry()), NOW.mono);
            standing.confirm(NodeId(2), Cut::NONE, last, &ground.holding());
            standing.confirmed.poll(NOW.mono.after(Duration::from_secs(9)), |_| Some(2));
            assert_eq!(standing.confirmed() == last, confirms, "{own} {other}");
        }
    }
}
