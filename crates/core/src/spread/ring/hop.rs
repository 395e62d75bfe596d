//! The messages of a walk between two replicas, at either end: of a hop of a pass, or of the way back
//! of a member.

use super::rounds::{Deed, Delivery, GUEST, Rounds, Site};
use super::{Check, Differ, Guest, Load, Page, Session, Step, Verdict, Want};
use crate::base::id::NodeId;
use crate::data::{Entry, Space};
use crate::retain::Sieved;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;
use std::sync::Arc;

impl Rounds {
    /// Sends the next message of a walk.
    pub(super) fn walk_on(&mut self, at: usize, to: SocketAddr, site: &mut Site<'_>) {
        let Some(carry) = self.carries.get_mut(at) else { return };
        let Some(walk) = &mut carry.walk else { return };
        carry.until = site.now().mono.after(GUEST);
        let before = walk.sent();
        let (kind, body) = walk.next(&site.hold.replica.data, self.piece_bytes);
        site.hold.env.stats.ring_entries_sent += walk.sent() - before;
        site.send(to, kind, &body);
    }

    pub(super) fn on_differ(&mut self, from: &Origin, differ: &Step<Differ>, site: &mut Site<'_>) {
        let Some(at) = self.carried(differ.session, from.peer) else {
            let over = Verdict::Over;
            return Self::answer_token(from.address, differ.session, over, 0, site);
        };
        let walk = self.carries.get_mut(at).and_then(|carry| carry.walk.as_mut());
        if walk.is_some_and(|walk| walk.on_differ(&site.hold.replica.data, differ)) {
            self.walk_on(at, from.address, site);
        }
    }

    pub(super) fn on_want(&mut self, from: &Origin, want: &Step<Want>, site: &mut Site<'_>) {
        let Some(at) = self.carried(want.session, from.peer) else {
            let over = Verdict::Over;
            return Self::answer_token(from.address, want.session, over, 0, site);
        };
        let walk = self.carries.get_mut(at).and_then(|carry| carry.walk.as_mut());
        if walk.is_some_and(|walk| walk.on_want(want)) {
            self.walk_on(at, from.address, site);
        }
    }

    /// The place of the guest for whom a message of the giver is the next of its walk. Where nobody
    /// waits for that walk the giver is told.
    fn steps(
        &mut self,
        from: &Origin,
        session: Session,
        number: u32,
        site: &mut Site<'_>,
    ) -> Option<usize> {
        let is = |guest: &Guest| guest.session == session && guest.peer == from.peer;
        let Some(place) = self.guests.iter().position(|(guest, _)| is(guest)) else {
            Self::answer_token(from.address, session, Verdict::Later, 0, site);
            return None;
        };
        let (guest, until) = self.guests.get_mut(place)?;
        let next = guest.is_next(number);
        if next {
            *until = site.now().mono.after(GUEST);
        }
        next.then_some(place)
    }

    pub(super) fn on_check(
        &mut self,
        from: &Origin,
        check: &Step<Check>,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        let Some(place) = self.steps(from, check.session, check.number, site) else {
            return Vec::new();
        };
        let guest = self.guests.get(place).map(|(guest, _)| guest);
        match guest.and_then(|guest| guest.on_check(&site.hold.replica.data, check)) {
            Some(differ) => {
                site.send(from.address, kind::RING_DIFFER, &differ.encode());
                Vec::new()
            }
            None => {
                let (guest, _) = self.guests.remove(place);
                self.arrived(guest, from.address, site)
            }
        }
    }

    pub(super) fn on_page(
        &mut self,
        from: &Origin,
        page: Step<Page>,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        let place = self.steps(from, page.session, page.number, site);
        let Some((guest, _)) = place.and_then(|place| self.guests.get_mut(place)) else {
            return Vec::new();
        };
        let want = guest.on_page(&site.hold.replica.data, page);
        let deeds = match want.body.is_empty() {
            true => self.sieve(want.session, from.peer, site),
            false => Vec::new(),
        };
        site.send(from.address, kind::RING_WANT, &want.encode());
        deeds
    }

    /// Everything wanted of a page is here: what is surplus in its ranges goes.
    fn sieve(&mut self, session: Session, peer: NodeId, site: &mut Site<'_>) -> Vec<Deed> {
        let Some((guest, _)) = self.guest(session, peer).filter(|(guest, _)| guest.sieves()) else {
            return Vec::new();
        };
        let surplus = guest.surplus(&site.hold.replica.data);
        let mut deeds = Vec::new();
        for entry in &surplus {
            debug_assert!(entry.age() <= guest.pass.horizon, "later writes stay");
            let anew = sieve(guest, entry, site);
            deeds.extend(anew.map(|entry| Deed::Spread(Space::Data, entry)));
        }
        deeds
    }

    pub(super) fn on_load(
        &mut self,
        from: &Origin,
        load: Step<Load>,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        let Step { session, number, body: Load { entries, last } } = load;
        let place = self.steps(from, session, number, site);
        let Some((guest, _)) = place.and_then(|place| self.guests.get(place)) else {
            return Vec::new();
        };
        let origin = Origin { pass: (!guest.sieves()).then_some(session.pass), ..*from };
        vec![Deed::Take(Delivery { origin, entries, session, number, last })]
    }

    /// Makes way for an entry of a delivery. Returns whether it is to be offered to the replica, and
    /// what has been written anew, to be spread.
    #[must_use]
    pub fn admit(
        &mut self,
        delivery: &Delivery,
        entry: &Entry,
        site: &mut Site<'_>,
    ) -> (bool, Option<Arc<Entry>>) {
        let Some((guest, _)) = self.guest(delivery.session, delivery.origin.peer) else {
            return (false, None);
        };
        if !guest.sieves() {
            // Those that begin anew from what they hold keep nothing out: a member's own link is none
            // of what they have in common.
            let anew = guest.census.waives_all && site.standing.is_behind();
            return (anew || !site.standing.is_below(entry.age()), None);
        }
        let data = &site.hold.replica.data;
        let held = data.get(entry.key()).filter(|held| held.stamp() > entry.stamp());
        let surplus = held.filter(|held| guest.is_surplus(data, held)).cloned();
        let anew = surplus.and_then(|held| sieve(guest, &held, site));
        (true, anew)
    }

    /// All of a delivery has been offered to the replica: the walk goes on.
    #[must_use]
    pub fn taken(&mut self, delivery: &Delivery, site: &mut Site<'_>) -> Vec<Deed> {
        let &Delivery { origin, session, number, last, .. } = delivery;
        let deeds = match last {
            true => self.sieve(session, origin.peer, site),
            false => Vec::new(),
        };
        let go_on = Step { session, number, body: Want::new() };
        site.send(origin.address, kind::RING_WANT, &go_on.encode());
        deeds
    }
}

/// Decides on an entry that the giver does not hold. Returns what is written anew.
fn sieve(guest: &mut Guest, entry: &Arc<Entry>, site: &mut Site<'_>) -> Option<Arc<Entry>> {
    let giver = (guest.peer, &guest.census.history);
    match site.standing.sieve(entry, &guest.pass, giver, &mut site.hold) {
        Sieved::Gone => None,
        Sieved::Anew(entry) => Some(entry),
        Sieved::Full => {
            guest.full = true;
            None
        }
    }
}
