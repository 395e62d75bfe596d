//! The members, as a node tells of them.

use rumormill_core::member::{State, Tags};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// A member, as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Its id, 16 hexadecimal digits.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `alive`, `suspect`, `dead`, `left` or `forgotten`.
    pub state: String,
    /// Raised by the member to refute or after a restart.
    pub incarnation: u64,
    /// Where it receives gossip.
    pub gossip: SocketAddr,
    /// Where it serves the Redis protocol.
    pub redis: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: Option<SocketAddr>,
    /// What its operator says of it.
    #[serde(default)]
    pub tags: Tags,
    /// True if it never comes back with old data: passes of ring repair do not wait for it.
    #[serde(default)]
    pub ephemeral: bool,
    /// True for the node that answers.
    pub is_self: bool,
}

impl MemberInfo {
    /// True for a member that takes part: alive or suspect.
    #[must_use]
    pub fn is_present(&self) -> bool {
        matches!(self.state.as_str(), "alive" | "suspect")
    }
}

/// Members by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCounts {
    /// Alive, this node included.
    pub alive: u64,
    /// Suspect.
    pub suspect: u64,
    /// Dead.
    pub dead: u64,
    /// Left.
    #[serde(default)]
    pub left: u64,
    /// Forgotten: away for so long that nobody waits for them any more.
    #[serde(default)]
    pub forgotten: u64,
}

impl MemberCounts {
    pub(crate) fn count(&mut self, state: State) {
        match state {
            State::Alive => self.alive += 1,
            State::Suspect => self.suspect += 1,
            State::Dead => self.dead += 1,
            State::Left => self.left += 1,
            State::Forgotten => self.forgotten += 1,
        }
    }
}

/// A state in one word.
pub(crate) fn state_name(state: State) -> &'static str {
    match state {
        State::Alive => "alive",
        State::Suspect => "suspect",
        State::Dead => "dead",
        State::Left => "left",
        State::Forgotten => "forgotten",
    }
}
