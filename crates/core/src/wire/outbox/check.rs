//! What holds of the outbox between turns.

use super::Outbox;
use crate::base::check::Depth;
use crate::stats::Stats;

impl Outbox {
    /// Checks that a turn has left nothing behind, and the budgets.
    pub(crate) fn check(&self, stats: &Stats, depth: Depth) {
        let (queues, places) = (self.queues.len(), self.places.len());
        assert_eq!((queues, places), (0, 0), "queues, and places of queues, after a turn");
        let turn = [self.asked.len(), self.repair.len(), self.exchanged.len()];
        assert_eq!(turn, [0; 3], "what was counted for one turn: asked, repair, exchanged");
        self.dialects.check();
        if !depth.is_glance() {
            self.paths.check();
            self.pieces.check();
        }
        self.proofs.check();
        self.budgets.check(stats, depth);
    }
}
