//! Leaving without haste: what this node has written and has voted for is handed over first.

use super::{Node, site};
use crate::base::id::NodeId;
use crate::base::time::Now;
use crate::output::Output;
use crate::spread::ring::Departing;
use serde::Serialize;

/// How far a node is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Departure {
    /// True once all that it had written is known to be held by a majority of the members.
    pub confirmed: bool,
    /// Members known to hold it, this node included, while that is counted.
    pub held_by: usize,
    /// Of how many; more than half are needed.
    pub of: usize,
    /// What became of its vote in passes of ring repair.
    pub vote: Vote,
    /// True once there is nothing left to wait for: [`crate::Input::Leave`], or an end.
    pub done: bool,
}

/// Who speaks for a node that leaves, in passes of ring repair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Vote {
    /// It is not to be given: this is an end and not a leave.
    Kept,
    /// It has not been given yet.
    Open,
    /// This member has it.
    Given(NodeId),
    /// There is nobody who could take it.
    Nobody,
}

impl Node {
    /// Begins to hand over what this node has written, and with `vote` its vote in passes; both go
    /// on by themselves. Nothing is to be written here any more. Ends with [`crate::Input::Leave`],
    /// which does not wait, or with the end of the process.
    pub fn begin_departure(&mut self, vote: bool, now: Now, out: &mut Vec<Output>) {
        self.look_at_clock(now);
        self.rounds.begin_departure(vote, &mut site!(self, now, out));
    }

    /// How far that is; `None` if it has not begun.
    #[must_use]
    pub fn departure(&self) -> Option<Departure> {
        let state = self.rounds.departing(&self.standing, &self.table)?;
        let Departing { confirmed, held_by, of, wants_vote, owes_vote, voted } = state;
        let vote = match voted {
            Some(id) => Vote::Given(id),
            None if owes_vote => Vote::Open,
            None if wants_vote => Vote::Nobody,
            None => Vote::Kept,
        };
        Some(Departure { confirmed, held_by, of, vote, done: confirmed && !owes_vote })
    }
}
