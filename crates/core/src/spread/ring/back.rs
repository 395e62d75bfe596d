//! The way back for a member that the latest pass has not covered, at either end.

use super::rounds::{Carry, RETRY, Rounds, SIEVES, Site};
use super::{Answer, SIEVE, Token, Verdict, Walk};
use crate::base::time::{Instant, micros};
use crate::data::Stamp;
use crate::retain::Census;
use crate::wire::{Origin, kind};
use std::sync::Arc;

impl Rounds {
    /// Asks a random member to bring this node back to what the latest pass covered.
    pub(super) fn ask_for_the_way_back(&mut self, filling: bool, site: &mut Site<'_>) {
        let (now, rng) = (site.now().mono, &mut *site.hold.env.rng);
        self.resync = Instant(now.after(RETRY).0 + rng.below(micros(RETRY)));
        // What is being filled anyway is compared when it is full.
        if self.brought_back().is_some() || filling {
            return;
        }
        let pass = site.standing.horizon().map_or(0, |horizon| horizon.pass);
        if let Some(peer) = site.hold.env.table.random(rng) {
            site.send(peer.gossip, kind::RESYNC, &pass.to_le_bytes());
        }
    }

    pub(super) fn on_resync(&mut self, from: &Origin, site: &mut Site<'_>) {
        if let Some(token) = self.way_back(from, site)
            && self.carried(token.session(), from.peer).is_none()
        {
            let (peer, until) = (from.peer, site.now().mono);
            self.carry(Carry { token, peer, walk: None, until, tries: 0 }, site);
        }
    }

    /// A member waits for a walk that is not given here, or not any more: on a slow line its answer
    /// came late. It is given all the same if it can be, and told otherwise.
    pub(super) fn on_waiting(&mut self, from: &Origin, answer: &Answer, site: &mut Site<'_>) {
        let session = answer.session;
        let token = self.way_back(from, site).filter(|token| token.session() == session);
        let Some(token) = token else {
            return Self::answer_token(from.address, session, Verdict::Over, 0, site);
        };
        let (walk, until) = (Some(Walk::new(&token, answer.began())), site.now().mono);
        self.carries.push(Carry { token, peer: from.peer, walk, until, tries: 0 });
        self.walk_on(self.carries.len() - 1, from.address, site);
    }

    /// What begins the way back of a member, if this node can give it.
    fn way_back(&self, from: &Origin, site: &Site<'_>) -> Option<Token> {
        let standing = &*site.standing;
        let pass = standing.covered().cloned().filter(|_| !standing.is_behind())?;
        let sieves = self.carries.iter().filter(|carry| carry.token.hop == SIEVE);
        let member = site.table().get(from.peer);
        let known = member.is_some_and(|member| member.gossip() == from.address);
        if !known || sieves.count() >= SIEVES || standing.is_collecting() || standing.is_silent() {
            return None;
        }
        let census = Arc::new(Census { history: standing.history().clone(), ..Census::default() });
        let digest = site.hold.replica.data.digest();
        Some(Token { pass, hop: SIEVE, digest, census })
    }

    pub(super) fn judge_sieve(&mut self, token: &Token, site: &mut Site<'_>) -> Verdict {
        let stamp = Stamp { time: token.pass.horizon, node: token.pass.by };
        let offered = token.pass.to_horizon();
        let mut sieves = self.guests.iter().filter(|(guest, _)| guest.sieves());
        if !site.standing.is_behind()
            || site.standing.horizon() > Some(offered)
            || !site.hold.replica.clock.leads(stamp.time, site.hold.wall_ms)
            || sieves.any(|(guest, _)| guest.session != token.session())
        {
            return Verdict::Over;
        }
        Verdict::Different
    }
}
