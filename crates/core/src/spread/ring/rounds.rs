//! The passes and walks under way at a node: which tokens it has to hand on, whom it gives and who
//! gives it, and when what of that is due.
//!
//! What follows from a pass is kept by [`Standing`], which this is handed for each call.

use super::{Config, Guest, Message, NoPass, Progress, Run, SIEVE, Session, Stage, Token, Walk};
use crate::base::hash::Set;
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now, millis};
use crate::data::{Entry, Space};
use crate::member::Table;
use crate::member::rejoin::Rejoin;
use crate::output::{Class, Via};
use crate::retain::{Holding, Horizon, Spoken, Standing};
use crate::wire::Origin;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A token that is not answered is sent again after this long, and after longer each time (guess:
/// several round trips on a slow network).
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// The same where the other end said so, or its stream broke.
pub(super) const RETRY: Duration = Duration::from_secs(1);
/// A walk whose other end is silent for so long begins anew (guess: time for a piece with a large
/// value on a slow and crowded line). Where a stream breaks, or the other end is gone or knows of no
/// walk, both ends are told sooner.
pub(super) const GUEST: Duration = Duration::from_secs(60);
/// The longest time between two tries with a token is so many times [`PATIENCE`].
pub(super) const MAX_TRIES: u32 = 8;
/// So long after its start a node that lacks most lets no pass in: it is filled in bulk, which costs
/// less (guess).
pub(super) const FILLED: Duration = Duration::from_secs(30);
/// Members brought back at once.
pub(super) const SIEVES: usize = 4;

/// The machine.
#[derive(Debug)]
pub struct Rounds {
    pub(super) config: Config,
    /// What is younger than this, milliseconds, is below no horizon: it is still on its way.
    pub(super) hidden_ms: u64,
    /// Pieces of entries are of so many bytes, about.
    pub(super) piece_bytes: usize,
    /// Tokens that this node has to hand on, and members that it brings back.
    pub(super) carries: Vec<Carry>,
    pub(super) guests: Vec<(Guest, Instant)>,
    /// The last pass that this node began.
    pub(super) run: Option<Run>,
    pub(super) look: Instant,
    pub(super) resync: Instant,
    /// When this node began to run, or saw the last pass complete.
    pub(super) since: Instant,
    /// True if this node knew nobody when it was started.
    pub(super) fresh: bool,
    /// The largest horizon that was in the way of a pass that this node began.
    pub(super) above: u64,
    /// Why the last pass that it began was given up, if too few were there.
    pub(super) lack: Option<NoPass>,
    /// While this node leaves.
    pub(super) leaving: Option<Leaving>,
}

/// A walk that this node gives, or has offered to give.
#[derive(Debug)]
pub(super) struct Carry {
    pub(super) token: Token,
    pub(super) peer: NodeId,
    /// `None` until it has been answered that there is something to give.
    pub(super) walk: Option<Walk>,
    pub(super) until: Instant,
    pub(super) tries: u32,
}

/// What is left to be done before this node leaves: see `leaving.rs`.
#[derive(Debug)]
pub(super) struct Leaving {
    /// All stamps up to this are to be held by others.
    pub(super) upto: u64,
    /// True if the vote is to be given.
    pub(super) votes: bool,
    /// Who is to have the vote.
    pub(super) to: Option<NodeId>,
    /// What it is given, once that is on its way: then nobody else may have it.
    pub(super) given: Vec<Spoken>,
    pub(super) attempt: u32,
    /// Tries that were not answered.
    pub(super) unanswered: u32,
    /// Those that could not have it.
    pub(super) refused: Vec<NodeId>,
    pub(super) taken: bool,
    pub(super) next: Instant,
}

impl Leaving {
    pub(super) fn new(upto: u64, next: Instant) -> Self {
        let (to, given, refused) = (None, Vec::new(), Vec::new());
        let (votes, taken) = (false, false);
        Self { upto, votes, to, given, attempt: 0, unanswered: 0, refused, taken, next }
    }

    /// True once the vote is on its way, or gone.
    pub(super) fn has_given(&self) -> bool {
        !self.given.is_empty()
    }
}

/// What the machine works on, for the length of one call.
pub struct Site<'a> {
    /// The replica.
    pub hold: Holding<'a>,
    /// What is known of passes.
    pub standing: &'a mut Standing,
    /// Who there may be besides the members.
    pub rejoin: &'a Rejoin,
    /// True if who lacks most is filled in bulk.
    pub fills: bool,
}

