//! The token of a pass: whether this node takes it, when it goes on, and who is told.

use super::rounds::{
    Carry, Deed, FILLED, GUEST, Leaving, MAX_TRIES, PATIENCE, RETRY, Rounds, Site,
};
use super::{Answer, Guest, Pass, Progress, SIEVE, Session, Stage, Token, Verdict, Walk};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::data::{Fate, Space, Stamp};
use crate::member::{Member, State};
use crate::output::{Class, Via};
use crate::retain::standing::FORGOTTEN_MS;
use crate::retain::{Census, Grounds, Lack, admit, horizon};
use crate::spread::entropy::Entropy;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// No hop begins later than this after the pass did.
const LIMIT_MS: u64 = 45 * 60 * 1000;

impl Rounds {
    /// Hands the token on: hop `hop` is to be made by this node.
    pub(super) fn hand_on(
        &mut self,
        pass: Pass,
        hop: u32,
        census: Arc<Census>,
        site: &mut Site<'_>,
    ) {
        let Some(peer) = pass.receiver(hop) else { return };
        debug_assert!(
            hop == 0 || site.standing.pending(pass.id).is_some(),
            "who left a pass does not hand its token on"
        );
        let token = Token { pass, hop, digest: site.hold.replica.data.digest(), census };
        let until = site.now().mono;
        self.carry(Carry { token, peer, walk: None, until, tries: 0 }, site);
    }

    /// Sends a token, now or again.
    pub(super) fn carry(&mut self, mut carry: Carry, site: &mut Site<'_>) {
        let to = site.table().get(carry.peer).map(|member| member.gossip());
        carry.walk = None;
        carry.tries = carry.tries.saturating_add(1);
        carry.until = site.now().mono.after(PATIENCE * carry.tries.min(MAX_TRIES));
        if let Some(to) = to {
            carry.token.digest = site.hold.replica.data.digest();
            let body = carry.token.encode();
            site.send(to, kind::RING_LINK, &body);
        }
        self.carries.push(carry);
    }

    /// A token was not answered, or its walk stands still.
    pub(super) fn carry_again(&mut self, carry: Carry, site: &mut Site<'_>) {
        let state = site.table().get(carry.peer).map(|member| member.state);
        if carry.token.hop == SIEVE {
            // Who wants to be brought back asks again.
            return;
        }
        let (pass, session) = (&carry.token.pass, carry.token.session());
        // On the first lap nobody has accepted anything: who only came by is not waited for.
        let listed = site.standing.covered().is_none_or(|link| link.lists(carry.peer));
        let passes = !listed && !pass.is_last_visit(carry.token.hop);
        let gone = state.is_none_or(|state| state >= State::Left || passes && state == State::Dead);
        if gone || site.hold.wall_ms > pass.started_ms + LIMIT_MS {
            site.hold.env.stats.ring_given_up += 1;
            return self.tell_progress(pass.by, Progress::of(session, Stage::Over), site);
        }
        if carry.tries > 1 {
            self.tell_progress(pass.by, Progress::of(session, Stage::Waiting), site);
        }
        self.carry(carry, site);
    }

    /// Hop `hop` has brought everything here: this node says what it has to say, accepts if it is
    /// its last visit, and the token goes on.
    pub(super) fn reached(
        &mut self,
        mut pass: Pass,
        hop: u32,
        mut census: Arc<Census>,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        site.hold.env.stats.ring_hops += 1;
        let session = Session { pass: pass.id, hop };
        if (hop as usize) < pass.order.len() {
            site.standing.report(&pass, Arc::make_mut(&mut census), site.hold.env.table);
        }
        if pass.is_last_visit(hop) {
            let ends_the_lap = hop as usize + 1 == pass.order.len();
            match admitted(&pass, &census, site) {
                Ok(grounds) if ends_the_lap => pass.grounds = grounds,
                // Each counts again what the last one of the lap has counted.
                Ok(grounds) if grounds == pass.grounds => {}
                Ok(_) => return self.give_up(&pass, session, None, site),
                Err(lack) => return self.give_up(&pass, session, Some(lack), site),
            }
        }
        site.standing.reached(&pass, hop, &census);
        if hop >= pass.hops() {
            self.tell_progress(pass.by, Progress::of(session, Stage::Complete), site);
            return self.complete(&pass, site);
        }
        self.tell_progress(pass.by, Progress::of(session, Stage::Reached), site);
        self.hand_on(pass, hop + 1, census, site);
        Vec::new()
    }

