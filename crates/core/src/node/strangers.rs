//! What is believed of whom. With a key, what came sealed; without one, what comes with a proof
//! that its sender receives where the roster says that it does (`wire/proof.rs`).
//!
//! Some messages change for long what a node knows, whoever sends them: the token of a pass makes
//! it lend itself, a horizon makes it fall behind, a member that is made up keeps passes waiting.
//! These are claims. A claim that is not proved is dropped and counted, and its sender is asked for
//! a proof, so that it says it again with one. All else is for a moment, or is an entry that anyone
//! might write who can reach a port. docs/protocol.md has the table.

mod joiners;

pub use joiners::Joiner;

use super::Node;
use crate::base::codec::Reader;
use crate::base::id::NodeId;
use crate::base::lately::Lately;
use crate::base::time::{Instant, Now};
use crate::data::{Entry, Space, block};
use crate::member::record::Record;
use crate::member::{State, notes};
use crate::message::Message;
use crate::reconcile;
use crate::retain::horizon::{self, Horizon};
use crate::spread::entropy::Entropy;
use crate::spread::ring;
use crate::wire::Origin;
use crate::wire::proof::Given;
use joiners::Joiners;
use std::net::SocketAddr;
use std::time::Duration;

/// A record may be so far ahead of this node's clock in its incarnation, which begins with the time
/// of a start: a larger one takes a proof, since its member might not be able to overrule it.
const AHEAD_MS: u64 = 60 * 60 * 1000;
/// Members that may say of one address that they receive there, where that is not sealed.
const MAX_AT: usize = 8;
/// Addresses other than its own that strangers can aim a question for a proof at: so many a second.
const AIMED: usize = 32;
/// Whoever is not known somewhere says who it is once in this time.
const SAY_AGAIN: Duration = Duration::from_millis(100);
/// Addresses at which it does.
const MAX_SAID: usize = 256;

/// How a node stands to what is not sealed.
#[derive(Debug)]
pub(super) struct Guard {
    /// True if it has a key.
    keyed: bool,
    aimed: Lately,
    said: Lately,
    joiners: Joiners,
}

impl Default for Guard {
    fn default() -> Self {
        let aimed = Lately::new(Duration::from_secs(1), AIMED);
        let said = Lately::new(SAY_AGAIN, MAX_SAID);
        Self { keyed: false, aimed, said, joiners: Joiners::default() }
    }
}

impl Guard {
    /// True if what it says of the time counts: with a key only if it came sealed.
    pub(super) fn may_tell_time(&self, from: &Origin) -> bool {
        from.sealed || !self.keyed
    }

    /// Checks what must hold at any time.
    pub(super) fn check(&self, now: Instant) {
        self.aimed.check(now);
        self.said.check(now);
        self.joiners.check();
    }
}

/// What a message claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Claim {
    /// Nothing that lasts.
    Nothing,
    /// Something of its sender, which receives there.
    Itself(SocketAddr),
    /// Something of members.
    Members,
    /// Something of passes.
    Passes,
}

impl Claim {
    /// What both claim together. Who may speak of others may speak of itself, where it is known.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Passes, _) | (_, Self::Passes) => Self::Passes,
            (Self::Itself(at), _) | (_, Self::Itself(at)) => Self::Itself(at),
            (Self::Members, _) | (_, Self::Members) => Self::Members,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }
}

impl Node {
    /// Whether this node has a key of the cluster, and seals what it sends. With a key it believes
    /// nothing of passes that does not come by [`Node::handle_sealed`]. By default it has none.
    pub fn set_lock(&mut self, keyed: bool, seals: bool) {
        self.guard.keyed = keyed;
        self.outbox.proofs_mut().set_on(!(keyed && seals));
    }

