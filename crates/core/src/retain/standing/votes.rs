//! What a node says of itself when a pass visits it first, and votes that move: see docs/chain.md.

use super::Standing;
use crate::base::codec::{DecodeError, Reader, Write as _};
use crate::base::id::NodeId;
use crate::member::{Member, Table};
use crate::retain::chain::{Census, FOUNDING, Proxy};
use crate::retain::{Horizon, MAX_ORDER, Pass};

/// Passes that one vote is for, at most.
const MAX_PASSES: usize = 64;
/// Members that a node speaks for, at most.
const MAX_SPOKEN: usize = MAX_ORDER;
/// What stands for the time before the first pass.
const BEFORE: Horizon = Horizon { time: 0, pass: FOUNDING, chain: u64::MAX, forced: 0, number: 0 };

/// A member that has left its vote with another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// Whose vote it is.
    pub voter: NodeId,
    /// The passes that it is for.
    pub passes: Vec<Horizon>,
    /// Passes that the voter had accepted and did not know the end of.
    pub open: Vec<Pass>,
}

impl Spoken {
    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.voter.0.to_le_bytes());
        put_horizons(&self.passes, to);
        to.put_varint(self.open.len() as u64);
        self.open.iter().for_each(|pass| pass.encode(to));
    }

    /// Reads what [`Spoken::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated or has too much of something.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let voter = NodeId(from.u64()?);
        let passes = read_horizons(from)?;
        let count = from.bounded("open passes", MAX_PASSES)?;
        let open = (0..count).map(|_| Pass::decode(from)).collect::<Result<_, _>>()?;
        Ok(Self { voter, passes, open })
    }
}

/// Appends votes.
pub fn put_spoken(spoken: &[Spoken], to: &mut Vec<u8>) {
    to.put_varint(spoken.len() as u64);
    spoken.iter().for_each(|spoken| spoken.encode(to));
}

/// Reads what [`put_spoken`] wrote.
///
/// # Errors
/// If the input is truncated or has too much of something.
pub fn read_spoken(from: &mut Reader<'_>) -> Result<Vec<Spoken>, DecodeError> {
    let count = from.bounded("votes", MAX_SPOKEN.min(from.remaining() / 10))?;
    (0..count).map(|_| Spoken::decode(from)).collect()
}

pub(super) fn put_gave(gave: &[(Horizon, NodeId)], to: &mut Vec<u8>) {
    to.put_varint(gave.len() as u64);
    for (horizon, holder) in gave {
        horizon.encode(to);
        to.put(&holder.0.to_le_bytes());
    }
}

pub(super) fn read_gave(from: &mut Reader<'_>) -> Result<Vec<(Horizon, NodeId)>, DecodeError> {
    let count = from.bounded("votes given", MAX_PASSES)?;
    (0..count).map(|_| Ok((Horizon::decode(from)?, NodeId(from.u64()?)))).collect()
}

fn put_horizons(horizons: &[Horizon], to: &mut Vec<u8>) {
    to.put_varint(horizons.len() as u64);
    horizons.iter().for_each(|horizon| horizon.encode(to));
}

fn read_horizons(from: &mut Reader<'_>) -> Result<Vec<Horizon>, DecodeError> {
    let count = from.bounded("passes of a vote", MAX_PASSES)?;
    (0..count).map(|_| Horizon::decode(from)).collect()
}

