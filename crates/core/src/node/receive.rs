//! What a packet does to a node.

use super::{Node, env};
use crate::base::codec::{DecodeError, Reader};
use crate::base::time::Now;
use crate::data::{Entry, Fate, Space};
use crate::member::probe;
use crate::message::Message;
use crate::output::{Output, Via};
use crate::spread::tree;
use crate::wire::packet::{self, Header, message_len, next_message};
use crate::wire::pieces::Fragment;
use crate::wire::version::SAYING;
use crate::wire::{Origin, Versions, kind};
use std::net::SocketAddr;

impl Node {
    /// Takes a packet in: checks the header, then message by message. What is malformed is dropped
    /// and counted; the messages before it stand.
    pub(super) fn receive(
        &mut self,
        (address, via, sealed): (SocketAddr, Via, bool),
        bytes: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) {
        // A frame that came in pieces is taken in as if it had come as a datagram: its sender's
        // address is not proved. What is in pieces within it is not put together.
        for (frame, sealed) in self.take_packet((address, via, sealed), bytes, now, out) {
            self.take_packet((address, Via::Datagram, sealed), &frame, now, out);
        }
    }

    /// Takes one packet in; answers what has become whole with it.
    fn take_packet(
        &mut self,
        (address, via, sealed): (SocketAddr, Via, bool),
        bytes: &[u8],
        now: Now,
        out: &mut Vec<Output>,
    ) -> Vec<(Vec<u8>, bool)> {
        let mut whole = Vec::new();
        let (mut reader, spoken) = (Reader::new(bytes), self.config.speaks);
        let (header, version) = match Header::decode(&mut reader, self.header.tag, spoken) {
            Ok(decoded) => decoded,
            Err(DecodeError::Version(version)) => {
                self.not_understood(address, bytes, version, now);
                return whole;
            }
            Err(DecodeError::Stranger) => {
                self.stats.dropped_strangers += 1;
                return whole;
            }
            Err(_) => {
                self.stats.dropped_malformed += 1;
                return whole;
            }
        };
        if header.sender == self.header.sender {
            self.stats.dropped_own += 1;
            return whole;
        }
        self.watch.heard(header.sender);
        let mut from = Origin::new(header.sender, address, via, sealed);
        if version == SAYING {
            self.on_saying(&from, reader, now);
            return whole;
        }
        self.outbox.dialects_mut().understood(address, version);
        let (mut asked, mut wonders, mut given) = (via == Via::Stream, false, None);
        while !reader.is_empty() {
            let decoded = next_message(&mut reader).and_then(|(kind, body)| {
                if !asked && kind::is_request(kind) {
                    self.outbox.asked(address, bytes.len());
                    asked = true;
                }
                wonders |= matches!(kind, kind::PING | kind::DIGEST | kind::SKETCH);
                let bytes = message_len(body.remaining()) as u64;
                match Message::decode(kind, body)? {
                    Some(Message::Vouched(cookie)) => {
                        from.vouched = Some(cookie);
                        Ok(())
                    }
                    Some(Message::Cookie(cookie)) => {
                        (from.given, given) = (Some(cookie.cookie), Some(cookie));
                        Ok(())
                    }
                    Some(Message::Fragment(fragment)) => {
                        whole.extend(self.on_fragment(&from, &fragment, now));
                        Ok(())
                    }
                    Some(message) => self.on_message(&from, message, bytes, now, out),
                    None => {
                        self.stats.unknown_messages += 1;
                        Ok(())
                    }
                }
            });
            if decoded.is_err() {
                self.stats.dropped_malformed += 1;
                break;
            }
        }
        // Whoever gives a cookie may have said before who it is.
        if let Some(given) = given {
            self.on_cookie(&from, given, now);
        }
        if wonders && !self.watch.has_left() {
            self.watch.overheard(&from, &mut env!(self, now));
        }
        whole
    }

    /// Takes a part of a frame from a member; answers the frame if it is whole.
    fn on_fragment(
        &mut self,
        from: &Origin,
        fragment: &Fragment<'_>,
        now: Now,
    ) -> Option<(Vec<u8>, bool)> {
        let member = self.table.peer(from.peer)?;
        if member.gossip != from.address && !from.sealed {
            return None;
        }
        let pieces = self.outbox.pieces_mut();
        let (frame, sealed) = pieces.take(from.address, fragment, from.sealed, now.mono)?;
        (packet::sender(&frame) == Some(from.peer)).then_some((frame, sealed))
    }

    /// A packet of a version that is not spoken here: its sender is told what is.
    fn not_understood(&mut self, from: SocketAddr, bytes: &[u8], version: u8, now: Now) {
        self.stats.dropped_version += 1;
        let Some(sender) = packet::sender(bytes).filter(|id| *id != self.table.own()) else {
            return;
        };
        if self.outbox.dialects_mut().not_understood(from, sender, version, now.mono) {
            self.outbox.say_versions(from);
        }
    }

