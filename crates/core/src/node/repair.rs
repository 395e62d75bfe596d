//! How repair is joined to a node: what it brings is offered to the replica, and who agrees has told
//! something.

use super::{Node, holding};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::data::{Cut, Entry};
use crate::output::{Class, Output, Via};
use crate::reconcile::checksum::{on_items, on_split, on_want};
use crate::reconcile::full::Piece;
use crate::reconcile::sketch::Cells;
use crate::reconcile::sketch::exchange::on_wants;
use crate::reconcile::{Flow, Message};
use crate::spread::repair::Same;
use crate::wire::{Origin, kind};

impl Node {
    /// Begins an exchange or a check if it is time.
    pub(super) fn begin_repair(&mut self, now: Now, out: &mut Vec<Output>) {
        let behind = self.is_behind();
        let hold = &mut holding!(self, now, out);
        self.repair.begin(hold);
        self.repair.begin_audit(behind, hold);
    }

    /// Asks a member to compare with this node, out of turn.
    pub(super) fn compare_with(&mut self, id: NodeId) {
        if let Some(peer) = self.table.peer(id) {
            let (class, via) = (Class::Repair, Via::Datagram);
            self.outbox.push(peer.gossip, class, via, kind::FRESHEN, &[]);
        }
    }

    /// What was sent by a way that has been found to be closed was lost: compares by the one that is
    /// open, where nodes compare at all.
    pub(super) fn meet_again(&mut self, now: Now, out: &mut Vec<Output>) {
        let compares = !self.config.repair.interval.is_zero();
        for address in self.outbox.paths_mut().turned().into_iter().filter(|_| compares) {
            let peer = self.table.peers().find(|peer| peer.gossip == address);
            if let Some(peer) = peer {
                let to = Origin::new(peer.id, address, Via::Datagram, false);
                self.open(&to, false, now, out);
            }
        }
    }

    /// Lets time pass for what of this node's own writes has gone nowhere.
    pub(super) fn watch_isolation(&mut self, now: Now) {
        let (peers, last) = (self.table.peer_count(), self.replica.clock.last());
        self.standing.watch_isolation(peers, self.ways.telling() == 0, last, now.mono);
        self.repair.silent = self.standing.is_silent();
    }

    /// Sends the digests of both maps to a member that has asked for that, or answers one's.
    pub(super) fn open(&mut self, from: &Origin, answer: bool, now: Now, out: &mut Vec<Output>) {
        let flow = Flow { mine: true, yours: true };
        self.repair.open(from.address, flow, answer, &mut holding!(self, now, out));
    }

    /// True while this node is being brought back to a pass, or collects what one has proved.
    fn is_behind(&self) -> bool {
        self.standing.is_behind() || self.standing.is_collecting()
    }

    /// A message of an exchange or of a check.
    pub(super) fn on_repair(
        &mut self,
        from: &Origin,
        message: Message,
        now: Now,
        out: &mut Vec<Output>,
    ) {
        let behind = self.is_behind();
        let (repair, hold) = (&mut self.repair, &mut holding!(self, now, out));
        match message {
            Message::Digest(opening) => {
                let same = repair.on_opening(from, &opening, hold);
                self.agrees_on(same, from, opening.cut, now);
            }
            Message::Sketch(greeting) => {
                let same = repair.on_sketch(from, &greeting, hold);
                self.agrees_on(same, from, greeting.head.cut, now);
            }
            Message::Split(split) => {
                repair.answer(split.space, from, hold, |desk| on_split(desk, &split));
            }
            Message::Items(items) => {
                repair.answer(items.space, from, hold, |desk| on_items(desk, &items));
            }
            Message::Want(want) => {
                repair.answer(want.space, from, hold, |desk| on_want(desk, &want));
            }
            Message::Wants(wants) => {
                repair.answer(wants.space, from, hold, |desk| on_wants(desk, &wants));
            }
            Message::Entries(entries) => {
                repair.entropy.progress(now.mono);
                let new = self.take_in(entries.space, entries.entries, from, now, out);
                self.repair.sessions.brought(from.address, new);
            }
            Message::Pull(pull) => repair.on_pull(from, pull, hold),
            Message::Piece(piece) => self.on_piece(from, piece, now, out),
            Message::SketchReply(reply) => {
                repair.on_cells(from, reply.head.space, &Cells::First(&reply), hold);
            }
            Message::SketchBatch(batch) => {
                repair.on_cells(from, batch.head.space, &Cells::More(&batch), hold);
            }
            Message::SketchAsk(ask) => repair.on_sketch_ask(from, &ask, hold),
            Message::Check(check) => repair.on_check(from, check, behind, hold),
            Message::Checked(checked) => repair.on_checked(from, &checked, behind, hold),
        }
    }

    /// What follows from what a member was found to hold the same.
    fn agrees_on(&mut self, same: Same, from: &Origin, cut: Cut, now: Now) {
        if same.data && self.is_at_home(from) {
            self.is_fresh(cut, now);
        }
        // What lasts takes a proof, which is asked for if there is something to be confirmed.
        let asked = !self.questions.is_empty()
            || self.rounds.is_leaving()
            || self.standing.is_unconfirmed(&self.replica.clock);
        if same.data && asked && self.speaks_itself(from, now) {
            self.agrees(from.peer, cut, now);
        }
        if same.roster {
            self.standing.roster_agrees();
            self.repair.silent = self.standing.is_silent();
        }
    }

    fn on_piece(&mut self, from: &Origin, mut piece: Piece, now: Now, out: &mut Vec<Output>) {
        let entries = std::mem::take(&mut piece.entries);
        let bytes = entries.iter().map(|entry: &Entry| entry.size() + 24).sum();
        if piece.back {
            piece.entries.clone_from(&entries);
        }
        let new = self.take_in(piece.space, entries, from, now, out);
        self.repair.sessions.brought(from.address, new);
        self.repair.on_piece(from, &piece, bytes, &mut holding!(self, now, out));
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
    use crate::data::Stamp;
    use crate::data::{Cut, Digest, Space};
    use crate::input::Input;
    use crate::member::Identity;
    use crate::member::table::Peer;
    use crate::output::Via;
    use crate::reconcile::checksum::Opening;
    use crate::reconcile::full::Pull;
    use crate::reconcile::sketch::{self, Greeting, Head};
    use crate::spread::entropy::Compare;
    use crate::wire::kind;
    use crate::wire::packet::{HEADER, Header, frame_message, next_message};
    use std::net::SocketAddr;
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
        let repair = |kind: &u8| (kind::MAIL_RECEIPT + 1..kind::COOKIE).contains(kind);
        answers.iter().map(|(kind, ..)| *kind).filter(repair).collect()
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
        let flow = Flow { mine: true, yours: true };
        other.repair.open_by_sketch(&with, flow, &mut holding!(other, NOW, &mut Vec::new()));
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