    /// True if a message may do what it is about to. If not, its sender is asked for a proof.
    pub(super) fn admits(&mut self, from: &Origin, message: &Message<'_>, now: Now) -> bool {
        let claim = match from.sealed {
            true => Claim::Nothing,
            false => self.claim_of(from, message, now),
        };
        let home = self.home(from);
        let (good, ask) = match claim {
            Claim::Nothing => return true,
            Claim::Passes if self.guard.keyed => (false, None),
            Claim::Passes | Claim::Members => (self.proves(from, home), home),
            Claim::Itself(at) => {
                let good = self.proves(from, Some(at)) || home.is_none() && self.proves(from, None);
                let new = good && self.is_new_at(from.peer, at);
                if new && (self.is_crowded(at) || !self.guard.joiners.admits(at.ip(), now.mono)) {
                    self.stats.refused_crowded += 1;
                    return false;
                }
                (good, Some(at))
            }
        };
        if let Message::Join(entry) = message {
            match good {
                true => self.guard.joiners.proved(from.peer),
                false => self.guard.joiners.refused(from, entry, now.mono),
            }
        }
        if !good {
            self.stats.refused_unproven += 1;
            if let Some(at) = ask {
                self.ask_for_proof(from, at, now);
            }
        }
        good
    }

    /// Asks whoever receives at an address for a proof of what came as if from there.
    fn ask_for_proof(&mut self, from: &Origin, at: SocketAddr, now: Now) {
        if at == from.address || self.guard.aimed.may_tell(at, now.mono) {
            let unknown = self.table.get(from.peer).is_none();
            self.outbox.challenge(at, from.via, unknown, from.given);
        }
    }

    /// True if a peer talks from where the roster says that it receives.
    pub(super) fn is_at_home(&self, from: &Origin) -> bool {
        from.sealed || self.home(from) == Some(from.address)
    }

    /// True if it is the peer that says what it holds, so that this counts. Else it is asked for a
    /// proof: what a node says itself could come back to it as if from another that holds the same.
    pub(super) fn speaks_itself(&mut self, from: &Origin, now: Now) -> bool {
        let Some(home) = self.home(from).filter(|_| !from.sealed) else { return from.sealed };
        let proved = self.proves(from, Some(home));
        if !proved {
            self.ask_for_proof(from, home, now);
        }
        proved
    }

    /// Those that ask to be let in and cannot be reached where they say that they receive.
    pub fn joiners_in_vain(&self, now: Now) -> impl Iterator<Item = &Joiner> {
        self.guard.joiners.told(now.mono)
    }

    /// Where a sender receives, as far as this node knows.
    fn home(&self, from: &Origin) -> Option<SocketAddr> {
        let known = self.table.get(from.peer).map(|member| member.gossip());
        let seed = |at: &SocketAddr| self.watch.rejoin().seeds().contains(at);
        known.or(Some(from.address).filter(seed))
    }

    /// True if a packet proves that its sender receives at an address; of nobody that is known, at
    /// that of any seed.
    fn proves(&mut self, from: &Origin, at: Option<SocketAddr>) -> bool {
        let Some(cookie) = from.vouched else { return false };
        let proofs = self.outbox.proofs();
        let good = |at: &&SocketAddr| proofs.is_for(cookie, **at);
        let found = match &at {
            Some(at) => Some(at).filter(good).copied(),
            None => self.watch.rejoin().seeds().iter().find(good).copied(),
        };
        if let Some(at) = found {
            self.outbox.proofs_mut().show(at);
        }
        found.is_some()
    }

    /// True if a member is not known to receive at an address.
    fn is_new_at(&self, id: NodeId, at: SocketAddr) -> bool {
        self.table.get(id).is_none_or(|member| member.gossip() != at)
    }

    /// True if so many members that are there say that they receive at an address that nobody else
    /// may. Those that are gone do not count: a node in memory is another one after each start.
    fn is_crowded(&self, at: SocketAddr) -> bool {
        let there =
            |member: &crate::member::Member<'_>| member.state.is_present() && member.gossip() == at;
        self.table.members().filter(there).count() >= MAX_AT
    }