    /// The pass cannot be complete. Nobody from here on accepts it.
    fn give_up(
        &mut self,
        pass: &Pass,
        session: Session,
        lack: Option<Lack>,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        site.hold.env.stats.ring_given_up += 1;
        site.hold.env.stats.ring_refused += u64::from(lack.is_some());
        let progress = Progress { lack, ..Progress::of(session, Stage::Over) };
        self.tell_progress(pass.by, progress, site);
        self.leave(pass.id, site);
        Vec::new()
    }

    /// Every listed member holds everything up to the horizon: tells all.
    fn complete(&mut self, pass: &Pass, site: &mut Site<'_>) -> Vec<Deed> {
        let horizon = pass.to_horizon();
        if site.standing.horizon() >= Some(horizon) {
            return Vec::new();
        }
        site.hold.env.stats.ring_completed += 1;
        let entry = Arc::new(horizon.to_entry());
        let mut deeds = Vec::new();
        if horizon::offer(&entry, site.own(), &mut site.hold) == Fate::New {
            deeds.push(Deed::Spread(Space::Roster, entry));
        }
        self.learn(horizon, site);
        deeds
    }

    pub(super) fn tell_progress(&mut self, by: NodeId, progress: Progress, site: &mut Site<'_>) {
        if by == site.own() {
            return self.on_progress(&progress, site.hold.wall_ms);
        }
        if let Some(to) = site.table().get(by).map(|member| member.gossip()) {
            let (class, via, body) = (Class::Repair, Via::Datagram, progress.encode());
            site.hold.env.outbox.push(to, class, via, kind::RING_PROGRESS, &[&body]);
        }
    }

    pub(super) fn on_progress(&mut self, progress: &Progress, wall_ms: u64) {
        let Progress { session, stage, above, ref lack } = *progress;
        let Some(run) = self.run.as_mut().filter(|run| run.pass == session.pass) else {
            return;
        };
        if session.hop < run.hop || session.hop > run.hops || !run.is_under_way() {
            return;
        }
        (run.hop, run.stage, run.heard_ms) = (session.hop, stage, wall_ms);
        let next = if stage == Stage::Reached { session.hop + 1 } else { session.hop };
        let place = next as usize % run.order.len().max(1);
        run.at = run.order.get(place).copied().unwrap_or(run.at);
        self.above = self.above.max(above);
        if let Some(lack) = lack {
            self.lack = Some(lack.clone().into());
        }
    }

    pub(super) fn answer_token(
        to: SocketAddr,
        session: Session,
        verdict: Verdict,
        above: u64,
        site: &mut Site<'_>,
    ) {
        let body = Answer { session, verdict, above }.encode();
        site.send(to, kind::RING_ANSWER, &body);
    }

    pub(super) fn on_token(
        &mut self,
        from: &Origin,
        token: Token,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        let session = token.session();
        let (verdict, above) = match token.hop {
            SIEVE => (self.judge_sieve(&token, site), 0),
            _ => self.judge_token(&token, site),
        };
        if verdict != Verdict::Different {
            Self::answer_token(from.address, session, verdict, above, site);
            return Vec::new();
        }
        self.guests.retain(|(guest, _)| guest.session != session);
        // Below, 0 is what builds of before say.
        let began = 1 + site.hold.env.rng.below(u64::from(u32::MAX)) as u32;
        let mut guest = Guest::new(&token, from.peer, began);
        if token.hop != SIEVE {
            site.standing.visit(&token.pass, &mut site.hold.replica.clock);
            if let Some(pending) = site.standing.pending(token.pass.id) {
                guest.compares.clone_from(&pending.strays);
            }
        }
        if token.hop == 0 || token.digest == site.hold.replica.data.digest() {
            return self.arrived(guest, from.address, site);
        }
        self.guests.push((guest, site.now().mono.after(GUEST)));
        Self::answer_token(from.address, session, Verdict::Different, began.into(), site);
        Vec::new()
    }