impl<'a> Site<'a> {
    pub(super) fn now(&self) -> Now {
        Now { mono: self.hold.env.now, wall_ms: self.hold.wall_ms }
    }

    pub(super) fn table(&self) -> &'a Table {
        self.hold.env.table
    }

    /// This node.
    pub(super) fn own(&self) -> NodeId {
        self.hold.env.table.own()
    }

    pub(super) fn send(&mut self, to: SocketAddr, kind: u8, body: &[u8]) {
        self.hold.env.outbox.push(to, Class::Repair, Via::Stream, kind, &[body]);
    }
}

/// What the node is to do.
#[derive(Debug)]
pub enum Deed {
    /// Spread an entry that is in the replica already.
    Spread(Space, Arc<Entry>),
    /// Take what has come.
    Take(Delivery),
    /// Compare with a member.
    Compare(NodeId),
}

/// Entries that a walk has brought. Each goes through [`Rounds::admit`], then all of it through
/// [`Rounds::taken`].
#[derive(Debug)]
pub struct Delivery {
    /// Where it comes from. A hop's entries are part of its pass.
    pub origin: Origin,
    /// The entries.
    pub entries: Vec<Entry>,
    pub(super) session: Session,
    /// The step of the walk.
    pub(super) number: u32,
    /// True if these are the last of what was wanted.
    pub(super) last: bool,
}

impl Rounds {
    /// A machine that is on no way. What is younger than `hidden` is below no horizon, and pieces
    /// of entries are of so many bytes, about.
    #[must_use]
    pub fn new(config: Config, hidden: Duration, piece_bytes: usize, now: Instant) -> Self {
        Self {
            config,
            hidden_ms: millis(hidden),
            piece_bytes,
            carries: Vec::new(),
            guests: Vec::new(),
            run: None,
            look: now,
            resync: now,
            since: now,
            fresh: true,
            above: 0,
            lack: None,
            leaving: None,
        }
    }

    /// This node was started with others in its roster: there may have been a cluster for long.
    pub fn knew_others(&mut self) {
        self.fresh = false;
    }

    /// Why the last pass that this node began was given up, if too few of those that must agree were
    /// there.
    #[must_use]
    pub fn no_pass(&self) -> Option<&NoPass> {
        self.lack.as_ref()
    }

    /// The last pass that this node began.
    #[must_use]
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// True while this node hands over what it has before it leaves.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Up to where a walk under way compares what this node holds with a covered member.
    #[must_use]
    pub fn brought_back(&self) -> Option<u64> {
        let sieves = self.guests.iter().filter(|(guest, _)| guest.sieves());
        sieves.map(|(guest, _)| guest.pass.horizon).max()
    }

    pub(super) fn guest(
        &mut self,
        session: Session,
        peer: NodeId,
    ) -> Option<&mut (Guest, Instant)> {
        self.guests.iter_mut().find(|(guest, _)| guest.session == session && guest.peer == peer)
    }

    pub(super) fn carried(&self, session: Session, peer: NodeId) -> Option<usize> {
        let wanted = |carry: &Carry| carry.token.session() == session && carry.peer == peer;
        self.carries.iter().position(wanted)
    }

    /// When something of this is due.
    #[must_use]
    pub fn deadline(&self, standing: &Standing) -> Option<Instant> {
        let leaving = self.leaving.as_ref().map(|leaving| leaving.next);
        let walks = self.carries.iter().map(|carry| carry.until).chain(leaving);
        let guests = self.guests.iter().map(|(_, until)| *until);
        let look = (!self.config.interval.is_zero()).then_some(self.look);
        let resync = standing.is_behind().then_some(self.resync);
        walks.chain(guests).chain(look).chain(resync).min()
    }

    /// Does what is due, but for a pass that is: see [`Rounds::look`]. `filling` says that the data
    /// is being filled in bulk.
    pub fn poll(&mut self, filling: bool, site: &mut Site<'_>) {
        let (now, table) = (site.now().mono, site.table());
        let here = |id| table.get(id).is_some_and(|member| member.state.is_present());
        self.guests.retain(|(guest, until)| *until > now && here(guest.peer));
        while let Some(at) = self.carries.iter().position(|carry| carry.until <= now) {
            let carry = self.carries.swap_remove(at);
            self.carry_again(carry, site);
        }
        if site.standing.is_behind() && self.resync <= now {
            self.ask_for_the_way_back(filling, site);
        }
    }

