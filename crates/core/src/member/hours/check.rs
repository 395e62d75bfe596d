//! What holds of the time between turns.

use super::{Hours, MAX_AHEAD, MAX_HEARD, WANTED};

impl Hours {
    /// Checks that what is kept is bounded and fits together.
    ///
    /// # Panics
    /// If not, saying what.
    pub(crate) fn check(&self) {
        assert!(self.heard.len() <= MAX_HEARD, "too many clocks are kept");
        assert!(self.asked.len() <= WANTED, "too many members are asked");
        assert!(self.ahead.len() <= MAX_AHEAD, "too many writers are remembered");
        assert!(!self.heard.contains_key(&self.own), "its own clock is no other's");
        assert!(self.off.is_none() || self.cluster.is_some(), "off from what nobody knows");
        assert!(self.cluster.is_none() || self.heard.len() > 1, "a median of fewer than three");
    }
}
