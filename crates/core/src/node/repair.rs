//! How anti-entropy, comparison and the divergence alarm are joined to a node.

use super::{Node, desk};
use crate::base::time::Now;
use crate::data::{Cut, Digest, Space};
use crate::member::table::Peer;
use crate::message::Message;
use crate::output::{Class, Output, Via};
use crate::reconcile::audit::{self, Check, Checked};
use crate::reconcile::checksum::{self, Opening};
use crate::reconcile::full::{self, Piece, Pull};
use crate::reconcile::sketch::exchange::{on_ask, on_opening};
use crate::reconcile::sketch::message::shortened;
use crate::reconcile::sketch::{Answered, Ask, Cells, Greeting, Headed, Stand, Unknown};
use crate::reconcile::{Desk, Flow};
use crate::spread::audit::YOUNG;
use crate::spread::entropy::{Begin, Compare, Opener, Plan};
use crate::spread::sessions::Outcome;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;

impl Node {
    /// Begins an exchange if it is time.
    pub(super) fn begin_repair(&mut self, now: Now) {
        let (peer, stalled) = self.entropy.poll(now.mono, &self.table, &mut self.rng);
        self.stats.bulk_stalled += u64::from(stalled);
        if let Some(bulk) = self.entropy.due_piece(now.mono) {
            let desk = &mut desk!(self, bulk.space, bulk.addr, now);
            full::pull(desk, false, false, bulk.from, Via::Stream);
        }
        let Some(peer) = peer else { return };
        match self.entropy.begin(&peer, now.mono) {
            Begin::Resume(from) => {
                self.stats.bulk_resumed += 1;
                let desk = &mut desk!(self, Space::Data, peer.gossip, now);
                full::pull(desk, false, false, from, Via::Stream);
            }
            Begin::Nothing => {}
            Begin::Compare => {
                let flow = self.entropy.config().direction.flow();
                self.compare_with(peer, flow, now);
            }
        }
    }

    /// Begins an exchange with a member.
    fn compare_with(&mut self, peer: Peer, flow: Flow, now: Now) {
        self.stats.repair_sessions += 1;
        let method = self.entropy.config().compare;
        self.sessions.begin((peer.id, peer.gossip), true, method, flow, now);
        match method {
            Compare::Full => {
                for space in Space::ALL {
                    full::begin(&mut desk!(self, space, peer.gossip, now), flow);
                }
            }
            Compare::Checksum => self.open(peer.gossip, flow, false, now),
            Compare::Sketch => self.open_by_sketch(&peer, flow, now),
        }
    }

    /// Begins a comparison by sketches, or by checksums if there are no sketches for that.
    pub(super) fn open_by_sketch(&mut self, peer: &Peer, flow: Flow, now: Now) {
        let at = (self.entropy.cut(now.wall_ms), self.replica.roster.digest());
        let desk = &mut desk!(self, Space::Data, peer.gossip, now);
        if !self.comparisons.begin(peer.id, flow, at, desk, now.mono) {
            self.sessions.known(peer.gossip, Outcome::FellBack, 0);
            self.open(peer.gossip, flow, false, now);
        }
    }

    /// Keeps an account of the exchange that a message begins, if it begins one.
    pub(super) fn note_opening(&mut self, from: &Origin, message: &Message<'_>, now: Now) {
        if let Some((method, flow)) = message.opens() {
            self.sessions.begin((from.peer, from.address), false, method, flow, now);
        }
    }

    /// Sends the digests of both maps.
    pub(super) fn open(&mut self, to: SocketAddr, flow: Flow, answer: bool, now: Now) {
        let cut = self.entropy.cut(now.wall_ms);
        let (data, roster) = (self.data_at(cut), self.replica.roster.digest());
        let body = Opening { flow, answer, cut, data, roster }.encode();
        self.outbox.push(to, Class::Repair, Via::Datagram, kind::DIGEST, &[&body]);
    }

