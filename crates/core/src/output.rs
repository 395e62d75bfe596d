//! What a node asks of the world.

use crate::base::id::NodeId;
use crate::data::{Entry, Space};
use std::net::SocketAddr;
use std::sync::Arc;

/// One thing to do. They are carried out in order: an entry is persisted before anything that
/// reveals it is sent.
#[derive(Clone, Debug)]
pub enum Output {
    /// An entry is now in the replica: show it to readers and watchers, and persist it before
    /// anything that follows is sent.
    Applied(Applied),
    /// An entry has left the replica: take it off the disk, and show it no more.
    Removed(Removed),
    /// Keep these bytes on disk in place of those before, for [`crate::Node::restore_kept`].
    Keep {
        /// The bytes.
        bytes: Vec<u8>,
        /// True if nothing that follows may be sent before they, and all that was persisted before
        /// them, are safe from a power cut, however lazily the disk is written otherwise.
        wait: bool,
    },
    /// Keep an entry aside, in place of any that is kept aside under its key, for
    /// [`crate::Node::restore_stray`]. It is not part of the data.
    Stray(Arc<Entry>),
    /// An entry is no longer kept aside: take it off the disk, if it is still the one that is.
    StrayGone(Arc<Entry>),
    /// A question about coverage is over: see [`crate::Node::ask_coverage`].
    Covered(Covered),
    /// Send bytes.
    Send(Send),
}

/// What came of a question about coverage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Covered {
    /// The question.
    pub token: u64,
    /// Present members that are known to hold what it was about, this node included.
    pub held: usize,
    /// Present members, this node included.
    pub of: usize,
    /// True if it ended as it was to, false if its time was up.
    pub done: bool,
    /// Present members that are not known to hold it, a few of them.
    pub without: Vec<NodeId>,
}

/// An entry that has just entered the replica.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Which of the two maps.
    pub space: Space,
    /// The entry.
    pub entry: Arc<Entry>,
    /// What it replaced.
    pub previous: Option<Arc<Entry>>,
    /// The peer that it came from; `None` for a write of this node's own.
    pub from: Option<NodeId>,
}

/// Tells that an entry has entered one of the maps.
pub(crate) fn applied(
    space: Space,
    entry: &Arc<Entry>,
    previous: Option<Arc<Entry>>,
    from: Option<NodeId>,
) -> Output {
    Output::Applied(Applied { space, entry: Arc::clone(entry), previous, from })
}

/// An entry that has just left the replica.
#[derive(Clone, Debug)]
pub struct Removed {
    /// The entry.
    pub entry: Arc<Entry>,
    /// True if it was at its end, and everyone had it or it was too old. False if members that are ahead of this
    /// node do not hold it.
    pub collected: bool,
}

/// Bytes for a peer.
#[derive(Clone, Debug)]
pub struct Send {
    /// Gossip address.
    pub to: SocketAddr,
    /// By which transport.
    pub via: Via,
    /// What kind of traffic it is.
    pub class: Class,
    /// The payload of one datagram or frame.
    pub bytes: Vec<u8>,
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Via {
    /// A datagram: may be lost, repeated, reordered.
    Datagram,
    /// A reliable ordered stream, opened when needed.
    Stream,
}

/// A kind of traffic. Each is counted apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Probes, answers, joins, news of members: never held back for the disk.
    Membership,
    /// New entries of the data on their way to everyone.
    Updates,
    /// Anti-entropy.
    Repair,
}

impl Class {
    /// All classes, in the order of their counters.
    pub const ALL: [Self; 3] = [Self::Membership, Self::Updates, Self::Repair];

    /// What news of a map travels as: that of members neither waits behind data nor for the disk.
    #[must_use]
    pub fn of_news(space: Space) -> Self {
        match space {
            Space::Data => Self::Updates,
            Space::Roster => Self::Membership,
        }
    }
}
