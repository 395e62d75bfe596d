//! Every message, as the closed sum of what the parts define.

use crate::base::codec::{DecodeError, Reader};
use crate::data::{Entry, Space, block};
use crate::member::probe;
use crate::reconcile::{Flow, audit, checksum, full, sketch};
use crate::spread::entropy::Compare;
use crate::spread::{coverage, mail, ring, rumor, tree};
use crate::wire::kind;

/// A message as it arrives.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Are you there?
    Ping(u64),
    /// Yes.
    Pong(u64),
    /// Let me in.
    Join(Entry),
    /// Probe a member for the sender.
    ProbeForMe(probe::Request),
    /// What came of such a probe.
    Probed(probe::Report),
    /// A tree rumor.
    Tree(tree::Rumor<'a>),
    /// A delegate answers.
    TreeAnswer(tree::Answer<'a>),
    /// Hot rumors.
    Rumors(rumor::Rumors),
    /// What was known of hot rumors.
    RumorsAnswer(rumor::Answer),
    /// Direct mail.
    Mail(mail::Mail),
    /// A mail has arrived.
    MailReceipt(u64),
    /// What a replica holds, in short.
    Digest(checksum::Opening),
    /// Digests of the parts of ranges.
    Split(checksum::Split),
    /// The items in a range.
    Items(checksum::Items),
    /// Items that are asked for.
    Want(checksum::Want),
    /// Entries that answer an exchange.
    Entries(crate::reconcile::Entries),
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
    /// A message of ring repair.
    Ring(ring::Message),
    /// Are these writes held?
    CoverageAsk(coverage::Ask<'a>),
    /// Whether they are.
    CoverageAnswer(coverage::Answer),
    /// Asks for an opening.
    Freshen,
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if this build does not know its kind.
    ///
    /// # Errors
    /// If the body is not one of its kind.
    pub fn decode(kind: u8, mut body: Reader<'a>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::PING => Self::Ping(body.varint()?),
            kind::PONG => Self::Pong(body.varint()?),
            kind::JOIN => Self::Join(block::Context::default().decode(&mut body)?),
            kind::PROBE_FOR_ME => Self::ProbeForMe(probe::Request::decode(body)?),
            kind::PROBED => Self::Probed(probe::Report::decode(body)?),
            kind::TREE | kind::TREE_INSIDE | kind::TREE_ACROSS => {
                Self::Tree(tree::Rumor::decode(kind, body)?)
            }
            kind::TREE_ANSWER => Self::TreeAnswer(tree::Answer::decode(body)?),
            kind::RUMORS => Self::Rumors(rumor::Rumors::decode(body)?),
            kind::RUMORS_ANSWER => Self::RumorsAnswer(rumor::Answer::decode(body)?),
            kind::MAIL => Self::Mail(mail::Mail::decode(body)?),
            kind::MAIL_RECEIPT => Self::MailReceipt(body.varint()?),
            kind::DIGEST => Self::Digest(checksum::Opening::decode(body)?),
            kind::SPLIT => Self::Split(checksum::Split::decode(body)?),
            kind::ITEMS => Self::Items(checksum::Items::decode(body)?),
            kind::WANT => Self::Want(checksum::Want::decode(body)?),
            kind::ENTRIES => Self::Entries(crate::reconcile::Entries::decode(body)?),
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
            kind::COVERAGE_ASK => Self::CoverageAsk(coverage::Ask::decode(body)?),
            kind::COVERAGE_ANSWER => Self::CoverageAnswer(coverage::Answer::decode(body)?),
            kind::FRESHEN => Self::Freshen,
            _ => return Ok(ring::Message::decode(kind, body)?.map(Self::Ring)),
        }))
    }

    /// The exchange of anti-entropy that it begins, if it begins one: how differences are found, and
    /// which way entries move.
    #[must_use]
    pub fn opens(&self) -> Option<(Compare, Flow)> {
        match self {
            Self::Digest(opening) if !opening.answer => Some((Compare::Checksum, opening.flow)),
            Self::Sketch(greeting) => Some((Compare::Sketch, greeting.head.flow)),
            Self::Pull(full::Pull { from: 0, back, pushed: false, space: Space::Data }) => {
                Some((Compare::Full, Flow { mine: *back, yours: true }))
            }
            Self::Piece(full::Piece { from: 0, pushed: true, space: Space::Data, .. }) => {
                Some((Compare::Full, Flow { mine: true, yours: false }))
            }
            _ => None,
        }
    }
}
