//! What holds of the way back between turns.

use super::{MAX_ASKED, Rejoin};
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Rejoin {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, now: Instant) {
        let latest = now.after(self.interval).after(self.interval / 4);
        let next = self.next;
        assert!(now < next && next <= latest, "it is {now:?}; the lost are tried at {next:?}");
        let asked = self.asked.len();
        assert!(asked <= MAX_ASKED, "{asked} strangers are remembered");
        let sorted = self.asked.iter().is_sorted_by_key(|(_, at)| *at);
        assert!(sorted, "strangers are not in the order in which they came");
        let since = self.asked.back().map(|(_, at)| *at);
        assert!(since.is_none_or(|since| since <= now), "a stranger came at {since:?}");
    }

    /// Everyone who is held dead, in the order of ids.
    pub(crate) fn dead(&self) -> impl Iterator<Item = NodeId> {
        self.dead.iter().copied()
    }
}