    /// Whether this node lends itself to a pass, or goes on with it; and which horizon was in the way.
    fn judge_token(&mut self, token: &Token, site: &mut Site<'_>) -> (Verdict, u64) {
        let (pass, hop, now) = (&token.pass, token.hop, site.now());
        let stamp = Stamp { time: pass.horizon, node: pass.by };
        let late = now.wall_ms > pass.started_ms.saturating_add(FORGOTTEN_MS);
        if pass.receiver(hop) != Some(site.own())
            || !site.hold.replica.clock.leads(stamp.time, now.wall_ms)
            || late
        {
            return (Verdict::Over, 0);
        }
        if let Some(pending) = site.standing.pending(pass.id) {
            return match pending.reached >= Some(hop) {
                true => (Verdict::Done, 0),
                false => (Verdict::Different, 0),
            };
        }
        if let Some(after) = pass.after.filter(|after| site.standing.horizon() < Some(*after)) {
            // Whoever else knows of it may be gone before the roster has said so.
            let _ = horizon::offer(&Arc::new(after.to_entry()), site.own(), &mut site.hold);
            self.learn(after, site);
        }
        let behind = site.standing.is_behind();
        let waived = token.census.waives_all;
        let alone =
            || !waived && Self::seeds_found(site.standing, site.table(), site.rejoin).is_err();
        let mine = site.hold.replica.data.digest().count;
        let young = now.mono.since(self.since) < FILLED;
        let fills = site.fills && young && Entropy::wants_bulk(mine, token.digest.count);
        if fills
            || behind && pass.after.is_some() && !waived
            || pass.after.is_none() && alone()
            || site.standing.is_silent()
        {
            return (Verdict::Later, 0);
        }
        let covered = site.standing.covered().filter(|_| !behind).map(Pass::to_horizon);
        // Of members that nobody can bring back one begins anew if an operator says so.
        let after = if waived { None } else { pass.after };
        let over = site.standing.horizon().filter(|held| held.time >= pass.horizon);
        let in_the_way = site.standing.in_the_way(pass.horizon);
        // Who does not know any more what it was given on the first lap cannot go on.
        if in_the_way.is_some()
            || over.is_some()
            || misses_somebody(token, self.config.joined(), site)
            || covered != after
            || hop as usize >= pass.order.len()
            || site.standing.has_many_open()
            || self.leaving.as_ref().is_some_and(Leaving::has_given)
        {
            let above = over.map_or(0, |held| held.time).max(in_the_way.unwrap_or_default());
            return (Verdict::Over, above);
        }
        (Verdict::Different, 0)
    }

    pub(super) fn on_answer(&mut self, from: &Origin, answer: Answer, site: &mut Site<'_>) {
        let Some(at) = self.carried(answer.session, from.peer) else {
            match answer.verdict {
                Verdict::Different => self.on_waiting(from, &answer, site),
                // The walk that this node waits for does not go on.
                Verdict::Over => {
                    let ends =
                        |guest: &Guest| guest.session == answer.session && guest.peer == from.peer;
                    self.guests.retain(|(guest, _)| !ends(guest));
                }
                Verdict::Done | Verdict::Later => {}
            }
            return;
        };
        match answer.verdict {
            Verdict::Done => drop(self.carries.swap_remove(at)),
            Verdict::Different => {
                let Some(carry) = self.carries.get_mut(at) else { return };
                let began = answer.began();
                // An answer that comes twice does not begin the walk again.
                if !carry.walk.as_ref().is_some_and(|walk| walk.is_for(began)) {
                    carry.walk = Some(Walk::new(&carry.token, began));
                    self.walk_on(at, from.address, site);
                }
            }
            Verdict::Later => {
                if let Some(carry) = self.carries.get_mut(at) {
                    carry.until = site.now().mono.after(RETRY);
                }
            }
            Verdict::Over => {
                let carry = self.carries.swap_remove(at);
                if carry.token.hop != SIEVE {
                    site.hold.env.stats.ring_given_up += 1;
                    let over = Progress::of(answer.session, Stage::Over);
                    let progress = Progress { above: answer.above, ..over };
                    self.tell_progress(carry.token.pass.by, progress, site);
                }
            }
        }
    }