impl Standing {
    /// Says what a pass must know of this node, at its first visit.
    pub fn report(&self, pass: &Pass, census: &mut Census, table: &Table) {
        census.history.absorb(&self.history);
        for open in self.pending.iter().filter(|pending| pending.done) {
            census.report(&open.pass, true);
        }
        for spoken in &self.speaks {
            spoken.open.iter().for_each(|open| census.report(open, false));
            let (voter, gave) = (spoken.voter, None);
            let passes = spoken.passes.iter();
            census.proxies.extend(passes.map(|of| Proxy { voter, pass: of.pass, gave }));
        }
        let gave = |(of, to): &(Horizon, NodeId)| Proxy {
            voter: self.own,
            pass: of.pass,
            gave: Some(*to),
        };
        census.proxies.extend(self.gave.iter().map(gave));
        census.waived.extend(&self.waived);
        census.doubted.extend(self.doubt.then_some(self.own));
        let number = self.covered.as_ref().map_or(0, |pass| pass.grounds.number);
        census.number = census.number.max(number);
        if pass.after.is_none() || census.waives_all {
            let listed: crate::base::hash::Set<NodeId> = pass.order.iter().copied().collect();
            // Who comes back with nothing founds nothing without those who do not.
            let lasts = |id: &NodeId| table.get(*id).is_some_and(|member| !member.is_ephemeral());
            let some_last = pass.order.iter().any(lasts);
            let counts = |member: &Member<'_>| !some_last || !member.is_ephemeral();
            let strange = table.members().filter(|m| !listed.contains(&m.id)).filter(counts);
            census.strangers.extend(strange.map(|member| member.id));
        }
        for ids in [&mut census.waived, &mut census.doubted, &mut census.strangers] {
            ids.sort_unstable();
            ids.dedup();
        }
    }

    /// The link is another now: what was voted for before it is over.
    pub(super) fn settle_votes(&mut self, link: Horizon) {
        let later = |horizon: &Horizon| *horizon >= link && horizon.pass != FOUNDING;
        self.gave.retain(|(horizon, _)| later(horizon));
        for spoken in &mut self.speaks {
            spoken.passes.retain(later);
            spoken.open.retain(|pass| pass.to_horizon() > link);
        }
        self.speaks.retain(|spoken| !spoken.passes.is_empty());
        self.waived.clear();
    }

    /// An operator says that a member is gone for good, and that no others go on with it.
    pub fn waive(&mut self, id: NodeId) {
        if !self.waived.contains(&id) && self.waived.len() < MAX_ORDER {
            self.waived.push(id);
            self.changed = true;
        }
    }

    /// Members whose votes are waived here.
    #[must_use]
    pub fn waived(&self) -> &[NodeId] {
        &self.waived
    }

    /// True if this node has a vote that it may give: one that nobody has already, and no doubt.
    #[must_use]
    pub fn may_give(&self) -> bool {
        !self.doubt && !self.is_behind()
    }

    /// Gives the votes of this node, and those that it has of others, away. That they are gone is on
    /// disk before they are sent.
    #[must_use]
    pub fn give(&mut self, to: NodeId) -> Vec<Spoken> {
        let link = self.covered.as_ref().map_or(BEFORE, Pass::to_horizon);
        let open: Vec<Pass> =
            self.pending.iter().filter(|p| p.done).map(|p| p.pass.clone()).collect();
        let passes: Vec<Horizon> =
            [link].into_iter().chain(open.iter().map(Pass::to_horizon)).collect();
        self.gave.retain(|(held, _)| !passes.contains(held));
        self.gave.extend(passes.iter().map(|pass| (*pass, to)));
        self.pending.retain(|pending| pending.done);
        let mut given = std::mem::take(&mut self.speaks);
        given.push(Spoken { voter: self.own, passes, open });
        (self.changed, self.waits) = (true, true);
        given
    }

    /// What was given away goes to another: the one before can have none of it.
    pub fn give_to_another(&mut self, to: NodeId) {
        self.gave.iter_mut().for_each(|(_, holder)| *holder = to);
        (self.changed, self.waits) = (true, true);
    }

    /// Takes votes of a member that leaves. Those for passes before the link are over. That they are
    /// here is on disk before that is said.
    pub fn take(&mut self, given: Vec<Spoken>) {
        let link = self.covered.as_ref().map(Pass::to_horizon);
        for mut spoken in given {
            let counts = |h: &Horizon| match link {
                Some(link) => *h >= link && h.pass != FOUNDING,
                None => true,
            };
            spoken.passes.retain(counts);
            spoken.open.retain(|pass| Some(pass.to_horizon()) > link);
            if spoken.voter == self.own || spoken.passes.is_empty() {
                continue;
            }
            let room = self.speaks.len() < MAX_SPOKEN;
            match self.speaks.iter_mut().find(|held| held.voter == spoken.voter) {
                Some(held) => {
                    let new = |h: &Horizon| !held.passes.contains(h);
                    let passes: Vec<Horizon> = spoken.passes.into_iter().filter(new).collect();
                    held.passes.extend(passes);
                    let known: Vec<u64> = held.open.iter().map(|pass| pass.id).collect();
                    held.open.extend(spoken.open.into_iter().filter(|p| !known.contains(&p.id)));
                }
                None if room => self.speaks.push(spoken),
                None => {}
            }
        }
        (self.changed, self.waits) = (true, true);
    }

