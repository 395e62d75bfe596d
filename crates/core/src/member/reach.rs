//! Who can be heard and cannot be reached: members that talk and answer no probe, and members that
//! hear no answer of this node although it hears theirs.
//!
//! A wrong address in a member's record, or a firewall in front of it, shows in nothing else: it is
//! suspected, refutes that, and is suspected again. Each end finds out by itself. The one probes the
//! other in vain, hears it, and probes it in vain again; the other is said to be silent, has a ping of
//! its own answered by who says so, and is said to be silent again.

use crate::base::id::NodeId;
use crate::base::time::Instant;
use std::collections::BTreeMap;
use std::time::Duration;

/// Members of either kind that are remembered.
const MAX: usize = 64;
/// What is not said again for this long, and a few rounds of probes, is over.
const OVER: Duration = Duration::from_secs(60);
/// Rounds of probes after which that is so.
const ROUNDS: u32 = 3;
/// Times until it is told, with something heard in between: one may be bad luck, and who was cut off
/// is heard again only afterwards.
const TIMES: u32 = 2;

/// How often one was silent, or said that this node was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Silence {
    times: u32,
    last: Instant,
    /// Something has come from it since.
    heard: bool,
}

/// The machine.
#[derive(Debug)]
pub struct Reach {
    interval: Duration,
    /// Those that have not answered this node, and those that say that it has not answered them.
    silent: BTreeMap<NodeId, Silence>,
    deaf: BTreeMap<NodeId, Silence>,
}

impl Reach {
    /// Everybody is reached; one member is probed every `interval`.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { interval, silent: BTreeMap::new(), deaf: BTreeMap::new() }
    }

    /// How long what was said counts, among so many members.
    fn over(&self, members: usize) -> Duration {
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        OVER.saturating_add(self.interval.saturating_mul(members).saturating_mul(ROUNDS))
    }

    fn note(&mut self, deaf: bool, id: NodeId, members: usize, now: Instant) {
        let over = self.over(members);
        let all = if deaf { &mut self.deaf } else { &mut self.silent };
        all.retain(|_, silence| now < silence.last.after(over));
        if all.len() >= MAX && !all.contains_key(&id) {
            return;
        }
        let silence = all.entry(id).or_insert(Silence { times: 0, last: now, heard: false });
        silence.times = if silence.heard { silence.times.saturating_add(1) } else { 1 };
        (silence.last, silence.heard) = (now, false);
    }

    /// A member has not answered a probe, neither this node nor those who were asked, by any way.
    pub fn was_silent(&mut self, id: NodeId, members: usize, now: Instant) {
        self.note(false, id, members, now);
    }

    /// A member says that this node has not answered its probe.
    pub fn was_not_heard_by(&mut self, id: NodeId, members: usize, now: Instant) {
        self.note(true, id, members, now);
    }

    /// A packet has come from a member.
    pub fn heard(&mut self, id: NodeId) {
        if let Some(silence) = self.silent.get_mut(&id) {
            silence.heard = true;
        }
    }

    /// A member has answered a ping of this node.
    pub fn answered(&mut self, id: NodeId) {
        self.silent.remove(&id);
        if let Some(silence) = self.deaf.get_mut(&id) {
            silence.heard = true;
        }
    }

    /// A ping of a member has come: that it gets no answer is over.
    pub fn was_pinged_by(&mut self, id: NodeId) {
        self.deaf.remove(&id);
    }

    /// What was found of a member does not count any more: it is somewhere else, or gone.
    pub fn forget(&mut self, id: NodeId) {
        self.silent.remove(&id);
        self.deaf.remove(&id);
    }

    fn told(
        &self,
        all: &BTreeMap<NodeId, Silence>,
        members: usize,
        now: Instant,
    ) -> impl Iterator<Item = NodeId> {
        let over = self.over(members);
        let tells =
            move |silence: &Silence| silence.times >= TIMES && now < silence.last.after(over);
        all.iter().filter(move |(_, silence)| tells(silence)).map(|(id, _)| *id)
    }

    /// Members that are heard and answer nothing, of so many.
    pub fn unreached(&self, members: usize, now: Instant) -> impl Iterator<Item = NodeId> {
        self.told(&self.silent, members, now)
    }

    /// Members that hear no answer of this node, although it hears theirs.
    pub fn unreached_by(&self, members: usize, now: Instant) -> impl Iterator<Item = NodeId> {
        self.told(&self.deaf, members, now)
    }

    /// Panics if more is remembered than may be.
    pub(crate) fn check(&self) {
        assert!(self.silent.len() <= MAX && self.deaf.len() <= MAX, "too many are remembered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: NodeId = NodeId(1);

    fn at(seconds: u64) -> Instant {
        Instant(seconds * 1_000_000)
    }

    fn told(reach: &Reach, now: Instant) -> [Vec<NodeId>; 2] {
        [reach.unreached(3, now).collect(), reach.unreached_by(3, now).collect()]
    }

    #[test]
    fn who_talks_and_does_not_answer_is_told_until_it_does() {
        let mut reach = Reach::new(Duration::from_secs(1));
        for second in [1, 2, 3] {
            reach.was_silent(ONE, 3, at(second));
        }
        reach.heard(ONE);
        assert_eq!(told(&reach, at(4)), [vec![], vec![]], "it was cut off, and is back");
        reach.was_silent(ONE, 3, at(4));
        assert_eq!(told(&reach, at(72)), [vec![ONE], vec![]]);
        assert_eq!(told(&reach, at(73)), [vec![], vec![]], "it was not tried again");
        reach.answered(ONE);
        assert_eq!(told(&reach, at(5)), [vec![], vec![]]);
        for second in [6, 8] {
            reach.was_silent(ONE, 3, at(second));
            reach.heard(ONE);
        }
        assert_eq!(told(&reach, at(9)), [vec![ONE], vec![]]);
        reach.forget(ONE);
        assert_eq!(told(&reach, at(9)), [vec![], vec![]]);
    }

    #[test]
    fn who_does_not_hear_this_node_is_told_if_this_node_hears_it() {
        let mut reach = Reach::new(Duration::from_secs(1));
        for second in [1, 3] {
            reach.was_not_heard_by(ONE, 3, at(second));
        }
        assert_eq!(told(&reach, at(4)), [vec![], vec![]], "nothing comes from there either");
        reach.answered(ONE);
        reach.was_not_heard_by(ONE, 3, at(4));
        assert_eq!(told(&reach, at(5)), [vec![], vec![ONE]]);
        assert_eq!(told(&reach, at(73)), [vec![], vec![]], "it says so no more");
        reach.was_pinged_by(ONE);
        assert_eq!(told(&reach, at(5)), [vec![], vec![]], "it gets here");
    }

    #[test]
    fn only_so_many_are_remembered_and_not_for_ever() {
        let mut reach = Reach::new(Duration::from_secs(1));
        for id in 0..100 {
            reach.was_silent(NodeId(id), 3, at(1));
        }
        reach.check();
        assert_eq!(reach.silent.len(), MAX);
        reach.was_silent(NodeId(100), 3, at(200));
        assert_eq!(reach.silent.len(), 1);
    }
}
