//! How ring repair is joined to a node: when a pass begins, how the token goes on, and the way back
//! for a member that a pass has not covered.

mod back;
mod report;
mod walk;

pub use report::{NoPass, NotForgotten, Run};

use super::horizon::{FORGOTTEN_MS, Horizon, MAX_PENDING, Pending};
use super::{Node, repair};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now, millis};
use crate::data::{self, Space};
use crate::member::State;
use crate::output::{Class, Output, Via, applied};
use crate::spread::ring::{
    Answer, Guest, Pass, Progress, SIEVE, Session, Stage, Token, Verdict, Walk,
};
use crate::wire::{Origin, kind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A token that is not answered is sent again after this long, and after longer each time (guess:
/// several round trips on a slow network).
const PATIENCE: Duration = Duration::from_secs(5);
/// The same where the other end said so, or its stream broke.
const RETRY: Duration = Duration::from_secs(1);
/// A walk whose other end is silent for so long begins anew (guess: time for a piece with a large
/// value on a slow and crowded line). Where a stream breaks, or the other end is gone or knows of no
/// walk, both ends are told sooner.
const GUEST: Duration = Duration::from_secs(60);
/// No hop begins later than this after the pass did.
const LIMIT_MS: u64 = 45 * 60 * 1000;
/// Members that all were not covered by a pass begin anew after this long, at least (guess: many
/// times what it takes to be brought back).
const ORPHANED: Duration = Duration::from_secs(30);
/// Members brought back at once.
const SIEVES: usize = 4;
/// How often a node looks whether a pass is due, at most.
const LOOK: Duration = Duration::from_secs(10);

/// The passes and walks under way at a node.
#[derive(Debug)]
pub(super) struct Rounds {
    /// Tokens that this node has to hand on, and members that it brings back.
    carries: Vec<Carry>,
    guests: Vec<(Guest, Instant)>,
    /// The last pass that this node began.
    run: Option<Run>,
    look: Instant,
    resync: Instant,
    /// When this node began to run, or saw the last pass complete.
    pub(super) since: Instant,
    /// False until what was kept on disk has been looked at.
    settled: bool,
}

#[derive(Debug)]
struct Carry {
    token: Token,
    peer: NodeId,
    /// `None` until it has been answered that there is something to give.
    walk: Option<Walk>,
    until: Instant,
    tries: u32,
}

impl Rounds {
    pub(super) fn new(now: Instant) -> Self {
        let (carries, guests, run) = (Vec::new(), Vec::new(), None);
        Self { carries, guests, run, look: now, resync: now, since: now, settled: false }
    }

    /// Up to where a walk under way compares what this node holds with a covered member.
    pub(super) fn sieved(&self) -> Option<u64> {
        let sieves = self.guests.iter().filter(|(guest, _)| guest.sieves());
        sieves.map(|(guest, _)| guest.pass.horizon).max()
    }

    /// A pass is complete: word of that comes by several ways, the straight one may be lost.
    pub(super) fn completed(&mut self, pass: u64, now: Now) {
        self.since = now.mono;
        if let Some(run) = self.run.as_mut().filter(|run| run.is_under_way()) {
            (run.hop, run.stage) = match run.pass == pass {
                true => (run.hops, Stage::Complete),
                false => (run.hop, Stage::Over),
            };
            run.heard_ms = now.wall_ms;
        }
    }

    fn guest(&mut self, session: Session, peer: NodeId) -> Option<&mut (Guest, Instant)> {
        self.guests.iter_mut().find(|(guest, _)| guest.session == session && guest.peer == peer)
    }

    fn carry(&mut self, session: Session, peer: NodeId) -> Option<usize> {
        let wanted = |carry: &Carry| carry.token.session() == session && carry.peer == peer;
        self.carries.iter().position(wanted)
    }
}

impl Node {
    /// Begins a pass of ring repair over all members, from a random one on.
    ///
    /// # Errors
    /// If there can be none now.
    pub fn begin_pass(&mut self, now: Now, out: &mut Vec<Output>) -> Result<u64, NoPass> {
        if self.left {
            return Err(NoPass::Left);
        }
        if self.coverage.is_behind() && !self.is_orphaned(now) {
            return Err(NoPass::Behind);
        }
        if self.rounds.run.as_ref().is_some_and(Run::is_under_way) {
            return Err(NoPass::UnderWay);
        }
        // Who has seeds and has found nobody does not know what there is.
        if self.table.peer_count() == 0 && !self.rejoin.seeds().is_empty() {
            return Err(NoPass::Alone);
        }
        let away = self.members_away();
        if !away.is_empty() {
            return Err(NoPass::Away(away));
        }
        self.seeds_found(now)?;
        let present = self.table.members().filter(|member| member.state.is_present());
        let mut order: Vec<NodeId> = present.map(|member| member.id).collect();
        let start = self.rng.index(order.len());
        order.rotate_left(start);
        // What is younger is still on its way. The low bits tell apart passes of one millisecond.
        let before = now.wall_ms.saturating_sub(millis(repair::hidden(&self.config)));
        let low = self.rng.below(1 << 16);
        let last = self.coverage.horizon.map_or(0, |horizon| horizon.time);
        let covered = self.coverage.covered.as_ref().filter(|_| !self.coverage.is_behind());
        let after = covered.map(|pass| (pass.horizon, pass.id));
        let pass = Pass {
            id: self.rng.bits(),
            horizon: (before << 16 | low).max(last + 1),
            after,
            started_ms: now.wall_ms,
            by: self.identity.id,
            order: order.into(),
        };
        let (id, first) = (pass.id, pass.receiver(0).unwrap_or(self.identity.id));
        self.rounds.run = Some(Run {
            pass: id,
            started_ms: now.wall_ms,
            members: pass.order.len(),
            hop: 0,
            hops: pass.hops(),
            stage: Stage::Waiting,
            at: first,
            heard_ms: now.wall_ms,
            order: Arc::clone(&pass.order),
        });
        self.stats.ring_begun += 1;
        if first == self.identity.id {
            self.visited(&pass);
            self.reached(pass, 0, now, out);
        } else {
            self.hand_on(pass, 0, now);
        }
        Ok(id)
    }

    /// What the first pass does not reach would be cut off by it: two nodes that have lost their
    /// disks and know nobody but each other must not take themselves for the whole cluster. Their
    /// seeds know better. Not for ever: an address may be wrong.
    ///
    /// # Errors
    /// [`NoPass::Seeds`] if this node knows of no pass to go on from and waits for its seeds.
    pub fn seeds_found(&self, now: Now) -> Result<(), NoPass> {
        let first = self.coverage.covered.is_none() || self.coverage.is_behind();
        let wait = match self.config.ring.reap_after {
            Duration::ZERO => crate::spread::ring::Config::default().reap_after,
            after => after.max(ORPHANED),
        };
        if !first || now.mono.since(self.rounds.since) >= wait {
            return Ok(());
        }
        let (missing, nameless) = (self.rejoin.strange_seeds(&self.table), self.rejoin.nameless());
        match missing.is_empty() && nameless == 0 {
            true => Ok(()),
            false => Err(NoPass::Seeds { missing, nameless }),
        }
    }

    /// The last pass that this node began.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.rounds.run.as_ref()
    }

    /// Members that keep passes from being made: they are neither here nor gone for good.
    #[must_use]
    pub fn members_away(&self) -> Vec<NodeId> {
        self.table.not_alive().filter(|m| m.state == State::Dead).map(|m| m.id).collect()
    }

    /// Waits no longer for a member that is dead or has left, so that passes go on without it.
    /// Should it come back, it is brought back to what they covered. `force` does so even where the
    /// members that are here may be the smaller side of a partition.
    ///
    /// # Errors
    /// If the member is present or not known, or there is no majority.
    pub fn forget(
        &mut self,
        id: NodeId,
        force: bool,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), NotForgotten> {
        let state = self.table.get(id).ok_or(NotForgotten::Unknown)?.state;
        match state {
            State::Alive | State::Suspect => return Err(NotForgotten::Present),
            State::Forgotten => return Ok(()),
            State::Dead | State::Left => {}
        }
        let (here, of) = self.majority();
        if state == State::Dead && 2 * here <= of && !force {
            return Err(NotForgotten::Minority { here, of });
        }
        self.declare(id, State::Forgotten, now, out);
        Ok(())
    }

    /// True if this node has waited to be brought back for so long, with all members there, that
    /// nobody can be left who could.
    fn is_orphaned(&self, now: Now) -> bool {
        let after = self.config.ring.reap_after;
        !after.is_zero() && now.mono.since(self.rounds.since) >= after.max(ORPHANED)
    }

    /// How many of the members that count are here, and how many count: those of the last pass, or
    /// all that are known. Only who has said goodbye does not; the forgotten do until a pass has
    /// been made without them, or those away could be forgotten one by one.
    fn majority(&self) -> (usize, usize) {
        let state = |id: NodeId| self.table.get(id).map_or(State::Left, |member| member.state);
        let ids: Vec<NodeId> = match &self.coverage.covered {
            Some(pass) => pass.order.to_vec(),
            None => self.table.members().map(|member| member.id).collect(),
        };
        let alive = ids.iter().filter(|id| state(**id) == State::Alive).count();
        let left = ids.iter().filter(|id| state(**id) == State::Left).count();
        (alive, ids.len() - left)
    }

    /// When something of this is due.
    pub(super) fn rounds_deadline(&self) -> Option<Instant> {
        let rounds = &self.rounds;
        let walks = rounds.carries.iter().map(|carry| carry.until);
        let guests = rounds.guests.iter().map(|(_, until)| *until);
        let look = (!self.config.ring.interval.is_zero()).then_some(rounds.look);
        let resync = self.coverage.is_behind().then_some(rounds.resync);
        let collect = self.coverage.is_collecting().then_some(Instant(0));
        let aged = self.certificates_deadline();
        walks.chain(guests).chain(look).chain(resync).chain(collect).chain(aged).min()
    }

    /// Does what is due.
    pub(super) fn watch_rounds(&mut self, now: Now, out: &mut Vec<Output>) {
        if !self.rounds.settled {
            self.rounds.settled = true;
            self.collect_again();
        }
        self.collect_some(out);
        let here = |id| self.table.get(id).is_some_and(|member| member.state.is_present());
        self.rounds.guests.retain(|(guest, until)| *until > now.mono && here(guest.peer));
        while let Some(at) = self.rounds.carries.iter().position(|c| c.until <= now.mono) {
            let carry = self.rounds.carries.swap_remove(at);
            self.carry_again(carry, now);
        }
        if self.coverage.is_behind() && self.rounds.resync <= now.mono {
            self.ask_for_the_way_back(now);
        }
        if !self.config.ring.interval.is_zero() && self.rounds.look <= now.mono {
            let pause = self.config.ring.interval.min(LOOK * 16) / 16;
            self.rounds.look = now.mono.after(pause.max(Duration::from_millis(50)));
            self.look_whether_due(now, out);
        }
    }

    /// One member makes passes for all: the present one with the smallest id.
    fn look_whether_due(&mut self, now: Now, out: &mut Vec<Output>) {
        let old = |pending: &Pending| now.wall_ms > pending.pass.started_ms + FORGOTTEN_MS;
        self.coverage.pending.retain(|pending| !old(pending));
        let first = self.table.members().find(|member| member.state.is_present());
        if first.is_none_or(|first| first.id != self.identity.id) {
            return;
        }
        let interval = self.config.ring.interval;
        if now.mono.since(self.rounds.since) < interval {
            return;
        }
        self.reap(now, out);
        if let Some(run) = self.rounds.run.as_mut().filter(|run| run.is_under_way()) {
            // Whoever held the token may be gone.
            let silent = now.wall_ms.saturating_sub(run.heard_ms);
            if silent < millis(PATIENCE * 4).max(millis(interval) / 4) {
                return;
            }
            run.stage = Stage::Over;
        }
        let _ = self.begin_pass(now, out);
    }

    /// Forgets who has been dead for long, if most are here.
    fn reap(&mut self, now: Now, out: &mut Vec<Output>) {
        let after = self.config.ring.reap_after;
        if after.is_zero() {
            return;
        }
        let dead = self.table.not_alive().filter(|member| member.state == State::Dead);
        let long = dead.filter(|member| now.mono.since(member.since) >= after);
        for id in long.map(|member| member.id).collect::<Vec<_>>() {
            if self.forget(id, false, now, out).is_ok() {
                self.stats.members_reaped += 1;
            }
        }
    }

    fn send_ring(&mut self, to: SocketAddr, kind: u8, body: &[u8]) {
        self.outbox.push(to, Class::Repair, Via::Stream, kind, &[body]);
    }

    /// Hands the token on: hop `hop` is to be made by this node.
    fn hand_on(&mut self, pass: Pass, hop: u32, now: Now) {
        let Some(peer) = pass.receiver(hop) else { return };
        let token = Token { pass, hop, digest: self.replica.data.digest(), former: Arc::new([]) };
        self.carry(Carry { token, peer, walk: None, until: now.mono, tries: 0 }, now);
    }

    /// Sends a token, now or again.
    fn carry(&mut self, mut carry: Carry, now: Now) {
        let to = self.table.get(carry.peer).map(|member| member.gossip());
        carry.walk = None;
        carry.tries = carry.tries.saturating_add(1);
        carry.until = now.mono.after(PATIENCE * carry.tries.min(8));
        if let Some(to) = to {
            carry.token.digest = self.replica.data.digest();
            let body = carry.token.encode();
            self.send_ring(to, kind::RING_TOKEN, &body);
        }
        self.rounds.carries.push(carry);
    }

    /// A token was not answered, or its walk stands still.
    fn carry_again(&mut self, carry: Carry, now: Now) {
        let state = self.table.get(carry.peer).map(|member| member.state);
        let gone = state.is_none_or(|state| state >= State::Left);
        if carry.token.hop == SIEVE {
            // Who wants to be brought back asks again.
            return;
        }
        let (pass, hop) = (&carry.token.pass, carry.token.hop);
        if gone || now.wall_ms > pass.started_ms + LIMIT_MS {
            self.stats.ring_given_up += 1;
            let (by, session) = (pass.by, carry.token.session());
            return self.tell_progress(by, session, Stage::Over, now);
        }
        if carry.tries > 1 {
            let (by, session) = (pass.by, Session { pass: pass.id, hop });
            self.tell_progress(by, session, Stage::Waiting, now);
        }
        self.carry(carry, now);
    }

    /// This node is visited: no stamps up to the horizon come from here any more.
    fn visited(&mut self, pass: &Pass) {
        self.raise_clock(pass.horizon);
        let coverage = &mut self.coverage;
        if coverage.pending(pass.id).is_none() {
            // Who begins a new pass has given the one before up.
            let other =
                |p: &Pending| p.done || p.pass.by != pass.by || p.pass.horizon > pass.horizon;
            coverage.pending.retain(other);
            if coverage.pending.len() >= MAX_PENDING {
                let oldest = coverage.pending.iter().map(|p| p.pass.horizon).min();
                coverage.pending.retain(|p| Some(p.pass.horizon) != oldest);
            }
            coverage.pending.push(Pending {
                pass: pass.clone(),
                reached: None,
                done: false,
                strays: Vec::new(),
            });
        }
    }

    /// Hop `hop` has brought everything here: the token goes on.
    fn reached(&mut self, pass: Pass, hop: u32, now: Now, out: &mut Vec<Output>) {
        self.stats.ring_hops += 1;
        self.coverage.changed = true;
        if let Some(pending) = self.coverage.pending(pass.id) {
            pending.reached = Some(hop);
            pending.done |= pass.is_last_visit(hop);
        }
        let session = Session { pass: pass.id, hop };
        if hop >= pass.hops() {
            self.tell_progress(pass.by, session, Stage::Complete, now);
            return self.complete(&pass, now, out);
        }
        self.tell_progress(pass.by, session, Stage::Reached, now);
        self.hand_on(pass, hop + 1, now);
    }

    /// This node has left a pass: what it had to hand on is at an end.
    pub(super) fn drop_token(&mut self, pass: u64, now: Now) {
        let mine = |carry: &Carry| carry.token.pass.id == pass && carry.token.hop != SIEVE;
        while let Some(at) = self.rounds.carries.iter().position(mine) {
            let carry = self.rounds.carries.swap_remove(at);
            self.stats.ring_given_up += 1;
            let (by, session) = (carry.token.pass.by, carry.token.session());
            self.tell_progress(by, session, Stage::Over, now);
        }
    }

    /// Every listed member holds everything up to the horizon: tells all.
    fn complete(&mut self, pass: &Pass, now: Now, out: &mut Vec<Output>) {
        let horizon = Horizon { time: pass.horizon, pass: pass.id };
        if self.coverage.horizon >= Some(horizon) {
            return;
        }
        self.stats.ring_completed += 1;
        let entry = Arc::new(horizon.to_entry(pass.order.len()));
        if let data::Applied::New(replaced) = self.replica.roster.apply(Arc::clone(&entry)) {
            out.push(applied(Space::Roster, &entry, replaced, None));
            self.spread(Space::Roster, entry, None, now);
        }
        self.learn_horizon(horizon, now);
    }

    fn tell_progress(&mut self, by: NodeId, session: Session, stage: Stage, now: Now) {
        let progress = Progress { session, stage };
        if by == self.identity.id {
            return self.on_progress(progress, now);
        }
        if let Some(to) = self.table.get(by).map(|member| member.gossip()) {
            let body = progress.encode();
            self.outbox.push(to, Class::Repair, Via::Datagram, kind::RING_PROGRESS, &[&body]);
        }
    }

    pub(super) fn on_progress(&mut self, progress: Progress, now: Now) {
        let Progress { session, stage } = progress;
        let Some(run) = self.rounds.run.as_mut().filter(|run| run.pass == session.pass) else {
            return;
        };
        if session.hop < run.hop || session.hop > run.hops || !run.is_under_way() {
            return;
        }
        (run.hop, run.stage, run.heard_ms) = (session.hop, stage, now.wall_ms);
        let next = if stage == Stage::Reached { session.hop + 1 } else { session.hop };
        let place = next as usize % run.order.len().max(1);
        run.at = run.order.get(place).copied().unwrap_or(run.at);
    }

    fn answer_token(&mut self, to: SocketAddr, session: Session, verdict: Verdict) {
        let body = Answer { session, verdict }.encode();
        self.send_ring(to, kind::RING_ANSWER, &body);
    }

    pub(super) fn on_token(
        &mut self,
        from: &Origin,
        token: Token,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let session = token.session();
        let verdict = match token.hop {
            SIEVE => self.judge_sieve(&token, now),
            _ => self.judge_token(&token, now),
        };
        if verdict != Verdict::Different {
            return self.answer_token(from.address, session, verdict);
        }
        if token.hop != SIEVE {
            self.visited(&token.pass);
        }
        self.rounds.guests.retain(|(guest, _)| guest.session != session);
        let mut guest = Guest::new(&token, from.peer);
        if token.hop != SIEVE
            && let Some(pending) = self.coverage.pending(token.pass.id)
        {
            guest.compares.clone_from(&pending.strays);
        }
        if token.hop == 0 || token.digest == self.replica.data.digest() {
            return self.arrived(guest, from.address, now, out);
        }
        self.rounds.guests.push((guest, now.mono.after(GUEST)));
        self.answer_token(from.address, session, Verdict::Different);
    }

    fn judge_token(&mut self, token: &Token, now: Now) -> Verdict {
        let (pass, hop) = (&token.pass, token.hop);
        let stamp = data::Stamp { time: pass.horizon, node: pass.by };
        let late = now.wall_ms > pass.started_ms.saturating_add(FORGOTTEN_MS);
        if pass.receiver(hop) != Some(self.identity.id)
            || !self.replica.clock.admits(stamp, now.wall_ms)
            || late
        {
            return Verdict::Over;
        }
        if let Some(pending) = self.coverage.pending(pass.id) {
            return match pending.reached >= Some(hop) {
                true => Verdict::Done,
                false => Verdict::Different,
            };
        }
        if let Some((time, pass)) = pass.after {
            let after = Horizon { time, pass };
            if self.coverage.horizon < Some(after) {
                self.learn_horizon(after, now);
            }
        }
        let behind = self.coverage.is_behind();
        if behind && pass.after.is_some() || pass.after.is_none() && self.seeds_found(now).is_err()
        {
            return Verdict::Later;
        }
        // Of members that nobody can bring back one may begin anew.
        let covered = self.coverage.covered.as_ref().filter(|_| !behind);
        let covered = covered.map(|pass| (pass.horizon, pass.id));
        let newer = self.coverage.pending.iter().any(|p| p.pass.horizon > pass.horizon);
        let over = self.coverage.horizon.is_some_and(|held| held.time >= pass.horizon);
        // Who does not know any more what it was given on the first lap cannot go on.
        if newer
            || over
            || self.misses_somebody(pass)
            || covered != pass.after
            || hop as usize >= pass.order.len()
        {
            return Verdict::Over;
        }
        Verdict::Different
    }

    /// True if this node knows of a member from before the pass that it does not list: who began it
    /// had not heard of that one, and what it holds would not be covered.
    fn misses_somebody(&self, pass: &Pass) -> bool {
        let listed: Set<NodeId> = pass.order.iter().copied().collect();
        let counts = |state| !matches!(state, State::Left | State::Forgotten);
        let mut missed = self.table.members().filter(|member| !listed.contains(&member.id));
        missed.any(|member| counts(member.state) && member.incarnation < pass.started_ms)
    }

    pub(super) fn on_ring_answer(&mut self, from: &Origin, answer: Answer, now: Now) {
        let Some(at) = self.rounds.carry(answer.session, from.peer) else { return };
        match answer.verdict {
            Verdict::Done => drop(self.rounds.carries.swap_remove(at)),
            Verdict::Different => {
                if let Some(carry) = self.rounds.carries.get_mut(at) {
                    carry.walk = Some(Walk::new(&carry.token));
                }
                self.walk_on(at, from.address, now);
            }
            Verdict::Later => {
                if let Some(carry) = self.rounds.carries.get_mut(at) {
                    carry.until = now.mono.after(RETRY);
                }
            }
            Verdict::Over => {
                let carry = self.rounds.carries.swap_remove(at);
                if carry.token.hop != SIEVE {
                    self.stats.ring_given_up += 1;
                    self.tell_progress(carry.token.pass.by, answer.session, Stage::Over, now);
                }
            }
        }
    }

    /// True if this node holds something at the end of its last visit that the giver does not, or
    /// that came while the walk went on, so that it was not compared.
    pub(super) fn has_strayed(&self, guest: &Guest) -> bool {
        let Session { pass, hop } = guest.session;
        if hop == SIEVE || !guest.pass.is_last_visit(hop) {
            return false;
        }
        let pending = self.coverage.pending.iter().find(|pending| pending.pass.id == pass);
        let taken = pending.into_iter().flat_map(|pending| &pending.strays);
        let late = taken.skip(guest.compares.len()).map(|(_, item)| item);
        guest.strays.iter().chain(late).any(|item| self.replica.data.find(*item).is_some())
    }

    /// A walk to this node has ended.
    fn arrived(&mut self, guest: Guest, from: SocketAddr, now: Now, out: &mut Vec<Output>) {
        let session = guest.session;
        self.rounds.guests.retain(|(other, _)| other.session != session);
        // What others have given meanwhile and the giver does not hold is from outside of the pass.
        if self.has_strayed(&guest) {
            self.answer_token(from, session, Verdict::Over);
            return self.leave_pass(session.pass, now, out);
        }
        let pass = guest.pass;
        self.answer_token(from, session, Verdict::Done);
        if session.hop == SIEVE {
            self.stats.fence_returns += 1;
            self.rounds.guests.retain(|(other, _)| !other.sieves());
            return self.cover(pass);
        }
        // A token that was on its way twice goes on once.
        let pending = self.coverage.pending(pass.id);
        if pending.is_some_and(|pending| pending.reached < Some(session.hop)) {
            self.reached(pass, session.hop, now, out);
        }
    }

    /// A stream broke: what went over it is tried again soon.
    pub(super) fn ring_stream_lost(&mut self, to: SocketAddr, now: Now) {
        for carry in &mut self.rounds.carries {
            let there = self.table.get(carry.peer).is_some_and(|member| member.gossip() == to);
            if there {
                carry.until = carry.until.min(now.mono.after(RETRY));
            }
        }
        for (guest, until) in &mut self.rounds.guests {
            let there = self.table.get(guest.peer).is_some_and(|member| member.gossip() == to);
            if there {
                *until = (*until).min(now.mono.after(RETRY));
            }
        }
    }
}
