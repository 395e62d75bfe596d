//! What a node says of passes: how the one that it began goes on, and why it refuses.

use super::Stage;
use crate::base::id::NodeId;
use crate::retain::Lack;

use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;

/// A pass as who began it sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its number.
    pub pass: u64,
    /// When it began, wall milliseconds since 1970.
    pub started_ms: u64,
    /// Members that it visits.
    pub members: usize,
    /// The hop that was reached.
    pub hop: u32,
    /// Hops in all.
    pub hops: u32,
    /// What is happening.
    pub stage: Stage,
    /// Whom the next hop visits, or the last one could not.
    pub at: NodeId,
    /// When that was last heard, wall milliseconds since 1970.
    pub heard_ms: u64,
    #[serde(skip)]
    pub(super) order: Arc<[NodeId]>,
}

impl Run {
    /// True while it goes on.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        matches!(self.stage, Stage::Reached | Stage::Waiting)
    }
}

/// Why no pass can begin.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoPass {
    /// Members are away.
    #[error("members are away: a pass visits every member, so it waits for them")]
    Away(Vec<NodeId>),
    /// This node has seeds and has not found anybody.
    #[error("this node has seeds and has found nobody yet")]
    Alone,
    /// No pass has been made that this node knows of, and not all of its seeds have been found.
    #[error(
        "no pass has been made yet, and the first one needs all members: not all of those to join \
         by have been found, and they may know of more"
    )]
    Seeds {
        /// The addresses at which there is nobody.
        missing: Vec<SocketAddr>,
        /// How many more there are whose names are not found.
        nameless: usize,
    },
    /// Too few of those that must agree are here: half or more of the members of a pass before, as
    /// they were counted then, whoever has left, died or been forgotten since.
    #[error(
        "only {here} of {of} members of the pass of before are here or have given their vote: it \
         takes more than half of them, counted as they were"
    )]
    Minority {
        /// That pass: the last one, or another that may be complete.
        pass: u64,
        /// Who is here, or has given its vote to somebody who is.
        here: usize,
        /// Of how many.
        of: usize,
        /// Who is missing, a few of them.
        missing: Vec<NodeId>,
    },
    /// The first pass takes everybody that anybody knows of.
    #[error(
        "the first pass needs all members that anybody knows of, those that have left included, \
         unless they have given their vote"
    )]
    Founding {
        /// Who is missing, a few of them.
        missing: Vec<NodeId>,
    },
    /// Members that have been down for long may have been set back to an old copy, and do not decide
    /// unless all are here.
    #[error(
        "members were down for longer than the interval of passes: until all of the last pass are \
         here they do not count"
    )]
    Doubt {
        /// Who, a few of them.
        doubted: Vec<NodeId>,
        /// Who is missing, a few of them.
        missing: Vec<NodeId>,
    },
    /// Too many passes may be complete, or too many votes have moved.
    #[error(
        "too much is to be counted: of too many passes nobody here knows whether they were complete"
    )]
    Bounds,
    /// This node was not part of the last pass and is being brought back.
    #[error("this node is being brought back to what the last pass covered; try again soon")]
    Behind,
    /// One is under way.
    #[error("a pass that this node began is under way")]
    UnderWay,
    /// This node has left.
    #[error("this node has left the cluster")]
    Left,
}

impl From<Lack> for NoPass {
    fn from(lack: Lack) -> Self {
        match lack {
            Lack::Minority { pass, here, of, missing } => {
                Self::Minority { pass, here: here as usize, of: of as usize, missing }
            }
            Lack::Doubt { doubted, missing } => Self::Doubt { doubted, missing },
            Lack::Founding { missing } => Self::Founding { missing },
            Lack::Bounds => Self::Bounds,
        }
    }
}

/// Why a member cannot be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotForgotten {
    /// Nobody knows it.
    #[error("no such member")]
    Unknown,
    /// It takes part.
    #[error("the member is there: only one that is dead or has left can be forgotten")]
    Present,
    /// The members that are here are no majority: those away may be a cluster of their own.
    #[error(
        "only {here} of {of} members are here: if the others are on the far side of a partition, \
         forgetting them loses what they have written"
    )]
    Minority {
        /// Present members.
        here: usize,
        /// Members that count.
        of: usize,
    },
}
