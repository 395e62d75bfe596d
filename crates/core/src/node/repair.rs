//! How anti-entropy and reconciliation are joined to a node.

use super::Node;
use crate::base::id::NodeId;
use crate::base::time::{Now, millis};
use crate::config::Config;
use crate::data::{Cut, Digest, Space};
use crate::member::table::Peer;
use crate::message::Message;
use crate::output::{Class, Output, Via};
use crate::reconcile::checksum::{self, Items, Opening, Split, Want};
use crate::reconcile::full::{self, Piece, Pull};
use crate::reconcile::{Desk, Flow};
use crate::spread::Method;
use crate::spread::entropy::{Compare, Entropy};
use crate::spread::sessions::Outcome;
use crate::wire::{Origin, kind};
use std::net::SocketAddr;
use std::time::Duration;

/// Where nothing else carries updates, there is nothing to wait for.
fn settle(config: &Config) -> Duration {
    match config.spread.method {
        Method::None => Duration::ZERO,
        _ => config.repair.settle,
    }
}

/// How long after it was written an entry is compared for sure.
pub(super) fn hidden(config: &Config) -> Duration {
    match settle(config) {
        Duration::ZERO => Duration::ZERO,
        settle => settle + Cut::GRAIN,
    }
}

/// Who opened a comparison.
pub(super) struct Opener {
    pub(super) id: NodeId,
    pub(super) addr: SocketAddr,
    /// Which way entries may move, as it sees it.
    pub(super) flow: Flow,
    /// True if it answered an opening of this node's.
    pub(super) answer: bool,
}

impl Node {
    /// Begins an exchange if it is time.
    pub(super) fn begin_repair(&mut self, now: Now) {
        let (peer, stalled) = self.entropy.poll(now.mono, &self.table, &mut self.rng);
        self.stats.bulk_stalled += u64::from(stalled);
        if let Some(bulk) = self.entropy.due_piece(now.mono) {
            let mut desk = self.desk(bulk.space, bulk.addr, now);
            full::pull(&mut desk, false, false, bulk.from, Via::Stream);
        }
        if let Some(peer) = peer {
            if let Some(at) = self.entropy.resume_bulk(&peer, now.mono) {
                self.stats.bulk_resumed += 1;
                let mut desk = self.desk(Space::Data, peer.gossip, now);
                return full::pull(&mut desk, false, false, at, Via::Stream);
            }
            // What is on its way in bulk is not to be found missing as well. The others go on
            // comparing with this node.
            if self.entropy.in_bulk(Space::Data) {
                return;
            }
            let flow = self.entropy.config().direction.flow();
            self.compare_with(peer, flow, now);
        }
    }

    /// Begins an exchange with a member.
    pub(super) fn compare_with(&mut self, peer: Peer, flow: Flow, now: Now) {
        self.stats.repair_sessions += 1;
        let method = self.entropy.config().compare;
        self.sessions.begin((peer.id, peer.gossip), true, method, flow, now);
        match self.entropy.config().compare {
            Compare::Full => {}
            Compare::Checksum => return self.open(peer.gossip, flow, false, now),
            Compare::Sketch => return self.open_by_sketch(peer.id, peer.gossip, flow, now),
        }
        for space in Space::ALL {
            let mut desk = self.desk(space, peer.gossip, now);
            if flow.yours {
                full::pull(&mut desk, flow.mine, false, 0, Via::Datagram);
            } else {
                full::send(&mut desk, false, true, 0);
            }
        }
    }

    /// Keeps an account of the exchange that a message begins, if it begins one.
    pub(super) fn note_opening(&mut self, from: &Origin, message: &Message<'_>, now: Now) {
        let whole = |back: bool| Flow { mine: back, yours: true };
        let (method, flow) = match message {
            Message::Digest(opening) if !opening.answer => (Compare::Checksum, opening.flow),
            Message::Sketch(greeting) => (Compare::Sketch, greeting.head.flow),
            Message::Pull(Pull { from: 0, back, pushed: false, space: Space::Data }) => {
                (Compare::Full, whole(*back))
            }
            Message::Piece(Piece { from: 0, pushed: true, space: Space::Data, .. }) => {
                (Compare::Full, Flow { mine: true, yours: false })
            }
            _ => return,
        };
        self.sessions.begin((from.peer, from.address), false, method, flow, now);
    }