    /// A walk to this node has ended.
    pub(super) fn arrived(
        &mut self,
        guest: Guest,
        from: SocketAddr,
        site: &mut Site<'_>,
    ) -> Vec<Deed> {
        let session = guest.session;
        self.guests.retain(|(other, _)| other.session != session);
        // What others have given meanwhile and the giver does not hold is from outside of the pass.
        if has_strayed(&guest, site) {
            Self::answer_token(from, session, Verdict::Over, 0, site);
            self.leave(session.pass, site);
            return Vec::new();
        }
        let Guest { pass, census, full, .. } = guest;
        Self::answer_token(from, session, Verdict::Done, 0, site);
        if session.hop == SIEVE {
            self.guests.retain(|(other, _)| !other.sieves());
            if full {
                // Until an operator has made room, there is no hurry.
                self.resync = site.now().mono.after(GUEST);
                return Vec::new();
            }
            site.hold.env.stats.fence_returns += 1;
            site.standing.bring_back(pass, &census.history, &mut site.hold);
            return Vec::new();
        }
        // A token that was on its way twice goes on once.
        let pending = site.standing.pending(pass.id);
        match pending.is_some_and(|pending| pending.reached < Some(session.hop)) {
            true => self.reached(pass, session.hop, census, site),
            false => Vec::new(),
        }
    }
}

/// What a pass is founded on, as this member counts it.
fn admitted(pass: &Pass, census: &Census, site: &Site<'_>) -> Result<Grounds, Lack> {
    let founding = pass.after.is_none() || census.waives_all;
    if !site.standing.has_fence() {
        // Where tombstones go by their age a pass decides nothing.
        let (chain, number) =
            pass.after.map_or((pass.horizon, 0), |link| (link.chain, link.number));
        return Ok(Grounds { chain, number: number.saturating_add(1), ..Grounds::default() });
    }
    admit(census, pass, site.standing.covered().filter(|_| !founding))
}

/// True if this node knows of a member from before the pass that it should list and does not: who
/// began it had not heard of that one, and what it holds would not be covered. An operator's word is
/// about those that are not here.
fn misses_somebody(token: &Token, joined: Duration, site: &Site<'_>) -> bool {
    let (pass, now) = (&token.pass, site.now().mono);
    let listed: Set<NodeId> = pass.order.iter().copied().collect();
    let link = site.standing.covered().filter(|_| pass.after.is_some());
    let link: Set<NodeId> = link.into_iter().flat_map(|link| link.order.iter().copied()).collect();
    let lasts = |id: &NodeId| site.table().get(*id).is_some_and(|member| !member.is_ephemeral());
    let some_last = pass.order.iter().any(lasts);
    let counts = |member: &Member<'_>| {
        let there = member.state.is_present();
        // Twice as long as it takes to be listed: others may have heard of it later.
        let settled = member.state == State::Alive && now.since(member.since) >= joined * 2;
        match token.census.waives_all {
            true => there,
            false if member.state > State::Dead => false,
            false if !there && some_last && member.is_ephemeral() => false,
            false => pass.after.is_none() || link.contains(&member.id) || settled,
        }
    };
    let mut missed = site.table().members().filter(|member| !listed.contains(&member.id));
    missed.any(|member| member.incarnation < pass.started_ms && counts(&member))
}

