//! One node among strangers: packets with a sound header and anything behind it.

use super::{Choices, Disk, check_size, entries_in};
use crate::base::codec::Reader;
use crate::base::hash::Keyed;
use crate::base::id::NodeId;
use crate::base::time::{Instant, Now};
use crate::config::Config;
use crate::data::{Entry, Expiry, Op, Space, Stamp};
use crate::input::Input;
use crate::member::Identity;
use crate::member::{Record, State};
use crate::message::Message;
use crate::node::Node;
use crate::output::{Output, Via};
use crate::spread::Method;
use crate::spread::entropy::Compare;
use crate::wire::Versions;
use crate::wire::packet::{HEADER, Header, next_message};
use crate::wire::version::SAYING;
use std::net::SocketAddr;
use std::sync::Arc;

const WALL_MS: u64 = 1_800_000_000_000;
/// Who is known at the start.
const MEMBERS: u64 = 4;
/// Bytes that one datagram can make a node send in all: what a repair answers to a datagram, one
/// entry of this replica over that, and a rumor to every part of its range.
const MOST: usize = 256 * 1024;

/// A node takes packets one by one, a turn each. It stays sound, holds only what it was told in
/// entries that can be read, and one datagram makes it send a bounded number of bytes.
pub fn node(data: &[u8]) {
    let mut choices = Choices(data);
    let Some(kind) = choices.byte() else { return };
    let mut lab = Lab::new(kind);
    while let Some(kind) = choices.byte() {
        let len = choices.number() as usize % 1500;
        let body = choices.bytes(len);
        lab.packet(kind, body);
    }
    lab.disk.compare(&lab.node);
}

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], port))
}

struct Lab {
    node: Node,
    disk: Disk,
    now: Now,
    out: Vec<Output>,
}

impl Lab {
    /// A node with data of its own, some of it old and large, and members that it knows.
    fn new(kind: u8) -> Self {
        let mut config = Config { cluster: "fuzz".into(), ..Config::default() };
        config.spread.method = match kind % 4 {
            0 | 1 => Method::Tree,
            2 => Method::Rumor,
            _ => Method::DirectMail,
        };
        config.repair.compare = match (kind & 8, kind & 4) {
            (0, 0) => Compare::Checksum,
            (0, _) => Compare::Sketch,
            _ => Compare::Full,
        };
        if kind & 16 != 0 {
            config.speaks = Versions::new(1, 2).unwrap_or_default();
        }
        let identity = Identity::new(NodeId(1 << 62), "fuzzed", address(1));
        let now = Now { mono: Instant(0), wall_ms: WALL_MS };
        let mut node = Node::new(config, identity, u64::from(kind), now);
        let mut disk = Disk::default();
        for number in 0_u64..120 {
            let value = vec![7; if number % 10 == 0 { 10_000 } else { 500 }];
            let stamp = Stamp { time: (WALL_MS - 60_000 + number) << 16, node: NodeId(9) };
            let entry = Arc::new(Entry::new(&number.to_be_bytes(), &value, stamp, None));
            disk.0.insert((Space::Data, entry.key().to_vec()), Arc::clone(&entry));
            node.restore(Space::Data, entry, now);
        }
        for id in 1..=MEMBERS {
            let state = if id == MEMBERS { State::Dead } else { State::Alive };
            let gossip = SocketAddr::from(([10, 0, 0, 2], id as u16));
            let record = Record::new(NodeId(id << 60), 1, state, format!("n{id}"), gossip);
            let entry = Arc::new(record.to_entry());
            disk.0.insert((Space::Roster, entry.key().to_vec()), Arc::clone(&entry));
            node.restore(Space::Roster, entry, now);
        }
        let mut lab = Self { node, disk, now, out: Vec::new() };
        let op =
            Op::Put { key: b"own"[..].into(), value: b"new"[..].into(), expiry: Expiry::Never };
        assert!(lab.node.write(op, now, &mut lab.out).is_ok());
        lab.node.flush(now, &mut lab.out);
        lab.take_out();
        lab
    }