    fn claim_of(&self, from: &Origin, message: &Message<'_>, now: Now) -> Claim {
        let of = |space: Space, entries: &[Entry]| match space {
            Space::Roster => self.claim_in(from, entries, now),
            Space::Data => Claim::Nothing,
        };
        match message {
            // The way back leads to where the roster says, and the number of a pass under way is
            // known to those on its way only.
            Message::Ring(ring::Message::Resync(_) | ring::Message::Progress(_)) => Claim::Nothing,
            Message::Ring(_) => Claim::Passes,
            Message::Join(entry) => self.claim_in(from, std::slice::from_ref(entry), now),
            // What cannot be read is dropped and counted where it is read.
            Message::Tree(rumor) if rumor.space == Space::Roster => {
                let entries = block::read(&mut Reader::new(rumor.block)).unwrap_or_default();
                self.claim_in(from, &entries, now)
            }
            Message::Rumors(rumors) => of(rumors.space, &rumors.entries),
            Message::Mail(mail) => of(mail.space, &mail.entries),
            Message::Repair(reconcile::Message::Entries(entries)) => {
                of(entries.space, &entries.entries)
            }
            Message::Repair(reconcile::Message::Piece(piece)) => of(piece.space, &piece.entries),
            // Who claims to hold far more is not asked for it just like that.
            Message::Repair(reconcile::Message::Digest(opening)) => {
                let counts = [opening.data.count, opening.roster.count];
                self.claim_to_hold(counts)
            }
            Message::Repair(reconcile::Message::Sketch(greeting)) => {
                let counts = [greeting.body.opening.digest.count, greeting.body.roster.count];
                self.claim_to_hold(counts)
            }
            _ => Claim::Nothing,
        }
    }

    fn claim_to_hold(&self, counts: [u64; 2]) -> Claim {
        let mine = [Space::Data, Space::Roster].map(|space| self.digest(space).count);
        let much = mine.iter().zip(counts).any(|(mine, theirs)| Entropy::wants_bulk(*mine, theirs));
        match much && self.table.peer_count() > 0 {
            true => Claim::Members,
            false => Claim::Nothing,
        }
    }

    /// What entries of the roster claim.
    fn claim_in(&self, from: &Origin, entries: &[Entry], now: Now) -> Claim {
        let claims = entries.iter().map(|entry| self.claim_by(from, entry, now));
        claims.fold(Claim::Nothing, Claim::and)
    }

    fn claim_by(&self, from: &Origin, entry: &Entry, now: Now) -> Claim {
        if entry.key() == horizon::KEY {
            let news = Horizon::of(entry) > self.horizon();
            return if news { Claim::Passes } else { Claim::Nothing };
        }
        // Notes are taken sealed or not at all, and what is no record not either.
        if notes::is_note(entry) {
            return Claim::Nothing;
        }
        let Ok(record) = Record::from_entry(entry) else { return Claim::Nothing };
        let held = self.table.get(record.id);
        if held.is_some_and(|held| held.entry.stamp() >= entry.stamp()) {
            return Claim::Nothing;
        }
        let moved = held.is_none_or(|held| held.gossip() != record.gossip);
        let ahead = record.incarnation > now.wall_ms.saturating_add(AHEAD_MS);
        // What is said of a member otherwise it overrules itself, if it is there.
        let there = held.is_some_and(|held| held.state == State::Alive);
        let overruled = record.state < State::Left || record.state == State::Left && there;
        if !moved && !ahead && overruled {
            return Claim::Nothing;
        }
        match record.id == from.peer {
            true => Claim::Itself(record.gossip),
            false => Claim::Members,
        }
    }

