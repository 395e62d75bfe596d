//! What becomes of what a node brings back: it goes, is written anew, or is kept aside.

use super::{Standing, let_go};
use crate::base::id::NodeId;
use crate::data::{self, Entry, Space};
use crate::output::applied;
use crate::retain::fate::{Case, Verdict};
use crate::retain::story::End;
use crate::retain::{History, Holding, Pass};
use std::sync::Arc;

/// What came of an entry that a node brought back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sieved {
    /// It is not held any more.
    Gone,
    /// It was written anew, to be spread.
    Anew(Arc<Entry>),
    /// It is to be kept aside and there is no room: it stays, and this node behind.
    Full,
}

impl Standing {
    /// Decides on an entry that the member that brings this node back does not hold.
    #[must_use]
    pub fn sieve(
        &mut self,
        entry: &Arc<Entry>,
        tip: &Pass,
        giver: (NodeId, &History),
        hold: &mut Holding<'_>,
    ) -> Sieved {
        if hold.replica.data.get(entry.key()).is_none_or(|held| held != entry) {
            return Sieved::Gone;
        }
        let case = Case {
            own: self.own,
            link: self.covered.as_ref(),
            confirmed: self.confirmed.upto(),
            unsent: self.isolation.unsent(),
            doubt: self.doubt,
            wall_ms: hold.wall_ms,
            tip,
            history: giver.1,
        };
        let verdict = match self.has_fence() {
            true => case.verdict(entry),
            false => Verdict::Drop(End::Visited),
        };
        // It is on disk aside before it is off the disk.
        if verdict == Verdict::Aside && !hold.strays.keep(entry, hold.out) {
            hold.env.stats.strays_refused += 1;
            return Sieved::Full;
        }
        let _ = let_go(entry, false, hold);
        hold.env.stats.fence_dropped += 1;
        let (end, sieved) = match verdict {
            Verdict::Drop(end) => (end, Sieved::Gone),
            Verdict::Aside => {
                hold.env.stats.strays_kept += 1;
                (End::Aside, Sieved::Gone)
            }
            Verdict::Anew => (End::Anew, self.write_anew(entry, hold)),
        };
        let mut story = self.story(entry, end, hold);
        (story.pass, story.horizon, story.giver) = (tip.id, tip.horizon, Some(giver.0));
        hold.stories.tell(story);
        sieved
    }

    /// Nobody can have seen it: it is written anew, with the stamp that it had.
    fn write_anew(&self, entry: &Entry, hold: &mut Holding<'_>) -> Sieved {
        let stamp = hold.replica.clock.tick(self.time_ms(hold.wall_ms));
        debug_assert!(self.may_issue(stamp), "no stamp below a horizon that came by");
        let Some(anew) = entry.anew(stamp.time) else { return Sieved::Gone };
        hold.env.stats.fence_reissued += 1;
        let anew = hold.replica.keep(anew);
        let data::Merged::New(replaced) = hold.replica.data.apply(Arc::clone(&anew)) else {
            return Sieved::Gone;
        };
        hold.out.push(applied(Space::Data, &anew, replaced, None));
        Sieved::Anew(anew)
    }