    /// A peer did not understand this node, and says what it speaks. If a version is shared, it is
    /// asked in again; all else comes again by itself.
    fn on_saying(&mut self, from: &Origin, mut reader: Reader<'_>, now: Now) {
        let Ok(theirs) = Versions::decode(&mut reader) else {
            return self.stats.dropped_malformed += 1;
        };
        self.stats.versions_told += 1;
        let dialects = self.outbox.dialects_mut();
        let shared = dialects.said(from.address, from.peer, theirs, now.mono);
        if shared && !self.watch.has_left() {
            self.watch.overheard(from, &mut env!(self, now));
        }
    }

    fn on_message(
        &mut self,
        from: &Origin,
        message: Message<'_>,
        bytes: u64,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), DecodeError> {
        // A node that has left listens only to who has heard of it.
        if self.watch.has_left()
            && !matches!(message, Message::TreeAnswer(_) | Message::MailReceipt(_))
        {
            return Ok(());
        }
        // As if it had been lost: it is not answered either, and comes again.
        if self.behind && message.brings_data() {
            self.stats.dropped_behind += 1;
            return Ok(());
        }
        if !self.admits(from, &message, now) {
            return Ok(());
        }
        match message {
            Message::Ping(number) => {
                self.watch.was_pinged_by(from.peer);
                probe::pong(number, self.hours.own_ms(now.mono), from, &mut self.outbox);
                if from.via == Via::Datagram {
                    self.outbox.paths_mut().heard(from.address, now.mono);
                } else if self.is_present(from.peer) {
                    self.outbox.paths_mut().wonder(from.address, now.mono);
                }
            }
            Message::Pong(number, _)
                if self.outbox.paths_mut().answered(number, from.via, now.mono) => {}
            Message::Pong(number, told_ms) => {
                if self.guard.may_tell_time(from) {
                    self.hours.answered(from.peer, number, told_ms, now.mono);
                }
                let took = self.watch.answered(from.peer, number, &mut env!(self, now));
                if let Some(took) = took {
                    if self.guard.may_tell_time(from) {
                        self.hours.took(from.peer, told_ms, took, now.mono);
                    }
                    self.ways.tree.sample(self.table.zone_of(from.peer), took);
                }
            }
            Message::ProbeForMe(request) => {
                self.watch.relay(from.address, request, &mut env!(self, now));
            }
            Message::Probed(report) => self.watch.reported(from.peer, report),
            Message::Join(entry) => self.on_join(from, entry, now, out),
            Message::Tree(rumor) => self.on_tree(from, rumor, now, out)?,
            Message::TreeAnswer(answer) => {
                answer.tokens().for_each(|token| self.ways.tree.answered(from, token, now.mono));
            }
            Message::Rumors(rumors) => {
                let mut knew = Vec::with_capacity(rumors.entries.len());
                for entry in rumors.entries {
                    let entry = self.replica.keep(entry);
                    let fate = self.apply(rumors.space, &entry, from, now, out);
                    knew.push(fate != Fate::New);
                    if fate == Fate::New {
                        self.ways.mongering.add(
                            rumors.space,
                            entry,
                            Some(from.peer),
                            &mut env!(self, now),
                        );
                    }
                }
                self.ways.mongering.answer(rumors.token, &knew, from.address, &mut env!(self, now));
            }
            Message::RumorsAnswer(answer) => {
                self.ways.mongering.answered(&answer, &mut env!(self, now));
            }
            Message::Mail(mail) => {
                self.take_in(mail.space, mail.entries, from, now, out);
                self.ways.mail.confirm(mail.number, from.address, &mut env!(self, now));
            }
            Message::MailReceipt(number) => self.ways.mail.confirmed(from.peer, number, now.mono),
            Message::Repair(message) => {
                self.repair.received(from, &message, bytes, now);
                self.on_repair(from, message, now, out);
            }
            Message::Ring(message) => self.on_ring(from, message, now, out),
            Message::RingRoster(theirs) => self.on_roster(from, theirs, now, out),
            Message::CoverageAsk(ask) => self.on_coverage_ask(from, &ask),
            Message::CoverageAnswer(answer) => self.questions.answered(from.peer, answer, now.mono),
            Message::Freshen => self.open(from, true, now, out),
            // A fragment within what came in fragments is none.
            Message::Padding | Message::Fragment(_) => {}
            // Taken in with their packet.
            Message::Cookie(_) | Message::Vouched(_) => {}
            Message::FragmentsSeen(seen) => {
                self.outbox.pieces_mut().seen(from.address, seen, now.mono);
            }
        }
        Ok(())
    }

