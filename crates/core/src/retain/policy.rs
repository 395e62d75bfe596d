//! How tombstones and expired entries go.

use serde::{Deserialize, Serialize};
use std::time::Duration;

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

/// What the machines here are told of the settings of the section `ring`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How tombstones go.
    pub tombstones: Tombstones,
    /// False lets in what is below a horizon.
    pub fence: bool,
    /// How long tombstones are kept where they go by their age.
    pub keep_for: Duration,
    /// Members that keep each old one where they are dormant.
    pub retention: usize,
    /// How much longer those keep it.
    pub keep_dormant: Duration,
    /// Who was down for longer than this may be an old copy of a disk.
    pub doubted_after: Duration,
}

impl Policy {
    /// True if what is below a horizon is kept out.
    #[must_use]
    pub fn has_fence(&self) -> bool {
        self.fence && self.tombstones.is_fenced()
    }

    /// True if tombstones go by their age.
    #[must_use]
    pub fn goes_by_age(&self) -> bool {
        matches!(self.tombstones, Tombstones::Timed | Tombstones::Dormant)
    }

    /// True if a few members keep them for longer.
    #[must_use]
    pub fn has_dormant(&self) -> bool {
        self.tombstones == Tombstones::Dormant
    }
}