    /// What is kept aside need not be if its writer has been visited since, which held it. Its own
    /// writes stay: it is the writer, and has them here and nowhere else.
    pub(super) fn look_at_strays(&self, hold: &mut Holding<'_>) {
        let Some(tip) = self.covered.as_ref().filter(|_| !hold.strays.is_empty()) else { return };
        let case = Case {
            own: self.own,
            link: None,
            confirmed: 0,
            unsent: None,
            doubt: true,
            wall_ms: hold.wall_ms,
            tip,
            history: &self.history,
        };
        let entries = hold.strays.entries();
        for entry in entries.iter().filter(|entry| entry.stamp().node != self.own) {
            if let Verdict::Drop(end) = case.verdict(entry) {
                hold.strays.take(entry.key(), hold.out);
                self.tell(entry, end, None, hold);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Output;
    use crate::retain::Tombstones;
    use crate::retain::standing::Isolation;
    use crate::retain::tests::{Ground, H, entry, pass, policy};

    fn standing() -> Standing {
        Standing::new(NodeId(1), policy(Tombstones::Horizon))
    }

    /// Brings back what node 2 had written later than the link of node 1, to a pass that lists it
    /// or not.
    fn brought_back(lists: bool, writer: u64, isolated: bool) -> (Ground, Standing, Sieved) {
        let (mut ground, mut standing) = (Ground::new(1, 3), standing());
        standing.cover(pass(1, H, &[1, 2]), &mut ground.replica);
        if isolated {
            standing.isolation = Isolation::restored(Some(H + 1));
        }
        let old = entry("k", H + 5, writer, Some("v"));
        ground.put(&old);
        let tip = pass(2, H + 10, if lists { &[2, 3] } else { &[3] });
        let history = History::default();
        let sieved = standing.sieve(&old, &tip, (NodeId(3), &history), &mut ground.holding());
        let again = standing.sieve(&old, &tip, (NodeId(3), &history), &mut ground.holding());
        assert_eq!(again, Sieved::Gone, "it has given way");
        assert_eq!(ground.stats.fence_dropped, 1);
        standing.reserve(&ground.replica.clock, ground.now.wall_ms);
        standing.check(&ground.replica);
        (ground, standing, sieved)
    }

    #[test]
    fn what_a_node_brings_back_goes_or_is_kept_aside_or_written_anew() {
        let held = |ground: &Ground| ground.replica.data.get(b"k").cloned();
        let (ground, ..) = brought_back(true, 2, false);
        assert!(held(&ground).is_none() && ground.strays.is_empty());
        let (ground, ..) = brought_back(false, 2, false);
        assert!(held(&ground).is_none() && ground.strays.map().get(b"k").is_some());
        let [Output::Stray(_), Output::Removed(removed)] = &ground.out[..] else {
            panic!("it is aside before it is gone: {:?}", ground.out)
        };
        assert!(!removed.collected);
        let (ground, _, sieved) = brought_back(false, 1, true);
        let anew = held(&ground).unwrap();
        assert_eq!((anew.stamp().time, anew.is_anew()), (H + 5, true), "its place is kept");
        assert_eq!(sieved, Sieved::Anew(anew));
        let (key, story) = (ground.replica.data.hash(b"k"), |g: &Ground, key| {
            g.stories.of(key).map(|story| (story.end, story.pass, story.giver)).collect::<Vec<_>>()
        });
        assert_eq!(story(&ground, key), [(End::Anew, 2, Some(NodeId(3)))]);
    }

    #[test]
    fn without_room_aside_a_node_stays_behind_and_keeps_what_it_holds() {
        let (mut ground, mut standing) = (Ground::new(1, 3), standing());
        let (tip, history) = (pass(2, H + 10, &[3]), History::default());
        let mut sieve = |key: &str, ground: &mut Ground| {
            let old = entry(key, H + 5, 2, Some("v"));
            ground.put(&old);
            standing.sieve(&old, &tip, (NodeId(3), &history), &mut ground.holding())
        };
        let kept = ["a", "b", "c"].map(|key| sieve(key, &mut ground));
        assert_eq!(kept, [Sieved::Gone, Sieved::Gone, Sieved::Gone]);
        assert_eq!(sieve("d", &mut ground), Sieved::Full);
        assert!(ground.replica.data.get(b"d").is_some());
        assert_eq!((ground.stats.strays_kept, ground.stats.strays_refused), (3, 1));
    }

    #[test]
    fn what_is_aside_goes_once_its_writer_was_visited() {
        let (mut ground, mut standing) = (Ground::new(1, 3), standing());
        let (tip, history) = (pass(2, H + 10, &[3]), History::default());
        for (key, time) in [("old", H + 5), ("young", H + 15)] {
            let old = entry(key, time, 2, Some("v"));
            assert!(ground.strays.keep(&old, &mut ground.out));
        }
        let own = entry("own", H + 5, 1, Some("v"));
        assert!(ground.strays.keep(&own, &mut ground.out));
        standing.bring_back(tip, &history, &mut ground.holding());
        assert_eq!(ground.strays.map().digest().count, 3);
        // Its writer has come back and was visited.
        standing.bring_back(pass(3, H + 12, &[1, 2, 3]), &history, &mut ground.holding());
        let mut left: Vec<_> = ground.strays.entries().iter().map(|e| e.key().to_vec()).collect();
        left.sort_unstable();
        assert_eq!(left, [b"own".to_vec(), b"young".to_vec()], "nobody else has its own");
    }
}