    /// The digest of the data at a cut; of all of it if that is too long ago.
    fn data_at(&self, cut: Cut) -> Digest {
        self.replica.data.digest_at(cut).unwrap_or_else(|| self.replica.data.digest())
    }

    pub(super) fn on_opening(&mut self, from: &Origin, opening: &Opening, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let data = self.data_at(opening.cut);
        let (id, addr, flow, answer) = (from.peer, from.address, opening.flow, opening.answer);
        let peer = Opener { id, addr, flow, answer };
        if data == opening.data {
            self.agrees(from.peer, opening.cut, now);
        }
        let mut equal = true;
        for (space, mine, theirs) in [
            (Space::Data, data, opening.data),
            (Space::Roster, self.replica.roster.digest(), opening.roster),
        ] {
            if mine != theirs {
                equal = false;
                self.on_difference(&peer, space, mine, theirs, now);
            }
        }
        self.count_equal(from.address, equal);
    }

    /// Answers an opening: by sketches where this node keeps them, else by checksums.
    pub(super) fn on_sketch(&mut self, from: &Origin, greeting: &Headed<Greeting>, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let (head, theirs) = (greeting.head, greeting.body.opening.digest);
        let (id, addr, flow, answer) = (from.peer, from.address, head.flow, false);
        let peer = Opener { id, addr, flow, answer };
        let roster = self.replica.roster.digest();
        let mut equal = true;
        if shortened(roster) != greeting.body.roster {
            equal = false;
            self.on_difference(&peer, Space::Roster, roster, greeting.body.roster, now);
        }
        let data = self.data_at(head.cut);
        if head.space == Space::Data && shortened(data) != theirs {
            equal = false;
            if !self.fill_in_bulk(&peer, Space::Data, data, theirs, now) {
                self.answer_by_sketch(&peer, greeting, data, now);
            }
        } else if head.space == Space::Data {
            self.agrees(from.peer, head.cut, now);
            self.stats.sketch_equal += 1;
        }
        self.count_equal(from.address, equal);
    }

    fn answer_by_sketch(
        &mut self,
        peer: &Opener,
        greeting: &Headed<Greeting>,
        data: Digest,
        now: Now,
    ) {
        let mut desk = desk!(self, Space::Data, peer.addr, now);
        if !desk.is_open() {
            return;
        }
        match on_opening(&mut desk, greeting) {
            Answered::Known(count) => self.solved(peer.addr, count),
            Answered::Unserved => {
                self.sessions.known(peer.addr, Outcome::FellBack, 0);
                self.on_difference(peer, Space::Data, data, greeting.body.opening.digest, now);
            }
            Answered::Equal | Answered::Replied => {}
        }
    }

