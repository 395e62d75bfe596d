//! Leaving without haste: a majority holds what this node has written, and one that stays holds what
//! it holds and has its vote. See docs/chain.md, rule 6.

use super::message::{Taken, Vote, VoteTaken};
use super::rounds::{Deed, Leaving, Rounds, Site};
use crate::base::id::NodeId;
use crate::data::Cut;
use crate::member::Table;
use crate::retain::{Pass, Standing};
use crate::wire::{Origin, kind};
use std::time::Duration;

/// How often is looked whether something is left to be done (guess: some round trips).
const LOOK: Duration = Duration::from_millis(200);
/// Members to compare with at a time.
const COMPARED: usize = 3;

/// How far a node is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departing {
    /// True once a majority holds what it had written.
    pub confirmed: bool,
    /// Members known to hold it, this node included.
    pub held_by: usize,
    /// Of how many.
    pub of: usize,
    /// True if the vote was to be given.
    pub wants_vote: bool,
    /// True if it still is, and there is somebody who could take it.
    pub owes_vote: bool,
    /// Who has it.
    pub voted: Option<NodeId>,
}

impl Rounds {
    /// Begins to hand over; with `votes` also the vote.
    pub fn begin_departure(&mut self, votes: bool, site: &mut Site<'_>) {
        let next = site.now().mono;
        let upto = site.hold.replica.clock.last();
        let leaving = self.leaving.get_or_insert(Leaving::new(upto, next));
        leaving.votes |= votes;
    }

    /// How far that is; `None` if it has not begun.
    #[must_use]
    pub fn departing(&self, standing: &Standing, table: &Table) -> Option<Departing> {
        let leaving = self.leaving.as_ref()?;
        let (held_by, of) = standing.holders(leaving.upto, table);
        let confirmed = of <= 1 || standing.confirmed() >= leaving.upto;
        let able = standing.may_give() || leaving.has_given();
        let owes_vote = leaving.votes && !leaving.taken && able && table.peer_count() > 0;
        let voted = leaving.to.filter(|_| leaving.taken);
        let wants_vote = leaving.votes;
        Some(Departing { confirmed, held_by, of, wants_vote, owes_vote, voted })
    }

    /// Does what is due.
    pub fn depart(&mut self, site: &mut Site<'_>) -> Vec<Deed> {
        let now = site.now();
        let hidden_ms = self.hidden_ms;
        let Some(leaving) = self.leaving.as_mut().filter(|it| it.next <= now.mono) else {
            return Vec::new();
        };
        leaving.next = now.mono.after(LOOK);
        let mut deeds = Vec::new();
        if site.standing.confirmed() < leaving.upto {
            for _ in 0..COMPARED {
                let peer = site.hold.env.table.random(site.hold.env.rng);
                deeds.extend(peer.map(|peer| Deed::Compare(peer.id)));
            }
        }
        if !leaving.votes || leaving.taken || !(leaving.has_given() || site.standing.may_give()) {
            return deeds;
        }
        let here = |id: NodeId| site.hold.env.table.peer(id);
        if leaving.to.and_then(here).is_none() && leaving.unanswered == 0 {
            // Best one that the last pass has covered. Others may be leaving as well.
            let covered = site.standing.covered();
            let fits = |id: &NodeId| {
                !leaving.refused.contains(id) && here(*id).is_some_and(|peer| peer.alive)
            };
            let listed = covered.into_iter().flat_map(|pass| pass.order.iter().copied());
            let others = site.hold.env.table.peers().map(|peer| peer.id);
            leaving.to = listed.into_iter().find(fits).or_else(|| others.into_iter().find(fits));
            if leaving.to.is_none() {
                leaving.refused.clear();
            }
        }
        let Some(peer) = leaving.to.and_then(here) else { return deeds };
        match leaving.has_given() {
            false => leaving.given = site.standing.give(peer.id),
            true if leaving.attempt == 0 => site.standing.give_to_another(peer.id),
            true => {}
        }
        site.hold.replica.data.advance(now.wall_ms);
        let cut = Cut::around(now.wall_ms, hidden_ms);
        let Some(digest) = site.hold.replica.data.digest_at(cut) else { return deeds };
        leaving.attempt += 1;
        leaving.unanswered += 1;
        let link = site.standing.covered().map(Pass::to_horizon);
        let (attempt, given) = (leaving.attempt, leaving.given.clone());
        let body = Vote { attempt, link, cut, digest, given }.encode();
        site.send(peer.gossip, kind::VOTE, &body);
        deeds
    }

    /// A member that leaves gives its vote.
    pub(super) fn on_vote(&mut self, from: &Origin, vote: Vote, site: &mut Site<'_>) -> Vec<Deed> {
        site.hold.replica.data.advance(site.hold.wall_ms);
        let member = site.table().get(from.peer);
        let known = member.is_some_and(|member| member.gossip() == from.address);
        let link = site.standing.covered().map(Pass::to_horizon);
        let fits = known
            && self.leaving.is_none()
            && link == vote.link
            && !site.standing.is_behind()
            && !site.standing.is_silent();
        let same = site.hold.replica.data.digest_at(vote.cut) == Some(vote.digest);
        let taken = match (fits, same) {
            (false, _) => Taken::No,
            (true, false) => Taken::Differs,
            (true, true) => Taken::Yes,
        };
        if taken == Taken::Yes {
            site.standing.take(vote.given);
        }
        let body = VoteTaken { attempt: vote.attempt, taken }.encode();
        site.send(from.address, kind::VOTE_TAKEN, &body);
        Vec::new()
    }

    pub(super) fn on_vote_taken(&mut self, from: &Origin, taken: VoteTaken) -> Vec<Deed> {
        let Some(leaving) = self.leaving.as_mut().filter(|it| it.to == Some(from.peer)) else {
            return Vec::new();
        };
        leaving.unanswered = leaving.unanswered.saturating_sub(1);
        match taken.taken {
            Taken::Yes => leaving.taken = true,
            Taken::Differs => return vec![Deed::Compare(from.peer)],
            // Only if none of the tries can still be taken may another have it.
            Taken::No if leaving.unanswered == 0 && !leaving.taken => {
                leaving.refused.push(from.peer);
                (leaving.to, leaving.attempt) = (None, 0);
            }
            Taken::No => {}
        }
        Vec::new()
    }
}
