//! What handles, and whoever else is outside, ask of the loop.

use crate::error::WriteError;
use crate::report::{
    ForgetError, Handover, KeyStory, MemberEvents, RepairError, RepairStory, RingStatus, Strays,
};
use crate::seal::{Action, Keyring, KeyringError};
use crate::tags::{TagChange, TagsError};
use rumormill_core::NodeId;
use rumormill_core::data::{Entry, Op, Outcome, Refused, Stamp};
use rumormill_core::member::Tags;
use rumormill_core::output::Covered;
use rumormill_core::spread::coverage::{About, Unasked, Want};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

pub(crate) type WriteReply = oneshot::Sender<Result<Vec<Result<Outcome, Refused>>, WriteError>>;

pub(crate) type RepairReply = oneshot::Sender<RepairStory>;

/// One request.
pub(crate) enum Command {
    Write {
        ops: Vec<Op>,
        reply: WriteReply,
    },
    Scan {
        cursor: u64,
        count: usize,
        reply: oneshot::Sender<(u64, Vec<Arc<Entry>>)>,
    },
    /// A live entry at random, from these random bits.
    Draw {
        seed: u64,
        reply: oneshot::Sender<Option<Arc<Entry>>>,
    },
    Join {
        seeds: Vec<SocketAddr>,
    },
    /// Where the names to join by are found now.
    Seeds {
        seeds: Vec<SocketAddr>,
        /// Names that are found nowhere.
        lost: usize,
    },
    Keyring {
        action: Action,
        reply: oneshot::Sender<Result<Keyring, KeyringError>>,
    },
    Tags {
        change: TagChange,
        reply: oneshot::Sender<Result<Tags, TagsError>>,
    },
    Repair {
        about: Option<Vec<NodeId>>,
        calm: bool,
        limit: usize,
        reply: RepairReply,
    },
    RepairRing {
        /// Nobody is missing from the first pass, says an operator.
        waive: bool,
        reply: oneshot::Sender<Result<RingStatus, RepairError>>,
    },
    Forget {
        who: String,
        force: bool,
        reply: oneshot::Sender<Result<Vec<NodeId>, ForgetError>>,
    },
    MemberEvents {
        about: Option<Vec<NodeId>>,
        limit: usize,
        reply: oneshot::Sender<MemberEvents>,
    },
    Coverage(Ask),
    Strays {
        from: u64,
        limit: usize,
        reply: oneshot::Sender<Strays>,
    },
    SettleStrays {
        act: StraysAct,
        keys: Vec<Box<[u8]>>,
        reply: WriteReply,
    },
    KeyStories {
        key: Box<[u8]>,
        reply: oneshot::Sender<Vec<KeyStory>>,
    },
    Depart(Farewell),
    /// A node that is leaving is to stop instead, at once.
    GiveUpLeaving,
}

/// What becomes of what is kept aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StraysAct {
    /// It becomes a new write.
    Restore,
    /// It goes.
    Drop,
}

/// How a node is to end.
pub(crate) struct Farewell {
    /// True if it is to leave the cluster, false if it only stops.
    pub(crate) leave: bool,
    /// How long it may take to hand over what it has; `None` if it is not to.
    pub(crate) wait: Option<Duration>,
    /// Who asks for it, for the log.
    pub(crate) by: String,
    pub(crate) done: Option<oneshot::Sender<Handover>>,
}

/// What handles ask the loop about what other members say.
pub(crate) enum Ask {
    Coverage { about: About, want: Want, limit: Option<Duration>, reply: CoverageReply },
    Stamp { key: Box<[u8]>, reply: oneshot::Sender<Option<(Stamp, bool)>> },
    Fresh { bound: Duration, reply: oneshot::Sender<Option<Duration>> },
}

pub(crate) type CoverageReply = oneshot::Sender<Result<Covered, Unasked>>;
