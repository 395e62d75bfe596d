//! Every message of anti-entropy, as the closed sum of what the ways to compare define.

use super::{Entries, audit, checksum, full, sketch};
use crate::base::codec::{DecodeError, Reader};
use crate::wire::kind;

/// A message of anti-entropy.
#[derive(Clone, Debug)]
pub enum Message {
    /// What a replica holds, in short.
    Digest(checksum::Opening),
    /// Digests of the parts of ranges.
    Split(checksum::Split),
    /// The items in a range.
    Items(checksum::Items),
    /// Items that are asked for.
    Want(checksum::Want),
    /// Entries that answer an exchange.
    Entries(Entries),
    /// Send me everything from here on.
    Pull(full::Pull),
    /// A piece of everything.
    Piece(full::Piece),
    /// What a replica holds, for comparison by sketches.
    Sketch(sketch::Headed<sketch::Greeting>),
    /// The first cells of a replica that differs.
    SketchReply(sketch::Headed<sketch::Reply>),
    /// Asks for more cells.
    SketchAsk(sketch::Headed<sketch::Ask>),
    /// More cells.
    SketchBatch(sketch::Headed<sketch::Batch>),
    /// Items that are asked for by their names in sketches.
    Wants(sketch::Wants),
    /// The second account of a replica, in short.
    Check(audit::Check),
    /// Where it differs.
    Checked(audit::Checked),
}

impl Message {
    /// Reads a message; `None` if it is none of anti-entropy.
    ///
    /// # Errors
    /// If the body is not one of its kind.
    pub fn decode(kind: u8, body: Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::DIGEST => Self::Digest(checksum::Opening::decode(body)?),
            kind::SPLIT => Self::Split(checksum::Split::decode(body)?),
            kind::ITEMS => Self::Items(checksum::Items::decode(body)?),
            kind::WANT => Self::Want(checksum::Want::decode(body)?),
            kind::ENTRIES => Self::Entries(Entries::decode(body)?),
            kind::PULL => Self::Pull(full::Pull::decode(body)?),
            kind::PIECE => Self::Piece(full::Piece::decode(body)?),
            kind::SKETCH => Self::Sketch(sketch::Headed::decode(body, sketch::Greeting::decode)?),
            kind::SKETCH_REPLY => {
                Self::SketchReply(sketch::Headed::decode(body, sketch::Reply::decode)?)
            }
            kind::SKETCH_ASK => Self::SketchAsk(sketch::Headed::decode(body, sketch::Ask::decode)?),
            kind::SKETCH_BATCH => {
                Self::SketchBatch(sketch::Headed::decode(body, sketch::Batch::decode)?)
            }
            kind::WANTS => Self::Wants(sketch::Wants::decode(body)?),
            kind::CHECK => Self::Check(audit::Check::decode(body)?),
            kind::CHECKED => Self::Checked(audit::Checked::decode(body)?),
            _ => return Ok(None),
        }))
    }
}
