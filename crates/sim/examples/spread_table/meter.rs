//! Counts what is sent for the users' data, message by message, apart from what membership costs.

use rumormill_core::base::codec::{DecodeError, Reader};
use rumormill_core::base::hash::Set;
use rumormill_core::data::{Space, block};
use rumormill_core::spread::tree;
use rumormill_core::wire::kind;
use rumormill_core::wire::packet::{HEADER, next_message};
use rumormill_sim::World;
use rumormill_sim::trace::{Kind, Line};
use std::cell::RefCell;
use std::ops::Sub;
use std::rc::Rc;

/// Sums since the meter was attached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Copies of entries sent by the method of spreading, repeated sends included.
    pub copies: u64,
    /// Bytes of messages that carry them, packet headers included.
    pub copy_bytes: u64,
    /// Answers and receipts to them.
    pub answers: u64,
    /// Their bytes.
    pub answer_bytes: u64,
    /// Datagrams and frames that carry copies or answers.
    pub packets: u64,
    /// Entries sent by anti-entropy.
    pub repair_copies: u64,
    /// Bytes of digests.
    pub digest_bytes: u64,
    /// Bytes of all else that anti-entropy says of the users' data.
    pub repair_bytes: u64,
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            copies: self.copies - before.copies,
            copy_bytes: self.copy_bytes - before.copy_bytes,
            answers: self.answers - before.answers,
            answer_bytes: self.answer_bytes - before.answer_bytes,
            packets: self.packets - before.packets,
            repair_copies: self.repair_copies - before.repair_copies,
            digest_bytes: self.digest_bytes - before.digest_bytes,
            repair_bytes: self.repair_bytes - before.repair_bytes,
        }
    }
}

/// A listener to everything that is sent in a world.
#[derive(Clone, Default)]
pub struct Meter(Rc<RefCell<Inner>>);

#[derive(Default)]
struct Inner {
    counts: Counts,
    /// Nodes and the tokens under which they want answers for the users' data.
    asked: Set<(u64, u64)>,
}

impl Meter {
    /// Begins to listen.
    pub fn attach(world: &mut World) -> Self {
        let meter = Self::default();
        let inner = Rc::clone(&meter.0);
        world.on_trace(move |line| {
            if matches!(line.kind, Kind::SendDatagram | Kind::SendFrame) {
                let read = inner.borrow_mut().packet(line);
                assert!(read.is_ok(), "a node sends what cannot be read: {line}");
            }
        });
        meter
    }

    /// The sums so far.
    pub fn counts(&self) -> Counts {
        self.0.borrow().counts
    }
}

impl Inner {
    fn packet(&mut self, line: &Line<'_>) -> Result<(), DecodeError> {
        let mut packet = Reader::new(line.bytes);
        packet.take(HEADER)?;
        // The first message that counts pays for the header.
        let mut header = HEADER as u64;
        let mut carries = false;
        while !packet.is_empty() {
            let before = packet.remaining();
            let (kind, body) = next_message(&mut packet)?;
            let bytes = (before - packet.remaining()) as u64 + header;
            let (node, peer) = (line.node as u64, line.about);
            if self.message(kind, body, bytes, node, peer)? {
                header = 0;
                carries |= (kind::TREE..kind::DIGEST).contains(&kind);
            }
        }
        self.counts.packets += u64::from(carries);
        Ok(())
    }

    /// Answers whether the message counts.
    fn message(
        &mut self,
        kind: u8,
        mut body: Reader<'_>,
        bytes: u64,
        node: u64,
        peer: u64,
    ) -> Result<bool, DecodeError> {
        let data = Space::Data.code();
        let counts = &mut self.counts;
        match kind {
            kind::TREE | kind::RUMORS | kind::MAIL => {
                if body.u8()? != data {
                    return Ok(false);
                }
                let token = body.varint()?;
                if token != 0 {
                    self.asked.insert((node, token));
                }
                if kind == kind::TREE {
                    body.take(16)?;
                }
                counts.copies += block::read(&mut body)?.len() as u64;
                counts.copy_bytes += bytes;
            }
            kind::TREE_ANSWER => {
                let tokens: Vec<u64> = tree::Answer::decode(body)?.tokens().collect();
                let for_data =
                    tokens.iter().filter(|token| self.asked.contains(&(peer, **token))).count();
                if for_data == 0 {
                    return Ok(false);
                }
                counts.answers += for_data as u64;
                counts.answer_bytes += bytes;
            }
            kind::RUMORS_ANSWER | kind::MAIL_RECEIPT => {
                if !self.asked.contains(&(peer, body.varint()?)) {
                    return Ok(false);
                }
                counts.answers += 1;
                counts.answer_bytes += bytes;
            }
            kind::DIGEST => counts.digest_bytes += bytes,
            kind::SPLIT | kind::ITEMS => {
                body.u8()?;
                if body.u8()? != data {
                    return Ok(false);
                }
                counts.repair_bytes += bytes;
            }
            kind::WANT | kind::PULL | kind::ENTRIES | kind::PIECE => {
                if body.u8()? != data {
                    return Ok(false);
                }
                counts.repair_bytes += bytes;
                if kind == kind::ENTRIES {
                    counts.repair_copies += block::read(&mut body)?.len() as u64;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }
}