    /// A peer gives a cookie. It is kept for what this node has to say there, and what was passed
    /// over for lack of it is said again.
    pub(super) fn on_cookie(&mut self, from: &Origin, given: Given, now: Now) {
        let known = self.home(from);
        let proofs = self.outbox.proofs();
        let echoed = |at: &SocketAddr| given.echo.is_some_and(|echo| proofs.is_for(echo, *at));
        let seeds = self.watch.rejoin().seeds().iter().copied();
        let asked = known.into_iter().chain(seeds).find(echoed);
        let Some(at) = asked.or(known) else { return };
        // It may receive elsewhere than this node knows, which answers where it came from.
        let (mut kept, mut introduced) = (false, false);
        for at in [Some(at), Some(from.address).filter(|from| *from != at)].into_iter().flatten() {
            if self.outbox.proofs_mut().take(at, given.cookie, asked.is_some()) {
                kept = true;
                introduced |= given.refused && self.outbox.say_again(at);
            }
        }
        let says = given.unknown && kept && !introduced && !self.watch.has_left();
        if says && self.guard.said.may_tell(at, now.mono) {
            self.watch.knock(at, &self.table, &mut self.outbox);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::Write as _;
    use crate::base::id::NodeId;
    use crate::config::Config;
    use crate::data::{Cut, Digest, Expiry, Op};
    use crate::input::Input;
    use crate::member::Identity;
    use crate::member::record::tests::record;
    use crate::output::Output;
    use crate::reconcile::checksum::Opening;
    use crate::retain::tests::{NOW, pass};
    use crate::retain::{Census, Pass};
    use crate::spread::entropy::Direction;
    use crate::spread::ring::Token;
    use crate::wire::kind;
    use crate::wire::packet::{HEADER, Header, frame_message, next_message};
    use std::sync::Arc;

    const PEER: NodeId = NodeId(9);

    /// How a packet comes.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum How {
        /// Plain, and nothing proves it.
        Bare,
        /// With the proof of its sender's address.
        Proved,
        Sealed,
    }

    fn at(id: NodeId) -> SocketAddr {
        record(id.0, 1, State::Alive).gossip
    }

    /// Node 1, covered by a pass of itself and node 2, that knows node 9 as well.
    fn node(keyed: bool) -> Node {
        let identity = Identity::new(NodeId(1), "n", at(NodeId(1)));
        let mut node = Node::new(Config::default(), identity, 1, NOW);
        for (id, state) in [(2, State::Alive), (PEER.0, State::Alive), (3, State::Dead)] {
            let peer = record(id, 1, state).to_entry();
            node.restore(Space::Roster, Arc::new(peer), NOW);
        }
        node.standing.cover(link(), &mut node.replica);
        node.set_lock(keyed, keyed);
        node.flush(NOW, &mut Vec::new());
        node
    }

    fn link() -> Pass {
        pass(1, (NOW.wall_ms - 10_000) << 16, &[1, 2])
    }

    fn later() -> Pass {
        Pass { id: 7, horizon: (NOW.wall_ms + 27_000) << 16, ..link() }
    }

    fn roster_block(entries: &[Entry]) -> Vec<u8> {
        [vec![Space::Roster.code()], block::chunks(entries, 60_000).concat()].concat()
    }

    /// What a node sends after it was sent a message by `sender`, which receives at an address.
    fn receive(
        node: &mut Node,
        (sender, from, how): (NodeId, SocketAddr, How),
        kind: u8,
        body: &[u8],
    ) -> Vec<(SocketAddr, u8, Vec<u8>)> {
        let mut bytes = Vec::new();
        Header { tag: node.header.tag, sender }.encode(&mut bytes);
        if how == How::Proved {
            let cookie = node.outbox.proofs().cookie(from);
            frame_message(kind::VOUCHED, &[&cookie.to_le_bytes()], &mut bytes);
        }
        frame_message(kind, &[body], &mut bytes);
        let input = Input::Datagram { from, bytes: &bytes };
        let mut out = Vec::new();
        match how {
            How::Sealed => node.handle_sealed(input, NOW, &mut out),
            How::Bare | How::Proved => node.handle(input, NOW, &mut out),
        }
        node.flush(NOW, &mut out);
        let mut sent = Vec::new();
        for output in out {
            let Output::Send(packet) = output else { continue };
            let mut reader = Reader::new(&packet.bytes[HEADER..]);
            while let Ok((kind, mut body)) = next_message(&mut reader) {
                sent.push((packet.to, kind, body.take(body.remaining()).unwrap().to_vec()));
            }
        }
        sent
    }

    fn challenges(sent: &[(SocketAddr, u8, Vec<u8>)]) -> Vec<SocketAddr> {
        let asked = sent.iter().filter(|(_, kind, _)| *kind == kind::COOKIE);
        asked.map(|(to, ..)| *to).collect()
    }

    /// Whether the node has a key, how something of passes comes, and whether it is believed.
    const BELIEVED: [(bool, How, bool); 5] = [
        (false, How::Bare, false),
        (false, How::Proved, true),
        (true, How::Bare, false),
        (true, How::Proved, false),
        (true, How::Sealed, true),
    ];

    #[test]
    fn a_token_counts_from_who_proves_where_it_is() {
        for (keyed, how, taken) in BELIEVED {
            let mut node = node(keyed);
            let floor = node.standing.floor();
            let after = Some(link().to_horizon());
            let pass = Pass {
                by: NodeId(2),
                after,
                started_ms: NOW.wall_ms,
                order: [NodeId(2), NodeId(1), PEER, NodeId(3)].into(),
                ..later()
            };
            let digest = node.digest(Space::Data);
            let token = Token { pass, hop: 1, digest, census: Arc::<Census>::default() };
            let from = (NodeId(2), at(NodeId(2)), how);
            let sent = receive(&mut node, from, kind::RING_LINK, &token.encode());
            assert_eq!(node.standing.floor() > floor, taken, "{keyed} {how:?}");
            assert_eq!(node.stats.refused_unproven, u64::from(!taken));
            let asked: &[SocketAddr] =
                if how == How::Bare && !keyed { &[at(NodeId(2))] } else { &[] };
            let answered = sent.iter().filter(|(to, kind, body)| {
                *to == at(NodeId(2)) && *kind == kind::COOKIE && body.len() == 9
            });
            if !taken {
                assert_eq!(challenges(&sent), asked, "{keyed} {how:?}");
                assert_eq!(answered.count(), asked.len());
            }
        }
    }

    #[test]
    fn that_a_member_holds_the_same_counts_from_who_proves_where_it_is() {
        for (keyed, how, counts) in
            [(false, How::Bare, false), (false, How::Proved, true), (true, How::Sealed, true)]
        {
            let mut node = node(keyed);
            let write =
                Op::Put { key: (*b"k").into(), value: (*b"v").into(), expiry: Expiry::Never };
            node.write(write, NOW, &mut Vec::new()).unwrap();
            let opening = Opening {
                flow: Direction::PushPull.flow(),
                answer: false,
                cut: Cut::NONE,
                data: node.digest(Space::Data),
                roster: node.digest(Space::Roster),
            };
            let from = (NodeId(2), at(NodeId(2)), how);
            let sent = receive(&mut node, from, kind::DIGEST, &opening.encode());
            let upto = node.replica.clock.issued();
            let (held, _) = node.standing.holders(upto, &node.table);
            assert_eq!(held > 1, counts, "{keyed} {how:?}");
            let asked = challenges(&sent).contains(&at(NodeId(2)));
            assert_eq!(asked, how == How::Bare, "{keyed} {how:?}");
        }
    }

    #[test]
    fn a_horizon_counts_from_who_proves_where_it_is() {
        let horizon = later().to_horizon();
        for (keyed, how, taken) in BELIEVED {
            let mut node = node(keyed);
            let body = roster_block(&[horizon.to_entry()]);
            receive(&mut node, (PEER, at(PEER), how), kind::ENTRIES, &body);
            assert_eq!(node.is_covered(), !taken, "{keyed} {how:?}");
            assert_eq!(node.horizon() == Some(horizon), taken);
            let clock = node.replica.clock.last() >= horizon.time;
            assert_eq!(clock, taken, "stamps move with what is believed");
            assert_eq!(node.stats.refused_unproven, u64::from(!taken));
        }
    }

    #[test]
    fn members_are_taken_from_members_that_prove_where_they_are() {
        let made_up = record(77, 1, State::Alive);
        let left = record(3, 1, State::Left);
        let forgotten = record(2, 1, State::Forgotten);
        let moved = crate::member::Record {
            gossip: SocketAddr::from(([192, 0, 2, 1], 53)),
            ..record(2, 2, State::Alive)
        };
        let ahead = record(2, NOW.wall_ms + 2 * AHEAD_MS, State::Dead);
        for claim in [made_up, left, forgotten, moved, ahead] {
            let entry = claim.to_entry();
            let mut tree = vec![Space::Roster.code(), 8];
            tree.put(&[0; 16]);
            tree.extend(block::chunks(std::slice::from_ref(&entry), 1).concat());
            let body = roster_block(std::slice::from_ref(&entry));
            let (mail, rumors) = ([&body[..1], &[5], &body[1..]].concat(), body.clone());
            let rumors = [&rumors[..1], &[5], &rumors[1..]].concat();
            for (kind, body) in [
                (kind::ENTRIES, body),
                (kind::TREE, tree),
                (kind::MAIL, mail),
                (kind::RUMORS, rumors),
            ] {
                for (keyed, how, taken) in [
                    (false, How::Bare, false),
                    (false, How::Proved, true),
                    (true, How::Bare, false),
                    (true, How::Sealed, true),
                ] {
                    let mut node = node(keyed);
                    let sent = receive(&mut node, (PEER, at(PEER), how), kind, &body);
                    let held = node.table.get(claim.id).map(|held| held.entry.stamp());
                    assert_eq!(held == Some(entry.stamp()), taken, "{kind} {how:?} {claim:?}");
                    let answered = sent.iter().any(|(_, kind, _)| {
                        matches!(
                            *kind,
                            kind::TREE_ANSWER | kind::MAIL_RECEIPT | kind::RUMORS_ANSWER
                        )
                    });
                    assert!(taken || !answered, "it is to be said again");
                    assert_eq!(challenges(&sent).contains(&at(PEER)), !taken);
                }
            }
        }
        // What others find of a member it overrules itself.
        for state in [State::Suspect, State::Dead, State::Left] {
            let mut node = node(false);
            let found = roster_block(&[record(2, 1, state).to_entry()]);
            receive(&mut node, (PEER, at(PEER), How::Bare), kind::ENTRIES, &found);
            assert_eq!(node.table.get(NodeId(2)).map(|held| held.state), Some(state));
        }
    }

    #[test]
    fn who_joins_proves_that_it_receives_where_it_says() {
        let joiner = record(77, 1, State::Alive);
        let body = block::chunks(&[joiner.to_entry()], 1).concat();
        let victim = SocketAddr::from(([192, 0, 2, 1], 53));
        let mut node = node(false);
        for (from, how, known, asked) in [
            (joiner.gossip, How::Bare, false, vec![joiner.gossip]),
            // Not where it says: what it was given elsewhere proves nothing.
            (victim, How::Proved, false, vec![joiner.gossip]),
            (joiner.gossip, How::Proved, true, vec![]),
        ] {
            let sent = receive(&mut node, (joiner.id, from, how), kind::JOIN, &body);
            assert_eq!(node.table.get(joiner.id).is_some(), known, "{how:?}");
            if !known {
                assert_eq!(challenges(&sent), asked);
                let (.., given) = sent.iter().find(|(_, kind, _)| *kind == kind::COOKIE).unwrap();
                assert!(Given::decode(Reader::new(given)).unwrap().unknown);
                assert_eq!(sent.len(), 1, "nothing else goes there: {sent:?}");
            }
        }
    }

    #[test]
    fn one_address_is_that_of_a_few_members() {
        let mut node = node(false);
        for id in 100..120 {
            let gossip = SocketAddr::from(([10, 0, 0, 7], 7));
            let joiner = crate::member::Record { gossip, ..record(id, 1, State::Alive) };
            let body = block::chunks(&[joiner.to_entry()], 1).concat();
            receive(&mut node, (joiner.id, gossip, How::Proved), kind::JOIN, &body);
        }
        assert_eq!((node.table.len(), node.stats.refused_crowded), (4 + MAX_AT, 12));
    }

    #[test]
    fn who_claims_to_hold_far_more_is_asked_for_it_with_a_proof() {
        for (how, pulls) in [(How::Bare, 0), (How::Proved, 1)] {
            let mut node = node(false);
            let mut body = vec![3];
            Cut::NONE.encode(&mut body);
            Digest { count: 1 << 40, sum: 5 }.encode(&mut body);
            node.digest(Space::Roster).encode(&mut body);
            let sent = receive(&mut node, (PEER, at(PEER), how), kind::DIGEST, &body);
            let pulled = sent.iter().filter(|(_, kind, _)| *kind == kind::PULL).count();
            assert_eq!((pulled, node.repair.entropy.bulk().is_some()), (pulls, pulls > 0));
        }
    }
    #[test]
    fn a_crowd_of_strangers_keeps_nobody_out() {
        let mut node = node(false);
        let stranger = |id: u64| (NodeId(id), at(NodeId(id)), How::Bare);
        let kinds = |sent: Vec<(SocketAddr, u8, Vec<u8>)>| {
            sent.iter().map(|(_, kind, _)| *kind).collect::<Vec<_>>()
        };
        for id in 1000..1064 {
            let sent = receive(&mut node, stranger(id), kind::PING, &[1]);
            assert_eq!(kinds(sent), [kind::COOKIE, kind::PONG, kind::JOIN]);
        }
        // The one that comes then is asked who it is all the same, and says so.
        let sent = receive(&mut node, stranger(5000), kind::PING, &[1]);
        let (.., given) = sent.iter().find(|(_, kind, _)| *kind == kind::COOKIE).unwrap();
        assert!(Given::decode(Reader::new(given)).unwrap().unknown);
        let mut joiner = super::tests::node(false);
        let sent = receive(&mut joiner, (PEER, at(PEER), How::Bare), kind::COOKIE, given);
        assert_eq!(kinds(sent), [kind::VOUCHED, kind::COOKIE, kind::JOIN]);
    }

    /// Two nodes that know nothing of each other but an address.
    #[test]
    fn a_join_takes_one_round_trip_more() {
        let config = Config::default();
        let new = |id: u64| {
            let id = NodeId(id);
            Node::new(config.clone(), Identity::new(id, "n", at(id)), id.0, NOW)
        };
        let mut nodes = [new(1), new(2)];
        let mut out = Vec::new();
        nodes[1].handle(Input::Join { seeds: &[at(NodeId(1))] }, NOW, &mut out);
        nodes[1].flush(NOW, &mut out);
        let mut turns = Vec::new();
        for turn in 0..6 {
            let packets = std::mem::take(&mut out);
            let to = turn % 2;
            let from = at(NodeId(2 - to as u64));
            for packet in packets {
                let Output::Send(packet) = packet else { continue };
                let input = Input::Datagram { from, bytes: &packet.bytes };
                nodes[to].handle(input, NOW, &mut Vec::new());
            }
            nodes[to].flush(NOW, &mut out);
            turns.push(nodes.each_ref().map(|node| node.table.len()));
        }
        assert_eq!(turns[..3], [[1, 1], [1, 1], [2, 1]]);
        assert_eq!(turns[5], [2, 2]);
    }
}
