//! When writes are forced to the disk.

use serde::{Deserialize, Serialize};

/// When writes are forced to the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fsync {
    /// Once a second: a killed process loses nothing, a power cut at most a second.
    #[default]
    Everysec,
    /// Before every acknowledgement.
    Always,
}
