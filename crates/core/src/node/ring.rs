//! How ring repair is joined to a node.

use super::{Node, holding, registry, site};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::data::{Digest, Space};
use crate::member::State;
use crate::output::Output;
use crate::reconcile::{Flow, checksum};
use crate::spread::ring::{
    Deed, Delivery, Message, NoPass, NotForgotten, Rounds, Run, may_forget, members_away, roster,
};
use crate::wire::Origin;

impl Node {
    /// Begins a pass of ring repair over all members, from a random one on. `waive` is an operator's
    /// word that no members are missing from the first pass, or that nobody is left of those whom the
    /// last one covered; of no effect where somebody covered begins.
    ///
    /// # Errors
    /// If there can be none now.
    pub fn begin_pass(
        &mut self,
        waive: bool,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<u64, NoPass> {
        if self.watch.has_left() {
            return Err(NoPass::Left);
        }
        self.look_at_clock(now);
        let begun = self.rounds.begin(waive, &mut site!(self, now, out));
        if begun.is_err() {
            self.compare_rosters();
        }
        let (id, deeds) = begun?;
        self.carry_out(deeds, now, out);
        Ok(id)
    }

    /// Whether the first pass may begin: it would cut off what it does not reach, so it waits until
    /// the seeds have been found.
    ///
    /// # Errors
    /// [`NoPass::Seeds`] if this node knows of no pass to go on from and waits for its seeds.
    pub fn seeds_found(&self) -> Result<(), NoPass> {
        Rounds::seeds_found(&self.standing, &self.table, self.watch.rejoin())
    }

    /// Why the last pass that this node began could not be complete, if that was found out when all
    /// had been visited once: too few of those that must agree were there.
    #[must_use]
    pub fn no_pass(&self) -> Option<&NoPass> {
        self.rounds.no_pass()
    }

    /// The last pass that this node began.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.rounds.run()
    }

    /// Members that keep passes from being made: they are neither here nor gone for good.
    #[must_use]
    pub fn members_away(&self) -> Vec<NodeId> {
        members_away(&self.standing, &self.table)
    }

    /// Waits no longer for a member that is dead or has left, so that passes go on without it, if they
    /// have a majority without it. Should it come back, it is brought back to what they covered.
    /// `force` is an operator's word that it is gone for good and that no others go on with it: its
    /// vote is not needed any more.
    ///
    /// # Errors
    /// If the member is present or not known.
    pub fn forget(
        &mut self,
        id: NodeId,
        force: bool,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), NotForgotten> {
        let forget = may_forget(id, &self.table)?;
        if force {
            self.standing.waive(id);
        }
        if forget {
            self.watch.declare(id, State::Forgotten, &mut registry!(self, now, out));
            self.spread_news(now);
        }
        Ok(())
    }

    /// Does what is due.
    pub(super) fn watch_rounds(&mut self, now: Now, out: &mut Vec<Output>) {
        let filling = self.repair.entropy.in_bulk(Space::Data);
        self.rounds.poll(filling, &mut site!(self, now, out));
        let deeds = self.rounds.depart(&mut site!(self, now, out));
        self.carry_out(deeds, now, out);
        let Some(long_dead) = self.rounds.look(&mut site!(self, now, out)) else { return };
        for id in long_dead {
            let forgotten = self.forget(id, false, now, out).is_ok();
            self.stats.members_reaped += u64::from(forgotten);
        }
        let deeds = self.rounds.begin_due(&mut site!(self, now, out));
        self.carry_out(deeds, now, out);
        if !self.members_away().is_empty() {
            self.compare_rosters();
        }
    }

    /// A pass cannot begin. Others may know better who is away, and only passes would tell that.
    fn compare_rosters(&mut self) {
        let off = self.config.repair.interval.is_zero();
        if let Some(peer) = self.table.random(&mut self.rng).filter(|_| off) {
            roster::tell(peer.gossip, self.replica.roster.digest(), &mut self.outbox);
        }
    }

    pub(super) fn on_ring(
        &mut self,
        from: &Origin,
        message: Message,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        if self.config.repair.interval.is_zero() {
            for to in roster::compared_with(&message, from, &self.table) {
                roster::tell(to, self.replica.roster.digest(), &mut self.outbox);
            }
        }
        let deeds = self.rounds.handle(from, message, &mut site!(self, now, out));
        self.carry_out(deeds, now, out);
    }

    /// Another end of a visit tells what its roster is: what either lacks is exchanged.
    pub(super) fn on_roster(
        &mut self,
        from: &Origin,
        theirs: Digest,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let same = theirs == self.replica.roster.digest();
        if !same {
            let hold = &mut holding!(self, now, out);
            self.repair.answer(Space::Roster, from, hold, |desk| {
                checksum::begin(desk, Flow { mine: true, yours: true }, theirs.count);
            });
        }
    }

    fn carry_out(&mut self, deeds: Vec<Deed>, now: Now, out: &mut Vec<Output>) {
        for deed in deeds {
            match deed {
                Deed::Spread(space, entry) => self.spread(space, entry, None, now),
                Deed::Take(delivery) => self.take_delivery(delivery, now, out),
                Deed::Compare(id) => self.compare_with(id),
            }
        }
    }

    /// Takes what a walk has brought.
    fn take_delivery(&mut self, mut delivery: Delivery, now: Now, out: &mut Vec<Output>) {
        for entry in std::mem::take(&mut delivery.entries) {
            let entry = self.replica.keep(entry);
            let site = &mut site!(self, now, out);
            let (admitted, anew) = self.rounds.admit(&delivery, &entry, site);
            if let Some(anew) = anew {
                self.spread(Space::Data, anew, None, now);
            }
            if admitted {
                self.accept_data(&entry, &delivery.origin, now, out);
            }
        }
        let deeds = self.rounds.taken(&delivery, &mut site!(self, now, out));
        self.carry_out(deeds, now, out);
    }
}
