//! Ring repair: a token goes round all members, twice, and each gives its successor what the
//! successor lacks. After 2N - 2 hops every member holds everything that any of them held.
//!
//! This file has the pass itself, [`message`] what is said, and [`walk`] the way through two maps that
//! a hop is made of. When there is a pass, and what follows from it, is the business of the node.

pub mod message;
pub mod walk;

pub use message::{
    Answer, Check, Differ, Load, Page, Progress, Session, Stage, Step, Token, Verdict, Want,
};
pub use walk::{Guest, Walk};

use crate::base::codec::{DecodeError, Reader, Write};
use crate::base::id::NodeId;
use crate::base::time::text;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Members of a pass, at most.
pub const MAX_ORDER: usize = 65_536;
/// The number of the hop of a walk that is not part of a pass, but brings a member back.
pub const SIEVE: u32 = u32::MAX;
/// Settings of ring repair and of what follows from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How often a pass is made; "0s": only when somebody asks for one. One member makes it for
    /// all. Costs each node about 16 bytes per member and pass where nothing differs.
    #[serde(with = "text")]
    pub interval: Duration,
    /// A member that has been dead for so long is forgotten, if a majority is left, so that passes
    /// go on without it; "0s" never.
    #[serde(with = "text")]
    pub reap_after: Duration,
    /// How tombstones and expired entries go. All members must say the same.
    pub tombstones: Tombstones,
    /// How long they are kept where they go by their age. Source: three days, as other systems
    /// keep deletions for days.
    #[serde(with = "text")]
    pub keep_for: Duration,
    /// Members that keep each old one where they are dormant, 1 to 100 (guess: that all of them
    /// are lost at once is rare).
    pub retention: usize,
    /// How much longer those keep it.
    #[serde(with = "text")]
    pub keep_dormant: Duration,
    /// False lets in whatever is below the horizon, which brings back what was deleted: only for
    /// showing that in the simulator.
    pub fence: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60 * 60),
            reap_after: Duration::from_secs(72 * 60 * 60),
            tombstones: Tombstones::Horizon,
            keep_for: Duration::from_secs(3 * 24 * 60 * 60),
            retention: 4,
            keep_dormant: Duration::from_secs(30 * 24 * 60 * 60),
            fence: true,
        }
    }
}

/// How tombstones and expired entries go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tombstones {
    /// When a pass has proved that every member has them.
    #[default]
    Horizon,
    /// Never.
    Keep,
    /// By their age, as in other systems: who was away for longer brings the dead back.
    Timed,
    /// By their age, but for a few members per key that keep them for longer and wake them when
    /// something older turns up (Demers et al. 1987).
    Dormant,
}

impl Tombstones {
    /// True if a pass proves what may go and what cannot be news. Where they go by their age
    /// nothing is fenced.
    #[must_use]
    pub fn is_fenced(self) -> bool {
        matches!(self, Self::Horizon | Self::Keep)
    }
}

/// One pass over all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// A random number.
    pub id: u64,
    /// Stamps up to this time are covered.
    pub horizon: u64,
    /// The pass before, and its horizon: whoever that has not covered is brought back first.
    pub after: Option<(u64, u64)>,
    /// When it began, by the wall clock of who began it.
    pub started_ms: u64,
    /// Who began it, and is told how it goes on.
    pub by: NodeId,
    /// The members in the order of their visits, at least one.
    pub order: Arc<[NodeId]>,
}

impl Pass {
    /// Hops between members: 2N - 2.
    #[must_use]
    pub fn hops(&self) -> u32 {
        (2 * self.order.len() as u32).saturating_sub(2)
    }

    /// Who is visited by a hop. Hop 0 brings the token to the first member; each later one goes
    /// from the receiver of the one before.
    #[must_use]
    pub fn receiver(&self, hop: u32) -> Option<NodeId> {
        let place = hop as usize % self.order.len().max(1);
        self.order.get(place).copied()
    }

    /// True if hop `hop` is the last visit to its receiver: from then on it holds everything.
    #[must_use]
    pub fn is_last_visit(&self, hop: u32) -> bool {
        hop as usize + 1 >= self.order.len()
    }

    /// True if a member is one of them. Looks through all.
    #[must_use]
    pub fn lists(&self, id: NodeId) -> bool {
        self.order.contains(&id)
    }

    /// Appends it.
    pub fn encode(&self, to: &mut Vec<u8>) {
        to.put(&self.id.to_le_bytes());
        to.put(&self.horizon.to_le_bytes());
        let (horizon, pass) = self.after.unwrap_or_default();
        to.put(&horizon.to_le_bytes());
        to.put(&pass.to_le_bytes());
        to.put_varint(self.started_ms);
        to.put(&self.by.0.to_le_bytes());
        to.put_varint(self.order.len() as u64);
        self.order.iter().for_each(|id| to.put(&id.0.to_le_bytes()));
    }

    /// Reads what [`Pass::encode`] wrote.
    ///
    /// # Errors
    /// If the input is truncated, or lists nobody or more than [`MAX_ORDER`].
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let (id, horizon) = (from.u64()?, from.u64()?);
        let after = Some((from.u64()?, from.u64()?)).filter(|(horizon, _)| *horizon > 0);
        let (started_ms, by) = (from.varint()?, NodeId(from.u64()?));
        let count = from.bounded("members of a pass", MAX_ORDER)?;
        let order = (0..count).map(|_| from.u64().map(NodeId)).collect::<Result<Arc<[_]>, _>>()?;
        if order.is_empty() {
            return Err(DecodeError::Invalid("pass of nobody"));
        }
        Ok(Self { id, horizon, after, started_ms, by, order })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::Digest;

    pub(crate) fn pass(horizon: u64) -> Pass {
        let order = [NodeId(1), NodeId(2), NodeId(3)].into();
        Pass { id: 77, horizon, after: Some((3, 4)), started_ms: 5, by: NodeId(2), order }
    }

    pub(crate) fn token(hop: u32, horizon: u64) -> Token {
        Token { pass: pass(horizon), hop, digest: Digest::default(), former: Arc::new([]) }
    }

    /// As the note on gossip has it: A to B, B to C, C to A, A to B.
    #[test]
    fn the_way_of_the_token() {
        let pass = pass(0);
        let way: Vec<u64> = (0..=pass.hops()).map(|hop| pass.receiver(hop).unwrap().0).collect();
        assert_eq!(way, [1, 2, 3, 1, 2]);
        let last: Vec<bool> = (0..=pass.hops()).map(|hop| pass.is_last_visit(hop)).collect();
        assert_eq!(last, [false, false, true, true, true]);
        let alone = Pass { order: [NodeId(9)].into(), ..pass };
        assert_eq!((alone.hops(), alone.is_last_visit(0)), (0, true));
    }
}