/// True if this node holds something at the end of its last visit that the giver does not, or that
/// came while the walk went on, so that it was not compared.
fn has_strayed(guest: &Guest, site: &Site<'_>) -> bool {
    let Session { pass, hop } = guest.session;
    if hop == SIEVE || !guest.pass.is_last_visit(hop) {
        return false;
    }
    let taken = site.standing.pending(pass).into_iter().flat_map(|pending| &pending.strays);
    let late = taken.skip(guest.compares.len()).map(|(_, item)| item);
    let data = &site.hold.replica.data;
    guest.strays.iter().chain(late).any(|item| data.find(*item).is_some())
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::super::rounds::tests::Place;
    use super::*;
    use crate::base::time::Instant;
    use crate::retain::Horizon;
    use crate::retain::tests::{H, NOW, entry, pass};

    #[test]
    fn what_comes_while_the_last_hop_goes_on_is_not_passed_over() {
        let mut place = Place::new(1, 2);
        let pass = pass(1, H, &[2, 1]);
        place.standing.visit(&pass, &mut place.ground.replica.clock);
        let digest = place.ground.replica.data.digest();
        let token = Token { pass, hop: 1, digest, census: Arc::default() };
        let mut guest = Guest::new(&token, NodeId(2), 1);
        assert!(!has_strayed(&guest, &place.site()));
        place.take(&entry("k", H, 7, Some("v")), 2);
        assert!(has_strayed(&guest, &place.site()), "it was not compared");
        guest.compares.clone_from(&place.standing.pending(1).unwrap().strays);
        assert!(!has_strayed(&guest, &place.site()), "the giver holds it too");
        guest.strays = guest.compares.iter().map(|(_, item)| *item).collect();
        assert!(has_strayed(&guest, &place.site()), "the giver does not");
        place.take(&entry("k", H + 1, 2, None), 2);
        assert!(!has_strayed(&guest, &place.site()), "it has given way");
    }

    /// What is said and done at node 1 when a token of a pass over 1, 2 and 3 comes.
    #[test]
    fn a_token_goes_on_once_and_not_from_who_has_left() {
        let mut rounds =
            Rounds::new(Config::default(), std::time::Duration::ZERO, 1000, Instant(0));
        let mut place = Place::new(1, 3);
        let pass = Pass { by: NodeId(3), ..pass(1, NOW.wall_ms << 16, &[3, 1, 2]) };
        let digest = place.ground.replica.data.digest();
        let token = Token { pass, hop: 1, digest, census: Arc::default() };
        for again in [false, true] {
            let deeds = rounds.on_token(&place.origin(3), token.clone(), &mut place.site());
            assert!(deeds.is_empty());
            rounds.check(&place.standing, NodeId(1), NOW.mono);
            // The answer, and the first time the token for the next and word of that.
            let told = place.ground.sent();
            let kinds: Vec<(u64, u8)> = told.iter().map(|(to, kind)| (*to, *kind)).collect();
            let answer = (3, kind::RING_ANSWER);
            match again {
                true => assert_eq!(kinds, [answer]),
                false => {
                    let all = [(2, kind::RING_LINK), (3, kind::RING_PROGRESS), answer];
                    assert!(kinds.len() == 3 && all.iter().all(|one| kinds.contains(one)));
                }
            }
        }
        assert_eq!((rounds.carries.len(), place.ground.stats.ring_hops), (1, 1));
        rounds.leave(1, &mut place.site());
        rounds.check(&place.standing, NodeId(1), NOW.mono);
        assert!(rounds.carries.is_empty() && place.standing.pending(1).is_none());
        assert_eq!(place.ground.sent(), [(3, kind::RING_PROGRESS)], "who began it is told");
    }

    #[test]
    fn who_knows_better_refuses_a_token() {
        let wall = NOW.wall_ms << 16;
        let order = [3, 1, 2];
        for (what, change, verdict) in [
            ("as it should be", (|_, _| {}) as fn(&mut Token, &mut Place), Verdict::Different),
            ("for another", |token, _| token.hop = 2, Verdict::Over),
            ("from far ahead", |token, _| token.pass.horizon *= 2, Verdict::Over),
            ("long ago", |token, _| token.pass.started_ms -= 2 * FORGOTTEN_MS, Verdict::Over),
            ("on the second lap", |token, _| token.hop = 4, Verdict::Over),
            (
                "without a member",
                |token, _| token.pass.order = [NodeId(3), NodeId(1)].into(),
                Verdict::Over,
            ),
            (
                "with a later one about",
                |token, place| {
                    let later =
                        Pass { id: 9, horizon: token.pass.horizon + 1, ..token.pass.clone() };
                    place.standing.visit(&later, &mut place.ground.replica.clock);
                },
                Verdict::Over,
            ),
            (
                "after one that did not cover it",
                |token, _| {
                    let after = Horizon { time: H, pass: 8, chain: 0, forced: 0, number: 0 };
                    token.pass.after = Some(after);
                },
                Verdict::Later,
            ),
        ] {
            let mut rounds =
                Rounds::new(Config::default(), std::time::Duration::ZERO, 1000, Instant(0));
            let mut place = Place::new(1, 3);
            let pass = pass(1, wall, &order);
            let digest = place.ground.replica.data.digest();
            let mut token = Token { pass, hop: 1, digest, census: Arc::default() };
            change(&mut token, &mut place);
            assert_eq!(rounds.judge_token(&token, &mut place.site()).0, verdict, "{what}");
        }
    }
}
