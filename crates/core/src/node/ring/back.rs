//! The way back for a member that the latest pass has not covered, at either end.

use super::{Carry, Node, RETRY, SIEVES};
use crate::base::time::{Instant, Now, micros};
use crate::data::{self, Space};
use crate::node::horizon::Horizon;
use crate::spread::ring::{Guest, Pass, SIEVE, Session, Token, Verdict};
use crate::wire::{Origin, kind};

impl Node {
    /// Asks a random member to bring this node back to what the latest pass covered.
    pub(super) fn ask_for_the_way_back(&mut self, now: Now) {
        self.rounds.resync = Instant(now.mono.after(RETRY).0 + self.rng.below(micros(RETRY)));
        // What is being filled anyway is compared when it is full.
        if self.rounds.sieved().is_some() || self.entropy.in_bulk(Space::Data) {
            return;
        }
        let pass = self.coverage.horizon.map_or(0, |horizon| horizon.pass);
        if let Some(peer) = self.table.random(&mut self.rng) {
            self.send_ring(peer.gossip, kind::RESYNC, &pass.to_le_bytes());
        }
    }

    pub(in crate::node) fn on_resync(&mut self, from: &Origin, now: Now) {
        let session = |pass: &Pass| Session { pass: pass.id, hop: SIEVE };
        let Some(pass) = self.coverage.covered.clone().filter(|_| !self.coverage.is_behind())
        else {
            return;
        };
        let sieves = self.rounds.carries.iter().filter(|carry| carry.token.hop == SIEVE);
        let known = self.table.get(from.peer).is_some_and(|member| member.gossip() == from.address);
        if !known || sieves.count() >= SIEVES || self.coverage.is_collecting() {
            return;
        }
        if self.rounds.carry(session(&pass), from.peer).is_none() {
            let former = self.coverage.former.iter().copied().collect();
            let token = Token { pass, hop: SIEVE, digest: self.replica.data.digest(), former };
            let carry = Carry { token, peer: from.peer, walk: None, until: now.mono, tries: 0 };
            self.carry(carry, now);
        }
    }

    pub(super) fn judge_sieve(&mut self, token: &Token, now: Now) -> Verdict {
        let stamp = data::Stamp { time: token.pass.horizon, node: token.pass.by };
        let offered = Horizon { time: token.pass.horizon, pass: token.pass.id };
        let other =
            |(guest, _): &(Guest, Instant)| guest.sieves() && guest.session != token.session();
        if !self.coverage.is_behind()
            || self.coverage.horizon > Some(offered)
            || !self.replica.clock.admits(stamp, now.wall_ms)
            || self.rounds.guests.iter().any(other)
        {
            return Verdict::Over;
        }
        Verdict::Different
    }
}
