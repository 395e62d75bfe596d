//! What holds of the account of exchanges between turns.

use super::{KEPT, KEPT_CALM, MAX_OPEN, Outcome, QUIET, Sessions};
use crate::base::check::Depth;
use crate::base::time::Instant;
use std::collections::BTreeSet;

impl Sessions {
    /// Checks what must hold after quiet exchanges were ended.
    pub(crate) fn check(&self, now: Instant, depth: Depth) {
        let [open, kept, calm] = [self.open.len(), self.kept.len(), self.calm.len()];
        let bounded = open <= MAX_OPEN && kept <= KEPT && calm <= KEPT_CALM;
        assert!(bounded, "{open} exchanges under way, {kept} and {calm} kept");
        for open in &self.open {
            let (to, begun, last) = (open.to, open.begun, open.last);
            assert!(begun <= last && last <= now, "with {to} from {begun:?} to {last:?}");
            let over = now.since(last) >= QUIET || open.outcome == Some(Outcome::Equal);
            assert!(!over, "the exchange with {to} has been over since {last:?}");
        }
        if depth.is_glance() {
            return;
        }
        let with: BTreeSet<_> = self.open.iter().map(|open| open.to).collect();
        assert_eq!(with.len(), open, "members that exchanges go on with, and exchanges");
        let ended: u64 = self.totals.iter().flat_map(|sums| sums.outcomes).sum();
        let listed = (kept + calm) as u64;
        assert!(listed <= ended, "{listed} exchanges are kept, {ended} have ended");
        let calm =
            |session: &super::Session| matches!(session.outcome, Outcome::Equal | Outcome::Quiet);
        let apart = self.calm.iter().all(calm) && !self.kept.iter().any(calm);
        assert!(apart, "exchanges that found nothing are not kept apart from the others");
    }
}
