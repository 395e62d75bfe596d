//! Every message, as the closed sum of what the parts define.

use crate::base::codec::{DecodeError, Reader};
use crate::data::{Entry, block};
use crate::member::probe;
use crate::reconcile;
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
    /// A message of anti-entropy.
    Repair(reconcile::Message),
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
            kind::COVERAGE_ASK => Self::CoverageAsk(coverage::Ask::decode(body)?),
            kind::COVERAGE_ANSWER => Self::CoverageAnswer(coverage::Answer::decode(body)?),
            kind::FRESHEN => Self::Freshen,
            _ => match reconcile::Message::decode(kind, body.clone())? {
                Some(message) => Self::Repair(message),
                None => return Ok(ring::Message::decode(kind, body)?.map(Self::Ring)),
            },
        }))
    }
}
