//! Comparison by shipping everything, and the bulk transfer to a node that has next to nothing.
//!
//! Everything goes in pieces in the order of key hashes: a piece covers the hashes from its start
//! to its end, and the receiver asks for the next one when it has applied it. So both ends need
//! memory for one piece, the receiver sets the pace, and a transfer goes on where it stopped, with
//! another peer if need be. A replica that fits one piece is pushed in one message, pulled in two
//! and exchanged both ways in three.

use super::{Desk, space};
use crate::base::codec::{DecodeError, Reader, Write};
use crate::data::{Entry, Space, block};
use crate::message::kind;
use crate::output::Via;
use std::ops::ControlFlow;
use std::sync::Arc;

/// Asks for everything from a hash on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Which map.
    pub space: Space,
    /// True if the sender will answer each piece with what the piece lacks.
    pub back: bool,
    /// True if this goes on with what the other end began by pushing.
    pub pushed: bool,
    /// First key hash.
    pub from: u64,
}

impl Pull {
    /// The body of the message.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut body = vec![self.space.code(), u8::from(self.back) | u8::from(self.pushed) << 1];
        body.put(&self.from.to_le_bytes());
        body
    }

    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is truncated or names no space.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let (space, bits) = (space(&mut body)?, body.u8()?);
        Ok(Self { space, back: bits & 1 != 0, pushed: bits & 2 != 0, from: body.u64()? })
    }
}

/// All entries whose key hashes lie in `from..next` (to the end without `next`).
#[derive(Clone, Debug)]
pub struct Piece {
    /// Which map.
    pub space: Space,
    /// True if the receiver is to answer with what the piece lacks.
    pub back: bool,
    /// True if nobody asked: the receiver pulls the next piece.
    pub pushed: bool,
    /// First key hash.
    pub from: u64,
    /// First key hash of the next piece; `None` if this is the last.
    pub next: Option<u64>,
    /// The entries.
    pub entries: Vec<Entry>,
}

impl Piece {
    /// Reads the body of a message.
    ///
    /// # Errors
    /// If it is none that [`send`] writes.
    pub fn decode(mut body: Reader<'_>) -> Result<Self, DecodeError> {
        let space = space(&mut body)?;
        let bits = body.u8()?;
        let from = body.u64()?;
        let next = match bits & 4 {
            0 => None,
            _ => Some(body.u64()?),
        };
        if next.is_some_and(|next| next <= from) {
            return Err(DecodeError::Invalid("piece"));
        }
        let entries = block::read(&mut body)?;
        Ok(Self { space, back: bits & 1 != 0, pushed: bits & 2 != 0, from, next, entries })
    }
}

/// Asks for everything from a hash on. Whoever asks by stream gets a larger piece, since that
/// proves its address, and notices when it asks in vain.
pub fn pull(desk: &mut Desk<'_>, back: bool, pushed: bool, from: u64, via: Via) {
    let pull = Pull { space: desk.space, back, pushed, from };
    desk.push_via(via, kind::PULL, &[&pull.encode()]);
}

/// Sends the piece that begins at a hash.
pub fn send(desk: &mut Desk<'_>, back: bool, pushed: bool, from: u64) {
    let (entries, next) = desk.map.page(from, desk.budget(), block::MAX_ENTRIES);
    desk.stats.repair_entries_sent += entries.len() as u64;
    let bits = u8::from(back) | u8::from(pushed) << 1 | u8::from(next.is_some()) << 2;
    let mut body = vec![desk.space.code(), bits];
    body.put(&from.to_le_bytes());
    if let Some(next) = next {
        body.put(&next.to_le_bytes());
    }
    let mut context = block::Context::default();
    for entry in &entries {
        context.encode(entry, &mut body);
    }
    // Pieces of one transfer stay in order.
    let via = if next.is_some() || from > 0 { Via::Stream } else { Via::Datagram };
    desk.push_via(via, kind::PIECE, &[&body]);
}

/// Sends what a piece lacks of this replica, up to a piece: entries in its span that it does not
/// hold, or holds an older version of. Called when the piece has been applied.
pub fn send_missing(desk: &mut Desk<'_>, piece: &Piece) {
    let held: std::collections::BTreeMap<&[u8], _> =
        piece.entries.iter().map(|entry| (entry.key(), entry.stamp())).collect();
    let mut entries = Vec::new();
    let mut left = desk.budget();
    desk.map.walk_from(piece.from, &mut |hash, entry| {
        if left == 0 || piece.next.is_some_and(|next| hash >= next) {
            return ControlFlow::Break(());
        }
        if held.get(entry.key()).is_none_or(|stamp| *stamp < entry.stamp()) {
            left = left.saturating_sub(entry.size() + 24);
            entries.push(Arc::clone(entry));
        }
        ControlFlow::Continue(())
    });
    desk.send_entries(&entries);
}
