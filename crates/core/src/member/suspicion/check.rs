//! What holds of suspicions between turns: each ends, by a refutation or by a death.

use super::{MAX_CONFIRMATIONS, Suspicions};
use crate::base::id::NodeId;
use crate::base::time::Instant;

impl Suspicions {
    /// Checks what must hold after those whose time is over were taken out.
    pub(crate) fn check(&self, now: Instant) {
        let first = self.suspects.values().map(|suspect| suspect.until).min();
        assert_eq!(self.earliest, first, "when the first suspicion ends, as kept and as it is");
        let patience = Self::patience(&self.config, usize::MAX, 0);
        for (id, suspect) in &self.suspects {
            let (since, until) = (suspect.since, suspect.until);
            assert!(since <= now, "{id} is suspected from {since:?} on, and it is {now:?}");
            assert!(until > now, "the time of {id} was over at {until:?}, and it is {now:?}");
            let latest = since.after(patience);
            assert!(until <= latest, "{id} has from {since:?} until {until:?}, over {latest:?}");
            let confirmed = suspect.confirmations;
            assert!(confirmed <= MAX_CONFIRMATIONS, "{confirmed} confirmations for {id}");
        }
    }

    /// Everyone who is suspected, in the order of ids.
    pub(crate) fn suspects(&self) -> impl Iterator<Item = NodeId> {
        self.suspects.keys().copied()
    }
}