    fn packet(&mut self, kind: u8, body: &[u8]) {
        self.now.mono.0 += u64::from(kind) * 100;
        self.now.wall_ms += u64::from(kind) / 10;
        // What is due anyway is not the packet's doing.
        self.node.handle(Input::Tick, self.now, &mut self.out);
        self.node.flush(self.now, &mut self.out);
        self.take_out();

        let tag = Keyed::for_cluster("fuzz").tag();
        let sender = NodeId(u64::from(kind % 8) << 60);
        let mut bytes = Vec::with_capacity(HEADER + body.len());
        // Mostly of the first version; some say what their sender speaks, some nobody speaks.
        let version = match kind >> 4 & 7 {
            5 => SAYING,
            6 => 2,
            7 => 3,
            _ => 1,
        };
        bytes.extend_from_slice(&Header { tag, sender }.to_bytes(version));
        bytes.extend_from_slice(body);
        let offered = offered(body);
        let stream = kind & 128 != 0;
        let from = address(2);
        let input = match stream {
            true => Input::Frame { from, bytes: &bytes },
            false => Input::Datagram { from, bytes: &bytes },
        };
        let joined = self.node.members().any(|member| member.gossip().ip() == from.ip());
        self.node.handle(input, self.now, &mut self.out);
        self.node.flush(self.now, &mut self.out);
        for output in &self.out {
            let Output::Applied(applied) = output else { continue };
            // Of itself a node says what it likes.
            let own = self.node.identity().id.0.to_be_bytes();
            let is_own = applied.space == Space::Roster && applied.entry.key() == own;
            let known = offered
                .iter()
                .any(|(space, entry)| *space == applied.space && *entry == *applied.entry);
            assert!(is_own || known, "{:?} is from nowhere", applied.entry);
        }
        let (mut back, mut all) = (0, 0);
        for output in &self.out {
            let Output::Send(packet) = output else { continue };
            check_size(&self.node, packet);
            all += packet.bytes.len();
            if packet.to == from && packet.via == Via::Datagram {
                back += packet.bytes.len();
            }
        }
        if !stream {
            assert!(all <= MOST, "{} bytes make the node send {all}", bytes.len());
        }
        if !stream && !joined {
            let bound = 4 * bytes.len() + 200;
            assert!(back <= bound, "a stranger's {} bytes are answered with {back}", bytes.len());
        }
        self.take_out();
        assert!(self.node.members().count() <= 20_000);
    }

    fn take_out(&mut self) {
        for output in self.out.drain(..) {
            if let Output::Applied(applied) = output {
                self.disk.persist(&applied);
            }
        }
    }
}

