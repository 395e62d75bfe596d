//! Every message, as the closed sum of what the parts define.

use crate::base::codec::{DecodeError, Reader};
use crate::data::{Digest, Entry, Space, block};
use crate::member::probe;
use crate::reconcile;
use crate::spread::{coverage, mail, ring, rumor, tree};
use crate::wire::proof::Given;
use crate::wire::{kind, pieces};

/// A message as it arrives.
#[derive(Clone, Debug)]
pub enum Message<'a> {
    /// Are you there?
    Ping(u64),
    /// Yes: the number, and the wall clock of who answers, milliseconds since 1970.
    Pong(u64, Option<u64>),
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
    /// What the sender's roster is, at a visit of a pass.
    RingRoster(Digest),
    /// Are these writes held?
    CoverageAsk(coverage::Ask<'a>),
    /// Whether they are.
    CoverageAnswer(coverage::Answer),
    /// Asks for an opening.
    Freshen,
    /// Nothing.
    Padding,
    /// Asks for a proof that the receiver is where it says.
    Cookie(Given),
    /// The proof, for what else is in the packet.
    Vouched(u64),
    /// A part of a frame.
    Fragment(pieces::Fragment<'a>),
    /// Which parts of one have come.
    FragmentsSeen(pieces::Seen),
}

impl<'a> Message<'a> {
    /// Reads a message; `None` if this build does not know its kind.
    ///
    /// # Errors
    /// If the body is not one of its kind.
    pub fn decode(kind: u8, mut body: Reader<'a>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::PING => Self::Ping(body.varint()?),
            kind::PONG => Self::Pong(body.varint()?, body.varint().ok()),
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
            kind::RING_ROSTER => Self::RingRoster(Digest::decode(&mut body)?),
            kind::COVERAGE_ASK => Self::CoverageAsk(coverage::Ask::decode(body)?),
            kind::COVERAGE_ANSWER => Self::CoverageAnswer(coverage::Answer::decode(body)?),
            kind::FRESHEN => Self::Freshen,
            kind::PADDING => Self::Padding,
            kind::COOKIE => Self::Cookie(Given::decode(body)?),
            kind::VOUCHED => Self::Vouched(body.u64()?),
            kind::FRAGMENT => Self::Fragment(pieces::Fragment::decode(body)?),
            kind::FRAGMENTS_SEEN => Self::FragmentsSeen(pieces::Seen::decode(body)?),
            _ => match reconcile::Message::decode(kind, body.clone())? {
                Some(message) => Self::Repair(message),
                None => return Ok(ring::Message::decode(kind, body)?.map(Self::Ring)),
            },
        }))
    }

    /// True if it brings entries of the data.
    #[must_use]
    pub fn brings_data(&self) -> bool {
        let space = match self {
            Self::Tree(rumor) => rumor.space,
            Self::Rumors(rumors) => rumors.space,
            Self::Mail(mail) => mail.space,
            Self::Repair(reconcile::Message::Entries(entries)) => entries.space,
            Self::Repair(reconcile::Message::Piece(piece)) => piece.space,
            Self::Ring(ring::Message::Entries(_)) => Space::Data,
            _ => return false,
        };
        space == Space::Data
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::member::State;
    use crate::member::record::tests::record;
    use proptest::prelude::*;

    /// Kinds whose bodies end with a list that goes on to the end of the message: they grow by what
    /// is in it, and all else that is to be said comes in messages of other kinds.
    const LISTS: [u8; 18] = [
        kind::TREE,
        kind::TREE_ANSWER,
        kind::RUMORS,
        kind::RUMORS_ANSWER,
        kind::MAIL,
        kind::TREE_INSIDE,
        kind::TREE_ACROSS,
        kind::SPLIT,
        kind::ITEMS,
        kind::WANT,
        kind::ENTRIES,
        kind::PIECE,
        kind::SKETCH,
        kind::SKETCH_REPLY,
        kind::SKETCH_BATCH,
        kind::WANTS,
        kind::COVERAGE_ASK,
        kind::FRAGMENT,
    ];

    /// The other kinds, each with a body.
    fn bodies() -> Vec<(u8, Vec<u8>)> {
        let id = [8, 7, 6, 5, 4, 3, 2, 1];
        let cut = [0, 0];
        let digest = [&[1][..], &[9; 16]].concat();
        let pass = [&id[..], &id, &[0], &id, &[1, 0, 0, 5], &id, &[1], &id].concat();
        let horizon = [&id[..], &id, &id, &[0, 1]].concat();
        let step = [&id[..], &[1, 2]].concat();
        let joiner = block::chunks(&[record(7, 1, State::Alive).to_entry()], 1).concat();
        let sums = [&[0, 0, 2][..], &[7; 1024], &[1]].concat();
        vec![
            (kind::PING, vec![5]),
            (kind::PONG, vec![5, 6]),
            (kind::JOIN, joiner),
            (kind::PROBE_FOR_ME, [&[5][..], &id].concat()),
            (kind::PROBED, vec![5, 1]),
            (kind::MAIL_RECEIPT, vec![5]),
            (kind::DIGEST, [&[3][..], &cut, &digest, &digest].concat()),
            (kind::PULL, [&[0, 1][..], &id].concat()),
            (kind::SKETCH_ASK, [&[3, 0, 0, 1, 0, 4, 9, 2][..], &[6; 24]].concat()),
            (kind::CHECK, [&cut[..], &id, &[1]].concat()),
            (kind::CHECKED, vec![0, 0, 0]),
            (kind::CHECKED, vec![0, 0, 1]),
            (kind::CHECKED, sums),
            (kind::RING_LINK, [&pass[..], &[0], &digest, &[0; 9]].concat()),
            (kind::RING_ANSWER, [&id[..], &[1, 0, 0]].concat()),
            (kind::RING_CHECK, [&step[..], &[1, 0], &digest].concat()),
            (kind::RING_DIFFER, [&step[..], &[2, 0, 1]].concat()),
            (kind::RING_ITEMS, [&step[..], &[1, 0, 1], &id].concat()),
            (kind::RING_WANT, [&step[..], &[1], &id].concat()),
            (kind::RING_PROGRESS, [&id[..], &[1, 2, 0, 0]].concat()),
            (kind::VOTE, [&[1, 1][..], &horizon, &cut, &digest, &[0]].concat()),
            (kind::VOTE_TAKEN, vec![1, 0]),
            (kind::RESYNC, id.to_vec()),
            (kind::RING_ROSTER, digest.clone()),
            (kind::COVERAGE_ANSWER, [&id[..], &[1]].concat()),
            (kind::FRESHEN, vec![]),
            (kind::PADDING, vec![0; 9]),
            (kind::COOKIE, [&id[..], &[3], &id].concat()),
            (kind::VOUCHED, id.to_vec()),
            (kind::FRAGMENTS_SEEN, [&[9, 2][..], &id].concat()),
        ]
    }

    fn read(kind: u8, body: &[u8]) -> Option<String> {
        let message = Message::decode(kind, Reader::new(body));
        message.ok()?.map(|message| format!("{message:?}"))
    }

    #[test]
    fn every_kind_either_ends_with_a_list_or_can_be_added_to() {
        let bodies = bodies();
        let known = (0..=u8::MAX).filter(|kind| {
            let nothing = Message::decode(*kind, Reader::new(&[]));
            !matches!(nothing, Ok(None))
        });
        for kind in known {
            let added_to = bodies.iter().any(|(held, _)| *held == kind);
            // Entries that stand behind a flag go on to the end as well.
            let list = LISTS.contains(&kind) || kind == kind::RING_ENTRIES;
            assert!(added_to != list, "kind {kind}");
        }
        for (kind, body) in &bodies {
            assert!(read(*kind, body).is_some(), "kind {kind}");
            let shorter = body.get(..body.len().saturating_sub(2)).unwrap_or_default();
            let cut = read(*kind, shorter).is_none();
            assert!(
                cut || matches!(*kind, kind::FRESHEN | kind::PADDING | kind::SKETCH_ASK),
                "kind {kind}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_a_later_version_adds_to_a_body_is_passed_over(
            more in prop::collection::vec(any::<u8>(), 1..40),
        ) {
            for (kind, body) in bodies() {
                let longer = [&body[..], &more].concat();
                prop_assert_eq!(read(kind, &longer), read(kind, &body), "kind {}", kind);
            }
        }
    }
}