    /// A message of ring repair has come.
    pub fn handle(&mut self, from: &Origin, message: Message, site: &mut Site<'_>) -> Vec<Deed> {
        match message {
            Message::Token(token) => return self.on_token(from, token, site),
            Message::Check(check) => return self.on_check(from, &check, site),
            Message::Items(page) => return self.on_page(from, page, site),
            Message::Entries(load) => return self.on_load(from, load, site),
            Message::Answer(answer) => self.on_answer(from, answer, site),
            Message::Differ(differ) => self.on_differ(from, &differ, site),
            Message::Want(want) => self.on_want(from, &want, site),
            Message::Progress(progress) => self.on_progress(&progress, site.hold.wall_ms),
            Message::Vote(vote) => return self.on_vote(from, vote, site),
            Message::VoteTaken(taken) => return self.on_vote_taken(from, taken),
            Message::Resync(_) => self.on_resync(from, site),
        }
        Vec::new()
    }

    /// A stream broke: what went over it is tried again soon.
    pub fn stream_lost(&mut self, to: SocketAddr, table: &Table, now: Instant) {
        let there = |id| table.get(id).is_some_and(|member| member.gossip() == to);
        for carry in self.carries.iter_mut().filter(|carry| there(carry.peer)) {
            carry.until = carry.until.min(now.after(RETRY));
        }
        for (_, until) in self.guests.iter_mut().filter(|(guest, _)| there(guest.peer)) {
            *until = (*until).min(now.after(RETRY));
        }
    }

    /// A pass is complete: word of that comes by several ways, the straight one may be lost.
    pub fn learn(&mut self, horizon: Horizon, site: &mut Site<'_>) {
        if site.standing.horizon() >= Some(horizon) {
            return;
        }
        self.since = site.now().mono;
        self.lack = None;
        if let Some(run) = self.run.as_mut().filter(|run| run.is_under_way()) {
            (run.hop, run.stage) = match run.pass == horizon.pass {
                true => (run.hops, Stage::Complete),
                false => (run.hop, Stage::Over),
            };
            run.heard_ms = site.hold.wall_ms;
        }
        site.standing.learn(horizon, &mut site.hold);
    }

    /// This node is not covered by a pass under way, and does not hand its token on.
    pub fn leave(&mut self, pass: u64, site: &mut Site<'_>) {
        site.standing.leave(pass, site.hold.out);
        let mine = |carry: &Carry| carry.token.pass.id == pass && carry.token.hop != SIEVE;
        while let Some(at) = self.carries.iter().position(mine) {
            let carry = self.carries.swap_remove(at);
            site.hold.env.stats.ring_given_up += 1;
            let by = carry.token.pass.by;
            self.tell_progress(by, Progress::of(carry.token.session(), Stage::Over), site);
        }
        debug_assert!(!self.carries.iter().any(mine), "who left a pass does not hand its token on");
    }

