//! Anti-entropy, joined to what it is made of: when and with whom to compare, the comparisons that
//! this node began, whether they do what they say, and what they cost.
//!
//! How differences are found is the business of [`crate::reconcile`]; what comes of it is judged by
//! the node. Its settings are [`super::entropy::Config`].

mod alarm;

use super::audit::Auditor;
use super::entropy::{Begin, Compare, Config, Entropy, Opener, Plan};
use super::sessions::{Outcome, Sessions};
use crate::base::check::Depth;
use crate::base::rng::Rng;
use crate::base::time::{Instant, Now};
use crate::data::{Cut, Digest, Replica, Space};
use crate::member::table::Peer;
use crate::output::{Class, Via};
use crate::reconcile::checksum::{self, Opening};
use crate::reconcile::full::{self, Piece, Places, Pull};
use crate::reconcile::sketch::exchange::{on_ask, on_opening};
use crate::reconcile::sketch::message::shortened;
use crate::reconcile::sketch::{
    Answered, Ask, Cells, Comparisons, Greeting, Headed, Stand, Unknown,
};
use crate::reconcile::{Desk, Flow, Message};
use crate::retain::Holding;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;

/// The machines of repair.
#[derive(Debug)]
pub struct Repair {
    /// When, with whom and which way.
    pub entropy: Entropy,
    /// Comparisons by sketches that this node began.
    pub comparisons: Comparisons,
    /// The divergence alarm.
    pub auditor: Auditor,
    /// What it costs.
    pub sessions: Sessions,
    /// How far exchanges of everything have come.
    places: Places,
    /// True while entries of the data are not to be sent.
    pub silent: bool,
}

/// What a member was found to hold the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Same {
    /// The data, but for what is on its way.
    pub data: bool,
    /// The roster.
    pub roster: bool,
}

impl Repair {
    /// Machines that begin at once. `alone` says that nothing else carries updates.
    #[must_use]
    pub fn new(config: &Config, alone: bool, seed: u64, now: Instant, rng: &mut Rng) -> Self {
        Self {
            entropy: Entropy::new(config.clone(), alone, now, rng),
            comparisons: Comparisons::default(),
            auditor: Auditor::new(config, seed, now),
            sessions: Sessions::default(),
            places: Places::default(),
            silent: false,
        }
    }