/// The entries that can be read in a packet.
fn offered(body: &[u8]) -> Vec<(Space, Entry)> {
    let mut reader = Reader::new(body);
    let mut offered = Vec::new();
    while let Ok((kind, body)) = next_message(&mut reader) {
        if let Ok(Some(message)) = Message::decode(kind, body) {
            offered.extend(entries_in(&message));
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::block;
    use crate::wire::kind;
    use crate::wire::packet::frame_message;
    use proptest::prelude::*;

    fn entries() -> impl Strategy<Value = Vec<u8>> {
        let stamp = (WALL_MS - 1000..WALL_MS + 70_000, 0_u64..6);
        let one = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..60), stamp, any::<bool>());
        prop::collection::vec(one, 0..8).prop_map(|all| {
            let entries: Vec<_> = all
                .into_iter()
                .map(|(key, value, (ms, node), gone)| {
                    let stamp = Stamp { time: ms << 16, node: NodeId(node) };
                    match gone {
                        true => Entry::tombstone(&u64::from(key).to_be_bytes(), stamp),
                        false => Entry::new(&u64::from(key).to_be_bytes(), &value, stamp, None),
                    }
                })
                .collect();
            block::chunks(&entries, 1 << 20).concat()
        })
    }

    fn member() -> impl Strategy<Value = Vec<u8>> {
        (0_u64..8, any::<u64>(), 0_u8..4, 1_u16..9).prop_map(|(id, incarnation, state, port)| {
            let state = match state {
                0 => State::Alive,
                1 => State::Suspect,
                2 => State::Dead,
                _ => State::Left,
            };
            let id = NodeId(id << 60);
            let gossip = address(port);
            let record = Record::new(id, incarnation, state, "", gossip);
            block::chunks(&[record.to_entry()], 1 << 20).concat()
        })
    }

    /// A body that is nearly one of its kind.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let noise = || prop::collection::vec(any::<u8>(), 0..60);
        let small = || prop::collection::vec(0_u8..4, 0..200);
        let head = prop_oneof![
            Just(vec![0]),
            Just(vec![0, 0]),
            Just(vec![0, 1]),
            Just(vec![1, 0]),
            Just(vec![3, 0, 0]),
            Just([&[0, 0][..], &[0; 16]].concat()),
            Just([&[0, 9][..], &[0; 8], &[255; 8]].concat()),
            Just([&[0, 1][..], &[0; 8]].concat()),
            // Sketches: no cut, any sum; a version, few cells and many.
            Just([&[3, 0, 0][..], &[1; 13], &[1; 21]].concat()),
            Just([&[3, 0, 0][..], &[1; 22]].concat()),
            Just(vec![3, 0, 0, 120, 0, 0, 100]),
            Just(vec![3, 0, 0, 120, 0, 0, 0x80, 0x80, 16]),
            Just(vec![3, 0, 0, 120, 0, 33]),
        ];
        let body = prop_oneof![
            noise(),
            small(),
            member(),
            member().prop_map(|member| [&[1][..], &member].concat()),
            (head, prop_oneof![entries(), noise(), small()])
                .prop_map(|(head, tail)| [head, tail].concat()),
        ];
        (1_u8..30, body).prop_map(|(kind, body)| {
            let mut bytes = Vec::new();
            frame_message(kind, &[&body], &mut bytes);
            bytes
        })
    }

    fn script(packets: Vec<(u8, Vec<u8>)>, kind: u8) -> Vec<u8> {
        let mut data = vec![kind];
        for (kind, body) in packets {
            data.push(kind);
            data.extend((body.len() as u16).to_be_bytes());
            data.extend(body);
        }
        data
    }

    proptest! {
        #[test]
        fn nearly_sound_packets(
            kind in 0_u8..16,
            packets in prop::collection::vec(
                (any::<u8>(), prop::collection::vec(message(), 1..4).prop_map(|all| all.concat())),
                1..12,
            ),
        ) {
            node(&script(packets, kind));
        }

        #[test]
        fn one_message_many_times(kind in 0_u8..16, sender in 0_u8..128, message in message()) {
            let times = 1400 / message.len();
            node(&script(vec![(sender, message.repeat(times))], kind));
        }
    }

    /// Bytes that one datagram of 1,400 bytes with a message over and over makes a node send.
    fn amplified(kind: u8, body: &[u8]) {
        let mut message = Vec::new();
        frame_message(kind, &[body], &mut message);
        for kind in [0, 4] {
            node(&script(vec![(0, message.repeat(1400 / message.len()))], kind));
            node(&script(vec![(0, message.clone())], kind));
        }
    }

    #[test]
    fn no_request_makes_a_node_send_much_more_than_it_says() {
        let nothing = [0; 17];
        amplified(kind::PULL, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        amplified(kind::PIECE, &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
        amplified(kind::SPLIT, &[&[3, 0, 0][..], &[0; 16]].concat());
        amplified(kind::SPLIT, &[&[3, 0][..], &[0; 17].repeat(80)].concat());
        amplified(kind::ITEMS, &[3, 0, 0]);
        amplified(kind::ITEMS, &[3, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        amplified(kind::WANT, &[0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
        amplified(kind::DIGEST, &[&[3, 0, 0][..], &nothing, &nothing].concat());
        amplified(kind::DIGEST, &[&[3, 0, 130, 3][..], &nothing, &nothing].concat());
        // 121 entries and so many changes; then many cells, few cells and no such state.
        amplified(kind::SKETCH, &[&[3, 0, 0][..], &[1; 13], &[121], &[1; 20]].concat());
        amplified(kind::SKETCH, &[&[3, 0, 0][..], &[1; 13], &[121], &[1; 20 + 9 * 5]].concat());
        amplified(kind::SKETCH_REPLY, &[&[3, 0, 0][..], &[1; 22]].concat());
        amplified(kind::SKETCH_ASK, &[3, 0, 0, 121, 0, 0, 0x80, 0x80, 16]);
        amplified(kind::SKETCH_ASK, &[&[3, 0, 0, 121, 0, 0, 0][..], &[0; 25]].concat());
        amplified(kind::SKETCH_ASK, &[3, 0, 0, 9, 9, 0, 100]);
        amplified(kind::WANTS, &[&[0][..], &[1; 80]].concat());
        amplified(kind::CHECK, &[&[0, 0][..], &[1; 8]].concat());
        amplified(kind::CHECKED, &[&[0, 0, 2][..], &[1; 1024]].concat());
        amplified(kind::PING, &[1]);
        amplified(kind::PONG, &[1]);
    }
}