    /// Panics unless each walk is one that this node may be at an end of, and its time is bounded.
    pub(crate) fn check(&self, standing: &Standing, own: NodeId, now: Instant) {
        let carries: Set<_> = self.carries.iter().map(|c| (c.token.session(), c.peer)).collect();
        assert_eq!(carries.len(), self.carries.len(), "a walk is given twice");
        for Carry { token, peer, walk, until, .. } in &self.carries {
            assert!(
                *until <= now.after(PATIENCE * MAX_TRIES).max(now.after(GUEST)),
                "it waits for too long"
            );
            assert!(*peer != own, "a walk leads to this node itself");
            let other = walk.as_ref().filter(|walk| walk.session() != token.session());
            assert!(other.is_none(), "a token has come to the walk of another");
            if token.hop == SIEVE {
                continue;
            }
            let (pass, giver) = (&token.pass, token.hop.checked_sub(1));
            assert_eq!(pass.receiver(token.hop), Some(*peer), "a token goes its way");
            let giver = giver.map_or(Some(pass.by), |hop| pass.receiver(hop));
            assert_eq!(giver, Some(own), "each hop begins where the one before has ended");
            let pending = standing.pending(pass.id).filter(|_| token.hop > 0);
            let behind = pending.filter(|pending| pending.reached < token.hop.checked_sub(1));
            assert_eq!(behind, None, "a token is handed on before it has come");
        }
        let sieves = self.carries.iter().filter(|carry| carry.token.hop == SIEVE).count();
        assert!(sieves <= SIEVES, "too many are brought back at once");
        let guests: Set<Session> = self.guests.iter().map(|(guest, _)| guest.session).collect();
        assert_eq!(guests.len(), self.guests.len(), "a walk is taken twice");
        let sieves = self.guests.iter().filter(|(guest, _)| guest.sieves()).count();
        assert!(sieves <= 1, "this node is brought back by several");
        for (guest, until) in &self.guests {
            assert!(*until <= now.after(GUEST), "a guest waits for too long");
            let hop = guest.session.hop;
            let here = guest.sieves() || guest.pass.receiver(hop) == Some(own);
            assert!(here && guest.peer != own, "a walk leads to another node");
        }
        if let Some(run) = &self.run {
            assert!(run.hop <= run.hops && run.members == run.order.len(), "{run:?}");
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::Pass;
    use super::*;
    use crate::output::Via;
    use crate::retain::Tombstones;
    use crate::retain::tests::{Ground, H, NOW, assert_found, pass, policy};

    /// A site, and what it borrows from.
    pub(in super::super) struct Place {
        pub(in super::super) ground: Ground,
        pub(in super::super) standing: Standing,
        rejoin: Rejoin,
    }

    impl Place {
        /// Node `own` among the nodes 1 to `of`.
        pub(in super::super) fn new(own: u64, of: u64) -> Self {
            let standing = Standing::new(NodeId(own), policy(Tombstones::Horizon));
            let rejoin = Rejoin::new(Duration::from_secs(1), NOW.mono);
            Self { ground: Ground::new(own, of), standing, rejoin }
        }

        pub(in super::super) fn site(&mut self) -> Site<'_> {
            let (standing, rejoin) = (&mut self.standing, &self.rejoin);
            Site { hold: self.ground.holding(), standing, rejoin, fills: false }
        }

        pub(in super::super) fn origin(&self, peer: u64) -> Origin {
            let address = self.ground.table.get(NodeId(peer)).unwrap().gossip();
            Origin::new(NodeId(peer), address, Via::Stream, false)
        }

        /// Takes an entry in from a peer, by the way.
        pub(in super::super) fn take(&mut self, entry: &Arc<Entry>, peer: u64) {
            let origin = self.origin(peer);
            let left = self.standing.note_stray(entry, &origin, &self.ground.replica.data);
            assert!(left.is_empty());
            self.ground.put(entry);
        }
    }

    /// A node that has a token to hand on to node 2, and takes part in a walk from there.
    fn busy(place: &mut Place) -> Rounds {
        let mut rounds = Rounds::new(Config::default(), Duration::ZERO, 1000, NOW.mono);
        let pass = |id| Pass { by: NodeId(1), ..pass(id, H + id, &[2, 1, 3]) };
        rounds.hand_on(pass(1), 0, Default::default(), &mut place.site());
        let (digest, census) = Default::default();
        let token = Token { pass: pass(2), hop: 1, digest, census };
        rounds.guests.push((Guest::new(&token, NodeId(2), 1), NOW.mono.after(GUEST)));
        rounds
    }

    #[test]
    fn planted_faults_are_found() {
        type Plant = (&'static str, fn(&mut Rounds));
        let plants: [Plant; 8] = [
            ("a token goes its way", |rounds| rounds.carries[0].peer = NodeId(3)),
            ("a walk leads to this node itself", |rounds| rounds.carries[0].peer = NodeId(1)),
            ("each hop begins where the one before has ended", |rounds| {
                rounds.carries[0].token.pass.by = NodeId(2);
            }),
            ("it waits for too long", |rounds| rounds.carries[0].until = NOW.mono.after(GUEST * 2)),
            ("the walk of another", |rounds| {
                let mut token = rounds.carries[0].token.clone();
                token.hop = 3;
                rounds.carries[0].walk = Some(Walk::new(&token, 1));
            }),
            ("a walk is taken twice", |rounds| {
                let guest = rounds.guests[0].clone();
                rounds.guests.push(guest);
            }),
            ("a walk leads to another node", |rounds| rounds.guests[0].0.session.hop = 2),
            ("a guest waits for too long", |rounds| {
                rounds.guests[0].1 = NOW.mono.after(GUEST * 2);
            }),
        ];
        for (what, plant) in plants {
            let mut place = Place::new(1, 3);
            let mut rounds = busy(&mut place);
            rounds.check(&place.standing, NodeId(1), NOW.mono);
            plant(&mut rounds);
            assert_found(what, || rounds.check(&place.standing, NodeId(1), NOW.mono));
        }
    }
}
