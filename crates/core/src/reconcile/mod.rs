//! How two replicas find out what differs, and exchange just that.
//!
//! Exchanges keep no state between messages: each message says all that is needed to answer it.
//! So any of them may be lost, repeated or late, a session may stop at any byte, and an item
//! counts as known only once it has been applied. What a method of comparison adds is a file of
//! its own: [`full`] ships everything, [`checksum`] descends into ranges whose checksums differ.

pub mod checksum;
pub mod full;

use crate::base::codec::{DecodeError, Reader};
use crate::config::Limits;
use crate::data::{Entry, Map, Space, block};
use crate::message::kind;
use crate::output::Via;
use crate::packet::{HEADER, Outbox};
use crate::stats::Stats;
use std::net::SocketAddr;
use std::sync::Arc;

/// Which ways entries may move, seen from the sender of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// From the sender to the receiver.
    pub mine: bool,
    /// From the receiver to the sender.
    pub yours: bool,
}

impl Flow {
    /// Seen from the other end.
    #[must_use]
    pub fn flip(self) -> Self {
        Self { mine: self.yours, yours: self.mine }
    }

    fn to_bits(self) -> u8 {
        u8::from(self.mine) | u8::from(self.yours) << 1
    }

    fn from_bits(bits: u8) -> Self {
        Self { mine: bits & 1 != 0, yours: bits & 2 != 0 }
    }
}

/// Entries that answer an exchange.
#[derive(Clone, Debug)]
pub struct Entries {
    /// Which map.
    pub space: Space,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Entries {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`Desk::send_entries`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = space(&mut body)?;
        Ok(Self { space, entries: block::read(&mut body)? })
    }
}

fn space(body: &mut Reader<'_>) -> Result<Space, DecodeError> {
    Space::from_code(body.u8()?).ok_or(DecodeError::Invalid("space"))
}

/// What one end of an exchange works with for the length of one message.
pub struct Desk<'a> {
    /// The replica of the space in question.
    pub map: &'a Map,
    /// Which map that is.
    pub space: Space,
    /// The other end.
    pub to: SocketAddr,
    /// Entries stamped from this wall time up to [`Desk::young_until`] are still on their way by
    /// other means and are not sent.
    pub young_from: u64,
    /// See [`Desk::young_from`].
    pub young_until: u64,
    /// Bytes of entries in a piece.
    pub piece_bytes: usize,
    /// Bounds.
    pub limits: &'a Limits,
    /// Where messages go.
    pub outbox: &'a mut Outbox,
    /// Counters.
    pub stats: &'a mut Stats,
}

impl Desk<'_> {
    fn push(&mut self, kind: u8, body: &[&[u8]]) {
        self.push_via(Via::Datagram, kind, body);
    }

    fn push_via(&mut self, via: Via, kind: u8, body: &[&[u8]]) {
        self.outbox.push_repair(self.to, self.space, via, kind, body);
    }

    /// Bytes of entries that may be sent in answer to a message, about; 0 when the other end has
    /// been sent enough for this turn.
    #[must_use]
    pub fn budget(&self) -> usize {
        let room = self.outbox.repair_room(self.to, self.space, self.piece_bytes);
        room.min(self.piece_bytes)
    }

    fn room(&self) -> usize {
        self.limits.datagram.saturating_sub(HEADER + 32)
    }

    fn is_young(&self, entry: &Entry) -> bool {
        let wall = entry.stamp().wall_ms();
        self.space == Space::Data && (self.young_from..self.young_until).contains(&wall)
    }

    /// Sends entries.
    pub fn send_entries(&mut self, entries: &[Arc<Entry>]) {
        self.stats.repair_entries_sent += entries.len() as u64;
        for block in block::chunks(entries.iter().map(AsRef::as_ref), self.room()) {
            self.push(kind::ENTRIES, &[&[self.space.code()], &block]);
        }
    }
}
