//! What becomes of an entry from below the horizon that a node brings back and the member that brings
//! it back does not hold. docs/chain.md has why.

use super::history::History;
use super::pass::Pass;
use super::story::End;
use crate::base::id::NodeId;
use crate::base::planted::{self, Fault as Planted};
use crate::data::{Entry, Stamp};

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was superseded: it goes.
    Drop(End),
    /// Nobody can have seen it: it is written anew, with the stamp that it had.
    Anew,
    /// Nothing proves either: it is kept aside.
    Aside,
}

/// What is known when that is decided.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Who decides.
    pub own: NodeId,
    /// The latest pass that covers it.
    pub link: Option<&'a Pass>,
    /// Its own writes up to this time are known to be held by a majority of that.
    pub confirmed: u64,
    /// Its own writes above this time have gone nowhere.
    pub unsent: Option<u64>,
    /// True if it may have been set back to an old copy of its disk.
    pub doubt: bool,
    /// The time, wall milliseconds since 1970.
    pub wall_ms: u64,
    /// The pass that it is brought back to.
    pub tip: &'a Pass,
    /// What the giver remembers of others.
    pub history: &'a History,
}

impl Case<'_> {
    /// What becomes of an entry.
    #[must_use]
    pub fn verdict(&self, entry: &Entry) -> Verdict {
        let (Stamp { node: writer, time }, age) = (entry.stamp(), entry.age());
        let own = writer == self.own;
        let placed = self.link.is_none_or(|link| link.is_before(self.tip));
        // All that the link covered held it, and the tip grew from the link.
        if placed && self.link.is_some_and(|link| age <= link.horizon) {
            return Verdict::Drop(End::Placed);
        }
        if self.was_held_by(writer, time, age) {
            return Verdict::Drop(End::Visited);
        }
        // What is its owner's alone is for its owner to say again.
        if entry.owner().is_some() && !own {
            return Verdict::Drop(End::Visited);
        }
        let forced = |link: &Pass| link.grounds.forced.len() < self.tip.grounds.forced.len();
        let majority = self.link.is_some_and(|link| !forced(link)) && age <= self.confirmed;
        if own && placed && majority {
            return Verdict::Drop(End::Confirmed);
        }
        let unseen = own && self.unsent.is_some_and(|from| time > from);
        // What nobody is shown brings nothing back: it takes the place of what is older, as it would
        // have if it had come in time.
        let hidden = !entry.live_at(self.wall_ms);
        match unseen && !self.doubt || hidden || planted::has(Planted::Strays) {
            true => Verdict::Anew,
            false => Verdict::Aside,
        }
    }

    /// True if a pass up to the tip visited the writer, which held the entry then. What somebody else
    /// has written anew the writer may have lost long before.
    fn was_held_by(&self, writer: NodeId, time: u64, age: u64) -> bool {
        let upto = match self.tip.lists(writer) {
            true => self.tip.horizon,
            false => self.history.visited(writer),
        };
        let lost = [time, age].iter().any(|time| self.history.is_in_gap(writer, *time));
        age <= upto && (!lost || planted::has(Planted::Gaps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::history::Gap;
    use crate::retain::pass::Grounds;
    use crate::retain::tests::{H, entry, pass};

    const OWN: u64 = 1;

    fn link(id: u64, horizon: u64, number: u32, forced: &[(u64, u32)]) -> Pass {
        let forced = forced.to_vec();
        let grounds = Grounds { chain: 5, number, forced, ..Grounds::default() };
        Pass { grounds, ..pass(id, horizon, &[2, 3]) }
    }

    /// The verdict on what `writer` wrote at `H + 50`, at a node with the link at `H` that is brought
    /// back to one at `H + 100`, after a change.
    fn verdict(writer: u64, change: impl FnOnce(&mut Pass, &mut Pass, &mut History)) -> Verdict {
        with(writer, change, 0, None, false)
    }

    fn with(
        writer: u64,
        change: impl FnOnce(&mut Pass, &mut Pass, &mut History),
        confirmed: u64,
        unsent: Option<u64>,
        doubt: bool,
    ) -> Verdict {
        let (mut link, mut tip) = (self::link(1, H, 7, &[]), self::link(2, H + 100, 9, &[]));
        let mut history = History::default();
        change(&mut link, &mut tip, &mut history);
        let (own, link, tip, history) = (NodeId(OWN), Some(&link), &tip, &history);
        let case = Case { own, link, confirmed, unsent, doubt, wall_ms: 9, tip, history };
        case.verdict(&entry("k", H + 50, writer, Some("v")))
    }

    #[test]
    fn a_deletion_brings_nothing_back_whoever_has_it() {
        let (link, tip) = (link(1, H, 7, &[]), self::link(2, H + 100, 9, &[]));
        let history = History::default();
        let (own, link, tip, history) = (NodeId(OWN), Some(&link), &tip, &history);
        let (confirmed, unsent, doubt, wall_ms) = (0, None, true, 9);
        let case = Case { own, link, confirmed, unsent, doubt, wall_ms, tip, history };
        assert_eq!(case.verdict(&entry("k", H + 50, 9, None)), Verdict::Anew);
        assert_eq!(case.verdict(&entry("k", H + 50, 2, None)), Verdict::Drop(End::Visited));
        let stamp = entry("k", H + 50, 9, None).stamp();
        let until = |at| case.verdict(&Entry::new(b"k", b"v", stamp, Some(at)));
        assert_eq!((until(9), until(10)), (Verdict::Anew, Verdict::Aside), "expired, or not yet");
    }

    #[test]
    fn what_its_own_link_covered_is_no_news_wherever_that_is_placed() {
        let covered = |link: &mut Pass| link.horizon = H + 50;
        assert_eq!(verdict(9, |link, _, _| covered(link)), Verdict::Drop(End::Placed));
        let forced = verdict(9, |link, tip, _| {
            covered(link);
            tip.grounds.forced = vec![(8, 6)];
        });
        assert_eq!(forced, Verdict::Aside, "an operator has let others go on");
        let other = verdict(9, |link, tip, _| {
            covered(link);
            tip.grounds.chain = 4;
        });
        assert_eq!(other, Verdict::Aside, "another chain");
    }

    #[test]
    fn what_its_writer_held_when_it_was_visited_goes() {
        assert_eq!(verdict(2, |_, _, _| {}), Verdict::Drop(End::Visited));
        assert_eq!(verdict(9, |_, _, _| {}), Verdict::Aside);
        let known = |upto| verdict(9, |_, _, history| history.visit(NodeId(9), upto));
        assert_eq!(known(H + 49), Verdict::Aside);
        assert_eq!(known(H + 50), Verdict::Drop(End::Visited));
        let lost = verdict(2, |_, _, history| {
            history.note_gap(Gap { id: NodeId(2), from: H + 40, to: H + 60 });
        });
        assert_eq!(lost, Verdict::Aside, "the writer may have lost it before");
        // Somebody else had it, and has written it anew since: the writer was not given that.
        let (link, tip) = (link(1, H + 60, 7, &[]), self::link(2, H + 100, 9, &[]));
        for (from, verdict) in [(H + 40, Verdict::Anew), (H + 50, Verdict::Drop(End::Visited))] {
            let mut history = History::default();
            history.note_gap(Gap { id: NodeId(2), from, to: H + 55 });
            let (own, link, tip, history) = (NodeId(OWN), Some(&link), &tip, &history);
            let (confirmed, unsent, doubt, wall_ms) = (0, None, false, 9);
            let case = Case { own, link, confirmed, unsent, doubt, wall_ms, tip, history };
            let anew = entry("k", H + 50, 2, None).anew(H + 70).unwrap();
            assert_eq!(case.verdict(&anew), verdict);
        }
    }

    #[test]
    fn own_writes_that_a_majority_had_go() {
        let confirmed = |change: fn(&mut Pass, &mut Pass, &mut History), upto| {
            with(OWN, change, upto, None, false)
        };
        assert_eq!(confirmed(|_, _, _| {}, H + 50), Verdict::Drop(End::Confirmed));
        assert_eq!(confirmed(|_, _, _| {}, H + 49), Verdict::Aside);
        let forced = confirmed(|_, tip, _| tip.grounds.forced = vec![(8, 8)], H + 50);
        assert_eq!(forced, Verdict::Aside, "votes of that majority may have been waived");
        assert_eq!(with(9, |_, _, _| {}, H + 50, None, false), Verdict::Aside, "of another");
    }

    #[test]
    fn own_writes_that_went_nowhere_are_written_anew() {
        let unsent = |from, doubt| with(OWN, |_, _, _| {}, 0, from, doubt);
        assert_eq!(unsent(Some(H + 49), false), Verdict::Anew);
        assert_eq!(unsent(Some(H + 50), false), Verdict::Aside);
        assert_eq!(unsent(Some(H + 49), true), Verdict::Aside, "it may have been sent before");
        assert_eq!(with(9, |_, _, _| {}, 0, Some(H), false), Verdict::Aside, "of another");
    }

    #[test]
    fn what_is_owned_is_for_its_owner_to_say() {
        let (link, tip) = (link(1, H, 7, &[]), self::link(2, H + 100, 9, &[]));
        let history = History::default();
        let case = Case {
            own: NodeId(OWN),
            link: Some(&link),
            confirmed: 0,
            unsent: None,
            doubt: false,
            wall_ms: 9,
            tip: &tip,
            history: &history,
        };
        let owned = |writer| (*entry("k", H + 50, writer, Some("v"))).clone().owned();
        assert_eq!(case.verdict(&owned(9)), Verdict::Drop(End::Visited));
        assert_eq!(case.verdict(&owned(OWN)), Verdict::Aside);
    }
}
