//! What holds of the way back between turns.

use super::Rejoin;
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Rejoin {
    /// Checks what must hold after what is due was done.
    pub(crate) fn check(&self, now: Instant) {
        let latest = now.after(self.interval).after(self.interval / 4);
        let next = self.next;
        assert!(now < next && next <= latest, "it is {now:?}; the lost are tried at {next:?}");
        self.asked.check(now);
    }

    /// Everyone who is held dead, in the order of ids.
    pub(crate) fn dead(&self) -> impl Iterator<Item = NodeId> {
        self.dead.iter().copied()
    }
}
