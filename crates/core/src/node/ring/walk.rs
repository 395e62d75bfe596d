//! The messages of a walk between two replicas, at either end: of a hop of a pass, or of the way back
//! of a member.

use super::{GUEST, Node};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::output::Output;
use crate::spread::ring::{Check, Differ, Load, Page, Session, Step, Verdict, Want};
use crate::wire::{Origin, kind};
use std::net::SocketAddr;

impl Node {
    /// Sends the next message of a walk.
    pub(super) fn walk_on(&mut self, at: usize, to: SocketAddr, now: Now) {
        let Some(carry) = self.rounds.carries.get_mut(at) else { return };
        let Some(walk) = &mut carry.walk else { return };
        carry.until = now.mono.after(GUEST);
        let before = walk.sent();
        let (kind, body) = walk.next(&self.replica.data, self.config.repair.piece_bytes);
        self.stats.ring_entries_sent += walk.sent() - before;
        self.send_ring(to, kind, &body);
    }

    pub(in crate::node) fn on_differ(&mut self, from: &Origin, differ: &Step<Differ>, now: Now) {
        let Some(at) = self.rounds.carry(differ.session, from.peer) else { return };
        let walk = self.rounds.carries.get_mut(at).and_then(|carry| carry.walk.as_mut());
        if walk.is_some_and(|walk| walk.on_differ(&self.replica.data, differ)) {
            self.walk_on(at, from.address, now);
        }
    }

    pub(in crate::node) fn on_ring_want(&mut self, from: &Origin, want: &Step<Want>, now: Now) {
        let Some(at) = self.rounds.carry(want.session, from.peer) else { return };
        let walk = self.rounds.carries.get_mut(at).and_then(|carry| carry.walk.as_mut());
        if walk.is_some_and(|walk| walk.on_want(want)) {
            self.walk_on(at, from.address, now);
        }
    }

    pub(in crate::node) fn on_ring_check(
        &mut self,
        from: &Origin,
        check: &Step<Check>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Some((guest, until)) = self.rounds.guest(check.session, from.peer) else {
            return self.answer_token(from.address, check.session, Verdict::Later);
        };
        *until = now.mono.after(GUEST);
        let guest = guest.clone();
        match guest.on_check(&self.replica.data, check) {
            Some(differ) => self.send_ring(from.address, kind::RING_DIFFER, &differ.encode()),
            None => self.arrived(guest, from.address, now, out),
        }
    }

    pub(in crate::node) fn on_page(
        &mut self,
        from: &Origin,
        page: Step<Page>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Some((guest, until)) = self
            .rounds
            .guests
            .iter_mut()
            .find(|(g, _)| g.session == page.session && g.peer == from.peer)
        else {
            return self.answer_token(from.address, page.session, Verdict::Later);
        };
        *until = now.mono.after(GUEST);
        let want = guest.on_page(&self.replica.data, page);
        if want.body.is_empty() {
            self.drop_surplus_of(want.session, from.peer, now, out);
        }
        self.send_ring(from.address, kind::RING_WANT, &want.encode());
    }

    fn drop_surplus_of(
        &mut self,
        session: Session,
        sender: NodeId,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Some(place) = self
            .rounds
            .guests
            .iter()
            .position(|(guest, _)| guest.session == session && guest.peer == sender)
        else {
            return;
        };
        let Some((guest, _)) = self.rounds.guests.get_mut(place).filter(|(g, _)| g.sieves()) else {
            return;
        };
        let surplus = guest.surplus(&self.replica.data);
        let guest = guest.clone();
        for entry in surplus {
            self.drop_surplus(&entry, &guest, now, out);
        }
    }

    pub(in crate::node) fn on_load(
        &mut self,
        from: &Origin,
        load: Step<Load>,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let Step { session, number, body: Load { entries, last } } = load;
        let Some((guest, until)) = self.rounds.guest(session, from.peer) else {
            return self.answer_token(from.address, session, Verdict::Later);
        };
        *until = now.mono.after(GUEST);
        let guest = guest.clone();
        let origin = Origin { pass: (!guest.sieves()).then_some(session.pass), ..*from };
        for entry in entries {
            let entry = self.replica.keep(entry);
            if let Some(held) = self.replica.data.get(entry.key()).cloned()
                && held.stamp() > entry.stamp()
                && guest.sieves()
                && guest.is_surplus(&self.replica.data, &held)
            {
                self.drop_surplus(&held, &guest, now, out);
            }
            if guest.sieves() || !self.is_below_horizon(entry.stamp()) {
                self.accept_data(&entry, &origin, now, out);
            }
        }
        if last {
            self.drop_surplus_of(session, from.peer, now, out);
        }
        let go_on = Step { session, number, body: Want::new() };
        self.send_ring(from.address, kind::RING_WANT, &go_on.encode());
    }
}