    /// When something is due.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        let all = [self.entropy.deadline(), self.comparisons.deadline(), self.auditor.deadline()];
        all.into_iter().flatten().min()
    }

    /// Checks what must hold after what is due was done, or while that `waits`.
    pub(crate) fn check(&self, now: Instant, waits: bool, depth: Depth) {
        self.entropy.check(now, waits);
        self.comparisons.check(now);
        self.auditor.check(now, waits);
        self.sessions.check(now, depth);
    }

    /// What an exchange about one map with one peer works with.
    fn desk<'a>(&self, space: Space, to: SocketAddr, hold: &'a mut Holding<'_>) -> Desk<'a> {
        let settle = self.entropy.settle_ms();
        let piece_bytes = self.entropy.config().piece_bytes;
        Desk {
            map: hold.replica.map(space),
            space,
            to,
            young_from: hold.wall_ms.saturating_sub(settle),
            young_until: hold.wall_ms.saturating_add(settle),
            piece_bytes: hold.env.outbox.budgets().piece(piece_bytes),
            silent: self.silent && space == Space::Data,
            limits: hold.env.limits,
            outbox: hold.env.outbox,
            stats: hold.env.stats,
        }
    }

    /// A message of an exchange has come, of so many bytes: it belongs to the account of the exchange
    /// that it begins, or that goes on.
    pub fn received(&mut self, from: &Origin, message: &Message, bytes: u64, now: Now) {
        let opens = match message {
            Message::Digest(opening) if !opening.answer => Some((Compare::Checksum, opening.flow)),
            Message::Sketch(greeting) => Some((Compare::Sketch, greeting.head.flow)),
            Message::Pull(Pull { from: 0, back, pushed: false, space: Space::Data }) => {
                Some((Compare::Full, Flow { mine: *back, yours: true }))
            }
            Message::Piece(Piece { from: 0, pushed: true, space: Space::Data, .. }) => {
                Some((Compare::Full, Flow { mine: true, yours: false }))
            }
            Message::Check(_) | Message::Checked(_) => return,
            _ => None,
        };
        if let Some((method, flow)) = opens {
            self.sessions.begin((from.peer, from.address), false, method, flow, now);
        }
        self.sessions.received(from.address, bytes, now.mono);
    }

    /// Begins an exchange if it is time.
    pub fn begin(&mut self, hold: &mut Holding<'_>) {
        let now = hold.env.now;
        let (peer, stalled) = self.entropy.poll(now, hold.env.table, hold.env.rng);
        hold.env.stats.bulk_stalled += u64::from(stalled);
        if let Some(bulk) = self.entropy.due_piece(now) {
            let desk = &mut self.desk(bulk.space, bulk.addr, hold);
            full::pull(desk, false, false, bulk.from, Via::Stream);
        }
        let Some(peer) = peer else { return };
        match self.entropy.begin(&peer, now) {
            Begin::Resume(from) => {
                hold.env.stats.bulk_resumed += 1;
                let desk = &mut self.desk(Space::Data, peer.gossip, hold);
                full::pull(desk, false, false, from, Via::Stream);
            }
            Begin::Nothing => {}
            Begin::Compare => {
                let flow = self.entropy.config().direction.flow();
                self.compare_with(&peer, flow, hold);
            }
        }
    }

    /// Begins an exchange with a member.
    fn compare_with(&mut self, peer: &Peer, flow: Flow, hold: &mut Holding<'_>) {
        hold.env.stats.repair_sessions += 1;
        let method = self.entropy.config().compare;
        self.sessions.begin((peer.id, peer.gossip), true, method, flow, time(hold));
        match method {
            Compare::Full => {
                for space in Space::ALL {
                    let from = self.places.of(peer.gossip, space);
                    full::begin(&mut self.desk(space, peer.gossip, hold), flow, from);
                }
            }
            Compare::Checksum => self.open(peer.gossip, flow, false, hold),
            Compare::Sketch => self.open_by_sketch(peer, flow, hold),
        }
    }

    /// Begins a comparison by sketches, or by checksums if there are no sketches for that.
    pub(crate) fn open_by_sketch(&mut self, peer: &Peer, flow: Flow, hold: &mut Holding<'_>) {
        let at = (self.entropy.cut(hold.wall_ms), hold.replica.roster.digest());
        let now = hold.env.now;
        let desk = &mut self.desk(Space::Data, peer.gossip, hold);
        if !self.comparisons.begin(peer.id, flow, at, desk, now) {
            self.sessions.known(peer.gossip, Outcome::FellBack, 0);
            self.open(peer.gossip, flow, false, hold);
        }
    }

    /// Sends the digests of both maps.
    pub fn open(&self, to: SocketAddr, flow: Flow, answer: bool, hold: &mut Holding<'_>) {
        let cut = self.entropy.cut(hold.wall_ms);
        let (data, roster) = (data_at(hold.replica, cut), hold.replica.roster.digest());
        let body = Opening { flow, answer, cut, data, roster }.encode();
        hold.env.outbox.push(to, Class::Repair, Via::Datagram, kind::DIGEST, &[&body]);
    }

    /// A member tells what it holds.
    pub fn on_opening(&mut self, from: &Origin, opening: &Opening, hold: &mut Holding<'_>) -> Same {
        hold.replica.data.advance(hold.wall_ms);
        let data = data_at(hold.replica, opening.cut);
        let (id, addr, flow, answer) = (from.peer, from.address, opening.flow, opening.answer);
        let peer = Opener { id, addr, flow, answer };
        let mut equal = true;
        for (space, mine, theirs) in [
            (Space::Data, data, opening.data),
            (Space::Roster, hold.replica.roster.digest(), opening.roster),
        ] {
            if mine != theirs {
                equal = false;
                self.on_difference(&peer, space, mine, theirs, hold);
            }
        }
        self.count_equal(from.address, equal, hold);
        let roster = hold.replica.roster.digest() == opening.roster;
        Same { data: data == opening.data, roster }
    }

    /// A member tells what it holds, for a comparison by sketches where this node keeps them, else
    /// by checksums.
    pub fn on_sketch(
        &mut self,
        from: &Origin,
        greeting: &Headed<Greeting>,
        hold: &mut Holding<'_>,
    ) -> Same {
        hold.replica.data.advance(hold.wall_ms);
        let (head, theirs) = (greeting.head, greeting.body.opening.digest);
        let (id, addr, flow, answer) = (from.peer, from.address, head.flow, false);
        let peer = Opener { id, addr, flow, answer };
        let roster = hold.replica.roster.digest();
        let same_roster = shortened(roster) == greeting.body.roster;
        if !same_roster {
            self.on_difference(&peer, Space::Roster, roster, greeting.body.roster, hold);
        }
        let data = data_at(hold.replica, head.cut);
        let about_data = head.space == Space::Data;
        let same_data = about_data && shortened(data) == theirs;
        hold.env.stats.sketch_equal += u64::from(same_data);
        if about_data && !same_data && !self.fill_in_bulk(&peer, Space::Data, data, theirs, hold) {
            self.answer_by_sketch(&peer, greeting, data, hold);
        }
        self.count_equal(from.address, same_roster && (same_data || !about_data), hold);
        Same { data: same_data, roster: same_roster }
    }

    fn answer_by_sketch(
        &mut self,
        peer: &Opener,
        greeting: &Headed<Greeting>,
        data: Digest,
        hold: &mut Holding<'_>,
    ) {
        let mut desk = self.desk(Space::Data, peer.addr, hold);
        if !desk.is_open() {
            return;
        }
        match on_opening(&mut desk, greeting) {
            Answered::Known(count) => self.solved(peer.addr, count),
            Answered::Unserved => {
                self.sessions.known(peer.addr, Outcome::FellBack, 0);
                self.on_difference(peer, Space::Data, data, greeting.body.opening.digest, hold);
            }
            Answered::Equal | Answered::Replied => {}
        }
    }

    /// Counts an exchange that this node answers, if both ends hold the same.
    fn count_equal(&mut self, from: SocketAddr, equal: bool, hold: &mut Holding<'_>) {
        if equal {
            hold.env.stats.repair_equal += 1;
            self.sessions.known(from, Outcome::Equal, 0);
        }
    }

    fn solved(&mut self, with: SocketAddr, differences: usize) {
        self.comparisons.found(differences);
        self.sessions.known(with, Outcome::Solved, differences);
    }

    /// Goes on by checksums where a map differs.
    fn on_difference(
        &mut self,
        peer: &Opener,
        space: Space,
        mine: Digest,
        theirs: Digest,
        hold: &mut Holding<'_>,
    ) {
        if self.fill_in_bulk(peer, space, mine, theirs, hold) || peer.answer {
            return;
        }
        let mut desk = self.desk(space, peer.addr, hold);
        if desk.is_open() {
            checksum::begin(&mut desk, peer.flow.flip(), theirs.count);
        }
    }

    /// If one end lacks most, it is filled in bulk, and there is nothing to compare.
    fn fill_in_bulk(
        &mut self,
        peer: &Opener,
        space: Space,
        mine: Digest,
        theirs: Digest,
        hold: &mut Holding<'_>,
    ) -> bool {
        let (counts, env) = ((mine.count, theirs.count), &mut hold.env);
        match self.entropy.plan(peer, space, counts, env.table, env.now, env.rng) {
            Plan::Compare => return false,
            Plan::Wait => {}
            Plan::Fill(from) => {
                self.sessions.known(peer.addr, Outcome::Bulk, 0);
                if let Some(from) = from {
                    let desk = &mut self.desk(space, peer.addr, hold);
                    full::pull(desk, false, false, from, Via::Stream);
                }
            }
            Plan::Offer => {
                self.sessions.known(peer.addr, Outcome::Bulk, 0);
                if !peer.answer {
                    self.open(peer.addr, peer.flow.flip(), true, hold);
                }
            }
        }
        true
    }

    /// Answers a message of an exchange, unless the peer has been sent enough.
    pub fn answer(
        &mut self,
        space: Space,
        from: &Origin,
        hold: &mut Holding<'_>,
        work: impl FnOnce(&mut Desk<'_>),
    ) {
        self.entropy.goes_on(hold.env.now, hold.env.rng);
        let mut desk = self.desk(space, from.address, hold);
        if desk.is_open() {
            work(&mut desk);
        }
    }

    /// Goes on with a comparison by sketches that this node began.
    pub fn on_cells(
        &mut self,
        from: &Origin,
        space: Space,
        cells: &Cells<'_>,
        hold: &mut Holding<'_>,
    ) {
        if !self.comparisons.hear(from.peer) {
            return;
        }
        let now = hold.env.now;
        hold.replica.data.advance(hold.wall_ms);
        self.entropy.goes_on(now, hold.env.rng);
        let mut desk = self.desk(space, from.address, hold);
        if !desk.is_open() {
            return;
        }
        match self.comparisons.go_on(from.peer, cells, &mut desk, now) {
            None | Some((Stand::Open, _)) => {}
            Some((Stand::Known(count), _)) => self.solved(from.address, count),
            Some((Stand::Unknown(why), flow)) => {
                let too_many = why == Unknown::TooMany;
                let outcome = if too_many { Outcome::TooMany } else { Outcome::FellBack };
                self.sessions.known(from.address, outcome, 0);
                self.open(from.address, flow, false, hold);
            }
        }
    }

    /// Sends the cells that a member asks for.
    pub fn on_sketch_ask(&mut self, from: &Origin, ask: &Headed<Ask>, hold: &mut Holding<'_>) {
        hold.replica.data.advance(hold.wall_ms);
        self.answer(ask.head.space, from, hold, |desk| on_ask(desk, ask));
    }

    /// Looks after comparisons whose other end is silent.
    pub fn watch(&mut self, hold: &mut Holding<'_>) {
        let now = hold.env.now;
        if self.comparisons.deadline().is_none_or(|until| until > now) {
            return;
        }
        // To whom is said by each.
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let desk = &mut self.desk(Space::Data, nobody, hold);
        for addr in self.comparisons.poll(desk, now) {
            self.sessions.known(addr, Outcome::GaveUp, 0);
        }
    }

    /// Sends the piece that a member asks for.
    pub fn on_pull(&mut self, from: &Origin, pull: Pull, hold: &mut Holding<'_>) {
        let mut desk = self.desk(pull.space, from.address, hold);
        if desk.is_open() {
            let next = full::send(&mut desk, pull.back, pull.pushed, pull.from);
            if pull.pushed {
                self.places.note(from.address, pull.space, next.map(|_| pull.from));
            }
        }
    }

    /// A piece of so many bytes has been taken in: sends back what it lacks, and asks for the next.
    pub fn on_piece(&mut self, from: &Origin, piece: &Piece, bytes: usize, hold: &mut Holding<'_>) {
        let now = hold.env.now;
        let desk = &mut self.desk(piece.space, from.address, hold);
        if piece.back {
            full::send_missing(desk, piece);
        }
        let (space, place) = (piece.space, (from.peer, piece.space, piece.from));
        if self.entropy.expects(place) && !piece.pushed {
            desk.stats.bulk_pieces += 1;
            self.entropy.progress(now);
            if let Some(at) = self.entropy.advance_bulk(from.peer, space, piece.next, bytes, now) {
                full::pull(desk, false, false, at, Via::Stream);
            }
        } else if self.auditor.expects(place) {
            self.entropy.progress(now);
            if let Some(at) = self.auditor.advance(piece.next, now) {
                full::pull(desk, true, false, at, Via::Stream);
            }
        } else if piece.pushed || self.entropy.config().compare == Compare::Full {
            if let Some(at) = piece.next {
                full::pull(desk, piece.back, piece.pushed, at, Via::Stream);
                self.entropy.progress(now);
            }
            if !piece.pushed {
                self.places.note(from.address, space, piece.next);
            }
        }
    }
}

fn time(hold: &Holding<'_>) -> Now {
    Now { mono: hold.env.now, wall_ms: hold.wall_ms }
}

/// The digest of the data at a cut; of all of it if that is too long ago.
fn data_at(replica: &Replica, cut: Cut) -> Digest {
    replica.data.digest_at(cut).unwrap_or_else(|| replica.data.digest())
}