    /// Those whose votes this node has.
    #[must_use]
    pub fn speaks(&self) -> &[Spoken] {
        &self.speaks
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retain::Tombstones;
    use crate::retain::pass::Grounds;
    use crate::retain::tests::{Ground, H, pass, policy};

    fn numbered(id: u64, horizon: u64, order: &[u64], number: u32) -> Pass {
        let grounds = Grounds { chain: 5, number, ..Grounds::default() };
        Pass { grounds, ..pass(id, horizon, order) }
    }

    fn standing(own: u64) -> Standing {
        Standing::new(NodeId(own), policy(Tombstones::Horizon))
    }

    fn report(standing: &Standing, pass: &Pass, ground: &Ground) -> Census {
        let mut census = Census::default();
        standing.report(pass, &mut census, &ground.table);
        census
    }

    #[test]
    fn a_vote_moves_with_what_its_voter_had_open_and_until_the_next_link() {
        let (mut ground, mut leaver, mut stays) = (Ground::new(1, 3), standing(1), standing(2));
        let (link, open) = (numbered(1, H, &[1, 2, 3], 1), numbered(2, H + 9, &[1, 3], 2));
        for node in [&mut leaver, &mut stays] {
            node.cover(link.clone(), &mut ground.replica);
        }
        leaver.visit(&open, &mut ground.replica.clock);
        leaver.reached(&open, 2, &Census::default());
        let given = leaver.give(NodeId(2));
        let mut bytes = Vec::new();
        put_spoken(&given, &mut bytes);
        assert_eq!(read_spoken(&mut Reader::new(&bytes)), Ok(given.clone()));
        stays.take(given.clone());
        stays.take(given);
        let next = pass(3, H + 20, &[2, 3]);
        let census = report(&stays, &next, &ground);
        let voter = NodeId(1);
        let proxies = [1, 2].map(|pass| Proxy { voter, pass, gave: None });
        assert_eq!(census.proxies, proxies, "once, though it came twice");
        assert_eq!(
            census.open.iter().map(|o| (o.pass.id, o.accepted)).collect::<Vec<_>>(),
            [(2, 0)]
        );
        let census = report(&leaver, &next, &ground);
        assert_eq!(census.proxies, [1, 2].map(|pass| Proxy { voter, pass, gave: Some(NodeId(2)) }));
        // A later link settles it.
        stays.cover(numbered(4, H + 30, &[2, 3], 3), &mut ground.replica);
        assert!(stays.speaks().is_empty());
        leaver.cover(numbered(4, H + 30, &[2, 3], 3), &mut ground.replica);
        assert!(report(&leaver, &next, &ground).proxies.is_empty());
    }

    #[test]
    fn before_the_first_pass_votes_are_for_that_and_strangers_are_named() {
        let (mut ground, mut leaver, mut stays) = (Ground::new(2, 4), standing(1), standing(2));
        stays.take(leaver.give(NodeId(2)));
        stays.waive(NodeId(4));
        let census = report(&stays, &pass(3, H + 20, &[2]), &ground);
        assert_eq!(census.proxies, [Proxy { voter: NodeId(1), pass: FOUNDING, gave: None }]);
        assert_eq!(census.strangers, [NodeId(1), NodeId(3), NodeId(4)]);
        assert_eq!(census.waived, [NodeId(4)]);
        stays.cover(numbered(3, H + 20, &[2], 1), &mut ground.replica);
        assert!(stays.speaks().is_empty() && stays.waived().is_empty());
    }
}
