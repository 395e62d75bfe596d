//! Ring repair: a token goes round all members, twice, and each gives its successor what the
//! successor lacks. After 2N - 2 hops every member holds everything that any of them held.
//!
//! [`rounds`] has the machine: which walks are under way, and when something of them is due. When a
//! pass is made is in `begin.rs`, how its token goes on in `token.rs`, what a hop says in `hop.rs`, and
//! how a member is brought back in `back.rs`; [`message`] is what is said, and [`walk`] the way through
//! two maps. What follows from a pass is kept by [`crate::retain::Standing`].

mod back;
mod begin;
mod hop;
mod leaving;
pub mod message;
pub mod report;
pub mod roster;
pub mod rounds;
mod token;
pub mod walk;

pub use crate::retain::{MAX_ORDER, Pass, Tombstones};
pub use begin::{may_forget, members_away};
pub use leaving::Departing;
pub use message::{
    Answer, Check, Differ, Load, Message, Page, Progress, Session, Stage, Step, Taken, Token,
    Verdict, Vote, VoteTaken, Want,
};
pub use report::{NoPass, NotForgotten, Run};
pub use rounds::{Deed, Delivery, Rounds, Site};
pub use walk::{Guest, Walk};

use crate::base::time::text;
use crate::retain::{Policy, StrayLimits};
use serde::{Deserialize, Serialize};
use std::time::Duration;

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
    /// A member that never comes back with old data (it has no folder, or says so), or that no pass
    /// has covered yet, is forgotten when it has been dead for so long; "0s" never. Passes wait for
    /// neither. Source: several suspicions, so that who stood still for a moment is not forgotten.
    #[serde(with = "text")]
    pub reap_ephemeral: Duration,
    /// Makes the first pass of a new cluster half a second after its start, and the next one within a
    /// minute when others are there than the last one lists: for fleets that come and go. The first
    /// takes everybody that anybody knows of, and the sooner it is the fewer have come and gone.
    pub eager: bool,
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
    /// Entries that a node keeps aside at most, since nothing proves what is right (guess: what one
    /// node writes in an outage).
    pub max_strays: u64,
    /// Bytes of their keys and values, at most.
    pub max_strays_bytes: u64,
    /// False lets in whatever is below the horizon, which brings back what was deleted: only for
    /// showing that in the simulator.
    pub fence: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60 * 60),
            reap_after: Duration::from_secs(72 * 60 * 60),
            reap_ephemeral: Duration::from_secs(60),
            eager: false,
            tombstones: Tombstones::Horizon,
            keep_for: Duration::from_secs(3 * 24 * 60 * 60),
            retention: 4,
            keep_dormant: Duration::from_secs(30 * 24 * 60 * 60),
            max_strays: 100_000,
            max_strays_bytes: 64 << 20,
            fence: true,
        }
    }
}

impl Config {
    /// What of it says how much is kept aside.
    #[must_use]
    pub fn stray_limits(&self) -> StrayLimits {
        StrayLimits { entries: self.max_strays, bytes: self.max_strays_bytes }
    }

    /// A member that has been there for so long is listed by passes. Guess: who comes and goes again
    /// within it would only keep them from being complete.
    pub(crate) fn joined(&self) -> Duration {
        self.interval.min(Duration::from_secs(10))
    }

    /// So soon after it was started anew a node makes the first pass, if it can be made (guess).
    pub(crate) fn founded(&self) -> Duration {
        if self.eager { self.interval.min(Duration::from_millis(500)) } else { self.interval }
    }

    /// So soon after the last pass the next is made if others are there than it lists; sooner if
    /// those are most, since the fewer it lists the fewer may be lost. Guesses.
    pub(crate) fn changed(&self, most: bool) -> Duration {
        let soon = Duration::from_secs(if most { 5 } else { 60 });
        if self.eager { self.interval.min(soon) } else { self.interval }
    }

    /// What of it says how tombstones go.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy {
            tombstones: self.tombstones,
            fence: self.fence,
            keep_for: self.keep_for,
            retention: self.retention,
            keep_dormant: self.keep_dormant,
            doubted_after: match self.interval {
                Duration::ZERO => Self::default().interval,
                interval => interval,
            },
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::data::Digest;
    use crate::retain::pass::tests::pass;
    use std::sync::Arc;

    pub(crate) fn token(hop: u32, horizon: u64) -> Token {
        Token { pass: pass(horizon), hop, digest: Digest::default(), census: Arc::default() }
    }
}