    /// Sends the digests of both maps.
    pub(super) fn open(&mut self, to: SocketAddr, flow: Flow, answer: bool, now: Now) {
        let cut = self.cut(now);
        let data = self.replica.data.digest_at(cut).unwrap_or_else(|| self.replica.data.digest());
        let opening = Opening { flow, answer, cut, data, roster: self.replica.roster.digest() };
        self.outbox.push(to, Class::Repair, Via::Datagram, kind::DIGEST, &[&opening.encode()]);
    }

    /// The cut at which the data is compared now.
    pub(super) fn cut(&self, now: Now) -> Cut {
        match self.settle_ms() {
            0 => Cut::NONE,
            settle => Cut::around(now.wall_ms, settle),
        }
    }

    fn settle_ms(&self) -> u64 {
        millis(settle(&self.config))
    }

    pub(super) fn desk(&mut self, space: Space, to: SocketAddr, now: Now) -> Desk<'_> {
        let settle = self.settle_ms();
        Desk {
            map: match space {
                Space::Data => &self.replica.data,
                Space::Roster => &self.replica.roster,
            },
            space,
            to,
            young_from: now.wall_ms.saturating_sub(settle),
            young_until: now.wall_ms.saturating_add(settle),
            piece_bytes: self.outbox.budgets().piece(self.config.repair.piece_bytes),
            limits: &self.config.limits,
            outbox: &mut self.outbox,
            stats: &mut self.stats,
        }
    }

    pub(super) fn on_opening(&mut self, from: &Origin, opening: &Opening, now: Now) {
        self.replica.data.advance(now.wall_ms);
        let data =
            self.replica.data.digest_at(opening.cut).unwrap_or_else(|| self.replica.data.digest());
        let (flow, answer) = (opening.flow, opening.answer);
        let peer = Opener { id: from.peer, addr: from.address, flow, answer };
        if data == opening.data {
            self.confirm(from.peer, opening.cut);
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

    /// Counts an exchange that this node answers, if both ends hold the same.
    pub(super) fn count_equal(&mut self, from: SocketAddr, equal: bool) {
        if equal {
            self.stats.repair_equal += 1;
            self.sessions.known(from, Outcome::Equal, 0);
        }
    }

    /// Goes on by checksums where a map differs.
    pub(super) fn on_difference(
        &mut self,
        peer: &Opener,
        space: Space,
        mine: Digest,
        theirs: Digest,
        now: Now,
    ) {
        if !self.fill_in_bulk(peer, space, mine, theirs, now)
            && !peer.answer
            && let Some(mut desk) = self.open_desk(space, peer.addr, now)
        {
            checksum::begin(&mut desk, peer.flow.flip(), theirs.count);
        }
    }

    /// True if a bulk transfer from a member had better come from one of this node's own zone. A
    /// node that has just joined knows neither its sender's zone nor who else is in its own.
    fn waits_for_near(&mut self, sender: NodeId, now: Now) -> bool {
        let has_zone = !self.watch.identity().tags.zone().is_empty() || self.table.is_zoned();
        let near = self.table.peer(sender).is_some()
            && self.table.zone_of(sender) == self.table.zone_of(self.header.sender);
        has_zone && !near && self.entropy.waits_for_near(now.mono)
    }

    /// If one end lacks most, it is filled in bulk, and there is nothing to compare.
    pub(super) fn fill_in_bulk(
        &mut self,
        peer: &Opener,
        space: Space,
        mine: Digest,
        theirs: Digest,
        now: Now,
    ) -> bool {
        self.entropy.stir(now.mono, &mut self.rng);
        if self.entropy.in_bulk(space) {
            return true;
        }
        let (flow, from) = (peer.flow.flip(), peer.addr);
        if Entropy::wants_bulk(mine.count, theirs.count) {
            self.sessions.known(from, Outcome::Bulk, 0);
            if flow.yours
                && !(space == Space::Data && self.waits_for_near(peer.id, now))
                && let Some(at) =
                    self.entropy.begin_bulk(peer.id, from, space, theirs.count, now.mono)
            {
                full::pull(&mut self.desk(space, from, now), false, false, at, Via::Stream);
            }
            return true;
        }
        if Entropy::wants_bulk(theirs.count, mine.count) && flow.mine {
            self.sessions.known(from, Outcome::Bulk, 0);
            if !peer.answer {
                self.open(from, flow, true, now);
            }
            return true;
        }
        false
    }

    /// The desk for a request; `None` if the peer has been sent enough for this turn, or all peers
    /// for the moment.
    pub(super) fn open_desk(
        &mut self,
        space: Space,
        from: SocketAddr,
        now: Now,
    ) -> Option<Desk<'_>> {
        let behind = self.outbox.budgets().repair_is_behind();
        let desk = self.desk(space, from, now);
        if behind || desk.budget() == 0 {
            desk.stats.repair_shed += 1;
            return None;
        }
        Some(desk)
    }

    pub(super) fn on_split(&mut self, from: SocketAddr, split: &Split, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(split.space, from, now) {
            checksum::on_split(&mut desk, split);
        }
    }

    pub(super) fn on_items(&mut self, from: SocketAddr, items: &Items, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(items.space, from, now) {
            checksum::on_items(&mut desk, items);
        }
    }

    pub(super) fn on_want(&mut self, from: SocketAddr, want: &Want, now: Now) {
        self.stir_and_progress(now);
        if let Some(mut desk) = self.open_desk(want.space, from, now) {
            checksum::on_want(&mut desk, want);
        }
    }

    pub(super) fn stir_and_progress(&mut self, now: Now) {
        self.entropy.stir(now.mono, &mut self.rng);
        self.entropy.progress(now.mono);
    }

    pub(super) fn on_pull(&mut self, from: SocketAddr, pull: Pull, now: Now) {
        if let Some(mut desk) = self.open_desk(pull.space, from, now) {
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
        self.take_in(piece.space, entries, from, now, out);
        if piece.back {
            piece.entries = shown;
            full::send_missing(&mut self.desk(piece.space, from.address, now), &piece);
        }
        // A late or repeated piece asks for nothing: the transfer would go on twice.
        let place = (from.peer, piece.space, piece.from);
        let bulk = self.entropy.bulk().map(|bulk| (bulk.peer, bulk.space, bulk.from));
        if bulk == Some(place) && !piece.pushed {
            self.stats.bulk_pieces += 1;
            self.entropy.progress(now.mono);
            let (space, next) = (piece.space, piece.next);
            if let Some(at) = self.entropy.advance_bulk(from.peer, space, next, bytes, now.mono) {
                full::pull(
                    &mut self.desk(piece.space, from.address, now),
                    false,
                    false,
                    at,
                    Via::Stream,
                );
            }
        } else if self.auditor.expects(place) {
            self.entropy.progress(now.mono);
            if let Some(at) = self.auditor.advance(piece.next, now.mono) {
                full::pull(
                    &mut self.desk(Space::Data, from.address, now),
                    true,
                    false,
                    at,
                    Via::Stream,
                );
            }
        } else if let Some(at) = piece.next
            && (piece.pushed || self.entropy.config().compare == Compare::Full)
        {
            self.entropy.progress(now.mono);
            let mut desk = self.desk(piece.space, from.address, now);
            full::pull(&mut desk, piece.back, piece.pushed, at, Via::Stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::{Reader, Write as _};
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
        other.open_by_sketch(PEER, peer(), Flow { mine: true, yours: true }, NOW);
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