    /// Counts an exchange that this node answers, if both ends hold the same.
    fn count_equal(&mut self, from: SocketAddr, equal: bool) {
        if equal {
            self.stats.repair_equal += 1;
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
        now: Now,
    ) {
        if self.fill_in_bulk(peer, space, mine, theirs, now) || peer.answer {
            return;
        }
        let mut desk = desk!(self, space, peer.addr, now);
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
        now: Now,
    ) -> bool {
        let counts = (mine.count, theirs.count);
        match self.entropy.plan(peer, space, counts, &self.table, now.mono, &mut self.rng) {
            Plan::Compare => return false,
            Plan::Wait => {}
            Plan::Fill(from) => {
                self.sessions.known(peer.addr, Outcome::Bulk, 0);
                if let Some(from) = from {
                    let desk = &mut desk!(self, space, peer.addr, now);
                    full::pull(desk, false, false, from, Via::Stream);
                }
            }
            Plan::Offer => {
                self.sessions.known(peer.addr, Outcome::Bulk, 0);
                if !peer.answer {
                    self.open(peer.addr, peer.flow.flip(), true, now);
                }
            }
        }
        true
    }

    /// Answers a message of an exchange, unless the peer has been sent enough.
    pub(super) fn answer(
        &mut self,
        space: Space,
        from: &Origin,
        now: Now,
        work: impl FnOnce(&mut Desk<'_>),
    ) {
        self.entropy.goes_on(now.mono, &mut self.rng);
        let mut desk = desk!(self, space, from.address, now);
        if desk.is_open() {
            work(&mut desk);
        }
    }

    /// Goes on with a comparison by sketches that this node began.
    pub(super) fn on_cells(&mut self, from: &Origin, space: Space, cells: &Cells<'_>, now: Now) {
        if !self.comparisons.hear(from.peer) {
            return;
        }
        self.replica.data.advance(now.wall_ms);
        self.entropy.goes_on(now.mono, &mut self.rng);
        let mut desk = desk!(self, space, from.address, now);
        if !desk.is_open() {
            return;
        }
        match self.comparisons.go_on(from.peer, cells, &mut desk, now.mono) {
            None | Some((Stand::Open, _)) => {}
            Some((Stand::Known(count), _)) => self.solved(from.address, count),
            Some((Stand::Unknown(why), flow)) => {
                let too_many = why == Unknown::TooMany;
                let outcome = if too_many { Outcome::TooMany } else { Outcome::FellBack };
                self.sessions.known(from.address, outcome, 0);
                self.open(from.address, flow, false, now);
            }
        }
    }

    pub(super) fn on_sketch_ask(&mut self, from: &Origin, ask: &Headed<Ask>, now: Now) {
        self.replica.data.advance(now.wall_ms);
        self.answer(ask.head.space, from, now, |desk| on_ask(desk, ask));
    }

    /// Looks after comparisons whose other end is silent.
    pub(super) fn watch_comparisons(&mut self, now: Now) {
        if self.comparisons.deadline().is_none_or(|until| until > now.mono) {
            return;
        }
        let desk = &mut desk!(self, Space::Data, self.watch.identity().gossip, now);
        for addr in self.comparisons.poll(desk, now.mono) {
            self.sessions.known(addr, Outcome::GaveUp, 0);
        }
    }

    pub(super) fn on_pull(&mut self, from: &Origin, pull: Pull, now: Now) {
        let mut desk = desk!(self, pull.space, from.address, now);
        if desk.is_open() {
            full::send(&mut desk, pull.back, pull.pushed, pull.from);
        }
    }

    pub(super) fn on_piece(
        &mut self,
        from: &Origin,
        mut piece: Piece,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let entries = std::mem::take(&mut piece.entries);
        let bytes = entries.iter().map(|entry| entry.size() + 24).sum();
        let shown = if piece.back { entries.clone() } else { Vec::new() };
        let new = self.take_in(piece.space, entries, from, now, out);
        self.sessions.brought(from.address, new);
        let desk = &mut desk!(self, piece.space, from.address, now);
        if piece.back {
            piece.entries = shown;
            full::send_missing(desk, &piece);
        }
        let (space, place) = (piece.space, (from.peer, piece.space, piece.from));
        if self.entropy.expects(place) && !piece.pushed {
            desk.stats.bulk_pieces += 1;
            self.entropy.progress(now.mono);
            let next = self.entropy.advance_bulk(from.peer, space, piece.next, bytes, now.mono);
            if let Some(at) = next {
                full::pull(desk, false, false, at, Via::Stream);
            }
        } else if self.auditor.expects(place) {
            self.entropy.progress(now.mono);
            if let Some(at) = self.auditor.advance(piece.next, now.mono) {
                full::pull(desk, true, false, at, Via::Stream);
            }
        } else if let Some(at) = piece.next
            && (piece.pushed || self.entropy.config().compare == Compare::Full)
        {
            self.entropy.progress(now.mono);
            full::pull(desk, piece.back, piece.pushed, at, Via::Stream);
        }
    }

    /// Verifies a part of the own replica and asks a member whether it holds the same, if it is
    /// time.
    pub(super) fn begin_audit(&mut self, now: Now) {
        let Some((part, peer)) = self.auditor.poll(now.mono, &self.table) else { return };
        self.auditor.verify(part, &mut self.replica.data, &mut self.stats);
        if let Some(peer) = peer.filter(|_| !self.is_excused(now)) {
            let desk = &mut desk!(self, Space::Data, peer.gossip, now);
            self.auditor.question(&peer, self.config.repair.settle, now.wall_ms, desk);
        }
    }

    /// True while it is known why this replica differs from others, or may seem to: what a write
    /// from far ahead has replaced is not known any more to who has restarted since.
    fn is_excused(&self, now: Now) -> bool {
        let behind = self.standing.is_behind() || self.standing.is_collecting();
        let young = crate::base::time::millis(YOUNG);
        let ahead = self.replica.clock.last() >> 16 > now.wall_ms.saturating_add(young);
        self.entropy.in_bulk(Space::Data) || behind || ahead
    }

    pub(super) fn on_check(&mut self, from: &Origin, check: Check, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let excused = self.is_excused(now);
        let mut desk = desk!(self, Space::Data, from.address, now);
        if desk.is_open() {
            audit::on_check(&mut desk, check, excused);
        }
    }

    pub(super) fn on_checked(&mut self, from: &Origin, checked: &Checked, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let excused = self.is_excused(now);
        let desk = &mut desk!(self, Space::Data, from.address, now);
        let different = self.auditor.on_checked(from.peer, checked, excused, now, desk);
        // What repair can see between just these two, it is to mend before the next check.
        if let Some(peer) = self.table.peer(from.peer)
            && different
            && !self.comparisons.is_open(from.peer)
        {
            self.compare_with(peer, Flow { mine: true, yours: true }, now);
        }
    }
}

#[cfg(test)]
mod alarm_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::{Reader, Write as _};
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::data::{Entry, Stamp};
    use crate::input::Input;
    use crate::member::Identity;
    use crate::reconcile::sketch::{self, Greeting, Head};
    use crate::wire::packet::{HEADER, Header, frame_message, next_message};
    use std::sync::Arc;

    const NOW: Now = Now { mono: Instant(0), wall_ms: 1_800_000_000_000 };
    const PEER: NodeId = NodeId(9);

    fn peer() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 9], 9))
    }

    fn node(entries: u64) -> Node {
        node_of(entries, Compare::Checksum)
    }

    fn node_of(entries: u64, compare: Compare) -> Node {
        let gossip = SocketAddr::from(([10, 0, 0, 1], 1));
        let id = NodeId(1);
        let identity = Identity::new(id, "n", gossip);
        let mut config = Config::default();
        config.repair.compare = compare;
        let mut node = Node::new(config, identity, 1, NOW);
        for key in 0..entries {
            let stamp = Stamp { time: 1 << 40, node: PEER };
            let entry = Entry::new(&key.to_be_bytes(), &[7; 100], stamp, None);
            node.restore(Space::Data, Arc::new(entry), NOW);
        }
        node
    }

    /// What a node sends to the peer when it is sent a message.
    fn answers(node: &mut Node, via: Via, kind: u8, body: &[u8]) -> Vec<(u8, Via, Vec<u8>)> {
        let mut bytes = Vec::new();
        Header { tag: node.header.tag, sender: PEER }.encode(&mut bytes);
        frame_message(kind, &[body], &mut bytes);
        let (from, mut out) = (peer(), Vec::new());
        let input = match via {
            Via::Datagram => Input::Datagram { from, bytes: &bytes },
            Via::Stream => Input::Frame { from, bytes: &bytes },
        };
        node.handle(input, NOW, &mut out);
        node.flush(NOW, &mut out);
        let mut answers = Vec::new();
        for output in out {
            let Output::Send(packet) = output else { continue };
            let mut reader = Reader::new(&packet.bytes[HEADER..]);
            while let Ok((kind, mut body)) = next_message(&mut reader) {
                let body = body.take(body.remaining()).unwrap().to_vec();
                answers.push((kind, packet.via, body));
            }
        }
        answers
    }

    fn piece(from: u64, next: u64) -> Vec<u8> {
        let mut body = vec![Space::Data.code(), 4];
        body.put(&from.to_le_bytes());
        body.put(&next.to_le_bytes());
        body
    }

    fn pulls(answers: &[(u8, Via, Vec<u8>)]) -> Vec<u64> {
        let pull = |(kind, _, body): &(u8, Via, Vec<u8>)| match Message::decode(
            *kind,
            Reader::new(body),
        ) {
            Ok(Some(Message::Pull(pull))) => Some(pull.from),
            _ => None,
        };
        answers.iter().filter_map(pull).collect()
    }

    fn greeting(node: &Node, count: u64) -> Vec<u8> {
        let flow = Flow { mine: true, yours: true };
        let head = Head { flow, space: Space::Data, cut: Cut::around(NOW.wall_ms, 300) };
        let digest = Digest { count, sum: 5 };
        let opening = sketch::Opening { digest, root: 6, ..sketch::Opening::default() };
        [head.encode(), Greeting { roster: node.replica.roster.digest(), opening }.encode()]
            .concat()
    }

    fn kinds(answers: &[(u8, Via, Vec<u8>)]) -> Vec<u8> {
        answers.iter().map(|(kind, ..)| *kind).filter(|kind| *kind > kind::MAIL_RECEIPT).collect()
    }

    #[test]
    fn who_keeps_no_sketches_answers_by_checksums() {
        let mut node = node(500);
        let opening = greeting(&node, 501);
        let answers = answers(&mut node, Via::Datagram, kind::SKETCH, &opening);
        assert_eq!(kinds(&answers), [kind::SPLIT]);
        assert_eq!(node.stats().sketch_unserved, 1);
    }

    #[test]
    fn who_lacks_most_is_filled_in_bulk_whatever_opened() {
        for compare in [Compare::Checksum, Compare::Sketch] {
            let mut node = node_of(500, compare);
            let opening = greeting(&node, 5000);
            let answers = answers(&mut node, Via::Datagram, kind::SKETCH, &opening);
            assert_eq!(pulls(&answers), [0]);
            let mut node = node_of(500, compare);
            let opening = greeting(&node, 5);
            let answers = super::tests::answers(&mut node, Via::Datagram, kind::SKETCH, &opening);
            assert_eq!(kinds(&answers), [kind::DIGEST], "the other end is told to fetch");
        }
    }

    #[test]
    fn a_comparison_asks_once_more_and_then_gives_up() {
        let mut node = node_of(500, Compare::Sketch);
        let opening = greeting(&node, 501);
        let replied = answers(&mut node, Via::Datagram, kind::SKETCH, &opening);
        let Some((kind::SKETCH_REPLY, _, reply)) = replied.first() else { panic!("{replied:?}") };
        // What nobody asked for is passed over.
        let mut other = node_of(400, Compare::Sketch);
        let (kind, reply) = (kind::SKETCH_REPLY, reply.clone());
        assert!(kinds(&answers(&mut other, Via::Datagram, kind, &reply)).is_empty());
        let with = Peer { id: PEER, gossip: peer(), alive: true };
        other.open_by_sketch(&with, Flow { mine: true, yours: true }, NOW);
        assert_eq!(
            kinds(&answers(&mut other, Via::Datagram, kind, &reply))[..],
            [kind::SKETCH, kind::SKETCH_ASK]
        );
        assert!(kinds(&answers(&mut other, Via::Datagram, kind, &reply)).is_empty(), "twice");
        let mut asks = 0;
        for second in 1..5 {
            let mono = Instant(second * 1_100_000);
            let now = Now { mono, wall_ms: NOW.wall_ms + second * 1100 };
            assert!(second > 2 || other.deadline().is_some_and(|deadline| deadline <= mono));
            let mut out = Vec::new();
            other.flush(now, &mut out);
            asks += out.iter().filter(is_ask).count();
        }
        assert_eq!((asks, other.stats().sketch_silent), (1, 1));
    }

    fn is_ask(output: &&Output) -> bool {
        let Output::Send(packet) = output else { return false };
        packet.bytes.get(HEADER) == Some(&kind::SKETCH_ASK)
    }

    #[test]
    fn a_late_or_repeated_piece_does_not_pull_once_more() {
        let mut node = node(0);
        let opening = Opening {
            flow: Flow { mine: true, yours: true },
            answer: false,
            cut: Cut::around(NOW.wall_ms, 0),
            data: Digest { count: 1000, sum: 5 },
            roster: node.replica.roster.digest(),
        };
        let opened = answers(&mut node, Via::Datagram, kind::DIGEST, &opening.encode());
        assert_eq!(pulls(&opened), [0]);
        assert_eq!(pulls(&answers(&mut node, Via::Stream, kind::PIECE, &piece(7, 8))), []);
        assert_eq!(pulls(&answers(&mut node, Via::Stream, kind::PIECE, &piece(0, 7))), [7]);
        assert_eq!(pulls(&answers(&mut node, Via::Stream, kind::PIECE, &piece(0, 7))), []);
    }

    #[test]
    fn who_asks_by_datagram_gets_less_than_who_asks_by_stream() {
        let pull = Pull { space: Space::Data, back: false, pushed: false, from: 0 }.encode();
        let bytes = |via| {
            let answers = answers(&mut node(5000), via, kind::PULL, &pull);
            let to_stranger = answers.iter().all(|(_, via, _)| *via == Via::Stream);
            assert!(to_stranger, "much is sent to an address that may be forged");
            answers.iter().map(|(_, _, body)| body.len()).sum::<usize>()
        };
        assert!((50_000..=64 * 1024).contains(&bytes(Via::Datagram)));
        assert!((200_000..=256 * 1024).contains(&bytes(Via::Stream)));
    }

    #[test]
    fn a_list_of_items_for_everything_is_not_answered() {
        let mut small = node(100);
        let items = [&[3, 0, 0][..], &[1; 8]].concat();
        let kinds: Vec<u8> = answers(&mut small, Via::Datagram, kind::ITEMS, &items)
            .into_iter()
            .map(|(kind, ..)| kind)
            .collect();
        assert!(kinds.contains(&kind::ENTRIES) && kinds.contains(&kind::WANT));
        let mut large = node(1000);
        assert!(answers(&mut large, Via::Datagram, kind::ITEMS, &items).is_empty());
        assert_eq!(large.stats().repair_shed, 1);
    }

    #[test]
    fn neither_map_uses_up_what_may_be_sent_for_the_other() {
        let mut node = node(5000);
        let mut bytes = Vec::new();
        Header { tag: node.header.tag, sender: PEER }.encode(&mut bytes);
        for space in [[Space::Data; 9].as_slice(), &[Space::Roster]].concat() {
            let pull = Pull { space, back: false, pushed: false, from: 0 };
            frame_message(kind::PULL, &[&pull.encode()], &mut bytes);
        }
        let mut out = Vec::new();
        node.handle(Input::Datagram { from: peer(), bytes: &bytes }, NOW, &mut out);
        node.flush(NOW, &mut out);
        let mut spaces = Vec::new();
        for output in &out {
            let Output::Send(packet) = output else { continue };
            let mut reader = Reader::new(&packet.bytes[HEADER..]);
            while let Ok((kind, body)) = next_message(&mut reader) {
                if let Ok(Some(Message::Piece(piece))) = Message::decode(kind, body) {
                    spaces.push(piece.space);
                }
            }
        }
        assert!(spaces.contains(&Space::Roster));
        assert!(node.stats().repair_shed > 0, "all were answered: {spaces:?}");
    }
}