    /// Applies entries that need not be passed on; returns how many were new.
    pub(super) fn take_in(
        &mut self,
        space: Space,
        entries: Vec<Entry>,
        from: &Origin,
        now: Now,
        out: &mut Vec<Output>,
    ) -> usize {
        let mut new = 0;
        for entry in entries {
            let entry = self.replica.keep(entry);
            if self.apply(space, &entry, from, now, out) == Fate::New {
                new += 1;
                self.ways.found(space, entry, from.peer, &mut env!(self, now));
            }
        }
        new
    }

    fn on_tree(
        &mut self,
        from: &Origin,
        rumor: tree::Rumor<'_>,
        now: Now,
        out: &mut Vec<Output>,
    ) -> Result<(), DecodeError> {
        let arrived = self.ways.tree.arrive(rumor, from, &mut self.stats)?;
        let Some((mut passage, entries)) = arrived else { return Ok(()) };
        for entry in entries {
            let entry = self.replica.keep(entry);
            let fate = self.apply(passage.space(), &entry, from, now, out);
            passage.judged(entry, fate, now.wall_ms);
        }
        self.ways.tree.pass_on(passage, &mut env!(self, now));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::codec::Write as _;
    use crate::base::id::NodeId;
    use crate::base::time::Instant;
    use crate::config::Config;
    use crate::input::Input;
    use crate::member::Identity;
    use crate::member::record::tests::record;
    use crate::wire::packet::{HEADER, frame_message};
    use std::sync::Arc;

    const PEER: NodeId = NodeId(9);

    fn at(mono_ms: u64) -> Now {
        Now { mono: Instant(mono_ms * 1000), wall_ms: 1_800_000_000_000 + mono_ms }
    }

    /// A node that knows one peer.
    fn node() -> Node {
        let gossip = SocketAddr::from(([10, 0, 0, 1], 1));
        let id = NodeId(1);
        let identity = Identity::new(id, "n", gossip);
        let mut node = Node::new(Config::default(), identity, 1, at(0));
        let peer = record(PEER.0, 1, crate::member::State::Alive).to_entry();
        node.restore(Space::Roster, Arc::new(peer), at(0));
        node
    }

    fn sent(out: &[Output]) -> Vec<(u8, Vec<u8>)> {
        let mut sent = Vec::new();
        for output in out {
            let Output::Send(packet) = output else { continue };
            let mut reader = Reader::new(&packet.bytes[HEADER..]);
            while let Ok((kind, mut body)) = next_message(&mut reader) {
                sent.push((kind, body.take(body.remaining()).unwrap().to_vec()));
            }
        }
        sent
    }

    fn receive(node: &mut Node, sender: NodeId, kind: u8, body: &[u8], now: Now) -> Vec<Output> {
        let mut bytes = Vec::new();
        Header { tag: node.header.tag, sender }.encode(&mut bytes);
        frame_message(kind, &[body], &mut bytes);
        let (from, mut out) = (SocketAddr::from(([10, 0, 0, 9], 9)), Vec::new());
        node.handle(Input::Datagram { from, bytes: &bytes }, now, &mut out);
        node.flush(now, &mut out);
        out
    }

    #[test]
    fn a_goodbye_is_repeated_only_to_who_has_not_answered() {
        for answered in [false, true] {
            let (mut node, mut out) = (node(), Vec::new());
            node.handle(Input::Leave, at(1), &mut out);
            node.flush(at(1), &mut out);
            let goodbyes = sent(&out);
            let (_, goodbye) = goodbyes.iter().find(|(kind, _)| *kind == kind::TREE).unwrap();
            let token = tree::Rumor::decode(kind::TREE, Reader::new(goodbye)).unwrap().token;
            if answered {
                let mut body = Vec::new();
                body.put_varint(token);
                receive(&mut node, PEER, kind::TREE_ANSWER, &body, at(2));
            }
            let later = receive(&mut node, PEER, kind::PING, &[1], at(5000));
            let kinds: Vec<u8> = sent(&later).iter().map(|(kind, _)| *kind).collect();
            assert_eq!(kinds, if answered { vec![] } else { vec![kind::TREE] });
        }
    }

    #[test]
    fn who_is_not_known_is_asked_in_once_per_packet() {
        let mut node = node();
        // It also asks for the time.
        let kinds = |out: &[Output]| -> Vec<u8> {
            let kinds = sent(out).into_iter().map(|(kind, _)| kind);
            kinds.filter(|kind| *kind != kind::PING).collect()
        };
        let known = receive(&mut node, PEER, kind::PING, &[1], at(0));
        assert_eq!(kinds(&known), [kind::PONG]);
        let unknown = receive(&mut node, NodeId(77), kind::PING, &[1], at(0));
        assert_eq!(kinds(&unknown), [kind::COOKIE, kind::PONG, kind::JOIN]);
    }
}
